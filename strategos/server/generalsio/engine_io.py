"""Engine.IO 3 and 4 as an ASGI application: sessions over polling, WebSocket, and from the one to the other.

The two versions are one server here, because the bots that exist speak both and in their own ways: the
query's `EIO` chooses. A session is taken over by a WebSocket when that says `5`, whether or not it has waited
for `3probe`, or when it simply begins to speak; posts are taken at any time; a `6` only ever answers a poll.
"""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import time
from collections.abc import Callable

import structlog

from strategos.server.access.limits import Bucket, Connections, Requests
from strategos.server.generalsio import frames
from strategos.server.generalsio.frames import FrameError
from strategos.server.generalsio.requests import (
    METHOD,
    POLICY,
    REQUEST,
    SESSION,
    TOO_LARGE,
    TRANSPORT,
    Receive,
    Refusal,
    Scope,
    Send,
    query_of,
    reads_bytes,
    refusal_of,
    refuse_socket,
)
from strategos.server.generalsio.session import BAD_PACKETS, Listener, Session
from strategos.server.settings import Settings
from strategos.server.terms import HallError

PACKETS_PER_SECOND, PACKETS_AT_ONCE = 200.0, 400.0
"""Of one session."""
POLLED_PACKETS = 16
"""A body of more of them is taken for an attack by python-socketio's client, which hangs up."""
NOOP_PAUSE_S = 0.1
"""A client that polls on while its WebSocket takes over is answered no faster than this."""
BODY_S = 10.0
"""A body that has not arrived after so long is not waited for."""
CLOSE_S = 1.0
"""A client that has not taken the end of its WebSocket after so long is not told of it."""
log = structlog.get_logger("strategos.server")


class EngineIO:
    """The sessions, and the application that serves them; `listener` hears what their clients say.

    `settings` are asked for every time: they may change. `requests` counts what an address asks for: past its
    limit a request is refused, a packet dropped. A session over polling has no line of its own and is counted
    in `connections` as if it had one; a WebSocket is counted by whoever takes its line.

    `ping_interval_s` and `ping_timeout_s` are what clients are told; a session that was not heard of for
    both together is over.
    """

    def __init__(
        self,
        listener: Listener,
        settings: Callable[[], Settings],
        connections: Connections,
        requests: Requests,
        *,
        ping_interval_s: float = 25.0,
        ping_timeout_s: float = 20.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.listener, self.clock = listener, clock
        self._settings, self.connections, self.requests = settings, connections, requests
        self.ping_interval_s, self.ping_timeout_s = ping_interval_s, ping_timeout_s
        self.sessions: dict[str, Session] = {}
        self._watching: asyncio.Task[None] | None = None

    @property
    def settings(self) -> Settings:
        """The settings as they are now."""
        return self._settings()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request or WebSocket."""
        if scope["type"] == "http":
            await self._http(scope, receive, send)
        elif scope["type"] == "websocket":
            await self._websocket(scope, receive, send)

    def close(self, session: Session, reason: str) -> None:
        """End a session; its listener is told, its transports find out by themselves."""
        session.end(reason)
        if self.sessions.pop(session.sid, None) is not None:
            self._uncount(session)
            self.listener.closed(session, session.closed or reason)

    # Requests.

    async def _http(self, scope: Scope, receive: Receive, send: Send) -> None:
        kind = b"text/plain; charset=UTF-8"
        try:
            status, body = await self._answer(scope, receive)
        except Refusal as refusal:
            status, body, kind = refusal.status, refusal.body, b"application/json"
        if frames.is_in_bytes(body):  # a browser reads it as text otherwise
            kind = b"application/octet-stream"
        headers = [
            (b"content-type", kind),
            (b"content-length", str(len(body)).encode()),
            (b"cache-control", b"no-store"),
            *self._allowed_origin(scope),
        ]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    def _allowed_origin(self, scope: Scope) -> list[tuple[bytes, bytes]]:
        """Pages of other hosts may only talk to us if the operator says so; programs send no origin."""
        origin = dict(scope["headers"]).get(b"origin", b"").decode("latin-1")
        return [(b"access-control-allow-origin", origin.encode())] if origin in self.settings.origins else []

    async def _answer(self, scope: Scope, receive: Receive) -> tuple[int, bytes]:
        try:
            self.requests.take(_address(scope), "generalsio")
        except HallError as error:
            raise refusal_of(error, 429) from None
        if scope["method"] == "OPTIONS":
            return 204, b""
        version, transport, sid = query_of(scope)
        if transport != "polling":
            raise Refusal(REQUEST if transport == "websocket" else TRANSPORT)
        if sid is None:
            if scope["method"] != "GET":
                raise Refusal(METHOD)
            session = self._open(version, scope, counted=True)
            session.in_bytes = reads_bytes(scope)
            self.listener.opened(session)
            packets = [self._handshake(session, ["websocket"])]  # alone: some clients read one packet here
            return 200, frames.encode_body(version, packets, in_bytes=session.in_bytes)
        session = self._known(sid, version, scope)
        if scope["method"] == "GET":
            return 200, await self._poll(session, receive)
        if scope["method"] != "POST":
            raise Refusal(REQUEST)
        await self._post(session, receive)
        return 200, b"ok"

    async def _poll(self, session: Session, receive: Receive) -> bytes:
        """Wait for packets; empty-handed when the client has gone."""
        if session.upgraded:
            raise Refusal(REQUEST)
        session.heard_at = self.clock()
        session.polls += 1
        own = session.polls
        session.stir()  # an earlier poll that still waits is let go
        gone = asyncio.ensure_future(_gone(receive))
        try:
            while session.closed is None and session.polls == own and not session.upgraded:
                if session.owes:
                    packets = session.take(POLLED_PACKETS)
                    return frames.encode_body(session.version, packets, in_bytes=session.in_bytes)
                if session.upgrading:
                    await asyncio.sleep(NOOP_PAUSE_S)
                    break
                session.calm()
                news = asyncio.ensure_future(session.news())
                await asyncio.wait({gone, news}, return_when=asyncio.FIRST_COMPLETED)
                news.cancel()
                if gone.done():
                    return b""
        finally:
            gone.cancel()
        last = frames.CLOSE if session.closed is not None else frames.NOOP
        return frames.encode_body(session.version, [last], in_bytes=session.in_bytes)

    async def _post(self, session: Session, receive: Receive) -> None:
        try:
            async with asyncio.timeout(BODY_S):
                body = await self._body(session, receive)
        except TimeoutError:
            raise Refusal(REQUEST, 408) from None
        try:
            packets = frames.decode_body(session.version, body)
        except FrameError:
            self.close(session, "sent a body that holds no packets")
            raise Refusal(REQUEST) from None
        for packet in packets:
            self._take(session, packet)

    async def _body(self, session: Session, receive: Receive) -> bytes:
        body = bytearray()
        while (message := await receive())["type"] == "http.request":
            body += message.get("body", b"")
            if len(body) > self.settings.message_bytes:
                self.close(session, "sent a body that is too large")
                raise Refusal(REQUEST, 413)
            if not message.get("more_body"):
                return bytes(body)
        raise Refusal(REQUEST)

    # WebSockets.

    async def _websocket(self, scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        try:
            version, transport, sid = query_of(scope)
            if transport != "websocket":
                raise Refusal(TRANSPORT if transport != "polling" else REQUEST)
            fresh = sid is None
            session = self._open(version, scope) if sid is None else self._known(sid, version, scope)
            if session.has_socket:
                raise Refusal(REQUEST)
        except Refusal as refusal:
            await refuse_socket(scope, send, refusal)
            return
        session.has_socket = True
        try:
            if fresh:
                self._upgrade(session)
            await send({"type": "websocket.accept"})
            if fresh:
                await send({"type": "websocket.send", "text": self._handshake(session, [])})
                self.listener.opened(session)
            await self._speak(session, receive, send)
        finally:
            session.has_socket = False
            if session.upgraded:
                self.close(session, "the connection was lost")
            else:
                session.upgrading = False
                session.stir()

    async def _speak(self, session: Session, receive: Receive, send: Send) -> None:
        """Read and write until either end is done."""
        hung_up = False
        writer = asyncio.ensure_future(_write(session, send))
        try:
            # Ends with the session, also while a writer waits for a full line.
            async with asyncio.timeout(None) as session.speaking:
                hung_up = await self._read(session, receive, send)
        except TimeoutError:
            pass
        finally:
            session.speaking = None
            writer.cancel()
            await asyncio.gather(writer, return_exceptions=True)
        if session.closed is not None and not hung_up:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(CLOSE_S):
                    await send({"type": "websocket.close", "code": session.close_code})

    async def _read(self, session: Session, receive: Receive, send: Send) -> bool:
        """Take packets until the session ends; whether it was the client who hung up."""
        while session.closed is None:
            message = await receive()
            if message["type"] != "websocket.receive":
                return True
            text = message.get("text")
            if text is None:
                self._count_bad(session)
            elif len(text) > self.settings.message_bytes:
                session.close_code = TOO_LARGE
                self.close(session, "sent a message that is too large")
            elif not session.upgraded and text == frames.PING + "probe":
                session.upgrading = True
                session.heard_at = self.clock()
                session.stir()
                await send({"type": "websocket.send", "text": frames.PONG + "probe"})
            else:
                if not session.upgraded:
                    self._upgrade(session)
                self._take(session, text)
        return False

    # Packets.

    def _take(self, session: Session, packet: str) -> None:
        """One packet of a client, by whatever way it came."""
        now = self.clock()
        session.heard_at = now
        if session.closed is not None:
            return
        if not session.bucket.take(now):
            session.close_code = POLICY
            self.close(session, "sends more than it may")
            return
        try:
            self.requests.take(session.address, "generalsio")
        except HallError:
            return
        kind = packet[:1]
        if kind == frames.MESSAGE:
            self.listener.received(session, packet[1:])
        elif kind == frames.PING:
            session.push(frames.PONG + packet[1:])
        elif kind == frames.CLOSE:
            self.close(session, "said goodbye")
        elif kind not in (frames.PONG, frames.UPGRADE, frames.NOOP):
            self._count_bad(session)

    def _count_bad(self, session: Session) -> None:
        session.bad += 1
        if session.bad >= BAD_PACKETS or not session.bucket.take(self.clock()):
            session.close_code = POLICY
            self.close(session, "sent too much that is no packet")

    def complain(self, session: Session) -> None:
        """A message of the session made no sense to its listener."""
        self._count_bad(session)

    # Sessions.

    def _open(self, version: int, scope: Scope, *, counted: bool = False) -> Session:
        """A new session; `Refusal` where there are too many."""
        address, now = _address(scope), self.clock()
        if counted:
            try:
                self.connections.open(address)
            except HallError as error:
                raise refusal_of(error, 503) from None
        bucket = Bucket(PACKETS_PER_SECOND, PACKETS_AT_ONCE, now)
        session = Session(secrets.token_urlsafe(24), version, address, bucket, now)
        session.counted = counted
        self.sessions[session.sid] = session
        if self._watching is None or self._watching.done():
            self._watching = asyncio.get_running_loop().create_task(self._watch())
        return session

    def _known(self, sid: str, version: int, scope: Scope) -> Session:
        """The session of a request: its secret, its version and where it comes from must all be right."""
        session = self.sessions.get(sid)
        if session is None or session.address != _address(scope) or session.version != version:
            raise Refusal(SESSION)
        return session

    def _upgrade(self, session: Session) -> None:
        """A WebSocket has taken over."""
        session.upgrade()
        self._uncount(session)

    def _uncount(self, session: Session) -> None:
        if session.counted:
            session.counted = False
            self.connections.close(session.address)

    def _handshake(self, session: Session, upgrades: list[str]) -> str:
        return frames.handshake(
            session.sid,
            upgrades=upgrades,
            ping_interval_s=self.ping_interval_s,
            ping_timeout_s=self.ping_timeout_s,
            largest=self.settings.message_bytes,
        )

    async def _watch(self) -> None:
        """Ping the clients of version 4, and end whoever was not heard of; runs while there are sessions."""
        while self.sessions:
            await asyncio.sleep(min(1.0, self.ping_interval_s / 4))
            now = self.clock()
            for session in list(self.sessions.values()):
                try:
                    self._look_after(session, now)
                except Exception:  # the others must not live for ever because of one
                    log.exception("a session of Engine.IO could not be ended")

    def _look_after(self, session: Session, now: float) -> None:
        if session.closed is not None:
            self.close(session, session.closed)
        elif now - session.heard_at > self.ping_interval_s + self.ping_timeout_s:
            self.close(session, "was not heard of")
        elif session.version == 4 and now - session.pinged_at >= self.ping_interval_s:
            session.pinged_at = now
            session.push(frames.PING)


def _address(scope: Scope) -> str:
    client = scope.get("client")
    return str(client[0]) if client else "unknown"


async def _write(session: Session, send: Send) -> None:
    """Write what waits for the client, from the time on that a WebSocket has taken over."""
    await session.taken_over.wait()
    while session.closed is None:
        await session.news()
        for packet in session.take():
            await send({"type": "websocket.send", "text": packet})


async def _gone(receive: Receive) -> None:
    """Return when the client of a request has hung up."""
    while (await receive())["type"] != "http.disconnect":
        pass
