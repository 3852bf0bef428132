"""The page about environments: its examples run from top to bottom, and its tables say what the code says."""

from __future__ import annotations

import inspect
import re
from pathlib import Path

import numpy as np
import pytest

from strategos.engine.planes import PLANES
from strategos.envs import GeneralsEnv, GeneralsVectorEnv, generals_parallel

PAGE = (Path(__file__).parents[2] / "docs" / "environments.md").read_text(encoding="utf-8")


def test_every_example_runs(tmp_path, monkeypatch, capsys):
    pytest.importorskip("sb3_contrib", reason="the test extra brings sb3-contrib")
    monkeypatch.chdir(tmp_path)
    examples = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    assert len(examples) >= 7
    names: dict = {}
    for number, example in enumerate(examples):
        exec(compile(example, f"environments.md, example {number}", "exec"), names)
    assert (tmp_path / "game.png").stat().st_size > 1000
    printed = capsys.readouterr().out
    assert "(512, 32, 10, 10)" in printed and "me: A" in printed
    mask = np.packbits(np.array([[1, 0, 0, 1, 1]], np.uint8), axis=-1, bitorder="little")
    assert names["Passer"]().act(None, mask, None, None).tolist() == [4]


def test_the_options_of_the_table_are_those_of_the_environments():
    table = PAGE.split("## Options")[1].split("##")[0]
    named = set(
        re.findall(r"`(\w+)`", " ".join(line.split("|")[1] for line in table.splitlines() if "|" in line))
    )
    for environment in (GeneralsEnv, GeneralsVectorEnv, generals_parallel.GeneralsParallelEnv):
        taken = set(inspect.signature(environment).parameters)
        taken -= {"num_envs", "autoreset", "threads", "load_policy", "board"}
        assert taken <= named


def test_the_defaults_of_the_table_are_those_of_the_code():
    parameters = inspect.signature(GeneralsEnv).parameters
    for option in ("size", "players", "seat", "tick_limit", "planes", "ruleset", "opponent", "render_mode"):
        default = re.search(rf"^\| `{option}` \| `?([^|`]+?)`? \|", PAGE, re.MULTILINE)
        assert default is not None and default.group(1) == str(parameters[option].default).join(
            ['"', '"'] if isinstance(parameters[option].default, str) else ["", ""]
        )


def test_the_plane_counts_are_those_of_the_engine():
    counts = re.findall(r"`(memory|enhanced|basic)` \((\d+)", PAGE)
    assert {name: int(count) for name, count in counts} == PLANES
