"""Which games are rated: not those that an agent lost by being too slow; and every kind in its own list."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace

import numpy as np
import pytest
from halls import (
    BOARD,
    CLOCK,
    REAL_TIME,
    Clock,
    act_if_asked,
    alone,
    both_pass,
    legal,
    options,
    passing,
    run,
    settings,
    until,
)
from web_house import house

from strategos.client.messages import read_result
from strategos.games import make_game
from strategos.server.grpc.game_service import result_message
from strategos.server.hall import Hall, HallError
from strategos.server.rooms import rated
from strategos.server.rooms.agents import Answer, Ask
from strategos.server.rooms.seat import Seat
from strategos.server.terms import Result, Ticket


def choices(room, number: int) -> int:
    return int(np.bitwise_count(room.pool.masks[room.row, number]).sum())


async def end(hall: Hall, ticket: Ticket, beaten: bool) -> None:
    """End a duel with an agent by the surrender of one of them."""
    room = hall._lobby.rooms[ticket.room]
    if beaten:
        hall._clockwork.answered([Answer(Ask(room.id, 1, room.tick), -1, "it forfeits", forfeits=True)])
    else:
        hall.surrender(ticket.token)
    await until(lambda: room.result)


@pytest.mark.parametrize("beaten", [True, False])
def test_an_agent_that_is_too_slow_is_not_beaten_and_who_loses_to_it_has_lost(tmp_path, beaten):
    async def work():
        clock = Clock()
        async with Hall(settings(tmp_path), clock=clock) as hall:
            hall._agents.ask = lambda *asked: None  # it thinks for longer than the clock gives it
            ticket = await hall.create(
                options(agents={1: "hunter"}, private=False, pace=CLOCK), name="ann", address="a"
            )
            await until(lambda: hall.snapshot(ticket.token).phase == "running")
            room = hall._lobby.rooms[ticket.room]
            while not room.seats[1].late:
                tick = room.tick
                clock.ahead_s += CLOCK.seconds + 1
                hall.act(ticket.token, passing(hall, ticket), tick=tick)
                await until(lambda tick=tick: room.tick > tick)
            await end(hall, ticket, beaten)
            assert room.result.reason == "played" and room.result.ratings[1] is None
            assert room.result.unrated == (rated.LATE if beaten else "")
            assert [each.name for each in hall.leaderboard("generals")] == ([] if beaten else ["ann"])

    run(work())


def test_a_move_for_the_tick_before_is_late(tmp_path):
    async def work():
        async with Hall(settings(tmp_path)) as hall:
            waiting = []

            def ask(name, game, asks, *seen):  # it answers when it is asked for the next tick
                hall._deliver([Answer(each, game.spec.num_actions - 1) for each in waiting])
                waiting[:] = asks

            hall._agents.ask = ask
            ticket = await alone(hall, "hunter", private=False, pace=REAL_TIME)
            room = hall._lobby.rooms[ticket.room]
            await until(lambda: room.tick >= 20)
            assert room.seats[1].late > 10 and not room.seats[1].in_time
            await end(hall, ticket, beaten=True)
            assert room.result.unrated == rated.LATE

    run(work())


@pytest.mark.parametrize(
    ("game", "made", "agents"),
    [
        ("generals", {**BOARD, "players": 3}, {1: "hunter", 2: "random"}),
        ("blob", {"players": 3}, {1: "random", 2: "heuristic"}),
    ],
)
def test_an_agent_that_has_failed_is_not_forgotten_at_a_restart(tmp_path, game, made, agents):
    async def work():
        asked = []
        async with Hall(settings(tmp_path)) as hall:
            first = options(game=game, options=made, agents=agents, private=False)
            ticket = await hall.create(first, name="ann", address="a")
            await until(lambda: hall.snapshot(ticket.token).phase == "running")
            room = hall._lobby.rooms[ticket.room]
            hall._clockwork.answered([Answer(Ask(room.id, 1, room.tick), -1, "a problem")])
        async with Hall(settings(tmp_path)) as hall:
            answer = hall._agents.ask

            def ask(name, game, asks, *seen):
                asked.extend((name, each.seat) for each in asks)
                answer(name, game, asks, *seen)

            hall._agents.ask = ask
            room = hall._lobby.rooms[ticket.room]
            assert room.running and room.players == ("ann", agents[1], agents[2])
            assert rated.why_not(room, (1.0, -1.0, -1.0)) == rated.FAILED
            while game == "blob" and room.tick < 8:
                choices = legal(hall.snapshot(ticket.token))
                if choices:
                    await act_if_asked(hall, ticket, choices[0], room.tick)
                await asyncio.sleep(0.005)
            assert {name for name, seat in asked if seat == 1} == ({"heuristic"} if game == "blob" else set())

    run(work())


def test_who_surrenders_before_the_agent_has_moved_has_lost(tmp_path):
    async def work():
        async with Hall(settings(tmp_path)) as hall:

            def ask(name, game, asks, *seen):  # in time, and its army stays where it is
                hall._deliver([Answer(each, game.spec.num_actions - 1) for each in asks])

            hall._agents.ask = ask
            ticket = await alone(hall, "hunter", private=False)
            room = hall._lobby.rooms[ticket.room]
            while choices(room, 1) == 1:
                await both_pass(hall, ticket)
            await until(lambda: room.seats[1].move is not None)
            hall._agents.ask = lambda *asked: None
            await both_pass(hall, ticket)
            assert choices(room, 1) > 1 and room.seats[1].move is None
            hall.surrender(ticket.token)
            await until(lambda: room.result)
            assert None not in room.result.ratings and room.result.unrated == ""
            assert room.seats[1].in_time == room.tick - 1

    run(work())


@pytest.mark.parametrize("forfeits", [True, False])
def test_an_agent_that_fails_is_not_beaten_and_one_that_forfeits_is(tmp_path, forfeits):
    async def work():
        async with Hall(settings(tmp_path)) as hall:
            ticket = await alone(hall, private=False)
            room = hall._lobby.rooms[ticket.room]
            hall._clockwork.answered([Answer(Ask(room.id, 1, room.tick), -1, "a problem", forfeits)])
            await until(lambda: room.result)
            assert room.result.returns == (1.0, -1.0)
            assert room.result.unrated == ("" if forfeits else rated.FAILED)
            assert (room.result.ratings == (None, None)) != forfeits
            assert bool(hall.leaderboard("generals")) == forfeits

    run(work())


@pytest.mark.parametrize(
    ("in_time", "late", "why"), [(0, 0, ""), (90, 10, ""), (89, 11, rated.LATE), (0, 1, rated.LATE)]
)
def test_a_small_share_of_late_moves_changes_nothing(in_time, late, why):
    seats = [Seat(ident="x"), Seat(agent="hunter", in_time=in_time, late=late)]
    assert rated.why_not(SimpleNamespace(seats=seats), (1.0, -1.0)) == why


@pytest.mark.parametrize(
    ("points", "why"),
    [
        ((1, -1, -1), rated.LATE),
        ((0, 0, -1), rated.LATE),
        ((-1, 1, -1), ""),
        ((-1, -1, 1), ""),
        ((2, 1, 3), rated.LATE),  # another has won, and the slow one came last
    ],
)
def test_a_slow_agent_keeps_nobody_from_losing(points, why):
    seats = [Seat(ident="x"), Seat(agent="slow", late=1), Seat(agent="quick", in_time=1)]
    assert rated.why_not(SimpleNamespace(seats=seats), points) == why


@pytest.mark.parametrize(
    ("game", "made", "name"),
    [
        ("generals", {"players": 2}, "generals"),
        ("generals", {"players": 2, "teams": (0, 1)}, "generals"),
        ("generals", {"players": 3}, "generals ffa"),
        ("generals", {"players": 4, "teams": (0, 1, 2, 3)}, "generals ffa"),
        ("generals", {"players": 4, "teams": (0, 0, 1, 1)}, "generals teams"),
        ("blob", {"players": 3}, "blob"),
        ("blob", {"players": 5}, "blob"),
        ("kuhn", {}, "kuhn"),
    ],
)
def test_every_kind_of_game_has_its_list(game, made, name):
    assert rated.list_of(make_game(game, **made)) == name
    _, _, mode = name.partition(" ")
    assert rated.list_named(game, mode) == name


@pytest.mark.parametrize(("game", "mode"), [("generals", "FFA"), ("blob", "ffa"), ("blob", "x" * 10**5)])
def test_a_list_that_is_not_there(game, mode):
    with pytest.raises(HallError, match=f"{game} has no list") as caught:
        rated.list_named(game, mode)
    assert caught.value.code == "invalid" and len(caught.value.message) < 200
    assert rated.list_named("generals", "1v1") == "generals"


@pytest.mark.parametrize(
    ("teams", "alive", "lost"),
    [
        ((0, 1, 2), (False, True, True), True),
        ((0, 1, 2), (True, True, True), False),
        ((0, 0, 1), (False, True, True), False),  # its team may win yet
        ((0, 0, 1), (False, False, True), True),
    ],
)
def test_what_people_have_lost_for_good(teams, alive, lost):
    game = make_game("generals", height=8, width=8, players=3, teams=teams)
    seats = [Seat(ident="x"), Seat(agent="hunter"), Seat(agent="random")]
    room = SimpleNamespace(game=game, seats=seats, alive=alive, order=[0, 1, 2])
    assert rated.lost_by_people(room) == lost


def test_the_page_asks_for_one_list(tmp_path):
    with house(tmp_path) as server, server.client() as client:
        for query in ("game=generals", "game=generals&mode=teams", "game=blob&mode="):
            assert client.get(f"/api/leaderboard?{query}").json() == {"standings": []}
        answer = client.get("/api/leaderboard?game=generals&mode=x")
        assert answer.status_code == 400 and "1v1, ffa, teams" in answer.json()["message"]


def test_grpc_tells_why_a_game_is_not_rated():
    result = Result((1.0, -1.0), (1, 2), "abc", "played", (None, None), rated.LATE)
    assert read_result(result_message(result)).unrated == rated.LATE
