"""Queues of moves and idempotency keys outlive the process: what was written is what waits again."""

from __future__ import annotations

import contextlib
import shutil
import sqlite3

import numpy as np
import pytest
from halls import Clock, duel, options, passing, run, settings, until
from hypothesis import given
from hypothesis import strategies as some

from strategos.games.spec import LEAVE
from strategos.play.record import verify
from strategos.server.hall import Hall, HallError, Pace
from strategos.server.records.journal import connect, keys_of, pack_actions, unpack_actions
from strategos.server.rooms.seat import KEPT_KEYS, MoveQueue

SLOW = Pace("real_time", 1000.0)
STEPS = some.lists(some.sampled_from(["append", "append", "append", "pop", "clear", "take", "tick", "write"]))


def waiting(journal: sqlite3.Connection) -> list[tuple]:
    return journal.execute("SELECT place, action, number FROM moves ORDER BY place").fetchall()


@given(steps=STEPS)
def test_what_was_written_last_is_what_waits_again(tmp_path_factory, steps):
    """The queue beside a plain list; every time it is written, a queue is made of what the journal has."""
    journal = connect(tmp_path_factory.mktemp("journal") / "j.sqlite")
    queue, plain, drawn, played = MoveQueue(), [], [], -1
    for number, step in enumerate(steps):
        if step == "append":
            queue.append(number, -1)
            plain.append((number, queue.numbered))
        elif step == "pop":
            queue.pop()
            plain = plain[:-1]
        elif step == "clear":
            queue.clear()
            plain = []
        elif step == "take" and plain:
            assert queue.take() == plain[0][0] and queue.taken == plain[0][1]
            drawn.append(plain.pop(0))
        elif step == "tick":
            queue.played()
            played, drawn = drawn[-1][1] if drawn else played, []
        elif step == "write":
            for statement, values in queue.lines("room", 0):
                journal.execute(statement, values)
            assert not queue.changed and not queue.lines("room", 0)
            again = MoveQueue.of(waiting(journal))
            assert list(again) == [action for action, _ in drawn + plain]
            assert again.taken == played and len(waiting(journal)) == len(again) + (played >= 0)
        assert list(queue) == [action for action, _ in plain] and len(queue) == len(plain)
    journal.close()


def test_a_queue_that_was_made_again_is_written_on(tmp_path):
    journal = connect(tmp_path / "j.sqlite")
    queue = MoveQueue()
    for action in range(5):
        queue.append(action, 10 + action)
    for _ in range(3):  # three lives of the server, one move played in each
        queue.take()
        queue.played()
        queue.append(7, -1)
        for statement, values in queue.lines("room", 0):
            journal.execute(statement, values)
        again = MoveQueue.of(waiting(journal))
        assert (list(again), again.taken, again.numbered) == (list(queue), queue.taken, queue.numbered)
        queue = again
    assert list(queue) == [3, 4, 7, 7, 7] and queue.taken == 12 and queue.numbered == 17
    journal.close()


@pytest.mark.parametrize("damaged", [(6, 1, "x"), (6, None, 1), (9, 1, 1)])
def test_b18_a_damaged_line_of_a_queue_ends_it(tmp_path, damaged):
    queue = MoveQueue.of([(4, 1, 1), (5, 2, 2), damaged, (7, 3, 3)])
    assert list(queue) == [1, 2]
    queue.append(3, -1)
    statements = [statement for statement, _ in queue.lines("room", 0)]
    assert statements[0].startswith("DELETE")  # nothing that was left out comes back


def test_only_what_has_changed_is_written():
    queue = MoveQueue()
    for action in range(1000):
        queue.append(action, -1)
    assert len(queue.lines("room", 0)) == 1000
    for _ in range(3):
        queue.take()
        queue.played()
        assert len(queue.lines("room", 0)) == 2
    queue.take()
    assert not queue.changed  # its tick has not been played


def test_keys_are_kept_beside_the_actions_of_a_tick():
    actions = np.array([5, -1, 2000], np.int32)
    blob = pack_actions(actions, [b"", b"k" * 16, b""])
    assert np.array_equal(unpack_actions(blob, 3), actions) and keys_of(blob, 3) == [(1, b"k" * 16)]
    plain = pack_actions(actions, [b"", b"", b""])
    assert plain == pack_actions(actions) and keys_of(plain, 3) == []


def test_moves_that_waited_and_keys_are_there_after_a_restart(tmp_path):
    async def before():
        async with Hall(settings(tmp_path)) as hall:
            lockstep, slow = await duel(hall), await duel(hall, pace=SLOW)
            move = passing(hall, lockstep[0])
            for tick in range(3):
                for ticket in lockstep:
                    hall.act(ticket.token, move, tick=tick, key=f"key {tick}")
                await until(lambda tick=tick: hall.snapshot(lockstep[0].token).tick > tick)
            for number in range(5):
                hall.enqueue(lockstep[0].token, move, 20 + number)
                hall.enqueue(slow[1].token, number, 40 + number)
            hall.undo(slow[1].token)
            hall.act(slow[0].token, move, key="accepted, never played")
            return lockstep, slow, move

    async def after(lockstep, slow, move):
        async with Hall(settings(tmp_path)) as hall:
            first, second = (ticket.token for ticket in lockstep)
            assert hall.act(second, move, key="key 2") == 3  # the same call again: nothing is played
            with pytest.raises(HallError, match="for another move"):
                hall.act(second, 0, key="key 1")
            seen = hall.snapshot(first)
            assert seen.tick == 3 and seen.queue == (move,) * 4 and seen.taken == 20
            hall.act(second, move, tick=3, key="new")
            await until(lambda: hall.snapshot(first).tick == 4)
            assert hall.snapshot(first).taken == 21
            assert hall.enqueue(first, move) == 4
            room = hall._lobby.rooms[lockstep[0].room]
            assert room.chairs[0].queue.numbered == 25
            assert hall.snapshot(slow[1].token).queue == (0, 1, 2, 3)
            assert hall.act(slow[0].token, move, key="accepted, never played") == 1
            hall.surrender(second)
            await until(lambda: hall.snapshot(first).result)
        with sqlite3.connect(tmp_path / "journal.sqlite") as journal:
            left = {room for (room,) in journal.execute("SELECT room FROM moves")}
        assert left == {slow[0].room}  # with a game its queues end

    run(after(*run(before())))


def test_keys_of_long_ago_are_forgotten(tmp_path):
    async def work():
        async with Hall(settings(tmp_path)) as hall:
            first, second = await duel(hall, options=options().options)
            room = hall._lobby.rooms[first.room]
            for tick in range(KEPT_KEYS + 3):
                hall.act(first.token, passing(hall, first), tick=tick, key=f"{tick}")
                hall.act(second.token, passing(hall, first), tick=tick)
                await until(lambda tick=tick: room.tick > tick)
            return first, hall.snapshot(first.token).tick

    async def again(ticket, tick):
        async with Hall(settings(tmp_path)) as hall:
            seat = hall._lobby.rooms[ticket.room].chairs[0]
            assert len(seat.answered) == KEPT_KEYS
            assert hall.act(ticket.token, passing(hall, ticket), key=f"{tick - 1}") == tick
            with pytest.raises(HallError, match="is over"):
                hall.act(ticket.token, passing(hall, ticket), tick=0, key="0")

    run(again(*run(work())))


@pytest.mark.parametrize("how", ["surrender", "leave"])
def test_a_surrender_outlives_a_crash_before_its_tick(tmp_path, how):
    """And who leaves after that has not lost, neither before the crash nor after it."""

    async def before(copy):
        async with Hall(settings(tmp_path / "data")) as hall:
            tickets = await duel(hall, pace=SLOW)
            for ticket in tickets:
                hall.enqueue(ticket.token, passing(hall, ticket))
            getattr(hall, how)(tickets[1].token)
            hall.leave(tickets[0].token)
            with contextlib.closing(connect(tmp_path / "data" / "journal.sqlite")) as journal:
                told = "SELECT leaving, gone FROM seats ORDER BY chair"
                expected = [(0, 1), (1, int(how == "leave"))]
                await until(lambda: journal.execute(told).fetchall() == expected)
            shutil.copytree(tmp_path / "data", copy)  # as a process that is killed now leaves it
            return tickets

    async def after(copy, tickets):
        clock = Clock()
        async with Hall(settings(copy), clock=clock) as hall:
            room = hall._lobby.rooms[tickets[0].room]
            assert [seat.leaving for seat in room.chairs] == [False, True]
            assert not room.chairs[1].queue and room.tick == 0
            await until(lambda: room.deadline)
            clock.ahead_s += SLOW.seconds
            await until(lambda: room.phase == "over")
            assert room.result.returns == (1.0, -1.0) and room.actions[0].tolist()[1] == LEAVE
            verify(hall.replay(room.result.replay))

    copy = tmp_path / "copy"
    run(after(copy, run(before(copy))))


def test_who_left_before_a_crash_has_surrendered(tmp_path):
    async def before():
        async with Hall(settings(tmp_path)) as hall:
            tickets = await duel(hall, pace=SLOW)
            hall.leave(tickets[1].token)
            return tickets

    async def after(tickets):
        async with Hall(settings(tmp_path)) as hall:
            room = hall._lobby.rooms[tickets[0].room]
            assert room.chairs[1].leaving and not room.chairs[0].leaving

    run(after(run(before())))
