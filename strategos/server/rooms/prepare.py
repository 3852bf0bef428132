"""Compiles the kernels of a new kind of board in a child process: no room of another kind waits for it.

A kernel is compiled for each layout of records, which takes ten seconds and holds the interpreter. The child
leaves the machine code in the cache on disk; the server then loads it from there, on a thread.
"""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import hashlib
import json
import os
import signal
import sys
from pathlib import Path

import numba
import numpy as np

from strategos.games import make_game
from strategos.games.spec import LEAVE, Game, LeavableGame
from strategos.play.bots import BOTS, SCRIPTED
from strategos.server.rooms.kinds import SUBSTITUTES, layout_of
from strategos.server.rooms.pools import Pool
from strategos.server.rooms.whole_board import whole_board

LIMIT_S = 300.0
_NICE = 2
_PR_SET_PDEATHSIG = 1
_ready: dict[str, Game] = {}
"""Layouts whose kernels this process has, and the first game of each."""


def is_ready(game: Game) -> bool:
    """Whether games of this layout can be played without compiling anything."""
    return layout_of(game) in _ready


def ready_games() -> list[Game]:
    """A game of each layout that is ready."""
    return list(_ready.values())


async def prepare(game: Game) -> str:
    """Make `game` playable without a pause; the answer says what went wrong in the child, "" for nothing.

    Cancelled, it leaves no child behind.
    """
    if is_ready(game):
        return ""
    note = _cache_note(game)
    problem = ""
    if note is None or not note.exists():
        problem = await _in_a_child(game)
        if note is not None and not problem:
            with contextlib.suppress(OSError):
                note.touch()
    warming = asyncio.ensure_future(asyncio.to_thread(warm, game))
    try:
        await asyncio.shield(warming)
    except asyncio.CancelledError:  # a thread cannot be stopped: who is next waits for its end
        await asyncio.wait([warming])
        raise
    _ready[layout_of(game)] = game
    return problem


def warm(game: Game) -> None:
    """Run everything once that a room of `game` runs: its rules, its views and its bots."""
    pool = Pool(game)
    row = pool.take()
    pool.begin(row, 0)
    whole_board(game, pool.states[row : row + 1])
    bots = {*SCRIPTED.get(game.spec.name, ()), SUBSTITUTES.get(game.spec.name, "random")}
    rng = np.random.default_rng(0)
    for bot in sorted(bots):
        BOTS[bot]().act(*pool.seen([row], [0]), rng)
    actions = np.zeros((1, pool.seats), np.int32)
    pool.step([row], actions)
    if isinstance(game, LeavableGame):
        actions[0, 0] = LEAVE
        pool.step([row], actions)
    pool.places(row, pool.returns(row))
    pool.hash(row)


def _cache_note(game: Game) -> Path | None:
    """What is left beside the kernels of a layout when all of them are in the cache: no child is needed then.

    A cache that loses some of them costs a pause. None where there is no folder of kernels.
    """
    folder = numba.config.CACHE_DIR  # type: ignore[attr-defined]
    name = hashlib.sha256(layout_of(game).encode()).hexdigest()[:16]
    return Path(folder) / f"{name}.all" if folder else None


async def _in_a_child(game: Game) -> str:
    """Compile in a process of its own; what went wrong there, "" for nothing."""
    if numba.config.DISABLE_JIT:  # type: ignore[attr-defined]
        return ""
    wanted = json.dumps({"game": game.spec.name, "options": game.options})
    child = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "strategos.server.rooms.prepare",
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    try:
        _, said = await asyncio.wait_for(child.communicate(wanted.encode()), LIMIT_S)
    except (TimeoutError, asyncio.CancelledError) as error:
        child.kill()
        await child.wait()
        if isinstance(error, asyncio.CancelledError):
            raise
        return f"the kernels were not compiled within {LIMIT_S:.0f} s"
    return "" if child.returncode == 0 else said.decode(errors="replace").strip()[-300:]


def _end_with_parent() -> None:
    """A server that is killed leaves no compiler behind; where there is no such call, it ends by itself."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def _main() -> None:
    _end_with_parent()
    os.nice(_NICE)
    wanted = json.load(sys.stdin)
    options = wanted["options"].items()
    chosen = {key: tuple(value) if isinstance(value, list) else value for key, value in options}
    warm(make_game(wanted["game"], **chosen))


if __name__ == "__main__":
    _main()
