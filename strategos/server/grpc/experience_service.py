"""ExperienceService: what was seen, done and gained, as a stream of chunks, for who has the worker's key."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import grpc

from strategos.server.access.worker_key import WorkerKey
from strategos.server.experience.consumers import BLOCK, DROP_OLDEST, SAMPLE, Consumer
from strategos.server.experience.pieces import Piece, Wanted
from strategos.server.experience.stream import Experience
from strategos.server.grpc.columns import describe
from strategos.server.grpc.errors import readable
from strategos.server.grpc.game_service import game_options
from strategos.server.grpc.v1 import experience_service_pb2 as v1
from strategos.server.grpc.v1 import experience_service_pb2_grpc
from strategos.server.hall import Hall
from strategos.server.rooms.kinds import build
from strategos.server.terms import HallError

MOST_CHUNKS = 1024
"""In one message."""
MOST_NAMES = 10_000
"""Episodes or players that one filter may name."""
MOST_CREDITS = 1 << 32
USUAL_CHUNKS, USUAL_WAIT_MS = 64, 50
_WHEN_FULL = {
    v1.WHEN_FULL_DROP_OLDEST: DROP_OLDEST,
    v1.WHEN_FULL_SAMPLE: SAMPLE,
    v1.WHEN_FULL_BLOCK: BLOCK,
}


class ExperienceService(experience_service_pb2_grpc.ExperienceServiceServicer):
    """The methods of `experience_service.proto`; they raise `HallError`."""

    def __init__(self, hall: Hall, experience: Experience, key: WorkerKey) -> None:
        self._hall, self._experience, self._key = hall, experience, key

    async def StreamExperienceBatches(
        self, requests: AsyncIterator[v1.ExperienceRequest], context: grpc.aio.ServicerContext
    ) -> AsyncIterator[v1.ExperienceBatch]:
        first = readable(await anext(aiter(requests), None))
        if first is None or first.WhichOneof("request") != "subscribe":
            raise HallError("invalid", "the first request of the stream subscribes")
        wish = first.subscribe
        self._key.check(wish.key)
        wanted = _wanted(wish)
        batch_chunks = wish.batch_chunks or USUAL_CHUNKS
        if wish.when_full not in _WHEN_FULL or not 1 <= batch_chunks <= MOST_CHUNKS:
            raise HallError(
                "invalid", f"a message has 1 to {MOST_CHUNKS} chunks; when_full is one of the three"
            )
        wait_s = (wish.maximum_wait_ms or USUAL_WAIT_MS) / 1000
        consumer = self._experience.subscribe(
            wanted, history=wish.history, follow=wish.follow, when_full=_WHEN_FULL[wish.when_full]
        )
        credits = _Credits(wish.credits)
        counting = asyncio.create_task(credits.count(requests))
        try:
            async for batch in self._batches(consumer, credits, batch_chunks, min(wait_s, 60.0)):
                yield batch
        finally:
            counting.cancel()
            self._experience.unsubscribe(consumer)

    async def SubmitExperiences(
        self, request: v1.SubmitExperiencesRequest, context: grpc.aio.ServicerContext
    ) -> v1.SubmitExperiencesResponse:
        self._key.check(request.key)
        if not 1 <= len(request.chunks) <= MOST_CHUNKS:
            raise HallError(
                "invalid", f"a request brings 1 to {MOST_CHUNKS} chunks, not {len(request.chunks)}"
            )
        cells = self._hall.settings.board_cells
        game = build(request.kind.name, game_options(request.kind), board_cells=cells)
        refused = await self._experience.submit(game, request.chunks)
        return v1.SubmitExperiencesResponse(
            accepted=len(request.chunks) - len(refused),
            refused=[v1.RefusedChunk(index=place, reason=reason) for place, reason in refused],
        )

    async def GetExperienceStats(
        self, request: v1.GetExperienceStatsRequest, context: grpc.aio.ServicerContext
    ) -> v1.ExperienceStats:
        self._key.check(request.key)
        experience = self._experience
        return v1.ExperienceStats(
            episodes=experience.episodes,
            chunks=experience.chunks,
            steps=experience.steps,
            refused_chunks=experience.refused_chunks,
            open_games=experience.open_games,
            waiting_ticks=experience.waiting_ticks,
            consumers=[
                v1.ConsumerStats(
                    queued_chunks=each.queued,
                    delivered_chunks=each.delivered_chunks,
                    delivered_steps=each.delivered_steps,
                    dropped_episodes=each.dropped_episodes,
                )
                for each in experience.consumers
            ],
        )

    async def _batches(
        self, consumer: Consumer, credits: _Credits, most: int, wait_s: float
    ) -> AsyncIterator[v1.ExperienceBatch]:
        """Messages of what is in the queue, as far as the credits go."""
        told: set[str] = set()
        while True:
            granted = await credits.granted()
            if not granted:
                return
            pieces, lost = await consumer.take(min(most, granted), wait_s)
            if not pieces and not lost:
                return
            credits.left -= len(pieces)
            yield v1.ExperienceBatch(
                games=_games(pieces, told),
                chunks=[piece.data for piece in pieces],
                dropped=[v1.Episode(episode=episode, seat=seat) for episode, seat in lost],
                dropped_episodes=consumer.dropped_episodes,
            )


class _Credits:
    """How many more chunks a consumer can take."""

    def __init__(self, left: int) -> None:
        self.left = left
        self._final = False
        self._more = asyncio.Event()

    async def count(self, requests: AsyncIterator[v1.ExperienceRequest]) -> None:
        """Add what the consumer grants, for as long as it does; nonsense is passed over."""
        async for request in requests:
            if isinstance(request, v1.ExperienceRequest) and request.WhichOneof("request") == "credits":
                self.left = min(MOST_CREDITS, self.left + request.credits)
                self._more.set()
        self._final = True
        self._more.set()

    async def granted(self) -> int:
        """Wait until there are any; 0 where they are spent and the consumer will grant no more."""
        while self.left <= 0 and not self._final:
            self._more.clear()
            await self._more.wait()
        return self.left


def _games(pieces: list[Piece], told: set[str]) -> list[v1.KnownGame]:
    """The games among the pieces that a stream was not `told` about yet."""
    new = {piece.kind: piece.game for piece in pieces if piece.kind not in told}
    told.update(new)
    return [v1.KnownGame(kind=kind, game=describe(new[kind])) for kind in sorted(new)]


def _wanted(wish: v1.Subscription) -> Wanted:
    for named in (wish.games, wish.episodes, wish.players, wish.seats):
        if len(named) > MOST_NAMES:
            raise HallError("invalid", f"a filter names at most {MOST_NAMES}; take fewer, or all")
    return Wanted(
        games=frozenset(wish.games),
        episodes=frozenset(wish.episodes),
        players=frozenset(wish.players),
        seats=frozenset(wish.seats),
        minimum_tick=wish.minimum_tick,
    )
