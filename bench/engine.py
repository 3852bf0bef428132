"""The engine: game-steps a second, time of a reset, of a step from Python, of the first compile.

    python bench/engine.py [--json] [--quick]

A game-step is one tick, a move of every player. Random legal moves are drawn inside the measured
loop, and finished games begin anew inside it. `views/...` also writes every player's fogged view and
legal mask; in `call/...` actions pass through Python, two calls a tick. Memories are left out.
`bench/scaling.py` draws how the figures grow with games and threads.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial

import numpy as np
from measurement import Options, parse_options, rates, rates_in_turns, report

from strategos.engine import Batch
from strategos.games import make_game

GAMES = 1024
TICKS = 40
"""Of one measurement: 5 to 20 ms, many of which fit between what else the machine does."""
BOARDS = (
    # name, side, players, targets in million game-steps/s for rules and for views
    ("20x20", 20, 2, "8 M", "2.5 M"),
    ("10x10", 10, 2, "9 M", "4 M"),
    ("30x30/8p", 30, 8, "", ""),
)
FRESH_START = (
    "import time; begin = time.perf_counter();"
    "from strategos.games import make_game; from strategos.engine import Batch;"
    "batch = Batch(make_game('generals', height=20, width=20), 64, seed=1);"
    "batch.reset(); batch.step_randomly();"
    "print(time.perf_counter() - begin)"
)


def measure_steps(options: Options) -> None:
    """`rules/...`, `views/...` and `call/...` of every board, in turns, so that no busy second decides."""
    works: dict[str, Callable[[], float]] = {}
    targets: dict[str, str] = {}
    # The boards without a target, and actions through Python, would compile for longer than --quick takes.
    for name, side, players, rules_target, views_target in BOARDS[:2] if options.quick else BOARDS:
        game = make_game("generals", height=side, width=side, players=players)
        batch = Batch(game, GAMES, seed=1, tick_limit=1000, autoreset="same_step", memory=False)
        batch.reset()
        batch.step_randomly()  # compiles
        batch.step_randomly(300, observe=False)  # leaves the openings behind
        works[f"rules/{name}"] = partial(_play, batch, False)
        works[f"views/{name}"] = partial(_play, batch, True)
        targets |= {f"rules/{name}": rules_target, f"views/{name}": views_target}
        if not options.quick:
            works[f"call/{name}"] = partial(_call, batch, np.zeros((GAMES, players), np.int32))
        report(options, f"memory/{name}", [game.state_dtype.itemsize], "bytes a game")
        views = players * (game.view_dtype.itemsize + game.spec.mask_bytes)
        report(options, f"observation/{name}", [views], "bytes a game")
        report(options, f"remembered/{name}", [players * game.memory_dtype.itemsize], "bytes a game")
    measured = rates_in_turns(works, seconds=8 if options.quick else 60)
    for name, values in measured.items():
        report(options, name, values, "M game-steps/s", target=targets.get(name, ""))


def _play(batch: Batch, observe: bool) -> float:
    batch.step_randomly(TICKS, observe)
    return TICKS * GAMES / 1e6


def _call(batch: Batch, actions: np.ndarray) -> float:
    for _ in range(TICKS):
        batch.random_actions(actions)
        batch.step(actions)
    return TICKS * GAMES / 1e6


def measure_reset(options: Options) -> None:
    """`reset/20x20`: a new game on a fair board, on one thread."""
    game = make_game("generals", height=20, width=20)
    states = np.zeros(256, game.state_dtype)
    seeds = np.arange(256, dtype=np.int64)
    game.reset(states, seeds)

    def reset() -> float:
        nonlocal seeds
        seeds = seeds + 256
        game.reset(states, seeds)
        return 256

    values = [1e6 / rate for rate in rates(reset, 7 if options.quick else 31)]
    report(options, "reset/20x20", values, "us", target="under 100")


def measure_single_step(options: Options) -> None:
    """`step/python`: one game, one tick, one call."""
    game = make_game("generals", height=20, width=20)
    states = np.zeros(1, game.state_dtype)
    actions = np.zeros((1, 2), np.int32)
    illegal = np.zeros((1, 2), np.uint8)
    game.reset(states, np.zeros(1, np.int64))
    game.random_actions(states, actions)
    game.step(states, actions, illegal)

    def steps() -> float:
        for _ in range(2000):
            game.step(states, actions, illegal)
        return 2000

    values = [1e6 / rate for rate in rates(steps, 7 if options.quick else 31)]
    report(options, "step/python", values, "us", target="under 10")


def measure_starts(options: Options) -> None:
    """`compile/first` with an empty cache, `compile/later` with a full one: import to first step."""
    with tempfile.TemporaryDirectory() as cache:
        environment = {"NUMBA_CACHE_DIR": cache}
        first = [_fresh_start(environment)]
        later = [_fresh_start(environment) for _ in range(1 if options.quick else 5)]
    report(options, "compile/first", first, "s", target="under 20")
    report(options, "compile/later", later, "s", target="under 1")


def _fresh_start(environment: dict[str, str]) -> float:
    begin = time.perf_counter()
    command = [sys.executable, "-c", FRESH_START]
    subprocess.run(command, check=True, env={**os.environ, **environment}, stdout=subprocess.DEVNULL)
    return time.perf_counter() - begin


def main() -> None:
    options = parse_options(__doc__)
    measure_steps(options)
    measure_reset(options)
    measure_single_step(options)
    measure_starts(options)


if __name__ == "__main__":
    main()
