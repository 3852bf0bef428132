"""`strategos watch`: judge every new checkpoint of a run against a ladder, beside the training or after."""

from __future__ import annotations

import argparse
import json
import time
from dataclasses import asdict
from typing import TYPE_CHECKING

from strategos.commands.arguments import InputError, Parser, board_size, positive
from strategos.commands.train import refusals, run_folder

if TYPE_CHECKING:
    from strategos.evaluate.judged import Judged
    from strategos.evaluate.watch import Watch

DESCRIPTION = (
    "Judge every new checkpoint of a run, while it trains or afterwards: against the ladder, and by a "
    "sequential test against the best so far. Results, picture and best are in RUN/judged/."
)


def run(arguments: list[str]) -> int:
    """Judge until the run is over, or what is there with `--once`."""
    parser = Parser("watch", DESCRIPTION)
    parser.add_argument("run", help="a run folder, or the name of a run in runs/")
    parser.add_argument("--against", nargs="+", metavar="NAME", help="the ladder (the game's bots)")
    parser.add_argument("--games", type=positive, default=128, help="against each, even; Blob: deals (128)")
    parser.add_argument("--search-games", type=positive, default=16, help="against mcts-N, even (16)")
    parser.add_argument("--gate", type=positive, default=128, help="pairs against the best, at most (128)")
    parser.add_argument("--size", type=board_size, metavar="N", help="board (that of the run's evaluations)")
    parser.add_argument("--once", action="store_true", help="judge what is there, and stop")
    parser.add_argument("--every", type=positive, default=10, metavar="S", help="seconds between looks (10)")
    parser.add_argument("--json", action="store_true", help="every result as a line of JSON")
    options = parser.read(arguments)
    if options.games % 2 or options.search_games % 2:
        raise InputError("watch: --games and --search-games must be even: boards are played from both seats")
    if options.gate < 2:
        raise InputError("watch: --gate must be at least 2; one pair has no spread")

    import torch

    from strategos.evaluate.judging import Ladder
    from strategos.evaluate.watch import watching

    torch.set_num_threads(1)  # the trainer beside it wants the cores, too
    run_dir = run_folder(options.run)
    ladder = Ladder(
        tuple(options.against or ()), options.games, options.search_games, options.gate, options.size
    )
    with refusals(run_dir), watching(run_dir, ladder, _tell(options.json)) as watch:
        _follow(watch, options)
    return 0


def _tell(as_json: bool):
    def tell(result: Judged) -> None:
        print(json.dumps(asdict(result)) if as_json else result.summary, flush=True)

    return tell


def _follow(watch: Watch, options: argparse.Namespace) -> None:
    """Judge what comes, until the run is over."""
    judged = watch.judge_new()
    while not options.once and not (watch.is_over and not judged):
        if not judged:
            time.sleep(options.every)
        judged = watch.judge_new()
    handed = watch.hand_over()
    if options.json:
        return
    best = watch.results.best
    if best is None:
        print(f"{watch.run_dir} has no checkpoint yet; without --once watch waits for them")
        return
    where = watch.run_dir / "best" if handed else watch.folder / "best"
    print(f"best: {best.samples:,} samples, {where}; {watch.picture}")
