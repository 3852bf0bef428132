"""Results in a terminal: as a table, or as lines where the terminal is too narrow for one."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from strategos.evaluate.contests import Contest
    from strategos.evaluate.ladder import Rung
    from strategos.evaluate.standings import Standings


class Result(Protocol):
    """What was measured."""

    @property
    def summary(self) -> str:
        """One short line."""
        ...


def show(console: Console, table: Table, results: Iterable[Result]) -> None:
    """Print the table of `results`, or a line for each where the table would be cut."""
    if fits(console, table):
        console.print(table)
        return
    for result in results:
        console.print(result.summary, highlight=False, markup=False)


def fits(console: Console, table: Table) -> bool:
    """Whether the table can be shown without cutting a number."""
    return console.measure(table, options=console.options.update(width=1000)).minimum <= console.width


def contests_table(contests: Sequence[Contest]) -> Table:
    """The contests of Blob as a table of the terminal."""
    from rich.text import Text

    table = _table(
        "every deal from every seat; points above the table's mean, in units of 10 + cards",
        ("player", "at a table of"),
        ("deals", "points", "95 % interval", "exact"),
    )
    for each in contests:
        table.add_row(
            Text(each.player),
            Text(each.table),
            str(each.deals),
            f"[b]{each.points:+.3f}[/b]",
            f"{each.low:+.3f} to {each.high:+.3f}",
            f"{each.exact:.1%}",
        )
    return table


def rungs_table(rungs: Sequence[Rung]) -> Table:
    """The results of Generals as a table of the terminal."""
    from rich.text import Text

    table = _table(
        "paired boards, seats rotated; a draw is not a win",
        ("against", "board"),
        ("win", "draw", "loss", "wins", "95 % interval", "ticks"),
    )
    for rung in rungs:
        table.add_row(
            Text(rung.opponent),
            rung.board,
            str(rung.wins),
            str(rung.draws),
            str(rung.losses),
            f"[b]{rung.win_share:.1%}[/b]",
            f"{rung.low:.1%} to {rung.high:.1%}",
            str(rung.ticks),
        )
    return table


def ratings_table(
    outcome: Standings, more: Mapping[str, Sequence[str]] | None = None, counted: str = "games"
) -> Table:
    """The ratings, the strongest first, with `more` columns by name; what is `counted` has that name."""
    from rich.text import Text

    table = _table(
        f"Bradley-Terry ratings, {outcome.anchor} at 1500",
        ("player",),
        ("rating", "95 % interval", "score", counted, *(more or ())),
    )
    table.columns[0].min_width = min(24, max(len(rating.name) for rating in outcome.ratings))
    for place, rating in enumerate(outcome.ratings):
        interval = f"{rating.low:.0f} to {rating.high:.0f}" if rating.name != outcome.anchor else "fixed"
        rated = rating in outcome.rated
        table.add_row(
            Text(rating.name),
            f"[b]{rating.rating:.0f}[/b]" if rated else "",
            interval if rated else "",
            f"{rating.score:.1%}" if rating.games else "",
            str(rating.games),
            *(column[place] for column in (more or {}).values()),
        )
    return table


def payoff_table(outcome: Standings) -> Table:
    """The share of points of each row against each column."""
    from rich.text import Text

    payoff = outcome.payoff
    table = _table("the row's share of points against the column", ("",), ())
    for name in payoff.names:
        table.add_column(Text(name), justify="right", overflow="fold")
    for row, name in enumerate(payoff.names):
        cells = [
            "" if payoff.games[row, column] == 0 else f"{payoff.score[row, column]:.1%}"
            for column in range(len(payoff.names))
        ]
        table.add_row(Text(name), *cells)
    return table


def _table(title: str, names: Sequence[str], numbers: Sequence[str]) -> Table:
    """An empty table; names fold where there is little room, numbers never do."""
    from rich.markup import escape
    from rich.table import Table

    table = Table(title=escape(title), title_style="dim")
    for name in names:
        table.add_column(name, overflow="fold")
    for name in numbers:
        table.add_column(name, justify="right", no_wrap=True)
    return table
