"""Kuhn poker: every line of play by hand, exact exploitability, hidden cards stay hidden."""

from __future__ import annotations

from itertools import permutations, product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from strategos.games.kuhn import Kuhn
from strategos.games.kuhn.exploitability import (
    CHECK_RAISED,
    FIRST,
    PASSED,
    RAISED,
    expected_gain,
    exploitability,
)
from strategos.games.kuhn.notation import format_state, format_view, parse_state
from strategos.games.kuhn.record import STATE

game = Kuhn()
GAME_VALUE = -1 / 18
"""Chips that the first player wins a game when both play the equilibrium."""
SITUATIONS = {(): FIRST, (0,): PASSED, (1,): RAISED, (0, 1): CHECK_RAISED}
"""By the moves so far, 0 pass and 1 bet."""


def equilibrium(bluff: float) -> np.ndarray:
    """Kuhn's family of equilibria as a table [3, 4]; `bluff` in [0, 1/3] is how often the first jack bets."""
    table = np.zeros((3, 4))
    table[0] = bluff, 1 / 3, 0, 0
    table[1] = 0, 0, 1 / 3, bluff + 1 / 3
    table[2] = 3 * bluff, 1, 1, 1
    return table


def play(text: str, *moves: int) -> np.ndarray:
    states = np.array([parse_state(text)], STATE)
    illegal = np.zeros((1, 2), np.uint8)
    for move in moves:
        game.step(states, np.full((1, 2), move, np.int32), illegal)
    return states


@pytest.mark.parametrize(
    "position, chips",
    [
        ("J K | pass pass", -1),
        ("K Q | pass pass", 1),
        ("J K | bet pass", 1),
        ("J K | bet bet", -2),
        ("K J | bet bet", 2),
        ("K J | pass bet pass", -1),
        ("Q J | pass bet bet", 2),
        ("Q K | pass bet bet", -2),
    ],
)
def test_every_end_pays_what_the_rules_say(position, chips):
    cards, moves = position.split(" | ")
    states = play(f"{cards} | -", *[("pass", "bet").index(move) for move in moves.split()])
    returns = np.zeros((1, 2), np.float32)
    game.returns(states, returns)
    assert game.over(states)[0]
    assert returns.tolist() == [[chips / 2, -chips / 2]]
    assert format_state(states[0]).startswith(position)


@pytest.mark.parametrize("moves", ["-", "pass", "bet", "pass bet"])
def test_a_running_game_pays_nothing_and_asks_one_player(moves):
    states = np.array([parse_state(f"Q K | {moves}")], STATE)
    masks, returns = np.full((1, 2, 1), 255, np.uint8), np.ones((1, 2), np.float32)
    game.legal(states, masks)
    game.returns(states, returns)
    player = 0 if moves == "-" else len(moves.split()) % 2
    assert masks[0, player, 0] == 0b11 and masks[0, 1 - player, 0] == 0
    assert not returns.any() and not game.over(states)[0]


def test_an_unknown_action_passes_and_is_counted_only_for_the_player_to_move():
    states = np.array([parse_state("Q K | bet")] * 2, STATE)
    illegal = np.full((2, 2), 9, np.uint8)
    game.step(states, np.array([[-7, 1], [1, 70]], np.int32), illegal)
    assert illegal.tolist() == [[0, 0], [0, 1]]
    assert [format_state(state).split(" | ")[1] for state in states] == ["bet bet", "bet pass"]


def test_the_deal_is_uniform():
    states = np.zeros(60_000, STATE)
    game.reset(states, np.arange(60_000, dtype=np.int64))
    deals = states["card"][:, 0] * 3 + states["card"][:, 1]
    counts = np.bincount(deals, minlength=9)
    expected = np.array([0 if deal % 4 == 0 else 10_000 for deal in range(9)])
    chi_square = ((counts - expected)[expected > 0] ** 2 / 10_000).sum()
    assert (counts[expected == 0] == 0).all()
    assert chi_square < 20.5  # five degrees of freedom, p = 0.001


def test_a_view_does_not_depend_on_the_other_card():
    for mine, theirs, other in permutations("JQK"):
        for seat, moves in product((0, 1), ("-", "pass", "bet", "pass bet", "bet pass")):
            views = []
            for hidden in (theirs, other):
                cards = f"{mine} {hidden}" if seat == 0 else f"{hidden} {mine}"
                states = np.array([parse_state(f"{cards} | {moves}")], STATE)
                seen = np.zeros((1, 2), game.view_dtype)
                game.view(states, seen)
                views.append(seen[0, seat])
            assert views[0].tobytes() == views[1].tobytes()
            assert format_view(views[0]).count("?") == 1


@given(seed=st.integers(-(2**63), 2**63 - 1), moves=st.lists(st.integers(0, 1), max_size=3))
def test_text_both_ways(seed, moves):
    states = np.zeros(1, STATE)
    game.reset(states, np.array([seed], np.int64))
    for move in moves:
        game.step(states, np.full((1, 2), move, np.int32), np.zeros((1, 2), np.uint8))
    assert parse_state(format_state(states[0])).tobytes() == states[0].tobytes()


@pytest.mark.parametrize(
    "text, names",
    [
        ("J K", "cards | moves"),
        ("J J | -", "two different"),
        ("J A | -", "J, Q, K"),
        ("J K | bet raise", "beginning of a game"),
        ("J K | pass pass bet", "beginning of a game"),
        ("J K | - | key x draws 2", "key K draws D"),
    ],
)
def test_a_wrong_position_is_refused_by_name(text, names):
    with pytest.raises(ValueError, match=names.replace("|", r"\|")):
        parse_state(text)


@pytest.mark.parametrize("bluff", [0.0, 0.1, 1 / 3])
def test_the_equilibria_cannot_be_exploited(bluff):
    table = equilibrium(bluff)
    assert exploitability(table) == pytest.approx(0, abs=1e-12)
    assert expected_gain(table, equilibrium(0.2)) == pytest.approx(GAME_VALUE)


def test_known_exploitabilities():
    # Published by OpenSpiel for the uniform policy of Kuhn poker: NashConv 0.916667.
    assert exploitability(np.full((3, 4), 0.5)) == pytest.approx(0.916667 / 2, abs=1e-6)
    always_bet = exploitability(np.ones((3, 4)))
    assert always_bet == pytest.approx(1 / 3)  # fold jacks and call kings: a third of a chip from each seat
    with pytest.raises(ValueError, match=r"\[3 cards, 4 situations\]"):
        exploitability(np.full((3, 4), 1.5))


def test_the_game_and_the_table_agree():
    """Expected chips by enumeration equal what the played game returns, over every deal and line."""
    random = np.random.default_rng(5)
    first, second = random.random((3, 4)), random.random((3, 4))
    total = 0.0
    for cards in permutations(range(3), 2):
        names = " ".join("JQK"[card] for card in cards)
        stack: list[tuple[list[int], float]] = [([], 1 / 6)]
        while stack:
            moves, probability = stack.pop()
            states = play(f"{names} | -", *moves)
            if game.over(states)[0]:
                returns = np.zeros((1, 2), np.float32)
                game.returns(states, returns)
                total += probability * 2 * returns[0, 0]
                continue
            player = len(moves) % 2
            bet = (first, second)[player][cards[player], SITUATIONS[tuple(moves)]]
            stack += [([*moves, 0], probability * (1 - bet)), ([*moves, 1], probability * bet)]
    assert total == pytest.approx(expected_gain(first, second), abs=1e-6)
