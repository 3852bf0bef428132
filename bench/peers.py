"""The engine beside a published simulator of the same game, in the same run, on one thread.

    python bench/peers.py [--json] [--quick]

Peer: `generals-bots` 2.5.0 (NumPy, one game an object), installed beside Strategos by
`pip install --no-deps generals-bots==2.5.0 pygame`. Both play 20x20 boards of two players with random
legal moves; a game-step is one tick with both players' observations made. The peer's random move costs
its own mask function and one draw.
"""

from __future__ import annotations

import statistics
import sys

import numpy as np
from measurement import Options, parse_options, rates, report

from strategos.engine import Batch
from strategos.games import make_game

SIDE = 20


def measure_ours(options: Options, num_games: int) -> list[float]:
    """Game-steps/s of a batch of `num_games`, views, masks and memories written, one thread."""
    game = make_game("generals", height=SIDE, width=SIDE)
    batch = Batch(game, num_games, seed=1, threads=1, tick_limit=1000, autoreset="same_step")
    batch.reset()
    batch.step_randomly(20)
    ticks = max(20, (40_000 if options.quick else 200_000) // num_games)

    def play() -> float:
        batch.step_randomly(ticks)
        return ticks * num_games

    return rates(play, 5 if options.quick else 15)


def measure_peer(options: Options) -> list[float]:
    """Game-steps/s of the peer's PettingZoo environment."""
    from generals.core.action import Action, compute_valid_move_mask
    from generals.core.grid import GridFactory
    from generals.envs import PettingZooGenerals

    rng = np.random.default_rng(0)
    sides = (SIDE, SIDE)
    factory = GridFactory(mode="generalsio", min_grid_dims=sides, max_grid_dims=sides, seed=0)
    env = PettingZooGenerals(agents=["a", "b"], grid_factory=factory, truncation=1000)
    seen, _ = env.reset(seed=0)
    ticks = 200 if options.quick else 1000

    def random_move(observation) -> Action:
        legal = np.argwhere(compute_valid_move_mask(observation))
        if not len(legal):
            return Action(to_pass=True)
        row, column, direction = legal[rng.integers(len(legal))]
        return Action(False, row, column, direction, bool(rng.integers(2)))

    def play() -> float:
        nonlocal seen
        for _ in range(ticks):
            seen, _, terminated, truncated, _ = env.step({name: random_move(seen[name]) for name in "ab"})
            if any(terminated.values()) or any(truncated.values()):
                seen, _ = env.reset()
        return ticks

    play()
    return rates(play, 5 if options.quick else 15)


def main() -> None:
    options = parse_options(__doc__)
    try:
        peer = measure_peer(options)
    except ImportError as error:
        sys.exit(f"{error}; install the peer: pip install --no-deps generals-bots==2.5.0 pygame")
    report(options, "peer/generals-bots", peer, "game-steps/s")
    for num_games in (1, 1024):
        ours = measure_ours(options, num_games)
        ratio = statistics.median(ours) / statistics.median(peer)
        report(
            options, f"peer/strategos x{num_games}", ours, "game-steps/s", peer="generals-bots", ratio=ratio
        )


if __name__ == "__main__":
    main()
