"""`strategos evaluate`: an agent against the scripted bots on paired boards, or deals of Blob."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterable
from functools import partial
from typing import TYPE_CHECKING

from strategos.commands.arguments import InputError, Parser, add_match_options, board_size, reading

if TYPE_CHECKING:
    from rich.table import Table

    from strategos.evaluate.contests import Contest
    from strategos.evaluate.ladder import Rung
    from strategos.train.duel import Maker


def run(arguments: list[str]) -> int:
    """Play the matches and print a table or JSON."""
    parser = Parser("evaluate", "Measure an agent against others, by default the scripted bots.")
    parser.add_argument("agent", help="a run folder, a checkpoint or a bot")
    parser.add_argument("--against", nargs="+", metavar="NAME", help="players (the game's bots)")
    parser.add_argument("--size", nargs="+", type=board_size, default=[(8, 8), (10, 10)], metavar="N")
    parser.add_argument("--temperature", type=float, metavar="T", help="of its choices; 0 greedy (1; Blob 0)")
    parser.add_argument("--deal", type=_deal, metavar="PxC", help="Blob: players and cards, such as 4x5")
    parser.add_argument("--search", type=_budget, metavar="WxN", help="Blob: search W worlds x N simulations")
    add_match_options(parser, games=512)
    options = parser.read(arguments)

    from strategos.evaluate.ladder import climb
    from strategos.play.agents import load_policy

    if options.deal or options.search or plays_blob(options.agent):
        return _evaluate_blob(options)
    options.against = options.against or ["random", "expander", "hunter"]
    options.temperature = 1.0 if options.temperature is None else options.temperature
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


def plays_blob(agent: str) -> bool:
    """Whether a player is the heuristic of Blob, or a checkpoint trained on it."""
    from strategos.play.agents import find_checkpoint, read_meta
    from strategos.play.bots import BOTS

    if agent in BOTS or agent.startswith("mcts-"):
        return agent == "heuristic"
    with reading():
        return read_meta(find_checkpoint(agent))["network"].get("kind") == "cards"


def _evaluate_blob(options: argparse.Namespace) -> int:
    """Points at a table of each opponent; `--games` are the deals, each played from every seat."""
    from strategos.evaluate.contests import contest, searching
    from strategos.games import make_game
    from strategos.play.agents import load_policy
    from strategos.play.network import NetworkPolicy
    from strategos.train.deals import Deals

    others = [name for name in options.against or ["random", "heuristic"] if name != options.agent]
    if not others:
        raise InputError(f"evaluate: {options.agent} would only meet itself; name others with --against")
    players, cards = options.deal or (4, 5)
    with reading():
        deals = Deals((make_game("blob", players=players, cards=cards),), (1.0,))
        agent = load_policy(options.agent, temperature=options.temperature or 0.0)
        for name in others:
            load_policy(name)  # a mistake is told before anything is played
    player: Maker = partial(load_policy, options.agent, temperature=options.temperature or 0.0)
    if options.search:
        if not isinstance(agent, NetworkPolicy):
            raise InputError(f"evaluate: {options.agent} has no network to search with; leave --search out")
        player = searching(deals, agent, *options.search)
    found: list[Contest] = []
    with reading("these deals cannot be played"):
        for name in others:
            table = partial(load_policy, name)
            found.append(contest(deals, player, table, count=options.games, seed=options.seed))
    if options.json:
        print(json.dumps({"agent": agent.name, "results": [each.as_json() for each in found]}))
    else:
        from rich.console import Console

        Console().print(contests_table(found))
    return 0


def _pair(text: str, what: str) -> tuple[int, int]:
    one, _, other = text.partition("x")
    if not (one.isdigit() and other.isdigit() and int(one) and int(other)):
        raise argparse.ArgumentTypeError(f"{text!r} is not {what}")
    return int(one), int(other)


def _deal(text: str) -> tuple[int, int]:
    return _pair(text, "players x cards, such as 4x5")


def _budget(text: str) -> tuple[int, int]:
    return _pair(text, "worlds x simulations, such as 16x8")


def _say(rung: Rung) -> None:
    import sys

    print(f"{rung.board} against {rung.opponent}: {rung.win_share:.1%} won", file=sys.stderr)


def contests_table(contests: Iterable[Contest]) -> Table:
    """The contests of Blob as a table of the terminal."""
    from rich.table import Table

    title = "every deal from every seat; points above the table's mean, in units of 10 + cards"
    table = Table(title=title, title_style="dim")
    for name in ("player", "at a table of"):
        table.add_column(name)
    for name in ("deals", "points", "95 % interval", "exact bids"):
        table.add_column(name, justify="right")
    for each in contests:
        table.add_row(
            each.player,
            each.table,
            str(each.deals),
            f"[b]{each.points:+.3f}[/b]",
            f"{each.low:+.3f} to {each.high:+.3f}",
            f"{each.exact:.1%}",
        )
    return table


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
