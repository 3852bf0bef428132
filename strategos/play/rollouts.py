"""Leaves of a search judged by playing on at random: for any game that can play itself out."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

from strategos.games.rng import derive

_NO_LIMIT = 1 << 30


class RolloutEvaluator:
    """The mean return of `rollouts` uniformly random playouts of each leaf.

    A playout ends after `limit` steps (0: the end of the game). One that is cut short counts what
    `unfinished` says of the position it came to, or 0 where none is given. With `unfinished` the priors
    are that evaluator's too, otherwise they are uniform.
    """

    def __init__(self, rollouts: int = 1, *, limit: int = 0, unfinished: Any | None = None) -> None:
        if rollouts < 1 or limit < 0:
            raise ValueError(f"at least 1 rollout of 0 (no limit) or more steps, not {rollouts} of {limit}")
        if limit == 0 and unfinished is not None:
            raise ValueError("without a limit all rollouts are finished; give one to judge unfinished ones")
        self.rollouts, self.limit, self.unfinished = rollouts, limit, unfinished

    def evaluate(self, game: Any, states: np.ndarray) -> tuple[np.ndarray | None, np.ndarray]:
        """Logits of `unfinished` or None, and values [n, P] float32; `states` [n] are left as they are.

        `game` has `playout(states, limit)`. Playout `r` of a state draws from a stream made of the state's
        own and `r`.
        """
        copies = np.repeat(states, self.rollouts)
        _fork_streams(copies["key"], copies["draws"], self.rollouts)
        game.playout(copies, self.limit if self.limit > 0 else _NO_LIMIT)
        values = np.empty((len(copies), game.spec.num_players), np.float32)
        game.returns(copies, values)
        logits = None
        if self.unfinished is not None:
            logits = self.unfinished.evaluate(game, states)[0]
            running = np.flatnonzero(~game.over(copies))
            if len(running):
                values[running] = self.unfinished.evaluate(game, copies[running])[1]
        return logits, values.reshape(len(states), self.rollouts, -1).mean(axis=1)


@njit(nogil=True, cache=True)
def _fork_streams(keys, draws, rollouts):
    """Give each of the `rollouts` copies of a state, one after the other, a stream of its own."""
    for row in range(keys.shape[0]):
        keys[row] = derive(keys[row] ^ draws[row], row % rollouts)
        draws[row] = 0
