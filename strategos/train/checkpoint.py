"""Checkpoints that survive anything: written beside, synced, renamed; checked by hash when read.

A checkpoint is a folder of safetensors, one file of engine records and `meta.json` with the hash of each
file, so it is either whole or not there. `kill -9` at any moment leaves the previous one in charge. Nothing
here is ever unpickled.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from strategos.durable import TEMPORARY, restore_folders, write_folder_atomically
from strategos.play.checkpoint_files import META_FILE, NewerFormatError, checked_bytes, pack_meta, read_meta
from strategos.play.policy import PolicyError

CHECKPOINTS_FOLDER = "checkpoints"
_STEP = re.compile(r"step-\d+")


class RunError(RuntimeError):
    """A run folder that cannot be used: why, and what to do."""


@dataclass
class Checkpoint:
    """A whole checkpoint in memory."""

    folder: Path
    meta: dict[str, Any]
    files: dict[str, bytes]


def save_checkpoint(run_dir: Path, samples: int, files: Mapping[str, bytes], meta: Mapping[str, Any]) -> Path:
    """Write `files` and `meta` as the checkpoint of `samples`; returns its folder once it is safe on disk."""
    folder = run_dir / CHECKPOINTS_FOLDER / f"step-{samples:012d}"
    hashes = {name: hashlib.sha256(content).hexdigest() for name, content in files.items()}
    whole = {**meta, "samples": samples, "files": hashes}
    write_folder_atomically(folder, {**files, META_FILE: pack_meta(whole)})
    return folder


def checkpoint_folders(run_dir: Path) -> list[Path]:
    """The checkpoints of a run, oldest first; whatever else lies there is none."""
    found = (run_dir / CHECKPOINTS_FOLDER).glob("step-*")
    return sorted((path for path in found if _STEP.fullmatch(path.name)), key=samples_of)


def samples_of(folder: Path) -> int:
    """The samples after which a checkpoint was made, as its name says."""
    return int(folder.name.rpartition("-")[2])


def load_newest(run_dir: Path) -> tuple[Checkpoint | None, list[str]]:
    """The newest whole checkpoint, and a line about each damaged one that was passed over.

    Damaged ones are renamed, so that nothing takes them for the newest again; one that a killed writer was
    replacing comes back. Only for whoever holds `run_lock`. `None` where the run has no checkpoint yet.
    Raises `RunError` where all are damaged, naming each, and where a newer version wrote the newest.
    """
    restore_folders(run_dir / CHECKPOINTS_FOLDER)
    folders = checkpoint_folders(run_dir)
    problems: list[str] = []
    damaged: list[Path] = []
    for folder in reversed(folders):
        try:
            meta = read_meta(folder)
            files = {name: checked_bytes(folder, name, meta) for name in meta["files"]}
            for other in damaged:
                other.rename(other.with_name(f"damaged-{other.name}"))
            return Checkpoint(folder, meta, files), problems
        except NewerFormatError as error:
            raise RunError(str(error)) from None  # going back would take its place
        except PolicyError as error:
            damaged.append(folder)
            problems.append(f"{error.args[0].split(';')[0]}; going back to the one before")
    if folders:
        each = "; ".join(problem.split(";")[0] for problem in problems)
        raise RunError(
            f"every checkpoint in {run_dir / CHECKPOINTS_FOLDER} is damaged: {each}; "
            "restore one from a copy, or remove the folder to begin anew"
        )
    return None, problems


def mark_best(run_dir: Path, folder: Path) -> None:
    """Point `best` in the run folder at a checkpoint."""
    temporary = run_dir / f"{TEMPORARY}link-to-best"
    with contextlib.suppress(FileNotFoundError):
        temporary.unlink()
    try:
        temporary.symlink_to(folder.relative_to(run_dir), target_is_directory=True)
        os.replace(temporary, run_dir / "best")
    except OSError:
        if (run_dir / "best").is_symlink():  # links can be made here: the disk refuses, and the old one stays
            raise
        # No links on this file system: a copy does, which takes the place of the old one when it is whole.
        write_folder_atomically(run_dir / "best", {path.name: path.read_bytes() for path in folder.iterdir()})


def prune(run_dir: Path, kept: int) -> None:
    """Remove all but the newest `kept` checkpoints and the best; clear what a killed writer left."""
    best = (run_dir / "best").resolve()
    for folder in checkpoint_folders(run_dir)[: -max(kept, 1)]:
        if folder.resolve() != best:
            shutil.rmtree(folder, ignore_errors=True)
    for leftover in (run_dir / CHECKPOINTS_FOLDER).glob(f"{TEMPORARY}*"):
        shutil.rmtree(leftover, ignore_errors=True)


@contextlib.contextmanager
def run_lock(run_dir: Path) -> Iterator[None]:
    """Hold a run folder for one learner; `RunError` if another one has it.

    The lock belongs to the process: it falls when the process dies, however it dies.
    """
    try:
        run_dir.mkdir(parents=True, exist_ok=True)
        (run_dir / "lock").touch()
    except OSError as error:
        raise RunError(f"{run_dir} cannot be a run folder: {error.strerror}; choose another --run") from None
    try:
        import fcntl
    except ImportError:  # Windows: no advisory locks of this kind, so no protection either
        yield
        return
    with open(run_dir / "lock", "a+", encoding="utf-8") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            holder = file.read().strip() or "unknown"
            raise RunError(
                f"{run_dir} is in use by another training process (number {holder}); "
                "wait for it, stop it, or choose another run folder"
            ) from None
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        yield
