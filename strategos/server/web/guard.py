"""What stands before every request of the web entrance: who asks, the origin, type and size of the body, the
headers of every answer. Knows nothing of games.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from typing import Any
from urllib.parse import urlsplit

import orjson

from strategos.server.access.addresses import address_of as known_as
from strategos.server.access.limits import Connections, Requests
from strategos.server.settings import Settings
from strategos.server.terms import HallError

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]

BODY_S = 10.0
"""A body that has not arrived after so long is not waited for."""
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
HEADERS = (
    (b"content-security-policy", _POLICY.encode()),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"permissions-policy", b"camera=(), microphone=(), geolocation=()"),
)
"""Of every answer. Nothing of another host is ever loaded, and no other page may frame this one."""


def header(scope: Scope, name: bytes) -> str | None:
    """The first value of a header of a request."""
    return next((value.decode("latin-1") for key, value in scope["headers"] if key == name), None)


def address_of(scope: Scope) -> str:
    """The address of who asks, as `Callers` found it."""
    return str(scope["client"][0])


def from_here(scope: Scope, origins: Iterable[str]) -> bool:
    """Whether a browser's page that asks is one of this server's or of the other `origins`.

    Programs send no Origin and are welcome: what they may do is in their token.
    """
    origin = header(scope, b"origin")
    if origin is None:
        return True
    if origin in origins:
        return True
    try:
        parts = urlsplit(origin)
    except ValueError:
        return False
    host = header(scope, b"host") or ""
    return parts.scheme in ("http", "https") and bool(parts.netloc) and parts.netloc.lower() == host.lower()


class Callers:
    """ASGI middleware around the whole entrance: puts the address of who asks in the place of the line's.

    Behind a trusted proxy every request and WebSocket counts as a connection of who asks.
    """

    def __init__(self, app: Application, connections: Connections) -> None:
        self.app, self.connections = app, connections

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        host, port = scope.get("client") or ("", 0)
        if not self.connections.proxies.trusts(host):
            scope["client"] = known_as(host), port
            return await self.app(scope, receive, send)
        hops = [value.decode("latin-1") for key, value in scope["headers"] if key == b"x-forwarded-for"]
        address = self.connections.proxies.caller(host, ",".join(hops))
        scope["client"] = address, 0
        with contextlib.ExitStack() as held:
            try:
                new = scope["type"] == "websocket"
                held.enter_context(self.connections.behind_proxy(address, new=new))
            except HallError as error:
                return await self._turn_away(scope, receive, send, error)
            await self.app(scope, receive, send)

    async def _turn_away(self, scope: Scope, receive: Receive, send: Send, error: HallError) -> None:
        if scope["type"] == "http":
            return await _refuse(send, 429, error.code, error.message)
        await receive()
        await send({"type": "websocket.close", "code": 1008})  # before accepting: the client gets a 403


class Guard:
    """ASGI middleware around HTTP. `settings` are asked for every time: they may change."""

    def __init__(self, app: Application, settings: Callable[[], Settings], requests: Requests) -> None:
        self.app, self._settings, self.requests = app, settings, requests

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await self.app(scope, receive, send)

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], *HEADERS]
            await send(message)

        refusal = self._refusal(scope)
        if refusal is None and scope["method"] not in ("GET", "HEAD"):
            body = await self._body(scope, receive)
            if isinstance(body, bytes):
                receive = _given(body, receive)
            else:
                refusal = body
        if refusal is not None:
            return await _refuse(send_with_headers, *refusal)
        await self.app(scope, receive, send_with_headers)

    def _refusal(self, scope: Scope) -> tuple[int, str, str] | None:
        """Status, code and message where a request is refused by its head."""
        try:
            self.requests.take(address_of(scope), "http")
        except HallError as error:
            return 429, error.code, error.message
        if scope["method"] in ("GET", "HEAD", "OPTIONS"):
            return None
        if not from_here(scope, self._settings().origins):
            return 403, "forbidden", "requests from pages of other sites are refused"
        kind = (header(scope, b"content-type") or "").partition(";")[0].strip().lower()
        if kind != "application/json":
            return 415, "invalid", "send JSON, with Content-Type: application/json"
        if (header(scope, b"content-encoding") or "identity").strip().lower() != "identity":
            return 415, "invalid", "compressed bodies are not read; send plain JSON"
        return None

    async def _body(self, scope: Scope, receive: Receive) -> bytes | tuple[int, str, str]:
        """The whole body, or why it was not read."""
        limit = self._settings().message_bytes
        too_large = 413, "invalid", f"a body has at most {limit} bytes"
        length = header(scope, b"content-length")
        if length is not None and (not length.isdigit() or len(length) > 18 or int(length) > limit):
            return too_large
        parts: list[bytes] = []
        size = 0
        try:
            async with asyncio.timeout(BODY_S):
                while True:
                    message = await receive()
                    if message["type"] != "http.request":
                        return 400, "invalid", "the request ended before its body"
                    parts.append(message.get("body", b""))
                    size += len(parts[-1])
                    if size > limit:
                        return too_large
                    if not message.get("more_body", False):
                        return b"".join(parts)
        except TimeoutError:
            return 408, "late", "the body took too long to arrive"


def _given(body: bytes, receive: Receive) -> Receive:
    """A `receive` that hands out a body that was read already."""
    given = False

    async def again() -> Message:
        nonlocal given
        if given:
            return await receive()
        given = True
        return {"type": "http.request", "body": body, "more_body": False}

    return again


async def _refuse(send: Send, status: int, code: str, message: str) -> None:
    content = orjson.dumps({"code": code, "message": message})
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(content)).encode())]
    if status in (408, 413):
        headers.append((b"connection", b"close"))  # the rest of the body is not wanted
    if status == 429:
        headers.append((b"retry-after", b"5"))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": content})
