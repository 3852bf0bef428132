"""A round cut into jobs: the pieces that are played together, recorded together and never played again.

Who plays which board from which seat, on which job, is a function of the plan and the tables alone, so that
neither the number of threads nor where a tournament was stopped shows in its games.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from strategos.evaluate.tournament.plan import Plan
from strategos.games.rng import derive
from strategos.ratings.rounds import Table

_BOARDS, _CHANCE = range(2)
_LARGEST, _SMALLEST, _JOBS_A_ROUND = 128, 16, 8


@dataclass(frozen=True)
class Job:
    """Some games of one round."""

    number: int
    """From 1, through all rounds; the number of its file of records."""
    round: int
    """From 0."""
    tables: np.ndarray
    """int64 [G], the table of each game."""
    seeds: np.ndarray
    """int64 [G]; the games of one board have the same, and no other board has it."""
    seating: np.ndarray
    """int64 [G, P], the entrant on each seat."""
    programs: bool
    """Whether programs play: their time is taken, so nothing else runs meanwhile."""

    def __len__(self) -> int:
        return len(self.seeds)

    def chance(self, plan: Plan) -> np.random.Generator:
        """The random numbers of the players."""
        return np.random.default_rng([plan.seed, _CHANCE, self.number])


def cut_round(plan: Plan, number: int, tables: Sequence[Table], first_job: int) -> list[Job]:
    """The jobs of round `number`, numbered from `first_job`; those of programs come last.

    On a table of N sides, games `b * N` to `b * N + N - 1` are played on board b, the entrants going round.
    """
    boards = plan.games // plan.seats
    of_table = np.repeat(np.arange(len(tables)), plan.games)
    game = np.tile(np.arange(plan.games), len(tables))
    side = (plan.sides + game[:, None]) % plan.seats
    seating = np.array(tables, np.int64)[of_table[:, None], side]
    stream = derive(derive(plan.seed, _BOARDS), number)
    board_seeds = np.array([derive(stream, board) for board in range(boards * len(tables))], np.int64)
    seeds = board_seeds[of_table * boards + game // plan.seats]
    programs = np.array([entrant.program for entrant in plan.entrants])
    timed = programs[seating].any(axis=1)
    jobs: list[Job] = []
    for alone in (False, True):
        rows = np.flatnonzero(timed == alone)
        size = plan.programs_at_once if alone else _size(len(rows))
        for first in range(0, len(rows), size):
            part = rows[first : first + size]
            place = first_job + len(jobs)
            jobs.append(Job(place, number, of_table[part], seeds[part], seating[part], alone))
    return jobs


def _size(games: int) -> int:
    """Games of a job: enough to ask a network about many at once, and enough jobs for several cores."""
    return min(_LARGEST, max(_SMALLEST, -(-games // _JOBS_A_ROUND)))
