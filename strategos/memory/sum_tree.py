"""A sum tree: draw places in proportion to their weights, change weights, both in logarithmic time.

Float64. A node is always computed anew from its two children, never adjusted by a difference, so the sums
depend on the weights alone and not on how often they were changed. Beside each sum stands the
smallest positive weight below it, which importance weights are normalised by.
"""

from __future__ import annotations

import numpy as np

from strategos.games.compiled import kernel


class SumTree:
    """Non-negative weights of `capacity` places, all 0 at first; any capacity from 1.

    Source: Schaul et al., *Prioritized Experience Replay*, 2016, appendix B.2.1.
    """

    def __init__(self, capacity: int) -> None:
        if capacity < 1:
            raise ValueError(f"a sum tree has at least one place, not {capacity}")
        self.capacity = capacity
        self._leaves = 1 << (capacity - 1).bit_length()
        self._sums = np.zeros(2 * self._leaves)
        self._least = np.full(2 * self._leaves, np.inf)

    @property
    def total(self) -> float:
        """The sum of all weights."""
        return float(self._sums[1])

    @property
    def least(self) -> float:
        """The smallest positive weight; infinite where there is none."""
        return float(self._least[1])

    def weights(self, places: np.ndarray) -> np.ndarray:
        """The weights of `places` [n], float64."""
        return self._sums[self._leaves + places]

    def set(self, places: np.ndarray, weights: np.ndarray) -> None:
        """Set `weights` [n] of `places` [n]; of a place that occurs twice, the last one stays.

        `ValueError` for a weight that is negative or not finite, and for a place that does not exist.
        """
        places, weights = np.asarray(places, np.int64), np.asarray(weights, np.float64)
        if places.shape != weights.shape or places.ndim != 1:
            raise ValueError(f"places {places.shape} and weights {weights.shape} must be of one length")
        if not (np.isfinite(weights) & (weights >= 0)).all():
            raise ValueError("every weight must be finite and at least 0")
        if len(places) and not 0 <= places.min() <= places.max() < self.capacity:
            raise ValueError(f"places are from 0 to {self.capacity - 1}")
        _set(self._sums, self._least, self._leaves, places, weights)

    def draw(self, generator: np.random.Generator, count: int, *, stratified: bool = True) -> np.ndarray:
        """Draw `count` places, int64, each with probability weight / total; one of weight 0 never.

        `stratified` takes one from each of `count` equal shares of the total, which varies less; otherwise
        the draws are independent. `ValueError` where every weight is 0.
        """
        if not self.total > 0:
            raise ValueError("every weight is 0: there is nothing to draw")
        marks = generator.random(count)
        if stratified:
            marks = (np.arange(count) + marks) / count
        places = np.empty(count, np.int64)
        _find(self._sums, self._leaves, marks * self.total, places)
        return places


@kernel
def _set(sums, least, leaves, places, weights):
    for index in range(places.shape[0]):
        node = leaves + places[index]
        sums[node] = weights[index]
        least[node] = weights[index] if weights[index] > 0 else np.inf
        node >>= 1
        while node:
            sums[node] = sums[2 * node] + sums[2 * node + 1]
            least[node] = min(least[2 * node], least[2 * node + 1])
            node >>= 1


@kernel
def _find(sums, leaves, marks, places):
    for index in range(marks.shape[0]):
        mark = marks[index]
        node = 1
        while node < leaves:
            node *= 2
            # Rounding can lift a mark to the very end: a side without weight is never entered.
            if mark >= sums[node] and sums[node + 1] > 0:
                mark -= sums[node]
                node += 1
        places[index] = node - leaves
