"""Searching from what a seat may know: worlds from beliefs, then a search over them."""

from __future__ import annotations

import numpy as np

from strategos.games.rng import derive
from strategos.games.spec import Game
from strategos.play.beliefs import Beliefs, PublicBeliefs, make_beliefs, reweigh
from strategos.play.evaluators.mixed import MixedEvaluator
from strategos.play.search import (
    Evaluator,
    PolicyEvaluator,
    RegretSearch,
    Search,
    SearchConfig,
    SearchResult,
)

_CANDIDATES = 4
"""Worlds that are weighed for each that is searched, where beliefs are reweighed."""


class Searcher:
    """Beliefs and a search for one game, for one thread. `ValueError` where they do not go together.

    The `beliefs` are the game's own where none are given; `config.beliefs` may ask to have them reweighed.
    """

    def __init__(
        self, game: Game, config: SearchConfig, evaluator: Evaluator, beliefs: Beliefs | None = None
    ) -> None:
        self.game, self.config = game, config
        self.beliefs = make_beliefs(game) if beliefs is None else beliefs
        if config.beliefs == "reweighed":
            self.beliefs = _reweighed(self.beliefs, config, evaluator)
        self.search: Search | RegretSearch
        if config.root == "regret" and not game.spec.simultaneous:
            self.search = RegretSearch(self.beliefs.game, config, evaluator)
            if not isinstance(self.beliefs, PublicBeliefs):
                raise ValueError(
                    f"in {game.spec.name} root must be gumbel or puct: nothing samples its deals"
                )
        else:
            self.search = Search(self.beliefs.game, config, evaluator)

    @property
    def budget(self) -> int:
        """Simulations of a decision, in all its worlds."""
        return self.config.worlds * self.config.simulations

    def worlds(self, views: np.ndarray, memories: np.ndarray | None, keys: np.ndarray) -> np.ndarray:
        """Worlds for the decisions of `views` [B] from the streams `keys` [B], shaped as the search wants."""
        config = self.config
        if isinstance(self.search, RegretSearch):
            assert isinstance(self.beliefs, PublicBeliefs)
            asked = self.beliefs.sample(views, memories, keys, 1)
            return np.concatenate([asked, self.beliefs.beginnings(views, keys, config.worlds)], axis=1)
        if not config.information_set:
            return self.beliefs.sample(views, memories, keys, config.worlds)
        each = config.simulations + 1
        states = self.beliefs.sample(views, memories, keys, config.worlds * each)
        return states.reshape(len(views), config.worlds, each)

    def decide(self, views: np.ndarray, memories: np.ndarray | None, keys: np.ndarray) -> SearchResult:
        """Search the decisions of `views` [B]; `keys` [B] int64 are a stream of chance each."""
        of_worlds = np.array([derive(int(key), 0) for key in keys], np.int64)
        of_search = np.array([derive(int(key), 1) for key in keys], np.int64)
        worlds = self.worlds(views, memories, of_worlds)
        return self.search.run(worlds, views["me"].astype(np.int64), of_search)


def _reweighed(beliefs: Beliefs, config: SearchConfig, evaluator: Evaluator) -> Beliefs:
    """`beliefs` that expect the others to act as the evaluator's network would."""
    judge = evaluator.first if isinstance(evaluator, MixedEvaluator) else evaluator
    if not isinstance(judge, PolicyEvaluator):
        raise ValueError(
            "beliefs can only be reweighed by a network: search with one, or with uniform beliefs"
        )
    wanted = config.worlds * (config.simulations + 1 if config.information_set else 1)
    return reweigh(beliefs, judge.probabilities, _CANDIDATES * wanted)
