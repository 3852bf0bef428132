"""The line protocol: frames and answers by hand, there and back, and what is no answer."""

import numpy as np
import pytest

from strategos.engine.batch import Batch
from strategos.games.generals.game import Generals
from strategos.games.generals.notation import parse_state
from strategos.games.generals.record import view_dtype
from strategos.play.line_protocol import (
    OFF_BOARD,
    Greeting,
    ProtocolError,
    check_players,
    format_answer,
    format_frame,
    format_greeting,
    parse_answer,
    parse_frame,
    parse_greeting,
)

POSITION = """
rules: competition
tick: 12

A7!  A3   .    #    .
.    ^40  .    .    .
.    .    .    .    .
.    .    .    B2   .
#    .    .    .    B9!
"""
GAME = Generals(5, 5, 2, ruleset="competition")


def views_of(text: str) -> np.ndarray:
    states = np.array([parse_state(text)], GAME.state_dtype)
    views = np.zeros((1, 2), GAME.view_dtype)
    GAME.view(states, views)
    return views[0]


def test_a_frame_is_what_the_page_of_the_protocol_says():
    first, second = views_of(POSITION)
    assert format_greeting(first) == b"0 5 5\n" and format_greeting(second) == b"1 5 5\n"
    assert format_frame(first).decode() == (
        "12 2 10 2 11\n"
        "4 1 1 5 0\n1 3 1 0 0\n0 0 0 0 0\n0 0 0 0 0\n5 0 0 0 0\n"
        "1 1 0 0 0\n0 0 0 0 0\n0 0 0 0 0\n0 0 0 0 0\n0 0 0 0 0\n"
        "7 3 0 0 0\n0 40 0 0 0\n0 0 0 0 0\n0 0 0 0 0\n0 0 0 0 0\n"
    )
    assert format_frame(second).decode() == (
        "12 2 11 2 10\n"
        "0 0 0 5 0\n0 5 0 0 0\n0 0 1 1 1\n0 0 1 1 1\n5 0 1 1 4\n"
        "0 0 0 0 0\n0 0 0 0 0\n0 0 0 0 0\n0 0 0 1 0\n0 0 0 0 1\n"
        "0 0 0 0 0\n0 0 0 0 0\n0 0 0 0 0\n0 0 0 2 0\n0 0 0 0 9\n"
    )


def test_the_greeting_and_every_frame_come_back_as_the_view():
    batch = Batch(GAME, 4, seed=5)
    batch.reset()
    for _ in range(60):
        batch.step_randomly()
        for view in batch.observation.views.reshape(-1):
            greeting = parse_greeting(format_greeting(view))
            back = parse_frame(format_frame(view).splitlines(), greeting)
            assert back.tobytes() == view.tobytes()


def test_the_padding_of_a_smaller_board_is_left_out():
    view = np.zeros(1, view_dtype(30, 2))[0]
    view["height"], view["width"], view["stride"] = 4, 5, 6
    view["army"] = np.arange(30)
    lines = format_frame(view).decode().splitlines()
    assert len(lines) == 13 and lines[-2:] == ["12 13 14 15 16", "18 19 20 21 22"]
    assert parse_answer(b"0 3 4 2 1", view, 240) == (3 * 6 + 4) * 8 + 5
    assert parse_answer(b"0 4 0 0 0", view, 240) == parse_answer(b"0 0 5 0 0", view, 240) == OFF_BOARD


def test_every_action_comes_back_from_its_answer():
    view = views_of(POSITION)[0]
    for action in range(GAME.num_actions):
        line = format_answer(action, view, GAME.pass_action)
        assert line.endswith(b"\n") and len(line.split()) == 5
        assert parse_answer(line, view, GAME.pass_action) == action
    assert parse_answer(b"0 1 2 3 1", view, GAME.pass_action) == 8 * 7 + 7
    assert parse_answer(b"2 1 2 0 0\r", view, GAME.pass_action) == 200 + 7
    assert parse_answer(b"  1   -1 -1\t9 9 ", view, GAME.pass_action) == GAME.pass_action
    assert parse_answer(b"0 -1 0 0 0", view, GAME.pass_action) == OFF_BOARD


MALFORMED = [
    *(b"", b"pass", b"0 0 0 0", b"0 0 0 0 0 0", b"0 0 0 0 0.0", b"0 0 0 0 1e0", b"0,0,0,0,0", b"0 0 0 0 +1"),
    *(b"0 0 0 0 x", b"\xff\xfe 0 0 0 0", "0 0 0 0 \u0663".encode(), b"0 0 0 0 0\x00", b"0 0 0 0 0\x0b"),
    *(b"0 0 0 0 " + b"9" * 200, b"- 0 0 0 0", b"3 0 0 0 0", b"-1 0 0 0 0", b"0 0 0 4 0", b"0 0 0 -1 0"),
    *(b"0 0 0 0 2", b"0 0 0 0 -1", b"NaN 0 0 0 0", b"0_0 0 0 0 0 0"),
]


@pytest.mark.parametrize("line", MALFORMED, ids=range(len(MALFORMED)))
def test_what_is_no_answer(line):
    with pytest.raises(ProtocolError):
        parse_answer(line, views_of(POSITION)[0], GAME.pass_action)


def test_the_line_that_is_wrong_is_named():
    lines = format_frame(views_of(POSITION)[0]).splitlines()
    greeting = Greeting(0, 5, 5)
    wrong = [
        (lines[:-1], "has 16 lines, not 15"),
        ([b"12 2 10 2", *lines[1:]], "my_land"),
        ([*lines[:4], b"1 2 3 4", *lines[5:]], "5 tiles in line 5"),
        ([lines[0], b"4 1 1 5 6", *lines[2:]], "kind 0 to 5"),
        ([*lines[:6], b"1 1 0 0 3", *lines[7:]], "owner is 0, 1 or 2"),
    ]
    for changed, message in wrong:
        with pytest.raises(ProtocolError, match=message):
            parse_frame(changed, greeting)
    for line in (b"2 5 5", b"0 0 5", b"0 5", b"hello"):
        with pytest.raises(ProtocolError):
            parse_greeting(line)


def test_other_games_and_more_players_are_refused():
    check_players(np.zeros(1, view_dtype(25, 2)))
    for views in (np.zeros(1, view_dtype(25, 3)), np.zeros(1, [("card", "i1")])):
        with pytest.raises(ValueError, match="two players"):
            check_players(views)
