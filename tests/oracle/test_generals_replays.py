"""Real games against the tables that the game author's simulator made of them, to the letter."""

from __future__ import annotations

import io
import os
from pathlib import Path

import pytest

from strategos.games.generals.notation import format_state, parse_state
from strategos.games.generals.replay import play_replay, read_replay, verify_replay, write_table
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
def test_every_move_of_a_real_game_is_allowed(path):
    verification = verify_replay(read_replay(path))
    assert verification.refused == ()
    assert verification.over


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
