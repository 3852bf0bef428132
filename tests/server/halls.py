"""Small halls for the tests of the server: rooms on one board, moves by chance, waiting for what comes."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import numpy as np

from strategos.server.hall import Event, Hall, Pace, RoomOptions, Snapshot, Ticket
from strategos.server.settings import Settings

BOARD = {"height": 8, "width": 8}
"""One layout for all tests: its kernels are compiled once."""
LIMIT_S = 240.0


class Clock:
    """The monotonic clock, and what a test adds to it."""

    def __init__(self) -> None:
        self.ahead_s = 0.0

    def __call__(self) -> float:
        return time.monotonic() + self.ahead_s


def run(work: Coroutine[Any, Any, Any]) -> Any:
    """Run one test's work on a loop of its own, within a limit."""
    return asyncio.run(asyncio.wait_for(work, LIMIT_S))


def settings(folder: Path, **chosen: Any) -> Settings:
    """Settings of a hall in `folder` without trained runs."""
    return Settings(data=folder, **{"runs": None, **chosen})


CLOCK = Pace("lockstep", 60.0)
"""Without one a game of two people is not rated."""


def options(**chosen: Any) -> RoomOptions:
    """A private duel on the small board; what is `chosen` replaces it."""
    return RoomOptions(**{"options": BOARD, "private": True, **chosen})


async def duel(hall: Hall, names: tuple[str, str] = ("ann", "bob"), **chosen: Any) -> tuple[Ticket, Ticket]:
    """A room of two, begun."""
    first = await hall.create(options(**chosen), name=names[0], address="a")
    second = await hall.join(first.code, name=names[1], address="b")
    await until(lambda: hall.snapshot(first.token).phase == "running")
    return first, second


async def alone(hall: Hall, agent: str = "random", **chosen: Any) -> Ticket:
    """A room against an agent, begun."""
    ticket = await hall.create(options(agents={1: agent}, **chosen), name="ann", address="a")
    await until(lambda: hall.snapshot(ticket.token).phase != "preparing")
    return ticket


async def until(holds: Callable[[], Any]) -> None:
    """Wait until something holds; the limit of the test ends it."""
    while not holds():
        await asyncio.sleep(0.005)


def legal(snapshot: Snapshot) -> list[int]:
    """The ids that the mask allows."""
    assert snapshot.mask is not None
    return np.flatnonzero(np.unpackbits(snapshot.mask, bitorder="little")).tolist()


def passing(hall: Hall, ticket: Ticket) -> int:
    """The id of pass."""
    return hall.game_of(ticket.room).spec.num_actions - 1


async def both_pass(hall: Hall, *tickets: Ticket, ticks: int = 1) -> None:
    """Let everybody pass for some ticks."""
    for _ in range(ticks):
        tick = hall.snapshot(tickets[0].token).tick
        for ticket in tickets:
            hall.act(ticket.token, passing(hall, ticket), tick=tick)
        await until(lambda tick=tick: hall.snapshot(tickets[0].token).tick > tick)


async def play_out(hall: Hall, *tickets: Ticket, rng: np.random.Generator) -> Snapshot:
    """Play by chance until the end; the last snapshot of the first ticket."""
    while True:
        for ticket in tickets:
            snapshot = hall.snapshot(ticket.token)
            if snapshot.result is not None:
                return hall.snapshot(tickets[0].token)
            choices = legal(snapshot)
            if choices:
                await act_if_asked(hall, ticket, int(rng.choice(choices)), snapshot.tick)
        await asyncio.sleep(0)


async def act_if_asked(hall: Hall, ticket: Ticket, action: int, tick: int) -> None:
    """Act; that a move was made already, or that the game has just ended, is fine."""
    from strategos.server.hall import HallError

    try:
        hall.act(ticket.token, action, tick=tick)
    except HallError as error:
        assert error.code in ("duplicate", "over", "illegal", "late"), error


async def events_until(hall: Hall, ticket: Ticket, kind: str) -> list[Event]:
    """All events of a listener up to the first of a kind."""
    mailbox = hall.listen(ticket.token)
    found: list[Event] = []
    while not any(event.kind == kind for event in found):
        _, events = await mailbox.next()
        found += events
    mailbox.close()
    return found


REAL_TIME = Pace("real_time", 0.05)
