"""What everybody may list: public rooms, and public games that have ended, in bounded pages."""

from __future__ import annotations

import json
from collections.abc import Iterable

from strategos.server.records.journal import Journal
from strategos.server.rooms.room import Room
from strategos.server.terms import FinishedGame, HallError, RoomSummary

MOST_LINES = 200
"""Of one page."""


def rooms(known: Iterable[Room], game: str | None, page: str, size: int) -> tuple[list[RoomSummary], str]:
    """Public rooms that have not ended, the newest first, and the page that comes next; "" after the last."""
    first, last = lines_of(page, size)
    shown = [
        room
        for room in known
        if not room.options.private and room.phase != "over" and game in (None, room.options.game)
    ]
    shown.sort(key=lambda room: (-room.made_at, room.id))
    return [_summary(room) for room in shown[first:last]], str(last) if last < len(shown) else ""


def games(journal: Journal, page: str, size: int) -> tuple[list[FinishedGame], str]:
    """Public games that have ended and were recorded, the newest first, and the page that comes next."""
    first, last = lines_of(page, size)
    rows = journal.read(
        "SELECT replay, game, options, names, returns, places, ticks, reason, ended_at FROM results "
        "WHERE private = 0 AND recorded ORDER BY ended_at DESC, replay LIMIT ? OFFSET ?",
        size + 1,
        first,
    )
    lines = [
        FinishedGame(
            replay, game, json.loads(options), tuple(json.loads(names)), tuple(json.loads(returns)),
            tuple(json.loads(places)), ticks, reason, ended_at,
        )
        for replay, game, options, names, returns, places, ticks, reason, ended_at in rows
    ]  # fmt: skip
    return lines[:size], str(last) if len(lines) > size else ""


def lines_of(page: str, size: int) -> tuple[int, int]:
    """First line and the one after the last of a page; `HallError` "invalid"."""
    if type(size) is not int or not 1 <= size <= MOST_LINES:
        raise HallError("invalid", f"a page has 1 to {MOST_LINES} lines")
    number = isinstance(page, str) and page.isascii() and page.isdigit() and len(page) < 10
    if page != "" and not number:
        raise HallError("invalid", "a page is what the page before said comes next")
    first = int(page or 0)
    return first, first + size


def _summary(room: Room) -> RoomSummary:
    return RoomSummary(
        room=room.id,
        code=room.code,
        game=room.options.game,
        options=room.options.options,
        pace=room.options.pace,
        phase=room.phase,
        tick=room.tick,
        names=room.names,
        free=sum(seat.free for seat in room.seats),
    )
