"""What a player of Kuhn poker can believe: two cards that the other may hold, six deals that there are."""

from __future__ import annotations

import numpy as np

from strategos.games.compiled import kernel
from strategos.games.kuhn.record import UNPLAYED
from strategos.games.rng import below, derive
from strategos.games.spec import Game

_FIRST, _STREAMS = 0, 1  # children of a caller's key


@kernel
def _sample(views, keys, states):
    for row in range(views.shape[0]):
        view = views[row]
        first, streams = below(derive(keys[row], _FIRST), 0, 2), derive(keys[row], _STREAMS)
        for world in range(states.shape[1]):
            state = states[row, world]
            state.card[view.me] = view.card
            state.card[1 - view.me] = (view.card + 1 + (first + world) % 2) % 3
            for move in range(state.moves.shape[0]):
                state.moves[move] = view.moves[move]
            state.tick = view.tick
            state.key = derive(streams, world)


@kernel
def _begin(keys, states):
    for row in range(states.shape[0]):
        first, streams = below(derive(keys[row], _FIRST), 0, 6), derive(keys[row], _STREAMS)
        for world in range(states.shape[1]):
            state = states[row, world]
            deal = (first + world) % 6
            state.card[0] = deal // 2
            state.card[1] = (deal // 2 + 1 + deal % 2) % 3
            state.moves[:] = UNPLAYED
            state.key = derive(streams, world)


class KuhnBeliefs:
    """Uniform beliefs: every card that the other may hold is equally likely, and so is every deal.

    They are so few that the worlds take them in turn, from one on that the key chooses: each comes as often
    as the next, but for the remainder.
    """

    def __init__(self, game: Game) -> None:
        self.game = game

    def sample(
        self, views: np.ndarray, memories: np.ndarray | None, keys: np.ndarray, worlds: int
    ) -> np.ndarray:
        """Draw states [B, worlds] that agree with `views` [B] of games that run; `keys` [B] int64."""
        states = np.zeros((len(views), worlds), self.game.state_dtype)
        _sample(np.ascontiguousarray(views), np.ascontiguousarray(keys, np.int64), states)
        return states

    def beginnings(self, views: np.ndarray, keys: np.ndarray, worlds: int) -> np.ndarray:
        """Draw states [B, worlds] as the games of `views` [B] may have begun, in the eyes of all."""
        states = np.zeros((len(views), worlds), self.game.state_dtype)
        _begin(np.ascontiguousarray(keys, np.int64), states)
        return states
