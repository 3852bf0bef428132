"""What a map of Generals may be: the options of the generator, from a ruleset and the user's wishes.

Data and checks only; `maps.py` makes the boards. Every option is an integer, shares are per mille.
"""

from __future__ import annotations

import numpy as np

from strategos.games.compiled import kernel
from strategos.games.generals.record import ruleset as flags_of

MIN_SIDE = 4
MAX_TILES = 32767  # tile numbers are int16
TILES_PER_PLAYER = 4
MAX_MOUNTAINS = 400  # per mille; open tiles no longer hang together with many more than that

OPTIONS_DTYPE = np.dtype(
    (
        np.record,
        [
            ("min_height", "i4"),
            ("max_height", "i4"),
            ("min_width", "i4"),
            ("max_width", "i4"),
            ("squared_sides", "i4"),  # 1: low + U^2 (high - low), as on the site; 0: uniform
            ("mountains_low", "i4"),  # per mille of the tiles
            ("mountains_high", "i4"),
            ("cities_low", "i4"),  # on boards of cities_area_low to cities_area_high tiles
            ("cities_high", "i4"),
            ("cities_area_low", "i4"),
            ("cities_area_high", "i4"),
            ("city_army_low", "i4"),
            ("city_army_high", "i4"),
            ("city_steps", "i4"),  # a city within so many steps of each general; 0 wherever
            ("distance_low", "i4"),  # Manhattan, between generals of different teams
            ("distance_high", "i4"),  # the same, to the nearest of them
            ("walk_low", "i4"),  # least number of steps from the first general to an enemy
            ("full_side", "i4"),  # distances shrink on boards of smaller sides; 0 never
            ("fair_steps", "i4"),  # compare how many tiles each general reaches in so many steps
            ("fair_tiles", "i4"),  # the most and the least of these may differ by so many tiles
        ],
    )
)


def natural_sides(ruleset: str, players: int) -> tuple[int, int]:
    """The shortest and the longest side of the ruleset's own boards for so many players."""
    if ruleset == "competition":
        return 18, 21
    base = 16 + min(8, players)
    return base, base + 4 + players // 2


def map_options(
    ruleset: str,
    players: int,
    num_teams: int,
    height: int,
    width: int,
    min_height: int | None = None,
    min_width: int | None = None,
    spawn_distance: tuple[int, int] | None = None,
    mountains: tuple[float, float] | None = None,
    cities: tuple[int, int] | None = None,
) -> np.record:
    """The options of a map generator as one record of `OPTIONS_DTYPE`.

    Boards are `min_height` to `height` by `min_width` to `width` (None: exactly `height`, `width`).
    `spawn_distance` is the lowest Manhattan distance between generals of different teams and the
    highest to the nearest of them; `mountains` a range of shares of the tiles; `cities` a range of
    counts; None for the ruleset's own. Cities and mountains together cover at most half the tiles.
    `ValueError` for options that no board can meet, saying what would fit.
    """
    low_height = height if min_height is None else min_height
    low_width = width if min_width is None else min_width
    _check_board(ruleset, players, num_teams, low_height, height, low_width, width)
    options = np.zeros(1, OPTIONS_DTYPE)[0]
    options.min_height, options.max_height = low_height, height
    options.min_width, options.max_width = low_width, width
    two_player_rules = ruleset in ("duel", "competition")
    options.squared_sides = not two_player_rules
    options.mountains_low, options.mountains_high = (180, 260) if two_player_rules else (200, 280)
    low_side, high_side = natural_sides(ruleset, players)
    options.cities_area_low, options.cities_area_high = low_side**2, high_side**2
    if ruleset != "competition":
        options.cities_low, options.cities_high = 5 + 2 * players, 5 + 3 * players
    options.city_army_low, options.city_army_high = 40, 50
    options.city_steps = 0 if two_player_rules else 6
    options.full_side = low_side
    options.distance_high = height + width
    if two_player_rules:
        options.distance_low, options.walk_low = 1, 17
    else:  # further apart than max(9, 9 (1.8 - 0.1 teams))
        options.distance_low = max(90, 162 - 9 * num_teams) // 10 + 1
    # Two generals match to within 5 tiles almost always; the spread of many is wider.
    options.fair_steps, options.fair_tiles = 7, 3 + players
    if spawn_distance is not None:
        _check_spawn_distance(spawn_distance, players, num_teams, low_height, low_width)
        options.distance_low, options.distance_high = spawn_distance
        options.walk_low = options.full_side = 0
    if mountains is not None:
        low, high = (round(1000 * share) for share in mountains)
        if not 0 <= low <= high <= MAX_MOUNTAINS:
            raise ValueError(
                f"mountains={mountains}: expected a lowest and a highest share of the tiles, "
                f"from 0 to {MAX_MOUNTAINS / 1000}"
            )
        options.mountains_low, options.mountains_high = low, high
    if cities is not None:
        most = low_height * low_width // 8
        if not 0 <= cities[0] <= cities[1] <= most:
            raise ValueError(
                f"cities={cities}: expected a lowest and a highest number of cities, "
                f"from 0 to {most} on a board of {low_height}x{low_width}"
            )
        options.cities_low, options.cities_high = cities
        options.cities_area_low, options.cities_area_high = 0, MAX_TILES
    return options


def _check_board(
    ruleset: str, players: int, num_teams: int, low_height: int, height: int, low_width: int, width: int
) -> None:
    most_players = int(flags_of(ruleset).max_players)
    if not 2 <= players <= most_players:
        raise ValueError(f"{players} players: {ruleset!r} is for 2 to {most_players}")
    if not 2 <= num_teams <= players:
        raise ValueError(f"{num_teams} teams: {players} players can form 2 to {players}")
    for name, low, high in (("height", low_height, height), ("width", low_width, width)):
        if not MIN_SIDE <= low <= high:
            raise ValueError(
                f"{name} from {low} to {high}: expected a lowest and a highest side of at least {MIN_SIDE}"
            )
    if height * width > MAX_TILES:
        raise ValueError(
            f"a board of {height}x{width} has more than {MAX_TILES} tiles; 181x181 is the largest square"
        )
    if low_height * low_width < TILES_PER_PLAYER * players:
        side = next(side for side in range(MIN_SIDE, MAX_TILES) if side**2 >= TILES_PER_PLAYER * players)
        raise ValueError(
            f"a board of {low_height}x{low_width} holds at most {low_height * low_width // TILES_PER_PLAYER} "
            f"players; {players} players need {TILES_PER_PLAYER * players} tiles, {side}x{side} for example"
        )


def _check_spawn_distance(
    spawn_distance: tuple[int, int], players: int, num_teams: int, height: int, width: int
) -> None:
    low, high = spawn_distance
    # Beyond two thirds of height + width only a few corners are left, and these may be walled off.
    most = held_distance(2 * (height + width) // 3, (players + num_teams) // 2, height, width)
    if not 1 <= low <= high or low > most:
        raise ValueError(
            f"spawn_distance={spawn_distance}: expected a lowest distance from 1 to {most} "
            f"({players} players on {height}x{width}) and a highest that is not lower"
        )


@kernel
def held_distance(low, rivals, height, width):
    """The distance up to `low` that so many generals can keep when they are placed at random.

    `rivals` is the mean of the numbers of players and of teams: teammates may stand closer.

    Tiles at distance d of each other take d^2 / 2 tiles each, in part off the board at its edge;
    placing them at random among mountains fills about two fifths of that room.
    """
    while low > 1 and 5 * rivals * low * low > 4 * (height + low) * (width + low):
        low -= 1
    return low
