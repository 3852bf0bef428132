"""A seat in a running game as a client of generals.io is told about it: its start, map patches, its end.

Listens to the hall for as long as the game goes on, also while nobody is connected: whoever comes back with
the same user id is told the whole state again. Translation only; the hall knows the game.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import structlog

from strategos.server.generalsio import map_diff
from strategos.server.generalsio.socket_io import Socket
from strategos.server.hall import Event, Hall, HallError, Mailbox, Snapshot, Ticket

log = structlog.get_logger("strategos.server")
_NOTHING = np.zeros(0, np.int64)


class Seated:
    """One player in one game of the hall. `on_end` is told once, when there is nothing more to tell."""

    def __init__(
        self,
        hall: Hall,
        ticket: Ticket,
        *,
        kind: str,
        options: dict[str, Any],
        teams: tuple[int, ...],
        stars: Callable[[str], float],
        on_end: Callable[[], None],
    ) -> None:
        self.hall, self.ticket, self.kind, self.options, self.teams = hall, ticket, kind, options, teams
        self.socket: Socket | None = None
        self.view: np.ndarray | None = None
        """What the player saw last."""
        self.over = False
        self._stars, self._on_end = stars, on_end
        self._seat = ticket.seat
        self._started = False
        self.lost = False
        """The player is out of the game, which may go on."""
        self._tick = -1
        self._map = self._cities = _NOTHING
        self._task = asyncio.get_running_loop().create_task(self._listen())

    @property
    def chat_room(self) -> str:
        """The room in which everybody in the game chats."""
        return f"game_{self.ticket.room}"

    @property
    def team_chat_room(self) -> str:
        """The room of the player's own team."""
        return f"{self.chat_room}_team_{self.team}"

    @property
    def team(self) -> int:
        """The player's team, from 0."""
        return self.teams[self._seat] if self._seat < len(self.teams) else self._seat

    @property
    def seat(self) -> int:
        """The player's index."""
        return self._seat

    def attach(self, socket: Socket) -> None:
        """From now on `socket` is told; the whole state at once, where the game has begun."""
        self.socket = socket
        self._started, self._tick = False, -1
        self._map = self._cities = _NOTHING
        if not self.over:
            self._tell_state(self.hall.snapshot(self.ticket.token))

    def detach(self) -> None:
        """Nobody is told any more; the player may come back."""
        self.socket = None

    def stop(self) -> None:
        """Stop listening."""
        self._task.cancel()

    async def _listen(self) -> None:
        mailbox: Mailbox | None = None
        try:
            mailbox = self.hall.listen(self.ticket.token)
            while not self.over:
                snapshot, events = await mailbox.next()
                early = [event for event in events if event.kind in ("chat", "joined", "votes", "preparing")]
                for event in early:
                    self._tell_event(event)
                if snapshot is not None:
                    self._tell_state(snapshot)
                for event in events:
                    if event not in early:
                        self._tell_event(event)
                if self.socket is not None:
                    await self.socket.drained()  # a slow client skips states instead of piling them up
        except HallError:
            pass  # nothing more will come
        except Exception:  # one seat's fault is no one else's
            log.exception("a seat of a generals.io game has failed")
        finally:
            if mailbox is not None:
                mailbox.close()
            self._on_end()
            self.over = True

    def _emit(self, name: str, *arguments: Any) -> None:
        if self.socket is not None:
            self.socket.emit(name, *arguments)

    # States.

    def _tell_state(self, snapshot: Snapshot) -> None:
        if snapshot.view is None or snapshot.phase in ("open", "preparing"):
            return
        self.view = snapshot.view
        if snapshot.seat is not None:
            self._seat = snapshot.seat
        if not self._started:
            self._started = True
            self._emit("pre_game_start")
            self._emit("game_start", self._start(snapshot), None)
        if not snapshot.alive[self._seat]:
            return  # a bot that looks for a tile of its own before it has heard `game_lost` looks for ever
        if snapshot.tick > max(0, self._tick):  # the first update that clients know is that of turn 1
            self._tick = snapshot.tick
            self._emit("game_update", self._update(snapshot), None)

    def _start(self, snapshot: Snapshot) -> dict[str, Any]:
        players = len(snapshot.names)
        together = len(set(self.teams)) < players
        told = {
            "playerIndex": self._seat,
            "playerColors": list(range(players)),
            "replay_id": snapshot.room,
            "chat_room": self.chat_room,
            "usernames": list(snapshot.names),
            "teams": list(self.teams) if together else list(range(players)),
            "game_type": self.kind,
            "swamps": [],
            "deserts": [],
            "lights": [],
            "lookouts": [],
            "observatories": [],
            "options": self.options,
        }
        return told | ({"team_chat_room": self.team_chat_room} if together else {})

    def _update(self, snapshot: Snapshot) -> dict[str, Any]:
        view = snapshot.view
        assert view is not None
        tiles, cities = map_diff.map_array(view), map_diff.cities_of(view)
        players = len(snapshot.names)
        told = {
            "scores": self._scores(snapshot),
            "turn": snapshot.tick,
            "stars": [self._stars(name) for name in snapshot.names],
            "attackIndex": snapshot.taken,
            "generals": map_diff.generals_of(view, players),
            "map_diff": map_diff.diff(self._map, tiles),
            "cities_diff": map_diff.diff(self._cities, cities),
            "deserts_diff": [0],
        }
        self._map, self._cities = tiles, cities
        return told

    def _scores(self, snapshot: Snapshot) -> list[dict[str, Any]]:
        """The scoreboard, the strongest first."""
        view = snapshot.view
        assert view is not None
        lines = [
            {"total": total, "tiles": tiles, "i": player, "color": player, "dead": not alive}
            for player, (total, tiles, alive) in enumerate(
                zip(view["army_total"].tolist(), view["land_total"].tolist(), snapshot.alive, strict=True)
            )
        ]
        return sorted(lines, key=lambda line: (line["dead"], -line["total"], -line["tiles"]))

    # Events.

    def _tell_event(self, event: Event) -> None:
        data = event.data
        names = self.hall.snapshot(self.ticket.token).names if event.kind == "seat_lost" else ()
        if event.kind == "chat":
            told = {
                "username": data["name"],
                "text": data["text"],
                "playerIndex": data["seat"],
                "prefix": None,
            }
            self._emit("chat_message", self.chat_room, told)
        elif event.kind == "seat_lost":
            killer = data.get("killer")
            if killer is not None:
                self._announce(f"{names[killer]} captured {names[data['seat']]}.")
            if data["seat"] == self._seat:
                self._tell_lost(-1 if killer is None else killer)
        elif event.kind == "surrendered":
            self._announce(f"{data['name']} surrendered.")
            if data["seat"] == self._seat:
                self._tell_lost(-1, surrender=True)
        elif event.kind == "left":
            self._announce(f"{data['name']} left.")
        elif event.kind == "over":
            self._tell_end(data)
        elif event.kind == "closing":
            self._announce(f"The server goes down; come back in {data['back_s']:.0f} seconds.")
            self._emit("server_restart")

    def _announce(self, text: str) -> None:
        """A message of the server itself has no name."""
        self._emit("chat_message", self.chat_room, {"text": text})

    def _tell_lost(self, killer: int, **more: Any) -> None:
        if not self.lost:
            self.lost = True
            self._emit("game_lost", {"killer": killer, **more}, None)

    def _tell_end(self, data: Mapping[str, Any]) -> None:
        self.over = True
        returns = data["returns"]
        share = returns[self._seat] if self._seat < len(returns) else 0.0
        if data["replay"]:
            self._announce(f"The replay of this game is at /replays/{data['replay']}.")
        if share > 0:
            self._emit("game_won", None, None)
        elif share < 0:
            self._tell_lost(-1)
        self._emit("game_over", None, None)
