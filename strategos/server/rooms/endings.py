"""How games end: result, places, ratings, the record; and what is told once the journal has it."""

from __future__ import annotations

import json
from collections.abc import Callable

import structlog

from strategos.server.records.journal import PUT_RESULT, Journal, wall_clock
from strategos.server.records.ratings import Ratings
from strategos.server.rooms import rated, watching
from strategos.server.rooms.agents import Agents
from strategos.server.rooms.pools import Pool
from strategos.server.rooms.room import Room, sides_of
from strategos.server.settings import Settings
from strategos.server.terms import Follower, Result

log = structlog.get_logger("strategos.server")


class Endings:
    """Ends rooms. Events wait for `tell`, which comes after the commit of the turn they are of."""

    def __init__(
        self,
        settings: Settings,
        journal: Journal,
        ratings: Ratings,
        agents: Agents,
        *,
        clock: Callable[[], float],
    ) -> None:
        self.settings, self.journal, self.ratings, self.agents = settings, journal, ratings, agents
        self._clock = clock
        self._waiting: list[tuple[Room, str, dict[str, object]]] = []
        self.followers: list[Follower] = []
        self.finished = 0
        """Games that wait to be written to a file."""

    def tell_followers(self, call: str, *arguments: object) -> None:
        """Call this method of all followers; one that raises is told nothing more, and no room suffers."""
        for follower in tuple(self.followers):
            try:
                getattr(follower, call)(*arguments)
            except Exception:
                log.exception("a follower of the games has failed")
                self.followers.remove(follower)

    def later(self, room: Room, kind: str, **data: object) -> None:
        """Tell this with the next turn."""
        self._waiting.append((room, kind, data))

    def tell(self) -> None:
        """Tell what has been written down."""
        waiting, self._waiting = self._waiting, []
        for room, kind, data in waiting:
            room.tell(kind, **data)
            room.touch()

    def end(self, room: Room, reason: str) -> None:
        """End a room that has not ended: `reason` as in `Result`."""
        if room.phase == "over":
            return
        begun = room.running
        room.phase, room.ended_at, room.deadline = "over", self._clock(), None
        returns = room.pool.returns(room.row) if reason == "played" else (0.0,) * len(room.order)
        points = _points_where_it_stands(room) if reason in ("limit", "idle") else returns
        places = room.pool.places(room.row, points) if begun else Pool.places_of(points)
        recorded = self.settings.record and begun and room.tick > 0 and not room.unrecorded
        counts = reason != "fault" and rated.counts(room)
        unrated = rated.why_not(room, points) if counts else ""
        ratings = self._rate(room, points, reason) if counts and not unrated else (None,) * len(room.order)
        replay = room.id  # known from the start, so that a link to it can be given before the end
        room.result = Result(returns, places, replay if recorded else "", reason, ratings, unrated)
        if begun:
            self.journal.note(
                PUT_RESULT,
                replay, room.id, room.game.spec.name, json.dumps(room.game.options), json.dumps(room.names),
                json.dumps(returns), json.dumps(places), json.dumps(ratings), reason,
                int(reason != "played"), room.tick, room.pool.hash(room.row), room.seed,
                int(room.options.private), wall_clock(), int(recorded),
            )  # fmt: skip
        self.journal.note("DELETE FROM moves WHERE room = ?", room.id)
        if recorded:
            self.journal.note("UPDATE rooms SET phase = 'over' WHERE id = ?", room.id)
            self.finished += 1
        else:
            for table, column in (("ticks", "room"), ("seats", "room"), ("rooms", "id")):
                self.journal.note(f"DELETE FROM {table} WHERE {column} = ?", room.id)
        for number, seat in enumerate(room.seats):
            if seat.agent:
                self.agents.finish(seat.agent, room.id, [number])
        if begun:
            self.tell_followers("ended", room.id, room.result)
        self.later(
            room, "over", reason=reason, returns=list(returns), places=list(places), replay=room.result.replay
        )
        log.info("a game has ended", room=room.id, game=room.game.spec.name, reason=reason, ticks=room.tick)

    def _rate(self, room: Room, points: tuple[float, ...], reason: str) -> tuple[float | None, ...]:
        # Where agents were left alone, or one was too slow, the people have lost, and no agent has won.
        agents = [seat.agent for seat in room.seats if seat.agent]
        kept = agents if reason == "idle" or rated.excuses(room) else ()
        return self.ratings.update(rated.list_of(room.game), room.players, sides_of(room), points, kept)


def is_for_nobody(room: Room, now: float, limit_s: float) -> bool:
    """Whether a running game goes on for nobody, and may end.

    A rated one must not be ended by going away from it: who is absent surrenders or is played for, and agents
    play on. Once all people have lost it and nobody has looked for `limit_s`, there is no need to.
    """
    if any(seat.leaving for seat in room.seats):
        return False
    idle = now - room.heard > limit_s
    if rated.counts(room):
        return idle and rated.lost_by_people(room) and now - watching.last_seen(room, now) > limit_s
    return idle or not room.anybody()


def _points_where_it_stands(room: Room) -> tuple[float, ...]:
    """Of each seat: a draw of the sides that are left; who is out has lost to them, and draws with nobody."""
    points = [-1.0] * len(room.order)
    for side in sides_of(room):
        if any(room.alive[seat] for seat in side):
            for seat in side:
                points[seat] = 0.0
    return tuple(points)
