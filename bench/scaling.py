"""How the engine scales: from 1 to 10,000 games and from 1 to all threads, drawn as a picture.

    python bench/scaling.py [--json] [--quick] [--plot docs/images/scaling.png]

Two players on 20x20; `rules` steps, `views` also writes both players' views and masks.
"""

from __future__ import annotations

import argparse
import statistics
import sys
from pathlib import Path

from measurement import parse_options, rates, report

from strategos.engine import Batch
from strategos.engine.pool import available_cores
from strategos.games import make_game

GAMES = (1, 10, 100, 1000, 10_000)


def main() -> None:
    plot = argparse.ArgumentParser(add_help=False)
    plot.add_argument("--plot", type=Path)
    path, rest = plot.parse_known_args()
    sys.argv[1:] = rest
    options = parse_options(__doc__)
    game = make_game("generals", height=20, width=20)
    curves: dict[str, list[float]] = {}
    for threads in range(1, available_cores() + 1):
        for kind, observe in (("rules", False), ("views", True)):
            curve = curves.setdefault(f"{kind}, {threads} thread{'s'[: threads > 1]}", [])
            for games in GAMES:
                batch = Batch(game, games, seed=1, threads=threads, tick_limit=1000, autoreset="same_step",
                              memory=False)  # fmt: skip
                batch.reset()
                ticks = max(3, (20_000 if options.quick else 200_000) // games)
                batch.step_randomly(ticks, observe)

                def play(batch: Batch = batch, ticks: int = ticks, observe: bool = observe) -> float:
                    batch.step_randomly(ticks, observe)
                    return ticks * batch.num_games / 1e6

                measured = rates(play, 3 if options.quick else 7)
                curve.append(statistics.median(measured))
                report(options, f"{kind}/{games}x{threads}", measured, "M game-steps/s")
    if path.plot:
        draw(curves, path.plot)


def draw(curves: dict[str, list[float]], path: Path) -> None:
    """One line for each kind and number of threads."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(figsize=(7, 4), layout="constrained")
    for name, curve in curves.items():
        style = "-" if name.startswith("rules") else "--"
        axes.plot(GAMES, curve, style, marker="o", markersize=4, label=name)
    axes.set(xscale="log", xlabel="games in the batch", ylabel="million game-steps/s", ylim=(0, None))
    axes.set_title("Engine, 20x20, two players")
    axes.grid(alpha=0.3)
    axes.legend(frameon=False)
    figure.savefig(path, dpi=120)


if __name__ == "__main__":
    main()
