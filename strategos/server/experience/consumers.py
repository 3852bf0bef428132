"""Who takes experience: a bounded queue for each, and what is dropped when one is too slow.

What is dropped is a whole episode, one player's part of one game, never a piece in the middle, and each is
counted once. Nobody waits here for a slow consumer but the one who reads records for it. For one asyncio
loop; no I/O.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
from collections import deque
from dataclasses import dataclass

from strategos.server.experience.pieces import EpisodeKey, Piece, Wanted

DROP_OLDEST, SAMPLE, BLOCK = "drop_oldest", "sample", "block"
"""When a queue is full: the oldest episode in it goes; or the fuller it is, the fewer new ones come in; or
nothing is dropped, because games come only when they are over, from their records, and when there is room."""
WHEN_FULL = (DROP_OLDEST, SAMPLE, BLOCK)
RECORDED_CHUNKS = 512
"""Pieces of records that wait for a consumer; they can be read again, and need not be kept."""
QUEUE_BYTES = 256 << 20
"""Of what waits of games that are played, and as much of recorded ones: chunks of large boards are long, and
those that were made elsewhere may hold anything."""
TAKEN_BYTES = 16 << 20
"""Of what is taken at once, the last piece left out."""


@dataclass(eq=False)
class Episode:
    """One player's part of one game on its way to one consumer."""

    key: EpisodeKey
    recorded: bool
    """It comes from a record, which waits rather than being dropped."""
    queued: int = 0
    queued_bytes: int = 0
    begun: bool = False
    """A piece of it was let into the queue."""
    complete: bool = False
    """Its last piece was."""
    given: bool = False
    """A piece of it was taken."""
    dropped: bool = False


class Consumer:
    """The queue of one consumer: at most `capacity` chunks of games that are played wait in it, and at most
    `RECORDED_CHUNKS` of recorded ones."""

    def __init__(self, wanted: Wanted, *, when_full: str, capacity: int) -> None:
        if when_full not in WHEN_FULL:
            raise ValueError(f"when_full is one of {', '.join(WHEN_FULL)}, not {when_full!r}")
        if capacity < 1:
            raise ValueError(f"a queue holds at least 1 chunk, not {capacity}")
        self.wanted, self.when_full, self.capacity = wanted, when_full, capacity
        self.delivered_chunks = self.delivered_steps = self.dropped_episodes = 0
        self.ended = False
        """Nothing more will come."""
        self._queue: deque[tuple[Episode, Piece]] = deque()
        """Those of dropped episodes are passed over."""
        self._waiting = {False: 0, True: 0}
        """Pieces in the queue that were not dropped, of games that are played and of recorded ones."""
        self._waiting_bytes = {False: 0, True: 0}
        self._lost: list[EpisodeKey] = []
        self._changed = asyncio.Event()
        self._room = asyncio.Event()

    @property
    def queued(self) -> int:
        return sum(self._waiting.values())

    def offer(self, episode: Episode, piece: Piece) -> None:
        """A piece of a game that is being played; never waits. The pieces of an episode come in order; those
        of a dropped one are not taken."""
        if not episode.begun and self.when_full == SAMPLE and not self._admits(episode.key):
            self.drop(episode)
        while self._is_full(False, self.capacity) and not episode.dropped:
            self.drop(self._oldest() if self.when_full == DROP_OLDEST else episode)
        self._append(episode, piece)

    async def put(self, episode: Episode, piece: Piece) -> None:
        """A piece of a recorded game: waits until there is room."""
        while self._is_full(True, min(self.capacity, RECORDED_CHUNKS)):
            self._room.clear()
            await self._room.wait()
        self._append(episode, piece)

    async def take(self, most: int, wait_s: float) -> tuple[list[Piece], list[EpisodeKey]]:
        """Up to `most` pieces, at least one of them; fewer if `wait_s` passes. And the episodes that were
        lost after a piece of them had been taken. Two empty lists: it has `ended`.
        """
        while True:
            await self._until(1)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(wait_s):
                    await self._until(most)
            pieces, lost = self._pop(most), self._lost
            self._lost = []
            self._room.set()
            if pieces or lost or self.ended:
                return pieces, lost
            # All that waited was dropped.

    def drop(self, episode: Episode) -> None:
        """Let go of all that waits of an episode and of all that comes, and count it; once, however often it
        is asked, and not where all of it was taken."""
        if episode.dropped or (episode.complete and not episode.queued):
            return
        self.dropped_episodes += 1
        episode.dropped = True
        self._waiting[episode.recorded] -= episode.queued
        self._waiting_bytes[episode.recorded] -= episode.queued_bytes
        if episode.given:
            self._lost.append(episode.key)
            self._changed.set()
        while self._queue and self._queue[0][0].dropped:
            self._queue.popleft()
        if len(self._queue) > 2 * self.queued + RECORDED_CHUNKS:  # seldom, so that a drop costs little
            self._queue = deque(each for each in self._queue if not each[0].dropped)

    def end(self) -> None:
        """What waits is the last."""
        self.ended = True
        self._changed.set()

    async def _until(self, number: int) -> None:
        """Wait until so many pieces are there, something was lost, or nothing more will come."""
        while self.queued < number and not self._lost and not self.ended:
            self._changed.clear()
            await self._changed.wait()

    def _pop(self, most: int) -> list[Piece]:
        pieces: list[Piece] = []
        size = 0
        while self._queue and len(pieces) < most and size < TAKEN_BYTES:
            episode, piece = self._queue.popleft()
            if episode.dropped:
                continue
            episode.given = True
            episode.queued -= 1
            episode.queued_bytes -= len(piece.data)
            self._waiting[episode.recorded] -= 1
            self._waiting_bytes[episode.recorded] -= len(piece.data)
            size += len(piece.data)
            self.delivered_steps += piece.steps
            pieces.append(piece)
        self.delivered_chunks += len(pieces)
        return pieces

    def _append(self, episode: Episode, piece: Piece) -> None:
        if episode.dropped:
            return
        episode.begun, episode.complete = True, piece.last
        episode.queued += 1
        episode.queued_bytes += len(piece.data)
        self._waiting[episode.recorded] += 1
        self._waiting_bytes[episode.recorded] += len(piece.data)
        self._queue.append((episode, piece))
        self._changed.set()

    def _is_full(self, recorded: bool, capacity: int) -> bool:
        return self._waiting[recorded] >= capacity or self._waiting_bytes[recorded] >= QUEUE_BYTES

    def _oldest(self) -> Episode:
        """Of the games that are played, the episode whose piece waits longest."""
        return next(each for each, _ in self._queue if not each.recorded and not each.dropped)

    def _admits(self, key: EpisodeKey) -> bool:
        """The chance falls from 1 with an empty queue to 0 with a full one; chosen by the key alone."""
        chance = 1 - self._waiting[False] / self.capacity
        digest = hashlib.blake2b(f"{key[0]} {key[1]}".encode(), digest_size=4).digest()
        return int.from_bytes(digest, "little") < chance * 2**32
