"""A whole server for tests of the gRPC entrance: the hall and the gRPC server, on a loop of their thread."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from strategos.client.sync import Client
from strategos.server.grpc.serving import GrpcServer
from strategos.server.hall import Hall
from strategos.server.settings import Settings

BOARD = {"height": 6, "width": 6}
"""Small enough that bots meet soon, and compiled once for all tests."""


class Running:
    """A server that answers on `address` until the block ends."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.hall: Hall
        self.server: GrpcServer
        self.loop = asyncio.new_event_loop()

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.server.port}"

    @property
    def key(self) -> str:
        return (self.settings.data / "worker.key").read_text().strip()

    def client(self, **options: Any) -> Client:
        return Client(self.address, **options)

    def do(self, work: Coroutine[Any, Any, Any]) -> Any:
        """Run something on the server's loop."""
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(60)

    def ask(self, function: Callable[[], Any]) -> Any:
        """Call something on the server's loop."""

        async def call() -> Any:
            return function()

        return self.do(call())


@contextmanager
def running(data: Path, **settings: Any) -> Iterator[Running]:
    """A server with its data in `data`, on a free port of 127.0.0.1."""
    defaults: dict[str, Any] = {
        "runs": None,
        "creates_per_minute": 100_000,
        "requests_per_second": 1_000_000,
        "spectator_delay_ticks": 0,
    }
    server = Running(Settings(data=data, grpc_port=0, http_port=0, **(defaults | settings)))

    async def start() -> None:
        server.hall = Hall(server.settings)
        await server.hall.start()
        server.server = GrpcServer(server.hall, server.settings)
        await server.server.start()

    async def stop() -> None:
        await server.server.stop(0.5)
        await server.hall.stop(0.0)

    thread = threading.Thread(target=server.loop.run_forever, name="server", daemon=True)
    thread.start()
    server.do(start())
    try:
        yield server
    finally:
        server.do(stop())
        server.loop.call_soon_threadsafe(server.loop.stop)
        thread.join(10)
        server.loop.close()
