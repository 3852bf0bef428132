"""The `memory` planes on the CPU: one compiled pass over the records, tile by tile.

Twin of `planes._memory` (a test holds the two equal); four to ten times as fast there, so that planes
cost little beside a small network. Floats are written here, nowhere else in the compiled code.
"""

from __future__ import annotations

import numpy as np

from strategos.games.compiled import kernel
from strategos.games.generals.record import ACTIVITY_TICKS, CITY, FOG, MOUNTAIN, OBSTACLE

STEPS_CAP = 24
"""Walking distances are counted up to here."""
_FIRST_SCALAR = 22
_LOG_ARMY = (np.log2(1.0 + np.arange(1024)) / 10.0).astype(np.float32)
_BITS = np.array([bin(byte).count("1") for byte in range(1 << 10)], dtype=np.int64)


@kernel
def _walk(steps, blocked, queue, stride):
    """Breadth-first steps from the tiles where `steps` is 0, which end the walk at `STEPS_CAP`."""
    cells = steps.shape[0]
    tail = 0
    for cell in range(cells):
        if steps[cell] == 0:
            queue[tail] = cell
            tail += 1
    head = 0
    while head < tail:
        cell = queue[head]
        head += 1
        further = steps[cell] + 1
        if further >= STEPS_CAP:
            break
        column = cell % stride
        for direction in range(4):
            if direction == 0:
                target = cell - stride
            elif direction == 1:
                target = cell + stride
            elif direction == 2:
                target = cell - 1 if column > 0 else -1
            else:
                target = cell + 1 if column < stride - 1 else -1
            if 0 <= target < cells and not blocked[target] and steps[target] > further:
                steps[target] = further
                queue[tail] = target
                tail += 1


@kernel
def _trend(now, average):
    total = now + average
    return now / total if total > 0 else 0.5


@kernel
def _write_scalars(view, memory, plane):
    """Fill the constants of one observation into `plane`, the 32 values of one tile."""
    me, team = view.me, view.team
    enemy_army, enemy_land = 0, 0
    army_trend_16, army_trend_64, land_trend_16, land_trend_64 = 0.0, 0.0, 0.0, 0.0
    for player in range(team.shape[0]):
        if team[player] != team[me]:
            enemy_army += view.army_total[player]
            enemy_land += view.land_total[player]
            army_trend_16 += memory.army_trend[player, 1]
            army_trend_64 += memory.army_trend[player, 2]
            land_trend_16 += memory.land_trend[player, 1]
            land_trend_64 += memory.land_trend[player, 2]
    my_army, my_land = view.army_total[me], view.land_total[me]
    plane[22] = (view.tick % 50) / 50
    plane[23] = view.tick % 2
    plane[24] = min(view.tick / 500, 1.0)
    plane[25] = np.log2(1.0 + min(my_army, 4095)) / 12
    plane[26] = my_army / max(my_army + enemy_army, 1)
    plane[27] = my_land / max(my_land + enemy_land, 1)
    plane[28] = _trend(enemy_army, army_trend_16)
    plane[29] = _trend(enemy_army, army_trend_64)
    plane[30] = _trend(enemy_land, land_trend_16)
    plane[31] = _trend(enemy_land, land_trend_64)


@kernel
def _write_one(view, mask, memory, out, steps, blocked, queue, scalars):
    me, team, stride, tick = view.me, view.team, view.stride, view.tick
    height, width = view.height, view.width
    terrain, army, owner = view.terrain, memory.army, memory.owner
    known_terrain, last_seen, activity = memory.terrain, memory.seen, memory.activity
    cells = owner.shape[0]
    my_team = team[me]
    _write_scalars(view, memory, scalars)
    my_army = max(view.army_total[me], 1)
    to_enemy, to_enemy_general, to_own_general = steps[0], steps[1], steps[2]
    for cell in range(cells):
        to_enemy[cell] = to_enemy_general[cell] = to_own_general[cell] = STEPS_CAP
    enemy_known, general_known = False, False
    for player in range(team.shape[0]):
        place = memory.general[player]
        if place >= 0:
            if player == me:
                to_own_general[place] = 0
            elif team[player] != my_team:
                to_enemy_general[place] = 0
                general_known = True
    for cell in range(cells):
        row, column = cell // stride, cell % stride
        if row >= height or column >= width:
            for plane in range(out.shape[1]):
                out[cell, plane] = 0.0
            blocked[cell] = 1
            continue
        holder, known, seen = owner[cell], known_terrain[cell], last_seen[cell]
        stack = max(army[cell], 0)
        log_army = _LOG_ARMY[min(stack, 1023)]
        visible = terrain[cell] != FOG and terrain[cell] != OBSTACLE
        nobody = holder < 0
        mine = holder == me
        enemy = not nobody and team[holder] != my_team
        ally = not nobody and not enemy
        blocked[cell] = known in (MOUNTAIN, OBSTACLE) or (known == CITY and nobody)
        out[cell, 0] = 1.0
        out[cell, 1] = 1.0 if mine else 0.0
        out[cell, 2] = 1.0 if ally and not mine else 0.0
        out[cell, 3] = 1.0 if enemy and visible else 0.0
        out[cell, 4] = 1.0 if enemy and not visible else 0.0
        out[cell, 5] = 1.0 if visible else 0.0
        out[cell, 6] = 1.0 if seen < 0 else 0.0
        out[cell, 7] = 0.0 if seen < 0 else 8.0 / (8 + max(tick - seen, 0))
        out[cell, 8] = log_army if ally else 0.0
        out[cell, 9] = log_army if enemy else 0.0
        out[cell, 10] = log_army if nobody else 0.0
        out[cell, 11] = min(stack / my_army, 1.0) if mine else 0.0
        out[cell, 12] = 1.0 if known == MOUNTAIN else 0.0
        out[cell, 13] = 1.0 if known == CITY else 0.0
        out[cell, 14] = 1.0 if known == OBSTACLE else 0.0
        out[cell, 15] = 1.0 if to_own_general[cell] == 0 else 0.0
        out[cell, 16] = 1.0 if to_enemy_general[cell] == 0 else 0.0
        out[cell, 17] = 1.0 if mask[cell] != 0 else 0.0
        marks = activity[cell]
        out[cell, 18] = (_BITS[marks & 1023] + _BITS[(marks >> 10) & 1023]) / ACTIVITY_TICKS
        for plane in range(_FIRST_SCALAR, out.shape[1]):
            out[cell, plane] = scalars[plane]
        if enemy:
            to_enemy[cell] = 0
            enemy_known = True
    if enemy_known:
        _walk(to_enemy, blocked, queue, stride)
    if general_known:
        _walk(to_enemy_general, blocked, queue, stride)
    _walk(to_own_general, blocked, queue, stride)
    for cell in range(cells):
        if cell // stride < height and cell % stride < width:
            out[cell, 19] = to_enemy[cell] / STEPS_CAP
            out[cell, 20] = to_enemy_general[cell] / STEPS_CAP
            out[cell, 21] = to_own_general[cell] / STEPS_CAP


@kernel
def _write_all(views, masks, memories, out, steps, blocked, queue, scalars):
    for index in range(views.shape[0]):
        _write_one(views[index], masks[index], memories[index], out[index], steps, blocked, queue, scalars)


def write_memory_planes(views: np.ndarray, masks: np.ndarray, memories: np.ndarray, out: np.ndarray) -> None:
    """Write the `memory` planes of `views` [B] into `out` [B, cells, 32] float32."""
    cells = out.shape[1]
    steps = np.empty((3, cells), np.int32)
    blocked, queue, scalars = np.empty(cells, np.uint8), np.empty(cells, np.int32), np.empty(32, np.float32)
    _write_all(views, masks, memories, out, steps, blocked, queue, scalars)
