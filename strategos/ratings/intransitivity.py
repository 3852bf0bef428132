"""How much of who beats whom no list of ratings can tell: the cyclic part of a payoff matrix.

A payoff matrix is the sum of differences of ratings and of a remainder that only goes round in cycles; the
two are orthogonal. The share of the second is 0 for a pure rating model and 1 for rock, paper, scissors.

Source: X. Jiang, L.-H. Lim, Y. Yao and Y. Ye, Statistical ranking and combinatorial Hodge theory,
Mathematical Programming 127 (2011), 203-244.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from strategos.ratings.payoff import PayoffMatrix


@dataclass(frozen=True)
class Decomposition:
    """A payoff matrix as differences of ratings and cycles."""

    ratings: np.ndarray
    """float64 [N], their sum 0, in units of the payoff."""
    cyclic: np.ndarray
    """float64 [N, N], antisymmetric: the payoff less the differences of ratings; NaN where nobody met."""
    share: float
    """Of the weighted squares of the payoff, how many lie in `cyclic`; 0 where all payoffs are 0."""
    corrected: float
    """The same without what noise adds on average; equal to `share` where no variances were given."""


def decompose(
    payoff: np.ndarray, weights: np.ndarray | None = None, variances: np.ndarray | None = None
) -> Decomposition:
    """Split the antisymmetric `payoff` [N, N], NaN where two never met, by weighted least squares.

    `weights` [N, N], symmetric: how much each pair counts (default: alike). `variances` [N, N] of measured
    payoffs: a few games a pair look like cycles, and their expected share is taken off. `ValueError` when
    the payoff is not antisymmetric or some players are linked to nobody else.
    """
    payoff = np.asarray(payoff, np.float64)
    if not np.allclose(payoff, -payoff.T, rtol=0, atol=1e-9, equal_nan=True):
        raise ValueError("payoffs must be antisymmetric: what one makes the other loses")
    size = len(payoff)
    first, second = np.nonzero(np.triu(~np.isnan(payoff), 1))
    flow = payoff[first, second]
    weight = np.ones(len(flow)) if weights is None else np.asarray(weights, np.float64)[first, second]
    gradient = np.zeros((len(flow), size))
    gradient[np.arange(len(flow)), first], gradient[np.arange(len(flow)), second] = 1.0, -1.0
    laplacian = (gradient.T * weight) @ gradient
    if np.linalg.matrix_rank(laplacian, hermitian=True) < size - 1:
        raise ValueError("some players met nobody of the others; play a game between the groups")
    # The row of ones fixes the sum of the ratings; it changes no difference.
    inverse = np.linalg.inv(laplacian + np.ones((size, size)))
    ratings = inverse @ (gradient.T @ (weight * flow))
    around = flow - gradient @ ratings
    cyclic = np.full((size, size), np.nan)
    np.fill_diagonal(cyclic, 0.0)
    cyclic[first, second], cyclic[second, first] = around, -around
    all_squares, cyclic_squares = float(weight @ flow**2), float(weight @ around**2)
    share = cyclic_squares / all_squares if all_squares > 0 else 0.0
    corrected = share
    if variances is not None:
        noise = weight * np.asarray(variances, np.float64)[first, second]
        fitted = weight * np.einsum("ep,pq,eq->e", gradient, inverse, gradient)
        real, turning = all_squares - noise.sum(), cyclic_squares - noise @ (1 - fitted)
        corrected = float(np.clip(turning / real, 0.0, 1.0)) if real > 0 else 0.0
    return Decomposition(ratings, cyclic, share, corrected)


def log_odds(matrix: PayoffMatrix) -> tuple[np.ndarray, np.ndarray]:
    """Payoffs [N, N] in log-odds and their variances: the scale on which a Bradley-Terry list is no cycle.

    Each side of a pair gets half a point more (Haldane and Anscombe), so that a perfect score is finite; NaN
    where two players never met. The variances take games as independent and none as drawn.
    """
    points = matrix.score * matrix.games + 0.5
    lost = matrix.games + 1.0 - points
    with np.errstate(invalid="ignore"):
        return np.log(points / lost), 1 / points + 1 / lost
