"""A chair at the table: who holds it, its moves that wait, and the keys of those it has made.

What of this must outlive the process is handed out as lines for the journal; nothing is written here, and no
rule of a game enters.
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict, deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from strategos.server.access.limits import Bucket
from strategos.server.records.journal import DROP_MOVES, KEY_BYTES, LAST_PLAYED, PUT_MOVE
from strategos.server.terms import HallError, Ticket

KEPT_KEYS = 256
"""Idempotency keys that are remembered of each seat."""
LONGEST_KEY = 128
_ENDLESS = (1 << 63) - 1


def digest_of(key: str) -> bytes:
    """What is kept of an idempotency key, b"" of none; `HallError` "invalid" for one that is too long."""
    if len(key) > LONGEST_KEY:
        raise HallError("invalid", f"an idempotency key has at most {LONGEST_KEY} characters")
    if not key:
        return b""
    return hashlib.blake2b(key.encode("utf-8", "surrogatepass"), digest_size=KEY_BYTES).digest()


class MoveQueue:
    """The moves of one seat that wait: actions and the numbers that the player gave them.

    Each has its place, counted from the first that ever waited here. On disk a move waits until its tick has
    been played: what was taken for a tick that never came is there again after a restart.
    """

    def __init__(self) -> None:
        self._moves: deque[tuple[int, int]] = deque()
        self._drawn: list[tuple[int, int]] = []
        """Taken for the coming tick."""
        self._first = 0
        """The place of the first that has not been played."""
        self._written = range(0)
        """The places that the journal has."""
        self._right_below = 0
        """The journal has these places as they are here."""
        self.numbered = -1
        """The highest number that was given by itself, or the last one that the player gave."""
        self.taken = -1
        """The number of the last move that was taken."""
        self._played = -1
        """The number of the last one whose tick was played."""
        self.changed = False
        """Whether the journal has something else."""

    @classmethod
    def of(cls, lines: Iterable[tuple[Any, Any, Any]]) -> MoveQueue:
        """The queue as it was written: lines (place, action, number) in the order of their places. Those
        behind a gap or a damaged one are left out."""
        queue, known = cls(), list(lines)
        if known and known[0][0] == LAST_PLAYED and type(known[0][2]) is int:
            queue.taken = queue._played = queue.numbered = known.pop(0)[2]
        if known:
            queue._first = known[0][0]
            queue._written = range(known[0][0], known[-1][0] + 1)
        for place, action, number in known:
            if place != queue._end or type(action) is not int or type(number) is not int:
                break
            queue._moves.append((action, number))
            queue.numbered = number
        queue._right_below = queue._end
        return queue

    def __len__(self) -> int:
        return len(self._moves)

    def __iter__(self) -> Iterator[int]:
        return (action for action, _ in self._moves)

    def append(self, action: int, number: int) -> None:
        """One more; a `number` below 0 is the next one."""
        self.numbered = self.numbered + 1 if number < 0 else number
        self._moves.append((action, self.numbered))
        self.changed = True

    def pop(self) -> None:
        """Take back the last one, if there is any."""
        if self._moves:
            self._moves.pop()
            self._cut()

    def clear(self) -> None:
        """Take back all."""
        self._moves.clear()
        self._cut()

    def take(self) -> int:
        """The first one, for the coming tick."""
        self._drawn.append(self._moves.popleft())
        action, self.taken = self._drawn[-1]
        return action

    def played(self) -> None:
        """The tick has been played for which moves were taken."""
        if self._drawn:
            self._first += len(self._drawn)
            self._drawn.clear()
            self._played = self.taken
            self.changed = True

    def lines(self, room: str, chair: int) -> list[tuple[str, tuple[Any, ...]]]:
        """Statements and values that make the journal say what is here; from now on it is taken to."""
        first, end, written, right = self._first, self._end, self._written, self._right_below
        found: list[tuple[str, tuple[Any, ...]]] = []
        if right < written.stop:
            found.append((DROP_MOVES, (room, chair, right, _ENDLESS)))
        if first > written.start:
            if written:
                found.append((DROP_MOVES, (room, chair, written.start, first - 1)))
            found.append((PUT_MOVE, (room, chair, LAST_PLAYED, 0, self._played)))
        moves = [*self._drawn, *self._moves]
        for place in range(max(first, right), end):
            found.append((PUT_MOVE, (room, chair, place, *moves[place - first])))
        self._written, self._right_below, self.changed = range(first, end), end, False
        return found

    @property
    def _end(self) -> int:
        """The place that the next one will have."""
        return self._first + len(self._drawn) + len(self._moves)

    def _cut(self) -> None:
        self._right_below = min(self._right_below, self._end)
        self.changed = True


@dataclass
class Seat:
    """A chair at the table. Chairs keep their numbers; `Room.order` says which seat of the game each is."""

    name: str = ""
    ident: str = ""
    """Number of the token that holds it; "" for an agent or an empty chair."""
    agent: str = ""
    address: str = ""
    heard: float = 0.0
    listeners: int = 0
    wants_start: bool = False
    gone: bool = False
    """Has left for good; of an agent: has failed, and somebody else plays where it cannot surrender."""
    queue: MoveQueue = field(default_factory=MoveQueue)
    move: int | None = None
    """What is played on the coming tick."""
    key: bytes = b""
    """The digest of the idempotency key of that move."""
    leaving: bool = False
    """Surrenders on the coming tick."""
    left_at: int = -1
    """The tick at which it surrendered."""
    answered: OrderedDict[bytes, tuple[int, int]] = field(default_factory=OrderedDict)
    """Digest of an idempotency key, and the action and tick it was for."""
    chats: Bucket | None = None
    rematch: tuple[Ticket, str] | None = None
    """Where it sits in the rematch, and the number of that token: who asks twice gets the same seat."""
    asked_at: int = -1
    """The last tick for which its agent, or who plays for it, was asked."""
    about: int = -1
    """The tick of the ask that its agent has answered with `move`."""
    in_time: int = 0
    """Moves of an agent that were there for their tick, and those that had a choice and were not."""
    late: int = 0

    @property
    def free(self) -> bool:
        return not (self.ident or self.agent)

    def may_chat(self, per_minute: float, now: float) -> bool:
        """Whether it may say one thing more, which is counted if so."""
        if self.chats is None:
            self.chats = Bucket(per_minute / 60, max(3.0, per_minute / 6), now)
        return self.chats.take(now)

    def remember(self, digest: bytes, action: int, tick: int) -> None:
        """Keep a key in mind, and forget the oldest where they are too many."""
        self.answered[digest] = (action, tick)
        if len(self.answered) > KEPT_KEYS:
            self.answered.popitem(last=False)


@dataclass
class Spectator:
    """Who only watches, by the token of one call."""

    address: str
    heard: float
    listeners: int = 0
