"""Agents on seats: asked in batches, off their seats when they fail, nobody else's fault."""

from __future__ import annotations

import asyncio
import contextlib
import stat
import threading
import time

import numpy as np
import pytest
from halls import REAL_TIME, alone, both_pass, duel, options, passing, play_out, run, settings, until

from strategos.games.generals.game import Generals
from strategos.play.bots import BOTS, RandomBot
from strategos.play.network import NetworkPolicy, build_network, describe_network, make_encoder
from strategos.play.policy import PolicyError
from strategos.server.hall import Hall, HallError, RoomOptions
from strategos.server.rooms import agents
from strategos.server.rooms.pools import Pool


class Counting(RandomBot):
    """The random bot; remembers how many it was asked about at once, and can be made to wait."""

    name = "counting"

    def __init__(self) -> None:
        self.gate = threading.Event()
        self.gate.set()
        self.sizes: list[int] = []

    def act(self, views, masks, memories, rng):
        self.gate.wait(30.0)
        self.sizes.append(len(views))
        return super().act(views, masks, memories, rng)


class Clumsy(RandomBot):
    """Raises whenever a board of a certain kind is among those it is asked about."""

    name = "clumsy"
    hates: bytes = b""

    def act(self, views, masks, memories, rng):
        if any(view.tobytes() == Clumsy.hates for view in views):
            raise RuntimeError("tripped")
        return super().act(views, masks, memories, rng)


@pytest.fixture
def counting(monkeypatch):
    bot = Counting()
    monkeypatch.setitem(BOTS, "counting", lambda: bot)
    return bot


def test_rooms_share_one_call_of_an_agent(tmp_path, counting):
    async def work():
        async with Hall(settings(tmp_path, agents={"counting": "counting"})) as hall:
            counting.gate.clear()
            tickets = [await alone(hall, "counting") for _ in range(12)]
            await asyncio.sleep(0.1)
            for _ in range(3):
                for ticket in tickets:
                    hall.act(ticket.token, passing(hall, ticket))
                tick = hall.snapshot(tickets[0].token).tick
                counting.gate.set()
                await until(lambda at=tick: all(hall.snapshot(each.token).tick > at for each in tickets))
                counting.gate.clear()
            counting.gate.set()
        assert max(counting.sizes) >= 6 and len(counting.sizes) < 36, counting.sizes

    run(work())


def test_many_seats_are_asked_about_a_few_at_a_time_and_none_is_left_out(counting, monkeypatch):
    """Or many games would make it look like an agent that hangs, which loses all of them."""
    monkeypatch.setattr(agents, "AT_ONCE", 4)
    game, answers = Generals(8, 8), []
    pool = Pool(game)
    rows = [pool.take() for _ in range(10)]
    for row in rows:
        pool.begin(row, row)
    asked = agents.Agents({"generals": {"counting": "counting"}}, answers.extend)
    counting.gate.clear()
    for tick in range(3):  # as in real time: the others are asked anew while it thinks about the first
        asks = [agents.Ask(f"room {row}", 0, tick) for row in rows]
        asked.ask("counting", game, asks, *pool.seen(rows, [0] * len(rows)))
        while not asked._workers["counting"]._thinking:
            time.sleep(0.001)
    counting.gate.set()
    while len(answers) < 14:
        time.sleep(0.001)
    asked.stop()
    assert counting.sizes == [4, 4, 4, 2]
    first, rest = answers[:4], answers[4:]
    assert [answer.ask.tick for answer in (*first, *rest)] == [0] * 4 + [2] * 10
    order = [answer.ask.room for answer in answers]
    assert order == [f"room {row}" for row in (*rows, *rows[:4])], "who has waited longest is first"


def test_rooms_share_one_forward_call_of_a_network(tmp_path, monkeypatch):
    """While it thinks about the first room, eleven others ask: they are one batch of the network."""
    game, gate, rows = Generals(8, 8), threading.Event(), []
    network = build_network(describe_network(game.spec, "basic", False, channels=8, blocks=1)).eval()

    def think(module, inputs):
        rows.append(len(inputs[0]))
        gate.wait(30.0)

    network.register_forward_pre_hook(think)
    policy = NetworkPolicy(network, make_encoder("basic", "cpu", False))
    monkeypatch.setitem(BOTS, "network", lambda: policy)

    async def work():
        async with Hall(settings(tmp_path, agents={"network": "network"})) as hall:
            tickets = [await alone(hall, "network")]
            await until(lambda: rows)
            tickets += [await alone(hall, "network") for _ in range(11)]
            await until(lambda: hall._agents._workers["network"]._waiting == 11)
            gate.set()
            rooms = [hall._lobby.rooms[ticket.room] for ticket in tickets]
            await until(lambda: all(room.chairs[1].move is not None for room in rooms))
            assert rows == [1, 11]

    run(work())


def test_an_agent_that_raises_loses_one_seat_and_no_other(tmp_path, monkeypatch):
    monkeypatch.setitem(BOTS, "clumsy", Clumsy)

    async def work():
        async with Hall(settings(tmp_path, agents={"clumsy": "clumsy"})) as hall:
            tickets = [await alone(hall, "clumsy") for _ in range(4)]
            rooms = [hall._lobby.rooms[ticket.room] for ticket in tickets]
            await until(lambda: all(room.chairs[1].move is not None for room in rooms))
            # What the second room's agent will see once everybody has passed.
            twin = rooms[1].pool.states[rooms[1].row : rooms[1].row + 1].copy()
            moves = np.array([[passing(hall, tickets[1]), rooms[1].chairs[1].move]], np.int32)
            game = rooms[1].game
            game.step(twin, moves, np.zeros((1, 2), np.uint8))
            views = np.zeros((1, 2), game.view_dtype)
            game.view(twin, views)
            Clumsy.hates = views[0, 1].tobytes()
            for ticket in tickets:
                hall.act(ticket.token, passing(hall, ticket))
            await until(lambda: rooms[1].result is not None or rooms[1].chairs[1].leaving)
            if rooms[1].result is None:
                hall.act(tickets[1].token, passing(hall, tickets[1]))
            await until(lambda: rooms[1].result is not None)
            assert rooms[1].result.returns == (1.0, -1.0) and rooms[1].result.reason == "played"
            for place in (0, 2, 3):
                before = rooms[place].tick
                hall.act(tickets[place].token, passing(hall, tickets[place]))
                await until(lambda room=rooms[place], at=before: room.tick > at)
                assert rooms[place].running

    run(work())


def test_a_failing_agent_of_blob_is_replaced(tmp_path, monkeypatch):
    class Never(RandomBot):
        name = "never"

        def act(self, views, masks, memories, rng):
            raise ValueError("never")

    monkeypatch.setitem(BOTS, "never", Never)

    async def work():
        async with Hall(settings(tmp_path, agents={"never": "never"})) as hall:
            table = RoomOptions("blob", {"players": 3, "cards": 3}, agents={1: "never", 2: "never"})
            ticket = await hall.create(table, name="ann", address="a")
            await until(lambda: hall.snapshot(ticket.token).phase == "running")
            last = await play_out(hall, ticket, rng=np.random.default_rng(0))
            assert last.result.reason == "played"

    run(work())


def test_an_agent_that_hangs_is_taken_off(tmp_path, counting):
    async def work():
        async with Hall(settings(tmp_path, agents={"counting": "counting"}, agent_s=0.2)) as hall:
            other = await duel(hall)
            ticket = await alone(hall, "counting")
            await both_pass(hall, *other)
            counting.gate.clear()
            hall.act(ticket.token, passing(hall, ticket))  # its second move never comes
            await both_pass(hall, *other)
            await until(
                lambda: hall._lobby.rooms[ticket.room].chairs[1].leaving or hall.snapshot(ticket.token).result
            )
            await until(lambda: hall.snapshot(ticket.token).result)
            assert hall.snapshot(ticket.token).result.returns == (1.0, -1.0)
            assert "counting" not in hall.agents("generals")
            with pytest.raises(HallError) as caught:
                await alone(hall, "counting")
            assert caught.value.code == "not_found"
            await both_pass(hall, *other)
            counting.gate.set()
            # It was only slow: its thread comes back, and it plays new games.
            await until(lambda: "counting" in hall.agents("generals"))
            again = await alone(hall, "counting")
            await until(lambda: hall._lobby.rooms[again.room].chairs[1].move is not None)

    run(work())


def test_a_hang_is_measured_by_the_clock_of_the_hall(counting):
    """Which stands while the process is stopped, so that it may be far behind that of the machine."""
    game, answers = Generals(8, 8), []
    pool = Pool(game)
    row = pool.take()
    pool.begin(row, 1)
    asked = agents.Agents({"generals": {"counting": "counting"}}, answers.extend)
    for tick, (first_s, last_s) in enumerate(((0.0, 29.0), (30.0, 39.0))):  # it is loaded for the first one
        counting.gate.clear()
        asked.ask("counting", game, [agents.Ask("room", 0, tick)], *pool.seen([row], [0]))
        while asked._workers["counting"]._turns != 2 * tick + 1:
            time.sleep(0.001)
        assert [asked.take_off_the_stuck(10.0, now) for now in (first_s, last_s)] == [[], []]
        if tick == 0:
            counting.gate.set()
            while len(answers) < 1:
                time.sleep(0.001)
    assert asked.take_off_the_stuck(10.0, 41.0) == ["counting"]
    assert [answer.problem for answer in answers] == ["", "counting gave no answer in 10 s"]
    counting.gate.set()


def test_l7_nobody_takes_the_name_of_an_agent_that_hangs(tmp_path, counting):
    async def work():
        async with Hall(settings(tmp_path, agents={"counting": "counting"}, agent_s=0.2)) as hall:
            counting.gate.clear()
            await alone(hall, "counting")
            await until(lambda: "counting" not in hall.agents("generals"))
            with pytest.raises(HallError, match="an agent of this server has that name"):
                await hall.create(options(), name="counting", address="e")
            counting.gate.set()

    run(work())


def test_in_real_time_an_agent_that_thinks_is_asked_about_the_last_tick_only(tmp_path, counting):
    async def work():
        async with Hall(settings(tmp_path, agents={"counting": "counting"})) as hall:
            counting.gate.clear()
            tickets = [await alone(hall, "counting", pace=REAL_TIME) for _ in range(3)]
            waiting = 0
            while min(hall.snapshot(ticket.token).tick for ticket in tickets) < 20:
                waiting = max(waiting, hall._agents._workers["counting"]._waiting)
                await asyncio.sleep(0.01)
            assert waiting <= 2 * len(tickets), "what is asked anew takes the place of what was asked"
            counting.gate.set()
            await until(lambda: len(counting.sizes) >= 2)
            assert max(counting.sizes) <= len(tickets)

    run(work())


def test_an_agent_that_could_not_be_loaded_is_loaded_again_for_the_next_game(tmp_path, monkeypatch):
    loads = []

    def load() -> RandomBot:
        loads.append(len(loads))
        if len(loads) == 1:
            raise OSError("half of it is written")
        return RandomBot()

    monkeypatch.setitem(BOTS, "written", load)

    async def work():
        async with Hall(settings(tmp_path, agents={"written": "written"})) as hall:
            ticket = await alone(hall, "written")
            await until(lambda: hall.snapshot(ticket.token).result)
            again = await alone(hall, "written")
            await until(lambda: hall._lobby.rooms[again.room].chairs[1].move is not None)

    run(work())


def test_in_real_time_a_slow_agent_passes(tmp_path, counting):
    async def work():
        async with Hall(settings(tmp_path, agents={"counting": "counting"})) as hall:
            counting.gate.clear()
            ticket = await alone(hall, "counting", pace=REAL_TIME)
            await until(lambda: hall.snapshot(ticket.token).tick >= 4)
            played = list(hall._lobby.rooms[ticket.room].actions)[:4]
            assert all(actions[1] == passing(hall, ticket) for actions in played)
            counting.gate.set()
            await until(lambda: counting.sizes)

    run(work())


def test_a_program_that_ends_forfeits(tmp_path):
    program = tmp_path / "bot.sh"
    program.write_text("#!/bin/sh\nread a\nexit 3\n")
    program.chmod(program.stat().st_mode | stat.S_IXUSR)

    async def work():
        async with Hall(settings(tmp_path / "data", agents={"quitter": str(program)})) as hall:
            assert "quitter" in hall.agents("generals") and "quitter" not in hall.agents("blob")
            ticket = await alone(hall, "quitter")
            with contextlib.suppress(HallError):  # it may have ended before the first move
                hall.act(ticket.token, passing(hall, ticket))
            await until(lambda: hall.snapshot(ticket.token).result)
            assert hall.snapshot(ticket.token).result.returns == (1.0, -1.0)

    run(work())


@pytest.mark.parametrize(
    "name", ["cmd:touch /tmp/owned", "/bin/true", "../runs", "mcts-1000000", "hunter2", "", "heuristic", 7]
)
def test_strangers_choose_among_what_is_offered(tmp_path, name):
    async def work():
        async with Hall(settings(tmp_path)) as hall:
            with pytest.raises(HallError) as caught:
                await hall.create(options(agents={1: name}), name="eve", address="e")
            assert caught.value.code == "not_found" and "/" not in caught.value.message.replace(str(name), "")

    run(work())


def test_an_agent_of_the_operator_that_is_not_there(tmp_path):
    async def work():
        async with Hall(settings(tmp_path, agents={"champion": "no-such-run"})):
            pass

    with pytest.raises(PolicyError, match="no-such-run"):
        run(work())

    async def again():
        async with Hall(settings(tmp_path)):
            pass

    run(again())  # the folder is free
