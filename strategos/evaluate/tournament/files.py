"""What a tournament leaves beside its games: results as JSON and CSV, and the page."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Sequence
from pathlib import Path

from strategos.evaluate.tournament.games import FinishedGame
from strategos.evaluate.tournament.page import tournament_page
from strategos.evaluate.tournament.plan import GAMES_FOLDER, Plan
from strategos.evaluate.tournament.play import Progress
from strategos.evaluate.tournament.results import TournamentResult
from strategos.play.record import records_path

RESULTS_FILE, REPORT_FILE = "results.json", "report.html"
STANDINGS_FILE, PAYOFF_FILE, GAMES_FILE = "standings.csv", "payoff.csv", "games.csv"


def write_results(plan: Plan, folder: Path, progress: Progress, result: TournamentResult) -> None:
    """Write `results.json`, `standings.csv`, `payoff.csv`, `games.csv` and `report.html`."""
    (folder / RESULTS_FILE).write_text(json.dumps(result.as_json(), indent=1) + "\n", encoding="utf-8")
    _write_table(folder / STANDINGS_FILE, _standings(result))
    _write_table(folder / PAYOFF_FILE, _payoff(result))
    _write_table(folder / GAMES_FILE, _games(plan, progress.games))
    (folder / REPORT_FILE).write_text(tournament_page(plan, folder, progress, result), encoding="utf-8")


def _write_table(path: Path, rows: Iterable[Sequence[object]]) -> None:
    with open(path, "w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows(rows)


def _standings(result: TournamentResult) -> Iterable[Sequence[object]]:
    more = ["elo"] if result.elo is not None else ["openskill", "openskill_sigma", "first_places"]
    yield ["player", "rating", "low", "high", "games", "score", "points", "byes", *more]
    for place, rating in enumerate(result.standings.ratings):
        if result.elo is not None:
            extra: list[object] = [round(result.elo[rating.name], 1)]
        else:
            assert result.skills is not None and result.first_places is not None
            skill, first = result.skills[rating.name], result.first_places[place]
            extra = [round(skill.mu, 3), round(skill.sigma, 3), _number(first.mean, 4)]
        numbers = [_number(each, 1) for each in (rating.rating, rating.low, rating.high)]
        yield [
            rating.name, *numbers, rating.games, _number(rating.score, 4), round(result.points[place], 4),
            result.byes[place], *extra,
        ]  # fmt: skip


def _number(value: float, digits: int) -> float | str:
    """Rounded; empty where there is none."""
    return "" if value != value else round(value, digits)


def _payoff(result: TournamentResult) -> Iterable[Sequence[object]]:
    payoff = result.standings.payoff
    yield ["player", "opponent", "games", "score", "low", "high"]
    for row, player in enumerate(payoff.names):
        for column, opponent in enumerate(payoff.names):
            if payoff.games[row, column]:
                shares = (float(each[row, column]) for each in (payoff.score, payoff.low, payoff.high))
                yield [player, opponent, payoff.games[row, column], *(round(share, 4) for share in shares)]


def _games(plan: Plan, games: Sequence[FinishedGame]) -> Iterable[Sequence[object]]:
    """A line a game; sides stand in the order of their seats."""
    sides = range(1, plan.seats + 1)
    yield [
        "round", "table", "seed",
        *(f"player_{side}" for side in sides), *(f"points_{side}" for side in sides),
        "ticks", "truncated", "file", "row",
    ]  # fmt: skip
    for game in games:
        names = [plan.names[entrant] for entrant in game.entrants]
        file = records_path(Path(GAMES_FOLDER), game.file).as_posix()
        yield [
            game.round + 1, game.table + 1, game.seed, *names, *game.points,
            game.ticks, game.truncated, file, game.row,
        ]  # fmt: skip
