"""A real server for the tests of the web entrance: hall and entrance on a loop of their own, a free port."""

from __future__ import annotations

import asyncio
import json
import socket
import threading
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
from websockets.sync.client import ClientConnection, connect

from strategos.server.hall import Hall
from strategos.server.settings import Settings
from strategos.server.web import listen, serve

STEPS = {"kind": "lockstep", "seconds": 0}
DUEL = {"game": "generals", "options": {"height": 8, "width": 8}, "pace": STEPS}
TABLE = {"game": "blob", "options": {"players": 3, "cards": 3}, "pace": STEPS}
WAIT_S = 60.0
"""Compiling the rules of a new board takes its time; a test that waits longer has failed."""


@dataclass
class House:
    """A server that runs."""

    port: int
    hall: Hall
    loop: asyncio.AbstractEventLoop

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def origin(self) -> str:
        return self.url

    def do(self, work: Coroutine[Any, Any, Any]) -> Any:
        """Run a coroutine on the server's loop and wait for it."""
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(WAIT_S)

    def call(self, function: Callable[..., Any], *arguments: Any, **named: Any) -> Any:
        """Call a plain function on the server's loop."""

        async def work() -> Any:
            return function(*arguments, **named)

        return self.do(work())

    def client(self) -> httpx.Client:
        """Who asks over HTTP."""
        return httpx.Client(base_url=self.url, timeout=WAIT_S)

    def create(self, room: dict[str, Any], name: str = "ann", **more: Any) -> dict[str, Any]:
        """The ticket of a new room."""
        with self.client() as client:
            answer = client.post("/api/rooms", json={"name": name, **room, **more})
        assert answer.status_code == 201, answer.text
        return answer.json()

    def join(self, where: str, name: str = "bob", **more: Any) -> dict[str, Any]:
        """The ticket of another seat."""
        with self.client() as client:
            answer = client.post(f"/api/rooms/{where}/join", json={"name": name, **more})
        assert answer.status_code == 200, answer.text
        return answer.json()

    def spectate(self, where: str) -> str:
        """A spectator's token."""
        with self.client() as client:
            answer = client.post(f"/api/rooms/{where}/spectate", json={})
        assert answer.status_code == 200, answer.text
        return answer.json()["token"]

    def line(self, **options: Any) -> ClientConnection:
        """A WebSocket that has not said hello."""
        return connect(
            f"ws://127.0.0.1:{self.port}/ws", compression=None, max_size=1 << 22, proxy=None, **options
        )

    @contextmanager
    def seat(self, token: str, **options: Any) -> Iterator[Talk]:
        """A WebSocket that has been welcomed."""
        with self.line(**options) as line:
            talk = Talk(line)
            talk.say(type="hello", token=token)
            talk.welcome = talk.until("welcome")
            yield talk


class Talk:
    """One side of a WebSocket, in JSON."""

    def __init__(self, line: ClientConnection) -> None:
        self.socket = line
        self.welcome: dict[str, Any] = {}
        self.state: dict[str, Any] = {}
        self.events: list[dict[str, Any]] = []
        self.board: tuple[list[int], list[int]] | None = None

    def say(self, **message: Any) -> None:
        self.socket.send(json.dumps(message))

    def hear(self) -> dict[str, Any]:
        """The next message; keeps the newest state with its board, and all events."""
        message = json.loads(self.socket.recv(timeout=WAIT_S))
        if message["type"] == "state":
            self.state = message
            self._patch(message)
        elif message["type"] == "event":
            self.events.append(message)
        return message

    def until(self, kind: str, holds: Callable[[dict[str, Any]], bool] = lambda _: True) -> dict[str, Any]:
        """The next message of a type for which something holds."""
        while True:
            message = self.hear()
            if message["type"] == kind and holds(message):
                return message

    def running(self) -> dict[str, Any]:
        """Wait until the game is played."""
        if self.state.get("phase") == "running":
            return self.state
        return self.until("state", lambda state: state["phase"] == "running")

    def _patch(self, state: dict[str, Any]) -> None:
        if "board" in state:
            self.board = list(state["board"]["code"]), list(state["board"]["army"])
        for place in range(0, len(state.get("changes", ())), 3):
            cell, code, army = state["changes"][place : place + 3]
            assert self.board is not None
            self.board[0][cell], self.board[1][cell] = code, army


@contextmanager
def house(folder: Path, send_bytes: int = 0, **chosen: Any) -> Iterator[House]:
    """A server on a free port of this machine, its data in `folder`.

    `send_bytes` bounds what the kernel keeps of each line for who does not read.
    """
    settings = Settings(data=folder, http_port=0, grpc_port=0, runs=None, **chosen)
    started: list[House] = []
    ready, failed = threading.Event(), []
    stop: list[asyncio.Event] = []

    async def run() -> None:
        stop.append(asyncio.Event())
        listening = listen(settings)
        if send_bytes:
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, send_bytes)
        async with Hall(settings) as hall:
            serving = asyncio.create_task(serve(hall, settings, listening))
            started.append(House(listening.getsockname()[1], hall, asyncio.get_running_loop()))
            ready.set()
            await stop[0].wait()
            serving.cancel()
            await asyncio.gather(serving, return_exceptions=True)

    def thread() -> None:
        try:
            asyncio.run(run())
        except BaseException as error:
            failed.append(error)
            ready.set()

    server = threading.Thread(target=thread, daemon=True)
    server.start()
    assert ready.wait(WAIT_S)
    if failed:
        raise failed[0]
    try:
        yield started[0]
    finally:
        started[0].loop.call_soon_threadsafe(stop[0].set)
        server.join(WAIT_S)
        assert not server.is_alive() and not failed, failed
