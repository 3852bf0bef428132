"""An Engine.IO server that echoes, and clients that talk to it by hand, for the tests of the protocol."""

from __future__ import annotations

import asyncio

from wire import PATIENCE_S, Wire, serving

from strategos.server.access.limits import Connections, Requests
from strategos.server.generalsio.engine_io import EngineIO
from strategos.server.generalsio.socket_io import SocketIO
from strategos.server.settings import Settings


class Echo:
    """Sends every event back to who has sent it, and answers with its number of arguments."""

    def __init__(self) -> None:
        self.gone = 0
        self.seen: list[list] = []

    async def handle(self, socket, name, arguments):
        self.seen.append([name, *arguments])
        if name == "fail":
            raise ZeroDivisionError
        socket.emit("echo", name, *arguments)
        return len(arguments)

    def left(self, socket) -> None:
        self.gone += 1


def echo_engine(**more) -> tuple[EngineIO, Echo]:
    application = Echo()
    sockets = SocketIO(application)
    settings = more.pop("settings", Settings())
    connections, requests = Connections(settings), Requests(settings)
    sockets.engine = EngineIO(sockets, lambda: settings, connections, requests, **more)
    return sockets.engine, application


def run(test, **more):
    """Run `test(port, engine, application)` against a fresh server."""

    async def main():
        engine, application = echo_engine(**more)
        async with serving(engine, engine.settings, engine.connections) as port:
            result = await asyncio.wait_for(test(port, engine, application), PATIENCE_S)
        return result

    return asyncio.run(main())


async def open_wire(socket: Wire, version: int) -> None:
    """Do what a well-behaved client does first."""
    await socket.until("0")
    if version == 4:
        await socket.send("40")
    await socket.until("40")
