"""Leaves of a search judged by playing on at random: for any game that can play itself out."""

from __future__ import annotations

from typing import Any

import numpy as np

from strategos.games.compiled import kernel
from strategos.games.rng import derive, mix

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

        `game` has `playout(states, limit)`. Playout `r` draws from a stream made of the whole state and `r`,
        so that the leaves of one world do not all see the same luck.
        """
        copies = np.repeat(states, self.rollouts)
        words = copies.view(np.int64).reshape(len(copies), -1)
        _fork_streams(words, copies["key"], copies["draws"], self.rollouts)
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


@kernel
def _fork_streams(words, keys, draws, rollouts):
    """Give each of the `rollouts` copies of a state [n, words], one after the other, a stream of its own."""
    for row in range(keys.shape[0]):
        hashed = 0
        for place in range(words.shape[1]):
            hashed = mix(hashed ^ words[row, place] ^ (words[row, place] >> 32))
        keys[row] = derive(keys[row] ^ hashed, row % rollouts)
        draws[row] = 0
