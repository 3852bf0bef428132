"""The rules of one room: who plays on which seat, who is there, and what is played on a tick.

Data and decisions only: no clock of its own (every `now` is monotonic and given), no I/O, no asyncio.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np

from strategos.games.spec import LEAVE, Game, LeavableGame
from strategos.server.rooms.mailbox import Mailbox
from strategos.server.rooms.pools import Pool
from strategos.server.rooms.seat import Seat, Spectator, digest_of
from strategos.server.terms import Event, HallError, Result, RoomOptions

SECOND_LEAVE_TICKS = 50
"""After so many ticks the land of a player who surrendered is freed (rules/generals.md)."""
HEARD_S = 20.0
"""Who does not listen is taken to be here for so long after the last call."""


class Moves:
    """What was played so far, int32 [P] a tick; one array that grows is a tenth of a list of them."""

    def __init__(self) -> None:
        self._rows = np.zeros((0, 0), np.int32)
        self._length = 0

    def append(self, actions: np.ndarray) -> None:
        """One more tick."""
        if self._length == len(self._rows):
            rows = np.zeros((max(64, 2 * self._length), len(actions)), np.int32)
            rows[: self._length] = self._rows[:, : len(actions)] if self._length else 0
            self._rows = rows
        self._rows[self._length] = actions
        self._length += 1

    def __len__(self) -> int:
        return self._length

    def __iter__(self) -> Iterator[np.ndarray]:
        return iter(self._rows[: self._length].copy())

    def __getitem__(self, tick: int) -> np.ndarray:
        if not 0 <= tick < self._length:
            raise IndexError(tick)
        return self._rows[tick].copy()


@dataclass
class Room:
    """One room, from its first seat to its end."""

    id: str
    code: str
    options: RoomOptions
    game: Game
    pool: Pool
    chairs: list[Seat]
    seed: int
    made_at: float
    """Wall clock, for people to read."""
    heard: float
    """When anybody here was last heard of."""
    quick: bool = False
    phase: str = "open"
    row: int = -1
    order: list[int] = field(default_factory=list)
    """The chair on each seat of the game; chairs in order until the start."""
    tick: int = 0
    actions: Moves = field(default_factory=Moves)
    alive: tuple[bool, ...] = ()
    homes: tuple[int, ...] = ()
    """Tile of each general, in Generals."""
    deadline: float | None = None
    """When the clock makes the next tick."""
    timed: bool = False
    """A timer for the deadline, or an earlier one, is set."""
    ticked_at: float = 0.0
    """When the last tick was played."""
    ended_at: float = 0.0
    result: Result | None = None
    next_room: str = ""
    """Of the rematch."""
    mailboxes: dict[Mailbox, Seat | Spectator] = field(default_factory=dict)
    """Listeners and whose they are. Of the person, not of the chair, which may be another's by the time
    somebody stops to listen."""
    spectators: dict[str, Spectator] = field(default_factory=dict)
    """By the number of the token."""
    shadow: int = -1
    """Row of the position that spectators see, `shadow_tick` ticks into the game."""
    shadow_tick: int = 0
    preparing: asyncio.Task | None = None
    unrecorded: bool = False
    """Its ticks could not all be written down."""

    @property
    def running(self) -> bool:
        return self.phase == "running"

    @property
    def seats(self) -> list[Seat]:
        """The chairs in the order of the game's seats."""
        return [self.chairs[chair] for chair in self.order]

    @property
    def names(self) -> tuple[str, ...]:
        """Of each seat."""
        return tuple(seat.name for seat in self.seats)

    @property
    def players(self) -> tuple[str, ...]:
        """Who is rated for each seat: an agent by its own name, wherever it sits."""
        return tuple(seat.agent or seat.name for seat in self.seats)

    @property
    def passes(self) -> bool:
        """Who does not move passes; otherwise somebody must play for them."""
        return self.game.spec.simultaneous

    @property
    def real_time(self) -> bool:
        return self.options.pace.kind == "real_time"

    def seat_of(self, chair: int) -> int:
        """The seat of a chair; -1 for a chair that does not play."""
        return self.order.index(chair) if chair in self.order else -1

    def present(self, seat: Seat, now: float) -> bool:
        """Whether somebody is there."""
        return bool(seat.agent) or (not seat.gone and (seat.listeners > 0 or now - seat.heard < HEARD_S))

    def anybody(self) -> bool:
        """Whether any person still plays, or watches."""
        return bool(self.mailboxes) or any(
            seat.ident and not seat.gone and seat.left_at < 0 for seat in self.seats
        )

    def tell(self, kind: str, **data: object) -> None:
        """Give an event to everybody who listens."""
        event = Event(kind, self.tick, data)
        for mailbox in self.mailboxes:
            mailbox.tell(event)

    def touch(self) -> None:
        """Everybody who listens looks again."""
        for mailbox in self.mailboxes:
            mailbox.touch()

    # -- moves ---------------------------------------------------------------------------------------------

    def act(self, chair: int, action: int, tick: int | None, key: str) -> int:
        """One move for the coming tick; the tick after it. See `Hall.act` for the refusals."""
        seat, number = self.chairs[chair], self._playing(chair)
        digest = digest_of(key)
        if digest in seat.answered:
            known, at = seat.answered[digest]
            if known != action or (tick is not None and tick != at):
                raise HallError("duplicate", "this idempotency key was used for another move; take a new one")
            return at + 1
        self._require_running()
        self._require_action(action)
        if tick is not None and tick < self.tick:
            raise HallError("late", f"tick {tick} is over; the game is at tick {self.tick}")
        if tick is not None and tick > self.tick:
            raise HallError("early", f"tick {tick} is still to come; the game is at tick {self.tick}")
        self._require_in_the_game(seat, number)
        if not self.allows(number, action):
            raise HallError("illegal", self._why_not(number))
        if seat.move is not None:
            raise HallError("duplicate", f"a move for tick {self.tick} has been made; wait for the next tick")
        seat.move, seat.key = action, digest
        if digest:
            seat.remember(digest, action, self.tick)
        return self.tick + 1

    def enqueue(self, chair: int, action: int, number: int, limit: int) -> int:
        """One more move at the end of the queue; its length."""
        seat, place = self.chairs[chair], self._playing(chair)
        self._require_running()
        self._require_action(action)
        if type(number) is not int or not -1 <= number < 1 << 53:
            raise HallError("invalid", "a move's number is a whole number from 0")
        self._require_in_the_game(seat, place)
        if len(seat.queue) >= limit:
            raise HallError("exhausted", f"at most {limit} moves wait; undo or clear some")
        seat.queue.append(action, number)
        if not self.real_time:
            self.take_from_queue(place)
        return len(seat.queue)

    def undo(self, chair: int) -> None:
        """Take back the move that was queued last."""
        self._playing(chair)
        self._require_running()
        self.chairs[chair].queue.pop()

    def clear(self, chair: int) -> None:
        """Take back all moves that wait."""
        self._playing(chair)
        self._require_running()
        self.chairs[chair].queue.clear()

    def surrender(self, chair: int) -> list[int]:
        """Leave the game on the coming tick; who leaves now, as of `give_up`."""
        seat, number = self.chairs[chair], self._playing(chair)
        self._require_running()
        if not isinstance(self.game, LeavableGame):
            raise HallError(
                "invalid", f"a game of {self.game.spec.name} cannot be surrendered; leave, and a bot plays on"
            )
        self._require_in_the_game(seat, number)
        return self.give_up([number])

    def give_up(self, numbers: Iterable[int]) -> list[int]:
        """Let seats surrender on the coming tick, one after the other until the rest has won: who comes last
        has not lost. Nothing happens to those that are out, and in a game that cannot be left. The chairs of
        those that have not surrendered before."""
        chairs = []
        for number in numbers:
            seat = self.seats[number]
            if not isinstance(self.game, LeavableGame) or self.decided_by_leaving():
                break
            if seat.left_at < 0 and self.alive[number] and not seat.leaving:
                seat.leaving = True
                seat.queue.clear()
                chairs.append(self.order[number])
        return chairs

    def give_up_gone(self) -> list[int]:
        """Let those surrender who have left for good, in the order in which they left; as `give_up`."""
        gone = [number for number, seat in enumerate(self.seats) if seat.gone]
        return self.give_up(sorted(gone, key=lambda number: self.seats[number].heard))

    def take_from_queue(self, number: int) -> None:
        """Make the first legal move of a seat's queue its move; illegal ones before it are dropped."""
        seat = self.chairs[self.order[number]]
        if seat.queue and not self.pool.masks[self.row, number].any():
            return  # not its turn: the queue waits
        while seat.move is None and seat.queue:
            action = seat.queue.take()
            if self.allows(number, action):
                seat.move = action

    def allows(self, number: int, action: int) -> bool:
        """Whether a seat may play `action` now."""
        mask = self.pool.masks[self.row, number]
        return 0 <= action < self.game.spec.num_actions and bool(mask[action >> 3] >> (action & 7) & 1)

    # -- ticks ---------------------------------------------------------------------------------------------

    def waiting_for(self) -> list[int]:
        """Seats whose move is still missing."""
        moving = self.pool.moving(self.row)
        return [
            number
            for number, seat in enumerate(self.seats)
            if moving[number] and seat.move is None and not seat.leaving and seat.left_at < 0
        ]

    def start(self, now: float) -> None:
        """The game begins; its row has been reset."""
        self.phase, self.tick, self.ticked_at = "running", 0, now
        self.alive = self.pool.alive(self.row)
        if "general" in (self.game.state_dtype.names or ()):
            self.homes = tuple(self.pool.states[self.row]["general"].tolist())

    def killer_of(self, number: int) -> int | None:
        """The seat that holds the general's tile of a seat that is out; None where nobody does."""
        if not self.homes:
            return None
        owner = int(self.pool.states[self.row]["owner"][self.homes[number]])
        return owner if owner >= 0 and owner != number else None

    def ready(self) -> bool:
        """Whether a lockstep room may tick: everybody has moved, or nobody is left to be waited for."""
        if not self.running or self.real_time:
            return False
        return not self.waiting_for() or self.decided_by_leaving()

    def collect(self) -> np.ndarray:
        """What is played on this tick, int32 [P]; moves are used up. Who has none passes."""
        passing = getattr(self.game, "pass_action", self.game.spec.num_actions)
        actions = np.full(self.game.spec.num_players, passing, np.int32)
        for number, seat in enumerate(self.seats):
            if self.leaves(seat):
                actions[number] = LEAVE
                continue
            if seat.left_at >= 0:
                continue
            self.take_from_queue(number)
            if seat.move is not None:
                actions[number] = seat.move
            elif not self.passes:
                actions[number] = self.lowest(number)
        return actions

    def keys(self, actions: np.ndarray) -> list[bytes]:
        """Digests of the keys of the moves among `actions` [P] of this tick; b"" for a seat without."""
        return [
            seat.key if seat.move == action else b""
            for seat, action in zip(self.seats, actions.tolist(), strict=True)
        ]

    def leaves(self, seat: Seat) -> bool:
        """Whether a seat leaves on this tick: it surrenders, or its land is freed some time after."""
        if seat.leaving and seat.left_at < 0:
            return True
        return seat.left_at >= 0 and self.tick == seat.left_at + SECOND_LEAVE_TICKS

    def played(self, actions: np.ndarray) -> list[int]:
        """Account for a tick that was played; the seats that have surrendered on it."""
        gone = []
        for number, seat in enumerate(self.seats):
            seat.move, seat.key = None, b""
            seat.queue.played()
            if actions[number] == LEAVE and seat.left_at < 0:
                seat.left_at, seat.leaving = self.tick, False
                gone.append(number)
        self.actions.append(actions)
        self.tick += 1
        if not self.real_time:
            self.take_from_queues()
        return gone

    def take_from_queues(self) -> None:
        """Of every seat: nobody is waited for whose next move is there already."""
        for number in range(len(self.order)):
            self.take_from_queue(number)

    def decided_by_leaving(self) -> bool:
        """Whether those who surrender leave one side only: then nobody else is waited for."""
        leaving = [number for number, seat in enumerate(self.seats) if seat.leaving]
        if not leaving:
            return False
        alive = self.pool.alive(self.row)
        teams = self.game.options.get("teams") or range(len(alive))
        return len({team for number, team in enumerate(teams) if alive[number] and number not in leaving}) < 2

    def lowest(self, number: int) -> int:
        """The first legal action; 0 where it is not this seat's turn."""
        places = np.flatnonzero(np.unpackbits(self.pool.masks[self.row, number], bitorder="little"))
        return int(places[0]) if len(places) else 0

    def _playing(self, chair: int) -> int:
        """The seat of a chair; `HallError` "not_started" before the game."""
        if self.phase in ("open", "preparing"):
            raise HallError("not_started", "the game has not begun; wait until all seats are taken")
        number = self.seat_of(chair)
        if number < 0:
            raise HallError("over", "this seat is not part of the game")
        return number

    def _require_running(self) -> None:
        if not self.running:
            raise HallError("over", "the game is over")

    def _require_action(self, action: int) -> None:
        if type(action) is not int or not 0 <= action < self.game.spec.num_actions:
            last = self.game.spec.num_actions - 1
            raise HallError("invalid", f"an action is a whole number from 0 to {last}")

    def _require_in_the_game(self, seat: Seat, number: int) -> None:
        if seat.leaving or seat.left_at >= 0 or not self.alive[number]:
            raise HallError("illegal", "you are out of this game")

    def _why_not(self, number: int) -> str:
        if not self.passes and not self.pool.masks[self.row, number].any():
            return "it is not your turn"
        return "the rules do not allow this move now"


def sides_of(room: Room) -> list[list[int]]:
    """The seats of each side."""
    teams: Sequence[int] = room.game.options.get("teams") or range(len(room.order))
    sides: dict[int, list[int]] = {}
    for number, team in enumerate(teams):
        sides.setdefault(team, []).append(number)
    return list(sides.values())
