"""The players of one process: they sit down, play one game after the other by chance, and count."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Iterable
from contextlib import aclosing
from random import Random

from strategos.client.load.figures import Figures
from strategos.client.load.seats import Answer, Entrance, Kind, PlayingSeat, Position
from strategos.client.messages import ServerError

AGAIN_S = 0.2
"""After an error, until the next try."""
SITTING_DOWN = 8
"""Tables that ask for their seats at the same time."""
LEAVE_S = 5.0
_SETTLED = ("late", "duplicate", "over")
"""Refusals of a move after which the next state says how to go on."""
_LOST = ("forbidden", "not_found", "over")
"""What a seat that is no more is answered."""
_ENDINGS = ("played", "limit")
"""Why games end where nothing went wrong."""


class Load:
    """What the players of one process share."""

    def __init__(self, entrance: Entrance, kind: Kind, *, think_s: float, seed: int) -> None:
        self.entrance, self.kind, self.think_s = entrance, kind, think_s
        self.chance = Random(seed)
        self.figures = Figures()
        self.go = asyncio.Event()
        """Nobody moves before."""
        self._door = asyncio.Semaphore(SITTING_DOWN)
        self._begun_at = self._cpu_at = 0.0

    def begin(self) -> None:
        """Count from now on; errors count from the beginning."""
        self.figures = Figures(errors=self.figures.errors)
        self._begun_at, self._cpu_at = time.perf_counter(), time.process_time()

    def so_far(self) -> Figures:
        """What was counted since `begin`."""
        self.figures.seconds = time.perf_counter() - self._begun_at
        self.figures.cpu_s = time.process_time() - self._cpu_at
        return self.figures

    def count(self, code: str) -> None:
        """One more error."""
        self.figures.errors[code] += 1

    async def sit(self) -> list[PlayingSeat]:
        """The seats of a new game."""
        async with self._door:
            return await self.entrance.sit(self.kind)


class Table:
    """Players who play together, always the same; idle ones sit and listen, and never move."""

    def __init__(self, load: Load, *, idle: bool) -> None:
        self._load, self._idle = load, idle
        self._seats: list[PlayingSeat] = []
        self._players: list[Player] = []
        self._again: asyncio.Task[None] | None = None
        """The seats of the next game being taken; not to be cut short, or nobody would hold them."""

    async def sit_down(self) -> None:
        """Take seats; `ServerError` where there are none to be had."""
        self._seats = await self._load.sit()

    async def begun(self) -> None:
        """Wait until everybody has seen the game."""
        while len(self._players) < len(self._seats):
            await asyncio.sleep(0)  # `play` has only just been started
        for player in self._players:
            await player.begun.wait()

    async def play(self) -> None:
        """One game after the other, until cancelled."""
        while True:
            self._players = [
                Player(self._load, seat, first=not number, idle=self._idle)
                for number, seat in enumerate(self._seats)
            ]
            async with asyncio.TaskGroup() as group:
                for player in self._players:
                    group.create_task(player.play())
            self._again = asyncio.create_task(self._play_again())
            await asyncio.shield(self._again)

    async def leave(self) -> None:
        """Give the seats back, as far as the server lets us."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(LEAVE_S):
                if self._again is not None:
                    await self._again
                await _leave(self._seats)

    async def _play_again(self) -> None:
        """A rematch, or new seats where that fails."""
        ended = all(player.ended for player in self._players)
        while True:
            seats: list[PlayingSeat] = []
            try:
                if ended:
                    for seat in self._seats:
                        seats.append(await seat.rematch())
                else:
                    seats = await self._load.sit()
            except ServerError as error:
                self._load.count(error.code)
                ended = False
                await _leave(seats)
                await asyncio.sleep(AGAIN_S)
            else:
                self._seats = seats
                return


async def _leave(seats: Iterable[PlayingSeat]) -> None:
    for seat in seats:
        with contextlib.suppress(ServerError):
            await seat.leave()


class Player:
    """One seat of one game, from its first state to its end."""

    def __init__(self, load: Load, seat: PlayingSeat, *, first: bool, idle: bool) -> None:
        self._load, self._seat, self._first, self._idle = load, seat, first, idle
        self.begun = asyncio.Event()
        self.ended = False
        """The game came to its end; otherwise the seat was lost."""
        self._position: Position | None = None
        self._tick = 0
        self._moved_tick, self._sent_at, self._moved_at = -1, 0.0, 0.0
        """The last tick that a move was made for, and when; `_moved_at` until the state after it."""

    async def play(self) -> None:
        """Until the game is over, or the seat lost."""
        while not self.ended:
            try:
                async with aclosing(self._seat.news()) as news:
                    async for each in news:
                        await self._hear(each)
                        if self.ended:
                            return
                code = "ended"  # the news, but not the game
            except ServerError as error:
                code = error.code
            self._load.count(code)
            if code in _LOST:
                return
            self._moved_tick = -1  # perhaps the move was lost with the line
            await asyncio.sleep(AGAIN_S)

    async def _hear(self, news: Position | Answer) -> None:
        if isinstance(news, Answer):
            await self._answered(news.code)
            return
        self._arrived(news)
        if news.phase == "over":
            self.ended = True
            if self._first and news.reason in _ENDINGS:
                self._load.figures.games += 1
            elif self._first:
                self._load.count(f"game ended: {news.reason}")
        elif news.phase == "running":
            self.begun.set()
            if not self._idle and news.tick > self._moved_tick:
                await self._move(news)

    def _arrived(self, position: Position) -> None:
        figures, self._position = self._load.figures, position
        if position.tick <= self._tick:
            return
        if self._first:
            figures.ticks += position.tick - self._tick
        self._tick = position.tick
        if self._moved_at and position.tick > self._moved_tick:
            figures.next_state.add(time.perf_counter() - self._moved_at)
            self._moved_at = 0.0

    async def _answered(self, code: str) -> None:
        if not code:
            self._load.figures.answer.add(time.perf_counter() - self._sent_at)
            return
        self._load.count(code)
        if self._position is not None and code not in _SETTLED:
            await asyncio.sleep(AGAIN_S)
            await self._move(self._position)

    async def _move(self, position: Position) -> None:
        """Think and play, where there is anything to decide."""
        load = self._load
        if not load.go.is_set():
            await load.go.wait()
            await asyncio.sleep(load.chance.random() * load.think_s)  # or all tables would move in step
        action = position.choose(load.chance)
        if action is None:
            return
        if load.think_s:
            await asyncio.sleep(load.think_s)
        self._moved_tick = position.tick
        self._sent_at = self._moved_at = time.perf_counter()
        await self._seat.act(action, position.tick)
        load.figures.actions += 1
