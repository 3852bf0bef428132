"""What a request of Engine.IO asks for, and the protocol's own errors that refuse one. No session is here."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any
from urllib.parse import parse_qs

import orjson

from strategos.server.generalsio import frames
from strategos.server.terms import HallError

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

_ERRORS = (
    "Transport unknown",
    "Session ID unknown",
    "Bad handshake method",
    "Bad request",
    "Forbidden",
    "Unsupported protocol version",
)
"""The messages of the protocol; a refusal names one by its place."""
TRANSPORT, SESSION, METHOD, REQUEST, FORBIDDEN, VERSION = range(6)
TOO_LARGE, POLICY = 1009, 1008
"""Codes that close a WebSocket."""


class Refusal(Exception):
    """A request that is answered with one of the protocol's errors."""

    def __init__(self, code: int, status: int = 400, message: str = "") -> None:
        super().__init__(message or _ERRORS[code])
        self.status = status
        self.body = orjson.dumps({"code": code, "message": message or _ERRORS[code]})


def refusal_of(error: HallError, status: int) -> Refusal:
    """The refusal of a request that is past a limit of the hall's."""
    return Refusal(FORBIDDEN, status, error.message)


def query_of(scope: Scope) -> tuple[int, str, str | None]:
    """Version, transport and session id that a request names; `Refusal` where it is no request of ours."""
    try:
        query = parse_qs(scope.get("query_string", b"").decode("latin-1"), max_num_fields=32)
    except ValueError:
        raise Refusal(REQUEST) from None
    version, transport, sid = (query.get(name, [""])[-1] for name in ("EIO", "transport", "sid"))
    if transport not in ("polling", "websocket"):
        raise Refusal(TRANSPORT)
    if version not in [str(each) for each in frames.VERSIONS]:
        raise Refusal(VERSION)
    if "j" in query:  # scripts as answers, for browsers of long ago
        raise Refusal(REQUEST)
    return int(version), transport, sid or None


def reads_bytes(scope: Scope) -> bool:
    """Whether the client of a first request over polling reads bodies in bytes: all of version 3 that do not
    ask for base64, and some of them read nothing else."""
    query = parse_qs(scope.get("query_string", b"").decode("latin-1"), max_num_fields=32)
    return query["EIO"][-1] == "3" and "b64" not in query


async def refuse_socket(scope: Scope, send: Send, refusal: Refusal) -> None:
    """Refuse a WebSocket, with the reason where the server can send one."""
    if "websocket.http.response" not in (scope.get("extensions") or {}):
        await send({"type": "websocket.close", "code": POLICY})
        return
    body = refusal.body
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    await send({"type": "websocket.http.response.start", "status": refusal.status, "headers": headers})
    await send({"type": "websocket.http.response.body", "body": body})
