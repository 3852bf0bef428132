"""What is dealt in a run of AlphaZero: kinds of games that share a table.

Kinds with the same number of players share a table: the record of Blob is the same for every deal, so one
batch holds them all. Which kind a round is of is a function of its key.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from strategos.games import make_game
from strategos.games.rng import derive, draw
from strategos.games.spec import Game
from strategos.train.config import ConfigError, TrainConfig
from strategos.train.curriculum import make_board_game

_KIND_STREAM = 0x6B696E64


@dataclass(frozen=True)
class Deals:
    """The kinds of games of one table, drawn by their shares."""

    kinds: tuple[Game, ...]
    shares: tuple[float, ...]
    """Of the rounds of the whole run."""
    tick_limit: int = 0
    """A round is cut here, without a winner; 0 never."""

    @property
    def game(self) -> Game:
        """The game that steps and shows all the kinds."""
        return self.kinds[0]

    @property
    def share(self) -> float:
        """Share of the run's rounds that are played here."""
        return sum(self.shares)

    def begin(self, states: np.ndarray, keys: np.ndarray) -> None:
        """Begin a round in each of `states` [B] from `keys` [B] int64."""
        if len(self.kinds) == 1:
            self.game.reset(states, keys)
            return
        bounds = np.cumsum(self.shares) / self.share
        uniforms = np.array([draw(derive(int(key), _KIND_STREAM), 0) for key in keys]) / 2**32
        chosen = np.minimum(np.searchsorted(bounds, uniforms, side="right"), len(self.kinds) - 1)
        for number, kind in enumerate(self.kinds):
            rows = np.flatnonzero(chosen == number)
            if len(rows):
                part = states[rows]
                kind.reset(part, keys[rows])
                states[rows] = part


def make_deals(config: TrainConfig) -> list[Deals]:
    """The tables of a run: one for each number of players in Blob, elsewhere one.

    `ConfigError` for a deal or a board that cannot be.
    """
    if config.game.name != "blob":
        boards = config.stages[0].boards
        if len(boards) > 1 or len(config.stages) > 1:
            raise ConfigError("AlphaZero learns on one board: give one stage with one board")
        return [Deals((make_board_game(config.game, boards[0]),), (1.0,), config.game.tick_limit)]
    total = sum(deal.share for deal in config.deals)
    tables: dict[int, list[tuple[Game, float]]] = {}
    for number, deal in enumerate(config.deals):
        try:
            kind = make_game(
                "blob",
                players=deal.players,
                cards=deal.cards,
                min_cards=deal.min_cards,
                trump=deal.trump,
                scoring=config.game.scoring,
            )
        except ValueError as error:
            raise ConfigError(f"deals[{number}]: {error}") from None
        tables.setdefault(deal.players, []).append((kind, deal.share / total))
    return [_table(kinds) for kinds in tables.values()]


def _table(kinds: Sequence[tuple[Game, float]]) -> Deals:
    return Deals(tuple(kind for kind, _ in kinds), tuple(share for _, share in kinds))


def first_kind(table: Deals) -> Deals:
    """The first kind of deals of a table, alone: what agents are measured on."""
    return Deals(table.kinds[:1], (1.0,), table.tick_limit)
