"""What a player of Generals sees and what stays in memory, in plain Python."""

from __future__ import annotations

from dataclasses import dataclass

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
)
from strategos.games.generals.reference.position import (
    Position,
    army_totals,
    land,
    land_totals,
    same_team,
)


@dataclass
class View:
    """What a player may know: the fields of `view_dtype`."""

    tick: int
    height: int
    width: int
    stride: int
    me: int
    army_total: list[int]
    land_total: list[int]
    army: list[int]
    owner: list[int]
    terrain: list[int]
    alive: list[int]
    team: list[int]
    order: int


@dataclass
class Memory:
    """What a player has seen so far: the fields of `memory_dtype`."""

    tick: int
    stride: int
    me: int
    land_trend: np.ndarray
    army_trend: np.ndarray
    seen: list[int]
    activity: list[int]
    army: list[int]
    general: list[int]
    owner: list[int]
    terrain: list[int]


# A view


def view(position: Position, player: int) -> View:
    """What the player may know now."""
    sight = View(
        tick=position.tick,
        height=position.height,
        width=position.width,
        stride=position.stride,
        me=player,
        army_total=army_totals(position),
        land_total=land_totals(position),
        army=[0] * len(position.army),
        owner=[NEUTRAL] * len(position.army),
        terrain=in_fog(position, player),
        alive=[int(status == ALIVE) for status in position.status],
        team=position.team,
        order=position.rules["order"],
    )
    for tile in in_sight(position, player):
        sight.army[tile] = min(position.army[tile], ARMY_CAP)
        sight.owner[tile] = position.owner[tile]
        sight.terrain[tile] = position.terrain[tile]
    return sight


def in_sight(position: Position, player: int) -> set[int]:
    """The tiles of the player's team and the eight around each."""
    team = [mate for mate in position.players if same_team(position, player, mate)]
    return {tile for mate in team for cell in land(position, mate) for tile in position.squares[cell]}


def in_fog(position: Position, player: int) -> list[int]:
    """What the tiles look like where the player sees none. Beyond the edge of the board there is no fog."""
    looks = [OBSTACLE if terrain in (MOUNTAIN, CITY) else FOG for terrain in position.terrain]
    for cell, unaware in position.disguise.items():
        if player in unaware:
            looks[cell] = FOG
    for cell in position.beyond:
        looks[cell] = MOUNTAIN
    return looks


# A memory


def remember(sight: View, memory: Memory) -> Memory:
    """The memory after one more view; at tick 0, and where it is still blank, it begins anew."""
    if sight.tick == 0 or memory.stride == 0:
        memory = nothing_yet(sight)
    elif sight.tick == memory.tick:
        return memory
    after = Memory(
        tick=sight.tick,
        stride=sight.stride,
        me=sight.me,
        land_trend=moving_averages(memory.land_trend, sight.land_total),
        army_trend=moving_averages(memory.army_trend, sight.army_total),
        seen=memory.seen.copy(),
        activity=[past << 1 & (1 << ACTIVITY_TICKS) - 1 for past in memory.activity],
        army=memory.army.copy(),
        general=generals(sight, memory),
        owner=memory.owner.copy(),
        terrain=memory.terrain.copy(),
    )
    for cell, terrain in enumerate(sight.terrain):
        if terrain not in (FOG, OBSTACLE):
            after.activity[cell] |= disturbed(sight, memory, cell)
            after.seen[cell] = sight.tick
            after.army[cell] = sight.army[cell]
            after.owner[cell] = sight.owner[cell]
            after.terrain[cell] = terrain
        elif memory.terrain[cell] == FOG:
            after.terrain[cell] = terrain
    return after


def nothing_yet(sight: View) -> Memory:
    """The memory before the first view."""
    cells, players = len(sight.terrain), len(sight.team)
    return Memory(
        tick=-1,
        stride=sight.stride,
        me=sight.me,
        land_trend=np.array([[total] * len(TREND_SPANS) for total in sight.land_total], np.float32),
        army_trend=np.array([[total] * len(TREND_SPANS) for total in sight.army_total], np.float32),
        seen=[-1] * cells,
        activity=[0] * cells,
        army=[0] * cells,
        general=[-1] * players,
        owner=[NEUTRAL] * cells,
        terrain=[FOG] * cells,
    )


def moving_averages(averages: np.ndarray, totals: list[int]) -> np.ndarray:
    """Each average, [P, spans] float32, goes a part of the way to its player's total, in float64."""
    before, now = np.array(averages, np.float64), np.array(totals, np.float64)
    return (before + (now[:, None] - before) / TREND_SPANS).astype(np.float32)


def disturbed(sight: View, memory: Memory, cell: int) -> bool:
    """Whether a tile in sight was so a tick ago, too, and is not what growth has made of it."""
    if not memory.seen[cell] == memory.tick >= 0:
        return False
    owner, growth = memory.owner[cell], 0
    if owner != NEUTRAL:
        structure = sight.terrain[cell] in (CITY, GENERAL)
        growth = (sight.tick % 2 == 0 and structure) + (sight.tick % 50 == 0)
    expected = min(memory.army[cell] + growth, ARMY_CAP)
    return (sight.owner[cell], sight.army[cell]) != (owner, expected)


def generals(sight: View, memory: Memory) -> list[int]:
    """Where each general was last seen; -1 for one whose player is dead or whose tile shows another thing."""
    homes = list(memory.general)
    for cell, terrain in enumerate(sight.terrain):
        if terrain == GENERAL:
            homes[sight.owner[cell]] = cell
    for player, home in enumerate(homes):
        if home != -1:
            shown = sight.terrain[home]
            razed = shown not in (FOG, OBSTACLE) and (shown, sight.owner[home]) != (GENERAL, player)
            if razed or not sight.alive[player]:
                homes[player] = -1
    return homes
