"""Bradley-Terry ratings with bootstrap intervals: what the list would have been on other boards.

Boards are drawn again within every pair of players, the ratings fitted to each draw, and the middle 95 % of
them are the interval. It takes paired boards as they are; `bradley_terry.fit` takes games as independent.

Source: B. Efron and R. J. Tibshirani, An Introduction to the Bootstrap (1993), chapters 8 and 13.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from strategos.ratings.boards import BoardResult, pool_boards, smoothed
from strategos.ratings.bradley_terry import Paired, Rating, solve
from strategos.ratings.elo import SCALE
from strategos.ratings.tables import Games


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
    return _ratings(pairs, games, points, drawn, anchor_rating, confidence, prior_draws)


def fit_tables(
    games: Games,
    names: Sequence[str],
    *,
    anchor: str,
    anchor_rating: float = 1500.0,
    confidence: float = 0.95,
    prior_draws: float = 1.0,
    draws: int = 1000,
    seed: int = 0,
) -> Bootstrap:
    """Ratings from games at tables of any size; `names` are those of the players of `games`, by number.

    At a table everybody plays everybody: who finishes ahead has won, a tie is half a win. These results hang
    together, so whole deals are drawn again, within every set of players that sat together, and each set has
    one deal more, of a chance order, so that a perfect score has an interval too. Who has no games is left
    out. `ValueError` as `fit`.
    """
    if draws < 100:
        raise ValueError(f"an interval needs 100 draws or more, not {draws}")
    rng = np.random.default_rng(seed)
    met, won = _finishes(games)
    pairs = Paired.of([(names[one], names[other]) for one, other in met.tolist()], anchor)
    _, group = np.unique(np.sort(games.players, axis=1), axis=0, return_inverse=True)
    played, drawn = np.zeros(len(met)), np.zeros((draws, len(met)))
    for number in range(int(group.max()) + 1):
        rows = np.flatnonzero(group == number)
        columns = np.flatnonzero(np.isin(met, games.players[rows[0]]).all(axis=1))
        _, deal = np.unique(games.deals[rows], return_inverse=True)
        of_deals = np.zeros((int(deal.max()) + 1, len(columns)))
        np.add.at(of_deals, deal, won[rows[:, None], columns])
        played[columns] += len(rows)
        order = rng.permuted(np.tile(np.arange(len(names)), (draws, 1)), axis=1)
        chance = (order[:, met[columns, 0]] > order[:, met[columns, 1]]) * (len(rows) / len(of_deals))
        share = np.full(len(of_deals) + 1, 1 / (len(of_deals) + 1))
        times = rng.multinomial(len(of_deals), share, size=draws)
        drawn[:, columns] += times[:, :-1] @ of_deals + times[:, -1:] * chance
    return _ratings(pairs, played, won.sum(axis=0), drawn, anchor_rating, confidence, prior_draws)


def _finishes(games: Games) -> tuple[np.ndarray, np.ndarray]:
    """Pairs [M, 2] of players that met, the lower number first, and what it won [G, M] in each game."""
    size = int(games.players.max()) + 1
    seats = list(combinations(range(games.players.shape[1]), 2))
    both = np.sort(games.players[:, seats], axis=2)
    keys, column = np.unique(both[..., 0] * size + both[..., 1], return_inverse=True)
    won = np.zeros((len(games.players), len(keys)))
    for number, (one, other) in enumerate(seats):
        ahead = 0.5 + 0.5 * np.sign(games.points[:, one] - games.points[:, other])
        lower = games.players[:, one] < games.players[:, other]
        where = column.reshape(both.shape[:2])[:, number]
        won[np.arange(len(won)), where] += np.where(lower, ahead, 1 - ahead)
    return np.column_stack([keys // size, keys % size]), won


def _ratings(
    pairs: Paired,
    games: np.ndarray,
    points: np.ndarray,
    drawn: np.ndarray,
    anchor_rating: float,
    confidence: float,
    prior_draws: float,
) -> Bootstrap:
    """The list of `points` [M] of `games` [M] of `pairs`, with intervals from `drawn` points [R, M]."""
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
