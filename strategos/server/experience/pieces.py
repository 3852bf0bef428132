"""What a consumer wants of the chunks of experience, and chunks as the bytes that it gets."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import zstandard

from strategos.server.experience.chunks import Chunk, encode_chunk

EpisodeKey = tuple[str, int]
"""Id of the game and the seat."""


@dataclass(frozen=True)
class Wanted:
    """A filter; what is empty lets everything through."""

    games: frozenset[str] = frozenset()
    episodes: frozenset[str] = frozenset()
    players: frozenset[str] = frozenset()
    seats: frozenset[int] = frozenset()
    minimum_tick: int = 0

    def game(self, name: str, *ids: str) -> bool:
        """Whether anything of a game is wanted, which is known by `ids`: of its episode, room or replay."""
        if self.games and name not in self.games:
            return False
        return not self.episodes or not self.episodes.isdisjoint(ids)

    def seat(self, chunk: Chunk) -> bool:
        """Whether anything of that player of a wanted game is wanted."""
        if self.players and chunk.player not in self.players:
            return False
        return not self.seats or chunk.seat in self.seats


@dataclass(frozen=True)
class Piece:
    """What a consumer wants of a chunk, as bytes, and what a queue must know of it."""

    episode: str
    seat: int
    kind: str
    steps: int
    """0 where the consumer wants nothing of the chunk."""
    begins: bool
    """The chunk is the first one of its episode."""
    ends: bool
    data: bytes

    @property
    def key(self) -> EpisodeKey:
        return self.episode, self.seat


@dataclass(frozen=True)
class Made:
    """A chunk as bytes, and as bytes without the ticks that come before some minimum."""

    chunk: Chunk
    data: bytes
    later: dict[int, tuple[int, bytes]]
    """By the minimum tick: steps, and the bytes."""

    def piece(self, wanted: Wanted) -> Piece | None:
        """What goes into a consumer's queue; None where the player or seat is not wanted."""
        chunk, minimum = self.chunk, wanted.minimum_tick
        if not wanted.seat(chunk):
            return None
        steps, data = chunk.steps, self.data
        if minimum > chunk.ticks[0]:
            steps, data = self.later[minimum] if minimum in self.later else _cut(chunk, minimum, None)
        return Piece(chunk.episode, chunk.seat, chunk.kind, steps, chunk.first == 0, chunk.last, data)


def make(chunk: Chunk, minimums: Collection[int], compressor: zstandard.ZstdCompressor | None = None) -> Made:
    """The bytes of `chunk`, whole and from each of some minimum ticks on."""
    later = {tick: _cut(chunk, tick, compressor) for tick in minimums if tick > chunk.ticks[0]}
    return Made(chunk, encode_chunk(chunk, compressor), later)


def _cut(chunk: Chunk, tick: int, compressor: zstandard.ZstdCompressor | None) -> tuple[int, bytes]:
    part = chunk.since(tick)
    return (0, b"") if part is None else (part.steps, encode_chunk(part, compressor))
