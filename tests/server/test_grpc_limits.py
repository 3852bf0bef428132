"""Limits of gRPC: by address and not by connection, behind proxies, and of connections that say nothing."""

from __future__ import annotations

import asyncio
import socket
import threading
import time

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_servers import Running, running

from strategos.server.grpc import game_service
from strategos.server.grpc.callers import host_of
from strategos.server.grpc.v1 import game_service_pb2, game_service_pb2_grpc

ONCE = 0.001
"""A second: whatever it is that one may do, one may do it once in a test."""
LIST = "/strategos.v1.GameService/ListGames"
OK, EXHAUSTED = grpc.StatusCode.OK, grpc.StatusCode.RESOURCE_EXHAUSTED


def ask(server: Running, forwarded: str = "") -> grpc.StatusCode:
    """How a call over a connection of its own is answered."""
    options = [("grpc.use_local_subchannel_pool", 1)]
    with grpc.insecure_channel(server.address, options=options) as channel:
        metadata = [("x-forwarded-for", forwarded)] if forwarded else []
        try:
            channel.unary_unary(LIST)(
                game_service_pb2.ListGamesRequest().SerializeToString(), metadata=metadata, timeout=20
            )
        except grpc.RpcError as error:
            return error.code()
        return OK


def ended(lines: list[socket.socket], least: int) -> int:
    """How many lines the server has ended, once they are `least` or nothing more has come of it."""
    found, deadline = set(), time.monotonic() + 15
    while len(found) < least and time.monotonic() < deadline:
        for number, line in enumerate(lines):
            line.setblocking(False)
            try:
                if not line.recv(4096):
                    found.add(number)
            except BlockingIOError:
                pass
            except ConnectionError:
                found.add(number)
        time.sleep(0.02)
    return len(found)


def raw_lines(server: Running, count: int) -> list[socket.socket]:
    lines = [socket.create_connection(("127.0.0.1", server.server.port), timeout=20) for _ in range(count)]
    for line in lines:
        line.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes([0, 0, 0, 4, 0, 0, 0, 0, 0]))
    return lines


@pytest.mark.parametrize(
    ("peer", "host"),
    [
        ("ipv4:10.0.0.1:5000", "10.0.0.1"),
        ("ipv6:%5B::1%5D:5000", "::1"),
        ("ipv6:[2001:db8::1]:5000", "2001:db8::1"),
        ("unix:", "unix"),
    ],
)
def test_the_host_of_a_peer(peer, host):
    assert host_of(peer) == host


def test_a_new_connection_is_no_new_allowance(tmp_path):
    with running(tmp_path, requests_per_second=ONCE) as server:
        assert [ask(server), ask(server)] == [OK, EXHAUSTED]


def test_without_trusted_proxies_metadata_changes_nothing(tmp_path):
    with running(tmp_path, requests_per_second=ONCE) as server:
        assert [ask(server, "198.51.100.1"), ask(server, "198.51.100.2")] == [OK, EXHAUSTED]


def test_behind_a_trusted_proxy_everybody_has_limits_of_their_own(tmp_path):
    with running(tmp_path, requests_per_second=ONCE, trusted_proxies=("127.0.0.1",)) as server:
        codes = [ask(server, hops) for hops in ("198.51.100.1", "198.51.100.2", "203.0.113.1, 198.51.100.2")]
        assert codes == [OK, OK, EXHAUSTED]


def test_L3_connections_of_one_address_past_the_limit_are_shut(tmp_path, monkeypatch):
    monkeypatch.setattr("strategos.server.access.lines.LOOK_S", 0.1)
    with running(tmp_path, connections_per_address=5) as server:
        lines = raw_lines(server, 12)
        assert ended(lines, 7) == 7
        time.sleep(0.3)
        assert ended(lines, 7) == 7  # those that were there first stay
        for line in lines:
            line.close()
        deadline = time.monotonic() + 15
        while ask(server) != OK:
            assert time.monotonic() < deadline
            time.sleep(0.1)


def test_connections_past_the_limit_of_all_are_not_taken(tmp_path, monkeypatch):
    monkeypatch.setattr("strategos.server.access.lines.LOOK_S", 1000.0)  # gRPC's own quota
    with running(tmp_path, connections=4) as server:
        lines = raw_lines(server, 9)
        assert ended(lines, 5) == 5
        for line in lines:
            line.close()


def test_lines_of_a_trusted_proxy_are_held_to_the_limit_of_all_only(tmp_path, monkeypatch):
    monkeypatch.setattr("strategos.server.access.lines.LOOK_S", 0.1)
    with running(tmp_path, connections_per_address=2, trusted_proxies=("127.0.0.1",)) as server:
        lines = raw_lines(server, 6)
        time.sleep(0.5)
        assert ask(server, "198.51.100.1") == OK
        for line in lines:
            line.setblocking(False)
            with pytest.raises(BlockingIOError):
                while line.recv(4096):  # what gRPC greets with
                    pass
            line.close()


def watch(channel: grpc.Channel):
    """A stream of the health service."""
    return health_pb2_grpc.HealthStub(channel).Watch(health_pb2.HealthCheckRequest(service=""), timeout=60)


def play(channel: grpc.Channel):
    """A stream that has not said whose game it is of."""
    never = threading.Event().wait
    stub = game_service_pb2_grpc.GameServiceStub(channel)
    return stub.PlayGame(iter(lambda: never(60), True), timeout=60)


@pytest.mark.parametrize("stream", [watch, play])
def test_streams_of_every_kind_count_for_their_address(tmp_path, stream):
    with running(tmp_path, connections_per_address=3) as server, server.client() as client:
        held = [stream(client.channel) for _ in range(3)]
        deadline = time.monotonic() + 20
        while server.hall.connections.total < 3:
            assert time.monotonic() < deadline
            time.sleep(0.01)
        with pytest.raises(grpc.RpcError) as refused:
            next(watch(client.channel))
        assert refused.value.code() is EXHAUSTED and "from this address" in refused.value.details()
        for each in held:
            each.cancel()
        while server.hall.connections.total:
            assert time.monotonic() < deadline
            time.sleep(0.01)


def test_calls_whose_request_never_comes_are_bounded(tmp_path):
    with running(tmp_path, connections=2) as server, server.client() as client:
        goes_on = threading.Event()

        def late():
            assert goes_on.wait(60)
            yield game_service_pb2.ListGamesRequest().SerializeToString()

        begun = [client.channel.stream_unary(LIST).future(late(), timeout=60) for _ in range(12)]
        deadline = time.monotonic() + 20
        while sum(call.done() for call in begun) < 8:
            assert time.monotonic() < deadline
            time.sleep(0.01)
        goes_on.set()
        codes = sorted(call.code().name for call in begun)
        assert codes == ["OK"] * 4 + [EXHAUSTED.name] * 8
        assert ask(server) is OK


def test_replays_that_many_ask_for_leave_the_threads_of_the_server_to_others(tmp_path, monkeypatch):
    reading, most, goes_on, lock = 0, 0, threading.Event(), threading.Lock()
    with running(tmp_path) as server:
        find = server.hall.replay

        def slow(replay: str):
            nonlocal reading, most
            with lock:
                reading += 1
                most = max(most, reading)
            assert goes_on.wait(20)
            with lock:
                reading -= 1
            return find(replay)

        monkeypatch.setattr(server.hall, "replay", slow)
        with server.client() as client:
            request = game_service_pb2.GetReplayRequest(replay="none")
            asked = [client.stub.GetReplay.future(request, timeout=60) for _ in range(100)]
            while reading < game_service.REPLAYS_AT_ONCE:
                time.sleep(0.01)
            assert server.do(asyncio.wait_for(asyncio.to_thread(lambda: "done"), 10)) == "done"
            goes_on.set()
            assert {each.exception().code() for each in asked} == {grpc.StatusCode.NOT_FOUND}
    assert most == game_service.REPLAYS_AT_ONCE
