"""Experience out of a whole server: live, from records, filtered, for slow consumers (C1, C3, C14, C15)."""

from __future__ import annotations

import re
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from grpc_servers import BOARD, running
from played_games import play as play_record

from strategos.client import Client, PolicyAgent, ServerError, run_agent
from strategos.client.experiences import ExperienceStream, submit_experiences
from strategos.client.messages import game_kind
from strategos.play.agents import load_policy
from strategos.play.record import recorded_game
from strategos.server.experience.chunks import decode_chunk, encode_chunk
from strategos.server.experience.stream import WAITING_TICKS
from strategos.server.experience.transitions import record_chunks
from strategos.server.grpc.v1 import experience_service_pb2 as v1
from strategos.server.grpc.v1 import experience_service_pb2_grpc
from strategos.server.terms import Result


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with running(tmp_path_factory.mktemp("data")) as started:
        yield started


@pytest.fixture
def client(server):
    with server.client() as connected:
        yield connected


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


def wait_for(condition, seconds=20.0) -> None:
    ends_at = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < ends_at, "it did not come to that"
        time.sleep(0.01)


@pytest.mark.parametrize("game", ["generals", "blob"])
def test_what_was_streamed_is_bit_by_bit_what_the_record_gives(server, client, game):
    seats = 2 if game == "generals" else 3
    thread, found, stream = follow(client, server, seats, games=[game])
    wait_for(lambda: consumers(server))
    end = play(client, game=game)
    thread.join(60)
    record = client.replay(end.result.replay)
    assert sorted(found) == sorted(encode_chunk(chunk) for chunk in record_chunks([record]))
    assert record.ticks == end.tick
    (known,) = stream.games.values()
    assert known.spec.name == game
    last = [decode_chunk(data) for data in found if decode_chunk(data).last]
    assert {chunk.seat: float(chunk.rewards[-1]) for chunk in last} == pytest.approx(
        dict(enumerate(end.result.returns)), abs=1e-6
    )


def test_C15_a_consumer_joins_late(server, client):
    """With the history alone, with what follows, and in the middle of a game: the same bytes each time."""
    before = play(client, "early bird")
    seat = client.create("generals", BOARD, name="late bird", agents={1: "random"}, tick_limit=100)
    for _ in range(10):
        state = seat.state()
        while not state.my_turn:
            state = seat.state()
        seat.act(int(np.flatnonzero(state.legal)[0]), tick=state.tick)
        wait_for(lambda tick=state.tick: seat.state().tick > tick)
    names = ["early bird", "late bird"]
    both = follow(client, server, 2, history=True, players=names)
    following = follow(client, server, 1, players=names)
    history = ExperienceStream(client, server.key, history=True, follow=False, players=names)
    assert {chunk.player for chunk in history} == {"early bird"}  # and it ends
    wait_for(lambda: consumers(server) == 2)
    end = run_agent(seat, PolicyAgent(load_policy("random"), seed=2))
    for thread, *_ in (both, following):
        thread.join(60)
        assert not thread.is_alive()
    records = [client.replay(state.result.replay) for state in (before, end)]
    expected = [
        [encode_chunk(chunk) for chunk in record_chunks([record]) if chunk.player in names]
        for record in records
    ]
    assert both[1] == expected[0] + expected[1]
    assert following[1] == expected[1]


def test_C14_filters_are_exact(server, client):
    wanted = follow(client, server, 1, players=["me"], seats=[0], games=["generals"], minimum_tick=70)
    other = follow(client, server, 99, players=["nobody"])
    wait_for(lambda: consumers(server) == 2)
    play(client, game="blob")
    end = play(client, tick_limit=100)
    wanted[0].join(60)
    record = client.replay(end.result.replay)
    expected = [chunk.since(70) for chunk in record_chunks([record]) if chunk.seat == 0]
    assert wanted[1] == [encode_chunk(chunk) for chunk in expected if chunk is not None]
    assert other[1] == []
    other[2].close()
    wait_for(lambda: consumers(server) == 0)


def test_C14_one_game_by_its_replay(server, client):
    end = play(client)
    play(client)
    replay = end.result.replay
    stream = ExperienceStream(client, server.key, history=True, follow=False, episodes=[replay])
    assert [encode_chunk(chunk) for chunk in stream] == [
        encode_chunk(chunk) for chunk in record_chunks([client.replay(replay)])
    ]


def test_C1_a_consumer_without_credits_holds_up_nobody(server, client):
    """It is granted one chunk and grants none: games go on, its queue is bounded, others get everything."""
    slow = ExperienceStream(client, server.key, credits=1)
    first = iter(slow.batches())
    fast, found, _ = follow(client, server, 6)
    wait_for(lambda: consumers(server) == 2)
    for number in range(3):
        play(client, f"player {number}", tick_limit=70)
    fast.join(60)
    assert not fast.is_alive() and len({decode_chunk(data).episode for data in found}) == 3
    assert len(next(first)) == 1
    queues = server.ask(lambda: [each.queued for each in server.server.experience.consumers])
    assert 0 < max(queues) <= len(found)
    slow.close()
    wait_for(lambda: consumers(server) == 0)


def test_C1_a_game_played_faster_than_chunks_are_made_is_lost_and_no_other(server, client):
    """All of its ticks come in one turn of the loop: it is let go, and told to those who follow."""
    thread, found, stream = follow(client, server, 2, seats=[0, 1])
    wait_for(lambda: consumers(server))
    record = play_record("generals", 3, 50)
    experience, game = server.server.experience, recorded_game(record)

    def rush() -> int:
        experience.begun("rush", game, record.seed, record.players, ())
        for tick in range(WAITING_TICKS + 1):
            experience.played("rush", record.actions[tick % 50])
        left = experience.open_games
        experience.ended("rush", Result((), (), "no such replay", "played", ()))
        return left

    assert server.ask(rush) == 0
    end = play(client, tick_limit=70)
    thread.join(60)
    assert found == [encode_chunk(chunk) for chunk in record_chunks([client.replay(end.result.replay)])]
    assert stream.games


def test_block_gets_games_when_they_are_over_and_loses_none(server, client):
    thread, found, stream = follow(client, server, 6, when_full="block", credits=1)
    wait_for(lambda: consumers(server))
    ends = [play(client, f"blocked {number}", tick_limit=70) for number in range(3)]
    thread.join(60)
    records = [client.replay(end.result.replay) for end in ends]
    assert found == [encode_chunk(chunk) for record in records for chunk in record_chunks([record])]
    assert stream.dropped_episodes == 0


def test_chunks_that_were_made_elsewhere_reach_those_who_follow(server, client):
    record = client.replay(play(client).result.replay)
    chunks = list(record_chunks([record]))
    game = recorded_game(record)
    thread, found, _ = follow(client, server, 2)
    wait_for(lambda: consumers(server))
    assert submit_experiences(client, server.key, game, chunks) == {}
    thread.join(30)
    assert found == [encode_chunk(chunk) for chunk in chunks]


def test_C12_poison_is_refused_and_the_rest_goes_on(server, client):
    record = client.replay(play(client).result.replay)
    good = [encode_chunk(chunk) for chunk in record_chunks([record])]
    stub = experience_service_pb2_grpc.ExperienceServiceStub(client.channel)
    kind = game_kind(record.game, record.options)
    damaged = good[0][:-1] + bytes([good[0][-1] ^ 1])
    request = v1.SubmitExperiencesRequest(key=server.key, kind=kind, chunks=[b"", damaged, *good, b"SXC1"])
    answer = stub.SubmitExperiences(request, timeout=30)
    assert answer.accepted == len(good)
    assert [each.index for each in answer.refused] == [0, 1, len(good) + 2]
    stats = stub.GetExperienceStats(v1.GetExperienceStatsRequest(key=server.key), timeout=30)
    assert stats.refused_chunks >= 3 and stats.steps > 0


def test_chunks_of_another_game_than_was_announced_are_refused(server, client):
    record = client.replay(play(client).result.replay)
    good = [encode_chunk(chunk) for chunk in record_chunks([record])]
    stub = experience_service_pb2_grpc.ExperienceServiceStub(client.channel)
    kind = game_kind("generals", {"height": 8, "width": 8})
    answer = stub.SubmitExperiences(
        v1.SubmitExperiencesRequest(key=server.key, kind=kind, chunks=good[:1]), timeout=60
    )
    assert answer.accepted == 0 and "another kind" in answer.refused[0].reason


@pytest.mark.parametrize("key", ["", "x", "x" * 43])
def test_only_holders_of_the_workers_key_see_experience(server, client, key):
    """Also not a player with the token of its own seat: the stream shows what the others see."""
    seat = client.create("generals", BOARD, name="spy", agents={1: "random"})
    for wrong in (key, seat.token):
        with pytest.raises(ServerError) as refused:
            list(ExperienceStream(client, wrong, history=True, follow=False))
        assert refused.value.code == "forbidden"
    seat.leave()


def test_the_key_is_for_its_owner_alone_and_stays(server):
    file = server.settings.data / "worker.key"
    assert file.stat().st_mode & 0o077 == 0 and len(server.key) >= 43


CHILD = """
import asyncio, pathlib, sys
from strategos.server.grpc.serving import GrpcServer
from strategos.server.hall import Hall
from strategos.server.settings import Settings

async def serve():
    settings = Settings(data=pathlib.Path(sys.argv[1]), grpc_port=0, runs=None)
    async with Hall(settings) as hall:
        server = GrpcServer(hall, settings)
        await server.start()
        print("port", server.port, flush=True)
        await server.wait()

asyncio.run(serve())
"""


@contextmanager
def child_server(data: Path) -> Iterator[tuple[subprocess.Popen, Client, str]]:
    """A server in a process of its own, whose memory is its own."""
    child = subprocess.Popen([sys.executable, "-c", CHILD, str(data)], stdout=subprocess.PIPE, text=True)
    assert child.stdout is not None
    try:
        port = next(line.split()[1] for line in child.stdout if line.startswith("port"))
        with Client(f"127.0.0.1:{port}") as client:
            yield child, client, (data / "worker.key").read_text().strip()
    finally:
        child.kill()
        child.wait(20)
        child.stdout.close()


def resident_mb(child: subprocess.Popen) -> float:
    status = Path(f"/proc/{child.pid}/status").read_text()
    return int(re.search(r"VmRSS:\s+(\d+) kB", status)[1]) / 1024


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="memory is read from /proc")
def test_C3_the_server_does_not_grow_for_a_reader_of_ten_messages_a_second(tmp_path):
    """60,000 chunks more than its queue holds come in: they are counted, and not kept."""
    record = play_record("generals", 3, 64)
    game = recorded_game(record)
    chunks = list(record_chunks([record]))
    with child_server(tmp_path) as (child, client, key):
        slow = ExperienceStream(client, key, credits=1 << 20, batch_chunks=1)
        reading, got = slow.batches(), 0
        for _ in range(50):  # fills its queue, and what is allocated once
            submit_experiences(client, key, game, chunks * 300)
        next(reading)
        before = resident_mb(child)
        for number in range(100):
            assert submit_experiences(client, key, game, chunks * 300) == {}
            if number % 10 == 0:
                got += len(next(reading))
        assert resident_mb(child) - before < 5
        assert got <= 20
        stub = experience_service_pb2_grpc.ExperienceServiceStub(client.channel)
        stats = stub.GetExperienceStats(v1.GetExperienceStatsRequest(key=key), timeout=30)
        assert stats.chunks == 150 * 600 and stats.consumers[0].queued_chunks <= 4096
        assert stats.consumers[0].dropped_episodes > 0
        slow.close()
