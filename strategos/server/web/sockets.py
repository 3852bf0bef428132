"""The WebSocket of the page: one socket is one listener, a seat or a spectator. JSON both ways.

The first message is `{"type": "hello", "token": ...}`; tokens are never in an address, where logs would keep
them. Then come states and events as the mailbox has them: a socket that reads slowly skips states, and nobody
waits for it. Whoever writes too much is told once and then closed.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from time import monotonic
from typing import Any, NoReturn

import orjson
import structlog
from fastapi import WebSocket
from starlette.websockets import WebSocketDisconnect

from strategos.server.access.limits import Bucket
from strategos.server.hall import Hall, Mailbox
from strategos.server.terms import HallError, Snapshot, Ticket
from strategos.server.web.guard import address_of, from_here
from strategos.server.web.rounds import Rounds
from strategos.server.web.shown import Shown

HELLO_S = 10.0
"""Who has not said hello after so long is closed."""
SEND_S = 30.0
"""Who has not taken a message after so long is closed."""
MESSAGES_PER_SECOND, MESSAGES_AT_ONCE = 50.0, 150.0
"""Of one socket; its address may have sent too many sooner."""
_MOST_REFUSED = 100
"""Messages above the rate that are ignored before the socket is closed."""
UNSUPPORTED, POLICY, GOING_AWAY = 1003, 1008, 1001
"""Codes of closing: not JSON text; too many messages, or no hello; the room is gone."""
_LONGEST_TOKEN, _LONGEST_TEXT = 1024, 2000
_log = structlog.get_logger(__name__)


class Conversation:
    """One socket from its hello to its end."""

    def __init__(self, hall: Hall, socket: WebSocket, rounds: Rounds, colours: Sequence[str]) -> None:
        self.hall, self.socket, self.rounds, self.colours = hall, socket, rounds, colours
        self._bucket = Bucket(MESSAGES_PER_SECOND, MESSAGES_AT_ONCE, monotonic())
        self._refused = 0
        self._heard = 0
        """Number of the last change to the queue that was asked for on this socket."""
        self._ticket: Ticket | None = None
        self._game = ""
        self._shown = Shown()

    async def run(self) -> None:
        """Talk until either side has enough."""
        if not from_here(self.socket.scope, self.hall.settings.origins):
            return await self.socket.close(POLICY)  # before accepting: the browser gets a 403
        await self.socket.accept()
        mailbox: Mailbox | None = None
        try:
            mailbox = await self._hello()
            async with asyncio.TaskGroup() as sides:
                sides.create_task(self._write(mailbox))
                await self._read()
        except* (WebSocketDisconnect, TimeoutError):
            pass
        finally:
            if mailbox is not None:
                mailbox.close()

    # -- the first message ---------------------------------------------------------------------------------

    async def _hello(self) -> Mailbox:
        """Take the token and greet."""
        try:
            async with asyncio.timeout(HELLO_S):
                message = await self._receive()
        except TimeoutError:
            message = None
        if message is None or message.get("type") != "hello":
            await self._refuse(HallError("forbidden", "say hello first, with the token of a seat"), "hello")
            await self._close(POLICY)
        try:
            token = _text(message, "token", _LONGEST_TOKEN)
            self._ticket = self.hall.check(token)
            mailbox = self.hall.listen(token)
        except HallError as error:
            await self._refuse(error, "hello")
            await self._close(POLICY)
        try:
            await self._send(self._welcome(self._ticket))
        except BaseException:  # gone before the greeting: who listens no more must not count as present
            mailbox.close()
            raise
        return mailbox

    def _welcome(self, ticket: Ticket) -> dict[str, Any]:
        game = self.hall.game_of(ticket.room)
        self._shown.pass_action = game.spec.num_actions - 1
        options, name = game.options, game.spec.name
        self._game = name
        size = f"{options['height']} × {options['width']}" if name == "generals" else ""
        return {
            "type": "welcome",
            "room": ticket.room,
            "code": ticket.code,
            "game": name,
            "title": f"{name.capitalize()} {size}".strip(),
            "players": game.spec.num_players,
            "pass": game.spec.num_actions - 1,
            "builds": options.get("ruleset") == "competition",
            "teams": list(options.get("teams", ())),
            "colours": list(self.colours),
        }

    # -- what the hall says --------------------------------------------------------------------------------

    async def _write(self, mailbox: Mailbox) -> None:
        while True:
            try:
                snapshot, events = await mailbox.next()
            except HallError:
                await self._close(GOING_AWAY)
            for event in events:
                await self._send(
                    {"type": "event", "kind": event.kind, "tick": event.tick, "data": dict(event.data)}
                )
            if snapshot is not None:
                await self._send(self._state(snapshot))

    def _state(self, snapshot: Snapshot) -> dict[str, Any]:
        """A snapshot as the page wants it; of Blob with the end of the round before."""
        shown = self._shown.state(self._game, snapshot) | {"heard": self._heard}
        table = shown.get("table")
        if table is not None and table["round"] > 0:
            table["finished"] = self.rounds.finished(snapshot.room, table["round"] - 1)
        return shown

    async def _send(self, message: Mapping[str, Any]) -> None:
        text = orjson.dumps(message, option=orjson.OPT_SERIALIZE_NUMPY | orjson.OPT_NON_STR_KEYS).decode()
        async with asyncio.timeout(SEND_S):
            await self.socket.send_text(text)

    async def _refuse(self, error: HallError, about: str) -> None:
        refusal = {"type": "error", "code": error.code, "message": error.message, "about": about}
        await self._send(refusal | {"heard": self._heard})

    async def _close(self, code: int) -> NoReturn:
        """Tell the other side of the end, and end."""
        async with asyncio.timeout(SEND_S):
            await self.socket.close(code)
        raise WebSocketDisconnect(code)

    # -- what the listener says ----------------------------------------------------------------------------

    async def _receive(self) -> dict[str, Any] | None:
        """The next message; None for one that is not a JSON object in text."""
        event = await self.socket.receive()
        if event["type"] == "websocket.disconnect":
            raise WebSocketDisconnect(event.get("code", 1005))
        text = event.get("text")
        try:
            message = orjson.loads(text) if text is not None else None
        except orjson.JSONDecodeError:
            return None
        return message if isinstance(message, dict) else None

    async def _read(self) -> None:
        while True:
            message = await self._receive()
            excess = self._excess()
            if excess is not None:
                self._refused += 1
                if self._refused == 1:
                    await self._refuse(excess, "rate")
                if self._refused > _MOST_REFUSED:
                    _log.info("kicked", why="too many messages")
                    await self._close(POLICY)
                continue
            if message is None:
                await self._refuse(HallError("invalid", "a message is a JSON object, as text"), "")
                continue
            kind = message.get("type")
            command = _COMMANDS.get(kind) if isinstance(kind, str) else None
            if command is None:
                await self._refuse(HallError("invalid", "no such type of message"), "")
                continue
            try:
                answer = command(self, message)
            except HallError as error:
                await self._refuse(error, str(kind))
                continue
            if answer is not None:
                await self._send(answer)

    def _excess(self) -> HallError | None:
        """Why another message is too many, of this socket or of its address."""
        if not self._bucket.take(monotonic()):
            return HallError("exhausted", "too many messages; slow down")
        try:
            self.hall.requests.take(address_of(self.socket.scope), "websocket")
        except HallError as error:
            return error
        return None

    @property
    def _token(self) -> str:
        assert self._ticket is not None
        return self._ticket.token

    def _hear(self, message: Mapping[str, Any]) -> None:
        """Note the number of a change to the queue, so that the page knows which changes a state has."""
        if "number" in message:
            self._heard = _whole(message, "number", 0)

    def _move(self, message: Mapping[str, Any]) -> None:
        self._hear(message)
        number = self._heard if "number" in message else -1
        self.hall.enqueue(self._token, _whole(message, "action", 0), number)

    def _act(self, message: Mapping[str, Any]) -> None:
        tick = _whole(message, "tick", 0) if message.get("tick") is not None else None
        key = _text(message, "key", 128) if "key" in message else ""
        self.hall.act(self._token, _whole(message, "action", 0), tick=tick, key=key)

    def _undo(self, message: Mapping[str, Any]) -> None:
        self._hear(message)
        self.hall.undo(self._token)

    def _clear(self, message: Mapping[str, Any]) -> None:
        self._hear(message)
        self.hall.clear(self._token)

    def _surrender(self, _: Mapping[str, Any]) -> None:
        self.hall.surrender(self._token)

    def _leave(self, _: Mapping[str, Any]) -> None:
        self.hall.leave(self._token)

    def _force(self, message: Mapping[str, Any]) -> None:
        on = message.get("on")
        if not isinstance(on, bool):
            raise HallError("invalid", "on is true or false")
        self.hall.force(self._token, on)

    def _chat(self, message: Mapping[str, Any]) -> None:
        self.hall.chat(self._token, _text(message, "text", _LONGEST_TEXT))

    def _rematch(self, _: Mapping[str, Any]) -> dict[str, Any]:
        ticket = self.hall.rematch(self._token)
        return {"type": "ticket", "ticket": asdict(ticket)}

    def _full(self, _: Mapping[str, Any]) -> dict[str, Any]:
        """The whole board again."""
        self._shown.forget()
        return self._state(self.hall.snapshot(self._token))

    def _ping(self, _: Mapping[str, Any]) -> dict[str, Any]:
        return {"type": "pong"}


_COMMANDS: dict[str, Callable[[Conversation, Mapping[str, Any]], dict[str, Any] | None]] = {
    "move": Conversation._move,
    "act": Conversation._act,
    "undo": Conversation._undo,
    "clear": Conversation._clear,
    "surrender": Conversation._surrender,
    "leave": Conversation._leave,
    "force": Conversation._force,
    "chat": Conversation._chat,
    "rematch": Conversation._rematch,
    "full": Conversation._full,
    "ping": Conversation._ping,
}


def _whole(message: Mapping[str, Any], field: str, least: int) -> int:
    """A whole number of a message: no float, no bool, no text."""
    value = message.get(field)
    if type(value) is not int or not least <= value < 1 << 53:
        raise HallError("invalid", f"{field} is a whole number from {least}")
    return value


def _text(message: Mapping[str, Any], field: str, longest: int) -> str:
    value = message.get(field)
    if not isinstance(value, str) or len(value) > longest:
        raise HallError("invalid", f"{field} is a text of at most {longest} characters")
    return value
