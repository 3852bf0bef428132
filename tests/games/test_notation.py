"""Positions of Generals as text: what is printed parses back to the same bytes, and errors say where."""

from __future__ import annotations

import doctest
import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from strategos.games.generals import notation, reference
from strategos.games.generals.game import Generals
from strategos.games.generals.notation import format_state, format_view, parse_state
from strategos.games.generals.record import (
    ALIVE,
    CITY,
    DEAD,
    FOG,
    GENERAL,
    MOUNTAIN,
    NEUTRAL,
    OBSTACLE,
    PLAIN,
    SURRENDERED,
    ruleset,
    state_dtype,
    view_dtype,
)

DUEL = """
    A20! .    #    ^3
    .    A30  B20  .
    ^2   .    .    B20!
"""
TEAMS = """
    teams: 0 0 1 1
    A1!  A6   .    ^2  C1!
    A9   B9   #    C9  .
    B1!  .    ^1   D9  D1!
"""


def test_the_examples_of_the_manual_hold():
    assert doctest.testmod(notation).attempted == 1
    assert doctest.testmod(notation).failed == 0


def test_a_picture_fills_the_record():
    state = parse_state("A5!  A0^  #\n .7  ^40  B12")
    assert state.dtype == state_dtype(6, 2)
    assert (state.height, state.width, state.stride, state.tick, state.over, state.winner) == (
        2,
        3,
        3,
        0,
        0,
        -1,
    )
    assert state.terrain.tolist() == [GENERAL, CITY, MOUNTAIN, PLAIN, CITY, PLAIN]
    assert state.owner.tolist() == [0, 0, NEUTRAL, NEUTRAL, NEUTRAL, 1]
    assert state.army.tolist() == [5, 0, 0, 7, 40, 12]
    assert state.general.tolist() == [0, -1]
    assert state.num_cities == 2
    assert state.city.tolist() == [1, 4, 0, 0, 0, 0]
    assert state.army_total.tolist() == [5, 12]
    assert state.land_total.tolist() == [2, 1]
    assert state.status.tolist() == [ALIVE, ALIVE]
    assert state.team.tolist() == [0, 1]
    assert state.rules == ruleset("generalsio")


FULL = """\
rules: classic cities_regrow=1
players: 4
tick: 250
stream: -9000000000 17
padded: 4x5
teams: 0 1 0 1
dead: DB
surrendered: B
unseen: 0,1 AC; 1,2 D
over: team 1

A5!  A10^  #    .7
B3!  .     ^40  C1000"""


def test_a_full_header_fills_the_record_and_prints_the_same():
    state = parse_state(FULL)
    assert state.rules.cities_regrow == 1
    assert (state.tick, state.key, state.draws, state.stride) == (250, -9_000_000_000, 17, 5)
    assert len(state.owner) == 20
    assert state.terrain[4] == state.terrain[9] == state.terrain[19] == MOUNTAIN
    assert state.owner[19] == NEUTRAL
    assert state.death.tolist() == [0, 2, 0, 1]
    assert state.num_dead == 2
    assert state.status.tolist() == [ALIVE, SURRENDERED, ALIVE, DEAD]
    assert state.disguise[:3].tolist() == [0b0101, 0b1000, 0]
    assert state.city[:3].tolist() == [1, 7, 0]
    assert (state.over, state.winner) == (1, 1)
    assert format_state(state) == FULL


def random_walk(text: str, rules: str, ticks: int, seed: int):
    """States of a game that the reference twin plays at random, with a surrender in the middle."""
    start = parse_state(f"rules: {rules}\n{text}")
    position, choose = reference.from_state(start), random.Random(seed)
    for tick in range(ticks):
        moves = [sorted(reference.legal(position, player)) for player in position.players]
        reference.step(position, [choose.choice(legal[:-1] or legal) for legal in moves])
        if tick in (ticks // 2, ticks * 3 // 4) and not start.rules.capture_ends:
            reference.leave(position, 1)
        yield reference.to_state(position, start.dtype)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize(
    ("picture", "rules"),
    [
        (DUEL, "duel"),
        (DUEL, "competition"),
        (DUEL, "generalsio"),
        (TEAMS, "generalsio"),
        (TEAMS, "classic cities_regrow=1"),
        ("tick: 1190\n" + DUEL, "competition"),
        ("tick: 800\n" + DUEL, "competition"),
    ],
)
def test_every_state_of_a_game_survives_the_round_trip(picture, rules, seed):
    seen = set()
    for state in random_walk(picture, rules, 120, seed):
        assert parse_state(format_state(state)).tobytes() == state.tobytes()
        seen.add(format_state(state))
    assert len(seen) > 1


def test_padded_boards_from_the_engine_survive_the_round_trip():
    game = Generals(6, 7, 3, min_height=5, min_width=5)
    states = np.zeros(6, game.state_dtype)
    actions, illegal = np.zeros((6, 3), np.int32), np.zeros((6, 3), np.uint8)
    game.reset(states, np.arange(6))
    for tick in range(300):
        game.play_randomly(states, actions, illegal)
        if tick in (100, 150):
            game.leave(states, 0, 2)
        if tick % 25 == 0 or tick in (101, 151):
            for state in states:
                assert parse_state(format_state(state)).tobytes() == state.tobytes()
    assert len({(state.height, state.width) for state in states}) > 1


TILES = st.one_of(
    st.just("."),
    st.just("#"),
    st.integers(1, 2**31 - 1).map(".{}".format),
    st.integers(0, 2**31 - 1).map("^{}".format),
    st.builds("{}{}{}".format, st.sampled_from("ABCP"), st.integers(0, 10**6), st.sampled_from(["", "^"])),
)
BOARDS = st.integers(1, 5).flatmap(
    lambda width: st.lists(st.lists(TILES, min_size=width, max_size=width), min_size=1, max_size=5)
)


@settings(derandomize=True, deadline=None, max_examples=100)
@given(BOARDS, st.integers(0, 2**31 - 1), st.integers(-(2**63), 2**63 - 1))
def test_any_picture_prints_as_it_was_read(board, tick, key):
    text = f"tick: {tick}\nstream: {key} 3\n" + "\n".join(" ".join(row) for row in board)
    state = parse_state(text)
    printed = format_state(state)
    assert [line.split() for line in printed.split("\n\n")[1].splitlines()] == board
    assert parse_state(printed).tobytes() == state.tobytes()


WRONG = [
    ("", "line 1, column 1: no board; expected rows of tiles"),
    ("tick: 3\n\n", "line 3, column 1: no board"),
    ("A5! .\n. . .", "line 2, column 5: 3 tiles in this row, but 2 in the first"),
    ("A5!  .\n A  .", "line 2, column 2: 'A' is no tile; expected one of"),
    ("Q5 .", "line 1, column 1: 'Q5' is no tile"),
    ("A-5 .", "line 1, column 1: 'A-5' is no tile"),
    ("A5!^ .", "line 1, column 1: 'A5!^' is no tile"),
    (". ?", "line 1, column 3: '?' is no tile"),
    ("A3000000000 .", "line 1, column 1: an army of more than 2147483647"),
    ("A2000000000 A2000000000", "line 1, column 1: player A has 4000000000 armies"),
    ("A1! A2!", "line 1, column 5: a second general of A"),
    ("tock: 3\n. .", "line 1, column 1: no key 'tock'; expected one of rules, players"),
    ("tick: 3\ntick: 4\n. .", "line 2, column 1: 'tick' for the second time"),
    ("  tick:\n. .", "line 1, column 8: 'tick' has no value"),
    ("tick: -1\n. .", "line 1, column 7: '-1'; expected a whole number from 0 to 2147483647"),
    ("tick: 2147483648\n. .", "line 1, column 7: '2147483648'"),
    ("tick: ten\n. .", "line 1, column 7: 'ten'; expected a whole number"),
    ("stream: 5\n. .", "line 1, column 9: '5'; expected the key and the number of draws"),
    ("stream: 5 -1\n. .", "line 1, column 11: '-1'"),
    ("players: 1\n. .", "line 1, column 10: '1'; expected a whole number from 2 to 16"),
    ("players: 17\n. .", "line 1, column 10: '17'"),
    ("players: 2\nC1 .", "line 1, column 10: the board shows player C"),
    ("rules: chess\n. .", "line 1, column 8: no ruleset 'chess'; expected one of generalsio, classic"),
    ("rules: duel bilds=1\n. .", "line 1, column 13: 'bilds=1'; expected a flag as in builds=1"),
    ("rules: duel builds=256\n. .", "line 1, column 20: '256'; expected a whole number from 0 to 255"),
    ("rules: duel builds\n. .", "line 1, column 13: 'builds'; expected a flag"),
    ("padded: 3\n. .", "line 1, column 9: '3'; expected rows x columns, as in 20x22"),
    ("padded: 3x1\n. .", "line 1, column 9: 3x1 is smaller than the board; expected at least 1x2"),
    ("padded: 999x999\n. .", "line 1, column 9: a board of 999x999; expected at most 32767 tiles"),
    ("teams: 0 1 1\n. .", "line 1, column 8: '0 1 1'; expected 2 team numbers"),
    ("teams: 0 16\n. .", "line 1, column 10: '16'"),
    ("dead: AC\n. .", "line 1, column 8: 'C' is no player; expected A to B"),
    ("dead: AA\n. .", "line 1, column 8: 'A' appears twice"),
    ("surrendered: A\n. .", "line 1, column 14: A is not dead"),
    ("unseen: 0,0 A\n. ^3", "line 1, column 9: no city at 0,0"),
    ("unseen: 0,1 A; 0,2 B\n. ^3", "line 1, column 16: no city at 0,2"),
    ("unseen: 0,1 AC\n. ^3", "line 1, column 14: 'C' is no player"),
    ("unseen: 1 A\n. ^3", "line 1, column 9: '1 A'; expected row,column and players"),
    ("over: nobody 1\n. .", "line 1, column 7: 'nobody'; expected draw, or a winning team"),
    ("over: yes\n. .", "line 1, column 7: 'yes'; expected draw, or a winning team"),
    ("over: team x\n. .", "line 1, column 12: 'x'"),
]


@pytest.mark.parametrize(("text", "message"), WRONG)
def test_an_error_names_line_column_and_what_was_expected(text, message):
    with pytest.raises(ValueError) as error:
        parse_state(text)
    assert message in str(error.value)


@settings(derandomize=True, deadline=None, max_examples=200)
@given(st.data())
def test_a_damaged_text_parses_or_says_where_it_is_wrong(data):
    place = data.draw(st.integers(0, len(FULL) - 1))
    letter = data.draw(st.sampled_from("A0x:;,^!.#- \nP²"))
    try:
        state = parse_state(FULL[:place] + letter + FULL[place + 1 :])
    except ValueError as error:
        assert str(error).startswith("line ")
    else:
        assert parse_state(format_state(state)).tobytes() == state.tobytes()


def test_a_view_prints_with_its_fog():
    view = np.zeros(1, view_dtype(6, 2))[0]
    view.tick, view.height, view.width, view.stride, view.me = 31, 2, 2, 3, 1
    view.terrain[:] = [GENERAL, FOG, MOUNTAIN, CITY, OBSTACLE, MOUNTAIN]
    view.owner[:], view.army[:] = [1, NEUTRAL, NEUTRAL, NEUTRAL, NEUTRAL, NEUTRAL], [9, 0, 0, 41, 0, 0]
    view.army_total[:], view.land_total[:], view.alive[:] = [3, 9], [2, 1], [0, 1]
    view.team[:] = [0, 1]
    assert (
        format_view(view) == "me: B\ntick: 31\nA: 3 army, 2 land, dead\nB: 9 army, 1 land\n\nB9!  ?\n^41  %"
    )
    view.team[:] = [3, 3]
    assert "teams: 3 3\n" in format_view(view)


def test_the_view_of_a_game_shows_only_what_the_player_sees():
    state = parse_state("A5!  .  .  B9!\nA2   .  #  ^40")
    position = reference.from_state(state)
    seen = reference.record_of(vars(reference.view(position, 0)), view_dtype(len(position.army), 2))
    board = format_view(seen).split("\n\n")[1]
    assert board == "A5!  .  ?  ?\nA2   .  %  %"
