"""Players that search before they move: `SearchPolicy` for any game, `mcts-100` and `mcts-800` by name.

A decision is made from sampled worlds only (`beliefs.py`). The named bots need no network: in Generals
they judge leaves by a script, in Blob by playing on at random.
"""

from __future__ import annotations

import threading
from typing import Any

import numpy as np

from strategos.games import make_game
from strategos.games.generals.record import has_builds, ruleset_of
from strategos.games.spec import Game
from strategos.play.beliefs import Beliefs, make_beliefs
from strategos.play.evaluators.generals import ScriptedEvaluator
from strategos.play.evaluators.rollouts import RolloutEvaluator
from strategos.play.generals_beliefs import GeneralsBeliefs
from strategos.play.policy import decision_keys
from strategos.play.search import Evaluator, SearchConfig
from strategos.play.searcher import Searcher

_MEMORY_BYTES, _EDGE_BYTES = 1 << 28, 28
_MOST_WORLDS, _TREE_SIMULATIONS = 8, 25
_DEPTH = 8
"""Ticks that a simulation of Generals looks ahead."""


class SearchPolicy:
    """Searches every decision that has more than one legal action; the others are answered at once.

    `beliefs` sample the worlds that are searched, as `Searcher` shapes them. Rows are searched
    together as far as memory goes, each from random streams of its own, so a row is answered alike alone
    and in any batch. One policy belongs to one thread.
    """

    def __init__(
        self, game: Game, beliefs: Beliefs, evaluator: Evaluator, config: SearchConfig, name: str
    ) -> None:
        self.game, self.name = game, name
        self.searcher = Searcher(game, config, evaluator, beliefs)
        spec = beliefs.game.spec
        slots = spec.num_players if spec.simultaneous else 1
        edges = (config.simulations + 1) * slots * min(spec.num_actions // 2, 1024)
        states = config.simulations + 1 if config.information_set else 4
        tree_bytes = edges * _EDGE_BYTES + states * game.state_dtype.itemsize
        self._rows_at_once = max(1, _MEMORY_BYTES // (config.worlds * tree_bytes))

    def act(
        self, views: np.ndarray, masks: np.ndarray, memories: np.ndarray | None, rng: np.random.Generator
    ) -> np.ndarray:
        """Choose actions [B] int32; see `Policy.act`."""
        return self.decide(views, masks, memories, decision_keys(rng, len(views)))

    def decide(
        self, views: np.ndarray, masks: np.ndarray, memories: np.ndarray | None, keys: np.ndarray
    ) -> np.ndarray:
        """`act` with given `keys` [B, 2] int64: a stream for each row's worlds and one for its search."""
        legal = np.unpackbits(masks, axis=-1, bitorder="little")
        actions = legal.argmax(axis=1).astype(np.int32)
        open_rows = np.flatnonzero(legal.sum(axis=1) > 1)
        searcher = self.searcher
        for first in range(0, len(open_rows), self._rows_at_once):
            rows = open_rows[first : first + self._rows_at_once]
            remembered = None if memories is None else memories[rows]
            worlds = searcher.worlds(views[rows], remembered, keys[rows, 0])
            running = ~searcher.beliefs.game.over(worlds.reshape(len(rows), -1)[:, 0])
            if running.any():
                players = views["me"][rows[running]].astype(np.int64)
                result = searcher.search.run(worlds[running], players, keys[rows[running], 1])
                actions[rows[running]] = result.actions
        return actions


class _Searches(threading.local):
    """The policies of the thread that looks, by kind of board or table."""

    def __init__(self) -> None:
        self.policies: dict[tuple[Any, ...], SearchPolicy] = {}


class MctsBot:
    """Plays Generals of any size, players, teams and ruleset, and Blob, by `simulations` simulations a move.

    It keeps nothing between calls but search objects: each thread that asks has its own, one for each kind of
    board or table that it met.
    """

    def __init__(self, simulations: int) -> None:
        if simulations < 1:
            raise ValueError(f"a move takes 1 simulation or more, not {simulations}")
        self.simulations = simulations
        self.name = f"mcts-{simulations}"
        self._searches = _Searches()

    def act(
        self, views: np.ndarray, masks: np.ndarray, memories: np.ndarray | None, rng: np.random.Generator
    ) -> np.ndarray:
        """Choose actions [B] int32; see `Policy.act`. `ValueError` for another game, and without memories."""
        names = views.dtype.names or ()
        if "terrain" in names:
            if memories is None:
                raise ValueError(f"{self.name} needs the memories of its seat; run the engine with memories")
            kinds = np.column_stack([views["stride"], views["order"], views["team"]])
            make = self._for_generals
        elif "num_bids" in names:
            kinds = np.column_stack([views[name] for name in ("players", "largest", "scoring", "turned_up")])
            make = self._for_blob
        else:
            raise ValueError(f"{self.name} plays generals and blob; for other games take random")
        policies = self._searches.policies
        keys = decision_keys(rng, len(views))
        actions = np.zeros(len(views), np.int32)
        for kind in np.unique(kinds, axis=0):
            rows = np.flatnonzero((kinds == kind).all(axis=1))
            layout = (views.dtype.itemsize, masks.shape[1], *kind.tolist())
            if layout not in policies:
                policies[layout] = make(views, masks, kind.tolist())
            remembered = None if memories is None else memories[rows]
            actions[rows] = policies[layout].decide(views[rows], masks[rows], remembered, keys[rows])
        return actions

    def _config(self, **more: Any) -> SearchConfig:
        worlds, simulations = split_simulations(self.simulations)
        return SearchConfig(worlds=worlds, simulations=simulations, gumbel_scale=0.0, **more)

    def _for_generals(self, views: np.ndarray, masks: np.ndarray, kind: list[int]) -> SearchPolicy:
        stride, order, *teams = kind
        cells = views["owner"].shape[1]
        game = make_game(
            "generals",
            height=cells // stride,
            width=stride,
            players=len(teams),
            teams=tuple(teams),
            ruleset=ruleset_of(order, has_builds(cells, masks.shape[1])),
        )
        beliefs = GeneralsBeliefs(game, steady=True)
        return SearchPolicy(game, beliefs, ScriptedEvaluator(), self._config(depth=_DEPTH), self.name)

    def _for_blob(self, views: np.ndarray, masks: np.ndarray, kind: list[int]) -> SearchPolicy:
        players, cards, scoring, turned_up = kind
        game = make_game(
            "blob",
            players=players,
            cards=cards,
            scoring=("exact", "tricks_plus_bonus")[scoring],
            turned_up=bool(turned_up),
        )
        return SearchPolicy(game, make_beliefs(game), RolloutEvaluator(), self._config(), self.name)


def split_simulations(simulations: int) -> tuple[int, int]:
    """Worlds and simulations in each, at most `simulations` together: 4 x 25 of 100, 8 x 100 of 800."""
    worlds = min(_MOST_WORLDS, max(1, simulations // _TREE_SIMULATIONS))
    return worlds, simulations // worlds
