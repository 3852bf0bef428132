"""Who watches a room: how many may, and whose places are given to others.

No address takes more than half of what there is, so no stranger can keep the others out. Nobody who watches
loses a place to anybody; one that has not been used for a while does.
"""

from __future__ import annotations

import math

from strategos.server.rooms.room import Room
from strategos.server.rooms.seat import Seat, Spectator
from strategos.server.terms import HallError

LISTENERS = 16
"""Of one seat."""
UNUSED_S = 60.0
"""A token with which nobody has listened or asked for so long gives way to another's."""
_TOKENS = 4
"""For each spectator who may listen: who opens the page again has a new token."""


def admit(room: Room, ident: str, address: str, spectators: int, now: float) -> None:
    """Let the token of a number watch; `HallError` "exhausted" past `spectators` or an address's share."""
    most = _TOKENS * max(1, spectators)
    own = {each: seen for each, seen in room.spectators.items() if seen.address == address}
    for known, bound, whence in ((own, most // 2, " from your address"), (room.spectators, most, "")):
        if len(known) >= bound and not _let_go(room, known, now):
            raise HallError("exhausted", f"as many watch this game{whence} as may; wait a minute")
    room.spectators[ident] = Spectator(address, now)


def require_line(room: Room, who: Seat | Spectator, spectators: int) -> None:
    """Of who wants to listen; `HallError` "exhausted" for a seat with too many, and as in `admit`."""
    if isinstance(who, Seat):
        full = who.listeners >= LISTENERS
    else:
        listening = [each for each in room.mailboxes.values() if isinstance(each, Spectator)]
        own = sum(each.address == who.address for each in listening)
        full = len(listening) >= spectators or own >= (spectators + 1) // 2
    if full:
        raise HallError("exhausted", "too many listen there already")


def last_seen(room: Room, now: float) -> float:
    """When anybody was last known to watch: `now` for who listens."""
    seen = [now if each.listeners else each.heard for each in room.spectators.values()]
    return max(seen, default=-math.inf)


def _let_go(room: Room, known: dict[str, Spectator], now: float) -> bool:
    """Forget the one of `known` that was unused for longest, and long enough; whether there was any."""
    unused = [each for each, seen in known.items() if not seen.listeners and now - seen.heard >= UNUSED_S]
    if unused:
        del room.spectators[min(unused, key=lambda each: known[each].heard)]
    return bool(unused)
