"""The ground a scripted player of Generals stands on: what it believes of the board, and ways over it.

A seat's view and memory are copied to a small grid with a wall around it, so that no step needs a
look at the edges. Distances are breadth-first fields; a plan walks down them. Nothing here decides
what to do.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from strategos.games.compiled import kernel
from strategos.games.generals.record import CITY, FOG, GENERAL, MOUNTAIN, OBSTACLE

MINE, MATE, FREE, ENEMY = range(4)
FAR = 1 << 20
NO_MOVE = -1


class Ground(NamedTuple):
    """What one seat believes of the board, on a grid with a wall one tile thick around it.

    All are int32 [tiles]. Written anew for every row; allocated once a call.
    """

    kind: np.ndarray  # MINE, MATE, FREE, ENEMY
    force: np.ndarray  # armies as seen or remembered
    open: np.ndarray  # 1 where a stack can pass, neutral cities left out
    unseen: np.ndarray  # 1 where this seat has never looked
    city: np.ndarray  # 1 where a neutral city is known
    visible: np.ndarray
    queue: np.ndarray
    home: np.ndarray  # steps from the own general
    goal: np.ndarray  # steps to the place the plan is about
    reach: np.ndarray  # steps from the strongest stack
    enemy: np.ndarray  # steps from land known to be an enemy's


@kernel
def survey(
    ground, army, owner, terrain, alive, team, player, height, width, stride,
    old_army, old_owner, old_terrain, seen,
):  # fmt: skip
    """Fill the ground from the view, and from the memory where the view is fogged."""
    span = width + 2
    my_team = team[player]
    tiles = span * (height + 2)
    # All of the grid, so that nothing of the row before stays in the walls.
    ground.kind[:tiles] = FREE
    ground.force[:tiles] = 0
    ground.open[:tiles] = 0
    ground.unseen[:tiles] = 0
    ground.city[:tiles] = 0
    ground.visible[:tiles] = 0
    for r in range(height):
        for c in range(width):
            cell = r * stride + c
            tile = (r + 1) * span + c + 1
            looks = int(terrain[cell])
            visible = looks != FOG and looks != OBSTACLE
            if visible:
                holder, force = int(owner[cell]), int(army[cell])
            else:
                holder, force, looks = int(old_owner[cell]), int(old_army[cell]), int(old_terrain[cell])
            kind = FREE
            if holder == player:
                # A tile that was ours when last seen and is in the fog now has been taken.
                kind = MINE if visible else ENEMY
            elif holder >= 0 and team[holder] == my_team:
                kind = MATE
            elif holder >= 0 and (alive[holder] or visible):
                kind = ENEMY
            ground.kind[tile] = kind
            ground.force[tile] = force
            ground.visible[tile] = visible
            ground.unseen[tile] = seen[cell] < 0
            ground.city[tile] = looks == CITY and kind == FREE
            wall = looks in (MOUNTAIN, OBSTACLE) or (looks == CITY and kind == FREE)
            # What moves onto a teammate's general stays there.
            ground.open[tile] = not (wall or (kind == MATE and looks == GENERAL))


@kernel
def step_of(direction, span):
    """The offset of a move up, down, left, right = 0..3."""
    if direction == 0:
        return -span
    if direction == 1:
        return span
    return -1 if direction == 2 else 1


@kernel
def spread(ground, field, sources, tiles, span, own_land_only):
    """Fill `field` with steps from the first `sources` entries of the queue; FAR where none lead."""
    field[:tiles] = FAR
    queue, passable, kind = ground.queue, ground.open, ground.kind
    head, tail = 0, sources
    for place in range(sources):
        field[queue[place]] = 0
    while head < tail:
        tile = queue[head]
        head += 1
        steps = field[tile] + 1
        for direction in range(4):
            beside = tile + step_of(direction, span)
            if field[beside] == FAR and passable[beside]:
                if own_land_only and kind[beside] != MINE:
                    continue
                field[beside] = steps
                queue[tail] = beside
                tail += 1


@kernel
def spread_from(ground, field, tile, tiles, span, own_land_only):
    ground.queue[0] = tile
    spread(ground, field, 1, tiles, span, own_land_only)


@kernel
def downhill(ground, field, tile, span):
    """The best direction one step down `field`: through own stacks, past enemy ones; -1 for none."""
    best, best_gain = NO_MOVE, -FAR
    for direction in range(4):
        beside = tile + step_of(direction, span)
        if field[beside] != field[tile] - 1:
            continue
        if ground.kind[beside] == MINE:
            gain = 2 * ground.force[beside]
        elif ground.kind[beside] == MATE:
            gain = -1
        else:
            # An enemy tile taken is worth two: one more for us, one less for them.
            gain = -2 * ground.force[beside] + (3 if ground.kind[beside] == ENEMY else 1)
        if gain > best_gain:
            best, best_gain = direction, gain
    return best


@kernel
def arrives_with(ground, field, tile, span):
    """What is left of the stack on `tile` when it has walked down `field` to next to the goal.

    The armies that can enter the goal; 0 or less when the stack is stopped on the way.
    """
    strength = ground.force[tile]
    while field[tile] > 1:
        direction = downhill(ground, field, tile, span)
        if direction < 0 or strength < 2:
            return 0
        tile += step_of(direction, span)
        if ground.kind[tile] == MINE or ground.kind[tile] == MATE:
            strength = strength - 1 + ground.force[tile]
        else:
            strength = strength - 1 - ground.force[tile]
            if strength <= 0:
                return 0
    return strength - 1


@kernel
def march(ground, field, tile, span):
    """One step down `field` with everything, or no move where the next tile cannot be taken."""
    direction = downhill(ground, field, tile, span)
    if direction < 0 or ground.force[tile] < 2:
        return NO_MOVE
    beside = tile + step_of(direction, span)
    if ground.kind[beside] >= FREE and ground.force[tile] - 1 <= ground.force[beside]:
        return NO_MOVE
    return tile * 8 + 2 * direction
