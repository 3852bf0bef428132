"""What a ring holds and how it is used: games, lengths, values, the age of draws, reuse."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from strategos.memory.ring import Ring

VALUE_BINS = 20
"""Bins of the value histogram, of equal width over [-1, 1]."""


@dataclass(frozen=True)
class RingStatistics:
    """A ring at one moment; not a number, or empty, where its examples do not tell."""

    examples: int
    capacity: int
    written: int
    draws: int
    draw_ages: int
    reuse: float
    """How often an example was drawn, over all that were ever written."""
    reuse_held: float
    """The same, over those that are held."""
    reuse_highest: int
    never_drawn: float
    """Share of the examples held."""
    draw_age: float
    """Mean number of examples written between an example and its draws, since the statistics before."""
    games: int
    game_length: float
    """Mean number of examples of a game, of the games that are held whole."""
    game_length_shortest: int
    game_length_longest: int
    value: float
    value_spread: float
    """Standard deviation of the values."""
    value_histogram: tuple[int, ...]
    """Counts in `VALUE_BINS` bins over [-1, 1]."""

    def metrics(self) -> dict[str, float]:
        """A row of numbers for the metrics, keys beginning with `memory/`."""
        row = {
            "examples": self.examples,
            "filled": self.examples / self.capacity,
            "written": self.written,
            "reuse": self.reuse,
            "reuse_highest": self.reuse_highest,
            "never_drawn": self.never_drawn,
            "draw_age": self.draw_age,
            "games": self.games,
            "game_length": self.game_length,
            "value": self.value,
            "value_spread": self.value_spread,
        }
        return {f"memory/{name}": float(number) for name, number in row.items()}


def ring_statistics(
    ring: Ring,
    *,
    games: str | None = None,
    values: str | None = None,
    before: RingStatistics | None = None,
) -> RingStatistics:
    """The statistics of `ring` now.

    `games` names the field with the number of each example's game, `values` the one with its value target;
    of a vector over seats the first counts, the viewer's. `before` are earlier statistics of the same
    ring: the age of draws is that since then. A game is held whole unless the oldest example is of it and
    others have been replaced.
    """
    drawn = ring.drawn
    of_game = np.zeros(0, int) if games is None else ring.column(games)
    lengths = _lengths(of_game, ring.oldest > 0)
    targets = np.zeros(0) if values is None else ring.column(values)
    targets = targets.reshape(len(targets), -1)[:, :1] if targets.size else targets
    draws = ring.draws - (before.draws if before else 0)
    ages = ring.draw_ages - (before.draw_ages if before else 0)
    histogram = np.histogram(np.clip(targets, -1, 1), VALUE_BINS, (-1, 1))[0]
    return RingStatistics(
        examples=len(ring),
        capacity=ring.capacity,
        written=ring.written,
        draws=ring.draws,
        draw_ages=ring.draw_ages,
        reuse=_share(ring.draws, ring.written),
        reuse_held=_share(int(drawn.sum()), len(ring)),
        reuse_highest=int(drawn.max(initial=0)),
        never_drawn=_share(int((drawn == 0).sum()), len(ring)),
        draw_age=_share(ages, draws),
        games=len(np.unique(of_game)),
        game_length=_share(int(lengths.sum()), len(lengths)),
        game_length_shortest=int(lengths.min()) if len(lengths) else 0,
        game_length_longest=int(lengths.max(initial=0)),
        value=float(targets.mean()) if targets.size else float("nan"),
        value_spread=float(targets.std()) if targets.size else float("nan"),
        value_histogram=tuple(histogram.tolist()),
    )


def _lengths(games: np.ndarray, cut: bool) -> np.ndarray:
    """Examples of each game; without the game that has lost its beginning."""
    if cut and len(games):
        games = games[games != games[0]]
    return np.unique(games, return_counts=True)[1]


def _share(part: int, whole: int) -> float:
    return part / whole if whole else float("nan")
