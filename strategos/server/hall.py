"""The hall: the one facade of the game server. Every entrance speaks to it alone.

It is called from one asyncio loop, the server's, and none of its plain methods blocks, `replay` left out.
Every refusal is a `HallError`. What a method takes from a stranger is checked here or in the room it names.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Sequence

import structlog

from strategos.games.spec import Game
from strategos.play.record import GameRecord
from strategos.server import lists
from strategos.server.access.limits import Connections, Requests
from strategos.server.access.names import clean_chat
from strategos.server.access.tls import load_tls
from strategos.server.access.tokens import SPECTATOR, Tokens
from strategos.server.clock import AwakeClock
from strategos.server.recorder import Recorder
from strategos.server.records.archive import Archive
from strategos.server.records.journal import Journal, folder_lock
from strategos.server.records.ratings import Ratings
from strategos.server.rooms import rated, shadows, watching
from strategos.server.rooms.agents import Agents, Answer, offered
from strategos.server.rooms.clockwork import Clockwork
from strategos.server.rooms.endings import Endings
from strategos.server.rooms.kinds import build, quick_options
from strategos.server.rooms.lobby import Lobby, going_down
from strategos.server.rooms.looks import look
from strategos.server.rooms.mailbox import Mailbox
from strategos.server.rooms.restoring import restore
from strategos.server.rooms.room import Room
from strategos.server.rooms.seat import Seat, Spectator
from strategos.server.settings import Settings
from strategos.server.terms import (
    Event,
    FinishedGame,
    Follower,
    HallError,
    Pace,
    Result,
    RoomOptions,
    RoomSummary,
    Snapshot,
    Standing,
    Ticket,
)

__all__ = [
    "Event", "FinishedGame", "Follower", "Hall", "HallError", "Mailbox", "Pace", "Result", "RoomOptions",
    "RoomSummary", "Snapshot", "Standing", "Ticket",
]  # fmt: skip
_HOURS, _DELIVERY_S = 3600.0, 0.3
log = structlog.get_logger("strategos.server")


class Hall:
    """All rooms of one server. `async with Hall(settings) as hall:` starts and stops it."""

    def __init__(self, settings: Settings, *, clock: Callable[[], float] | None = None) -> None:
        self.settings = settings
        self.connections, self.requests = Connections(settings), Requests(settings)  # of all entrances
        self.tls = load_tls(settings)  # of all entrances, too
        self.clock = clock or AwakeClock()
        self._tasks: list[asyncio.Task] = []
        self._stack = contextlib.ExitStack()
        self._stopped = False

    async def __aenter__(self) -> Hall:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    async def start(self) -> None:
        """Open the data folder and go on with the games that ran.

        `JournalError` where another server has the folder or its journal is damaged, `PolicyError` for an
        agent of the settings that is not there.
        """
        self._loop, settings, data = asyncio.get_running_loop(), self.settings, self.settings.data
        self._stack.enter_context(folder_lock(data))
        try:
            sources = await asyncio.to_thread(offered, settings.agents, settings.runs)
            life_s, key_s = settings.token_hours * _HOURS, settings.key_days * 24 * _HOURS
            self._tokens = Tokens(data / "keys.json", life_s=life_s, key_s=key_s)
            self._journal = Journal(data / "journal.sqlite", on_alarm=self._alarm, on_lost=self._lost)
            self._stack.callback(self._journal.close)
            self._archive = Archive(data)
            self._agents = Agents(sources, self._deliver)
            self._stack.callback(self._agents.stop)
            self._ratings = Ratings(self._journal)
            self._endings = Endings(settings, self._journal, self._ratings, self._agents, clock=self.clock)
            self._lobby = Lobby(
                settings, self._tokens, self._journal, self._agents, clock=self.clock,
                on_full=lambda room: self._clockwork.full(room),
            )  # fmt: skip
            self._clockwork = Clockwork(
                settings, self._lobby, self._journal, self._agents, self._endings, clock=self.clock
            )
            self._recorder = Recorder(
                settings, self._archive, self._journal, self._endings, self.prepare, clock=self.clock
            )
            running = await restore(self._lobby, self._clockwork, self._endings, self.clock())
        except BaseException:
            self._stack.close()
            raise
        log.info("the hall is open", games=running)
        self._tasks = [asyncio.create_task(self._clockwork.run()), asyncio.create_task(self._recorder.run())]

    async def stop(self, grace_s: float = 0.0) -> None:
        """Tell everybody when to come back, write everything down, and end. Running games go on at the next
        start. Telling and writing the finished games take at most `grace_s` in all."""
        if self._stopped or not self._tasks:
            return
        self._stopped = self._lobby.closing = True
        ends_at = self._loop.time() + grace_s
        for room in self._lobby.rooms.values():
            room.tell("closing", back_s=self.settings.back_s)
        await asyncio.sleep(min(_DELIVERY_S, grace_s))
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._lobby.compilations.stop()
        self._endings.tell()
        for room in self._lobby.rooms.values():
            self._clockwork.note_queues(room)
        self._journal.commit()
        for room in self._lobby.rooms.values():
            for mailbox in list(room.mailboxes):
                mailbox.shut()
        await self._recorder.write_all(until=ends_at)
        await asyncio.to_thread(self._stack.close)

    async def warm_up(self) -> None:
        """Compile what a quick match of the usual size needs before the first one asks for it."""
        for name, players in (("generals", 2), ("blob", 3)):
            game = build(name, quick_options(name, players), board_cells=self.settings.board_cells)
            await self._lobby.compilations.order(game)

    async def prepare(self, game: Game, *, address: str | None = None) -> None:
        """Wait until `game` plays without compiling; `HallError` "exhausted" past an address's limits."""
        await self._lobby.compilations.order(game, address)

    def reload(self, newer: Settings) -> None:
        """Take over those of `newer` that may change while the server runs, and the certificate's files."""
        settings = self.settings.reloaded(newer)
        self.settings = self.connections.settings = self.requests.settings = settings
        for part in (self._lobby, self._lobby.compilations, self._clockwork, self._endings, self._recorder):
            part.settings = settings
        if self.tls is not None:
            self.tls.renew()

    # -- rooms -----------------------------------------------------------------------------------------------

    async def create(self, options: RoomOptions, *, name: str, address: str) -> Ticket:
        """Open a room and sit down on its first free seat."""
        return self._written(self._lobby.create(options, name=name, address=address))

    async def join(
        self, where: str, *, name: str, address: str, seat: int | None = None, team: int | None = None
    ) -> Ticket:
        """Sit down in the room of an id or a code."""
        return self._written(self._lobby.join(where, name=name, address=address, seat=seat, team=team))

    async def quick_match(self, game: str, *, name: str, address: str, players: int = 2) -> Ticket:
        """Sit down where others wait, or where others will come."""
        return self._written(self._lobby.quick_match(game, name=name, address=address, players=players))

    async def spectate(self, where: str, *, address: str) -> tuple[str, str]:
        """The room, and a token to watch it: the whole board late in Generals, the open table in Blob."""
        room = self._lobby.find_for(where, address)
        token, ident = self._tokens.issue(room.id, SPECTATOR)
        watching.admit(room, ident, address, self.settings.spectators, self.clock())
        shadows.open_shadow(room)
        while room.running and not shadows.catch_up(room, self.settings.spectator_delay_ticks):
            await asyncio.sleep(0)  # a long game: others have their turn, too
        return room.id, token

    def check(self, token: str, *, room: str | None = None) -> Ticket:
        """Whose token this is; `HallError` "forbidden" for one that is not good, or not of `room`."""
        found, chair = self._who(token, room)
        return Ticket(found.id, -1 if chair == SPECTATOR else found.seat_of(chair), token, found.code)

    def snapshot(self, token: str) -> Snapshot:
        """What the holder of the token may know now."""
        room, chair = self._who(token)
        return look(room, chair, self.clock())

    def listen(self, token: str) -> Mailbox:
        """A mailbox of the room; close it when done. `HallError` "exhausted" for too many of one seat."""
        room, chair = self._who(token)
        holder: Seat | Spectator
        if chair == SPECTATOR:
            holder = room.spectators[self._tokens.check(token).ident]
        else:
            holder = room.chairs[chair]
        watching.require_line(room, holder, self.settings.spectators)
        mailbox = Mailbox(lambda: self.snapshot(token), lambda box: self._unlisten(room, box))
        room.mailboxes[mailbox] = holder
        holder.listeners += 1
        return mailbox

    # -- moves -----------------------------------------------------------------------------------------------

    def act(self, token: str, action: int, *, tick: int | None = None, key: str = "") -> int:
        """One move for the coming tick; the number of the tick after it.

        With the same `key` the same call may come twice and counts once. `HallError`: "late" and "early"
        where `tick` is not the coming one, "illegal", "duplicate" where a move was made already,
        "not_started", "over", "invalid" where it is no action at all.
        """
        room, chair = self._player(token)
        after = room.act(chair, action, tick, key)
        self._clockwork.moved(room)
        return after

    def enqueue(self, token: str, action: int, number: int = -1) -> int:
        """One more move that waits for its tick; how many wait. Those that are illegal then are dropped."""
        room, chair = self._player(token)
        waiting = room.enqueue(chair, action, number, self.settings.queue_moves)
        self._clockwork.moved(room)
        return waiting

    def undo(self, token: str) -> None:
        """Take back the move that was queued last."""
        room, chair = self._player(token)
        room.undo(chair)
        room.touch()

    def clear(self, token: str) -> None:
        """Take back all moves that wait."""
        room, chair = self._player(token)
        room.clear(chair)
        room.touch()

    def surrender(self, token: str) -> None:
        """Give up the game, on its coming tick."""
        room, chair = self._player(token)
        self._clockwork.surrender(room, chair)

    def leave(self, token: str) -> None:
        """Leave for good: the seat is free again before the game, surrenders or is played for in it."""
        room, chair = self._who(token)
        if chair == SPECTATOR:
            room.spectators.pop(self._tokens.check(token).ident, None)
            return
        seat = room.chairs[chair]
        for mailbox in [box for box, each in room.mailboxes.items() if each is seat]:
            mailbox.close()  # who has left hears no more
        if room.phase == "open":
            self._lobby.leave(room, chair)
        else:
            self._clockwork.leave(room, chair)
        self._clockwork.wake()

    def force(self, token: str, on: bool) -> None:
        """Whether to start before all seats are taken; enough of the players have to want it."""
        room, chair = self._player(token)
        self._lobby.force(room, chair, on)
        self._clockwork.wake()

    def chat(self, token: str, text: str) -> None:
        """Say something to the room; `HallError` "exhausted" to who talks too much."""
        room, chair = self._player(token)
        line, seat = clean_chat(text), room.chairs[chair]
        if not seat.may_chat(self.settings.chats_per_minute, self.clock()):
            raise HallError("exhausted", "too much chat; wait a little")
        room.tell("chat", seat=room.seat_of(chair), name=seat.name, text=line)

    def rematch(self, token: str) -> Ticket:
        """A seat at the same table again, once the game is over."""
        room, chair = self._player(token)
        ticket = self._written(self._lobby.rematch(room, chair))
        self._clockwork.wake()
        return ticket

    # -- lists -----------------------------------------------------------------------------------------------

    def rooms(
        self, *, game: str | None = None, page: str = "", size: int = 50
    ) -> tuple[list[RoomSummary], str]:
        """Public rooms that have not ended, the newest first, and the `page` that comes next."""
        return lists.rooms(self._lobby.rooms.values(), game, page, size)

    def room(self, where: str, *, address: str) -> RoomSummary:
        """The room of an id or a code as the list shows it; a private one by its code only."""
        return lists.summary(self._lobby.find_for(where, address))

    def games(
        self, *, game: str | None = None, page: str = "", size: int = 50
    ) -> tuple[list[FinishedGame], str]:
        """Public games that have ended, the last to end first, and the `page` that comes next."""
        return lists.games(self._journal, game, page, size)

    def leaderboard(self, game: str, size: int = 50, mode: str = "") -> list[Standing]:
        """The best players of a game, in Generals of one `mode` of it: 1v1 (""), ffa or teams."""
        return self._ratings.leaderboard(rated.list_named(game, mode), lists.bounded(size))

    def replay(self, replay: str) -> GameRecord:
        """The record of a finished game. Reads a file: a caller on the loop takes `asyncio.to_thread`."""
        return self._archive.find(replay)

    async def report(self, record: GameRecord) -> tuple[str, tuple[float | None, ...]]:
        """Take in and rate a game that was played elsewhere, once it has been played again and ends as
        recorded; its replay id and the new ratings. Only for whom the operator trusts."""
        return await self._recorder.report(record)

    def game_of(self, room: str) -> Game:
        """The game that is played in a room."""
        found = self._lobby.rooms.get(room)
        if found is None:
            raise HallError("not_found", "there is no such room")
        return found.game

    def agents(self, game: str) -> list[str]:
        """Who can be asked to play `game` inside the server."""
        return self._agents.names(game)

    def follow(self, follower: Follower) -> Callable[[], None]:
        """Tell `follower` of every game, those that run included; the answer ends it."""
        for room in self._lobby.rooms.values():
            if room.running:
                follower.begun(room.id, room.game, room.seed, room.names, tuple(room.actions))
        self._endings.followers.append(follower)
        return lambda: self._endings.followers.remove(follower)

    def tend(self, chore: Callable[[], None]) -> Callable[[], None]:
        """Have `chore` done about once a second, on the loop; the answer ends that."""
        self._clockwork.chores.append(chore)
        return lambda: self._clockwork.chores.remove(chore)

    # -- inside ----------------------------------------------------------------------------------------------

    def _who(self, token: str, room: str | None = None) -> tuple[Room, int]:
        """The room and the chair of a token."""
        claims = self._tokens.check(token, room)
        found = self._lobby.rooms.get(claims.room)
        if found is None:
            rows = self._journal.read("SELECT replay FROM results WHERE room = ? AND recorded", claims.room)
            if rows:
                raise HallError("over", f"the game is over; its replay is {rows[0][0]}")
            raise HallError("over", "this room has been closed; open a new one")
        now = self.clock()
        if claims.chair == SPECTATOR:
            if claims.ident not in found.spectators:
                raise HallError("forbidden", "this token is not good here; watch again")
            found.spectators[claims.ident].heard = now
            return found, SPECTATOR
        if claims.chair >= len(found.chairs):
            raise HallError("forbidden", "this token is not good here; join again")
        seat = found.chairs[claims.chair]
        if seat.ident != claims.ident or seat.gone:
            raise HallError("forbidden", "this token is not good here; join again")
        seat.heard = found.heard = now
        return found, claims.chair

    def _player(self, token: str) -> tuple[Room, int]:
        room, chair = self._who(token)
        if chair == SPECTATOR:
            raise HallError("forbidden", "a spectator only watches")
        if self._stopped:
            raise going_down(self.settings)
        return room, chair

    def _written(self, ticket: Ticket) -> Ticket:
        """Answer with a seat when it would survive a crash."""
        self._journal.commit()
        return ticket

    def _unlisten(self, room: Room, mailbox: Mailbox) -> None:
        holder = room.mailboxes.pop(mailbox, None)
        if holder is not None:
            holder.listeners -= 1
            holder.heard = self.clock()

    def _deliver(self, answers: Sequence[Answer]) -> None:
        """Called on an agent's thread."""
        with contextlib.suppress(RuntimeError):  # the loop has been closed: nobody waits any more
            self._loop.call_soon_threadsafe(self._clockwork.answered, answers)

    def _alarm(self, text: str) -> None:
        what = "recording has stopped" if text else "recording goes on"
        log.error(what, reason=text)
        for room in self._lobby.rooms.values():
            room.tell("alarm", what=what)

    def _lost(self, rooms: set[str]) -> None:
        for ident in rooms:
            room = self._lobby.rooms.get(ident)
            if room is not None and not room.unrecorded:
                room.unrecorded = True
                self._journal.note("UPDATE rooms SET unrecorded = 1 WHERE id = ?", ident)
