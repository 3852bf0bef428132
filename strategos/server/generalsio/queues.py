"""The queues of generals.io: who waits for which game, who wants it to begin, and what is then played.

Data and rules of waiting; no connection, no clock and no hall enters here. A queue never changes once its
players have gone to play: it is empty then, and the next ones begin it anew.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Generic, TypeVar

from strategos.server.rooms.kinds import quick_options
from strategos.server.terms import HallError, Pace, RoomOptions

DUEL, FREE_FOR_ALL, TEAMS, CUSTOM = "1v1", "ffa", "2v2", "custom"
"""Kinds of queues, which are also the kinds of games that clients are told."""
MOST_PLAYERS = {DUEL: 2, FREE_FOR_ALL: 8, TEAMS: 4, CUSTOM: 16}
TICK_S = 0.5
"""A tick at normal speed."""
SPEEDS = (0.25, 100.0)
"""Slowest and fastest, as multiples of the normal one; the server may have a slower limit."""
_FORCE = 0.7
"""The share of the players who must want a game to begin."""
_LEAST_SIDE, _LARGEST_SIDE = 8, 45
"""Sides of the boards that a share of 0 and of 1 stands for."""
_DENSEST_MOUNTAINS = 0.36
_MOST_CITIES = 40


class Waiting:
    """Who waits: identity alone counts."""

    name: str


Player = TypeVar("Player", bound=Waiting)


@dataclass
class CustomOptions:
    """What the host of a custom game has chosen; None is as in a quick match."""

    width: float | None = None
    """A share from 0 to 1 of the sides that there are, or tiles."""
    height: float | None = None
    game_speed: float = 1.0
    city_density: float | None = None
    mountain_density: float | None = None
    agents: list[str] = field(default_factory=list)
    """Names of agents of the server that take part."""

    def change(self, chosen: Mapping[str, Any], offered: Collection[str]) -> list[str]:
        """Take over what is `chosen`, agents of those `offered`; returns the names that there are not.

        `HallError` for a bad value; what came before it has been taken over.
        """
        unknown = []
        for name, value in chosen.items():
            if name in ("width", "height"):
                setattr(self, name, _number(name, value, 50.0))
            elif name in ("city_density", "mountain_density"):
                setattr(self, name, _number(name, value, 1.0))
            elif name == "game_speed":
                speed = _number(name, value, SPEEDS[1])
                self.game_speed = 1.0 if speed is None else max(speed, SPEEDS[0])
            elif name == "agents":
                self.agents = _names(value, offered)
            elif value not in (None, 0):  # no map of a player's, no swamps: that is what there is
                unknown.append(str(name)[:32])
        return unknown

    def told(self) -> dict[str, Any]:
        """As clients are told."""
        shown = {name: value for name, value in vars(self).items() if value not in (None, [])}
        return {"game_speed": self.game_speed, **shown}

    def of_map(self, players: int) -> dict[str, Any]:
        """The options of `make_game` that follow, for so many players."""
        options = quick_options("generals", players)
        for side, chosen in (("height", self.height), ("width", self.width)):
            if chosen is not None:
                options[side] = _tiles(chosen)
        if self.mountain_density is not None:
            share = round(_DENSEST_MOUNTAINS * self.mountain_density, 3)
            options["mountains"] = (share, share)
        if self.city_density is not None:
            cities = round(_MOST_CITIES * self.city_density)
            options["cities"] = (cities, cities)
        return options


def _number(name: str, value: Any, most: float) -> float | None:
    """A number that a client gave as such or as a text; None for none."""
    if value is None:
        return None
    try:
        number = float(value) if isinstance(value, (str, int, float)) and len(str(value)) < 32 else math.nan
    except ValueError:
        number = math.nan
    if isinstance(value, bool) or not 0 <= number <= most:
        raise HallError("invalid", f"{name} is a number from 0 to {most:g}")
    return number


def _names(value: Any, offered: Collection[str]) -> list[str]:
    if not isinstance(value, list) or not all(isinstance(each, str) for each in value):
        raise HallError("invalid", "agents is a list of names")
    for name in value:
        if name not in offered:
            raise HallError("not_found", f"there is no agent {name[:32]!r} of Generals here")
    return list(value)


def _tiles(chosen: float) -> int:
    if chosen <= 1:
        return round(_LEAST_SIDE + chosen * (_LARGEST_SIDE - _LEAST_SIDE))
    return max(4, round(chosen))


class Queue(Generic[Player]):
    """One queue: its players in the order in which they came, the first of a custom one being its host."""

    def __init__(self, kind: str, name: str) -> None:
        self.kind, self.name = kind, name
        self.players: list[Player] = []
        self.forcing: list[Player] = []
        self.teams: dict[int, Any] = {}
        """Team, a number or a name, that a player, by identity, has chosen."""
        self.options = CustomOptions()
        self.public = kind != CUSTOM
        self.tellings = 0
        """How often its players were told how it stands since they were told regularly."""

    @property
    def chat_room(self) -> str:
        """The room in which the players of the queue chat."""
        return f"chat_custom_queue_{self.name}" if self.kind == CUSTOM else f"chat_queue_{self.kind}"

    def join(self, player: Player, team: Any = None) -> None:
        """Add a player; `HallError` "full" where there is no room."""
        if player not in self.players:
            if len(self.players) + len(self.options.agents) >= MOST_PLAYERS[self.kind]:
                raise HallError("full", "this queue is full; try another one, or later")
            self.players.append(player)
        if team is not None:
            self.teams[id(player)] = team

    def leave(self, player: Player) -> None:
        """Remove a player, who may not be there."""
        for group in (self.players, self.forcing):
            if player in group:
                group.remove(player)
        self.teams.pop(id(player), None)
        if not self.players:
            self.options = CustomOptions()

    def force(self, player: Player, on: bool) -> None:
        """Note whether a player wants the game to begin."""
        if player in self.forcing and not on:
            self.forcing.remove(player)
        elif player in self.players and player not in self.forcing and on:
            self.forcing.append(player)

    def choose(self, player: Player, chosen: Mapping[str, Any], offered: Collection[str] = ()) -> list[str]:
        """Let the host change the options, all of them or none; see `CustomOptions.change`.

        `HallError` for anybody else, and for more agents than there are seats.
        """
        if self.kind != CUSTOM or not self.players or self.players[0] is not player:
            raise HallError("forbidden", "only the host of a custom game chooses its options")
        options = replace(self.options)
        unknown = options.change(chosen, offered)
        free = MOST_PLAYERS[self.kind] - len(self.players)
        if len(options.agents) > free:
            raise HallError("invalid", f"there are seats for {free} agents")
        self.options = options
        return unknown

    def begins(self) -> bool:
        """Whether those who wait go to play now."""
        seats = len(self.players) + len(self.options.agents)
        if seats < 2 or not self.players:
            return False
        if self.kind in (DUEL, TEAMS):
            return seats == MOST_PLAYERS[self.kind]
        if self.kind == FREE_FOR_ALL and seats == MOST_PLAYERS[self.kind]:
            return True
        return len(self.forcing) >= math.ceil(_FORCE * len(self.players))

    def empty(self) -> list[Player]:
        """Send everybody away to play; what they are seated by is `room`, to be asked before."""
        players, self.players, self.forcing, self.teams = self.players, [], [], {}
        self.options = CustomOptions()
        return players

    def room(self, least_s: float) -> RoomOptions:
        """The room for those who wait, seat by seat in their order, the agents after them; no tick of it is
        shorter than `least_s`.

        `HallError` where all of them are in one team.
        """
        seats = len(self.players) + len(self.options.agents)
        teams = self.team_of_seats()
        if len(set(teams)) < 2:
            raise HallError("invalid", "everybody is in one team; somebody must choose another one")
        options = self.options.of_map(seats)
        if len(set(teams)) < seats:
            options["teams"] = teams
        first = len(self.players)
        return RoomOptions(
            game="generals",
            options=options,
            pace=Pace("real_time", max(least_s, TICK_S / self.options.game_speed)),
            agents={first + place: name for place, name in enumerate(self.options.agents)},
            private=not self.public,
        )

    def team_of_seats(self) -> tuple[int, ...]:
        """Team of each seat, from 0; in 2v2 those of one name play together and the others fill up."""
        if self.kind == TEAMS:
            return _pairs([self.teams.get(id(player)) for player in self.players])
        numbers: dict[Any, int] = {}
        alone = [("agent", place) for place in range(len(self.options.agents))]
        return tuple(numbers.setdefault(team, len(numbers)) for team in [*self._numbers(), *alone])

    def _numbers(self) -> list[Any]:
        """The team of each player; who has chosen none has the number of its place, from 1."""
        return [self.teams.get(id(player), place) for place, player in enumerate(self.players, 1)]

    def told(self, player: Player, *, old: bool = False) -> dict[str, Any]:
        """The `queue_update` of one player. Clients of Engine.IO 3 are `old`: they print how many want the
        game to begin; later ones know them by their places."""
        places = list(range(len(self.players)))
        forcing = [self.players.index(each) for each in self.forcing]
        told: dict[str, Any] = {
            "playerIndices": places,
            "playerColors": places,
            "lobbyIndex": self.players.index(player),
            "isForcing": player in self.forcing,
            "numPlayers": len(self.players),
            "numForce": len(forcing) if old else forcing,
            "options": self.options.told(),
        }
        if self.kind == CUSTOM:
            told["usernames"] = [each.name for each in self.players]
            told["teams"] = self._numbers()
        return told


def _pairs(chosen: list[Any]) -> tuple[int, ...]:
    """Two teams of two: the first two of one choice together, else as they came."""
    first = next((team for team in chosen if team is not None and chosen.count(team) >= 2), None)
    together = [seat for seat, team in enumerate(chosen) if first is not None and team == first][:2]
    together = together or list(range(2))
    return tuple(0 if seat in together else 1 for seat in range(len(chosen)))
