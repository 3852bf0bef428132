"""`strategos probe`: train an exploiter against a frozen agent, and tell how much it wins from it."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING

from strategos.commands.arguments import (
    InputError,
    Parser,
    board_size,
    game_played_by,
    minutes,
    positive,
    refuse_options_of_others,
    seed,
    writing,
)
from strategos.commands.train import refusals, run_folder

if TYPE_CHECKING:
    from strategos.evaluate.best_response import Exploit

DESCRIPTION = (
    "Train an exploiter that meets nobody but AGENT, frozen as it is now, and tell how much it wins over its "
    "training: a lower bound of what a best response wins. The same command goes on after a stop."
)


def run(arguments: list[str]) -> int:
    """Train, measure every checkpoint, draw; 130 after Ctrl-C."""
    parser = Parser("probe", DESCRIPTION)
    parser.add_argument("agent", help="a bot, run, checkpoint or ONNX file of Generals or Kuhn poker")
    parser.add_argument("--minutes", type=minutes, metavar="M", help="of training (10)")
    parser.add_argument("--samples", type=positive, metavar="N", help="... or so many samples")
    parser.add_argument("--game", metavar="NAME", help="where the agent does not say it")
    parser.add_argument("--size", type=board_size, metavar="N", help="of the board, such as 8 or 8x12 (8)")
    parser.add_argument("--games", type=positive, default=256, help="of each measurement, even (256)")
    parser.add_argument("--run", metavar="NAME", help="folder in runs/ (exploiter-of-AGENT)")
    parser.add_argument("--seed", type=seed, default=1, help="of the exploiter's training (1)")
    parser.add_argument("--json", action="store_true", help="one JSON object at the end")
    parser.add_argument("--quiet", action="store_true", help="show the result only")
    options = parser.read(arguments)
    if options.games % 2:
        raise InputError(f"probe: --games must be even (both seats are played), not {options.games}")
    if options.minutes and options.samples:
        raise InputError("probe: give --minutes or --samples, not both")
    game = options.game or game_played_by(options.agent)
    refuse_options_of_others(options, game, {"generals": ("size",)}, "leave it out")
    run_dir = run_folder(options.run or f"exploiter-of-{Path(options.agent).stem}")
    with refusals(run_dir):
        return _probe(options, game, run_dir)


def _probe(options: argparse.Namespace, game: str, run_dir: Path) -> int:
    from strategos.evaluate import best_response as probing
    from strategos.games import make_game
    from strategos.train.loop import train

    if game not in probing.PRESETS:
        learned = " and ".join(probing.PRESETS)
        raise InputError(f"probe: PPO learns {learned}, and {options.agent} plays {game}")
    frozen = probing.freeze(options.agent, run_dir)
    limit = 0.0 if options.samples else options.minutes or 10.0
    config = probing.exploiter_config(
        frozen, game, options.size or (8, 8), samples=options.samples, minutes=limit, seed=options.seed
    )
    summary = train(config, run_dir, quiet=options.quiet or options.json)
    if summary.ended == "interrupted":
        return 130  # the loop has said how to go on

    def tell(exploit: Exploit) -> None:
        if not options.json:
            print(exploit.summary(game), flush=True)

    found = probing.measure(run_dir, config, frozen, games=options.games, on_exploit=tell)
    exact = probing.exact_best_response(make_game(game), frozen)
    picture = run_dir / probing.PICTURE_FILE
    with writing(picture):
        picture.write_bytes(probing.exploits_png(found, game, options.agent, exact))
    if options.json:
        print(json.dumps(probing.as_json(options.agent, run_dir, found, exact)))
        return 0
    if exact is not None:
        print(f"a best answer wins {exact:+.3f} {probing.unit_of(game)}, exactly")
    print(f"the exploiter: {run_dir}; what it won: {picture}")
    return 0
