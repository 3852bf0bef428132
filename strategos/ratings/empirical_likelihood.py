"""How much likelier the results are with one mean than with another, whatever else their distribution is.

The likelihood of a mean is that of the likeliest distribution that has it. `[T]` are many tests at once.

Source: A. B. Owen, Empirical likelihood ratio confidence intervals for a single functional, Biometrika 75
(1988), 237-249.
"""

from __future__ import annotations

import numpy as np

from strategos.ratings.elo import expected_score

PAIR_SCORES = np.linspace(0.0, 1.0, 5)
"""Shares of the points of a pair of games, from two losses to two wins."""
_UNSEEN = 1e-3
"""Counts of results that never came are taken as this, so that no hypothesis is impossible."""
_HALVINGS = 48


def pairs_llr(counts: np.ndarray, null: float, better: float) -> np.ndarray:
    """Log likelihood ratios [T] of `better` to `null` (Elo) for `counts` [T, 5] of many tests at once."""
    counts = np.where(np.asarray(counts, np.float64) > 0, counts, _UNSEEN)
    values = np.broadcast_to(PAIR_SCORES, counts.shape)
    return _llr(values, counts, expected_score(null, 0.0), expected_score(better, 0.0))


def pairs_step(counts: np.ndarray, null: float, better: float) -> np.ndarray:
    """Standard deviations [T] of what one more pair adds to the log likelihood ratio.

    One pair of two games without draws is added to the `counts` [T, 5]: a spread of 0 is never known.
    """
    away = expected_score(better, 0.0) - expected_score(null, 0.0)
    return away / np.sqrt(_variance(PAIR_SCORES, counts, 1 / 8))


def deals_llr(values: np.ndarray, counts: np.ndarray, null: float, better: float) -> np.ndarray:
    """Log likelihood ratios [T] of `better` to `null` for `values` [K] that came `counts` [T, K] times.

    No shape of the distribution is assumed: a normal one errs three times as often where points are skewed. A
    trace of weight lies beyond everything seen, so that every hypothesis is possible.
    """
    counts = np.asarray(counts, np.float64)
    values = np.broadcast_to(values, counts.shape)
    low = np.where(counts > 0, values, np.inf).min(axis=1, keepdims=True)
    high = np.where(counts > 0, values, -np.inf).max(axis=1, keepdims=True)
    beyond = high - low + better - null
    values = np.concatenate(
        [values, np.minimum(low, null) - beyond, np.maximum(high, better) + beyond], axis=1
    )
    counts = np.concatenate([counts, np.full((len(counts), 2), _UNSEEN)], axis=1)
    return _llr(values, counts, null, better)


def deals_step(values: np.ndarray, counts: np.ndarray, null: float, better: float) -> np.ndarray:
    """Standard deviations [T] of what one more deal adds; `inf` where all deals brought the same."""
    with np.errstate(divide="ignore"):
        return (better - null) / np.sqrt(_variance(values, counts))


def _llr(values: np.ndarray, counts: np.ndarray, null: float, better: float) -> np.ndarray:
    """Log likelihood ratios [T] of the mean `better` to `null` for `values` that came `counts` times [T, K].

    Under each hypothesis the values have the likeliest distribution with its mean:
    p_i = share_i / (1 + t (value_i - mean)), t such that the mean is right.
    """
    total = counts.sum(axis=1)
    shares = counts / total[:, None]
    weights = []
    for mean in (null, better):
        away = values - mean
        weights.append(np.log1p(_tilt(shares, away)[:, None] * away))
    return total * (shares * (weights[0] - weights[1])).sum(axis=1)


def _tilt(shares: np.ndarray, away: np.ndarray) -> np.ndarray:
    """t [T] with sum_i shares_i away_i / (1 + t away_i) = 0, by bisection: the sum falls as t grows."""
    low, high = -1 / away.max(axis=1), -1 / away.min(axis=1)
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        with np.errstate(divide="ignore", invalid="ignore"):
            positive = (shares * away / (1 + middle[:, None] * away)).sum(axis=1) > 0
        low, high = np.where(positive, middle, low), np.where(positive, high, middle)
    return (low + high) / 2


def _variance(values: np.ndarray, counts: np.ndarray, one_more: float | None = None) -> np.ndarray:
    """Mean squared deviations [T] of `values` [K] that came `counts` [T, K] times, with one more if given."""
    counts = np.asarray(counts, np.float64)
    total = counts.sum(axis=1)
    squares = (counts * np.square(values - (counts @ values / total)[:, None])).sum(axis=1)
    return squares / total if one_more is None else (squares + one_more) / (total + 1)
