"""How often the network, and the search of self-play, do what a far deeper search would do.

On a few positions that stay the same for the whole run, so the curve shows the agent and not the cards.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from torch import nn

from strategos.play.evaluators.network import NetworkEvaluator
from strategos.play.network import Encoder, NetworkPolicy
from strategos.play.search import SearchConfig
from strategos.play.searcher import Searcher
from strategos.train.deals import Deals
from strategos.train.duel import deal_keys

_POSITIONS = 48
_WORLDS, _SIMULATIONS = 4, 2
"""The deeper search has so many times the worlds, and so many times the simulations in each."""


class Agreement:
    """Fixed decisions of one table, reached by random play; none in games that keep memories."""

    def __init__(self, deals: Deals, search: SearchConfig, seed: int) -> None:
        self.deals, self.search, self.seed = deals, replace(search, gumbel_scale=0.0, dirichlet=0.0), seed
        game = deals.game
        players = game.spec.num_players
        states = np.zeros(0 if game.spec.has_memory else 4 * _POSITIONS, game.state_dtype)
        if len(states):
            deals.begin(states, deal_keys(seed ^ 0x616772, 0, len(states)))
        for tick in range(len(states)):
            game.playout(states[tick : tick + 1], tick % max(1, game.spec.max_ticks - players))
        views = np.zeros((len(states), players), game.view_dtype)
        masks = np.zeros((len(states), players, game.spec.mask_bytes), np.uint8)
        game.view(states, views)
        game.legal(states, masks)
        choices = np.bitwise_count(masks).sum(axis=2) > 1
        rows, seats = np.nonzero(choices)
        self.views, self.masks = views[rows, seats][:_POSITIONS], masks[rows, seats][:_POSITIONS]

    def measure(self, network: nn.Module, encode: Encoder) -> dict[str, float]:
        """Shares of the positions in which the network's and the search's choice is the deeper search's."""
        if not len(self.views):
            return {}
        game = self.deals.game
        deeper = replace(
            self.search,
            worlds=_WORLDS * self.search.worlds,
            simulations=_SIMULATIONS * self.search.simulations,
        )
        keys = deal_keys(self.seed, 0, len(self.views))
        found = {
            name: Searcher(game, config, NetworkEvaluator(game, network, encode)).decide(
                self.views, None, keys
            )
            for name, config in (("search", self.search), ("deeper", deeper))
        }
        right = found["deeper"].actions
        greedy = NetworkPolicy(network, encode, temperature=0.0)
        alone = greedy.act(self.views, self.masks, None, np.random.default_rng(0))
        return {
            "agreement/network": float((alone == right).mean()),
            "agreement/search": float((found["search"].actions == right).mean()),
        }
