"""What it takes to play: one function from what a seat may know to an action."""

from __future__ import annotations

from typing import Protocol

import numpy as np


class Policy(Protocol):
    """A player, asked about many games at once.

    One call answers for one seat of B games; `views["me"]` tells which seat. A policy keeps
    nothing between calls: what it remembers is in `memories`, so the rows of a call may come from
    any games in any order, and the answer for a row does not depend on the rows beside it.
    """

    name: str

    def act(
        self, views: np.ndarray, masks: np.ndarray, memories: np.ndarray | None, rng: np.random.Generator
    ) -> np.ndarray:
        """Choose actions [B] int32.

        `views` [B] of the game's `view_dtype`; `masks` [B, mask_bytes] uint8, legal ids packed little
        end first; `memories` [B] of `memory_dtype`, None where the game keeps none. All are read only.
        A seat that has nothing to decide (an empty mask) is answered with 0.
        """
        ...


def check_plays(bot: str, game: str, views: np.ndarray, field: str) -> None:
    """Refuse `views` that are not those of the one `game` that a bot knows, told by a `field` of its views.

    `ValueError` that says what the bot plays.
    """
    if field not in (views.dtype.names or ()):
        raise ValueError(f"{bot} plays {game} and no other game; take a bot of this game, or random")
