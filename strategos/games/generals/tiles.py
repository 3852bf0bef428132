"""Tiles of Generals and what follows from them: open ways, sight, owners, armies, cities.

The record keeps land totals, bitmaps of stacks and an ascending list of cities beside the tiles
themselves; whoever changes an owner or an army does it here, so that they never disagree. Compiled,
integer-only functions of one state; when a tile changes is for `rules.py` to say.
"""

from __future__ import annotations

import numpy as np

from strategos.games.compiled import kernel
from strategos.games.generals.record import CITY, MOUNTAIN

_ALL_BITS = 0xFFFFFFFF


@kernel
def index_ways(state):
    """Make `ways` from the terrain: for each tile the moves that neither a mountain nor the edge stops."""
    stride, cells = state.stride, state.terrain.shape[0]
    for cell in range(cells):
        column = cell % stride
        ways = 0
        if cell >= stride and state.terrain[cell - stride] != MOUNTAIN:
            ways |= 0b00000011
        if cell + stride < cells and state.terrain[cell + stride] != MOUNTAIN:
            ways |= 0b00001100
        if column > 0 and state.terrain[cell - 1] != MOUNTAIN:
            ways |= 0b00110000
        if column + 1 < stride and state.terrain[cell + 1] != MOUNTAIN:
            ways |= 0b11000000
        state.ways[cell] = 0 if state.terrain[cell] == MOUNTAIN else ways


@kernel
def target_of(state, action):
    """The tile that a move goes to, or -1 where a mountain or the edge is in the way."""
    source, order = action >> 3, action & 7
    forward = (order & 2) - 1  # -1 up and left, +1 down and right
    target = source + forward * (state.stride if order < 4 else 1)
    return target if state.ways[source] >> order & 1 else -1


@kernel
def sees(state, player, cell):
    """Whether the player or a teammate owns `cell` or one of its eight neighbours."""
    stride = state.stride
    rows = state.owner.shape[0] // stride
    row, column = cell // stride, cell % stride
    team = state.team[player]
    for r in range(max(row - 1, 0), min(row + 2, rows)):
        for c in range(max(column - 1, 0), min(column + 2, stride)):
            owner = state.owner[r * stride + c]
            if owner >= 0 and state.team[owner] == team:
                return True
    return False


@kernel
def set_army(state, cell, owner, army):
    """Set the army of a tile that `owner` holds and goes on to hold."""
    bit = 1 << int(cell & 31)
    others = state.stacks[owner, cell >> 5] & (_ALL_BITS ^ bit)
    state.stacks[owner, cell >> 5] = others | (bit if army > 1 else 0)
    state.army[cell] = army


@kernel
def hand_over(state, cell, owner, army):
    """Give a tile to another owner (or to NEUTRAL) with this army; land and stacks follow."""
    before = state.owner[cell]
    if before >= 0:
        state.land_total[before] -= 1
        state.stacks[before, cell >> 5] &= _ALL_BITS ^ (1 << int(cell & 31))
    state.owner[cell] = owner
    state.army[cell] = army
    if owner >= 0:
        state.land_total[owner] += 1
        set_army(state, cell, owner, army)


@kernel
def index_stacks(state):
    """Make the bitmaps of stacks from owners and armies."""
    cells = state.owner.shape[0]
    for player in range(state.stacks.shape[0]):
        me = np.int8(player)
        for word in range(cells >> 5):  # 32 turns each, and no branch: a few vector instructions
            owner, army = state.owner[word * 32 :], state.army[word * 32 :]
            bits = 0
            for place in range(32):
                bits |= int((owner[place] == me) & (army[place] > 1)) << place
            state.stacks[player, word] = bits
        if cells & 31:
            first = cells & ~31
            bits = 0
            for cell in range(first, cells):
                bits |= int((state.owner[cell] == me) & (state.army[cell] > 1)) << (cell - first)
            state.stacks[player, cells >> 5] = bits


@kernel
def found_city(state, cell):
    """Turn `cell` into a city that nobody has seen yet, keeping the list of cities ascending."""
    state.terrain[cell] = CITY
    slot = state.num_cities
    while slot > 0 and state.city[slot - 1] > cell:
        state.city[slot] = state.city[slot - 1]
        state.disguise[slot] = state.disguise[slot - 1]
        slot -= 1
    state.city[slot] = cell
    state.disguise[slot] = (1 << state.status.shape[0]) - 1
    state.num_cities += 1
    state.disguises |= state.disguise[slot]


@kernel
def give_land(state, loser, heir, halved):
    """Hand all land of `loser` to `heir` (NEUTRAL for nobody), each army halved rounding up or whole."""
    total = 0
    for cell in range(state.owner.shape[0]):
        if state.owner[cell] == loser:
            army = state.army[cell]
            army = (army + 1) >> 1 if halved else army
            hand_over(state, cell, heir, army)
            total += army
    state.army_total[loser] = 0
    if heir >= 0:
        state.army_total[heir] += total
