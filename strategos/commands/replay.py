"""`strategos replay`: watch a recorded game in the terminal, or write it as a page or a table.

Reads `.gior` and `.gioreplay` of generals.io and the Parquet files of our own games; of a folder of those it
lists the games.
"""

from __future__ import annotations

import argparse
import math
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from strategos.commands.arguments import InputError, Parser, reading, writing
from strategos.spelling import nearest

if TYPE_CHECKING:
    import numpy as np

    from strategos.games.generals.replay_files import Replay


@dataclass
class Game:
    """A recorded game, wherever it came from."""

    title: str
    names: list[str]
    states: Callable[[], Iterator[np.record]]
    data: Callable[[], dict]
    """The data of the browser's player."""
    site: Callable[[], Replay]
    """The game as a replay of the site."""


def run(arguments: list[str]) -> int:
    """Show the game, write what was asked for, or list the games of a folder."""
    parser = Parser("replay", "Watch a recorded game in the terminal, or write it as a page or a table.")
    parser.add_argument(
        "file", type=Path, help="a .gior, a .gioreplay or a .parquet of games; a folder lists them"
    )
    parser.add_argument("--game", type=int, metavar="N", help="which game of a .parquet (0)")
    parser.add_argument("--player", metavar="NAME", help="of a folder: only the games of NAME")
    parser.add_argument("--html", type=Path, metavar="OUT", help="write a page that plays in a browser")
    parser.add_argument("--csv", type=Path, metavar="OUT", help="write a table of every tick")
    parser.add_argument("--gioreplay", type=Path, metavar="OUT", help="write it in the site's format")
    parser.add_argument("--tick", type=int, metavar="T", help="print this position and stop")
    parser.add_argument("--speed", type=float, default=8.0, metavar="S", help="ticks a second (8)")
    options = parser.read(arguments)
    if not 0 < options.speed < math.inf:
        raise InputError(f"replay: --speed must be a number above 0, not {options.speed:g}")
    if options.file.is_dir():
        return _list(options)
    if options.player is not None:
        raise InputError(f"replay: --player is for a folder of recorded games, and {options.file} is none")
    if options.game is not None and options.file.suffix != ".parquet":
        raise InputError(f"replay: --game is for a .parquet of many games, and {options.file} is of one game")
    with reading():
        game = load(options.file, options.game or 0)
    wrote = False
    if options.html:
        from strategos.evaluate.player import replay_page

        with writing(options.html):
            options.html.write_text(replay_page(game.data()), encoding="utf-8")
        wrote = _say(options.html)
    if options.csv:
        from strategos.games.generals.replay import write_table

        with writing(options.csv), open(options.csv, "w", encoding="utf-8", newline="") as file:
            write_table(((int(state["tick"]), state) for state in game.states()), file)
        wrote = _say(options.csv)
    if options.gioreplay:
        from strategos.games.generals.replay_files import write_replay

        with reading():
            site = game.site()
        with writing(options.gioreplay):
            write_replay(site, options.gioreplay)
        wrote = _say(options.gioreplay)
    if not wrote:
        _show(game, options.tick, options.speed)
    return 0


def _list(options: argparse.Namespace) -> int:
    """Print the recorded games of a folder, a line each; the exit code."""
    from strategos.play.record import find_records

    folder, player = options.file, options.player
    for name in ("game", "html", "csv", "gioreplay", "tick"):
        if getattr(options, name) is not None:
            raise InputError(f"replay: --{name} is for one game, and {folder} is a folder; name a file in it")
    with reading():
        found = find_records(folder, player=player)
        if not found:
            known = {name for entry in find_records(folder) for name in entry.players}
            raise InputError(f"replay: no {player!r} plays in {folder}{nearest(player, known)}")
    rows = [("file", "--game", "ticks", "winner", "returns", "players, by seat")]
    for entry in found:
        best = max(entry.returns)
        won = [name for name, made in zip(entry.players, entry.returns, strict=True) if made == best]
        winner = "a draw" if len(won) == len(entry.players) else " and ".join(dict.fromkeys(won))
        returns = " ".join(f"{made:g}" for made in entry.returns)
        rows.append((entry.file, str(entry.row), str(entry.ticks), winner, returns, ", ".join(entry.players)))
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        print("  ".join(f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True)).rstrip())
    return 0


def load(path: Path, number: int = 0) -> Game:
    """The game in `path`; `ValueError` or `OSError` where there is none."""
    if not path.is_file():
        raise InputError(f"{path} does not exist; give a .gior, a .gioreplay or a .parquet of recorded games")
    return _from_site(path) if path.suffix != ".parquet" else _from_records(path, number)


def _from_site(path: Path) -> Game:
    from strategos.evaluate.player import player_data
    from strategos.games.generals.replay import play_replay, verify_replay
    from strategos.games.generals.replay_files import read_replay

    game = read_replay(path)
    names, title = list(game.usernames), path.stem

    def states() -> Iterator[np.record]:
        return (state for _, state in play_replay(game))

    def data() -> dict:
        found = verify_replay(game)
        moves: list[list] = [[] for _ in range(found.ticks)]
        for number, move in enumerate(game.moves):
            if number not in found.refused and move[4] < found.ticks:
                moves[move[4]].append((move[0], move[1], move[2], bool(move[3])))
        winner = f"after {found.ticks} ticks"
        return player_data(states(), names=names, title=title, result=winner, moves=moves)

    return Game(title, names, states, data, lambda: game)


def _from_records(path: Path, number: int) -> Game:
    from strategos.evaluate.report import replay_of_record
    from strategos.games.generals.replay import replay_of_game
    from strategos.play.record import read_records, replay, verify

    records = read_records(path)
    if not 0 <= number < len(records):
        raise ValueError(f"{path}: there is no game {number}; it holds {len(records)}, counted from 0")
    record = records[number]
    if record.game != "generals":
        raise ValueError(f"{path}: game {number} is of {record.game}; only generals can be shown on a board")
    verify(record)
    names = list(record.players)

    def site() -> Replay:
        return replay_of_game(next(replay(record))[0], record.actions, usernames=names, id=path.stem)

    return Game(
        f"{path.stem} game {number}",
        names,
        lambda: (states[0] for states in replay(record)),
        lambda: replay_of_record(record),
        site,
    )


def _say(path: Path) -> bool:
    print(f"wrote {path}")
    return True


def _show(game: Game, tick: int | None, speed: float) -> None:
    from rich.console import Console, Group
    from rich.live import Live
    from rich.text import Text

    from strategos.commands.board import board_text, scoreboard_text
    from strategos.games.generals.notation import format_state

    console = Console()

    def screen(state: np.record) -> Group:
        head = Text(f"{game.title}   tick {int(state['tick'])}", style="bold")
        return Group(head, board_text(state), scoreboard_text(state, game.names))

    last = None
    if tick is not None or not sys.stdout.isatty():
        for state in game.states():
            last = state
            if int(state["tick"]) == tick:
                break
        if last is None or (tick is not None and int(last["tick"]) != tick):
            end = 0 if last is None else int(last["tick"])
            raise InputError(f"replay: there is no tick {tick}; the game runs from 0 to {end}")
        if sys.stdout.isatty():
            console.print(screen(last))
        else:
            print(format_state(last))  # without colours the letters of the notation tell players apart
        return
    with Live(console=console, auto_refresh=False) as live:
        for state in game.states():
            live.update(screen(state), refresh=True)
            time.sleep(1 / speed)
