"""Generals as a `Game`: one configured board, and the kernels bound to it.

Everything a batch needs from the rules goes through here; each method works on any slice of a
batch and may run on several threads at once, every thread with its own working memory.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import Any

import numpy as np

from strategos.games.compiled import kernel
from strategos.games.generals import chance, maps, notation, record, rules, tiles, view
from strategos.games.generals.record import ALIVE, MAX_PLAYERS, RULESETS
from strategos.games.rng import derive
from strategos.games.spec import GameSpec


@dataclass
class _Workspace:
    """What the kernels scribble on, one for each thread, so that the loop allocates nothing."""

    maps: np.ndarray
    rows: np.ndarray
    counts: np.ndarray
    tick: np.ndarray
    actions: np.ndarray
    illegal: np.ndarray


class Generals:
    """Generals on boards of up to `height` x `width` for `players` seats.

    `teams` gives the team of each seat (default: everyone alone). `min_height` and `min_width`
    make the boards of one batch differ in size. `spawn_distance`, `mountains` (shares of the
    tiles) and `cities` (counts) are (lowest, highest) and override the ruleset's own maps.

    Raises `ValueError` for a board, a team layout or a ruleset that cannot be.
    """

    notation = notation

    def __init__(
        self,
        height: int = 20,
        width: int = 20,
        players: int = 2,
        *,
        ruleset: str = "generalsio",
        teams: tuple[int, ...] | None = None,
        min_height: int | None = None,
        min_width: int | None = None,
        spawn_distance: tuple[int, int] | None = None,
        mountains: tuple[float, float] | None = None,
        cities: tuple[int, int] | None = None,
    ) -> None:
        self.rules = record.ruleset(ruleset)
        highest = RULESETS[ruleset]["max_players"]
        if not 2 <= players <= highest:
            raise ValueError(f"ruleset {ruleset!r} is for 2 to {highest} players, not {players}")
        if teams is None:
            teams = tuple(range(players))
        if len(teams) != players:
            raise ValueError(f"teams must name a team for each of the {players} players, got {len(teams)}")
        if len(set(teams)) < 2 or min(teams) < 0 or max(teams) >= MAX_PLAYERS:
            raise ValueError(f"teams must be two or more numbers from 0 to {MAX_PLAYERS - 1}, got {teams}")
        if highest == 2 and len(set(teams)) != players:
            raise ValueError(f"ruleset {ruleset!r} has no teams")
        self.options: dict[str, Any] = {
            "height": height,
            "width": width,
            "players": players,
            "ruleset": ruleset,
            "teams": teams,
            "min_height": min_height,
            "min_width": min_width,
            "spawn_distance": spawn_distance,
            "mountains": mountains,
            "cities": cities,
        }
        self._maps = maps.map_options(
            ruleset,
            players,
            len(set(teams)),
            height,
            width,
            min_height=min_height,
            min_width=min_width,
            spawn_distance=spawn_distance,
            mountains=mountains,
            cities=cities,
        )
        self.ruleset = ruleset
        self.height, self.width, self.players, self.teams = height, width, players, teams
        self.cells = height * width
        self.state_dtype = record.state_dtype(self.cells, players)
        self.view_dtype = record.view_dtype(self.cells, players)
        self.memory_dtype = record.memory_dtype(self.cells, players)
        self.pass_action = record.pass_action(self.cells, bool(self.rules.builds))
        self.num_actions = self.pass_action + 1
        self.spec = GameSpec(
            name="generals",
            num_players=players,
            num_actions=self.num_actions,
            simultaneous=True,
            has_memory=True,
            max_ticks=int(self.rules.draw_tick),
        )
        self._teams = np.array(teams, dtype=np.int8)
        self._local = threading.local()

    def reset(self, states: np.ndarray, seeds: np.ndarray) -> None:
        """Begin new games in `states` [B] on fair boards of their own, from `seeds` [B] int64."""
        work = self._workspace()
        _reset_games(states, seeds, self._maps, self.rules, self._teams, self.height, self.width, work.maps)

    def step(self, states: np.ndarray, actions: np.ndarray, illegal: np.ndarray) -> None:
        """Play one tick of `actions` [B, P] int32; see `Game.step`."""
        rules.step_games(states, actions, illegal, self._workspace().tick)

    def legal(self, states: np.ndarray, masks: np.ndarray) -> None:
        """Write packed legal `masks` [B, P, mask_bytes] uint8."""
        view.mask_games(states, masks)

    def view(self, states: np.ndarray, views: np.ndarray) -> None:
        """Write every player's `views` [B, P]."""
        view.view_games(states, views, self._workspace().rows)

    def remember(self, views: np.ndarray, memories: np.ndarray) -> None:
        """Fold `views` [B, P] into `memories` [B, P]."""
        view.remember_games(views, memories, self._workspace().rows)

    def observe(self, states: np.ndarray, views: np.ndarray, masks: np.ndarray, memories: np.ndarray) -> None:
        """`view`, `legal` and `remember` in one pass; `memories` of length 0 are left out."""
        view.observe_games(states, views, masks, memories, self._workspace().rows)

    def random_actions(self, states: np.ndarray, actions: np.ndarray) -> None:
        """Fill `actions` [B, P] int32 with uniformly random legal actions from each game's stream."""
        chance.random_actions(states, self.num_actions, actions, self._workspace().counts)

    def play_randomly(self, states: np.ndarray, actions: np.ndarray, illegal: np.ndarray) -> None:
        """`random_actions` and `step` in one pass."""
        work = self._workspace()
        chance.play_randomly(states, self.num_actions, actions, illegal, work.counts, work.tick)

    def playout(self, states: np.ndarray, limit: int) -> None:
        """Play randomly to the end, or for at most `limit` ticks; see `Game.playout`."""
        work = self._workspace()
        chance.playout(states, limit, self.num_actions, work.actions, work.illegal, work.counts, work.tick)

    def over(self, states: np.ndarray) -> np.ndarray:
        """Which games [B] the rules have ended, bool."""
        return states["over"] != 0

    def returns(self, states: np.ndarray, returns: np.ndarray) -> None:
        """Write `returns` [B, P] float32: 1 for the winning team, -1 shared evenly by the other teams
        (so two sides get +1 and -1), 0 for a draw or a running game."""
        _write_returns(states, returns, len(set(self.teams)))

    def leave(self, states: np.ndarray, row: int, player: int) -> None:
        """Surrender `player` of game `row`; a second call frees the land (to a teammate or to nobody)."""
        rules.leave(states[row], player)

    def ranking(self, states: np.ndarray) -> np.ndarray:
        """Places [B, P] int64 from 1: the living by army, then land; the dead in reverse order of death."""
        alive = states["status"] == ALIVE
        order = np.lexsort(
            (-states["land_total"], -states["army_total"], -states["death"].astype(np.int64), ~alive), axis=-1
        )
        places = np.empty_like(order)
        np.put_along_axis(places, order, np.arange(1, self.players + 1)[None, :], axis=-1)
        return places

    def _workspace(self) -> _Workspace:
        work = getattr(self._local, "work", None)
        if work is None:
            work = _Workspace(
                maps=maps.scratch(self.cells, self.players),
                rows=view.scratch(self.height, self.width),
                counts=np.zeros((self.cells + 31) // 32, dtype=np.int64),
                tick=np.zeros((3, MAX_PLAYERS), dtype=np.int64),
                actions=np.zeros(self.players, dtype=np.int32),
                illegal=np.zeros(self.players, dtype=np.uint8),
            )
            self._local.work = work
        return work


@kernel
def _reset_games(states, seeds, options, ruleset, teams, height, width, work):
    for game in range(states.shape[0]):
        state = states[game]
        state.key = derive(seeds[game], 0)
        state.draws = 0
        maps.generate(state, options, ruleset, teams, height, width, work)
        tiles.index_ways(state)


@kernel
def _write_returns(states, returns, num_teams):
    for game in range(states.shape[0]):
        state = states[game]
        decided = state.over and state.winner >= 0
        for player in range(returns.shape[1]):
            if not decided:
                returns[game, player] = 0
            elif state.team[player] == state.winner:
                returns[game, player] = 1
            else:
                returns[game, player] = -1 / (num_teams - 1)
