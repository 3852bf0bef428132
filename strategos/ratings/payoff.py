"""Results between pairs of players, and the payoff matrix that shows them with intervals.

The matrix stands beside every rating list: a single number per player hides who beats whom.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import ndtri


@dataclass(frozen=True)
class Result:
    """Games between two players, counted from the side of `first`."""

    first: str
    second: str
    wins: int
    draws: int
    losses: int

    def __post_init__(self) -> None:
        if self.first == self.second:
            raise ValueError(f"{self.first!r} cannot play itself")
        if min(self.wins, self.draws, self.losses) < 0:
            raise ValueError(f"counts of games cannot be negative: {self}")

    @property
    def games(self) -> int:
        return self.wins + self.draws + self.losses

    @property
    def points(self) -> float:
        """Points of `first`, a draw counting half."""
        return self.wins + 0.5 * self.draws


def wilson(wins: float, games: float, confidence: float = 0.95) -> tuple[float, float]:
    """The Wilson interval of a share, (0, 1) where nothing was played.

    Source: E. B. Wilson, J. Am. Stat. Assoc. 22 (1927), 209-212.
    """
    if not 0 <= wins <= games:
        raise ValueError(f"{wins} wins of {games} games: expected 0 <= wins <= games")
    if games == 0:
        return 0.0, 1.0
    z = float(ndtri(0.5 + confidence / 2))
    share = wins / games
    middle = share + z * z / (2 * games)
    reach = z * np.sqrt(share * (1 - share) / games + z * z / (4 * games * games))
    scale = 1 + z * z / games
    return max(0.0, float((middle - reach) / scale)), min(1.0, float((middle + reach) / scale))


def wilson_of_mean(
    mean: float, middle: float, variance: float, count: int, confidence: float = 0.95
) -> tuple[float, float]:
    """The interval of the `mean` share of `count` results that have a `variance` around `middle`.

    Wilson's, over the number of games, won or lost as a whole, that would be as informative as these.
    """
    effective = count * middle * (1 - middle) / variance
    return wilson(mean * effective, effective, confidence)


def score_variance(score: float, draw_share: float) -> float:
    """The variance of one game's points (0, 0.5 or 1) with mean `score`; draws make it smaller."""
    # No mixture of wins, draws and losses with this mean holds more draws than that.
    draw_share = min(draw_share, 2 * score, 2 * (1 - score))
    return score * (1 - score) - draw_share / 4


def score_interval(wins: int, draws: int, losses: int, confidence: float = 0.95) -> tuple[float, float]:
    """The interval of the share of points, a draw counting half."""
    games = wins + draws + losses
    if not draws:
        return wilson(wins, games, confidence)
    score = (wins + 0.5 * draws) / games
    # One game more than was played: after draws alone the variance is small, not zero.
    variance = score_variance(score, draws / (games + 1))
    return wilson_of_mean(score, score, variance, games, confidence)


@dataclass(frozen=True)
class PayoffMatrix:
    """Who scores what against whom; row against column, `[N, N]` each.

    `score`, `low` and `high` are shares of points, NaN where two players never met (and on the
    diagonal); `games` counts.
    """

    names: tuple[str, ...]
    games: np.ndarray
    score: np.ndarray
    low: np.ndarray
    high: np.ndarray


def pool(results: Iterable[Result]) -> list[Result]:
    """One result per pair, names in order within it and between them, whatever the order given."""
    counts: dict[tuple[str, str], list[int]] = {}
    for result in results:
        forward = result.first < result.second
        pair = (result.first, result.second) if forward else (result.second, result.first)
        wins, losses = (result.wins, result.losses) if forward else (result.losses, result.wins)
        total = counts.setdefault(pair, [0, 0, 0])
        total[0] += wins
        total[1] += result.draws
        total[2] += losses
    return [Result(*pair, *total) for pair, total in sorted(counts.items())]


def payoff_matrix(
    results: Iterable[Result], names: Sequence[str] | None = None, confidence: float = 0.95
) -> PayoffMatrix:
    """The payoff matrix of `results`, rows and columns in the order of `names` (default: sorted).

    `ValueError` when a result's player is not in `names`.
    """
    pooled = pool(results)
    players = {name for result in pooled for name in (result.first, result.second)}
    order = tuple(sorted(players) if names is None else names)
    missing = sorted(players - set(order))
    if missing:
        raise ValueError(f"results of {', '.join(missing)}, who are not among the names {', '.join(order)}")
    place = {name: index for index, name in enumerate(order)}
    size = len(order)
    games = np.zeros((size, size), np.int64)
    score, low, high = (np.full((size, size), np.nan) for _ in range(3))
    for result in pooled:
        if result.games == 0:
            continue
        row, column = place[result.first], place[result.second]
        games[row, column] = games[column, row] = result.games
        score[row, column] = result.points / result.games
        score[column, row] = 1 - score[row, column]
        low[row, column], high[row, column] = score_interval(
            result.wins, result.draws, result.losses, confidence
        )
        low[column, row], high[column, row] = 1 - high[row, column], 1 - low[row, column]
    return PayoffMatrix(order, games, score, low, high)
