"""Results on paired boards: every board is played from each seat, so it and not a game is one observation.

The games of a board are alike (a spawn that wins for both, a deal that is good for nobody); counting them as
independent makes intervals too narrow or too wide, counting boards does neither.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from strategos.ratings.payoff import wilson


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
        """The interval of the share of points: Wilson's, over as many games as are as informative."""
        if not self.boards:
            return 0.0, 1.0
        shares = smoothed(np.array(self.counts, float))
        score = np.linspace(0, 1, len(self.counts))
        variance = shares @ np.square(score - shares @ score)
        mean = self.points / self.games
        middle = float(shares @ score)
        effective = self.boards * middle * (1 - middle) / float(variance)
        return wilson(mean * effective, effective, confidence)


def smoothed(counts: np.ndarray) -> np.ndarray:
    """Shares [..., 2g + 1] of results from `counts` with one board more, half of it lost and half of it won.

    Without it a player that won every board would be certain to win the next. This is Jeffreys' prior where
    boards are won or lost as a whole.
    """
    counts = np.array(counts, np.float64)
    counts[..., [0, -1]] += 0.5
    return counts / counts.sum(axis=-1, keepdims=True)


def pool_boards(results: Iterable[BoardResult]) -> list[BoardResult]:
    """One result per pair, names in order within it and between them, whatever the order given.

    `ValueError` where the boards of a pair differ in their number of games.
    """
    counts: dict[tuple[str, str], tuple[int, ...]] = {}
    for result in results:
        forward = result.first < result.second
        pair = (result.first, result.second) if forward else (result.second, result.first)
        more = result.counts if forward else result.counts[::-1]
        before = counts.get(pair, (0,) * len(more))
        if len(before) != len(more):
            raise ValueError(f"boards of {' and '.join(pair)} have different numbers of games")
        counts[pair] = tuple(map(sum, zip(before, more, strict=True)))
    return [BoardResult(*pair, total) for pair, total in sorted(counts.items())]
