"""An arena: a batch of games of one kind, who learns from which seat, and who sits in the others now."""

from __future__ import annotations

from collections.abc import Container, Sequence
from dataclasses import dataclass

import numpy as np

from strategos.engine.batch import Batch
from strategos.games.spec import Game
from strategos.league.matchmaking import Draw
from strategos.league.seating import NOBODY, PAST, PEERS, SELF, Seating
from strategos.train.actor import Groups, padded_to

_PAD = 8
"""Rows of opponents' networks come in multiples of this, see `Actor`: there are few of each."""


@dataclass
class Store:
    """What the seats that learn saw, tick by tick; made once."""

    views: np.ndarray
    masks: np.ndarray
    memories: np.ndarray | None

    @classmethod
    def allocate(cls, game: Game, ticks: int, seats: int) -> Store:
        """Zeroed arrays [ticks, seats]."""
        memories = np.zeros((ticks, seats), game.memory_dtype) if game.spec.has_memory else None
        masks = np.zeros((ticks, seats, game.spec.mask_bytes), np.uint8)
        return cls(np.zeros((ticks, seats), game.view_dtype), masks, memories)


@dataclass(frozen=True)
class Places:
    """Which rows (seats of all games, one after the other) are whose, as everybody sits now."""

    rows: np.ndarray
    """All that networks choose for, in the order of evaluation: those who learn first, agent by agent."""
    groups: Groups
    opponents: list[tuple[int, np.ndarray]]
    """Where in `rows` an opponent's begin, and which rows these are."""
    bots: list[tuple[str, np.ndarray]]


class Arena:
    """Games in play by a `seating`; `names` are those of its agents.

    `members` object [G, P] names who sits in every seat; left out, those who are drawn are still to come.
    """

    def __init__(
        self,
        batch: Batch,
        seating: Seating,
        names: Sequence[str],
        members: Sequence[Sequence[str]] | None = None,
    ) -> None:
        self.batch, self.seating, self.names = batch, seating, tuple(names)
        agents = seating.agents.reshape(-1)
        self.agent_rows = [np.flatnonzero(agents == agent) for agent in range(len(names))]
        self.learner_rows = np.concatenate(self.agent_rows)
        counts = [len(rows) for rows in self.agent_rows]
        self.columns = [slice(end - count, end) for count, end in zip(counts, np.cumsum(counts), strict=True)]
        """Of each agent among `learner_rows`."""
        self.sides = np.unique(seating.teams, return_index=True)[1]
        """A seat of each team."""
        if members is None:
            self.members = self._first_members()
        else:
            self.members = np.array(members, dtype=object).reshape(seating.agents.shape)
        self._places: Places | None = None
        self._store: Store | None = None

    def _first_members(self) -> np.ndarray:
        drawn = np.where(np.isin(self.seating.kinds, [SELF, PEERS, PAST]), "", self.seating.kinds)
        named = np.array([*self.names, ""], dtype=object)[self.seating.agents]
        return np.where(self.seating.agents == NOBODY, drawn[:, None], named)

    def seat(self, games: np.ndarray, draws: Sequence[Draw], rng: np.random.Generator) -> None:
        """Draw new opponents for those of `games` that are against members; oneself while there is none."""
        for game in games[self.seating.kinds[games] == PAST]:
            owner = int(self.seating.owners[game])
            for side, seat in enumerate(self.sides):
                if self.seating.agents[game, seat] == NOBODY:
                    name = draws[owner].one(rng) if draws[owner].names else self.names[owner]
                    self.members[game, self.seating.teams == side] = name
            self._places = None

    @property
    def unseated(self) -> np.ndarray:
        """Games whose opponents were never drawn."""
        return np.flatnonzero((self.members == "").any(axis=1))

    def places(self, networks: Container[str]) -> Places:
        """Who chooses for which rows; members among `networks` are evaluated with those who learn."""
        if self._places is None:
            self._places = self._find_places(networks)
        return self._places

    def _find_places(self, networks: Container[str]) -> Places:
        sitting = np.where(self.seating.agents == NOBODY, self.members, "").reshape(-1)
        parts = list(self.agent_rows)
        groups = [(name, len(rows)) for name, rows in zip(self.names, parts, strict=True) if len(rows)]
        opponents, bots = [], []
        at = len(self.learner_rows)
        for name in sorted(set(sitting) - {""}):
            rows = np.flatnonzero(sitting == name)
            if name not in networks:
                bots.append((name, rows))
                continue
            padded = padded_to(rows, _PAD)
            parts.append(padded)
            groups.append((name, len(padded)))
            opponents.append((at, rows))
            at += len(padded)
        return Places(np.concatenate(parts), groups, opponents, bots)

    def store(self, ticks: int) -> Store:
        """The buffers for `ticks` ticks, the same on every call."""
        if self._store is None or len(self._store.views) != ticks:
            self._store = Store.allocate(self.batch.game, ticks, len(self.learner_rows))
        return self._store
