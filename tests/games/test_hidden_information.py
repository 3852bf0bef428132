"""Nothing hidden reaches a player of Generals: not by view, mask, memory or the count of refused ids.

Whatever a player cannot see is shuffled, as far as the public scoreboard allows: armies, owners,
generals, mountains and cities in fog, the random stream, what others know. The player must not
notice. (TRAPS 1.)
"""

from __future__ import annotations

import copy

import numpy as np
import pytest
from crowded import choose, crowded_board

from strategos.games.generals import reference
from strategos.games.generals.game import Generals
from strategos.games.generals.record import FOG, GENERAL, NEUTRAL, OBSTACLE
from strategos.games.generals.reference import Position

CONFIGURATIONS = [
    ("generalsio", (0, 1)),
    ("generalsio", (0, 1, 2)),
    ("generalsio", (0, 0, 1, 1)),
    ("competition", (0, 1)),
]


def shuffled(rng: np.random.Generator, position: Position, player: int) -> Position:
    """Another position that this player cannot tell from the one given."""
    terrain = reference.view(position, player).terrain
    other = copy.deepcopy(position)
    moved = {}
    for look in (FOG, OBSTACLE):
        cells = [cell for cell in position.cells if terrain[cell] == look]
        for source, target in zip(cells, rng.permutation(cells).tolist(), strict=True):
            moved[source] = target
            other.terrain[target] = position.terrain[source]
            other.owner[target] = position.owner[source]
            other.army[target] = position.army[source]
    strangers = [seat for seat in position.players if seat != player]
    other.disguise = {
        moved.get(cell, cell): {seat for seat in strangers if rng.random() < 0.5} | (unaware & {player})
        for cell, unaware in position.disguise.items()
    }
    for cell, target in moved.items():
        if position.terrain[cell] == GENERAL:
            other.general[position.owner[cell]] = target
    for holder in [NEUTRAL, *position.players]:
        hidden = [cell for cell in moved if other.owner[cell] == holder]
        if len(hidden) < 2:
            continue
        # The total of an owner is public, how it lies is not; what is neutral is nobody's business.
        total = sum(other.army[cell] for cell in hidden) + (int(rng.integers(99)) if holder == NEUTRAL else 0)
        shares = np.diff([0, *sorted(rng.integers(0, total + 1, len(hidden) - 1).tolist()), total])
        for cell, army in zip(hidden, shares.tolist(), strict=True):
            other.army[cell] = army
    other.key, other.draws = int(rng.integers(2**62)), int(rng.integers(99))
    return other


@pytest.mark.parametrize(("rules", "teams"), CONFIGURATIONS, ids=str)
def test_what_is_hidden_changes_nothing_that_a_player_gets(rules: str, teams: tuple[int, ...]) -> None:
    rng = np.random.default_rng([*teams, *rules.encode()])
    game = Generals(6, 7, len(teams), ruleset=rules, teams=teams)
    differing = np.zeros(len(teams), int)
    for _ in range(60):
        position = crowded_board(rng, rules, teams, 6, 7)
        if rng.random() < 0.3:
            reference.leave(position, int(rng.integers(len(teams))))
        actions = [
            choose(rng, position, seat, reference.legal(position, seat), game.num_actions)
            for seat in position.players
        ]
        for player in position.players:
            other = shuffled(rng, position, player)
            states = np.array([reference.to_state(board, game.state_dtype) for board in (position, other)])
            differing[player] += (states["army"][0] != states["army"][1]).any()
            views = np.zeros((2, len(teams)), game.view_dtype)
            masks = np.zeros((2, len(teams), game.spec.mask_bytes), np.uint8)
            memories = np.zeros((2, len(teams)), game.memory_dtype)
            game.observe(states, views, masks, memories)
            illegal = np.zeros((2, len(teams)), np.uint8)
            game.step(states, np.array([actions, actions], np.int32), illegal)
            for name, found in (("view", views), ("mask", masks), ("memory", memories), ("illegal", illegal)):
                assert found[0, player].tobytes() == found[1, player].tobytes(), (
                    name,
                    player,
                    position,
                    other,
                )
    assert (differing > 20).all(), differing


def test_the_shuffle_moves_every_kind_of_hidden_thing() -> None:
    """The test above would prove nothing if the shuffle left something in its place."""
    rng = np.random.default_rng(5)
    moved = dict.fromkeys(("terrain", "owner", "army", "general", "disguise", "key"), 0)
    for _ in range(60):
        position = crowded_board(rng, "generalsio", (0, 1, 2), 6, 7)
        other = shuffled(rng, position, 0)
        for field in moved:
            moved[field] += getattr(position, field) != getattr(other, field)
        for totals in (reference.army_totals, reference.land_totals):
            assert totals(position) == totals(other)
    assert min(moved.values()) > 15, moved
