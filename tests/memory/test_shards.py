"""Shards on disk: whole or not there, whatever is killed; numbered, checked, pruned. (TRAPS 33.)"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import pytest
from examples import EXAMPLE, examples

from strategos.memory.shards import ShardError, Shards, describe, pack, unpack


def numbers(shards: Shards, first: int | None = None) -> list[int]:
    """Those of the stored examples, from `first` on or from the oldest."""
    first = min((start for start, _ in shards.spans), default=0) if first is None else first
    found = [number for piece in shards.read(first, shards.end) for number in piece["number"].tolist()]
    assert found == list(range(first, shards.end))
    return found


def filled(folder: Path, *counts: int) -> Shards:
    shards = Shards(folder, EXAMPLE)
    for count in counts:
        shards.append(examples(shards.end, count))
    return shards


def test_what_was_appended_is_read_again(tmp_path):
    shards = filled(tmp_path, 5, 1, 7)
    assert shards.spans == [(0, 5), (5, 6), (6, 13)] and shards.end == 13
    assert numbers(shards) == list(range(13))
    assert next(shards.read(0, 13)).tobytes() == examples(0, 5).tobytes()
    for first in (0, 4, 5, 6, 7, 12, 13):
        assert numbers(shards, first) == list(range(first, 13))
    assert [len(piece) for piece in shards.read(3, 8)] == [2, 1, 2]
    assert shards.append(examples(13, 0)) is None and shards.end == 13
    assert numbers(Shards(tmp_path / "none", EXAMPLE)) == []


def test_b9_nothing_is_read_across_a_gap(tmp_path):
    """Nor where a file is missing, which is the same."""
    shards = filled(tmp_path, 5)
    shards.append(examples(9, 4), 9)
    assert numbers(shards, 9) == [9, 10, 11, 12]
    with pytest.raises(ShardError, match="lacks the examples 5 to 9"):
        list(shards.read(3, 10))
    with pytest.raises(ValueError, match=r"truncate\(12\)"):
        shards.append(examples(12, 2), 12)
    with pytest.raises(ValueError, match="not of the dtype"):
        shards.append(np.zeros(2))


@pytest.mark.parametrize("end", [0, 3, 5, 6, 9, 13, 20])
def test_truncating_forgets_the_future(tmp_path, end):
    shards = filled(tmp_path, 5, 1, 7)
    shards.truncate(end)
    assert numbers(shards) == list(range(min(end, 13)))
    shards.append(examples(shards.end, 4))
    assert numbers(shards) == list(range(min(end, 13) + 4))


def test_b10_pruning_keeps_what_may_be_needed_and_files_that_are_none_of_ours(tmp_path):
    shards = filled(tmp_path, 5, 1, 7)
    (tmp_path / ".writing-examples").write_bytes(b"half")
    others = [tmp_path / name for name in ("notes.txt", "examples-1-2.safetensors")]
    for other in others:
        other.write_text("mine")
    shards.prune(4)
    assert shards.spans == [(0, 5), (5, 6), (6, 13)]
    assert not list(tmp_path.glob(".writing-*"))
    shards.prune(6)
    assert shards.spans == [(6, 13)] and numbers(shards) == list(range(6, 13))
    assert all(other.read_text() == "mine" for other in others)


def test_b16_a_reader_of_what_is_pruned_meanwhile_is_told_which_file_is_gone(tmp_path):
    shards = filled(tmp_path, 5, 6)
    reading = shards.read(0, 11)
    assert next(reading)["number"].tolist() == list(range(5))
    Shards(tmp_path, EXAMPLE).prune(11)
    with pytest.raises(
        ShardError, match=r"examples-000000000005-000000000011.* cannot be read: No such file"
    ):
        next(reading)


def test_b1_b2_damage_is_found_and_named(tmp_path):
    shards = filled(tmp_path, 5, 6)
    path = tmp_path / "examples-000000000005-000000000011.safetensors"
    whole = path.read_bytes()
    for place in (2, 30, len(whole) // 2, len(whole) - 3):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 4]) + whole[place + 1 :])
        with pytest.raises(ShardError, match=f"{path} is (damaged|cut short).*restore it from a copy"):
            list(shards.read(8, 11))
    path.write_bytes(whole[:-4])
    with pytest.raises(ShardError, match="cut short"):
        list(shards.read(8, 11))
    path.write_bytes(whole)
    with pytest.raises(ShardError, match="field 'number' is <i8 at 0 there and <f8 at 0 here"):
        list(Shards(tmp_path, np.dtype([("number", "f8")])).read(8, 11))
    path.rename(tmp_path / "examples-000000000005-000000000012.safetensors")
    with pytest.raises(ShardError, match="was renamed"):
        list(shards.read(8, 12))


def test_b2_every_flipped_bit_of_a_packed_file_is_found():
    content = pack({"a": 1}, {"x": np.arange(3, dtype=np.int16), "empty": np.zeros(0)})
    assert unpack(content, "it")[0] == {"a": 1}
    assert unpack(content, "it")[1]["x"].tolist() == [0, 1, 2]
    assert pack({"a": 1}, {"x": np.arange(3, dtype=np.int16), "empty": np.zeros(0)}) == content
    for place in range(len(content)):
        for bit in (1, 128):
            damaged = content[:place] + bytes([content[place] ^ bit]) + content[place + 1 :]
            try:
                meta, arrays = unpack(damaged, "it")
            except ShardError:
                continue
            # What is left is the white space that pads the header: nothing that anybody reads.
            assert meta == {"a": 1} and arrays["x"].tolist() == [0, 1, 2]


def test_a_dtype_is_described_to_the_last_field():
    inner = np.dtype([("hand", "i8"), ("bids", "i1", (4,))])
    outer = np.dtype([("view", inner), ("pair", inner, (2,)), ("policy", "f4", (70,))])
    assert describe(outer) == {
        "": "316 bytes",
        "view.hand": "<i8 at 0",
        "view.bids": "|i1[4] at 8",
        "pair[2].hand": "<i8 at 12",
        "pair[2].bids": "|i1[4] at 20",
        "policy": "<f4[70] at 36",
    }


KILLED = """
    import os, signal, sys
    from pathlib import Path
    sys.path.insert(0, sys.argv[2])
    from examples import EXAMPLE, examples
    from strategos.memory.shards import Shards

    def deadly(name, fatal):
        real, calls = getattr(os, name), [0]
        def call(*arguments, **options):
            calls[0] += 1
            if calls[0] == fatal:
                os.kill(os.getpid(), signal.SIGKILL)
            return real(*arguments, **options)
        setattr(os, name, call)

    def change(shards):
        shards.append(examples(13, 8))
        shards.truncate(18)  # rewrites the shard that was just added
        shards.prune(6)

    def deaths():
        for name in ("fsync", "replace", "unlink", "open"):
            for fatal in range(1, 7):
                yield name, fatal

    for number, (name, fatal) in enumerate(deaths()):
        shards = Shards(Path(sys.argv[1]) / str(number), EXAMPLE)
        for count in (5, 1, 7):
            shards.append(examples(shards.end, count))
        child = os.fork()
        if child == 0:
            deadly(name, fatal)
            change(shards)
            os._exit(0)
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_kill_9_at_any_moment_leaves_whole_shards(tmp_path):
    """Killed at each sync, rename, removal and opening in turn: what is there is whole and goes on."""
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(KILLED), str(tmp_path), str(Path(__file__).parent)],
        capture_output=True,
        text=True,
        check=True,
    )
    codes = [int(line) for line in done.stdout.split()]
    assert set(codes) == {0, -signal.SIGKILL} and codes.count(-signal.SIGKILL) >= 6
    ends = set()
    for number, code in enumerate(codes):
        shards = Shards(tmp_path / str(number), EXAMPLE)
        found = numbers(shards)  # no shard is damaged, whatever happened
        assert found and shards.end in (13, 21, 18)
        ends.add(shards.end)
        shards.truncate(13)  # the checkpoint that counts is the one before
        shards.prune(0)
        assert not list(shards.folder.glob(".*"))
        assert numbers(shards)[-1] == 12
        shards.append(examples(13, 3))
        assert numbers(shards)[-1] == 15
        if code == 0:
            assert shards.spans[0] == (6, 13)
    assert ends == {13, 21, 18}
