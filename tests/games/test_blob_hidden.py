"""Nothing hidden reaches a player of Blob: not by view, mask, text or the count of refused ids (TRAPS 1).

The cards that a seat cannot see, in the other hands and in the stock, are dealt again at random among the
places where they may lie, and the random stream is replaced. The seat must not notice.
"""

from __future__ import annotations

import numpy as np
import pytest

from strategos.games.blob import Blob
from strategos.games.blob.notation import format_view

CONFIGURATIONS = [
    {"players": 3, "cards": 17},
    {"players": 4, "cards": 5},
    {"players": 4, "cards": 13, "trump": "none"},
    {"players": 5, "cards": 4, "turned_up": True},
    {"players": 8, "cards": 6},
    {"players": 4, "cards": 3, "rounds": "all"},
]


def cards_of(mask: int) -> list[int]:
    return [card for card in range(52) if int(mask) >> card & 1]


def shuffled(rng: np.random.Generator, state: np.record, seat: int) -> np.record:
    """The same position for `seat`, with other cards elsewhere and another stream."""
    other = state.copy()
    players = int(state["players"])
    known = (
        set(cards_of(state["hand"][seat])) | {int(card) for card in state["plays"]} | {int(state["turned"])}
    )
    unseen = rng.permutation([card for card in range(52) if card not in known])
    for hidden in range(players):
        if hidden == seat:
            continue
        size = int(state["hand"][hidden]).bit_count()
        other["hand"][hidden] = sum(1 << int(card) for card in unseen[:size])
        unseen = unseen[size:]
    other["key"], other["draws"] = rng.integers(2**62), rng.integers(99)
    return other


@pytest.mark.parametrize("options", CONFIGURATIONS, ids=lambda options: str(options)[1:-1])
def test_what_is_hidden_changes_nothing_that_a_player_gets(options: dict) -> None:
    rng = np.random.default_rng(sum(str(options).encode()))
    game = Blob(**options)
    players, differing = game.players, 0
    for key in range(4):
        states = np.zeros(1, game.state_dtype)
        game.reset(states, np.array([key]))
        while not game.over(states)[0]:
            for seat in range(players):
                pair = np.array([states[0], shuffled(rng, states[0], seat)])
                differing += (pair["hand"][0] != pair["hand"][1]).any()
                views = np.zeros((2, players), game.view_dtype)
                masks = np.zeros((2, players, game.spec.mask_bytes), np.uint8)
                game.observe(pair, views, masks, np.zeros((0, players), game.memory_dtype))
                assert views[0, seat].tobytes() == views[1, seat].tobytes()
                assert masks[0, seat].tobytes() == masks[1, seat].tobytes()
                assert format_view(views[0, seat]) == format_view(views[1, seat])
                illegal = np.zeros((2, players), np.uint8)
                action = int(rng.integers(70))
                game.step(pair, np.full((2, players), action, np.int32), illegal)
                assert illegal[0, seat] == illegal[1, seat]
            game.playout(states, 1)
    assert differing > 50


def test_a_view_holds_no_card_that_its_seat_has_not_seen() -> None:
    """Every number of a view is public or of the own hand: told field by field from the position."""
    game = Blob(5, 6)
    states, views = np.zeros(30, game.state_dtype), np.zeros((30, 5), game.view_dtype)
    game.reset(states, np.arange(30))
    for _ in range(35):
        game.view(states, views)
        for seat in range(5):
            assert (views["hand"][:, seat] == states["hand"][:, seat]).all()
            for name in ("scores", "bids", "tricks", "voids", "last_scores"):
                relative = np.roll(states[name][:, :5], -seat, axis=1)
                assert (views[name][:, seat, :5] == relative).all()
            assert (views["plays"][:, seat] == states["plays"]).all()
        game.playout(states, 1)
    assert game.over(states).all()
