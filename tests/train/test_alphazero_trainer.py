"""AlphaZero from beginning to end, small: it goes on exactly, gates, rates, learns, and reports."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from strategos.evaluate.run_report import report_run
from strategos.play.agents import load_policy
from strategos.train.alphazero_trainer import AlphaZeroTrainer
from strategos.train.checkpoint import RunError, checkpoint_folders, load_newest
from strategos.train.config import TrainConfig, from_dict
from strategos.train.loop import train
from strategos.train.metrics import read_metrics

TINY = {
    "algorithm": "alphazero",
    "samples": 3200,
    "checkpoint_every": 0.2,
    "checkpoints_kept": 100,
    "tensorboard": False,
    "game": {"name": "blob"},
    "cards": {"width": 32, "layers": 1, "heads": 1},
    "alphazero": {"minibatch": 64, "average_decay": 0.9, "warmup": 5},
    "search": {"worlds": 2, "simulations": 6, "considered": 4},
    "self_play": {
        "games": 12,
        "rounds": 30,
        "bootstrap": 3,
        "bootstrap_worlds": 2,
        "bootstrap_simulations": 8,
    },
    "memory": {"capacity": 1800, "least": 128, "reuse": 3.0, "sampling": "prioritized"},
    "gate": {"every": 2, "deals": 48, "step": 16, "rating_deals": 8, "kept": 2, "points": 0.05},
    "evaluation": {
        "every": 0.5,
        "games": 16,
        "against": ["random", "heuristic"],
        "temperature": 0.0,
        "worlds": 2,
        "simulations": 4,
    },
    "deals": [{"players": 4, "cards": 2, "share": 0.7}, {"players": 3, "cards": 2, "share": 0.3}],
}


def tiny(**changes) -> TrainConfig:
    return from_dict(TINY, changes)


@pytest.fixture(scope="module")
def straight(tmp_path_factory) -> Path:
    """A run that was never stopped."""
    run = tmp_path_factory.mktemp("runs") / "straight"
    summary = train(tiny(), run, quiet=True)
    assert summary.ended == "finished" and summary.samples >= 3200
    return run


def stopped_after(config: TrainConfig, run: Path, iterations: int, monkeypatch) -> None:
    """Run until so many iterations are done, then die without a word, as `kill -9` would have it."""

    class Killed(BaseException):
        pass

    real, done = AlphaZeroTrainer.iterate, []

    def iterate(self, clock, tell):
        if len(done) == iterations:
            raise Killed
        done.append(1)
        return real(self, clock, tell)

    with monkeypatch.context() as patch:
        patch.setattr(AlphaZeroTrainer, "iterate", iterate)
        with pytest.raises(Killed):
            train(config, run, quiet=True)


@pytest.mark.parametrize("iterations", [3, 7])
def test_a_killed_run_goes_on_bit_by_bit(straight, tmp_path, monkeypatch, iterations):
    """Weights, optimiser, memory and its priorities, rounds in play, champions, ratings, random streams."""
    run = tmp_path / "stopped"
    stopped_after(tiny(), run, iterations, monkeypatch)
    assert checkpoint_folders(run), "it must have come as far as a checkpoint"
    assert train(tiny(), run, quiet=True).ended == "finished"
    one, two = load_newest(straight)[0], load_newest(run)[0]
    assert one is not None and two is not None and one.files.keys() == two.files.keys()
    for name in one.files:
        assert one.files[name] == two.files[name], name
    for key in ("rng", "champions", "iteration", "samples"):
        assert one.meta[key] == two.meta[key]
    learned = [
        [(row["samples"], row["policy_loss"]) for row in read_metrics(each) if "policy_loss" in row]
        for each in (straight, run)
    ]
    assert learned[0] == learned[1] and learned[0]


def test_the_number_of_cores_does_not_change_the_run(straight, tmp_path, monkeypatch):
    monkeypatch.setattr("os.cpu_count", lambda: 1)
    train(tiny(), tmp_path, quiet=True)
    one, two = load_newest(straight)[0], load_newest(tmp_path)[0]
    assert one is not None and two is not None and one.files == two.files


def test_a_damaged_memory_is_named(straight, tmp_path, monkeypatch):
    run = tmp_path / "damaged"
    stopped_after(tiny(), run, 7, monkeypatch)
    for shard in (run / "examples").iterdir():
        shard.write_bytes(b"nonsense")
    with pytest.raises(RunError, match=r"examples-\d+-\d+\.safetensors is cut short"):
        train(tiny(), run, quiet=True)


def test_the_reuse_limit_holds(straight):
    rows = [row for row in read_metrics(straight) if "memory/reuse" in row]
    assert 2.0 < rows[-1]["memory/reuse"] <= 3.0
    assert all(row["memory/reuse"] <= 3.0 for row in rows)


def test_every_round_was_searched(straight):
    rows = [row for row in read_metrics(straight) if "checked_rounds" in row]
    assert {row["checked_rounds"] for row in rows} == {1.0}
    assert {row["bootstrap"] for row in rows} == {0.0, 1.0}


def test_the_gate_promotes_archives_and_rates(straight):
    found = load_newest(straight)[0]
    assert found is not None
    champions = found.meta["champions"]
    assert champions["tests"] >= 2 and champions["history"], "a learned network beats the one it began as"
    assert champions["archive"] == [each["name"] for each in champions["history"]][-3:]
    names = {name for each in champions["meetings"] for name in (each["first"], each["second"])}
    assert {"random", "heuristic", "champion 1"} <= names
    rated = [row for row in read_metrics(straight) if "rating" in row]
    assert rated and all(row["rating_low"] < row["rating"] < row["rating_high"] for row in rated)


def test_the_evaluations_show_points_with_intervals(straight):
    rows = [row for row in read_metrics(straight) if row.get("evaluation")]
    assert len(rows) == 2
    for row in rows:
        for name in ("random", "heuristic"):
            assert row[f"points_low/{name}"] < row[f"points/{name}"] < row[f"points_high/{name}"]
        assert 0 <= row["agreement/network"] <= 1 and 0 <= row["agreement/search"] <= 1


def test_the_agent_of_a_run_plays_and_the_best_is_the_champion(straight):
    agent = load_policy(straight, temperature=0.0)
    newest = load_newest(straight)[0]
    assert newest is not None and (straight / "best").resolve() == newest.folder.resolve()
    assert agent.name == "straight@" + str(newest.meta["samples"])


def test_the_report_shows_contests_gate_ratings_and_a_round(straight):
    found = report_run(straight, games=8)
    page = found.report.read_text("utf-8")
    for part in ('id="contests"', 'id="gates"', 'id="points-ratings"', 'id="round"', "rollout search"):
        assert part in page, part
    assert [contest.table for contest in found.contests][:2] == ["random", "heuristic"]
    assert len(found.contests) == 5 and json.dumps([each.as_json() for each in found.contests])


def test_another_configuration_is_refused(straight):
    with pytest.raises(RunError, match=r"different: search"):
        train(tiny(**{"search.worlds": 3}), straight, quiet=True)


def test_a_minibatch_shows_symmetries_but_keeps_the_outcome(straight):
    trainer = AlphaZeroTrainer(tiny())
    try:
        newest = load_newest(straight)[0]
        assert newest is not None
        trainer.load_state(newest.files, newest.meta, straight)
        drawn = trainer.memory.sample(np.random.default_rng(0), 64)
        examples = trainer._examples(drawn.examples, drawn.weights)
        assert examples.observe(np.arange(3)).shape[0] == 3
        assert examples.values.shape == (64, 8) and examples.made is not None
    finally:
        trainer.close()
