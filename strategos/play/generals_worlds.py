"""One imagined position of Generals: what is in sight is copied, what is hidden made up to fit the totals.

Kernels over single fields of the records, so that one compilation serves every board and number of players.
Land first (generals, remembered tiles, growth from both), armies after it. Nothing here sees a true state.
"""

from __future__ import annotations

import math

from strategos.games.compiled import kernel
from strategos.games.generals.record import (
    ALIVE,
    ARMY_CAP,
    CITY,
    DEAD,
    FOG,
    GENERAL,
    MOUNTAIN,
    NEUTRAL,
    OBSTACLE,
    PLAIN,
    SURRENDERED,
)
from strategos.games.generals.tiles import index_stacks, index_ways
from strategos.games.rng import below, derive, uniform_inside

# What may still be done with a tile while a world is made.
SETTLED, FREE, TOWN, ROCK = range(4)
# Children of a world's key.
BUILDING, PLAYING, RACES = range(3)
"""The stream that makes the world, the stream of the game that goes on from it, and from here on one a
player: the race of the tiles for that player's general."""
HINT_TICKS = 8
"""A remembered army is believed half of the time when it was seen so many ticks ago."""


@kernel
def hidden(seen, cell):
    """Whether the viewer does not see the tile now."""
    return seen.terrain[cell] == FOG or seen.terrain[cell] == OBSTACLE


@kernel
def beside(cell, direction, stride, cells):
    """The tile up, down, left or right = 0..3 of `cell`, or -1 off the board."""
    if direction == 0:
        return cell - stride if cell >= stride else -1
    if direction == 1:
        return cell + stride if cell + stride < cells else -1
    column = cell % stride
    if direction == 2:
        return cell - 1 if column > 0 else -1
    return cell + 1 if column + 1 < stride else -1


@kernel
def spread_steps(seen, work, sources):
    """Write into `work.steps` how far each tile is from the first `sources` tiles of the queue; -1 never.

    Ways lead over plains, generals and owned cities in sight, and over the fog, where all but obstacles
    is open.
    """
    cells = seen.terrain.shape[0]
    steps, queue = work.steps, work.queue
    steps[:] = -1
    for place in range(sources):
        steps[queue[place]] = 0
    head, tail = 0, sources
    while head < tail:
        cell = queue[head]
        head += 1
        for direction in range(4):
            other = beside(cell, direction, seen.stride, cells)
            if other < 0 or steps[other] >= 0:
                continue
            looks = seen.terrain[other]
            if looks in (MOUNTAIN, OBSTACLE) or (looks == CITY and seen.owner[other] < 0):
                continue
            steps[other] = steps[cell] + 1
            queue[tail] = other
            tail += 1


@kernel
def imagine(seen, world, work, setting, key, race):
    """Fill one zeroed `world` whose tick, size, stride, rules and teams are set already.

    `work.weight` has been written for this view. What is drawn is decided by `key`, the places of generals
    that are not known by `race`.
    """
    work.book[0], work.book[1] = derive(key, BUILDING), 0
    world.key[0] = derive(key, PLAYING)
    _settle(seen, world, setting)
    _copy_sight(seen, world, work, setting)
    for player in range(seen.team.shape[0]):
        if world.general[player] < 0 and work.land[player] > 0 and world.status[player] != DEAD:
            _place_general(seen, world, work, setting, player, derive(race, RACES + player))
    _claim_remembered(seen, world, work)
    _grow(seen, world, work)
    for player in range(seen.team.shape[0]):
        _spread_armies(seen, world, work, player)
    _finish(seen, world)


@kernel
def _roll(book, bound):
    """The next number of the stream in use, uniform in [0, bound)."""
    number = below(book[0], book[1], bound)
    book[1] += 1
    return number


@kernel
def _settle(seen, world, setting):
    """Who is alive, who has surrendered (dead, but the land stands), and whether the game is over."""
    side, rivals = -1, False
    for player in range(seen.team.shape[0]):
        if seen.alive[player]:
            rivals |= side >= 0 and seen.team[player] != side
            side = seen.team[player]
    world.winner[0] = -1
    if not rivals:
        world.over[0], world.winner[0] = 1, side
    elif setting.draw_tick > 0 and seen.tick >= setting.draw_tick:
        world.over[0] = 1
    for player in range(seen.team.shape[0]):
        world.status[player] = ALIVE
        if not seen.alive[player]:
            stands = rivals and seen.land_total[player] > 0
            world.status[player] = SURRENDERED if stands else DEAD
            world.num_dead[0] += 1
            world.death[player] = world.num_dead[0]


@kernel
def _copy_sight(seen, world, work, setting):
    """Copy what is in sight, decide the terrain of the rest, count what is still to be found."""
    for player in range(seen.team.shape[0]):
        world.general[player] = -1
        work.land[player] = seen.land_total[player]
        work.army[player] = seen.army_total[player]
    for cell in range(seen.terrain.shape[0]):
        looks, knows = seen.terrain[cell], seen.old_terrain[cell]
        world.owner[cell] = NEUTRAL
        if not hidden(seen, cell):
            work.kind[cell] = SETTLED
            holder = seen.owner[cell]
            world.terrain[cell], world.owner[cell], world.army[cell] = looks, holder, seen.army[cell]
            if holder >= 0:
                work.land[holder] -= 1
                work.army[holder] -= seen.army[cell]
                if looks == GENERAL:
                    world.general[holder] = cell
            continue
        world.terrain[cell], work.kind[cell] = PLAIN, FREE
        if looks == OBSTACLE:
            town = knows in (CITY, GENERAL)
            if knows in (FOG, OBSTACLE):
                town = _roll(work.book, 1 << 16) < setting.city_share
            world.terrain[cell] = CITY if town else MOUNTAIN
            work.kind[cell] = TOWN if town else (SETTLED if knows == MOUNTAIN else ROCK)
        elif knows == CITY or (knows == GENERAL and not _stands(seen, cell)):  # not noticed as a city yet
            world.terrain[cell], work.kind[cell] = CITY, TOWN
        if work.kind[cell] == TOWN:
            spread = setting.city_army_high - setting.city_army_low + 1
            world.army[cell] = setting.city_army_low + _roll(work.book, spread)
        if seen.old_seen[cell] >= 0 and seen.old_owner[cell] < 0 and work.kind[cell] != ROCK:
            world.army[cell] = seen.old_army[cell]


@kernel
def _stands(seen, cell):
    """Whether the general that was seen on this hidden tile has not fallen."""
    holder = seen.old_owner[cell]
    if seen.old_terrain[cell] != GENERAL or holder < 0:
        return False
    return seen.alive[holder] or seen.land_total[holder] > 0


@kernel
def _take(world, work, cell, player):
    """Give a hidden tile to a player; the armies come later."""
    world.owner[cell] = player
    world.army[cell] = 0
    work.kind[cell] = SETTLED
    work.land[player] -= 1


@kernel
def _place_general(seen, world, work, setting, player, key):
    """The general of `player` on its remembered tile, or where a weighted race of the tiles puts it."""
    cells, stride = seen.terrain.shape[0], seen.stride
    place = -1
    for cell in range(cells):
        if work.kind[cell] == FREE and seen.old_owner[cell] == player and _stands(seen, cell):
            place = cell
    if place < 0:
        shortest = math.inf
        for cell in range(cells):
            weight = work.weight[player, cell]
            if weight <= 0.0 or work.kind[cell] != FREE:
                continue
            for other in range(player):
                rival = world.general[other]
                if rival >= 0 and hidden(seen, rival) and seen.team[other] != seen.team[player]:
                    apart = abs(cell // stride - rival // stride) + abs(cell % stride - rival % stride)
                    weight *= 1.0 if apart >= setting.distance else 1.0 / 16.0
            time = -math.log(uniform_inside(key, cell)) / weight
            if time < shortest:
                place, shortest = cell, time
    if place < 0:
        place = _any_tile(work, FREE)
    if place >= 0:
        _take(world, work, place, player)
        world.terrain[place] = GENERAL
        world.general[player] = place


@kernel
def _any_tile(work, kind):
    """A random tile of the kind, or -1."""
    cells = work.kind.shape[0]
    start = _roll(work.book, cells)
    for offset in range(cells):
        cell = (start + offset) % cells
        if work.kind[cell] == kind:
            return cell
    return -1


@kernel
def _draw_player(work):
    """A player with land to be found, in proportion to it; -1 when all of it is found."""
    total = 0
    for player in range(work.land.shape[0]):
        total += max(work.land[player], 0)
    if total == 0:
        return -1
    number = _roll(work.book, total)
    for player in range(work.land.shape[0]):
        number -= max(work.land[player], 0)
        if number < 0:
            return player
    return -1


@kernel
def _claim_remembered(seen, world, work):
    """Hidden tiles stay with the enemy who was seen on them; what the viewer's side lost has an heir."""
    cells = seen.terrain.shape[0]
    start = _roll(work.book, cells)
    for offset in range(cells):
        cell = (start + offset) % cells
        holder = int(seen.old_owner[cell])
        if holder < 0 or (work.kind[cell] != FREE and work.kind[cell] != TOWN):
            continue
        if seen.team[holder] == seen.team[seen.me] or seen.land_total[holder] == 0:
            holder = _draw_player(work)
        if holder >= 0 and work.land[holder] > 0:
            _take(world, work, cell, holder)


@kernel
def _push_beside(seen, work, cell, player):
    """Add the free tiles beside `cell` to the player's frontier."""
    for direction in range(4):
        other = beside(cell, direction, seen.stride, seen.terrain.shape[0])
        if other >= 0 and work.kind[other] == FREE:
            work.frontier[player, work.edge[player]] = other
            work.edge[player] += 1


@kernel
def _grow(seen, world, work):
    """Grow hidden land a random tile of the frontier at a time, all players in turn, until it is found.

    Land that cannot grow on goes on anywhere in the fog; when all fog is owned, cities and at last
    obstacles (which then are cities) are taken.
    """
    work.edge[:] = 0
    for cell in range(seen.terrain.shape[0]):
        holder = world.owner[cell]
        if holder >= 0 and work.land[holder] > 0:
            _push_beside(seen, work, cell, holder)
    while True:
        player = _draw_player(work)
        if player < 0:
            return
        cell = -1
        while cell < 0 and work.edge[player] > 0:
            place = _roll(work.book, work.edge[player])
            work.edge[player] -= 1
            cell = work.frontier[player, place]
            work.frontier[player, place] = work.frontier[player, work.edge[player]]
            if work.kind[cell] != FREE:
                cell = -1
        for kind in (FREE, TOWN, ROCK):
            if cell < 0:
                cell = _any_tile(work, kind)
        if cell < 0:
            return
        if work.kind[cell] == ROCK:
            world.terrain[cell] = CITY
        _take(world, work, cell, player)
        _push_beside(seen, work, cell, player)


@kernel
def _spread_armies(seen, world, work, player):
    """Spread the armies of a player that are not in sight over the hidden tiles, one on each first.

    Then what was seen there not long ago, what general and cities may have grown, and the rest as a few
    stacks, each half of what is left.
    """
    tiles, count = work.queue, 0
    for cell in range(seen.terrain.shape[0]):
        if world.owner[cell] == player and hidden(seen, cell):
            tiles[count] = cell
            count += 1
    spare = work.army[player]
    if count == 0:
        _fill_capped(seen, world, player, spare)
        return
    for place in range(count):
        if spare < count:  # some tiles were left at 0: which ones is drawn
            other = place + _roll(work.book, count - place)
            tiles[place], tiles[other] = tiles[other], tiles[place]
        world.army[tiles[place]] = 1 if place < spare else 0
    spare -= min(spare, count)
    for place in range(count):
        if spare <= 0:
            return
        cell = tiles[place]
        age = seen.tick - seen.old_seen[cell]
        given = 0
        structure = world.terrain[cell] != PLAIN
        if seen.old_owner[cell] == player and _roll(work.book, HINT_TICKS + age) < HINT_TICKS:
            given = seen.old_army[cell] - 1 + (age // 2 if structure else 0)
        elif structure:
            given = _roll(work.book, seen.tick // 4 + 1)
        given = min(max(given, 0), spare)
        world.army[cell] += given
        spare -= given
    while spare > 0:
        given = (spare + 1) // 2 if spare > 3 else 1
        world.army[tiles[_roll(work.book, count)]] += given
        spare -= given


@kernel
def _fill_capped(seen, world, player, spare):
    """Armies beyond what a view can show, all of the player's land being in sight."""
    for cell in range(seen.terrain.shape[0]):
        if spare > 0 and world.owner[cell] == player and seen.army[cell] == ARMY_CAP:
            world.army[cell] += spare
            return


@kernel
def _finish(seen, world):
    """What follows from terrain, owners and armies."""
    sides = 0
    for player in range(seen.team.shape[0]):
        sides |= int(seen.team[player] == seen.team[seen.me]) << player
    for cell in range(seen.terrain.shape[0]):
        holder = world.owner[cell]
        if holder >= 0:
            world.land_total[holder] += 1
            world.army_total[holder] += world.army[cell]
        if world.terrain[cell] == CITY:
            slot = world.num_cities[0]
            world.city[slot] = cell
            if seen.terrain[cell] == FOG:
                world.disguise[slot] = sides
                world.disguises[0] |= sides
            world.num_cities[0] += 1
    index_ways(world)
    index_stacks(world)
