"""Sequential tests: is the challenger better? Ask after every few games, stop as soon as it is known.

A fixed share of a fixed number ("55 % of 400 games") lets 2.3 % of equal models pass and misses half of
those that really take 55 %; a t-test repeated until it says yes passes nearly everybody in the end. These
tests may be looked at as often as one likes. They compare two hypotheses, `null` (no better) and
`better`, by the ratio of their likelihoods, each with everything else about the results as the data say:
the generalised sequential probability ratio test. Observations are whole *pairs* or *deals* (the same
board with the seats changed, the same cards from every seat), whose results are independent.

Sources: A. Wald, Sequential Analysis (1947), chapter 3; X. Li, J. Liu and Z. Ying, Generalized sequential
probability ratio test for separate families of hypotheses, Sequential Analysis 33 (2014), 539-563. The
likelihood of a distribution with a given mean is the empirical likelihood: A. B. Owen, Biometrika 75
(1988), 237-249.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from strategos.ratings.elo import expected_score

ACCEPT, REJECT, CONTINUE = "accept", "reject", "continue"
PAIR_SCORES = np.linspace(0.0, 1.0, 5)
"""Shares of the points of a pair of games, from two losses to two wins."""
_UNSEEN = 1e-3
"""Counts of results that never came are taken as this, so that no hypothesis is impossible."""
_HALVINGS = 60


@dataclass(frozen=True)
class Verdict:
    """What a test says after the observations so far."""

    status: str
    """`accept`: better. `reject`: no better, or not known to be when the test ran out. `continue`: go on."""
    llr: float
    """Log of the likelihood ratio of better to null."""
    lower: float
    """The null hypothesis is believed at or below this."""
    upper: float
    """The challenger is believed better at or above this."""
    count: int
    """Observations: pairs of games, or deals."""
    mean: float
    """Mean share of the points of a pair, or mean points of a deal; nan without observations."""
    exhausted: bool = False
    """The test ran out of observations undecided."""


@dataclass(frozen=True)
class SequentialTest:
    """One test: two hypotheses, the two chances of being wrong, and how long to go on.

    The hypotheses are Elo differences for `of_pairs` and mean points of a deal for `of_deals`. A challenger
    that is truly at `null` is accepted with a chance of about `alpha`, one that is truly at `better` is
    rejected with a chance of about `beta` plus that of running out. After `maximum` observations
    without a decision the challenger is rejected, which keeps `alpha` as it is.
    """

    null: float
    better: float
    alpha: float = 0.05
    beta: float = 0.05
    minimum: int = 16
    """No decision on fewer: the spread of a handful of results is not known."""
    maximum: int = 2000

    def __post_init__(self) -> None:
        if not self.better > self.null:
            raise ValueError(f"better ({self.better}) must be above null ({self.null})")
        if not (0 < self.alpha < 0.5 and 0 < self.beta < 0.5):
            raise ValueError(f"alpha and beta lie between 0 and 0.5, not {self.alpha} and {self.beta}")
        if not 2 <= self.minimum <= self.maximum:
            raise ValueError(f"minimum ({self.minimum}) is at least 2 and at most maximum ({self.maximum})")

    @property
    def bounds(self) -> tuple[float, float]:
        """Wald's bounds of the log likelihood ratio: log(beta / (1 - alpha)), log((1 - beta) / alpha)."""
        return math.log(self.beta / (1 - self.alpha)), math.log((1 - self.beta) / self.alpha)

    def of_pairs(self, counts: np.ndarray) -> Verdict:
        """Judge pairs of games by `counts` [5]: how many pairs brought 0, 1/2, 1, 3/2, 2 points.

        See `pair_counts`. `ValueError` for counts that are none.
        """
        counts = np.asarray(counts, np.float64)
        if counts.shape != (5,) or counts.min() < 0 or counts.sum() != np.round(counts).sum():
            raise ValueError(f"five counts of pairs are needed, not {counts.tolist()}")
        total = int(counts.sum())
        llr = float(pairs_llr(counts[None], self.null, self.better)[0]) if total else 0.0
        return self._verdict(llr, total, float(counts @ PAIR_SCORES / total) if total else math.nan)

    def of_deals(self, points: np.ndarray) -> Verdict:
        """Judge deals by the challenger's mean `points` [N] of each, over all the seats it had."""
        points = np.asarray(points, np.float64).reshape(-1)
        if not len(points):
            return self._verdict(0.0, 0, math.nan)
        mean = float(points.mean())
        llr = float(deals_llr(len(points), mean, float(points.var()), self.null, self.better))
        return self._verdict(llr, len(points), mean)

    def _verdict(self, llr: float, count: int, mean: float) -> Verdict:
        lower, upper = self.bounds
        status, exhausted = CONTINUE, False
        if count >= self.minimum and llr >= upper:
            status = ACCEPT
        elif count >= self.minimum and llr <= lower:
            status = REJECT
        elif count >= self.maximum:
            status, exhausted = REJECT, True
        return Verdict(status, llr, lower, upper, count, mean, exhausted)


def pair_counts(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Counts [5] of pairs from the challenger's points (1, 0.5, 0) in `first` and `second` games [N]."""
    halves = np.round(2 * (np.asarray(first, np.float64) + np.asarray(second, np.float64))).astype(np.int64)
    if np.shape(first) != np.shape(second) or (len(halves) and not 0 <= halves.min() <= halves.max() <= 4):
        raise ValueError("a pair is two games with 0, 0.5 or 1 points each")
    return np.bincount(halves, minlength=5)


def pairs_llr(counts: np.ndarray, null: float, better: float) -> np.ndarray:
    """Log likelihood ratios [T] of `better` to `null` (Elo) for `counts` [T, 5] of many tests at once.

    Under each hypothesis the five results have the likeliest distribution with the mean score that the Elo
    difference gives: p_i = share_i / (1 + t (score_i - mean)), t such that the mean is right.
    """
    counts = np.where(np.asarray(counts, np.float64) > 0, counts, _UNSEEN)
    total = counts.sum(1)
    shares = counts / total[:, None]
    weights = []
    for elo in (null, better):
        away = PAIR_SCORES - expected_score(elo, 0.0)
        tilt = _tilt(shares, away)
        weights.append(np.log1p(tilt[:, None] * away))
    return total * (shares * (weights[0] - weights[1])).sum(1)


def _tilt(shares: np.ndarray, away: np.ndarray) -> np.ndarray:
    """t [T] with sum_i shares_i away_i / (1 + t away_i) = 0, by bisection: the sum falls as t grows."""
    low = np.full(len(shares), -1 / away.max())
    high = np.full(len(shares), -1 / away.min())
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        with np.errstate(divide="ignore", invalid="ignore"):
            positive = (shares * away / (1 + middle[:, None] * away)).sum(1) > 0
        low, high = np.where(positive, middle, low), np.where(positive, high, middle)
    return (low + high) / 2


def deals_llr(
    count: np.ndarray | int,
    mean: np.ndarray | float,
    variance: np.ndarray | float,
    null: float,
    better: float,
) -> np.ndarray:
    """Log likelihood ratio of `better` to `null` for normal results of unknown spread; element by element.

    `variance` is the mean squared deviation from `mean`. Each hypothesis has its own likeliest spread, so
    this is a sequential t-test. Results without any spread decide at once for the nearer hypothesis.
    """
    tiny = np.finfo(np.float64).tiny
    of_null = np.maximum(variance + np.square(mean - null), tiny)
    of_better = np.maximum(variance + np.square(mean - better), tiny)
    return 0.5 * np.asarray(count) * (np.log(of_null) - np.log(of_better))
