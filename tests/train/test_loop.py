"""What the loop makes of a run, whatever learns in it: stopping, fitting, explaining, loading."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from small_runs import (
    Notes,
    assert_same_state,
    before_iteration,
    small_config,
    straight_run,
    train_and_kill,
)

from strategos.play.agents import load_policy
from strategos.play.checkpoint_files import pack_meta, read_meta
from strategos.play.policy import PolicyError
from strategos.train import loop
from strategos.train.checkpoint import RunError, checkpoint_folders, load_newest, samples_of
from strategos.train.loop import resume_run, train
from strategos.train.metrics import read_metrics
from strategos.train.ppo_trainer import PPOTrainer
from strategos.train.trainers import Evaluation


@pytest.fixture
def straight(tmp_path_factory) -> Path:
    """A run that was never stopped."""
    return straight_run("ppo", tmp_path_factory.getbasetemp())


def test_ctrl_c_saves_and_says_how_to_go_on(straight, tmp_path, monkeypatch):
    run, notes = tmp_path / "interrupted", Notes()
    with monkeypatch.context() as patch:
        before_iteration(patch, 1, lambda: os.kill(os.getpid(), signal.SIGINT))
        summary = train(small_config("ppo"), run, display=notes)
    assert summary.ended == "interrupted" and summary.checkpoint is not None
    assert any(f"strategos resume {run}" in note for note in notes)
    assert resume_run(run, quiet=True).ended == "finished"
    assert_same_state(straight, run)


class Impatient(Notes):
    """Somebody who presses Ctrl-C while the rules are compiled."""

    stopped_at_once = False

    def note(self, text: str) -> None:
        super().note(text)
        if text.startswith("compiling"):
            try:
                signal.raise_signal(signal.SIGINT)
            except KeyboardInterrupt:
                self.stopped_at_once = True
                raise


def test_ctrl_c_breaks_off_compiling_and_loses_nothing(straight, tmp_path):
    notes = Impatient()
    summary = train(small_config("ppo"), tmp_path / "run", display=notes)
    assert notes.stopped_at_once and (summary.ended, summary.samples) == ("interrupted", 0)
    assert resume_run(tmp_path / "run", quiet=True).ended == "finished"
    assert_same_state(straight, tmp_path / "run")


def test_the_time_limit_ends_a_run_early_and_says_so(tmp_path):
    summary = train(small_config("ppo", max_minutes=1e-6, samples=10**9), tmp_path, quiet=True)
    assert summary.ended == "time" and summary.samples < 1500 and summary.checkpoint is not None
    assert reasons(tmp_path)[-1] == "time"


def reasons(run: Path) -> list[str | None]:
    """Why the run had ended, as each of its checkpoints says."""
    return [read_meta(folder)["run_state"]["ended"] for folder in checkpoint_folders(run)]


def test_the_last_checkpoint_says_that_the_run_is_over_and_no_other_one_does(straight, tmp_path):
    told = reasons(straight)
    assert told[-1] == "finished" and len(told) > 3 and set(told[:-1]) == {None}
    config = small_config("ppo", max_minutes=1e-6, samples=10**9, checkpoint_every=1e-9)
    train(config, tmp_path, quiet=True)
    assert reasons(tmp_path) == ["time"], "also where that moment had its checkpoint already"


def test_a_run_that_goes_on_is_not_over(tmp_path, monkeypatch):
    with monkeypatch.context() as patch:
        before_iteration(patch, 1, lambda: os.kill(os.getpid(), signal.SIGINT))
        train(small_config("ppo"), tmp_path, quiet=True)
    before = reasons(tmp_path)
    assert before[-1] == "interrupted" and set(before[:-1]) <= {None}
    resume_run(tmp_path, quiet=True)
    told = reasons(tmp_path)
    assert told[-1] == "finished" and set(told[len(before) : -1]) == {None}


def test_the_best_is_the_one_with_the_best_score_whatever_is_measured(tmp_path, monkeypatch):
    """Exploitability is better where it is lower, and a newer agent is not better for being newer."""
    scores, judged = iter([-0.4, -0.1, -0.3, -0.2, -0.11, *[-0.15] * 9]), []

    def evaluate(trainer: PPOTrainer) -> Evaluation:
        judged.append(trainer.samples)
        score = next(scores)
        return Evaluation({"exploitability": -score}, score=score)

    monkeypatch.setattr(PPOTrainer, "evaluate", evaluate)
    train(small_config("ppo", **{"evaluation.every": 0.2}), tmp_path, quiet=True)
    assert len(judged) > 3 and samples_of((tmp_path / "best").resolve()) == judged[1]


def test_fitting_sets_the_length_from_the_speed(tmp_path, monkeypatch):
    """However slow the machine: the first iteration is enough here."""
    monkeypatch.setattr(loop, "_FIT_AFTER_S", 0.0)
    monkeypatch.setattr(PPOTrainer, "unsteady_iterations", 0)
    monkeypatch.setattr(PPOTrainer, "steady_iterations", 1)
    saved, save = [], loop.save_checkpoint
    monkeypatch.setattr(loop, "save_checkpoint", lambda *given: saved.append(given[1]) or save(*given))
    config = small_config("ppo", fit=True, max_minutes=0.05, samples=10**9, checkpoint_every=1e-4)
    summary = train(config, tmp_path, quiet=True)
    assert summary.samples < 10**8
    # Only the end may write the last moment again, to say that time is up.
    assert len(saved) > 1 and len(set(saved[:-1])) == len(saved[:-1]), "each moment is written once"
    found = load_newest(tmp_path)[0]
    assert found is not None and found.meta["total_samples"] < 10**8


def test_a_run_that_becomes_longer_goes_on_being_evaluated(tmp_path, monkeypatch):
    """The first iterations of AlphaZero are the fastest, those of PPO the slowest."""
    monkeypatch.setattr(loop, "_FIT_AFTER_S", 0.0)
    monkeypatch.setattr(PPOTrainer, "unsteady_iterations", 0)
    monkeypatch.setattr(PPOTrainer, "steady_iterations", 1)
    judged: list[int] = []
    iteration = 512

    def speed(run: Any) -> float:
        """Twenty iterations in the time that is left, then eighty more."""
        left_s = run.config.max_minutes * 60 - run.elapsed_s
        return (20 if run.trainer.samples < 10 * iteration else 80) * iteration / left_s

    def evaluate(trainer: PPOTrainer) -> Evaluation:
        judged.append(trainer.samples)
        return Evaluation({}, score=0.0)

    monkeypatch.setattr(loop._Run, "_speed", speed)
    monkeypatch.setattr(PPOTrainer, "evaluate", evaluate)
    config = small_config("ppo", fit=True, max_minutes=5, samples=10**9, **{"evaluation.every": 0.2})
    train(config, tmp_path, quiet=True)
    gaps = np.diff([0, *judged])
    assert gaps.max() < 0.3 * judged[-1]


def test_a_folder_that_is_no_run_is_refused(straight):
    with pytest.raises(RunError, match="not a run"):
        resume_run(straight / "checkpoints", quiet=True)


def test_every_table_that_differs_is_named(straight):
    with pytest.raises(RunError, match=r"different: seed, ppo"):
        train(small_config("ppo", seed=2, **{"ppo.clip": 0.3}), straight, quiet=True)


def test_a_run_goes_on_on_another_device(straight, tmp_path, monkeypatch):
    """Where this one is the other by another name, nothing else changes, either."""
    train_and_kill(small_config("ppo", device="cpu"), tmp_path, 3, monkeypatch)
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    assert train(small_config("ppo", device="auto"), tmp_path, quiet=True).ended == "finished"
    assert_same_state(straight, tmp_path)


def test_the_run_folder_explains_itself(straight):
    assert small_config("ppo").digest() in (straight / "config.toml").read_text()
    assert all(row["first_ratio_error"] < 0.02 for row in read_metrics(straight))
    assert (straight / "best").is_dir()


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
    meta = read_meta(copy)
    del meta["network"]
    (copy / "meta.json").write_bytes(pack_meta(meta))
    with pytest.raises(PolicyError, match=r"meta\.json is damaged: network must be"):
        load_policy(copy)
