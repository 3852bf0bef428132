"""Checkpoints on disks that refuse, and read while others are written: B4 to B8, B13, B16."""

from __future__ import annotations

import errno
import io
import os
import threading
from pathlib import Path

import pytest
from read_only import read_only
from small_runs import assert_same_state, save_small, small_config, straight_run

from strategos import durable
from strategos.commands.arguments import InputError
from strategos.commands.train import refusals
from strategos.play.agents import find_checkpoint
from strategos.play.checkpoint_files import checked_bytes, read_meta
from strategos.play.policy import PolicyError
from strategos.train import loop
from strategos.train.checkpoint import (
    RunError,
    checkpoint_folders,
    load_newest,
    mark_best,
    prune,
    run_lock,
)


class Disk(io.FileIO):
    """A file that takes a few bytes at a time, and after `room` of them refuses with `refusal`."""

    room, refusal = 1 << 30, errno.ENOSPC

    def write(self, data) -> int:
        if self.tell() >= self.room:
            raise OSError(self.refusal, os.strerror(self.refusal))
        return super().write(bytes(data)[: min(3, self.room - self.tell())])


def on(disk: type[Disk], monkeypatch) -> None:
    """Let files be written to such a disk."""
    monkeypatch.setattr(
        durable, "open", lambda path, mode: io.BufferedWriter(disk(path, mode)), raising=False
    )


def test_b5_writes_that_take_a_part_are_gone_on_with(tmp_path, monkeypatch):
    on(Disk, monkeypatch)
    save_small(tmp_path, 1, b"weights" * 1000)
    found, problems = load_newest(tmp_path)
    assert found is not None and problems == [] and found.files["ema.safetensors"] == b"weights" * 1000


def require_the_previous_one(run: Path) -> None:
    """The checkpoint of sample 1 is the newest, and the next one can be saved."""
    found, problems = load_newest(run)
    assert found is not None and problems == [] and found.meta["samples"] == 1
    assert found.files["ema.safetensors"] == b"first"
    save_small(run, 3, b"third")
    prune(run, 2)
    assert [folder.name[-1] for folder in (run / "checkpoints").iterdir()] in (["1", "3"], ["3", "1"])


@pytest.mark.parametrize("room", [0, 5])
@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT], ids=["full", "quota"])
def test_b4_b8_on_a_full_disk_and_past_a_quota_the_previous_one_stays(tmp_path, monkeypatch, number, room):
    save_small(tmp_path, 1, b"first")
    with monkeypatch.context() as patch:
        on(type("Full", (Disk,), {"room": room, "refusal": number}), patch)
        with pytest.raises(OSError) as refused:
            save_small(tmp_path, 2)
    assert refused.value.errno == number
    require_the_previous_one(tmp_path)


def failing(monkeypatch, name: str, fatal: int, number: int) -> None:
    """Let the call of that number (from 0) of a function of `os` fail, and those after it."""
    real, calls = getattr(os, name), iter(range(1000))

    def call(*arguments, **options):
        if next(calls) >= fatal:
            raise OSError(number, os.strerror(number))
        return real(*arguments, **options)

    monkeypatch.setattr(os, name, call)


@pytest.mark.parametrize("fatal", range(5))
def test_b6_what_the_disk_did_not_confirm_is_not_saved(tmp_path, monkeypatch, fatal):
    """Two files, their list, their folder, and the folder around it, which is told last."""
    save_small(tmp_path, 1, b"first")
    with monkeypatch.context() as patch:
        failing(patch, "fsync", fatal, errno.EIO)
        with pytest.raises(OSError, match="Input/output error"):
            save_small(tmp_path, 2)
    if fatal < 4:
        require_the_previous_one(tmp_path)
    else:  # it is there under its name, and may not be after a loss of power
        assert [folder.name[-1] for folder in checkpoint_folders(tmp_path)] == ["1", "2"]


@pytest.mark.parametrize("samples, fatal", [(2, 0), (1, 0), (1, 1)])
def test_b13_a_rename_across_file_systems_is_an_error_and_no_copy(tmp_path, monkeypatch, samples, fatal):
    """A new checkpoint takes one rename, one in the place of another takes two."""
    save_small(tmp_path, 1, b"first")
    with monkeypatch.context() as patch:
        failing(patch, "rename", fatal, errno.EXDEV)
        with pytest.raises(OSError, match="cross-device"):
            save_small(tmp_path, samples)
    require_the_previous_one(tmp_path)


def weights_of(folder: Path) -> bytes:
    return checked_bytes(folder, "ema.safetensors", read_meta(folder))


def test_b13_without_links_the_best_is_a_copy_that_is_whole_or_the_old_one(tmp_path, monkeypatch):
    first, second = save_small(tmp_path, 1, b"first"), save_small(tmp_path, 2, b"second")

    def no_links(*_, **__):
        raise OSError(errno.EPERM, "no links here")

    monkeypatch.setattr(Path, "symlink_to", no_links)
    mark_best(tmp_path, first)
    assert not (tmp_path / "best").is_symlink() and find_checkpoint(tmp_path) == tmp_path / "best"
    with monkeypatch.context() as patch:
        on(type("Full", (Disk,), {"room": 4}), patch)
        with pytest.raises(OSError, match="No space left"):
            mark_best(tmp_path, second)
    assert weights_of(tmp_path / "best") == b"first"
    mark_best(tmp_path, second)
    assert weights_of(tmp_path / "best") == b"second"


def test_b4_the_link_to_the_best_stays_where_the_disk_takes_no_other(tmp_path, monkeypatch):
    mark_best(tmp_path, save_small(tmp_path, 1))
    failing(monkeypatch, "replace", 0, errno.ENOSPC)
    with pytest.raises(OSError, match="No space left"):
        mark_best(tmp_path, save_small(tmp_path, 2))
    assert (tmp_path / "best").resolve().name.endswith("1")


@pytest.mark.parametrize("what", ["full", "quota", "fsync"])
def test_b4_b6_b8_a_run_that_cannot_save_says_so_and_goes_on_later(tmp_path_factory, tmp_path, what):
    run = tmp_path / "run"

    def refuse(patch: pytest.MonkeyPatch) -> None:
        if what == "fsync":
            failing(patch, "fsync", 0, errno.EIO)
        else:
            number = errno.ENOSPC if what == "full" else errno.EDQUOT
            on(type("Full", (Disk,), {"room": 9, "refusal": number}), patch)

    with pytest.MonkeyPatch.context() as patch:
        real, calls = loop.save_checkpoint, iter(range(100))

        def save_on_a_bad_disk(*arguments) -> Path:
            if next(calls) == 2:
                refuse(patch)
            return real(*arguments)

        patch.setattr(loop, "save_checkpoint", save_on_a_bad_disk)
        said = {"full": "No space left", "quota": "quota exceeded", "fsync": "Input/output error"}[what]
        with pytest.raises(InputError, match=f"{said}.*goes on from the last checkpoint"), refusals(run):
            loop.train(small_config("ppo"), run, quiet=True)
    assert len(checkpoint_folders(run)) == 2
    assert loop.train(small_config("ppo"), run, quiet=True).ended == "finished"
    assert_same_state(straight_run("ppo", tmp_path_factory.getbasetemp()), run)


def test_b7_a_folder_that_is_read_only(tmp_path, monkeypatch):
    save_small(tmp_path, 1, b"first")
    monkeypatch.chdir(tmp_path)
    with read_only(Path()), read_only(Path("checkpoints")):
        refused = "run cannot be a run folder: Permission denied; choose another"
        with pytest.raises(RunError, match=refused), run_lock(Path("run")):
            pass
        with pytest.raises(PermissionError):
            save_small(Path(), 2)
        found, problems = load_newest(Path())
        assert found is not None and found.files["ema.safetensors"] == b"first" and problems == []
    require_the_previous_one(tmp_path)


def test_b16_a_reader_meanwhile_reads_one_checkpoint_whole_or_is_told_that_it_is_gone(tmp_path):
    """Never the files of two, and never a part of one."""
    save_small(tmp_path, 1, b"1")
    stop = threading.Event()
    read: set[int] = set()
    refused: list[str] = []

    def read_on() -> None:
        while not stop.is_set():
            try:
                folder = find_checkpoint(f"{tmp_path}@latest")
                meta = read_meta(folder)
                assert checked_bytes(folder, "ema.safetensors", meta) == str(meta["samples"]).encode()
                read.add(meta["samples"])
            except PolicyError as error:
                refused.append(str(error))
            except BaseException as error:
                refused.append(repr(error))
                raise

    reader = threading.Thread(target=read_on, daemon=True)
    reader.start()
    samples = 1
    while samples < 60 or (len(read) < 5 and samples < 5000 and reader.is_alive()):
        samples += 1
        save_small(tmp_path, samples, str(samples).encode())
        prune(tmp_path, 1)
    stop.set()
    reader.join(60)
    assert len(read) >= 5 and all("No such file" in each for each in refused), refused


def test_b16_a_reader_between_two_files_of_what_is_pruned(tmp_path):
    old = save_small(tmp_path, 1)
    meta = read_meta(old)
    save_small(tmp_path, 2)
    prune(tmp_path, 1)
    with pytest.raises(PolicyError, match=r"ema\.safetensors cannot be read: No such file"):
        checked_bytes(old, "ema.safetensors", meta)
