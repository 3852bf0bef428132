"""What everybody may list: public rooms, and public games that have ended, in bounded pages.

A page begins after the last line of the one before, so what comes or goes meanwhile shifts nothing. A page of
games reads its own lines and no others.
"""

from __future__ import annotations

import heapq
import json
from collections.abc import Iterable

from strategos.server.records.journal import Journal
from strategos.server.rooms.room import Room
from strategos.server.terms import FinishedGame, HallError, RoomSummary

MOST_LINES = 200
"""Of one page."""
_DIGITS = 18
"""Of the number that a page begins after, at most."""
_BEYOND_ALL = 10**_DIGITS


def rooms(known: Iterable[Room], game: str | None, page: str, size: int) -> tuple[list[RoomSummary], str]:
    """Public rooms that have not ended, the newest first, and the page that comes next; "" after the last."""
    after = _after(page)
    shown = heapq.nsmallest(
        bounded(size) + 1,
        (
            room
            for room in known
            if not room.options.private
            and room.phase != "over"
            and game in (None, room.options.game)
            and _place(room) > after
        ),
        key=_place,
    )
    lines = [summary(room) for room in shown[:size]]
    if len(shown) <= size:
        return lines, ""
    newest_first, last = _place(shown[size - 1])
    return lines, f"{-newest_first}.{last}"


def games(journal: Journal, game: str | None, page: str, size: int) -> tuple[list[FinishedGame], str]:
    """Public games that have ended and were recorded, the last to end first, and the page that comes next."""
    before = -_after(page)[0]
    of_game, values = ("", ()) if game is None else ("AND game = ? ", (game,))
    rows = journal.read(
        "SELECT rowid, replay, game, options, names, returns, places, ticks, seed, reason, ended_at "
        f"FROM results WHERE private = 0 AND recorded {of_game}AND rowid < ? ORDER BY rowid DESC LIMIT ?",
        *values,
        before,
        bounded(size) + 1,
    )
    lines = [
        FinishedGame(
            replay, name, json.loads(options), tuple(json.loads(names)), tuple(json.loads(returns)),
            tuple(json.loads(places)), ticks, seed, reason, ended_at,
        )
        for _, replay, name, options, names, returns, places, ticks, seed, reason, ended_at in rows[:size]
    ]  # fmt: skip
    return lines, str(rows[size - 1][0]) if len(rows) > size else ""


def bounded(size: int) -> int:
    """The lines of a page; `HallError` "invalid" where it cannot have so many."""
    if type(size) is not int or not 1 <= size <= MOST_LINES:
        raise HallError("invalid", f"a page has 1 to {MOST_LINES} lines")
    return size


def _place(room: Room) -> tuple[int, str]:
    """Sorts the newest first."""
    return -round(room.made_at * 1e6), room.id


def _after(page: str) -> tuple[int, str]:
    """The place of the last line of the page before: less its number, and what stands behind it."""
    if page == "":
        return -_BEYOND_ALL, ""
    number, _, ident = page.partition(".") if isinstance(page, str) else ("", "", "")
    if not (number.isascii() and number.isdigit() and len(number) <= _DIGITS):
        raise HallError("invalid", "a page is what the page before said comes next")
    return -int(number), ident


def summary(room: Room) -> RoomSummary:
    """A room as the list shows it."""
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
