"""A tournament played to its end: round by round, the jobs of a round on all cores, each recorded.

A job that has its records is read back and not played again, so a tournament that was stopped goes on where
it was. Rates nothing and writes no page.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from strategos.durable import TEMPORARY
from strategos.engine.pool import available_cores
from strategos.evaluate.tournament.games import FinishedGame, read_job, write_job
from strategos.evaluate.tournament.jobs import Job, cut_round
from strategos.evaluate.tournament.plan import GAMES_FOLDER, Plan
from strategos.play.match import play_games
from strategos.play.policy import Policy
from strategos.ratings.rounds import Round, Table

_LOOK_S = 0.25


@dataclass
class Progress:
    """How far a tournament is."""

    games: list[FinishedGame] = field(default_factory=list)
    """Recorded and verified; of a round that is over in the order of its jobs."""
    rounds: list[Round] = field(default_factory=list)
    """Those that are over."""
    games_in_all: int = 0
    rounds_in_all: int = 0
    played_now: int = 0
    """Games that ended since the start of this process, those of unfinished jobs too."""
    found: int = 0
    """Games whose records were there at the start."""


class _Stopped(Exception):
    """Another job has failed, or somebody has pressed Ctrl-C."""


class _Players(threading.local):
    """The policies of the thread that looks: some of them belong to one thread."""

    def __init__(self, plan: Plan, folder: Path) -> None:
        self._plan, self._folder = plan, folder
        self._loaded: dict[int, Policy] = {}

    def __getitem__(self, entrant: int) -> Policy:
        if entrant not in self._loaded:
            self._loaded[entrant] = self._plan.entrants[entrant].load(self._folder, self._plan.temperature)
        return self._loaded[entrant]


class _Playing:
    """What the threads share while they play."""

    def __init__(self, plan: Plan, folder: Path, progress: Progress) -> None:
        self.plan, self.folder, self.progress = plan, folder, progress
        self.players = _Players(plan, folder)
        self.stopped = threading.Event()
        self._lock = threading.Lock()

    def play(self, job: Job) -> list[FinishedGame]:
        """Play, write, read back and verify one job."""
        entrants, seating = np.unique(job.seating, return_inverse=True)
        played = play_games(
            self.plan.built,
            [self.players[int(entrant)] for entrant in entrants],
            job.seeds,
            seating.reshape(job.seating.shape),
            rng=job.chance(self.plan),
            tick_limit=self.plan.tick_limit,
            record=True,
            threads=1,
            on_tick=self._tick,
        )
        write_job(self.plan, self.folder, job, played)
        finished = read_job(self.plan, self.folder, job)
        assert finished is not None
        return finished

    def _tick(self, ended: int) -> None:
        if self.stopped.is_set():
            raise _Stopped
        with self._lock:
            self.progress.played_now += ended


def play_tournament(
    plan: Plan,
    folder: Path,
    *,
    threads: int | None = None,
    on_progress: Callable[[Progress], None] | None = None,
) -> Progress:
    """Play what is left of a tournament that was `begun` in `folder`, and return all of it.

    `on_progress` is called a few times a second, and after every round. The result is a function of the plan,
    the number of `threads` (default: the cores) left out; where programs play, also of their answers in time.
    `RecordError` names a file of games that is damaged or does not replay.
    """
    tables_in_all = plan.tables_in_all()
    progress = Progress(games_in_all=sum(tables_in_all) * plan.games, rounds_in_all=len(tables_in_all))
    playing = _Playing(plan, folder, progress)
    tell = on_progress or (lambda progress: None)
    for pattern in ("*.unfinished", f"{TEMPORARY}*"):  # of a process that was killed
        for left in (folder / GAMES_FOLDER).glob(pattern):
            left.unlink()
    number = 1
    while tables := plan.next_tables(progress.rounds):
        jobs = cut_round(plan, len(progress.rounds), tables, number)
        number += len(jobs)
        before = len(progress.games)
        finished: dict[int, list[FinishedGame]] = {}
        for job in jobs:
            if (found := read_job(plan, folder, job)) is not None:
                finished[job.number] = found
                progress.games += found
                progress.found += len(found)
        for alone, workers in ((False, threads or available_cores()), (True, 1)):
            waiting = [job for job in jobs if job.programs == alone and job.number not in finished]
            for job, games in _play_jobs(playing, waiting, workers, tell):
                finished[job.number] = games
                progress.games += games
        progress.games[before:] = [game for job in jobs for game in finished[job.number]]
        progress.rounds.append(_round(tables, progress.games[before:]))
        tell(progress)
    return progress


def _play_jobs(
    playing: _Playing, jobs: Sequence[Job], workers: int, tell: Callable[[Progress], None]
) -> Iterator[tuple[Job, list[FinishedGame]]]:
    """Play `jobs` on `workers` threads, each handed out as it is done; an error of one stops all."""
    if not jobs:
        return
    with ThreadPoolExecutor(min(workers, len(jobs)), initializer=_one_torch_thread) as pool:
        futures: dict[Future[list[FinishedGame]], Job] = {pool.submit(playing.play, job): job for job in jobs}
        try:
            left = set(futures)
            while left:
                done, left = wait(left, timeout=_LOOK_S, return_when=FIRST_COMPLETED)
                for future in sorted(done, key=lambda each: futures[each].number):
                    yield futures[future], future.result()
                tell(playing.progress)
        finally:
            playing.stopped.set()
            pool.shutdown(cancel_futures=True)
            playing.stopped.clear()


def _one_torch_thread() -> None:
    """The workers are the threads."""
    if "torch" in sys.modules:
        sys.modules["torch"].set_num_threads(1)


def _round(tables: Sequence[Table], games: Sequence[FinishedGame]) -> Round:
    """What every entrant made at its table, over all games there."""
    made: list[dict[int, list[float]]] = [{entrant: [] for entrant in table} for table in tables]
    for game in games:
        for entrant, points in zip(game.entrants, game.points, strict=True):
            made[game.table][entrant].append(points)
    means = [
        tuple(float(np.mean(at_table[entrant])) for entrant in table)
        for table, at_table in zip(tables, made, strict=True)
    ]
    return Round(tuple(tables), tuple(means))
