"""The cyclic part of payoffs: 0 for ratings, 1 for rock, paper, scissors; noise is not taken for cycles."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import expit

from strategos.ratings.intransitivity import decompose, log_odds
from strategos.ratings.payoff import Result, payoff_matrix

RPS = np.array([[0, -1, 1], [1, 0, -1], [-1, 1, 0]], float)


def differences(ratings: np.ndarray) -> np.ndarray:
    return ratings[:, None] - ratings


@given(st.lists(st.floats(-5, 5), min_size=2, max_size=9))
def test_pure_ratings_have_no_cycles(ratings):
    ratings = np.array(ratings)
    found = decompose(differences(ratings))
    assert found.ratings == pytest.approx(ratings - ratings.mean(), abs=1e-9)
    assert found.cyclic == pytest.approx(0, abs=1e-9)
    if np.ptp(ratings) > 1e-3:
        assert found.share == pytest.approx(0, abs=1e-12)


def test_rock_paper_scissors_is_all_cycle():
    found = decompose(RPS)
    assert found.share == pytest.approx(1) and found.ratings == pytest.approx([0, 0, 0])
    assert np.allclose(found.cyclic, RPS)
    assert decompose(np.zeros((4, 4))).share == 0


def test_the_share_of_a_mixture_is_known():
    """Squares add up: differences of -1, 0, 1 hold 1 + 4 + 1 over pairs, the cycle three times c squared."""
    for strength in (0.5, 1.0, 2.0):
        found = decompose(differences(np.array([-1.0, 0.0, 1.0])) + strength * RPS)
        assert found.ratings == pytest.approx([-1, 0, 1])
        assert found.share == pytest.approx(3 * strength**2 / (6 + 3 * strength**2))


@given(st.integers(0, 10_000), st.integers(3, 8))
def test_cycles_have_no_source(seed, size):
    """With any weights what flows into a player flows out: cycles are orthogonal to ratings."""
    rng = np.random.default_rng(seed)
    payoff = np.triu(rng.normal(0, 1, (size, size)), 1)
    payoff -= payoff.T
    weights = rng.uniform(0.1, 3, (size, size))
    weights += weights.T
    found = decompose(payoff, weights)
    assert (weights * found.cyclic).sum(axis=1) == pytest.approx(0, abs=1e-9)
    assert np.allclose(differences(found.ratings) + found.cyclic, payoff)


def test_pairs_that_never_met_are_left_out():
    payoff = differences(np.array([0.0, 1.0, 3.0, 2.0]))
    payoff[0, 3] = payoff[3, 0] = np.nan
    found = decompose(payoff)
    assert found.share == pytest.approx(0, abs=1e-12) and np.isnan(found.cyclic[0, 3])
    payoff[2, :2] = payoff[:2, 2] = payoff[3, :2] = payoff[:2, 3] = np.nan
    with pytest.raises(ValueError, match="met nobody"):
        decompose(payoff)
    with pytest.raises(ValueError, match="antisymmetric"):
        decompose(np.ones((3, 3)))


@pytest.mark.parametrize("cycle", [0.0, 0.6])
def test_noise_is_not_taken_for_cycles(cycle):
    """Eight players, 60 games a pair: the plain share is too high, the corrected one is right on average."""
    rng = np.random.default_rng(1)
    ratings = np.linspace(-1, 1, 8)
    turn = np.subtract.outer(np.arange(8), np.arange(8)) % 8
    truth = differences(ratings) + cycle * np.sign(np.sin(turn * np.pi / 4).round(9))
    plain, corrected = [], []
    for _ in range(60):
        results = []
        for one in range(8):
            for other in range(one + 1, 8):
                wins = int(rng.binomial(60, expit(truth[one, other])))
                results.append(Result(str(one), str(other), wins, 0, 60 - wins))
        payoff, variances = log_odds(payoff_matrix(results))
        found = decompose(payoff, variances=variances)
        plain.append(found.share)
        corrected.append(found.corrected)
    truly = decompose(truth).share
    assert np.mean(plain) > truly + 0.02
    assert np.mean(corrected) == pytest.approx(truly, abs=0.015)


def test_log_odds_of_scores():
    payoff, variances = log_odds(payoff_matrix([Result("a", "b", 30, 0, 10), Result("b", "c", 5, 0, 0)]))
    assert payoff[0, 1] == pytest.approx(np.log(30.5 / 10.5)) == -payoff[1, 0]
    assert payoff[1, 2] == pytest.approx(np.log(11)) and np.isnan(payoff[0, 2])
    assert variances[0, 1] == pytest.approx(1 / 30.5 + 1 / 10.5)
