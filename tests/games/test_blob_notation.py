"""Positions of Blob as text: what is printed parses back to the same bytes; errors name the part."""

from __future__ import annotations

import re

import numpy as np
import pytest

from strategos.games.blob import Blob, notation
from strategos.games.blob.notation import format_hand, format_state, format_view, parse_hand, parse_state

GAMES = [
    {"players": 3, "cards": 17},
    {"players": 4, "cards": 13, "trump": "none"},
    {"players": 8, "cards": 6, "min_cards": 1, "scoring": "tricks_plus_bonus"},
    {"players": 5, "cards": 4, "turned_up": True},
    {"players": 3, "cards": 3, "rounds": "all"},
    {"players": 4, "cards": 2, "rounds": "all", "turned_up": True},
]


@pytest.mark.parametrize("options", GAMES, ids=lambda options: str(options)[1:-1])
def test_every_position_of_a_game_parses_back_to_its_bytes(options: dict) -> None:
    game = Blob(**options)
    states = np.zeros(2, game.state_dtype)
    game.reset(states, np.array([-(2**63), 17]))
    for _ in range(game.spec.max_ticks + 1):
        for state in states:
            text = format_state(state)
            assert max(map(len, text.splitlines())) <= 110
            assert parse_state(text).tobytes() == state.tobytes(), text
        game.playout(states, 1)
    assert game.over(states).all()


def test_the_example_of_the_manual_holds() -> None:
    example = re.search(r"\n\n((?:    .*\n)+)", notation.__doc__ or "")
    assert example
    lines = [line.removeprefix("    ") for line in example.group(1).splitlines()]
    assert format_state(parse_state("\n".join(lines))).splitlines() == lines


def test_by_hand_the_rest_follows_from_bids_and_tricks() -> None:
    state = parse_state("""
        trump H   dealer 2
        seat 0  S:K             bid 2
        seat 1  H:2             bid 1
        seat 2  C:Q             bid 3
        trick  SA S3 CA
        trick  C2 D7 CK
    """)
    assert state["cards"] == state["largest"] == 3 and state["rounds"] == 1 and state["tick"] == 9
    assert state["tricks"][:3].tolist() == [1, 0, 1] and state["turn"] == 2
    assert state["leaders"][:3].tolist() == [0, 0, -1]
    assert state["voids"][:3].tolist() == [0, 0b100, 0b1]
    assert [format_hand(hand) for hand in state["hand"][:3]] == [
        "S:K H:- C:- D:-",
        "S:- H:2 C:- D:-",
        "S:- H:- C:Q D:-",
    ]
    over = parse_state("trump S dealer 0\nseat 0 bid 0\nseat 1 bid 1\nseat 2 bid 1\ntrick SA S3 S2")
    assert over["over"] and over["turn"] == -1 and over["scores"][:3].tolist() == [10, 11, 0]


def test_a_hand_is_written_by_suit() -> None:
    text = "S:AK3 H:- C:T9 D:2"
    assert format_hand(parse_hand(text)) == text and parse_hand("C:9T S:3KA D:2") == parse_hand(text)
    assert parse_hand("") == 0


POSITION = """
round 1 of 1  cards 2 of 2  trump S  dealer 2  scoring exact
seat 0  C:4     bid 1  took 0  score 0  last 0
seat 1  S:A     bid 0  took 0  score 0  last 0
seat 2  H:T2    bid 2  took 0  score 0  last 0
trick 0  H7 H5
turn 2  tick 5
stream  key 7  draws 9
"""


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("seat 1", "seat 2", "seat 1 is next"),
        ("seat 2  H:T2    bid 2  took 0  score 0  last 0\n", "", "3 to 8 seats"),
        ("C:4", "C:14", "a suit of SHCD and a rank"),
        ("C:4", "X:4", "what is 'X:4'"),
        ("C:4", "C:44", "C4 is twice in one hand"),
        ("C:4", "C:45", r"differ by seat, or are none or too many: \[3, 2, 2\]"),
        ("C:4", "S:A", "SA would be in two places"),
        ("H7 H5", "H7 H2", "H2 would be in two places"),
        ("H7 H5", "H7 H5 H4 H3", "trick 1 has 4 cards; 3 are a full one"),
        ("H7 H5", "H7\ntrick 1 H5", "trick 1 has 1 cards"),
        ("trick 0", "trick 1", "led by seat 0, not by 1"),
        ("H7 H5", "H7 5H", "such as SA, not '5H'"),
        ("H7 H5", "", "trick 1 has 0 cards"),
        ("S:A     bid 0", "H:A bid -", "seat 1 bids before others"),
        ("bid 2", "bid -", "before everyone has bid"),
        ("bid 2", "bid 1", "seat 2 may not bid 1"),
        ("bid 2", "bid 3", "seat 2 may not bid 3"),
        ("bid 2", "bid x", "bid of 2 is a number, not 'x'"),
        ("took 0", "took 1", "took 0 tricks, not 1"),
        ("took 0", "got 0", "a seat has a hand, bid, took"),
        ("score 0", "score -1", "score of 0 is from 0"),
        ("turn 2", "turn 0", "the turn is 2, not 0"),
        ("tick 5", "tick 4", "tick is from 5"),
        ("trump S", "trump X", "S, H, C, D or none, not 'X'"),
        ("trump S  ", "", "does not say trump"),
        ("trump S", "trump S  trump H", "trump is written once"),
        ("trump S", "trump S  turned H3", "turned up, H3, is not of the trump suit"),
        ("trump S", "trump S  turned SA", "SA would be in two places"),
        ("dealer 2", "dealer 3", "dealer is from 0 to 2"),
        ("scoring exact", "scoring rough", "scoring is one of exact"),
        ("scoring exact", "scored exact", "what is 'scored'"),
        ("stream  key 7  draws 9", "stream  key 7  draws", "draws is written once and has one value"),
        ("cards 2 of 2", "cards 3 of 3", "every seat holds or has played 2"),
        ("cards 2 of 2", "cards 2 of 1", "the largest deal is from 2"),
        ("round 1 of 1", "round 2 of 1", "round is from 1 to 1"),
        ("round 1 of 1", "round 1 of 4", "from 2 cards has 5 rounds"),
        ("round 1 of 1", "round 2 of 5", "round 2 of a game from 2 cards is not one of 2"),
        ("round 1 of 1", "round 5 of 5", "round 5 has another trump"),
        ("seat 0  C:4", "seat 0  C:4 D:AKQJT98765432 H:AKQJ", "differ by seat"),
    ],
)
def test_a_wrong_position_is_refused_by_its_part(old: str, new: str, message: str) -> None:
    assert old in POSITION and parse_state(POSITION)["num_plays"] == 2
    with pytest.raises(ValueError, match=message):
        parse_state(POSITION.replace(old, new, 1))


def test_a_card_that_does_not_follow_suit_is_refused() -> None:
    with pytest.raises(ValueError, match="seat 1 may not play C5 to trick 1"):
        parse_state(POSITION.replace("H7 H5", "H7 C5").replace("S:A", "H:A"))


def test_a_round_that_is_over_is_not_a_position_of_a_game_that_goes_on() -> None:
    text = (
        "round 3 of 5 cards 1 of 2 trump C dealer 0\nseat 0 bid 0\nseat 1 bid 1\nseat 2 bid 1\ntrick S2 S3 S4"
    )
    with pytest.raises(ValueError, match="next one is dealt at once"):
        parse_state(text)
    last = text.replace("round 3 of 5", "round 5 of 5").replace("cards 1 of 2", "cards 1 of 1")
    assert parse_state(last.replace("5 of 5", "3 of 3"))["over"]


def test_a_view_shows_ones_own_hand_and_the_size_of_the_others() -> None:
    state = parse_state(POSITION)
    states, views = np.array([state]), np.zeros((1, 3), Blob(3, 2).view_dtype)
    Blob(3, 2).view(states, views)
    assert format_view(views[0, 1]).splitlines() == [
        "round 1 of 1  cards 2 of 2  trump S  dealer 2  scoring exact",
        "seat 0  ?1               bid 1  took 0  score 0  last 0",
        "seat 1  S:A H:- C:- D:-  bid 0  took 0  score 0  last 0",
        "seat 2  ?2               bid 2  took 0  score 0  last 0",
        "trick 0  H7 H5",
        "turn 2  tick 5",
    ]
    void = parse_state(POSITION.replace("H7 H5", "H7 C5"))
    Blob(3, 2).view(np.array([void]), views)
    assert "took 0  score 0  last 0  void H" in format_view(views[0, 0])
