"""How the games of one kind end: what an example keeps of it, and what a network is taught about it.

Most games are taught the viewer's return. One whose end says more than who won has a line in `OUTCOMES`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from strategos.games.blob.record import MAX_PLAYERS
from strategos.games.spec import Game


@dataclass(frozen=True)
class Outcome:
    """How some rounds ended, seats in the order of the table."""

    returns: np.ndarray
    """[B, P] float32, the game's own."""
    scores: np.ndarray
    """[B, P] float32: points in units of 10 + cards in Blob, elsewhere the returns."""
    makes: np.ndarray
    """[B, P] bool: took exactly what was bid; elsewhere won."""


class Outcomes(Protocol):
    """The ends of one kind of game. Seats in an example are counted from its viewer."""

    watched: bool
    """A second seat learns from every decision, too: what its own hand is worth, as it watches."""
    makes_bids: bool
    """`Outcome.makes` and `scores` are worth a line in the metrics."""

    def fields(self, game: Game) -> list[tuple]:
        """The fields of an example that say how it ended."""
        ...

    def measure(self, game: Game, states: np.ndarray) -> Outcome:
        """What came out of rounds `states` [B] that are over; one that was cut gives zeros."""
        ...

    def write(self, examples: np.ndarray, found: Outcome, place: int) -> None:
        """Fill the fields of the `examples` [n] of round number `place` of `found`."""
        ...

    def viewers_return(self, examples: np.ndarray) -> np.ndarray:
        """The game's return [n] of the examples' viewers."""
        ...

    def targets(self, examples: np.ndarray) -> dict[str, Any]:
        """What is taught of `examples` [n]: fields of `learn.alphazero.Examples`."""
        ...


def _from_viewers(examples: np.ndarray, values: np.ndarray) -> np.ndarray:
    """`values` [P] of the seats of a table as each example's viewer counts them, [n, P]."""
    players = len(values)
    return values[(examples["seat"][:, None] + np.arange(players)) % players]


class Returns:
    """The viewer's return, or the search's own value of the position."""

    watched = makes_bids = False

    def fields(self, game: Game) -> list[tuple]:
        """See `Outcomes`."""
        return [("scores", "f4", (game.spec.num_players,))]

    def measure(self, game: Game, states: np.ndarray) -> Outcome:
        """See `Outcomes`."""
        returns = np.zeros((len(states), game.spec.num_players), np.float32)
        game.returns(states, returns)
        return Outcome(returns, returns, returns > 0)

    def write(self, examples: np.ndarray, found: Outcome, place: int) -> None:
        """See `Outcomes`."""
        examples["scores"] = _from_viewers(examples, found.scores[place])

    def viewers_return(self, examples: np.ndarray) -> np.ndarray:
        """See `Outcomes`."""
        return examples["scores"][:, 0]

    def targets(self, examples: np.ndarray) -> dict[str, Any]:
        """See `Outcomes`."""
        return {"values": examples["scores"][:, 0], "roots": examples["root"]}


class Points:
    """Points and made bids of every seat of a round of Blob; seats beyond the players stay 0."""

    watched = makes_bids = True

    def fields(self, game: Game) -> list[tuple]:
        """See `Outcomes`; they are the same for all kinds of deals."""
        return [("scores", "f4", (MAX_PLAYERS,)), ("makes", "u1", (MAX_PLAYERS,))]

    def measure(self, game: Game, states: np.ndarray) -> Outcome:
        """See `Outcomes`."""
        players = game.spec.num_players
        returns = np.zeros((len(states), players), np.float32)
        game.returns(states, returns)
        scores = states["last_scores"][:, :players] / (10.0 + states["cards"])[:, None]
        makes = states["bids"][:, :players] == states["tricks"][:, :players]
        return Outcome(returns, scores.astype(np.float32), makes)

    def write(self, examples: np.ndarray, found: Outcome, place: int) -> None:
        """See `Outcomes`."""
        players = found.scores.shape[1]
        examples["scores"][:, :players] = _from_viewers(examples, found.scores[place])
        examples["makes"][:, :players] = _from_viewers(examples, found.makes[place])

    def viewers_return(self, examples: np.ndarray) -> np.ndarray:
        """See `Outcomes`."""
        return examples["scores"][:, 0] - examples["scores"].sum(axis=1) / examples["players"]

    def targets(self, examples: np.ndarray) -> dict[str, Any]:
        """See `Outcomes`."""
        return {"values": examples["scores"], "made": examples["makes"], "players": examples["players"]}


OUTCOMES: dict[str, Outcomes] = {"blob": Points()}
"""The games whose end says more than their returns."""

_RETURNS = Returns()


def outcomes_of(game: Game) -> Outcomes:
    """How `game` ends."""
    return OUTCOMES.get(game.spec.name, _RETURNS)
