"""`strategos tournament`: any agents, in any format, rated; games, results and a page in a folder."""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from strategos.commands import tables
from strategos.commands.arguments import (
    InputError,
    Parser,
    add_match_options,
    board_size,
    pair,
    positive,
    reading,
    refuse_options_of_others,
    writing,
)

if TYPE_CHECKING:
    from rich.table import Table

    from strategos.evaluate.standings import Standings
    from strategos.evaluate.tournament.plan import Plan
    from strategos.evaluate.tournament.play import Progress
    from strategos.evaluate.tournament.results import TournamentResult
    from strategos.games.spec import Game

_GAMES, _ROUNDS = 256, 7


def run(arguments: list[str]) -> int:
    """Play the tournament, or what is left of it; print the tables or JSON."""
    parser = Parser("tournament", "Let agents play each other and rate them.")
    parser.add_argument(
        "agents", nargs="+", metavar="agent", help="bot, run, checkpoint, ONNX file or program"
    )
    parser.add_argument("--game", choices=list(GAMES), help="generals or blob (what the agents play)")
    parser.add_argument("--size", type=board_size, metavar="N", help="of the board: 10 or 8x12 (10)")
    parser.add_argument("--players", type=positive, metavar="N", help="seats of a table (2; Blob 4)")
    parser.add_argument("--teams", type=_teams, metavar="TxM", help="Generals: 2x2, an agent has a team")
    parser.add_argument("--cards", type=positive, metavar="C", help="Blob: cards of a hand (5)")
    parser.add_argument(
        "--format", default="round-robin", metavar="F", help="swiss, ladder, gauntlet (round-robin)"
    )
    parser.add_argument("--rounds", type=positive, metavar="N", help=f"of swiss and ladder ({_ROUNDS})")
    parser.add_argument(
        "--output", type=Path, metavar="DIR", help="keep games, results and page; goes on there"
    )
    add_match_options(parser, games=_GAMES, counted="of a table, filling its boards")
    parser.set_defaults(ticks=None, ruleset=None, games=None)
    parser.usage = "strategos tournament agent agent ... [options]"
    options = parser.read(arguments)
    if len(options.agents) < 2:
        raise InputError("tournament: two or more agents are needed, for example random expander hunter")
    from strategos.evaluate.tournament.plan import begun

    with ExitStack() as stack:
        plan = _plan(options)
        if options.output is None:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="strategos-")))
        else:
            folder = options.output
        with reading("tournament"), writing(folder):
            plan = stack.enter_context(begun(plan, folder))
        _play(plan, folder, options)
    return 0


def _play(plan: Plan, folder: Path, options: argparse.Namespace) -> None:
    from rich.console import Console

    from strategos.evaluate.tournament.files import write_results
    from strategos.evaluate.tournament.play import play_tournament
    from strategos.evaluate.tournament.results import rate

    try:
        with reading("this tournament cannot be played"), _watching(plan) as tell:
            progress = play_tournament(plan, folder, on_progress=tell)
    except KeyboardInterrupt:
        if options.output is not None:
            print(f"what was played is in {folder}; the same command goes on from there", file=sys.stderr)
        raise
    result = rate(plan, progress.games, progress.rounds)
    if options.output is not None:
        with writing(folder), Console(stderr=True).status("writing the page"):
            write_results(plan, folder, progress, result)
    if options.json:
        kept = {"output": str(folder)} if options.output else {}
        print(
            json.dumps({**result.as_json(), "played": progress.played_now, "found": progress.found, **kept})
        )
    else:
        _print(plan, result, options.output)


def _plan(options: argparse.Namespace) -> Plan:
    """The plan that was asked for."""
    from strategos.evaluate.tournament.plan import ENDLESS, make_plan

    game = _game(options)
    seats = len(set(game.options.get("teams") or range(game.spec.num_players)))
    rounds = _ROUNDS if options.rounds is None and options.format in ENDLESS else options.rounds
    with reading("tournament"):
        return make_plan(
            options.agents,
            game,
            format=options.format,
            rounds=rounds,
            games=options.games or _GAMES + -_GAMES % seats,
            tick_limit=options.ticks or (400 if game.spec.simultaneous else 0),
            seed=options.seed,
        )


def _game(options: argparse.Namespace) -> Game:
    """The game named, or that of the tournament in the folder, or else the one that the agents play."""
    with reading():
        name = options.game or _game_begun(options.output) or _game_played(options.agents)
        if name not in GAMES:
            raise InputError(f"tournament: there are tournaments of {' and '.join(GAMES)}, not of {name}")
        own = {game: names for game, (names, _) in GAMES.items()}
        refuse_options_of_others(options, name, own, "leave it out")
        return GAMES[name][1](options)


def _game_begun(output: Path | None) -> str | None:
    """The game of the tournament that goes on in a folder: its agents may be gone from where they were."""
    from strategos.evaluate.tournament.plan import PLAN_FILE, read_plan

    return read_plan(output).game if output and (output / PLAN_FILE).exists() else None


def _game_played(agents: Sequence[str]) -> str:
    from strategos.play.agents import game_of

    told = (game_of(agent) for agent in agents)
    return next((game for game in told if game), "generals")


def _generals(options: argparse.Namespace) -> Game:
    from strategos.games import make_game

    if options.teams and options.players:
        raise InputError("tournament: --teams already says how many players there are; drop --players")
    height, width = options.size or (10, 10)
    return make_game(
        "generals",
        height=height,
        width=width,
        players=len(options.teams or range(options.players or 2)),
        teams=options.teams,
        ruleset=options.ruleset or "generalsio",
    )


def _blob(options: argparse.Namespace) -> Game:
    from strategos.games import make_game

    return make_game("blob", players=options.players or 4, cards=options.cards or 5)


GAMES: dict[str, tuple[tuple[str, ...], Callable[[argparse.Namespace], Game]]] = {
    "generals": (("size", "ruleset", "ticks", "teams"), _generals),
    "blob": (("cards",), _blob),
}
"""Each game that tournaments are of: the options that are its own, and what makes it of them."""


def _teams(text: str) -> tuple[int, ...]:
    """`2x2`: the team of each seat, teams taking turns."""
    what = "teams x members, such as 2x2"
    teams, members = pair(text, what)
    if not 2 <= teams <= 8 or members > 8:
        raise argparse.ArgumentTypeError(f"{text!r} is not {what}")
    return tuple(range(teams)) * members


@contextmanager
def _watching(plan: Plan) -> Iterator[Callable[[Progress], None]]:
    """Show how far it is on stderr: a live table in a terminal, else a line a round."""
    from rich.console import Console
    from rich.live import Live

    from strategos.evaluate.tournament.results import standing_so_far

    console = Console(stderr=True, highlight=False)
    if not console.is_terminal:
        told: list[int] = []

        def say(progress: Progress) -> None:
            if len(progress.rounds) > len(told):
                told.append(len(progress.games))
                print(f"round {len(told)}: {told[-1]} of {progress.games_in_all} games", file=sys.stderr)

        yield say
        return
    begun = time.monotonic()
    listed: dict[int, Standings] = {}  # by games, as only a job that ends changes it
    with Live(console=console, refresh_per_second=4, transient=True) as live:

        def show(progress: Progress) -> None:
            count = len(progress.games)
            if count not in listed:
                listed.clear()
                listed[count] = standing_so_far(plan, progress.games)
            live.update(_live_table(plan, progress, listed[count], time.monotonic() - begun))

        yield show


def _live_table(plan: Plan, progress: Progress, listed: Standings, elapsed_s: float) -> Table:
    """Standings so far, how many games are over, and when it will be done."""
    done = progress.found + progress.played_now
    left = "?"
    if progress.played_now:
        seconds = elapsed_s * (progress.games_in_all - done) / progress.played_now
        left = f"{int(seconds) // 60}:{int(seconds) % 60:02d}"
    table = tables.ratings_table(listed, counted=_counted(plan))
    table.title_justify = "left"
    table.title = (
        f"{plan.format}, round {min(len(progress.rounds) + 1, progress.rounds_in_all)} of "
        f"{progress.rounds_in_all}; {done:,} of {progress.games_in_all:,} games; {left} left"
    )
    return table


def _counted(plan: Plan) -> str:
    """What the games of a rating are."""
    return "meetings" if plan.seats > 2 else "games"


def _print(plan: Plan, result: TournamentResult, output: Path | None) -> None:
    """The tables, what they leave open, and where everything is."""
    from rich.console import Console
    from rich.markup import escape

    console = Console(highlight=False)
    more: dict[str, list[str]] = {}
    if plan.format == "swiss":
        more["points"] = [f"{points:.2f}" for points in result.points]
    if result.elo is not None:
        more["Elo"] = [f"{result.elo[name]:.0f}" for name in result.names]
    if result.skills is not None and result.first_places is not None:
        more["first places"] = [f"{each.mean:.1%}" if each.deals else "" for each in result.first_places]
        more["openskill"] = [f"{result.skills[name].mu:.1f}" for name in result.names]
    ratings = tables.ratings_table(result.standings, more, _counted(plan))
    while more and not tables.fits(console, ratings):
        more.popitem()
        ratings = tables.ratings_table(result.standings, more, _counted(plan))
    tables.show(console, ratings, result.standings.ratings)
    if tables.fits(console, payoffs := tables.payoff_table(result.standings)):
        console.print(payoffs)
    for line in (*result.remarks, *result.misconduct):
        console.print(line, markup=False)
    if output is None:
        console.print("[dim]nothing was kept; --output DIR keeps games, results and a page to read[/dim]")
        return
    for what, name in (("page to read:", "report.html"), ("results:", "results.json"), ("games:", "games")):
        console.print(f"{what:<14}[b]{escape(str(output / name))}[/b]", soft_wrap=True)
