"""You against a bot or an agent at Generals in the terminal, with fog.

The game waits for you: each tick is one move of yours.
"""

from __future__ import annotations

import sys
from argparse import Namespace
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from strategos.commands.arguments import InputError

if TYPE_CHECKING:
    import numpy as np

    from strategos.games.generals.game import Generals
    from strategos.play.policy import Policy

HELP = "arrows: march   wasd: move the cursor   space: wait   h: half   g: home   q: quit"
DIRECTIONS = ("up", "down", "left", "right")
_KEYS = {f"\x1b{kind}{letter}": way for kind in "[O" for way, letter in enumerate("ABDC")}
_CURSOR_KEYS = {"w": 0, "s": 1, "a": 2, "d": 3}
_STEPS = ((-1, 0), (1, 0), (0, -1), (0, 1))
_DEFAULT_SIZE = (10, 10)


def sit_down(options: Namespace, opponent: Policy, seed: int) -> Table:
    """A table for what the command line says; `ValueError` for a board that cannot be."""
    from strategos.games.generals.game import Generals

    height, width = options.size or _DEFAULT_SIZE
    game = Generals(height, width, options.players or 2, ruleset=options.ruleset or "generalsio")
    return Table(game, opponent, seed, options.ticks or 2000)


class Table:
    """One game in which you have the first seat and `opponent` all others."""

    def __init__(self, game: Generals, opponent: Policy, seed: int, tick_limit: int) -> None:
        import numpy as np

        from strategos.engine.batch import Batch

        self.game, self.opponent, self.seed = game, opponent, seed
        self.random = np.random.default_rng(seed)
        self.batch = Batch(game, 1, seed=seed, threads=1, tick_limit=tick_limit)
        self.batch.reset(seeds=np.array([seed], np.int64))
        self.names = ["you"] + [self.opponent.name] * (game.players - 1)

    @property
    def view(self) -> np.record:
        """What you see."""
        return self.batch.observation.views[0, 0]

    @property
    def memory(self) -> np.record:
        """What you have seen."""
        return self.batch.observation.memories[0, 0]

    @property
    def over(self) -> bool:
        """You are out, or the game has ended."""
        return bool(self.batch.terminated[0] or self.batch.truncated[0] or self.view["alive"][0] != 1)

    def legal(self, action: int) -> bool:
        """Whether you may play `action` now."""
        from strategos.games.masks import is_set

        return bool(is_set(self.batch.observation.masks[0, 0], action))

    def step(self, action: int) -> None:
        """Play `action` and the opponents' answers."""
        import numpy as np

        seen = self.batch.observation
        actions = np.full((1, self.game.players), action, np.int32)
        for seat in range(1, self.game.players):
            views, masks, memories = seen.views[:, seat], seen.masks[:, seat], seen.memories[:, seat]
            actions[:, seat] = self.opponent.act(views, masks, memories, self.random)
        self.batch.step(actions)

    def try_out(self) -> None:
        """One tick at this table, for whether the opponent can play here at all."""
        self.step(self.game.pass_action)

    def home(self) -> int:
        """The tile of your general, or any tile of yours."""
        import numpy as np

        from strategos.games.generals.record import GENERAL

        mine = self.view["owner"] == 0
        generals = np.flatnonzero(mine & (self.view["terrain"] == GENERAL))
        tiles = generals if len(generals) else np.flatnonzero(mine)
        return int(tiles[0]) if len(tiles) else 0

    def outcome(self) -> str:
        """How it stands or ended, in one line, with the way to play this board again."""
        winner = int(self.batch.states["winner"][0])
        again = f"(board {self.seed}: --seed {self.seed})"
        if self.batch.terminated[0] and winner == int(self.game.teams[0]):
            return f"You win after {int(self.view['tick'])} ticks. {again}"
        if self.view["alive"][0] != 1 or (self.batch.terminated[0] and winner >= 0):
            return f"You lose after {int(self.view['tick'])} ticks. {again}"
        if self.batch.terminated[0] or self.batch.truncated[0]:
            return f"A draw after {int(self.view['tick'])} ticks. {again}"
        return f"You left at tick {int(self.view['tick'])}. {again}"


def play_plain(table: Table) -> None:
    """Read one move a line from the standard input, until the game or the input ends."""
    from strategos.games.generals.notation import format_view

    print("One move a line: ROW COLUMN up|down|left|right [half], counted from 0; empty to wait, q to quit.")
    while not table.over:
        print(f"\n{format_view(table.view)}\n> ", end="", flush=True)
        line = sys.stdin.readline()
        if not line or line.strip() in ("q", "quit"):
            return
        try:
            action = parse_move(line, table)
        except InputError as mistake:
            print(mistake)
            continue
        table.step(action)


def parse_move(line: str, table: Table) -> int:
    """The action of `ROW COLUMN DIRECTION [half]`; an empty line waits. `InputError` for anything else."""
    words = line.replace(",", " ").split()
    if not words or words == ["pass"]:
        return table.game.pass_action
    half = words[-1] in ("half", "h")
    direction = [name for name in DIRECTIONS if len(words) > 2 and name.startswith(words[2].lower())]
    if len(words) != 3 + half or not (words[0].isdigit() and words[1].isdigit()) or not direction:
        raise InputError(f"{line.strip()!r} is not a move such as '3 4 up' or '3 4 up half'")
    row, column = int(words[0]), int(words[1])
    if row >= table.view["height"] or column >= table.view["width"]:
        raise InputError(f"{row} {column} is not on the board")
    cell = row * int(table.view["stride"]) + column
    action = cell * 8 + DIRECTIONS.index(direction[0]) * 2 + half
    if not table.legal(action):
        raise InputError(f"from {row} {column} no army of yours can go {direction[0]}")
    return action


def play_on_screen(table: Table) -> None:
    """Play with the arrow keys on a screen of its own."""
    from rich.console import Console, Group
    from rich.live import Live
    from rich.text import Text

    from strategos.commands.board import TILE_COLUMNS, board_text, scoreboard_text

    console = Console()
    needed = int(table.view["width"]) * TILE_COLUMNS
    if console.width < needed:
        raise InputError(f"the terminal has {console.width} columns, this board needs {needed}; use --size")
    cursor, half, message = table.home(), False, ""

    def screen() -> Group:
        turn = f"tick {int(table.view['tick'])}   {'half armies' if half else 'whole armies'}   {message}"
        return Group(
            scoreboard_text(table.view, table.names),
            board_text(table.view, memory=table.memory, cursor=cursor, marks="()" if half else "[]"),
            Text(turn, style="bold"),
            Text(HELP, style="dim"),
        )

    with _raw_keys() as keys, Live(screen(), console=console, auto_refresh=False, screen=True) as live:
        for key in keys:
            message = ""
            if key == "q":
                break
            if key == "h":
                half = not half
            elif key == "g":
                cursor = table.home()
            elif key in _CURSOR_KEYS:
                cursor = _beside(table, cursor, _CURSOR_KEYS[key])
            elif key in _KEYS:
                action = cursor * 8 + _KEYS[key] * 2 + half
                target = _beside(table, cursor, _KEYS[key])
                if target != cursor and table.legal(action):
                    table.step(action)
                    cursor, half = target, False
                else:
                    message = "no army can go there"
            elif key == " ":
                table.step(table.game.pass_action)
            live.update(screen(), refresh=True)
            if table.over:
                break
    console.print(screen())


def _beside(table: Table, cell: int, direction: int) -> int:
    """The tile next to `cell`, or `cell` itself at the edge."""
    stride = int(table.view["stride"])
    row, column = cell // stride + _STEPS[direction][0], cell % stride + _STEPS[direction][1]
    inside = 0 <= row < table.view["height"] and 0 <= column < table.view["width"]
    return row * stride + column if inside else cell


@contextmanager
def _raw_keys() -> Iterator[Iterator[str]]:
    """Keys as they are pressed; the terminal is itself again afterwards."""
    import os
    import termios
    import tty

    stream = sys.stdin.fileno()
    before = termios.tcgetattr(stream)

    def keys() -> Iterator[str]:
        while True:
            pressed = os.read(stream, 16).decode("utf-8", "replace")
            if not pressed or pressed == "\x04":
                return
            yield pressed if pressed.startswith("\x1b") else pressed[0].lower()

    tty.setcbreak(stream)
    try:
        yield keys()
    finally:
        termios.tcsetattr(stream, termios.TCSADRAIN, before)
