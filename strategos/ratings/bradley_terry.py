"""Bradley-Terry: the ratings that explain a whole table of results at once, with intervals.

The score of `i` against `j` is the logistic function of the difference of their strengths; a draw
is half a win. One player is anchored, so that lists of different days can be compared.

Source: R. A. Bradley and M. E. Terry, Biometrika 39 (1952), 324-345; half points for draws as a
quasi-likelihood, P. McCullagh and J. A. Nelder, Generalized Linear Models (1989), chapter 9.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import expit, ndtri

from strategos.ratings.elo import SCALE
from strategos.ratings.payoff import Result, pool, score_variance


@dataclass(frozen=True)
class Rating:
    """One player's place in the list, in Elo points; the anchor's interval has no width.

    The rating is NaN where it is not known.
    """

    name: str
    rating: float
    low: float
    high: float
    games: int
    score: float
    """Share of points taken, a draw counting half."""

    @property
    def summary(self) -> str:
        """One short line."""
        if math.isnan(self.rating):
            return f"{self.name} has no rating"
        return f"{self.name} {self.rating:.0f} ({self.low:.0f} to {self.high:.0f})"


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
    pooled = [result for result in pool(results) if result.games]
    pairs = Paired.of([(result.first, result.second) for result in pooled], anchor)
    games = np.array([result.games for result in pooled], float)
    points = np.array([result.points for result in pooled])
    design = pairs.design
    counted, taken = with_draws(games, points, prior_draws)
    strength = solve(design, counted, taken[None])

    probability = expit(design @ strength[0])
    information = (design.T * (counted * probability * (1 - probability))) @ design
    variance = np.array(
        [
            result.games * score_variance(share, result.draws / (result.games + 1))
            for result, share in zip(pooled, probability, strict=True)
        ]
    )
    inverse = np.linalg.inv(information)
    covariance = inverse @ ((design.T * variance) @ design) @ inverse
    reach = float(ndtri(0.5 + confidence / 2)) * SCALE
    rating = anchor_rating + SCALE * pairs.strengths(strength)[0]
    width = reach * pairs.strengths(np.sqrt(np.diag(covariance))[None])[0]
    table = [
        Rating(name, float(r), float(r - w), float(r + w), int(played), float(share))
        for name, r, w, played, share in zip(
            pairs.names, rating, width, *pairs.played(games, points), strict=True
        )
    ]
    return sorted(table, key=lambda row: (-row.rating, row.name))


@dataclass(frozen=True)
class Paired:
    """Who met whom: M pairs of N players, one of them the anchor, whose strength is 0."""

    names: list[str]
    first: np.ndarray
    """int64 [M], places in `names`."""
    second: np.ndarray
    free: np.ndarray
    """bool [N], False for the anchor."""

    @classmethod
    def of(cls, pairs: Sequence[tuple[str, str]], anchor: str) -> Paired:
        """`ValueError` when the anchor is in no pair or a player is not linked to it."""
        names = sorted({name for pair in pairs for name in pair})
        if anchor not in names:
            known = ", ".join(names) or "none"
            raise ValueError(f"the anchor {anchor!r} has no games; players with games: {known}")
        place = {name: index for index, name in enumerate(names)}
        first, second = np.array([[place[name] for name in pair] for pair in pairs]).T
        _require_linked(names, first, second, place[anchor])
        return cls(names, first, second, np.arange(len(names)) != place[anchor])

    @property
    def design(self) -> np.ndarray:
        """float64 [M, N - 1]: 1 for the first of a pair, -1 for the second, the anchor left out."""
        design = np.zeros((len(self.first), len(self.names)))
        design[np.arange(len(self.first)), self.first] = 1.0
        design[np.arange(len(self.first)), self.second] = -1.0
        return design[:, self.free]

    def strengths(self, strengths: np.ndarray) -> np.ndarray:
        """[R, N] from [R, N - 1], the anchor at 0 in its place."""
        full = np.zeros((len(strengths), len(self.names)))
        full[:, self.free] = strengths
        return full

    def played(self, games: np.ndarray, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Games [N] and share of points [N] of everybody from `games` and the first's `points` [M]."""
        played, taken = np.zeros(len(self.names)), np.zeros(len(self.names))
        np.add.at(played, self.first, games)
        np.add.at(played, self.second, games)
        np.add.at(taken, self.first, points)
        np.add.at(taken, self.second, games - points)
        return played, taken / played


def with_draws(games: np.ndarray, points: np.ndarray, draws: float) -> tuple[np.ndarray, np.ndarray]:
    """`games` [M] and `points` [..., M] of pairs with so many `draws` more; `ValueError` unless positive."""
    if not draws > 0:
        raise ValueError(f"prior_draws is {draws}; it must be positive, or a perfect score is infinite")
    return games + draws, points + draws / 2


def solve(
    design: np.ndarray, games: np.ndarray, points: np.ndarray, start: np.ndarray | float = 0.0
) -> np.ndarray:
    """The likeliest strengths [R, P] for R tables of `points` [R, M], `games` [M], `design` [M, P].

    Newton's method on a concave likelihood from `start`, [P] or a number; a step that overshoots is halved.
    """
    strength = np.zeros((len(points), design.shape[1])) + start
    products = (design[:, :, None] * design[:, None, :]).reshape(len(design), -1)

    def likelihood(strength: np.ndarray) -> np.ndarray:
        logit = strength @ design.T
        return (points * logit - games * np.logaddexp(0.0, logit)).sum(axis=1)

    reached = likelihood(strength)
    for _ in range(200):
        probability = expit(strength @ design.T)
        gradient = (points - games * probability) @ design
        hessian = (games * probability * (1 - probability)) @ products
        square = hessian.reshape(len(points), design.shape[1], design.shape[1])
        step = np.linalg.solve(square, gradient[..., None])[..., 0]
        while (worse := ~((after := likelihood(strength + step)) >= reached) & step.any(axis=1)).any():
            step[worse] = np.where(np.abs(step[worse]).max(axis=1, keepdims=True) > 1e-12, step[worse] / 2, 0)
        strength, reached = strength + step, after
        if np.abs(step).max(initial=0.0) < 1e-8:  # the error left is about its square
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
