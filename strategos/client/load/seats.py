"""Players of a load over gRPC, and what players of every entrance have in common."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from dataclasses import dataclass
from random import Random
from typing import Any, Protocol, TypeVar

from strategos.client import messages
from strategos.client.aio import AsyncClient, AsyncPlay, AsyncSeat
from strategos.client.load.tls import Tls
from strategos.client.messages import ServerError, State

PLAYERS_PER_CONNECTION = 50
MOST_CONNECTIONS = 8
NAME = "load"
PATIENCE_S, AGAIN_S = 150.0, 1.0
"""For so long a server may say that a seat is too much just now, and so often it is asked again."""
_Told = TypeVar("_Told")


@dataclass(frozen=True)
class Kind:
    """What is played: a game, its options, and the tick at which it ends at the latest (0: by the rules)."""

    game: str
    options: Mapping[str, Any]
    tick_limit: int

    @property
    def players(self) -> int:
        return int(self.options["players"])


class Position(Protocol):
    """How things stand for one seat."""

    @property
    def tick(self) -> int: ...

    @property
    def phase(self) -> str:
        """open, preparing, running or over; with the result of a game that is over."""
        ...

    @property
    def reason(self) -> str:
        """Why the game is over, as in `Result`; "" before its end."""
        ...

    def choose(self, chance: Random) -> int | None:
        """A legal move by chance; None where this seat has nothing to decide."""
        ...


@dataclass(frozen=True)
class Answer:
    """What the server said to a move, told among the news."""

    code: str
    """Why it was refused; "" where it was taken."""


class PlayingSeat(Protocol):
    """A seat of one game. What goes wrong is a `ServerError`, whatever the entrance."""

    def news(self) -> AsyncGenerator[Position | Answer]:
        """Listen, until the game is over."""
        ...

    async def act(self, action: int, tick: int) -> None:
        """Send a move, while the news are listened to."""
        ...

    async def rematch(self) -> PlayingSeat:
        """A seat in another game of the same players."""
        ...

    async def leave(self) -> None:
        """Give the seat back and hang up."""
        ...


class Entrance(Protocol):
    """A way into a server."""

    async def sit(self, kind: Kind) -> list[PlayingSeat]:
        """All seats of a new, private game."""
        ...

    async def close(self) -> None:
        """Hang up."""
        ...


async def patiently(ask: Callable[[], Awaitable[_Told]]) -> _Told:
    """Ask for a seat, again and again where the server bounds how many an address may have in a minute."""
    loop = asyncio.get_running_loop()
    until = loop.time() + PATIENCE_S
    while True:
        try:
            return await ask()
        except ServerError as error:
            if error.code != "exhausted" or loop.time() > until:
                raise
        await asyncio.sleep(AGAIN_S)


class GrpcPosition:
    """A state as a position."""

    __slots__ = ("_state", "phase", "reason", "tick")

    def __init__(self, state: State) -> None:
        self._state, self.tick = state, state.tick
        self.reason = state.result.reason if state.result is not None else ""
        self.phase = "running" if state.phase == "over" and not self.reason else state.phase

    def choose(self, chance: Random) -> int | None:
        """See `Position`."""
        if not self._state.my_turn:
            return None
        legal = self._state.legal.nonzero()[0]
        return int(legal[chance.randrange(len(legal))])


class GrpcSeat:
    """A seat over gRPC: moves, answers and states on one stream."""

    def __init__(self, seat: AsyncSeat) -> None:
        self._seat = seat
        self._play: AsyncPlay | None = None

    async def news(self) -> AsyncGenerator[Position | Answer]:
        """See `PlayingSeat`."""
        async with self._seat.play() as self._play:
            async for update in self._play:
                if isinstance(update, State):
                    yield GrpcPosition(update)
                elif isinstance(update, messages.Answer):
                    yield Answer(update.code)

    async def act(self, action: int, tick: int) -> None:
        """See `PlayingSeat`."""
        if self._play is None:
            raise ServerError("closed", "nobody listens to the news of this seat")
        await self._play.act(action, tick=tick)

    async def rematch(self) -> PlayingSeat:
        """See `PlayingSeat`."""
        return GrpcSeat(await self._seat.rematch())

    async def leave(self) -> None:
        """See `PlayingSeat`."""
        await self._seat.leave()


class GrpcEntrance:
    """A few connections, taken in turn: one alone carries 2,000 streams and calls at most."""

    def __init__(self, address: str, players: int, tls: Tls | None) -> None:
        number = max(1, min(MOST_CONNECTIONS, -(-players // PLAYERS_PER_CONNECTION)))
        # Without these two all channels of a process share one connection, and some errors are tried again
        # before anybody sees them.
        options = (("grpc.use_local_subchannel_pool", 1), ("grpc.enable_retries", 0))
        credentials = None if tls is None else tls.credentials()
        self._clients = [
            AsyncClient(address, credentials=credentials, options=options) for _ in range(number)
        ]
        self._turn = 0

    async def sit(self, kind: Kind) -> list[PlayingSeat]:
        """See `Entrance`."""
        self._turn = (self._turn + 1) % len(self._clients)
        client = self._clients[self._turn]
        first = await patiently(
            lambda: client.create(
                kind.game, kind.options, name=NAME, private=True, tick_limit=kind.tick_limit
            )
        )
        others = [
            await patiently(lambda: client.join(first.code, name=NAME)) for _ in range(kind.players - 1)
        ]
        return [GrpcSeat(seat) for seat in (first, *others)]

    async def close(self) -> None:
        """See `Entrance`."""
        for client in self._clients:
            await client.close()
