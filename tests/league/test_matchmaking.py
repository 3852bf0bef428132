"""Matchmaking: drawn as often as the weights say, a floor for everyone, easier games for exploiters."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import chisquare

from strategos.league.matchmaking import WEIGHTINGS, Draw, exploiters_draw, prioritized

CHANCES = st.lists(st.floats(0, 1), min_size=1, max_size=8)


def drawn(draw: Draw, times: int = 20_000) -> np.ndarray:
    rng = np.random.default_rng(0)
    names = [draw.one(rng) for _ in range(times)]
    return np.array([names.count(name) for name in draw.names])


@pytest.mark.parametrize(
    ("weighting", "shares"),
    [
        ("uniform", (1 / 3, 1 / 3, 1 / 3)),
        ("hard", (0.81 / 1.07, 0.25 / 1.07, 0.01 / 1.07)),  # (1 - p)^2 of 0.1, 0.5 and 0.9
        ("even", (0.09 / 0.43, 0.25 / 0.43, 0.09 / 0.43)),  # p (1 - p)
    ],
)
def test_opponents_are_drawn_by_the_published_weights(weighting, shares):
    draw = prioritized({"weak": 0.1, "equal": 0.5, "beaten": 0.9}, weighting, 0.0)
    assert draw.names == ("weak", "equal", "beaten")
    np.testing.assert_allclose(draw.chances, shares)
    assert chisquare(drawn(draw), np.array(shares) * 20_000).pvalue > 0.001


@given(CHANCES, st.sampled_from(sorted(WEIGHTINGS)), st.floats(0, 1))
def test_everybody_has_the_floor_and_nothing_is_lost(chances, weighting, floor):
    draw = prioritized({str(place): chance for place, chance in enumerate(chances)}, weighting, floor)
    assert sum(draw.chances) == pytest.approx(1)
    assert min(draw.chances) >= floor / len(chances) - 1e-12


def test_who_beats_everybody_meets_everybody_alike():
    assert prioritized({"a": 1.0, "b": 1.0}, "hard", 0.0).chances == (0.5, 0.5)


def test_a_main_exploiter_meets_main_agents_and_their_past_while_these_are_too_strong():
    past = {"old": 0.9, "even": 0.5}
    fair = exploiters_draw({"one": 0.3, "two": 0.6}, past)
    assert dict(zip(fair.names, fair.chances, strict=True)) == {"one": 0.5, "two": 0.5}
    hopeless = exploiters_draw({"one": 0.1, "two": 0.6}, past)
    expected = {"old": 0.5 * 0.09 / 0.34, "even": 0.5 * 0.25 / 0.34, "two": 0.5}
    assert dict(zip(hopeless.names, hopeless.chances, strict=True)) == pytest.approx(expected)
    alone = exploiters_draw({"one": 0.0}, {})
    assert alone.names == ("one",), "where there is no past the main agent itself must do"


def test_nobody_and_nonsense_are_named():
    assert prioritized({}, "hard", 0.1) == Draw()
    with pytest.raises(ValueError, match="empty list of opponents"):
        Draw().one(np.random.default_rng(0))
    with pytest.raises(ValueError, match="between 0 and 1"):
        prioritized({"a": 1.5}, "hard", 0.1)
