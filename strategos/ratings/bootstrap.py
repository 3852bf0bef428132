"""Bradley-Terry ratings with bootstrap intervals: what the list would have been on other boards.

Boards are drawn again within every pair of players, the ratings fitted to each draw, and the middle 95 % of
them are the interval. It takes paired boards as they are; `bradley_terry.fit` takes games as independent.

Source: B. Efron and R. J. Tibshirani, An Introduction to the Bootstrap (1993), chapters 8 and 13.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from strategos.ratings.boards import BoardResult, pool_boards, smoothed
from strategos.ratings.bradley_terry import Paired, Rating, solve
from strategos.ratings.elo import SCALE


@dataclass(frozen=True)
class Bootstrap:
    """A list of ratings and how sure it is."""

    ratings: list[Rating]
    """The strongest first."""
    above: np.ndarray
    """float64 [N, N] in the order of `ratings`: in which share of the draws row is rated above column."""


def fit(
    results: Iterable[BoardResult],
    *,
    anchor: str,
    anchor_rating: float = 1500.0,
    confidence: float = 0.95,
    prior_draws: float = 1.0,
    draws: int = 1000,
    seed: int = 0,
) -> Bootstrap:
    """Ratings of all players in `results`, `anchor` at `anchor_rating`, with intervals from `draws` draws.

    The ratings are those of `bradley_terry.fit` for the same points. Intervals are of the difference to the
    anchor. Boards are drawn from `smoothed` counts, so that a perfect score has an interval too. The same
    arguments give the same answer, whatever the order of the results. `ValueError` as `bradley_terry.fit`,
    and for fewer than 100 draws.
    """
    if draws < 100:
        raise ValueError(f"an interval needs 100 draws or more, not {draws}")
    pooled = [result for result in pool_boards(results) if result.boards]
    pairs = Paired.of([(result.first, result.second) for result in pooled], anchor)
    games = np.array([result.games for result in pooled], float)
    points = np.array([result.points for result in pooled])
    rng = np.random.default_rng(seed)
    drawn = np.stack([_draw_points(result, draws, rng) for result in pooled], axis=1)

    likeliest = solve(pairs.design, games + prior_draws, points[None] + prior_draws / 2)
    strengths = pairs.strengths(likeliest)[0]
    others = pairs.strengths(
        solve(pairs.design, games + prior_draws, drawn + prior_draws / 2, start=likeliest[0])
    )
    low, high = np.quantile(others, [0.5 - confidence / 2, 0.5 + confidence / 2], axis=0)
    strengths, low, high = (anchor_rating + SCALE * each for each in (strengths, low, high))
    table = [
        Rating(name, float(rating), float(least), float(most), int(played), float(share))
        for name, rating, least, most, played, share in zip(
            pairs.names, strengths, low, high, *pairs.played(games, points), strict=True
        )
    ]
    order = sorted(range(len(table)), key=lambda each: (-table[each].rating, table[each].name))
    others = others[:, order]
    above = (others[:, :, None] > others[:, None, :]).mean(axis=0)
    return Bootstrap([table[each] for each in order], above)


def _draw_points(result: BoardResult, draws: int, rng: np.random.Generator) -> np.ndarray:
    """Points [draws] of as many boards as were played, drawn from the results there were."""
    counts = rng.multinomial(result.boards, smoothed(np.array(result.counts)), size=draws)
    return counts @ np.arange(len(result.counts)) / 2
