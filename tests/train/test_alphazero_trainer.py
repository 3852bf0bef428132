"""AlphaZero from beginning to end, small: it searches, gates, rates, learns, and reports."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from small_runs import small_config, straight_run, train_and_kill

from strategos.evaluate.run_report import report_run
from strategos.play.agents import load_policy
from strategos.train.alphazero_trainer import AlphaZeroTrainer
from strategos.train.checkpoint import RunError, load_newest
from strategos.train.loop import train
from strategos.train.metrics import read_metrics


@pytest.fixture
def straight(tmp_path_factory) -> Path:
    """A run that was never stopped."""
    return straight_run("alphazero", tmp_path_factory.getbasetemp())


def test_a_damaged_memory_is_named(straight, tmp_path, monkeypatch):
    run = tmp_path / "damaged"
    train_and_kill(small_config("alphazero"), run, 7, monkeypatch)
    for shard in (run / "examples").iterdir():
        shard.write_bytes(b"nonsense")
    with pytest.raises(RunError, match=r"examples-\d+-\d+\.safetensors is cut short"):
        train(small_config("alphazero"), run, quiet=True)


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


def test_a_minibatch_shows_symmetries_but_keeps_the_outcome(straight):
    trainer = AlphaZeroTrainer(small_config("alphazero"))
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
