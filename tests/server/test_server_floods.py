"""A real server under floods, while a game goes on in it: L1, L2, L3, L9, L12."""

from __future__ import annotations

import base64
import json
import os
import socket
from collections.abc import Callable

import grpc
import httpx
import pytest
from server_processes import BOARD, ControlGame, ServerProcess, host, until

from strategos.client.messages import ServerError
from strategos.server.access.descriptors import OWN_FILES, ask_for_descriptors
from strategos.server.access.tokens import LONGEST
from strategos.server.grpc.v1 import batch_service_pb2, batch_service_pb2_grpc, games_pb2
from strategos.server.grpc.v1 import game_service_pb2 as v1
from strategos.server.logs import LINES_AT_ONCE
from strategos.server.rooms.watching import LISTENERS

IDLE, FIRST_IDLE = 1000, 100
MOST_BYTES = 20_000
"""Of memory for an idle socket, so that 80 MB are enough for 4,000; 14,500 to 17,000 were measured."""
STORM = 4000
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes((0, 0, 0, 4, 0, 0, 0, 0, 0))
"""Of HTTP/2, with empty settings."""
ENGINE_IO = "/socket.io/?EIO=3&transport=websocket"


WIDE = {"connections": 20_000, "connections_per_address": 20_000, "requests_per_second": 1e6}
"""Limits that no flood reaches."""


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with host(tmp_path_factory.mktemp("floods") / "data", **WIDE) as started:
        yield started


@pytest.fixture
def game(server):
    with ControlGame(server) as going_on:
        yield going_on
        going_on.require_ticking()


def line_to(port: int, *data: bytes) -> socket.socket:
    """A connection on which `data` was sent; a WebSocket is waited for."""
    line = socket.create_connection(("127.0.0.1", port), timeout=30)
    for each in data:
        line.sendall(each)
        if b"Sec-WebSocket-Key" in each:
            answered(line, b" 101 ")
    return line


def upgrade(path: str) -> bytes:
    """The request for a WebSocket."""
    key = base64.b64encode(os.urandom(16)).decode()
    return (
        f"GET {path} HTTP/1.1\r\nHost: here\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        f"Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n\r\n"
    ).encode()


def frame(text: str) -> bytes:
    """A message of a client of a WebSocket, under the mask 0."""
    data = text.encode()
    length = bytes([128 | len(data)]) if len(data) < 126 else bytes([254]) + len(data).to_bytes(2, "big")
    return b"\x81" + length + bytes(4) + data


def answered(line: socket.socket, expected: bytes) -> socket.socket:
    """The same line, once it was told that."""
    got = b""
    while expected not in got:
        piece = line.recv(65536)
        assert piece, got
        got += piece
    return line


def web(server: ServerProcess) -> httpx.Client:
    return httpx.Client(base_url=f"http://127.0.0.1:{server.http_port}", trust_env=False, timeout=30)


def spectator(server: ServerProcess) -> str:
    """The token of who watches an open room."""
    room = {"name": "ann", "game": "generals", "options": BOARD}
    with web(server) as client:
        code = client.post("/api/rooms", json=room).json()["code"]
        return client.post(f"/api/rooms/{code}/spectate", json={}).json()["token"]


def idlers(server: ServerProcess) -> dict[str, Callable[[], socket.socket]]:
    """How to make a socket of each entrance that stays without saying anything."""
    hello = frame(json.dumps({"type": "hello", "token": spectator(server)}))
    return {
        "page": lambda: answered(line_to(server.http_port, upgrade("/ws"), hello), b'"welcome"'),
        "generals.io": lambda: line_to(server.http_port, upgrade(ENGINE_IO)),
        "gRPC": lambda: answered(line_to(server.grpc_port, PREFACE), b"\x00\x04"),
    }


@pytest.mark.parametrize("entrance", ["page", "generals.io", "gRPC"])
def test_l1_idle_sockets_take_little_memory(tmp_path, entrance):
    """Of a server of its own: memory that others have freed would be taken first."""
    ask_for_descriptors(IDLE + FIRST_IDLE + OWN_FILES)
    with host(tmp_path / "data", spectators=5000, **WIDE) as server, ControlGame(server) as game:
        make = idlers(server)[entrance]
        lines = [make() for _ in range(FIRST_IDLE)]
        before, tick = server.memory_bytes, game.tick
        lines += [make() for _ in range(IDLE)]
        grown = server.memory_bytes - before
        assert game.tick > tick
        for line in lines:
            line.close()
        assert grown < IDLE * MOST_BYTES, grown / IDLE
        until(lambda: server.open_files < FIRST_IDLE)  # nothing of them is kept
        game.require_ticking()


@pytest.mark.parametrize("entrance", ["http_port", "grpc_port"])
def test_l2_a_storm_of_connections(server, game, entrance):
    tick = game.tick
    for _ in range(STORM):
        line_to(getattr(server, entrance)).close()
    game.require_ticking()
    assert game.tick > tick
    until(lambda: server.open_files < FIRST_IDLE)


def opened(make: Callable[[], socket.socket]) -> list[socket.socket]:
    """One more line, where it is to be had."""
    try:
        return [make()]
    except (OSError, AssertionError):
        return []


def lives(line: socket.socket) -> bool:
    """Whether the server has not closed a line."""
    line.setblocking(False)
    try:
        while line.recv(65536):
            pass
    except BlockingIOError:
        return True
    except ConnectionError:
        pass
    return False


@pytest.mark.parametrize("entrance", ["page", "generals.io", "gRPC"])
def test_l3_an_address_has_so_many_connections(tmp_path, entrance):
    with host(tmp_path / "data", connections_per_address=12) as server:
        make = idlers(server)[entrance]
        lines = [line for _ in range(30) for line in opened(make)]
        until(lambda: sum(map(lives, lines)) <= 12)
        kept = [line for line in lines if lives(line)]
        assert len(kept) >= 6  # of the others some may not have been let go of yet
        for line in lines:
            line.close()
        until(lambda: [line.close() for line in opened(make)])


def test_l3_a_token_has_so_many_listeners(server, game):
    with server.client() as client:
        seat = client.create("generals", BOARD, name="ann", private=True)
        hello = frame(json.dumps({"type": "hello", "token": seat.token}))
        lines = [
            answered(line_to(server.http_port, upgrade("/ws"), hello), b'"welcome"') for _ in range(LISTENERS)
        ]
        answered(line_to(server.http_port, upgrade("/ws"), hello), b'"exhausted"').close()
        with pytest.raises(ServerError) as caught:
            next(seat.updates())
        assert caught.value.code == "exhausted"
        lines.pop().close()
        until(lambda: not isinstance(listens(seat), ServerError))
        for line in lines:
            line.close()


def listens(seat) -> object:
    """What a new listener of a seat is told first."""
    try:
        return next(seat.updates())
    except ServerError as error:
        return error


NONSENSE = {
    "no request": ("http_port", [b"\x00\x01 nonsense\r\n\r\n"]),
    "TLS": ("http_port", [b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(range(200))]),
    "no such upgrade": (
        "http_port",
        [b"GET / HTTP/1.1\r\nHost: x\r\nUpgrade: h2c\r\nConnection: Upgrade\r\n\r\n"],
    ),
    "no length": ("http_port", [b"POST /api/quick HTTP/1.1\r\nHost: x\r\nContent-Length: abc\r\n\r\n"]),
    "no frame": ("http_port", [upgrade("/ws"), b"\xff\xff" + bytes(40)]),
    "no text": ("http_port", [upgrade("/ws"), b"\x81\x82\x00\x00\x00\x00\xff\xfe"]),
    "no hello": ("http_port", [upgrade("/ws"), frame("[]")]),
    "no packets": ("http_port", [upgrade(ENGINE_IO), frame("nonsense") * 20]),
    "no event": ("http_port", [upgrade(ENGINE_IO), frame('42["play"') * 20]),
    "no HTTP/2": ("grpc_port", [bytes(range(200))]),
    "no headers": ("grpc_port", [PREFACE, bytes((0, 0, 5, 1, 4, 0, 0, 0, 1)) + b"\xff" * 5]),
}
"""Port and bytes; each of these may cause a line of the log."""


@pytest.mark.parametrize("nonsense", NONSENSE)
def test_l9_bad_frames_do_not_flood_the_log(server, game, nonsense):
    port, data = NONSENSE[nonsense]
    before = len(server.said)
    for _ in range(400):
        line = line_to(getattr(server, port), data[0])
        try:
            for each in data[1:]:
                line.sendall(each)
            line.shutdown(socket.SHUT_WR)
            while line.recv(65536):
                pass
        except OSError:
            pass  # it was closed already
        line.close()
    game.require_ticking()
    assert len(server.said) - before < 2.5 * LINES_AT_ONCE, server.said[-3:]


def deep(depth: int) -> str:
    return "[" * depth + "]" * depth


def long_bodies() -> list[str]:
    """JSON that is costly for who reads it carelessly: many keys, many digits, long words, much nesting."""
    return [
        json.dumps({"name": "x", "game": "generals", "options": {f"k{n}": n for n in range(4000)}}),
        json.dumps(
            {"name": "x", "game": "generals", "agents": {str(n << 16): "random" for n in range(2000)}}
        ),
        json.dumps({"name": "ﷺ" * 10_000}),
        json.dumps({"name": "a" + "\u0300\u0327" * 5000}),
        json.dumps({"name": "x", "game": "a" * 60_000 + "!"}),
        '{"name": "x", "options": ' + deep(20_000) + "}",
        '{"name": ' + "9" * 60_000 + "}",
        "{" + ",".join('"name": "x"' for _ in range(5000)) + "}",
    ]


def test_l12_bodies_and_paths_that_are_costly_to_read(server, game):
    with web(server) as client:
        for body in long_bodies():
            for path in ("/api/rooms", "/api/quick"):
                answer = client.post(path, content=body, headers={"content-type": "application/json"})
                assert answer.status_code in (400, 409, 413, 422), (body[:40], answer.text[:80])
        for path in (
            "/api/replays/" + "a" * 8000 + "!",
            "/api/rooms?page=" + "9" * 8000,
            "/api/rooms?" + "&".join(f"k{n}" for n in range(2000)),
            "/socket.io/?" + "&".join(f"k{n}=v" for n in range(2000)),
            "/socket.io/?EIO=4&transport=polling&sid=" + "%00" * 2000,
        ):
            assert client.get(path).status_code in (200, 400, 404, 414, 422), path[:40]
        game.require_ticking()


def large_requests() -> dict[str, v1.CreateGameRequest | v1.JoinGameRequest | v1.GetReplayRequest]:
    """Messages of a megabyte and more."""
    crowded, wide, many = (
        v1.CreateGameRequest(name="x"),
        v1.CreateGameRequest(name="x"),
        v1.CreateGameRequest(),
    )
    for number in range(100_000):
        crowded.agents[number << 12] = "random"
    for number in range(100_000):
        wide.kind.options.fields[f"k{number}"].number_value = number
    values = many.kind.options.fields["teams"].list_value.values
    for _ in range(300_000):
        values.add(number_value=1.0)
    return {
        "agents": crowded,
        "options": wide,
        "list": many,
        "name": v1.JoinGameRequest(game="x", name="ﷺ" * 500_000),
        "replay": v1.GetReplayRequest(replay="a" * 3_000_000),
    }


@pytest.mark.parametrize("message", ["agents", "options", "list", "name", "replay"])
def test_l12_messages_that_are_costly_to_read(server, game, message):
    request = large_requests()[message]
    with server.client() as client:
        method = {"name": client.stub.JoinGame, "replay": client.stub.GetReplay}.get(
            message, client.stub.CreateGame
        )
        for _ in range(3):
            with pytest.raises(grpc.RpcError) as caught:
                method(request, timeout=30)
            assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED, caught.value.details()
        game.require_ticking()


def test_l12_of_the_options_of_a_game_only_so_many_are_read(server, game):
    kind = games_pb2.GameKind(name="generals")
    for number in range(1000):
        kind.options.fields[f"k{number}"].number_value = number
    with server.client() as client:
        batches = batch_service_pb2_grpc.BatchGameServiceStub(client.channel)
        for call, request in (
            (batches.CreateBatchGames, batch_service_pb2.CreateBatchGamesRequest(kind=kind, num_games=1)),
            (client.stub.CreateGame, v1.CreateGameRequest(kind=kind, name="x")),
        ):
            with pytest.raises(grpc.RpcError) as caught:
                call(request, timeout=30)
            assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
            assert "at most 8192 bytes" in str(caught.value.details())


def test_l12_a_token_of_any_length_is_looked_at_for_no_longer(server, game):
    with server.client() as client:
        for token in ("a" * (LONGEST + 1), "." * LONGEST, "e30." * 200, "a" * 60_000):
            with pytest.raises(grpc.RpcError) as caught:
                client.stub.GetGameState(v1.GetGameStateRequest(token=token), timeout=30)
            assert caught.value.code() is grpc.StatusCode.PERMISSION_DENIED
