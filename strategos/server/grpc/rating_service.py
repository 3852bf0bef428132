"""RatingService: the leaderboard, and games that were played elsewhere."""

from __future__ import annotations

import math

import grpc

from strategos.server.access.worker_key import WorkerKey
from strategos.server.grpc.columns import ColumnError
from strategos.server.grpc.replays import read_replay
from strategos.server.grpc.v1 import rating_service_pb2 as v1
from strategos.server.grpc.v1 import rating_service_pb2_grpc
from strategos.server.hall import Hall
from strategos.server.terms import HallError


class RatingService(rating_service_pb2_grpc.RatingServiceServicer):
    """The methods of `rating_service.proto`; they raise `HallError`."""

    def __init__(self, hall: Hall, key: WorkerKey) -> None:
        self._hall, self._key = hall, key

    async def ReportResult(
        self, request: v1.ReportResultRequest, context: grpc.aio.ServicerContext
    ) -> v1.ReportResultResponse:
        self._key.check(request.key)
        try:
            record = read_replay(request.game)
        except ColumnError as error:
            raise HallError("invalid", f"the game is no record: {error}") from None
        replay, ratings = await self._hall.report(record)
        return v1.ReportResultResponse(
            replay=replay, ratings=[math.nan if each is None else each for each in ratings]
        )

    async def GetLeaderboard(
        self, request: v1.GetLeaderboardRequest, context: grpc.aio.ServicerContext
    ) -> v1.Leaderboard:
        return v1.Leaderboard(
            game=request.game,
            standings=[
                v1.Standing(
                    name=each.name,
                    rating=each.rating,
                    mu=each.mu,
                    sigma=each.sigma,
                    games=each.games,
                    wins=each.wins,
                )
                for each in self._hall.leaderboard(request.game, request.size or 50, request.mode)
            ],
        )
