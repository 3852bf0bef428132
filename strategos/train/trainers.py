"""What the loop needs of a way to learn, and which ways there are.

A trainer has no clock, no files and no terminal: what happens next is a function of the configuration and
its state alone, which is why a resumed run is bit-equal to one that was never stopped.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import Any, Protocol

from strategos.play.network import NetworkPolicy
from strategos.train.config import TrainConfig

Clock = Callable[[], float]
"""Seconds, for reports only."""
Tell = Callable[[str, float], None]
"""Takes what is being done and which share of it is done, for people only."""

TRAINERS: dict[str, str] = {
    "ppo": "strategos.train.ppo_trainer:PPOTrainer",
    "alphazero": "strategos.train.alphazero_trainer:AlphaZeroTrainer",
}
"""Each algorithm, and where its trainer is. A new one is a line here."""


@dataclass
class Evaluation:
    """What matches while training showed."""

    row: dict[str, Any]
    """Of the metrics."""
    scores: dict[str, float] = field(default_factory=dict)
    """Against each opponent: share of games won, or relative points."""
    score: float | None = None
    """By which the `best` of the run is chosen, the higher the better; None where a gate chooses it."""
    noise: float = 0.0
    """A later agent whose score is this much lower is still taken for the better one."""


class Trainer(Protocol):
    """A run in progress."""

    config: TrainConfig
    samples: int
    """Own decisions so far."""
    total_samples: int
    """The run is over after so many; the loop may set it once."""
    iteration: int
    unsteady_iterations: int
    """So many iterations, the first, do not show the speed of the others."""
    steady_iterations: int
    """Of the others so many must be measured before the length of the run is set by them."""
    gated: bool
    """The agent is the best so far at any time; otherwise the evaluations choose the best."""

    @property
    def progress(self) -> float:
        """How far the run is, from 0 to 1; every schedule follows it."""
        ...

    def warm_up(self) -> None:
        """Compile what the run will need; the state of the run does not change."""
        ...

    def iterate(self, clock: Clock, tell: Tell) -> dict[str, Any]:
        """Collect, learn, and return metrics; `time/PART` and `collect/PART` are the seconds spent."""
        ...

    def evaluate(self) -> Evaluation | None:
        """Play the opponents of the configuration; None where there are none for this game."""
        ...

    def agent(self, temperature: float) -> NetworkPolicy:
        """The agent that is kept, without search, sampling at `temperature`."""
        ...

    def state_files(self, folder: Path) -> tuple[dict[str, bytes], dict[str, Any]]:
        """Everything the next iteration depends on: files of a checkpoint, and its plain data.

        What only ever grows may be appended to files in the run's `folder` instead of being written again.
        """
        ...

    def load_state(self, files: dict[str, bytes], meta: dict[str, Any], folder: Path) -> None:
        """Go on exactly where `state_files` was called; `ValueError` if it belongs to another run."""
        ...

    def forget_before(self, folder: Path, samples: int) -> None:
        """Remove from `folder` what no checkpoint from `samples` on needs."""
        ...

    def close(self) -> None:
        """Let the worker threads go."""
        ...


def make_trainer(config: TrainConfig) -> Trainer:
    """The trainer of a configuration's algorithm."""
    module, _, name = TRAINERS[config.algorithm].partition(":")
    return getattr(import_module(module), name)(config)
