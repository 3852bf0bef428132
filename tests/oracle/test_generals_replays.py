"""Real games against the tables that the game author's simulator made of them, to the letter."""

from __future__ import annotations

import io
import os
from pathlib import Path

import numpy as np
import pytest

from strategos.games.generals.notation import format_state, parse_state
from strategos.games.generals.replay import (
    initial_state,
    play_replay,
    read_replay,
    replay_of_game,
    verify_replay,
    write_table,
)
from strategos.games.generals.replay_files import pack_gior, pack_gioreplay, parse_replay

ORACLE = Path(os.environ.get("STRATEGOS_ORACLE", Path(__file__).parents[2] / "../shared/oracle")).resolve()
FILES = sorted(
    path
    for path in ORACLE.rglob("*")
    if path.suffix in (".gior", ".gioreplay") and path.with_suffix(".csv").is_file()
)
NONE = pytest.mark.skip(
    reason=f"no replay with a table beside it in {ORACLE}; set STRATEGOS_ORACLE to such a folder"
)
each_file = pytest.mark.parametrize(
    "path", FILES or [pytest.param(None, marks=NONE)], ids=[path.name for path in FILES] or ["none"]
)


@each_file
def test_a_replay_makes_its_table_to_the_letter(path):
    table = io.StringIO()
    write_table(read_replay(path), table)
    made, expected = table.getvalue(), path.with_suffix(".csv").read_bytes().decode()
    for line, (mine, theirs) in enumerate(zip(made.splitlines(), expected.splitlines(), strict=False), 1):
        assert mine == theirs, f"line {line}"
    assert made == expected


@each_file
def test_a_real_game_is_verified_to_its_end(path):
    replay = read_replay(path)
    verification = verify_replay(replay)
    assert verification.ticks == int(path.with_suffix(".csv").read_text().splitlines()[-1].split(",")[0])
    # the site lists a move now and then that its own rules skip; a wrong rule refuses many
    assert len(verification.refused) <= len(replay.moves) // 100


@each_file
def test_every_state_of_a_real_game_prints_and_parses(path):
    for tick, state in play_replay(read_replay(path)):
        if tick % 10 == 0 or state.over:
            assert parse_state(format_state(state)).tobytes() == state.tobytes()


@each_file
def test_a_real_game_survives_both_formats(path):
    replay = read_replay(path)
    packed = pack_gior(replay)
    if path.suffix == ".gior" and replay.version < 7:  # later ones carry chat and options, which we drop
        assert packed == path.read_bytes()
    assert pack_gior(parse_replay(pack_gioreplay(replay))) == packed
    assert pack_gioreplay(parse_replay(packed)) == pack_gioreplay(replay)


@each_file
def test_our_order_of_moves_is_that_of_the_real_game(path):
    """The moves as actions without an order, put in order by the ruleset, make the same list."""
    replay = read_replay(path)
    player, source, target, half, tick = replay.moves.T.astype(int)
    if replay.version < 5 or len(replay.afks) or len(set(zip(tick, player, strict=True))) < len(tick):
        pytest.skip("older rules, or more than one action per player and tick")
    direction = np.select(
        [target == source - replay.width, target == source + replay.width, target == source - 1], [0, 1, 2], 3
    )
    start = initial_state(replay)
    actions = np.full((tick.max() + 1, len(replay.usernames)), 8 * len(start.owner))
    actions[tick, player] = source * 8 + direction * 2 + half
    np.testing.assert_array_equal(replay_of_game(start, actions).moves, replay.moves)
