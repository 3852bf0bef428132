"""What a ring tells about itself."""

from __future__ import annotations

import math

import numpy as np
import pytest
from examples import EXAMPLE, examples

from strategos.memory.ring import Ring
from strategos.memory.statistics import VALUE_BINS, ring_statistics


def test_an_empty_ring_has_statistics():
    found = ring_statistics(Ring(EXAMPLE, 10), games="game", values="value")
    assert (found.examples, found.games, found.reuse_highest) == (0, 0, 0)
    assert math.isnan(found.reuse) and math.isnan(found.value)
    assert sum(found.value_histogram) == 0


def test_games_values_and_reuse():
    ring, rng = Ring(EXAMPLE, 40), np.random.default_rng(1)
    ring.append(examples(0, 30))  # games of seven, the last with two
    found = ring_statistics(ring, games="game", values="value")
    assert (found.games, found.game_length_shortest, found.game_length_longest) == (5, 2, 7)
    assert found.game_length == 6
    values = np.sin(np.arange(30))
    assert found.value == pytest.approx(values.mean(), abs=1e-6)
    assert found.value_spread == pytest.approx(values.std(), abs=1e-6)
    counts = np.histogram(values, VALUE_BINS, (-1, 1))[0]
    assert found.value_histogram == tuple(counts.tolist())
    assert (found.reuse, found.never_drawn) == (0, 1)

    numbers = ring.sample(rng, 60).numbers
    used = np.bincount(numbers, minlength=30)
    found = ring_statistics(ring)
    assert found.reuse == found.reuse_held == 2
    assert found.reuse_highest == used.max()
    assert found.never_drawn == (used == 0).mean()
    assert found.draw_age == pytest.approx((29 - numbers).mean())

    ring.append(examples(30, 26))  # 0 to 15 are gone, the third game has lost two
    numbers = ring.sample(rng, 10).numbers
    later = ring_statistics(ring, games="game", before=found)
    assert later.draw_age == pytest.approx((55 - numbers).mean())
    assert (later.examples, later.written, later.draws) == (40, 56, 70)
    assert later.reuse == 70 / 56 and later.reuse_held < later.reuse_highest
    assert later.games == 6 and later.game_length == 7  # the one that was cut does not count


def test_a_row_for_the_metrics():
    ring = Ring(EXAMPLE, 40)
    ring.append(examples(0, 10))
    row = ring_statistics(ring, games="game", values="value").metrics()
    assert row["memory/examples"] == 10 and row["memory/filled"] == 0.25 and row["memory/games"] == 2
    assert all(key.startswith("memory/") and isinstance(number, float) for key, number in row.items())
