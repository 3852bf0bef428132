"""How near the equilibrium of Kuhn poker every learner and every search comes, measured exactly.

    python bench/kuhn.py [--json] [--quick] [--seeds 1 2 3] [--plot curves.png]

Exploitability in chips a game: a coin's is 0.46, the equilibrium's 0. `kuhn/search/RULE/SIMULATIONS` is that
of a search alone, leaves judged by random playouts, its twelve decisions searched apart, over eight sets of
streams. `kuhn/learn/NAME` is that of the agent at the end of training, without search, over seeds;
`kuhn/search-after/NAME/SIMULATIONS` lets that agent's network guide the kind of search that it learned from,
over four sets of streams. `--quick` takes one seed and a tenth of the samples, and shows only that the way is
open.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from measurement import Options, parse_options, report

from strategos.games import make_game
from strategos.games.kuhn.exploitability import decisions, exploitability, table
from strategos.play.evaluators.network import NetworkEvaluator
from strategos.play.evaluators.rollouts import RolloutEvaluator
from strategos.play.search import Evaluator, SearchConfig
from strategos.play.searcher import Searcher
from strategos.train.config_files import load_config
from strategos.train.trainers import make_trainer

KUHN = make_game("kuhn")
RULES: dict[str, dict[str, Any]] = {
    "regret": {"root": "regret"},
    "gumbel": {"root": "gumbel", "gumbel_scale": 0.0},
    "puct": {"root": "puct"},
    "puct-information-set": {"root": "puct", "information_set": True},
}
LEARNERS: dict[str, tuple[str, dict[str, Any]]] = {
    "ppo": ("kuhn", {}),
    "ppo-without-magnet": ("kuhn", {"ppo.magnet": 0.0}),
    "alphazero": ("kuhn-alphazero", {}),
    "alphazero-gumbel": ("kuhn-alphazero", {"search.root": "gumbel"}),
    "alphazero-puct": ("kuhn-alphazero", {"search.root": "puct"}),
    "alphazero-puct-information-set": (
        "kuhn-alphazero",
        {"search.root": "puct", "search.information_set": True},
    ),
}
TARGET = "at most 0.05"
WORLDS, SIMULATIONS = 12, (64, 2000)
"""Budgets of a decision: that of self-play, and thirty times as much."""


def main() -> None:
    own = argparse.ArgumentParser(add_help=False)
    own.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    own.add_argument("--plot", type=Path)
    chosen, sys.argv[1:] = own.parse_known_args()
    options = parse_options(__doc__)
    seeds, share, streams = (chosen.seeds[:1], 0.1, 2) if options.quick else (chosen.seeds, 1.0, 8)
    for rule, settings in RULES.items():
        for simulations in SIMULATIONS:
            config = SearchConfig(worlds=WORLDS, simulations=simulations, **settings)
            found = [searched(config, RolloutEvaluator(1), seed) for seed in range(streams)]
            total = WORLDS * simulations
            target = TARGET if rule == "regret" and total > 10_000 else ""
            report(options, f"kuhn/search/{rule}/{total}", found, "chips", target=target)
    curves = {name: [learn(options, name, seed, share) for seed in seeds] for name in LEARNERS}
    for name, runs in curves.items():
        ends = [points[-1][1] for points, _ in runs]
        report(options, f"kuhn/learn/{name}", ends, "chips", target=TARGET if "-" not in name else "")
        for simulations in runs[0][1]:
            after = [each for _, found in runs for each in found[simulations]]
            report(options, f"kuhn/search-after/{name}/{WORLDS * simulations}", after, "chips")
    if chosen.plot:
        draw({name: [points for points, _ in runs] for name, runs in curves.items()}, chosen.plot)


def searched(config: SearchConfig, evaluator: Evaluator, seed: int) -> float:
    """Exploitability of what a search would play."""
    views, _ = decisions()
    keys = np.random.default_rng(seed).integers(0, 1 << 62, len(views))
    found = Searcher(KUHN, config, evaluator).decide(views, None, keys)
    return exploitability(table(found.policy.clip(0, 1)))


def learn(
    options: Options, name: str, seed: int, share: float
) -> tuple[list[tuple[int, float]], dict[int, list[float]]]:
    """A run's exploitability by samples, and that of its search with its network, by simulations."""
    preset, changes = LEARNERS[name]
    config = load_config(preset, {"seed": seed, **changes})
    config = load_config(preset, {"seed": seed, **changes, "samples": round(config.samples * share)})
    trainer = make_trainer(config)
    agent = trainer.agent(1.0)
    points = [(0, exploitability(table(agent.probabilities(*decisions(), None))))]
    try:
        while trainer.progress < 1:
            trainer.iterate(time.monotonic, lambda what, share: None)
            agent = trainer.agent(1.0)
            points.append((trainer.samples, exploitability(table(agent.probabilities(*decisions(), None)))))
        if config.algorithm == "ppo":
            return points, {}
        judge = NetworkEvaluator(KUHN, agent.network, agent.encode)
        return points, {
            each: [searched(replace(config.search, simulations=each), judge, stream) for stream in range(4)]
            for each in SIMULATIONS
        }
    finally:
        trainer.close()


def draw(curves: dict[str, Iterable[list[tuple[int, float]]]], path: Path) -> None:
    """Exploitability while training, PPO beside AlphaZero, a line a seed."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    figure, panels = plt.subplots(1, 2, figsize=(10, 4), sharey=True, layout="constrained")
    colours = iter(("#0072B2", "#56B4E9", "#D55E00", "#E69F00", "#009E73", "#CC79A7"))
    for name, runs in curves.items():
        axes, colour = panels[int(name.startswith("alphazero"))], next(colours)
        for number, points in enumerate(runs):
            samples, chips = zip(*points, strict=True)
            axes.plot(np.array(samples) / 1e3, chips, color=colour, label=None if number else name, alpha=0.8)
    for axes in panels:
        axes.axhline(0.05, color="black", linewidth=0.8, linestyle="--")
        axes.set(xlabel="thousand samples", ylim=(0, 0.5))
        axes.grid(alpha=0.3)
        axes.legend(frameon=False)
    panels[0].set_ylabel("exploitability, chips a game")
    figure.savefig(path, dpi=120)


if __name__ == "__main__":
    main()
