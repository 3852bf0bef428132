"""Going on exactly: a run that was stopped equals one that never was, bit by bit."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from strategos.play.agents import PolicyError, load_policy
from strategos.train import loop
from strategos.train.checkpoint import RunError, checkpoint_folders, load_newest
from strategos.train.config import TrainConfig, from_dict
from strategos.train.loop import read_run_config, resume_run, train
from strategos.train.metrics import read_metrics
from strategos.train.ppo_trainer import PPOTrainer

TINY = {
    "samples": 1500,
    "checkpoint_every": 0.2,
    "checkpoints_kept": 100,
    "tensorboard": False,
    "game": {"tick_limit": 20},
    "net": {"channels": 8, "blocks": 2},
    "ppo": {"minibatch": 64, "epochs": 2},
    "rollout": {"games": 12, "ticks": 8, "bots": {"expander": 0.2}, "past": 0.2, "past_every": 0.3},
    "evaluation": {"every": -1.0, "games": 4, "against": ["random"], "tick_limit": 30},
    "stages": [
        {"boards": [{"height": 8, "width": 8, "spawn_distance": [2, 6]}, {"height": 8, "width": 8}]},
        {"start": 0.6, "boards": [{"height": 8, "width": 8}]},
    ],
}


def tiny(**changes) -> TrainConfig:
    return from_dict(TINY, changes)


@pytest.fixture(scope="module")
def straight(tmp_path_factory) -> Path:
    """A run that was never stopped."""
    run = tmp_path_factory.mktemp("runs") / "straight"
    summary = train(tiny(), run, quiet=True)
    assert summary.ended == "finished" and summary.samples >= 1500
    return run


def stopped_after(config: TrainConfig, run: Path, iterations: int, monkeypatch) -> None:
    """Run until so many iterations are done, then die without a word, as `kill -9` would have it."""

    class Killed(BaseException):
        pass

    real, done = PPOTrainer.iterate, []

    def iterate(self, clock, tell):
        if len(done) == iterations:
            raise Killed
        done.append(1)
        return real(self, clock, tell)

    with monkeypatch.context() as patch:
        patch.setattr(PPOTrainer, "iterate", iterate)
        with pytest.raises(Killed):
            train(config, run, quiet=True)


@pytest.mark.parametrize("iterations", [3, 6])
def test_a_killed_run_goes_on_bit_by_bit(straight, tmp_path, monkeypatch, iterations):
    """Weights, average, optimiser, games, past selves, random streams; across a change of stage too."""
    run = tmp_path / "stopped"
    stopped_after(tiny(), run, iterations, monkeypatch)
    assert checkpoint_folders(run), "it must have come as far as a checkpoint"
    assert train(tiny(), run, quiet=True).ended == "finished"
    one, two = load_newest(straight)[0], load_newest(run)[0]
    assert one is not None and two is not None and one.meta["samples"] == two.meta["samples"]
    assert "past.safetensors" in one.files
    for name in one.files:
        assert one.files[name] == two.files[name], name
    for key in ("rng", "worker_rngs", "iteration", "stage"):
        assert one.meta[key] == two.meta[key]
    learned = [
        [(row["samples"], row["policy_loss"]) for row in read_metrics(each) if "policy_loss" in row]
        for each in (straight, run)
    ]
    assert learned[0] == learned[1]


def test_a_damaged_checkpoint_falls_back_and_still_ends_alike(straight, tmp_path, monkeypatch):
    run = tmp_path / "damaged"
    stopped_after(tiny(), run, 6, monkeypatch)
    newest = checkpoint_folders(run)[-1]
    (newest / "games.msgpack").write_bytes(b"nonsense")
    notes: list[str] = []

    class Listener:
        show = staticmethod(lambda row: None)
        note = staticmethod(notes.append)
        close = staticmethod(lambda: None)

    train(tiny(), run, display=Listener())
    assert any("games.msgpack is damaged" in note for note in notes)
    one, two = load_newest(straight)[0], load_newest(run)[0]
    assert one is not None and two is not None and one.files == two.files


def test_ctrl_c_saves_and_says_how_to_go_on(straight, tmp_path, monkeypatch):
    run, real = tmp_path / "interrupted", PPOTrainer.iterate
    notes: list[str] = []

    class Listener:
        show = staticmethod(lambda row: None)
        note = staticmethod(notes.append)
        close = staticmethod(lambda: None)

    def iterate(self, clock, tell):
        import os
        import signal

        if self.iteration == 1:
            os.kill(os.getpid(), signal.SIGINT)
        return real(self, clock, tell)

    with monkeypatch.context() as patch:
        patch.setattr(PPOTrainer, "iterate", iterate)
        summary = train(tiny(), run, display=Listener())
    assert summary.ended == "interrupted" and summary.checkpoint is not None
    assert any(f"strategos resume {run}" in note for note in notes)
    assert resume_run(run, quiet=True).ended == "finished"
    one, two = load_newest(straight)[0], load_newest(run)[0]
    assert one is not None and two is not None
    assert one.files["weights.safetensors"] == two.files["weights.safetensors"]


def test_the_number_of_cores_does_not_change_the_run(straight, tmp_path, monkeypatch):
    monkeypatch.setattr("os.cpu_count", lambda: 1)
    train(tiny(), tmp_path, quiet=True)
    one, two = load_newest(straight)[0], load_newest(tmp_path)[0]
    assert one is not None and two is not None and one.files == two.files


def test_a_finished_run_stays_finished(straight):
    before = (straight / "metrics.jsonl").read_bytes()
    assert train(tiny(), straight, quiet=True).ended == "finished"
    assert (straight / "metrics.jsonl").read_bytes() == before


def test_the_time_limit_ends_a_run_early_and_says_so(tmp_path):
    summary = train(tiny(max_minutes=1e-6, samples=10**9), tmp_path, quiet=True)
    assert summary.ended == "time" and summary.samples < 1500 and summary.checkpoint is not None


def test_fitting_sets_the_length_from_the_speed(tmp_path, monkeypatch):
    """However slow the machine: the first iteration is enough here."""
    monkeypatch.setattr(loop, "_FIT_AFTER_S", 0.0)
    monkeypatch.setattr(PPOTrainer, "unsteady_iterations", 0)
    monkeypatch.setattr(PPOTrainer, "steady_iterations", 1)
    config = tiny(fit=True, max_minutes=0.1, samples=10**9)
    summary = train(config, tmp_path, quiet=True)
    assert summary.samples < 10**8
    found = load_newest(tmp_path)[0]
    assert found is not None and found.meta["total_samples"] < 10**8


def test_another_configuration_is_refused(straight):
    with pytest.raises(RunError, match=r"different: seed, ppo"):
        train(tiny(seed=2, **{"ppo.clip": 0.3}), straight, quiet=True)
    with pytest.raises(RunError, match="already has checkpoints"):
        train(tiny(), straight, resume=False, quiet=True)
    with pytest.raises(RunError, match="not a run"):
        resume_run(straight / "checkpoints", quiet=True)


def test_the_run_folder_explains_itself(straight):
    config = read_run_config(straight)
    assert config == tiny()
    assert config.digest() in (straight / "config.toml").read_text()
    rows = read_metrics(straight)
    assert [row["iteration"] for row in rows] == list(range(1, len(rows) + 1))
    assert all(row["first_ratio_error"] < 0.02 for row in rows)
    assert (straight / "best").is_dir()


def test_the_agent_of_a_run_plays(straight, tmp_path):
    from strategos.engine.batch import Batch
    from strategos.games import make_game

    game = make_game("generals", height=8, width=8)
    batch = Batch(game, 6, seed=0, threads=1)
    batch.reset()
    seen = batch.observation
    for temperature in (0.0, 1.0):
        agent = load_policy(straight, temperature=temperature)
        actions = agent.act(seen.views[:, 0], seen.masks[:, 0], seen.memories[:, 0], np.random.default_rng(0))
        legal = np.unpackbits(seen.masks[:, 0], axis=1, bitorder="little")
        assert legal[np.arange(6), actions].all()
    newest = checkpoint_folders(straight)[-1]
    assert load_policy(newest).name == load_policy(straight, which="latest").name


def test_players_that_cannot_be_loaded_are_named(straight, tmp_path):
    with pytest.raises(PolicyError, match="did you mean 'hunter'"):
        load_policy("huntr")
    with pytest.raises(PolicyError, match="neither a run nor a checkpoint"):
        load_policy(tmp_path)
    newest = checkpoint_folders(straight)[-1]
    copy = tmp_path / "copy"
    copy.mkdir()
    for file in newest.iterdir():
        (copy / file.name).write_bytes(file.read_bytes())
    (copy / "ema.safetensors").write_bytes(b"not weights")
    with pytest.raises(PolicyError, match=r"ema\.safetensors is damaged"):
        load_policy(copy)
    meta = json.loads((copy / "meta.json").read_text())
    del meta["network"]
    (copy / "meta.json").write_text(json.dumps(meta))
    with pytest.raises(PolicyError, match=r"meta\.json is damaged"):
        load_policy(copy)
