"""An arena: a batch of games of one kind, who learns from which seat, and who sits in the others now.

Every member that is met costs an evaluation a tick, however few its games are. So the games of an agent
against members are split into a few parts, all of a part against the same: whoever was drawn for it sits down
as its games end, and the next one is drawn when all have begun.
"""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

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
    """Games in play by a `seating`; `names` are those of its agents, `parts` how many members each meets.

    `members` object [G, P] names who sits in every seat, empty where nobody was drawn yet.
    """

    def __init__(self, batch: Batch, seating: Seating, names: Sequence[str], parts: int = 1) -> None:
        self.batch, self.seating, self.names = batch, seating, tuple(names)
        agents = seating.agents.reshape(-1)
        self.agent_rows = [np.flatnonzero(agents == agent) for agent in range(len(names))]
        self.learner_rows = np.concatenate(self.agent_rows)
        counts = [len(rows) for rows in self.agent_rows]
        self.columns = [slice(end - count, end) for count, end in zip(counts, np.cumsum(counts), strict=True)]
        """Of each agent among `learner_rows`."""
        self.sides = np.unique(seating.teams, return_index=True)[1]
        """A seat of each team."""
        self.members = self._first_members()
        self.parts = [
            part
            for agent in range(len(names))
            for part in np.array_split(
                np.flatnonzero((seating.kinds == PAST) & (seating.owners == agent)), parts
            )
            if len(part)
        ]
        self.drawn: list[list[str]] = [[] for _ in self.parts]
        """For each part, who sits down next, a name for every team that does not learn."""
        self.waiting = np.zeros(batch.num_games, bool)
        """Games that are to begin before the next are drawn."""
        self._part_of = {int(game): number for number, part in enumerate(self.parts) for game in part}
        self._places: Places | None = None
        self._store: Store | None = None

    def _first_members(self) -> np.ndarray:
        drawn = np.where(np.isin(self.seating.kinds, [SELF, PEERS, PAST]), "", self.seating.kinds)
        named = np.array([*self.names, ""], dtype=object)[self.seating.agents]
        return np.where(self.seating.agents == NOBODY, drawn[:, None], named)

    def save(self) -> dict[str, Any]:
        """Plain data, the games in it."""
        return {
            "batch": self.batch.save(),
            "members": self.members.tolist(),
            "drawn": self.drawn,
            "waiting": self.waiting.tolist(),
        }

    def load(self, saved: Mapping[str, Any]) -> None:
        """Go on where `save` was called; `ValueError` for games of another kind."""
        self.batch = Batch.load(self.batch.game, saved["batch"], threads=1)
        self.members = np.array(saved["members"], dtype=object).reshape(self.seating.agents.shape)
        self.drawn, self.waiting = list(saved["drawn"]), np.array(saved["waiting"], bool)
        self._places = None

    def seat(self, games: np.ndarray, draws: Sequence[Draw], rng: np.random.Generator) -> None:
        """Let opponents sit down in those of `games` against members; oneself where there is none."""
        for game in games[self.seating.kinds[games] == PAST].tolist():
            number = self._part_of[game]
            part = self.parts[number]
            if not self.waiting[part].any():
                owner = int(self.seating.owners[game])
                draw, alone = draws[owner], self.names[owner]
                self.drawn[number] = [draw.one(rng) if draw.names else alone for _ in self.sides[1:]]
                self.waiting[part] = True
            theirs = self.seating.teams[self.sides[self.seating.agents[game, self.sides] == NOBODY]]
            for team, name in zip(theirs, self.drawn[number], strict=True):
                self.members[game, self.seating.teams == team] = name
            self.waiting[game] = False
            self._places = None

    @property
    def unseated(self) -> np.ndarray:
        """Games whose opponents were never drawn."""
        return np.flatnonzero((self.members == "").any(axis=1))

    @property
    def expected(self) -> set[str]:
        """Everybody who sits here or has been drawn."""
        return {*self.members.flat, *(name for names in self.drawn for name in names)}

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
