"""The hunter: a scripted player of Generals that looks for the enemy general and kills it.

It expands while it is small, explores the fog towards where an enemy can be, remembers, gathers its
stacks when its strongest one is too weak, strikes, and defends its own general. It keeps nothing
between calls: everything it knows is in the view and the engine's memory of that seat.

Plans are remade every tick from distances that shrink when the plan is followed, so a plan goes on
by itself and a stack never turns on the spot.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from strategos.games.compiled import kernel
from strategos.games.generals.record import has_builds, pass_action
from strategos.games.rng import below
from strategos.play.generals_fields import contiguous_fields
from strategos.play.ground import (
    ENEMY,
    FAR,
    FREE,
    MINE,
    NO_MOVE,
    Ground,
    arrives_with,
    march,
    spread,
    spread_from,
    step_of,
    survey,
)
from strategos.play.policy import check_plays, row_keys

_VIEWED = (
    "army", "owner", "terrain", "alive", "team", "army_total", "land_total", "me", "tick", "height", "width",
    "stride",
)  # fmt: skip
_REMEMBERED = ("army", "owner", "terrain", "seen", "general")
DEFENCE_REACH = 8
"""Enemy stacks within this many steps of the own general are watched."""
CITY_REACH = 8
"""Neutral cities within this many steps of the strongest stack may be taken."""
SCOUT_ARMY = 4
"""A stack that is smaller than this expands and does not go looking for the enemy."""


class HunterBot:
    """Explores, remembers, gathers and strikes; Generals of any size, players, teams and ruleset."""

    name = "hunter"
    game = "generals"

    def act(
        self, views: np.ndarray, masks: np.ndarray, memories: np.ndarray | None, rng: np.random.Generator
    ) -> np.ndarray:
        """Choose actions [B] int32; see `Policy.act`. `ValueError` without memories and for another game."""
        check_plays(self, views, "army")
        if memories is None:
            raise ValueError("the hunter needs the memories of its seat; run the engine with memories")
        actions = np.empty(len(views), np.int32)
        cells = views["army"].shape[1]
        # A wall around every board: (height + 2) * (width + 2) <= 3 * cells + 6 from one column up.
        ground = Ground(*np.zeros((len(Ground._fields), 3 * cells + 6), np.int32))
        arguments: list[Any] = [
            *contiguous_fields(views, _VIEWED),
            *contiguous_fields(memories, _REMEMBERED),
            pass_action(cells, has_builds(cells, masks.shape[1])),
            row_keys(rng, len(views)),
            ground,
            np.zeros(views["team"].shape[1], np.int32),
            actions,
        ]
        _hunter_actions(*arguments)
        return actions


@kernel
def _hunter_actions(
    armies, owners, terrains, alive, teams, totals, lands, me, ticks, heights, widths, strides,
    old_armies, old_owners, old_terrains, seen, generals, pass_action, keys, ground, largest, actions,
):  # fmt: skip
    """Fill `actions` [B]. Board fields are [B, cells], player fields [B, P]; `largest` [P] is scratch."""
    for row in range(armies.shape[0]):
        actions[row] = pass_action
        player = int(me[row])
        if not alive[row, player]:
            continue
        height, width, stride = int(heights[row]), int(widths[row]), int(strides[row])
        team = teams[row]
        survey(
            ground, armies[row], owners[row], terrains[row], alive[row], team, player, height, width, stride,
            old_armies[row], old_owners[row], old_terrains[row], seen[row],
        )  # fmt: skip
        strongest_rival = 0
        for other in range(team.shape[0]):
            if team[other] != team[player]:
                strongest_rival = max(strongest_rival, int(totals[row, other]))
                # The largest stack that this rival can have: at least one army is on every other tile.
                largest[other] = totals[row, other] - lands[row, other] + 1
        move = _decide(
            ground, generals[row], alive[row], team, player, height, width, stride, int(ticks[row]),
            seen[row], int(totals[row, player]), strongest_rival, largest, keys[row],
        )  # fmt: skip
        if move >= 0:
            span = width + 2
            tile = move >> 3
            actions[row] = ((tile // span - 1) * stride + tile % span - 1) * 8 + (move & 7)


@kernel
def _strongest(ground, tiles, field):
    """The own stack of two or more with the most armies after the way down `field`, or -1."""
    best, best_value = -1, -FAR
    for tile in range(tiles):
        if ground.kind[tile] == MINE and ground.force[tile] > 1 and field[tile] < FAR:
            value = ground.force[tile] - field[tile]
            if value > best_value:
                best, best_value = tile, value
    return best


@kernel
def _gather(ground, root, tiles, span):
    """Bring the best of the other stacks one step nearer to `root`."""
    spread_from(ground, ground.reach, root, tiles, span, True)
    best, best_value = -1, 0
    for tile in range(tiles):
        steps = ground.reach[tile]
        if ground.kind[tile] != MINE or steps == 0 or steps >= FAR:
            continue
        value = (ground.force[tile] - 1) * 64 // (steps + 2)
        if value > best_value:
            best, best_value = tile, value
    return march(ground, ground.reach, best, span) if best >= 0 else NO_MOVE


@kernel
def _spare_armies(ground, root, tiles):
    """All armies that could be gathered to `root`."""
    total = 0
    for tile in range(tiles):
        if ground.kind[tile] == MINE and tile != root:
            total += ground.force[tile] - 1
    return total


@kernel
def _expand(ground, tiles, span, general, spare, key):
    """Take the tile that is worth most: enemy land, then tiles that show most of the fog.

    Where no border stack can take anything, walk the strongest inner one to the border. The stack on
    `spare` stays where it is.
    """
    best, best_value = NO_MOVE, -FAR
    draws = 0
    for tile in range(tiles):
        if ground.kind[tile] != MINE or ground.force[tile] < 2 or tile == spare:
            continue
        for direction in range(4):
            beside = tile + step_of(direction, span)
            if not ground.open[beside] or ground.kind[beside] < FREE:
                continue
            if ground.force[tile] - 1 <= ground.force[beside]:
                continue
            value = 4 * min(ground.force[tile], 12) + (60 if ground.kind[beside] == ENEMY else 0)
            for above in range(-span, span + 1, span):
                for offset in range(above - 1, above + 2):
                    value += 4 * ground.unseen[beside + offset]
            value -= 6 * (tile == general)
            value += below(key, 16 + draws, 4)
            draws += 1
            if value > best_value:
                best, best_value = tile * 8 + 2 * direction, value
    if best >= 0:
        return best
    sources = 0
    for tile in range(tiles):
        if ground.open[tile] and ground.kind[tile] >= FREE:
            ground.queue[sources] = tile
            sources += 1
    spread(ground, ground.reach, sources, tiles, span, False)
    best_value = 0
    for tile in range(tiles):
        if ground.kind[tile] != MINE or ground.reach[tile] >= FAR or tile == spare:
            continue
        # A walk over own land costs a tick a step; it pays when as many tiles wait at its end.
        value = (ground.force[tile] - 1) * 16 - 8 * ground.reach[tile]
        if value > best_value:
            step = march(ground, ground.reach, tile, span)
            if step >= 0:
                best, best_value = step, value
    return best


@kernel
def _threat(ground, tiles, garrison):
    """The enemy stack in sight that could take the own general, held by `garrison`, soonest; or -1."""
    worst, worst_steps = -1, DEFENCE_REACH + 1
    for tile in range(tiles):
        steps = ground.home[tile]
        if ground.kind[tile] != ENEMY or not ground.visible[tile] or steps >= worst_steps:
            continue
        if ground.force[tile] - steps > garrison + steps // 2:
            worst, worst_steps = tile, steps
    return worst


@kernel
def _defend(ground, threat, general, tiles, span):
    """Kill the stack that threatens the general, or bring it what can arrive in time."""
    best, best_force = NO_MOVE, FAR
    for direction in range(4):
        beside = threat + step_of(direction, span)
        force = ground.force[beside]
        if (
            ground.kind[beside] == MINE
            and ground.open[beside]
            and ground.force[threat] < force - 1 < best_force
        ):
            best, best_force = beside * 8 + 2 * (direction ^ 1), force - 1
    if best >= 0:
        return best
    best_value, helper = 0, -1
    for tile in range(tiles):
        steps = ground.home[tile]
        if ground.kind[tile] == MINE and 0 < steps <= ground.home[threat]:
            value = (ground.force[tile] - 1) * 16 // steps
            if value > best_value:
                best_value, helper = value, tile
    return march(ground, ground.home, helper, span) if helper >= 0 else NO_MOVE


@kernel
def _attack(ground, places, alive, team, player, width, stride, tick, seen, tiles, general, largest, key):
    """The move of a strike at the known enemy general that is easiest to take.

    Returns (move, steps of the strike when it is strong enough, else FAR).
    """
    span = width + 2
    target, stack, best_margin, best_steps = -1, -1, -FAR, FAR
    for rival in range(team.shape[0]):
        place = int(places[rival])
        if place < 0 or team[rival] == team[player] or not alive[rival]:
            continue
        tile = (place // stride + 1) * span + place % stride + 1
        spread_from(ground, ground.goal, tile, tiles, span, False)
        best = _strongest(ground, tiles, ground.goal)
        if best < 0:
            continue
        steps = ground.goal[best]
        # The general grows while it is out of sight and while the stack walks.
        garrison = ground.force[tile]
        if not ground.visible[tile]:
            garrison = min(garrison + (tick - int(seen[place])) // 4, int(largest[rival]) // 2)
        garrison += steps // 2
        margin = arrives_with(ground, ground.goal, best, span) - garrison
        if margin > best_margin:
            target, stack, best_margin, best_steps = tile, best, margin, steps
    if target < 0:
        return NO_MOVE, FAR
    spread_from(ground, ground.goal, target, tiles, span, False)
    if best_margin > 0:
        return march(ground, ground.goal, stack, span), best_steps
    if _spare_armies(ground, stack, tiles) + best_margin > 0:
        move = _gather(ground, stack, tiles, span)
        if move >= 0:
            return move, FAR
    move = _expand(ground, tiles, span, general, -1, key)
    if move < 0:
        move = march(ground, ground.goal, stack, span)
    return move, FAR


@kernel
def _take_city(ground, stack, tiles, span, spendable):
    """A step towards the nearest neutral city that the stack can take and the player can spare."""
    target, best_steps = -1, CITY_REACH + 1
    for tile in range(tiles):
        if not ground.city[tile] or ground.force[tile] > spendable:
            continue
        for direction in range(4):
            steps = ground.reach[tile + step_of(direction, span)] + 1
            if steps < best_steps:
                target, best_steps = tile, steps
    if target < 0:
        return NO_MOVE
    spread_from(ground, ground.goal, target, tiles, span, False)
    if arrives_with(ground, ground.goal, stack, span) <= ground.force[target]:
        return NO_MOVE
    return march(ground, ground.goal, stack, span)


@kernel
def _lookout(ground, stack, tiles, span, general):
    """The tile worth walking to: unseen, near enemy land where any is known, else far from home; or -1."""
    sources = 0
    for tile in range(tiles):
        if ground.kind[tile] == ENEMY and ground.open[tile]:
            ground.queue[sources] = tile
            sources += 1
    spread(ground, ground.enemy, sources, tiles, span, False)
    target, best_value = -1, FAR
    for tile in range(tiles):
        steps = ground.reach[tile]
        if steps >= FAR or steps == 0:
            continue
        if ground.unseen[tile]:
            value = 2 * steps
            if sources > 0:
                value += 3 * min(ground.enemy[tile], 30)
            elif general >= 0:
                value -= 2 * min(ground.home[tile], 30)
        elif ground.kind[tile] == ENEMY:
            value = 400 + steps
        else:
            continue
        if value < best_value:
            target, best_value = tile, value
    return target


@kernel
def _scout(ground, tiles, span, general, spendable, key):
    """No general is known: look for one with the strongest stack, take cities, expand."""
    stack = -1
    for tile in range(tiles):
        if ground.kind[tile] == MINE and (stack < 0 or ground.force[tile] > ground.force[stack]):
            stack = tile
    if stack < 0:
        return NO_MOVE
    spread_from(ground, ground.reach, stack, tiles, span, False)
    move = _take_city(ground, stack, tiles, span, spendable)
    if move >= 0:
        return move
    if ground.force[stack] >= SCOUT_ARMY:
        target = _lookout(ground, stack, tiles, span, general)
        if target >= 0:
            spread_from(ground, ground.goal, target, tiles, span, False)
            move = march(ground, ground.goal, stack, span)
            if move < 0:
                move = _gather(ground, stack, tiles, span)
            if move >= 0:
                return move
    return _expand(ground, tiles, span, general, -1, key)


@kernel
def _decide(
    ground,
    places,
    alive,
    team,
    player,
    height,
    width,
    stride,
    tick,
    seen,
    total,
    strongest_rival,
    largest,
    key,
):
    """The move as `tile * 8 + direction * 2 + half` on the ground's grid, or -1 to pass."""
    span = width + 2
    tiles = span * (height + 2)
    general = -1
    place = int(places[player])
    if place >= 0:
        general = (place // stride + 1) * span + place % stride + 1
        spread_from(ground, ground.home, general, tiles, span, False)
    else:
        ground.home[:tiles] = FAR

    move, strike_steps = _attack(
        ground, places, alive, team, player, width, stride, tick, seen, tiles, general, largest, key
    )
    if general >= 0:
        threat = _threat(ground, tiles, ground.force[general])
        if threat >= 0 and strike_steps >= ground.home[threat]:
            defence = _defend(ground, threat, general, tiles, span)
            if defence >= 0:
                return defence
    if move < 0:
        move = _scout(ground, tiles, span, general, total - strongest_rival, key)
    if move >= 0 and move >> 3 == general:
        threat = _threat(ground, tiles, 1)
        if threat >= 0 and strike_steps >= FAR:
            return _keep_garrison(ground, move, general, tiles, span, key)
    return move


@kernel
def _keep_garrison(ground, move, general, tiles, span, key):
    """A move out of the general that would lose it to an enemy in sight: half, or somebody else."""
    force = ground.force[general]
    target = general + step_of((move & 7) >> 1, span)
    enters = ground.kind[target] < FREE or (force >> 1) > ground.force[target]
    if enters and _threat(ground, tiles, force - (force >> 1)) < 0:
        return move | 1
    return _expand(ground, tiles, span, general, general, key)
