"""`strategos evaluate`: an agent against the scripted bots on paired boards."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import TYPE_CHECKING

from strategos.commands.arguments import InputError, Parser, add_match_options, board_size, reading

if TYPE_CHECKING:
    from rich.table import Table

    from strategos.evaluate.ladder import Rung


def run(arguments: list[str]) -> int:
    """Play the matches and print a table or JSON."""
    parser = Parser("evaluate", "Measure an agent against others, by default the scripted bots.")
    parser.add_argument("agent", help="a run folder, a checkpoint or a bot")
    parser.add_argument("--against", nargs="+", default=["random", "expander", "hunter"], metavar="PLAYER")
    parser.add_argument("--size", nargs="+", type=board_size, default=[(8, 8), (10, 10)], metavar="N")
    parser.add_argument("--temperature", type=float, default=1.0, help="of an agent's choices; 0 greedy (1)")
    add_match_options(parser, games=512)
    options = parser.read(arguments)

    from strategos.evaluate.ladder import climb
    from strategos.play.agents import load_policy

    others = [name for name in options.against if name != options.agent]
    if not others:
        raise InputError(f"evaluate: {options.agent} would only meet itself; name others with --against")
    with reading():
        agent = load_policy(options.agent, temperature=options.temperature)
        opponents = [load_policy(name) for name in others]
    progress = None if options.json else _say
    with reading("these matches cannot be played"):
        rungs = climb(
            agent,
            opponents,
            sizes=options.size,
            games=options.games,
            seed=options.seed,
            tick_limit=options.ticks,
            ruleset=options.ruleset,
            on_rung=progress,
        )
    if options.json:
        print(json.dumps({"agent": agent.name, "results": [rung.as_json() for rung in rungs]}))
    else:
        from rich.console import Console

        Console().print(rungs_table(rungs))
    return 0


def _say(rung: Rung) -> None:
    import sys

    print(f"{rung.board} against {rung.opponent}: {rung.win_share:.1%} won", file=sys.stderr)


def rungs_table(rungs: Iterable[Rung]) -> Table:
    """The results as a table of the terminal."""
    from rich.table import Table

    table = Table(title="paired boards, seats rotated; a draw is not a win", title_style="dim")
    for name in ("against", "board"):
        table.add_column(name)
    for name in ("win", "draw", "loss", "wins", "95 % interval", "ticks"):
        table.add_column(name, justify="right")
    for rung in rungs:
        table.add_row(
            rung.opponent,
            rung.board,
            str(rung.wins),
            str(rung.draws),
            str(rung.losses),
            f"[b]{rung.win_share:.1%}[/b]",
            f"{rung.low:.1%} to {rung.high:.1%}",
            str(rung.ticks),
        )
    return table
