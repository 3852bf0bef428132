"""What a player of Generals may know: the fogged view, the legal mask, the memory.

A view and a mask are made from a state, a memory from views alone, so nothing hidden can reach it.
All functions are flat loops over bytes and words that the compiler turns into vector instructions:
the padded scratch rows below stand in for the edges of the board.
"""

from __future__ import annotations

import numpy as np

from strategos.games.compiled import kernel
from strategos.games.generals.record import (
    ACTIVITY_TICKS,
    ALIVE,
    ARMY_CAP,
    CITY,
    FOG,
    GENERAL,
    MOUNTAIN,
    NEUTRAL,
    OBSTACLE,
    TREND_SPANS,
)
from strategos.games.generals.rules import can_build, can_move
from strategos.games.generals.tiles import target_of

# Rows of the scratch array.
_MARK, _SPREAD, _LEFT, _RIGHT = range(4)
_SPANS = np.array(TREND_SPANS, dtype=np.int64)
_ACTIVITY_BITS = (1 << ACTIVITY_TICKS) - 1


def scratch(height: int, width: int) -> np.ndarray:
    """Working memory of one thread for boards padded to `height` x `width`: uint8 [4, padded].

    Rows 0 and 1 are bitmaps with one empty line above and below the board; rows 2 and 3 tell, for
    each tile, whether it has a left and a right neighbour (255 or 0).
    """
    cells, margin = height * width, width + 1
    rows = np.zeros((4, cells + 2 * margin), dtype=np.uint8)
    columns = np.arange(cells) % width
    rows[_LEFT, :cells] = np.where(columns > 0, 255, 0)
    rows[_RIGHT, :cells] = np.where(columns < width - 1, 255, 0)
    return rows


@kernel
def _mark_sight(state, player, rows):
    """Set `rows[_MARK]` to 1 on every tile the player sees."""
    cells, stride = state.owner.shape[0], state.stride
    margin = stride + 1
    owner = state.owner
    mark = rows[_MARK, margin : margin + cells]
    me = np.int8(player)
    for cell in range(cells):
        mark[cell] = owner[cell] == me
    for mate in range(state.team.shape[0]):
        if mate != player and state.team[mate] == state.team[player]:
            ally = np.int8(mate)
            for cell in range(cells):
                mark[cell] |= owner[cell] == ally
    spread = rows[_SPREAD, margin : margin + cells]
    before, after = rows[_MARK, margin - 1 : margin - 1 + cells], rows[_MARK, margin + 1 : margin + 1 + cells]
    has_left, has_right = rows[_LEFT, :cells], rows[_RIGHT, :cells]
    for cell in range(cells):
        spread[cell] = mark[cell] | (before[cell] & has_left[cell]) | (after[cell] & has_right[cell])
    above, below = rows[_SPREAD, 1 : 1 + cells], rows[_SPREAD, margin + stride : margin + stride + cells]
    for cell in range(cells):
        mark[cell] = above[cell] | spread[cell] | below[cell]


@kernel
def write_view(state, player, view, rows):
    """Write what `player` may know of `state` into `view`; `rows` is from `scratch`."""
    cells, stride = state.owner.shape[0], state.stride
    view.tick = state.tick
    view.height = state.height
    view.width = state.width
    view.stride = stride
    view.me = player
    view.order = state.rules.order
    for other in range(state.team.shape[0]):
        view.army_total[other] = state.army_total[other]
        view.land_total[other] = state.land_total[other]
        view.alive[other] = state.status[other] == ALIVE
        view.team[other] = state.team[other]
    _mark_sight(state, player, rows)
    visible = rows[_MARK, stride + 1 : stride + 1 + cells]
    army, seen_army = state.army, view.army
    for cell in range(cells):
        seen_army[cell] = min(army[cell], ARMY_CAP) if visible[cell] else 0
    owner, seen_owner = state.owner, view.owner
    for cell in range(cells):
        seen_owner[cell] = owner[cell] if visible[cell] else NEUTRAL
    terrain, seen_terrain = state.terrain, view.terrain
    for cell in range(cells):
        hidden = OBSTACLE if (terrain[cell] == MOUNTAIN) | (terrain[cell] == CITY) else FOG
        seen_terrain[cell] = terrain[cell] if visible[cell] else hidden
    for slot in range(state.num_cities):
        if state.disguise[slot] >> player & 1 and not visible[state.city[slot]]:
            seen_terrain[state.city[slot]] = FOG
    if state.height * state.width < cells:
        for cell in range(cells):
            if cell // stride >= state.height or cell % stride >= state.width:
                seen_terrain[cell] = MOUNTAIN


@kernel
def write_mask(state, player, mask):
    """Write the packed legal moves of `player` into `mask`, all of which that player's view shows.

    Byte `cell` holds the eight moves from that tile, bit `2 * direction + half`. Builds follow where
    the ruleset has them, one bit a tile, and the last bit is pass.
    """
    cells = state.owner.shape[0]
    builds = state.rules.builds
    mask[cells:] = 0
    mask[cells + (cells >> 3 if builds else 0)] = 1 << (cells & 7) if builds else 1
    if state.status[player] != ALIVE:
        mask[:cells] = 0
        return
    owner, army, ways = state.owner, state.army, state.ways
    me = np.int8(player)
    for cell in range(cells):
        mask[cell] = ways[cell] if army[cell] > 1 else 0
    for cell in range(cells):
        mask[cell] = mask[cell] if owner[cell] == me else 0
    for mate in range(state.team.shape[0]):
        if mate != player and state.team[mate] == state.team[player]:
            _add_gifts(state, player, mask)
            break
    if builds:
        for cell in range(cells):
            if can_build(state, player, cell):
                mask[cells + (cell >> 3)] |= 1 << (cell & 7)


@kernel
def _add_gifts(state, player, mask):
    """A stack of one may move onto a teammate's tile."""
    for cell in range(state.owner.shape[0]):
        if state.owner[cell] == player and state.army[cell] == 1:
            for order in range(0, 8, 2):
                if can_move(state, player, cell, target_of(state, cell * 8 + order)):
                    mask[cell] |= 3 << order


@kernel
def _forget(view, memory):
    """Begin a new memory."""
    memory.stride = view.stride
    memory.me = view.me
    memory.tick = -1
    memory.general[:] = -1
    memory.army[:] = 0
    memory.seen[:] = -1
    memory.activity[:] = 0
    memory.owner[:] = NEUTRAL
    memory.terrain[:] = FOG
    for player in range(view.alive.shape[0]):
        for span in range(_SPANS.shape[0]):
            memory.land_trend[player, span] = view.land_total[player]
            memory.army_trend[player, span] = view.army_total[player]


@kernel
def _note_generals(view, memory):
    """Keep `memory.general` true; scans the board only when the generals in sight have changed."""
    cells = view.terrain.shape[0]
    terrain = view.terrain
    in_sight = 0
    for cell in range(cells):
        in_sight += terrain[cell] == GENERAL
    for player in range(view.alive.shape[0]):
        place = memory.general[player]
        if place >= 0:
            if terrain[place] == GENERAL and view.owner[place] == player and view.alive[player]:
                in_sight -= 1
            elif not view.alive[player] or (terrain[place] != FOG and terrain[place] != OBSTACLE):
                memory.general[player] = -1
    if in_sight > 0:
        for cell in range(cells):
            if terrain[cell] == GENERAL and view.alive[view.owner[cell]]:
                memory.general[view.owner[cell]] = cell


@kernel
def _mark_changes(view, memory, visible, changed):
    """Set `visible`, and `changed` on visible tiles whose owner or army is not what growth explains."""
    cells = view.terrain.shape[0]
    terrain, owner, army = view.terrain, view.owner, view.army
    old_terrain, old_owner, old_army = memory.terrain, memory.owner, memory.army
    structure_growth = np.uint8(1 if view.tick % 2 == 0 else 0)
    land_growth = np.uint8(1 if view.tick % 50 == 0 else 0)
    growth = visible  # until it is overwritten below
    for cell in range(cells):
        is_structure = (old_terrain[cell] == CITY) | (old_terrain[cell] == GENERAL)
        grown = (structure_growth if is_structure else np.uint8(0)) + land_growth
        growth[cell] = grown if old_owner[cell] >= 0 else 0
    for cell in range(cells):
        expected = np.int32(old_army[cell]) + growth[cell]
        changed[cell] = army[cell] != (expected if expected < ARMY_CAP else ARMY_CAP)
    for cell in range(cells):
        visible[cell] = (terrain[cell] != FOG) & (terrain[cell] != OBSTACLE)
        changed[cell] = (changed[cell] | (owner[cell] != old_owner[cell])) & visible[cell]


@kernel
def _empty_margins(rows, cells):
    """Clear what other users of the scratch rows expect to be zero around the board."""
    margin = (rows.shape[1] - cells) // 2
    rows[: _SPREAD + 1, :margin] = 0
    rows[: _SPREAD + 1, margin + cells :] = 0


@kernel
def remember(view, memory, rows):
    """Fold one view into the memory of the same player; a view at tick 0 begins a new memory.

    A memory takes one view a tick; a second view of the same tick changes nothing. `rows` is from
    `scratch`.
    """
    if view.tick == 0 or memory.stride == 0:
        _forget(view, memory)
    elif view.tick == memory.tick:
        return
    cells = view.terrain.shape[0]
    visible, changed = rows[_MARK, :cells], rows[_SPREAD, :cells]
    _mark_changes(view, memory, visible, changed)
    tick, last_tick = np.int32(view.tick), np.int32(memory.tick if memory.tick >= 0 else -2)
    seen, activity = memory.seen, memory.activity
    for cell in range(cells):
        watched = changed[cell] if seen[cell] == last_tick else 0
        activity[cell] = ((activity[cell] << 1) & _ACTIVITY_BITS) | watched
    for cell in range(cells):
        seen[cell] = tick if visible[cell] else seen[cell]
    army, old_army = view.army, memory.army
    for cell in range(cells):
        old_army[cell] = army[cell] if visible[cell] else old_army[cell]
    owner, old_owner = view.owner, memory.owner
    for cell in range(cells):
        old_owner[cell] = owner[cell] if visible[cell] else old_owner[cell]
    terrain, old_terrain = view.terrain, memory.terrain
    for cell in range(cells):
        known = (terrain[cell] == FOG) | ((terrain[cell] == OBSTACLE) & (old_terrain[cell] != FOG))
        old_terrain[cell] = old_terrain[cell] if known else terrain[cell]
    _empty_margins(rows, cells)
    memory.tick = tick
    _note_generals(view, memory)
    for player in range(view.alive.shape[0]):
        land, total = float(view.land_total[player]), float(view.army_total[player])
        for span in range(_SPANS.shape[0]):
            old = float(memory.land_trend[player, span])
            memory.land_trend[player, span] = old + (land - old) / _SPANS[span]
            old = float(memory.army_trend[player, span])
            memory.army_trend[player, span] = old + (total - old) / _SPANS[span]


@kernel
def view_games(states, views, rows):
    """Write `views` [B, P] of a slice of games."""
    for game in range(states.shape[0]):
        for player in range(views.shape[1]):
            write_view(states[game], player, views[game, player], rows)


@kernel
def mask_games(states, masks):
    """Write packed `masks` [B, P, mask_bytes] of a slice of games."""
    for game in range(states.shape[0]):
        state = states[game]
        for player in range(masks.shape[1]):
            write_mask(state, player, masks[game, player])


@kernel
def remember_games(views, memories, rows):
    """Fold `views` [B, P] into `memories` [B, P]."""
    for game in range(views.shape[0]):
        for player in range(views.shape[1]):
            remember(views[game, player], memories[game, player], rows)


@kernel
def observe_games(states, views, masks, memories, rows):
    """Views, masks and memories of a slice in one pass, while each is still in the cache.

    `memories` of length 0 are left out.
    """
    for game in range(states.shape[0]):
        state = states[game]
        for player in range(views.shape[1]):
            view = views[game, player]
            write_view(state, player, view, rows)
            write_mask(state, player, masks[game, player])
            if memories.shape[0] > 0:
                remember(view, memories[game, player], rows)
