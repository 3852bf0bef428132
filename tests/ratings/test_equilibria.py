"""Nash averages and alpha-rank: known games, their definitions, and an independent implementation."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from strategos.ratings.equilibria import alpha_rank, antisymmetric, nash_average

RPS = np.array([[0, -1, 1], [1, 0, -1], [-1, 1, 0]], float)
CHAIN = np.sign(np.arange(4)[:, None] - np.arange(4)) * 0.3
SINK = np.zeros((4, 4))  # rock, paper, scissors, and one that loses to all three
SINK[:3, :3], SINK[3, :3], SINK[:3, 3] = RPS, -1, 1


def random_payoff(seed: int, size: int) -> np.ndarray:
    values = np.random.default_rng(seed).normal(0, 1, (size, size))
    return values - values.T


@pytest.mark.parametrize(
    ("payoff", "weights"),
    [
        (RPS, [1 / 3, 1 / 3, 1 / 3]),
        (CHAIN, [0, 0, 0, 1]),
        (SINK, [1 / 3, 1 / 3, 1 / 3, 0]),
        (np.zeros((5, 5)), [0.2] * 5),
        (np.zeros((1, 1)), [1.0]),
        # Rock twice as dear: the one who beats scissors is met less, known weights 1/4, 1/2, 1/4.
        (np.array([[0, -1, 2], [1, 0, -1], [-2, 1, 0]]), [1 / 4, 1 / 2, 1 / 4]),
    ],
)
def test_known_games(payoff, weights):
    average = nash_average(payoff)
    assert average.weights == pytest.approx(weights, abs=1e-7)
    assert average.ratings == pytest.approx(payoff @ np.array(weights), abs=1e-7)


@given(st.integers(0, 10_000), st.integers(2, 12))
def test_is_an_equilibrium(seed, size):
    average = nash_average(random_payoff(seed, size))
    assert average.weights.sum() == pytest.approx(1) and average.weights.min() >= 0
    assert average.ratings.max() < 1e-6
    assert average.ratings[average.weights > 1e-6] == pytest.approx(0, abs=1e-6)


@given(st.integers(0, 10_000), st.integers(2, 6), st.integers(2, 4))
def test_clones_share_and_change_nobody_else(seed, size, copies):
    """Balduzzi et al., property P1: redundant copies do not matter."""
    payoff = random_payoff(seed, size)
    alone = nash_average(payoff)
    rows = np.r_[np.zeros(copies - 1, int), np.arange(size)]
    cloned = nash_average(payoff[rows][:, rows])
    assert cloned.weights[:copies] == pytest.approx(alone.weights[0] / copies, abs=1e-5)
    assert cloned.weights[copies:] == pytest.approx(alone.weights[1:], abs=1e-5)
    assert cloned.ratings[copies - 1 :] == pytest.approx(alone.ratings, abs=1e-5)


def test_the_entropy_is_the_greatest_of_all_equilibria():
    """Two games of rock, paper, scissors side by side: equilibria are a segment, the most even its middle."""
    payoff = np.zeros((6, 6))
    payoff[:3, :3], payoff[3:, 3:] = RPS, 5 * RPS
    assert nash_average(payoff).weights == pytest.approx([1 / 6] * 6, abs=1e-7)
    # A seventh makes 1 against the second trio and loses 2 to the first: at most two thirds may sit there.
    more = np.zeros((7, 7))
    more[:6, :6] = payoff
    more[6, 3:6], more[3:6, 6] = 1, -1
    more[6, :3], more[:3, 6] = -2, 2
    average = nash_average(more)
    segment = [np.r_[np.full(3, (1 - t) / 3), np.full(3, t / 3), 0] for t in np.linspace(0, 2 / 3, 2001)]
    assert all((more @ each).max() < 1e-9 for each in segment)
    assert average.weights == pytest.approx([1 / 6] * 6 + [0], abs=1e-6)


def test_a_binding_inequality():
    """One outside the support who bounds the mass on the second trio by one quarter, below the even half."""
    payoff = np.zeros((7, 7))
    payoff[:3, :3], payoff[3:6, 3:6] = RPS, RPS
    payoff[6, 3:6], payoff[3:6, 6] = 3, -3
    payoff[6, :3], payoff[:3, 6] = -1, 1
    assert nash_average(payoff).weights == pytest.approx([1 / 4] * 3 + [1 / 12] * 3 + [0], abs=1e-6)


@pytest.mark.parametrize(
    ("payoff", "shares"),
    [(RPS, [1 / 3] * 3), (CHAIN, [0, 0, 0, 1]), (SINK, [1 / 3] * 3 + [0]), (np.zeros((4, 4)), [0.25] * 4)],
)
def test_known_ranks(payoff, shares):
    assert alpha_rank(payoff) == pytest.approx(shares, abs=1e-9)
    assert alpha_rank(payoff, alpha=30.0) == pytest.approx(shares, abs=1e-9)


@given(st.integers(0, 10_000), st.integers(2, 8), st.floats(0.01, 3.0), st.integers(2, 60))
def test_ranks_by_the_definition(seed, size, alpha, population):
    """The chain of the paper built entry by entry (equations 3 and 4), and its powers."""
    payoff = random_payoff(seed, size) / 4
    chain = np.zeros((size, size))
    for here in range(size):
        for mutant in range(size):
            if mutant != here:
                away = payoff[mutant, here] - payoff[here, mutant]
                chance = (1 - math.exp(-alpha * away)) / (1 - math.exp(-population * alpha * away))
                chain[here, mutant] = chance / (size - 1)
        chain[here, here] = 1 - chain[here].sum()
    shares = alpha_rank(payoff, alpha=alpha, population=population)
    assert shares.sum() == pytest.approx(1)
    assert shares @ chain == pytest.approx(shares, abs=1e-9)


def test_the_limit_of_strong_selection_is_reached():
    payoff = random_payoff(3, 6)
    assert alpha_rank(payoff, alpha=200.0) == pytest.approx(alpha_rank(payoff), abs=1e-9)
    assert alpha_rank(payoff, alpha=1e-9) == pytest.approx([1 / 6] * 6, abs=1e-6)


@pytest.mark.parametrize("seed", range(5))
def test_ranks_equal_an_independent_implementation(seed):
    alpharank = pytest.importorskip("open_spiel.python.egt.alpharank")
    payoff = random_payoff(seed, 5) / 2
    found = alpharank.compute([payoff], m=20, alpha=0.7, use_local_selection_model=True)[2]
    assert alpha_rank(payoff, alpha=0.7, population=20) == pytest.approx(found, abs=1e-8)


def test_scores_become_payoffs():
    score = np.array([[np.nan, 0.75], [0.25, np.nan]])
    assert antisymmetric(score).tolist() == [[0.0, 0.25], [-0.25, 0.0]]
    with pytest.raises(ValueError, match="players 0 and 1 never met"):
        antisymmetric(np.full((2, 2), np.nan))
    with pytest.raises(ValueError, match="antisymmetric"):
        nash_average(np.ones((2, 2)))
    with pytest.raises(ValueError, match="square"):
        alpha_rank(np.ones((2, 3)))
    with pytest.raises(ValueError, match="population"):
        alpha_rank(RPS, population=1)
