"""Positions of Generals as pictures, and the two engines that play them.

A picture is one line a row and one word a tile: `.` empty, `#` mountain, `_5` neutral land with 5
army, `*40` neutral city, `a7` land of player 0, `*a7` a city of theirs, `A7` their general. The
board is padded on purpose: a picture is smaller than the boards of its batch.
"""

from __future__ import annotations

import copy
from functools import lru_cache

import numpy as np

from strategos.games.generals import reference
from strategos.games.generals.record import (
    ALIVE,
    CITY,
    DOWN,
    FOG,
    GENERAL,
    LEFT,
    MOUNTAIN,
    NEUTRAL,
    OBSTACLE,
    PLAIN,
    RIGHT,
    RULES_DTYPE,
    UP,
    ruleset,
    view_dtype,
)
from strategos.games.generals.reference import Position

PADDED_HEIGHT, PADDED_WIDTH = 6, 7
DIRECTIONS = {"up": UP, "down": DOWN, "left": LEFT, "right": RIGHT}
PASS = -2
"""Stands for the pass id in the tests' lists of actions."""


def board(picture: str, rules: str = "generalsio", *, teams=None, tick: int = 0, **flags: int) -> Position:
    """Read a picture; `flags` override the ruleset's, and cities are known to everybody."""
    rows = [line.split() for line in picture.strip().splitlines()]
    letters = {word.lstrip("*")[0].lower() for row in rows for word in row if word.lstrip("*")[0].isalpha()}
    players = len(teams) if teams else max(ord(letter) for letter in letters) - ord("a") + 1
    cells = PADDED_HEIGHT * PADDED_WIDTH
    position = Position(
        height=len(rows),
        width=len(rows[0]),
        stride=PADDED_WIDTH,
        rules={flag: int(ruleset(rules)[flag]) for flag in RULES_DTYPE.names or ()} | flags,
        tick=tick,
        army=[0] * cells,
        owner=[NEUTRAL] * cells,
        terrain=[MOUNTAIN] * cells,
        team=list(teams or range(players)),
        status=[ALIVE] * players,
        general=[-1] * players,
        death=[0] * players,
        disguise={},
    )
    for y, row in enumerate(rows):
        for x, word in enumerate(row):
            cell, city, rest = y * PADDED_WIDTH + x, word[0] == "*", word.lstrip("*_")
            if word == "#":
                continue
            position.terrain[cell] = CITY if city else PLAIN
            if city:
                position.disguise[cell] = set()
            if rest[0].isalpha():
                position.owner[cell] = ord(rest[0].lower()) - ord("a")
                if rest[0].isupper():
                    position.terrain[cell] = GENERAL
                    position.general[position.owner[cell]] = cell
                rest = rest[1:]
            position.army[cell] = 0 if rest == "." else int(rest)
    return position


def picture(position: Position) -> str:
    """Print a position as `board` reads it, one space between the tiles."""
    return "\n".join(
        " ".join(_word(position, y * position.stride + x) for x in range(position.width))
        for y in range(position.height)
    )


def _word(position, cell: int) -> str:
    terrain, owner, army = (int(getattr(position, name)[cell]) for name in ("terrain", "owner", "army"))
    if terrain == MOUNTAIN:
        return "#"
    star = "*" if terrain == CITY else ""
    if owner == NEUTRAL:
        return f"{star or '_'}{army}" if star or army else "."
    letter = chr(ord("a") + owner)
    return f"{star}{letter.upper() if terrain == GENERAL else letter}{army}"


def view_picture(view: np.record) -> str:
    """What a player sees: as `picture`, with `?` for fog and `%` for an obstacle in it."""
    stride = int(view["stride"])
    rows = []
    for y in range(int(view["height"])):
        words = []
        for x in range(int(view["width"])):
            cell = y * stride + x
            terrain = int(view["terrain"][cell])
            words.append({FOG: "?", OBSTACLE: "%"}.get(terrain) or _word(view, cell))
        rows.append(" ".join(words))
    return "\n".join(rows)


def looks(text: str) -> str:
    """A picture with its spaces normalised, to compare with."""
    return "\n".join(" ".join(line.split()) for line in text.strip().splitlines())


def tile(row: int, column: int) -> int:
    return row * PADDED_WIDTH + column


def go(row: int, column: int, direction: str, half: bool = False) -> int:
    """The id of a move."""
    return tile(row, column) * 8 + DIRECTIONS[direction] * 2 + half


def build(row: int, column: int) -> int:
    """The id of a build."""
    return PADDED_HEIGHT * PADDED_WIDTH * 8 + tile(row, column)


def actions_of(position: Position, actions) -> list[int]:
    return [position.pass_action if action == PASS else action for action in actions]


@lru_cache
def game_for(rules: str, teams: tuple[int, ...], height: int = PADDED_HEIGHT, width: int = PADDED_WIDTH):
    """The compiled game that a position belongs to."""
    from strategos.games.generals.game import Generals

    return Generals(height, width, len(teams), ruleset=rules, teams=teams)


class Reference:
    """The slow twin, one position in, another out."""

    def step(self, position: Position, *actions: int) -> tuple[Position, list[int]]:
        position = copy.deepcopy(position)
        return position, reference.step(position, actions_of(position, actions))

    def leave(self, position: Position, player: int) -> Position:
        position = copy.deepcopy(position)
        reference.leave(position, player)
        return position

    def view(self, position: Position, player: int) -> np.record:
        dtype = view_dtype(len(position.army), len(position.team))
        return reference.record_of(vars(reference.view(position, player)), dtype)

    def legal(self, position: Position, player: int) -> set[int]:
        return reference.legal(position, player)

    def remember(self, position: Position, view: np.record, memory: np.record) -> np.record:
        sight = reference.View(**reference.fields_of(view))
        after = reference.remember(sight, reference.Memory(**reference.fields_of(memory)))
        return reference.record_of(vars(after), memory.dtype)

    def returns(self, position: Position) -> list[float]:
        return reference.returns(position)

    def ranking(self, position: Position) -> list[int]:
        return reference.ranking(position)


class Kernels:
    """The compiled rules behind the same face, through the Game protocol."""

    def _game(self, position: Position):
        rules = "competition" if position.rules["builds"] else "generalsio"
        if not position.rules["builds"] and position.rules["capture_ends"]:
            rules = "duel"
        return game_for(rules, tuple(position.team))

    def _states(self, position: Position) -> np.ndarray:
        return np.array([reference.to_state(position, self._game(position).state_dtype)])

    def step(self, position: Position, *actions: int) -> tuple[Position, list[int]]:
        states = self._states(position)
        illegal = np.full((1, len(position.team)), 9, np.uint8)
        chosen = np.array([actions_of(position, actions)], np.int32)
        self._game(position).step(states, chosen, illegal)
        return reference.from_state(states[0]), illegal[0].tolist()

    def leave(self, position: Position, player: int) -> Position:
        states = self._states(position)
        self._game(position).leave(states, 0, player)
        return reference.from_state(states[0])

    def view(self, position: Position, player: int) -> np.record:
        game = self._game(position)
        views = np.zeros((1, len(position.team)), game.view_dtype)
        game.view(self._states(position), views)
        return views[0, player]

    def legal(self, position: Position, player: int) -> set[int]:
        game = self._game(position)
        masks = np.full((1, len(position.team), game.spec.mask_bytes), 255, np.uint8)
        game.legal(self._states(position), masks)
        bits = np.unpackbits(masks[0, player], bitorder="little")
        assert not bits[game.spec.num_actions :].any()
        return set(np.flatnonzero(bits).tolist())

    def remember(self, position: Position, view: np.record, memory: np.record) -> np.record:
        game = self._game(position)
        views = np.zeros((1, len(position.team)), game.view_dtype)
        memories = np.zeros((1, len(position.team)), game.memory_dtype)
        views[:], memories[:] = view, memory
        game.remember(views, memories)
        return memories[0, 0]

    def returns(self, position: Position) -> list[float]:
        values = np.full((1, len(position.team)), np.nan, np.float32)
        self._game(position).returns(self._states(position), values)
        return values[0].tolist()

    def ranking(self, position: Position) -> list[int]:
        return self._game(position).ranking(self._states(position))[0].tolist()


ENGINES = {"reference": Reference, "kernels": Kernels}
