"""One player at a table of another, every deal from every seat: relative points, deal by deal.

The seats rotate on the same deal, so the luck of the cards falls out and the mean over a deal's seats is
one sample. Equal players make 0 on every deal. A share of first places would say less: in Blob half of
the places are shared.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import CancelledError
from dataclasses import dataclass

import numpy as np
from scipy.special import ndtri

from strategos.games.rng import derive
from strategos.play.policy import Policy
from strategos.train.deals import Deals
from strategos.train.outcomes import outcomes_of

Maker = Callable[[], Policy]
"""Makes a player for one thread: those that search belong to theirs."""
_CHUNK = 64
"""Deals played side by side."""


@dataclass(frozen=True)
class Duel:
    """What one player made at a table of another."""

    samples: np.ndarray
    """[deals] float64: relative points, the mean over the seats of a deal."""
    score: float
    """Mean score of the player, in units of 10 + cards in Blob."""
    exact: float
    """Share of rounds in which it took exactly what it had bid (in which it won, elsewhere)."""

    @property
    def points(self) -> float:
        """The mean over the deals."""
        return float(self.samples.mean())

    def interval(self, confidence: float = 0.95) -> tuple[float, float]:
        """The interval of the mean; deals are independent."""
        return mean_interval(self.samples, confidence)


def mean_interval(samples: np.ndarray, confidence: float = 0.95) -> tuple[float, float]:
    """The normal interval of the mean of independent `samples`; all there is for fewer than two."""
    if len(samples) < 2:
        return -1.0, 1.0
    mean = float(samples.mean())
    reach = float(ndtri(0.5 + confidence / 2)) * float(samples.std(ddof=1)) / len(samples) ** 0.5
    return mean - reach, mean + reach


def deal_keys(seed: int, first: int, last: int) -> np.ndarray:
    """The keys [last - first] int64 of deals number `first` to `last` of a series."""
    return np.array([derive(seed, number) for number in range(first, last)], np.int64)


def joined(duels: Sequence[Duel]) -> Duel:
    """One duel of several over different deals."""
    weights = np.array([len(duel.samples) for duel in duels], float)
    return Duel(
        np.concatenate([duel.samples for duel in duels]),
        float(np.average([duel.score for duel in duels], weights=weights)),
        float(np.average([duel.exact for duel in duels], weights=weights)),
    )


def play_duel(
    deals: Deals,
    player: Policy,
    table: Policy,
    keys: np.ndarray,
    seed: int = 0,
    stop: Callable[[], bool] = lambda: False,
) -> Duel:
    """Play every deal of `keys` [deals] int64 with `player` on each seat and `table` on all others.

    The same keys are the same deals; `seed` is of the players' own chance. `CancelledError` before the next
    move where `stop` says so.
    """
    return joined(
        [
            _play_chunk(deals, player, table, keys[first : first + _CHUNK], [seed, first], stop)
            for first in range(0, len(keys), _CHUNK)
        ]
    )


def _play_chunk(
    deals: Deals,
    player: Policy,
    table: Policy,
    keys: np.ndarray,
    chance: Sequence[int],
    stop: Callable[[], bool],
) -> Duel:
    game = deals.game
    seats = game.spec.num_players
    rows = len(keys) * seats
    states = np.zeros(rows, game.state_dtype)
    deals.begin(states, np.repeat(keys, seats))
    seat = np.tile(np.arange(seats), len(keys))
    views = np.zeros((rows, seats), game.view_dtype)
    masks = np.zeros((rows, seats, game.spec.mask_bytes), np.uint8)
    memories = np.zeros((rows if game.spec.has_memory else 0, seats), game.memory_dtype)
    actions, illegal = np.zeros((rows, seats), np.int32), np.zeros((rows, seats), np.uint8)
    mine = np.arange(seats) == seat[:, None]
    rng = np.random.default_rng([number & 0xFFFFFFFFFFFFFFFF for number in chance])
    ticks = 0
    while not (over := game.over(states)).all():
        if deals.tick_limit and ticks >= deals.tick_limit:
            break
        if stop():
            raise CancelledError
        game.observe(states, views, masks, memories)
        asked = masks.any(axis=2) & ~over[:, None]
        for policy, whose in ((player, mine), (table, ~mine)):
            where = np.nonzero(asked & whose)
            if len(where[0]):
                remembered = memories[where] if len(memories) else None
                actions[where] = policy.act(views[where], masks[where], remembered, rng)
        game.step(states, actions, illegal)
        ticks += 1
    found = outcomes_of(game).measure(game, states)
    places = (np.arange(rows), seat)
    return Duel(
        found.returns[places].reshape(len(keys), seats).mean(axis=1, dtype=np.float64),
        float(found.scores[places].mean()),
        float(found.makes[places].mean()),
    )


def compare(
    deals: Deals,
    one: Policy,
    other: Policy,
    keys: np.ndarray,
    seed: int = 0,
    stop: Callable[[], bool] = lambda: False,
) -> np.ndarray:
    """Relative points [deals] of `one` over `other`: alone at the other's table, and the other at its own.

    Turned round it changes its sign, up to the players' own chance. `CancelledError` where `stop` says so.
    """
    there = play_duel(deals, one, other, keys, seed, stop).samples
    here = play_duel(deals, other, one, keys, seed, stop).samples
    return (there - here) / 2
