"""The games of a tournament on disk: one Parquet file of records a job, and what became of each game.

A job counts once its file is there, read back and replayed to the same end. What records do not hold, the
conduct of players, lies beside it in a file of the same number, written first.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from strategos import __version__
from strategos.durable import write_atomically
from strategos.evaluate.tournament.jobs import Job
from strategos.evaluate.tournament.plan import GAMES_FOLDER, Plan
from strategos.play.lock_step import verify_together
from strategos.play.match import PlayedGame
from strategos.play.policy import Conduct
from strategos.play.record import GameRecord, RecordError, read_records, records_path, write_records


@dataclass(frozen=True)
class FinishedGame:
    """What a tournament remembers of one game; the moves are in its record."""

    round: int
    table: int
    """Both from 0."""
    seed: int
    entrants: tuple[int, ...]
    """Of each side, in the order of their seats."""
    points: tuple[float, ...]
    """Of each side, in [0, 1]: the share of the other sides that it beat, a tie counting half."""
    ticks: int
    truncated: bool
    file: int
    """The number of its file of records."""
    row: int
    conduct: tuple[Conduct, ...]
    """Of each side, its seats together."""


def write_job(plan: Plan, folder: Path, job: Job, played: Sequence[PlayedGame]) -> None:
    """Write the games of a job; its file of records appears last and whole."""
    games = folder / GAMES_FOLDER
    games.mkdir(exist_ok=True)
    behaved = [[asdict(each) for each in game.conduct] for game in played]
    path = _conduct_path(games, job.number)
    path.unlink(missing_ok=True)
    if any(conduct != Conduct() for game in played for conduct in game.conduct):
        write_atomically(path, json.dumps(behaved).encode())
    players = [tuple(plan.names[entrant] for entrant in seats) for seats in job.seating.tolist()]
    write_records(
        games, [_record(plan, *each) for each in zip(players, played, strict=True)], number=job.number
    )


def _record(plan: Plan, players: tuple[str, ...], game: PlayedGame) -> GameRecord:
    assert game.actions is not None and game.final_hash is not None
    return GameRecord(
        game=plan.game,
        options=plan.options,
        ruleset=str(plan.options.get("ruleset", "")),
        version=__version__,
        seed=game.seed,
        players=players,
        actions=game.actions,
        returns=game.returns,
        truncated=game.truncated,
        final_hash=game.final_hash,
    )


def read_job(plan: Plan, folder: Path, job: Job) -> list[FinishedGame] | None:
    """The games of a job, verified from their records; None where it has not been played.

    `RecordError` names the file where it is damaged, does not replay, or holds other games.
    """
    path = records_path(folder / GAMES_FOLDER, job.number)
    if not path.exists():
        return None
    records = read_records(path)
    expected = [
        (seed, tuple(plan.names[place] for place in seats))
        for seed, seats in zip(job.seeds.tolist(), job.seating.tolist(), strict=True)
    ]
    if [(record.seed, record.players) for record in records] != expected:
        raise RecordError(f"{path} holds other games than this tournament's; move it away to play them again")
    try:
        verify_together(records)
    except RecordError as error:
        raise RecordError(f"{path}: {error}; move the file away to play its games again") from None
    behaved = _read_conduct(plan, folder / GAMES_FOLDER, job)
    return [_finished(plan, job, row, record, behaved[row]) for row, record in enumerate(records)]


def _finished(plan: Plan, job: Job, row: int, record: GameRecord, behaved: Sequence[Conduct]) -> FinishedGame:
    first_seats = [int(np.flatnonzero(plan.sides == side)[0]) for side in range(plan.seats)]
    returns = np.array(record.returns)[first_seats]
    beaten = 0.5 + 0.5 * np.sign(returns[:, None] - returns)
    points = (beaten.sum(axis=1) - 0.5) / (plan.seats - 1)
    return FinishedGame(
        round=job.round,
        table=int(job.tables[row]),
        seed=record.seed,
        entrants=tuple(job.seating[row, first_seats].tolist()),
        points=tuple(points.tolist()),
        ticks=record.ticks,
        truncated=record.truncated,
        file=job.number,
        row=row,
        conduct=tuple(
            _together([behaved[seat] for seat in np.flatnonzero(plan.sides == side).tolist()])
            for side in range(plan.seats)
        ),
    )


def _together(seats: Sequence[Conduct]) -> Conduct:
    """The conduct of a side whose seats behaved so."""
    forfeit = next((each.forfeit for each in seats if each.forfeit), None)
    return Conduct(sum(each.faults for each in seats), sum(each.illegal for each in seats), forfeit)


def _read_conduct(plan: Plan, games: Path, job: Job) -> list[list[Conduct]]:
    path = _conduct_path(games, job.number)
    if not path.exists():
        return [[Conduct()] * len(plan.sides)] * len(job)
    try:
        behaved = [[Conduct(**each) for each in game] for game in json.loads(path.read_text("utf-8"))]
        if [len(game) for game in behaved] != [len(plan.sides)] * len(job):
            raise ValueError("the seats of its games are not those that were played")
    except (ValueError, TypeError) as error:
        raise RecordError(f"{path} is damaged: {error}") from None
    return behaved


def _conduct_path(games: Path, number: int) -> Path:
    return games / f"conduct-{number:06d}.json"
