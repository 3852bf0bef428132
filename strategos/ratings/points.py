"""Ratings in points: the strengths that explain a whole table of point differences, with intervals.

Where a round gives points and not a winner, the difference of two players' strengths is what one makes
against the other on average. One player is anchored at 0, so that lists of different days can be compared.

Source: weighted least squares on paired comparisons, H. A. David, The Method of Paired Comparisons (1988),
chapter 4.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import ndtri


@dataclass(frozen=True)
class Meeting:
    """What `first` made against `second`: deals, mean points of a deal and their variance."""

    first: str
    second: str
    deals: int
    points: float
    variance: float


@dataclass(frozen=True)
class PointsRating:
    """One player's place in the list; the anchor's interval has no width."""

    name: str
    points: float
    low: float
    high: float
    deals: int


def fit(meetings: Iterable[Meeting], *, anchor: str, confidence: float = 0.95) -> list[PointsRating]:
    """Ratings of all players in `meetings`, the strongest first, `anchor` at 0.

    `ValueError` when the anchor has not played, or a player is not linked to it.
    """
    played = [meeting for meeting in meetings if meeting.deals]
    names = sorted({name for meeting in played for name in (meeting.first, meeting.second)})
    if anchor not in names:
        raise ValueError(f"the anchor {anchor!r} has not played; players: {', '.join(names) or 'none'}")
    place = {name: index for index, name in enumerate(names)}
    design = np.zeros((len(played), len(names)))
    for row, meeting in enumerate(played):
        design[row, place[meeting.first]], design[row, place[meeting.second]] = 1, -1
    free = np.arange(len(names)) != place[anchor]
    weights = np.array([meeting.deals for meeting in played]) / _variances(played)
    information = (design[:, free].T * weights) @ design[:, free]
    if np.linalg.matrix_rank(information) < free.sum():
        raise ValueError(f"some of {', '.join(names)} never met anybody linked to the anchor {anchor!r}")
    covariance = np.linalg.inv(information)
    made = np.array([meeting.points for meeting in played])
    strength, reach = np.zeros(len(names)), np.zeros(len(names))
    strength[free] = covariance @ (design[:, free].T @ (weights * made))
    reach[free] = float(ndtri(0.5 + confidence / 2)) * np.sqrt(np.diag(covariance))
    deals = np.abs(design).T @ np.array([meeting.deals for meeting in played], float)
    table = [
        PointsRating(name, float(s), float(s - r), float(s + r), int(n))
        for name, s, r, n in zip(names, strength, reach, deals, strict=True)
    ]
    return sorted(table, key=lambda row: (-row.points, row.name))


def _variances(played: Sequence[Meeting]) -> np.ndarray:
    """Each meeting's variance of a deal, drawn towards the mean of all: few deals estimate it badly."""
    deals = np.array([meeting.deals for meeting in played], float)
    found = np.array([meeting.variance for meeting in played])
    common = float(np.average(found, weights=deals))
    return np.maximum((deals * found + 10 * common) / (deals + 10), 1e-9)
