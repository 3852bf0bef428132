"""What each listener may know: the snapshots of a seat and of a spectator. All fog is applied here.

A seat gets its own view, mask and memory, and nothing that is made from another's; a spectator gets the whole
board late, or an open table without hands.
"""

from __future__ import annotations

import numpy as np

from strategos.server.access.tokens import SPECTATOR
from strategos.server.rooms.room import Room
from strategos.server.rooms.whole_board import whole_board
from strategos.server.terms import Snapshot


def look(room: Room, chair: int, now: float) -> Snapshot:
    """How things stand for the holder of a chair; `chair` may be `SPECTATOR`."""
    if chair == SPECTATOR:
        return _spectated(room, now)
    number = room.seat_of(chair)
    seat, begun = room.chairs[chair], room.row >= 0 and number >= 0
    pool = room.pool
    rows = slice(room.row, room.row + 1)
    return Snapshot(
        room=room.id,
        tick=room.tick,
        phase=room.phase,
        seat=number,
        view=pool.views[rows, number].copy().reshape(()) if begun else None,
        mask=pool.masks[room.row, number].copy() if begun else None,
        memory=pool.memories[rows, number].copy().reshape(()) if begun and len(pool.memories) else None,
        queue=tuple(seat.queue),
        taken=seat.queue.taken,
        **_public(room, now),
    )


def needs_delay(room: Room) -> bool:
    """Whether the whole board shows what players must not know: then spectators see it late."""
    return room.game.spec.name == "generals"


def _spectated(room: Room, now: float) -> Snapshot:
    row, tick = room.row, room.tick
    if needs_delay(room) and room.phase != "over":
        row, tick = room.shadow, room.shadow_tick
    view: np.ndarray | None = None
    public = _public(room, now)
    if row >= 0:
        view = whole_board(room.game, room.pool.states[row : row + 1])
        public["alive"] = room.pool.alive(row)
    return Snapshot(
        room=room.id,
        tick=tick,
        phase=room.phase,
        seat=None,
        view=view,
        mask=None,
        memory=None,
        queue=(),
        taken=-1,
        **public,
    )


def _public(room: Room, now: float) -> dict:
    return {
        "seconds_left": max(0.0, room.deadline - now) if room.deadline is not None else None,
        "names": room.names,
        "alive": room.alive or (True,) * len(room.order),
        "present": tuple(room.present(seat, now) for seat in room.seats),
        "result": room.result,
    }
