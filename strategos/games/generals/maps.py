"""Maps of Generals: one fair, connected board from a game's random stream.

Integers only, no allocation, everything from the stream: the same key gives the same board with
and without the compiler. Nothing here knows how the game is played.

How a board is made: obstacles are strewn at random; the first general takes a random open tile and
a flood from it finds what is connected; each further general takes a random tile among those that
keep the distances best, one with about as much open land around it as the others have; then some
of the obstacles are named cities. So naming a city can never cut a general off. What is wrong with
a board is counted in points; a board without any is taken at once, each further try allows a
little more, and after the last try the best board seen is taken. Being connected is never given up.

Boards smaller than the ruleset's own: cities in proportion to the area, distances in proportion
to height + width, and never more than so many generals can keep (`_lowest_distance`). Boards
larger: cities in proportion to the area. Numbers given explicitly are never scaled.

Teams: the first general of each team is placed before the others. A general should be no further
from the first of its team than from any enemy, and teammates a third of the enemies' distance
apart; both give way before the distance between enemies does.
"""

from __future__ import annotations

import numpy as np

from strategos.games.compiled import inlined, kernel
from strategos.games.generals import map_ground as ground
from strategos.games.generals.map_ground import scratch
from strategos.games.generals.map_options import OPTIONS_DTYPE, held_distance, map_options, natural_sides
from strategos.games.generals.record import ALIVE, CITY, GENERAL, MOUNTAIN, NEUTRAL, PLAIN

__all__ = ["OPTIONS_DTYPE", "generate", "map_options", "natural_sides", "scratch"]

_TRIES = 32
_SITES = 12  # tiles whose open land is counted for each further general
_ENEMY_POINTS = 16  # for each tile that enemies are too near or too far
_CITY_POINTS = 16  # for each general without a city near it
_MANY = 1 << 30


@inlined
def generate(state, options, rules, teams, stride_height, stride_width, scratch):
    """Fill `state` with a new board at tick 0: every field but `ways`, which the rules make from it.

    `state.key` and `state.draws` say where the random stream stands; `draws` is advanced. `teams` [P]
    is each seat's team; `scratch` as made by the function of that name for at least these strides.
    Tiles of the padded board that lie outside the drawn one are mountains.
    """
    scratch[ground.BOOK, ground.KEY] = state.key
    scratch[ground.BOOK, ground.DRAWS] = state.draws
    height, width = _draw_board(options, teams, scratch)
    state.rules = rules
    state.tick = 0
    state.height = height
    state.width = width
    state.stride = stride_width
    state.over = 0
    state.winner = -1
    state.num_dead = 0
    state.disguises = 0
    state.stacks[:] = 0  # every general holds 1
    state.army[:] = 0
    state.city[:] = 0
    state.disguise[:] = 0
    state.owner[:] = NEUTRAL
    state.terrain[:] = MOUNTAIN
    army, city, terrain = state.army, state.city, state.terrain
    spread = options.city_army_high - options.city_army_low + 1
    book, grid = scratch[ground.BOOK], scratch[ground.BEST_GRID]
    found = 0
    for row in range(height):
        for column in range(width):
            cell = row * stride_width + column
            what = grid[(row + 1) * (width + 2) + column + 1]
            if what == ground.OPEN:
                terrain[cell] = PLAIN
            elif what == ground.TOWN:
                terrain[cell] = CITY
                army[cell] = options.city_army_low + ground.roll(book, spread)
                city[found] = cell
                found += 1
    for player in range(len(teams)):
        place = scratch[ground.BEST_PLACE, player]
        cell = (place // (width + 2) - 1) * stride_width + place % (width + 2) - 1
        terrain[cell] = GENERAL
        army[cell] = 1
        state.owner[cell] = player
        state.general[player] = cell
        state.army_total[player] = 1
        state.land_total[player] = 1
        state.death[player] = 0
        state.status[player] = ALIVE
        state.team[player] = teams[player]
    state.num_cities = found
    state.draws = book[ground.DRAWS]


@inlined
def _draw_board(options, teams, work):
    """Make a board in the rows BEST_GRID and BEST_PLACE of `work`; its height and width."""
    book = work[ground.BOOK]
    players = len(teams)
    height = _side(book, options.min_height, options.max_height, options.squared_sides)
    width = _side(book, options.min_width, options.max_width, options.squared_sides)
    tiles = height * width
    cities = ground.between(book, options.cities_low, options.cities_high)
    if tiles < options.cities_area_low:
        cities = (cities * tiles + options.cities_area_low // 2) // options.cities_area_low
    elif tiles > options.cities_area_high:
        cities = (cities * tiles + options.cities_area_high // 2) // options.cities_area_high
    share = ground.between(book, options.mountains_low, options.mountains_high)
    walls = min(cities + (tiles * share + 500) // 1000, tiles // 2)
    num_teams = _order_seats(work, teams)
    rivals = (players + num_teams) // 2
    low = _lowest_distance(options.distance_low, options.full_side, rivals, height, width)
    walk = _lowest_distance(options.walk_low, options.full_side, rivals, height, width)
    size = (height + 2) * (width + 2)
    work[ground.MARK, :size] = 0
    book[ground.STAMP] = 0
    best = np.int64(_MANY)
    for attempt in range(_TRIES + 1):
        ground.strew(work, height, width, walls)
        carve = best == _MANY and attempt == _TRIES
        if not ground.start(work, height, width, walls, low, np.int64(options.fair_steps), carve):
            continue
        points = _place_generals(work, teams, options, height, width, low, walk, best)
        if points >= best:
            continue
        points += _CITY_POINTS * ground.name_cities(work, players, width, walls, cities, options.city_steps)
        if points < best:
            best = points
            for tile in range(size):
                work[ground.BEST_GRID, tile] = work[ground.GRID, tile]
            for player in range(players):
                work[ground.BEST_PLACE, player] = work[ground.PLACE, player]
        if best <= attempt // 2:
            break
    return height, width


@kernel
def _side(book, low, high, squared):
    if not squared:
        return ground.between(book, low, high)
    number = ground.roll(book, 1025)
    return low + ((number * number * (high - low) + (1 << 19)) >> 20)


@kernel
def _lowest_distance(low, full_side, rivals, height, width):
    """`low`, shrunk in proportion to boards smaller than `full_side` and to what the board can hold."""
    if full_side == 0:
        return low
    return held_distance(min(low, low * (height + width) // (2 * full_side)), rivals, height, width)


@kernel
def _order_seats(work, teams):
    """Draw the order of placing, the first of each team before all others; the number of teams."""
    book, seats = work[ground.BOOK], work[ground.SITE]
    order, captain = work[ground.ORDER], work[ground.CAPTAIN]
    players = len(teams)
    for index in range(players):
        other = ground.roll(book, index + 1)
        seats[index] = seats[other]
        seats[other] = index
    placed = 0
    for index in range(players):
        seat = seats[index]
        captain[seat] = seat
        for earlier in range(placed):
            if teams[order[earlier]] == teams[seat]:
                captain[seat] = order[earlier]
        if captain[seat] == seat:
            order[placed] = seat
            placed += 1
    num_teams = placed
    for index in range(players):
        if captain[seats[index]] != seats[index]:
            order[placed] = seats[index]
            placed += 1
    return num_teams


@kernel
def _place_generals(work, teams, options, height, width, low, walk, enough):
    """Place all generals after the first; the points against them. Gives up at `enough` points."""
    book, site, order, place = work[ground.BOOK], work[ground.SITE], work[ground.ORDER], work[ground.PLACE]
    steps, limit = np.int64(options.fair_steps), options.fair_tiles
    least = ground.explore(work, place[order[0]], steps, width)
    most = least
    points = 0
    for placed in range(1, len(teams)):
        seat = order[placed]
        fewest, found = _MANY, 0
        for row in range(height):
            for column in range(width):
                tile = (row + 1) * (width + 2) + column + 1
                walked = work[ground.STEPS, tile]
                if walked < 0:
                    continue
                against = _points(work, teams, placed, row, column, low, options.distance_high, fewest)
                if walked < walk:
                    against += _ENEMY_POINTS * (walk - walked)
                if against < fewest:
                    fewest, found = against, 0
                if against == fewest:
                    site[found] = tile
                    found += 1
        points += fewest
        if points >= enough:
            return points
        narrowest, chosen, chosen_least, chosen_most = _MANY, 0, 0, 0
        for index in range(min(found, _SITES)):
            other = index + ground.roll(book, found - index)
            tile = site[other]
            site[other] = site[index]
            reached = ground.explore(work, tile, steps, width)
            new_least, new_most = min(least, reached), max(most, reached)
            if new_most - new_least < narrowest:
                narrowest, chosen = new_most - new_least, tile
                chosen_least, chosen_most = new_least, new_most
            if narrowest <= limit:
                break
        least, most = chosen_least, chosen_most
        place[seat] = chosen
        work[ground.ROW, seat] = chosen // (width + 2) - 1
        work[ground.COLUMN, seat] = chosen % (width + 2) - 1
    return points + max(0, most - least - limit)


@kernel
def _points(work, teams, placed, row, column, low, high, enough):
    """The points against the next general on this tile; the count may stop above `enough`."""
    order, captain = work[ground.ORDER], work[ground.CAPTAIN]
    rows, columns = work[ground.ROW], work[ground.COLUMN]
    seat = order[placed]
    first = captain[seat]
    to_first = 0
    if first != seat:
        to_first = abs(row - rows[first]) + abs(column - columns[first])
    points, nearest = 0, _MANY
    for index in range(placed):
        other = order[index]
        distance = abs(row - rows[other]) + abs(column - columns[other])
        if distance == 0:
            return _MANY
        if teams[other] == teams[seat]:
            points += max(0, low // 3 - distance)
        else:
            points += _ENEMY_POINTS * max(0, low - distance)
            nearest = min(nearest, distance)
            leader = captain[other]
            if leader != other:
                apart = abs(rows[other] - rows[leader]) + abs(columns[other] - columns[leader])
                points += max(0, apart - distance)
        if points > enough:
            return points
    points += _ENEMY_POINTS * max(0, nearest - high)
    return points + max(0, to_first - nearest)
