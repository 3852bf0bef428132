"""Positions as pictures, put into a running environment; and opponents that are easy to predict."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from strategos.games.generals import notation

UP, DOWN, LEFT, RIGHT = range(4)


class FirstLegal:
    """Plays the lowest legal id: no randomness, and the same answer alone and in a batch."""

    def act(self, views, masks, memories, rng):
        bits = np.unpackbits(masks, axis=-1, bitorder="little")
        return bits.argmax(-1).astype(np.int32)


@pytest.fixture
def first_legal() -> FirstLegal:
    return FirstLegal()


@pytest.fixture
def place() -> Callable:
    """`place(env, text, row=0)`: put a position into a game of an environment and look at it."""

    def put(env, text: str, row: int = 0) -> None:
        batch = env._arena.batch
        state = notation.parse_state(text)
        for name in state.dtype.names:
            batch.states[name][row] = state[name]
        batch.observe()

    return put


@pytest.fixture
def move() -> Callable:
    """`move(env, row, column, direction)`: the id of a move of all armies but one."""

    def action(env, row: int, column: int, direction: int) -> int:
        return (row * env._arena.game.width + column) * 8 + direction * 2

    return action
