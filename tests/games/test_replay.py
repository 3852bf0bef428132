"""Replays: what is malformed is refused by name, what is read plays, and our own games come back."""

from __future__ import annotations

import copy
import io
import json
import random

import lzstring
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from strategos.games.generals import lz_string, reference, replay_files
from strategos.games.generals.notation import format_state, parse_state
from strategos.games.generals.replay import (
    ReplayError,
    initial_state,
    parse_replay,
    play_replay,
    read_replay,
    replay_of_game,
    verify_replay,
    write_replay,
    write_table,
)
from strategos.games.generals.replay_files import SLOTS, pack_gior, pack_gioreplay
from strategos.games.spec import LEAVE

REPLAY = {
    "version": 14,
    "id": "abc",
    "mapWidth": 5,
    "mapHeight": 3,
    "usernames": ["ann", "böb", "😀", "dan"],
    "stars": [1, 2, None, 4],
    "cities": [2],
    "cityArmies": [3],
    "generals": [0, 10, 4, 14],
    "mountains": [7],
    "moves": [
        {"index": 0, "start": 0, "end": 1, "is50": 0, "turn": 4},
        {"index": 1, "start": 10, "end": 11, "is50": 1, "turn": 4},
        {"index": 2, "start": 4, "end": 3, "is50": False, "turn": 5},
    ],
    "afks": [{"index": 3, "turn": 5}, {"index": 3, "turn": 9}],
    "teams": [1, 1, 7, 7],
    "mapTitle": "a map",
    "neutrals": [12],
    "neutralArmies": [9],
}


def pack(content) -> bytes:
    return json.dumps(content).encode()


def changed(**changes):
    """The replay with some fields replaced; a value of `...` takes the field out."""
    content = copy.deepcopy(REPLAY) | changes
    return {name: value for name, value in content.items() if value is not ...}


def positional(content) -> list:
    """The same as the array of a `.gior`."""
    slots = [content.get(name) for name in SLOTS]
    slots[10] = [list(move.values()) for move in slots[10]]
    slots[11] = [list(afk.values()) for afk in slots[11]]
    return slots


def moves(*rows):
    return [dict(zip(("index", "start", "end", "is50", "turn"), row, strict=True)) for row in rows]


# Reading and writing


def test_every_field_is_read():
    replay = parse_replay(pack(REPLAY))
    assert (replay.version, replay.id, replay.width, replay.height) == (14, "abc", 5, 3)
    assert replay.usernames == ("ann", "böb", "😀", "dan")
    assert replay.stars == (1, 2, 0, 4)
    assert (replay.cities, replay.city_armies) == ((2,), (3,))
    assert (replay.generals, replay.mountains) == ((0, 10, 4, 14), (7,))
    assert replay.moves.tolist() == [[0, 0, 1, 0, 4], [1, 10, 11, 1, 4], [2, 4, 3, 0, 5]]
    assert replay.afks.tolist() == [[3, 5], [3, 9]]
    assert (replay.teams, replay.title) == ((1, 1, 7, 7), "a map")
    assert (replay.neutrals, replay.neutral_armies) == ((12,), (9,))
    with pytest.raises(ValueError, match="read-only"):
        replay.moves[0] = 0


def test_both_formats_say_the_same():
    replay = parse_replay(pack(REPLAY))
    array = parse_replay(lz_string.compress(json.dumps(positional(REPLAY))))
    plain = parse_replay(pack(positional(REPLAY)))
    assert pack_gioreplay(replay) == pack_gioreplay(array) == pack_gioreplay(plain)
    assert pack_gioreplay(parse_replay(pack_gior(replay))) == pack_gioreplay(replay)
    assert pack_gior(parse_replay(pack_gioreplay(replay))) == pack_gior(replay)


def test_what_is_optional_may_be_absent_or_null():
    short = positional(REPLAY)[:12]
    short[9] = short[5] = None
    replay = parse_replay(pack(short))
    assert (replay.mountains, replay.stars, replay.teams, replay.title, replay.neutrals) == (
        (),
        (),
        None,
        None,
        (),
    )
    bare = changed(
        stars=..., mountains=..., afks=..., teams=None, mapTitle=..., neutrals=None, neutralArmies=None
    )
    assert parse_replay(pack(bare)).afks.shape == (0, 2)
    assert parse_replay(pack(changed(mapTitle=..., map_title="old name"))).title == "old name"
    assert parse_replay(pack(changed(swamps=[], modifiers=None, chat=["hello"], unheard_of=1))).id == "abc"


@pytest.mark.parametrize("ending", ["gior", "gioreplay"])
def test_files_come_back(tmp_path, ending):
    replay = parse_replay(pack(REPLAY))
    write_replay(replay, tmp_path / f"game.{ending}")
    assert pack_gioreplay(read_replay(tmp_path / f"game.{ending}")) == pack_gioreplay(replay)


def test_errors_name_the_file(tmp_path):
    path = tmp_path / "game.gioreplay"
    with pytest.raises(ReplayError, match=r"game\.gioreplay: No such file"):
        read_replay(path)
    path.write_bytes(pack(changed(version=0)))
    with pytest.raises(ReplayError, match=r"game\.gioreplay: version: 0; expected 1 or more"):
        read_replay(path)
    with pytest.raises(ReplayError, match=r"game\.txt: expected a name that ends in \.gior or \.gioreplay"):
        write_replay(parse_replay(pack(REPLAY)), tmp_path / "game.txt")


MOVE = (0, 0, 1, 0, 4)
WRONG = [
    ({"version": ...}, "object missing required field version"),
    ({"version": "5"}, "version: expected int, got str"),
    ({"version": True}, "version: expected int, got bool"),
    ({"version": -1}, "version: -1; expected 1 or more"),
    ({"id": 5}, "id: expected str, got int"),
    ({"mapWidth": 0}, "mapWidth: 0; expected 1 to"),
    ({"mapHeight": -3}, "mapHeight: -3; expected 1 to"),
    ({"mapHeight": 10**30}, "mapHeight: "),
    ({"mapWidth": 300, "mapHeight": 300}, "mapHeight: a board of 90000 tiles; expected at most 32767"),
    ({"usernames": ["ann"]}, "usernames: 1 players; expected 2 to 16"),
    ({"usernames": ["x"] * 17}, "usernames: 17 players; expected 2 to 16"),
    ({"usernames": None}, "usernames: expected array, got null"),
    ({"usernames": ["a", "b", 3, "d"]}, "usernames[2]: expected str | null, got int"),
    ({"generals": [0, 10, 4]}, "generals: 3 entries; expected 4, one for each player"),
    ({"generals": [0, 10, 4, 15]}, "generals[3]: tile 15 is off the board; expected 0 to 14"),
    ({"generals": [0, 10, 4, -1]}, "generals[3]: tile -1 is off the board"),
    ({"generals": [0, 10, 4, 4]}, "generals[3]: tile 4 is among the generals already"),
    ({"generals": [0, 10, 4, 7]}, "generals[3]: tile 7 is among the mountains already"),
    ({"generals": [0, 10, 4, 2]}, "generals[3]: tile 2 is among the cities already"),
    ({"generals": [0, None, None, None], "teams": None}, "generals: only one side has a general"),
    ({"teams": [1, 1, 1, 1]}, "teams: only one side has a general"),
    ({"teams": [1, 2]}, "teams: 2 entries; expected 4, one for each player"),
    ({"cities": [99]}, "cities[0]: tile 99 is off the board"),
    ({"cities": [2, 2], "cityArmies": [3, 3]}, "cities[1]: tile 2 is among the cities already"),
    ({"cities": [7]}, "cities[0]: tile 7 is among the mountains already"),
    ({"cityArmies": []}, "cityArmies: 0 entries; expected 1, one for each city"),
    ({"cityArmies": [-1]}, "cityArmies[0]: -1; expected 0 to"),
    ({"cityArmies": [2**40]}, "cityArmies[0]: 1099511627776; expected 0 to"),
    ({"cityArmies": [1.5]}, "cityArmies[0]: expected int, got float"),
    ({"mountains": [7, 7]}, "mountains[1]: tile 7 is among the mountains already"),
    ({"mountains": {"7": 1}}, "mountains: expected array | null, got object"),
    ({"neutrals": [12, 13]}, "neutralArmies: 1 entries; expected 2, one for each neutral tile"),
    ({"neutrals": [14]}, "neutrals[0]: tile 14 is among the generals already"),
    ({"neutralArmies": [-2]}, "neutralArmies[0]: -2"),
    ({"moves": ...}, "object missing required field moves"),
    ({"moves": [{"index": 0}]}, "moves[0]: object missing required field start"),
    ({"moves": moves(MOVE, (4, 0, 1, 0, 4))}, "moves[1].index: no player 4; expected 0 to 3"),
    ({"moves": moves((-1, 0, 1, 0, 4))}, "moves[0].index: no player -1"),
    ({"moves": moves((0, 15, 14, 0, 4))}, "moves[0].start: tile 15 is off the board; expected 0 to 14"),
    ({"moves": moves((0, 14, 19, 0, 4))}, "moves[0].end: tile 19 is off the board"),
    ({"moves": moves((0, 0, -1, 0, 4))}, "moves[0].end: tile -1 is off the board"),
    ({"moves": moves((0, 0, 2, 0, 4))}, "moves[0].end: tile 2 is not beside 0; expected a neighbour"),
    ({"moves": moves((0, 4, 5, 0, 4))}, "moves[0].end: tile 5 is not beside 4"),
    ({"moves": moves((0, 0, 0, 0, 4))}, "moves[0].end: tile 0 is not beside 0"),
    ({"moves": moves((0, 0, 1, 2, 4))}, "moves[0].is50: 2; expected 0 or 1"),
    ({"moves": moves((0, 0, 1, 0, "4"))}, "moves[0].turn: expected int, got str"),
    ({"moves": moves((0, 0, 1, 0, -4))}, "moves[0].turn: tick -4; expected 0 to"),
    (
        {"moves": moves(MOVE, (0, 0, 1, 0, 3))},
        "moves[1].turn: tick 3; expected 4 to 100000, in ascending order",
    ),
    ({"moves": moves((0, 0, 1, 0, 2**31))}, "moves[0].turn: tick 2147483648"),
    ({"afks": [{"index": 4, "turn": 1}]}, "afks[0].index: no player 4"),
    ({"afks": [{"index": 0, "turn": 2}, {"index": 1, "turn": 1}]}, "afks[1].turn: tick 1; expected 2 to"),
    ({"afks": [[0, 2]]}, "afks[0]: expected object, got array"),
    ({"swamps": [3]}, "swamps: this game was played with swamps"),
    ({"modifiers": [1]}, "modifiers: this game was played with modifiers"),
    ({"deserts": [1]}, "deserts: "),
    ({"generalTrades": [[0, 1, 9]]}, "generalTrades: "),
]


@pytest.mark.parametrize(("changes", "message"), WRONG, ids=[message[:40] for _, message in WRONG])
def test_a_malformed_replay_is_refused_by_the_name_of_the_field(changes, message):
    with pytest.raises(ReplayError) as error:
        parse_replay(pack(changed(**changes)))
    assert str(error.value).startswith(message)


WRONG_ARRAYS = [
    (lambda slots: slots[:11], "afks: missing; the array has 11 places"),
    (lambda slots: [], "version: missing; the array has 0 places"),
    (
        lambda slots: [*slots[:10], [[0, 0, 1, 0]], *slots[11:]],
        "moves[0]: expected array of at least length 5",
    ),
    (lambda slots: [*slots[:10], [7], *slots[11:]], "moves[0]: expected array, got int"),
    (lambda slots: [*slots[:11], [[3]], *slots[12:]], "afks[0]: expected array of at least length 2"),
    (lambda slots: [*slots[:16], [3]], "swamps: this game was played with swamps"),
    (lambda slots: [*slots[:3], "3", *slots[4:]], "mapHeight: expected int, got str"),
]


@pytest.mark.parametrize(("damage", "message"), WRONG_ARRAYS)
def test_a_malformed_array_is_refused_by_the_name_of_the_field(damage, message):
    with pytest.raises(ReplayError) as error:
        parse_replay(lz_string.compress(json.dumps(damage(positional(REPLAY)))))
    assert str(error.value).startswith(message)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "the compressed text ends early; expected a .gior or a .gioreplay"),
        (b"{", "bad JSON"),
        (b"[1, 2", "bad JSON"),
        (b"[" * 100_000, "bad JSON"),
        (b'{"id": "\xff"}', "bad JSON"),
        (b'{"version": NaN}', "bad JSON"),
        (lz_string.compress("{"), "bad JSON"),
        (lz_string.compress("7"), "the replay is a JSON int; expected an object or an array"),
        (lz_string.compress("null"), "the replay is a JSON NoneType"),
        (b"\xff" * 20, "the compressed text is damaged"),
        (b"not a replay at all", "bad JSON"),
    ],
)
def test_what_is_no_replay_is_refused(data, message):
    with pytest.raises(ReplayError) as error:
        parse_replay(data)
    assert str(error.value).startswith(message)


def test_large_files_are_refused_unread(monkeypatch, tmp_path):
    monkeypatch.setattr(replay_files, "MAX_FILE_BYTES", 1000)
    path = tmp_path / "huge.gior"
    path.write_bytes(bytes(5000))
    with pytest.raises(ReplayError, match="the file is larger than 1000 bytes"):
        read_replay(path)
    monkeypatch.setattr(replay_files, "MAX_PACKED_BYTES", 500)
    with pytest.raises(ReplayError, match=r"the \.gior is larger than 500 bytes"):
        parse_replay(bytes(501))
    monkeypatch.setattr(replay_files, "MAX_TEXT", 300)
    with pytest.raises(ReplayError, match="unpacks to more than 300 characters; expected a"):
        parse_replay(lz_string.compress(" " * 301))


@settings(derandomize=True, deadline=None, max_examples=300)
@given(st.data())
def test_a_damaged_file_is_refused_or_makes_sense(data):
    packed = bytearray(data.draw(st.sampled_from([pack(REPLAY), pack_gior(parse_replay(pack(REPLAY)))])))
    for _ in range(data.draw(st.integers(1, 3))):
        packed[data.draw(st.integers(0, len(packed) - 1))] = data.draw(st.integers(0, 255))
    packed = packed[: data.draw(st.integers(len(packed) // 2, len(packed)))]
    try:
        replay = parse_replay(bytes(packed))
    except ReplayError:
        return
    assert pack_gioreplay(parse_replay(pack_gioreplay(replay))) == pack_gioreplay(replay)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 40) | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(SLOTS), inner, max_size=3),
    max_leaves=6,
)


@settings(derandomize=True, deadline=None, max_examples=300)
@given(st.sampled_from(sorted(REPLAY)), JSON)
def test_any_value_in_any_field_is_refused_or_makes_sense(field, value):
    try:
        replay = parse_replay(pack(changed(**{field: value})))
    except ReplayError as error:
        assert field in str(error) or "expected" in str(error) or "JSON" in str(error)
    else:
        assert initial_state(replay).army_total.sum() == sum(tile is not None for tile in replay.generals)


# LZ-string


@settings(derandomize=True, deadline=None, max_examples=200)
@given(st.text(max_size=300) | st.text("ab", max_size=300))
def test_compression_is_that_of_the_package(text):
    packed = lz_string.compress(text)
    assert lz_string.decompress(packed, 1000) == text
    if text and max(text) < "\ud800":
        units = "".join(chr(high << 8 | low) for high, low in zip(packed[::2], packed[1::2], strict=True))
        assert lzstring.LZString.decompress(units) == text


def test_a_text_that_ends_early_is_not_taken_for_a_short_one():
    packed = lz_string.compress(json.dumps(REPLAY))
    for size in range(len(packed) - 2):
        with pytest.raises(ValueError, match=r"ends early|damaged"):
            lz_string.decompress(packed[:size], 10_000)


def test_a_bomb_is_stopped_at_the_limit():
    bomb = lz_string.compress("a" * 300_000)
    assert len(bomb) < 2_000
    with pytest.raises(ValueError, match="unpacks to more than 100000 characters"):
        lz_string.decompress(bomb, 100_000)
    assert len(lz_string.decompress(bomb, 300_000)) == 300_000


# Playing


def play(**changes):
    return dict(play_replay(parse_replay(pack(changed(**changes)))))


def board(state) -> str:
    return format_state(state).split("\n\n")[1]


def test_the_first_state_shows_the_map():
    state = initial_state(parse_replay(pack(REPLAY)))
    assert format_state(state) == (
        "rules: classic\nplayers: 4\ntick: 0\nteams: 0 0 1 1\n\n"
        "A1!  .  ^3  .  C1!\n.    .  #   .  .\nB1!  .  .9  .  D1!"
    )


@pytest.mark.parametrize(
    ("version", "rules"),
    [
        (4, "classic cities_regrow=1"),
        (5, "classic cities_regrow=1"),
        (6, "classic"),
        (14, "classic"),
        (15, "generalsio"),
    ],
)
def test_the_version_chooses_the_rules(version, rules):
    state = initial_state(parse_replay(pack(changed(version=version))))
    assert format_state(state).startswith(f"rules: {rules}\n")


def test_an_empty_seat_is_dead_from_the_start():
    state = initial_state(parse_replay(pack(changed(generals=[0, None, 4, 14]))))
    assert "dead: B\n" in format_state(state)
    assert state.general.tolist() == [0, -1, 4, 14]


def test_moves_of_a_tick_come_before_its_growth():
    states = play()
    assert board(states[4]) == "A3!  .  ^3  .  C3!\n.    .  #   .  .\nB3!  .  .9  .  D3!"
    assert board(states[5]) == "A1!  A2  ^3  .  C3!\n.    .   #   .  .\nB2!  B1  .9  .  D3!"
    assert board(states[6]) == "A2!  A2  ^3  C2  C2!\n.    .   #   .   .\nB3!  B1  .9  .   D4!"


def test_a_surrendered_general_grows_until_the_land_goes_to_the_teammate():
    states = play()
    assert "dead: D\nsurrendered: D\n" in format_state(states[6])
    assert board(states[8]).split()[-1] == "D5!"
    assert board(states[9]).split()[-1] == "D5!"
    assert board(states[10]).split()[-1] == "C6^"
    assert max(states) == 10


def test_without_a_teammate_the_land_goes_to_nobody():
    states = play(teams=None)
    assert board(states[10]).split()[-1] == "^5"
    assert not states[10].over


def test_the_game_ends_on_the_tick_of_the_last_surrender():
    afks = [{"index": 3, "turn": 1}, {"index": 2, "turn": 2}, {"index": 2, "turn": 8}]
    states = play(afks=afks, moves=[])
    assert max(states) == 3
    assert (states[3].over, states[3].winner) == (1, 0)


@pytest.mark.parametrize(("version", "heir"), [(14, "C1"), (15, ".2")])
def test_a_capture_in_the_tick_that_frees_the_land(version, heir):
    """Up to version 14 the moves of a tick come before its surrenders, from 15 on after them."""
    states = play(
        version=version,
        generals=[0, 10, 4, 9],
        teams=None,
        moves=moves((3, 9, 8, 0, 4), (2, 4, 9, 0, 9)),
        afks=[{"index": 3, "turn": 5}, {"index": 3, "turn": 9}],
    )
    assert board(states[9]).split()[8:10] == ["D2", "D3!"]
    assert board(states[10]).split()[8:10] == [heir, "C2^"]


def test_a_refused_move_is_skipped_and_reported():
    replay = parse_replay(pack(changed(moves=moves((0, 1, 0, 0, 2), (1, 10, 11, 0, 2)), afks=[])))
    verification = verify_replay(replay)
    assert verification.refused == (0,)
    assert (verification.ticks, verification.over, verification.winner) == (3, False, -1)
    assert board(dict(play_replay(replay))[3]).split()[10:12] == ["B1!", "B1"]


def test_states_stay_as_they_were_yielded():
    states = [(state, state.tobytes()) for _, state in play_replay(parse_replay(pack(REPLAY)))]
    assert all(state.tobytes() == seen for state, seen in states)
    assert len({seen for _, seen in states}) == len(states)


def test_the_table_lists_the_scoreboard_and_the_order_of_deaths():
    table = io.StringIO()
    write_table(parse_replay(pack(changed(afks=[{"index": 3, "turn": 1}, {"index": 1, "turn": 2}]))), table)
    lines = table.getvalue().splitlines()
    assert lines[0] == "turn,board_fnv1a,army0,army1,army2,army3,tiles0,tiles1,tiles2,tiles3,deaths"
    assert lines[1].split(",")[2:] == ["1"] * 8 + [""]
    assert lines[2].endswith(",") and lines[3].endswith(",3") and lines[4].endswith(",3 1")
    assert lines[-1].split(",")[2:] == ["4", "4", "4", "4", "2", "2", "2", "1", "3 1"]


# Our own games

FOUR = """
    teams: 0 1 0 1
    A9!  .  ^2  .  B9!
    .    .  #   .  .
    C9!  .  .3  .  D9!
"""
TWO = """
    A9!  .  ^2  .  .
    .    .  #   .  .
    .    .  .3  .  B9!
"""


def played(start, seed: int, ticks: int = 150, leaves=()):
    """Random legal actions by the reference twin: the actions [T, P] and every position, the start first.

    `leaves` are (tick, player) of every `LEAVE`. In a tick in which one ends the game nothing else happens.
    """
    position, choose = reference.from_state(start), random.Random(seed)
    rows, states = [], [reference.to_state(position, start.dtype)]
    while not position.over and len(rows) < ticks:
        leaving = [player for tick, player in leaves if tick == position.tick]
        for player in leaving:
            reference.leave(position, player)
        legal = [sorted(reference.legal(position, player)) for player in position.players]
        chosen = [choose.choice(actions[:-1] or actions) for actions in legal]
        reference.step(position, chosen)
        rows.append([LEAVE if player in leaving else action for player, action in enumerate(chosen)])
        states.append(reference.to_state(position, start.dtype))
    return np.array(rows, dtype=np.int32), states


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("rules", ["generalsio", "classic", "classic cities_regrow=1"])
@pytest.mark.parametrize("padded", ["", "padded: 5x7\n"])
def test_a_game_of_ours_comes_back_from_its_replay(rules, padded, seed):
    start = parse_state(f"rules: {rules}\n{padded}{FOUR}".replace("9!", "1!"))
    actions, (*_, last) = played(start, seed)
    replay = parse_replay(pack_gior(replay_of_game(start, actions, usernames="abcd")))
    assert board(initial_state(replay)) == board(start)
    assert verify_replay(replay).refused == ()
    states = dict(play_replay(replay))
    assert board(states[max(states)]) == board(last)
    assert max(states) == last.tick
    assert len(replay.moves) > 100
    assert replay.usernames == ("a", "b", "c", "d")


LEAVES = {
    "one of four": ("0 1 0 1", [(7, 2)]),
    "two at once": ("0 1 0 1", [(9, 0), (9, 3)]),
    "in the tick of growth": ("0 1 0 1", [(49, 0), (50, 3)]),
    "land freed to a teammate": ("0 1 0 1", [(10, 1), (20, 1)]),
    "land freed to nobody": ("0 1 2 3", [(5, 0), (30, 2), (41, 2), (43, 0)]),
}


def four(rules: str, teams: str = "0 1 0 1"):
    """Four players with an army each."""
    return parse_state(f"rules: {rules}\n{FOUR}".replace("9!", "1!").replace("0 1 0 1", teams))


def same_boards(start, actions, states) -> bool:
    """Whether a replay shows all the boards of a game and the deaths so far, but for the moment before a
    `LEAVE`: there an old replay shows what comes of it already."""
    shown = dict(play_replay(parse_replay(pack_gior(replay_of_game(start, actions)))))
    assert max(shown) == len(actions)
    return all(
        board(shown[tick]) == board(state) and shown[tick].death.tolist() == state.death.tolist()
        for tick, state in enumerate(states)
        if tick == len(actions) or LEAVE not in actions[tick]
    )


@pytest.mark.parametrize("case", LEAVES)
@pytest.mark.parametrize("rules", ["generalsio", "classic", "classic cities_regrow=1"])
def test_a_game_that_players_left_comes_back_from_its_replay(rules, case):
    teams, leaves = LEAVES[case]
    start = four(rules, teams)
    actions, states = played(start, 1, leaves=leaves)
    assert not states[leaves[-1][0]].over and (actions == LEAVE).sum() == len(leaves)
    assert same_boards(start, actions, states)


@pytest.mark.parametrize("rules", ["generalsio", "classic"])
def test_who_dies_on_the_tick_of_a_leave_dies_after_it(rules):
    """C marches off twice, and A takes its general on the tick on which D leaves: the deaths are D, C."""
    start = parse_state(f"rules: {rules}\nA1! C1! . .\n. . B1! D1!")
    position, states = reference.from_state(start), [start]
    wait = position.pass_action
    actions = np.full((6, 4), wait)
    actions[[2, 4], 2] = 8 + 6
    actions[5] = [6, wait, wait, LEAVE]
    for row in actions.tolist():
        if LEAVE in row:
            reference.leave(position, row.index(LEAVE))
        reference.step(position, [wait if action == LEAVE else action for action in row])
        states.append(reference.to_state(position, start.dtype))
    assert states[-1].death.tolist() == [0, 0, 2, 1]
    assert same_boards(start, actions, states)


def test_a_game_that_a_leave_ends_goes_on_to_the_end_of_the_tick():
    """Where a leave comes before the moves of its tick, the tick is counted and grown after it, too."""
    for rules, more in (("generalsio", 1), ("classic", 0)):
        start = parse_state(f"rules: {rules}\n{TWO}".replace("9!", "1!"))
        actions, states = played(start, 4, leaves=[(11, 1)])
        assert len(actions) == 12 and states[-1].tick == 11
        shown = dict(play_replay(replay_of_game(start, actions)))
        assert (max(shown), shown[max(shown)].winner) == (11 + more, 0)
        before = max(shown) - more
        assert board(shown[before]) == board(states[-1]) and shown[before].over == 1 - more


def test_a_leave_that_an_old_replay_cannot_tell_is_refused():
    start = four("classic", "0 1 2 3")
    for leaves, tick in (([(0, 1)], 0), ([(7, 3), (20, 3)], 20)):
        actions, _ = played(start, 2, 30, leaves)
        with pytest.raises(ReplayError, match=f"at tick {tick}"):
            replay_of_game(start, actions)


def test_a_duel_comes_back_up_to_its_last_tick():
    start = parse_state("rules: duel\n" + TWO.replace("9!", "1!"))
    for seed in range(20):
        actions, (*_, before, last) = played(start, seed, 600)
        if last.over:
            break
    assert last.over
    replay = replay_of_game(start, actions)
    states = dict(play_replay(replay))
    assert board(states[max(states) - 1]) == board(before)
    assert (max(states), states[max(states)].winner) == (last.tick, last.winner)


def test_what_a_replay_cannot_hold_is_refused():
    with pytest.raises(ReplayError, match="cannot hold builds"):
        replay_of_game(parse_state("rules: competition\n" + TWO), [])
    with pytest.raises(ReplayError, match="starts at tick 4; expected 0"):
        replay_of_game(parse_state("tick: 4\n" + TWO), [])
