"""Experience out of a whole server: live, from records, filtered, for slow consumers (C1, C14, C15)."""

from __future__ import annotations

import asyncio
import sqlite3
import threading

import numpy as np
import pytest
from experience_streams import consumers, follow, play, replayed, wait_for
from grpc_servers import BOARD, running
from played_games import play as play_record
from played_games import record_chunks

from strategos.client import PolicyAgent, ServerError, run_agent
from strategos.client.experiences import ExperienceStream
from strategos.play.agents import load_policy
from strategos.play.record import recorded_game
from strategos.server.experience import history as history_module
from strategos.server.experience import stream as stream_module
from strategos.server.experience.chunks import decode_chunk, encode_chunk
from strategos.server.experience.pieces import Wanted
from strategos.server.experience.stream import WAITING_TICKS
from strategos.server.grpc.v1 import experience_service_pb2 as v1
from strategos.server.grpc.v1 import experience_service_pb2_grpc
from strategos.server.terms import Result


@pytest.mark.parametrize("game", ["generals", "blob"])
def test_what_was_streamed_is_bit_by_bit_what_the_record_gives(server, client, game):
    seats = 2 if game == "generals" else 3
    thread, found, stream = follow(client, server, seats, games=[game])
    wait_for(lambda: consumers(server))
    end = play(client, game=game)
    thread.join(60)
    (chunks,) = replayed(client, end.result.replay)
    assert sorted(found) == sorted(map(encode_chunk, chunks))
    assert client.replay(end.result.replay).ticks == end.tick
    assert {chunk.episode for chunk in chunks} == {end.result.replay}
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
    expected = [
        [encode_chunk(chunk) for chunk in chunks if chunk.player in names]
        for chunks in replayed(client, before.result.replay, end.result.replay)
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
    (chunks,) = replayed(client, end.result.replay)
    expected = [chunk.since(70) for chunk in chunks if chunk.seat == 0]
    assert wanted[1] == [encode_chunk(chunk) for chunk in expected if chunk is not None]
    assert other[1] == []
    other[2].close()
    wait_for(lambda: consumers(server) == 0)


@pytest.mark.parametrize("game", ["generals", "blob"])
def test_C14_one_game_by_its_id(server, client, game):
    """That of its room, of its replay and in its chunks: from its record, and while it is played."""
    replay = play(client, game=game).result.replay
    play(client, game=game)
    play(client, game=game, private=True)
    stream = ExperienceStream(client, server.key, history=True, follow=False, episodes=[replay, "unknown"])
    (chunks,) = replayed(client, replay)
    assert list(map(encode_chunk, stream)) == list(map(encode_chunk, chunks))
    assert stream.dropped_episodes == 0


def test_C14_one_game_by_the_id_of_its_room_while_it_is_played(server, client):
    seat = client.create("generals", BOARD, name="me", agents={}, tick_limit=100)
    thread, found, _ = follow(client, server, 2, episodes=[seat.game_id])
    wait_for(lambda: consumers(server))
    play(client)
    other = client.join(seat.game_id, name="you")
    agents = [(each, PolicyAgent(load_policy("random"), seed=each.seat)) for each in (seat, other)]
    playing = [threading.Thread(target=run_agent, args=each) for each in agents]
    for each in playing:
        each.start()
    for each in (*playing, thread):
        each.join(60)
    (chunks,) = replayed(client, seat.state().result.replay)
    assert sorted(found) == sorted(map(encode_chunk, chunks))


def test_C1_a_consumer_that_will_grant_no_more_credits_is_let_go(server, client):
    """It has closed its side and reads on: the stream ends with the last chunk it can take."""
    play(client, tick_limit=100)
    stub = experience_service_pb2_grpc.ExperienceServiceStub(client.channel)
    wish = v1.Subscription(key=server.key, history=True, follow=True, credits=2, batch_chunks=1)
    answers = stub.StreamExperienceBatches(iter([v1.ExperienceRequest(subscribe=wish)]), timeout=60)
    assert [len(batch.chunks) for batch in answers] == [1, 1]
    wait_for(lambda: consumers(server) == 0)


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
    (chunks,) = replayed(client, end.result.replay)
    assert found == [encode_chunk(chunk) for chunk in chunks]
    assert stream.games


def test_C1_a_game_that_is_lost_is_counted_by_who_follows_it_and_comes_whole_to_who_waits(
    server, client, monkeypatch
):
    """More is played than can be made into chunks: the thread that makes them stands still. Nothing of the
    game was offered yet."""
    monkeypatch.setattr(stream_module, "WAITING_TICKS", 20)
    live, found, stream = follow(client, server, 2, players=["hasty", "calm"])
    block, recorded, _ = follow(client, server, 1, players=["hasty"], when_full="block")
    wait_for(lambda: consumers(server) == 2)
    free = threading.Event()
    server.server.experience._thread.submit(free.wait, 60)
    end = play(client, "hasty", tick_limit=150)
    assert end.tick > 21
    free.set()
    later = play(client, "calm", tick_limit=20)
    other = play(client, "calm", tick_limit=20)
    for thread in (live, block):
        thread.join(60)
    first, *others = replayed(client, *(each.result.replay for each in (end, later, other)))
    assert recorded == [encode_chunk(chunk) for chunk in first[::2]]  # of its two seats the first
    assert found == [encode_chunk(chunks[0]) for chunks in others]
    assert stream.dropped_episodes == 1 and not stream.dropped


@pytest.mark.parametrize("when_full", ["drop_oldest", "block"])
def test_C5_games_of_one_seed_and_the_same_players_are_told_apart(server, client, when_full):
    """Four at once, of which two wait in the middle until the others are over."""
    collecting, found, stream = follow(client, server, 8, players=["twin", "random"], when_full=when_full)
    wait_for(lambda: consumers(server))
    seats = [
        client.create("generals", BOARD, name="twin", agents={1: "random"}, private=True, seed=7)
        for _ in range(4)
    ]
    free = threading.Event()

    class Waiting(PolicyAgent):
        def select_action(self, state):
            assert state.tick != 70 or free.wait(30)
            return super().select_action(state)

    kinds = (Waiting, Waiting, PolicyAgent, PolicyAgent)
    agents = [kind(load_policy("random"), seed=number) for number, kind in enumerate(kinds)]
    playing = [threading.Thread(target=run_agent, args=each) for each in zip(seats, agents, strict=True)]
    for thread in playing:
        thread.start()
    for thread in playing[2:]:
        thread.join(30)
    free.set()
    for thread in (*playing, collecting):
        thread.join(30)
    assert not collecting.is_alive() and stream.dropped_episodes == 0
    got: dict[tuple[str, int], list[bytes]] = {}
    for data in found:
        chunk = decode_chunk(data)
        got.setdefault((chunk.episode, chunk.seat), []).append(data)
    expected: dict[tuple[str, int], list[bytes]] = {}
    for chunks in replayed(client, *(seat.state().result.replay for seat in seats)):
        for chunk in chunks:
            expected.setdefault((chunk.episode, chunk.seat), []).append(encode_chunk(chunk))
    assert got == expected and len(got) == 8


def test_a_running_game_with_a_fault_harms_no_other(server, client):
    """Its ticks go on after its end: it gives nothing more, and is counted."""
    thread, found, stream = follow(client, server, 4)
    wait_for(lambda: consumers(server))
    over, good = play_record("generals", 11, 400), play_record("generals", 12, 64)
    assert not over.truncated
    experience, game = server.server.experience, recorded_game(over)

    def both() -> None:
        for name, record in (("faulty", over), ("good", good)):
            experience.begun(name, game, record.seed, record.players, record.actions)
        for actions in over.actions:
            experience.played("faulty", actions)
        for name in ("faulty", "good"):
            experience.ended(name, Result((), (), "no such replay", "played", ()))

    server.ask(both)
    end = play(client, tick_limit=70)
    thread.join(60)
    whole = [data for data in found if decode_chunk(data).episode != "faulty"]
    (later,) = replayed(client, end.result.replay)
    assert whole == [encode_chunk(chunk) for chunk in (*record_chunks({"good": good}), *later)]
    assert stream.dropped_episodes == 2


def test_who_reads_the_history_holds_up_no_live_game(server, client):
    play(client, "before")
    free = threading.Event()
    server.server.experience._records_thread.submit(free.wait, 60)
    old, of_records, _ = follow(client, server, 1, history=True, follow=False, players=["before"])
    live, found, _ = follow(client, server, 1, players=["now"])
    wait_for(lambda: consumers(server) == 2)
    play(client, "now", tick_limit=70)
    live.join(30)
    assert not live.is_alive() and found and not of_records
    free.set()
    old.join(30)
    assert of_records


@pytest.mark.parametrize("when_full", ["drop_oldest", "block"])
def test_C15_history_and_what_follows_have_no_gap(server, client, when_full):
    """Games are played all the time; the consumer comes in between, and gets each once, whole."""
    names = [f"{when_full} {number}" for number in range(12)]
    ends = []

    def play_all() -> None:
        with server.client() as own:
            ends.extend(play(own, name, tick_limit=70) for name in names)

    playing = threading.Thread(target=play_all)
    playing.start()
    wait_for(lambda: len(ends) == 3)
    thread, found, stream = follow(
        client, server, len(names), history=True, players=names, when_full=when_full, credits=4
    )
    playing.join(60)
    thread.join(60)
    assert not thread.is_alive() and stream.dropped_episodes == 0
    by_episode: dict[str, list[bytes]] = {}
    for data in found:
        by_episode.setdefault(decode_chunk(data).episode, []).append(data)
    expected = [
        [encode_chunk(chunk) for chunk in chunks if chunk.seat == 0]
        for chunks in replayed(client, *(end.result.replay for end in ends))
    ]
    assert sorted(by_episode.values()) == sorted(expected)


def test_C15_a_game_that_ends_while_the_history_is_listed_comes_once(server, client, monkeypatch):
    """It is told as ended, and stands in the list as well."""
    monkeypatch.setattr(history_module, "_PAGE", 1)
    replays = [play(client, "listed", tick_limit=20).result.replay for _ in range(6)]
    first = client.replay(replays[0])
    experience, game = server.server.experience, recorded_game(first)

    async def read() -> list[bytes]:
        wanted = Wanted(players=frozenset(["listed"]))
        consumer = experience.subscribe(wanted, history=True, follow=True, when_full="drop_oldest")
        experience.begun(replays[0], game, first.seed, first.players, list(first.actions))
        await asyncio.sleep(0)  # a page of one game, the newest
        experience.ended(replays[0], Result((), (), replays[0], "limit", ()))
        found: list[bytes] = []
        while sum(decode_chunk(data).last for data in found) < len(replays):
            pieces, _ = await consumer.take(100, 0.05)
            found += [piece.data for piece in pieces]
        experience.unsubscribe(consumer)
        return found

    found = server.do(read())
    expected = [encode_chunk(chunks[0]) for chunks in replayed(client, *replays)]
    assert found == expected[1:] + expected[:1]


def test_a_damaged_record_costs_itself(tmp_path):
    """Of a group that is played again together, one ends otherwise than recorded, one cannot be read."""
    with running(tmp_path, record_s=3600.0) as server, server.client() as client:
        ends = [play(client, f"player {number}", tick_limit=150) for number in range(5)]
        journal = sqlite3.connect(tmp_path / "journal.sqlite")
        with journal:
            journal.execute(
                "UPDATE results SET final_hash = 'another' WHERE replay = ?", (ends[1].result.replay,)
            )
            journal.execute(
                "UPDATE ticks SET actions = x'00' WHERE tick = 9 AND room = "
                "(SELECT room FROM results WHERE replay = ?)",
                (ends[3].result.replay,),
            )
        journal.close()
        stream = ExperienceStream(client, server.key, history=True, follow=False)
        found: dict[str, list[bytes]] = {}
        for batch in stream.batches():
            for data in batch:
                found.setdefault(decode_chunk(data).episode, []).append(data)
        for broken in {episode for episode, _ in stream.dropped}:
            del found[broken]
        whole = replayed(client, *(ends[number].result.replay for number in (0, 2, 4)))
        expected = [[encode_chunk(chunk) for chunk in chunks] for chunks in whole]
        assert sorted(found.values()) == sorted(expected)
        assert stream.dropped_episodes == 4 and len(stream.dropped) in (0, 2)


def test_block_gets_games_when_they_are_over_and_loses_none(server, client):
    thread, found, stream = follow(client, server, 6, when_full="block", credits=1)
    wait_for(lambda: consumers(server))
    ends = [play(client, f"blocked {number}", tick_limit=70) for number in range(3)]
    thread.join(60)
    expected = replayed(client, *(end.result.replay for end in ends))
    assert found == [encode_chunk(chunk) for chunks in expected for chunk in chunks]
    assert stream.dropped_episodes == 0


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
