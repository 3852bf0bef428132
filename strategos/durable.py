"""Files and folders that are whole or not there: written beside, synced, renamed. `kill -9` at any moment
leaves what was there before."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from pathlib import Path

TEMPORARY = ".writing-"
"""Begins the name of what is not finished yet."""
_REPLACED = f"{TEMPORARY}replaced-"
"""Begins the name of a folder while another one takes its place."""


def write_atomically(path: Path, content: bytes, *, private: bool = False) -> None:
    """Replace one file, all or nothing; nobody but its owner may read a `private` one, not for a moment."""
    temporary = path.with_name(f"{TEMPORARY}{path.name}")
    if private:
        temporary.unlink(missing_ok=True)
        os.close(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
    _write_synced(temporary, content)
    os.replace(temporary, path)
    sync_folder(path.parent)


def write_folder_atomically(folder: Path, files: Mapping[str, bytes]) -> None:
    """Write a folder with `files` in it, in place of the one that may be there.

    Two folders cannot be exchanged by one rename: a kill between the two leaves the old one under another
    name, which `restore_folders` gives back.
    """
    parent = folder.parent
    parent.mkdir(parents=True, exist_ok=True)
    temporary, replaced = parent / f"{TEMPORARY}{folder.name}", parent / f"{_REPLACED}{folder.name}"
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir()
    for name, content in files.items():
        _write_synced(temporary / name, content)
    sync_folder(temporary)
    if folder.exists():
        shutil.rmtree(replaced, ignore_errors=True)
        os.rename(folder, replaced)
    os.rename(temporary, folder)
    sync_folder(parent)
    shutil.rmtree(replaced, ignore_errors=True)


def restore_folders(parent: Path) -> None:
    """Give folders in `parent` their names back whose writer was killed while it replaced them.

    For whoever writes there, or knows that nobody does.
    """
    for replaced in parent.glob(f"{_REPLACED}*"):
        folder = parent / replaced.name.removeprefix(_REPLACED)
        if not folder.exists():
            os.rename(replaced, folder)


def _write_synced(path: Path, content: bytes) -> None:
    with open(path, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def sync_folder(folder: Path) -> None:
    """Wait until the names in `folder` are on the disk."""
    if os.name == "nt":
        return  # folders cannot be opened there
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
