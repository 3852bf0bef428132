"""Experience for learners: `ExperienceStream` yields what was seen, done and gained in the server's games."""

from __future__ import annotations

import queue
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import grpc

from strategos.client.messages import game_kind, read_game, refusals, server_error
from strategos.games.spec import Game
from strategos.server.experience.chunks import Chunk, decode_chunk, encode_chunk, kind_of
from strategos.server.grpc.v1 import experience_service_pb2 as v1
from strategos.server.grpc.v1 import experience_service_pb2_grpc

if TYPE_CHECKING:
    from strategos.client.sync import Client

_WHEN_FULL = {
    "drop_oldest": v1.WHEN_FULL_DROP_OLDEST,
    "sample": v1.WHEN_FULL_SAMPLE,
    "block": v1.WHEN_FULL_BLOCK,
}


class ExperienceStream:
    """Chunks of experience: iterate over it. `key` is the worker's key of the server.

    `history` begins with the recorded games, `follow` goes on with those that are played; the rest filters:
    names of games, ids of episodes, names of players, seats, the first tick. `credits` chunks are on the way
    at most; a consumer that is slower than the games loses whole episodes (`when_full`, see `docs/grpc.md`).

    `dropped` holds (episode, seat) of those that broke off: what came of them is not all of it.
    """

    def __init__(
        self,
        client: Client,
        key: str,
        *,
        history: bool = False,
        follow: bool = True,
        games: Sequence[str] = (),
        episodes: Sequence[str] = (),
        players: Sequence[str] = (),
        seats: Sequence[int] = (),
        minimum_tick: int = 0,
        when_full: str = "drop_oldest",
        credits: int = 1024,
        batch_chunks: int = 0,
        maximum_wait_s: float = 0.05,
    ) -> None:
        if when_full not in _WHEN_FULL:
            raise ValueError(f"when_full is one of {', '.join(_WHEN_FULL)}, not {when_full!r}")
        if credits < 1:
            raise ValueError(f"credits must be at least 1, not {credits}")
        self.games: dict[str, Game] = {}
        """The game of every `Chunk.kind`."""
        self.dropped: set[tuple[str, int]] = set()
        self.dropped_episodes = 0
        self._credits = credits
        self._asked: queue.SimpleQueue[v1.ExperienceRequest | None] = queue.SimpleQueue()
        subscription = v1.Subscription(
            key=key,
            games=games,
            episodes=episodes,
            players=players,
            seats=seats,
            minimum_tick=minimum_tick,
            history=history,
            follow=follow,
            when_full=_WHEN_FULL[when_full],
            batch_chunks=batch_chunks,
            maximum_wait_ms=int(maximum_wait_s * 1000),
            credits=credits,
        )
        self._asked.put(v1.ExperienceRequest(subscribe=subscription))
        stub = experience_service_pb2_grpc.ExperienceServiceStub(client.channel)
        self._call = stub.StreamExperienceBatches(iter(self._asked.get, None))

    def batches(self) -> Iterator[list[bytes]]:
        """Chunks as they came, some at a time, for who decodes them elsewhere."""
        used = 0
        try:
            for batch in self._call:
                for known in batch.games:
                    self.games[known.kind] = read_game(known.game)
                self.dropped |= {(each.episode, each.seat) for each in batch.dropped}
                self.dropped_episodes = batch.dropped_episodes
                used += len(batch.chunks)
                if used * 2 >= self._credits:  # a request for half of them, not one for each batch
                    self._asked.put(v1.ExperienceRequest(credits=used))
                    used = 0
                yield list(batch.chunks)
        except grpc.RpcError as error:
            if error.code() != grpc.StatusCode.CANCELLED:
                raise server_error(error) from None
        finally:
            self.close()

    def __iter__(self) -> Iterator[Chunk]:
        for batch in self.batches():
            for data in batch:
                yield decode_chunk(data)

    def close(self) -> None:
        """End the stream."""
        self._asked.put(None)
        self._call.cancel()


def submit_experiences(client: Client, key: str, game: Game, chunks: Sequence[Chunk]) -> dict[int, str]:
    """Give chunks of `game` that were made here to whoever follows the server's; why some were refused, by
    their place."""
    kind = kind_of(game)
    if any(chunk.kind != kind for chunk in chunks):
        raise ValueError("all chunks of a call are of its game")
    stub: Any = experience_service_pb2_grpc.ExperienceServiceStub(client.channel)
    request = v1.SubmitExperiencesRequest(
        key=key,
        kind=game_kind(game.spec.name, game.options),
        chunks=[encode_chunk(chunk) for chunk in chunks],
    )
    with refusals():
        answer = stub.SubmitExperiences(request, timeout=client.timeout_s)
    return {each.index: each.reason for each in answer.refused}
