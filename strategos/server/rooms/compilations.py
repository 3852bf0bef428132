"""Who waits for which kernels: so many compilations at a time, a short queue, one of each address.

A new kind of board costs a core for ten seconds and memory for good, and strangers choose the boards. What
they may order is bounded here; what nobody waits for any more is given up.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import structlog

from strategos.games.spec import Game
from strategos.server.rooms.kinds import is_usual, layout_of, size_in_words
from strategos.server.rooms.prepare import is_ready, prepare, ready_games
from strategos.server.settings import Settings
from strategos.server.terms import HallError

_LEAST_S = 15.0
"""What a compilation is said to take as long as none has taken longer."""
_NAMED = 6
"""Sizes that a refusal offers instead."""
log = structlog.get_logger("strategos.server")


@dataclass(eq=False)
class _Job:
    """A layout that is compiled, or waits for its turn."""

    address: str | None
    """Who ordered it; None for the server itself."""
    task: asyncio.Task[None]
    waiting: int = 0


class Compilations:
    """The compilations of one server. Called on its loop."""

    def __init__(self, settings: Settings, *, clock: Callable[[], float]) -> None:
        self.settings, self._clock = settings, clock
        self._turns = asyncio.Semaphore(settings.compilations)
        self._jobs: dict[str, _Job] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        """Of the jobs, and of those that were given up and still end their children."""
        self._takes_s = _LEAST_S

    def order(self, game: Game, address: str | None = None) -> asyncio.Task[None]:
        """A task that is done when games of this layout play without a pause; cancel it to wait no more.

        `HallError` "exhausted" for an address whose order would be one too many. The server itself (None)
        orders without limits, and so do quick matches: there are few kinds of them.
        """
        layout = layout_of(game)
        job = None if is_ready(game) else self._jobs.get(layout)
        if job is None and not is_ready(game):
            if is_usual(game):
                address = None
            if address is not None:
                self._require_place(game, address)
            job = self._jobs[layout] = _Job(address, asyncio.create_task(self._compile(game)))
            self._tasks.add(job.task)
            job.task.add_done_callback(partial(self._forget, layout, job))
            job.task.add_done_callback(self._tasks.discard)
        waiter = asyncio.create_task(_wait(job))
        if job is not None:
            job.waiting += 1
            waiter.add_done_callback(partial(self._let_go, layout, job))
        return waiter

    async def stop(self) -> None:
        """Give up all of them, and wait for the ends of their children."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _compile(self, game: Game) -> None:
        async with self._turns:
            began = self._clock()
            problem = await prepare(game)
            self._takes_s = max(_LEAST_S, self._clock() - began)
        if problem:
            log.warning("the kernels were compiled in the server itself", problem=problem)

    def _let_go(self, layout: str, job: _Job, _: asyncio.Task[None]) -> None:
        """One of those who waited waits no more."""
        job.waiting -= 1
        if not job.waiting and not job.task.done():
            job.task.cancel()
            self._forget(layout, job, job.task)  # who orders it from now on has to begin anew

    def _forget(self, layout: str, job: _Job, _: asyncio.Task[None]) -> None:
        if self._jobs.get(layout) is job:
            del self._jobs[layout]

    def _require_place(self, game: Game, address: str) -> None:
        orders = [job.address for job in self._jobs.values() if job.address is not None]
        settings = self.settings
        if len(ready_games()) + len(self._jobs) >= settings.layouts:
            raise HallError("exhausted", f"this server takes no more new kinds of boards{_instead(game)}")
        if address in orders:
            reason = "a new kind of board is being prepared for you already"
        elif len(orders) >= settings.compilations + settings.compilations_waiting:
            reason = "many new kinds of boards are being prepared for others"
        else:
            return
        wait_s = math.ceil(self._takes_s * math.ceil(len(self._jobs) / settings.compilations))
        raise HallError("exhausted", f"{reason}; try again in {wait_s} seconds{_instead(game, ', or')}")


async def _wait(job: _Job | None) -> None:
    if job is not None:
        await asyncio.shield(job.task)


def _instead(game: Game, joint: str = ";") -> str:
    """What to play now, of the same game: boards of as many players first, then of about the same size."""
    players, size = game.spec.num_players, game.state_dtype.itemsize
    found = sorted(
        (each for each in ready_games() if each.spec.name == game.spec.name),
        key=lambda each: (abs(each.spec.num_players - players), abs(each.state_dtype.itemsize - size)),
    )
    sizes = dict.fromkeys(size_in_words(each) for each in found)
    return f"{joint} play one of those that are ready: {', '.join(list(sizes)[:_NAMED])}" if sizes else ""
