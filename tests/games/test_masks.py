"""Packed legal masks: the kernels beside NumPy's own unpacking."""

import numpy as np
import pytest

from strategos.games.masks import count_legal, is_set, nth_legal


@pytest.mark.parametrize("num_actions", [1, 2, 8, 70, 513])
@pytest.mark.parametrize("share", [0.0, 0.05, 0.5, 1.0])
def test_kernels_read_what_numpy_packs(num_actions, share):
    rng = np.random.default_rng(num_actions)
    for _ in range(5):
        legal = rng.random(num_actions) < share
        mask = np.packbits(legal, bitorder="little")
        ids = np.flatnonzero(legal)
        assert count_legal(mask) == len(ids)
        assert [bool(is_set(mask, action)) for action in range(num_actions)] == legal.tolist()
        assert [nth_legal(mask, index) for index in range(len(ids))] == ids.tolist()
        assert nth_legal(mask, len(ids)) == 0
