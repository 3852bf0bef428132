"""A position of Generals as plain Python objects: read, written and looked at.

Totals, sight and city lists are counted afresh whenever somebody asks; only what lies beside what on
the board is listed once. How a position changes is the business of `tick.py`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from strategos.games.generals.record import CITY, MOUNTAIN, NEUTRAL, RULES_DTYPE

# (row, column) of a step in the directions up, down, left, right.
STEPS = ((-1, 0), (1, 0), (0, -1), (0, 1))


@dataclass
class Position:
    """One game. Tiles are padded cells, `row * stride + column`; players are indices."""

    height: int
    width: int
    stride: int
    """Cells from one row to the next: the widest board of the batch."""
    rules: dict[str, int]
    tick: int
    army: list[int]
    owner: list[int]
    terrain: list[int]
    team: list[int]
    status: list[int]
    general: list[int]
    death: list[int]
    disguise: dict[int, set[int]]
    """For every city, the players to whom its fog does not show yet that it is one."""
    num_dead: int = 0
    over: int = 0
    winner: int = -1
    key: int = 0
    draws: int = 0

    @property
    def players(self) -> range:
        return range(len(self.team))

    @property
    def cells(self) -> range:
        return range(len(self.army))

    @cached_property
    def neighbours(self) -> list[tuple[int | None, ...]]:
        """For every cell the tile one step up, down, left and right; None beyond the edge of the board."""
        return [tuple(self._tile(cell, *step) for step in STEPS) for cell in self.cells]

    @cached_property
    def squares(self) -> list[list[int]]:
        """For every cell the tile itself and the up to eight around it."""
        around = [(down, right) for down in (-1, 0, 1) for right in (-1, 0, 1)]
        return [
            [tile for step in around if (tile := self._tile(cell, *step)) is not None] for cell in self.cells
        ]

    @cached_property
    def beyond(self) -> list[int]:
        """The cells outside the board: it may be smaller than the largest of its batch."""
        rows, columns = range(self.height), range(self.width)
        return [
            cell
            for cell in self.cells
            if cell // self.stride not in rows or cell % self.stride not in columns
        ]

    def _tile(self, cell: int, down: int, right: int) -> int | None:
        row, column = cell // self.stride + down, cell % self.stride + right
        if 0 <= row < self.height and 0 <= column < self.width:
            return row * self.stride + column
        return None

    @property
    def pass_action(self) -> int:
        """The last action id: after the moves and, where the rules have them, the builds."""
        return (9 if self.rules["builds"] else 8) * len(self.army)


# Records in, records out


def fields_of(record: np.void) -> dict[str, Any]:
    """What a record holds, as plain numbers and lists."""
    return {name: record[name].tolist() for name in record.dtype.names or () if name != "padding"}


def record_of(fields: Mapping[str, Any], dtype: np.dtype) -> np.record:
    """One record of `dtype` with these plain numbers and lists; what it pads with is zero."""
    padded = {"padding": 0, **fields}
    return np.array([tuple(padded[name] for name in dtype.names or ())], dtype)[0]


def from_state(state: np.void) -> Position:
    """Read a record of `state_dtype`."""
    fields = fields_of(state)
    players = range(len(fields["team"]))
    unaware = {
        tile: {player for player in players if mask >> player & 1}
        for tile, mask in zip(fields["city"][: fields["num_cities"]], fields["disguise"], strict=False)
    }
    rules = dict(zip(RULES_DTYPE.names or (), fields["rules"], strict=True))
    fields |= {"rules": rules, "disguise": unaware}
    return Position(**{name: fields[name] for name in Position.__dataclass_fields__})


def to_state(position: Position, dtype: np.dtype) -> np.record:
    """Write a position as one record of `state_dtype`, with its totals counted."""
    cities = sorted(position.disguise)
    masks = [sum(1 << player for player in position.disguise[tile]) for tile in cities]
    unused = [0] * (len(position.army) - len(cities))
    counted = {
        "rules": tuple(position.rules[flag] for flag in RULES_DTYPE.names or ()),
        "ways": [ways(position, cell) for cell in position.cells],
        "army_total": army_totals(position),
        "land_total": land_totals(position),
        "stacks": [stacks(position, player) for player in position.players],
        "num_cities": len(cities),
        "city": cities + unused,
        "disguise": masks + unused,
        "disguises": sum(1 << player for player in set().union(*position.disguise.values())),
    }
    return record_of(vars(position) | counted, dtype)


# The board


def land(position: Position, player: int) -> list[int]:
    """The tiles that a player owns, ascending."""
    return [cell for cell, holder in enumerate(position.owner) if holder == player]


def stacks(position: Position, player: int) -> list[int]:
    """The tiles where the player has two armies or more, as a bitmap in words of 32 bits."""
    bits = sum(1 << cell for cell in land(position, player) if position.army[cell] >= 2)
    return [bits >> start & 0xFFFFFFFF for start in range(0, len(position.army), 32)]


def ways(position: Position, cell: int) -> int:
    """The moves from `cell` that neither a mountain nor the edge stops: bit 2 * direction + half."""
    open_ways = 0
    if position.terrain[cell] != MOUNTAIN:
        for direction, target in enumerate(position.neighbours[cell]):
            if target is not None and position.terrain[target] != MOUNTAIN:
                open_ways |= 3 << 2 * direction
    return open_ways


def army_totals(position: Position) -> list[int]:
    totals = [0] * len(position.team)
    for holder, army in zip(position.owner, position.army, strict=True):
        if holder != NEUTRAL:
            totals[holder] += army
    return totals


def land_totals(position: Position) -> list[int]:
    totals = [0] * len(position.team)
    for holder in position.owner:
        if holder != NEUTRAL:
            totals[holder] += 1
    return totals


def same_team(position: Position, player: int, holder: int) -> bool:
    return holder != NEUTRAL and position.team[holder] == position.team[player]


def sees(position: Position, player: int, cell: int) -> bool:
    """Whether the player or a teammate, dead or alive, holds a tile next to this one."""
    return any(same_team(position, player, position.owner[tile]) for tile in position.squares[cell])


def found_city(position: Position, cell: int) -> None:
    """Make a tile a city; who does not see it by the end of the tick does not learn of it."""
    position.terrain[cell] = CITY
    position.disguise[cell] = set(position.players)


def lift_disguises(position: Position) -> None:
    """Cities are known from now on to everybody who sees them."""
    for cell, unaware in position.disguise.items():
        unaware.difference_update([player for player in unaware if sees(position, player, cell)])
