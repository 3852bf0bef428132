"""Rewards: what an episode of Generals pays each player, as weights of named events.

Everything here is worked out from the players' own views, so a reward tells a player nothing
that the fog hides. A new event is a name in `EVENTS` and a term in `Arena.step`.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from strategos.games.compiled import kernel
from strategos.games.generals.record import CITY, GENERAL
from strategos.spelling import nearest

CAPTURES = ("kill", "capture_city", "capture_land", "lose_city", "lose_land")
"""What `count_captures` counts, in its order.

`kill` is an enemy general's tile taken; the land that comes with it counts as captures.
"""

EVENTS = {
    "win": "the player's team won",
    "draw": "the game ended without a winner",
    "lose": "another team won, or nobody of the player's team is alive",
    "kill": "an enemy general taken",
    "capture_city": "a city taken, neutral or enemy",
    "capture_land": "any other tile taken",
    "lose_city": "a city lost to another team",
    "lose_land": "any other tile lost to another team",
    "illegal": "an action outside the mask, which was played as a pass",
    "tick": "every tick",
    "potential": "gamma * phi(s') - phi(s) of `potential`, with phi = 0 at the end",
}

REWARDS: dict[str, dict[str, float]] = {
    "sparse": {"win": 1.0, "lose": -1.0, "illegal": -0.01},
    "shaped": {"win": 1.0, "lose": -1.0, "illegal": -0.01, "potential": 1.0},
    "events": {
        "win": 1.0,
        "lose": -1.0,
        "kill": 0.5,
        "capture_city": 0.1,
        "capture_land": 0.01,
        "lose_city": -0.1,
        "lose_land": -0.01,
        "illegal": -0.01,
    },
}


def reward_weights(reward: str | Mapping[str, float]) -> dict[str, float]:
    """The weight of each event, from a name of `REWARDS` or a mapping of your own.

    Raises `ValueError` for an unknown name or event (with the nearest known one) and for a
    weight that is not a finite number.
    """
    if isinstance(reward, str):
        if reward not in REWARDS:
            raise ValueError(
                f"no reward {reward!r}; choose one of {', '.join(REWARDS)}, or give a dict of event weights"
            )
        return dict(REWARDS[reward])
    weights = {}
    for event, weight in dict(reward).items():
        if event not in EVENTS:
            hint = nearest(str(event), EVENTS) or f"; choose from {', '.join(EVENTS)}"
            raise ValueError(f"no reward event {event!r}{hint}")
        try:
            weights[event] = float(weight)
        except (TypeError, ValueError):
            weights[event] = float("nan")
        if not np.isfinite(weights[event]):
            raise ValueError(f"the weight of reward event {event!r} must be a finite number, not {weight!r}")
    return weights


@kernel
def count_captures(owner_before, terrain_before, owner_after, terrain_after, teams, seat, counts):
    """Count one seat's captures of one tick from two of its views, batched.

    `owner_*` int8 and `terrain_*` uint8 [B, cells], `teams` int8 [B, P]; writes `counts` int32
    [B, len(CAPTURES)]. Tiles that pass between teammates count for nobody. An unseen tile has no
    owner; a teammate's is never unseen, so a tile of mine that I no longer see is lost.
    """
    for game in range(owner_after.shape[0]):
        counts[game, :] = 0
        team = teams[game, seat]
        for cell in range(owner_after.shape[1]):
            before = owner_before[game, cell]
            after = owner_after[game, cell]
            if before == after:
                continue
            if after == seat and (before < 0 or teams[game, before] != team):
                if before >= 0 and terrain_before[game, cell] == GENERAL:
                    counts[game, 0] += 1
                elif terrain_after[game, cell] == CITY:
                    counts[game, 1] += 1
                else:
                    counts[game, 2] += 1
            elif before == seat and (after < 0 or teams[game, after] != team):
                if terrain_before[game, cell] == CITY:
                    counts[game, 3] += 1
                else:
                    counts[game, 4] += 1
