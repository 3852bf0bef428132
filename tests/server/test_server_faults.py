"""A real server that is stopped in the middle, whose clock jumps, that has no files left, that logs all:
A13, B14, J14, L8."""

from __future__ import annotations

import json
import resource
import signal
import socket
import subprocess
import sys
import time

import httpx
import pytest
from server_processes import BOARD, ControlGame, ServerProcess, host, passing, until
from websockets.sync.client import connect

from strategos.client.messages import ServerError
from strategos.client.sync import Client, Seat

STOPPED_S = 6.0
"""Longer than the clock of the game and the patience of the server with who is absent."""
JUMP = """
import signal, time
real, behind = time.time, [0.0]
time.time = lambda: real() - behind[0]
signal.signal(signal.SIGUSR1, lambda *_: behind.__setitem__(0, behind[0] + 86_400.0))
"""
"""Every SIGUSR1 sets the wall clock of a server back by a day."""


def duel(client: Client, **options) -> tuple[Seat, Seat]:
    """Both seats of a game that runs."""
    first = client.create("generals", BOARD, name="ann", **options)
    second = client.join(first.code, name="bob")
    until(lambda: first.state().phase == "running")
    return first, second


def pass_both(seats: tuple[Seat, Seat], tick: int) -> None:
    """Play one tick, which must be this one."""
    for seat in seats:
        seat.act(passing(seat), tick=tick)
    until(lambda: seats[0].state().tick == tick + 1)


def other_server(data) -> subprocess.CompletedProcess:
    """What a second server on the folder says."""
    return subprocess.run(
        [sys.executable, "-m", "strategos.cli", "host", "--data", str(data)],
        capture_output=True,
        text=True,
        timeout=60,
    )


def test_a13_stopped_and_continued_nobody_is_lost_and_no_clock_has_run(tmp_path):
    with host(tmp_path / "data", absent_s=2, tick_least_s=0.01) as server, server.client() as client:
        timed, untimed = duel(client, seconds=4, private=True), duel(client, private=True)
        pass_both(timed, 0)
        pass_both(untimed, 0)
        stopped_at = time.monotonic()
        server.send(signal.SIGSTOP)
        refused = other_server(server.data)
        assert refused.returncode == 2 and "another server" in refused.stderr
        time.sleep(max(0.0, STOPPED_S - (time.monotonic() - stopped_at)))
        server.send(signal.SIGCONT)
        time.sleep(0.5)  # what would be due is done before anybody is heard
        pass_both(timed, 1)
        pass_both(untimed, 1)
        for seat in (*timed, *untimed):
            state = seat.state()
            assert state.phase == "running" and all(state.alive), state
        timed[0].surrender()  # and the journal goes on, too
        until(lambda: timed[1].state().result)
        result = timed[1].state().result
        assert result is not None and client.replay(result.replay).ticks == 3


def finish(client: Client) -> str:
    """The replay of a public game, rated as it has a clock, that bob has won."""
    seats = duel(client, seconds=60)
    pass_both(seats, 0)
    seats[0].surrender()
    until(lambda: seats[1].state().result)
    result = seats[1].state().result
    assert result is not None and result.replay
    return result.replay


def test_b14_the_wall_clock_jumps_back(tmp_path):
    data = tmp_path / "data"
    with host(data, JUMP, record_games=2, record_s=1) as server, server.client() as client:
        going_on = duel(client, private=True)
        replays = [finish(client)]
        for _ in range(2):
            server.send(signal.SIGUSR1)
            pass_both(going_on, going_on[0].state().tick)  # tokens of tomorrow are good
            replays.append(finish(client))
        assert [game.replay for game in client.games(finished=True).games] == replays[::-1]
        assert [line.games for line in client.leaderboard("generals")] == [3, 3]
    with host(data) as server, server.client() as client:
        assert [game.replay for game in client.games(finished=True).games] == replays[::-1]
        replays.append(finish(client))
        assert [game.replay for game in client.games(finished=True).games] == replays[::-1]
        for replay in replays:
            assert client.replay(replay).ticks == 2


def lines_to(port: int, number: int) -> list[socket.socket]:
    """Connections that say nothing; those of them that the system of the server takes."""
    lines = []
    for _ in range(number):
        line = socket.socket()
        line.setblocking(False)
        line.connect_ex(("127.0.0.1", port))
        lines.append(line)
    return lines


def answers(server: ServerProcess) -> bool:
    """Whether a stranger is served over HTTP, and over gRPC."""
    try:
        with httpx.Client(trust_env=False, timeout=5) as web, server.client() as client:
            client.games()
            return web.get(f"http://127.0.0.1:{server.http_port}/api/health").status_code == 200
    except (httpx.TransportError, ServerError):
        return False


FEW_FILES = """
import resource
resource.setrlimit(resource.RLIMIT_NOFILE, (256, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
"""


def test_l8_it_takes_the_files_that_it_gets_and_tells_where_they_are_too_few(tmp_path):
    with host(tmp_path / "data", FEW_FILES, connections=10**8) as server:
        soft, hard = resource.prlimit(server.process.pid, resource.RLIMIT_NOFILE)
        assert soft == hard > 256
        assert any("fewer files are allowed" in line for line in server.said)


@pytest.mark.parametrize("entrance", ["http_port", "grpc_port"])
def test_l8_without_files_it_sheds_and_recovers(tmp_path, entrance):
    with host(tmp_path / "data") as server, ControlGame(server) as game, server.client() as client:
        replay = finish(client)
        few = server.open_files + 8
        resource.prlimit(server.process.pid, resource.RLIMIT_NOFILE, (few, few))
        lines = lines_to(getattr(server, entrance), 200)
        until(lambda: server.open_files >= few)
        game.require_ticking(50)
        try:
            client.replay(replay)  # this one needs a file
        except ServerError as error:
            assert error.code == "unavailable", error
        for line in lines:
            line.close()
        until(lambda: answers(server))
        assert client.replay(replay).ticks == 2
        game.require_ticking()
        assert len(server.said) < 200, server.said[-10:]


def told_in_every_way(server: ServerProcess, token: str, user_id: str) -> None:
    """A token, and the user id of a player of generals.io, where they belong and where they do not."""
    with (
        httpx.Client(base_url=f"http://127.0.0.1:{server.http_port}", trust_env=False, timeout=30) as web,
        server.client() as client,
    ):
        for path in (f"/api/rooms/{token}", f"/api/replays/{token}", f"/api/rooms?page={token}", f"/{token}"):
            web.get(path, headers={"authorization": f"Bearer {token}", "cookie": token})
        web.post("/api/rooms", json={"name": token, "surprise": token})
        for name in (token, token[:30]):
            with pytest.raises(ServerError):
                client.create("generals", BOARD, name=name, agents={1: token})
        with pytest.raises(ServerError):
            client.replay(token)
    page = f"ws://127.0.0.1:{server.http_port}"
    for hello in (token, token[:-6] + "AAAAAA"):
        with connect(f"{page}/ws", proxy=None) as line:
            line.send(json.dumps({"type": "hello", "token": hello}))
            if json.loads(line.recv(timeout=30))["type"] != "error":
                line.send(json.dumps({"type": token, "action": token}))
                line.recv(timeout=30)
    with connect(f"{page}/socket.io/?EIO=3&transport=websocket", proxy=None) as line:
        for event in (
            ["set_username", user_id, "ann"],
            ["play", user_id],
            [user_id, token],
            ["attack", token],
        ):
            line.send(f"42{json.dumps(event)}")
        line.send(f"nonsense {token}")
        while "error_set_username" not in line.recv(timeout=30):
            pass


def test_j14_no_secret_stands_in_the_log_or_the_files_of_a_server(tmp_path):
    user_id = "a-user-id-that-nobody-else-knows"
    with host(tmp_path / "data", log_level="debug") as server, server.client() as client:
        seats = duel(client)
        told_in_every_way(server, seats[0].token, user_id)
        pass_both(seats, 0)
        seats[0].surrender()
        until(lambda: seats[1].state().result)
        secrets = [seat.token for seat in seats] + [(server.data / "worker.key").read_text().strip(), user_id]
    said = "".join(server.said)
    assert "a game has ended" in said
    for secret in secrets:
        assert not [part for part in secret.split(".") if part in said]
    for file in server.data.rglob("*"):
        if file.is_file() and file.name not in ("keys.json", "worker.key"):
            content = file.read_bytes()
            assert not [secret for secret in secrets if secret.encode() in content], file
