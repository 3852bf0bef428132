"""Leaves of a search judged twice: by a network, which knows, and by random playouts, which look.

A network that was trained for minutes is wrong in ways of its own at each position; playouts of the world at
hand are noisy but not biased towards what the network believes. Half of each is better than either (Silver et
al. 2016 mixed them in the same way).
"""

from __future__ import annotations

import numpy as np

from strategos.games.spec import Game
from strategos.play.search import Evaluator


class MixedEvaluator:
    """Policies of `first`; values of `first` for a `share`, of `second` for the rest."""

    def __init__(self, first: Evaluator, second: Evaluator, share: float = 0.5) -> None:
        if not 0 <= share <= 1:
            raise ValueError(f"share is from 0 to 1, not {share}")
        self.first, self.second, self.share = first, second, share

    def evaluate(self, game: Game, states: np.ndarray) -> tuple[np.ndarray | None, np.ndarray]:
        """Judge `states` [n]; see `Evaluator`."""
        copies = states.copy()
        logits, values = self.first.evaluate(game, states)
        others = self.second.evaluate(game, copies)[1]
        return logits, self.share * values + (1 - self.share) * others
