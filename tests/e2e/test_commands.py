"""Every command once, small: a run is trained, stopped, resumed, reported, measured, played and watched."""

from __future__ import annotations

import csv
import io
import json
import re
import sys
from pathlib import Path

import numpy as np
import pytest

from strategos.cli import main
from strategos.commands.configuration import keys, page
from strategos.games import make_game
from strategos.games.generals.replay import board_checksum
from strategos.play.agents import load_policy
from strategos.play.match import play_match
from strategos.play.record import match_records, read_records, replay, write_records

ROOT = Path(__file__).resolve().parents[2]
TINY = """
samples = 1500
max_minutes = 0.0
fit = false
[net]
channels = 8
blocks = 1
[rollout]
games = 16
ticks = 16
workers = 1
[evaluation]
every = 0.5
games = 4
against = ["random", "hunter"]
tick_limit = 60
[[stages]]
boards = [{ height = 6, width = 6 }]
"""


@pytest.fixture(scope="module")
def place(tmp_path_factory) -> Path:
    """A folder with one trained run in it."""
    folder = tmp_path_factory.mktemp("place")
    (folder / "tiny.toml").write_text(TINY)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        assert main(["train", "--config", "tiny.toml", "--run", "first", "--quiet", "--games", "4"]) == 0
    return folder


@pytest.fixture(autouse=True)
def here(place, monkeypatch):
    monkeypatch.chdir(place)


def test_a_run_leaves_what_it_promises(place):
    run = place / "runs" / "first"
    for name in ("config.toml", "config.json", "metrics.jsonl", "report.html", "curves.png", "games", "best"):
        assert (run / name).exists(), name
    page = (run / "report.html").read_text("utf-8")
    assert 'id="strength"' in page and 'class="replay"' in page and "strategos play runs/first" in page
    assert (run / "curves.png").read_bytes().startswith(b"\x89PNG")


def test_the_same_command_on_a_finished_run_only_measures_it_again(place, capsys):
    before = (place / "runs/first/metrics.jsonl").read_text()
    assert main(["resume", "first", "--json", "--games", "4"]) == 0
    result = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert [(row["opponent"], row["games"]) for row in result["results"]] == [("random", 4), ("hunter", 4)]
    assert (place / "runs/first/metrics.jsonl").read_text() == before


def test_another_configuration_in_the_same_folder_is_refused(capsys):
    assert main(["train", "--config", "tiny.toml", "--run", "first", "--ppo.clip", "0.3"]) == 2
    assert "ppo" in capsys.readouterr().err


def test_evaluate_an_agent(capsys):
    arguments = ["evaluate", "first", "--against", "random", "--size", "6", "--games", "4", "--ticks", "40"]
    assert main([*arguments, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["results"][0]["games"] == 4 and found["results"][0]["board"] == "6x6"
    assert main(arguments) == 0
    assert "random" in capsys.readouterr().out


def test_tournament(capsys):
    arguments = [
        "tournament",
        "random",
        "runs/first",
        "expander",
        "--size",
        "6",
        "--games",
        "4",
        "--ticks",
        "40",
    ]
    assert main([*arguments, "--json"]) == 0
    assert len(json.loads(capsys.readouterr().out)["ratings"]) == 3
    assert main(arguments) == 0
    assert "Bradley-Terry" in capsys.readouterr().out


def play(monkeypatch, capsys, lines: str, *arguments: str) -> str:
    monkeypatch.setattr(sys, "stdin", io.StringIO(lines))
    assert main(["play", *arguments]) == 0
    return capsys.readouterr().out


def test_play_line_by_line_with_fog(monkeypatch, capsys):
    shown = play(monkeypatch, capsys, "\nnonsense\n0 0 up\n99 1 up\nq\n", "first", "--size", "6")
    assert "'nonsense' is not a move" in shown and "no army of yours can go up" in shown
    assert "99 1 is not on the board" in shown and "You left at tick 1" in shown
    assert "?" in shown and "B1!" not in shown  # the enemy's general is in the fog


def test_play_to_the_end(monkeypatch, capsys):
    shown = play(monkeypatch, capsys, "\n" * 400, "hunter", "--size", "6", "--seed", "1")
    assert "You lose after" in shown and "--seed 1" in shown


def test_a_move_from_the_keyboard_line_is_played(monkeypatch, capsys):
    """Wait until the general holds two, then march in every direction until one is possible."""
    shown = play(monkeypatch, capsys, "\n\nq\n", "random", "--size", "6", "--seed", "3")
    board = shown.split("tick: 2")[1].split("\n\n")[1].splitlines()
    row = next(number for number, line in enumerate(board) if "A2!" in line)
    column = board[row].split().index("A2!")
    moves = "".join(f"{row} {column} {way}\n" for way in ("up", "down", "left", "right"))
    shown = play(monkeypatch, capsys, "\n\n" + moves + "q\n", "random", "--size", "6", "--seed", "3")
    assert "A: 2 army, 2 land" in shown


def test_watch_and_convert_a_game(place, tmp_path, capsys):
    game = next((place / "runs/first/games").glob("*.parquet"))
    page, table, site = tmp_path / "game.html", tmp_path / "game.csv", tmp_path / "game.gioreplay"
    options = ["--html", str(page), "--csv", str(table), "--gioreplay", str(site)]
    assert main(["replay", str(game), *options]) == 0
    assert capsys.readouterr().out.count("wrote") == 3
    assert 'class="replay"' in page.read_text("utf-8")
    again = tmp_path / "again.csv"
    assert main(["replay", str(site), "--csv", str(again)]) == 0
    assert table.read_text().startswith(again.read_text())  # the site's format ends with the last move
    assert again.read_text().startswith("turn,board_fnv1a")
    capsys.readouterr()
    assert main(["replay", str(game), "--tick", "3"]) == 0
    assert "tick: 3" in capsys.readouterr().out
    assert main(["replay", str(game), "--tick", "9999"]) == 2
    assert "no tick 9999" in capsys.readouterr().err


class Waiter:
    """Waits for the tick limit; the last id passes."""

    name = "waiter"

    def act(self, views, masks, memories, rng):
        return np.full(len(views), np.unpackbits(masks[0], bitorder="little").nonzero()[0][-1], np.int32)


@pytest.mark.parametrize(
    "rules, player", [("duel", "hunter"), ("competition", "hunter"), ("generalsio", "hunter"), ("duel", None)]
)
def test_the_table_of_our_own_game_is_the_engines(rules, player, tmp_path, capsys):
    game = make_game("generals", height=8, width=8, ruleset=rules)
    players = [load_policy(player), load_policy("random")] if player else [Waiter(), Waiter()]
    match = play_match(game, players, num_games=2, seed=2, tick_limit=400 if player else 300, record=True)
    file, out = write_records(tmp_path, match_records(game, match)), tmp_path / "game.csv"
    (record, *_) = read_records(file)
    assert record.truncated == (player is None)
    assert main(["replay", str(file), "--csv", str(out)]) == 0
    rows = list(csv.DictReader(out.open()))
    for tick, (row, states) in enumerate(zip(rows, replay(record), strict=True)):
        assert (int(row["turn"]), int(row["board_fnv1a"])) == (tick, board_checksum(states[0]))
        for seat in range(2):
            assert int(row[f"army{seat}"]) == states[0]["army_total"][seat]
            assert int(row[f"tiles{seat}"]) == states[0]["land_total"][seat]
    losers = [str(seat) for seat in range(2) if record.returns[seat] < 0]
    assert rows[-1]["deaths"].split() == losers


def test_the_games_of_a_folder_are_listed(tmp_path, capsys):
    game = make_game("generals", height=6, width=6)
    for name, seed in (("hunter", 1), ("expander", 2)):
        policies = [load_policy(name), load_policy("random")]
        match = play_match(game, policies, num_games=2, seed=seed, tick_limit=300, record=True)
        write_records(tmp_path, match_records(game, match))
    assert main(["replay", str(tmp_path)]) == 0
    head, *lines = capsys.readouterr().out.splitlines()
    assert head.split() == ["file", "--game", "ticks", "winner", "returns", "players,", "by", "seat"]
    records = [each for file in sorted(tmp_path.glob("*.parquet")) for each in read_records(file)]
    assert [line.split()[:3] for line in lines] == [
        [f"games-00000{number // 2 + 1}.parquet", str(number % 2), str(record.ticks)]
        for number, record in enumerate(records)
    ]
    assert lines[0].endswith("  hunter, random") and "  hunter  " in lines[0]
    assert main(["replay", str(tmp_path), "--player", "hunter"]) == 0
    shown = capsys.readouterr().out.splitlines()
    assert [line.split() for line in shown] == [line.split() for line in (head, *lines[:2])]
    assert main(["replay", str(tmp_path), "--player", "huntr"]) == 2
    assert "did you mean 'hunter'?" in capsys.readouterr().err


def test_doctor(capsys):
    assert main(["doctor", "--json", "--no-measure"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["cores"] >= 1 and found["packages"]["torch"] and found["advice"]
    assert main(["doctor", "--no-measure"]) == 0
    assert "processor" in capsys.readouterr().out


def test_every_key_is_documented(capsys):
    assert all(documentation for _, _, _, documentation in keys())
    assert ("gate", "deals") in {(table, key) for table, key, _, _ in keys()}  # `deals` is a table, too
    assert main(["train", "--keys"]) == 0
    shown = capsys.readouterr().out
    assert "--ppo.learning-rate" in shown and "--stages" not in shown
    assert "\n  spawn_distance " in shown.split("[[stages.boards]]")[1]
    rows = [line for line in page().splitlines() if line.startswith("|")]
    assert all(len(re.findall(r"(?<!\\)\|", row)) == 4 for row in rows)
    written = (ROOT / "docs" / "configuration.md").read_text("utf-8")
    assert page() == written, "python -m strategos.commands.configuration > docs/configuration.md"
