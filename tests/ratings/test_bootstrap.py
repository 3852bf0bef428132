"""Bootstrap over paired boards: intervals cover what they promise, whatever ties the games of a board."""

from __future__ import annotations

import numpy as np
import pytest

from strategos.ratings import bootstrap, bradley_terry
from strategos.ratings.boards import BoardResult, pool_boards, smoothed
from strategos.ratings.elo import expected_score
from strategos.ratings.payoff import Result, wilson

STRENGTHS = {"anna": 1500.0, "bert": 1620.0, "carl": 1400.0, "dora": 1750.0}
KINDS = ["independent", "draws", "alike", "one game", "seat decides"]


def half_points(rng: np.random.Generator, kind: str, score: float, boards: int) -> np.ndarray:
    """Half points of the first player on each board of two games, with mean share `score`."""
    even = min(score, 1 - score)
    won = (rng.random((2, boards)) < score).astype(int)
    if kind == "draws":
        drawn = rng.random((2, boards)) < 1.2 * even
        rest = rng.random((2, boards)) < (score - 0.6 * even) / (1 - 1.2 * even)
        return np.where(drawn, 1, 2 * rest).sum(axis=0)
    if kind == "alike":  # on most boards the second game ends as the first
        return 2 * (won[0] + np.where(rng.random(boards) < 0.6, won[0], won[1]))
    if kind == "one game":
        return 4 * won[0]
    if kind == "seat decides":  # on many boards each wins from the same seat
        rest = rng.random((2, boards)) < (score - 0.7 * even) / (1 - 1.4 * even)
        return np.where(rng.random(boards) < 1.4 * even, 2, 2 * rest.sum(axis=0))
    return 2 * won.sum(axis=0)


def simulate(rng: np.random.Generator, kind: str, boards: int) -> list[BoardResult]:
    results = []
    names = sorted(STRENGTHS)
    for index, first in enumerate(names):
        for second in names[index + 1 :]:
            score = expected_score(STRENGTHS[first], STRENGTHS[second])
            counts = np.bincount(half_points(rng, kind, score, boards), minlength=5)
            results.append(BoardResult(first, second, tuple(counts.tolist())))
    return results


@pytest.mark.parametrize("kind", KINDS)
def test_the_simulated_boards_have_the_mean_they_should(kind):
    rng = np.random.default_rng(0)
    for score in (0.2, 0.5, 0.85):
        assert half_points(rng, kind, score, 200_000).mean() / 4 == pytest.approx(score, abs=0.004)


@pytest.mark.parametrize("kind", KINDS)
def test_intervals_cover_95_percent(kind):
    """600 tables of three players: the share of intervals that hold is known to 0.7 points."""
    rng = np.random.default_rng(KINDS.index(kind))
    inside, first = [], []
    for _ in range(600):
        found = bootstrap.fit(simulate(rng, kind, 40), anchor="anna", draws=250)
        inside += [row.low <= STRENGTHS[row.name] <= row.high for row in found.ratings if row.name != "anna"]
        first.append(found.ratings[0].name == "dora")
    assert 0.93 <= np.mean(inside) <= 0.97
    assert np.mean(first) > 0.95


@pytest.mark.parametrize("kind", KINDS)
def test_the_interval_of_one_score_covers_too(kind):
    rng = np.random.default_rng(9)
    for score in (0.5, 0.8):
        inside = []
        for _ in range(1000):
            counts = np.bincount(half_points(rng, kind, score, 40), minlength=5)
            low, high = BoardResult("a", "b", tuple(counts.tolist())).interval()
            inside.append(low <= score <= high)
        assert 0.93 <= np.mean(inside) <= 0.98


def test_independent_games_would_be_too_sure_of_boards_that_are_one_game():
    """Both games of every board end alike: half the observations, intervals wider by the root of two."""
    rng = np.random.default_rng(2)
    boards = simulate(rng, "one game", 200)
    games = [Result(r.first, r.second, 2 * r.counts[4], 0, 2 * r.counts[0]) for r in boards]
    wide = {row.name: row for row in bootstrap.fit(boards, anchor="anna", draws=4000).ratings}
    narrow = {row.name: row for row in bradley_terry.fit(games, anchor="anna")}
    for name in ("bert", "carl", "dora"):
        assert wide[name].rating == pytest.approx(narrow[name].rating)
        ratio = (wide[name].high - wide[name].low) / (narrow[name].high - narrow[name].low)
        assert ratio == pytest.approx(2**0.5, rel=0.08)


def test_recovers_known_strengths_and_says_how_sure():
    found = bootstrap.fit(simulate(np.random.default_rng(1), "draws", 10_000), anchor="anna", draws=200)
    assert [row.name for row in found.ratings] == ["dora", "bert", "anna", "carl"]
    for row in found.ratings:
        assert row.rating == pytest.approx(STRENGTHS[row.name], abs=8) and row.games == 60_000
    assert (found.above == np.triu(np.ones((4, 4)), 1)).all()
    equal = bootstrap.fit([BoardResult("a", "b", (10, 0, 20, 0, 10))], anchor="a", draws=4000)
    assert equal.above[0, 1] + equal.above[1, 0] == pytest.approx(1, abs=0.15)
    assert 0.4 < equal.above[0, 1] < 0.6


def test_the_order_and_the_side_of_results_do_not_matter():
    results = simulate(np.random.default_rng(3), "alike", 30)
    turned = [BoardResult(r.second, r.first, r.counts[::-1]) for r in results[::-1]]
    assert bootstrap.fit(turned, anchor="carl").ratings == bootstrap.fit(results, anchor="carl").ratings
    halves = [BoardResult(r.first, r.second, tuple(c // 2 for c in r.counts)) for r in results]
    rest = [BoardResult(r.first, r.second, tuple(c - c // 2 for c in r.counts)) for r in results]
    assert pool_boards([*halves, *rest]) == pool_boards(results)


def test_a_perfect_score_has_an_interval():
    (row, _) = bootstrap.fit([BoardResult("a", "b", (0, 0, 0, 0, 50))], anchor="b").ratings
    assert 1500 + 300 < row.low < row.rating - 50 and row.rating < 1500 + 1200
    low, high = BoardResult("a", "b", (0, 0, 0, 0, 50)).interval()
    assert 0.9 < low < 0.95 and high == pytest.approx(1.0)
    assert BoardResult("a", "b", (0,) * 5).interval() == (0.0, 1.0)


def test_boards_won_or_lost_as_a_whole_are_a_share_of_boards():
    low, high = BoardResult("a", "b", (20, 0, 0, 0, 60)).interval()
    assert (low, high) == pytest.approx(wilson(60, 80), abs=0.005)
    assert smoothed(np.array([[0, 0, 3], [1, 0, 0]])).tolist() == [[0.125, 0, 0.875], [0.75, 0, 0.25]]


def test_what_is_no_result_is_refused():
    with pytest.raises(ValueError, match="cannot play itself"):
        BoardResult("a", "a", (1, 0, 0))
    with pytest.raises(ValueError, match="five for two games"):
        BoardResult("a", "b", (1, 2))
    with pytest.raises(ValueError, match="different numbers of games"):
        pool_boards([BoardResult("a", "b", (1, 0, 0)), BoardResult("b", "a", (1, 0, 0, 0, 0))])
    with pytest.raises(ValueError, match="100 draws"):
        bootstrap.fit([BoardResult("a", "b", (1, 0, 0))], anchor="a", draws=10)
    with pytest.raises(ValueError, match="anchor 'x' has no games"):
        bootstrap.fit([BoardResult("a", "b", (1, 0, 0))], anchor="x")
