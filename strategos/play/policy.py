"""What it takes to play: one function from what a seat may know to an action.

A policy that keeps something of its own between its moves, such as a process, says so by being a
`SessionPolicy`; whoever plays whole games then opens a session of it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np


class PolicyError(ValueError):
    """No such player, or one that is damaged: what was asked for, what there is."""


class Policy(Protocol):
    """A player, asked about many games at once.

    Each row is one seat of one game; `views["me"]` tells which seat. A policy keeps
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


_MEASURED = {"blob": 0.0}


def measured_temperature(game: str) -> float:
    """The temperature at which networks choose where the strength of players of `game` is measured.

    Sampling plays as well or better on a grid, and is what makes an equilibrium; a round of Blob is played
    best greedily.
    """
    return _MEASURED.get(game, 1.0)


@dataclass
class Conduct:
    """How a player has behaved in one game, where it can misbehave."""

    faults: int = 0
    """Answers that were late or malformed; a pass was played."""
    illegal: int = 0
    """Moves that the game does not allow; a pass was played."""
    forfeit: str | None = None
    """Why it has lost the game by its conduct, and when; None where it has not."""


class Session(Protocol):
    """A policy at the games of one batch, where it sits on one seat of each."""

    def act(
        self,
        games: np.ndarray,
        views: np.ndarray,
        masks: np.ndarray,
        memories: np.ndarray | None,
        rng: np.random.Generator,
    ) -> np.ndarray:
        """Choose actions [B] int32 as `Policy.act` does; `games` [B] int64 tells which game each row is of.

        The rows of a call may be of different seats. Always answers: who has forfeited passes.
        """
        ...

    def conduct(self, game: int) -> Conduct:
        """How it has behaved in a game so far."""
        ...

    def finish(self, games: np.ndarray) -> None:
        """Let go of what it holds for `games` [B], which are over; their conduct can still be asked for."""
        ...

    def close(self) -> None:
        """Let go of everything, also of games that are not over."""
        ...


@runtime_checkable
class SessionPolicy(Protocol):
    """A policy that keeps something of its own between its moves."""

    name: str

    @property
    def games_at_once(self) -> int:
        """The largest batch of games that it plays well."""
        ...

    def begin(self) -> Session:
        """Sit down at a new batch of games."""
        ...


class OneGamePolicy(Policy, Protocol):
    """A policy that knows one game only."""

    game: str


def check_plays(bot: OneGamePolicy, views: np.ndarray, field: str) -> None:
    """Refuse `views` that are not those of the one game that a bot knows, told by a `field` of its views.

    `ValueError` that says what the bot plays.
    """
    if field not in (views.dtype.names or ()):
        raise ValueError(f"{bot.name} plays {bot.game} and no other game; take a bot of this game, or random")


def row_keys(rng: np.random.Generator, rows: int) -> np.ndarray:
    """One random stream a row, [B] int64: a row draws the same numbers alone and in a batch."""
    return rng.integers(0, 1 << 63, size=rows, dtype=np.int64)


def decision_keys(rng: np.random.Generator, rows: int) -> np.ndarray:
    """Two random streams a row, [B, 2] int64, for the same reason."""
    return rng.integers(0, 1 << 63, size=(rows, 2), dtype=np.int64)
