"""Players of a load over the page's WebSocket: seats through the HTTP API, JSON both ways, as browsers do."""

from __future__ import annotations

import asyncio
import http.client
from collections.abc import AsyncGenerator, Awaitable, Mapping
from random import Random
from typing import Any, TypeVar
from urllib.parse import urlsplit

import numpy as np
import orjson
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, WebSocketException

from strategos.client.load.seats import NAME, Answer, Kind, PlayingSeat, Position, patiently
from strategos.client.load.tls import Tls
from strategos.client.messages import TIMEOUT_S, ServerError
from strategos.games.generals.record import DOWN, LEFT, MOUNTAIN, RIGHT, UP

LEAST_THINK_S = 0.025
"""A server takes 50 messages a second of one socket."""
_CLOSE_S = 1.0
_FOGGED = 256
"""Added to the code of a tile that is only remembered."""
_TRIES = 30
"""Of a legal move by chance, before passing."""
_STEPS = {UP: (-1, 0), DOWN: (1, 0), LEFT: (0, -1), RIGHT: (0, 1)}
_Told = TypeVar("_Told")


class _Board:
    """A board of Generals as it is told: whole once, then what changed."""

    def __init__(self, told: Mapping[str, Any]) -> None:
        self.width, self.height, self.stride = told["width"], told["height"], told["stride"]
        self.code, self.army = np.array(told["code"]), np.array(told["army"])

    def change(self, told: list[int]) -> None:
        """Take in tile, code, army, tile, code, army ..."""
        tiles, codes, armies = np.array(told, int).reshape(-1, 3).T
        self.code[tiles], self.army[tiles] = codes, armies

    def move(self, seat: int, chance: Random) -> int | None:
        """A legal move of an army of `seat`; None where none was found."""
        known = self.code < _FOGGED
        stacks = np.flatnonzero(known & (self.code % 32 == seat + 1) & (self.army > 1))
        for _ in range(_TRIES if len(stacks) else 0):
            row, column = divmod(int(stacks[chance.randrange(len(stacks))]), self.width)
            direction = chance.randrange(4)
            down, right = _STEPS[direction]
            to_row, to_column = row + down, column + right
            if not (0 <= to_row < self.height and 0 <= to_column < self.width):
                continue
            if self.code[to_row * self.width + to_column] % _FOGGED // 32 != MOUNTAIN:
                return (row * self.stride + column) * 8 + direction * 2 + chance.randrange(2)
        return None


class SocketPosition:
    """A state of the page as a position."""

    __slots__ = ("_board", "_passing", "_told", "phase", "reason", "tick")

    def __init__(self, told: Mapping[str, Any], board: _Board | None, passing: int) -> None:
        self._told, self._board, self._passing = told, board, passing
        self.tick: int = told["tick"]
        self.reason: str = told["result"]["reason"] if told["result"] is not None else ""
        self.phase: str = "running" if told["phase"] == "over" and not self.reason else told["phase"]

    def choose(self, chance: Random) -> int | None:
        """See `Position`."""
        seat = self._told["seat"]
        if self.phase != "running" or not self._told["alive"][seat]:
            return None
        if "table" in self._told:
            legal = self._told["table"]["legal"]
            return legal[chance.randrange(len(legal))] if legal else None
        if self._board is None:
            return None
        move = self._board.move(seat, chance)
        return self._passing if move is None else move


class SocketSeat:
    """A seat over a WebSocket: a move has no answer but the next state, or its refusal among the news."""

    def __init__(self, entrance: SocketEntrance, token: str) -> None:
        self._entrance, self._token = entrance, token
        self._socket: ClientConnection | None = None

    async def news(self) -> AsyncGenerator[Position | Answer]:
        """See `PlayingSeat`."""
        board: _Board | None = None
        passing = -1
        await self._hang_up()
        await self._dial()
        while True:
            told = await self._hear()
            if told["type"] == "welcome":
                passing = told["pass"]
            elif told["type"] == "error":
                yield Answer(told["code"])
            elif told["type"] == "state":
                if "board" in told:
                    board = _Board(told["board"])
                elif board is not None and "changes" in told:
                    board.change(told["changes"])
                yield SocketPosition(told, board, passing)

    async def act(self, action: int, tick: int) -> None:
        """See `PlayingSeat`."""
        await self._say(type="act", action=action, tick=tick)

    async def rematch(self) -> PlayingSeat:
        """See `PlayingSeat`."""
        await self._say(type="rematch")
        while (told := await self._hear())["type"] != "ticket":
            if told["type"] == "error":
                raise ServerError(told["code"], told["message"])
        await self._hang_up()
        return SocketSeat(self._entrance, told["ticket"]["token"])

    async def leave(self) -> None:
        """See `PlayingSeat`."""
        try:
            if self._socket is None:
                await self._dial()
            await self._say(type="leave")
        finally:
            await self._hang_up()

    async def _dial(self) -> None:
        self._socket = await self._entrance.dial()
        await self._say(type="hello", token=self._token)

    async def _say(self, **message: Any) -> None:
        if self._socket is None:
            raise ServerError("closed", "the socket is closed")
        await _heard(self._socket.send(orjson.dumps(message), text=True))

    async def _hear(self) -> dict[str, Any]:
        if self._socket is None:
            raise ServerError("closed", "the socket is closed")
        return orjson.loads(await _heard(self._socket.recv()))

    async def _hang_up(self) -> None:
        socket, self._socket = self._socket, None
        if socket is not None:
            await socket.close()


class SocketEntrance:
    """The page's entrance of a server at `address` ("host:port")."""

    def __init__(self, address: str, tls: Tls | None) -> None:
        self._context = None if tls is None else tls.context()
        self._socket_url = f"{'ws' if tls is None else 'wss'}://{address}/ws"
        parts = urlsplit(f"//{address}")
        self._host, self._port = parts.hostname or "", parts.port

    async def sit(self, kind: Kind) -> list[PlayingSeat]:
        """See `Entrance`."""
        room = {
            "name": NAME,
            "game": kind.game,
            "options": dict(kind.options),
            "private": True,
            "tick_limit": kind.tick_limit,
        }
        first = await patiently(lambda: self._post("/api/rooms", room))
        where = f"/api/rooms/{first['code']}/join"
        others = [await patiently(lambda: self._post(where, {"name": NAME})) for _ in range(kind.players - 1)]
        return [SocketSeat(self, ticket["token"]) for ticket in (first, *others)]

    async def close(self) -> None:
        """See `Entrance`: every seat has a line of its own."""

    async def dial(self) -> ClientConnection:
        """A new line."""
        return await _heard(
            connect(
                self._socket_url,
                ssl=self._context,
                compression=None,
                proxy=None,
                open_timeout=TIMEOUT_S,
                close_timeout=_CLOSE_S,
                ping_interval=None,
            )
        )

    def _line(self) -> http.client.HTTPConnection:
        if self._context is None:
            return http.client.HTTPConnection(self._host, self._port, timeout=TIMEOUT_S)
        return http.client.HTTPSConnection(self._host, self._port, timeout=TIMEOUT_S, context=self._context)

    async def _post(self, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
        return await asyncio.to_thread(self._post_now, path, body)

    def _post_now(self, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
        """One call of the HTTP API, on a thread and a line of its own."""
        line = self._line()
        try:
            line.request("POST", path, orjson.dumps(body), {"content-type": "application/json"})
            answer = line.getresponse()
            told = orjson.loads(answer.read())
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise ServerError("unavailable", f"{type(error).__name__}: {error}") from None
        finally:
            line.close()
        if not isinstance(told, dict) or answer.status >= 400:
            refusal = told if isinstance(told, dict) else {}
            raise ServerError(
                refusal.get("code", f"status_{answer.status}"),
                refusal.get("message", "this is no game server"),
            )
        return told


async def _heard(work: Awaitable[_Told]) -> _Told:
    """Turn the errors of a line into `ServerError`."""
    try:
        return await work
    except ConnectionClosed as error:
        code = error.rcvd.code if error.rcvd is not None else 1006
        raise ServerError(f"closed_{code}", "the server closed the line") from None
    except (OSError, WebSocketException) as error:
        raise ServerError("unavailable", f"{type(error).__name__}: {error}") from None
