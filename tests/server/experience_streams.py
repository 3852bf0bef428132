"""Streams of experience for tests: games played over gRPC, and who collects what a stream brings."""

from __future__ import annotations

import asyncio
import threading
import time

from grpc_servers import BOARD
from played_games import record_chunks

from strategos.client import PolicyAgent, run_agent
from strategos.client.experiences import ExperienceStream
from strategos.play.agents import load_policy
from strategos.server.experience.chunks import Chunk, decode_chunk
from strategos.server.experience.consumers import Consumer
from strategos.server.experience.pieces import EpisodeKey


def replayed(client, *replays: str) -> list[list[Chunk]]:
    """The chunks of each of these games, out of its record alone."""
    return [record_chunks({replay: client.replay(replay)}) for replay in replays]


def taken(consumer: Consumer, most: int = 1_000_000) -> tuple[list[bytes], list[EpisodeKey]]:
    """What waits for a consumer, and what it lost; more is not waited for."""
    consumer.ended, ended = True, consumer.ended
    pieces, lost = asyncio.run(consumer.take(most, 0.0))
    consumer.ended = ended
    return [each.data for each in pieces], lost


def play(client, name="me", *, game="generals", private=False, tick_limit=200):
    """A game to its end; its last state."""
    if game == "generals":
        options, agents, policy = BOARD, {1: "random"}, "random"
    else:
        options, agents, policy = {"players": 3, "cards": 3}, {1: "heuristic", 2: "random"}, "heuristic"
    seat = client.create(game, options, name=name, agents=agents, private=private, tick_limit=tick_limit)
    return run_agent(seat, PolicyAgent(load_policy(policy), seed=1))


def follow(client, server, number, **options) -> tuple[threading.Thread, list[bytes], ExperienceStream]:
    """Collect what a stream brings on a thread, until `number` episodes have ended."""
    stream = ExperienceStream(client, server.key, maximum_wait_s=0.01, **options)
    found: list[bytes] = []

    def collect() -> None:
        ended = 0
        for batch in stream.batches():
            found.extend(batch)
            ended += sum(decode_chunk(data).last for data in batch)
            if ended >= number:
                return

    thread = threading.Thread(target=collect, daemon=True)
    thread.start()
    return thread, found, stream


def consumers(server) -> int:
    return server.ask(lambda: len(server.server.experience.consumers))


def wait_for(condition, seconds=60.0) -> None:
    ends_at = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < ends_at, "it did not come to that"
        time.sleep(0.01)
