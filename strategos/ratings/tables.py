"""Results at tables of three or more: shares of first place, and who finishes ahead of whom.

An equal player of N wins 1/N of the games, and a tie for the first place is no win for either: it is shared.
Every deal or board is played from each seat, so a deal and not a game is one observation.

Source: the ratio estimator over clusters, W. G. Cochran, Sampling Techniques (1977), chapters 6 and 9.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from strategos.ratings.payoff import wilson_of_mean


@dataclass(frozen=True)
class Estimate:
    """A share over deals with its interval; NaN, from 0 to 1, where nothing was played."""

    mean: float
    low: float
    high: float
    deals: int


@dataclass(frozen=True)
class Games:
    """Games at tables of N seats, `[G]` of them; who sits at a table twice counts twice."""

    deals: np.ndarray
    """int64 [G]: games of one deal or board have the same number."""
    players: np.ndarray
    """int64 [G, N]: who had the seat."""
    points: np.ndarray
    """float64 [G, N], as the game gives them; more is better."""

    def __post_init__(self) -> None:
        if self.players.ndim != 2 or self.players.shape != self.points.shape:
            raise ValueError(f"every seat needs points: {self.players.shape} and {self.points.shape}")
        if self.deals.shape != self.players.shape[:1] or self.players.shape[1] < 2:
            raise ValueError(f"{self.deals.shape} deals do not fit tables of {self.players.shape}")


def first_places(games: Games, count: int, confidence: float = 0.95) -> list[Estimate]:
    """The share of first places of each of `count` players, a tie shared out; 1/N where all are equal."""
    best = games.points == games.points.max(axis=1, keepdims=True)
    shares = best / best.sum(axis=1, keepdims=True)
    return [_share(games.deals, games.players == player, shares, confidence) for player in range(count)]


def finish_ahead(games: Games, one: int, other: int, confidence: float = 0.95) -> Estimate:
    """How often `one` finishes ahead of `other` at tables of both, a tie counting half."""
    first, second = games.players == one, games.players == other
    ahead = 0.5 + 0.5 * np.sign(games.points[:, :, None] - games.points[:, None, :])
    pairs = first[:, :, None] & second[:, None, :]
    size = len(games.deals)
    return _share(games.deals, pairs.reshape(size, -1), ahead.reshape(size, -1), confidence)


def _share(deals: np.ndarray, counted: np.ndarray, values: np.ndarray, confidence: float) -> Estimate:
    """A share in [0, 1]; one more deal, half of it all and half of it nothing, keeps its variance above 0."""
    _, deal_of = np.unique(deals, return_inverse=True)
    size = int(deal_of.max(initial=-1)) + 1
    made = np.bincount(deal_of, (values * counted).sum(axis=1), size)
    number = np.bincount(deal_of, counted.sum(axis=1), size)
    made, number = made[number > 0], number[number > 0]
    if not (observed := len(made)):
        return Estimate(np.nan, 0.0, 1.0, 0)
    mean = float(made.sum() / number.sum())
    typical = number.mean()
    made, number = np.r_[made, 0, typical], np.r_[number, typical, typical]
    weight = np.r_[np.ones(observed), 0.5, 0.5]
    middle = float((weight @ made) / (weight @ number))
    variance = float(weight @ np.square(made - middle * number)) / typical**2 / (observed + 1)
    low, high = wilson_of_mean(mean, middle, variance, observed, confidence)
    return Estimate(mean, low, high, observed)
