"""A program on three pipes that can neither hang, flood nor outlive us: bytes go in, lines come out.

Nothing here blocks (`tell_end` alone may, for a moment) and nothing grows without bound, whatever the
program does: its input is written as it reads, its output is cut into short lines as we ask for them (the
pipe holds the rest back), of its messages only the tail is kept. It runs in a process group of its own,
which dies with it, and under a limit on its memory where the system has one (Linux; each process of the
group for itself). It may be started without a network (`without_network`). It is not shut in otherwise: it
has the user's rights and files. Nothing here knows a protocol or a game.
"""

from __future__ import annotations

import contextlib
import functools
import os
import resource
import selectors
import signal
import subprocess
import time
from collections import deque
from collections.abc import Iterable, Sequence
from pathlib import Path

LONGEST_LINE = 256
"""Bytes; a longer line arrives empty."""
MESSAGES_KEPT = 8192
"""Bytes of the end of what the program writes to its standard error."""
_CHUNK = 65536
_DYING_S = 0.2
"""How long `tell_end` waits for the end of a program whose pipes are closed."""
_POLL_S = 0.005


class ChildProcess:
    """One program, started from `command` in `folder`; `OSError` where that cannot be.

    `memory_bytes` limits the data of each of its processes (None: no limit).
    """

    def __init__(self, command: Sequence[str], folder: Path, memory_bytes: int | None = None) -> None:
        self.lines: deque[bytes] = deque()
        """Whole lines received, without their ends; the reader takes them."""
        self.ended: str | None = None
        """Why nothing more will come: which of its pipes is closed. `tell_end` knows more."""
        self._messages = b""
        self._messages_open = True
        self._unsent = bytearray()
        self._line = bytearray()
        self._overlong = False
        self._process = subprocess.Popen(
            command,
            cwd=folder,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            bufsize=0,
            start_new_session=True,
            env={"OMP_NUM_THREADS": "1", **os.environ},  # a core for each, unless the user knows better
        )
        assert self._process.stdin and self._process.stdout and self._process.stderr
        self._input, self._output, self._errors = (
            self._process.stdin,
            self._process.stdout,
            self._process.stderr,
        )
        for pipe in (self._input, self._output, self._errors):
            os.set_blocking(pipe.fileno(), False)
        _limit(self._process.pid, memory_bytes)

    @property
    def mid_line(self) -> bool:
        """Whether the program has begun a line and not ended it."""
        return bool(self._line) or self._overlong

    @property
    def running(self) -> bool:
        """Whether the program itself still runs, whatever it has done to its pipes."""
        return self._process.poll() is None

    @property
    def last_words(self) -> str:
        """The last line that it wrote to its standard error, as printable ASCII; empty if there is none."""
        lines = self._messages.decode("ascii", "replace").split("\n")
        spoken = ["".join(each if each.isprintable() else " " for each in line).strip() for line in lines]
        return next((line for line in reversed(spoken) if line), "")[:160]

    def send(self, data: bytes) -> None:
        """Take `data` to be written as the program reads: now as far as the pipe holds, then by `serve`."""
        if self.ended is None:
            self._unsent += data
            self._write()

    def receive(self) -> None:
        """Read what has come, at most one pipe full."""
        if self.ended is None:
            self._read_messages()
            self._read_output()

    def close_input(self) -> None:
        """Tell the program that nothing more will come."""
        self._unsent.clear()
        self._input.close()

    def tell_end(self) -> str:
        """How the program ended, or which of its pipes it closed where it runs on; to be asked before `kill`.

        Waits a moment: the pipes are closed before the program has ended.
        """
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(_DYING_S)
        self._read_messages()
        code = self._process.returncode
        if code is None:
            return self.ended or "runs on"
        if code < 0:
            return f"was killed by {signal.Signals(-code).name}"
        return f"ended by itself with exit code {code}"

    def kill(self) -> None:
        """End the whole process group at once and let go of it; a second time changes nothing."""
        if self._output.closed:
            return
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        for pipe in (self._input, self._output, self._errors):
            pipe.close()
        self.ended = self.ended or "was ended"

    def register(self, selector: selectors.BaseSelector) -> None:
        """Add the pipes on which something can happen, each with what is then to be done."""
        if self.ended is None:
            selector.register(self._output, selectors.EVENT_READ, self._read_output)
            if self._messages_open:
                selector.register(self._errors, selectors.EVENT_READ, self._read_messages)
            if self._unsent:
                selector.register(self._input, selectors.EVENT_WRITE, self._write)

    def _write(self) -> None:
        try:
            while self._unsent:
                del self._unsent[: os.write(self._input.fileno(), self._unsent[:_CHUNK])]
        except BlockingIOError:
            return
        except OSError:
            self.ended = self.ended or "closed its input"

    def _read_output(self) -> None:
        try:
            data = os.read(self._output.fileno(), _CHUNK)
        except BlockingIOError:
            return
        if not data:
            self.ended = self.ended or "closed its output"
        *ends, rest = data.split(b"\n")
        for end in ends:
            self._add(end)
            self.lines.append(b"" if self._overlong else bytes(self._line))
            self._line.clear()
            self._overlong = False
        self._add(rest)

    def _add(self, piece: bytes) -> None:
        """Append to the line that is coming in; of one that is too long nothing is kept."""
        if self._overlong or len(self._line) + len(piece) > LONGEST_LINE:
            self._overlong = True
            self._line.clear()
        else:
            self._line += piece

    def _read_messages(self) -> None:
        if self._messages_open:
            with contextlib.suppress(BlockingIOError):
                data = os.read(self._errors.fileno(), _CHUNK)
                self._messages_open = bool(data)
                self._messages = (self._messages + data)[-MESSAGES_KEPT:]


@functools.cache
def _network_cutter() -> tuple[str, ...]:
    """What runs a command in a network of its own, with nobody in it; empty where that cannot be."""
    for cutter in (("unshare", "--net", "--"), ("unshare", "--user", "--map-current-user", "--net", "--")):
        with contextlib.suppress(OSError, subprocess.SubprocessError):
            tried = [*cutter, "true"]
            subprocess.run(tried, check=True, timeout=10, stdin=subprocess.DEVNULL, capture_output=True)
            return cutter
    return ()


def can_cut_network() -> bool:
    """Whether `without_network` keeps its word here: on Linux, where namespaces may be made."""
    return bool(_network_cutter())


def without_network(command: Sequence[str]) -> list[str]:
    """`command` as one that reaches no network, this machine's own ports included; see `can_cut_network`."""
    return [*_network_cutter(), *command]


def serve(children: Iterable[ChildProcess], timeout_s: float) -> None:
    """Move the bytes of all `children` for once: those that can move now, or the first within `timeout_s`."""
    with selectors.DefaultSelector() as selector:
        for child in children:
            child.register(selector)
        for key, _ in selector.select(max(0.0, timeout_s)):
            key.data()


def end(children: Sequence[ChildProcess], grace_s: float) -> None:
    """Close the input of all `children` and kill the groups of those that still run after `grace_s`."""
    for child in children:
        child.close_input()
    deadline = time.monotonic() + grace_s
    while (still := [child for child in children if child.running]) and time.monotonic() < deadline:
        serve(still, _POLL_S)
        for child in still:
            child.lines.clear()
    for child in children:
        child.kill()


def _limit(process: int, memory_bytes: int | None) -> None:
    """Limit a running process from outside: code between fork and exec may not be run beside threads."""
    if hasattr(resource, "prlimit"):
        with contextlib.suppress(ProcessLookupError, PermissionError):
            resource.prlimit(process, resource.RLIMIT_CORE, (0, 0))
            if memory_bytes is not None:
                resource.prlimit(process, resource.RLIMIT_DATA, (memory_bytes, memory_bytes))
