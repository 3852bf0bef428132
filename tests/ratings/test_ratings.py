"""Ratings: known strengths come back, order does not matter, intervals hold what they promise."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from strategos.ratings import bradley_terry, elo
from strategos.ratings.payoff import Result, payoff_matrix, pool, score_interval, wilson

STRENGTHS = {"anna": 1500.0, "bert": 1620.0, "carl": 1400.0, "dora": 1750.0}


def simulate(rng, games, draw_share=0.0, strengths=STRENGTHS):
    """Every pair `games` times; a draw takes its probability from wins and losses alike."""
    results = []
    names = sorted(strengths)
    for index, first in enumerate(names):
        for second in names[index + 1 :]:
            score = elo.expected_score(strengths[first], strengths[second])
            draw = draw_share * 2 * min(score, 1 - score)
            counts = rng.multinomial(games, [score - draw / 2, draw, 1 - score - draw / 2])
            results.append(Result(first, second, *map(int, counts)))
    return results


@given(st.floats(-2000, 2000))
def test_score_and_difference_are_inverse(difference):
    score = elo.expected_score(difference, 0.0)
    assert elo.difference_of(score) == pytest.approx(difference, rel=1e-6, abs=1e-6)
    assert elo.expected_score(0.0, difference) == pytest.approx(1 - score)


def test_known_points_of_the_scale():
    assert elo.expected_score(1900, 1500) == pytest.approx(10 / 11)
    assert elo.difference_of(0.5) == 0.0
    assert elo.difference_of(0.0) == -math.inf and elo.difference_of(1.0) == math.inf
    assert elo.update(1500, 1500, 1.0, k=32) == (1516.0, 1484.0)
    with pytest.raises(ValueError, match="between 0 and 1"):
        elo.difference_of(1.5)


def test_sequential_elo_finds_the_difference_and_keeps_the_sum():
    rng = np.random.default_rng(3)
    games = [("a", "b", float(rng.random() < elo.expected_score(200, 0))) for _ in range(6000)]
    ratings = elo.sequential(games, k=4, start={"b": 1000.0}, initial=1000.0)
    assert ratings["a"] + ratings["b"] == pytest.approx(2000)
    assert ratings["a"] - ratings["b"] == pytest.approx(200, abs=50)
    with pytest.raises(ValueError, match="cannot play itself"):
        elo.sequential([("a", "a", 1.0)])
    with pytest.raises(ValueError, match="expected 0 to 1"):
        elo.sequential([("a", "b", 2.0)])


def test_wilson_against_published_values():
    assert wilson(81, 263) == pytest.approx((0.2553, 0.3662), abs=1e-4)  # Newcombe 1998, table I
    assert wilson(0, 20) == pytest.approx((0.0, 0.1611), abs=1e-4)
    assert wilson(0, 0) == (0.0, 1.0)
    with pytest.raises(ValueError, match="expected 0 <= wins"):
        wilson(3, 2)


def test_draws_narrow_the_interval_and_never_close_it():
    decided, drawn = score_interval(50, 0, 50), score_interval(25, 50, 25)
    all_drawn = score_interval(0, 100, 0)
    assert decided == pytest.approx(wilson(50, 100))
    assert decided[0] < drawn[0] < all_drawn[0] < 0.5 < all_drawn[1] < drawn[1] < decided[1]


@pytest.mark.parametrize("draw_share", [0.0, 0.5])
def test_recovers_known_strengths(draw_share):
    table = bradley_terry.fit(simulate(np.random.default_rng(1), 20_000, draw_share), anchor="anna")
    assert [row.name for row in table] == ["dora", "bert", "anna", "carl"]
    for row in table:
        assert row.rating == pytest.approx(STRENGTHS[row.name], abs=8)
        assert row.low <= row.rating <= row.high and row.games == 60_000


@pytest.mark.parametrize("draw_share", [0.0, 0.6])
def test_intervals_cover_about_95_percent(draw_share):
    rng = np.random.default_rng(5)
    inside = []
    for _ in range(400):
        for row in bradley_terry.fit(simulate(rng, 60, draw_share), anchor="anna"):
            if row.name != "anna":
                inside.append(row.low <= STRENGTHS[row.name] <= row.high)
    assert 0.93 <= np.mean(inside) <= 0.975


@settings(max_examples=30, deadline=None)
@given(st.permutations(range(6)), st.integers(0, 63))
def test_order_and_side_do_not_matter(order, flips):
    results = simulate(np.random.default_rng(2), 40, 0.3)
    turned = []
    for index in order:
        r = results[index]
        turned.append(Result(r.second, r.first, r.losses, r.draws, r.wins) if flips >> index & 1 else r)
    assert bradley_terry.fit(turned, anchor="carl") == bradley_terry.fit(results, anchor="carl")


def test_splitting_a_result_changes_nothing():
    whole = [Result("a", "b", 30, 4, 10), Result("b", "c", 12, 2, 20)]
    parts = [Result("b", "a", 10, 0, 25), Result("a", "b", 5, 4, 0), *whole[1:]]
    assert pool(parts) == pool(whole)
    assert bradley_terry.fit(parts, anchor="b") == bradley_terry.fit(whole, anchor="b")


def test_anchor_shifts_everybody_alike():
    results = simulate(np.random.default_rng(4), 100)
    low = {row.name: row for row in bradley_terry.fit(results, anchor="bert", anchor_rating=0)}
    high = {row.name: row for row in bradley_terry.fit(results, anchor="bert", anchor_rating=1000)}
    assert low["bert"].rating == low["bert"].low == low["bert"].high == 0
    for name in STRENGTHS:
        assert high[name].rating - low[name].rating == pytest.approx(1000)


def test_two_players_give_the_closed_form():
    (row, anchor) = bradley_terry.fit([Result("a", "b", 30, 0, 10)], anchor="b")
    assert row.rating - anchor.rating == pytest.approx(elo.difference_of(30.5 / 41), abs=1e-6)


def test_a_perfect_score_stays_finite():
    (row, _) = bradley_terry.fit([Result("a", "b", 400, 0, 0)], anchor="b")
    assert 1500 + 1000 < row.rating < 1500 + 1500
    assert math.isfinite(row.low) and math.isfinite(row.high) and row.high - row.low > 200


def test_what_cannot_be_rated_is_refused():
    with pytest.raises(ValueError, match="link c, d to the anchor 'a'"):
        bradley_terry.fit([Result("a", "b", 1, 0, 1), Result("c", "d", 1, 0, 1)], anchor="a")
    with pytest.raises(ValueError, match="anchor 'x' has no games"):
        bradley_terry.fit([Result("a", "b", 1, 0, 1)], anchor="x")
    with pytest.raises(ValueError, match="prior_draws"):
        bradley_terry.fit([Result("a", "b", 1, 0, 1)], anchor="a", prior_draws=0)
    with pytest.raises(ValueError, match="negative"):
        Result("a", "b", -1, 0, 0)


def test_payoff_matrix_is_antisymmetric_about_one_half():
    matrix = payoff_matrix(simulate(np.random.default_rng(6), 50, 0.2), names=list(STRENGTHS))
    off = ~np.eye(4, dtype=bool)
    assert np.isnan(np.diag(matrix.score)).all() and (matrix.games[off] == 50).all()
    assert np.allclose((matrix.score + matrix.score.T)[off], 1)
    assert np.allclose((matrix.low + matrix.high.T)[off], 1)
    assert (matrix.low[off] < matrix.score[off]).all() and (matrix.score[off] < matrix.high[off]).all()
    assert matrix.score[3, 2] > 0.7  # dora against carl
    with pytest.raises(ValueError, match="not among the names"):
        payoff_matrix([Result("a", "b", 1, 0, 0)], names=["a"])
