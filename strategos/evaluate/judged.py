"""What is known about the checkpoints of a run: results that `watch` appends, ratings, and their picture.

A file of its own beside the trainer's `metrics.jsonl`: two writers of one file would lose each other's lines.
"""

from __future__ import annotations

import io
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from strategos.durable import write_atomically
from strategos.play.bots import anchor_among
from strategos.ratings import bradley_terry, points
from strategos.ratings.payoff import Result
from strategos.train.checkpoint import RunError

JUDGED_FOLDER, RESULTS_FILE, PICTURE_FILE = "judged", "results.jsonl", "strength.png"
TERMS_FILE = "terms.json"
"""What all results of a run have in common, written before the first of them."""
BEST = "best"
"""The opponent's name in the result that says whether a checkpoint became the best; always its last."""
SHARE, POINTS = "share of games won", "points of a deal"
_COLOURS = ("#1f7fc4", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000")


@dataclass(frozen=True)
class Judged:
    """One checkpoint against one opponent."""

    samples: int
    elapsed_s: float
    """Training time at the checkpoint."""
    weights: str
    """Hash of the agent's weights: the same agent is judged once."""
    opponent: str
    unit: str
    value: float
    low: float
    """The 95 % interval."""
    high: float
    games: int
    """Games, or deals."""
    wins: int = 0
    draws: int = 0
    losses: int = 0
    rival: str = ""
    """Of the best: hash of the weights that were the best before."""
    decision: str = ""
    """Of the best: accept (this is the best now), reject, undecided, or same (it is the same agent)."""

    @property
    def summary(self) -> str:
        """One short line."""
        whom = f"{self.opponent} so far" if self.opponent == BEST else self.opponent
        text = f"{self.samples:>12,} samples  {whom:<12}"
        if self.rival and self.unit == SHARE:  # the test is about points: draws count
            text += f" {self.wins} won, {self.draws} drawn, {self.losses} lost"
        elif self.opponent != BEST or self.rival:
            form = ".1%" if self.unit == SHARE else "+.3f"
            text += f" {self.value:{form}}"
            text += f" ({self.low:{form}} to {self.high:{form}}), {self.games} games" if self.games else ""
        return f"{text}  {self.decision}".rstrip()


def read_judged(run_dir: Path) -> list[Judged]:
    """All results of a run so far; a last line cut short by a kill is left out."""
    path = run_dir / JUDGED_FOLDER / RESULTS_FILE
    if not path.is_file():
        return []
    found = []
    for line in path.read_text(encoding="utf-8").splitlines():
        try:
            found.append(Judged(**json.loads(line)))
        except (ValueError, TypeError):
            continue
    return found


class Results:
    """The results of a run, appended one by one; whatever kills the writer, whole lines stay.

    `RunError` where there are some on other `terms` already: one list and one curve are of one kind of games.
    """

    def __init__(self, run_dir: Path, terms: Mapping[str, Any]) -> None:
        _hold_to(run_dir / JUDGED_FOLDER / TERMS_FILE, json.loads(json.dumps(terms)))
        self.known = read_judged(run_dir)
        path = run_dir / JUDGED_FOLDER / RESULTS_FILE
        whole = "".join(json.dumps(asdict(each)) + "\n" for each in self.known)
        write_atomically(path, whole.encode())  # drops a line that was cut short
        self._path = path

    def add(self, result: Judged) -> None:
        """Append one result."""
        self.known.append(result)
        with open(self._path, "a", encoding="utf-8") as file:
            file.write(json.dumps(asdict(result)) + "\n")

    def of(self, samples: int) -> dict[str, Judged]:
        """The results of one checkpoint by opponent."""
        return {each.opponent: each for each in self.known if each.samples == samples}

    @property
    def best(self) -> Judged | None:
        """The result by which the best checkpoint became it."""
        taken = [each for each in self.known if each.opponent == BEST and each.decision == "accept"]
        return taken[-1] if taken else None


def _hold_to(path: Path, terms: dict[str, Any]) -> None:
    """Write the terms down, or refuse those that are not the ones in the file."""
    if not path.is_file():
        write_atomically(path, json.dumps(terms, indent=1).encode())
        return
    try:
        before = dict(json.loads(path.read_text(encoding="utf-8")))
    except (ValueError, TypeError) as error:
        raise RunError(f"{path} is damaged: {error}; remove {path.parent} to judge all anew") from None
    changed = [
        f"{name} was {before.get(name)}, not {terms.get(name)}"
        for name in {**before, **terms}
        if before.get(name) != terms.get(name)
    ]
    if changed:
        raise RunError(
            f"{path.parent} was judged on other terms ({'; '.join(changed)}); judge on those, or remove the "
            "folder to judge all anew"
        )


def judged_rows(found: Sequence[Judged]) -> list[dict[str, Any]]:
    """Results as rows of metrics: `judged/OPPONENT` with its interval, and `judged_rating`."""
    rows: dict[int, dict[str, Any]] = {}
    strength = ratings(found)
    for each in found:
        row = rows.setdefault(each.samples, {"samples": each.samples, "elapsed_s": each.elapsed_s})
        if each.opponent != BEST:
            name = each.opponent
            row |= {f"judged/{name}": each.value, f"judged_low/{name}": each.low}
            row |= {f"judged_high/{name}": each.high}
        if each.weights in strength:
            row["judged_rating"], row["judged_rating_low"], row["judged_rating_high"] = strength[each.weights]
    return [rows[samples] for samples in sorted(rows)]


def ratings(found: Sequence[Judged]) -> dict[str, tuple[float, float, float]]:
    """Rating and 95 % interval of each agent, by the hash of its weights, from all results together.

    Bradley-Terry of games won (the anchor at 1500), points of deals (at 0). Both games of a pair are counted
    as if they were independent, as in every fit of that kind. Nothing where nobody was met, and nobody whom
    no games link to the anchor.
    """
    once = {(each.weights, each.opponent): each for each in reversed(found)}
    met = [each for each in once.values() if each.games]
    opponents = {each.opponent for each in met} - {BEST}
    if not opponents:
        return {}
    anchor = anchor_among(sorted(opponents))
    met = _linked(met, anchor)
    agents = {each.weights for each in met}
    if met[0].unit == SHARE:
        games = [Result(each.weights, _whom(each), each.wins, each.draws, each.losses) for each in met]
        table = bradley_terry.fit(games, anchor=anchor)
        return {each.name: (each.rating, each.low, each.high) for each in table if each.name in agents}
    deals = [
        points.Meeting(each.weights, _whom(each), each.games, each.value, _variance(each)) for each in met
    ]
    listed = points.fit(deals, anchor=anchor)
    return {each.name: (each.points, each.low, each.high) for each in listed if each.name in agents}


def _linked(met: Sequence[Judged], anchor: str) -> list[Judged]:
    """The results of those whom games link to the anchor, directly or through others."""
    linked, before = {anchor}, 0
    while len(linked) > before:
        before = len(linked)
        for each in met:
            if linked & (pair := {each.weights, _whom(each)}):
                linked |= pair
    return [each for each in met if each.weights in linked]


def _whom(result: Judged) -> str:
    return result.rival if result.opponent == BEST else result.opponent


def _variance(result: Judged) -> float:
    """Of one deal, from the normal interval of their mean."""
    return ((result.high - result.low) / 2 / 1.96) ** 2 * result.games


def strength_png(found: Sequence[Judged], title: str) -> bytes:
    """Strength against samples and against training time: results with intervals above, ratings below."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    rows = judged_rows(found)
    rated = [row for row in rows if "judged_rating" in row]
    figure = Figure(figsize=(10.5, 6.4 if rated else 3.4), dpi=130, layout="constrained", facecolor="white")
    panels = figure.subplots(2 if rated else 1, 2, squeeze=False, sharey="row", sharex="col")
    figure.suptitle(title, fontsize=11)
    names = list(dict.fromkeys(each.opponent for each in found if each.opponent != BEST))
    for column, (key, scale, label) in enumerate(
        (("samples", 1e6, "million samples"), ("elapsed_s", 60, "minutes of training"))
    ):
        for number, name in enumerate(names):
            _line(panels[0, column], rows, key, scale, (f"judged/{name}", f"judged_low/{name}"), name, number)
        if rated:
            _line(panels[1, column], rated, key, scale, ("judged_rating", "judged_rating_low"), "", 0)
        panels[-1, column].set_xlabel(label, fontsize=9)
    panels[0, 0].set_ylabel(found[0].unit, fontsize=9)
    if found[0].unit == SHARE:
        panels[0, 0].set_ylim(-0.02, 1.02)
    if len(names) > 1:
        panels[0, 1].legend(fontsize=8, frameon=False)
    if rated:
        panels[1, 0].set_ylabel("rating" if found[0].unit == SHARE else "rating (points)", fontsize=9)
    picture = io.BytesIO()
    FigureCanvasAgg(figure).print_png(picture)
    return picture.getvalue()


def _line(
    axes: Any,
    rows: Iterable[dict[str, Any]],
    key: str,
    scale: float,
    names: tuple[str, str],
    label: str,
    number: int,
) -> None:
    """One curve with its interval; `names` are the metrics of the value and of the interval's lower end."""
    value, low = names
    there = [row for row in rows if value in row]
    across = [row[key] / scale for row in there]
    colour = _COLOURS[number % len(_COLOURS)]
    axes.plot(across, [row[value] for row in there], "o-", color=colour, markersize=4, label=label)
    highs = [row[low.replace("_low", "_high")] for row in there]
    axes.fill_between(across, [row[low] for row in there], highs, color=colour, alpha=0.15, lw=0)
    axes.grid(alpha=0.25)
    axes.spines[["top", "right"]].set_visible(False)
