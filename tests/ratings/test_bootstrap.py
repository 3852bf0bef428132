"""Bootstrap over paired boards: intervals cover what they promise, whatever ties the games of a board."""

from __future__ import annotations

import tracemalloc
from itertools import combinations

import numpy as np
import pytest

from strategos.ratings import bradley_terry
from strategos.ratings.boards import BoardResult
from strategos.ratings.bootstrap import fit_tables
from strategos.ratings.elo import expected_score
from strategos.ratings.payoff import Result, wilson
from strategos.ratings.tables import Games

STRENGTHS = {"anna": 1500.0, "bert": 1620.0, "carl": 1400.0, "dora": 1750.0}
NAMES = list(STRENGTHS)
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


def simulate(rng: np.random.Generator, kind: str, boards: int) -> dict[tuple[int, int], np.ndarray]:
    """Half points of the first of every pair of `NAMES` on each of their boards."""
    return {
        (one, other): half_points(
            rng, kind, expected_score(STRENGTHS[NAMES[one]], STRENGTHS[NAMES[other]]), boards
        )
        for one, other in combinations(range(len(NAMES)), 2)
    }


def games_of(halves: dict[tuple[int, int], np.ndarray]) -> Games:
    """Two games of each board, on which the first of the pair made so many half points."""
    pairs = np.concatenate([np.tile(pair, (len(made), 1)) for pair, made in halves.items()])
    made = np.concatenate(list(halves.values()))
    first = np.column_stack([np.minimum(made, 2), made - np.minimum(made, 2)]).ravel() / 2
    deals = np.repeat(np.arange(len(made)), 2)
    return Games(deals, pairs[deals], np.column_stack([first, 1 - first]))


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
        found = fit_tables(games_of(simulate(rng, kind, 40)), NAMES, anchor="anna", draws=250)
        inside += [row.low <= STRENGTHS[row.name] <= row.high for row in found if row.name != "anna"]
        first.append(found[0].name == "dora")
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
    games = [
        Result(NAMES[one], NAMES[other], 2 * int((made == 4).sum()), 0, 2 * int((made == 0).sum()))
        for (one, other), made in boards.items()
    ]
    wide = {row.name: row for row in fit_tables(games_of(boards), NAMES, anchor="anna", draws=4000)}
    narrow = {row.name: row for row in bradley_terry.fit(games, anchor="anna")}
    for name in ("bert", "carl", "dora"):
        assert wide[name].rating == pytest.approx(narrow[name].rating)
        ratio = (wide[name].high - wide[name].low) / (narrow[name].high - narrow[name].low)
        assert ratio == pytest.approx(2**0.5, rel=0.08)


def test_recovers_known_strengths_and_says_how_sure():
    found = fit_tables(
        games_of(simulate(np.random.default_rng(1), "draws", 10_000)), NAMES, anchor="anna", draws=200
    )
    assert [row.name for row in found] == ["dora", "bert", "anna", "carl"]
    for row in found:
        assert row.rating == pytest.approx(STRENGTHS[row.name], abs=8) and row.games == 60_000
        assert (row.low < STRENGTHS[row.name] < row.high) or row.name == "anna"


def test_the_order_and_the_side_of_results_do_not_matter():
    games = games_of(simulate(np.random.default_rng(3), "alike", 30))
    order = np.random.default_rng(4).permutation(len(games.deals))
    turned = Games(games.deals[order], games.players[order, ::-1], games.points[order, ::-1])
    assert fit_tables(turned, NAMES, anchor="carl") == fit_tables(games, NAMES, anchor="carl")


def test_many_players_are_rated_in_little_memory():
    """60 of them: a column a pair for every game would be half a gigabyte."""
    size, games = 60, 20
    pairs = np.repeat(list(combinations(range(size), 2)), games, axis=0)
    first = np.random.default_rng(5).integers(0, 2, len(pairs))
    played = Games(np.arange(len(pairs)) // 2, pairs, np.column_stack([first, 1 - first]).astype(float))
    tracemalloc.start()
    try:
        found = fit_tables(
            played, [f"player {number}" for number in range(size)], anchor="player 0", draws=100
        )
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert len(found) == size and all(each.games == games * (size - 1) for each in found)
    assert peak < 300e6


def test_a_perfect_score_has_an_interval():
    (row, _) = fit_tables(games_of({(0, 1): np.full(50, 4)}), "ab", anchor="b")
    assert 1500 + 300 < row.low < row.rating - 50 and row.rating < 1500 + 1200
    low, high = BoardResult("a", "b", (0, 0, 0, 0, 50)).interval()
    assert 0.9 < low < 0.95 and high == pytest.approx(1.0)
    assert BoardResult("a", "b", (0,) * 5).interval() == (0.0, 1.0)


def test_boards_won_or_lost_as_a_whole_are_a_share_of_boards():
    low, high = BoardResult("a", "b", (20, 0, 0, 0, 60)).interval()
    assert (low, high) == pytest.approx(wilson(60, 80), abs=0.005)


def test_what_is_no_result_is_refused():
    with pytest.raises(ValueError, match="cannot play itself"):
        BoardResult("a", "a", (1, 0, 0))
    with pytest.raises(ValueError, match="five for two games"):
        BoardResult("a", "b", (1, 2))
    games = games_of({(0, 1): np.array([0, 4])})
    with pytest.raises(ValueError, match="100 draws"):
        fit_tables(games, "ab", anchor="a", draws=10)
    with pytest.raises(ValueError, match="anchor 'x' has no games"):
        fit_tables(games, "ab", anchor="x")
    with pytest.raises(ValueError, match="prior_draws is 0"):
        fit_tables(games, "ab", anchor="a", prior_draws=0)
    with pytest.raises(ValueError, match="twice at one table"):
        fit_tables(Games(np.zeros(1, int), np.zeros((1, 2), int), np.ones((1, 2))), "ab", anchor="a")
