"""Bradley-Terry ratings with bootstrap intervals: what the list would have been on other boards.

Boards or deals are drawn again within every set of players that met, the ratings fitted to each draw, and the
middle 95 % of them are the interval. `bradley_terry.fit` takes games as independent.

Source: B. Efron and R. J. Tibshirani, An Introduction to the Bootstrap (1993), chapters 8 and 13.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

import numpy as np

from strategos.ratings.bradley_terry import Paired, Rating, solve, with_draws
from strategos.ratings.elo import SCALE
from strategos.ratings.tables import Games


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
) -> list[Rating]:
    """Ratings from games at tables of any size, the strongest first, `anchor` at `anchor_rating`.

    `names` are those of the players of `games`, by number; who has no games is left out. At a table everybody
    plays everybody: who finishes ahead has won, a tie is half a win. These results hang together, so whole
    deals are drawn again, within every set of players that sat together, and each set has one deal more, of a
    chance order, so that a perfect score has an interval too. Ratings are those of `bradley_terry.fit` for
    the same points; intervals, from `draws` draws, are of the difference to the anchor.

    `ValueError` as `bradley_terry.fit`, for fewer than 100 draws, and for a player twice at one table.
    """
    if draws < 100:
        raise ValueError(f"an interval needs 100 draws or more, not {draws}")
    sets, met, columns, rows_of = _sets(games)
    pairs = Paired.of([(names[one], names[other]) for one, other in met.tolist()], anchor)
    ahead, behind = np.array(list(combinations(range(sets.shape[1]), 2))).T
    rng = np.random.default_rng(seed)
    played, points, drawn = np.zeros(len(met)), np.zeros(len(met)), np.zeros((draws, len(met)))
    for own, rows in zip(columns, rows_of, strict=True):
        made = np.take_along_axis(games.points[rows], np.argsort(games.players[rows], axis=1), axis=1)
        _, deal = np.unique(games.deals[rows], return_inverse=True)
        of_deals = np.zeros((int(deal.max()) + 1, len(own)))
        np.add.at(of_deals, deal, 0.5 + 0.5 * np.sign(made[:, ahead] - made[:, behind]))
        played[own] += len(rows)
        points[own] += of_deals.sum(axis=0)
        order = rng.permuted(np.tile(np.arange(sets.shape[1]), (draws, 1)), axis=1)
        chance = (order[:, ahead] > order[:, behind]) * (len(rows) / len(of_deals))
        share = np.full(len(of_deals) + 1, 1 / (len(of_deals) + 1))
        times = rng.multinomial(len(of_deals), share, size=draws)
        drawn[:, own] += times[:, :-1] @ of_deals + times[:, -1:] * chance
    counted, taken = with_draws(played, np.concatenate([points[None], drawn]), prior_draws)
    likeliest = solve(pairs.design, counted, taken[:1])
    others = pairs.strengths(solve(pairs.design, counted, taken[1:], start=likeliest[0]))
    low, high = np.quantile(others, [0.5 - confidence / 2, 0.5 + confidence / 2], axis=0)
    rating, low, high = (anchor_rating + SCALE * each for each in (pairs.strengths(likeliest)[0], low, high))
    table = [
        Rating(name, float(r), float(least), float(most), int(number), float(score))
        for name, r, least, most, number, score in zip(
            pairs.names, rating, low, high, *pairs.played(played, points), strict=True
        )
    ]
    return sorted(table, key=lambda row: (-row.rating, row.name))


def _sets(games: Games) -> tuple[np.ndarray, np.ndarray, np.ndarray, list[np.ndarray]]:
    """Who sat together: the sets of players [S, N], the pairs [M, 2] among them, lower numbers first, the
    place of each set's pairs among those [S, N(N-1)/2], and the rows of each set's games."""
    sets, number = np.unique(np.sort(games.players, axis=1), axis=0, return_inverse=True)
    if (sets[:, 1:] == sets[:, :-1]).any():
        raise ValueError("a player sits twice at one table, and cannot be rated against itself")
    seats = np.array(list(combinations(range(sets.shape[1]), 2)))
    met, place = np.unique(sets[:, seats].reshape(-1, 2), axis=0, return_inverse=True)
    rows_of = np.split(np.argsort(number, kind="stable"), np.cumsum(np.bincount(number))[:-1])
    return sets, met, place.reshape(len(sets), len(seats)), rows_of
