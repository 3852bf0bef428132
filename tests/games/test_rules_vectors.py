"""The rules of Generals as pictures, each played by the reference twin and the kernels (TRAPS 3, 4, 6)."""

from __future__ import annotations

import pytest
from pictures import ENGINES, PASS, board, go, looks, picture, tile

from strategos.games.generals.record import ALIVE, DEAD, SURRENDERED

ALL_RULES = ["classic", "generalsio", "duel", "competition"]


@pytest.fixture(params=ENGINES)
def engine(request):
    return ENGINES[request.param]()


def top(position) -> str:
    """The first row of a position's picture."""
    return picture(position).splitlines()[0]


# Fights and moves


@pytest.mark.parametrize("rules", ALL_RULES)
def test_equal_armies_leave_the_defender_with_nothing(engine, rules):
    after, illegal = engine.step(board("a6 b5 A1 B1", rules), go(0, 0, "right"), PASS)
    assert (top(after), illegal, after.tick) == ("a1 b0 A1 B1", [0, 0], 1)


def test_a_tile_of_no_army_falls_to_one(engine):
    after, _ = engine.step(board("a2 b0 A1 B1"), go(0, 0, "right"), PASS)
    assert top(after) == "a1 a1 A1 B1"


@pytest.mark.parametrize(("stack", "left", "moved"), [(2, 1, 1), (3, 2, 1), (5, 3, 2)])
def test_half_rounds_down(engine, stack, left, moved):
    after, _ = engine.step(board(f"a{stack} . A1 B1"), go(0, 0, "right", half=True), PASS)
    assert top(after) == f"a{left} a{moved} A1 B1"


def test_a_neutral_city_keeps_its_damage(engine):
    after, _ = engine.step(board("a9 *40 A1 B1", tick=1), go(0, 0, "right"), PASS)
    assert top(after) == "a1 *32 A2 B2"


def test_neutral_cities_regrow_up_to_40_where_the_rules_say_so(engine):
    start = board("*32 *39 *40 *41 \n A1 . . B1", "classic", tick=1, cities_regrow=1)
    after, _ = engine.step(start, PASS, PASS)
    assert top(after) == "*33 *40 *40 *41"
    odd, _ = engine.step(after, PASS, PASS)
    assert top(odd) == "*33 *40 *40 *41"


def test_a_march_through_own_land_adds_up(engine):
    after, _ = engine.step(board("a9 *a3 A1 B1"), go(0, 0, "right"), PASS)
    assert top(after) == "a1 *a11 A1 B1"


@pytest.mark.parametrize(
    "action",
    [
        go(0, 0, "up"),  # off the board
        go(0, 0, "left"),
        go(1, 1, "down"),  # off this board, onto the batch's padding
        go(0, 3, "right"),
        go(0, 0, "down"),  # into a mountain
        go(0, 1, "right"),  # one army cannot leave
        go(0, 1, "left", half=True),
        go(0, 2, "down"),  # nobody's land
        go(1, 3, "up"),  # the enemy's
        tile(0, 3) * 8 + 8 * 42,  # beyond the pass
        8 * 42 + 1,
        -1,
        -(2**31),
        2**31 - 1,
    ],
)
def test_an_illegal_action_is_a_pass_and_is_counted(engine, action):
    start = board("a9 a1 . a5 \n # A5 b3 B1")
    after, illegal = engine.step(start, action, PASS)
    assert (picture(after), illegal, after.tick) == (picture(start), [1, 0], 1)
    assert action not in engine.legal(start, 0)


def test_a_move_that_became_impossible_fails_without_a_count(engine):
    after, illegal = engine.step(board("b9 a5 . . \n A1 . . B1"), go(0, 1, "right"), go(0, 0, "right"))
    assert (top(after), illegal) == ("b1 b3 . .", [0, 0])


def test_the_legal_ids(engine):
    start = board("a9 a1 b3 . \n # A2 . B1")
    own, general = tile(0, 0), tile(1, 1)
    legal = {own * 8 + 6, own * 8 + 7} | {general * 8 + order for order in (0, 1, 6, 7)} | {start.pass_action}
    assert engine.legal(start, 0) == legal


# Order within a tick


@pytest.mark.parametrize(
    ("rules", "tick", "city"),
    [
        ("classic", 0, "*b16"),
        ("classic", 1, "*a3"),  # 2, and the growth of the even tick
        ("generalsio", 0, "*a2"),
        ("generalsio", 1, "*a3"),
        ("duel", 0, "*b16"),
        ("duel", 1, "*b17"),
        ("competition", 0, "*b16"),
    ],
)
def test_two_players_enter_one_neutral_city(engine, rules, tick, city):
    start = board("a10 *12 b20 . \n A1 . . B1", rules, tick=tick)
    after, _ = engine.step(start, go(0, 0, "right"), go(0, 2, "left"))
    assert top(after) == f"a1 {city} b1 ."


@pytest.mark.parametrize("tick", [0, 1])
@pytest.mark.parametrize("rules", ALL_RULES)
def test_two_players_enter_one_empty_tile(engine, rules, tick):
    start = board("a10 . b20 . \n A1 . . B1", rules, tick=tick)
    after, _ = engine.step(start, go(0, 0, "right"), go(0, 2, "left"))
    assert top(after) == "a1 b10 b1 ."


@pytest.mark.parametrize(
    ("rules", "tick", "row"), [("generalsio", 1, "a1 a0 b1 ."), ("classic", 1, "a1 b0 b1 .")]
)
def test_priority_reinforces_before_the_attack(engine, rules, tick, row):
    start = board("a8 a3 b11 . \n A1 . . B1", rules, tick=tick)
    after, _ = engine.step(start, go(0, 0, "right"), go(0, 2, "left"))
    assert top(after) == row


def test_priority_counts_a_teammates_tile_as_the_teams_own(engine):
    start = board("a8 b3 c11 . \n A1 B1 . C1", teams=(0, 0, 1), tick=1)
    after, _ = engine.step(start, go(0, 0, "right"), PASS, go(0, 2, "left"))
    assert top(after) == "a1 a0 c1 ."


@pytest.mark.parametrize(
    ("rules", "tick", "text"),
    [
        ("generalsio", 0, "*b27 b1 . . \n b1 b3 . B1"),  # player 0's smaller stack marched first
        ("classic", 1, "*b28 b1 . . \n b5 _3 . B2"),  # the capture came first: player 0's move is dropped
    ],
)
def test_priority_moves_onto_generals_last(engine, rules, tick, text):
    start = board("A2 b30 . . \n a9 _3 . B1", rules, tick=tick)
    after, _ = engine.step(start, go(1, 0, "right"), go(0, 1, "left"))
    assert picture(after) == looks(text)


@pytest.mark.parametrize(("rules", "row"), [("generalsio", "a1 a1 b1 ."), ("classic", "a1 b5 b1 .")])
def test_priority_takes_the_larger_army_first(engine, rules, row):
    after, _ = engine.step(board("a5 _3 b7 . \n A1 . . B1", rules), go(0, 0, "right"), go(0, 2, "left"))
    assert top(after) == row


@pytest.mark.parametrize(("tick", "row"), [(0, "a1 b3 b1 ."), (1, "a1 a3 b1 .")])
def test_priority_of_equal_armies_turns_with_the_tick(engine, tick, row):
    after, _ = engine.step(board("a5 _3 b5 . \n A1 . . B1", tick=tick), go(0, 0, "right"), go(0, 2, "left"))
    assert top(after) == row


@pytest.mark.parametrize(("rules", "row"), [("generalsio", "b1 a1 a2 ."), ("classic", "b1 b5 a8 .")])
def test_priority_sends_the_chaser_before_the_chased(engine, rules, row):
    after, _ = engine.step(board("b7 a9 . . \n A1 . . B1", rules), go(0, 1, "right"), go(0, 0, "right"))
    assert top(after) == row


def test_priority_lets_a_swap_go_by_the_larger_army(engine):
    start = board("a5 b9 . . \n A1 . . B1")
    after, _ = engine.step(start, go(0, 0, "right"), go(0, 1, "left", half=True))
    assert top(after) == "a1 b5 . ."  # 4 of b's arrive at 5, and the one left cannot leave


def test_priority_opens_a_ring_of_chasers_at_its_front(engine):
    start = board("a5 b6 . \n d8 c7 . \n A1 B1 C1 \n D1 . .")
    moves = go(0, 0, "right"), go(0, 1, "down"), go(1, 1, "left"), go(1, 0, "up")
    after, illegal = engine.step(start, *moves)
    # d takes a's tile with 2; a's move is gone; b, now free, leaves c with 2; c's one army meets d's one.
    assert picture(after) == looks("d2 b1 . \n d0 c1 . \n A1 B1 C1 \n D1 . .")
    assert illegal == [0, 0, 0, 0]


@pytest.mark.parametrize(("rules", "row"), [("duel", "b1 b4 . ."), ("classic", "b1 b7 a3 .")])
def test_a_duel_sends_the_chaser_first(engine, rules, row):
    after, _ = engine.step(board("b9 a4 . . \n A1 . . B1", rules), go(0, 1, "right"), go(0, 0, "right"))
    assert top(after) == row


def test_a_duel_reinforces_before_the_smaller_army_attacks(engine):
    start = board("a20 a3 b14 . \n A1 . . B1", "duel")
    after, _ = engine.step(start, go(0, 0, "right", half=True), go(0, 2, "left"))
    assert top(after) == "a10 a0 b1 ."


@pytest.mark.parametrize(("row", "half", "result"), [("a5 b9", 1, "b1 b3"), ("a9 b5", 0, "a3 a1")])
def test_both_chase_in_a_duel_and_the_smaller_army_goes_first(engine, row, half, result):
    start = board(f"{row} . . \n A1 . . B1", "duel", tick=1)
    moves = go(0, 0, "right", half=half == 0), go(0, 1, "left", half=half == 1)
    after, _ = engine.step(start, *moves)
    assert top(after) == f"{result} . ."


@pytest.mark.parametrize("tick", [0, 1])
def test_equal_armies_in_a_duel_and_player_0_goes_first(engine, tick):
    start = board("a5 _3 b5 . \n A1 . . B1", "duel", tick=tick)
    after, _ = engine.step(start, go(0, 0, "right"), go(0, 2, "left"))
    assert top(after) == "a1 b3 b1 ."


# Growth


@pytest.mark.parametrize(
    ("tick", "row"),
    [(0, "A5 a3 *b3 *40 _5 b0 B1"), (1, "A6 a3 *b4 *40 _5 b0 B2"), (49, "A7 a4 *b5 *40 _5 b1 B3")],
)
def test_growth(engine, tick, row):
    after, _ = engine.step(board("A5 a3 *b3 *40 _5 b0 B1", tick=tick), PASS, PASS)
    assert top(after) == row
    assert sum(after.army) == sum(int(word.lstrip("*_abAB")) for word in row.split())


# Captures


def test_a_captured_general_hands_over_half_the_land(engine):
    start = board("a30 B5 b3 b5 \n A1 *b5 b1 b0 \n c1 . . C1")
    after, _ = engine.step(start, go(0, 0, "right"), PASS, PASS)
    assert picture(after) == looks("a1 *a24 a2 a3 \n A1 *a3 a1 a0 \n c1 . . C1")
    assert (after.status, after.general[1], after.death, after.over) == (
        [ALIVE, DEAD, ALIVE],
        -1,
        [0, 1, 0],
        0,
    )
    assert sorted(after.disguise) == [tile(0, 1), tile(1, 1)]
    assert engine.legal(after, 1) == {after.pass_action}
    assert engine.step(after, PASS, go(0, 1, "right"), PASS)[1] == [0, 1, 0]


def test_a_captured_general_grows_as_a_city_in_the_same_tick(engine):
    after, _ = engine.step(board("a30 B5 . . \n A1 . . C1", tick=49), go(0, 0, "right"), PASS, PASS)
    assert picture(after) == looks("a2 *a26 . . \n A3 . . C3")


def test_a_dead_general_grows_nothing(engine):
    """An index of -1 for the captured general must not feed the last tile."""
    rows = ["a30 B5 . . . . .", *[". . . . . . ."] * 4, "A1 . . . . C1 c7"]  # the whole padded board
    after, _ = engine.step(board("\n".join(rows)), go(0, 0, "right"), PASS, PASS)
    for _ in range(3):
        after, _ = engine.step(after, PASS, PASS, PASS)
    assert picture(after).splitlines()[-1] == "A3 . . . . C3 c7"


def test_a_recaptured_general_is_an_ordinary_city(engine):
    start = board("a30 B5 . c40 \n A1 . . C1 \n . b9 . .")
    start, _ = engine.step(start, go(0, 0, "right"), PASS, go(0, 3, "left"))
    after, _ = engine.step(start, PASS, PASS, go(0, 2, "left"))
    assert picture(after) == looks("a1 *c15 c1 c1 \n A2 . . C2 \n . a5 . .")
    assert after.status == [ALIVE, DEAD, ALIVE]


def test_the_last_capture_ends_the_game(engine):
    after, _ = engine.step(board("a30 B5 . . \n A1 . b3 .", tick=3), go(0, 0, "right"), PASS)
    assert picture(after) == looks("a1 *a25 . . \n A2 . a2 .")  # the tick still grows
    assert (after.over, after.winner, after.tick) == (1, 0, 4)
    assert engine.returns(after) == [1.0, -1.0]
    assert engine.ranking(after) == [1, 2]


@pytest.mark.parametrize("rules", ["duel", "competition"])
def test_a_capture_in_a_duel_keeps_the_armies_and_ends_before_growth(engine, rules):
    start = board("a9 B5 b20 _3 \n A1 . *b5 .", rules, tick=49)
    after, _ = engine.step(start, go(0, 0, "right"), go(0, 2, "right"))
    assert picture(after) == looks("a1 *a3 a1 a16 \n A1 . *a5 .")  # the loser's move was still played
    assert (after.over, after.winner, after.tick) == (1, 0, 50)
    assert (after.status, after.general, after.death) == ([ALIVE, DEAD], [tile(1, 0), -1], [0, 1])


def test_of_two_captures_in_a_duel_the_later_wins(engine):
    start = board("A3 b20 a9 B3 \n a3 . . b3", "duel")
    after, _ = engine.step(start, go(0, 2, "right"), go(0, 1, "left"))
    assert picture(after) == looks("*b16 b1 b1 *b5 \n b3 . . b3")
    assert (after.over, after.winner, after.status, after.general) == (1, 1, [DEAD, ALIVE], [-1, -1])


def test_two_captures_in_a_competition_are_a_draw(engine):
    start = board("A3 b20 a9 B3 \n a3 . . b3", "competition")
    after, _ = engine.step(start, go(0, 2, "right"), go(0, 1, "left"))
    assert picture(after) == looks("*b16 b1 a1 *a5 \n a3 . . b3")
    assert (after.over, after.winner, after.status) == (1, -1, [DEAD, DEAD])
    assert engine.returns(after) == [0.0, 0.0]


@pytest.mark.parametrize(("row", "death"), [("A3 b20 a9 B3", [2, 1]), ("A3 b9 a20 B3", [1, 2])])
def test_of_two_captured_in_a_competition_the_first_is_the_first_to_die(engine, row, death):
    after, _ = engine.step(board(row, "competition"), go(0, 2, "right"), go(0, 1, "left"))
    assert (after.status, after.death) == ([DEAD, DEAD], death)  # the smaller army went first
    assert engine.ranking(after) == death[::-1]


def test_of_two_captures_on_the_live_server_the_first_wins(engine):
    start = board("A3 b20 a9 B3 \n a3 . . b3", "generalsio")
    after, _ = engine.step(start, go(0, 2, "right"), go(0, 1, "left"))
    assert picture(after) == looks("*b16 b1 b5 B3 \n b2 . . b3")
    assert (after.over, after.winner) == (1, 1)


def test_a_finished_game_does_not_change(engine):
    over, _ = engine.step(board("a30 B5 . . \n A1 . b3 ."), go(0, 0, "right"), PASS)
    after, illegal = engine.step(over, go(0, 1, "right"), 10**6)
    assert (after, illegal) == (over, [0, 0])
    assert engine.leave(over, 0) == over


# Surrender


def test_a_surrendered_players_land_stays_and_grows(engine):
    start = engine.leave(board("A5 a3 B5 b3 \n *b2 . . C1", tick=49), 1)
    assert (start.status, start.death, start.over) == ([ALIVE, SURRENDERED, ALIVE], [0, 1, 0], 0)
    assert engine.legal(start, 1) == {start.pass_action}
    after, illegal = engine.step(start, PASS, go(0, 2, "right"), PASS)
    assert (picture(after), illegal) == (looks("A7 a4 B7 b4 \n *b4 . . C3"), [0, 1, 0])


def test_a_surrendered_general_is_captured_with_the_usual_half(engine):
    start = engine.leave(board("A5 a9 B5 b3 \n . . . C1"), 1)
    after, _ = engine.step(start, go(0, 1, "right"), PASS, PASS)
    assert top(after) == "A5 a1 *a3 a2"
    assert (after.status, after.death) == ([ALIVE, DEAD, ALIVE], [0, 1, 0])
    assert engine.leave(after, 1) == after
    assert engine.leave(after, 2).death == [0, 1, 2]


def test_the_second_event_frees_the_land(engine):
    start = engine.leave(board("A5 a9 B5 b3 \n *b6 . . C1"), 1)
    after = engine.leave(start, 1)
    assert picture(after) == looks("A5 a9 *5 _3 \n *6 . . C1")
    assert (after.status[1], after.general[1], after.death) == (DEAD, -1, [0, 1, 0])
    assert sorted(after.disguise) == [tile(0, 2), tile(1, 0)]


def test_the_second_event_hands_the_land_to_a_living_teammate(engine):
    start = board("A5 B5 C5 D5 \n a3 b3 c3 d3", teams=(1, 0, 0, 0))
    start = engine.leave(engine.leave(start, 1), 2)
    after = engine.leave(start, 2)  # player 1 has surrendered: player 3 inherits
    assert picture(after) == looks("A5 B5 *d5 D5 \n a3 b3 d3 d3")
    assert engine.leave(after, 1).owner[tile(1, 1)] == 3


def test_surrender_of_the_last_opponent_ends_the_game(engine):
    after = engine.leave(board("A5 a9 B5 b3"), 1)
    assert (after.over, after.winner, after.tick) == (1, 0, 0)
    assert top(after) == "A5 a9 B5 b3"


# Teams


@pytest.mark.parametrize(
    ("move", "row"),
    [
        (go(0, 1, "right"), "A5 a1 a11 B5"),
        (go(0, 1, "right", half=True), "A5 a5 a7 B5"),
        (go(0, 0, "right"), "A1 a13 b3 B5"),
    ],
)
def test_a_move_onto_a_teammates_tile_takes_it(engine, move, row):
    after, _ = engine.step(board("A5 a9 b3 B5 \n . . . C1", teams=(0, 0, 1)), move, PASS, PASS)
    assert top(after) == row


@pytest.mark.parametrize("half", [False, True])
def test_a_lone_army_takes_a_teammates_tile_without_moving(engine, half):
    start = board("A5 a1 b3 B5 \n . . . C1", teams=(0, 0, 1))
    after, illegal = engine.step(start, go(0, 1, "right", half), PASS, PASS)
    assert (top(after), illegal) == ("A5 a1 a3 B5", [0, 0, 0])


def test_an_empty_tile_sends_nobody_to_a_teammate(engine):
    start = board("A5 a0 b3 B5 \n . . . C1", teams=(0, 0, 1))
    after, illegal = engine.step(start, go(0, 1, "right"), PASS, PASS)
    assert (top(after), illegal) == ("A5 a0 b3 B5", [1, 0, 0])


def test_a_teammates_general_stays_theirs(engine):
    after, _ = engine.step(board("A5 a9 B5 . \n . . . C1", teams=(0, 0, 1)), go(0, 1, "right"), PASS, PASS)
    assert top(after) == "A5 a1 B13 ."
    assert after.status == [ALIVE] * 3


def test_a_team_lives_while_one_of_it_lives(engine):
    start = board("A5 B5 c9 C1 \n c9 . . b3", teams=(0, 0, 1))
    start, _ = engine.step(start, PASS, PASS, go(0, 2, "left"))
    assert (top(start), start.over, start.status) == ("A5 *c3 c1 C1", 0, [ALIVE, DEAD, ALIVE])
    assert picture(start).splitlines()[1] == "c9 . . c2"
    after, _ = engine.step(start, PASS, PASS, go(1, 0, "up"))
    assert (after.over, after.winner, engine.returns(after)) == (1, 1, [-1.0, -1.0, 1.0])
    assert engine.ranking(after) == [2, 3, 1]


def test_the_loss_is_shared_among_the_losing_teams(engine):
    start = board("A5 B5 c9 C1", teams=(0, 1, 2))
    after = engine.leave(engine.leave(start, 1), 0)
    assert engine.returns(after) == [-0.5, -0.5, 1.0]
    assert engine.ranking(after) == [2, 3, 1]


def test_the_ranking_of_the_living_goes_by_army_then_land_then_seat(engine):
    start = board("A5 B5 C9 D5 \n . . e1 d0 \n E4 . F5 . \n . . . .")
    assert engine.ranking(start) == [4, 5, 1, 2, 3, 6]
