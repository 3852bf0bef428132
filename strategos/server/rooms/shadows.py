"""Shadows: the positions that spectators see, each a row of its own that follows its game some ticks late.

Nothing of a running game but its moves gets here, and those only when they are old enough.
"""

from __future__ import annotations

from strategos.server.rooms import watching
from strategos.server.rooms.looks import needs_delay
from strategos.server.rooms.room import Room

UNWATCHED_S = 60.0
"""A shadow is let go after so long without spectators."""
CATCH_UP_TICKS = 64
"""What a shadow may gain on its game in one turn."""


def open_shadow(room: Room) -> None:
    """Begin the shadow of a game whose whole board must be shown late."""
    if room.running and needs_delay(room) and room.shadow < 0:
        room.shadow, room.shadow_tick = room.pool.take(), 0
        room.pool.begin(room.shadow, room.seed)


def catch_up(room: Room, delay_ticks: int) -> bool:
    """Play a few ticks of a room's shadow; whether it is as far as it may be."""
    if room.shadow < 0:
        return True
    target = max(0, room.tick - delay_ticks)
    last = min(target, room.shadow_tick + CATCH_UP_TICKS)
    for tick in range(room.shadow_tick, last):
        room.pool.step([room.shadow], room.actions[tick][None])
    room.shadow_tick = last
    return last == target


def tend(room: Room, delay_ticks: int, now: float) -> None:
    """Open the shadow of a room that is watched, and let go of one that nobody looks at."""
    if now - watching.last_seen(room, now) < UNWATCHED_S:
        open_shadow(room)
        if room.running and not catch_up(room, delay_ticks):
            room.touch()
    elif room.shadow >= 0:
        room.pool.give(room.shadow)
        room.shadow = -1
