"""Augmentation: each example of a batch turned by a random symmetry of its game, where the game has one.

A symmetry is the game's own knowledge (`games/*/symmetry.py`); here stand who has one, and how it acts on
the fields of an example.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import numpy as np

from strategos.games.blob.symmetry import SuitSymmetry
from strategos.games.generals.symmetry import BoardSymmetry
from strategos.games.spec import Game


class Symmetry(Protocol):
    """Symmetries of one game. Every method takes the views [B] as they were before."""

    def draw(self, views: np.ndarray, generator: np.random.Generator) -> np.ndarray:
        """A random symmetry of each view, int64 [B]: what the other methods call `elements`."""
        ...

    def views(self, views: np.ndarray, elements: np.ndarray) -> np.ndarray:
        """The views [B] changed by `elements`."""
        ...

    def memories(self, views: np.ndarray, memories: np.ndarray, elements: np.ndarray) -> np.ndarray:
        """The memories [B] changed likewise."""
        ...

    def masks(self, views: np.ndarray, masks: np.ndarray, elements: np.ndarray) -> np.ndarray:
        """Packed legal masks [B, mask_bytes] changed likewise."""
        ...

    def policies(self, views: np.ndarray, policies: np.ndarray, elements: np.ndarray) -> np.ndarray:
        """Numbers for each action [B, num_actions] changed likewise."""
        ...

    def actions(self, views: np.ndarray, actions: np.ndarray, elements: np.ndarray) -> np.ndarray:
        """Action ids [B] changed likewise."""
        ...


SYMMETRIES: dict[str, Callable[[Game], Symmetry]] = {
    "blob": lambda game: SuitSymmetry(),
    "generals": lambda game: BoardSymmetry(
        game.options["height"], game.options["width"], game.spec.num_actions
    ),
}
"""The games that have symmetries."""


def make_symmetry(game: Game) -> Symmetry | None:
    """The symmetries of a game; `None` for one without (Kuhn poker)."""
    return SYMMETRIES[game.spec.name](game) if game.spec.name in SYMMETRIES else None


def augment(examples: np.ndarray, symmetry: Symmetry | None, generator: np.random.Generator) -> np.ndarray:
    """A copy of `examples` [B], each under a random symmetry of its own.

    Acts on the field `view`, which there must be, and on `memory`, `mask`, `policy` and `action` where the
    dtype has them; other fields (values, weights) stay. Without a symmetry, a plain copy.
    """
    changed = examples.copy()
    if symmetry is None or not len(examples):
        return changed
    fields, views = examples.dtype.names or (), examples["view"]
    elements = symmetry.draw(views, generator)
    changed["view"] = symmetry.views(views, elements)
    for field, change in (
        ("memory", symmetry.memories),
        ("mask", symmetry.masks),
        ("policy", symmetry.policies),
        ("action", symmetry.actions),
    ):
        if field in fields:
            changed[field] = change(views, examples[field], elements)
    return changed
