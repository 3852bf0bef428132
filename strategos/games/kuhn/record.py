"""The records of Kuhn poker: the state of a game, a player's view. Data only."""

from __future__ import annotations

import numpy as np

PASS, BET = range(2)
UNPLAYED = -1
CARDS = "JQK"

STATE = np.dtype(
    (
        np.record,
        [
            ("key", "i8"),  # the random stream
            ("draws", "i8"),  # numbers drawn from it so far
            ("tick", "i4"),  # moves made; player `tick % 2` is to move
            ("over", "i1"),
            ("card", "i1", (2,)),
            ("moves", "i1", (3,)),
            ("padding", "u1", (6,)),
        ],
    )
)

VIEW = np.dtype(
    (
        np.record,
        [
            ("tick", "i4"),
            ("me", "i2"),
            ("card", "i1"),
            ("moves", "i1", (3,)),
            ("padding", "u1", (6,)),
        ],
    )
)

MEMORY = np.dtype((np.record, [("tick", "i4"), ("padding", "u1", (4,))]))
