"""What judged and imagined positions of Generals are read from and written to: fields of records.

The kernels take single fields of views, memories and states and not records, so that one compilation serves
every board and number of players. The same names hold the arrays of a batch and what one row of them holds.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np

from strategos.games.compiled import kernel


def contiguous_fields(records: np.ndarray, names: Iterable[str]) -> list[np.ndarray]:
    """Some fields of `records` [B], each [B, ...] and contiguous, so mostly copies: for reading only.

    The field of a single record is contiguous and that of several is not; Numba would compile a kernel anew
    for the other.
    """
    return [np.ascontiguousarray(records[name]) for name in names]


class Seen(NamedTuple):
    """Fields of views and memories: arrays [B, ...] of a batch, or what one row of them holds."""

    tick: Any
    height: Any
    width: Any
    stride: Any
    me: Any
    alive: Any
    team: Any
    army_total: Any
    land_total: Any
    army: Any
    owner: Any
    terrain: Any
    old_army: Any
    old_owner: Any
    old_terrain: Any
    old_seen: Any


class World(NamedTuple):
    """Fields of states: arrays [B, W, ...], or one world, whose numbers are arrays of one entry."""

    stride: Any
    key: Any
    over: Any
    winner: Any
    num_cities: Any
    num_dead: Any
    disguises: Any
    army_total: Any
    land_total: Any
    general: Any
    death: Any
    stacks: Any
    army: Any
    city: Any
    disguise: Any
    owner: Any
    terrain: Any
    ways: Any
    status: Any


class Setting(NamedTuple):
    """What is known of a game's boards beforehand, all whole numbers."""

    city_share: int  # of 2**16: the chance that an obstacle never looked at is a city
    city_army_low: int
    city_army_high: int
    distance: int  # that maps keep between generals of different teams
    draw_tick: int


class Work(NamedTuple):
    """Working memory of one call."""

    kind: Any  # int8 [cells]
    steps: Any  # int32 [cells]
    queue: Any  # int32 [cells]
    frontier: Any  # int32 [P, 4 * cells]: free tiles beside each player's land
    edge: Any  # int64 [P]: entries of the frontier in use
    land: Any  # int64 [P]: tiles that are still to be found
    army: Any  # int64 [P]: armies that are still to be placed
    weight: Any  # float64 [P, cells]: of each tile as the place of the player's general
    book: Any  # int64 [2]: key and draws of the stream in use


@kernel
def row_of(seen, row):
    """One row of a batch."""
    return Seen(
        int(seen.tick[row]),
        int(seen.height[row]),
        int(seen.width[row]),
        int(seen.stride[row]),
        int(seen.me[row]),
        seen.alive[row],
        seen.team[row],
        seen.army_total[row],
        seen.land_total[row],
        seen.army[row],
        seen.owner[row],
        seen.terrain[row],
        seen.old_army[row],
        seen.old_owner[row],
        seen.old_terrain[row],
        seen.old_seen[row],
    )


@kernel
def world_of(worlds, row, number):
    """One world of a batch; its numbers are arrays of one entry, so that they can be written."""
    here = slice(number, number + 1)
    return World(
        int(worlds.stride[row, number]),
        worlds.key[row, here],
        worlds.over[row, here],
        worlds.winner[row, here],
        worlds.num_cities[row, here],
        worlds.num_dead[row, here],
        worlds.disguises[row, here],
        worlds.army_total[row, number],
        worlds.land_total[row, number],
        worlds.general[row, number],
        worlds.death[row, number],
        worlds.stacks[row, number],
        worlds.army[row, number],
        worlds.city[row, number],
        worlds.disguise[row, number],
        worlds.owner[row, number],
        worlds.terrain[row, number],
        worlds.ways[row, number],
        worlds.status[row, number],
    )
