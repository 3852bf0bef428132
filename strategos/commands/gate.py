"""`strategos gate`: is a candidate better than a baseline, or at least no worse? For people and CI."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from strategos.commands.arguments import (
    InputError,
    Parser,
    board_size,
    chosen_temperature,
    deal,
    positive,
    reading,
    refuse_options_of_others,
    seed,
    share,
    temperature,
)

if TYPE_CHECKING:
    from strategos.evaluate.gate import Judgement
    from strategos.ratings.sprt import SequentialTest, Verdict
    from strategos.train.deals import Deals

EXIT_CODES = {"accept": 0, "reject": 1, "undecided": 3}
DESCRIPTION = (
    "Test whether CANDIDATE is better than BASELINE on paired boards or deals, and stop as soon as it is "
    "known. Exit code 0: accepted, 1: rejected, 3: undecided after --max."
)
_OPTIONS = {"generals": ("size", "ticks", "ruleset", "elo0", "elo1"), "blob": ("deal",)}
_POINTS = ("points0", "points1")


def run(arguments: list[str]) -> int:
    """Play until the test knows; the exit code is its answer."""
    options = _parser().read(arguments)
    game = _game(options)
    refuse_options_of_others(options, game, _OPTIONS, "leave it out")
    from strategos.evaluate.measures import BOARDS, how_measured

    on_boards = how_measured(game) == BOARDS
    for name in _POINTS if on_boards else ():
        if getattr(options, name) is not None:
            raise InputError(f"gate: --{name} is for deals; on boards say --elo0 and --elo1")
    judgement = _on_boards(options, game) if on_boards else _on_deals(options, game)
    if options.json:
        print(json.dumps(judgement.as_json()))
    else:
        print(judgement.summary)
        for line in judgement.misconduct:
            print(f"  {line}")
    return EXIT_CODES[judgement.decision]


def _parser() -> Parser:
    parser = Parser("gate", DESCRIPTION)
    parser.add_argument("candidate", help="a bot, run, checkpoint, ONNX file or program")
    parser.add_argument("--against", required=True, metavar="BASELINE", help="whom it has to beat")
    parser.add_argument("--game", metavar="NAME", help="where neither says what it plays")
    parser.add_argument("--keep", type=share, metavar="S", help="no gain, but S of the score, such as 0.95")
    parser.add_argument("--elo0", type=float, metavar="E", help="boards: no better at E (0)")
    parser.add_argument("--elo1", type=float, metavar="E", help="boards: better at E (20)")
    parser.add_argument("--points0", type=float, metavar="P", help="deals: no better at P (0)")
    parser.add_argument("--points1", type=float, metavar="P", help="deals: better at P (0.02)")
    parser.add_argument("--alpha", type=float, default=0.05, help="chance to accept at 0 (0.05)")
    parser.add_argument("--beta", type=float, default=0.05, help="chance to reject at 1 (0.05)")
    parser.add_argument("--max", type=positive, default=2000, metavar="N", help="pairs or deals (2000)")
    parser.add_argument("--step", type=positive, default=32, metavar="N", help="... between looks (32)")
    parser.add_argument("--size", type=board_size, metavar="N", help="boards, such as 8 or 8x12 (8)")
    parser.add_argument("--ticks", type=positive, help="boards: a draw after so many ticks (400)")
    parser.add_argument("--ruleset", help="generalsio, classic, duel or competition (generalsio)")
    parser.add_argument("--deal", type=deal, metavar="PxC", help="Blob: players and cards (4x5)")
    parser.add_argument("--temperature", type=temperature, metavar="T", help="0 greedy (1; Blob 0)")
    parser.add_argument("--seed", type=seed, default=0, help="of the boards and the choices (0)")
    parser.add_argument("--json", action="store_true", help="one JSON object")
    return parser


def _game(options: argparse.Namespace) -> str:
    """The game of whoever of the two says what it plays; `InputError` where that is not one."""
    from strategos.play.agents import game_of

    with reading():
        told = {name: game_of(name) for name in (options.candidate, options.against)}
    if options.game:
        told["--game"] = options.game
    games = {game for game in told.values() if game is not None}
    if len(games) > 1:
        lines = (f"{name} {game}" for name, game in told.items() if game is not None)
        raise InputError(f"gate: one game is needed, not {' and '.join(lines)}")
    return games.pop() if games else "blob" if options.deal else "generals"


def _test(options: argparse.Namespace, null: float, better: float) -> SequentialTest:
    from strategos.ratings.sprt import SequentialTest

    with reading("this is no test"):
        test = SequentialTest(null, better, options.alpha, options.beta, look=options.step)
        return test.at_most(options.max)


def _hypotheses(
    options: argparse.Namespace, names: tuple[str, str], defaults: tuple[float, float]
) -> tuple[float, float]:
    """Both bounds as they were given or are by default; `InputError` beside `--keep`, which sets them."""
    given = [getattr(options, name) for name in names]
    if options.keep is not None and given != [None, None]:
        raise InputError(f"gate: --keep sets the bounds; leave --{names[0]} and --{names[1]} out")
    null, better = (default if each is None else each for each, default in zip(given, defaults, strict=True))
    return null, better


def _on_boards(options: argparse.Namespace, game_name: str) -> Judgement:
    from strategos.evaluate.gate import gate_boards, kept_elo
    from strategos.games import make_game
    from strategos.play.agents import load_policy
    from strategos.play.try_out import try_out

    null, better = _hypotheses(options, ("elo0", "elo1"), (0.0, 20.0))
    if options.keep is not None:
        null, better = kept_elo(options.keep), 0.0
    test = _test(options, null, better)
    sampled = chosen_temperature(options, game_name)
    height, width = options.size or (8, 8)
    with reading():
        candidate = load_policy(options.candidate, temperature=sampled)
        baseline = load_policy(options.against, temperature=sampled)
        ruleset = options.ruleset or "generalsio"
        game = make_game(game_name, height=height, width=width, ruleset=ruleset)
        try_out(game, [candidate, baseline])
    where = f"boards of {height}x{width}, both seats"
    with reading("this gate cannot be played"):
        return _watched(
            options,
            test,
            "Elo",
            where,
            partial(
                gate_boards,
                game,
                candidate,
                baseline,
                test,
                seed=options.seed,
                tick_limit=options.ticks or 400,
            ),
        )


def _on_deals(options: argparse.Namespace, game_name: str) -> Judgement:
    from strategos.evaluate.contests import maker_of
    from strategos.evaluate.gate import gate_deals
    from strategos.evaluate.measures import deals_of
    from strategos.play.try_out import try_out

    sampled = chosen_temperature(options, game_name)
    with reading():
        deals = deals_of(game_name, options.deal)
        candidate, baseline = (maker_of(name, sampled) for name in (options.candidate, options.against))
        try_out(deals.game, [candidate(), baseline()])
        null, better = _points(options, deals, baseline)
    test = _test(options, null, better)
    where = "deals, from every seat of both tables"
    with reading("this gate cannot be played"):
        return _watched(
            options,
            test,
            "points",
            where,
            partial(gate_deals, deals, candidate, baseline, test, seed=options.seed),
        )


def _points(options: argparse.Namespace, deals: Deals, baseline: Callable) -> tuple[float, float]:
    """Both hypotheses in points of a deal."""
    from strategos.evaluate.gate import kept_points

    null, better = _hypotheses(options, _POINTS, (0.0, 0.02))
    if options.keep is None:
        return null, better
    if deals.game.spec.name != "blob":
        raise InputError(f"gate: what one wins in {deals.game.spec.name} another loses; --keep has no score")
    return kept_points(deals, baseline(), options.keep, options.seed), 0.0


def _watched(
    options: argparse.Namespace,
    test: SequentialTest,
    unit: str,
    where: str,
    play: Callable[..., Judgement],
) -> Judgement:
    """Say what is tested, then `play` it with a line that follows the evidence; Ctrl-C leaves it."""
    from rich.console import Console

    if not options.json:
        bounds = (
            f"H0 {test.null:+.3g}, H1 {test.better:+.3g} {unit}, alpha {test.alpha:g}, beta {test.beta:g}"
        )
        print(f"{options.candidate} against {options.against}: {bounds}", flush=True)
        print(f"at most {test.maximum} {where}", flush=True)
    last: list[Verdict] = []
    with Console(stderr=True).status("the first look ...") as status:

        def look(verdict: Verdict) -> None:
            last[:] = [verdict]
            status.update(_line(verdict, test.maximum))

        try:
            return play(on_look=look)
        except BaseException:
            if last:
                status.stop()
                print(f"no decision: {_line(last[0], test.maximum)}", file=sys.stderr)
            raise


def _line(verdict: Verdict, maximum: int, width: int = 24) -> str:
    """The evidence between its bounds, as a picture and in numbers."""
    place = (verdict.llr - verdict.lower) / (verdict.upper - verdict.lower)
    mark = min(width, max(0, round(place * width)))
    scale = "─" * mark + "●" + "─" * (width - mark)
    return (
        f"reject {verdict.lower:+.2f} {scale} {verdict.upper:+.2f} accept   "
        f"LLR {verdict.llr:+.2f} after {verdict.count} of {maximum}"
    )
