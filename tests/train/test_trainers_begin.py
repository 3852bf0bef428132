"""What a trainer refuses before it begins, what it leaves as it was then, and a game that nobody knows of."""

from __future__ import annotations

import sys
import time
from dataclasses import replace

import pytest
import torch
from small_runs import small_config

from strategos.games import GAMES
from strategos.games.kuhn.game import Kuhn
from strategos.play import network
from strategos.play.policy import PolicyError
from strategos.train.config import ConfigError
from strategos.train.config_files import load_config
from strategos.train.trainers import make_trainer

PROGRAM = f"cmd:{sys.executable}"


@pytest.mark.parametrize(
    ("algorithm", "changes"),
    [
        ("ppo", {"rollout.bots": {PROGRAM: 0.2}}),
        ("ppo", {"stages": [{"bots": {PROGRAM: 0.2}}]}),
        ("ppo", {"rollout.teacher": PROGRAM, "ppo.teacher_weight": 1.0}),
        ("ppo", {"league.bots": [PROGRAM]}),
        ("alphazero", {"evaluation.against": [PROGRAM]}),
    ],
    ids=["a bot", "a bot of a stage", "the teacher", "a member", "an opponent of AlphaZero"],
)
def test_a_program_is_refused_where_games_are_played_side_by_side(algorithm, changes):
    with pytest.raises(PolicyError, match="is a program, and training plays hundreds of games"):
        make_trainer(small_config(algorithm, **changes))


def test_a_program_may_judge_an_agent_of_ppo():
    make_trainer(small_config("ppo", **{"evaluation.against": [PROGRAM]})).close()


@pytest.mark.parametrize(
    ("algorithm", "changes"),
    [
        ("ppo", {"stages": [{"boards": [{"height": 2, "width": 2}]}]}),
        ("alphazero", {"alphazero.root_share": 0.5}),
    ],
)
def test_torch_has_its_threads_back_where_a_trainer_cannot_begin(algorithm, changes):
    torch.set_num_threads(3)
    with pytest.raises(ConfigError):
        make_trainer(small_config(algorithm, **changes))
    assert torch.get_num_threads() == 3


class Poker(Kuhn):
    """A game that is in no table but those that every game needs."""

    spec = replace(Kuhn.spec, name="poker")


def test_a_new_game_is_trained_and_judged_without_a_table_of_its_own(monkeypatch):
    monkeypatch.setitem(GAMES, "poker", f"{__name__}:Poker")
    monkeypatch.setitem(network.NETWORKS, "poker", "mlp")
    monkeypatch.setitem(network._FEATURES, "poker", (network.kuhn_features, 13))
    changes = {"game.name": "poker", "samples": 1000, "evaluation.against": ["random"], "evaluation.games": 5}
    trainer = make_trainer(load_config("kuhn", changes))
    try:
        trainer.warm_up()
        trainer.iterate(time.monotonic, lambda what, share: None)
        found = trainer.evaluate()
        assert found is not None and found.row["games"] == 6 and "board" not in found.row
        assert found.score == found.scores["random"] > 0
    finally:
        trainer.close()
