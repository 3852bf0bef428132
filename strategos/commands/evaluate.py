"""`strategos evaluate`: an agent against the scripted bots on paired boards, or deals of Blob."""

from __future__ import annotations

import argparse
import json
import sys
from typing import TYPE_CHECKING

from strategos.commands import tables
from strategos.commands.arguments import (
    InputError,
    Parser,
    add_match_options,
    board_size,
    chosen_temperature,
    deal,
    game_played_by,
    pair,
    reading,
    refuse_options_of_others,
    temperature,
)

if TYPE_CHECKING:
    from rich.table import Table

    from strategos.evaluate.contests import Contest
    from strategos.evaluate.ladder import Rung

_OPTIONS = {"generals": ("size", "ticks", "ruleset"), "blob": ("deal", "search", "reweigh")}
_MOST_SIMULATIONS = 1_000_000


def run(arguments: list[str]) -> int:
    """Play the matches and print a table or JSON."""
    parser = Parser("evaluate", "Measure an agent against others, by default the scripted bots.")
    parser.add_argument("agent", help="a bot, run, checkpoint, ONNX file or program")
    parser.add_argument("--against", nargs="+", metavar="NAME", help="players (the game's bots)")
    parser.add_argument("--size", nargs="+", type=board_size, metavar="N", help="such as 8 or 8x12 (8 10)")
    parser.add_argument("--temperature", type=temperature, metavar="T", help="0 greedy (1; Blob 0)")
    parser.add_argument("--deal", type=deal, metavar="PxC", help="Blob: players and cards (4x5)")
    parser.add_argument("--search", type=_budget, metavar="WxN", help="Blob: search W worlds x N simulations")
    parser.add_argument("--reweigh", action="store_true", default=None, help="worlds weighed by its policy")
    add_match_options(parser, games=512, counted="of each pair, even; Blob: deals")
    parser.set_defaults(ticks=None, ruleset=None)
    options = parser.read(arguments)

    game = "blob" if options.deal or options.search else game_played_by(options.agent)
    refuse_options_of_others(options, game, _OPTIONS, "leave it out")
    from strategos.evaluate.measures import BOARDS, EXACT, how_measured
    from strategos.play.bots import SCRIPTED

    how = how_measured(game)
    if how == EXACT:
        return _tell_exploitability(options, game)
    bots = SCRIPTED.get(game, ())
    options.against = [name for name in options.against or bots if name != options.agent]
    if not options.against:
        raise InputError(f"evaluate: {options.agent} would meet nobody else; name others with --against")
    agent, results, table = (_measure_boards if how == BOARDS else _measure_deals)(options, game)
    if options.json:
        print(json.dumps({"agent": agent, "results": [each.as_json() for each in results]}))
    else:
        from rich.console import Console

        tables.show(Console(), table, results)
    return 0


def _tell_exploitability(options: argparse.Namespace, game: str) -> int:
    """Print exactly what a best answer would win, in a game small enough; nobody is met."""
    from strategos.games import make_game
    from strategos.play.agents import load_policy
    from strategos.play.exploitability import agent_exploitability, exact_unit
    from strategos.play.network import NetworkPolicy

    if options.against:
        raise InputError(f"evaluate: in {game} agents are measured against the best answer; drop --against")
    with reading():
        agent = load_policy(options.agent, temperature=chosen_temperature(options, game))
    if not isinstance(agent, NetworkPolicy):
        raise InputError(f"evaluate: {options.agent} has no network whose choices could be enumerated")
    lost, (unit, _) = agent_exploitability(make_game(game), agent), exact_unit(game)
    if options.json:
        print(json.dumps({"agent": agent.name, "exploitability": lost}))
    else:
        print(f"{agent.name}: a best answer wins {lost:.4f} {unit} a game, the mean of both seats; exact")
    return 0


def _measure_boards(options: argparse.Namespace, game_name: str) -> tuple[str, list[Rung], Table]:
    """Shares of games won on paired boards against each opponent: the agent's name, results, table."""
    from strategos.evaluate.ladder import climb
    from strategos.games import make_game
    from strategos.play.agents import load_policy
    from strategos.play.try_out import try_out

    sizes, ruleset = options.size or [(8, 8), (10, 10)], options.ruleset or "generalsio"
    with reading():
        agent = load_policy(options.agent, temperature=chosen_temperature(options, game_name))
        opponents = [load_policy(name) for name in options.against]
    with reading("these matches cannot be played"):
        height, width = sizes[0]
        game = make_game(game_name, height=height, width=width, ruleset=ruleset)
        try_out(game, [agent, *opponents])
        rungs = climb(
            agent,
            opponents,
            sizes=sizes,
            games=options.games,
            seed=options.seed,
            tick_limit=options.ticks or 400,
            ruleset=ruleset,
            on_rung=None if options.json else _say_rung,
        )
    return agent.name, rungs, tables.rungs_table(rungs)


def _measure_deals(options: argparse.Namespace, game_name: str) -> tuple[str, list[Contest], Table]:
    """Points at a table of each opponent; `--games` are the deals, each played from every seat."""
    from strategos.evaluate.contests import contest, maker_of, searching
    from strategos.evaluate.measures import deals_of
    from strategos.play.network import NetworkPolicy
    from strategos.play.policy import measured_temperature
    from strategos.play.try_out import try_out

    with reading():
        deals = deals_of(game_name, options.deal)
        player = maker_of(options.agent, chosen_temperature(options, game_name))
        opponents = [maker_of(name, measured_temperature(game_name)) for name in options.against]
    agent = player()
    if options.search:
        if not isinstance(agent, NetworkPolicy):
            raise InputError(f"evaluate: {options.agent} has no network to search with; leave --search out")
        worlds, simulations = options.search
        beliefs = "reweighed" if options.reweigh else "uniform"
        player = searching(deals, agent, worlds, simulations, beliefs)
    elif options.reweigh:
        raise InputError("evaluate: --reweigh weighs the worlds of a search; give --search WxN, too")
    found: list[Contest] = []
    with reading("these deals cannot be played"):
        try_out(deals.game, [agent, *(table() for table in opponents)])
        for table in opponents:
            found.append(contest(deals, player, table, count=options.games, seed=options.seed))
            if not options.json:
                _say(found[-1])
    return agent.name, found, tables.contests_table(found)


def _budget(text: str) -> tuple[int, int]:
    worlds, simulations = pair(text, "worlds x simulations, such as 16x8")
    if worlds * simulations > _MOST_SIMULATIONS:
        raise argparse.ArgumentTypeError(f"{text!r} is more than {_MOST_SIMULATIONS} simulations in all")
    return worlds, simulations


def _say(result: Rung | Contest) -> None:
    print(result.summary, file=sys.stderr)


def _say_rung(rung: Rung) -> None:
    _say(rung)
    for line in rung.misconduct:
        print(f"  {line}", file=sys.stderr)
