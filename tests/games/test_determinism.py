"""Random games end in the same bytes whoever computes them (TRAPS 5).

One thread or many, compiled, compiled with bounds checks, or plain Python; in one pass or step by
step. `STRATEGOS_TWIN_TICKS=100000` makes plain Python play that many ticks too.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numba
import numpy as np
import pytest

from strategos.games import GAMES, make_game

SLOW_TICKS = int(os.environ.get("STRATEGOS_TWIN_TICKS", "1500"))
OPTIONS: dict[str, list[dict]] = {
    "generals": [
        {"height": 6, "width": 7, "min_height": 5, "min_width": 5, "players": 4, "teams": (0, 0, 1, 1)},
        {"height": 6, "width": 7, "min_height": 5, "min_width": 5, "ruleset": "competition"},
    ],
    "blob": [
        {"players": 3, "cards": 3, "rounds": "all"},
        {"players": 4, "cards": 13},
        {"players": 5, "cards": 8, "min_cards": 1, "turned_up": True},
        {"players": 8, "cards": 6, "scoring": "tricks_plus_bonus"},
    ],
}


def play(game, states: np.ndarray, ticks: int, stepwise: bool) -> bytes:
    """Play a slice of a batch at random; a hash of everything that came out."""
    seats = (len(states), game.spec.num_players)
    views, memories = np.zeros(seats, game.view_dtype), np.zeros(seats, game.memory_dtype)
    masks = np.zeros((*seats, game.spec.mask_bytes), np.uint8)
    actions, illegal = np.zeros(seats, np.int32), np.zeros(seats, np.uint8)
    returns = np.zeros(seats, np.float32)
    digest = hashlib.sha256()
    for tick in range(ticks):
        if stepwise:
            game.view(states, views)
            game.legal(states, masks)
            game.remember(views, memories)
            game.random_actions(states, actions)
            game.step(states, actions, illegal)
        else:
            game.observe(states, views, masks, memories)
            game.play_randomly(states, actions, illegal)
        game.returns(states, returns)
        if tick % 7 == 0 or tick == ticks - 1:
            for part in (states, views, masks, memories, actions, illegal, returns):
                digest.update(part.tobytes())
        ended = game.over(states)
        if ended.any():
            fresh = states[ended]
            game.reset(fresh, fresh["key"] + tick)
            states[ended] = fresh
    return digest.digest()


def digest(name: str, ticks: int, threads: int = 1, stepwise: bool = False, games: int = 20) -> str:
    """A hash of `ticks` ticks, spread over the options of this game."""
    whole = hashlib.sha256()
    kinds = OPTIONS.get(name, [{}])
    for options in kinds:
        game = make_game(name, **options)
        states = np.zeros(games, game.state_dtype)
        game.reset(states, np.arange(games) + 7)
        with ThreadPoolExecutor(threads) as pool:
            # Slices of five games, so that a hash of slices does not depend on the threads.
            jobs = [
                pool.submit(play, game, states[at : at + 5], ticks // games // len(kinds), stepwise)
                for at in range(0, games, 5)
            ]
            for job in jobs:
                whole.update(job.result())
    return whole.hexdigest()


def elsewhere(code: str, **environment: str) -> str:
    """What a fresh interpreter prints; a new one, because Numba reads its settings once."""
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=Path(__file__).parent,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout.strip()


@pytest.mark.parametrize("name", GAMES)
def test_one_thread_or_many_in_one_pass_or_step_by_step(name: str) -> None:
    once = digest(name, 100_000)
    assert digest(name, 100_000, threads=4) == once
    assert digest(name, 100_000, stepwise=True) == once
    assert digest(name, 99_000) != once


@pytest.mark.timeout(0)
@pytest.mark.parametrize("name", GAMES)
def test_plain_python_plays_the_same_games(name: str) -> None:
    code = (
        "import test_determinism as test;"
        f"print(test.digest({name!r}, {SLOW_TICKS}, games=5), test.numba.config.DISABLE_JIT)"
    )
    overflows = "error::RuntimeWarning"  # small integers of a record that overflow unnoticed in a kernel
    found = elsewhere(code, NUMBA_DISABLE_JIT="1", PYTHONWARNINGS=overflows)
    assert found == f"{digest(name, SLOW_TICKS, games=5)} 1"


OUT_OF_BOUNDS = """
import numba, numpy
@numba.njit
def peek(array, index):
    return array[index]
try:
    peek(numpy.zeros(3), 5)
except IndexError:
    import test_determinism
    for name in test_determinism.GAMES:
        print(name, test_determinism.digest(name, 100_000))
"""


@pytest.mark.timeout(0)
def test_no_kernel_reaches_beyond_its_arrays(tmp_path: Path) -> None:
    # Numba's cache does not tell checked code from unchecked: this one needs a cache of its own.
    cache = Path(numba.config.CACHE_DIR or tmp_path) / "bounds"
    found = elsewhere(OUT_OF_BOUNDS, NUMBA_BOUNDSCHECK="1", NUMBA_CACHE_DIR=str(cache))
    assert found.splitlines() == [f"{name} {digest(name, 100_000)}" for name in GAMES]
