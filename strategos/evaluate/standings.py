"""A list of ratings with the payoff matrix beside it: what every table of results shows."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass

import numpy as np

from strategos.ratings import bradley_terry
from strategos.ratings.bradley_terry import Rating
from strategos.ratings.payoff import PayoffMatrix, Result, payoff_matrix


@dataclass(frozen=True)
class Standings:
    """Who is how strong, and who beats whom."""

    anchor: str
    """The player whose rating is 1500."""
    ratings: list[Rating]
    """Bradley-Terry, the strongest first; NaN for whom no games link to the anchor, last."""
    payoff: PayoffMatrix
    """In the order of the ratings."""

    @property
    def rated(self) -> list[Rating]:
        """The ratings of those who have one."""
        return [rating for rating in self.ratings if not math.isnan(rating.rating)]

    def as_json(self) -> dict:
        """Plain data; None where two players never met or one has no rating."""
        payoff = self.payoff
        return {
            "anchor": self.anchor,
            "ratings": [
                {key: None if value != value else value for key, value in asdict(rating).items()}
                for rating in self.ratings
            ],
            "names": list(payoff.names),
            "games": payoff.games.tolist(),
            "score": _plain(payoff.score),
            "score_low": _plain(payoff.low),
            "score_high": _plain(payoff.high),
        }


def _plain(matrix: np.ndarray) -> list[list[float | None]]:
    return [[None if each != each else round(each, 4) for each in row] for row in matrix.tolist()]


def standings(results: Sequence[Result], *, anchor: str) -> Standings:
    """Ratings and payoff of `results`.

    Games are taken as independent. Where boards were played from both seats they are not, and the intervals
    are a little off; `BoardResult.interval` and the bootstrap of tournaments count boards.
    """
    ratings = bradley_terry.fit(results, anchor=anchor)
    return Standings(anchor, ratings, payoff_matrix(results, [rating.name for rating in ratings]))
