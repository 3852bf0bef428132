"""A pool: the records, views, masks and memories of all rooms of one kind of game, in rows.

Rows are taken, reset and given back; arrays grow and are never made anew for a game. A tick is played on
copies of the rows that it is due in, so a row whose kernel raises is left as it was, and the others go on.
Called from one thread.
"""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from strategos.engine.batch import Observation
from strategos.games.spec import LEAVE, Game
from strategos.play.match import hash_state, leave

_FIRST_ROWS = 16


@dataclass(frozen=True)
class Step:
    """What a tick of some rows gave, in their order."""

    over: np.ndarray
    """[N] bool."""
    illegal: np.ndarray
    """[N, P] uint8."""
    faults: dict[int, Exception]
    """Place and what was raised: those rows have not changed."""


class Pool:
    """The rows of one kind of game."""

    def __init__(self, game: Game) -> None:
        self.game = game
        self.seats = game.spec.num_players
        self.states = np.zeros(0, game.state_dtype)
        self._scratch = Observation.allocate(game, 0, memory=False)
        self._seen = Observation.allocate(game, 0)
        self._free: list[int] = []

    @property
    def views(self) -> np.ndarray:
        """[rows, P] of view_dtype."""
        return self._seen.views

    @property
    def masks(self) -> np.ndarray:
        """[rows, P, mask_bytes] uint8."""
        return self._seen.masks

    @property
    def memories(self) -> np.ndarray:
        """[rows, P] of memory_dtype; of length 0 where the game keeps none."""
        return self._seen.memories

    @property
    def capacity(self) -> int:
        return len(self.states)

    @property
    def taken(self) -> int:
        """Rows in use."""
        return self.capacity - len(self._free)

    def take(self) -> int:
        """A free row; the pool grows where there is none."""
        if not self._free:
            self._grow()
        return heapq.heappop(self._free)

    def give(self, row: int) -> None:
        """Give a row back."""
        heapq.heappush(self._free, row)

    def begin(self, row: int, seed: int) -> None:
        """Begin a new game in a row."""
        rows = slice(row, row + 1)
        self.game.reset(self.states[rows], np.array([seed], np.int64))
        self.game.observe(self.states[rows], self.views[rows], self.masks[rows], self.memories[rows])

    def step(self, rows: Sequence[int], actions: np.ndarray) -> Step:
        """Play `actions` [N, P] int32 in `rows`; a seat whose action is `LEAVE` leaves before the tick."""
        where = np.asarray(rows, np.int64)
        faults: dict[int, Exception] = {}
        illegal = np.zeros((len(where), self.seats), np.uint8)
        try:
            self._play(where, actions, illegal)
        except Exception as error:  # whose fault it is shows when they are played one by one
            if len(where) == 1:
                faults[0] = error
            else:
                for place in range(len(where)):
                    part = slice(place, place + 1)
                    try:
                        self._play(where[part], actions[part], illegal[part])
                    except Exception as own:
                        faults[place] = own
        return Step(self.game.over(self.states[where]), illegal, faults)

    def returns(self, row: int) -> tuple[float, ...]:
        """Of each seat; zeros while the game runs."""
        found = np.zeros((1, self.seats), np.float32)
        self.game.returns(self.states[row : row + 1], found)
        return tuple(found[0].tolist())

    def places(self, row: int, returns: Sequence[float]) -> tuple[int, ...]:
        """From 1, of each seat: by the game's own ranking where it has one and the result is no draw."""
        shared = self.places_of(returns)
        ranking = getattr(self.game, "ranking", None)
        if ranking is None or max(returns) == min(returns):
            return shared
        own = ranking(self.states[row : row + 1])[0].tolist()
        # Winners of one team share the first place.
        return tuple(1 if place == 1 else rank for place, rank in zip(shared, own, strict=True))

    @staticmethod
    def places_of(returns: Sequence[float]) -> tuple[int, ...]:
        """From 1, by the returns alone; equal players share a place."""
        return tuple(1 + sum(other > own for other in returns) for own in returns)

    def alive(self, row: int) -> tuple[bool, ...]:
        """Which seats are still in the game."""
        if "alive" in (self.game.view_dtype.names or ()):
            return tuple((self.views[row, 0]["alive"][: self.seats] != 0).tolist())
        return (True,) * self.seats

    def moving(self, row: int) -> np.ndarray:
        """Which seats [P] have something to decide on the coming tick, bool."""
        if self.game.spec.simultaneous:
            return np.array(self.alive(row))
        return self.masks[row].any(axis=1)

    def hash(self, row: int) -> str:
        """SHA-256 of the row's record."""
        return hash_state(self.states[row : row + 1])

    def seen(
        self, rows: Sequence[int], seats: Sequence[int]
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
        """Copies of the views [N], masks [N, mask_bytes] and memories [N] or None of some seats."""
        places = np.asarray(rows, np.int64) * self.seats + np.asarray(seats, np.int64)
        masks = self.masks.reshape(-1, self.masks.shape[2])[places]
        memories = self.memories.reshape(-1).take(places) if len(self.memories) else None
        return self.views.reshape(-1).take(places), masks, memories

    def _play(self, where: np.ndarray, actions: np.ndarray, illegal: np.ndarray) -> None:
        number = len(where)
        states = self.states.take(where)  # `take` copies records whole
        memories = self.memories.take(where, axis=0) if len(self.memories) else self.memories
        for place, seat in np.argwhere(actions == LEAVE).tolist():
            leave(self.game, states, place, seat)
        self.game.step(states, np.ascontiguousarray(actions, np.int32), illegal)
        if len(self._scratch.masks) < number:
            self._scratch = Observation.allocate(self.game, 2 * number, memory=False)
        views, masks = self._scratch.views[:number], self._scratch.masks[:number]
        self.game.observe(states, views, masks, memories)
        _put(self.states, where, states)
        _put(self.views, where, views)
        self.masks[where] = masks
        if len(self.memories):
            _put(self.memories, where, memories)

    def _grow(self) -> None:
        before = self.capacity
        after = max(_FIRST_ROWS, 2 * before)
        states, seen = np.zeros(after, self.game.state_dtype), Observation.allocate(self.game, after)
        states[:before] = self.states
        seen.views[:before], seen.masks[:before] = self.views, self.masks
        if len(seen.memories):
            seen.memories[:before] = self.memories
        self.states, self._seen = states, seen
        for row in range(before, after):
            heapq.heappush(self._free, row)


def _put(array: np.ndarray, rows: np.ndarray, values: np.ndarray) -> None:
    """`array[rows] = values` as bytes: an index copies records field by field."""
    count = array.shape[0]
    array.view(np.uint8).reshape(count, -1)[rows] = values.view(np.uint8).reshape(len(rows), -1)
