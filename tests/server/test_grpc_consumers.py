"""Queues of consumers stay bounded, drop whole episodes and count them (C1, C4)."""

from __future__ import annotations

import asyncio

import pytest
from played_games import play

from strategos.server.experience.consumers import BLOCK, DROP_OLDEST, SAMPLE, Consumer
from strategos.server.experience.pieces import Piece, Wanted, make
from strategos.server.experience.transitions import record_chunks


def piece(episode: str, number: int, last: int, seat: int = 0) -> Piece:
    data = f"{episode} {seat} {number}".encode()
    return Piece(episode, seat, "kind", 64, number == 0, number == last, data)


def taken(consumer: Consumer, most: int = 1_000_000) -> tuple[list[bytes], list[tuple[str, int]]]:
    consumer.ended = True  # so that it takes what there is and waits for no more
    pieces, lost = asyncio.run(consumer.take(most, 0.0))
    consumer.ended = False
    return [each.data for each in pieces], lost


@pytest.mark.parametrize("when_full", [DROP_OLDEST, SAMPLE])
def test_C1_the_queue_of_a_consumer_that_never_reads_stays_bounded(when_full):
    consumer = Consumer(Wanted(), when_full=when_full, capacity=32)
    for number in range(8):
        for episode in range(500):
            consumer.offer(piece(f"game {episode}", number, 7))
            assert consumer.queued <= 32
    assert consumer.queued + 8 * consumer.dropped_episodes <= 8 * 500
    assert len(consumer._open) <= 500 and consumer.dropped_episodes >= 480
    data, _ = taken(consumer)
    kept = {each.rsplit(b" ", 2)[0] for each in data}
    assert len(data) == 8 * len(kept)  # what is left are whole episodes
    assert len(kept) + consumer.dropped_episodes == 500
    assert not consumer._open


def test_C4_drop_oldest_keeps_the_newest_episodes():
    consumer = Consumer(Wanted(), when_full=DROP_OLDEST, capacity=4)
    for episode in "abcdef":
        consumer.offer(piece(episode, 0, 1))
        consumer.offer(piece(episode, 1, 1))
    assert taken(consumer) == ([b"e 0 0", b"e 0 1", b"f 0 0", b"f 0 1"], [])
    assert consumer.dropped_episodes == 4


def test_C4_an_episode_that_was_begun_and_breaks_off_is_told():
    consumer = Consumer(Wanted(), when_full=DROP_OLDEST, capacity=2)
    consumer.offer(piece("a", 0, 9))
    assert taken(consumer) == ([b"a 0 0"], [])
    for number in range(1, 4):
        consumer.offer(piece("a", number, 9))  # the third does not fit: all of it goes
    assert consumer.queued == 0
    consumer.offer(piece("b", 0, 0))
    for number in range(4, 10):
        consumer.offer(piece("a", number, 9))
    assert taken(consumer) == ([b"b 0 0"], [("a", 0)])
    assert consumer.dropped_episodes == 1


def test_C4_sample_takes_fewer_episodes_the_fuller_it_is_and_the_same_each_time():
    def fill() -> tuple[int, int]:
        consumer = Consumer(Wanted(), when_full=SAMPLE, capacity=100)
        for episode in range(50):
            consumer.offer(piece(str(episode), 0, 0))
        early = consumer.queued
        for episode in range(50, 1000):
            consumer.offer(piece(str(episode), 0, 0))
        assert consumer.queued + consumer.dropped_episodes == 1000
        return early, consumer.queued

    early, all_of_them = fill()
    assert 25 < early < 50 and early < all_of_them <= 100
    assert fill() == (early, all_of_them)


def test_C4_block_waits_for_room_and_loses_nothing():
    async def work() -> list[bytes]:
        consumer = Consumer(Wanted(), when_full=BLOCK, capacity=3)

        async def produce() -> None:
            for number in range(50):
                await consumer.put(piece("a", number, 49))
                assert consumer.queued <= 3
            consumer.end()

        producing, got = asyncio.create_task(produce()), []
        while True:
            pieces, _ = await consumer.take(2, 0.0)
            if not pieces:
                await producing
                return got
            got += [each.data for each in pieces]

    assert asyncio.run(asyncio.wait_for(work(), 30)) == [f"a 0 {number}".encode() for number in range(50)]


def test_a_consumer_that_came_in_the_middle_of_an_episode_gets_none_of_it():
    consumer = Consumer(Wanted(), when_full=DROP_OLDEST, capacity=8)
    consumer.offer(piece("a", 3, 5))
    consumer.offer(piece("b", 0, 0))
    assert taken(consumer) == ([b"b 0 0"], [])


def test_a_game_that_is_lost_is_lost_for_all_its_players():
    consumer = Consumer(Wanted(), when_full=DROP_OLDEST, capacity=8)
    for seat in range(2):
        consumer.offer(piece("a", 0, 5, seat))
    taken(consumer)
    consumer.lose("a")
    assert taken(consumer) == ([], [("a", 0), ("a", 1)])
    assert consumer.dropped_episodes == 2


def test_C14_what_is_wanted_of_a_chunk_is_exact():
    chunks = list(record_chunks([play("generals", 5, 150)]))
    ticks = {seat: [int(t) for c in chunks if c.seat == seat for t in c.ticks] for seat in range(2)}
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
        pieces = [made.piece(wanted) for chunk in chunks for made in [make(chunk, {wanted.minimum_tick})]]
        unmade = [made.piece(wanted) for chunk in chunks for made in [make(chunk, ())]]
        assert unmade == pieces
        steps = sum(each.steps for each in pieces if each is not None)
        expected = [
            tick
            for seat in range(2)
            for tick in ticks[seat]
            if tick >= wanted.minimum_tick
            and (not wanted.seats or seat in wanted.seats)
            and (not wanted.players or f"player {seat}" in wanted.players)
        ]
        assert steps == len(expected)


def test_games_are_wanted_by_name_and_by_any_of_their_ids():
    wanted = Wanted(games=frozenset(["blob"]), episodes=frozenset(["x", "y"]))
    assert wanted.game("blob", "room", "x") and not wanted.game("generals", "x")
    assert not wanted.game("blob", "room", "z") and Wanted().game("kuhn", "anything")
