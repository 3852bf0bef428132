"""Every learner on Kuhn poker, whose equilibrium is known: turns, hidden cards, the loop, measured exactly.

Trap 32: the exploitability of the agent that is kept falls from a coin's 0.46 chips a game below 0.05.
"""

from __future__ import annotations

import time

import pytest

from strategos.games import make_game
from strategos.play.exploitability import agent_exploitability
from strategos.train.config import TrainConfig
from strategos.train.config_files import load_config
from strategos.train.trainers import Trainer, make_trainer

BOUND = 0.05
"""Chips a game."""


def trained(config: TrainConfig) -> tuple[Trainer, list[float]]:
    """The run of a configuration, and the exploitability of its agent before and after."""
    trainer, game = make_trainer(config), make_game("kuhn")
    found = [agent_exploitability(game, trainer.agent(1.0))]
    try:
        while trainer.progress < 1:
            metrics = trainer.iterate(time.monotonic, lambda what, share: None)
            assert metrics.get("first_ratio_error", 0.0) < 1e-5
        found.append(agent_exploitability(game, trainer.agent(1.0)))
    finally:
        trainer.close()
    return trainer, found


def test_ppo_with_a_magnet_comes_near_the_equilibrium():
    """... and says so in its evaluations."""
    trainer, (before, after) = trained(load_config("kuhn"))
    assert before > 0.4
    assert after < BOUND
    evaluation = trainer.evaluate()
    assert evaluation is not None and evaluation.row == {"exploitability": pytest.approx(after)}
    assert evaluation.score == pytest.approx(-after) and evaluation.noise == 0


def test_ppo_without_it_runs_in_circles():
    """The same run would not find the bound by luck: what draws it inwards is what is tested above."""
    _, (_, after) = trained(load_config("kuhn", {"ppo.magnet": 0.0}))
    assert after > BOUND


def test_alphazero_with_regret_matching_comes_near_the_equilibrium():
    """The champion without search: what it learned from searches that go back to the beginning."""
    trainer, (before, after) = trained(load_config("kuhn-alphazero"))
    assert before > 0.4
    assert after < BOUND
    assert len(trainer.champions.history) == trainer.iteration, "every candidate is taken"


def test_alphazero_that_searches_from_the_decision_does_not():
    """The same run with gumbel roots over the worlds that the asker holds possible."""
    _, (_, after) = trained(load_config("kuhn-alphazero", {"search.root": "gumbel"}))
    assert after > BOUND
