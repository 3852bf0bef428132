"""Packed legal masks, compiled: eight action ids a byte, little end first, as `GameSpec` describes them."""

from __future__ import annotations

import numpy as np

from strategos.games.bits import count_bits
from strategos.games.compiled import kernel


@kernel
def is_set(mask, action):
    """Whether a packed mask [mask_bytes] holds an action, 1 or 0."""
    return mask[action >> 3] >> (action & 7) & 1


@kernel
def count_legal(mask):
    """How many actions a packed mask [mask_bytes] holds."""
    count = 0
    for place in range(mask.shape[0]):
        if mask[place]:
            count += count_bits(mask[place])
    return count


@kernel
def nth_legal(mask, index):
    """Legal action number `index`, from 0, of a packed mask [mask_bytes]; 0 where it holds no more."""
    for place in range(mask.shape[0]):
        byte = np.int64(mask[place])  # `int` would make it unsigned
        if byte == 0:
            continue
        count = count_bits(byte)
        if index >= count:
            index -= count
            continue
        for _ in range(index):
            byte &= byte - 1
        return 8 * place + count_bits((byte & -byte) - 1)
    return 0
