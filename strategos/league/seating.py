"""Who sits where in a batch of games: which seats learn, for which agent, against what kind of opponent.

The seats that learn stay the same for the whole run, so that every agent's experience has a steady shape; who
sits in the others is drawn anew for every game.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

SELF, PEERS, PAST = "self", "peers", "past"
NOBODY = -1


@dataclass(frozen=True)
class Seating:
    """For each of `G` games of `P` seats."""

    agents: np.ndarray
    """int16 [G, P]: the agent that learns from the seat, `NOBODY` where the opponent sits."""
    kinds: np.ndarray
    """object [G]: `SELF`, `PEERS`, `PAST` (members of the population), or a bot's name."""
    owners: np.ndarray
    """int16 [G]: the agent whose opponent it is."""
    teams: np.ndarray
    """int16 [P]: the team of each seat; a team is one player's."""


def arrange(games: int, teams: Sequence[int], shares: Sequence[Mapping[str, float]], mains: int) -> Seating:
    """Seats for `games` games, spread evenly over the agents, and over kinds by each agent's `shares`.

    What the shares leave is self-play: the agent has all seats. Against `PAST` and bots it has one team, in
    turn from game to game, and the opponent all others. Among `PEERS`, the first `mains` agents, every team
    is another one's while there are enough of them.
    """
    _, ranks = np.unique(teams, return_inverse=True)
    sides = int(ranks.max()) + 1
    kinds = np.full(games, SELF, dtype=object)
    owners = np.zeros(games, np.int16)
    agents = np.full((games, sides), NOBODY, np.int16)
    bounds = [games * number // len(shares) for number in range(len(shares) + 1)]
    for agent, mix in enumerate(shares):
        first, last = bounds[agent], bounds[agent + 1]
        owners[first:last] = agent
        size, at = last - first, first
        for kind, share in sorted(mix.items()):
            count = min(round(share * size), last - at)
            kinds[at : at + count] = kind
            at += count
    for game in range(games):
        agent, side = int(owners[game]), game % sides
        if kinds[game] == SELF:
            agents[game] = agent
            continue
        agents[game, side] = agent
        if kinds[game] == PEERS:
            for step in range(1, sides):
                other = 1 + (game // sides + step - 1) % (mains - 1)
                agents[game, (side + step) % sides] = (agent + other) % mains
    return Seating(agents[:, ranks], kinds, owners, ranks.astype(np.int16))
