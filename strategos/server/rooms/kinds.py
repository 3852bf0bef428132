"""Kinds of games that a room can be of: options from strangers, checked before anything is built of them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from functools import cache, lru_cache
from typing import Any

import numpy as np

from strategos.games import GAMES, make_game
from strategos.games.generals.record import MAX_PLAYERS, RULESETS
from strategos.games.spec import Game
from strategos.server.terms import HallError
from strategos.spelling import nearest

_LARGEST = 100
"""No number among the options of any game is larger."""


def _number(value: Any) -> bool:
    return type(value) in (int, float) and abs(value) <= _LARGEST  # a bool is no number; NaN compares false


def _whole(value: Any) -> bool:
    return type(value) is int and abs(value) <= _LARGEST


def _pair(value: Any) -> bool:
    return isinstance(value, (list, tuple)) and len(value) == 2 and all(map(_number, value))


def _teams(value: Any) -> bool:
    return isinstance(value, (list, tuple)) and len(value) <= MAX_PLAYERS and all(map(_whole, value))


def _word(value: Any) -> bool:
    return isinstance(value, str) and len(value) <= 32


def _flag(value: Any) -> bool:
    return isinstance(value, bool)


OPTIONS: dict[str, dict[str, tuple[Callable[[Any], bool], str]]] = {
    "generals": {
        "height": (_whole, "a whole number of tiles"),
        "width": (_whole, "a whole number of tiles"),
        "min_height": (_whole, "a whole number of tiles"),
        "min_width": (_whole, "a whole number of tiles"),
        "players": (_whole, "a whole number"),
        "ruleset": (_word, f"one of {', '.join(RULESETS)}"),
        "teams": (_teams, "a list with the team of each seat"),
        "spawn_distance": (_pair, "two numbers, the lowest and the highest"),
        "mountains": (_pair, "two shares of the tiles, the lowest and the highest"),
        "cities": (_pair, "two numbers, the lowest and the highest"),
    },
    "blob": {
        "players": (_whole, "a whole number"),
        "cards": (_whole, "a whole number"),
        "min_cards": (_whole, "a whole number"),
        "rounds": (_word, "one or all"),
        "trump": (_word, "S, H, C, D or none"),
        "dealer": (_whole, "a seat"),
        "turned_up": (_flag, "true or false"),
        "scoring": (_word, "exact or tricks_plus_bonus"),
    },
    "kuhn": {},
}
"""What may be chosen of each game, and what it must look like."""
FEWEST = {"generals": 2, "blob": 3, "kuhn": 2}
MOST = {"generals": MAX_PLAYERS, "blob": 8, "kuhn": 2}
SUBSTITUTES = {"blob": "heuristic"}
"""Who plays for a seat that is absent, in games that nobody can leave; `random` of the others."""


def build(name: str, options: Mapping[str, Any], *, board_cells: int) -> Game:
    """The game called `name` with `options`; `HallError` "invalid" that says what is wrong with them."""
    if not isinstance(name, str) or name not in GAMES:
        raise HallError("invalid", f"there is no such game{nearest(str(name)[:32], GAMES)}")
    known = OPTIONS[name]
    if not isinstance(options, Mapping):
        raise HallError("invalid", f"the options of {name} must be a table of names and values")
    chosen: dict[str, Any] = {}
    for key, value in options.items():
        if key not in known:
            hint = nearest(str(key)[:32], known)
            raise HallError("invalid", f"{name} has no option {str(key)[:32]!r}{hint}")
        if value is None:
            continue  # left to the game
        holds, what = known[key]
        if not holds(value):
            raise HallError("invalid", f"the option {key} of {name} must be {what}")
        chosen[key] = tuple(value) if isinstance(value, list) else value
    if "height" in known and chosen.get("height", 20) * chosen.get("width", 20) > board_cells:
        raise HallError("invalid", f"this server plays on boards of at most {board_cells} tiles")
    try:
        return make_game(name, **chosen)
    except (ValueError, TypeError, OverflowError, IndexError, ZeroDivisionError) as error:
        raise HallError("invalid", f"{name} cannot be played so: {str(error)[:200]}") from None


def key_of(game: Game) -> str:
    """The same text for the same kind of game."""
    return f"{game.spec.name} {json.dumps(game.options, sort_keys=True)}"


def layout_of(game: Game) -> str:
    """The same text for games that share their compiled kernels: those whose records have the same fields,
    as those of Blob for any number of players, or of Generals on 10 x 10 and 5 x 20 tiles."""
    return f"{game.spec.name} {_fields(game.state_dtype, game.view_dtype, game.memory_dtype)}"


@lru_cache(256)  # writing out what a dtype has takes as long as making a game
def _fields(*records: np.dtype) -> str:
    return hashlib.sha256(repr(records).encode()).hexdigest()[:32]


def size_in_words(game: Game) -> str:
    """How players call the layout of a game, as in 20 x 20 for 2."""
    board = f"{game.options['height']} x {game.options['width']} " if "height" in game.options else ""
    return f"{board}for {game.spec.num_players}"


@cache
def _usual_layouts(name: str) -> frozenset[str]:
    return frozenset(
        layout_of(make_game(name, **quick_options(name, players)))
        for players in range(FEWEST[name], MOST[name] + 1)
    )


def is_usual(game: Game) -> bool:
    """Whether there are quick matches on boards of this layout."""
    return layout_of(game) in _usual_layouts(game.spec.name)


def with_players(name: str, options: Mapping[str, Any], seats: list[int]) -> dict[str, Any]:
    """`options` for a game of only the `seats` given; `HallError` "early" where that cannot be."""
    if not FEWEST[name] <= len(seats) <= MOST[name]:
        raise HallError("early", f"{name} needs {FEWEST[name]} players")
    changed = {**options, "players": len(seats)}
    teams = options.get("teams")
    if teams is not None:
        kept = [teams[seat] for seat in seats]
        if len(set(kept)) < 2:
            raise HallError("early", "two teams are needed")
        changed["teams"] = kept
    return changed


def quick_options(name: str, players: int) -> dict[str, Any]:
    """The options of a quick match of `players`."""
    if name == "generals":
        side = 18 + players  # 20 for two, 26 for eight; boards of one size share their kernels
        return {"players": players, "height": side, "width": side}
    if name == "blob":
        return {"players": players, "cards": 5, "rounds": "all"}
    return {}
