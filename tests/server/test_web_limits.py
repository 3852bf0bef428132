"""Limits of the web entrance: by address, behind proxies, as the settings are now; replays made once."""

from __future__ import annotations

import json
import socket
import ssl
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from certificates import make_all
from web_house import DUEL, house
from websockets.exceptions import ConnectionClosed, InvalidStatus

from strategos.server.web import replays as web_replays

HERE = "127.0.0.1"
LARGE = b'{"name": "' + b"x" * 3000 + b'"}'
ONCE = 0.001
"""A second: whatever it is that one may do, one may do it once in a test."""
JSON = {"content-type": "application/json"}


def reload(server, **chosen) -> None:
    server.call(lambda: server.hall.reload(server.hall.settings.model_copy(update=chosen)))


def statuses(server, *forwarded: str) -> list[int]:
    """How requests are answered that a proxy would say are from there; "" without its header."""
    with server.client() as asking:
        headers = [{"x-forwarded-for": hops} if hops else {} for hops in forwarded]
        return [asking.get("/api/health", headers=each).status_code for each in headers]


def test_limits_are_those_of_the_settings_as_they_are_now(tmp_path):
    with house(tmp_path) as server, server.client() as asking:
        assert statuses(server, *[""] * 30) == [200] * 30
        reload(server, requests_per_second=ONCE)
        assert statuses(server, "", "") == [200, 429]
        reload(server, requests_per_second=5000.0, message_bytes=2048)
        time.sleep(0.1)
        assert asking.post("/api/quick", content=LARGE, headers=JSON).status_code == 413
        with server.line() as line:
            line.send(LARGE)
            with pytest.raises(ConnectionClosed) as closed:
                line.recv(timeout=20)
        assert closed.value.rcvd.code == 1009
        reload(server, message_bytes=65536)
        assert asking.post("/api/quick", content=LARGE, headers=JSON).status_code == 422
        with server.line() as line:
            line.send(LARGE)
            assert json.loads(line.recv(timeout=20))["code"] == "forbidden"  # read, but no hello


def test_messages_of_all_sockets_of_an_address_count_together(tmp_path):
    with house(tmp_path) as server:
        ann = server.create(DUEL)
        bob = server.join(ann["code"])
        with server.seat(ann["token"]) as one, server.seat(bob["token"]) as other:
            reload(server, requests_per_second=ONCE)
            one.say(type="ping")
            one.until("pong")
            other.say(type="ping")
            told = other.until("error")
        assert told["code"] == "exhausted" and "from this address" in told["message"]


def test_without_trusted_proxies_a_header_changes_nothing(tmp_path):
    with house(tmp_path) as server:
        reload(server, requests_per_second=ONCE)
        assert statuses(server, "198.51.100.1", "198.51.100.2") == [200, 429]


def test_behind_a_trusted_proxy_everybody_has_limits_of_their_own(tmp_path):
    with house(tmp_path, trusted_proxies=("127.0.0.0/8",)) as server:
        reload(server, requests_per_second=ONCE)
        assert statuses(server, "198.51.100.1", "198.51.100.2", "198.51.100.1") == [200, 200, 429]
        # Who writes another address in front is told apart by what the proxy wrote behind it.
        assert statuses(server, "203.0.113.1, 198.51.100.2", "203.0.113.1") == [429, 200]


def test_sockets_behind_a_trusted_proxy_are_counted_by_who_asks(tmp_path):
    with house(tmp_path, connections_per_address=2, trusted_proxies=(HERE,)) as server:

        def line(number: int):
            return server.line(additional_headers={"X-Forwarded-For": f"198.51.100.{number}"})

        with line(1), line(1), line(2), line(2):
            for number in (1, 2):
                with pytest.raises(InvalidStatus) as refused, line(number):
                    pass
                assert refused.value.response.status_code == 403
            assert statuses(server, "198.51.100.1") == [429]
            assert statuses(server, "198.51.100.3") == [200]
        deadline = time.monotonic() + 20
        while (still := statuses(server, "198.51.100.1")) != [200] and time.monotonic() < deadline:
            time.sleep(0.05)
        assert still == [200]


def test_requests_behind_a_trusted_proxy_are_no_new_connections(tmp_path):
    limits = {"connections_per_address": 3, "connects_per_second": ONCE}
    with house(tmp_path, trusted_proxies=(HERE,), **limits) as server:
        assert statuses(server, *["198.51.100.1"] * 20) == [200] * 20
        socket_of = {"additional_headers": {"X-Forwarded-For": "198.51.100.1"}}
        for _ in range(3):
            with server.line(**socket_of):
                pass
        with pytest.raises(InvalidStatus) as refused, server.line(**socket_of):
            pass
        assert refused.value.response.status_code == 403


def test_lines_that_never_finish_their_tls_handshake_are_shut(tmp_path, monkeypatch):
    """They are nowhere counted as connections: asyncio tells of a line when it has shaken hands."""
    monkeypatch.setattr("strategos.server.access.lines.LOOK_S", 0.1)
    keys = make_all(tmp_path)
    files = {"tls_certificate": keys / "server.pem", "tls_key": keys / "server.key"}
    with house(tmp_path / "host", connections_per_address=5, **files) as server:
        silent = [socket.create_connection((HERE, server.port), timeout=20) for _ in range(12)]
        ended, deadline = set(), time.monotonic() + 20
        while len(ended) < 7 and time.monotonic() < deadline:
            for number, line in enumerate(silent):
                line.setblocking(False)
                try:
                    if line.recv(1) == b"":
                        ended.add(number)
                except BlockingIOError:
                    pass
                except ConnectionError:
                    ended.add(number)
            time.sleep(0.02)
        assert len(ended) == 7
        for line in silent:
            line.close()
        trusting = ssl.create_default_context(cafile=str(keys / "ours.pem"))
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline:  # until their places are free again
            with socket.create_connection((HERE, server.port), timeout=20) as line:
                try:
                    with trusting.wrap_socket(line, server_hostname="localhost") as shaken:
                        shaken.sendall(b"GET /api/health HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
                        if shaken.recv(15) == b"HTTP/1.1 200 OK":
                            return
                except OSError:
                    time.sleep(0.1)
        raise AssertionError("nobody was served again")


@pytest.fixture(scope="module")
def played(tmp_path_factory):
    """A server, and the replays of three games that were given up at once."""
    with house(tmp_path_factory.mktemp("played") / "host") as server:
        finished = []
        for number in range(3):
            ann = server.create(DUEL | {"private": False})
            bob = server.join(ann["code"], f"bob {number}")
            with server.seat(ann["token"]) as one, server.seat(bob["token"]) as other:
                one.running()
                other.running()
                one.say(type="surrender")
                over = other.until("state", lambda state: state["phase"] == "over")
            finished.append(over["result"]["replay"])
        deadline = time.monotonic() + 60
        with server.client() as asking:
            while any(asking.get(f"/api/replays/{each}").status_code != 200 for each in finished):
                assert time.monotonic() < deadline
                time.sleep(0.1)
        yield server, finished


def test_a_replay_that_many_ask_for_is_made_once(played, monkeypatch):
    server, (wanted, *others) = played
    replays = web_replays.Replays(server.hall, ["#000000"])
    made, goes_on = [], threading.Event()
    find = server.hall.replay

    def slow(replay: str):
        made.append(replay)
        assert goes_on.wait(20)
        return find(replay)

    monkeypatch.setattr(server.hall, "replay", slow)
    with ThreadPoolExecutor(24) as asking:
        asked = [asking.submit(server.do, replays.shown(each)) for each in (wanted, *others) * 8]
        deadline = time.monotonic() + 20
        while len(made) < web_replays.AT_ONCE and time.monotonic() < deadline:
            time.sleep(0.01)
        time.sleep(0.1)
        assert len(made) == web_replays.AT_ONCE  # the third game waits for its turn
        goes_on.set()
        answers = {each.result(60) for each in asked}
    assert sorted(made) == sorted((wanted, *others)) and len(answers) == 3


def test_replays_that_wait_and_that_are_kept_are_bounded(played, monkeypatch):
    server, (first, second, third) = played
    monkeypatch.setattr(web_replays, "MOST_ASKED_FOR", 2)
    replays = web_replays.Replays(server.hall, [])
    find, goes_on = server.hall.replay, threading.Event()
    made = []

    def slow(replay: str):
        made.append(replay)
        assert goes_on.wait(20)
        return find(replay)

    monkeypatch.setattr(server.hall, "replay", slow)
    with ThreadPoolExecutor(2) as asking:
        asked = [asking.submit(server.do, replays.shown(each)) for each in (first, second)]
        deadline = time.monotonic() + 20
        while len(made) < 2 and time.monotonic() < deadline:
            time.sleep(0.01)
        with pytest.raises(Exception, match="many other replays"):
            server.do(replays.shown(third))
        goes_on.set()
        size = max(len(each.result(60)) for each in asked)
    monkeypatch.setattr(web_replays, "KEPT_BYTES", 2 * size)
    for each in (third, third, second, first):  # the one that was asked for last stays
        server.do(replays.shown(each))
    assert made.count(third) == 1 and made.count(first) == 2
    assert replays._kept_bytes == sum(map(len, replays._kept.values())) <= 2 * size


def test_a_replay_that_cannot_be_made_is_asked_for_anew(played, monkeypatch):
    server, (wanted, *_) = played
    replays = web_replays.Replays(server.hall, [])

    def broken(replay: str):
        raise MemoryError

    monkeypatch.setattr(server.hall, "replay", broken)
    with pytest.raises(MemoryError):
        server.do(replays.shown(wanted))
    monkeypatch.undo()
    assert json.loads(server.do(replays.shown(wanted)))["game"] == "generals"
