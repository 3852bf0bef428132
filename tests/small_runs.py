"""A small run of every algorithm and of a league, trained once for all tests; and runs that are killed."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest

from strategos.train import loop
from strategos.train.checkpoint import load_newest, save_checkpoint
from strategos.train.config import TrainConfig
from strategos.train.config_files import from_dict

SMALL = {
    "ppo": {
        "samples": 1500,
        "checkpoint_every": 0.2,
        "checkpoints_kept": 100,
        "tensorboard": False,
        "game": {"tick_limit": 20},
        "net": {"channels": 8, "blocks": 2},
        "ppo": {"minibatch": 64, "epochs": 2},
        "rollout": {"games": 12, "ticks": 8, "bots": {"expander": 0.2}},
        "league": {"past": 0.2, "every": 0.3},
        "evaluation": {"every": -1.0, "games": 4, "against": ["random"], "tick_limit": 30},
        "stages": [
            {"boards": [{"height": 8, "width": 8, "spawn_distance": [2, 6]}, {"height": 8, "width": 8}]},
            {"start": 0.6, "boards": [{"height": 8, "width": 8}]},
        ],
    },
    "league": {
        "samples": 5000,
        "checkpoint_every": 0.2,
        "checkpoints_kept": 100,
        "tensorboard": False,
        "game": {"tick_limit": 30},
        "net": {"channels": 8, "blocks": 1},
        "ppo": {"minibatch": 64, "epochs": 1},
        "rollout": {"games": 40, "ticks": 8, "bots": {"expander": 0.2}},
        "league": {
            "agents": 2,
            "main_exploiters": 1,
            "league_exploiters": 1,
            "past": 0.3,
            "peers": 0.2,
            "bots": ["random"],
            "matchmaking": "hard",
            "every": 0.2,
            "kept": 2,
            "exploiter_wins": 0.5,
            "exploiter_patience": 0.4,
        },
        "evaluation": {"every": -1.0, "games": 4, "against": ["random"], "tick_limit": 30},
        "stages": [
            {"boards": [{"height": 8, "width": 8, "spawn_distance": [2, 3]}], "advance": 0.02, "games": 20},
            {"boards": [{"height": 8, "width": 8}], "back": 0.01, "games": 5, "shaping": 0.1},
        ],
    },
    "alphazero": {
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
        "gate": {"every": 2, "deals": 160, "step": 32, "rating_deals": 8, "kept": 2, "points": 0.05},
        "evaluation": {
            "every": 0.5,
            "games": 16,
            "against": ["random", "heuristic"],
            "temperature": 0.0,
            "worlds": 2,
            "simulations": 4,
        },
        "deals": [
            {"players": 4, "cards": 2, "share": 0.7},
            {"players": 3, "cards": 2, "share": 0.3},
        ],
    },
}
"""The configuration of each; about ten iterations, with a checkpoint after most of them."""

PLAYED = {
    "league": ("generals", {"height": 8, "width": 8}),
    "ppo": ("generals", {"height": 8, "width": 8}),
    "alphazero": ("blob", {"players": 4, "cards": 2}),
}
"""A game of the kind that each plays."""


def small_config(algorithm: str, **changes) -> TrainConfig:
    """The small run's configuration, with some keys (`table.key`) changed."""
    return from_dict(SMALL[algorithm], changes)


@cache
def straight_run(algorithm: str, folder: Path) -> Path:
    """The small run of an algorithm in a folder below `folder`, never stopped; nobody may change it."""
    run = folder / algorithm / "straight"
    config = small_config(algorithm)
    summary = loop.train(config, run, quiet=True)
    assert summary.ended == "finished" and summary.samples >= config.samples
    return run


class Killed(BaseException):
    """Nothing in a run expects it, so nothing tidies up, as with `kill -9`."""


def before_iteration(monkeypatch: pytest.MonkeyPatch, number: int, do: Callable[[], None]) -> None:
    """Let every run `do` something when `number` iterations are done and the next one begins."""
    make = loop.make_trainer

    def make_watched(config: TrainConfig):
        trainer = make(config)
        iterate = trainer.iterate

        def watched(clock, tell):
            if trainer.iteration == number:
                do()
            return iterate(clock, tell)

        trainer.iterate = watched
        return trainer

    monkeypatch.setattr(loop, "make_trainer", make_watched)


def train_and_kill(config: TrainConfig, run: Path, iterations: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Run until so many iterations are done, then die without a word."""

    def die() -> None:
        raise Killed

    with monkeypatch.context() as patch:
        before_iteration(patch, iterations, die)
        with pytest.raises(Killed):
            loop.train(config, run, quiet=True)


class Notes(list):
    """A display that keeps what it is told."""

    def show(self, row: dict) -> None:
        """Numbers are not kept."""

    def note(self, text: str) -> None:
        self.append(text)

    def close(self) -> None:
        """There is no terminal."""


def assert_same_state(one: Path, two: Path) -> None:
    """The newest checkpoints of two runs agree in every byte but their names and the time they took."""
    first, second = load_newest(one)[0], load_newest(two)[0]
    assert first is not None and second is not None and first.files.keys() == second.files.keys()
    for name in first.files:
        assert first.files[name] == second.files[name], name
    free = ("run", "run_state")
    assert {k: v for k, v in first.meta.items() if k not in free} == {
        k: v for k, v in second.meta.items() if k not in free
    }


def save_small(run: Path, samples: int, content: bytes = b"weights") -> Path:
    """A checkpoint of two files, with nothing in them that could play."""
    files = {"ema.safetensors": content, "other": b"1"}
    return save_checkpoint(run, samples, files, {"network": {"kind": "none"}})
