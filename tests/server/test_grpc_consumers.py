"""Queues of consumers stay bounded, drop whole episodes and count each once (C1, C4)."""

from __future__ import annotations

import asyncio
from collections import defaultdict

import hypothesis
import pytest
from experience_streams import taken
from hypothesis import strategies as st
from played_games import KINDS, play, record_chunks

from strategos.games import make_game
from strategos.server.experience import consumers
from strategos.server.experience.chunks import make_compressor
from strategos.server.experience.consumers import (
    BLOCK,
    DROP_OLDEST,
    RECORDED_CHUNKS,
    SAMPLE,
    WHEN_FULL,
    Consumer,
    Episode,
)
from strategos.server.experience.pieces import Piece, Wanted, make_pieces

GAME = make_game("kuhn")


def piece(episode: Episode, number: int, last: int) -> Piece:
    return Piece(GAME, "kind", 64, number == last, f"{episode.key[0]} {number}".encode())


def played(name: str) -> Episode:
    return Episode((name, 0), recorded=False)


def recorded(name: str) -> Episode:
    return Episode((name, 0), recorded=True)


def offer(consumer: Consumer, episode: Episode, count: int) -> Episode:
    for number in range(count):
        consumer.offer(episode, piece(episode, number, count - 1))
    return episode


@pytest.mark.parametrize("when_full", [DROP_OLDEST, SAMPLE])
def test_C1_the_queue_of_a_consumer_that_never_reads_stays_bounded(when_full):
    consumer = Consumer(Wanted(), when_full=when_full, capacity=32)
    episodes = [played(f"game {number}") for number in range(500)]
    for number in range(8):
        for episode in episodes:
            consumer.offer(episode, piece(episode, number, 7))
            assert consumer.queued <= 32
            assert len(consumer._queue) <= 2 * 32 + RECORDED_CHUNKS + 1
    assert consumer.dropped_episodes >= 480
    data, _ = taken(consumer)
    kept = {each.rsplit(b" ", 1)[0] for each in data}
    assert len(data) == 8 * len(kept)  # what is left are whole episodes
    assert len(kept) + consumer.dropped_episodes == 500


def test_C4_drop_oldest_keeps_the_newest_episodes():
    consumer = Consumer(Wanted(), when_full=DROP_OLDEST, capacity=4)
    for name in "abcdef":
        offer(consumer, played(name), 2)
    assert taken(consumer) == ([b"e 0", b"e 1", b"f 0", b"f 1"], [])
    assert consumer.dropped_episodes == 4


def test_C4_an_episode_that_was_begun_and_breaks_off_is_told():
    consumer = Consumer(Wanted(), when_full=DROP_OLDEST, capacity=2)
    a = played("a")
    consumer.offer(a, piece(a, 0, 9))
    assert taken(consumer) == ([b"a 0"], [])
    for number in range(1, 4):
        consumer.offer(a, piece(a, number, 9))  # the third does not fit: all of it goes
    assert consumer.queued == 0
    offer(consumer, played("b"), 1)
    for number in range(4, 10):
        consumer.offer(a, piece(a, number, 9))
    assert taken(consumer) == ([b"b 0"], [("a", 0)])
    assert consumer.dropped_episodes == 1


def test_C4_live_games_never_push_out_recorded_ones():
    """Nor the other way round: a record that was given in part would have a hole, and nobody counted it."""
    consumer = Consumer(Wanted(), when_full=DROP_OLDEST, capacity=2)
    kept = recorded("kept")
    asyncio.run(consumer.put(kept, piece(kept, 0, 2)))
    assert taken(consumer) == ([b"kept 0"], [])
    asyncio.run(consumer.put(kept, piece(kept, 1, 2)))
    for name in "abcd":
        offer(consumer, played(name), 1)
    asyncio.run(consumer.put(kept, piece(kept, 2, 2)))
    assert taken(consumer) == ([b"kept 1", b"c 0", b"d 0", b"kept 2"], [])
    assert consumer.dropped_episodes == 2


def test_C4_sample_takes_fewer_episodes_the_fuller_it_is_and_the_same_each_time():
    def fill() -> tuple[int, int]:
        consumer = Consumer(Wanted(), when_full=SAMPLE, capacity=100)
        for number in range(50):
            offer(consumer, played(str(number)), 1)
        early = consumer.queued
        for number in range(50, 1000):
            offer(consumer, played(str(number)), 1)
        assert consumer.queued + consumer.dropped_episodes == 1000
        return early, consumer.queued

    early, all_of_them = fill()
    assert 25 < early < 50 and early < all_of_them <= 100
    assert fill() == (early, all_of_them)


def test_C1_a_queue_of_long_chunks_is_full_by_their_bytes(monkeypatch):
    monkeypatch.setattr(consumers, "QUEUE_BYTES", 100)
    monkeypatch.setattr(consumers, "TAKEN_BYTES", 50)
    consumer = Consumer(Wanted(), when_full=DROP_OLDEST, capacity=1000)
    for name in "abcdefgh":
        consumer.offer(played(name), Piece(GAME, "kind", 64, True, name.encode() * 40))
        assert sum(len(each.data) for episode, each in consumer._queue if not episode.dropped) <= 120
    assert consumer.dropped_episodes == 5
    assert taken(consumer) == ([b"f" * 40, b"g" * 40], [])
    assert taken(consumer) == ([b"h" * 40], [])
    assert not any(consumer._waiting_bytes.values())


def test_C4_block_waits_for_room_and_loses_nothing():
    async def work() -> list[bytes]:
        consumer, episode = Consumer(Wanted(), when_full=BLOCK, capacity=3), recorded("a")

        async def produce() -> None:
            for number in range(50):
                await consumer.put(episode, piece(episode, number, 49))
                assert consumer.queued <= 3
            consumer.end()

        producing, got = asyncio.create_task(produce()), []
        while True:
            pieces, _ = await consumer.take(2, 0.0)
            if not pieces:
                await producing
                return got
            got += [each.data for each in pieces]

    assert asyncio.run(asyncio.wait_for(work(), 30)) == [f"a {number}".encode() for number in range(50)]


def test_a_game_that_is_lost_is_counted_once_and_told_where_a_part_was_given():
    consumer = Consumer(Wanted(), when_full=DROP_OLDEST, capacity=8)
    begun, waiting, whole = played("begun"), played("nothing yet"), offer(consumer, played("whole"), 2)
    consumer.offer(begun, piece(begun, 0, 5))
    taken(consumer)
    for episode in (begun, waiting, whole, begun):
        consumer.drop(episode)
    assert taken(consumer) == ([], [("begun", 0)])
    assert consumer.dropped_episodes == 2


def test_who_waits_for_pieces_waits_on_where_all_of_them_are_dropped():
    async def work() -> list[bytes]:
        consumer = Consumer(Wanted(), when_full=DROP_OLDEST, capacity=8)
        first = played("lost")
        consumer.offer(first, piece(first, 0, 5))
        taking = asyncio.create_task(consumer.take(4, 0.01))
        await asyncio.sleep(0)
        consumer.drop(first)
        await asyncio.sleep(0.05)
        offer(consumer, played("b"), 1)
        pieces, _ = await taking
        return [each.data for each in pieces]

    assert asyncio.run(asyncio.wait_for(work(), 30)) == [b"b 0"]


@hypothesis.given(
    st.sampled_from(WHEN_FULL),
    st.integers(1, 6),
    st.lists(st.integers(1, 5), min_size=1, max_size=12),
    st.lists(st.integers(1, 5), max_size=6),
    st.data(),
)
@hypothesis.settings(max_examples=150, deadline=None)
def test_C4_what_was_given_and_what_was_dropped_is_what_was_produced(when_full, capacity, live, old, data):
    """Live and recorded games in any order of production and taking, some of them lost on the way."""
    consumer = Consumer(Wanted(), when_full=when_full, capacity=capacity)
    live = [] if when_full == BLOCK else live
    episodes = {played(f"live {number}"): length for number, length in enumerate(live)}
    episodes |= {recorded(f"old {number}"): length for number, length in enumerate(old)}
    given: dict[str, list[int]] = defaultdict(list)
    told: set[str] = set()

    def take(most: int) -> None:
        pieces, lost = taken(consumer, most)
        for each in pieces:
            name, number = each.rsplit(b" ", 1)
            given[name.decode()].append(int(number))
        told.update(name for name, _ in lost)

    async def put(episode: Episode, each: Piece) -> None:
        while consumer._waiting[True] >= min(capacity, RECORDED_CHUNKS):
            await asyncio.to_thread(take, 1)
        await consumer.put(episode, each)

    left = dict.fromkeys(episodes, 0)
    while left:
        episode = data.draw(st.sampled_from(list(left)))
        length, number = episodes[episode], left[episode]
        each = piece(episode, number, length - 1)
        if data.draw(st.integers(0, 9)) == 0:
            consumer.drop(episode)
        elif episode.recorded:
            asyncio.run(put(episode, each))
        else:
            consumer.offer(episode, each)
        left[episode] += 1
        if left[episode] == length:
            del left[episode]
        if data.draw(st.booleans()):
            take(data.draw(st.integers(1, 3)))
        assert consumer._waiting[False] <= capacity
    take(1_000_000)
    assert consumer.queued == 0 and not any(consumer._waiting_bytes.values())
    whole = {episode.key[0] for episode, length in episodes.items() if len(given[episode.key[0]]) == length}
    for numbers in given.values():
        assert numbers == list(range(len(numbers)))  # in order, and no hole
    assert told == {name for name in given if given[name]} - whole
    assert len(whole) + consumer.dropped_episodes == len(episodes)


def test_C14_what_is_wanted_of_a_chunk_is_exact():
    record = play("generals", 5, 150)
    game = make_game(KINDS["generals"][0], **KINDS["generals"][1])
    chunks = record_chunks({"game": record})
    ticks = {seat: [int(t) for c in chunks if c.seat == seat for t in c.ticks] for seat in range(2)}
    minimums = (0, 64, 65, 149, 150)
    for wanted in (
        Wanted(),
        Wanted(seats=frozenset([1])),
        Wanted(players=frozenset(["player 0"])),
        Wanted(players=frozenset(["player 0"]), seats=frozenset([1])),
        Wanted(minimum_tick=64),
        Wanted(minimum_tick=65),
        Wanted(minimum_tick=149, seats=frozenset([0])),
        Wanted(minimum_tick=150),
    ):
        seats, minimum = wanted.seats_of(record.players), wanted.minimum_tick
        pieces = [
            made[minimum]
            for chunk in chunks
            if chunk.seat in seats
            and minimum in (made := make_pieces(game, chunk, minimums, make_compressor()))
        ]
        expected = [tick for seat in seats for tick in ticks[seat] if tick >= minimum]
        assert sum(each.steps for each in pieces) == len(expected)
        assert sum(each.last for each in pieces) == (len(seats) if minimum < 150 else 0)
    assert Wanted(players=frozenset(["player 0"]), seats=frozenset([1])).seats_of(record.players) == ()
    assert Wanted(players=frozenset(["player 1"])).seats_of(record.players) == (1,)


def test_games_are_wanted_by_name_and_by_id():
    wanted = Wanted(games=frozenset(["blob"]), episodes=frozenset(["x", "y"]))
    assert wanted.game("blob", "x") and not wanted.game("generals", "x")
    assert not wanted.game("blob", "z") and Wanted().game("kuhn", "anything")
