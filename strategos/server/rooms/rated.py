"""Which games are rated, in which list, and why one that would be is not. No rating is computed here."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from strategos.games.spec import Game, LeavableGame
from strategos.server.rooms.room import Room, sides_of
from strategos.server.terms import HallError

LONGEST_S = 600.0
"""Seconds that a move may take where people meet in a rated game."""
LATE_SHARE = 0.1
"""An agent that comes too late for more of its moves than this was not beaten: the server was too slow."""
LATE, FAILED = "an agent's moves did not come in time", "an agent has failed"
LISTS = {"generals": ("1v1", "ffa", "teams")}
"""Of the games that have several: two players, more of them each for itself, teams."""


def counts(room: Room) -> bool:
    """Whether a result is rated: public, on a board nobody chose, with a person, and nobody twice.

    Nor with a tick limit of its own: a draw with anybody would be as near as its maker likes. Nor where
    people meet without a clock: who never moves would win against whoever gives up waiting.
    """
    options = room.options
    chosen = options.private or options.seed is not None or options.tick_limit > 0
    people = sum(bool(seat.ident) for seat in room.seats)
    ends = people == 1 or (people > 1 and 0 < options.pace.seconds <= LONGEST_S)
    return not chosen and ends and len(set(room.players)) == len(room.order)


def lost_by_people(room: Room) -> bool:
    """Whether agents alone are left, and none of them plays for a person's team."""
    if not isinstance(room.game, LeavableGame):
        return False
    theirs = [side for side in sides_of(room) if any(room.seats[number].ident for number in side)]
    return not any(room.alive[number] for side in theirs for number in side)


def note_agents(room: Room) -> None:
    """Count whose moves are there for a tick that is about to be played, and whose are missing, or were
    chosen for an earlier one."""
    missing = []
    for number, seat in enumerate(room.seats):
        if not seat.agent or seat.leaving or seat.left_at >= 0:
            continue
        if seat.move is not None and seat.about == room.tick:
            seat.in_time += 1
        elif np.bitwise_count(room.pool.masks[room.row, number]).sum() > 1:  # it had a choice
            missing.append(seat)
    if missing and not room.decided_by_leaving():  # whoever surrenders waits for nobody
        for seat in missing:
            seat.late += 1


def excuses(room: Room) -> dict[int, str]:
    """The agents that any result says little about, by seat, and why."""
    found = {}
    for number, seat in enumerate(room.seats):
        if seat.agent and (seat.gone or seat.late > LATE_SHARE * (seat.in_time + seat.late)):
            found[number] = FAILED if seat.gone else LATE
    return found


def why_not(room: Room, points: Sequence[float]) -> str:
    """Why a game that counts is not rated after all, by the `points` [P] of the seats; "" where it is.

    Whom an agent has beaten all the same has lost: who is about to lose could keep it busy in other rooms.
    """
    excused = excuses(room)
    best = max(points[number] for number, seat in enumerate(room.seats) if seat.ident)
    if best < max(points) and all(points[number] >= best for number in excused):
        return ""
    return next(iter(excused.values()), "")


def list_of(game: Game) -> str:
    """The name of the list that a game counts in."""
    name, players = game.spec.name, game.spec.num_players
    if name not in LISTS or players == 2:
        return name
    sides = len(set(game.options.get("teams") or range(players)))
    return f"{name} {'teams' if sides < players else 'ffa'}"


def list_named(game: str, mode: str) -> str:
    """The name of a list that somebody asks for; "" is the first of a game. `HallError` "invalid"."""
    modes = LISTS.get(game, ())
    if mode and mode not in modes:
        known = f"its lists are {', '.join(modes)}" if modes else "it has one list, without a name"
        raise HallError("invalid", f"{game[:32]} has no list {mode[:32]!r}; {known}")
    return game if mode in ("", *modes[:1]) else f"{game} {mode}"
