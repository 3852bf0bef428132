"""A position of Generals as plain Python objects: read, written and looked at.

Totals, sight and city lists are counted afresh whenever somebody asks. How a position changes
is the business of `tick.py`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

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

    @property
    def pass_action(self) -> int:
        """The last action id: after the moves and, where the rules have them, the builds."""
        return (9 if self.rules["builds"] else 8) * len(self.army)


# Records in, records out


def from_state(state: np.void) -> Position:
    """Read a record of `state_dtype`."""
    cities = state["city"].tolist()[: int(state["num_cities"])]
    masks = state["disguise"].tolist()
    players = range(len(state["team"]))
    return Position(
        height=int(state["height"]),
        width=int(state["width"]),
        stride=int(state["stride"]),
        rules={flag: int(state["rules"][flag]) for flag in RULES_DTYPE.names or ()},
        tick=int(state["tick"]),
        army=state["army"].tolist(),
        owner=state["owner"].tolist(),
        terrain=state["terrain"].tolist(),
        team=state["team"].tolist(),
        status=state["status"].tolist(),
        general=state["general"].tolist(),
        death=state["death"].tolist(),
        disguise={tile: {p for p in players if masks[k] >> p & 1} for k, tile in enumerate(cities)},
        num_dead=int(state["num_dead"]),
        over=int(state["over"]),
        winner=int(state["winner"]),
        key=int(state["key"]),
        draws=int(state["draws"]),
    )


def to_state(position: Position, dtype: np.dtype) -> np.record:
    """Write a position as one record of `state_dtype`, with its totals counted."""
    state = np.zeros(1, dtype)[0]
    for flag, value in position.rules.items():
        state["rules"][flag] = value
    for field in ("key", "draws", "tick", "height", "width", "stride", "over", "winner", "num_dead"):
        state[field] = getattr(position, field)
    for field in ("army", "owner", "terrain", "team", "status", "general", "death"):
        state[field] = getattr(position, field)
    state["ways"] = [ways(position, cell) for cell in position.cells]
    state["army_total"] = [army_total(position, player) for player in position.players]
    state["land_total"] = [land_total(position, player) for player in position.players]
    for player in position.players:
        stacks = sum(1 << cell for cell in land(position, player) if position.army[cell] >= 2)
        for word in range(state["stacks"].shape[1]):
            state["stacks"][player, word] = stacks >> 32 * word & 0xFFFFFFFF
    state["num_cities"] = len(position.disguise)
    for k, tile in enumerate(sorted(position.disguise)):
        state["city"][k] = tile
        state["disguise"][k] = sum(1 << player for player in position.disguise[tile])
        state["disguises"] |= state["disguise"][k]
    return state


# The board


def land(position: Position, player: int) -> list[int]:
    """The tiles that a player owns, ascending."""
    return [cell for cell, holder in enumerate(position.owner) if holder == player]


def ways(position: Position, cell: int) -> int:
    """The moves from `cell` that neither a mountain nor the edge stops: bit 2 * direction + half."""
    open_ways = 0
    if position.terrain[cell] != MOUNTAIN:
        for direction in range(4):
            target = neighbour(position, cell, direction)
            if target is not None and position.terrain[target] != MOUNTAIN:
                open_ways |= 3 << 2 * direction
    return open_ways


def army_total(position: Position, player: int) -> int:
    return sum(position.army[cell] for cell in land(position, player))


def land_total(position: Position, player: int) -> int:
    return len(land(position, player))


def neighbour(position: Position, cell: int, direction: int) -> int | None:
    """The tile one step away, or None beyond the edge of this game's board."""
    row, column = divmod(cell, position.stride)
    row, column = row + STEPS[direction][0], column + STEPS[direction][1]
    if 0 <= row < position.height and 0 <= column < position.width:
        return row * position.stride + column
    return None


def square(position: Position, cell: int) -> Iterator[int]:
    """The tile itself and the up to eight around it."""
    row, column = divmod(cell, position.stride)
    for y in range(max(row - 1, 0), min(row + 2, position.height)):
        for x in range(max(column - 1, 0), min(column + 2, position.width)):
            yield y * position.stride + x


def same_team(position: Position, player: int, holder: int) -> bool:
    return holder != NEUTRAL and position.team[holder] == position.team[player]


def sees(position: Position, player: int, cell: int) -> bool:
    """Whether the player or a teammate, dead or alive, holds a tile next to this one."""
    return any(same_team(position, player, position.owner[tile]) for tile in square(position, cell))


def found_city(position: Position, cell: int) -> None:
    """Make a tile a city; who does not see it by the end of the tick does not learn of it."""
    position.terrain[cell] = CITY
    position.disguise[cell] = set(position.players)


def lift_disguises(position: Position) -> None:
    """Cities are known from now on to everybody who sees them."""
    for cell, unaware in position.disguise.items():
        unaware.difference_update([player for player in unaware if sees(position, player, cell)])
