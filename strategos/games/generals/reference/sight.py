"""What a player of Generals sees and what stays in memory, in plain Python."""

from __future__ import annotations

import numpy as np

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
    view_dtype,
)
from strategos.games.generals.reference.position import Position, army_total, land_total, same_team, square


def view(position: Position, player: int) -> np.record:
    """What a player may know, one record of `view_dtype`."""
    seen = {
        tile
        for cell in position.cells
        if same_team(position, player, position.owner[cell])
        for tile in square(position, cell)
    }
    sight = np.zeros(1, view_dtype(len(position.army), len(position.team)))[0]
    sight["tick"] = position.tick
    sight["height"], sight["width"] = position.height, position.width
    sight["stride"], sight["me"] = position.stride, player
    sight["army_total"] = [army_total(position, other) for other in position.players]
    sight["land_total"] = [land_total(position, other) for other in position.players]
    sight["army"] = [min(position.army[cell], ARMY_CAP) if cell in seen else 0 for cell in position.cells]
    sight["owner"] = [position.owner[cell] if cell in seen else NEUTRAL for cell in position.cells]
    sight["terrain"] = [
        position.terrain[cell] if cell in seen else in_fog(position, player, cell) for cell in position.cells
    ]
    sight["alive"] = [position.status[other] == ALIVE for other in position.players]
    sight["team"] = position.team
    return sight


def in_fog(position: Position, player: int, cell: int) -> int:
    """What an unseen tile looks like. Beyond the edge of the board there is no fog."""
    row, column = divmod(cell, position.stride)
    if row >= position.height or column >= position.width:
        return MOUNTAIN
    if position.terrain[cell] == CITY:
        return FOG if player in position.disguise[cell] else OBSTACLE
    return OBSTACLE if position.terrain[cell] == MOUNTAIN else FOG


def remember(sight: np.void, memory: np.void) -> np.record:
    """The memory after one more view; the record passed in is left alone."""
    after = np.array([memory], memory.dtype)[0]
    tick, before = int(sight["tick"]), int(memory["tick"])
    begins = tick == 0 or before < 0
    if not begins and tick == before:
        return after
    if begins:
        after = np.zeros(1, memory.dtype)[0]
        after["seen"] = after["general"] = -1
        after["owner"] = NEUTRAL
        after["stride"], after["me"] = sight["stride"], sight["me"]
        for total, trend in (("land_total", "land_trend"), ("army_total", "army_trend")):
            after[trend] = np.repeat(sight[total].astype(np.float32)[:, None], len(TREND_SPANS), axis=1)

    now = {field: sight[field].tolist() for field in ("terrain", "owner", "army")}
    known = {field: after[field].tolist() for field in ("terrain", "owner", "army", "seen", "activity")}
    general = after["general"].tolist()
    for cell, terrain in enumerate(now["terrain"]):
        activity = known["activity"][cell] << 1 & (1 << ACTIVITY_TICKS) - 1
        if terrain not in (FOG, OBSTACLE):
            watched = not begins and known["seen"][cell] == before
            owner, growth = known["owner"][cell], 0
            if owner != NEUTRAL:
                growth = (tick % 2 == 0 and terrain in (CITY, GENERAL)) + (tick % 50 == 0)
            expected = min(known["army"][cell] + growth, ARMY_CAP)
            if watched and (owner != now["owner"][cell] or now["army"][cell] != expected):
                activity |= 1
            for field in ("terrain", "owner", "army"):
                known[field][cell] = now[field][cell]
            known["seen"][cell] = tick
        elif terrain == OBSTACLE and known["terrain"][cell] == FOG:
            known["terrain"][cell] = OBSTACLE
        known["activity"][cell] = activity
        if terrain == GENERAL:
            general[now["owner"][cell]] = cell
    for player, home in enumerate(general):
        if home == -1:
            continue
        shown = now["terrain"][home]
        razed = shown not in (FOG, OBSTACLE) and (shown, now["owner"][home]) != (GENERAL, player)
        if razed or not sight["alive"][player]:
            general[player] = -1
    for field, tiles in known.items():
        after[field] = tiles
    after["general"] = general

    if not begins:
        for total, trend in (("land_total", "land_trend"), ("army_total", "army_trend")):
            for player, value in enumerate(sight[total]):
                for k, span in enumerate(TREND_SPANS):
                    old = float(after[trend][player, k])  # float64 here, rounded once when stored
                    after[trend][player, k] = old + (int(value) - old) / span
    after["tick"] = tick
    return after
