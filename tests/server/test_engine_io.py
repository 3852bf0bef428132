"""Engine.IO 3 and 4 with every habit of the bots that exist, and with what no client should say."""

from __future__ import annotations

import asyncio
import json

import aiohttp
import pytest
import socketio
from engine_io_house import open_wire, run
from wire import greet, url, wire

from strategos.server.generalsio.engine_io import PACKETS_AT_ONCE, POLLED_PACKETS
from strategos.server.generalsio.frames import decode_body, encode_body
from strategos.server.generalsio.session import BAD_PACKETS

# Well-behaved clients.


@pytest.mark.parametrize("transports", [["websocket"], ["polling"], ["polling", "websocket"]])
def test_python_socketio_plays_by_every_transport(transports):
    async def main(port, engine, application):
        client = socketio.AsyncClient()
        heard: asyncio.Queue = asyncio.Queue()
        client.on("echo", lambda *arguments: heard.put_nowait(arguments))
        await client.connect(f"http://127.0.0.1:{port}", transports=transports)
        await client.emit("hello", ("ünïcödé 🦊", {"deep": [1, None, True]}))
        assert await heard.get() == ("hello", "ünïcödé 🦊", {"deep": [1, None, True]})
        assert await client.call("count", (1, 2, 3)) == 3
        upgraded = next(iter(engine.sessions.values())).upgraded
        await client.disconnect()
        return upgraded

    assert run(main) == ("websocket" in transports)


@pytest.mark.parametrize("version", [3, 4])
def test_a_socket_of_each_version_says_and_hears(version):
    async def main(port, engine, application):
        async with wire(port, version) as socket:
            await open_wire(socket, version)
            await socket.send("2", '4217["hello",1]')
            assert await socket.until("3") == "3"
            assert json.loads((await socket.until("42"))[2:]) == ["echo", "hello", 1]
            assert await socket.until("43") == "4317[1]"
            return socket.packets

    packets = run(main)
    opened = json.loads(packets[0][1:])
    assert opened["pingInterval"] == 25_000 and opened["upgrades"] == [] and len(opened["sid"]) >= 32
    assert packets[1] == "40" if version == 3 else json.loads(packets[1][2:])["sid"]


@pytest.mark.parametrize("asked", [{}, {"b64": "1"}])
def test_polling_of_version_3_has_lengths_and_says_40_itself(asked):
    """As text for clients that ask for base64, and else as bytes: some clients read nothing else."""
    in_bytes = not asked

    async def main(port, engine, application):
        async with aiohttp.ClientSession() as http:
            async with http.get(url(port, 3, **asked)) as answer:
                body = await answer.read()
                assert (answer.content_type == "application/octet-stream") == in_bytes
            assert body.startswith(b"\0") == in_bytes
            (opened,) = decode_body(3, body)  # alone: some clients read no further
            assert opened[0] == "0"
            sid = json.loads(opened[1:])["sid"]
            event = '42["hi","🦊"]'
            body = encode_body(3, [event, "2probe"], in_bytes=in_bytes)
            async with http.post(url(port, 3, sid=sid), data=body) as answer:
                assert await answer.text() == "ok"
            got = []
            while len(got) < 3:
                async with http.get(url(port, 3, sid=sid)) as answer:
                    body = await answer.read()
                    assert body.startswith(b"\0") == in_bytes
                    got += decode_body(3, body)
            assert got[0] == "40"
            assert sorted(got[1:]) == ["3probe", r'42["echo","hi","\ud83e\udd8a"]']
            twice = event.encode().decode("latin-1")  # as the first generation of clients encodes
            async with http.post(url(port, 3, sid=sid), data=encode_body(3, [twice])) as answer:
                assert await answer.text() == "ok"
            while len(application.seen) < 2:
                await asyncio.sleep(0.01)
            assert application.seen == [["hi", "🦊"]] * 2

    run(main)


def test_polling_of_version_4_has_separators():
    async def main(port, engine, application):
        async with aiohttp.ClientSession() as http:
            sid = (await greet(http, port))["sid"]
            body = encode_body(4, ["40", '42["a"]', '42["b"]'])
            async with http.post(url(port, sid=sid), data=body) as answer:
                assert await answer.text() == "ok"
            got = []
            while len(got) < 3:
                async with http.get(url(port, sid=sid)) as answer:
                    got += (await answer.text()).split("\x1e")
            assert got[0].startswith("40{") and got[1:] == ['42["echo","a"]', '42["echo","b"]']

    run(main)


def test_a_poll_is_answered_with_no_more_than_clients_take():
    """python-socketio's hangs up at a body of more than 16 packets."""
    events = [f'42["hello",{number}]' for number in range(40)]

    async def main(port, engine, application):
        async with aiohttp.ClientSession() as http:
            sid = (await greet(http, port))["sid"]
            async with http.post(url(port, sid=sid), data=encode_body(4, ["40", *events])) as answer:
                assert await answer.text() == "ok"
            while len(application.seen) < len(events):
                await asyncio.sleep(0.01)
            bodies = []
            while sum(map(len, bodies)) <= len(events):
                async with http.get(url(port, sid=sid)) as answer:
                    bodies.append(decode_body(4, await answer.read()))
            assert len(bodies[0]) == POLLED_PACKETS == max(map(len, bodies))
            return [packet for body in bodies for packet in body]

    assert run(main)[1:] == [event.replace('["', '["echo","') for event in events]


def test_an_error_of_one_event_is_no_other_ones():
    async def main(port, engine, application):
        async with wire(port) as socket:
            await open_wire(socket, 4)
            await socket.emit("fail")
            await socket.emit("after")
            assert await socket.event("echo") == ["after"]

    run(main)


# The habits of bots.


@pytest.mark.parametrize("version", [3, 4])
def test_h7_upgrade_that_does_not_wait_for_the_probe(version):
    """`2probe` and `5` at once, events behind them, and pongs that nobody has asked for."""

    async def main(port, engine, application):
        async with aiohttp.ClientSession() as http:
            sid = (await greet(http, port, version))["sid"]
            async with wire(port, version, sid=sid) as socket:
                await socket.send("2probe", "5", "3")
                posted = asyncio.create_task(http.post(url(port, version, sid=sid), data="40"))
                await socket.emit("join", "here")
                assert await socket.event("echo") == ["join", "here"]
                assert (await posted).status == 200
                await socket.send("3", "3")
                await socket.emit("again")
                assert await socket.event("echo") == ["again"]
                return socket.packets

    packets = run(main)
    assert packets[0] == "3probe"
    assert sum(packet.startswith("40") for packet in packets) <= 1


def test_h7_a_socket_that_never_says_5_has_taken_over_when_it_speaks():
    async def main(port, engine, application):
        async with aiohttp.ClientSession() as http:
            sid = (await greet(http, port))["sid"]
            async with wire(port, sid=sid) as socket:
                await socket.emit("hello")
                assert await socket.event("echo") == ["hello"]

    run(main)


def test_h8_a_noop_answers_the_poll_and_never_the_socket():
    async def main(port, engine, application):
        async with aiohttp.ClientSession() as http:
            sid = (await greet(http, port))["sid"]
            poll = asyncio.create_task(http.get(url(port, sid=sid)))
            await asyncio.sleep(0.05)
            async with wire(port, sid=sid) as socket:
                await socket.send("2probe")
                assert await socket.read() == "3probe"
                assert await (await poll).text() == "6"
                await socket.send("5", "40")
                await socket.emit("hello")
                await socket.event("echo")
                async with http.get(url(port, sid=sid)) as answer:  # there is nothing to poll any more
                    assert answer.status == 400
                return socket.packets

    assert "6" not in run(main)


def test_a_socket_is_asked_for_beside_other_wishes_about_the_connection():
    """Some clients name the header twice, the second time as for polling."""

    async def main(port, engine, application):
        async with aiohttp.ClientSession() as http:
            sid = (await greet(http, port, 3))["sid"]
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        path = url(port, 3, "websocket", sid=sid).partition(str(port))[2]
        key = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13"
        asked = "Upgrade: websocket\r\nConnection: Upgrade\r\nConnection: keep-alive"
        writer.write(f"GET {path} HTTP/1.1\r\nHost: here\r\n{asked}\r\n{key}\r\n\r\n".encode())
        head = await reader.readuntil(b"\r\n\r\n")
        writer.close()
        return head

    assert run(main).startswith(b"HTTP/1.1 101 ")


def test_h6_poll_and_socket_at_once():
    """Posts are taken while the socket is the transport, and a second poll lets the first one go."""

    async def main(port, engine, application):
        async with aiohttp.ClientSession() as http:
            sid = (await greet(http, port))["sid"]
            first = asyncio.create_task(http.get(url(port, sid=sid)))
            await asyncio.sleep(0.05)
            second = asyncio.create_task(http.get(url(port, sid=sid)))
            assert await (await first).text() == "6"
            async with http.post(url(port, sid=sid), data="40") as answer:
                assert answer.status == 200
            assert (await (await second).text()).startswith("40{")
            async with wire(port, sid=sid) as socket:
                await socket.send("2probe", "5")
                async with http.post(url(port, sid=sid), data='42["posted"]') as answer:
                    assert answer.status == 200
                assert await socket.event("echo") == ["posted"]

    run(main)


@pytest.mark.parametrize("version", [3, 4])
def test_h11_events_before_the_connect_packet(version):
    async def main(port, engine, application):
        async with wire(port, version) as socket:
            await socket.until("0")
            await socket.emit("early")
            assert await socket.event("echo") == ["early"]
            await socket.send("40")
            if version == 4:
                await socket.until("40{")

    run(main)


def test_both_spellings_of_the_version_3_probe_and_of_goodbye():
    async def main(port, engine, application):
        async with wire(port, 3) as socket:
            await open_wire(socket, 3)
            await socket.send("2probe")
            assert await socket.until("3") == "3probe"
            await socket.send("41")
            assert await socket.closed() == 1000
        async with wire(port, 4) as socket:
            await open_wire(socket, 4)
            await socket.send("1")
            assert await socket.closed() == 1000
        assert application.gone == 2 and not engine.sessions

    run(main)


# What no client should do.


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ("EIO=5&transport=polling", 5),
        ("transport=polling", 5),
        ("EIO=4", 0),
        ("EIO=4&transport=carrier-pigeon", 0),
        ("EIO=4&transport=websocket", 3),
        ("EIO=4&transport=polling&sid=nobody", 1),
        ("EIO=3&transport=polling&sid=" + "x" * 5000, 1),
        ("EIO=4&transport=polling&j=0", 3),
        ("EIO=4&transport=polling" + "&a=1" * 100, 3),
        ("", 0),
    ],
)
def test_h3_h4_what_is_unknown_is_refused_as_json(query, code):
    async def main(port, engine, application):
        async with aiohttp.ClientSession() as http:
            async with http.get(f"http://127.0.0.1:{port}/socket.io/?{query}") as answer:
                told = await answer.json()
                assert (answer.status, told["code"]) == (400, code)
                assert "/" not in told["message"]
            async with http.post(f"http://127.0.0.1:{port}/socket.io/?{query}", data="40") as answer:
                assert answer.status == 400
            async with http.put(url(port)) as answer:
                assert answer.status == 400
            for refused in ("EIO=9&transport=websocket", "EIO=4&transport=websocket&sid=nobody"):
                with pytest.raises(aiohttp.WSServerHandshakeError) as error:
                    await http.ws_connect(f"http://127.0.0.1:{port}/socket.io/?{refused}")
                assert error.value.status in (400, 403)
        assert not engine.sessions

    run(main)


def test_h5_a_session_cannot_be_taken_by_somebody_else():
    """Not by a second socket, not from another address, not in another version."""

    async def main(port, engine, application):
        async with aiohttp.ClientSession() as http, wire(port) as owner:
            opened = json.loads((await owner.until("0"))[1:])
            await owner.send("40")
            sid = opened["sid"]
            with pytest.raises(aiohttp.WSServerHandshakeError):
                await http.ws_connect(url(port, 4, "websocket", sid=sid))
            with pytest.raises(aiohttp.WSServerHandshakeError):
                await http.ws_connect(url(port, 3, "websocket", sid=sid))
            engine.sessions[sid].address = "192.0.2.1"
            for method in (http.get, http.post):
                async with method(url(port, sid=sid)) as answer:
                    assert answer.status == 400
            engine.sessions[sid].address = "127.0.0.1"
            await owner.emit("still", "here")
            assert await owner.event("echo") == ["still", "here"]
            assert application.seen == [["still", "here"]]

    run(main)


@pytest.mark.parametrize(
    "body",
    [b"99:40", b"2:40x", b"-1:40", b"4:40", b"1e3:40", b"2:402", b"\xff\xfe", b""]
    + [b"\0\x03\xff40", b"\0\xff40", b"\0\x0b\xff40", b"\0\x02\xff4\xff", b"\0\x02\xff40\x01\x02\xff\x04a"]
    + [b"\0" + b"\x01" * 10 + b"\xff40", b"\0", b"\0\x02"],
)
def test_h9_lengths_that_lie(body):
    async def main(port, engine, application):
        async with aiohttp.ClientSession() as http:
            sid = (await greet(http, port, 3))["sid"]
            async with http.post(url(port, 3, sid=sid), data=body) as answer:
                status = answer.status
            async with http.get(url(port, 3)) as answer:
                assert answer.status == 200  # the server is as well as before
        return status

    status = run(main)
    assert status == 400 or body in (b"-1:40", b"1e3:40")  # these two are bare packets, of no known kind


def test_h10_binary_frames_are_not_taken():
    async def main(port, engine, application):
        async with wire(port) as socket:
            await open_wire(socket, 4)
            await socket.socket.send_bytes(b"\x04" + bytes(100))
            await socket.send("b" + "AAAA", '451-["upload",{"_placeholder":true,"num":0}]', '461-1["x"]')
            await socket.emit("hello")
            assert await socket.event("echo") == ["hello"]
            for _ in range(BAD_PACKETS):
                await socket.socket.send_bytes(b"x")
            assert await socket.closed() == 1008
        assert application.seen == [["hello"]]

    run(main)


def test_h12_a_flood_of_packets_is_cut_off():
    async def main(port, engine, application):
        async with wire(port) as flood, wire(port) as control:
            await open_wire(flood, 4)
            await open_wire(control, 4)
            try:
                for number in range(3 * int(PACKETS_AT_ONCE)):
                    await flood.send(f'42{number}["x"]')
            except (ConnectionError, aiohttp.ClientError):
                pass
            assert await flood.closed() is not None
            await control.emit("hello")
            assert await control.event("echo") == ["hello"]

    run(main)


def test_a_client_without_events_that_wait_has_no_task():
    async def main(port, engine, application):
        async with wire(port) as socket:
            await open_wire(socket, 4)
            (served,) = engine.listener.sockets.values()
            for _ in range(2):
                assert served.task is None and not served.waiting
                await socket.send('42["one"]', '42["fail"]', '42["two"]')
                assert await socket.event("echo") == ["one"]
                assert await socket.event("echo") == ["two"]
                while served.task is not None:
                    await asyncio.sleep(0.01)

    run(main)
