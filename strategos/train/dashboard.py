"""What a person sees while a run trains: one live screen, plain lines, or JSON lines for machines."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Mapping
from typing import Any, Protocol, TextIO

from rich.console import Console, Group
from rich.live import Live
from rich.panel import Panel
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from strategos.train.metrics import finite

_LINE_EVERY_S = 10.0
_EXACT = ("exploitability",)
"""What an evaluation measures without opponents."""


class Display(Protocol):
    """Shows a run's rows as they come."""

    def show(self, row: Mapping[str, Any]) -> None:
        """Take one row of metrics: of an iteration, or of an evaluation (`"evaluation": true`).

        A row with `working` only says what a long iteration is doing, and which `share` of it is done.
        """
        ...

    def note(self, text: str) -> None:
        """Tell the person one thing."""
        ...

    def close(self) -> None:
        """Leave the terminal as it was."""
        ...


class JsonDisplay:
    """Every row as one line of JSON."""

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = stream or sys.stdout

    def show(self, row: Mapping[str, Any]) -> None:
        if "working" not in row:
            print(json.dumps(finite(row)), file=self._stream, flush=True)

    def note(self, text: str) -> None:
        self.show({"note": text})

    def close(self) -> None:
        pass


class LineDisplay:
    """A short line every ten seconds and for each evaluation; for logs and pipes."""

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = stream or sys.stdout
        self._last_line = -_LINE_EVERY_S

    def show(self, row: Mapping[str, Any]) -> None:
        if not row.get("evaluation"):
            if time.monotonic() - self._last_line < _LINE_EVERY_S:
                return
            self._last_line = time.monotonic()
        self.note(_one_line(row))

    def note(self, text: str) -> None:
        print(text, file=self._stream, flush=True)

    def close(self) -> None:
        pass


class QuietDisplay:
    """Shows nothing; for tests and programs."""

    def show(self, row: Mapping[str, Any]) -> None:
        pass

    def note(self, text: str) -> None:
        pass

    def close(self) -> None:
        pass


class LiveDisplay:
    """One screen: progress and ETA, where the time goes, strength against the bots, the losses."""

    def __init__(self, title: str, console: Console | None = None) -> None:
        self._console = console or Console()
        self._title = title
        self._row: dict[str, Any] = {}
        self._working: dict[str, Any] = {}
        self._evaluations: list[dict[str, Any]] = []
        self._notes: list[str] = []
        self._live = Live(console=self._console, auto_refresh=False, transient=False)
        self._live.start()
        self._live.update(self._screen(), refresh=True)

    def show(self, row: Mapping[str, Any]) -> None:
        if row.get("evaluation"):
            self._evaluations.append(dict(row))
        elif "working" in row:
            self._working = dict(row)
        else:
            self._row, self._working = dict(row), {}
        self._live.update(self._screen(), refresh=True)

    def note(self, text: str) -> None:
        self._notes = [*self._notes[-2:], text]
        self._live.update(self._screen(), refresh=True)

    def close(self) -> None:
        self._live.stop()

    def _screen(self) -> Panel:
        row = self._row
        parts: list[Any] = [_progress(row, self._working)]
        tables = Table.grid(expand=True, padding=(0, 2))
        for _ in range(3):
            tables.add_column(ratio=1)
        tables.add_row(_where_the_time_goes(row), _strength(self._evaluations, row), _learning(row))
        parts.append(tables)
        parts += [Text(note, style="dim") for note in self._notes]
        return Panel(Group(*parts), title=Text(self._title), border_style="cyan")


def make_display(title: str, *, as_json: bool = False, quiet: bool = False) -> Display:
    """The display that suits where the output goes."""
    if quiet:
        return QuietDisplay()
    if as_json:
        return JsonDisplay()
    return LiveDisplay(title) if sys.stdout.isatty() else LineDisplay()


def duration(seconds: float) -> str:
    """Seconds as `1h 02m`, `3m 20s` or `12s`."""
    seconds = max(0, round(seconds))
    if seconds >= 3600:
        return f"{seconds // 3600}h {seconds % 3600 // 60:02d}m"
    return f"{seconds // 60}m {seconds % 60:02d}s" if seconds >= 60 else f"{seconds}s"


def _one_line(row: Mapping[str, Any]) -> str:
    begin = f"[{row['samples']:>12,} samples]"
    if row.get("evaluation"):
        points = [f"{name} {_points(row, name)}" for name in _names(row, "points/")]
        if points:
            return f"{begin} points against " + ", ".join(points)
        rates = [f"{name} {row[f'win/{name}']:.0%}" for name in _names(row, "win/")]
        if rates:
            return f"{begin} wins against " + ", ".join(rates)
        return begin + "".join(f" {name} {row[name]:.3f}" for name in _EXACT if name in row)
    if "working" in row:
        return f"{begin} {row['progress']:4.0%}  {row['working']}"
    begin += (
        f" {row['progress']:4.0%}  {row['samples_per_second']:,.0f} samples/s  ETA {duration(row['eta_s'])}  "
    )
    if "rounds_per_minute" in row:
        return begin + _self_play_line(row)
    if "game_ticks" in row:
        begin += f"game {row['game_ticks']:.0f} ticks  "
    return begin + (
        f"entropy {row['entropy']:.2f}  kl {row['kl']:.4f}  value {row['explained_variance']:.2f}"
    )


def _self_play_line(row: Mapping[str, Any]) -> str:
    """The rest of the line of an iteration of AlphaZero."""
    text = f"{row['rounds_per_minute']:,.0f} rounds/min, {row['checked_rounds']:.0%} checked  "
    if "exact_bids" in row:
        text += f"exact bids {row['exact_bids']:.0%}  "
    if "policy_loss" in row:
        text += f"policy {row['policy_loss']:.3f}  "
    if "unseen_explained_variance" in row:
        text += f"value {row['unseen_explained_variance']:.2f}  "
    text += f"champion {row['champion']:.0f}"
    if "gate/points" in row:
        said = "accepted" if row["gate/accepted"] else "rejected"
        text += f"  gate {said}: {row['gate/points']:+.4f} in {row['gate/deals']:.0f} deals"
    return text


def _names(row: Mapping[str, Any], prefix: str) -> list[str]:
    return [key.removeprefix(prefix) for key in row if key.startswith(prefix)]


def _points(row: Mapping[str, Any], name: str) -> str:
    """Points against a bot with their 95 % interval."""
    low, high = row[f"points_low/{name}"], row[f"points_high/{name}"]
    return f"{row[f'points/{name}']:+.3f} ({low:+.3f} to {high:+.3f})"


def _progress(row: Mapping[str, Any], working: Mapping[str, Any]) -> Table:
    grid = Table.grid(expand=True, padding=(0, 2))
    grid.add_column(ratio=1)
    grid.add_column(justify="right")
    if row:
        text = (
            f"[b]{row['progress']:.0%}[/b]  {row['samples']:,} samples  "
            f"[b]{row['samples_per_second']:,.0f}[/b]/s  {duration(row['elapsed_s'])} gone  "
            f"[b]{duration(row['eta_s'])}[/b] to go"
        )
        grid.add_row(ProgressBar(total=1.0, completed=min(row["progress"], 1.0)), text)
    elif not working:
        grid.add_row("making the first boards ...", "")
    if working:
        bar = ProgressBar(total=1.0, completed=min(working["share"], 1.0), style="dim")
        grid.add_row(bar, f"[dim]{working['working']}[/dim]")
    return grid


def _table(title: str) -> Table:
    table = Table(title=title, title_style="bold", show_header=False, box=None, expand=True)
    table.add_column(style="dim")
    table.add_column(justify="right")
    return table


def _where_the_time_goes(row: Mapping[str, Any]) -> Table:
    table = _table("where the time goes")
    parts = {key[5:]: value for key, value in row.items() if key.startswith("time/")}
    total = sum(parts.values()) or 1.0
    for name, seconds in sorted(parts.items(), key=lambda part: -part[1])[:8]:
        table.add_row(name, f"{seconds / total:.0%}")
    return table


def _strength(evaluations: list[dict[str, Any]], row: Mapping[str, Any]) -> Table:
    names = _names(evaluations[-1], "points/") if evaluations else []
    now = evaluations[-1] if evaluations else {}
    exact = [name for name in _EXACT if name in now]
    against = "points against" if names or "rounds_per_minute" in row else "wins against"
    table = _table("strength" if exact else against)
    for name in exact:
        table.add_row(name, f"[b]{now[name]:.3f}[/b]")
    for name in names:
        table.add_row(Text(name), f"[b]{_points(evaluations[-1], name)}[/b]")
    if evaluations:
        before = evaluations[-2] if len(evaluations) > 1 else {}
        for key in (key for key in now if key.startswith("win/")):
            change = f" [dim]({now[key] - before[key]:+.0%})[/dim]" if key in before else ""
            table.add_row(Text(key[4:]), f"[b]{now[key]:.0%}[/b]{change}")
    for key in (key for key in row if key.startswith("rollout_win/")):
        table.add_row(Text(f"{key[12:]}, in training"), f"{row[key]:.0%}")
    return table


def _learning(row: Mapping[str, Any]) -> Table:
    table = _table("learning")
    for key, form in (
        ("rounds_per_minute", ",.0f"),
        ("checked_rounds", ".0%"),
        ("exact_bids", ".0%"),
        ("policy_loss", ".3f"),
        ("accuracy", ".0%"),
        ("memory/reuse", ".1f"),
        ("champion", ".0f"),
        ("rating", "+.3f"),
        ("entropy", ".2f"),
        ("kl", ".4f"),
        ("clip_fraction", ".2f"),
        ("explained_variance", ".2f"),
        ("unseen_explained_variance", ".2f"),
        ("value_loss", ".3f"),
        ("learning_rate", ".1e"),
        ("shaping", ".2f"),
        ("stage", ".0f"),
        ("stage_win", ".0%"),
        ("league/members", ".0f"),
        ("league/worst", ".0%"),
        ("game_ticks", ".0f"),
    ):
        if key in row:
            table.add_row(key.replace("_", " ").replace("/", " "), format(row[key], form))
    return table
