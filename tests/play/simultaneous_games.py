"""One-shot games in which both players act at once, on the contract of `strategos.games.spec`."""

from __future__ import annotations

import numpy as np

from strategos.games.spec import GameSpec

STATE = np.dtype(
    (np.record, [("key", "i8"), ("tick", "i4"), ("over", "i1"), ("moves", "i1", (2,)), ("pad", "u1")])
)


class MatrixGame:
    """Both players choose a row or a column of `payoff` [A, A] at once; the first player wins its entry."""

    state_dtype = STATE

    def __init__(self, payoff) -> None:
        self.payoff = np.asarray(payoff, np.float32)
        actions = len(self.payoff)
        self.spec = GameSpec("matrix", 2, actions, simultaneous=True, has_memory=False, max_ticks=1)

    def start(self, *shape: int) -> np.ndarray:
        return np.zeros(shape, STATE)

    def legal(self, states, masks):
        masks[:] = 0
        masks[~self.over(states)] = np.packbits(np.ones(self.spec.num_actions, bool), bitorder="little")

    def step(self, states, actions, illegal):
        illegal[:] = 0
        running = ~self.over(states)
        states["moves"][running] = actions[running]
        states["tick"] += running
        states["over"] = 1

    def over(self, states):
        return states["over"] != 0

    def returns(self, states, returns):
        won = self.payoff[states["moves"][:, 0], states["moves"][:, 1]]
        returns[:, 0], returns[:, 1] = won, -won


class Level:
    """Knows nothing: uniform priors, value 0."""

    def evaluate(self, game, states):
        return None, np.zeros((len(states), game.spec.num_players), np.float32)
