"""Whole runs on a GPU: they end and play, and go on on a CPU and back."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from small_runs import PLAYED, SMALL, small_config, train_and_kill

from strategos.cli import main
from strategos.games import make_game
from strategos.play.agents import load_policy
from strategos.play.match import play_match
from strategos.train.checkpoint import load_newest
from strategos.train.config import ConfigError
from strategos.train.devices import WorkerThreads, choose_device
from strategos.train.loop import train
from strategos.train.metrics import read_metrics
from strategos.train.trainers import make_trainer

GENERATORS = "generators.safetensors"
"""The random streams of the GPU: a CPU has none of them."""


def test_the_device_of_a_configuration(device):
    assert choose_device("auto").type == device
    assert choose_device("cuda:0") == torch.device("cuda:0") and choose_device("cpu").type == "cpu"
    with pytest.raises(ConfigError, match="the last GPU is cuda:"):
        choose_device("cuda:99")
    threads = WorkerThreads(choose_device("auto"), 2)
    assert threads.learning is None, "its threads would wait for one another"
    threads.close()


@pytest.mark.parametrize("algorithm", SMALL)
def test_a_run_ends_and_its_agent_plays(device, algorithm, tmp_path):
    summary = train(small_config(algorithm, device=device), tmp_path / "run", quiet=True)
    assert summary.ended == "finished"
    rows = read_metrics(tmp_path / "run")
    assert all(np.isfinite(row["first_ratio_error"]) for row in rows if "first_ratio_error" in row)
    assert max(row.get("first_ratio_error", 0.0) for row in rows) < 0.05
    name, options = PLAYED[algorithm]
    game, agent = make_game(name, **options), load_policy(tmp_path / "run")
    result = play_match(game, [agent] * game.spec.num_players, num_games=4, seed=1, tick_limit=30, threads=1)
    assert len(result.games) == 4


@pytest.mark.parametrize("algorithm", SMALL)
@pytest.mark.parametrize("there", ["from the GPU", "to the GPU"])
def test_a_run_goes_on_on_another_device(device, algorithm, there, tmp_path, monkeypatch):
    first, second = (device, "cpu") if there == "from the GPU" else ("cpu", device)
    run, other = tmp_path / "run", small_config(algorithm, device=second)
    train_and_kill(small_config(algorithm, device=first), run, 7, monkeypatch)
    found = load_newest(run)[0]
    assert found is not None and (GENERATORS in found.files) == (first == device and algorithm != "alphazero")
    trainer = make_trainer(other)
    try:
        trainer.load_state(found.files, found.meta, run)
        files, _ = trainer.state_files(run)
    finally:
        trainer.close()
    for name in found.files.keys() - {GENERATORS}:
        assert files[name] == found.files[name], f"{name} is the same on both"
    assert train(other, run, quiet=True).ended == "finished"


@pytest.mark.parametrize("algorithm", SMALL)
def test_a_killed_run_goes_on_with_all_it_had(device, algorithm, tmp_path, monkeypatch):
    """The streams of the GPU included."""
    config = small_config(algorithm, device=device)
    train_and_kill(config, tmp_path, 7, monkeypatch)
    found = load_newest(tmp_path)[0]
    assert found is not None
    trainer = make_trainer(config)
    try:
        trainer.load_state(found.files, found.meta, tmp_path)
        assert trainer.state_files(tmp_path)[0] == found.files
    finally:
        trainer.close()


TINY = """
samples = 6000
[net]
channels = 16
blocks = 2
attention = true
[rollout]
games = 32
ticks = 16
together = true
[evaluation]
every = 0.5
games = 4
against = ["random", "hunter"]
tick_limit = 60
[[stages]]
boards = [{ height = 6, width = 6 }, { height = 7, width = 7, min_height = 6, min_width = 6 }]
"""


@pytest.mark.parametrize("compiled", [False, True])
def test_the_command_trains_and_reports(device, compiled, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("tiny.toml").write_text(TINY)
    arguments = ["train", "--config", "tiny.toml", "--run", "first", "--quiet", "--games", "4"]
    arguments += ["--device", device, "--compile", str(compiled).lower()]
    assert main(arguments) == 0
    page = Path("runs/first/report.html").read_text("utf-8")
    assert 'id="strength"' in page and 'class="replay"' in page
    assert main(["evaluate", "runs/first", "--against", "random", "--games", "4"]) == 0
