"""Kuhn poker from the command line: a run, its report, and what a best answer wins from its agent."""

from __future__ import annotations

import json

import pytest

from strategos.cli import main
from strategos.games import make_game
from strategos.play.agents import load_policy
from strategos.play.exploitability import agent_exploitability
from strategos.play.network import NetworkPolicy
from strategos.train.metrics import read_metrics


@pytest.mark.parametrize(("preset", "samples"), [("kuhn", 3000), ("kuhn-alphazero", 300)])
def test_a_run_is_trained_and_measured_exactly(preset, samples, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["train", "--preset", preset, "--run", "./run", "--samples", str(samples), "--quiet"]) == 0
    capsys.readouterr()
    assert main(["evaluate", "./run", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    agent = load_policy(tmp_path / "run")
    assert isinstance(agent, NetworkPolicy)
    exact = agent_exploitability(make_game("kuhn"), agent)
    assert told == {"agent": agent.name, "exploitability": pytest.approx(exact)}
    assert main(["evaluate", "./run"]) == 0
    assert f"{exact:.4f} chips" in capsys.readouterr().out
    rows = [row for row in read_metrics(tmp_path / "run") if row.get("evaluation")]
    assert rows[-1]["exploitability"] == pytest.approx(exact)
