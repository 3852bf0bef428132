"""Faults F1 to F14: whatever comes in over gRPC, the answer is a canonical code, and the server lives."""

from __future__ import annotations

import re
import socket
import struct
import time

import grpc
import hypothesis
import pytest
from google.protobuf import descriptor, message_factory
from grpc_methods import METHODS
from grpc_servers import BOARD, running
from hypothesis import strategies as st

from strategos.client import PolicyAgent, run_agent
from strategos.play.agents import load_policy
from strategos.server.grpc.v1 import experience_service_pb2, game_service_pb2

EXPECTED = {
    grpc.StatusCode.OK,
    grpc.StatusCode.INVALID_ARGUMENT,
    grpc.StatusCode.NOT_FOUND,
    grpc.StatusCode.ALREADY_EXISTS,
    grpc.StatusCode.PERMISSION_DENIED,
    grpc.StatusCode.RESOURCE_EXHAUSTED,
    grpc.StatusCode.FAILED_PRECONDITION,
    grpc.StatusCode.UNAVAILABLE,
}
LEAKS = re.compile(r"Traceback|File \"|\.py\b|/[a-z]+/[a-z]+|0x[0-9a-f]{6}|<class|site-packages|Error\(")


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with running(tmp_path_factory.mktemp("data")) as started:
        yield started


@pytest.fixture(scope="module")
def client(server):
    with server.client() as connected:
        yield connected


@pytest.fixture
def alive(server):
    """After the test somebody else's game is still served, from its start to its end."""
    yield
    with server.client() as other:
        seat = other.create(
            "generals", BOARD, name="control", agents={1: "random"}, private=True, tick_limit=5
        )
        assert run_agent(seat, PolicyAgent(load_policy("random"))).result is not None


def call(channel, path: str, data: bytes, timeout: float = 20.0, **options) -> tuple[grpc.StatusCode, str]:
    """Send one message of raw bytes to a method of any kind; the code and the text of the answer."""
    method = METHODS.get(path)
    kind = "stream" if method is not None and method.client_streaming else "unary"
    answers = "stream" if method is not None and method.server_streaming else "unary"
    make = getattr(channel, f"{kind}_{answers}")
    invoke = make(path, request_serializer=lambda data: data, response_deserializer=lambda data: data)
    try:
        answer = invoke(iter([data]) if kind == "stream" else data, timeout=timeout, **options)
        if answers == "stream":
            next(iter(answer), None)
            answer.cancel()
        return grpc.StatusCode.OK, ""
    except grpc.RpcError as error:
        return error.code(), error.details() or ""


def check(code: grpc.StatusCode, text: str) -> None:
    """F14 is part of every other case: no refusal tells of the inside of the server."""
    assert code in EXPECTED, (code, text)
    assert not LEAKS.search(text), text
    assert "\n" not in text and len(text) < 600


def test_every_method_is_fuzzed():
    assert len(METHODS) == 21


@pytest.mark.parametrize("path", METHODS)
def test_F1_random_bytes(client, path):
    @hypothesis.given(st.binary(max_size=300))
    @hypothesis.settings(max_examples=15)
    def fuzz(data: bytes) -> None:
        check(*call(client.channel, path, data))

    fuzz()
    for data in (b"\xff" * 50, b"\x08", b"\x0a\xff\xff\xff\xff\x0f", b"\x0a\x02\xff\xfe", b"\x9a\x01" * 5000):
        code, text = call(client.channel, path, data)
        check(code, text)
        assert code == grpc.StatusCode.INVALID_ARGUMENT or data.startswith(b"\x9a")


WORDS = st.sampled_from(
    ["", "generals", "blob", "kuhn", "random", "height", "players", "Ä" * 40, "\x00", "../x"]
)
TEXT = WORDS | st.text(max_size=40)
SIGNED = st.sampled_from([0, 1, -1, 2, 63, 64, 65, 2**31 - 1, -(2**31)])
UNSIGNED = st.sampled_from([0, 1, 2, 3, 10, 1024, 10_001, 2**31, 2**32 - 1])
LONG = SIGNED | st.sampled_from([2**63 - 1, -(2**63)])
NUMBERS = st.floats() | st.sampled_from([0.0, 6.0, -1.0, 1e308])
TYPES = {
    descriptor.FieldDescriptor.TYPE_INT32: SIGNED,
    descriptor.FieldDescriptor.TYPE_INT64: LONG,
    descriptor.FieldDescriptor.TYPE_UINT32: UNSIGNED,
    descriptor.FieldDescriptor.TYPE_UINT64: UNSIGNED | st.just(2**64 - 1),
    descriptor.FieldDescriptor.TYPE_ENUM: st.sampled_from([0, 1, 2, 3, 99, -1]),
    descriptor.FieldDescriptor.TYPE_BOOL: st.booleans(),
    descriptor.FieldDescriptor.TYPE_DOUBLE: NUMBERS,
    descriptor.FieldDescriptor.TYPE_FLOAT: st.floats(width=32),
    descriptor.FieldDescriptor.TYPE_STRING: TEXT,
    descriptor.FieldDescriptor.TYPE_BYTES: st.binary(max_size=64),
}


def fill(draw, message, depth: int = 0) -> None:
    """Draw any message of a type, from its descriptor."""
    for field in message.DESCRIPTOR.fields:
        if not draw(st.booleans()):
            continue
        nested = field.type == field.TYPE_MESSAGE
        if nested and field.message_type.GetOptions().map_entry:
            values = field.message_type.fields_by_name["value"]
            for key in draw(st.lists(draw_of(field.message_type.fields_by_name["key"]), max_size=3)):
                if values.type != values.TYPE_MESSAGE:
                    getattr(message, field.name)[key] = draw(draw_of(values))
                elif depth < 3:
                    fill(draw, getattr(message, field.name)[key], depth + 1)
        elif nested and depth < 4:
            target = getattr(message, field.name)
            if field.is_repeated:
                for _ in range(draw(st.integers(0, 2))):
                    fill(draw, target.add(), depth + 1)
            else:
                target.SetInParent()
                fill(draw, target, depth + 1)
        elif not nested and field.is_repeated:
            getattr(message, field.name).extend(draw(st.lists(draw_of(field), max_size=4)))
        elif not nested:
            setattr(message, field.name, draw(draw_of(field)))


def draw_of(field) -> st.SearchStrategy:
    return TYPES[field.type]


@pytest.mark.parametrize("path", METHODS)
def test_F2_messages_from_their_descriptors(client, server, path):
    """Half of them with a token or a key that is good, so that they come further in."""
    kind = message_factory.GetMessageClass(METHODS[path].input_type)
    seat = client.create("generals", BOARD, name="target", private=True)

    @hypothesis.given(st.data())
    @hypothesis.settings(max_examples=20, suppress_health_check=list(hypothesis.HealthCheck))
    def fuzz(data: st.DataObject) -> None:
        message = kind()
        fill(data.draw, message)
        if data.draw(st.booleans()):
            for name, value in (("token", seat.token), ("key", server.key)):
                if name in kind.DESCRIPTOR.fields_by_name:
                    setattr(message, name, value)
            if hasattr(message, "subscribe"):
                message.subscribe.key = server.key
                message.subscribe.credits = 0
            if kind is game_service_pb2.PlayGameRequest:
                message.seat.token = seat.token
        if hasattr(message, "num_games"):
            message.num_games = min(message.num_games, 20_000) if message.num_games > 10_000 else 1
        for part in (message, getattr(message, "game", None)):
            if hasattr(part, "kind") and hasattr(part.kind, "options"):
                part.kind.ClearField("options")  # boards of any size would each be compiled
        code, text = call(client.channel, path, message.SerializeToString(), timeout=2.0)
        if code != grpc.StatusCode.DEADLINE_EXCEEDED:  # a stream on which nothing happens
            check(code, text)

    fuzz()


@pytest.mark.parametrize("path", METHODS)
def test_F3_a_message_of_five_megabytes(client, path):
    code, _ = call(client.channel, path, bytes(5 << 20))
    assert code == grpc.StatusCode.RESOURCE_EXHAUSTED


@pytest.mark.parametrize(
    "path", ["/strategos.v1.GameService/Nothing", "/strategos.v2.GameService/JoinGame", "/", "/x/y"]
)
def test_F4_a_method_that_there_is_not(client, alive, path):
    code, text = call(client.channel, path, b"")
    assert code == grpc.StatusCode.UNIMPLEMENTED and not LEAKS.search(text)


@pytest.mark.parametrize("name", ["JoinGame", "SendSignal"])
def test_F5_nothing_chosen_of_a_oneof(client, name):
    code, text = call(client.channel, f"/strategos.v1.GameService/{name}", b"")
    check(code, text)
    assert code == grpc.StatusCode.INVALID_ARGUMENT and "say " in text


@pytest.mark.parametrize(
    "data", [b"", experience_service_pb2.ExperienceRequest(credits=5).SerializeToString()]
)
def test_F5_a_stream_that_does_not_begin_with_a_subscription(client, data):
    code, text = call(client.channel, "/strategos.v1.ExperienceService/StreamExperienceBatches", data)
    check(code, text)
    assert code == grpc.StatusCode.INVALID_ARGUMENT


@pytest.mark.parametrize("action", [-1, -(2**31), 2**31 - 1, 289, 10**6])
@pytest.mark.parametrize("tick", [None, -1, 2**63 - 1, -(2**63)])
def test_F6_negative_and_huge_numbers(client, action, tick):
    seat = client.create("generals", BOARD, name="me", agents={1: "random"}, private=True, tick_limit=5)
    next(iter(seat.states()))
    request = game_service_pb2.SubmitActionRequest(token=seat.token, action=action, tick=tick)
    code, text = call(client.channel, "/strategos.v1.GameService/SubmitAction", request.SerializeToString())
    check(code, text)
    assert code in (grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.FAILED_PRECONDITION)
    seat.leave()


def test_F9_a_deadline_that_passes_ends_the_stream(server, client):
    seat = client.create("generals", BOARD, name="me", private=True)
    path = "/strategos.v1.GameService/StreamGame"
    invoke = client.channel.unary_stream(path)
    request = game_service_pb2.StreamGameRequest(token=seat.token).SerializeToString()
    with pytest.raises(grpc.RpcError) as late:
        list(invoke(request, timeout=0.3))
    assert late.value.code() == grpc.StatusCode.DEADLINE_EXCEEDED
    wait_for(lambda: listeners(server, seat) == 0)
    seat.leave()


def listeners(server, seat) -> int:
    return server.ask(lambda: len(server.hall._lobby.rooms[seat.game_id].mailboxes))


def wait_for(condition, seconds: float = 20.0) -> None:
    ends_at = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < ends_at, "it did not come to that"
        time.sleep(0.01)


def test_F10_a_client_that_vanishes_in_the_middle_of_a_stream(server, client):
    seat = client.create("generals", BOARD, name="me", private=True)
    other = server.client()
    request = game_service_pb2.StreamGameRequest(token=seat.token).SerializeToString()
    stream = other.channel.unary_stream("/strategos.v1.GameService/StreamGame")(request)
    next(stream)
    assert listeners(server, seat) == 1
    other.close()  # the connection goes, without a word for the stream
    wait_for(lambda: listeners(server, seat) == 0)
    seat.leave()


def test_F11_streams_that_are_opened_and_dropped(server, client, alive):
    seat = client.create("generals", BOARD, name="me", private=True)
    request = game_service_pb2.StreamGameRequest(token=seat.token).SerializeToString()
    invoke = client.channel.unary_stream("/strategos.v1.GameService/StreamGame")
    for _ in range(1000):
        streams = [invoke(request) for _ in range(10)]
        for stream in streams:
            stream.cancel()
    wait_for(lambda: listeners(server, seat) == 0)
    assert server.ask(lambda: server.hall.connections.total) == 0
    seat.leave()


def test_F12_a_megabyte_of_metadata(client, alive):
    metadata = [(f"x-{number}", "a" * 8000) for number in range(128)]
    code, _ = call(client.channel, "/strategos.v1.GameService/ListGames", b"", metadata=metadata)
    assert code in (grpc.StatusCode.RESOURCE_EXHAUSTED, grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.INTERNAL)


PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
SETTINGS, PING, RESET, HEADERS, GOAWAY = 4, 6, 3, 1, 7


def frame(kind: int, flags: int, stream: int, payload: bytes = b"") -> bytes:
    return struct.pack(">I", len(payload))[1:] + struct.pack(">BBI", kind, flags, stream) + payload


def header(name: bytes, value: bytes) -> bytes:
    """A header that is in no table and goes into none."""
    return b"\x00" + bytes([len(name)]) + name + bytes([len(value)]) + value


def connect(server) -> socket.socket:
    line = socket.create_connection(("127.0.0.1", server.server.port), timeout=10)
    line.sendall(PREFACE + frame(SETTINGS, 0, 0))
    return line


def goes_away(line: socket.socket) -> bool:
    """Whether the server says goodbye, or closes the line."""
    got = b""
    try:
        while True:
            data = line.recv(65536)
            if not data:
                return True
            got += data
            place = 0
            while place + 9 <= len(got):
                length = int.from_bytes(got[place : place + 3], "big")
                if got[place + 3] == GOAWAY:
                    return True
                place += 9 + length
    except ConnectionError:
        return True
    except TimeoutError:
        return False


def test_F13_half_of_a_connection(server, alive):
    lines = []
    for data in (b"", PREFACE[:5], PREFACE, PREFACE + frame(SETTINGS, 0, 0), PREFACE + b"\x00\x40\x00\x01"):
        line = socket.create_connection(("127.0.0.1", server.server.port), timeout=10)
        line.sendall(data)
        lines.append(line)
    with server.client() as other:
        other.games()
    for line in lines:
        line.close()


def test_F13_no_http_2_at_all(server, alive):
    line = socket.create_connection(("127.0.0.1", server.server.port), timeout=10)
    line.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n" + bytes(1000))
    assert goes_away(line)


def test_F13_a_flood_of_pings(server, alive):
    line = connect(server)
    try:
        for _ in range(200):
            line.sendall(frame(PING, 0, 0, bytes(8)) * 50)
    except ConnectionError:
        return
    assert goes_away(line)


def test_F13_rapid_reset(server, alive):
    line = connect(server)
    block = b"".join(
        (
            header(b":method", b"POST"),
            header(b":scheme", b"http"),
            header(b":path", b"/strategos.v1.GameService/ListGames"),
            header(b":authority", b"x"),
            header(b"te", b"trailers"),
            header(b"content-type", b"application/grpc"),
        )
    )
    try:
        for number in range(1000):
            stream = 2 * number + 1
            line.sendall(frame(HEADERS, 4, stream, block) + frame(RESET, 0, stream, struct.pack(">I", 8)))
    except ConnectionError:
        pass
    line.close()


def test_F14_an_error_nobody_thought_of_says_nothing_of_the_inside(server, client, alive, monkeypatch):
    def broken(*arguments, **options):
        raise RuntimeError("secret /secret/of/the/problem.py")

    monkeypatch.setattr(server.hall, "rooms", broken)
    code, text = call(client.channel, "/strategos.v1.GameService/ListGames", b"")
    assert code == grpc.StatusCode.INTERNAL
    assert "secret" not in text and not LEAKS.search(text)


def test_more_requests_than_the_limit_are_refused(server, tmp_path):
    with running(tmp_path, requests_per_second=5) as strict, strict.client() as greedy:
        codes = [call(greedy.channel, "/strategos.v1.GameService/ListGames", b"")[0] for _ in range(40)]
    assert codes[0] == grpc.StatusCode.OK and grpc.StatusCode.RESOURCE_EXHAUSTED in codes
