"""`strategos host` in a process of its own, to be stopped, starved or flooded; a game that goes on there."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from strategos.client.messages import ServerError
from strategos.client.sync import Client, Seat

ROOT = Path(__file__).resolve().parents[2]
HOST = "from strategos.cli import main; raise SystemExit(main(sys.argv[1:]))"
BOARD = {"height": 6, "width": 6}
"""Compiled once for all tests."""
PATIENCE_S = 60.0
"""Who waits longer has failed; nothing here is decided by the clock."""
PAUSE_S = 0.005
"""Of each player between two moves."""


class ServerProcess:
    """A server on free ports of 127.0.0.1; `said` is what it has written to its log."""

    def __init__(self, data: Path, before: str, settings: dict[str, Any]) -> None:
        self.data, self.grpc_port = data, 0
        self.said: list[str] = []
        chosen = {f"STRATEGOS_{name.upper()}": str(value) for name, value in settings.items()}
        self.process = subprocess.Popen(
            [sys.executable, "-c", f"import sys\n{before}\n{HOST}",
             "host", "--data", str(data), "--http-port", "0", "--grpc-port", "0", "--log-json"],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=data.parent,
            env={**os.environ, "PYTHONPATH": str(ROOT), "STRATEGOS_RUNS": str(data / "none"), **chosen},
        )  # fmt: skip
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        assert self.process.stdout is not None
        page = self.process.stdout.readline()
        until(lambda: self.grpc_port or self.process.poll() is not None)
        assert self.process.poll() is None, "".join(self.said)[-3000:]
        self.http_port = int(page.rpartition(":")[2].strip(" /\n"))

    def _read(self) -> None:
        assert self.process.stderr is not None
        for line in self.process.stderr:
            self.said.append(line)
            if not self.grpc_port and '"grpc_listens"' in line:
                self.grpc_port = json.loads(line)["port"]

    def client(self) -> Client:
        """A connection of its own."""
        return Client(f"127.0.0.1:{self.grpc_port}")

    def send(self, number: signal.Signals) -> None:
        """Send it a signal."""
        self.process.send_signal(number)

    @property
    def memory_bytes(self) -> int:
        """What of it is in memory."""
        pages = Path(f"/proc/{self.process.pid}/statm").read_text().split()[1]
        return int(pages) * os.sysconf("SC_PAGE_SIZE")

    @property
    def open_files(self) -> int:
        """Files and sockets that it holds."""
        return len(os.listdir(f"/proc/{self.process.pid}/fd"))

    def end(self) -> int:
        """Stop it in order; its exit code."""
        self.send(signal.SIGCONT)
        self.send(signal.SIGTERM)
        try:
            return self.process.wait(PATIENCE_S)
        finally:
            self.process.kill()
            self._reader.join()
            for stream in (self.process.stdout, self.process.stderr):
                assert stream is not None
                stream.close()


@contextmanager
def host(data: Path, before: str = "", **settings: Any) -> Iterator[ServerProcess]:
    """A server for a block; it must end in order, and without a stack in its log.

    `before` is run in its process before anything else.
    """
    wide = {"grace_s": 1, "creates_per_minute": 1e6, "tick_limit": 10**9}
    server = ServerProcess(data, before, {**wide, **settings})
    try:
        yield server
    finally:
        code = server.end()
    assert code == 0, "".join(server.said)[-3000:]
    assert "Traceback" not in "".join(server.said), "".join(server.said)[-3000:]


class ControlGame:
    """A game of two that goes on by itself, on a connection that was there before any flood."""

    def __init__(self, server: ServerProcess) -> None:
        self._client = server.client()
        first = self._client.create("generals", BOARD, name="ann", private=True)
        self.seats = (first, self._client.join(first.code, name="bob"))
        until(lambda: first.state().phase == "running")
        self.tick = -1
        self.problems: list[Exception] = []
        self._stop = threading.Event()
        self._threads = [
            threading.Thread(target=self._play, args=(seat,), daemon=True) for seat in self.seats
        ]

    def _play(self, seat: Seat) -> None:
        try:
            for state in seat.states():
                self.tick = max(self.tick, state.tick)
                if self._stop.wait(PAUSE_S):
                    return
                seat.act(passing(seat), tick=state.tick)
        except (ServerError, ValueError) as error:  # gRPC's word for a channel that has been closed
            if not self._stop.is_set():
                self.problems.append(error)

    def require_ticking(self, more: int = 3) -> None:
        """Wait until it has gone on by a few ticks."""
        aim = self.tick + more
        until(lambda: self.tick >= aim or self.problems)
        assert not self.problems, self.problems

    def __enter__(self) -> ControlGame:
        for thread in self._threads:
            thread.start()
        self.require_ticking()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._client.close()
        for thread in self._threads:
            thread.join(PATIENCE_S)
        assert not self.problems, self.problems


def passing(seat: Seat) -> int:
    """The action that does nothing."""
    return seat.game.spec.num_actions - 1


def until(holds: Callable[[], Any]) -> None:
    """Wait until something holds."""
    ends_at = time.monotonic() + PATIENCE_S
    while not holds():
        assert time.monotonic() < ends_at, "it did not come to that"
        time.sleep(0.01)
