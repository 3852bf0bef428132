"""Random games of Generals: the kernels equal the slow reference twin after every tick.

State bytes, illegal flags, views, masks, memories, returns and rankings. A few hundred ticks of
every configuration by default; `STRATEGOS_TWIN_TICKS=100000` plays that many of each.
"""

from __future__ import annotations

import os

import numpy as np
import pytest
from crowded import choose, crowded_board

from strategos.games.generals import reference
from strategos.games.generals.game import Generals
from strategos.games.generals.record import RULESETS, state_dtype

TICKS = int(os.environ.get("STRATEGOS_TWIN_TICKS", "200"))

TEAMS = {
    2: [(0, 1)],
    3: [(0, 1, 2), (0, 1, 0)],
    4: [(0, 1, 2, 3), (0, 0, 1, 1), (2, 0, 2, 2)],
    8: [tuple(range(8)), (0, 1, 2, 3, 0, 1, 2, 3), (0, 0, 0, 0, 1, 1, 1, 1)],
    16: [tuple(range(16)), tuple(seat % 4 for seat in range(16))],
}
CONFIGURATIONS = [
    (rules, teams)
    for rules, flags in RULESETS.items()
    for players, layouts in TEAMS.items()
    if players <= flags["max_players"]
    for teams in layouts
]


def explain(ours: np.void, theirs: np.void) -> str:
    """Which fields of two records differ, and where first."""
    lines = []
    for field in ours.dtype.names or ():
        kernel, twin = np.atleast_1d(np.asarray(ours[field])), np.atleast_1d(np.asarray(theirs[field]))
        unequal = np.flatnonzero(kernel.ravel() != twin.ravel())[:4] if kernel.dtype.names is None else [0]
        if kernel.tobytes() != twin.tobytes():
            values = f"kernels {kernel.ravel()[unequal]}, reference {twin.ravel()[unequal]}"
            lines.append(f"{field} at {list(unequal)}: {values}")
    return "; ".join(lines)


class Twins:
    """One game played by both, compared whenever something happened."""

    def __init__(self, game: Generals, state: np.void, number: int) -> None:
        self.game, self.number = game, number
        self.states = np.zeros(1, game.state_dtype)
        self.states[0] = state
        players = (1, game.players)
        self.views = np.zeros(players, game.view_dtype)
        self.masks = np.zeros((*players, game.spec.mask_bytes), np.uint8)
        self.memories = np.zeros(players, game.memory_dtype)
        self.memories["tick"] = -1
        self.position = reference.from_state(state)
        self.remembered = [memory.copy() for memory in self.memories[0]]
        self.legal: list[set[int]] = []
        self.compare("the start")

    def compare(self, event: str) -> None:
        """Assert that state, views, masks, memories and results are equal to the last byte."""
        game, position = self.game, self.position
        about = f"board {self.number}, tick {position.tick}, after {event}: "
        twin = reference.to_state(position, game.state_dtype)
        assert self.states[0].tobytes() == twin.tobytes(), about + explain(self.states[0], twin)
        game.view(self.states, self.views)
        self.masks[:] = 255
        game.legal(self.states, self.masks)
        game.remember(self.views, self.memories)
        bits = np.unpackbits(self.masks[0], axis=-1, bitorder="little")
        self.legal = [reference.legal(position, player) for player in position.players]
        for player in position.players:
            who = f"{about}player {player}: "
            view = reference.view(position, player)
            assert self.views[0, player].tobytes() == view.tobytes(), who + explain(
                self.views[0, player], view
            )
            mask = set(np.flatnonzero(bits[player]).tolist())
            assert mask == self.legal[player], (
                f"{who}only one side allows {sorted(mask ^ self.legal[player])}"
            )
            memory = reference.remember(view, self.remembered[player])
            self.remembered[player] = memory
            kernel = self.memories[0, player]
            assert kernel.tobytes() == memory.tobytes(), who + explain(kernel, memory)
        returns = np.full((1, game.players), np.nan, np.float32)
        game.returns(self.states, returns)
        assert returns[0].tolist() == np.float32(reference.returns(position)).tolist(), about + "returns"
        assert game.ranking(self.states)[0].tolist() == reference.ranking(position), about + "ranking"
        assert bool(game.over(self.states)[0]) == bool(position.over), about + "over"

    def step(self, actions: list[int]) -> None:
        illegal = np.full((1, self.game.players), 9, np.uint8)
        self.game.step(self.states, np.array([actions], np.int32), illegal)
        flags = reference.step(self.position, actions)
        assert illegal[0].tolist() == flags, f"board {self.number}, {actions}: illegal flags"
        self.compare(str(actions))

    def leave(self, player: int) -> None:
        self.game.leave(self.states, 0, player)
        reference.leave(self.position, player)
        self.compare(f"player {player} left")


@pytest.mark.parametrize(("rules", "teams"), CONFIGURATIONS, ids=str)
def test_the_kernels_equal_the_reference(rules: str, teams: tuple[int, ...]) -> None:
    rng = np.random.default_rng([len(teams), *teams, *rules.encode()])
    side = 6 if len(teams) < 5 else 8
    least = side if len(teams) == 16 else side - 1
    game = Generals(side, side + 1, len(teams), ruleset=rules, teams=teams, min_height=least, min_width=least)
    assert game.state_dtype == state_dtype(game.cells, game.players)
    fresh = np.zeros(1, game.state_dtype)
    ticks = number = 0
    while ticks < TICKS:
        number += 1
        if number % 3 == 0:
            game.reset(fresh, np.array([number]))
            state = fresh[0]
        else:
            state = reference.to_state(crowded_board(rng, rules, teams, side, side + 1), game.state_dtype)
        twins = Twins(game, state, number)
        for _ in range(min(60, TICKS - ticks)):
            position = twins.position
            actions = [
                choose(rng, position, player, twins.legal[player], game.num_actions)
                for player in position.players
            ]
            twins.step(actions)
            ticks += 1
            if position.over:
                twins.step([0] * game.players)
                break
            if rng.random() < 0.03:
                twins.leave(int(rng.integers(game.players)))
