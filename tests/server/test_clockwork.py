"""When rooms tick: in lockstep, on a clock, in real time; absence, faults, and boards that are compiled."""

from __future__ import annotations

import asyncio
import time

import numpy as np
import pytest
from halls import (
    BOARD,
    REAL_TIME,
    Clock,
    alone,
    both_pass,
    duel,
    legal,
    options,
    passing,
    run,
    settings,
    until,
)

from strategos.games.spec import LEAVE
from strategos.play.bots import BOTS, RandomBot
from strategos.play.record import verify
from strategos.ratings.plackett_luce import MU
from strategos.server.hall import Hall, HallError, Pace, RoomOptions
from strategos.server.rooms.clockwork import Clockwork

CLOCKED = Pace("lockstep", 0.05)


def test_lockstep_waits_for_everybody(tmp_path):
    async def work():
        async with Hall(settings(tmp_path)) as hall:
            first, second = await duel(hall)
            hall.act(first.token, passing(hall, first))
            for _ in range(20):
                await asyncio.sleep(0.005)
            assert hall.snapshot(first.token).tick == 0
            hall.act(second.token, passing(hall, second))
            await until(lambda: hall.snapshot(first.token).tick == 1)
            assert hall.snapshot(first.token).seconds_left is None

    run(work())


def test_a_clock_passes_for_who_is_late(tmp_path):
    async def work():
        async with Hall(settings(tmp_path)) as hall:
            first, _ = await duel(hall, pace=CLOCKED)
            assert hall.snapshot(first.token).seconds_left is not None
            await until(lambda: hall.snapshot(first.token).tick >= 3)
            played = hall._lobby.rooms[first.room].actions
            assert all((actions == passing(hall, first)).all() for actions in played)

    run(work())


def test_who_is_late_in_blob_is_played_for(tmp_path):
    async def work():
        async with Hall(settings(tmp_path)) as hall:
            table = RoomOptions("blob", {"players": 3, "cards": 2}, pace=CLOCKED, private=True)
            first = await hall.create(table, name="ann", address="a")
            for name in ("bob", "cid"):
                await hall.join(first.code, name=name, address="a")
            await until(lambda: hall.snapshot(first.token).result)
            result = hall.snapshot(first.token).result
            assert result.reason == "played"
            verify(hall.replay(result.replay))

    run(work())


def test_real_time_ticks_by_itself_and_catches_no_lost_time_up(tmp_path):
    async def work():
        clock = Clock()
        async with Hall(settings(tmp_path), clock=clock) as hall:
            first, _ = await duel(hall, pace=REAL_TIME)
            await until(lambda: hall.snapshot(first.token).tick >= 3)
            before = hall.snapshot(first.token).tick
            clock.ahead_s += 30.0  # the process was stopped for half a minute
            await until(lambda: hall.snapshot(first.token).tick > before)
            assert hall.snapshot(first.token).tick < before + 30.0 / REAL_TIME.seconds / 4

    run(work())


def test_a_wall_clock_that_jumps_moves_nothing(tmp_path, monkeypatch):
    async def work():
        async with Hall(settings(tmp_path)) as hall:
            first, second = await duel(hall, pace=Pace("lockstep", 1000.0))
            now = time.time()
            monkeypatch.setattr(time, "time", lambda: now - 7 * 24 * 3600.0)
            await both_pass(hall, first, second, ticks=2)
            monkeypatch.setattr(time, "time", lambda: now + 3600.0)
            await both_pass(hall, first, second, ticks=2)
            assert 0 < hall.snapshot(first.token).seconds_left <= 1000.0

    run(work())


def test_who_is_gone_surrenders_and_the_land_is_freed_later(tmp_path):
    async def work():
        clock = Clock()
        async with Hall(settings(tmp_path, absent_s=30.0), clock=clock) as hall:
            board = {**BOARD, "players": 3}
            first = await hall.create(options(options=board), name="ann", address="a")
            others = [await hall.join(first.code, name=name, address="a") for name in ("bob", "cid")]
            await until(lambda: hall.snapshot(first.token).phase == "running")
            mailbox = hall.listen(others[0].token)  # listens, and so is here, without doing anything
            hall.act(first.token, passing(hall, first))
            clock.ahead_s += 31.0
            hall.snapshot(first.token)
            room = hall._lobby.rooms[first.room]
            await until(lambda: room.chairs[2].leaving)
            assert not room.chairs[1].leaving
            hall.act(others[0].token, passing(hall, first), tick=0)
            await until(lambda: room.tick == 1)
            assert room.actions[0][2] == LEAVE and room.alive == (True, True, False)
            mailbox.close()

    run(work())


async def rounds_of_housekeeping(hall: Hall, number: int) -> None:
    """Wait until everything has been looked after so many times."""
    done: list[None] = []
    stop = hall.tend(lambda: done.append(None))
    await until(lambda: len(done) >= number)
    stop()


@pytest.mark.parametrize("how", ["leaves", "vanishes"])
def test_who_goes_away_from_a_rated_game_loses_it(tmp_path, how):
    """Between the surrender and its tick there is time enough to find nobody in the room."""

    async def work():
        clock = Clock()
        slow = options(private=False, agents={1: "random"}, pace=Pace("real_time", 1000.0))
        async with Hall(settings(tmp_path, absent_s=30.0), clock=clock) as hall:
            ticket = await hall.create(slow, name="ann", address="a")
            await until(lambda: hall.snapshot(ticket.token).phase == "running")
            room = hall._lobby.rooms[ticket.room]
            if how == "leaves":
                hall.leave(ticket.token)
            else:
                clock.ahead_s += 31.0
            await until(lambda: room.chairs[0].leaving)
            await rounds_of_housekeeping(hall, 2)
            assert room.running and room.tick == 0
            clock.ahead_s += 1000.0
            await until(lambda: room.phase == "over")
            assert room.result.reason == "played" and room.result.returns == (-1.0, 1.0)
            assert room.actions[0][0] == LEAVE
            skill = {line.name: line.mu for line in hall.leaderboard("generals")}
            assert skill["ann"] < skill["random"]

    run(work())


def test_a_game_that_goes_on_without_its_maker_counts_for_the_address(tmp_path):
    async def work():
        clock = Clock()
        slow = options(private=False, agents={1: "random"}, pace=Pace("real_time", 1000.0))
        async with Hall(settings(tmp_path, games_per_address=1), clock=clock) as hall:
            ticket = await hall.create(slow, name="ann", address="a")
            await until(lambda: hall.snapshot(ticket.token).phase == "running")
            hall.leave(ticket.token)
            with pytest.raises(HallError, match="too many games of this address"):
                await hall.create(slow, name="ann", address="a")
            clock.ahead_s += 1000.0
            await until(lambda: hall._lobby.rooms[ticket.room].phase == "over")
            await hall.create(slow, name="ann", address="a")

    run(work())


def test_a_rated_table_is_played_on_by_agents_and_counts_for_who_left(tmp_path):
    async def work():
        async with Hall(settings(tmp_path)) as hall:
            table = RoomOptions("blob", {"players": 3, "cards": 4}, agents={1: "random", 2: "heuristic"})
            first = await hall.create(table, name="ann", address="a")
            await until(lambda: hall.snapshot(first.token).phase == "running")
            room = hall._lobby.rooms[first.room]
            hall.leave(first.token)
            await until(lambda: room.phase == "over")
            assert room.result.reason == "played" and None not in room.result.ratings
            assert {line.name for line in hall.leaderboard("blob")} == {"ann", "random", "heuristic"}

    run(work())


def test_a_game_that_is_not_rated_does_not_go_on_for_nobody(tmp_path):
    async def work():
        clock = Clock()
        async with Hall(settings(tmp_path), clock=clock) as hall:
            three, agents = {**BOARD, "players": 3}, {1: "random", 2: "expander"}
            slow = options(options=three, agents=agents, pace=Pace("real_time", 1000.0))
            ticket = await hall.create(slow, name="ann", address="a")
            await until(lambda: hall.snapshot(ticket.token).phase == "running")
            room = hall._lobby.rooms[ticket.room]
            hall.leave(ticket.token)
            await rounds_of_housekeeping(hall, 2)
            assert room.running  # the surrender is still to be played
            clock.ahead_s += 1000.0
            await until(lambda: room.phase == "over")
            assert room.result.reason == "idle" and room.alive == (False, True, True) and room.tick == 1

    run(work())


def test_a_rated_game_that_all_people_have_lost_ends_when_nobody_looks(tmp_path):
    """Not before, and they have lost it; between the agents nothing is decided."""

    async def work():
        clock = Clock()
        async with Hall(settings(tmp_path, idle_s=5000.0), clock=clock) as hall:
            three, agents = {**BOARD, "players": 3}, {1: "random", 2: "expander"}
            slow = options(options=three, agents=agents, pace=Pace("real_time", 1000.0), private=False)
            ticket = await hall.create(slow, name="ann", address="a")
            await until(lambda: hall.snapshot(ticket.token).phase == "running")
            room = hall._lobby.rooms[ticket.room]
            hall.leave(ticket.token)
            clock.ahead_s += 1000.0
            await until(lambda: room.tick == 1)
            await rounds_of_housekeeping(hall, 2)
            assert room.running
            _, token = await hall.spectate(room.id, address="s")
            watching = hall.listen(token)
            clock.ahead_s += 5001.0
            await rounds_of_housekeeping(hall, 2)
            assert room.running and room.alive == (False, True, True)
            watching.close()
            await rounds_of_housekeeping(hall, 2)
            assert room.running
            clock.ahead_s += 5001.0
            await until(lambda: room.phase == "over")
            assert room.result.reason == "idle" and room.result.returns == (0.0, 0.0, 0.0)
            assert room.result.places == (3, 1, 1) and room.result.ratings[1:] == (None, None)
            (line,) = hall.leaderboard("generals", mode="ffa")
            assert line.name == "ann" and line.mu < MU and line.wins == 0

    run(work())


def test_who_leaves_while_the_board_is_compiled_has_surrendered(tmp_path):
    async def work():
        compiled = asyncio.Event()
        async with Hall(settings(tmp_path)) as hall:
            first = await hall.create(options(), name="ann", address="a")
            room = hall._lobby.rooms[first.room]
            room.preparing = asyncio.create_task(compiled.wait())  # as long as it takes
            second = await hall.join(first.code, name="bob", address="b")
            assert hall.snapshot(second.token).phase == "preparing"
            hall.leave(first.token)
            compiled.set()
            await until(lambda: room.phase == "over")
            assert room.result.reason == "played" and room.result.returns == (-1.0, 1.0)
            verify(hall.replay(room.result.replay))

    run(work())


def test_of_two_who_have_gone_the_first_one_has_lost(tmp_path):
    async def work():
        clock = Clock()
        async with Hall(settings(tmp_path, absent_s=30.0), clock=clock) as hall:
            first, _ = await duel(hall, pace=Pace("real_time", 1000.0))
            room = hall._lobby.rooms[first.room]
            clock.ahead_s += 5.0
            hall.snapshot(first.token)  # the second seat was heard of before that
            clock.ahead_s += 1100.0
            await until(lambda: room.phase == "over")
            assert room.result.returns == (1.0, -1.0)
            tables = [await duel(hall), await duel(hall)]
            for tickets, places in zip(tables, ((0, 1), (1, 0)), strict=True):
                for place in places:
                    hall.leave(tickets[place].token)
                room = hall._lobby.rooms[tickets[0].room]
                await until(lambda room=room: room.phase == "over")
                assert room.result.returns[places[0]] == -1.0

    run(work())


def test_nobody_surrenders_while_the_others_think(tmp_path):
    async def work():
        clock = Clock()
        async with Hall(settings(tmp_path, absent_s=30.0), clock=clock) as hall:
            first, second = await duel(hall)
            hall.act(first.token, passing(hall, first))
            room = hall._lobby.rooms[first.room]
            clock.ahead_s += 31.0
            hall.snapshot(second.token)
            await asyncio.sleep(
                1.5
            )  # a round of housekeeping: the first has moved and is waited for by nobody
            assert not any(seat.leaving for seat in room.chairs)

    run(work())


def test_idle_rooms_are_reaped(tmp_path):
    async def work():
        clock = Clock()
        chosen = settings(tmp_path, idle_s=100.0, open_idle_s=50.0, linger_s=10.0, absent_s=1e6)
        async with Hall(chosen, clock=clock) as hall:
            waiting = await hall.create(options(), name="ann", address="a")
            first, _ = await duel(hall)
            clock.ahead_s += 60.0
            hall.snapshot(first.token)
            await until(lambda: waiting.room not in hall._lobby.rooms)
            with pytest.raises(HallError) as caught:
                hall.snapshot(waiting.token)
            assert caught.value.code == "over"
            room = hall._lobby.rooms[first.room]
            clock.ahead_s += 101.0
            await until(lambda: room.phase == "over")
            assert room.result.reason == "idle" and room.result.replay == ""
            clock.ahead_s += 11.0
            await until(lambda: first.room not in hall._lobby.rooms)
            assert room.pool.taken == 0

    run(work())


class Broken:
    """A game whose kernel raises for one board: what a fault of the rules would look like."""

    def __init__(self, game, key: int) -> None:
        self._game, self._key = game, key

    def __getattr__(self, name):
        return getattr(self._game, name)

    def step(self, states, actions, illegal):
        if (states["key"] == self._key).any():
            raise ZeroDivisionError("a fault in the rules")
        self._game.step(states, actions, illegal)


def test_a_fault_in_one_room_ends_that_room_only(tmp_path):
    async def work():
        async with Hall(settings(tmp_path)) as hall:
            tables = [await duel(hall) for _ in range(3)]
            rooms = [hall._lobby.rooms[first.room] for first, _ in tables]
            pool = rooms[0].pool
            assert all(room.pool is pool for room in rooms)
            before = pool.states[rooms[1].row].tobytes()
            pool.game = Broken(pool.game, int(pool.states["key"][rooms[1].row]))
            for first, second in tables:  # all three in one step of the pool
                hall.act(first.token, passing(hall, first))
                hall.act(second.token, passing(hall, first))
            await until(lambda: rooms[0].tick == 1 and rooms[2].tick == 1 and rooms[1].phase == "over")
            assert rooms[1].result.reason == "fault" and rooms[1].tick == 0
            assert pool.states[rooms[1].row].tobytes() == before
            for place in (0, 2):
                await both_pass(hall, *tables[place], ticks=2)
            with pytest.raises(HallError) as caught:
                hall.act(tables[1][0].token, 0)
            assert caught.value.code == "over"

    run(work())


def test_a_room_that_raises_in_its_own_account_ends_alone(tmp_path, monkeypatch):
    async def work():
        async with Hall(settings(tmp_path)) as hall:
            good, bad = await duel(hall), await duel(hall)
            room = hall._lobby.rooms[bad[0].room]
            room.alive = ()  # does not fit the seats any more
            for table in (good, bad):
                for ticket in table:
                    hall._lobby.rooms[ticket.room].chairs[ticket.seat].move = passing(hall, ticket)
                hall._clockwork.moved(hall._lobby.rooms[table[0].room])
            await until(lambda: room.phase == "over" and hall.snapshot(good[0].token).tick == 1)
            assert room.result.reason == "fault"

    run(work())


def test_a_room_whose_moves_cannot_be_collected_ends_alone(tmp_path):
    async def work():
        async with Hall(settings(tmp_path)) as hall:
            tables = [await duel(hall) for _ in range(3)]
            rooms = [hall._lobby.rooms[first.room] for first, _ in tables]
            for room in rooms:
                for seat in room.chairs:
                    seat.move = hall.game_of(room.id).pass_action
                hall._clockwork.moved(room)
            rooms[1].chairs[0].move = "no action"
            await until(lambda: rooms[1].phase == "over" and rooms[0].tick == rooms[2].tick == 1)
            assert rooms[1].result.reason == "fault"

    run(work())


def test_a_new_kind_of_board_does_not_hold_up_the_others(tmp_path):
    async def work():
        async with Hall(settings(tmp_path)) as hall:
            first, _ = await duel(hall, pace=REAL_TIME)
            new = await hall.create(
                options(options={"height": 5, "width": 7}, agents={1: "random"}), name="eve", address="e"
            )
            assert hall.snapshot(new.token).phase == "preparing"
            start, ticks = hall.snapshot(first.token).tick, 0
            began = time.monotonic()
            while hall.snapshot(new.token).phase == "preparing":
                await asyncio.sleep(0.05)
                ticks = hall.snapshot(first.token).tick - start
            asked = (time.monotonic() - began) / REAL_TIME.seconds  # few where the kernels are in the cache
            await until(lambda: hall.snapshot(new.token).view is not None)
            return ticks, asked

    ticks, asked = run(work())
    assert ticks >= min(2, int(asked / 4))


def test_rows_are_reused_and_never_mixed_up(tmp_path):
    async def work():
        async with Hall(settings(tmp_path, linger_s=0.01)) as hall:
            for _ in range(6):
                tables = [await duel(hall) for _ in range(3)]
                seeds = {hall._lobby.rooms[first.room].seed for first, _ in tables}
                assert len(seeds) == 3
                for first, second in tables:
                    assert hall.snapshot(first.token).view["me"] == 0
                    assert hall.snapshot(second.token).view["me"] == 1
                    await both_pass(hall, first, second)
                    hall.surrender(first.token)
                    await until(lambda first=first: hall._lobby.rooms[first.room].phase == "over")
                for first, _ in tables:
                    verify(hall.replay(hall._lobby.rooms[first.room].result.replay))
                    hall._lobby.close(hall._lobby.rooms[first.room])
            (pool,) = hall._lobby.pools.values()
            assert pool.capacity == 16 and pool.taken == 0

    run(work())


def test_a_follower_is_told_what_the_record_says(tmp_path):
    class Follower:
        def __init__(self) -> None:
            self.games: dict[str, list[np.ndarray]] = {}
            self.seeds: dict[str, int] = {}
            self.results: dict[str, object] = {}

        def begun(self, room, game, seed, names, actions):
            self.games[room], self.seeds[room] = list(actions), seed

        def played(self, room, actions):
            self.games[room].append(actions)

        def ended(self, room, result):
            self.results[room] = result

    async def work():
        follower = Follower()
        async with Hall(settings(tmp_path)) as hall:
            first, second = await duel(hall)
            await both_pass(hall, first, second, ticks=2)
            stop = hall.follow(follower)  # in the middle of the game
            await both_pass(hall, first, second, ticks=2)
            hall.surrender(first.token)
            await until(lambda: follower.results)
            record = hall.replay(follower.results[first.room].replay)
            assert np.array_equal(record.actions, np.stack(follower.games[first.room]))
            assert record.seed == follower.seeds[first.room]
            stop()
            other = await alone(hall)
            assert other.room not in follower.games

    run(work())


def test_the_queue_of_a_lockstep_room_plays_itself(tmp_path):
    async def work():
        async with Hall(settings(tmp_path)) as hall:
            first, second = await duel(hall)
            for ticket in (first, second):
                for _ in range(5):
                    hall.enqueue(ticket.token, passing(hall, ticket))
            await until(lambda: hall.snapshot(first.token).tick == 5)
            assert hall.snapshot(first.token).taken == 4
            assert legal(hall.snapshot(first.token))
            assert isinstance(hall._clockwork, Clockwork)

    run(work())


def test_a_follower_that_raises_harms_no_game(tmp_path):
    class Clumsy:
        def begun(self, *_):
            raise RuntimeError("clumsy")

        played = ended = begun

    async def work():
        async with Hall(settings(tmp_path)) as hall:
            hall._endings.followers.append(Clumsy())
            tickets = await duel(hall)
            await both_pass(hall, *tickets, ticks=2)
            assert hall._endings.followers == []

    run(work())


def test_an_agent_slower_than_the_ticks_still_moves(tmp_path, monkeypatch):
    class Slow(RandomBot):
        name = "slow"

        def act(self, views, masks, memories, rng):
            time.sleep(0.25)
            return super().act(views, masks, memories, rng)

    monkeypatch.setitem(BOTS, "slow", Slow)

    async def work():
        async with Hall(settings(tmp_path, agents={"slow": "slow"})) as hall:
            ticket = await alone(hall, "slow", pace=REAL_TIME)
            room = hall._lobby.rooms[ticket.room]
            await until(lambda: any(actions[1] != passing(hall, ticket) for actions in room.actions))

    run(work())
