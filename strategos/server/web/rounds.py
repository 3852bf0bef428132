"""How the last round of Blob ended: its last trick is in no view, as the next round is dealt with it.

Follows the games of the hall and keeps what was played; a round is played again when somebody asks. Only what
lay on the table is told.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from strategos.games.spec import Game
from strategos.server.terms import Result
from strategos.server.web.shown import end_of_round, table_of

_PUBLIC = (
    "round",
    "cards",
    "trump",
    "turned",
    "dealer",
    "bids",
    "taken",
    "scores",
    "last_scores",
    "tricks",
)


@dataclass
class _Followed:
    """A game from its beginning."""

    game: Game
    seed: int
    actions: list[np.ndarray]
    found: dict[int, dict[str, Any]] = field(default_factory=dict)
    """Rounds that were asked for; the latest only."""


class Rounds:
    """A `terms.Follower` of the games of Blob that have more than one round."""

    def __init__(self) -> None:
        self._games: dict[str, _Followed] = {}

    def begun(
        self, room: str, game: Game, seed: int, names: tuple[str, ...], actions: Sequence[np.ndarray]
    ) -> None:
        """Keep a game in mind."""
        if game.spec.name == "blob" and game.options["rounds"] == "all":
            self._games[room] = _Followed(game, seed, list(actions))

    def played(self, room: str, actions: np.ndarray) -> None:
        """Keep a move."""
        followed = self._games.get(room)
        if followed is not None:
            followed.actions.append(actions)

    def ended(self, room: str, result: Result) -> None:
        """Forget a game; the last state of a game holds its last round."""
        self._games.pop(room, None)

    def finished(self, room: str, number: int) -> dict[str, Any] | None:
        """The table at the end of round `number`; None where it is not over or nothing is known of it."""
        followed = self._games.get(room)
        if followed is None:
            return None
        if number not in followed.found:
            table = _play_to_the_end_of(followed, number)
            followed.found = {} if table is None else {number: table}
        return followed.found.get(number)


def _play_to_the_end_of(followed: _Followed, number: int) -> dict[str, Any] | None:
    game = followed.game
    states = np.zeros(1, game.state_dtype)
    illegal = np.zeros((1, game.spec.num_players), np.uint8)
    game.reset(states, np.array([followed.seed], np.int64))
    before = states.copy()
    for actions in followed.actions:
        game.step(states, np.ascontiguousarray(actions[None], np.int32), illegal)
        if int(states["round"][0]) > number:
            table, card = table_of(before[0]), int(actions[int(before["turn"][0])])
            if not illegal.any():
                ended = end_of_round(table, card, table_of(states[0]))
                return {name: ended[name] for name in _PUBLIC}
            return None  # the rules chose the card, and only they know which
        before[:] = states
    return None
