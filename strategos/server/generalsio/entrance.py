"""The clients of generals.io of one hall: who they are, where they wait, which game they are in.

A client is known by its user id, which is its secret: whoever comes back with it gets its name, and its seat
in a running game. What the events of clients mean is in `protocol.py`.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import structlog

from strategos.server.generalsio.kept import KeptSeat, KeptSeats
from strategos.server.generalsio.players import Player
from strategos.server.generalsio.queues import Queue
from strategos.server.generalsio.seats import Seated
from strategos.server.generalsio.socket_io import Socket
from strategos.server.hall import Hall, HallError, RoomOptions, Ticket

log = structlog.get_logger("strategos.server")
QUEUE_UPDATE_S = 0.7
"""How often those who wait are told so."""
RESUME_S = 30.0
"""A player whose connection was lost in a game surrenders after so long."""
TELLINGS = 20
"""Changes of a queue that are told at once; more of them wait for the next regular word."""
SAVED_S = 2.0
"""A game begins when its seats are on the disk; a slower one is not waited for."""
KNOWN_PLAYERS = 10_000
"""Names of so many user ids are remembered."""
RANKED = 200
"""Players whose ratings are told; the rest of them have 0 stars."""
STARS_S = 10.0
"""How long the ratings of players are kept before they are looked up again."""
KEPT_FILE = "generalsio.json"
"""In the data folder: who sits where."""
JOINS = ("play", "join_1v1", "join_team", "join_private")
"""Events that lead to a game; one that does not is an error, every other refusal only a notice."""
LONGEST_ID = 128
"""Letters of a user id, or of the id of a game."""

Handler = Callable[["Entrance", Socket, list[Any]], Awaitable[Any]]


class Entrance:
    """All clients of generals.io of one hall; an `Application` of socket.io."""

    def __init__(
        self,
        hall: Hall,
        handlers: Mapping[str, Handler],
        *,
        silent_s: float,
        resume_s: float = RESUME_S,
    ) -> None:
        """`silent_s`: a connection that was not heard of for so long is given up for a new one of the same
        user; longer than clients may be silent that are well."""
        self.hall, self.resume_s, self.silent_s = hall, resume_s, silent_s
        self._handlers = handlers
        self.kept = KeptSeats(hall.settings.data / KEPT_FILE)
        self.players: OrderedDict[str, Player] = OrderedDict()
        self.queues: dict[tuple[str, str], Queue[Player]] = {}
        self._of_socket: dict[Socket, Player] = {}
        self._of_name: dict[str, Player] = {}
        self._stars: dict[str, float] = {}
        self._stars_at = float("-inf")
        self._beat: asyncio.Task[None] | None = None
        self._starting: set[asyncio.Task[None]] = set()
        self._missing = dict.fromkeys(self.kept.tokens(), self.hall.clock())
        """Seats of before the server was started anew, to which nobody has come back yet, and since when."""
        if self._missing:
            self._begin_telling()

    async def handle(self, socket: Socket, name: str, arguments: list[Any]) -> Any:
        """See `Application.handle`; events that there are not are ignored."""
        handler = self._handlers.get(name)
        if handler is None:
            return None
        try:
            return await handler(self, socket, arguments)
        except HallError as error:
            if name in JOINS:
                socket.emit("gio_error", error.message)  # bots take this for the end
            else:
                socket.emit("notify", "Refused", error.message)
            return None

    def left(self, socket: Socket) -> None:
        """See `Application.left`: a queue is left at once, a game after a while without the player."""
        player = self._of_socket.pop(socket, None)
        if player is None or player.socket is not socket:
            return
        player.socket = None
        player.gone_at = self.hall.clock()
        self.leave_queue(player)
        if player.seated is not None:
            player.seated.detach()

    async def close(self) -> None:
        """Let go of everybody; games in the hall go on."""
        tasks = [*self._starting, *([self._beat] if self._beat else [])]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for player in self.players.values():
            if player.seated is not None:
                player.seated.stop()
        await self.kept.saved()

    # Players.

    def player(self, socket: Socket, user_id: Any) -> Player:
        """The player with this user id, who speaks through `socket` from now on.

        `HallError` where the id is none, or somebody else is using it.
        """
        if not isinstance(user_id, str) or not 1 <= len(user_id) <= LONGEST_ID:
            raise HallError("invalid", f"a user id is a text of 1 to {LONGEST_ID} letters")
        player = self.players.get(user_id)
        if player is None:
            self._make_room()
            player = self.players[user_id] = Player(user_id)
        self.players.move_to_end(user_id)
        before = self._of_socket.get(socket)
        if before is not None and before is not player:
            raise HallError("forbidden", "one connection is one player; open another one for another user id")
        if player.socket is not None and player.socket is not socket:
            if self.hall.clock() - player.socket.session.heard_at < self.silent_s:
                socket.emit("error_user_id")
                raise HallError("duplicate", "this user id plays already, over another connection")
            player.socket.close("another connection has taken over")
        player.socket, player.address = socket, socket.address
        self._of_socket[socket] = player
        self._begin_telling()
        return player

    def rename(self, player: Player, name: str) -> None:
        """Give a player a name; `HallError` where somebody who is here has it."""
        holder = self._of_name.get(name)
        if holder is not None and holder is not player and (holder.socket or holder.seated):
            raise HallError("invalid", "This username is already taken.")
        self._forget_name(player)
        player.name = name
        self._of_name[name] = player

    def _forget_name(self, player: Player) -> None:
        if self._of_name.get(player.name) is player:
            del self._of_name[player.name]

    def _make_room(self) -> None:
        """Forget those who have been away for longest."""
        if len(self.players) < KNOWN_PLAYERS:
            return
        idle = [
            key for key, each in self.players.items() if not (each.socket or each.seated or each.beginning)
        ]
        for key in idle[: KNOWN_PLAYERS // 10]:
            self._forget_name(self.players.pop(key))

    def speaking(self, socket: Socket) -> Player | None:
        """Who speaks through a socket; None before it has said so."""
        return self._of_socket.get(socket)

    def stars(self, name: str) -> float:
        """The rating of a player, 0 for one without."""
        if self.hall.clock() - self._stars_at > STARS_S:
            self._stars_at = self.hall.clock()
            self._stars = {
                line.name: round(float(line.rating), 2) for line in self.hall.leaderboard("generals", RANKED)
            }
        return self._stars.get(name, 0.0)

    def rank(self, name: str) -> int | None:
        """The place of a player among all rated ones, from 1; None for one without a rating."""
        self.stars(name)
        return list(self._stars).index(name) + 1 if name in self._stars else None

    # Queues.

    def enter(self, player: Player, kind: str, name: str, team: Any = None) -> None:
        """Let a player wait, or go back to the game that it is in."""
        if player.beginning:
            return
        if player.seated is None:
            self._find_again(player)
        if player.seated is not None and player.seated.lost:
            self.walk_out(player)
        if player.seated is not None and not player.seated.over:
            assert player.socket is not None
            player.seated.attach(player.socket)
            return
        key = (kind, name)
        if player.queue is not None and player.queue is not self.queues.get(key):
            self.leave_queue(player)
        queue = self.queues.setdefault(key, Queue(kind, name))
        try:
            queue.join(player, team)
        except HallError:
            player.emit("error_queue_full")
            raise
        player.queue = queue
        self.tell_queue(queue)

    def leave_queue(self, player: Player) -> None:
        """Take a player out of the queue that it may be in."""
        queue, player.queue = player.queue, None
        if queue is not None:
            queue.leave(player)
            self.tell_queue(queue)

    def tell_queue(self, queue: Queue[Player]) -> None:
        """Tell everybody in a queue how it stands, and begin the game if it is time."""
        if not queue.players:
            self.queues.pop((queue.kind, queue.name), None)
            return
        if queue.tellings < TELLINGS:
            queue.tellings += 1
            for player in queue.players:
                if player.socket is not None:
                    player.emit("queue_update", queue.told(player, old=player.socket.session.version == 3))
        if queue.begins():
            task = asyncio.get_running_loop().create_task(self._begin(queue))
            self._starting.add(task)
            task.add_done_callback(self._begun)

    def _begun(self, task: asyncio.Task[None]) -> None:
        self._starting.discard(task)
        if not task.cancelled() and task.exception() is not None:
            log.error("a game of generals.io has not begun", exc_info=task.exception())

    async def _begin(self, queue: Queue[Player]) -> None:
        """Let everybody who waits in a queue play."""
        if not queue.begins():
            return  # somebody has left meanwhile
        try:
            options, teams = queue.room(self.hall.settings.tick_least_s), queue.team_of_seats()
        except HallError as error:
            self._refuse(queue, error)
            return
        told, players = queue.options.told(), queue.empty()
        self.queues.pop((queue.kind, queue.name), None)
        for player in players:
            player.queue, player.beginning = None, True
        try:
            tickets = await self._take_seats(options, players)
            if not tickets:
                return
            for player, ticket in zip(players, tickets, strict=True):
                kept = KeptSeat(ticket.token, player.name, queue.kind, told, teams)
                self.kept.put(player.user_id, kept)
                self._seat(player, ticket, kept)
            with contextlib.suppress(TimeoutError):  # who is told of a seat finds it again after a crash
                await asyncio.wait_for(self.kept.saved(), SAVED_S)
        finally:
            for player in players:
                player.beginning = False
        for player in players:
            if player.socket is not None and player.seated is not None:
                player.seated.attach(player.socket)

    async def _take_seats(self, options: RoomOptions, players: list[Player]) -> list[Ticket]:
        """Seats for all players in a new room of the hall; none where it refuses, and they have been told."""
        tickets: list[Ticket] = []
        try:
            for place, player in enumerate(players):
                if not tickets:
                    ticket = await self.hall.create(options, name=player.name, address=player.address)
                else:
                    ticket = await self.hall.join(
                        tickets[0].code, name=player.name, address=player.address, seat=place
                    )
                tickets.append(ticket)
        except Exception as error:
            refused = isinstance(error, HallError)
            if not refused:
                log.exception("a game of generals.io could not begin")
            for ticket in tickets:
                with contextlib.suppress(HallError):
                    self.hall.leave(ticket.token)
            for player in players:
                player.emit("gio_error", str(error) if refused else "the game could not begin; try again")
                player.emit("removed_from_queue")
            return []
        return tickets

    def _refuse(self, queue: Queue[Player], error: HallError) -> None:
        """The game cannot begin; nobody asks for it any more."""
        queue.forcing.clear()
        for player in queue.players:
            player.emit("gio_error", error.message)

    def _seat(self, player: Player, ticket: Ticket, kept: KeptSeat) -> None:
        def ended() -> None:
            if player.seated is seated:
                player.seated = None
                if seated.over:  # and not only let go of
                    self.kept.drop(player.user_id)

        seated = Seated(
            self.hall,
            ticket,
            kind=kept.kind,
            options=kept.options,
            teams=kept.teams,
            stars=self.stars,
            on_end=ended,
        )
        player.seated = seated

    def _find_again(self, player: Player) -> None:
        """Give a player the seat back that it had before the server was started anew."""
        kept = self.kept.find(player.user_id)
        if kept is None:
            return
        self._missing.pop(kept.token, None)
        try:
            ticket = self.hall.check(kept.token)
            if self.hall.snapshot(kept.token).phase == "over":
                raise HallError("over", "the game is over")
        except HallError:
            self.kept.drop(player.user_id)
            return
        with contextlib.suppress(HallError):
            self.rename(player, kept.name)
        self._seat(player, ticket, kept)

    def _begin_telling(self) -> None:
        if self._beat is None or self._beat.done():
            self._beat = asyncio.get_running_loop().create_task(self._keep_telling())

    async def _keep_telling(self) -> None:
        """Repeat `queue_update` to those who wait, and let those surrender who have not come back."""
        while True:
            await asyncio.sleep(min(QUEUE_UPDATE_S, self.resume_s))
            try:
                for queue in list(self.queues.values()):
                    queue.tellings = 0
                    self.tell_queue(queue)
                now = self.hall.clock()
                for token, since in list(self._missing.items()):
                    if now - since > self.resume_s:
                        del self._missing[token]
                        self._give_up(token)
                for player in list(self.players.values()):
                    away = player.seated is not None and player.socket is None
                    if away and now - player.gone_at > self.resume_s:
                        self.walk_out(player)
            except Exception:
                log.exception("those who wait for a generals.io game were not told")

    def walk_out(self, player: Player) -> None:
        """Let a player leave its game for good."""
        seated, player.seated = player.seated, None
        if seated is not None:
            self._give_up(seated.ticket.token)
            seated.stop()

    def _give_up(self, token: str) -> None:
        """Leave a seat for good."""
        self.kept.drop_token(token)
        try:
            self.hall.leave(token)
        except HallError as error:
            log.debug("a player who leaves was not there", reason=error.message)
