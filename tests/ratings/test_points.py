"""Ratings in points: they recover known strengths, their intervals cover, they need a link to the anchor."""

from __future__ import annotations

import numpy as np
import pytest

from strategos.ratings.points import Meeting, fit

STRENGTH = {"random": 0.0, "heuristic": 0.2, "first": 0.15, "second": 0.25}
PAIRS = [("heuristic", "random"), ("first", "random"), ("second", "first"), ("second", "heuristic")]


def meetings(rng: np.random.Generator, deals: int) -> list[Meeting]:
    found = []
    for one, other in PAIRS:
        samples = rng.normal(STRENGTH[one] - STRENGTH[other], 0.3, deals)
        found.append(Meeting(one, other, deals, float(samples.mean()), float(samples.var(ddof=1))))
    return found


def test_known_strengths_are_recovered_and_covered():
    rng = np.random.default_rng(0)
    covered, tables = 0, 200
    for _ in range(tables):
        ratings = {each.name: each for each in fit(meetings(rng, 60), anchor="random")}
        assert ratings["random"].points == ratings["random"].low == ratings["random"].high == 0
        covered += sum(
            ratings[name].low <= STRENGTH[name] <= ratings[name].high for name in STRENGTH if name != "random"
        )
    assert 0.92 < covered / (3 * tables) < 0.98


def test_the_order_and_the_deals():
    ratings = fit(meetings(np.random.default_rng(1), 20_000), anchor="random")
    assert [each.name for each in ratings] == ["second", "heuristic", "first", "random"]
    assert {each.name: each.deals for each in ratings}["second"] == 40_000


def test_the_order_of_a_pair_does_not_matter():
    one = fit([Meeting("a", "b", 10, 0.3, 0.1)], anchor="b")
    other = fit([Meeting("b", "a", 10, -0.3, 0.1)], anchor="b")
    assert one == other


def test_who_is_not_linked_to_the_anchor_is_refused():
    apart = [Meeting("a", "b", 10, 0.1, 0.1), Meeting("c", "d", 10, 0.1, 0.1)]
    with pytest.raises(ValueError, match="never met anybody linked"):
        fit(apart, anchor="a")
    with pytest.raises(ValueError, match="has not played"):
        fit(apart, anchor="e")
