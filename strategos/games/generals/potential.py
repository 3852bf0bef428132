"""How well a player of Generals stands, from the public scoreboard: the potential of shaped rewards."""

from __future__ import annotations

import numpy as np


def potential(views: np.ndarray) -> np.ndarray:
    """How well each player stands: views [B] of any one seat to float64 [B, P] in [-1, 1].

    Half the difference in land shares plus half the difference in army shares between the
    player's team and the strongest other team, all from the public scoreboard. For two sides it
    is antisymmetric.
    """
    teams = views["team"]
    mates = teams[:, :, None] == teams[:, None, :]
    phi = np.zeros(teams.shape)
    for total in ("land_total", "army_total"):
        per_player = views[total].astype(np.float64)
        share = per_player / np.maximum(per_player.sum(1, keepdims=True), 1.0)
        team_share = (mates * share[:, None, :]).sum(2)
        strongest = np.where(mates, 0.0, team_share[:, None, :]).max(2)
        phi += 0.5 * (team_share - strongest)
    return phi
