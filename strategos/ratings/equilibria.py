"""Averages that a crowd of clones cannot sway: Nash averaging and alpha-rank of a payoff matrix.

Mean scores and ratings rise by adding opponents that one beats; these two weigh every player by its part in
the game of choosing a player. They are of the payoffs as given: measured ones carry noise, and where two
players are nearly equal a little of it decides who has the weight.

Sources: D. Balduzzi, K. Tuyls, J. Perolat and T. Graepel, Re-evaluating evaluation, NeurIPS 2018 (section 4);
S. Omidshafiei et al., alpha-Rank: multi-agent evaluation by evolution, Scientific Reports 9 (2019), 9937.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy.optimize import linprog, minimize
from scipy.special import logsumexp


@dataclass(frozen=True)
class NashAverage:
    """The maximum-entropy equilibrium of who to send, and what everybody makes against it."""

    weights: np.ndarray
    """float64 [N], a distribution."""
    ratings: np.ndarray
    """float64 [N], payoff against `weights`: 0 for everybody it takes, at most 0 for the others."""


def antisymmetric(score: np.ndarray) -> np.ndarray:
    """Payoffs [N, N] from shares of points `score` [N, N]: what row makes above one half; 0 on the diagonal.

    `ValueError` where two players never met (NaN).
    """
    score = np.array(score, np.float64)
    np.fill_diagonal(score, 0.5)
    unmet = np.argwhere(np.isnan(score))
    if len(unmet):
        raise ValueError(f"players {unmet[0, 0]} and {unmet[0, 1]} never met; everybody must meet everybody")
    return (score - score.T) / 2


def nash_average(payoff: np.ndarray) -> NashAverage:
    """The Nash equilibrium of greatest entropy of the antisymmetric `payoff` [N, N]; it is the only such one.

    Clones share what one of them would have. `ValueError` for a matrix that is not antisymmetric.
    """
    payoff = _checked(payoff)
    weights = np.zeros(len(payoff))
    support = _support(payoff)
    weights[support] = _most_even(payoff, support)
    return NashAverage(weights, payoff @ weights)


def _support(payoff: np.ndarray) -> np.ndarray:
    """Who plays in some equilibrium, bool [N]: one linear programme.

    Equilibria, of any total mass, are a cone {x >= 0, payoff x <= 0}; in it every mass that can be above 0
    can be 1 or more, so the greatest sum of min(x, 1) counts them.
    """
    size = len(payoff)
    found = linprog(
        np.r_[np.zeros(size), -np.ones(size)],
        A_ub=np.block([[payoff, np.zeros((size, size))], [-np.eye(size), np.eye(size)]]),
        b_ub=np.zeros(2 * size),
        bounds=[(0, None)] * size + [(0, 1)] * size,
    )
    return found.x[size:] > 0.5


def _most_even(payoff: np.ndarray, support: np.ndarray) -> np.ndarray:
    """The most even distribution over `support` that nobody does better than 0 against, by its dual.

    Within the support everybody makes exactly 0 (complementary slackness), outside at most 0. The answer is
    softmax(-multipliers @ rows), the multipliers of the inequalities not negative.
    """
    rows = np.concatenate([payoff[support][:, support], payoff[~support][:, support]])
    inside = int(support.sum())

    def dual(multipliers: np.ndarray) -> tuple[float, np.ndarray]:
        logits = -multipliers @ rows
        total = float(logsumexp(logits))
        return total, -rows @ np.exp(logits - total)

    bounds = [(None, None)] * inside + [(0, None)] * (len(rows) - inside)
    options = {"maxiter": 20_000, "maxfun": 200_000, "ftol": 1e-15, "gtol": 1e-10}
    found = minimize(dual, np.zeros(len(rows)), jac=True, bounds=bounds, method="L-BFGS-B", options=options)
    logits = -found.x @ rows
    return np.exp(logits - logsumexp(logits))


def alpha_rank(payoff: np.ndarray, *, alpha: float = math.inf, population: int = 50) -> np.ndarray:
    """Shares of time, float64 [N], that a population of `population` copies spends on each player.

    Now and then one mutant appears, any other player with equal chance; it takes over with its fixation
    probability, for which selection is as strong as `alpha`. Without limit (the default) a better one always
    takes over, a worse one never, an equal one with 1 / population: the players of the best cycle are left.
    `payoff` [N, N] is what row makes against column. `ValueError` for a matrix that is not antisymmetric.
    """
    payoff = _checked(payoff)
    if not alpha > 0 or population < 2:
        raise ValueError(f"alpha ({alpha}) is positive and population ({population}) at least 2")
    size = len(payoff)
    if size == 1:
        return np.ones(1)
    # Row: who is there; column: the mutant, which makes what column makes against row, and row the opposite.
    chances = _fixation(2 * payoff.T, alpha, population) / (size - 1)
    np.fill_diagonal(chances, 0.0)
    return _stationary(chances)


def _fixation(advantage: np.ndarray, alpha: float, population: int) -> np.ndarray:
    """(1 - exp(-alpha a)) / (1 - exp(-population alpha a)), 1 / population at a = 0."""
    if math.isinf(alpha):
        return np.where(advantage > 0, 1.0, np.where(advantage < 0, 0.0, 1 / population))
    better = alpha * np.abs(advantage)
    with np.errstate(invalid="ignore"):
        upward = np.expm1(-better) / np.expm1(-population * better)
    # A worse mutant has exp(-(population - 1) |a|) of the chance that a better one has.
    chance = np.where(advantage < 0, upward * np.exp(-(population - 1) * better), upward)
    return np.where(better == 0, 1 / population, chance)


def _stationary(chances: np.ndarray) -> np.ndarray:
    """The stationary distribution of a chain with one recurrent class from its rates [N, N].

    Between any two players one takes over from the other, so there is one recurrent class.
    """
    size = len(chances)
    generator = chances - np.diag(chances.sum(axis=1))
    equations = np.concatenate([generator.T, np.ones((1, size))])
    shares = np.linalg.lstsq(equations, np.r_[np.zeros(size), 1.0], rcond=None)[0]
    shares = np.where(shares > 1e-12, shares, 0.0)
    return shares / shares.sum()


def _checked(payoff: np.ndarray) -> np.ndarray:
    payoff = np.asarray(payoff, np.float64)
    if payoff.ndim != 2 or payoff.shape[0] != payoff.shape[1] or not len(payoff):
        raise ValueError(f"a payoff matrix is square, not {payoff.shape}")
    if not np.allclose(payoff, -payoff.T, rtol=0, atol=1e-9):
        raise ValueError("payoffs must be antisymmetric: what one makes the other loses; see antisymmetric")
    return (payoff - payoff.T) / 2
