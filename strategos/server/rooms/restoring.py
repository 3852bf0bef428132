"""After a restart: rooms come back out of the journal, and running games are played again from their seeds.

A game stands where its last committed tick left it, byte for byte, memories included; its players' tokens
stay good, their moves wait as they did, and the keys of those that were played are known. Runs before any
entrance opens.
"""

from __future__ import annotations

import asyncio
import json

import numpy as np
import structlog

from strategos.games import make_game
from strategos.games.spec import LEAVE
from strategos.server.records.journal import JournalError, keys_of, unpack_actions
from strategos.server.rooms.clockwork import Clockwork
from strategos.server.rooms.endings import Endings
from strategos.server.rooms.lobby import Lobby
from strategos.server.rooms.pools import Pool
from strategos.server.rooms.room import Room
from strategos.server.rooms.seat import MoveQueue, Seat
from strategos.server.terms import Pace, RoomOptions

_COLUMNS = (
    "id, code, game, options, pace, seconds, agents, private, chosen_seed, tick_limit, quick, seed, made_at, "
    "phase, seating, unrecorded"
)
log = structlog.get_logger("strategos.server")


async def restore(lobby: Lobby, clockwork: Clockwork, endings: Endings, now: float) -> int:
    """Bring back all rooms that had not ended; how many games run again."""
    rooms = []
    for row in lobby.journal.read(f"SELECT {_COLUMNS} FROM rooms WHERE phase IN ('open', 'running')"):
        try:
            rooms.append(_room(lobby, row, now))
        except (ValueError, KeyError, TypeError, IndexError) as error:
            log.error("a room of the journal cannot be restored", room=row[0], error=str(error)[:200])
    for room in rooms:
        lobby.rooms[room.id] = room
        lobby.codes[room.code] = room.id
        room.preparing = lobby.compilations.order(room.game)
    running = [room for room in rooms if room.phase == "running"]
    await asyncio.gather(*(room.preparing for room in running if room.preparing), return_exceptions=True)
    by_pool: dict[Pool, list[Room]] = {}
    for room in running:
        by_pool.setdefault(room.pool, []).append(room)
    for pool, members in by_pool.items():
        _replay(lobby, endings, pool, members, now)
    for room in running:
        if room.running:
            clockwork.resume(room)
    for room in rooms:
        if room.phase == "open" and not any(seat.free for seat in room.chairs):
            clockwork.full(room)
    return sum(room.running for room in running)


def _room(lobby: Lobby, row: tuple, now: float) -> Room:
    (
        ident, code, game_name, options, pace, seconds, agents, private, chosen_seed, tick_limit, quick, seed,
        made_at, phase, seating, unrecorded,
    ) = row  # fmt: skip
    chosen = {
        key: tuple(value) if isinstance(value, list) else value for key, value in json.loads(options).items()
    }
    game = make_game(game_name, **chosen)
    order = json.loads(seating)
    chairs = [Seat() for _ in range(max(order) + 1)]
    seats = lobby.journal.read(
        "SELECT chair, name, ident, agent, gone, leaving FROM seats WHERE room = ?", ident
    )
    for chair, name, token, agent, gone, leaving in seats:
        if chair < len(chairs):
            chairs[chair] = Seat(
                name=name, ident=token, agent=agent, gone=bool(gone), leaving=bool(leaving), heard=now
            )
    return Room(
        id=ident,
        code=code,
        options=RoomOptions(
            game_name,
            dict(game.options),
            Pace(pace, seconds),
            {int(seat): agent for seat, agent in json.loads(agents).items()},
            bool(private),
            chosen_seed,
            tick_limit,
        ),
        game=game,
        pool=lobby.pool_of(game),
        chairs=chairs,
        seed=seed,
        made_at=made_at,
        heard=now,
        quick=bool(quick),
        phase=phase,
        order=order,
        unrecorded=bool(unrecorded),
    )


def _replay(lobby: Lobby, endings: Endings, pool: Pool, rooms: list[Room], now: float) -> None:
    """Play the ticks of all `rooms` of a pool again, together."""
    ticks: dict[str, list[np.ndarray]] = {}
    broken: list[Room] = []
    for room in rooms:
        room.row = pool.take()
        pool.begin(room.row, room.seed)
        room.start(now)
        ticks[room.id], whole = _ticks(lobby, room, pool.seats)
        if not whole:
            broken.append(room)
    longest = max(len(played) for played in ticks.values())
    for tick in range(longest):
        left = [room for room in rooms if tick < len(ticks[room.id]) and room not in broken]
        actions = np.stack([ticks[room.id][tick] for room in left]) if left else np.zeros((0, pool.seats))
        step = pool.step([room.row for room in left], actions) if left else None
        for place, room in enumerate(left):
            assert step is not None
            if place in step.faults or (step.over[place] and tick + 1 < len(ticks[room.id])):
                broken.append(room)
            else:
                room.played(actions[place])
    for room in rooms:
        room.alive = pool.alive(room.row)
        if room in broken:
            log.error("a game of the journal is damaged and cannot go on", room=room.id)
            room.unrecorded = True
            endings.end(room, "fault")
        elif pool.game.over(pool.states[room.row : room.row + 1])[0]:
            endings.end(room, "played")  # killed between its last tick and its result
        else:
            _fill_queues(lobby, room)


def _ticks(lobby: Lobby, room: Room, seats: int) -> tuple[list[np.ndarray], bool]:
    """The actions of a room, int32 [P] each, and whether none is missing or damaged; keys are remembered."""
    found: list[np.ndarray] = []
    for tick, blob in lobby.journal.read(
        "SELECT tick, actions FROM ticks WHERE room = ? ORDER BY tick", room.id
    ):
        try:
            actions = unpack_actions(blob, seats)
        except JournalError:
            return found, False
        if tick != len(found) or not ((actions >= 0) | (actions == LEAVE)).all():
            return found, False
        found.append(actions)
        for number, digest in keys_of(blob, seats):
            room.seats[number].remember(digest, int(actions[number]), tick)
    return found, True


def _fill_queues(lobby: Lobby, room: Room) -> None:
    """Let the moves wait again that waited when the last tick was committed."""
    lines: dict[int, list[tuple]] = {}
    for chair, *line in lobby.journal.read(
        "SELECT chair, place, action, number FROM moves WHERE room = ? ORDER BY chair, place", room.id
    ):
        lines.setdefault(chair, []).append(tuple(line))
    for chair, seat in enumerate(room.chairs):
        if chair in lines:
            seat.queue = MoveQueue.of(lines[chair])
            if seat.leaving:
                seat.queue.clear()
    if not room.real_time:
        room.take_from_queues()
