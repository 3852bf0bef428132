"""`strategos tournament`: everyone against everyone, with ratings and the payoff matrix."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from strategos.commands.arguments import InputError, Parser, add_match_options, board_size, reading

if TYPE_CHECKING:
    from rich.table import Table

    from strategos.evaluate.tournament import Standings


def run(arguments: list[str]) -> int:
    """Play the round robin and print the tables or JSON."""
    parser = Parser("tournament", "Let agents play each other and rate them.")
    parser.add_argument(
        "agents", nargs="+", help="two or more: bots, runs, checkpoints, ONNX files, programs"
    )
    parser.add_argument("--size", type=board_size, default=(10, 10), metavar="N", help="10 or 8x12 (10)")
    add_match_options(parser, games=256)
    options = parser.read(arguments)
    if len(options.agents) < 2:
        raise InputError("tournament: two or more agents are needed, for example random expander hunter")

    from strategos.evaluate.tournament import round_robin
    from strategos.games import make_game
    from strategos.play.agents import load_policy

    height, width = options.size
    with reading():
        policies = [load_policy(name) for name in options.agents]
        game = make_game("generals", height=height, width=width, ruleset=options.ruleset)
    with reading("this tournament cannot be played"):
        outcome = round_robin(
            game, policies, games=options.games, seed=options.seed, tick_limit=options.ticks
        )
    if options.json:
        print(json.dumps(outcome.as_json()))
    else:
        from rich.console import Console

        console = Console()
        console.print(ratings_table(outcome))
        console.print(payoff_table(outcome))
        for line in outcome.misconduct:
            console.print(line, highlight=False, markup=False)
    return 0


def ratings_table(outcome: Standings) -> Table:
    """The ratings, the strongest first."""
    from rich.table import Table

    table = Table(title=f"ratings, {outcome.anchor} at 1500", title_style="dim")
    table.add_column("player")
    sequential = ["sequential Elo"] if outcome.elo else []
    for name in ("Bradley-Terry", "95 % interval", "score", "games", *sequential):
        table.add_column(name, justify="right")
    for rating in outcome.ratings:
        interval = f"{rating.low:.0f} to {rating.high:.0f}" if rating.name != outcome.anchor else "fixed"
        table.add_row(
            rating.name,
            f"[b]{rating.rating:.0f}[/b]",
            interval,
            f"{rating.score:.1%}",
            str(rating.games),
            *([f"{outcome.elo[rating.name]:.0f}"] if sequential else []),
        )
    return table


def payoff_table(outcome: Standings) -> Table:
    """The share of points of each row against each column."""
    from rich.table import Table

    payoff = outcome.payoff
    table = Table(title="the row's share of points against the column", title_style="dim")
    table.add_column("")
    for name in payoff.names:
        table.add_column(name, justify="right")
    for row, name in enumerate(payoff.names):
        cells = [
            "" if payoff.games[row, column] == 0 else f"{payoff.score[row, column]:.1%}"
            for column in range(len(payoff.names))
        ]
        table.add_row(name, *cells)
    return table
