"""Ratings from tables: between two they are those of results, and at tables of four the intervals cover."""

from __future__ import annotations

import numpy as np
import pytest

from strategos.ratings import bradley_terry
from strategos.ratings.bootstrap import fit_tables
from strategos.ratings.elo import SCALE
from strategos.ratings.payoff import Result
from strategos.ratings.tables import Games

STRENGTHS = np.array([0.0, 0.3, 0.6, 1.0])


def simulate(strengths: np.ndarray, deals: int, rng: np.random.Generator) -> Games:
    """As many games a deal as there are players, ranked by Plackett-Luce, whose pairs are Bradley-Terry."""
    size = len(strengths)
    players = np.stack([rng.permutation(size) for _ in range(deals * size)])
    points = strengths[players] + rng.gumbel(size=players.shape)
    return Games(np.repeat(np.arange(deals), size), players, points)


def test_between_two_they_are_the_ratings_of_results():
    games = simulate(STRENGTHS[:2], 300, np.random.default_rng(1))
    won = games.points[:, 0] > games.points[:, 1]
    wins = int(np.where(games.players[:, 0] == 0, won, ~won).sum())
    listed = bradley_terry.fit([Result("a", "b", wins, 0, len(won) - wins)], anchor="a")
    for one, other in zip(fit_tables(games, "ab", anchor="a"), listed, strict=True):
        assert (one.name, one.games, one.score) == (other.name, other.games, other.score)
        assert one.rating == pytest.approx(other.rating, abs=1e-6)
        assert (one.low, one.high) == pytest.approx((other.low, other.high), abs=10)


def test_intervals_cover_at_tables_of_four():
    rng = np.random.default_rng(2)
    truth = 1500 + SCALE * STRENGTHS
    covered = []
    for seed in range(100):
        listed = fit_tables(simulate(STRENGTHS, 60, rng), "abcd", anchor="a", draws=300, seed=seed)
        covered += [
            each.low <= truth["abcd".index(each.name)] <= each.high for each in listed if each.name != "a"
        ]
    assert 0.90 < np.mean(covered) < 0.99
