"""A tournament as one HTML page: standings, payoffs, history, and the games to open. Nothing is loaded.

Games are embedded as deflated JSON in base64 and inflated by the browser when one is opened, so that the page
opens fast and a thousand games take a few megabytes. Of more than fit into a page, some evenly spread ones.
"""

from __future__ import annotations

import base64
import json
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from strategos.evaluate.machine import describe
from strategos.evaluate.player import templates
from strategos.evaluate.report import heat
from strategos.evaluate.tournament.games import FinishedGame
from strategos.evaluate.tournament.plan import GAMES_FOLDER, Plan
from strategos.evaluate.tournament.play import Progress
from strategos.evaluate.tournament.results import TournamentResult
from strategos.evaluate.tournament.shown_games import SHOWN
from strategos.play.record import read_records, records_path

_MOST_GAMES, _MOST_BYTES = 4000, 14_000_000
_PALETTE = ("#1f7fc4", "#d55e00", "#009e73", "#cc79a7", "#b58900", "#6c4fc2", "#56b4e9", "#7a5c3e")
_WIDE, _LEFT, _RIGHT, _EDGE, _LABEL = 1040, 48, 170, 18, 15


def tournament_page(plan: Plan, folder: Path, progress: Progress, result: TournamentResult) -> str:
    """The page of a tournament that is over, its games read from the records in `folder`."""
    places = _spread(range(len(progress.games)), _MOST_GAMES)
    packed = dict(_packed(plan, folder, [(place, progress.games[place]) for place in places]))
    return (
        templates()
        .get_template("tournament.html")
        .render(
            plan=plan,
            title=f"{plan.format.capitalize()} of {len(plan.entrants)}: {SHOWN[plan.game].title(plan.built)}",
            shown=SHOWN[plan.game],
            facts=_facts(plan, progress),
            result=result,
            heat=heat,
            history=_history(result),
            games=_list(plan, progress.games),
            embedded=_fitting(packed, _MOST_BYTES),
            machine=describe(),
        )
    )


def _facts(plan: Plan, progress: Progress) -> list[tuple[str, str]]:
    drawn = np.mean([len(set(game.points)) == 1 for game in progress.games])
    return [
        ("players", f"{len(plan.entrants)}"),
        ("rounds", f"{len(progress.rounds)}"),
        ("games, each verified from its record", f"{len(progress.games):,}"),
        ("ticks, the median of a game", f"{np.median([game.ticks for game in progress.games]):.0f}"),
        ("of games drawn", f"{100 * drawn:.1f} %"),
    ]


def _list(plan: Plan, games: Sequence[FinishedGame]) -> list[list]:
    """Of each game: round, table, entrants, points, ticks, file and row, as the script reads them."""
    return [
        [
            game.round + 1,
            game.table + 1,
            list(game.entrants),
            [round(points, 3) for points in game.points],
            game.ticks,
            records_path(Path(GAMES_FOLDER), game.file).name,
            game.row,
        ]
        for game in games
    ]


def _spread(places: Sequence[int], most: int) -> list[int]:
    """All of `places`, or `most` of them, evenly spread."""
    chosen = np.linspace(0, len(places) - 1, min(len(places), most)).astype(int)
    return [places[each] for each in chosen.tolist()]


def _packed(
    plan: Plan, folder: Path, chosen: Sequence[tuple[int, FinishedGame]]
) -> Iterator[tuple[int, str]]:
    """Place and base64 of the deflated JSON of each game."""
    files: dict[int, list[tuple[int, int]]] = {}
    for place, game in chosen:
        files.setdefault(game.file, []).append((place, game.row))
    for file, rows in sorted(files.items()):
        records = read_records(records_path(folder / GAMES_FOLDER, file))
        shown = SHOWN[plan.game].show(plan.built, [records[row] for _, row in rows])
        for (place, _), data in zip(rows, shown, strict=True):
            text = json.dumps(data, separators=(",", ":"), ensure_ascii=False)
            yield place, base64.b64encode(zlib.compress(text.encode())).decode("ascii")


def _fitting(packed: Mapping[int, str], most_bytes: int) -> dict[int, str]:
    """All of the `packed` games, or as many of them, evenly spread, as have so many bytes."""
    kept = sorted(packed)
    while (size := sum(len(packed[place]) for place in kept)) > most_bytes:
        kept = _spread(sorted(packed), min(len(kept) - 1, len(kept) * most_bytes // size))
    return {place: packed[place] for place in kept}


@dataclass(frozen=True)
class _Line:
    """One player's ratings over the rounds, in units of the picture."""

    name: str
    colour: str
    points: str
    """`x,y` of every round with a rating, as SVG wants them."""
    end: tuple[float, float]
    label_y: float


@dataclass(frozen=True)
class _History:
    """The picture of all ratings over the rounds."""

    lines: list[_Line]
    marks: list[tuple[float, int]]
    """y and rating of the horizontal lines."""
    rounds: list[tuple[float, int]]
    """x and number of some rounds."""
    high: int
    wide: int = _WIDE
    left: int = _LEFT
    right: int = _WIDE - _RIGHT

    @property
    def bottom(self) -> int:
        """Where the numbers of the rounds stand."""
        return self.high - _EDGE


def _history(result: TournamentResult) -> _History | None:
    """None where fewer than two rounds have ratings."""
    told = [number for number, row in enumerate(result.history) if any(each is not None for each in row)]
    if len(told) < 2:
        return None
    values = [each for row in result.history for each in row if each is not None]
    low, high = min(values), max(values)
    reach = max(high - low, 1.0)
    tall = max(320, _LABEL * len(result.names) + 4 * _EDGE)
    last = len(result.history) - 1

    def x(number: int) -> float:
        return round(_LEFT + (_WIDE - _LEFT - _RIGHT) * (number - told[0]) / (last - told[0]), 1)

    def y(rating: float) -> float:
        return round(_EDGE + (tall - 2.5 * _EDGE) * (high - rating) / reach, 1)

    lines: list[_Line] = []
    label = -np.inf
    for place, name in enumerate(result.names):  # the strongest first, so labels run down
        rated = [(x(n), y(row[place])) for n, row in enumerate(result.history) if row[place] is not None]  # type: ignore[arg-type]
        if not rated:
            continue
        label = max(label + _LABEL, rated[-1][1])
        points = " ".join(f"{one},{other}" for one, other in rated)
        lines.append(_Line(name, _PALETTE[place % len(_PALETTE)], points, rated[-1], label))
    too_low = max(0.0, label - (tall - 1.5 * _EDGE))
    for place in range(len(lines) - 1, -1, -1):  # labels that ran out of the picture push those above them
        room = lines[place + 1].label_y - _LABEL if place + 1 < len(lines) else label - too_low
        lines[place] = replace(lines[place], label_y=min(lines[place].label_y, room))
    step = next(step for step in (25, 50, 100, 200, 500, 1000, 2000, 5000) if reach / step <= 6)
    marks = [(y(rating), rating) for rating in range(int(-(-low // step)) * step, int(high) + 1, step)]
    every = -(-len(told) // 12)
    return _History(
        lines, marks, [(x(number), number + 1) for number in range(told[0], last + 1, every)], tall
    )
