"""Who takes experience: what each wants, a bounded queue for it, and what is dropped when it is too slow.

What is dropped is a whole episode, one player's part of one game, never a piece in the middle. Nobody waits
here for a slow consumer but the one who reads records for it. For one asyncio loop; no I/O.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections import deque

from strategos.server.experience.pieces import EpisodeKey, Piece, Wanted

DROP_OLDEST, SAMPLE, BLOCK = "drop_oldest", "sample", "block"
"""When a queue is full: the oldest episode in it goes; or the fuller it is, the fewer new ones come in; or
nothing is dropped, because games come only when they are over, from their records, and when there is room."""
WHEN_FULL = (DROP_OLDEST, SAMPLE, BLOCK)


class Consumer:
    """The queue of one consumer: at most `capacity` chunks wait in it."""

    def __init__(self, wanted: Wanted, *, when_full: str, capacity: int) -> None:
        if when_full not in WHEN_FULL:
            raise ValueError(f"when_full is one of {', '.join(WHEN_FULL)}, not {when_full!r}")
        if capacity < 1:
            raise ValueError(f"a queue holds at least 1 chunk, not {capacity}")
        self.wanted, self.when_full, self.capacity = wanted, when_full, capacity
        self.delivered_chunks = self.delivered_steps = self.dropped_episodes = 0
        self.ended = False
        """Nothing more will come."""
        self._queue: deque[Piece] = deque()
        self._open: dict[EpisodeKey, bool] = {}
        """Episodes that have begun and not ended, and whether a piece of each was delivered."""
        self._lost: list[EpisodeKey] = []
        self._changed = asyncio.Event()
        self._room = asyncio.Event()
        self._room.set()

    @property
    def queued(self) -> int:
        return len(self._queue)

    def offer(self, piece: Piece) -> None:
        """A piece of a game that is being played; never waits. Pieces of an episode of which some part was
        dropped, or whose beginning was not offered, are not taken."""
        key = piece.key
        if piece.begins:
            if self.when_full == SAMPLE and not self._admits(key):
                self.dropped_episodes += 1
                return
            self._open[key] = False
        elif key not in self._open:
            return
        if piece.steps == 0:
            if piece.ends:
                del self._open[key]
            return
        while len(self._queue) >= self.capacity:
            victim = self._queue[0].key if self.when_full == DROP_OLDEST else key
            self._drop(victim)
            if victim == key:
                return
        self._queue.append(piece)
        if piece.ends and not self._open[key]:
            del self._open[key]
        self._changed.set()

    async def put(self, piece: Piece) -> None:
        """A piece of a recorded game: waits until there is room."""
        while len(self._queue) >= self.capacity:
            self._room.clear()
            await self._room.wait()
        self._queue.append(piece)
        self._changed.set()

    async def take(self, most: int, wait_s: float) -> tuple[list[Piece], list[EpisodeKey]]:
        """Up to `most` pieces, at least one of them; fewer if `wait_s` passes. And the episodes that were
        lost after a piece of them had been taken. Two empty lists: it has `ended`.
        """
        while not self._queue and not self._lost:
            if self.ended:
                return [], []
            self._changed.clear()
            await self._changed.wait()
        if len(self._queue) < most and not self.ended:
            try:
                async with asyncio.timeout(wait_s):
                    while len(self._queue) < most and not self.ended:
                        self._changed.clear()
                        await self._changed.wait()
            except TimeoutError:
                pass
        pieces = [self._queue.popleft() for _ in range(min(most, len(self._queue)))]
        for piece in pieces:
            self.delivered_chunks += 1
            self.delivered_steps += piece.steps
            if piece.ends:
                self._open.pop(piece.key, None)
            elif piece.key in self._open:
                self._open[piece.key] = True
        lost, self._lost = self._lost, []
        self._room.set()
        return pieces, lost

    def lose(self, episode: str) -> None:
        """No more pieces of that game will come, though it has not ended."""
        for key in [key for key in self._open if key[0] == episode]:
            self._drop(key)

    def end(self) -> None:
        """What waits is the last."""
        self.ended = True
        self._changed.set()

    def _drop(self, key: EpisodeKey) -> None:
        self._queue = deque(piece for piece in self._queue if piece.key != key)
        if self._open.pop(key, False):
            self._lost.append(key)
            self._changed.set()
        self.dropped_episodes += 1

    def _admits(self, key: EpisodeKey) -> bool:
        """The chance falls from 1 with an empty queue to 0 with a full one; chosen by the key alone."""
        chance = 1 - len(self._queue) / self.capacity
        digest = hashlib.blake2b(f"{key[0]} {key[1]}".encode(), digest_size=4).digest()
        return int.from_bytes(digest, "little") < chance * 2**32
