"""Checkpoints: whole or not there, whatever happens; one learner a folder."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import textwrap

import pytest
from small_runs import save_small

from strategos.durable import TEMPORARY, write_atomically
from strategos.play import checkpoint_files
from strategos.play.checkpoint_files import read_meta
from strategos.play.policy import PolicyError
from strategos.train.checkpoint import (
    RunError,
    checkpoint_folders,
    load_newest,
    mark_best,
    prune,
    run_lock,
)


def test_b15_ten_thousand_generations_are_pruned_to_those_that_are_kept(tmp_path):
    folders = [tmp_path / "checkpoints" / f"step-{step:012d}" for step in range(10_000)]
    for folder in folders:
        folder.mkdir(parents=True)
        (folder / "meta.json").write_text("{}")
    (tmp_path / "checkpoints" / f"{TEMPORARY}step-3").mkdir()
    mark_best(tmp_path, folders[7])
    prune(tmp_path, 3)
    assert sorted((tmp_path / "checkpoints").iterdir()) == [folders[7], *folders[-3:]]


def test_what_was_saved_is_loaded(tmp_path):
    save_small(tmp_path, 9)
    save_small(tmp_path, 10, b"newer")
    found, problems = load_newest(tmp_path)
    assert found is not None and problems == []
    assert found.files == {"ema.safetensors": b"newer", "other": b"1"} and found.meta["samples"] == 10


def test_a_folder_without_checkpoints(tmp_path):
    assert load_newest(tmp_path) == (None, [])


@pytest.mark.parametrize("damage", ["flip", "cut", "missing", "meta", "meta_missing"])
def test_b1_b2_b9_a_damaged_one_is_passed_over_and_named(tmp_path, damage):
    save_small(tmp_path, 1)
    newest = save_small(tmp_path, 2)
    weights = newest / "ema.safetensors"
    if damage == "flip":
        weights.write_bytes(b"wEights")
    elif damage == "cut":
        weights.write_bytes(b"wei")
    elif damage == "missing":
        weights.unlink()
    elif damage == "meta":
        (newest / "meta.json").write_text("{")
    else:
        (newest / "meta.json").unlink()
    found, problems = load_newest(tmp_path)
    assert found is not None and found.meta["samples"] == 1
    assert len(problems) == 1 and str(newest) in problems[0] and "the one before" in problems[0]


def test_b2_of_what_a_checkpoint_says_about_itself_no_bit_may_change(tmp_path):
    file = save_small(tmp_path, 12) / "meta.json"
    told, content = read_meta(file.parent), file.read_bytes()
    for place in range(len(content)):
        for bit in (1, 4, 64, 128):
            file.write_bytes(content[:place] + bytes([content[place] ^ bit]) + content[place + 1 :])
            try:
                found = read_meta(file.parent)
            except PolicyError as error:
                assert str(file) in str(error)
            else:  # white space, or the name of the hash itself: all that it seals is as it was
                assert {name: found[name] for name in told} == told


def test_b3_where_all_are_damaged_each_is_named(tmp_path):
    folders = [save_small(tmp_path, samples) for samples in (1, 2, 3)]
    (folders[0] / "ema.safetensors").write_bytes(b"")
    (folders[1] / "other").unlink()
    (folders[2] / "meta.json").write_text("{")
    with pytest.raises(RunError, match=r"every checkpoint .* restore one from a copy, or remove") as refused:
        load_newest(tmp_path)
    for file in (folders[0] / "ema.safetensors", folders[1] / "other", folders[2] / "meta.json"):
        assert str(file) in str(refused.value)
    assert checkpoint_folders(tmp_path) == folders  # nothing was renamed: somebody may repair them


def test_b10_what_is_no_checkpoint_is_left_alone(tmp_path):
    for samples in (1, 2, 3):
        (save_small(tmp_path, samples) / "notes.txt").write_text("mine")
    others = [tmp_path / "checkpoints" / name for name in ("step-notes", "step-000000000002.zip", "README")]
    for other in others:
        other.mkdir()
    prune(tmp_path, 2)
    assert [folder.name[-1] for folder in checkpoint_folders(tmp_path)] == ["2", "3"]
    found, problems = load_newest(tmp_path)
    assert found is not None and problems == [] and found.meta["samples"] == 3
    assert sorted(found.files) == ["ema.safetensors", "other"]
    assert all(other.is_dir() for other in others)


def test_b11_a_checkpoint_of_a_newer_version_is_refused_and_not_taken_for_damaged(tmp_path, monkeypatch):
    save_small(tmp_path, 1)
    with monkeypatch.context() as patch:
        patch.setattr(checkpoint_files, "META_FORMAT", 2)
        newest = save_small(tmp_path, 2)
    newer = "was written by a newer Strategos .format 2, this one reads 1."
    with pytest.raises(RunError, match=newer):
        load_newest(tmp_path)
    with pytest.raises(PolicyError, match=newer):
        read_meta(newest)
    assert newest in checkpoint_folders(tmp_path)


def test_b12_a_checkpoint_from_before_formats_had_numbers_is_read(tmp_path):
    """Its list has neither a number nor a hash of itself."""
    file = save_small(tmp_path, 1, b"old") / "meta.json"
    told = json.loads(file.read_text())
    file.write_text(json.dumps({name: told[name] for name in ("network", "samples", "files")}))
    found, problems = load_newest(tmp_path)
    assert found is not None and problems == []
    assert found.files["ema.safetensors"] == b"old" and found.meta["samples"] == 1


def test_b14_the_newest_is_that_of_the_most_samples_whatever_a_clock_said(tmp_path):
    for samples in (999, 2000, 10**12):
        folder = save_small(tmp_path, samples)
        os.utime(folder, (2e9 - samples / 1e3, 2e9 - samples / 1e3))
    assert [int(folder.name[5:]) for folder in checkpoint_folders(tmp_path)] == [999, 2000, 10**12]
    found, _ = load_newest(tmp_path)
    assert found is not None and found.meta["samples"] == 10**12
    prune(tmp_path, 1)
    assert checkpoint_folders(tmp_path) == [found.folder]


def test_the_best_and_the_newest_are_kept(tmp_path):
    for samples in range(1, 7):
        folder = save_small(tmp_path, samples)
        if samples == 2:
            mark_best(tmp_path, folder)
        prune(tmp_path, 2)
    assert [int(folder.name[5:]) for folder in checkpoint_folders(tmp_path)] == [2, 5, 6]
    assert (tmp_path / "best" / "ema.safetensors").read_bytes() == b"weights"


WRITER = """
    import os, signal, sys
    from pathlib import Path
    from strategos.train import checkpoint

    run, deadly, samples = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
    calls = 0
    def dying(name, real):
        def call(*arguments, **options):
            global calls
            calls += 1
            if calls == deadly:
                os.kill(os.getpid(), signal.SIGKILL)
            return real(*arguments, **options)
        return call
    for name in ("fsync", "rename"):
        setattr(os, name, dying(name, getattr(os, name)))
    checkpoint.save_checkpoint(run, samples, {"ema.safetensors": b"second", "other": b"2"}, {"network": {}})
    print("survived")
"""


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="no SIGKILL here")
@pytest.mark.parametrize("samples", [2, 1], ids=["a later one", "the same moment again"])
def test_kill_9_while_writing_keeps_the_previous_one(tmp_path, samples):
    """Trap 33: killed at each sync and at the renames in turn, until the writer lives."""
    outcomes: list[bytes] = []
    for deadly in range(1, 12):
        run = tmp_path / str(deadly)
        save_small(run, 1, b"first")
        done = subprocess.run(
            [sys.executable, "-c", textwrap.dedent(WRITER), str(run), str(deadly), str(samples)],
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode in (0, -signal.SIGKILL), done.stderr
        found, problems = load_newest(run)
        assert found is not None and problems == []
        assert found.meta["samples"] == (samples if found.files["other"] == b"2" else 1)
        outcomes.append(found.files["ema.safetensors"])
        prune(run, 3)
        assert not list((run / "checkpoints").glob(".*"))
        if done.returncode == 0:
            break
    changed = outcomes.index(b"second")
    assert changed > 0 and set(outcomes[:changed]) == {b"first"} and set(outcomes[changed:]) == {b"second"}
    assert "survived" in done.stdout


def test_two_learners_cannot_share_a_run(tmp_path):
    pytest.importorskip("fcntl")
    with run_lock(tmp_path), pytest.raises(RunError, match=f"number {os.getpid()}"), run_lock(tmp_path):
        pass
    with run_lock(tmp_path):  # and it is free again
        pass


def test_a_private_file_is_its_owners_alone(tmp_path):
    file = tmp_path / "key"
    for content in (b"one", b"two"):
        write_atomically(file, content, private=True)
        assert file.read_bytes() == content and file.stat().st_mode & 0o077 == 0
    assert [path.name for path in tmp_path.iterdir()] == ["key"]
