"""How long a tournament takes: expander against hunter on 12x12, every game recorded and verified.

    python bench/tournament.py [--json] [--quick]

`tournament/12x12` is the time of 1,000 games (of 100 with `--quick`, counted tenfold) on all cores: played,
written as Parquet, read back, replayed to the same end, rated. `tournament/12x12/processor` is the time of
all processors together, which a busy machine leaves alone, and `tournament/12x12/page` that of the results
and the page with all games in it, after that.
"""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

from measurement import parse_options, report

from strategos.evaluate.tournament.files import write_results
from strategos.evaluate.tournament.plan import begun, make_plan
from strategos.evaluate.tournament.play import play_tournament
from strategos.evaluate.tournament.results import rate
from strategos.games import make_game

GAMES = 1000


def main() -> None:
    options = parse_options(__doc__)
    games, repetitions = (GAMES // 10, 1) if options.quick else (GAMES, 3)
    game = make_game("generals", height=12, width=12)
    measured: dict[str, list[float]] = {"": [], "/processor": [], "/page": []}
    for repetition in range(repetitions + 1):
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            started, worked = time.perf_counter(), time.process_time()
            plan = make_plan(["expander", "hunter"], game, games=games, tick_limit=400, seed=repetition)
            with begun(plan, folder) as plan:
                progress = play_tournament(plan, folder)
                result = rate(plan, progress.games, progress.rounds)
                played, processor = time.perf_counter() - started, time.process_time() - worked
                write_results(plan, folder, progress, result)
                page = time.perf_counter() - started - played
        if repetition:  # the first one compiles, or loads what was compiled
            for what, seconds in zip(measured, (played, processor, page), strict=True):
                measured[what].append(seconds * GAMES / games)
    for what, values in measured.items():
        report(options, f"tournament/12x12{what}", values, "s", target="" if what else "at most 15")


if __name__ == "__main__":
    main()
