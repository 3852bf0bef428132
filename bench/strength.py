"""How strong ten minutes of training make an agent: the `quick` preset, over seeds.

    python bench/strength.py [--json] [--quick] [--seeds 1 2 3] [--samples N] [--runs runs/strength]
                             [--plot curves.png]

Trains each seed that has no finished run in `--runs`, then plays 512 paired games against each bot on
8x8 and 10x10, draw at 400 ticks (a draw is not a win). `strength/BOARD/BOT` is the share won: the
median over seeds with its spread. Peers are the shares that the prototype of the recipe reached in ten
minutes, one seed, against bots and on boards of its own: the ratio compares recipes, not programs.
`--samples` trains for so many samples instead of ten minutes: what fitted into them on an idle machine, say,
where the machine has other things to do. `--quick` trains one seed for a few seconds and shows only that the
way is open.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from measurement import parse_options, report

from strategos.evaluate.ladder import climb
from strategos.play.agents import load_policy
from strategos.train.config_files import load_config
from strategos.train.loop import train
from strategos.train.metrics import read_metrics

PROTOTYPE = {
    ("8x8", "random"): 497 / 512, ("8x8", "expander"): 480 / 512, ("8x8", "hunter"): 285 / 512,
    ("10x10", "random"): 489 / 512, ("10x10", "expander"): 479 / 512, ("10x10", "hunter"): 328 / 512,
}  # fmt: skip
TARGETS = {"random": "0.95", "expander": "0.90", "hunter": "0.55"}
BOARDS_SEED = 77_000_000
"""Boards that no evaluation while training has seen."""


def main() -> None:
    own = argparse.ArgumentParser(add_help=False)
    own.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    own.add_argument("--samples", type=int)
    own.add_argument("--runs", type=Path, default=Path("runs/strength"))
    own.add_argument("--plot", type=Path)
    chosen, sys.argv[1:] = own.parse_known_args()
    options = parse_options(__doc__)
    games, overrides, name, seeds = 512, [], "seed", chosen.seeds
    if chosen.samples:
        overrides = [f"samples={chosen.samples}", "fit=false", "max_minutes=0.0"]
    if options.quick:
        games, overrides, name, seeds = 32, ["samples=30000", "fit=false"], "quick", chosen.seeds[:1]
    shares: dict[tuple[str, str], list[float]] = {}
    minutes, runs = [], []
    for seed in seeds:
        run = chosen.runs / f"{name}-{seed}"
        summary = train(load_config("quick", [f"seed={seed}", *overrides]), run, quiet=True)
        minutes.append(summary.minutes)
        runs.append(run)
        agent = load_policy(run)
        bots = [load_policy(bot) for bot in TARGETS]
        for rung in climb(agent, bots, games=games, seed=BOARDS_SEED):
            shares.setdefault((rung.board, rung.opponent), []).append(rung.win_share)
    report(options, "strength/training", minutes, "minutes", target="at most 10")
    for (board, bot), values in shares.items():
        peer = PROTOTYPE[board, bot]
        ratio = sorted(values)[len(values) // 2] / peer
        report(options, f"strength/{board}/{bot}", values, "of games won", target=TARGETS[bot],
               peer="prototype", ratio=ratio)  # fmt: skip
    if chosen.plot:
        draw(runs, chosen.plot)


def draw(runs: list[Path], path: Path) -> None:
    """Wins against each bot on 8x8 while training, a thin line a seed."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(figsize=(7, 4), layout="constrained")
    colours = dict(zip(TARGETS, ("#0072B2", "#E69F00", "#009E73"), strict=True))
    for index, run in enumerate(runs):
        rows = [row for row in read_metrics(run) if row.get("evaluation")]
        for bot, colour in colours.items():
            samples = [row["samples"] / 1e6 for row in rows]
            label = bot if index == 0 else None
            axes.plot(samples, [row[f"win/{bot}"] for row in rows], color=colour, label=label, alpha=0.8)
    axes.set(xlabel="million samples", ylabel="share of games won", ylim=(0, 1))
    seeds = ", ".join(run.name.rpartition("-")[2] for run in runs)
    axes.set_title(f"quick preset, seed {seeds}, 8x8, averaged weights")
    axes.grid(alpha=0.3)
    axes.legend(frameon=False, loc="lower right")
    figure.savefig(path, dpi=120)


if __name__ == "__main__":
    main()
