"""A ring of examples of any structured dtype: the newest `capacity` of them, drawn evenly or by priority.

Every example has a number, from 0 in the order of writing; example `n` lies in slot `n % capacity` until
`n + capacity` replaces it. Numbers, not slots, are what goes in and out, so nothing that was computed
for an example can ever land on its successor.
"""

from __future__ import annotations

import shutil
import tempfile
import threading
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from strategos.durable import write_atomically
from strategos.memory.shards import (
    ShardError,
    Shards,
    as_bytes,
    as_records,
    check_same_dtype,
    describe,
    pack,
    unpack,
)
from strategos.memory.sum_tree import SumTree

_SHARD_BYTES = 1 << 26
"""A store is cut into shards of at most this size, so that a ring on disk never has to be in memory."""


@dataclass(frozen=True)
class Sample:
    """What a draw gives: copies of `examples` [n], their `numbers` [n] int64, `weights` [n] float32."""

    examples: np.ndarray
    numbers: np.ndarray
    weights: np.ndarray


class Ring:
    """The newest `capacity` examples of `dtype`; in memory, or mapped from a file in the folder `path`.

    That file is sparse working storage without a name, and is gone when the process ends, however it ends. It
    may exceed the memory; what outlives the process is what `save` or `store` wrote. With `alpha` (0
    even, 1 in full proportion) the ring keeps priorities. Safe to use from several threads.

    Raises `ValueError` for a dtype with objects, a capacity under 1, or a disk too small for the file.
    """

    def __init__(
        self,
        dtype: np.dtype,
        capacity: int = 500_000,
        path: Path | str | None = None,
        *,
        alpha: float | None = None,
    ) -> None:
        self.dtype, self.capacity, self.alpha = np.dtype(dtype), capacity, alpha
        if capacity < 1:
            raise ValueError(f"a ring holds at least one example, not {capacity}")
        if self.dtype.hasobject or self.dtype.itemsize == 0:
            raise ValueError("examples are plain records; a dtype with objects or of no size cannot be kept")
        if alpha is not None and not 0 <= alpha < np.inf:
            raise ValueError(f"alpha is 0 or more, not {alpha}")
        self._data = _storage((capacity, self.dtype.itemsize), path)
        self._drawn = np.zeros(capacity, np.uint32)
        self._tree = SumTree(capacity) if alpha is not None else None
        self._lock = threading.RLock()
        self._held = 0
        self.written = 0
        """How many examples were ever appended: the number of the next one."""
        self.draws = 0
        """How many examples were ever drawn; `draws / written` is how often each was used."""
        self.draw_ages = 0
        """The sum, over all draws, of how many examples had been appended since the one drawn."""
        self.highest = 1.0
        """The highest priority that was ever set: what new examples get."""

    def __len__(self) -> int:
        return self._held

    @property
    def oldest(self) -> int:
        """The number of the oldest example that is still held."""
        return self.written - self._held

    @property
    def drawn(self) -> np.ndarray:
        """How often each example held was drawn, oldest first, uint32."""
        with self._lock:
            return self._drawn[self._slots(self.oldest, self.written)]

    @property
    def size_bytes(self) -> int:
        """Bytes of the examples held."""
        return self._held * self.dtype.itemsize

    def append(self, examples: np.ndarray, priorities: np.ndarray | None = None) -> np.ndarray:
        """Append `examples` [n], replacing the oldest where the ring is full; returns their numbers [n].

        New examples have the highest priority so far, unless `priorities` [n] are given. `ValueError` for
        examples of another dtype, and for priorities that are negative or not finite.
        """
        if examples.dtype != self.dtype or examples.ndim != 1:
            raise ValueError("append takes a one-dimensional array of the ring's own dtype")
        count = len(examples)
        if priorities is None:
            priorities = np.full(count, self.highest)
        elif self._tree is None:
            raise ValueError("this ring keeps no priorities; give it an alpha")
        with self._lock:
            leaves = self._leaves(priorities, count)
            numbers = np.arange(self.written, self.written + count)
            kept = numbers[-self.capacity :]
            self._put(kept, as_bytes(examples[-self.capacity :]))
            self.written += count
            self._held = min(self._held + count, self.capacity)
            self._drawn[kept % self.capacity] = 0
            if self._tree is not None:
                self._tree.set(kept % self.capacity, leaves[-self.capacity :])
                self.highest = max(self.highest, float(priorities.max(initial=0.0)))
            return numbers

    def _put(self, numbers: np.ndarray, rows: np.ndarray) -> None:
        """Copy `rows` into the slots of consecutive `numbers`, in at most two pieces."""
        if not len(numbers):
            return
        start = int(numbers[0]) % self.capacity
        before = min(len(rows), self.capacity - start)
        self._data[start : start + before] = rows[:before]
        self._data[: len(rows) - before] = rows[before:]

    def _slots(self, first: int, end: int) -> np.ndarray:
        return np.arange(first, end) % self.capacity

    def _leaves(self, priorities: np.ndarray, count: int) -> np.ndarray:
        """p^alpha, and 0 for priority 0 whatever alpha is; a positive one never becomes 0."""
        if priorities.shape != (count,) or not (np.isfinite(priorities) & (priorities >= 0)).all():
            raise ValueError(f"{count} priorities are needed, finite and at least 0")
        with np.errstate(over="ignore", under="ignore"):
            powers = priorities.astype(np.float64) ** (self.alpha or 0.0)
            powers = np.maximum(powers, np.finfo(np.float64).tiny)
            fits = np.isfinite(powers * self.capacity).all()
        if not fits:
            raise ValueError("a priority is too large: the sum of priority^alpha is no number any more")
        return np.where(priorities > 0, powers, 0.0)

    def take(self, numbers: np.ndarray) -> np.ndarray:
        """Copies of the examples with these `numbers` [n]; `ValueError` if one is not held (any more)."""
        numbers = np.asarray(numbers, np.int64)
        with self._lock:
            if not self.holds(numbers).all():
                raise ValueError(f"the ring holds the examples {self.oldest} to {self.written - 1} only")
            return self._copies(numbers % self.capacity)

    def holds(self, numbers: np.ndarray) -> np.ndarray:
        """Which of `numbers` [n] are still held, bool."""
        with self._lock:
            return (numbers >= self.oldest) & (numbers < self.written)

    def _copies(self, slots: np.ndarray) -> np.ndarray:
        return as_records(np.take(self._data, slots, axis=0), self.dtype)

    def since(self, number: int) -> np.ndarray:
        """Copies of all examples held from `number` on, oldest first."""
        with self._lock:
            return self._copies(self._slots(max(number, self.oldest), self.written))

    def column(self, field: str) -> np.ndarray:
        """A copy of one field of all examples held, oldest first."""
        with self._lock:
            start = self.oldest % self.capacity
            wrapped = max(start + self._held - self.capacity, 0)
            whole = self._data.reshape(-1).view(self.dtype)[field]
            return np.concatenate([whole[start : start + self._held], whole[:wrapped]])

    def sample(self, generator: np.random.Generator, count: int, *, replace: bool = True) -> Sample:
        """Draw `count` examples evenly from those held; all weights are 1.

        With `replace` the draws are independent and an example may occur twice; without it, no two are the
        same. `ValueError` for an empty ring, or for more than it holds without `replace`.
        """
        with self._lock:
            if not self._held:
                raise ValueError("the ring is empty: append examples before drawing any")
            if replace:
                places = generator.integers(self._held, size=count)
            elif count <= self._held:
                places = generator.choice(self._held, count, replace=False)
            else:
                raise ValueError(f"the ring holds {self._held} examples, fewer than the {count} asked for")
            return self._draw(self.oldest + places, np.ones(count, np.float32))

    def sample_by_priority(
        self, generator: np.random.Generator, count: int, *, beta: float, stratified: bool = True
    ) -> Sample:
        """Draw `count` examples with probability P = p^alpha / sum of p^alpha; priority 0 is never drawn.

        Weights are (N P)^-beta, divided by the largest that any example in the ring has: that of the smallest
        positive priority. So they are at most 1, whatever else was drawn. See `SumTree.draw` for
        `stratified`. Source: Schaul et al., *Prioritized Experience Replay*, 2016, eq. 1 and section 3.4.
        """
        with self._lock:
            if self._tree is None:
                raise ValueError("this ring keeps no priorities; give it an alpha")
            slots = self._tree.draw(generator, count, stratified=stratified)
            weights = (self._tree.weights(slots) / self._tree.least) ** -beta
            newest = self.written - 1
            return self._draw(newest - (newest - slots) % self.capacity, weights.astype(np.float32))

    def _draw(self, numbers: np.ndarray, weights: np.ndarray) -> Sample:
        slots = numbers % self.capacity
        np.add.at(self._drawn, slots, 1)
        self.draws += len(numbers)
        self.draw_ages += int((self.written - 1 - numbers).sum())
        return Sample(self._copies(slots), numbers, weights)

    def update_priorities(self, numbers: np.ndarray, priorities: np.ndarray) -> int:
        """Set `priorities` [n] of the examples `numbers` [n]; returns how many of them are still held.

        Numbers of examples that were replaced since they were drawn are left out: their slot is another's.
        `ValueError` for priorities that are negative or not finite, and for a ring without them.
        """
        numbers = np.asarray(numbers, np.int64)
        if self._tree is None:
            raise ValueError("this ring keeps no priorities; give it an alpha")
        with self._lock:
            leaves = self._leaves(priorities, len(numbers))
            held = self.holds(numbers)
            self._tree.set(numbers[held] % self.capacity, leaves[held])
            self.highest = max(self.highest, float(priorities[held].max(initial=0.0)))
            return int(held.sum())

    def state(self) -> bytes:
        """Everything but the examples: how often each was drawn, priorities, counters. For a checkpoint."""
        with self._lock:
            return pack(self._meta(), self._books())

    def _meta(self) -> dict[str, Any]:
        return {
            "dtype": describe(self.dtype),
            "capacity": self.capacity,
            "alpha": self.alpha,
            "written": self.written,
            "held": self._held,
            "draws": self.draws,
            "draw_ages": self.draw_ages,
            "highest": self.highest,
        }

    def _books(self) -> dict[str, np.ndarray]:
        slots = self._slots(self.oldest, self.written)
        books = {"drawn": self._drawn[slots]}
        return books if self._tree is None else books | {"priorities": self._tree.weights(slots)}

    def store(self, shards: Shards) -> None:
        """Append what `shards` do not hold yet. `ValueError` if they hold more: `restore` truncates them."""
        with self._lock:
            if shards.end > self.written:
                raise ValueError(f"{shards.folder} goes on to example {shards.end - 1}, beyond this ring")
            step = max(_SHARD_BYTES // self.dtype.itemsize, 1)
            for first in range(max(shards.end, self.oldest), self.written, step):
                slots = self._slots(first, min(first + step, self.written))
                shards.append(self._copies(slots), first)

    def restore(self, state: bytes, shards: Shards) -> None:
        """Become the ring whose `state` this is, its examples read from `shards`; draws go on exactly.

        Shards beyond that state, of a checkpoint that was never finished, are dropped. A ring of another
        capacity keeps the newest examples. `ShardError` for what is damaged, missing or of another dtype.
        """
        meta, books = unpack(state, "the saved state of the memory")
        self._check(meta, "the saved state of the memory")
        shards.truncate(meta["written"])
        first = meta["written"] - min(meta["held"], self.capacity)
        self._refill(meta, books, shards.read(first, meta["written"]))

    def save(self, path: Path | str) -> None:
        """Write the whole ring, only the filled part, into one file, all or nothing."""
        with self._lock:
            examples = as_bytes(self.since(self.oldest))
            write_atomically(Path(path), pack(self._meta(), self._books() | {"examples": examples}))

    def load(self, path: Path | str) -> None:
        """Become the ring that `save` wrote; `ShardError` for a file that is damaged or of another dtype."""
        try:
            content = Path(path).read_bytes()
        except OSError as error:
            raise ShardError(
                f"{path} cannot be read: {error.strerror}; name a file that a ring saved"
            ) from None
        meta, books = unpack(content, str(path))
        self._check(meta, str(path))
        kept = min(meta["held"], self.capacity)
        chunks = [as_records(books["examples"][-kept:], self.dtype)] if kept else []
        self._refill(meta, books, chunks)

    def _check(self, meta: dict[str, Any], source: str) -> None:
        if not {"dtype", "written", "held", "alpha"} <= meta.keys():
            raise ShardError(f"{source} is not of a ring; name what a ring saved")
        check_same_dtype(meta["dtype"], self.dtype, source)
        if meta["alpha"] != self.alpha:
            raise ShardError(
                f"{source} has priorities with alpha {meta['alpha']}, this ring with {self.alpha}; "
                "go on with the configuration that wrote it"
            )

    def _refill(
        self, meta: dict[str, Any], books: dict[str, np.ndarray], chunks: Iterable[np.ndarray]
    ) -> None:
        with self._lock:
            self.written, self._held = meta["written"], min(meta["held"], self.capacity)
            self.draws, self.draw_ages, self.highest = meta["draws"], meta["draw_ages"], meta["highest"]
            first = self.oldest
            for chunk in chunks:
                self._put(np.arange(first, first + len(chunk)), as_bytes(chunk))
                first += len(chunk)
            slots = self._slots(self.oldest, self.written)
            self._drawn[:] = 0
            if self._tree is not None:
                self._tree = SumTree(self.capacity)
            if self._held:
                self._drawn[slots] = books["drawn"][-self._held :]
                if self._tree is not None:
                    self._tree.set(slots, books["priorities"][-self._held :])


def _storage(shape: tuple[int, int], path: Path | str | None) -> np.ndarray:
    """Zeroed bytes: memory that is taken page by page as it is written, or a sparse file likewise."""
    if path is None:
        return np.zeros(shape, np.uint8)
    folder = Path(path)
    folder.mkdir(parents=True, exist_ok=True)
    size_bytes, free_bytes = shape[0] * shape[1], shutil.disk_usage(folder).free
    if size_bytes > free_bytes:  # a mapped file that outgrows its disk kills the process
        raise ValueError(
            f"a ring in {folder} may grow to {size_bytes / 1e9:.1f} GB and its disk has "
            f"{free_bytes / 1e9:.1f} GB left; choose another place or a smaller capacity"
        )
    with tempfile.TemporaryFile(dir=folder) as file:
        return np.asarray(np.memmap(file, np.uint8, "w+", shape=shape))
