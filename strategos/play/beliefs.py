"""Sampled worlds: full states that agree with all that one player knows. The door to each game's own.

A search may only ever look at worlds that came through here, never at the true state.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any, Protocol, runtime_checkable

import numpy as np

from strategos.games.spec import Game
from strategos.play.search.config import Probabilities


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


REWEIGHED: dict[str, str] = {"blob": "strategos.play.blob_reweighing:ReweighedBeliefs"}
"""Name of each game whose beliefs can be weighed by a policy, and where the class is that does."""


def make_beliefs(game: Game) -> Beliefs:
    """The beliefs of a player of `game`; `ValueError` for a game that has none."""
    if game.spec.name not in BELIEFS:
        raise ValueError(f"no beliefs for {game.spec.name!r} (there are, for {', '.join(BELIEFS)})")
    return _class_at(BELIEFS[game.spec.name])(game)


def reweigh(beliefs: Beliefs, probabilities: Probabilities, candidates: int) -> Beliefs:
    """Beliefs that expect the others to act as `probabilities` says: so many worlds of `beliefs`, weighed.

    `ValueError` for a game in which nothing can weigh them.
    """
    name = beliefs.game.spec.name
    if name not in REWEIGHED:
        raise ValueError(f"beliefs of {name} cannot be reweighed (there is a way for {', '.join(REWEIGHED)})")
    return _class_at(REWEIGHED[name])(beliefs, probabilities, candidates=candidates)


def _class_at(place: str) -> Any:
    module, _, attribute = place.partition(":")
    return getattr(import_module(module), attribute)
