"""Chunks that were made elsewhere: good ones reach those who follow, others harm nobody (C3, C12)."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest
from experience_streams import consumers, follow, play, wait_for
from grpc_servers import BOARD, child_server, resident_mb
from played_games import play as play_record
from played_games import record_chunks

from strategos.client import Client, ServerError
from strategos.client.experiences import ExperienceStream, submit_experiences
from strategos.client.messages import game_kind
from strategos.play.record import recorded_game
from strategos.server.experience.chunks import encode_chunk
from strategos.server.experience.submitted import WAITING_REQUESTS
from strategos.server.grpc.v1 import experience_service_pb2 as v1
from strategos.server.grpc.v1 import experience_service_pb2_grpc


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
    for options, reason in (
        (BOARD | {"ruleset": "classic"}, "another kind"),
        ({"height": 8, "width": 8}, "not as long as those of the game"),
    ):
        request = v1.SubmitExperiencesRequest(
            key=server.key, kind=game_kind("generals", options), chunks=good[:1]
        )
        answer = stub.SubmitExperiences(request, timeout=60)
        assert answer.accepted == 0 and reason in answer.refused[0].reason


def test_chunks_out_of_order_are_refused_and_an_episode_may_begin_anew(server, client):
    record = play_record("generals", 21, 200)
    game = recorded_game(record)
    chunks = [chunk for chunk in record_chunks([record]) if chunk.seat == 0]
    assert len(chunks) >= 3
    thread, found, stream = follow(client, server, 1)
    wait_for(lambda: consumers(server))
    assert submit_experiences(client, server.key, game, [chunks[0], chunks[2], chunks[1]]).keys() == {1}
    wait_for(lambda: len(found) == 2)
    assert submit_experiences(client, server.key, game, chunks[1:2]).keys() == {0}  # a second time
    assert submit_experiences(client, server.key, game, chunks) == {}
    thread.join(30)
    assert found == [encode_chunk(chunk) for chunk in chunks[:2] + chunks]
    assert stream.dropped == {(chunks[0].episode, 0)} and stream.dropped_episodes == 1


def test_submissions_are_checked_beside_the_games_and_a_bounded_number_of_them_waits(server, client):
    record = play_record("generals", 22, 64)
    game, chunks = recorded_game(record), record_chunks([record])
    occupied, free = server.server.experience._submissions, threading.Event()
    occupied._thread.submit(free.wait, 60)
    answers: list[object] = []

    def submit() -> None:
        try:
            answers.append(submit_experiences(client, server.key, game, chunks))
        except ServerError as error:
            answers.append(error.code)

    threads = [threading.Thread(target=submit) for _ in range(WAITING_REQUESTS + 3)]
    for thread in threads:
        thread.start()
    wait_for(lambda: len(answers) == 3)
    assert play(client, tick_limit=20).result.reason  # the loop is free
    free.set()
    for thread in threads:
        thread.join(30)
    assert answers[:3] == ["exhausted"] * 3 and answers[3:] == [{}] * WAITING_REQUESTS


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="memory is read from /proc")
def test_C3_the_server_does_not_grow_for_a_reader_of_ten_messages_a_second(tmp_path):
    """24,000 chunks more than its queue holds come in: they are counted, and not kept."""
    record = play_record("generals", 3, 64)
    chunks = [encode_chunk(chunk) for chunk in record_chunks([record])] * 300
    with child_server(tmp_path) as (child, port, key), Client(f"127.0.0.1:{port}") as client:
        stub = experience_service_pb2_grpc.ExperienceServiceStub(client.channel)
        request = v1.SubmitExperiencesRequest(
            key=key, kind=game_kind(record.game, record.options), chunks=chunks
        )
        slow = ExperienceStream(client, key, credits=1 << 20, batch_chunks=1)
        reading, got = slow.batches(), 0
        for _ in range(20):  # fills its queue, and what is allocated once
            stub.SubmitExperiences(request, timeout=30)
        next(reading)
        before = resident_mb(child)
        for number in range(40):
            assert stub.SubmitExperiences(request, timeout=30).accepted == len(chunks)
            if number % 10 == 0:
                got += len(next(reading))
        assert resident_mb(child) - before < 5 < 40 * sum(map(len, chunks)) / 2**20
        assert got <= 8
        stats = stub.GetExperienceStats(v1.GetExperienceStatsRequest(key=key), timeout=30)
        assert stats.chunks == 60 * 600 and stats.consumers[0].queued_chunks <= 4096
        assert stats.consumers[0].dropped_episodes > 0
        slow.close()
