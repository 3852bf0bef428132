"""Chunks that were made elsewhere: good ones reach those who follow, each once and in order; others harm
nobody (C3, C5 to C8, C12)."""

from __future__ import annotations

import threading
from pathlib import Path

import hypothesis
import pytest
from experience_streams import consumers, follow, play, replayed, taken, wait_for
from grpc_servers import BOARD, child_server, resident_mb
from hypothesis import strategies as st
from played_games import play as play_record
from played_games import record_chunks

from strategos.client import Client, PolicyAgent, ServerError, run_agent
from strategos.client.experiences import ExperienceStream, submit_experiences
from strategos.client.messages import game_kind
from strategos.games import make_game
from strategos.games.spec import Game
from strategos.play.agents import load_policy
from strategos.play.record import recorded_game
from strategos.server.experience import submitted
from strategos.server.experience.chunks import Chunk, encode_chunk
from strategos.server.experience.consumers import DROP_OLDEST, Consumer
from strategos.server.experience.pieces import Piece, Wanted
from strategos.server.experience.submitted import SILENT_S, WAITING_REQUESTS, Submissions, Submitted
from strategos.server.grpc.v1 import experience_service_pb2 as v1
from strategos.server.grpc.v1 import experience_service_pb2_grpc

GAME = make_game("kuhn")


def test_chunks_that_were_made_elsewhere_reach_those_who_follow(server, client):
    record = play_record("generals", 20, 100)
    chunks = record_chunks({"elsewhere": record})
    game = recorded_game(record)
    thread, found, _ = follow(client, server, 2)
    wait_for(lambda: consumers(server))
    assert submit_experiences(client, server.key, game, chunks) == {}
    thread.join(30)
    assert found == [encode_chunk(chunk) for chunk in chunks]


def test_C12_poison_is_refused_and_the_rest_goes_on(server, client):
    record = play_record("generals", 23, 100)
    good = [encode_chunk(chunk) for chunk in record_chunks({"good": record})]
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
    record = play_record("generals", 24, 10)
    good = [encode_chunk(chunk) for chunk in record_chunks({"good": record})]
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


def long_episode(episode: str) -> tuple[Game, list[Chunk]]:
    """Chunks of one player, three or more."""
    record = play_record("generals", 21, 200)
    chunks = [chunk for chunk in record_chunks({episode: record}) if chunk.seat == 0]
    assert len(chunks) >= 3
    return recorded_game(record), chunks


def test_C6_C7_chunks_out_of_order_are_refused_and_an_episode_may_begin_anew(server, client):
    game, chunks = long_episode("out of order")
    thread, found, stream = follow(client, server, 1)
    wait_for(lambda: consumers(server))
    assert submit_experiences(client, server.key, game, [chunks[0], chunks[2], chunks[1]]).keys() == {1}
    wait_for(lambda: len(found) == 2)
    assert submit_experiences(client, server.key, game, chunks[1:2]).keys() == {0}  # a second time
    assert submit_experiences(client, server.key, game, chunks) == {}
    thread.join(30)
    assert found == [encode_chunk(chunk) for chunk in chunks[:2] + chunks]
    assert stream.dropped == {(chunks[0].episode, 0)} and stream.dropped_episodes == 1


def test_a_chunk_of_a_game_that_is_played_here_is_refused(server, client):
    """Whoever follows it would get two games as one."""
    thread, found, _ = follow(client, server, 1, seats=[0])
    wait_for(lambda: consumers(server))
    seat = client.create("generals", BOARD, name="me", agents={1: "random"}, tick_limit=70)
    game, chunks = long_episode(seat.game_id)
    wait_for(lambda: server.ask(lambda: server.server.experience.open_games))
    assert submit_experiences(client, server.key, game, chunks[:1]) == {0: "this game is being played here"}
    run_agent(seat, PolicyAgent(load_policy("random"), seed=1))
    thread.join(60)
    (played,) = replayed(client, seat.game_id)
    assert found == [encode_chunk(chunk) for chunk in played if chunk.seat == 0]


def test_an_episode_whose_sender_is_gone_is_given_up_and_told(server, client, monkeypatch):
    """Nobody who keeps the parts until the last has come keeps them for ever."""
    game, chunks = long_episode("deserted")
    thread, found, stream = follow(client, server, 1)
    wait_for(lambda: consumers(server))
    with server.client() as sender:
        assert submit_experiences(sender, server.key, game, chunks[:2]) == {}
        wait_for(lambda: len(found) == 2)
    assert not stream.dropped
    monkeypatch.setattr(submitted, "SILENT_S", 0.0)
    wait_for(lambda: stream.dropped)
    monkeypatch.undo()
    assert submit_experiences(client, server.key, game, chunks[2:]).keys() == set(range(len(chunks) - 2))
    assert submit_experiences(client, server.key, game, chunks) == {}  # the sender is back, and begins anew
    thread.join(30)
    assert found == [encode_chunk(chunk) for chunk in chunks[:2] + chunks]
    assert stream.dropped == {("deserted", 0)} and stream.dropped_episodes == 1


def part(name: str, number: int, count: int) -> Submitted:
    """One of the `count` chunks of an episode, of a step each."""
    last = number == count - 1
    piece = Piece(GAME, "kind", 1, last, f"{name} {number} {int(last)}".encode())
    return Submitted(GAME, (name, 0), "player", number, 1, last, {0: piece})


def test_the_episode_that_was_silent_longest_is_given_up_first(monkeypatch):
    now = 0.0
    consumer = Consumer(Wanted(), when_full=DROP_OLDEST, capacity=100)
    submissions = Submissions(lambda: now)

    def send(name: str, number: int) -> str:
        return submissions.hand_on(part(name, number, 9), [consumer], ())

    assert not send("a", 0) and not send("b", 0)
    now = 1.0
    assert not send("a", 1)
    taken(consumer)
    now = SILENT_S + 0.5
    submissions.give_up_silent()
    assert taken(consumer) == ([], [("b", 0)]) and not send("a", 2)
    monkeypatch.setattr(submitted, "OPEN_EPISODES", 2)
    assert not send("c", 0) and not send("a", 3) and not send("d", 0)
    assert send("c", 1) and not send("a", 4) and not send("d", 1)
    now *= 3
    submissions.give_up_silent()
    assert send("a", 5) and consumer.dropped_episodes == 4
    submissions.close()


class Collector:
    """A consumer's end that keeps whole episodes alone, each once, as the manual says."""

    def __init__(self) -> None:
        self.whole: dict[str, list[int]] = {}
        self.endings = 0
        """How often the last chunk of an episode came."""
        self._parts: dict[str, list[int]] = {}

    def take(self, data: list[bytes], lost: list[tuple[str, int]]) -> None:
        for name, _ in lost:
            self._parts.pop(name, None)
        for name, number, last in (each.decode().split() for each in data):
            steps = [] if number == "0" else self._parts[name]
            assert int(number) == len(steps)  # in order, and no hole
            self._parts[name] = [*steps, int(number)]
            if last == "1":
                self.endings += 1
                self.whole.setdefault(name, self._parts.pop(name))


@hypothesis.given(st.lists(st.integers(1, 4), min_size=1, max_size=4), st.sampled_from([3, 1000]), st.data())
@hypothesis.settings(max_examples=150, deadline=None)
def test_C5_C6_C8_over_a_network_that_loses_repeats_and_reorders(lengths, capacity, data):
    """Each episode comes whole and once to who passes over what it has. Whatever began has ended, was dropped
    or is on its way, at every moment.

    A sender goes on where its chunk was taken, and begins the episode anew where it was refused.
    """
    now, begun = 0.0, 0
    consumer = Consumer(Wanted(), when_full=DROP_OLDEST, capacity=capacity)
    submissions, collector = Submissions(lambda: now), Collector()
    counts = {f"episode-{number}": count for number, count in enumerate(lengths)}
    sent: list[tuple[str, int]] = []

    def deliver(name: str, number: int) -> bool:
        nonlocal begun
        refused = submissions.hand_on(part(name, number, counts[name]), [consumer], ())
        begun += not refused and number == 0
        return not refused

    left = dict.fromkeys(counts, 0)
    steps = data.draw(st.lists(st.tuples(st.integers(0, 99), st.integers(0, 99)), max_size=40))
    while left:
        event, choice = steps.pop() if steps else (0, 0)  # in the end the network is a good one
        name = list(left)[choice % len(left)]
        if event < 60:
            accepted = deliver(name, left[name])
            sent.append((name, left[name]))
            if event < 45:  # otherwise the answer is lost, and the chunk sent again
                left[name] = left[name] + 1 if accepted else 0
                if left[name] == counts[name]:
                    del left[name]
        elif event < 75 and sent:
            deliver(*sent[choice % len(sent)])  # an old one comes late, or once more
        elif event < 95:
            collector.take(*taken(consumer, 1 + choice % 3))
        else:
            now += SILENT_S + 1
            submissions.give_up_silent()
        assert begun - collector.endings - consumer.dropped_episodes >= 0
    now += SILENT_S + 1
    submissions.give_up_silent()
    collector.take(*taken(consumer))
    assert begun == collector.endings + consumer.dropped_episodes
    for name, numbers in collector.whole.items():
        assert numbers == list(range(counts[name]))
    if capacity == 1000:
        assert collector.whole.keys() == counts.keys()
    submissions.close()


def test_submissions_are_checked_beside_the_games_and_a_bounded_number_of_them_waits(server, client):
    record = play_record("generals", 22, 64)
    game, chunks = recorded_game(record), record_chunks({"elsewhere": record})
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
    chunks = [encode_chunk(chunk) for chunk in record_chunks({"elsewhere": record})] * 300
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
