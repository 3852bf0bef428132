"""Exact max^n of a small game with open hands, level by level over the contract of any sequential game."""

from __future__ import annotations

import numpy as np


def action_values(game, state) -> dict[int, np.ndarray]:
    """The value vector [P] of each legal action; everybody maximises their own, ties go to the lowest id."""
    levels = []
    states = np.array([state], game.state_dtype)
    while True:
        over = game.over(states)
        masks = np.zeros((len(states), game.spec.num_players, game.spec.mask_bytes), np.uint8)
        game.legal(states, masks)
        legal = np.unpackbits(masks, axis=-1, count=game.spec.num_actions, bitorder="little")
        parents, movers, actions = np.nonzero(legal)
        levels.append((states, over, parents, movers, actions))
        if not len(parents):
            break
        states = states[parents].copy()
        chosen = np.zeros((len(states), game.spec.num_players), np.int32)
        chosen[np.arange(len(states)), movers] = actions
        game.step(states, chosen, np.zeros(chosen.shape, np.uint8))
    values = None
    for states, over, parents, movers, actions in reversed(levels):
        own = np.zeros((len(states), game.spec.num_players), np.float32)
        game.returns(states, own)
        if values is not None:
            if len(states) == 1:
                return {int(action): value for action, value in zip(actions, values, strict=True)}
            mine = values[np.arange(len(parents)), movers]
            order = np.lexsort((actions, -mine, parents))
            first = order[np.unique(parents[order], return_index=True)[1]]
            own[parents[first]] = values[first]
        assert over[np.setdiff1d(np.arange(len(states)), parents)].all()
        values = own
    raise ValueError("the game is over")
