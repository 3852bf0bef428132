"""The engine beside a published simulator of the same game, in the same run, on one thread.

    python bench/peers.py [--json] [--quick]

Peer: `generals-bots` 2.5.0 (NumPy, one game an object), installed beside Strategos by
`pip install --no-deps generals-bots==2.5.0 pygame`. Both play 20x20 boards of two players with random
legal moves, in turns; a game-step is one tick with both players' observations made. The peer's random
move costs its own mask function and one draw. Seconds of the processor count, not of the clock on the
wall: what else the machine does costs both nothing.
"""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Callable

import numpy as np
from measurement import parse_options, rates_in_turns, report

from strategos.engine import Batch
from strategos.games import make_game

SIDE = 20
PEER = "peer/generals-bots"


def ours(num_games: int) -> Callable[[], float]:
    """Game-steps of a batch of `num_games`, views, masks and memories written, one thread."""
    game = make_game("generals", height=SIDE, width=SIDE)
    batch = Batch(game, num_games, seed=1, threads=1, tick_limit=1000, autoreset="same_step")
    batch.reset()
    batch.step_randomly(20)
    ticks = max(5, 2000 // num_games)

    def play() -> float:
        batch.step_randomly(ticks)
        return ticks * num_games

    return play


def peers() -> Callable[[], float]:
    """Game-steps of the peer's PettingZoo environment."""
    from generals.core.action import Action, compute_valid_move_mask
    from generals.core.grid import GridFactory
    from generals.envs import PettingZooGenerals

    rng = np.random.default_rng(0)
    sides = (SIDE, SIDE)
    factory = GridFactory(mode="generalsio", min_grid_dims=sides, max_grid_dims=sides, seed=0)
    env = PettingZooGenerals(agents=["a", "b"], grid_factory=factory, truncation=1000)
    seen, _ = env.reset(seed=0)
    ticks = 20

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
            if terminated or truncated:  # of the whole game, not of each agent
                seen, _ = env.reset()
        return ticks

    return play


def main() -> None:
    options = parse_options(__doc__)
    try:
        works = {PEER: peers()}
    except ImportError as error:
        sys.exit(f"{error}; install the peer: pip install --no-deps generals-bots==2.5.0 pygame")
    works |= {f"peer/strategos x{num_games}": ours(num_games) for num_games in (1, 1024)}
    measured = rates_in_turns(works, 10 if options.quick else 60, time.process_time)
    peer = measured.pop(PEER)
    report(options, PEER, peer, "game-steps/s")
    for name, values in measured.items():
        ratio = statistics.median(values) / statistics.median(peer)
        report(options, name, values, "game-steps/s", peer="generals-bots", ratio=ratio)


if __name__ == "__main__":
    main()
