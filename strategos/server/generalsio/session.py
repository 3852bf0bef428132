"""One session of Engine.IO: what its client is owed and when it was last heard of. No transport enters here.

What waits for a client is bounded: whoever reads too slowly for what it asked for is closed, and no one else
waits. Writers that can leave something out ask `drained` first and so never get that far.
"""

from __future__ import annotations

import asyncio
from typing import Protocol

from strategos.server.access.limits import Bucket
from strategos.server.flag import Flag
from strategos.server.generalsio.frames import MESSAGE, ascii_json

OUTBOX_BYTES = 1 << 20
"""Letters that may wait for one client; a slower one is closed."""
BAD_PACKETS = 50
"""With so many packets that are none a session is closed."""


class Listener(Protocol):
    """Who is told what happens in the sessions; none of it may block."""

    def opened(self, session: Session) -> None:
        """A client has come."""
        ...

    def received(self, session: Session, text: str) -> None:
        """A message, without its kind."""
        ...

    def closed(self, session: Session, reason: str) -> None:
        """The client is gone; told once."""
        ...


class Session:
    """A client with the secret `sid`, speaking Engine.IO `version`, from `address`."""

    def __init__(self, sid: str, version: int, address: str, bucket: Bucket, now: float) -> None:
        self.sid, self.version, self.address, self.bucket = sid, version, address, bucket
        self.heard_at = self.pinged_at = now
        self.closed: str | None = None
        """Why it has ended."""
        self.upgrading = self.upgraded = False
        """Whether a WebSocket asks to take over, and whether it has."""
        self.has_socket = False
        self.counted = False
        """Whether it stands for a line among the connections."""
        self.in_bytes = False
        """Whether bodies for it are in bytes, and not text."""
        self.close_code = 1000
        """What a WebSocket is told when the session ends."""
        self.taken_over = Flag()
        """Set when a WebSocket has taken over, or the session has ended."""
        self.speaking: asyncio.Timeout | None = None
        """Of who reads its WebSocket; it is up when the session ends."""
        self.polls = 0
        """Polls that have come; only the last of them is answered with packets."""
        self.bad = 0
        self._outbox: list[str] = []
        self._waiting = 0
        self._news, self._empty = Flag(), Flag(True)

    def send(self, text: str) -> None:
        """Let a message wait for the client."""
        self.push(MESSAGE + (text if self.version == 4 or text.isascii() else ascii_json(text)))

    def push(self, packet: str) -> None:
        """Let a packet wait; too many of them, and the session is at its end."""
        if self.closed is not None:
            return
        self._outbox.append(packet)
        self._waiting += len(packet)
        self._empty.clear()
        if self._waiting > OUTBOX_BYTES:
            self.end("too slow to read what it is sent")
        self._news.set()

    def take(self, most: int | None = None) -> list[str]:
        """All that waits, or the `most` that have waited for longest; it is the caller's to deliver."""
        if most is not None and len(self._outbox) > most:
            packets, self._outbox = self._outbox[:most], self._outbox[most:]
            self._waiting -= sum(map(len, packets))
            return packets
        packets, self._outbox = self._outbox, []
        self._waiting = 0
        self._news.clear()
        self._empty.set()
        return packets

    @property
    def owes(self) -> bool:
        """Whether something waits."""
        return bool(self._outbox)

    async def news(self) -> None:
        """Wait until something waits for the client, or the session changes or ends."""
        await self._news.wait()

    def upgrade(self) -> None:
        """From now on all that waits is for the WebSocket."""
        self.upgraded = True
        self.taken_over.set()
        self.stir()

    def stir(self) -> None:
        """Wake whoever waits for news: the session has changed."""
        self._news.set()

    def calm(self) -> None:
        """All news have been looked at."""
        if not self._outbox:
            self._news.clear()

    async def drained(self) -> None:
        """Wait until everything was handed to a transport, or the session has ended."""
        await self._empty.wait()

    def end(self, reason: str) -> None:
        """Mark the session as over; whoever serves it does the rest."""
        if self.closed is None:
            self.closed = reason
            self._outbox.clear()
            self._waiting = 0
            self._empty.set()
            self._news.set()
            self.taken_over.set()
            if self.speaking is not None:
                self.speaking.reschedule(0.0)
