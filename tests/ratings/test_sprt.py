"""Sequential tests: their error rates by simulation, and what the tests they replace would have let pass."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.optimize import minimize
from scipy.stats import binom, ttest_1samp

from strategos.ratings.elo import difference_of, expected_score
from strategos.ratings.sprt import (
    ACCEPT,
    CONTINUE,
    PAIR_SCORES,
    REJECT,
    SequentialTest,
    deals_llr,
    pair_counts,
    pairs_llr,
)

TESTS = 2000


def pair_shares(elo: float, spread: float = 0.7) -> np.ndarray:
    """A plausible distribution of pair results with the mean of `elo`: tilted from a symmetric one."""
    base = np.array([0.12, 0.18, 0.4, 0.18, 0.12]) ** spread
    low, high = -10.0, 10.0
    for _ in range(80):
        tilt = (low + high) / 2
        shares = base * np.exp(tilt * PAIR_SCORES)
        shares /= shares.sum()
        low, high = (tilt, high) if shares @ PAIR_SCORES < expected_score(elo, 0) else (low, tilt)
    return shares


def run_pairs(test: SequentialTest, elo: float, look: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Statuses and lengths of `TESTS` simulated tests of pairs, looked at after every `look` pairs."""
    rng, shares = np.random.default_rng(seed), pair_shares(elo)
    counts = np.zeros((TESTS, 5))
    lower, upper = test.bounds

    def advance() -> np.ndarray:
        counts[:] += rng.multinomial(look, shares, TESTS)
        return pairs_llr(counts, test.null, test.better)

    return simulate(advance, lower, upper, test, look)


def run_deals(test: SequentialTest, mean: float, look: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """The same for deals, whose points are lumpy and skewed like Blob's."""
    rng = np.random.default_rng(seed)
    values, chances = np.array([-0.5, -0.1, 0.0, 0.2, 0.6]), np.array([0.1, 0.35, 0.25, 0.2, 0.1])
    values = values - values @ chances + mean
    sums, squares, count = np.zeros(TESTS), np.zeros(TESTS), 0
    lower, upper = test.bounds

    def advance() -> np.ndarray:
        nonlocal count
        drawn = rng.choice(values, (TESTS, look), p=chances)
        sums[:] += drawn.sum(1)
        squares[:] += np.square(drawn).sum(1)
        count += look
        means = sums / count
        return deals_llr(count, means, squares / count - np.square(means), test.null, test.better)

    return simulate(advance, lower, upper, test, look)


def simulate(advance, lower: float, upper: float, test: SequentialTest, look: int):
    accepted, rejected = np.zeros(TESTS, bool), np.zeros(TESTS, bool)
    lengths = np.zeros(TESTS)
    for count in range(look, test.maximum + 1, look):
        llr = advance()
        running = ~(accepted | rejected)
        lengths[running] = count
        if count >= test.minimum:
            accepted |= running & (llr >= upper)
            rejected |= running & (llr <= lower)
        if (accepted | rejected).all():
            break
    return accepted, lengths


PAIRS = SequentialTest(null=0.0, better=50.0, minimum=16, maximum=4000)
DEALS = SequentialTest(null=0.0, better=0.04, minimum=32, maximum=4000)


def test_equal_models_pass_pairs_with_alpha():
    accepted, lengths = run_pairs(PAIRS, 0.0, look=8, seed=1)
    assert accepted.mean() < 0.065  # 0.05 and three standard errors
    assert lengths.mean() < 1.35 * wald_length(PAIRS, pair_shares(0.0))


def test_better_models_fail_pairs_with_beta():
    accepted, lengths = run_pairs(PAIRS, 50.0, look=8, seed=2)
    assert 1 - accepted.mean() < 0.065
    assert lengths.mean() < 1.35 * wald_length(PAIRS, pair_shares(50.0))
    weaker, _ = run_pairs(PAIRS, -30.0, look=32, seed=3)
    assert weaker.mean() < 0.005


def test_equal_models_pass_deals_with_alpha():
    accepted, _ = run_deals(DEALS, 0.0, look=16, seed=4)
    assert accepted.mean() < 0.065


def test_better_models_fail_deals_with_beta():
    accepted, lengths = run_deals(DEALS, 0.04, look=16, seed=5)
    assert 1 - accepted.mean() < 0.065
    assert lengths.mean() < 400  # Wald: 2 * 0.9 log(19) * (0.29 / 0.04)^2 = 280


def wald_length(test: SequentialTest, shares: np.ndarray) -> float:
    """Wald's expected number of pairs when one of the two hypotheses, a given spread, is true."""
    mean = shares @ PAIR_SCORES
    variance = shares @ np.square(PAIR_SCORES - mean)
    away = expected_score(test.better, 0) - expected_score(test.null, 0)
    return 0.9 * math.log(19) / (away**2 / (2 * variance))


def test_what_the_fixed_share_lets_pass():
    """Trap 27: 55 % of 400 games passes one equal model in fifty and misses half of the real 55 %."""
    assert 0.02 < binom.sf(220, 400, 0.5) <= binom.sf(219, 400, 0.5) < 0.026
    assert 0.45 < binom.cdf(219, 400, 0.55) < 0.55
    strict = SequentialTest(null=0.0, better=difference_of(0.55), alpha=0.01, beta=0.05, maximum=4000)
    equal, _ = run_pairs(strict, 0.0, look=32, seed=6)
    real, _ = run_pairs(strict, difference_of(0.55), look=32, seed=7)
    assert equal.mean() < 0.018 and real.mean() > 0.93


def test_a_repeated_t_test_is_peeking():
    """Trap 39: the same data, looked at as often, pass an ordinary test far too often."""
    rng = np.random.default_rng(8)
    passed = np.zeros(400, bool)
    points = rng.normal(0.0, 0.3, (400, 1024))
    for count in range(16, 1025, 16):
        statistic = ttest_1samp(points[:, :count], 0.0, axis=1, alternative="greater")
        passed |= statistic.pvalue < 0.05
    assert passed.mean() > 0.2


def test_at_the_end_the_champion_stays():
    test = SequentialTest(null=0.0, better=0.5, maximum=20)
    verdict = test.of_deals(np.tile([1.0, -0.5], 10))  # exactly between the hypotheses
    assert (verdict.status, verdict.exhausted, verdict.count) == (REJECT, True, 20)
    assert verdict.mean == pytest.approx(0.25) and verdict.llr == pytest.approx(0.0)
    assert test.of_deals(np.tile([1.0, -0.5], 9)).status == CONTINUE


def test_no_decision_on_a_handful():
    test = SequentialTest(null=0.0, better=20.0, minimum=16)
    assert test.of_pairs(np.array([0, 0, 0, 0, 15])).status == CONTINUE
    assert test.of_pairs(np.zeros(5)).status == CONTINUE and math.isnan(test.of_pairs(np.zeros(5)).mean)
    assert test.of_pairs(np.array([0, 0, 0, 0, 200])).status == ACCEPT
    assert test.of_pairs(np.array([200, 0, 0, 0, 0])).status == REJECT
    assert test.of_deals(np.zeros(0)).status == CONTINUE
    assert test.of_deals(np.full(100, 20.0)).status == ACCEPT  # without any spread
    assert test.of_deals(np.zeros(100)).status == REJECT


def test_the_likelihood_ratio_equals_a_search_over_distributions():
    """The slow twin: maximise the multinomial likelihood with the mean held, by a general optimiser."""
    counts = np.array([7.0, 12.0, 31.0, 18.0, 9.0])

    def best(elo: float) -> float:
        mean = expected_score(elo, 0)
        found = minimize(
            lambda shares: -(counts * np.log(shares)).sum(),
            pair_shares(elo),
            bounds=[(1e-6, 1)] * 5,
            constraints=[
                {"type": "eq", "fun": lambda shares: shares.sum() - 1},
                {"type": "eq", "fun": lambda shares: shares @ PAIR_SCORES - mean},
            ],
            options={"ftol": 1e-12, "maxiter": 500},
        )
        return -found.fun

    assert pairs_llr(counts[None], -10, 40)[0] == pytest.approx(best(40) - best(-10), abs=1e-4)


def test_pairs_are_counted_from_two_games():
    assert pair_counts([1, 0.5, 0, 0, 1], [1, 0.5, 0, 0.5, 0.5]).tolist() == [1, 1, 1, 1, 1]
    with pytest.raises(ValueError, match="pair"):
        pair_counts([2.0], [1.0])
    with pytest.raises(ValueError, match="five counts"):
        PAIRS.of_pairs(np.array([1, 2, 3]))


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"null": 1.0, "better": 1.0}, "above null"),
        ({"null": 0.0, "better": 1.0, "alpha": 0.6}, "alpha and beta"),
        ({"null": 0.0, "better": 1.0, "minimum": 50, "maximum": 10}, "minimum"),
    ],
)
def test_impossible_tests_are_named(options, match):
    with pytest.raises(ValueError, match=match):
        SequentialTest(**options)
