"""The lines of the web entrance: uvicorn's protocols with an end to everything that somebody else can hold
open. Connections are counted; a head, a body or an answer that does not move on is cut off.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Any

from uvicorn.config import Config
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

from strategos.server.access.limits import Connections
from strategos.server.flag import Flag
from strategos.server.terms import HallError

HEAD_S = 10.0
"""A request's head that is not complete after so long ends the line."""
ANSWER_S = 60.0
"""An answer that was not taken after so long ends the line."""
LINGER_S = 5.0
"""What a closed WebSocket has not taken after so long is dropped."""
_BUSY = (
    b"HTTP/1.1 503 Service Unavailable\r\nconnection: close\r\ncontent-length: 0\r\nretry-after: 10\r\n\r\n"
)


def http_lines(connections: Connections) -> type[H11Protocol]:
    """The protocol of HTTP, whose lines are counted in `connections`."""

    class HttpLine(H11Protocol):
        _counted = False
        _watch: asyncio.TimerHandle | None = None

        def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
            super().connection_made(transport)
            try:
                connections.open(_host(self.client))
            except HallError:
                transport.write(_BUSY)
                transport.close()
                return
            self._counted = True
            self._watch = self.loop.call_later(HEAD_S, self._check, None)

        def _check(self, before: Any) -> None:
            """Cut off a line whose head is not there yet, or whose answer was begun before the last look."""
            self._watch = None
            if self.transport.is_closing() or self.transport.get_protocol() is not self:
                return
            if self.cycle is None and self.timeout_keep_alive_task is None:
                return self.transport.abort()
            busy = self.cycle is not None and not self.cycle.response_complete
            if busy and self.cycle is before:
                return self.transport.abort()
            half = not busy and self.timeout_keep_alive_task is None  # a further head that has begun
            if half and before is self:
                return self.transport.abort()
            mark = self.cycle if busy else self if half else None
            self._watch = self.loop.call_later(ANSWER_S if busy else HEAD_S, self._check, mark)

        def _get_upgrade(self) -> bytes | None:
            """Of several headers `Connection` uvicorn reads the last; any of them may ask for a WebSocket."""
            asked = [value for name, value in self.headers if name == b"connection"]
            if len(asked) > 1:
                others = [header for header in self.headers if header[0] != b"connection"]
                self.headers = [*others, (b"connection", b", ".join(asked))]
            return super()._get_upgrade()

        def handle_websocket_upgrade(self, event: Any) -> None:
            self._stop_watching()
            super().handle_websocket_upgrade(event)

        def connection_lost(self, exc: Exception | None) -> None:
            self._stop_watching()
            if self._counted:
                connections.close(_host(self.client))
            super().connection_lost(exc)

        def _stop_watching(self) -> None:
            if self._watch is not None:
                self._watch.cancel()
                self._watch = None

    return HttpLine


def socket_lines(connections: Connections) -> type[WebSocketsSansIOProtocol]:
    """The protocol of WebSockets; a line was counted when it was still one of HTTP."""

    class SocketLine(WebSocketsSansIOProtocol):
        def __init__(self, config: Config, *arguments: Any, **named: Any) -> None:
            config.ws_max_size = connections.settings.message_bytes  # as it is when the line begins
            super().__init__(config, *arguments, **named)
            self.queue = _Inbox()  # type: ignore[assignment]
            self.writable = Flag(True)  # type: ignore[assignment]

        def start_keepalive(self) -> None:
            """The handshake is over, and three copies of its headers are of no more use."""
            super().start_keepalive()
            del self.response
            self.request.headers.clear()
            self.scope["headers"] = []

        def connection_lost(self, exc: Exception | None) -> None:
            connections.close(_host(self.client))
            super().connection_lost(exc)

        async def run_asgi(self) -> None:
            try:
                await super().run_asgi()
            finally:
                self._drop_later()

        def keepalive_timeout(self) -> None:
            super().keepalive_timeout()
            self._drop_later()

        def _drop_later(self) -> None:
            """Closing waits until everything was taken; who reads nothing would keep the line for good."""
            transport = self.transport
            self.loop.call_later(LINGER_S, transport.abort)

    return SocketLine


class _Inbox:
    """What a WebSocket has received and nobody has read; an empty `asyncio.Queue` takes 3 KB."""

    __slots__ = ("_messages", "_news")

    def __init__(self) -> None:
        self._messages: deque[Any] | tuple[()] = ()
        self._news = Flag()

    def put_nowait(self, message: Any) -> None:
        self._messages = self._messages or deque()
        self._messages.append(message)
        self._news.set()

    async def get(self) -> Any:
        while not self._messages:
            self._news.clear()
            await self._news.wait()
        message = self._messages.popleft()
        self._messages = self._messages or ()
        return message

    def empty(self) -> bool:
        return not self._messages


def _host(client: tuple[str, int] | None) -> str:
    return client[0] if client else ""
