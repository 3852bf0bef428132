"""Sequential tests: their error rates by simulation, and what the tests they replace would have let pass."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from scipy.optimize import minimize
from scipy.stats import binom, ttest_1samp

from strategos.ratings.elo import difference_of, expected_score
from strategos.ratings.empirical_likelihood import PAIR_SCORES, deals_llr, deals_step, pairs_llr, pairs_step
from strategos.ratings.sprt import ACCEPT, CONTINUE, REJECT, SequentialTest

TESTS = 10_000
KINDS = {
    "independent": [0.25, 0.0, 0.5, 0.0, 0.25],
    "alike": [0.4, 0.0, 0.2, 0.0, 0.4],
    "seat decides": [0.1, 0.0, 0.8, 0.0, 0.1],
    "many draws": [0.05, 0.2, 0.5, 0.2, 0.05],
    "few draws": [0.2, 0.15, 0.3, 0.15, 0.2],
}
"""Shares of 0 to 2 points of a pair between equals, whose two games may end alike or cancel."""

DEAL_KINDS = {
    "lumpy": (np.array([-0.5, -0.1, 0.0, 0.2, 0.6]), np.array([0.1, 0.35, 0.25, 0.2, 0.1])),
    "skewed down": (np.array([0.5, 0.1, 0.0, -0.2, -0.6]), np.array([0.1, 0.35, 0.25, 0.2, 0.1])),
    "now and then much": (np.array([0.0, 0.1, 0.2, 0.9]), np.array([0.5, 0.3, 0.1, 0.1])),
}
"""Points of a deal and their chances, moved to the mean wanted."""


def pair_shares(elo: float, kind: str = "few draws") -> np.ndarray:
    """The distribution of pair results with the mean of `elo`: tilted from the symmetric one."""
    low, high = -20.0, 20.0
    for _ in range(80):
        tilt = (low + high) / 2
        shares = KINDS[kind] * np.exp(tilt * PAIR_SCORES)
        shares /= shares.sum()
        low, high = (tilt, high) if shares @ PAIR_SCORES < expected_score(elo, 0) else (low, tilt)
    return shares


def run_pairs(test: SequentialTest, elo: float, seed: int, kind: str = "few draws", tests: int = TESTS):
    """Share accepted and mean length of simulated tests of pairs, looked at after every `test.look` pairs."""
    rng, shares = np.random.default_rng(seed), pair_shares(elo, kind)
    counts = np.zeros((tests, 5))

    def advance(running: np.ndarray, number: int) -> np.ndarray:
        counts[running] += rng.multinomial(number, shares, len(running))
        return decide_pairs(test, counts[running])

    return simulate(advance, test, tests)


def run_deals(test: SequentialTest, mean: float, seed: int, kind: str, tests: int = TESTS):
    """The same for deals, whose points are lumpy and skewed like Blob's."""
    rng = np.random.default_rng(seed)
    values, chances = DEAL_KINDS[kind]
    values = values - values @ chances + mean
    counts = np.zeros((tests, len(values)))

    def advance(running: np.ndarray, number: int) -> np.ndarray:
        counts[running] += rng.multinomial(number, chances, len(running))
        return decide_deals(test, values, counts[running])

    return simulate(advance, test, tests)


def decide_pairs(test: SequentialTest, counts: np.ndarray) -> np.ndarray:
    """Many tests at once: int [T], 1 better, -1 not, 0 go on, for `counts` [T, 5] of equal sums."""
    llr, step = (each(counts, test.null, test.better) for each in (pairs_llr, pairs_step))
    return test.decisions(llr, int(counts[0].sum()), step)[0]


def decide_deals(test: SequentialTest, values: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """The same for deals that brought `values` [K] points `counts` [T, K] times."""
    llr, step = (each(values, counts, test.null, test.better) for each in (deals_llr, deals_step))
    return test.decisions(llr, int(counts[0].sum()), step)[0]


def simulate(advance, test: SequentialTest, tests: int) -> tuple[float, float]:
    accepted, lengths = 0, 0
    running, count = np.arange(tests), 0
    while len(running) and count < test.maximum:
        number = test.look if count else -(-test.minimum // test.look) * test.look
        count += number
        decisions = advance(running, number)
        accepted += int((decisions == 1).sum())
        lengths += count * int((decisions != 0).sum())
        running = running[decisions == 0]
    return accepted / tests, (lengths + count * len(running)) / tests


PAIRS = SequentialTest(null=0.0, better=40.0, maximum=20_000, look=8)
DEALS = SequentialTest(null=0.0, better=0.04, maximum=20_000, look=16)


@pytest.mark.parametrize("kind", KINDS)
def test_error_rates_of_pairs_are_those_declared(kind):
    """Trap 27: within one point of 5 and 95 %, whatever ties two games; 10,000 tests tell to 0.22 points."""
    false, length = run_pairs(PAIRS, 0.0, seed=1, kind=kind)
    power, longer = run_pairs(PAIRS, 40.0, seed=2, kind=kind)
    assert 0.04 <= false <= 0.06
    assert 0.94 <= power <= 0.96
    assert max(length, longer) < 1.35 * wald_length(PAIRS, pair_shares(0.0, kind))


@pytest.mark.parametrize(("look", "kind"), [(1, "few draws"), (32, "alike")])
def test_how_seldom_one_looks_changes_no_error_rate(look, kind):
    test = SequentialTest(null=0.0, better=40.0, maximum=20_000, look=look)
    tests = 4000 if look == 1 else TESTS
    assert 0.04 <= run_pairs(test, 0.0, seed=3, kind=kind, tests=tests)[0] <= 0.06
    assert 0.94 <= run_pairs(test, 40.0, seed=4, kind=kind, tests=tests)[0] <= 0.96


def test_hypotheses_far_apart_err_less_than_declared():
    """A test that 32 pairs decide: 5 % is not reached, since nothing is decided earlier."""
    test = SequentialTest(null=0.0, better=100.0, look=8)
    assert run_pairs(test, 0.0, seed=5)[0] < 0.05
    assert run_pairs(test, 100.0, seed=6)[0] > 0.95
    assert run_pairs(PAIRS, -30.0, seed=7)[0] < 0.005


def test_a_maximum_costs_power_and_not_safety():
    test = SequentialTest(null=0.0, better=40.0, maximum=96, look=8)
    assert run_pairs(test, 0.0, seed=8)[0] < 0.05
    assert run_pairs(test, 40.0, seed=9)[0] < 0.94


@pytest.mark.parametrize(("kind", "minimum"), [("lumpy", 32), ("skewed down", 32), ("now and then much", 64)])
def test_error_rates_of_deals_are_those_declared(kind, minimum):
    test = replace(DEALS, minimum=minimum)
    false, length = run_deals(test, 0.0, seed=4, kind=kind)
    power, longer = run_deals(test, 0.04, seed=5, kind=kind)
    assert 0.04 <= false <= 0.06
    assert 0.94 <= power <= 0.96
    assert max(length, longer) < 320  # Wald: 2 * 0.9 log(19) * (0.29 / 0.04)^2 = 280 for the first kind


def test_deals_are_judged_one_by_one_as_many_at_once():
    rng = np.random.default_rng(6)
    values = np.array([-0.4, 0.0, 0.1, 0.7])
    for _ in range(20):
        counts = rng.integers(0, 30, 4)
        verdict = DEALS.of_deals(np.repeat(values, counts))
        decision = decide_deals(DEALS, values, counts[None])[0]
        assert verdict.status == (CONTINUE, ACCEPT, REJECT)[decision]
        assert verdict.count == counts.sum()


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
    strict = SequentialTest(
        null=0.0, better=difference_of(0.55), alpha=0.01, beta=0.05, maximum=4000, look=32
    )
    assert run_pairs(strict, 0.0, seed=6, tests=4000)[0] < 0.015
    assert run_pairs(strict, difference_of(0.55), seed=7, tests=4000)[0] > 0.93


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
    test = SequentialTest(null=0.0, better=0.5, minimum=16, maximum=20)
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


def test_what_is_no_count_of_pairs_is_refused():
    with pytest.raises(ValueError, match="five counts"):
        PAIRS.of_pairs(np.array([1, 2, 3]))
    with pytest.raises(ValueError, match="five counts"):
        PAIRS.of_pairs(np.array([0.5, 1.5, 0, 0, 0]))


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"null": 1.0, "better": 1.0}, "above null"),
        ({"null": 0.0, "better": 1.0, "alpha": 0.6}, "alpha and beta"),
        ({"null": 0.0, "better": 1.0, "minimum": 50, "maximum": 10}, "minimum"),
        ({"null": 0.0, "better": 1.0, "look": 0}, "look"),
    ],
)
def test_impossible_tests_are_named(options, match):
    with pytest.raises(ValueError, match=match):
        SequentialTest(**options)
