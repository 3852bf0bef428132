"""Elo: the logistic scale of strength, and the ratings a stream of games gives one after the other.

Ratings that follow every game are for watching. A constant player's rating swings by about 53
points at K = 32; publish `bradley_terry` instead.

Source: A. Elo, The Rating of Chessplayers, Past and Present (1978).
"""

from __future__ import annotations

import math
from collections.abc import Iterable

SCALE = 400.0 / math.log(10.0)
"""Elo points of one natural unit of log-odds."""


def expected_score(rating: float, opponent: float) -> float:
    """The share of points in [0, 1] that `rating` takes from `opponent`, a draw counting half."""
    difference = (rating - opponent) / SCALE
    if difference >= 0:
        return 1.0 / (1.0 + math.exp(-difference))
    odds = math.exp(difference)
    return odds / (1.0 + odds)


def difference_of(score: float) -> float:
    """The rating difference that gives the expected `score`; -inf for 0 and inf for 1.

    `ValueError` when the score is not in [0, 1].
    """
    if not 0.0 <= score <= 1.0:
        raise ValueError(f"a score lies between 0 and 1, not {score}")
    if score in (0.0, 1.0):
        return math.inf if score else -math.inf
    return SCALE * math.log(score / (1.0 - score))


def update(rating: float, opponent: float, score: float, k: float = 32.0) -> tuple[float, float]:
    """Both new ratings after one game in which the first took `score` (1, 0.5 or 0) points."""
    change = k * (score - expected_score(rating, opponent))
    return rating + change, opponent - change


def sequential(
    games: Iterable[tuple[str, str, float]],
    *,
    k: float = 32.0,
    initial: float = 1500.0,
    start: dict[str, float] | None = None,
) -> dict[str, float]:
    """Ratings after `games` (first, second, the first's score) in the order given.

    Who is not in `start` begins at `initial`. The sum of all ratings does not change by playing.
    `ValueError` for a score outside [0, 1] or a player against itself.
    """
    ratings = dict(start or {})
    for first, second, score in games:
        if first == second:
            raise ValueError(f"{first!r} cannot play itself")
        if not 0.0 <= score <= 1.0:
            raise ValueError(f"the score of {first!r} against {second!r} is {score}; expected 0 to 1")
        ratings[first], ratings[second] = update(
            ratings.get(first, initial), ratings.get(second, initial), score, k
        )
    return ratings
