"""A server of one's own to measure: `strategos host`, its process and its data folder gone with the block."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from strategos.client.load.figures import Sample

STARTS_S, ENDS_S = 120.0, 20.0
_LOOK_S = 0.05
_LIMITS = {
    "games": 5000,
    "games_per_address": 5000,
    "creates_per_minute": 1e6,
    "connections": 20_000,
    "connections_per_address": 20_000,
    "connects_per_second": 1e6,
    "requests_per_second": 1e6,
}
"""Settings: what bounds one address would bound the measurement. All else is as it is for everybody."""
_SETTINGS, _DATA = "host.toml", "data"
_OPTIONS = (
    *("--data", _DATA, "--settings", _SETTINGS),
    *("--host", "127.0.0.1", "--http-port", "0", "--grpc-port", "0"),
)
_OUT, _LOG = "out.txt", "log.txt"
_SOURCES = Path(__file__).resolve().parents[3]
_FAILED = "the server did not start"


class OwnServerError(RuntimeError):
    """A server that did not start or has ended: why, in one line."""


@dataclass(frozen=True)
class OwnServer:
    """A server that runs on this machine."""

    process: subprocess.Popen
    grpc_address: str
    http_address: str
    data: Path
    """Its data folder."""

    def sample(self, at_s: float) -> Sample | None:
        """Its memory and processor time now; None where there is no /proc, or it has ended."""
        folder = Path("/proc") / str(self.process.pid)
        try:
            pages = int((folder / "statm").read_text().split()[1])
            # The name of the process, in brackets, may hold blanks; the fields are counted from behind it.
            fields = (folder / "stat").read_text().rpartition(")")[2].split()
        except (OSError, IndexError):
            return None
        ticks = int(fields[11]) + int(fields[12])
        return Sample(at_s, pages * os.sysconf("SC_PAGE_SIZE"), ticks / os.sysconf("SC_CLK_TCK"))

    def require_running(self) -> None:
        """`OwnServerError` where it has ended."""
        code = self.process.poll()
        if code is not None:
            raise OwnServerError(f"the server ended with exit code {code}")


@contextmanager
def own_server() -> Iterator[OwnServer]:
    """Start a server on free ports of this machine, and end it with the block; `OwnServerError`."""
    with tempfile.TemporaryDirectory(prefix="strategos-load-") as name:
        folder = Path(name)
        settings = "".join(f"{key} = {value}\n" for key, value in _LIMITS.items())
        (folder / _SETTINGS).write_text(settings, encoding="utf-8")
        with open(folder / _OUT, "w") as out, open(folder / _LOG, "w") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", "strategos.cli", "host", *_OPTIONS],
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=log,
                cwd=folder,
                env={**os.environ, "PYTHONPATH": _search_path()},
                start_new_session=True,  # Ctrl-C is for who measures
            )
            try:
                yield _started(process, folder)
            finally:
                process.terminate()
                try:
                    process.wait(ENDS_S)
                except subprocess.TimeoutExpired:
                    process.kill()
                    process.wait()


def _search_path() -> str:
    """This very Strategos first, then whatever the caller has."""
    return os.pathsep.join([str(_SOURCES), *filter(None, [os.environ.get("PYTHONPATH")])])


def _started(process: subprocess.Popen, folder: Path) -> OwnServer:
    """Wait until both entrances listen, and read where."""
    until = time.monotonic() + STARTS_S
    while time.monotonic() < until:
        ended = process.poll() is not None
        lines = [line.split() for line in (folder / _OUT).read_text("utf-8").splitlines()]
        told = {words[0]: words[-1] for words in lines if words}
        if "games" in told:  # the last line that it begins with
            return OwnServer(process, told["gRPC"], urlsplit(told["page"]).netloc, folder / _DATA)
        if ended:
            said = (folder / _LOG).read_text("utf-8").splitlines() or ["it said nothing"]
            raise OwnServerError(f"{_FAILED}: {said[-1].removeprefix('strategos: ')}")
        time.sleep(_LOOK_S)
    raise OwnServerError(f"{_FAILED} within {STARTS_S:.0f} seconds")
