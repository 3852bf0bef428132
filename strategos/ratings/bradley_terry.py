"""Bradley-Terry: the ratings that explain a whole table of results at once, with intervals.

The score of `i` against `j` is the logistic function of the difference of their strengths; a draw
is half a win. One player is anchored, so that lists of different days can be compared.

Source: R. A. Bradley and M. E. Terry, Biometrika 39 (1952), 324-345; half points for draws as a
quasi-likelihood, P. McCullagh and J. A. Nelder, Generalized Linear Models (1989), chapter 9.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from scipy.special import expit, ndtri

from strategos.ratings.elo import SCALE
from strategos.ratings.payoff import Result, pool, score_variance


@dataclass(frozen=True)
class Rating:
    """One player's place in the list, in Elo points; the anchor's interval has no width."""

    name: str
    rating: float
    low: float
    high: float
    games: int
    score: float
    """Share of points taken, a draw counting half."""


def fit(
    results: Iterable[Result],
    *,
    anchor: str,
    anchor_rating: float = 1500.0,
    confidence: float = 0.95,
    prior_draws: float = 1.0,
) -> list[Rating]:
    """Ratings of all players in `results`, the strongest first, `anchor` at `anchor_rating`.

    Every pair that met is given `prior_draws` more drawn games. For two players one of them is
    Jeffreys' prior; it keeps a perfect score at a finite rating and shrinks n games by about 1/n.
    Intervals come from the Fisher information of the points, corrected for draws (sandwich); they
    are intervals of the difference to the anchor. They take games as independent.

    `ValueError` when the anchor has no games, a player is not linked to it, or `prior_draws` is
    not positive.
    """
    if not prior_draws > 0:
        raise ValueError(f"prior_draws is {prior_draws}; it must be positive, or a perfect score is infinite")
    pooled = [result for result in pool(results) if result.games]
    names = sorted({name for result in pooled for name in (result.first, result.second)})
    if anchor not in names:
        known = ", ".join(names) or "none"
        raise ValueError(f"the anchor {anchor!r} has no games; players with games: {known}")
    place = {name: index for index, name in enumerate(names)}
    first = np.array([place[result.first] for result in pooled])
    second = np.array([place[result.second] for result in pooled])
    _require_linked(names, first, second, place[anchor])
    games = np.array([result.games for result in pooled], float)
    points = np.array([result.points for result in pooled])

    # One row a pair, one column a player; the anchor's column is left out, so its strength is 0.
    design = np.zeros((len(pooled), len(names)))
    design[np.arange(len(pooled)), first] = 1.0
    design[np.arange(len(pooled)), second] = -1.0
    free = np.arange(len(names)) != place[anchor]
    design = design[:, free]
    strength = _maximise(design, games + prior_draws, points + prior_draws / 2)

    probability = expit(design @ strength)
    information = (design.T * ((games + prior_draws) * probability * (1 - probability))) @ design
    variance = np.array(
        [
            result.games * score_variance(share, result.draws / (result.games + 1))
            for result, share in zip(pooled, probability, strict=True)
        ]
    )
    inverse = np.linalg.inv(information)
    covariance = inverse @ ((design.T * variance) @ design) @ inverse
    reach = float(ndtri(0.5 + confidence / 2)) * SCALE

    rating = np.full(len(names), float(anchor_rating))
    rating[free] += SCALE * strength
    width = np.zeros(len(names))
    width[free] = reach * np.sqrt(np.diag(covariance))
    played, taken = np.zeros(len(names)), np.zeros(len(names))
    np.add.at(played, first, games)
    np.add.at(played, second, games)
    np.add.at(taken, first, points)
    np.add.at(taken, second, games - points)
    table = [
        Rating(name, float(r), float(r - w), float(r + w), int(n), float(t / n))
        for name, r, w, n, t in zip(names, rating, width, played, taken, strict=True)
    ]
    return sorted(table, key=lambda row: (-row.rating, row.name))


def _maximise(design: np.ndarray, games: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Newton's method on a concave likelihood; a step that overshoots is halved."""

    def likelihood(strength: np.ndarray) -> float:
        logit = design @ strength
        return float(points @ logit - games @ np.logaddexp(0.0, logit))

    strength = np.zeros(design.shape[1])
    best = likelihood(strength)
    for _ in range(200):
        probability = expit(design @ strength)
        gradient = design.T @ (points - games * probability)
        hessian = (design.T * (games * probability * (1 - probability))) @ design
        step = np.linalg.solve(hessian, gradient)
        size = 1.0
        while size > 1e-10 and not likelihood(strength + size * step) >= best:
            size /= 2
        if size <= 1e-10:
            break
        strength = strength + size * step
        best = likelihood(strength)
        if np.abs(step).max(initial=0.0) < 1e-12:
            break
    return strength


def _require_linked(names: list[str], first: np.ndarray, second: np.ndarray, anchor: int) -> None:
    linked = {anchor}
    grown = True
    while grown:
        grown = False
        for a, b in zip(first.tolist(), second.tolist(), strict=True):
            if (a in linked) != (b in linked):
                linked |= {a, b}
                grown = True
    apart = [name for index, name in enumerate(names) if index not in linked]
    if apart:
        raise ValueError(
            f"no games link {', '.join(apart)} to the anchor {names[anchor]!r}; "
            "play at least one game between the groups"
        )
