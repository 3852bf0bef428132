"""Examples for the tests of the memory: numbered records."""

from __future__ import annotations

import numpy as np

EXAMPLE = np.dtype(
    [("number", "i8"), ("game", "i4"), ("value", "f4", (3,)), ("policy", "f2", (5,)), ("spare", "u1", (6,))]
)


def examples(first: int, count: int) -> np.ndarray:
    """Examples `first` to `first + count - 1`: games of seven, everything follows from the number."""
    made = np.zeros(count, EXAMPLE)
    made["number"] = np.arange(first, first + count)
    made["game"] = made["number"] // 7
    made["value"] = np.sin(made["number"])[:, None] * [1, 2, 3]
    made["policy"] = np.arange(5) + made["number"][:, None] % 64
    made["spare"] = made["number"][:, None] * 37 + np.arange(6)
    return made
