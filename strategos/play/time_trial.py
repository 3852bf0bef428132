"""A program at one game under its limits and on one core: what it takes of its time."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass

import numpy as np

from strategos.games import make_game
from strategos.play.match import play_match
from strategos.play.policy import Policy
from strategos.play.program import Program, ProgramSession

LARGEST_SIDE = 21
"""Rows and columns of the largest board of the ladder."""


@dataclass(frozen=True)
class TimeTrial:
    """How a program has used its time in one game."""

    answers: int
    first_s: float
    """The first answer, the start of the program included."""
    median_s: float
    """Of the answers after the first."""
    longest_s: float
    faults: int
    illegal: int
    forfeit: str | None

    def __str__(self) -> str:
        return (
            f"the first answer after {self.first_s:.1f} s, then {1000 * self.median_s:.0f} ms a move "
            f"(the longest {1000 * self.longest_s:.0f} ms) in {self.answers} moves"
        )

    def as_json(self) -> dict:
        """Plain data."""
        return asdict(self)


class _Timed(ProgramSession):
    """A session, each of whose answers is timed from outside."""

    def __init__(self, program: Program, times_s: list[float]) -> None:
        super().__init__(program.command, program.folder, program.limits)
        self._times_s = times_s

    def act(
        self,
        games: np.ndarray,
        views: np.ndarray,
        masks: np.ndarray,
        memories: np.ndarray | None,
        rng: np.random.Generator,
    ) -> np.ndarray:
        """See `Session.act`."""
        began = time.perf_counter()
        actions = super().act(games, views, masks, memories, rng)
        self._times_s.append(time.perf_counter() - began)
        return actions


class _Watched(Program):
    """A program whose answers are timed."""

    def __init__(self, program: Program) -> None:
        super().__init__(program.command, program.folder, name=program.name, limits=program.limits)
        self.times_s: list[float] = []

    def begin(self) -> ProgramSession:
        """See `SessionPolicy.begin`."""
        return _Timed(self, self.times_s)


def time_trial(
    program: Program, opponent: Policy, *, ticks: int, side: int = LARGEST_SIDE, seed: int = 0
) -> TimeTrial:
    """Let `program` play a game of at most `ticks` against `opponent` on one core, on a board of `side`^2."""
    game = make_game("generals", height=side, width=side, ruleset="competition")
    watched = _Watched(program)
    with _one_core():
        match = play_match(
            game, [watched, opponent], num_games=1, seed=seed, tick_limit=ticks, paired=False, threads=1
        )
    (played,) = match.games
    conduct = played.conduct[played.seats.index(0)]
    later = watched.times_s[1:] or watched.times_s
    return TimeTrial(
        answers=len(watched.times_s),
        first_s=watched.times_s[0],
        median_s=float(np.median(later)),
        longest_s=max(later),
        faults=conduct.faults,
        illegal=conduct.illegal,
        forfeit=conduct.forfeit,
    )


@contextmanager
def _one_core() -> Iterator[None]:
    """Keep this thread, and the programs that it starts, on one core where the system can do that."""
    if not hasattr(os, "sched_setaffinity"):
        yield
        return
    cores = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {max(cores)})
    try:
        yield
    finally:
        os.sched_setaffinity(0, cores)
