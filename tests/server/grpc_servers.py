"""A whole server for tests of the gRPC entrance: hall and gRPC server, on a thread or in a process."""

from __future__ import annotations

import asyncio
import re
import subprocess
import sys
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


CHILD = """
import asyncio, pathlib, sys
from strategos.server.grpc.serving import GrpcServer
from strategos.server.hall import Hall
from strategos.server.settings import Settings

async def serve():
    settings = Settings(data=pathlib.Path(sys.argv[1]), grpc_port=0, runs=None)
    async with Hall(settings) as hall:
        server = GrpcServer(hall, settings)
        await server.start()
        print("port", server.port, flush=True)
        await server.wait()

asyncio.run(serve())
"""


@contextmanager
def child_server(data: Path) -> Iterator[tuple[subprocess.Popen, int, str]]:
    """A server in a process of its own, whose memory is its own; its port and its worker's key."""
    child = subprocess.Popen([sys.executable, "-c", CHILD, str(data)], stdout=subprocess.PIPE, text=True)
    assert child.stdout is not None
    try:
        port = next(line.split()[1] for line in child.stdout if line.startswith("port"))
        yield child, int(port), (data / "worker.key").read_text().strip()
    finally:
        child.kill()
        child.wait(20)
        child.stdout.close()


def resident_mb(child: subprocess.Popen) -> float:
    """The memory that a process has now."""
    status = Path(f"/proc/{child.pid}/status").read_text()
    return int(re.search(r"VmRSS:\s+(\d+) kB", status)[1]) / 1024
