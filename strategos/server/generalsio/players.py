"""A player of generals.io: a user id, a name, and where it is now. No hall and no protocol enters here."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from strategos.server.access.limits import Bucket
from strategos.server.access.names import clean_name
from strategos.server.generalsio.queues import Waiting
from strategos.server.terms import HallError

if TYPE_CHECKING:
    from strategos.server.generalsio.queues import Queue
    from strategos.server.generalsio.seats import Seated
    from strategos.server.generalsio.socket_io import Socket

PREFIX = "[Bot]"
"""What all names begin with."""
LONGEST_NAME = 24
"""Letters of a name, its beginning included."""


class Player(Waiting):
    """One player; `socket`, `queue` and `seated` say where it is, None where it is not."""

    def __init__(self, user_id: str) -> None:
        self.user_id = user_id
        self.name = f"{PREFIX} Anonymous"
        self.socket: Socket | None = None
        self.queue: Queue[Player] | None = None
        self.seated: Seated | None = None
        self.beginning = False
        """Its queue has gone to play, and it is not told yet."""
        self.gone_at = 0.0
        """When its connection was lost, on the clock of the hall."""
        self.address = "unknown"
        self._chats: Bucket | None = None

    @property
    def named(self) -> bool:
        """Whether it has chosen a name."""
        return self.name != f"{PREFIX} Anonymous"

    def emit(self, name: str, *arguments: Any) -> None:
        """Send an event, if there is anybody to send it to."""
        if self.socket is not None:
            self.socket.emit(name, *arguments)

    def said(self, text: str, prefix: str | None) -> dict[str, Any]:
        """A message of the player's as others are told."""
        seat = self.seated.seat if self.seated is not None else 0
        return {"username": self.name, "text": text, "playerIndex": seat, "prefix": prefix}

    def may_chat(self, per_minute: float) -> bool:
        """Whether it may say something to others now; counted if so."""
        now, rate, burst = time.monotonic(), per_minute / 60, max(5.0, per_minute / 6)
        if self._chats is None:
            self._chats = Bucket(rate, burst, now)
        self._chats.retune(rate, burst)
        return self._chats.take(now)


def text_of(value: Any, what: str, longest: int) -> str:
    """A text of a stranger's without what cannot be seen; `HallError` for anything else."""
    if not isinstance(value, str) or not 1 <= len(value.strip()) <= longest or not value.isprintable():
        raise HallError("invalid", f"{what} is a text of 1 to {longest} letters that can be seen")
    return value.strip()


def name_of(value: Any) -> str:
    """The name that a player asks for, with its beginning; `HallError` where it can be none."""
    bare = text_of(value, "a username", LONGEST_NAME).removeprefix(PREFIX).strip()
    if not bare:
        raise HallError("invalid", f"after {PREFIX} comes a name")
    return clean_name(f"{PREFIX} {bare}"[:LONGEST_NAME])
