"""A mailbox: what one listener has not read yet. It never blocks whoever fills it, and never grows.

Of states there is only the newest: it is made when the listener asks, so a slow one skips what it missed and
costs nothing. Events are kept in order, the oldest falling out of a full box.
"""

from __future__ import annotations

from collections.abc import Callable

from strategos.server.flag import Flag
from strategos.server.terms import Event, HallError, Snapshot

KEPT_EVENTS = 256


class Mailbox:
    """One listener of one room; made by `Hall.listen`, to be closed by whoever asked for it."""

    def __init__(self, look: Callable[[], Snapshot], on_close: Callable[[Mailbox], None]) -> None:
        self._look, self._on_close = look, on_close
        self._events: list[Event] = []
        self._changed = True  # a new listener is told at once how things stand
        self._closed = False
        self._news = Flag(True)
        self.missed = 0
        """Events that fell out because nobody read them."""

    def touch(self) -> None:
        """The state of the room has changed."""
        self._changed = True
        self._news.set()

    def tell(self, event: Event) -> None:
        """Keep an event."""
        if len(self._events) == KEPT_EVENTS:
            del self._events[0]
            self.missed += 1
        self._events.append(event)
        self._news.set()

    async def next(self) -> tuple[Snapshot | None, tuple[Event, ...]]:
        """Wait for news: the newest state, None where it has not changed, and all events since.

        `HallError` "over" when nothing more will come.
        """
        await self._news.wait()
        if self._closed and not (self._changed or self._events):
            raise HallError("over", "nothing more will come from this room")
        events = tuple(self._events)
        self._events.clear()
        changed, self._changed = self._changed, False
        if not self._closed:
            self._news.clear()
        return self._look() if changed else None, events

    def shut(self) -> None:
        """The hall has nothing more to say; what is in the box can still be read."""
        self._closed = True
        self._news.set()

    def close(self) -> None:
        """Stop listening; a second call does nothing."""
        if self._on_close is not None:
            self._on_close(self)
        self._changed = False
        self._events.clear()
        self.shut()
