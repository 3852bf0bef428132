"""What a consumer wants of the games, and chunks as the bytes that it gets."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import zstandard

from strategos.games.spec import Game
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

    def game(self, name: str, episode: str) -> bool:
        """Whether anything of the game of that `name` and id is wanted."""
        return (not self.games or name in self.games) and (not self.episodes or episode in self.episodes)

    def seats_of(self, players: Sequence[str]) -> tuple[int, ...]:
        """The seats that are wanted of a wanted game of these `players`."""
        return tuple(seat for seat, player in enumerate(players) if self.seat(seat, player))

    def seat(self, seat: int, player: str) -> bool:
        """Whether that seat of a wanted game is wanted, where `player` sits."""
        return (not self.players or player in self.players) and (not self.seats or seat in self.seats)


@dataclass(frozen=True)
class Piece:
    """What a consumer wants of a chunk, as bytes, and what a queue must know of it."""

    game: Game
    kind: str
    steps: int
    last: bool
    """The episode ends with it."""
    data: bytes


def make_pieces(
    game: Game,
    chunk: Chunk,
    minimums: Collection[int],
    compressor: zstandard.ZstdCompressor,
    data: bytes | None = None,
) -> dict[int, Piece]:
    """The pieces of a chunk of `game` for those who want it from some minimum ticks on, by these; none where
    it holds nothing so late. `data` is the whole chunk as bytes, where it is there already."""
    pieces: dict[int, Piece] = {}
    whole: Piece | None = None
    for minimum in minimums:
        part = chunk.since(minimum)
        if part is chunk:
            whole = whole or _piece(game, chunk, data or encode_chunk(chunk, compressor))
            pieces[minimum] = whole
        elif part is not None:
            pieces[minimum] = _piece(game, part, encode_chunk(part, compressor))
    return pieces


def _piece(game: Game, chunk: Chunk, data: bytes) -> Piece:
    return Piece(game, chunk.kind, chunk.steps, chunk.last, data)
