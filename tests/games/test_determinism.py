"""Random games of Generals end in the same bytes whoever computes them (TRAPS 5).

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

from strategos.games.generals.game import Generals

SLOW_TICKS = int(os.environ.get("STRATEGOS_TWIN_TICKS", "500"))


def play(game: Generals, states: np.ndarray, memories: np.ndarray, ticks: int, stepwise: bool) -> bytes:
    """Play a slice of a batch at random; a hash of everything that came out."""
    views = np.zeros(memories.shape, game.view_dtype)
    masks = np.zeros((*memories.shape, game.spec.mask_bytes), np.uint8)
    actions = np.zeros(memories.shape, np.int32)
    illegal = np.zeros(memories.shape, np.uint8)
    digest = hashlib.sha256()
    for tick in range(ticks):
        if tick % 50 == 0:
            for row in np.flatnonzero(game.over(states)):
                game.reset(states[row : row + 1], states["key"][row : row + 1] + tick)
        if stepwise:
            game.view(states, views)
            game.legal(states, masks)
            game.remember(views, memories)
            game.random_actions(states, actions)
            game.step(states, actions, illegal)
        else:
            game.observe(states, views, masks, memories)
            game.play_randomly(states, actions, illegal)
        if tick % 100 == 0 or tick == ticks - 1:
            for part in (states, views, masks, memories):
                digest.update(part.tobytes())
    return digest.digest()


def digest(ticks: int, threads: int = 1, stepwise: bool = False, games: int = 20) -> str:
    """A hash of `ticks` ticks, half of them of four players in teams, half of `competition`."""
    whole = hashlib.sha256()
    for rules, teams in (("generalsio", (0, 0, 1, 1)), ("competition", (0, 1))):
        game = Generals(6, 7, len(teams), ruleset=rules, teams=teams, min_height=5, min_width=5)
        states = np.zeros(games, game.state_dtype)
        game.reset(states, np.arange(games) + 7)
        memories = np.zeros((games, len(teams)), game.memory_dtype)
        with ThreadPoolExecutor(threads) as pool:
            # Slices of five games, so that a hash of slices does not depend on the threads.
            jobs = [
                pool.submit(
                    play, game, states[at : at + 5], memories[at : at + 5], ticks // games // 2, stepwise
                )
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


def test_one_thread_or_many_in_one_pass_or_step_by_step() -> None:
    once = digest(100_000)
    assert digest(100_000, threads=4) == once
    assert digest(100_000, stepwise=True) == once
    assert digest(99_000) != once


@pytest.mark.timeout(0)
def test_plain_python_plays_the_same_games() -> None:
    code = "import test_determinism as test; print(test.digest({}, games=5), test.numba.config.DISABLE_JIT)"
    assert elsewhere(code.format(SLOW_TICKS), NUMBA_DISABLE_JIT="1") == f"{digest(SLOW_TICKS, games=5)} 1"


OUT_OF_BOUNDS = """
import numba, numpy
@numba.njit
def peek(array, index):
    return array[index]
try:
    peek(numpy.zeros(3), 5)
except IndexError:
    import test_determinism
    print(test_determinism.digest(100_000))
"""


@pytest.mark.timeout(0)
def test_no_kernel_reaches_beyond_its_arrays(tmp_path: Path) -> None:
    # Numba's cache does not tell checked code from unchecked: this one needs a cache of its own.
    cache = Path(numba.config.CACHE_DIR or tmp_path) / "bounds"
    assert elsewhere(OUT_OF_BOUNDS, NUMBA_BOUNDSCHECK="1", NUMBA_CACHE_DIR=str(cache)) == digest(100_000)
