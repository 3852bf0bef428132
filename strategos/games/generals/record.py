"""The records of Generals: a game's state, a player's view, a player's memory.

Data only: codes, dtypes and the four rulesets. Tiles are numbered row by row over the padded
board, `cell = row * stride + column`, where the stride is the widest board of the batch; tiles
outside a smaller board are mountains.
"""

from __future__ import annotations

import numpy as np

# Terrain. The numbers are those of the generals.bot line protocol.
FOG, PLAIN, MOUNTAIN, CITY, GENERAL, OBSTACLE = range(6)
NEUTRAL = -1
UP, DOWN, LEFT, RIGHT = range(4)

# A player's status. A surrendered player's land stays until the second event of `leave`.
DEAD, ALIVE, SURRENDERED = range(3)

MAX_PLAYERS = 16
ARMY_CAP = 32767
"""Views and memories hold armies in 16 bits: memory traffic is what limits them. States hold 32."""
TREND_SPANS = (4, 16, 64, 256)
"""Time scales, in ticks, of the moving averages of the scoreboard that a memory keeps."""
ACTIVITY_TICKS = 20
"""How many ticks of visible fighting and marching a memory keeps for each tile."""

# Order of moves within a tick.
BY_PRIORITY, BY_INDEX, BY_CHASE = range(3)

RULES_DTYPE = np.dtype(
    (
        np.record,
        [
            ("draw_tick", "i4"),  # the game is a draw at this tick; 0 never
            ("deathtouch_tick", "i4"),  # from here any move onto a general wins; 0 never
            ("order", "u1"),
            ("capture_halves", "u1"),  # the loser's armies are halved, rounded up
            ("capture_ends", "u1"),  # a capture ends the game after the tick's moves, no growth
            ("mutual_capture_draws", "u1"),
            ("builds", "u1"),
            ("cities_regrow", "u1"),  # neutral cities under 40 regrow
            ("max_players", "u1"),
            ("pad", "u1"),
        ],
    )
)

RULESETS: dict[str, dict[str, int]] = {
    "generalsio": {"order": BY_PRIORITY, "capture_halves": 1, "max_players": 16},
    "classic": {"order": BY_INDEX, "capture_halves": 1, "max_players": 16},
    "duel": {"order": BY_CHASE, "capture_ends": 1, "max_players": 2},
    "competition": {
        "order": BY_CHASE,
        "capture_ends": 1,
        "mutual_capture_draws": 1,
        "builds": 1,
        "draw_tick": 1200,
        "deathtouch_tick": 800,
        "max_players": 2,
    },
}


def ruleset(name: str) -> np.record:
    """The flags of a ruleset as one record of `RULES_DTYPE`; `ValueError` for no such name."""
    if name not in RULESETS:
        raise ValueError(f"no ruleset {name!r}; choose one of {', '.join(RULESETS)}")
    rules = np.zeros(1, RULES_DTYPE)
    for flag, value in RULESETS[name].items():
        rules[flag] = value
    return rules[0]


def ruleset_of(order: int, builds: bool) -> str:
    """The name of the ruleset, by what views and masks tell of it; `ValueError` for none that there is."""
    for name, flags in RULESETS.items():
        if (flags["order"], bool(flags.get("builds"))) == (order, builds):
            return name
    raise ValueError(f"no ruleset with order {order} and {'' if builds else 'no '}builds")


def has_builds(cells: int, mask_bytes: int) -> bool:
    """Whether the legal masks of a board, of so many bytes, have room for builds."""
    return mask_bytes > cells + 1


def pass_action(cells: int, builds: bool) -> int:
    """The id of pass: the last, after the moves and, where the ruleset has them, the builds."""
    return cells * (9 if builds else 8)


def _record(fields: list[tuple]) -> np.dtype:
    """A record dtype padded to a multiple of eight bytes, so that wide fields stay aligned."""
    size = np.dtype(fields).itemsize
    return np.dtype((np.record, [*fields, ("padding", "u1", (-size % 8 + 8,))]))


def state_dtype(cells: int, players: int) -> np.dtype:
    """The whole state of one game with `cells` padded tiles and `players` seats."""
    return _record(
        [
            ("key", "i8"),  # the random stream
            ("draws", "i8"),  # numbers drawn from it so far
            ("rules", RULES_DTYPE),
            ("tick", "i4"),
            ("height", "i2"),
            ("width", "i2"),
            ("stride", "i2"),  # columns of the padded board
            ("over", "i2"),  # 1 once the rules have ended the game
            ("winner", "i2"),  # the winning team; -1 for a draw or a running game
            ("num_cities", "i2"),
            ("num_dead", "i2"),
            ("disguises", "u2"),  # all of `disguise` together
            ("army_total", "i4", (players,)),
            ("land_total", "i4", (players,)),
            ("general", "i2", (players,)),  # the tile, or -1 once it was captured
            ("death", "i2", (players,)),  # 0 alive, else the order of death from 1
            ("stacks", "u4", (players, (cells + 31) // 32)),  # bitmaps of the tiles holding two or more
            ("army", "i4", (cells,)),
            ("city", "i2", (cells,)),  # tiles of the cities, ascending; num_cities are in use
            ("disguise", "u2", (cells,)),  # beside `city`: bit p, player p has not seen it since
            ("owner", "i1", (cells,)),
            ("terrain", "u1", (cells,)),
            ("ways", "u1", (cells,)),  # moves that terrain and edges allow: bit 2 * direction + half
            ("status", "u1", (players,)),
            ("team", "i1", (players,)),
        ]
    )


def view_dtype(cells: int, players: int) -> np.dtype:
    """What one player may know at one moment."""
    return _record(
        [
            ("tick", "i4"),
            ("height", "i2"),
            ("width", "i2"),
            ("stride", "i2"),  # columns of the padded board
            ("me", "i2"),
            ("army_total", "i4", (players,)),  # the public scoreboard
            ("land_total", "i4", (players,)),
            ("army", "i2", (cells,)),  # 0 where unseen; at most ARMY_CAP
            ("owner", "i1", (cells,)),  # NEUTRAL where unseen
            ("terrain", "u1", (cells,)),  # FOG and OBSTACLE where unseen
            ("alive", "u1", (players,)),
            ("team", "i1", (players,)),
            ("order", "u1"),  # of moves within a tick: what no other field or mask tells of the rules
        ]
    )


def memory_dtype(cells: int, players: int) -> np.dtype:
    """What one player has seen so far, made from that player's views alone."""
    return _record(
        [
            ("tick", "i4"),  # of the last view
            ("stride", "i2"),  # columns of the padded board
            ("me", "i2"),
            ("land_trend", "f4", (players, len(TREND_SPANS))),  # moving averages
            ("army_trend", "f4", (players, len(TREND_SPANS))),
            ("seen", "i4", (cells,)),  # tick of the last sight; -1 never
            ("activity", "u4", (cells,)),  # bit k: k ticks ago the tile was seen to be fought or marched over
            ("army", "i2", (cells,)),  # as last seen; at most ARMY_CAP
            ("general", "i2", (players,)),  # where each general was seen; -1 unknown or captured
            ("owner", "i1", (cells,)),  # as last seen
            ("terrain", "u1", (cells,)),  # best knowledge; FOG unknown, OBSTACLE mountain or city
        ]
    )
