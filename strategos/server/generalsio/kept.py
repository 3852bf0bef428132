"""Who sits where, kept on disk: after a restart of the server a user id leads back to its seat.

One small file that nobody but its owner may read: a hash of each user id, and what its seat takes to be found
again. It is written on a thread, as a whole, and never while it is being written; who must not be told of a
seat before it can be found again waits for `saved`.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import structlog

from strategos.durable import write_atomically

log = structlog.get_logger("strategos.server")


@dataclass(frozen=True)
class KeptSeat:
    """A seat as it is kept."""

    token: str
    name: str
    kind: str
    options: dict[str, Any]
    teams: tuple[int, ...]


class KeptSeats:
    """The seats of all players in running games, in `file`; a damaged file is as none."""

    def __init__(self, file: Path) -> None:
        self.file = file
        self._seats: dict[str, KeptSeat] = {}
        self._changes = self._written = 0
        """Changes there were, and those that the file has, or that the disk has refused."""
        self._writing: asyncio.Task[None] | None = None
        with contextlib.suppress(OSError, ValueError, TypeError, KeyError, AttributeError):
            kept = json.loads(file.read_text("utf-8"))
            self._seats = {
                who: KeptSeat(**{**each, "teams": tuple(each["teams"])}) for who, each in kept.items()
            }

    def find(self, user_id: str) -> KeptSeat | None:
        """The seat of a user id; None where it has none."""
        return self._seats.get(_hashed(user_id))

    def put(self, user_id: str, seat: KeptSeat) -> None:
        """Keep the seat of a user id."""
        self._seats[_hashed(user_id)] = seat
        self._note()

    def drop(self, user_id: str) -> None:
        """Forget the seat of a user id."""
        if self._seats.pop(_hashed(user_id), None) is not None:
            self._note()

    def tokens(self) -> list[str]:
        """The tokens of all seats."""
        return [seat.token for seat in self._seats.values()]

    def drop_token(self, token: str) -> None:
        """Forget a seat by its token."""
        others = {who: seat for who, seat in self._seats.items() if seat.token != token}
        if len(others) < len(self._seats):
            self._seats = others
            self._note()

    async def saved(self) -> None:
        """Wait until all changes so far are in the file; where the disk refuses them, it has been logged."""
        wanted = self._changes
        while self._written < wanted and self._writing is not None:
            await asyncio.wait({self._writing})

    def _note(self) -> None:
        self._changes += 1
        if self._writing is None:
            self._writing = asyncio.get_running_loop().create_task(self._write())

    async def _write(self) -> None:
        changes = self._changes
        content = json.dumps({who: asdict(seat) for who, seat in self._seats.items()})
        try:
            await asyncio.to_thread(write_atomically, self.file, content.encode(), private=True)
        except OSError as error:
            log.error("seats of generals.io are not kept", reason=error.strerror)
        finally:
            self._written, self._writing = changes, None
        if self._changes > changes:
            self._writing = asyncio.get_running_loop().create_task(self._write())


def _hashed(user_id: str) -> str:
    """A user id is a secret: it is not written down."""
    return hashlib.sha256(user_id.encode("utf-8", "surrogatepass")).hexdigest()
