"""Servers that die: killed with many games, killed fifty times in a row, told to stop, told twice."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from halls import both_pass, duel, run, settings, until

from strategos.play.record import verify
from strategos.server.hall import Hall, Pace

HERE = Path(__file__).parent


def drive(folder: Path, games: int, kills: int, seed: int, ticks: int) -> dict:
    done = subprocess.run(
        [
            sys.executable,
            str(HERE / "crash_driver.py"),
            str(folder),
            str(games),
            str(kills),
            str(seed),
            str(ticks),
        ],
        capture_output=True,
        text=True,
        timeout=280,
        cwd=HERE.parents[1],
        env={**os.environ, "PYTHONPATH": str(HERE.parents[1])},
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout.splitlines()[-1])


def require_whole(told: dict) -> None:
    assert told["failed"] == told["tokens_lost"] == told["gone"] == told["missing"] == 0, told
    assert told["another"] == told["moves_lost"] == 0 < told["again"], told
    assert told["most_ticks_lost"] <= 1, told  # of what a player had seen
    assert told["records"] == told["distinct"] >= told["ended"], told


@pytest.mark.timeout(300)
def test_a6_killed_with_a_thousand_games(tmp_path):
    told = drive(tmp_path, 1000, 2, 1, 2500)
    require_whole(told)
    assert told["resumed"] >= 1900 and told["ticks"] > 2000, told


@pytest.mark.timeout(300)
def test_a6_killed_at_fifty_random_moments(tmp_path):
    told = drive(tmp_path, 6, 50, 2, 0)
    require_whole(told)
    assert told["resumed"] >= 200 and told["ended"] >= 3, told


def test_games_and_memories_are_the_same_bytes_after_a_restart(tmp_path):
    async def before():
        async with Hall(settings(tmp_path)) as hall:
            tickets = await duel(hall)
            await both_pass(hall, *tickets, ticks=30)
            for ticket in tickets:
                hall.enqueue(ticket.token, hall.game_of(ticket.room).spec.num_actions - 1)
            room = hall._lobby.rooms[tickets[0].room]
            await until(lambda: room.tick == 31)
            return tickets, [hall.snapshot(ticket.token) for ticket in tickets]

    async def after(tickets, seen):
        async with Hall(settings(tmp_path)) as hall:
            for ticket, earlier in zip(tickets, seen, strict=True):
                now = hall.snapshot(ticket.token)
                for name in ("view", "mask", "memory"):
                    assert getattr(now, name).tobytes() == getattr(earlier, name).tobytes()
                assert (now.tick, now.names, now.seat) == (31, earlier.names, earlier.seat)
            await both_pass(hall, *tickets)
            hall.surrender(tickets[0].token)
            await until(lambda: hall.snapshot(tickets[0].token).result)
            verify(hall.replay(hall.snapshot(tickets[0].token).result.replay))

    run(after(*run(before())))


def test_open_rooms_agents_and_clocks_survive(tmp_path):
    from halls import alone, options

    async def before():
        async with Hall(settings(tmp_path)) as hall:
            waiting = await hall.create(options(), name="ann", address="a")
            timed = await duel(hall, pace=Pace("real_time", 0.05))
            against = await alone(hall)
            return waiting, timed[0], against

    async def after(waiting, timed, against):
        async with Hall(settings(tmp_path)) as hall:
            assert hall.snapshot(waiting.token).phase == "open"
            second = await hall.join(waiting.code, name="bob", address="b")
            await until(lambda: hall.snapshot(second.token).phase == "running")
            tick = hall.snapshot(timed.token).tick
            await until(lambda: hall.snapshot(timed.token).tick > tick + 2)
            hall.act(against.token, hall.game_of(against.room).spec.num_actions - 1)
            await until(lambda: hall.snapshot(against.token).tick > 0)

    run(after(*run(before())))


class Server:
    """`strategos host` in a process of its own."""

    def __init__(self, folder: Path) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "strategos.cli", "host", "--data", str(folder), "--http-port", "0",
             "--grpc-port", "0", "--log-json"],
            stderr=subprocess.PIPE, text=True, cwd=folder.parent,
            env={**os.environ, "PYTHONPATH": str(HERE.parents[1]), "STRATEGOS_GRACE_S": "2"},
        )  # fmt: skip
        assert self.process.stderr is not None
        for line in self.process.stderr:
            if re.search(r"grpc_listens", line):
                break

    def end(self) -> tuple[int, str]:
        _, said = self.process.communicate(timeout=60)
        return self.process.returncode, said


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a11_a_signal_stops_it_in_order(tmp_path, number):
    server = Server(tmp_path / "data")
    server.process.send_signal(number)
    code, said = server.end()
    assert code == 0 and "Traceback" not in said, said[-2000:]


def test_a12_a_second_signal_stops_it_at_once(tmp_path):
    server = Server(tmp_path / "data")
    server.process.send_signal(signal.SIGTERM)
    server.process.send_signal(signal.SIGTERM)
    code, said = server.end()
    assert code in (0, 1) and "Traceback" not in said, said[-2000:]
