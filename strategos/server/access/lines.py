"""TCP connections that no entrance counts: those of gRPC, whose library takes them by itself, and those that
have not finished their TLS handshake.

They are found among the open files of this process and, past the limits, shut: the newest of an address
first. Where the system does not list open files (Windows) nothing is found.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import stat
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

import structlog

from strategos.server.access.addresses import address_of
from strategos.server.access.limits import Connections

LOOK_S = 1.0
"""Between two looks."""
_OPEN_FILES = "/dev/fd"
_log = structlog.get_logger("strategos.server")


@dataclass(frozen=True)
class _Line:
    number: int
    """Of the open file."""
    host: str
    """Where the line comes from; "" for a socket that is no line of the port."""


class Lines:
    """The lines of one port, held to the limits of `connections` per address and in all."""

    def __init__(self, connections: Connections, port: int) -> None:
        self._connections, self._port = connections, port
        self._known: dict[int, _Line] = {}
        """By what the system calls the socket, the oldest first."""

    async def watch(self) -> None:
        """Look again and again, until cancelled."""
        while True:
            await asyncio.sleep(LOOK_S)
            self._known = await asyncio.to_thread(_look, self._port, self._known)
            shut = self._shut_excess()
            if shut:
                _log.warning("lines_shut", port=self._port, lines=shut)

    def _shut_excess(self) -> int:
        settings, total, shut = self._connections.settings, 0, 0
        of_address: Counter[str] = Counter()
        for inode, line in self._known.items():
            if not line.host:
                continue
            address = address_of(line.host)
            own = of_address[address] + (not self._connections.proxies.trusts(line.host))
            if total >= settings.connections or own > settings.connections_per_address:
                shut += _shut(inode, line)
            else:
                total, of_address[address] = total + 1, own
        return shut


def _look(port: int, known: dict[int, _Line]) -> dict[int, _Line]:
    """All sockets of this process; those that are not `known` are looked at."""
    try:
        numbers = [int(name) for name in os.listdir(_OPEN_FILES) if name.isdigit()]
    except OSError:  # there is no such list, or no file left to read it with
        return known
    found: dict[int, int] = {}
    for number in numbers:
        with contextlib.suppress(OSError):  # closed since it was listed
            status = os.fstat(number)
            if stat.S_ISSOCK(status.st_mode):
                found[status.st_ino] = number
    still = {inode: _Line(found.pop(inode), line.host) for inode, line in known.items() if inode in found}
    for inode, number in found.items():
        # Closed meanwhile, or no file left: it is looked at again.
        with contextlib.suppress(OSError), _opened(number) as line:
            still[inode] = _Line(number, _host_of(line, port))
    return still


@contextlib.contextmanager
def _opened(number: int) -> Iterator[socket.socket]:
    """The socket of an open file, by a number of our own; `OSError` where it is none, or closed."""
    own = os.dup(number)
    try:
        line = socket.socket(fileno=own)
    except OSError:
        os.close(own)
        raise
    with line:
        yield line


def _host_of(line: socket.socket, port: int) -> str:
    """Where a line comes from; "" where `port` has taken no such line."""
    if line.family not in (socket.AF_INET, socket.AF_INET6) or line.getsockname()[1] != port:
        return ""
    try:
        return str(line.getpeername()[0])
    except OSError:  # it listens
        return ""


def _shut(inode: int, line: _Line) -> bool:
    """End a line; whoever owns it sees that it has ended, and closes it."""
    try:
        with _opened(line.number) as found:
            if os.fstat(found.fileno()).st_ino != inode:  # the number is somebody else's by now
                return False
            found.shutdown(socket.SHUT_RDWR)
            return True
    except OSError:
        return False
