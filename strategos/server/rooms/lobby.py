"""The lobby: rooms before their game. Create, join, quick match, force start, rematch, and closing again.

Called on the loop of the hall. What begins a game and what it costs to play one is the clockwork's.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import math
import secrets
from collections.abc import Callable
from dataclasses import replace

from strategos.games.spec import Game
from strategos.server.access.limits import Addresses
from strategos.server.access.names import apart, clean_name
from strategos.server.access.tokens import Tokens
from strategos.server.records.journal import Journal, wall_clock
from strategos.server.rooms import kinds
from strategos.server.rooms.agents import Agents
from strategos.server.rooms.compilations import Compilations
from strategos.server.rooms.pools import Pool
from strategos.server.rooms.room import Room, Seat, sides_of
from strategos.server.settings import Settings
from strategos.server.terms import HallError, Pace, RoomOptions, Ticket

_LETTERS = "ABCDEFGHJKLMNPQRSTUVWXYZ23456789"
_CODE_LETTERS = 8
JOINS_PER_MINUTE = 600.0
"""Of one address: enough to play, too few to find a room by its code."""
QUICK_PACES = {"generals": Pace("real_time", 0.5), "blob": Pace("lockstep", 30.0)}
SHARE_TO_START = 0.6
"""More than this share of a room has to want to start before it is full."""
_PUT_ROOM = (
    "INSERT INTO rooms (id, code, game, options, pace, seconds, agents, private, chosen_seed, tick_limit, "
    "quick, seed, made_at, phase, seating) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
)
PUT_SEAT = "INSERT OR REPLACE INTO seats (room, chair, name, ident, agent, gone) VALUES (?, ?, ?, ?, ?, ?)"


class Lobby:
    """All rooms of one server, by id and by code. `on_full` is told of a room whose game can begin."""

    def __init__(
        self,
        settings: Settings,
        tokens: Tokens,
        journal: Journal,
        agents: Agents,
        *,
        clock: Callable[[], float],
        on_full: Callable[[Room], None],
    ) -> None:
        self.settings, self.tokens, self.journal, self.agents = settings, tokens, journal, agents
        self.rooms: dict[str, Room] = {}
        self.codes: dict[str, str] = {}
        self.pools: dict[str, Pool] = {}
        self.closing = False
        self._clock, self._on_full = clock, on_full
        self.compilations = Compilations(settings, clock=clock)
        self._creates, self._joins = Addresses(), Addresses()

    def create(self, options: RoomOptions, *, name: str, address: str) -> Ticket:
        """A new room, and its first free seat for whoever makes it."""
        now = self._clock()
        self._require_open()
        self._require_rate(address, now)
        game = self.check(options)
        shown = clean_name(name, self.agents.reserved(game.spec.name))
        self._require_room_for_one(address)
        room = self._open(options, game, now, self.compilations.order(game, address))
        return self._sit(room, self._free_chair(room, None, None), shown, address)

    def check(self, options: RoomOptions) -> Game:
        """The game of `options`, all of them checked; `HallError` "invalid" or "not_found"."""
        pace = options.pace
        if pace.kind not in ("lockstep", "real_time"):
            raise HallError("invalid", "a room's pace is lockstep or real_time")
        if type(pace.seconds) not in (int, float) or not 0 <= pace.seconds <= 86_400:
            raise HallError("invalid", "the seconds of a tick are a number from 0 to 86400")
        least = self.settings.tick_least_s
        if pace.kind == "real_time" and pace.seconds < least:
            raise HallError("invalid", f"in real time a tick takes at least {least} seconds")
        if pace.kind == "lockstep" and 0 < pace.seconds < least:
            raise HallError("invalid", f"a clock gives at least {least} seconds, or 0 for no clock")
        if type(options.tick_limit) is not int or not 0 <= options.tick_limit < 1 << 32:
            raise HallError("invalid", f"a tick limit is a whole number to {(1 << 32) - 1}, 0 for none")
        if options.seed is not None and (type(options.seed) is not int or not 0 <= options.seed < 1 << 63):
            raise HallError("invalid", f"a seed is a whole number from 0 to {(1 << 63) - 1}")
        if options.seed is not None and not options.private:
            raise HallError("invalid", "who names the seed knows the board: only private rooms take one")
        game = kinds.build(options.game, options.options, board_cells=self.settings.board_cells)
        if pace.kind == "real_time" and not game.spec.simultaneous:
            raise HallError("invalid", f"{options.game} is played in turn: its pace is lockstep")
        for seat, agent in options.agents.items():
            if type(seat) is not int or not 0 <= seat < game.spec.num_players:
                raise HallError("invalid", f"seats are numbered from 0 to {game.spec.num_players - 1}")
            self.agents.require(options.game, agent)
        if len(options.agents) >= game.spec.num_players:
            raise HallError("invalid", "leave a seat free for yourself")
        return game

    def find(self, where: str) -> Room:
        """The room of an id or a code; `HallError` "not_found"."""
        if isinstance(where, str) and len(where) <= 64:
            room = self.rooms.get(where) or self.rooms.get(self.codes.get(where.upper().replace("-", ""), ""))
            if room is not None:
                return room
        raise HallError("not_found", "there is no such room; it may be over, or the code mistyped")

    def find_for(self, where: str, address: str) -> Room:
        """The room that a stranger names: a private one by its code only, and not too many tries."""
        if not self._joins.take(address, JOINS_PER_MINUTE / 60, JOINS_PER_MINUTE, self._clock()):
            raise HallError("exhausted", "too many calls from this address; wait a minute")
        room = self.find(where)
        if room.options.private and where == room.id:
            raise HallError("not_found", "there is no such room; a private one is found by its code")
        return room

    def join(
        self, where: str, *, name: str, address: str, seat: int | None = None, team: int | None = None
    ) -> Ticket:
        """A seat in a room: the one asked for, the first free one of a team, or the first free one."""
        self._require_open()
        room = self.find_for(where, address)
        if room.phase != "open":
            raise HallError("over" if room.phase == "over" else "late", "the game has begun without you")
        shown = clean_name(name, self.agents.reserved(room.game.spec.name))
        return self._sit(room, self._free_chair(room, seat, team), shown, address)

    def quick_match(self, game: str, *, name: str, address: str, players: int) -> Ticket:
        """A seat in the fullest room that waits for as many `players`, or in a new one."""
        self._require_open()
        if game not in kinds.FEWEST:
            kinds.build(game, {}, board_cells=self.settings.board_cells)
        if type(players) is not int or players > kinds.MOST[game]:
            raise HallError("invalid", f"{game} is for {kinds.FEWEST[game]} to {kinds.MOST[game]} players")
        wanted = max(players, kinds.FEWEST[game])
        waiting = [
            room
            for room in self.rooms.values()
            if room.quick
            and room.phase == "open"
            and room.options.game == game
            and len(room.chairs) == wanted
            and any(seat.free for seat in room.chairs)
        ]
        if waiting:
            fullest = min(waiting, key=lambda room: (sum(seat.free for seat in room.chairs), room.made_at))
            return self.join(fullest.id, name=name, address=address)
        options = RoomOptions(game, kinds.quick_options(game, wanted), QUICK_PACES.get(game, Pace()))
        ticket = self.create(options, name=name, address=address)
        room = self.rooms[ticket.room]
        room.quick = True
        self.journal.note("UPDATE rooms SET quick = 1 WHERE id = ?", room.id)
        return ticket

    def force(self, room: Room, chair: int, on: bool) -> None:
        """Whether this seat wants to start before the room is full; enough of them start it.

        `HallError` "exhausted" where the board for so few cannot be compiled now; to be asked again later.
        """
        if room.phase != "open":
            raise HallError("late", "the game has begun")
        room.chairs[chair].wants_start = bool(on)
        self._count_votes(room, room.chairs[chair].address)

    def leave(self, room: Room, chair: int) -> None:
        """Give a seat back before the game."""
        seat = room.chairs[chair]
        room.chairs[chair] = Seat()
        self.journal.note("DELETE FROM seats WHERE room = ? AND chair = ?", room.id, chair)
        room.tell("left", seat=chair, name=seat.name)
        room.touch()
        if not any(each.ident for each in room.chairs):
            self.close(room)
        else:
            self._count_again(room, seat.address)

    def rematch(self, room: Room, chair: int) -> Ticket:
        """A seat in the next room of the same table, seats moved on by one; the first to ask makes it."""
        if room.phase != "over":
            raise HallError("early", "a rematch follows the end of the game")
        self._require_open()
        now, old = self._clock(), room.chairs[chair]
        if room.next_room not in self.rooms:
            self._require_rate(old.address, now)
            self._require_room_for_one(old.address)
            turn, size = _turn(room), len(room.order)
            agents = {
                (number + turn) % size: seat.agent for number, seat in enumerate(room.seats) if seat.agent
            }
            options = replace(room.options, options=dict(room.game.options), agents=agents, seed=None)
            game = self.check(options)
            following = self._open(options, game, now, self.compilations.order(game, old.address))
            room.next_room = following.id
            room.tell("rematch", room=following.id, code=following.code)
        following = self.rooms[room.next_room]
        if old.rematch is not None:
            ticket, ident = old.rematch
            if ticket.room == following.id and ident in [each.ident for each in following.chairs]:
                return ticket
        wanted = (room.seat_of(chair) + _turn(room)) % len(room.order)
        if following.phase != "open":
            raise HallError("late", "the rematch has begun without you")
        if not following.chairs[wanted].free:
            wanted = self._free_chair(following, None, None)
        ticket = self._sit(following, wanted, old.name, old.address)
        old.rematch = ticket, following.chairs[wanted].ident
        return ticket

    def note_start(self, room: Room) -> None:
        """Write down that a game has begun, and who has which seat."""
        self.journal.note(
            "UPDATE rooms SET phase = 'running', options = ?, seating = ? WHERE id = ?",
            json.dumps(room.game.options),
            json.dumps(room.order),
            room.id,
        )

    def close(self, room: Room) -> None:
        """Forget a room; whoever still listens is told no more."""
        if self.rooms.pop(room.id, None) is None:
            return
        self.codes.pop(room.code, None)
        for mailbox in list(room.mailboxes):
            mailbox.shut()
        for row in (room.row, room.shadow):
            if row >= 0:
                room.pool.give(row)
        room.row = room.shadow = -1
        if room.preparing is not None:
            room.preparing.cancel()
        if room.phase in ("open", "preparing"):
            self.journal.note("DELETE FROM seats WHERE room = ?", room.id)
            self.journal.note("DELETE FROM rooms WHERE id = ?", room.id)

    def pool_of(self, game: Game) -> Pool:
        """The pool of a kind of game."""
        key = kinds.key_of(game)
        if key not in self.pools:
            for old in [each for each, pool in self.pools.items() if not pool.taken][:-32]:
                del self.pools[old]  # a few empty ones are kept, for the next room of their kind
            self.pools[key] = Pool(game)
        return self.pools[key]

    def _open(self, options: RoomOptions, game: Game, now: float, preparing: asyncio.Task[None]) -> Room:
        code = "".join(secrets.choice(_LETTERS) for _ in range(_CODE_LETTERS))
        seed = secrets.randbits(62) if options.seed is None else options.seed
        room = Room(
            id=secrets.token_urlsafe(16),
            code=code,
            options=replace(options, options=dict(game.options), agents=dict(options.agents)),
            game=game,
            pool=self.pool_of(game),
            chairs=[Seat() for _ in range(game.spec.num_players)],
            seed=seed,
            made_at=wall_clock(),
            heard=now,
            order=list(range(game.spec.num_players)),
            preparing=preparing,
        )
        self.rooms[room.id] = room
        self.codes[code] = room.id
        self.journal.note(
            _PUT_ROOM,
            room.id, code, game.spec.name, json.dumps(game.options), options.pace.kind, options.pace.seconds,
            json.dumps({str(seat): agent for seat, agent in options.agents.items()}), int(options.private),
            options.seed, options.tick_limit, 0, seed, room.made_at, "open", json.dumps(room.order),
        )  # fmt: skip
        taken: list[str] = []
        for chair, agent in sorted(options.agents.items()):
            taken.append(apart(agent, taken))
            room.chairs[chair] = Seat(name=taken[-1], agent=agent, heard=now)
            self.journal.note(PUT_SEAT, room.id, chair, taken[-1], "", agent, 0)
        return room

    def _sit(self, room: Room, chair: int, name: str, address: str) -> Ticket:
        shown = apart(name, [seat.name for seat in room.chairs])
        token, ident = self.tokens.issue(room.id, chair)
        now = self._clock()
        room.chairs[chair] = Seat(name=shown, ident=ident, address=address, heard=now)
        room.heard = now
        self.journal.note(PUT_SEAT, room.id, chair, shown, ident, "", 0)
        room.tell("joined", seat=chair, name=shown)
        room.touch()
        if any(seat.free for seat in room.chairs):
            self._count_again(room, address)
        else:
            self._on_full(room)
        return Ticket(room.id, room.seat_of(chair), token, room.code)

    def _free_chair(self, room: Room, seat: int | None, team: int | None) -> int:
        free = [chair for chair, each in enumerate(room.chairs) if each.free]
        if seat is not None:
            if type(seat) is not int or not 0 <= seat < len(room.chairs):
                raise HallError("invalid", f"seats are numbered from 0 to {len(room.chairs) - 1}")
            free = [chair for chair in free if chair == seat]
        if team is not None:
            teams = room.game.options.get("teams") or range(len(room.chairs))
            free = [chair for chair in free if teams[chair] == team]
        if not free:
            asked = seat is not None or team is not None
            raise HallError(
                "full", "that seat is taken; join without naming one" if asked else "no seat is free"
            )
        return free[0]

    def _count_again(self, room: Room, address: str) -> None:
        """As `_count_votes`; where the board cannot be compiled now, the room waits on for its players."""
        with contextlib.suppress(HallError):
            self._count_votes(room, address)

    def _count_votes(self, room: Room, address: str) -> None:
        people = [seat for seat in room.chairs if seat.ident]
        votes = sum(seat.wants_start for seat in people)
        sitting = [chair for chair, seat in enumerate(room.chairs) if not seat.free]
        fewest = kinds.FEWEST[room.game.spec.name]
        needed = max(min(2, len(people)), math.ceil(SHARE_TO_START * len(people)))
        room.tell("votes", votes=votes, needed=needed, players=len(sitting))
        room.touch()
        if votes < needed or len(sitting) < fewest or len(sitting) == len(room.chairs):
            return
        try:
            options = kinds.with_players(room.game.spec.name, room.game.options, sitting)
            if room.quick:
                options.update(kinds.quick_options(room.game.spec.name, len(sitting)))
            game = kinds.build(room.game.spec.name, options, board_cells=self.settings.board_cells)
        except HallError:
            return  # one team sits alone: the room waits on
        before, room.preparing = room.preparing, self.compilations.order(game, address)
        if before is not None:
            before.cancel()
        room.game, room.pool, room.order = game, self.pool_of(game), sitting
        room.options = replace(room.options, options=dict(game.options))
        self._on_full(room)

    def _require_open(self) -> None:
        if self.closing:
            raise going_down(self.settings)

    def _require_rate(self, address: str, now: float) -> None:
        """Count a new room of an address; `HallError` "exhausted" where they are too many."""
        rate = self.settings.creates_per_minute
        if not self._creates.take(address, rate / 60, rate, now):
            raise HallError("exhausted", "too many new rooms from this address; wait a minute")

    def _require_room_for_one(self, address: str) -> None:
        living = [room for room in self.rooms.values() if room.phase != "over"]
        if len(living) >= self.settings.games:
            raise HallError(
                "exhausted", "the server has as many games as it takes; join one, or try again later"
            )
        # A game goes on without who has left it: it counts until it ends. After a restart nobody's is known.
        own = sum(any(seat.address == address for seat in room.chairs) for room in living)
        if address and own >= self.settings.games_per_address:
            raise HallError("exhausted", "too many games of this address; finish some")
        over = [room for room in self.rooms.values() if room.phase == "over"]
        for old in sorted(over, key=lambda room: room.ended_at)[: max(0, len(over) - self.settings.games)]:
            self.close(old)


def going_down(settings: Settings) -> HallError:
    """What everybody is told while the server stops."""
    return HallError("unavailable", f"the server is going down; come back in {settings.back_s:.0f} seconds")


def _turn(room: Room) -> int:
    """How many seats everybody moves on in a rematch: one, but teams stay together."""
    return int(all(len(side) == 1 for side in sides_of(room)))
