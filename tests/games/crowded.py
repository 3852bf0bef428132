"""Boards of Generals in the middle of a war, and players who like to fight: every rule is near."""

from __future__ import annotations

import numpy as np

from strategos.games.generals import reference
from strategos.games.generals.record import (
    ALIVE,
    CITY,
    GENERAL,
    MOUNTAIN,
    NEUTRAL,
    PLAIN,
    RULES_DTYPE,
    ruleset,
)
from strategos.games.generals.reference import Position


def crowded_board(
    rng: np.random.Generator, rules: str, teams: tuple[int, ...], height: int, width: int
) -> Position:
    """A small board in the middle of a war: every rule is a few ticks away."""
    rows, columns = int(rng.integers(4, height + 1)), int(rng.integers(4, width + 1))
    flags = {flag: int(ruleset(rules)[flag]) for flag in RULES_DTYPE.names or ()}
    flags["cities_regrow"] = int(rules == "classic" and rng.random() < 0.5)
    cells, players = height * width, len(teams)
    position = Position(
        height=rows,
        width=columns,
        stride=width,
        rules=flags,
        tick=int(rng.choice([0, 1, 30, 790, 1190])),
        army=[0] * cells,
        owner=[NEUTRAL] * cells,
        terrain=[MOUNTAIN] * cells,
        team=list(teams),
        status=[ALIVE] * players,
        general=[-1] * players,
        death=[0] * players,
        disguise={},
        key=int(rng.integers(2**62)),
    )
    inside = rng.permutation([y * width + x for y in range(rows) for x in range(columns)]).tolist()
    for cell in inside:
        position.terrain[cell] = MOUNTAIN if rng.random() < 0.12 else PLAIN
    for player in range(players):
        cell = inside.pop()
        position.terrain[cell], position.owner[cell], position.army[cell] = (
            GENERAL,
            player,
            int(rng.integers(1, 9)),
        )
        position.general[player] = cell
    for cell in inside:
        if position.terrain[cell] != PLAIN:
            continue
        if rng.random() < 0.15:
            position.terrain[cell] = CITY
            position.disguise[cell] = {player for player in range(players) if rng.random() < 0.3}
            position.army[cell] = int(rng.integers(3, 45))
        if rng.random() < 0.5:
            position.owner[cell] = int(rng.integers(players))
            position.army[cell] = int(
                rng.choice(
                    [0, 1, 2, 3, 5, 8, 20, 60, 40000], p=[0.14, 0.14, 0.14, 0.14, 0.14, 0.14, 0.1, 0.05, 0.01]
                )
            )
    reference.lift_disguises(position)
    return position


def choose(
    rng: np.random.Generator, position: Position, player: int, legal: set[int], num_actions: int
) -> int:
    """Mostly legal, often violent, now and then nonsense."""
    luck = rng.random()
    if luck < 0.05:
        return int(rng.choice([-1, num_actions, num_actions + 7, 2**31 - 1, -(2**31)]))
    if luck < 0.15:
        return int(rng.integers(num_actions))
    options = sorted(legal)
    if luck < 0.65:
        moves = [action for action in options if action < 8 * len(position.army)]
        strikes = [
            action
            for action in moves
            if (target := reference.read_move(position, player, action).target) is not None
            and position.owner[target] not in (player, NEUTRAL)
        ]
        options = strikes or moves or options
    return int(rng.choice(options))
