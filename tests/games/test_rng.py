"""Random numbers as fractions: exact, and where a logarithm is taken never 0 or 1."""

from __future__ import annotations

import math

import pytest

from strategos.games import rng


def test_fractions_are_the_draws():
    for key in (0, 5, -3, 2**62 + 11):
        for counter in range(200):
            drawn = rng.draw(key, counter)
            assert rng.uniform(key, counter) * 2**32 == drawn
            assert rng.uniform_inside(key, counter) * 2**32 == drawn + 0.5


@pytest.mark.parametrize("drawn", [0, 1, 2**31, 2**32 - 1])
def test_the_ends_stay_outside(drawn, monkeypatch):
    """In plain Python, where every draw can be had."""
    monkeypatch.setattr(rng, "draw", lambda key, counter: drawn)
    uniform, inside = (getattr(each, "py_func", each)(0, 0) for each in (rng.uniform, rng.uniform_inside))
    assert 0 <= uniform < 1 and 0 < inside < 1
    assert -math.inf < math.log(inside) < 0 and math.isfinite(math.log(-math.log(inside)))
