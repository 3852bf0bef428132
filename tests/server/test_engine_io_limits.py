"""Engine.IO and clients that ask for too much, say too much, or take too little."""

from __future__ import annotations

import asyncio

import aiohttp
import pytest
from engine_io_house import echo_engine, open_wire, run
from wire import PATIENCE_S, Wire, greet, serving, url, wire

from strategos.server.settings import Settings


def test_requests_of_an_address_are_counted_and_refused():
    """Whatever session they are of, or of none."""

    async def main(port, engine, application):
        async with aiohttp.ClientSession() as http:
            statuses = []
            while 429 not in statuses:
                async with http.get(url(port)) as answer:
                    statuses.append(answer.status)
                    told = await answer.text()
            assert "slow down" in told
            assert len(engine.sessions) == statuses.count(200) >= 5

    run(main, settings=Settings(requests_per_second=5.0))


@pytest.mark.parametrize("version", [3, 4])
def test_h13_who_is_not_heard_of_is_gone(version):
    async def main(port, engine, application):
        async with aiohttp.ClientSession() as http, wire(port, version) as silent:
            await greet(http, port, version)  # never comes back
            await open_wire(silent, version)
            assert await silent.closed() is not None
            while engine.sessions:
                await asyncio.sleep(0.01)
            return silent.packets

    packets = run(main, ping_interval_s=0.1, ping_timeout_s=0.1)
    assert ("2" in packets) == (version == 4)


def test_h13_any_word_is_a_sign_of_life():
    async def main(port, engine, application):
        async with wire(port) as socket:
            await open_wire(socket, 4)
            for _ in range(8):
                await asyncio.sleep(0.3)
                await socket.send("3")
            await socket.emit("alive")
            assert await socket.event("echo") == ["alive"]

    run(main, ping_interval_s=1.0, ping_timeout_s=1.0)


def test_h15_a_deflate_bomb_is_no_larger_than_a_message_may_be():
    async def main(port, engine, application):
        async with aiohttp.ClientSession() as http:
            async with http.ws_connect(url(port, 4, "websocket"), compress=15) as socket:
                assert (await socket.receive()).data[0] == "0"
                await socket.send_str('42["' + "0" * 50_000_000 + '"]')
                bomb = Wire(socket)
                assert await bomb.closed() == 1009
            async with http.get(url(port)) as answer:
                assert answer.status == 200
        assert application.seen == []

    run(main)


def test_too_much_at_once_is_refused():
    async def main(port, engine, application):
        async with aiohttp.ClientSession() as http:
            sid = (await greet(http, port))["sid"]
            async with http.post(url(port, sid=sid), data="4" * 200_000) as answer:
                assert answer.status == 413
            assert sid not in engine.sessions
            async with wire(port) as socket:
                await open_wire(socket, 4)
                await socket.send("4" * 200_000)
                assert await socket.closed() == 1009

    run(main)


def test_there_are_only_so_many_connections():
    """Lines and sessions over polling, which have none of their own; counted where all entrances count."""

    async def main(port, engine, application):
        async with aiohttp.ClientSession() as http:  # one line, which is kept
            sids = [(await greet(http, port))["sid"] for _ in range(3)]
            assert engine.connections.total == 4
            async with http.get(url(port)) as answer:
                assert answer.status == 503
                assert "too many connections" in (await answer.json())["message"]
            async with aiohttp.ClientSession() as other:
                with pytest.raises(aiohttp.WSServerHandshakeError):
                    await other.ws_connect(url(port, 4, "websocket"))
            async with http.post(url(port, sid=sids[0]), data="1") as answer:
                assert answer.status == 200
            await greet(http, port)

    run(main, settings=Settings(connections_per_address=4))


def test_a_session_that_a_socket_takes_over_is_counted_once():
    async def main(port, engine, application):
        async with aiohttp.ClientSession() as http:
            sid = (await greet(http, port))["sid"]
            assert engine.connections.total == 2  # the line of the request is kept
            async with wire(port, sid=sid) as socket:
                assert engine.connections.total == 3
                await socket.send("2probe", "5", "40")
                await socket.until("40")
                assert engine.connections.total == 2
                async with wire(port) as other:
                    await open_wire(other, 4)
                    assert engine.connections.total == 3
        while engine.sessions or engine.connections.total:
            await asyncio.sleep(0.01)

    run(main)


def test_a_client_that_does_not_read_is_let_go_and_holds_up_nobody():
    async def main(port, engine, application):
        async with aiohttp.ClientSession() as http, wire(port) as control:
            sid = (await greet(http, port))["sid"]
            await open_wire(control, 4)
            lump = "x" * 60_000
            while sid in engine.sessions:
                async with http.post(url(port, sid=sid), data=f'42["{lump}"]') as answer:
                    assert answer.status in (200, 400)
                await asyncio.sleep(0)
            await control.emit("hello")
            assert await control.event("echo") == ["hello"]

    run(main)


def test_a_socket_that_takes_nothing_is_let_go():
    """Its writer waits for a line that is full for good; its session ends all the same, and all it holds."""

    async def main():
        served, engine = asyncio.Event(), echo_engine()[0]

        async def application(scope, receive, send):
            await engine(scope, receive, send)
            served.set()

        async with serving(application) as port:
            _reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=2**10)
            writer.write(
                b"GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: here\r\nUpgrade: websocket\r\n"
                b"Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
                b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
            )
            while not engine.sessions:
                await asyncio.sleep(0.01)
            (session,) = engine.sessions.values()
            while session.closed is None:  # nobody reads
                session.send("x" * 60_000)
                await asyncio.sleep(0)
            await served.wait()
            assert "too slow" in session.closed and not engine.sessions
            writer.close()

    asyncio.run(asyncio.wait_for(main(), PATIENCE_S))
