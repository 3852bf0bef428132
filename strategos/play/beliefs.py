"""Sampled worlds: full states that agree with all that one player knows. The door to each game's own.

A search may only ever look at worlds that came through here, never at the true state.
"""

from __future__ import annotations

from importlib import import_module
from typing import Protocol, runtime_checkable

import numpy as np

from strategos.games.spec import Game


class Beliefs(Protocol):
    """What a player may believe about the hidden part of a game."""

    game: Game
    """The game whose states the worlds are; for Blob a single round."""

    def sample(
        self, views: np.ndarray, memories: np.ndarray | None, keys: np.ndarray, worlds: int
    ) -> np.ndarray:
        """Draw states [B, worlds] of `game.state_dtype`, a function of the arguments alone.

        `views` [B]; `memories` [B], None where the game keeps none; `keys` [B] int64, a random stream each.
        The stream inside a world is a fresh one: it tells nothing of the true game's.
        """
        ...


@runtime_checkable
class PublicBeliefs(Beliefs, Protocol):
    """Beliefs that also say what those believe who have seen no card."""

    def beginnings(self, views: np.ndarray, keys: np.ndarray, worlds: int) -> np.ndarray:
        """Draw states [B, worlds] at the beginning of the rounds of `views` [B], from the streams `keys` [B].

        They agree with what everybody knew then, and with nothing else: not with the viewer's own cards.
        """
        ...


BELIEFS: dict[str, str] = {
    "blob": "strategos.play.blob_beliefs:BlobBeliefs",
    "generals": "strategos.play.generals_beliefs:GeneralsBeliefs",
    "kuhn": "strategos.play.kuhn_beliefs:KuhnBeliefs",
}
"""Name of each game that has beliefs, and where their class is."""


def make_beliefs(game: Game) -> Beliefs:
    """The beliefs of a player of `game`; `ValueError` for a game that has none."""
    if game.spec.name not in BELIEFS:
        raise ValueError(f"no beliefs for {game.spec.name!r} (there are, for {', '.join(BELIEFS)})")
    module, _, attribute = BELIEFS[game.spec.name].partition(":")
    return getattr(import_module(module), attribute)(game)
