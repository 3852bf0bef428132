"""Programs at the command line: they are named, measured, rated and played against like every agent."""

from __future__ import annotations

import io
import json
import sys
from pathlib import Path

import pytest

from strategos.cli import main

PAGE = Path(__file__).parents[2] / "docs" / "programs.md"
MATCH = ["--size", "8", "--games", "2", "--ticks", "12"]


@pytest.fixture(autouse=True)
def place(tmp_path, monkeypatch):
    """A folder with the bot of the page and one that fails at once."""
    bot = PAGE.read_text("utf-8").split("```python\n")[1].split("```")[0]
    (tmp_path / "bot.py").write_text(bot.replace("#!/usr/bin/env python3", f"#!{sys.executable} -SI"))
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "run.sh").write_text("#!/bin/sh\necho out of ideas >&2\nexit 9\n")
    for name in ("bot.py", "broken/run.sh"):
        (tmp_path / name).chmod(0o755)
    monkeypatch.chdir(tmp_path)


def test_evaluate_a_program(capsys):
    arguments = ["evaluate", "./broken", "--against", "random", *MATCH]
    assert main(arguments) == 0
    told = capsys.readouterr().err
    forfeits = "2 of 2 games forfeited (at tick 0: ended by itself with exit code 9"
    assert f"broken: 0 faults, 0 illegal moves, {forfeits}" in told
    assert main([*arguments, "--json"]) == 0
    (result,) = json.loads(capsys.readouterr().out)["results"]
    assert (result["agent"], result["losses"], len(result["misconduct"])) == ("broken", 2, 1)


def test_programs_in_a_tournament(capsys):
    arguments = ["tournament", "./broken", "bot.py", "random", *MATCH]
    assert main(arguments) == 0
    told = capsys.readouterr().out
    assert "broken: 0 faults, 0 illegal moves, 4 of 4 games forfeited" in told and "out of ideas" in told
    assert main([*arguments, "--json"]) == 0
    outcome = json.loads(capsys.readouterr().out)
    assert sorted(outcome["names"]) == ["bot.py", "broken", "random"]
    assert [line.split(":")[0] for line in outcome["misconduct"]] == ["broken"]


def test_play_against_a_program(capsys, monkeypatch):
    monkeypatch.setattr(sys, "stdin", io.StringIO("\n\n\n"))
    assert main(["play", "./bot.py", "--size", "8", "--seed", "1", "--plain", "--ticks", "3"]) == 0
    assert "A draw after 3 ticks" in capsys.readouterr().out


def test_a_program_plays_generals_of_two(capsys):
    for arguments, told in (
        (["play", "./bot.py", "--game", "blob"], "two players and no other game"),
        (["play", "./bot.py", "--size", "10", "--players", "3"], "two players and no other game"),
        (["evaluate", "./none.py"], "no player './none.py'"),
        (["evaluate", "cmd:"], "a command line"),
    ):
        assert main(arguments) == 2
        said = capsys.readouterr().err
        assert told in said and said.count("\n") == 1, said
