"""Beliefs in Generals: whole positions that a player cannot tell from the true one.

A world is made from that player's view, the engine's memory of that seat and the public totals, and from
nothing else: what is in sight is copied, and `generals_worlds.py` makes up the rest, generals where they may
stand, land grown from where it is known, armies so that every total is met.

Known limits: a world is drawn from a scripted idea of how players spread, not from the posterior of any
policy; who took which of a dead player's tiles is guessed; a city that was built in the fog and never seen
is imagined as plain land.
"""

from __future__ import annotations

import numpy as np

from strategos.games.compiled import kernel
from strategos.games.generals.game import Generals
from strategos.games.generals.map_options import held_distance, map_options
from strategos.games.generals.record import CITY, FOG, GENERAL, NEUTRAL, OBSTACLE
from strategos.games.rng import derive
from strategos.games.spec import Game
from strategos.play.generals_fields import Seen, Setting, Work, World, contiguous_fields, row_of, world_of
from strategos.play.generals_worlds import hidden, imagine, spread_steps

_TOO_NEAR, _CUT_OFF = 1 / 16, 1 / 16
"""How much less likely a general stands nearer than the game's maps put it, or where nobody can walk."""
_OF_MAPS = (
    "cities_low",
    "cities_high",
    "cities_area_low",
    "cities_area_high",
    "city_army_low",
    "city_army_high",
    "distance_low",
    "full_side",
)
_CITIES_LOW, _CITIES_HIGH, _AREA_LOW, _AREA_HIGH, _ARMY_LOW, _ARMY_HIGH, _DISTANCE, _FULL_SIDE = range(8)
_VIEWED = Seen._fields[: Seen._fields.index("old_army")]
_REMEMBERED = [name.removeprefix("old_") for name in Seen._fields[len(_VIEWED) :]]


class GeneralsBeliefs:
    """Samples positions of `game` that agree with what a player sees and remembers, and with the totals.

    Where generals stand is decided by a race that a key fixes once for each tile. With `steady` it comes
    from the viewer's seat and general alone, so that a player who keeps nothing between two moves believes
    the same on the next tick, until a place is ruled out, and does not turn on the spot.
    """

    def __init__(self, game: Game, *, steady: bool = False) -> None:
        if not isinstance(game, Generals):
            raise ValueError(f"these beliefs are about generals, not {game.spec.name}")
        self.game: Game = game
        self.steady = steady
        self._generals = game
        wishes = ("min_height", "min_width", "spawn_distance", "mountains", "cities")
        options = map_options(
            game.ruleset,
            game.players,
            len(set(game.teams)),
            game.height,
            game.width,
            **{name: game.options[name] for name in wishes},
        )
        self._maps = np.array([options[name] for name in _OF_MAPS], np.int64)

    def sample(
        self, views: np.ndarray, memories: np.ndarray | None, keys: np.ndarray, worlds: int
    ) -> np.ndarray:
        """States [B, worlds] that the viewers of `views` [B] cannot tell from the true ones.

        `memories` [B] are of the same seats; None for players who remember nothing. World `w` of a row is a
        function of its view, its memory, `keys[row]` and `w`.
        View and mask of the viewer are the same in every world, byte by byte, as long as the totals are
        those of a real position. `ValueError` for views of another game.
        """
        game = self._generals
        if views.dtype != game.view_dtype:
            raise ValueError("these views are of another board or number of players than the beliefs' game")
        states = np.zeros((len(views), worlds), game.state_dtype)
        if memories is None:
            memories = np.zeros(len(views), game.memory_dtype)
            memories["seen"], memories["owner"] = -1, NEUTRAL
        states["rules"] = game.rules
        for field in ("tick", "height", "width", "stride", "team"):
            states[field] = views[field][:, None]
        seen = Seen(*contiguous_fields(views, _VIEWED), *contiguous_fields(memories, _REMEMBERED))
        work = Work(
            kind=np.zeros(game.cells, np.int8),
            steps=np.zeros(game.cells, np.int32),
            queue=np.zeros(game.cells, np.int32),
            frontier=np.zeros((game.players, 4 * game.cells), np.int32),
            edge=np.zeros(game.players, np.int64),
            land=np.zeros(game.players, np.int64),
            army=np.zeros(game.players, np.int64),
            weight=np.zeros((game.players, game.cells), np.float64),
            book=np.zeros(2, np.int64),
        )
        fields = World(*(states[name] for name in World._fields))
        keys = np.asarray(keys, np.int64)
        _sample(seen, fields, work, self._maps, int(game.rules.draw_tick), self.steady, keys)
        return states


@kernel
def _sample(views, worlds, work, maps, draw_tick, steady, keys):
    """Fill all worlds [B, W]; what does not differ between the worlds of a row is made once."""
    for row in range(worlds.owner.shape[0]):
        seen = row_of(views, row)
        distance = _spawn_distance(seen, maps)
        setting = Setting(_city_share(seen, maps), maps[_ARMY_LOW], maps[_ARMY_HIGH], distance, draw_tick)
        for player in range(seen.team.shape[0]):
            _weigh_places(seen, work, player, distance)
        for number in range(worlds.owner.shape[1]):
            key = derive(keys[row], number)
            race = derive(_home(seen), number) if steady else key
            imagine(seen, world_of(worlds, row, number), work, setting, key, race)


@kernel
def _spawn_distance(seen, maps):
    """How far apart the maps of the game put generals of different teams on a board of this size."""
    low, full_side = maps[_DISTANCE], maps[_FULL_SIDE]
    if full_side == 0:
        return low
    team = seen.team
    teams = 0
    for player in range(team.shape[0]):
        first = 1
        for other in range(player):
            if team[other] == team[player]:
                first = 0
        teams += first
    sides = seen.height + seen.width
    rivals = (team.shape[0] + teams) // 2
    return held_distance(min(low, low * sides // (2 * full_side)), rivals, seen.height, seen.width)


@kernel
def _city_share(seen, maps):
    """The chance, of 2**16, that an obstacle in the fog which was never looked at is a city."""
    tiles = seen.height * seen.width
    cities = (maps[_CITIES_LOW] + maps[_CITIES_HIGH]) << 15  # their mean, times 2**16
    if tiles < maps[_AREA_LOW]:
        cities = cities * tiles // maps[_AREA_LOW]
    elif tiles > maps[_AREA_HIGH]:
        cities = cities * tiles // maps[_AREA_HIGH]
    unknown = 0
    for cell in range(seen.terrain.shape[0]):
        looks, knows = seen.terrain[cell], seen.old_terrain[cell]
        if looks == CITY or (looks == OBSTACLE and knows == CITY):
            cities -= 1 << 16
        elif looks == OBSTACLE and knows in (FOG, OBSTACLE):
            unknown += 1
    return min(max(cities, 0) // unknown, 1 << 16) if unknown > 0 else 0


@kernel
def _home(seen):
    """The tile of the viewer's general, or -1."""
    for cell in range(seen.terrain.shape[0]):
        if seen.terrain[cell] == GENERAL and seen.owner[cell] == seen.me:
            return cell
    return -1


@kernel
def _weigh_places(seen, work, player, distance):
    """Write how likely each tile is to hold the general of `player`, where that is not known.

    A general stands on a tile that was never looked at, far enough from the viewer's own, where one can
    walk to from the viewer's land, and rather near to land that is known to be that player's.
    """
    weight, stride, me = work.weight[player], seen.stride, seen.me
    weight[:] = 0.0
    if seen.team[player] == seen.team[me] or seen.land_total[player] <= 0:
        return
    cells, sources, home = seen.terrain.shape[0], 0, _home(seen)
    for cell in range(cells):
        if seen.owner[cell] == me:
            work.queue[sources] = cell
            sources += 1
    spread_steps(seen, work, sources)
    for cell in range(cells):
        if seen.terrain[cell] == FOG and seen.old_terrain[cell] == FOG:
            weight[cell] = 1.0 if work.steps[cell] >= 0 else _CUT_OFF
    if home >= 0:
        for cell in range(cells):
            if abs(cell // stride - home // stride) + abs(cell % stride - home % stride) < distance:
                weight[cell] *= _TOO_NEAR
    sources = 0
    for cell in range(cells):
        holder = seen.old_owner[cell] if hidden(seen, cell) else seen.owner[cell]
        if holder == player:
            work.queue[sources] = cell
            sources += 1
    if sources > 0:
        spread_steps(seen, work, sources)
        for cell in range(cells):
            weight[cell] /= 1.0 + work.steps[cell] if work.steps[cell] >= 0 else float(cells)
