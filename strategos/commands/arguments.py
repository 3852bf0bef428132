"""Reading what the user typed: options, files, agents, boards. Every mistake becomes one clear line.

Light: only the standard library at import.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NoReturn

from strategos.spelling import nearest


class InputError(Exception):
    """A mistake in what the user gave: what was wrong, what was expected, what to do. One line, no trace."""

    def __init__(self, message: str) -> None:
        super().__init__(" ".join(message.split()))


@contextmanager
def reading(what: str = "", remedy: str = "") -> Iterator[None]:
    """Turn the errors of reading `what` (a file, a board) into an `InputError` with the `remedy`.

    Without `what` the error's own text already says what it is about.
    """
    try:
        yield
    except (InputError, BrokenPipeError):
        raise
    except FileNotFoundError as error:
        raise InputError(f"{what or error.filename}: no such file{_advice(remedy)}") from error
    except (ValueError, KeyError, TypeError, OSError, EOFError) as error:
        text = str(error).strip().splitlines() or [type(error).__name__]
        raise InputError(f"{f'{what}: ' if what else ''}{text[0]}{_advice(remedy)}") from error


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Turn the errors of writing `path` into an `InputError`."""
    try:
        yield
    except OSError as error:
        reason = error.strerror or error
        if isinstance(error, FileNotFoundError):
            reason = f"there is no folder {path.parent}"
        raise InputError(f"{path} cannot be written: {reason}; choose another place") from error
    except ValueError as error:
        raise InputError(str(error)) from error


def _advice(remedy: str) -> str:
    return f"; {remedy}" if remedy else ""


class Parser(argparse.ArgumentParser):
    """`argparse` whose errors are one line that names the nearest option."""

    def __init__(self, command: str, description: str) -> None:
        super().__init__(
            prog=f"strategos {command}",
            description=description,
            allow_abbrev=False,
            formatter_class=lambda prog: argparse.HelpFormatter(prog, max_help_position=30, width=80),
        )

    def read(self, arguments: list[str]) -> argparse.Namespace:
        """Parse all of `arguments`; `InputError` for whatever is left over."""
        options, rest = self.parse_known_args(arguments)
        for word in rest:
            known = [name for action in self._actions for name in action.option_strings]
            hint = nearest(word, known, then=f"see {self.prog} --help for all options")
            raise InputError(f"{self._name}: no option {word!r}{hint}")
        return options

    def error(self, message: str) -> NoReturn:
        """Called by argparse for a missing or malformed value."""
        raise InputError(f"{self._name}: {message}; {self.prog} --help shows what is expected")

    @property
    def _name(self) -> str:
        return self.prog.removeprefix("strategos ")


def positive(text: str) -> int:
    """A whole number of at least one."""
    try:
        number = int(text.replace("_", ""))
    except ValueError:
        number = 0
    if number < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number of at least 1")
    return number


def seed(text: str) -> int:
    """A seed of boards and choices: a whole number from 0 to 2**63 - 1."""
    try:
        number = int(text.replace("_", ""))
    except ValueError:
        number = -1
    if not 0 <= number < 2**63:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from 0 to {2**63 - 1}")
    return number


def temperature(text: str) -> float:
    """A temperature of choices: 0 or more, and finite."""
    return _number(text, "a temperature of 0 (greedy) or more", lambda number: 0 <= number < math.inf)


def share(text: str) -> float:
    """A share above 0 and below 1."""
    return _number(text, "a share above 0 and below 1, such as 0.95", lambda number: 0 < number < 1)


def minutes(text: str) -> float:
    """A time of training in minutes."""
    return _number(text, "a number of minutes above 0", lambda number: 0 < number < 1e6)


def seconds(text: str) -> float:
    """A time in seconds."""
    return _number(text, "a number of seconds, 0 or more", lambda number: 0 <= number < 1e7)


def _number(text: str, what: str, holds: Callable[[float], bool]) -> float:
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not holds(number):
        raise argparse.ArgumentTypeError(f"{text!r} is not {what}")
    return number


def pair(text: str, what: str) -> tuple[int, int]:
    """`4x5`: two whole numbers of at least one, which are `what`."""
    one, _, other = text.partition("x")
    if not (one.isdigit() and other.isdigit() and int(one) and int(other)):
        raise argparse.ArgumentTypeError(f"{text!r} is not {what}")
    return int(one), int(other)


def deal(text: str) -> tuple[int, int]:
    """A kind of deal of Blob: players and cards."""
    return pair(text, "players x cards, such as 4x5")


def board_size(text: str) -> tuple[int, int]:
    """`8` or `8x10`, rows by columns."""
    rows, cross, columns = text.partition("x")
    if not cross:
        columns = rows
    if not (rows.isdigit() and columns.isdigit()):
        raise argparse.ArgumentTypeError(f"{text!r} is not a board size such as 8 or 8x10")
    return int(rows), int(columns)


def add_match_options(
    parser: argparse.ArgumentParser, games: int, counted: str = "of each pair, even"
) -> None:
    """The options of all commands that play matches; `counted` is what `games` are the games of."""
    parser.add_argument("--games", type=positive, default=games, help=f"{counted} ({games})")
    parser.add_argument("--ticks", type=positive, default=400, help="a draw after so many ticks (400)")
    parser.add_argument("--ruleset", default="generalsio", help="generalsio, classic, duel or competition")
    parser.add_argument("--seed", type=seed, default=0, help="of the boards and the choices (0)")
    parser.add_argument("--json", action="store_true", help="one JSON object")


def game_played_by(player: str | None) -> str:
    """The game that a player says it plays; Generals where it says nothing, and for nobody."""
    from strategos.play.agents import game_of

    with reading():
        return (game_of(player) if player is not None else None) or "generals"


def chosen_temperature(options: argparse.Namespace, game: str) -> float:
    """That of `--temperature`, or else the one at which players of `game` are measured."""
    from strategos.play.policy import measured_temperature

    return measured_temperature(game) if options.temperature is None else options.temperature


def refuse_options_of_others(
    options: argparse.Namespace, game: str, names: Mapping[str, Sequence[str]], remedy: str
) -> None:
    """`InputError` for an option that was given and is, by `names`, one of another game than `game`.

    In the `remedy` stands `{}` for that other game.
    """
    for other, theirs in names.items():
        for name in theirs:
            if other != game and getattr(options, name) is not None:
                advice = remedy.format(other)
                raise InputError(f"--{name} is for {other}, and this is a game of {game}; {advice}")
