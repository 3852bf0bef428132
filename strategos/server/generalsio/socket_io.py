"""Sockets of socket.io over sessions of Engine.IO: named events with arguments, in order, and their answers.

In version 3 the server says that the socket is there, in version 4 the client asks for it; events that come
before are taken all the same. The events of one socket are handled one after the other, by a task of its own:
a slow or failing one holds up nobody else.
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any, NamedTuple, Protocol

import orjson
import structlog

from strategos.server.generalsio.engine_io import EngineIO
from strategos.server.generalsio.session import Session

CONNECT, DISCONNECT, EVENT, ACK, ERROR = "01234"
WAITING_EVENTS = 256
"""Events of one socket that wait to be handled; the oldest go first, a fuller one is closed."""
_LONGEST_ID = 15
"""Digits of an id that asks for an answer."""
log = structlog.get_logger("strategos.server")


class PacketError(ValueError):
    """A message that is no packet of socket.io."""


class Packet(NamedTuple):
    """A packet without attachments: its kind, its namespace, the id of the answer that it wants, its data."""

    kind: str
    namespace: str
    answer_id: str
    data: Any


def parse_packet(text: str) -> Packet:
    """The packet of a message; `PacketError` for anything else, and for what has binary attachments."""
    kind, rest = text[:1], text[1:]
    if kind not in (CONNECT, DISCONNECT, EVENT, ACK):
        raise PacketError(f"no packet of kind {kind[:8]!r} is taken")
    namespace = "/"
    if rest.startswith("/"):
        namespace, _, rest = rest.partition(",")
    namespace = namespace.partition("?")[0]
    digits = len(rest) - len(rest.lstrip("0123456789"))
    answer_id, rest = rest[:digits], rest[digits:]
    if digits > _LONGEST_ID:
        raise PacketError("an id has a few digits")
    try:
        data = orjson.loads(rest) if rest else None
    except orjson.JSONDecodeError as error:
        raise PacketError(f"the data are no JSON: {error}") from None
    if kind == EVENT and not (isinstance(data, list) and data and isinstance(data[0], str)):
        raise PacketError("an event is a list that begins with its name")
    return Packet(kind, namespace, answer_id, data)


class Socket:
    """One connected client; `emit` sends it an event."""

    def __init__(self, session: Session, engine: EngineIO) -> None:
        self.session, self._engine = session, engine
        self.connected = False
        """Whether the client has been told that the socket is there."""
        self.waiting: list[Packet] = []
        self.task: asyncio.Task[None] | None = None

    @property
    def address(self) -> str:
        """Where the client is."""
        return self.session.address

    @property
    def is_open(self) -> bool:
        """Whether anybody can still be told anything."""
        return self.session.closed is None

    def emit(self, name: str, *arguments: Any) -> None:
        """Send an event; what waits for a client that does not read is bounded."""
        self.session.send(EVENT + orjson.dumps([name, *arguments]).decode())

    def answer(self, answer_id: str, *arguments: Any) -> None:
        """Answer the event that asked for it by an id."""
        self.session.send(ACK + answer_id + orjson.dumps(list(arguments)).decode())

    async def drained(self) -> None:
        """Wait until all that was emitted is on its way, or the client is gone."""
        await self.session.drained()

    def connect(self) -> None:
        """Tell the client that the socket is there."""
        if not self.connected:
            self.connected = True
            told = "" if self.session.version == 3 else orjson.dumps({"sid": self.session.sid}).decode()
            self.session.send(CONNECT + told)

    def close(self, reason: str) -> None:
        """End the connection."""
        self._engine.close(self.session, reason)


class Application(Protocol):
    """Who handles the events of the sockets."""

    async def handle(self, socket: Socket, name: str, arguments: list[Any]) -> Any:
        """Handle an event; what it returns answers a client that asked for an answer."""
        ...

    def left(self, socket: Socket) -> None:
        """A socket is gone."""
        ...


class SocketIO:
    """Sockets of the default namespace; a listener of the sessions of `engine`, which is set after it."""

    engine: EngineIO

    def __init__(self, application: Application) -> None:
        self.application = application
        self.sockets: dict[str, Socket] = {}

    def opened(self, session: Session) -> None:
        """See `Listener.opened`."""
        socket = self.sockets[session.sid] = Socket(session, self.engine)
        if session.version == 3:
            socket.connect()

    def received(self, session: Session, text: str) -> None:
        """See `Listener.received`."""
        socket = self.sockets.get(session.sid)
        if socket is None:
            return
        try:
            packet = parse_packet(text)
        except PacketError:
            self.engine.complain(session)
            return
        if packet.namespace != "/":
            self._refuse(session, packet)
        elif packet.kind == CONNECT:
            socket.connect()
        elif packet.kind == DISCONNECT:
            socket.close("said goodbye")
        elif packet.kind == EVENT:
            self._queue(socket, packet)

    def closed(self, session: Session, reason: str) -> None:
        """See `Listener.closed`."""
        socket = self.sockets.pop(session.sid, None)
        if socket is None:
            return
        log.debug("a client of generals.io has left", reason=reason)
        if socket.task is not None:
            socket.task.cancel()
        self.application.left(socket)

    def _refuse(self, session: Session, packet: Packet) -> None:
        """There is the default namespace and no other."""
        if packet.kind == CONNECT:
            told: Any = "Invalid namespace" if session.version == 3 else {"message": "Invalid namespace"}
            session.send(f"{ERROR}{packet.namespace},{orjson.dumps(told).decode()}")
        else:
            self.engine.complain(session)

    def _queue(self, socket: Socket, packet: Packet) -> None:
        if len(socket.waiting) == WAITING_EVENTS:
            socket.close("sends faster than it can be served")
            return
        socket.waiting.append(packet)
        if socket.task is None:
            socket.task = asyncio.get_running_loop().create_task(self._serve(socket))

    async def _serve(self, socket: Socket) -> None:
        with contextlib.suppress(asyncio.CancelledError):
            while socket.waiting and socket.is_open:
                packet = socket.waiting.pop(0)
                name, *arguments = packet.data
                try:
                    answer = await self.application.handle(socket, name, arguments)
                except Exception:  # one client's fault is no one else's
                    log.exception("an event of a client of generals.io has failed")
                    answer = None
                if packet.answer_id:
                    socket.answer(packet.answer_id, answer)
        socket.task = None
