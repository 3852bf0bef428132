"""A league beside plain self-play of the same budget: who forgets? All past selves meet on paired boards.

Both runs have the same samples, learner and boards, and no bots. In the plain run the agent plays itself. In
the league it also plays past selves, those more often that it loses to, and an exploiter, which takes half of
the samples. At equal intervals the agent's averaged weights are kept. Of every run the lowest share of points
of the finished agent against a past one is reported, then what the two finished agents make against each
other. --plot draws the payoff matrices.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from itertools import combinations
from pathlib import Path

import numpy as np
import torch
from measurement import Options, parse_options, report

from strategos.play.match import play_match
from strategos.play.network import NetworkPolicy
from strategos.ratings.boards import BoardResult
from strategos.train.config import TrainConfig
from strategos.train.config_files import from_dict
from strategos.train.curriculum import make_board_game
from strategos.train.trainers import make_trainer

LEAST = 0.45
SELVES = 8
TICKS = 120
COMMON = {
    "game": {"tick_limit": TICKS, "limit_value": -0.5},
    "net": {"channels": 16, "blocks": 2},
    "ppo": {"gamma": 0.998, "epochs": 2, "minibatch": 512, "average_decay": 0.995},
    "rollout": {"games": 256, "ticks": 32, "shaping_until": 0.5},
    "evaluation": {"every": -1.0},
    "stages": [
        {
            "boards": [
                {"height": 5, "width": 5, "spawn_distance": [2, 8]},
                {"height": 6, "width": 6, "spawn_distance": [2, 10]},
            ]
        }
    ],
}
RUNS = {
    "self-play": {},
    "league": {
        "league": {
            "main_exploiters": 1,
            "past": 0.5,
            "matchmaking": "hard",
            "every": 0.05,
            "kept": 12,
            "opponents": 64,
        }
    },
}


def main() -> None:
    """Train both, let all past selves meet, report the worst share of the last one."""
    own = argparse.ArgumentParser(add_help=False)
    own.add_argument("--samples", type=int, default=1_000_000, help="of each run")
    own.add_argument("--games", type=int, default=600, help="of each pair and board, even")
    own.add_argument("--seed", type=int, default=1)
    own.add_argument("--runs", nargs="+", choices=list(RUNS), default=list(RUNS))
    own.add_argument("--plot", type=Path, help="picture of the matrices")
    own.add_argument("--results", type=Path, help="JSON file of all payoffs")
    chosen, sys.argv[1:] = own.parse_known_args()
    options = parse_options(__doc__)
    if options.quick:
        chosen.samples, chosen.games = chosen.samples // 50, 20
    found, finished = {}, []
    for name in chosen.runs:
        config = from_dict({**COMMON, **RUNS[name], "samples": chosen.samples, "seed": chosen.seed})
        selves = past_selves(config)
        found[name] = payoffs(config, selves, chosen.games, chosen.seed)
        tell(options, name, found[name])
        finished.append(selves[-1])
    if len(finished) == 2:
        across = payoffs(config, finished, chosen.games, chosen.seed)
        rows = [across[each][1][0] for each in ("score", "low", "high")]
        report(options, f"league/{chosen.runs[1]}/finished", rows, f"vs the finished {chosen.runs[0]}")
    if chosen.results:
        chosen.results.write_text(json.dumps(found))
    if chosen.plot:
        draw(found, chosen.plot)


def past_selves(config: TrainConfig) -> list[NetworkPolicy]:
    """The agent after each of `SELVES` equal parts of a run, the last one the finished agent."""
    trainer = make_trainer(config)
    selves: list[NetworkPolicy] = []
    try:
        while trainer.progress < 1:
            trainer.iterate(time.monotonic, lambda what, share: None)
            if trainer.progress * SELVES >= len(selves) + 1:
                agent = trainer.agent(1.0)
                agent.name = f"{trainer.samples / 1e6:.2f} M"
                selves.append(agent)
    finally:
        trainer.close()
    return selves


def payoffs(config: TrainConfig, selves: list[NetworkPolicy], games: int, seed: int) -> dict:
    """Shares of points of row against column with 95 % intervals, over all boards; NaN on the diagonal."""
    boards = [make_board_game(config.game, board) for board in config.stages[0].boards]
    size = len(selves)

    def meet(pair: tuple[int, int]) -> BoardResult:
        one, two = (selves[place] for place in pair)
        counts = np.zeros(5, np.int64)
        for game in boards:
            match = play_match(
                game, [one, two], num_games=games, seed=seed + 1000, tick_limit=TICKS, threads=1
            )
            assert match.paired is not None
            counts += match.paired[0]
        return BoardResult(one.name, two.name, tuple(counts.tolist()))

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    pairs = list(combinations(range(size), 2))
    with ThreadPoolExecutor(2) as executor:
        results = list(executor.map(meet, pairs))
    torch.set_num_threads(threads)
    score, low, high = (np.full((size, size), np.nan) for _ in range(3))
    for (one, two), result in zip(pairs, results, strict=True):
        score[one, two] = result.points / result.games
        low[one, two], high[one, two] = result.interval()
        score[two, one] = 1 - score[one, two]
        low[two, one], high[two, one] = 1 - high[one, two], 1 - low[one, two]
    return {
        "names": [each.name for each in selves],
        "games": games * len(boards),
        "score": score.tolist(),
        "low": low.tolist(),
        "high": high.tolist(),
    }


def tell(options: Options, name: str, found: dict) -> None:
    """The last agent's worst result against a past self, and how often anybody loses to an earlier one."""
    score = np.array(found["score"])
    worst = int(np.argmin(score[-1, :-1]))
    low, high = found["low"][-1][worst], found["high"][-1][worst]
    report(
        options,
        f"league/{name}/worst",
        [score[-1, worst], low, high],
        f"vs {found['names'][worst]}",
        target=f"{LEAST} or more",
    )
    later = np.tril(np.ones_like(score, bool), -1)
    report(
        options, f"league/{name}/regressions", [float((score[later] < 0.5).sum())], f"of {later.sum()} pairs"
    )


def draw(found: dict[str, dict], path: Path) -> None:
    """Each run's payoffs as a heat map, row against column."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    size = (6 * len(found), 5.2)
    figure, panels = plt.subplots(1, len(found), figsize=size, layout="constrained", squeeze=False)
    for axes, (name, each) in zip(panels[0], found.items(), strict=True):
        score = np.array(each["score"])
        image = axes.imshow(score, cmap="PuOr", vmin=0, vmax=1)
        for row, column in np.argwhere(~np.isnan(score)):
            share = score[row, column]
            colour = "white" if abs(share - 0.5) > 0.35 else "black"
            axes.text(column, row, f"{100 * share:.0f}", ha="center", va="center", color=colour, fontsize=9)
        axes.set_xticks(range(len(score)), each["names"], rotation=45)
        axes.set_yticks(range(len(score)), each["names"])
        axes.set(title=name, xlabel="against the agent after so many samples")
    panels[0, 0].set_ylabel("agent after so many samples")
    figure.colorbar(image, ax=panels, label="share of points", shrink=0.8)
    figure.savefig(path, dpi=110)


if __name__ == "__main__":
    main()
