"""The ground of a map of Generals: obstacles, what is connected, cities.

The working memory that the generator keeps for one thread, and the kernels that fill it. Nothing
here sees a game's state, so all of it is compiled once for all sizes of boards.
"""

from __future__ import annotations

import numpy as np

from strategos.games.compiled import kernel
from strategos.games.generals.record import MAX_PLAYERS
from strategos.games.rng import below

STARTS = 8
"""Tiles tried as the first general of one board."""

# What stands on a tile while a board is made; boards have an edge, so that no step leaves them.
OPEN, WALL, EDGE, TOWN = range(4)

# Rows of the working memory. Tiles in it are numbered over the board with its edge.
(
    BOOK,  # KEY, DRAWS, STAMP
    GRID,
    BEST_GRID,
    TILES,  # all tiles, the obstacles in front
    STEPS,  # walking distance from the first general, -1 where it cannot go
    QUEUE,
    MARK,
    SITE,
    ORDER,  # seats in the order of placing
    CAPTAIN,  # of each seat: the seat of its team that is placed first
    PLACE,  # of each seat: its general's tile
    BEST_PLACE,
    ROW,
    COLUMN,
) = range(14)
KEY, DRAWS, STAMP = range(3)


def scratch(cells: int, players: int) -> np.ndarray:
    """Working memory of `generate` for one thread: int64, one row per list of tiles or seats.

    Good for every board of at most `cells` tiles; its content does not matter.
    """
    # A 4x4 board with its edge is 36 tiles, 9/4 as many; longer sides add less.
    return np.zeros((COLUMN + 1, max(9 * cells // 4, MAX_PLAYERS, players)), np.int64)


@kernel
def roll(book, bound):
    """The next number of the stream, uniform in [0, bound)."""
    number = below(book[KEY], book[DRAWS], bound)
    book[DRAWS] += 1
    return number


@kernel
def between(book, low, high):
    """The next number of the stream, uniform from `low` to `high`."""
    return low + roll(book, high - low + 1)


@kernel
def strew(work, height, width, walls):
    """An empty board, then `walls` obstacles on tiles drawn without replacement."""
    book, grid, tiles = work[BOOK], work[GRID], work[TILES]
    grid[: (height + 2) * (width + 2)] = EDGE
    count = 0
    for row in range(height):
        for column in range(width):
            tile = (row + 1) * (width + 2) + column + 1
            grid[tile] = OPEN
            tiles[count] = tile
            count += 1
    for index in range(walls):
        other = index + roll(book, count - index)
        tile = tiles[other]
        tiles[other] = tiles[index]
        tiles[index] = tile
        grid[tile] = WALL


@kernel
def start(work, height, width, walls, low, steps, carve):
    """Draw the first general's tile, connected to three quarters of the open tiles; False for none.

    With `carve` obstacles that wall the last tile in are opened until that many are connected.
    """
    book, tiles = work[BOOK], work[TILES]
    first = work[ORDER, 0]
    open_tiles = height * width - walls
    for turn in range(STARTS):
        tile = tiles[walls + roll(book, open_tiles)]
        row, column = tile // (width + 2) - 1, tile % (width + 2) - 1
        # Far enough from some corner for an enemy to fit in, and not walled in: with s steps an
        # open plain has 2 s (s + 1) tiles, and at least a quarter of these should be there.
        suits = max(row, height - 1 - row) + max(column, width - 1 - column) >= low
        suits = suits and explore(work, tile, steps, width) >= min(steps * (steps + 1) // 2, open_tiles // 4)
        last = carve and turn == STARTS - 1
        if suits or last:
            connected = _flood(work, tile, height, width)
            while last and 4 * connected < 3 * open_tiles:
                _open_wall(work, height, width, walls)
                connected = _flood(work, tile, height, width)
            if 4 * connected >= 3 * open_tiles:
                work[PLACE, first] = tile
                work[ROW, first] = row
                work[COLUMN, first] = column
                return True
    return False


@kernel
def _neighbour(tile, direction, width):
    if direction == 0:
        return tile - (width + 2)
    if direction == 1:
        return tile + width + 2
    return tile - 1 if direction == 2 else tile + 1


@kernel
def _flood(work, start, height, width):
    """Write the walking distances from `start` into STEPS; how many tiles are connected to it."""
    grid, steps, queue = work[GRID], work[STEPS], work[QUEUE]
    steps[: (height + 2) * (width + 2)] = -1
    steps[start] = 0
    queue[0] = start
    head, tail = 0, 1
    while head < tail:
        tile = queue[head]
        head += 1
        for direction in range(4):
            other = _neighbour(tile, direction, width)
            if grid[other] == OPEN and steps[other] < 0:
                steps[other] = steps[tile] + 1
                queue[tail] = other
                tail += 1
    return tail


@kernel
def _touches(work, wall, width):
    """Whether the obstacle stands beside a tile where the generals can go."""
    steps = work[STEPS]
    beside = max(steps[wall - 1], steps[wall + 1])
    return max(beside, steps[wall - width - 2], steps[wall + width + 2]) >= 0


@kernel
def _open_wall(work, height, width, walls):
    """Open one obstacle beside the tiles connected so far; at least one tile is not among them."""
    grid, tiles = work[GRID], work[TILES]
    offset = roll(work[BOOK], walls)
    for index in range(walls):
        tile = tiles[(offset + index) % walls]
        if grid[tile] == WALL and _touches(work, tile, width):
            grid[tile] = OPEN
            return


@kernel
def explore(work, start, limit, width):
    """List in QUEUE the tiles within `limit` steps of `start`; how many they are."""
    book, grid, mark, queue = work[BOOK], work[GRID], work[MARK], work[QUEUE]
    book[STAMP] += 1
    stamp = book[STAMP]
    mark[start] = stamp
    queue[0] = start
    head, tail = 0, 1
    for _ in range(limit):
        ring = tail
        while head < ring:
            tile = queue[head]
            head += 1
            for direction in range(4):
                other = _neighbour(tile, direction, width)
                if grid[other] == OPEN and mark[other] != stamp:
                    mark[other] = stamp
                    queue[tail] = other
                    tail += 1
    return tail


@kernel
def name_cities(work, players, width, walls, cities, near):
    """Turn obstacles into cities, first one near each general; how many generals go without."""
    book, grid, tiles, site = work[BOOK], work[GRID], work[TILES], work[SITE]
    missing, named = 0, 0
    if near > 0:
        for index in range(players):
            reached = explore(work, work[PLACE, work[ORDER, index]], near - 1, width)
            found, has_city = _list_walls(work, reached, width)
            if has_city or named == cities:
                continue
            if found == 0:
                missing += 1
            else:
                grid[site[roll(book, found)]] = TOWN
                named += 1
    # The obstacles lie in a random order: the first ones that a general can come to, then any.
    for anywhere in range(2):
        for index in range(walls):
            if named == cities:
                return missing
            tile = tiles[index]
            if grid[tile] == WALL and (anywhere == 1 or _touches(work, tile, width)):
                grid[tile] = TOWN
                named += 1
    return missing


@kernel
def _list_walls(work, reached, width):
    """List in SITE the obstacles beside the tiles just explored; how many, and whether a city is."""
    book, grid, mark, queue, site = work[BOOK], work[GRID], work[MARK], work[QUEUE], work[SITE]
    found = 0
    for index in range(reached):
        for direction in range(4):
            other = _neighbour(queue[index], direction, width)
            if grid[other] == TOWN:
                return 0, True
            if grid[other] == WALL and mark[other] != book[STAMP]:
                mark[other] = book[STAMP]
                site[found] = other
                found += 1
    return found, False
