"""The README and the pages of docs/: examples run, commands exist, links lead somewhere."""

from __future__ import annotations

import dataclasses
import doctest
import re
from pathlib import Path

import numpy as np
import pytest

from strategos.cli import COMMANDS
from strategos.engine.batch import Batch
from strategos.games import make_game
from strategos.games.generals.replay import replay_of_game
from strategos.games.generals.replay_files import write_replay
from strategos.train.config import TrainConfig
from strategos.train.config_files import preset_names

ROOT = Path(__file__).resolve().parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
IDS = [page.name for page in PAGES]
LEAST_EXAMPLES = {"README.md": 12, "positions.md": 12}


@pytest.mark.parametrize("page", PAGES, ids=IDS)
def test_the_examples_print_what_they_say(page):
    result = doctest.testfile(str(page), module_relative=False)
    assert result.attempted >= LEAST_EXAMPLES.get(page.name, 0) and result.failed == 0


@pytest.mark.parametrize("page", PAGES, ids=IDS)
def test_every_command_on_a_page_exists(page):
    text = page.read_text("utf-8")
    targets = set(re.findall(r"^([a-z-]+):.*##", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE))
    blocks = "\n".join(re.findall(r"```\n(.*?)```", text, re.DOTALL)) + "\n".join(
        re.findall(r"`([^`\n]+)`", text)
    )
    for command in re.findall(r"\bstrategos ([a-z]+)\b", blocks):
        assert command in COMMANDS, f"{page.name}: strategos {command}"
    for target in re.findall(r"^make ([a-z-]+)", blocks, re.MULTILINE):
        assert target in targets, f"{page.name}: make {target}"


@pytest.mark.parametrize("page", PAGES, ids=IDS)
def test_every_option_on_a_page_exists(page, capsys):
    from importlib import import_module

    keys = {f"--{each.name.replace('_', '-')}" for each in dataclasses.fields(TrainConfig)}
    options: dict[str, str] = {}
    lines = re.findall(r"^strategos ([a-z]+)((?: +\S+)*)", page.read_text("utf-8"), re.MULTILINE)
    for command, rest in lines:
        if command not in options:
            with pytest.raises(SystemExit):
                import_module(f"strategos.commands.{command}").run(["--help"])
            options[command] = capsys.readouterr().out
        for option in re.findall(r" (--[a-z-]+)(?![\w.-])", rest):
            known = option in options[command] or (command == "train" and option in keys)
            assert known, f"{page.name}: strategos {command} {option}"


def test_every_preset_is_on_the_page_of_training():
    page = (ROOT / "docs" / "train.md").read_text("utf-8")
    assert [name for name in preset_names() if f"`{name}`" not in page] == []


@pytest.mark.parametrize("page", PAGES, ids=IDS)
def test_every_link_leads_somewhere(page):
    for target in re.findall(r"\]\(([^)#]+)\)", page.read_text("utf-8")):
        assert target.startswith("https://") or (page.parent / target).exists(), f"{page.name}: {target}"


def test_the_example_of_the_replays_runs(tmp_path, monkeypatch, capsys):
    batch = Batch(make_game("generals", height=6, width=6), num_games=1, seed=3)
    batch.reset()
    start, actions = batch.states[0].copy(), np.zeros((30, 1, 2), np.int32)
    for each in actions:
        batch.random_actions(each)
        batch.step(each)
    write_replay(replay_of_game(start, actions[:, 0]), tmp_path / "game.gior")
    monkeypatch.chdir(tmp_path)
    example = re.search(r"```python\n(.*?)```", (ROOT / "docs" / "replays.md").read_text("utf-8"), re.DOTALL)
    assert example
    exec(compile(example[1], "replays.md", "exec"), {})
    assert re.search(r"^30 \[\d+ \d+\] \[\d+ \d+\]$", capsys.readouterr().out, re.MULTILINE)
