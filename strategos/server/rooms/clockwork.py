"""The clockwork: the one loop that plays the ticks of all rooms, pool by pool, and delivers what they gave.

A turn of the loop: collect the moves of the rooms whose tick is due, play them in their pools, note them in
the journal, commit, then tell the listeners and ask the agents. What goes wrong in one room
ends that room. Clocks are monotonic: a wall clock that jumps moves nothing here.
"""

from __future__ import annotations

import asyncio
import heapq
import itertools
from collections.abc import Callable, Iterable, Sequence

import numpy as np
import structlog

from strategos.games.spec import LeavableGame
from strategos.server.records.journal import TICK, Journal, pack_actions
from strategos.server.rooms import rated, shadows
from strategos.server.rooms.agents import Agents, Answer, Ask
from strategos.server.rooms.endings import Endings, is_for_nobody
from strategos.server.rooms.kinds import SUBSTITUTES
from strategos.server.rooms.lobby import Lobby
from strategos.server.rooms.pools import Pool
from strategos.server.rooms.room import Room
from strategos.server.rooms.seat import Seat
from strategos.server.settings import Settings

HOUSEKEEPING_S = 1.0
LATE_S = 1.0
"""A real-time room that is further behind than this skips the ticks it has missed."""
log = structlog.get_logger("strategos.server")


class Clockwork:
    """Plays the rooms of a lobby."""

    def __init__(
        self,
        settings: Settings,
        lobby: Lobby,
        journal: Journal,
        agents: Agents,
        endings: Endings,
        *,
        clock: Callable[[], float],
    ) -> None:
        self.settings, self.lobby, self.journal = settings, lobby, journal
        self.agents, self.endings = agents, endings
        self._clock = clock
        self._due: dict[str, Room] = {}
        self._deadlines: list[tuple[float, int, Room]] = []
        self._number = itertools.count()
        self._wake = asyncio.Event()
        self._begun: list[Room] = []
        self.chores: list[Callable[[], None]] = []
        """What others want done in every round of housekeeping."""

    # -- what the hall tells ---------------------------------------------------------------------------------

    def full(self, room: Room) -> None:
        """All seats are taken: begin, or wait until the kernels are there."""
        room.phase = "preparing"
        assert room.preparing is not None
        if room.preparing.done():
            self._begin_guarded(room)
        else:
            room.tell("preparing")
            room.touch()
            room.preparing.add_done_callback(lambda task: self._begin_guarded(room))

    def moved(self, room: Room) -> None:
        """Something was done in a room: perhaps it can tick now."""
        if room.ready():
            self._due[room.id] = room
        self.wake()

    def leave(self, room: Room, chair: int) -> None:
        """A player leaves a room whose game has begun, or is about to."""
        seat, number = room.chairs[chair], room.seat_of(chair)
        self._note_gone(room, chair)
        room.tell("left", seat=number, name=seat.name)
        room.touch()
        if room.phase == "preparing" and all(each.gone for each in room.chairs if each.ident):
            self.lobby.close(room)  # nobody waits for its board any more
        elif room.running:
            self._note_surrenders(room, room.give_up_gone())
            self._ask([room])
            self.moved(room)

    def surrender(self, room: Room, chair: int) -> None:
        """A player gives up the game, on its coming tick."""
        self._note_surrenders(room, room.surrender(chair))
        self.moved(room)

    def wake(self) -> None:
        """There is something to write or to play."""
        self._wake.set()

    def resume(self, room: Room) -> None:
        """Go on with a room that runs; who has left before that surrenders."""
        self._note_surrenders(room, room.give_up_gone())
        self._begun.append(room)
        self.moved(room)

    def note_queues(self, room: Room) -> None:
        """Note what has changed in the queues of a running room since they were last written."""
        for chair, seat in enumerate(room.chairs if room.running else ()):
            if seat.queue.changed:
                for statement, values in seat.queue.lines(room.id, chair):
                    self.journal.note(statement, *values)

    def _note_gone(self, room: Room, chair: int) -> None:
        room.chairs[chair].gone = True
        self.journal.note("UPDATE seats SET gone = 1 WHERE room = ? AND chair = ?", room.id, chair)

    def _note_surrenders(self, room: Room, chairs: Iterable[int]) -> None:
        """Until its tick a surrender is a word only: that must outlive the process, too."""
        for chair in chairs:
            self.journal.note("UPDATE seats SET leaving = 1 WHERE room = ? AND chair = ?", room.id, chair)

    def answered(self, answers: Sequence[Answer]) -> None:
        """Take what agents play, or take them off their seats."""
        for answer in answers:
            room = self.lobby.rooms.get(answer.ask.room)
            if room is None or not room.running:
                continue
            # In real time an agent that needs more than a tick still moves, if its move is still one.
            if room.tick == answer.ask.tick or room.real_time:
                self._take(room, answer)

    # -- the loop --------------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Until it is cancelled."""
        clean_at = self._clock() + HOUSEKEEPING_S
        while True:
            await self._sleep(clean_at)
            try:
                if self._clock() >= clean_at:
                    clean_at = self._clock() + HOUSEKEEPING_S
                    self._clean()
                await self.turn()
            except Exception:
                log.exception("a turn of the clockwork failed")
                await asyncio.sleep(0.05)

    async def turn(self) -> None:
        """Play what is due, write it down, tell everybody."""
        begun, self._begun = self._begun, []
        rooms = self._take_due()
        by_pool: dict[Pool, list[Room]] = {}
        for room in rooms:
            by_pool.setdefault(room.pool, []).append(room)
        for pool, members in by_pool.items():
            self._play(pool, members)
        self._step_shadows(rooms)
        self.journal.commit()
        self.endings.tell()
        now = self._clock()
        for room in (*rooms, *begun):
            room.touch()
            if room.running:
                self._guarded(room, self._set_deadline, now)
        self._ask([room for room in (*rooms, *begun) if room.running])

    async def _sleep(self, until: float) -> None:
        if self._due or self._begun:
            await asyncio.sleep(0)  # others have their turn, too
            self._wake.clear()
            return
        if self._deadlines:
            until = min(until, self._deadlines[0][0])
        wait_s = until - self._clock()
        if wait_s > 0 and not self._wake.is_set():
            timer = asyncio.get_running_loop().call_later(wait_s, self._wake.set)
            await self._wake.wait()
            timer.cancel()
        self._wake.clear()

    def _take_due(self) -> list[Room]:
        now, due = self._clock(), self._due
        self._due = {}
        while self._deadlines and self._deadlines[0][0] <= now:
            _, _, room = heapq.heappop(self._deadlines)
            room.timed = False
            if not room.running or room.deadline is None:
                continue
            if room.deadline > now:
                self._set_timer(room)
            elif room.real_time or room.passes or not self._substitute(room):
                due[room.id] = room
        return [room for room in due.values() if room.running]

    def _play(self, pool: Pool, rooms: list[Room]) -> None:
        collected: dict[str, np.ndarray] = {}
        for room in rooms:
            self._guarded(room, self._collect, collected)
        rooms = [room for room in rooms if room.id in collected]
        if not rooms:
            return
        actions = np.stack(list(collected.values()))
        step = pool.step([room.row for room in rooms], actions)
        for place, room in enumerate(rooms):
            if place in step.faults:
                log.error("a room has failed", room=room.id, error=repr(step.faults[place])[:200])
                self.endings.end(room, "fault")
            else:
                self._guarded(room, self._played, actions[place], bool(step.over[place]))

    def _collect(self, room: Room, collected: dict[str, np.ndarray]) -> None:
        rated.note_agents(room)
        collected[room.id] = room.collect()

    def _played(self, room: Room, actions: np.ndarray, over: bool) -> None:
        before, keys = room.alive, room.keys(actions)
        surrendered = room.played(actions)
        room.alive = room.pool.alive(room.row)
        self.journal.note(TICK, room.id, room.tick - 1, pack_actions(actions, keys))
        self.note_queues(room)
        self.endings.tell_followers("played", room.id, actions)
        for number in surrendered:
            self.endings.later(room, "surrendered", seat=number, name=room.seats[number].name)
        for number, (was, lives) in enumerate(zip(before, room.alive, strict=True)):
            if was and not lives and number not in surrendered:
                self.endings.later(room, "seat_lost", seat=number, killer=room.killer_of(number))
        limit = min(room.options.tick_limit or self.settings.tick_limit, self.settings.tick_limit)
        if over:
            self.endings.end(room, "played")
        elif room.tick >= limit:
            self.endings.end(room, "limit")
        elif room.ready():  # nobody has anything to decide, or moves wait in queues
            self._due[room.id] = room

    # -- agents ----------------------------------------------------------------------------------------------

    def _ask(self, rooms: Iterable[Room]) -> None:
        """Ask the agents of `rooms` for the coming tick, each of them once about all of its seats."""
        wanted: dict[tuple[str, Pool], list[tuple[Room, int]]] = {}
        now = self._clock()
        for room in rooms:
            for number in room.waiting_for():
                seat = room.seats[number]
                agent = self._stand_in(room) if self._is_away(room, seat, now) else seat.agent
                if agent and seat.asked_at != room.tick:
                    seat.asked_at = room.tick
                    wanted.setdefault((agent, room.pool), []).append((room, number))
        for (agent, pool), seats in wanted.items():
            asks = [Ask(room.id, number, room.tick) for room, number in seats]
            seen = pool.seen([room.row for room, _ in seats], [number for _, number in seats])
            self.agents.ask(agent, pool.game, asks, *seen)

    def _take(self, room: Room, answer: Answer) -> None:
        number, seat = answer.ask.seat, room.seats[answer.ask.seat]
        if answer.problem:
            log.warning("an agent has failed", room=room.id, seat=number, problem=answer.problem)
            failed = bool(seat.agent) and not seat.gone
            leaves = isinstance(room.game, LeavableGame)
            if failed and not (leaves and answer.forfeits):  # who forfeits and surrenders was beaten
                self._note_gone(room, room.order[number])
            if leaves:
                self._note_surrenders(room, room.give_up([number]))
            elif failed:
                seat.asked_at = -1
                self._ask([room])
                return
            else:
                seat.move = room.lowest(number)
        elif seat.move is None:
            passing = getattr(room.game, "pass_action", 0) if room.passes else room.lowest(number)
            seat.about = answer.ask.tick
            seat.move = answer.action if room.allows(number, answer.action) else passing
        self.moved(room)

    def _substitute(self, room: Room) -> bool:
        """Let somebody play for those who have not moved in time; whether there is anybody to wait for."""
        waiting = [number for number in room.waiting_for() if not room.seats[number].agent]
        missing = [number for number in waiting if room.seats[number].asked_at != room.tick]
        if not missing:
            return False
        agent = self._stand_in(room)
        for number in missing:
            room.seats[number].asked_at = room.tick
        asks = [Ask(room.id, number, room.tick) for number in missing]
        self.agents.ask(agent, room.game, asks, *room.pool.seen([room.row] * len(missing), missing))
        self._set_deadline(room, self._clock())  # when that fails, too, the rules choose
        return True

    def _stand_in(self, room: Room) -> str:
        return SUBSTITUTES.get(room.game.spec.name, "random")

    def _is_away(self, room: Room, seat: Seat, now: float) -> bool:
        """Whether somebody else plays on a seat, in a game that cannot be left."""
        if isinstance(room.game, LeavableGame):
            return False
        return seat.gone or (not (seat.agent or seat.listeners) and now - seat.heard > self.settings.absent_s)

    # -- beginnings and absence ------------------------------------------------------------------------------

    def _begin_guarded(self, room: Room) -> None:
        if room.phase != "preparing" or room.id not in self.lobby.rooms or self.lobby.closing:
            return  # a room that was waiting when the server stopped begins after the next start
        task = room.preparing
        if task is not None and (task.cancelled() or task.exception() is not None):
            reason = "cancelled" if task.cancelled() else repr(task.exception())[:300]
            log.error("a kind of game could not be prepared", room=room.id, reason=reason)
            self.endings.end(room, "fault")
            return
        self._guarded(room, self._begin)

    def _begin(self, room: Room) -> None:
        room.row = room.pool.take()
        room.pool.begin(room.row, room.seed)
        room.start(self._clock())
        self.lobby.note_start(room)
        self.endings.tell_followers("begun", room.id, room.game, room.seed, room.names, ())
        room.tell("started", seats=list(room.names))
        room.touch()
        if room.spectators:
            shadows.open_shadow(room)
        self.resume(room)

    def _set_deadline(self, room: Room, now: float) -> None:
        seconds, room.ticked_at = room.options.pace.seconds, now
        if not seconds:
            room.deadline = None
            return
        after = room.deadline if room.real_time and room.deadline is not None else now
        room.deadline = after + seconds if after + seconds > now - LATE_S else now + seconds
        self._set_timer(room)

    def _set_timer(self, room: Room) -> None:
        """One timer a room: one that comes too early is set again, so that fast rooms do not pile them up."""
        if not room.timed and room.deadline is not None:
            room.timed = True
            heapq.heappush(self._deadlines, (room.deadline, next(self._number), room))

    def _clean(self) -> None:
        """Once a second: who is absent, what is idle, which agents hang, what others want done."""
        now = self._clock()
        for name in self.agents.take_off_the_stuck(self.settings.agent_s, now):
            log.error("an agent hangs and is taken off", agent=name)
        for room in list(self.lobby.rooms.values()):
            self._guarded(room, self._clean_room, now)
        for chore in tuple(self.chores):
            try:
                chore()
            except Exception:
                log.exception("a chore of the housekeeping has failed")

    def _clean_room(self, room: Room, now: float) -> None:
        for seat in room.chairs:
            if seat.listeners:
                seat.heard = now
            if not seat.free and not seat.agent and not seat.gone:
                room.heard = max(room.heard, seat.heard)
        shadows.tend(room, self.settings.spectator_delay_ticks, now)
        idle_s = now - room.heard
        if room.phase == "over":
            if now - room.ended_at > self.settings.linger_s:
                self.lobby.close(room)
        elif not room.running:
            if idle_s > self.settings.open_idle_s:
                self.lobby.close(room)
        elif is_for_nobody(room, now, self.settings.idle_s):
            self.endings.end(room, "idle")
            self.wake()
        else:
            self.note_queues(room)
            self._clean_absent(room, now)

    def _clean_absent(self, room: Room, now: float) -> None:
        limit_s = self.settings.absent_s
        if not isinstance(room.game, LeavableGame):
            self._ask([room])  # somebody who was here a second ago may be away now
            return
        late: list[tuple[float, int]] = []
        for number in room.waiting_for():
            seat = room.seats[number]
            # Without a clock, who is on the move has the time since the others moved.
            since = seat.heard if room.options.pace.seconds else max(seat.heard, room.ticked_at)
            if not seat.agent and not seat.listeners and now - since > limit_s:
                late.append((seat.heard, number))
        self._note_surrenders(room, room.give_up(number for _, number in sorted(late)))
        self.moved(room)

    def _step_shadows(self, rooms: Iterable[Room]) -> None:
        for room in rooms:
            if room.shadow >= 0 and room.running:
                self._guarded(room, shadows.catch_up, self.settings.spectator_delay_ticks)

    def _guarded(self, room: Room, call: Callable[..., object], *arguments: object) -> None:
        """Whatever is raised in one room ends that room, and no other."""
        try:
            call(room, *arguments)
        except Exception as error:
            log.exception("a room has failed", room=room.id, error=type(error).__name__)
            self.endings.end(room, "fault")
