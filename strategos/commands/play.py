"""`strategos play`: you against a bot or an agent in the terminal, at the game that it plays.

The game waits for you. Without a terminal (or with `--plain`) it reads one move a line, so that it can
be scripted and read aloud. What a table looks like is the business of `play_generals` and `play_blob`.
"""

from __future__ import annotations

import sys
from contextlib import AbstractContextManager, nullcontext
from importlib import import_module
from typing import TYPE_CHECKING

from strategos.commands.arguments import (
    InputError,
    Parser,
    board_size,
    game_played_by,
    positive,
    reading,
    refuse_options_of_others,
    seed,
)
from strategos.spelling import nearest

if TYPE_CHECKING:
    from rich.status import Status

TABLES = {"generals": "strategos.commands.play_generals", "blob": "strategos.commands.play_blob"}
"""Each game that can be played in a terminal, and the module of its table."""
OPPONENTS = {"generals": "hunter", "blob": "heuristic"}
_OPTIONS = {"generals": ("size", "ruleset", "ticks"), "blob": ("cards", "rounds")}
_RANDOM_SEEDS = 2**31


def run(arguments: list[str]) -> int:
    """Play one game; the exit code is 0 whoever wins."""
    parser = Parser("play", "Play Generals or Blob against a bot or an agent; the screen shows the keys.")
    parser.add_argument("opponent", nargs="?", help="any agent (hunter; blob heuristic)")
    parser.add_argument("--game", metavar="NAME", help="generals or blob (the one the opponent plays)")
    parser.add_argument("--players", type=positive, help="you and your opponents (2; blob 4)")
    parser.add_argument("--size", type=board_size, metavar="N", help="generals: 10 or 8x12 (10)")
    parser.add_argument("--ruleset", help="generals: generalsio, classic, duel or competition")
    parser.add_argument("--ticks", type=positive, help="generals: a draw after so many ticks (2000)")
    parser.add_argument("--cards", type=positive, help="blob: the largest deal (5)")
    parser.add_argument("--rounds", help="blob: one deal, or all of a whole game (one)")
    parser.add_argument("--seed", type=seed, help="the same board or deal again")
    parser.add_argument("--plain", action="store_true", help="text, one move a line")
    options = parser.read(arguments)

    import numpy as np

    from strategos.play.agents import load_policy

    game = options.game or game_played_by(options.opponent)
    if game not in TABLES:
        hint = nearest(game, TABLES, then=f"choose --game {' or '.join(TABLES)}")
        raise InputError(f"no table for {game!r}{hint}")
    refuse_options_of_others(options, game, _OPTIONS, "try --game {}")
    name = options.opponent or OPPONENTS[game]
    with reading():
        opponent = load_policy(name)
    number = options.seed
    if number is None:
        number = int(np.random.default_rng().integers(_RANDOM_SEEDS))
    plain = options.plain or not sys.stdin.isatty() or not sys.stdout.isatty()
    room = import_module(TABLES[game])
    with reading(f"this game of {game} cannot be played"):
        trial = room.sit_down(options, opponent, number)
    waiting: AbstractContextManager[object] = nullcontext() if plain else _waiting()
    with waiting, reading(f"{name} cannot play this game"):
        # At a table of its own: an agent of another game fails here, before anything is shown.
        trial.try_out()
    table = room.sit_down(options, opponent, number)
    if plain:
        room.play_plain(table)
    else:
        room.play_on_screen(table)
    print(table.outcome())
    return 0


def _waiting() -> Status:
    from rich.console import Console

    return Console().status("setting up the table; the first time some code is compiled")
