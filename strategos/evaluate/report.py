"""One self-contained HTML report of an agent: strength, ratings, curves, a game to watch, how it was made.

No other host is named in it and nothing is loaded: it can be mailed and opened in ten years.
"""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from strategos.evaluate.ladder import Rung
from strategos.evaluate.player import player_data, templates
from strategos.games.spec import Game
from strategos.play.match import PlayedGame, play_match
from strategos.play.policy import Policy
from strategos.play.record import GameRecord, match_records, replay
from strategos.ratings.bradley_terry import Rating
from strategos.ratings.payoff import PayoffMatrix
from strategos.ratings.points import PointsRating

if TYPE_CHECKING:
    from strategos.evaluate.contests import Contest
    from strategos.evaluate.league_report import LeagueShown
    from strategos.evaluate.shown_round import ShownRound
    from strategos.evaluate.stage_report import StageShown

_BLUE, _GREY = np.array([31, 127, 196]), np.array([244, 245, 247])
_ORANGE = np.array([213, 94, 0])


@dataclass
class Report:
    """What a report shows; a part that is empty is left out."""

    title: str
    subtitle: str = ""
    facts: list[tuple[str, str]] = field(default_factory=list)
    """A few large numbers: (name, value)."""
    rungs: Sequence[Rung] = ()
    ratings: Sequence[Rating] = ()
    anchor: str = ""
    payoff: PayoffMatrix | None = None
    replay: dict | None = None
    """A game from `player_data`."""
    contests: Sequence[Contest] = ()
    """Of Blob: points at a table of others."""
    contests_on: str = ""
    """The deals of the contests."""
    gates: Sequence[dict[str, Any]] = ()
    """Every test of a candidate."""
    alarms: Sequence[tuple[int, str]] = ()
    """After how many samples a new champion had forgotten something, and what."""
    stages: Sequence[StageShown] = ()
    """Of a curriculum with more than one."""
    league: LeagueShown | None = None
    points_ratings: Sequence[PointsRating] = ()
    shown_round: ShownRound | None = None
    curves_png: bytes = b""
    config: str = ""
    machine: dict[str, str] = field(default_factory=dict)
    commands: list[tuple[str, str]] = field(default_factory=list)
    """What to do next: (what, command)."""

    @property
    def curves(self) -> str:
        """The picture of the curves as base64."""
        return base64.b64encode(self.curves_png).decode("ascii")


def report_page(report: Report) -> str:
    """The report as one HTML page."""
    return templates().get_template("report.html").render(report=report, heat=heat)


def write_report(report: Report, path: Path) -> Path:
    """Write the page; the folder is made if need be."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(report_page(report), encoding="utf-8")
    return path


def heat(score: float) -> str:
    """A background for a share of points: orange below a half, blue above, pale enough for black ink."""
    strength = min(1.0, abs(float(score) - 0.5) * 2) * 0.55
    colour = _GREY + strength * ((_BLUE if score > 0.5 else _ORANGE) - _GREY)
    return "#{:02x}{:02x}{:02x}".format(*colour.astype(int))


def record_game(
    game: Game, policies: Sequence[Policy], *, seed: int, tick_limit: int, tries: int = 16
) -> GameRecord:
    """A game worth watching: won by the first of two policies and of middling length, if there is one."""
    match = play_match(game, policies, num_games=tries, seed=seed, tick_limit=tick_limit, record=True)

    def won_by_first(played: PlayedGame) -> bool:
        return played.returns[played.seats.index(0)] > 0

    order = sorted(range(tries), key=lambda number: match.games[number].length)
    won = [number for number in order if won_by_first(match.games[number])]
    chosen = (won or order)[len(won or order) // 2]
    return match_records(game, match)[chosen]


def replay_of_record(record: GameRecord, title: str = "") -> dict:
    """The data of the browser's player for one of our own records; `RecordError` if it does not replay."""
    names = distinct_names(record.players)
    return player_data(
        (states[0] for states in replay(record)),
        names=names,
        title=title or " against ".join(names),
        result=result_of_record(record, names),
        actions=record.actions,
    )


def result_of_record(record: GameRecord, names: Sequence[str]) -> str:
    """Who won, and when; `names` are those of the seats."""
    winners = [name for name, share in zip(names, record.returns, strict=True) if share > 0]
    what = f"{' and '.join(winners)} wins" if winners else "a draw"
    return f"{what} after {record.ticks} ticks"


def distinct_names(names: Sequence[str]) -> list[str]:
    """The names, numbered where one player sits on several seats."""
    seen: dict[str, int] = {}
    numbered = []
    for name in names:
        seen[name] = seen.get(name, 0) + 1
        numbered.append(f"{name} ({seen[name]})" if names.count(name) > 1 else name)
    return numbered


_PANELS = {
    "share of games won": ("win/",),
    "length of a game (ticks)": ("game_ticks",),
    "entropy (nats)": ("entropy",),
    "variance explained by the value": ("explained_variance", "unseen_explained_variance"),
    "points at a table of bots, 95 % intervals": ("points/",),
    "exploitability": ("exploitability",),
    "rating of the champions (points)": ("rating",),
    "judged by watch, 95 % intervals": ("judged/",),
    "rating by watch": ("judged_rating",),
    "agreement with a deeper search": ("agreement/",),
    "bids made exactly in self-play": ("exact_bids",),
}


def curves_png(rows: Sequence[dict]) -> bytes:
    """The learning curves of a run's metric rows as a PNG; empty where there is nothing to draw."""
    panels = {title: _series(rows, keys) for title, keys in _PANELS.items()}
    panels = {title: series for title, series in panels.items() if series}
    if not panels:
        return b""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    columns = min(2, len(panels))
    lines = -(-len(panels) // columns)
    figure = Figure(figsize=(10.5, 3.1 * lines), dpi=130, layout="constrained", facecolor="white")
    colours = ["#1f7fc4", "#d55e00", "#009e73", "#cc79a7", "#e69f00"]
    for place, (title, series) in enumerate(panels.items()):
        axes = figure.add_subplot(lines, columns, place + 1)
        for index, (name, samples, values) in enumerate(series):
            few = len(samples) < 40
            axes.plot(
                np.array(samples) / 1e6,
                values if few else _smooth(values),
                color=colours[index % len(colours)],
                marker="o" if few else None,
                markersize=4,
                linewidth=1.8,
                label=name,
            )
            if _PANELS[title][0] in ("points/", "judged/"):
                _band(axes, rows, _PANELS[title][0][:-1], name, colours[index % len(colours)])
        axes.set_title(title, fontsize=11, loc="left")
        axes.set_xlabel("million samples", fontsize=9)
        axes.grid(alpha=0.25)
        axes.spines[["top", "right"]].set_visible(False)
        if title.startswith("share"):
            axes.set_ylim(-0.02, 1.02)
        if len(series) > 1:
            axes.legend(fontsize=9, frameon=False)
    picture = io.BytesIO()
    FigureCanvasAgg(figure).print_png(picture)
    return picture.getvalue()


def _band(axes: Any, rows: Sequence[dict], metric: str, name: str, colour: str) -> None:
    """Shade the interval of a `metric` against one opponent."""
    keys = (f"{metric}_low/{name}", f"{metric}_high/{name}")
    there = [row for row in rows if all(isinstance(row.get(key), float) for key in keys)]
    low, high = ([row[key] for row in there] for key in keys)
    axes.fill_between([row["samples"] / 1e6 for row in there], low, high, color=colour, alpha=0.15, lw=0)


def _series(rows: Sequence[dict], keys: Sequence[str]) -> list[tuple[str, list[float], list[float]]]:
    """(name, samples, values) of every metric named in `keys` or beginning with one that ends in `/`."""
    found: dict[str, tuple[list[float], list[float]]] = {}
    for row in rows:
        for name, value in row.items():
            wanted = name in keys or any(key.endswith("/") and name.startswith(key) for key in keys)
            if wanted and isinstance(value, int | float) and "samples" in row:
                samples, values = found.setdefault(name, ([], []))
                samples.append(row["samples"])
                values.append(value)
    return [(name.rpartition("/")[2], samples, values) for name, (samples, values) in found.items()]


def _smooth(values: Sequence[float], width: int = 15) -> np.ndarray:
    """A moving mean of at most `width` values, without edges that droop."""
    sums = np.cumsum(np.insert(np.asarray(values, np.float64), 0, 0.0))
    ends = np.arange(1, len(values) + 1)
    begins = np.maximum(0, ends - width)
    return (sums[ends] - sums[begins]) / (ends - begins)
