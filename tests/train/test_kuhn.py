"""PPO on Kuhn poker, whose equilibrium is known: turns, hidden cards and the loop, measured exactly."""

from __future__ import annotations

import time

import numpy as np

from strategos.games.kuhn.exploitability import exploitability
from strategos.games.kuhn.record import VIEW
from strategos.train.config import from_dict
from strategos.train.ppo_trainer import PPOTrainer

CONFIG = {
    "samples": 250_000,
    "game": {"name": "kuhn", "tick_limit": 0},
    "ppo": {
        "gamma": 1.0,
        "trace": 0.95,
        "keep": 1.0,
        "epochs": 2,
        "minibatch": 512,
        "learning_rate": 2e-3,
        "last_learning_rate": 2e-4,
        "entropy": 0.3,  # self-play in Kuhn circles round the equilibrium; entropy draws it inwards
        "last_entropy": 0.2,
        "average_decay": 0.995,
    },
    "rollout": {"games": 128, "ticks": 24, "shaping": 0.0},
}
SITUATIONS = ((0, []), (1, [0]), (1, [1]), (0, [0, 1]))
"""Seat and moves so far, in the order of the exploitability's tables."""


def policy_table(trainer: PPOTrainer) -> np.ndarray:
    """Probability to bet [3 cards, 4 situations] of the averaged weights."""
    views = np.zeros(12, VIEW)
    for index, (card, (seat, moves)) in enumerate((c, s) for c in range(3) for s in SITUATIONS):
        views[index]["card"], views[index]["me"], views[index]["tick"] = card, seat, len(moves)
        views[index]["moves"] = [*moves, *[-1] * (3 - len(moves))]
    logits, _ = trainer.agent().evaluate(views, np.full((12, 1), 3, np.uint8), None)
    return (1 / (1 + np.exp(logits[:, 0] - logits[:, 1]))).reshape(3, 4)


def test_exploitability_falls():
    """Trap 32: from a coin's 0.46 chips a game to near the equilibrium."""
    trainer = PPOTrainer(from_dict(CONFIG))
    before = exploitability(policy_table(trainer))
    while trainer.progress < 1:
        metrics = trainer.iterate(time.monotonic)
        assert metrics["first_ratio_error"] < 1e-5
    after = exploitability(policy_table(trainer))
    trainer.close()
    assert before > 0.4
    assert after < 0.1
