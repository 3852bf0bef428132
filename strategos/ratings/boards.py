"""Results on paired boards: every board is played from each seat, so it and not a game is one observation.

The games of a board are alike (a spawn that wins for both, a deal that is good for nobody); counting them as
independent makes intervals too narrow or too wide, counting boards does neither.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from strategos.ratings.payoff import wilson_of_mean


@dataclass(frozen=True)
class BoardResult:
    """Boards between two players, counted from the side of `first`."""

    first: str
    second: str
    counts: tuple[int, ...]
    """Boards on which `first` made 0, 1/2, 1, ... points: five counts where a board is two games, which are
    `MatchResult.paired`."""

    def __post_init__(self) -> None:
        if self.first == self.second:
            raise ValueError(f"{self.first!r} cannot play itself")
        if len(self.counts) < 3 or len(self.counts) % 2 == 0 or min(self.counts) < 0:
            raise ValueError(f"counts of boards by half points are needed, five for two games: {self.counts}")

    @property
    def boards(self) -> int:
        return sum(self.counts)

    @property
    def games_of_a_board(self) -> int:
        return (len(self.counts) - 1) // 2

    @property
    def games(self) -> int:
        return self.boards * self.games_of_a_board

    @property
    def points(self) -> float:
        """Points of `first`, a draw counting half."""
        return float(np.arange(len(self.counts)) @ np.array(self.counts) / 2)

    def interval(self, confidence: float = 0.95) -> tuple[float, float]:
        """The interval of the share of points.

        One board more, half of it lost and half of it won, keeps the variance above 0: without it a player
        that won every board would be certain to win the next. Where boards are won or lost as a whole this is
        Jeffreys' prior.
        """
        if not self.boards:
            return 0.0, 1.0
        shares = np.array(self.counts, np.float64)
        shares[[0, -1]] += 0.5
        shares /= shares.sum()
        score = np.linspace(0, 1, len(shares))
        middle = float(shares @ score)
        variance = float(shares @ np.square(score - middle))
        return wilson_of_mean(self.points / self.games, middle, variance, self.boards, confidence)
