"""The ring: the newest examples and no others, fair draws, priorities, exact continuation."""

from __future__ import annotations

import os
from collections import namedtuple

import numpy as np
import pytest
from examples import EXAMPLE, examples
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import chisquare

from strategos.memory.ring import Ring
from strategos.memory.shards import ShardError, Shards


def same(one: np.ndarray, two: np.ndarray) -> bool:
    """Equal to the last byte, those without a name included."""
    return one.dtype == two.dtype and one.tobytes() == two.tobytes()


@given(
    capacity=st.integers(1, 12),
    batches=st.lists(st.integers(0, 30), max_size=8),
    mapped=st.booleans(),
)
def test_it_holds_the_newest_in_order(capacity, batches, mapped, tmp_path_factory):
    ring = Ring(EXAMPLE, capacity, tmp_path_factory.mktemp("ring") if mapped else None)
    everything = np.zeros(0, EXAMPLE)
    for count in batches:
        new = examples(len(everything), count)
        numbers = ring.append(new)
        assert numbers.tolist() == list(range(len(everything), len(everything) + count))
        everything = np.concatenate([everything, new])
        held = everything[-capacity:] if len(everything) else everything
        assert (ring.written, len(ring)) == (len(everything), len(held))
        assert same(ring.since(0), held) and same(ring.since(ring.oldest + 2), held[2:])
        assert ring.column("number").tolist() == held["number"].tolist()
        assert ring.size_bytes == held.nbytes
        assert same(ring.take(held["number"][::-1]), held[::-1])
        for gone in (ring.oldest - 1, ring.written):
            with pytest.raises(ValueError, match="only"):
                ring.take(np.array([gone]))


def test_what_is_drawn_is_a_copy_of_what_was_written(tmp_path):
    ring = Ring(EXAMPLE, 50)
    ring.append(examples(0, 73))
    sample = ring.sample(np.random.default_rng(1), 40)
    assert sample.examples["number"].tolist() == sample.numbers.tolist()
    assert (sample.weights == 1).all()
    sample.examples["value"] = 9
    assert same(ring.since(0), examples(0, 73)[23:])


def test_uniform_draws_are_uniform_and_without_replacement_are_different():
    ring, rng = Ring(EXAMPLE, 40), np.random.default_rng(2)
    ring.append(examples(0, 65))
    numbers = ring.sample(rng, 40_000).numbers
    assert set(numbers.tolist()) == set(range(25, 65))
    assert 1e-4 < chisquare(np.bincount(numbers - 25)).pvalue < 1 - 1e-4
    counts = np.zeros(40)
    for _ in range(2000):
        numbers = ring.sample(rng, 10, replace=False).numbers
        assert len(set(numbers.tolist())) == 10
        counts[numbers - 25] += 1
    assert chisquare(counts).pvalue > 1e-4
    assert sorted(ring.sample(rng, 40, replace=False).numbers.tolist()) == list(range(25, 65))


def test_it_counts_how_often_and_how_old():
    ring, rng = Ring(EXAMPLE, 10), np.random.default_rng(3)
    ring.append(examples(0, 8))
    first = ring.sample(rng, 100).numbers
    assert ring.drawn.tolist() == np.bincount(first, minlength=8).tolist()
    assert (ring.draws, ring.draw_ages) == (100, int((7 - first).sum()))
    ring.append(examples(8, 5))  # 0, 1 and 2 are replaced
    assert ring.drawn.tolist() == np.bincount(first, minlength=13)[3:].tolist()


def test_frequencies_are_p_to_the_alpha():
    """Trap 14: chi-square on 10^6 draws, one at a time and stratified, through a ring that has wrapped."""
    rng, alpha = np.random.default_rng(4), 0.6
    ring = Ring(EXAMPLE, 100, alpha=alpha)
    ring.append(examples(0, 130))
    priorities = np.exp(rng.normal(size=100))
    priorities[::9] = 0
    ring.update_priorities(np.arange(30, 130), priorities)
    leaves = np.where(priorities > 0, priorities**alpha, 0)
    some, probability = priorities > 0, leaves / leaves.sum()
    counts = np.zeros(100)
    for _ in range(100):
        sample = ring.sample_by_priority(rng, 10_000, beta=0.4, stratified=False)
        assert (sample.examples["number"] == sample.numbers).all()
        counts += np.bincount(sample.numbers - 30, minlength=100)
    assert (counts[~some] == 0).all()
    assert 1e-4 < chisquare(counts[some], probability[some] * 1e6).pvalue < 1 - 1e-4
    unequal = chisquare(counts[some], np.full(some.sum(), 1e6 / some.sum())).pvalue
    assert unequal < 1e-9  # the test above can fail
    evenly = np.bincount(ring.sample_by_priority(rng, 100_000, beta=0).numbers - 30, minlength=100)
    assert (np.abs(evenly - probability * 100_000) <= 2).all()


@pytest.mark.parametrize("beta", [0.0, 0.4, 1.0])
def test_weights_undo_the_priorities(beta):
    ring, rng = Ring(EXAMPLE, 64, alpha=0.7), np.random.default_rng(5)
    priorities = rng.random(50) + 0.01
    ring.append(examples(0, 50), priorities)
    sample = ring.sample_by_priority(rng, 500, beta=beta)
    probability = priorities**0.7 / (priorities**0.7).sum()
    weights = (50 * probability) ** -beta
    assert np.allclose(sample.weights, (weights / weights.max())[sample.numbers], rtol=1e-5)
    assert sample.weights.max() <= 1 and sample.weights.dtype == np.float32


def test_new_examples_have_the_highest_priority_so_far():
    ring = Ring(EXAMPLE, 8, alpha=1.0)
    ring.append(examples(0, 4))
    ring.update_priorities(np.arange(4), np.array([0.1, 5.0, 0.2, 0.3]))
    ring.append(examples(4, 1))
    assert ring._tree is not None
    assert ring._tree.weights(np.arange(8)).tolist() == [0.1, 5.0, 0.2, 0.3, 5.0, 0, 0, 0]


def test_priorities_of_what_was_replaced_are_ignored():
    """Trap 14: the slot of a replaced example belongs to another one."""
    ring = Ring(EXAMPLE, 10, alpha=1.0)
    numbers = ring.append(examples(0, 10))
    ring.append(examples(10, 4), np.full(4, 0.25))
    assert ring.update_priorities(numbers, np.full(10, 7.0)) == 6
    assert ring._tree is not None
    assert ring._tree.weights(np.arange(10)).tolist() == [0.25] * 4 + [7.0] * 6
    assert ring.update_priorities(np.array([14, 99]), np.ones(2)) == 0


def test_priority_0_is_never_drawn_even_with_alpha_0_and_a_tiny_one_is_not_0():
    ring = Ring(EXAMPLE, 4, alpha=0.0)
    ring.append(examples(0, 4), np.array([0.0, 1.0, 2.0, 0.0]))
    assert set(ring.sample_by_priority(np.random.default_rng(6), 99, beta=1).numbers.tolist()) == {1, 2}
    ring = Ring(EXAMPLE, 4, alpha=3.0)
    ring.append(examples(0, 2), np.array([0.0, 1e-200]))
    assert set(ring.sample_by_priority(np.random.default_rng(6), 9, beta=0).numbers.tolist()) == {1}


def test_what_it_refuses(tmp_path):
    rng, ring, keeping = np.random.default_rng(7), Ring(EXAMPLE, 5), Ring(EXAMPLE, 5, alpha=2.0)
    for call, message in (
        (lambda: ring.append(np.zeros(2)), "own dtype"),
        (lambda: ring.append(np.zeros((2, 2), EXAMPLE)), "one-dimensional"),
        (lambda: ring.append(examples(0, 1), np.ones(1)), "give it an alpha"),
        (lambda: ring.sample(rng, 1), "empty"),
        (lambda: ring.sample_by_priority(rng, 1, beta=1), "give it an alpha"),
        (lambda: ring.update_priorities(np.zeros(1, int), np.ones(1)), "give it an alpha"),
        (lambda: keeping.sample_by_priority(rng, 1, beta=1), "nothing to draw"),
        (lambda: keeping.append(examples(0, 2), np.ones(3)), "2 priorities"),
        (lambda: keeping.append(examples(0, 1), -np.ones(1)), "at least 0"),
        (lambda: keeping.append(examples(0, 1), np.array([np.nan])), "finite"),
        (lambda: keeping.append(examples(0, 1), np.array([1e200])), "too large"),
        (lambda: Ring(EXAMPLE, 0), "at least one"),
        (lambda: Ring(np.dtype(object), 1), "plain records"),
        (lambda: Ring(EXAMPLE, 1, alpha=-1), "0 or more"),
    ):
        with pytest.raises(ValueError, match=message):
            call()
    assert len(ring) == len(keeping) == 0
    ring.append(examples(0, 3))
    with pytest.raises(ValueError, match="fewer than the 4"):
        ring.sample(rng, 4, replace=False)


def test_a_mapped_ring_is_the_ring_in_memory_and_leaves_nothing_behind(tmp_path):
    rings = [Ring(EXAMPLE, 100, alpha=0.5), Ring(EXAMPLE, 100, tmp_path / "work", alpha=0.5)]
    streams = [np.random.default_rng(8) for _ in rings]
    for step in range(12):
        drawn = []
        for ring, rng in zip(rings, streams, strict=True):
            ring.append(examples(ring.written, 17 + step))
            ring.update_priorities(ring.sample(rng, 9).numbers, rng.random(9))
            drawn.append(ring.sample_by_priority(rng, 20, beta=0.5))
        assert same(drawn[0].examples, drawn[1].examples)
        assert drawn[0].weights.tolist() == drawn[1].weights.tolist()
    assert same(rings[0].since(0), rings[1].since(0))
    assert rings[0].state() == rings[1].state()
    if os.name != "nt":
        assert list((tmp_path / "work").iterdir()) == []


def test_a_disk_too_small_is_said_at_the_start(tmp_path, monkeypatch):
    usage = namedtuple("usage", "free")(1000)
    monkeypatch.setattr("strategos.memory.ring.shutil.disk_usage", lambda _: usage)
    Ring(EXAMPLE, 25, tmp_path)
    with pytest.raises(ValueError, match="smaller capacity"):
        Ring(EXAMPLE, 26, tmp_path)


def played(ring: Ring, rng: np.random.Generator, steps: int) -> bytes:
    """Go on appending and drawing; everything that came out of it."""
    out = []
    for _ in range(steps):
        ring.append(examples(ring.written, int(rng.integers(1, 20))))
        for sample in (ring.sample(rng, 8), ring.sample(rng, 3, replace=False)):
            out += [sample.examples.tobytes(), sample.numbers.tobytes()]
        sample = ring.sample_by_priority(rng, 8, beta=0.4)
        ring.update_priorities(sample.numbers, rng.random(8) * 3)
        out += [sample.examples.tobytes(), sample.weights.tobytes()]
    return b"".join([*out, ring.state(), ring.since(0).tobytes()])


@pytest.mark.parametrize("steps", [0, 2, 30])
@pytest.mark.parametrize("way", ["file", "shards"])
def test_it_goes_on_exactly(tmp_path, steps, way):
    """Saved empty, half full and wrapped around; shards are written every few steps, as checkpoints do."""
    ring, rng = Ring(EXAMPLE, 90, alpha=0.6), np.random.default_rng(9)
    shards = Shards(tmp_path / "shards", EXAMPLE)
    for _ in range(0, steps, 2):
        played(ring, rng, 2)
        ring.store(shards)
    state = ring.state()
    ring.save(tmp_path / "ring")
    stream = rng.bit_generator.state

    other, again = Ring(EXAMPLE, 90, tmp_path / "mapped", alpha=0.6), np.random.default_rng()
    other.append(examples(0, 33))  # and forgets them
    again.bit_generator.state = stream
    if way == "file":
        other.load(tmp_path / "ring")
    else:
        other.restore(state, Shards(tmp_path / "shards", EXAMPLE))
    assert other.state() == state and same(other.since(0), ring.since(0))
    assert played(other, again, 6) == played(ring, rng, 6)


def test_an_unfinished_checkpoint_is_forgotten(tmp_path):
    shards = Shards(tmp_path, EXAMPLE)
    ring = Ring(EXAMPLE, 50)
    ring.append(examples(0, 30))
    ring.store(shards)
    state = ring.state()
    ring.append(examples(30, 10))
    ring.store(shards)  # and killed before the rest of the checkpoint
    other = Ring(EXAMPLE, 50)
    with pytest.raises(ValueError, match="beyond this ring"):
        other.store(shards)
    other.restore(state, shards)
    assert shards.end == 30 and other.written == 30
    other.append(examples(30, 25))
    other.store(shards)
    assert shards.spans == [(0, 30), (30, 55)]


def test_only_what_is_still_held_is_stored(tmp_path):
    shards, ring = Shards(tmp_path, EXAMPLE), Ring(EXAMPLE, 20)
    ring.append(examples(0, 5))
    ring.store(shards)
    ring.append(examples(5, 40))
    ring.store(shards)
    assert shards.spans == [(0, 5), (25, 45)]
    (last,) = shards.read(25, 45)
    assert same(last, ring.since(0))


def test_a_large_store_is_cut_into_shards(tmp_path, monkeypatch):
    monkeypatch.setattr("strategos.memory.ring._SHARD_BYTES", 7 * EXAMPLE.itemsize)
    shards, ring = Shards(tmp_path, EXAMPLE), Ring(EXAMPLE, 20)
    ring.append(examples(0, 26))
    ring.store(shards)
    assert shards.spans == [(6, 13), (13, 20), (20, 26)]
    other = Ring(EXAMPLE, 20)
    other.restore(ring.state(), shards)
    assert same(other.since(0), ring.since(0))


@pytest.mark.parametrize("capacity", [5, 200])
def test_another_capacity_keeps_the_newest(tmp_path, capacity):
    ring, rng = Ring(EXAMPLE, 40, alpha=1.0), np.random.default_rng(10)
    ring.append(examples(0, 61), rng.random(61))
    ring.sample(rng, 100)
    ring.save(tmp_path / "ring")
    other = Ring(EXAMPLE, capacity, alpha=1.0)
    other.load(tmp_path / "ring")
    kept = min(capacity, 40)
    assert same(other.since(0), ring.since(61 - kept)) and other.written == 61
    assert other.drawn.tolist() == ring.drawn[-kept:].tolist()
    assert other._books()["priorities"].tolist() == ring._books()["priorities"][-kept:].tolist()


def test_a_file_that_is_damaged_or_of_another_kind_is_named(tmp_path):
    ring = Ring(EXAMPLE, 40)
    ring.append(examples(0, 40))
    path = tmp_path / "ring"
    ring.save(path)
    whole = path.read_bytes()
    for damage in (
        whole[:-1],
        whole[: len(whole) // 2],
        whole[:9],
        b"",
        whole[:-700] + bytes([whole[-700] ^ 1]) + whole[-699:],
        whole.replace(b"written", b"wrItten", 1),
        b"not a ring at all, but longer than eight bytes",
    ):
        assert damage != whole
        path.write_bytes(damage)
        with pytest.raises(ShardError, match=f"{path}.*(cut short|damaged).*begin a new run"):
            Ring(EXAMPLE, 40).load(path)
    path.write_bytes(whole)
    other = np.dtype([("number", "i8"), ("game", "i4"), ("value", "f4", (4,))])
    with pytest.raises(ShardError, match=r"'value' is <f4\[3\] at 12 there and <f4\[4\] at 12 here"):
        Ring(other, 40).load(path)
    with pytest.raises(ShardError, match=r"'colour' is missing there"):
        Ring(np.dtype([("colour", "i8")]), 40).load(path)
    with pytest.raises(ShardError, match="alpha None, this ring with"):
        Ring(EXAMPLE, 40, alpha=0.5).load(path)
    with pytest.raises(ShardError, match="No such file"):
        Ring(EXAMPLE, 40).load(tmp_path / "nothing")


def test_threads_may_share_it():
    """Appending and drawing at once: every example that comes out is whole, and nothing is lost."""
    import threading

    ring, rng = Ring(EXAMPLE, 64), np.random.default_rng(11)
    ring.append(examples(0, 64))
    pool = examples(0, 64)

    def append(times: int) -> None:
        for _ in range(times):
            ring.append(pool)

    writers = [threading.Thread(target=append, args=(100,)) for _ in range(3)]
    for writer in writers:
        writer.start()
    for _ in range(200):
        sample = ring.sample(rng, 16)
        assert (sample.examples["number"] == sample.numbers % 64).all()
    for writer in writers:
        writer.join()
    assert ring.written == 64 + 3 * 100 * 64


def test_bytes_without_a_name_are_kept_too(tmp_path):
    holes = np.dtype({"names": ["a", "b"], "formats": ["u1", "i8"], "offsets": [0, 8], "itemsize": 24})
    records = np.arange(24 * 6, dtype=np.uint8).view(holes)
    ring = Ring(holes, 6)
    ring.append(records)
    ring.save(tmp_path / "ring")
    other = Ring(holes, 6)
    other.load(tmp_path / "ring")
    assert same(other.since(0), records) and same(other.take(np.arange(6)), records)
