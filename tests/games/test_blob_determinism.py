"""Random games of Blob end in the same bytes whoever computes them (TRAPS 5).

One thread or many, in one pass or step by step, compiled, compiled with bounds checks, or plain Python.
`STRATEGOS_TWIN_TICKS=100000` makes plain Python play that many ticks too.
"""

from __future__ import annotations

import hashlib
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numba
import numpy as np
import pytest
from test_determinism import OUT_OF_BOUNDS, elsewhere

from strategos.games.blob import Blob

SLOW_TICKS = int(os.environ.get("STRATEGOS_TWIN_TICKS", "500"))
KINDS: tuple[dict, ...] = (
    {"players": 3, "cards": 3, "rounds": "all"},
    {"players": 4, "cards": 13},
    {"players": 5, "cards": 8, "min_cards": 1, "turned_up": True},
    {"players": 8, "cards": 6, "scoring": "tricks_plus_bonus"},
)


def play(game: Blob, states: np.ndarray, ticks: int, stepwise: bool) -> bytes:
    """Play a slice of a batch at random; a hash of everything that came out."""
    seats = (len(states), game.players)
    views, memories = np.zeros(seats, game.view_dtype), np.zeros((0, game.players), game.memory_dtype)
    masks = np.zeros((*seats, game.spec.mask_bytes), np.uint8)
    actions, illegal = np.zeros(seats, np.int32), np.zeros(seats, np.uint8)
    returns = np.zeros(seats, np.float32)
    digest = hashlib.sha256()
    for tick in range(ticks):
        if stepwise:
            game.view(states, views)
            game.legal(states, masks)
            game.random_actions(states, actions)
            game.step(states, actions, illegal)
        else:
            game.observe(states, views, masks, memories)
            game.play_randomly(states, actions, illegal)
        game.returns(states, returns)
        for part in (states, views, masks, actions, returns):
            digest.update(part.tobytes())
        for row in np.flatnonzero(game.over(states)):
            game.reset(states[row : row + 1], states["key"][row : row + 1] + tick)
    return digest.digest()


def digest(ticks: int, threads: int = 1, stepwise: bool = False, games: int = 20) -> str:
    """A hash of `ticks` ticks, spread over `KINDS`."""
    whole = hashlib.sha256()
    for options in KINDS:
        game = Blob(**options)
        states = np.zeros(games, game.state_dtype)
        game.reset(states, np.arange(games) + 7)
        with ThreadPoolExecutor(threads) as pool:
            # Slices of five games, so that a hash of slices does not depend on the threads.
            jobs = [
                pool.submit(play, game, states[at : at + 5], ticks // games // len(KINDS), stepwise)
                for at in range(0, games, 5)
            ]
            for job in jobs:
                whole.update(job.result())
    return whole.hexdigest()


def test_one_thread_or_many_in_one_pass_or_step_by_step() -> None:
    once = digest(100_000)
    assert digest(100_000, threads=4) == once
    assert digest(100_000, stepwise=True) == once
    assert digest(99_000) != once


@pytest.mark.timeout(0)
def test_plain_python_plays_the_same_games() -> None:
    code = (
        "import test_blob_determinism as test; print(test.digest({}, games=5), test.numba.config.DISABLE_JIT)"
    )
    overflows = "error::RuntimeWarning"  # small integers of a record that overflow unnoticed in a kernel
    found = elsewhere(code.format(SLOW_TICKS), NUMBA_DISABLE_JIT="1", PYTHONWARNINGS=overflows)
    assert found == f"{digest(SLOW_TICKS, games=5)} 1"


@pytest.mark.timeout(0)
def test_no_kernel_reaches_beyond_its_arrays(tmp_path: Path) -> None:
    # Numba's cache does not tell checked code from unchecked: this one needs a cache of its own.
    cache = Path(numba.config.CACHE_DIR or tmp_path) / "bounds"
    code = OUT_OF_BOUNDS.replace("test_determinism", "test_blob_determinism")
    assert elsewhere(code, NUMBA_BOUNDSCHECK="1", NUMBA_CACHE_DIR=str(cache)) == digest(100_000)
