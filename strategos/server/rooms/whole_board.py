"""What a spectator may see: the whole board of Generals, the open table of a card game, nobody's hand.

Whoever shows a board of Generals shows it late; the delay is not made here.
"""

from __future__ import annotations

import numpy as np

from strategos.games.generals.record import ARMY_CAP
from strategos.games.spec import Game

NOBODY = -1
"""`me` in the view of a spectator of Generals."""


def whole_board(game: Game, states: np.ndarray) -> np.ndarray | None:
    """A [] record of `view_dtype` from `states` [1]; None where everything on the table is hidden.

    In Generals `me` is `NOBODY` and nothing is fog; in Blob seats count from seat 0, whose hand is empty.
    """
    views = np.zeros((1, game.spec.num_players), game.view_dtype)
    game.view(states, views)
    view = views[:, 0].copy()
    if game.spec.name == "generals":
        view["me"] = NOBODY
        view["army"] = np.minimum(states["army"], ARMY_CAP)
        view["owner"], view["terrain"] = states["owner"], states["terrain"]
    elif game.spec.name == "blob":
        view["hand"] = 0
    else:
        return None
    return view.reshape(())
