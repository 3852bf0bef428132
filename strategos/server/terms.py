"""What the hall and its entrances say to each other: plain data, and the one error of all refusals.

No behaviour, no clock and no file may enter here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np

from strategos.games.spec import Game

CODES = (
    "invalid",
    "not_found",
    "full",
    "late",
    "early",
    "illegal",
    "duplicate",
    "over",
    "not_started",
    "forbidden",
    "exhausted",
    "unavailable",
)
"""Every `HallError.code`."""
PHASES = ("open", "preparing", "running", "over")
"""Of a room: seats are free; everybody sits and the rules are being compiled; it is played; it has ended."""
EVENTS = (
    "joined",
    "left",
    "votes",
    "preparing",
    "started",
    "seat_lost",
    "surrendered",
    "chat",
    "over",
    "rematch",
    "closing",
    "alarm",
)
"""Every `Event.kind`."""


class HallError(Exception):
    """Every refusal of the hall. Entrances map `code` to their own; `message` is one line for the user: what
    was wrong and what to do, never a path or a stack."""

    def __init__(self, code: str, message: str) -> None:
        assert code in CODES, code
        super().__init__(message)
        self.code, self.message = code, " ".join(message.split())


@dataclass(frozen=True)
class Pace:
    """When a room ticks.

    `lockstep`: when everybody has moved or `seconds` ran out (0: no clock, as fast as the players answer).
    `real_time`: every `seconds`, whoever has moved.
    """

    kind: str = "lockstep"
    seconds: float = 0.0


@dataclass(frozen=True)
class RoomOptions:
    """What is played in a room, and how."""

    game: str = "generals"
    options: Mapping[str, Any] = field(default_factory=dict)
    """Of `make_game`: players, height, width, ruleset, teams; cards, rounds and so on."""
    pace: Pace = Pace()
    agents: Mapping[int, str] = field(default_factory=dict)
    """Seat and who plays it inside the server: a name of `Hall.agents(game)`."""
    private: bool = False
    """Joined by its code only; a public room is listed, and rated at its end."""
    seed: int | None = None
    """Chooses the board; of private rooms only, since whoever names it knows what is hidden."""
    tick_limit: int = 0
    """The game is cut off after so many ticks, and is not rated; 0 leaves it to the server's own limit."""


@dataclass(frozen=True)
class Ticket:
    """A seat in a room. `seat` is -1 for a spectator; `code` is what a friend joins by."""

    room: str
    seat: int
    token: str
    code: str


@dataclass(frozen=True)
class Result:
    """How a game ended. `reason`: played, limit (the ticks ran out: a draw of those who are left), idle (who
    was left played for nobody: no result among those) or fault (no result)."""

    returns: tuple[float, ...]
    places: tuple[int, ...]
    """From 1; equal players share a place."""
    replay: str
    """Id of `Hall.replay`, which is the room's; empty where the game could not be recorded."""
    reason: str
    ratings: tuple[float | None, ...]
    """New ratings of the seats, None where the game did not count."""
    unrated: str = ""
    """Why a game that would count is not rated: an agent was too slow, or failed."""


@dataclass(frozen=True)
class Snapshot:
    """What one listener may know now."""

    room: str
    tick: int
    phase: str
    """One of `PHASES`."""
    seat: int | None
    """None for a spectator. A seat may change at the start of a game that begins with free seats."""
    view: np.ndarray | None
    """[] record of the game's view_dtype, a copy; None before the start. A spectator's is the whole board of
    Generals `delay` ticks late, or the open table of a card game."""
    mask: np.ndarray | None
    """[mask_bytes] uint8, packed; None for spectators."""
    memory: np.ndarray | None
    """[] record of memory_dtype; None where the game keeps none, and for spectators."""
    queue: tuple[int, ...]
    """The seat's moves that wait, the next one first."""
    taken: int
    """Number of the last move that left this seat's queue (`attackIndex`); -1 none."""
    seconds_left: float | None
    """Until the clock makes the next tick; None without a clock."""
    names: tuple[str, ...]
    """Of each seat; "" where nobody sits yet."""
    alive: tuple[bool, ...]
    present: tuple[bool, ...]
    """Who is here: listens, or has been heard of lately."""
    result: Result | None


@dataclass(frozen=True)
class Event:
    """Something that happened in a room, beside its ticks. `kind` is one of `EVENTS`.

    `data`: joined, left, surrendered {seat, name}; votes {votes, needed, players}; started {seats: names};
    seat_lost {seat, killer or None}; chat {seat, name, text}; over {reason, returns, places, replay};
    rematch {room, code}; closing {back_s}: the server goes down, come back after so many seconds;
    alarm {what}: recording has stopped, or goes on again.
    """

    kind: str
    tick: int
    data: Mapping[str, Any]


@dataclass(frozen=True)
class RoomSummary:
    """A line of the list of rooms; tells nothing that is hidden."""

    room: str
    code: str
    """What a friend joins by."""
    game: str
    options: Mapping[str, Any]
    pace: Pace
    phase: str
    tick: int
    names: tuple[str, ...]
    free: int
    """Seats nobody has taken yet."""


@dataclass(frozen=True)
class Standing:
    """A line of a leaderboard: Plackett-Luce's belief about a player, and what the list is sorted by."""

    name: str
    rating: float
    """`mu` less three `sigma`."""
    mu: float
    sigma: float
    games: int
    wins: int


@dataclass(frozen=True)
class FinishedGame:
    """A line of the list of finished games."""

    replay: str
    game: str
    options: Mapping[str, Any]
    names: tuple[str, ...]
    returns: tuple[float, ...]
    places: tuple[int, ...]
    ticks: int
    seed: int
    reason: str
    ended_at: float
    """Seconds since 1970, by the server's wall clock."""


class Follower(Protocol):
    """Who is told of every game from its first tick to its end, such as what streams experience.

    Called from the loop of the hall: it must not block, and not raise. It is told the seed, from which all
    that is hidden follows: what it lets out of the house is for it to answer for.
    """

    def begun(
        self, room: str, game: Game, seed: int, names: tuple[str, ...], actions: Sequence[np.ndarray]
    ) -> None:
        """A game has begun, or runs already and has played `actions` [ticks] of int32 [P]."""
        ...

    def played(self, room: str, actions: np.ndarray) -> None:
        """A tick was played: `actions` [P] int32, `LEAVE` where a seat left the game before it."""
        ...

    def ended(self, room: str, result: Result) -> None:
        """No more ticks will come; where `result.reason` is not "played", the game was cut off."""
        ...
