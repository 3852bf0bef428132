"""What a game tells about itself, and the contract that every game keeps.

Data and types only. A game is a configured object (board size, players, rules); the state of
one match is one element of `game.state_dtype`, so a batch is an array, a clone is an
assignment and a save is `tobytes()`. Nothing here may import a particular game.
"""

from __future__ import annotations

from dataclasses import dataclass
from types import ModuleType
from typing import Any, Protocol, runtime_checkable

import numpy as np

LEAVE = -1
"""Stands for an action in a record: at that tick the player left the game (`LeavableGame.leave`)."""


@dataclass(frozen=True)
class GameSpec:
    """One configured game, described as data.

    `num_actions` counts the action ids of one player; legal masks are packed, eight ids a
    byte, little end first: `np.unpackbits(mask, axis=-1, count=num_actions, bitorder="little")`.
    """

    name: str
    num_players: int
    num_actions: int
    simultaneous: bool
    """All living players act on every tick; otherwise only the player with a non-empty mask."""
    has_memory: bool
    """The engine keeps, for each player, what that player has seen (`memory_dtype`)."""
    max_ticks: int
    """The rules end the game by this tick; 0 where they set no limit."""

    @property
    def mask_bytes(self) -> int:
        """Bytes of one player's packed legal mask."""
        return (self.num_actions + 7) // 8


class Game(Protocol):
    """The contract. `[B]` is a batch of games, `[P]` the players of one game.

    All arrays are the caller's and are written in place; no method allocates per game.
    """

    spec: GameSpec
    options: dict[str, Any]
    """What `make_game` was given, defaults included: plain data that builds the same game again."""
    state_dtype: np.dtype
    view_dtype: np.dtype
    memory_dtype: np.dtype

    @property
    def notation(self) -> ModuleType:
        """The module with `format_state(state) -> str` and `parse_state(text) -> state`."""
        ...

    def reset(self, states: np.ndarray, seeds: np.ndarray) -> None:
        """Begin new games in `states` [B] from `seeds` [B] int64."""
        ...

    def step(self, states: np.ndarray, actions: np.ndarray, illegal: np.ndarray) -> None:
        """Play `actions` [B, P] int32. An illegal id passes and sets `illegal` [B, P] uint8 to 1.

        A finished game does not change.
        """
        ...

    def legal(self, states: np.ndarray, masks: np.ndarray) -> None:
        """Write packed legal masks, `masks` [B, P, mask_bytes] uint8."""
        ...

    def view(self, states: np.ndarray, views: np.ndarray) -> None:
        """Write what every player may know, `views` [B, P] of `view_dtype`."""
        ...

    def remember(self, views: np.ndarray, memories: np.ndarray) -> None:
        """Fold `views` [B, P] into `memories` [B, P]; a view at tick 0 begins a new memory."""
        ...

    def observe(self, states: np.ndarray, views: np.ndarray, masks: np.ndarray, memories: np.ndarray) -> None:
        """`view`, `legal` and `remember` in one pass; `memories` of length 0 are left out."""
        ...

    def random_actions(self, states: np.ndarray, actions: np.ndarray) -> None:
        """Fill `actions` [B, P] int32, uniform over the legal ones, from each game's own stream.

        Generals passes only when nothing else is legal.
        """
        ...

    def play_randomly(self, states: np.ndarray, actions: np.ndarray, illegal: np.ndarray) -> None:
        """`random_actions`, then `step`; what was played stands in `actions`."""
        ...

    def playout(self, states: np.ndarray, limit: int) -> None:
        """Play uniformly random legal actions to each game's end, or for at most `limit` ticks.

        The same games as calls of `play_randomly` would play.
        """
        ...

    def over(self, states: np.ndarray) -> np.ndarray:
        """Which games [B] the rules have ended, bool."""
        ...

    def returns(self, states: np.ndarray, returns: np.ndarray) -> None:
        """Write the final `returns` [B, P] float32 in [-1, 1]; zeros while a game runs."""
        ...


@runtime_checkable
class LeavableGame(Protocol):
    """A game that a player can leave before its end: the others go on, and the last of them wins."""

    def leave(self, states: np.ndarray, row: int, player: int) -> None:
        """Let `player` surrender game `row` of `states`.

        A second call lets go of what is left of that player: in Generals the land, which stands until then
        and goes to a living teammate or to nobody.
        """
        ...
