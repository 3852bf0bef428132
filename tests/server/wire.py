"""What the tests of the generals.io entrance share: a server on a free port, clients that send anything."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import uvicorn

from strategos.server.access.limits import Connections
from strategos.server.settings import Settings
from strategos.server.web.lines import http_lines, socket_lines

PATIENCE_S = 60.0
"""A test that waits for longer has failed; nothing here decides by the clock."""


@asynccontextmanager
async def serving(
    app: Any, settings: Settings | None = None, connections: Connections | None = None
) -> AsyncIterator[int]:
    """Serve an ASGI application on a free port of this machine, as the web entrance would; its lines are
    counted in `connections`."""
    lines = {} if connections is None else {"http": http_lines(connections), "ws": socket_lines(connections)}
    config = uvicorn.Config(
        app,
        host="127.0.0.1",
        port=0,
        log_level="error",
        lifespan="off",
        ws_max_size=(settings or Settings()).message_bytes,
        ws_ping_interval=None,
        **lines,
    )
    server = uvicorn.Server(config)
    task = asyncio.get_running_loop().create_task(server.serve())
    while not server.started:
        await asyncio.sleep(0.01)
    try:
        yield server.servers[0].sockets[0].getsockname()[1]
    finally:
        server.should_exit = True
        server.force_exit = True
        await task


def url(port: int, version: int = 4, transport: str = "polling", **more: str) -> str:
    """An address of the entrance."""
    query = "".join(f"&{name}={value}" for name, value in more.items())
    return f"http://127.0.0.1:{port}/socket.io/?EIO={version}&transport={transport}{query}"


async def greet(http: aiohttp.ClientSession, port: int, version: int = 4) -> dict:
    """Open a session by polling; what the server said."""
    async with http.get(url(port, version)) as answer:
        assert answer.status == 200
        body = await answer.read()
    return json.loads(body[body.index(b"{") : body.rindex(b"}") + 1])


class Wire:
    """A WebSocket that speaks packets, and reads them until one that is wanted comes."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self.socket = socket
        self.packets: list[str] = []
        """All that has come."""

    async def send(self, *packets: str) -> None:
        for packet in packets:
            await self.socket.send_str(packet)

    async def emit(self, *arguments: Any) -> None:
        await self.send("42" + json.dumps(list(arguments)))

    async def read(self) -> str:
        """The next packet; an `EOFError` where the connection ends."""
        message = await asyncio.wait_for(self.socket.receive(), PATIENCE_S)
        if message.type != aiohttp.WSMsgType.TEXT:
            raise EOFError(f"closed with {self.socket.close_code}")
        self.packets.append(message.data)
        return message.data

    async def until(self, begins: str) -> str:
        """Read to the first packet that begins so."""
        while not (packet := await self.read()).startswith(begins):
            pass
        return packet

    async def event(self, name: str) -> list:
        """Read to the first event called so; its arguments. Pings are answered on the way."""
        while True:
            packet = await self.read()
            if packet == "2":
                await self.send("3")
            elif packet.startswith("42") and (event := json.loads(packet[2:]))[0] == name:
                return event[1:]

    async def closed(self) -> int | None:
        """Read to the end; the code that it was closed with."""
        try:
            while True:
                await self.read()
        except EOFError:
            return self.socket.close_code


@asynccontextmanager
async def wire(port: int, version: int = 4, **more: str) -> AsyncIterator[Wire]:
    """A WebSocket to the entrance; with `sid` one that takes over a session."""
    async with (
        aiohttp.ClientSession() as http,
        http.ws_connect(url(port, version, "websocket", **more), max_msg_size=0) as socket,
    ):
        yield Wire(socket)
