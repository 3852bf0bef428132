"""Chunks that were made elsewhere: checked on a thread, and handed on where they go on with an episode."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from strategos.games.spec import Game
from strategos.server.experience.chunks import ChunkError, decode_chunk, kind_of, make_compressor
from strategos.server.experience.consumers import Consumer, Episode
from strategos.server.experience.pieces import EpisodeKey, Piece, make_pieces
from strategos.server.terms import HallError

WAITING_REQUESTS = 16
"""Requests that wait for the thread; of 4 MiB each at most."""
OPEN_EPISODES = 10_000
"""Episodes that have begun and not ended; past that the one that was silent longest is given up."""
SILENT_S = 600.0
"""An episode that has not gone on for so long is given up: who sends it may be gone, and no call tells."""


@dataclass(frozen=True)
class Submitted:
    """A chunk that is what it should be, by itself."""

    game: Game
    key: EpisodeKey
    player: str
    first: int
    steps: int
    last: bool
    pieces: dict[int, Piece]
    """By the minimum tick."""


@dataclass
class _Open:
    """An episode of which a part has come."""

    consumers: dict[Consumer, Episode]
    steps: int = 0
    heard: float = 0.0
    """When its last chunk came, by the clock."""


class Submissions:
    """What has come of the episodes of others. For the hall's loop."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._open: dict[EpisodeKey, _Open] = {}
        """The one that was silent longest first."""
        self._waiting = 0
        self._compressor = make_compressor()
        self._thread = ThreadPoolExecutor(1, "submitted")  # one: requests keep their order

    async def check(
        self, game: Game, chunks: Sequence[bytes], minimums: Collection[int]
    ) -> list[Submitted | str]:
        """Chunks of `game`, with their pieces from some minimum ticks on; or what is wrong with them.

        `HallError` "exhausted" where many requests wait already.
        """
        if self._waiting >= WAITING_REQUESTS:
            raise HallError("exhausted", "many chunks wait to be checked; send one request after the other")
        self._waiting += 1
        try:
            loop = asyncio.get_running_loop()
            return await loop.run_in_executor(self._thread, self._check, game, chunks, minimums)
        finally:
            self._waiting -= 1

    def hand_on(self, chunk: Submitted, live: Iterable[Consumer], played: Collection[str]) -> str:
        """Offer a chunk to those consumers that got its episode from the beginning; to all `live` ones that
        want it where it is the beginning. Or why it is refused: `played` are the games of this server."""
        if chunk.key[0] in played:
            return "this game is being played here"
        if chunk.first == 0:
            self._give_up(chunk.key)  # who sent the beginning again begins anew
            self._begin(chunk, live)
        begun = self._open.get(chunk.key)
        if begun is None or begun.steps != chunk.first:
            return "the chunk is not the next one of its episode"
        del self._open[chunk.key]
        begun.steps += chunk.steps
        begun.heard = self._clock()
        for consumer, episode in begun.consumers.items():
            piece = chunk.pieces.get(consumer.wanted.minimum_tick)
            if piece is not None:
                consumer.offer(episode, piece)
        if not chunk.last:
            self._open[chunk.key] = begun
        return ""

    def give_up_silent(self) -> None:
        """Drop the episodes that have not gone on for `SILENT_S`."""
        while self._open:
            key, begun = next(iter(self._open.items()))
            if self._clock() - begun.heard <= SILENT_S:
                return
            self._give_up(key)

    def forget(self, consumer: Consumer) -> None:
        """Hand nothing on to a consumer any more."""
        for begun in self._open.values():
            begun.consumers.pop(consumer, None)

    def close(self) -> None:
        """Check no more chunks."""
        self._thread.shutdown(wait=False, cancel_futures=True)

    def _begin(self, chunk: Submitted, live: Iterable[Consumer]) -> None:
        if len(self._open) >= OPEN_EPISODES:
            self._give_up(next(iter(self._open)))
        name, (episode, seat) = chunk.game.spec.name, chunk.key
        self._open[chunk.key] = _Open(
            consumers={
                each: Episode(chunk.key, recorded=False)
                for each in live
                if each.wanted.game(name, episode) and each.wanted.seat(seat, chunk.player)
            }
        )

    def _give_up(self, key: EpisodeKey) -> None:
        begun = self._open.pop(key, None)
        if begun is not None:
            for consumer, episode in begun.consumers.items():
                consumer.drop(episode)

    def _check(self, game: Game, chunks: Sequence[bytes], minimums: Collection[int]) -> list[Submitted | str]:
        kind = kind_of(game)
        found: list[Submitted | str] = []
        for data in chunks:
            try:
                found.append(self._checked(game, kind, data, minimums))
            except ChunkError as error:
                found.append(str(error))
        return found

    def _checked(self, game: Game, kind: str, data: bytes, minimums: Collection[int]) -> Submitted:
        chunk = decode_chunk(data, (game.view_dtype.itemsize, game.spec.mask_bytes))
        if chunk.kind != kind:
            raise ChunkError("the chunk is of another kind of game than was announced")
        if chunk.seat >= game.spec.num_players or (chunk.actions >= game.spec.num_actions).any():
            raise ChunkError("the chunk names a seat or an action that the game does not have")
        pieces = make_pieces(game, chunk, minimums, self._compressor, data)
        key = chunk.episode, chunk.seat
        return Submitted(game, key, chunk.player, chunk.first, chunk.steps, chunk.last, pieces)
