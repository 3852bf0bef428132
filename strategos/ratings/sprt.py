"""Sequential tests: is the challenger better? Ask after every few games, stop as soon as it is known.

A fixed share of a fixed number ("55 % of 400 games") lets 2.3 % of equal models pass and misses half of
those that really take 55 %; a t-test repeated until it says yes passes nearly everybody in the end. These
tests may be looked at as often as one likes. They compare two hypotheses, `null` (no better) and
`better`, by the ratio of their likelihoods, each with everything else about the results as the data say:
the generalised sequential probability ratio test. Observations are whole *pairs* or *deals* (the same
board with the seats changed, the same cards from every seat), whose results are independent.

Sources: A. Wald, Sequential Analysis (1947), chapter 3; X. Li, J. Liu and Z. Ying, Generalized sequential
probability ratio test for separate families of hypotheses, Sequential Analysis 33 (2014), 539-563. From one
look to the next the ratio overshoots its bounds; they are moved in by as much as it does on average:
D. Siegmund, Sequential Analysis (1985), chapter 10.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from strategos.ratings.empirical_likelihood import (
    PAIR_SCORES,
    deals_llr,
    deals_step,
    pairs_llr,
    pairs_step,
)

ACCEPT, REJECT, CONTINUE = "accept", "reject", "continue"
_OVERSHOOT = 0.583
"""How far a normal walk overshoots a bound on average, in standard deviations of a step."""
_LEAST_BOUND = 0.4
"""No bound is moved in to less than this share of itself."""
_FITTED = 4
"""Shares of five results that add up to 1: so many observations go into fitting them and are no evidence.
Without this a short test errs up to 1.5 points more often than declared."""


@dataclass(frozen=True)
class Verdict:
    """What a test says after the observations so far."""

    status: str
    """`accept`: better. `reject`: no better, or not known to be when the test ran out. `continue`: go on."""
    llr: float
    """Log of the likelihood ratio of better to null, less the part that fitting them to the data explains."""
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

    Simulated, both chances are within one point of 5 % where `minimum` observations do not decide by
    themselves; where the hypotheses lie further apart than that, the test errs less often than declared.
    Points of deals that are now and then many times the usual want a `minimum` that sees some of those.
    """

    null: float
    better: float
    alpha: float = 0.05
    beta: float = 0.05
    minimum: int = 32
    """No decision on fewer: the spread of a handful of results is not known."""
    maximum: int = 2000
    look: int = 1
    """Observations between two looks. Looking more seldom than said here makes the test slower, and safer."""

    def __post_init__(self) -> None:
        if not self.better > self.null:
            raise ValueError(f"better ({self.better}) must be above null ({self.null})")
        if not (0 < self.alpha < 0.5 and 0 < self.beta < 0.5):
            raise ValueError(f"alpha and beta lie between 0 and 0.5, not {self.alpha} and {self.beta}")
        if not 2 <= self.minimum <= self.maximum:
            raise ValueError(f"minimum ({self.minimum}) is at least 2 and at most maximum ({self.maximum})")
        if self.look < 1:
            raise ValueError(f"look ({self.look}) is at least 1 observation")

    def at_most(self, maximum: int) -> SequentialTest:
        """The same test of no more than `maximum` observations, though these be fewer than its minimum."""
        return replace(
            self, minimum=min(self.minimum, maximum), maximum=maximum, look=min(self.look, maximum)
        )

    @property
    def bounds(self) -> tuple[float, float]:
        """Wald's bounds of the log likelihood ratio: log(beta / (1 - alpha)), log((1 - beta) / alpha)."""
        return math.log(self.beta / (1 - self.alpha)), math.log((1 - self.beta) / self.alpha)

    def of_pairs(self, counts: np.ndarray) -> Verdict:
        """Judge pairs of games by `counts` [5]: how many pairs brought 0, 1/2, 1, 3/2, 2 points.

        `ValueError` for counts that are none.
        """
        counts = np.asarray(counts, np.float64)
        if counts.shape != (5,) or counts.min() < 0 or (counts != np.round(counts)).any():
            raise ValueError(f"five counts of pairs are needed, not {counts.tolist()}")
        total = int(counts.sum())
        if not total:
            return self._verdict(0.0, 0, math.nan, math.inf)
        llr = float(pairs_llr(counts[None], self.null, self.better)[0])
        step = float(pairs_step(counts[None], self.null, self.better)[0])
        return self._verdict(llr, total, float(counts @ PAIR_SCORES / total), step)

    def of_pair_scores(self, scores: np.ndarray) -> Verdict:
        """Judge pairs of games by the challenger's share of the points of each: `scores` [N] in quarters."""
        return self.of_pairs(np.bincount(np.round(4 * np.asarray(scores)).astype(np.int64), minlength=5))

    def of_deals(self, points: np.ndarray) -> Verdict:
        """Judge deals by the challenger's mean `points` [N] of each, over all the seats it had."""
        points = np.asarray(points, np.float64).reshape(-1)
        if not len(points):
            return self._verdict(0.0, 0, math.nan, math.inf)
        one = np.ones((1, len(points)))
        llr = float(deals_llr(points, one, self.null, self.better)[0])
        step = float(deals_step(points, one, self.null, self.better)[0])
        return self._verdict(llr, len(points), float(points.mean()), step)

    def decisions(
        self, llr: np.ndarray, count: int, step: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """Many tests at once after `count` observations: decisions (1 better, -1 not, 0 go on), evidence,
        lower and upper bounds, `[T]` each.

        `llr` [T] are the log likelihood ratios, `step` [T] their standard deviations of one more observation.
        """
        evidence = llr * max(count - _FITTED, 0) / max(count, 1)
        overshoot = _OVERSHOOT * math.sqrt(self.look) * step
        lower, upper = self.bounds
        low = lower + np.minimum(overshoot, (_LEAST_BOUND - 1) * lower)
        high = upper - np.minimum(overshoot, (1 - _LEAST_BOUND) * upper)
        if count < self.minimum:
            return np.zeros(len(llr), int), evidence, low, high
        return (evidence >= high).astype(int) - (evidence <= low), evidence, low, high

    def _verdict(self, llr: float, count: int, mean: float, step: float) -> Verdict:
        answers = self.decisions(np.array([llr]), count, np.array([step]))
        decision, evidence, lower, upper = (each.item() for each in answers)
        status = (CONTINUE, ACCEPT, REJECT)[decision]
        exhausted = status == CONTINUE and count >= self.maximum
        return Verdict(REJECT if exhausted else status, evidence, lower, upper, count, mean, exhausted)


def decide(
    test: SequentialTest,
    judge: Callable[[np.ndarray], Verdict],
    observe: Callable[[int, int], np.ndarray],
    on_look: Callable[[Verdict], None] = lambda verdict: None,
) -> tuple[Verdict, np.ndarray]:
    """Observe until the test knows or runs out: the last verdict, and all that was observed [N] float64.

    `observe(first, last)` gives observations number `first` to `last`, which `judge` reads: the test's own
    `of_pair_scores` or `of_deals`. `on_look` is told of every look.
    """
    observed = np.zeros(0)
    verdict = judge(observed)
    while verdict.status == CONTINUE:
        last = min(len(observed) + test.look, test.maximum)
        observed = np.concatenate([observed, observe(len(observed), last)])
        verdict = judge(observed)
        on_look(verdict)
    return verdict, observed
