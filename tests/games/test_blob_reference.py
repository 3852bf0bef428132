"""Random games of Blob: the kernels equal the slow reference twin after every action.

State bytes, legal sets, views, illegal flags, returns. At least two hundred ticks of every configuration, and
always whole games; `STRATEGOS_TWIN_TICKS=100000` plays that many of each.
"""

from __future__ import annotations

import os

import numpy as np
import pytest

from strategos.games.blob import Blob, reference

TICKS = int(os.environ.get("STRATEGOS_TWIN_TICKS", "200"))

ROUNDS = [
    {"players": players, "cards": cards, "scoring": scoring}
    for players in range(3, 9)
    for cards, scoring in ((52 // players, "exact"), (5, "tricks_plus_bonus"), (1, "exact"))
]
OPTIONS = [
    {"players": 4, "cards": 13, "trump": "none"},
    {"players": 3, "cards": 17, "trump": "H", "dealer": 1},
    {"players": 8, "cards": 6, "min_cards": 1, "trump": "none", "dealer": 7},
    {"players": 7, "cards": 7, "turned_up": True},
    {"players": 3, "cards": 17, "turned_up": True},
    {"players": 5, "cards": 4, "min_cards": 2, "turned_up": True, "scoring": "tricks_plus_bonus"},
]
WHOLE_GAMES = [{"players": players, "cards": 3, "rounds": "all"} for players in range(3, 9)] + [
    {"players": 3, "cards": 1, "rounds": "all"},
    {"players": 4, "cards": 3, "rounds": "all", "turned_up": True},
    {"players": 5, "cards": 7, "rounds": "all", "scoring": "tricks_plus_bonus"},
    {"players": 8, "cards": 6, "rounds": "all"},
]


def explain(ours: np.void, theirs: np.void) -> str:
    """Which fields of two records differ."""
    return "; ".join(
        f"{name}: kernels {ours[name]}, reference {theirs[name]}"
        for name in ours.dtype.names or ()
        if np.asarray(ours[name]).tobytes() != np.asarray(theirs[name]).tobytes()
    )


class Twins:
    """One game played by both, compared after every action."""

    def __init__(self, options: dict, key: int) -> None:
        self.game = Blob(**options)
        self.position = reference.new_game(key, **options)
        players = (1, self.game.players)
        self.states = np.zeros(1, self.game.state_dtype)
        self.states["plays"], self.states["scores"] = 5, 7  # what was there before does not matter
        self.views = np.zeros(players, self.game.view_dtype)
        self.masks = np.zeros((*players, self.game.spec.mask_bytes), np.uint8)
        self.returns = np.zeros(players, np.float32)
        self.game.reset(self.states, np.array([key]))
        self.about = f"{options}, key {key}"
        self.compare()

    def compare(self) -> None:
        position, about = self.position, f"{self.about}, tick {self.position.tick}: "
        twin = reference.to_state(position)
        assert self.states[0].tobytes() == twin.tobytes(), about + explain(self.states[0], twin)
        self.masks[:] = 255
        self.game.view(self.states, self.views)
        self.game.legal(self.states, self.masks)
        self.game.returns(self.states, self.returns)
        legal = np.unpackbits(self.masks[0], axis=-1, bitorder="little")
        for seat in position.seats:
            mine = reference.legal(position) if seat == reference.to_move(position) else set()
            assert set(np.flatnonzero(legal[seat]).tolist()) == mine, about + f"legal actions of seat {seat}"
            view = reference.view(position, seat)
            assert self.views[0, seat].tobytes() == view.tobytes(), (
                f"{about}view of seat {seat}: {explain(self.views[0, seat], view)}"
            )
        np.testing.assert_allclose(self.returns[0], reference.returns(position), atol=1e-6, err_msg=about)
        assert self.game.over(self.states)[0] == position.over

    def step(self, action: int) -> None:
        seat = reference.to_move(self.position)
        illegal = np.full((1, self.game.players), 9, np.uint8)
        self.game.step(self.states, np.full((1, self.game.players), action, np.int32), illegal)
        refused = reference.step(self.position, action)
        assert illegal[0].tolist() == [refused and other == seat for other in self.position.seats]
        self.compare()


@pytest.mark.parametrize("options", ROUNDS + OPTIONS + WHOLE_GAMES, ids=lambda options: str(options)[1:-1])
def test_the_kernels_equal_the_reference(options: dict) -> None:
    rng = np.random.default_rng(sum(str(options).encode()))
    ticks = 0
    while ticks < TICKS:
        twins = Twins(options, int(rng.integers(-(2**63), 2**63 - 1)))
        while not twins.position.over:
            wild = rng.random() < 0.05
            choices = range(-3, 73) if wild else sorted(reference.legal(twins.position))
            twins.step(int(rng.choice(choices)))
        ticks += twins.position.tick
        assert twins.position.tick <= twins.game.spec.max_ticks
        assert twins.position.tick == twins.game.spec.max_ticks or "min_cards" in options
        twins.step(0)


def test_a_game_of_seven_cards_and_five_players_has_seventeen_rounds() -> None:
    """The example of the rules."""
    position = reference.new_game(0, 5, 7, rounds="all")
    assert position.deals == [7, 6, 5, 4, 3, 2, 1, 1, 1, 1, 1, 2, 3, 4, 5, 6, 7]
    assert Blob(5, 7, rounds="all").rounds == 17
