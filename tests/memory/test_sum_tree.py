"""The sum tree: exact after a million changes, draws in proportion, never a place of weight 0. (TRAPS 14.)"""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import chisquare

from strategos.memory.sum_tree import SumTree


def consistent(tree: SumTree) -> bool:
    """Whether every inner node is, bit for bit, what its two children make."""
    nodes = np.arange(1, tree._leaves)
    sums = tree._sums[2 * nodes] + tree._sums[2 * nodes + 1]
    least = np.minimum(tree._least[2 * nodes], tree._least[2 * nodes + 1])
    return bool((tree._sums[nodes] == sums).all() and (tree._least[nodes] == least).all())


def test_a_million_changes_leave_no_drift():
    rng, capacity = np.random.default_rng(1), 1000
    tree, twin = SumTree(capacity), np.zeros(capacity)
    for _ in range(100):
        places = rng.integers(capacity, size=10_000)
        weights = np.exp(rng.uniform(-20, 20, len(places))) * (rng.random(len(places)) < 0.9)
        tree.set(places, weights)
        twin[places] = weights  # of equal places, the last one
    assert consistent(tree)
    assert tree.weights(np.arange(capacity)).tolist() == twin.tolist()
    assert math.isclose(tree.total, math.fsum(twin), rel_tol=1e-14)
    assert tree.least == twin[twin > 0].min()
    fresh = SumTree(capacity)
    fresh.set(np.arange(capacity), twin)
    assert fresh._sums.tobytes() == tree._sums.tobytes()


@pytest.mark.parametrize("capacity", [1, 2, 3, 7, 64, 100])
def test_draws_are_in_proportion_whatever_the_capacity(capacity):
    rng = np.random.default_rng(capacity)
    tree, weights = SumTree(capacity), rng.random(capacity) + 0.05
    weights[rng.random(capacity) < 0.3] = 0
    weights[0] = 0.5
    tree.set(np.arange(capacity), weights)
    expected = weights / weights.sum() * 40_000
    counts = np.bincount(tree.draw(rng, 40_000, stratified=False), minlength=capacity)
    assert (counts[weights == 0] == 0).all()
    some = weights > 0
    if some.sum() > 1:
        assert 1e-4 < chisquare(counts[some], expected[some]).pvalue < 1 - 1e-4
    evenly = np.bincount(tree.draw(rng, 40_000), minlength=capacity)
    assert (np.abs(evenly - expected) <= 2).all()  # a share of the total can be cut at both its ends only


class Edge:
    """A generator whose every number is the largest below 1."""

    def random(self, count: int) -> np.ndarray:
        return np.full(count, np.nextafter(1.0, 0.0))


@given(
    weights=st.lists(
        st.sampled_from([0.0, 0.0, 5e-324, 1e-30, 0.1, 1.0, 3.0, 1e30]), min_size=1, max_size=40
    ),
    seed=st.integers(0, 99),
)
def test_a_place_of_weight_0_is_never_drawn(weights, seed):
    tree = SumTree(len(weights))
    tree.set(np.arange(len(weights)), np.array(weights))
    if not any(weights):
        with pytest.raises(ValueError, match="nothing to draw"):
            tree.draw(np.random.default_rng(seed), 3)
        return
    for generator in (np.random.default_rng(seed), Edge()):
        for stratified in (True, False):
            places = tree.draw(generator, 50, stratified=stratified)
            assert (np.array(weights)[places] > 0).all()


@pytest.mark.parametrize(
    ("places", "weights", "message"),
    [([0], [-1.0], "at least 0"), ([0], [np.nan], "finite"), ([0], [np.inf], "finite")]
    + [([5], [1.0], "from 0 to 4"), ([-1], [1.0], "from 0 to 4"), ([0, 1], [1.0], "one length")],
)
def test_what_it_refuses(places, weights, message):
    tree = SumTree(5)
    with pytest.raises(ValueError, match=message):
        tree.set(np.array(places), np.array(weights))
    assert tree.total == 0
    with pytest.raises(ValueError, match="at least one place"):
        SumTree(0)
