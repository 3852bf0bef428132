"""An agent that looks at a board of Generals from all sides: the mean of its network over the symmetries.

A turned board is the same position, but a network that was trained for minutes does not know that. The
mean of its logits over the eight (four for a board that is not square) is a stronger agent, at as many times
the price.
"""

from __future__ import annotations

import numpy as np

from strategos.games.generals.symmetry import NUM_ELEMENTS, NUM_RECTANGULAR, BoardSymmetry
from strategos.nets.choice import sample_packed
from strategos.play.network import NetworkPolicy

_COLDEST = 1e-6


class SymmetricPolicy:
    """`inner` behind the `Policy` contract, asked about every symmetry of each board. Generals only."""

    def __init__(self, inner: NetworkPolicy) -> None:
        self.inner, self.name = inner, inner.name
        self._rows = max(1, inner.largest_batch // NUM_ELEMENTS)
        self._symmetries: dict[tuple[int, int, int], BoardSymmetry] = {}

    def act(
        self, views: np.ndarray, masks: np.ndarray, memories: np.ndarray | None, rng: np.random.Generator
    ) -> np.ndarray:
        """Choose actions [B] int32; see `Policy.act`."""
        actions = np.zeros(len(views), np.int32)
        uniforms = rng.random(len(views))
        for first in range(0, len(views), self._rows):
            rows = slice(first, first + self._rows)
            logits, _ = self.evaluate(views[rows], masks[rows], None if memories is None else memories[rows])
            scaled = logits / max(self.inner.temperature, _COLDEST)
            actions[rows], _ = sample_packed(scaled, masks[rows], uniforms[rows])
        return actions

    def evaluate(
        self, views: np.ndarray, masks: np.ndarray, memories: np.ndarray | None
    ) -> tuple[np.ndarray, np.ndarray]:
        """Logits [B, num_actions] and values [B], the means over the symmetries; see `NetworkPolicy`."""
        square = views["height"] == views["width"]
        sides = NUM_ELEMENTS if square.all() else NUM_RECTANGULAR
        elements = np.repeat(np.arange(sides), len(views))
        many = np.tile(np.arange(len(views)), sides)
        views, masks = views[many], masks[many]
        memories = None if memories is None else memories[many]
        symmetry = self._symmetry(views, masks)
        turned_memories = None if memories is None else symmetry.memories(views, memories, elements)
        logits, values = self.inner.evaluate(
            symmetry.views(views, elements), symmetry.masks(views, masks, elements), turned_memories
        )
        restored = symmetry.restored(views, logits, elements)
        mean = restored.reshape(sides, -1, logits.shape[1]).mean(axis=0)
        return mean, values.reshape(sides, -1).mean(axis=0)

    def _symmetry(self, views: np.ndarray, masks: np.ndarray) -> BoardSymmetry:
        """Of boards padded as these are: moves, builds where the masks have room for them, pass."""
        cells, stride = views["terrain"].shape[1], int(views["stride"][0])
        key = (cells // stride, stride, masks.shape[1])
        if key not in self._symmetries:
            builds = masks.shape[1] * 8 > 9 * cells
            self._symmetries[key] = BoardSymmetry(*key[:2], (9 if builds else 8) * cells + 1)
        return self._symmetries[key]
