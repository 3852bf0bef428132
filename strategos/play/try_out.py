"""Whether players can play a game at all: asked once, before anything is shown, trained or measured."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from strategos.games.spec import Game
from strategos.play.policy import Policy, PolicyError, SessionPolicy


def try_out(game: Game, players: Iterable[Policy]) -> None:
    """Ask each of `players` for one move at the beginning of a game; `PolicyError` names who has none.

    A program is not asked: it is told the board when it sits down, and forfeits what it cannot play.
    """
    seats = game.spec.num_players
    states = np.zeros(1, game.state_dtype)
    views = np.zeros((1, seats), game.view_dtype)
    masks = np.zeros((1, seats, game.spec.mask_bytes), np.uint8)
    memories = np.zeros((1 if game.spec.has_memory else 0, seats), game.memory_dtype)
    game.reset(states, np.zeros(1, np.int64))
    game.observe(states, views, masks, memories)
    seat = int(masks[0].any(axis=1).argmax())
    remembered = memories[:, seat] if len(memories) else None
    for player in players:
        if isinstance(player, SessionPolicy):
            plays = getattr(player, "game", game.spec.name)
            if plays != game.spec.name:
                raise PolicyError(f"{player.name} plays {plays}, and this is a game of {game.spec.name}")
            continue
        try:
            player.act(views[:, seat], masks[:, seat], remembered, np.random.default_rng(0))
        except (ValueError, KeyError, IndexError, TypeError, RuntimeError) as error:
            raise PolicyError(f"{player.name} cannot play this game of {game.spec.name}: {error}") from error
