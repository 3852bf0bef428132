"""A search that aims at an equilibrium: regret matching at the information sets of all players.

`Search` looks ahead from the decision, in worlds that the asking player holds possible. There the others
play as if they knew that player's cards, and how likely a world is does not follow from how they would play.
`RegretSearch` goes back to the beginning of the round instead and lets everybody learn what to do with every
hand; the asking player's decision is one of those. What it plays is the average of all its strategies.
"""

from __future__ import annotations

import numpy as np

from strategos.games.spec import Game
from strategos.play.search import information_sets as sets
from strategos.play.search.config import Evaluator, SearchConfig, SearchResult
from strategos.play.search.root_kernels import draw_actions

EXPLORE = 0.4
"""Share of uniform choices of the walkers."""


class RegretSearch:
    """Outcome sampling for one game in which players take turns and views hold all that they know.

    Each simulation walks once from every world; a walk ends at the end of the game, or at an information set
    that is new, which the evaluator judges. One `RegretSearch` belongs to one thread.
    """

    def __init__(self, game: Game, config: SearchConfig, evaluator: Evaluator) -> None:
        spec = game.spec
        if spec.simultaneous or spec.has_memory or not spec.max_ticks:
            raise ValueError(
                f"regret matching at information sets is for games of a limited length in which players take "
                f"turns and keep no memories; {spec.name} is not one"
            )
        if game.view_dtype.itemsize % 8:
            raise ValueError(f"the views of {spec.name} must be padded to whole 64-bit words")
        self.game, self.config, self.evaluator = game, config, evaluator

    def run(self, worlds: np.ndarray, players: np.ndarray, keys: np.ndarray) -> SearchResult:
        """Search the decisions of `players` [G] in `worlds` [G, 1 + W], with the random streams `keys` [G].

        The first world of a group is one that the player holds possible, and says what is asked; from the
        others, which are those of `beginnings`, the walkers start. `ValueError` for worlds of another shape.
        """
        config, spec = self.config, self.game.spec
        if worlds.shape != (len(players), 1 + config.worlds) or worlds.dtype != self.game.state_dtype:
            raise ValueError(
                f"worlds must be states of {spec.name} of shape {(len(players), 1 + config.worlds)}, "
                f"not {worlds.shape}"
            )
        groups, actions = len(players), spec.num_actions
        self.players, self.keys = players, np.ascontiguousarray(keys, np.int64)
        self.tables = sets.make_tables(groups, 64, actions, spec.num_players)
        self.paths = sets.make_paths(groups * config.worlds, spec.max_ticks, actions)
        self.values = np.zeros((groups * config.worlds, spec.num_players), np.float32)
        leaves, terminals = np.zeros(groups, np.int32), np.zeros(groups, np.int32)
        asked = worlds[:, 0].copy()
        words, masks, seats = self._see(asked)
        if (seats != players).any():
            raise ValueError("in some world another player is to move than the one who is asked")
        evaluations = self._add(np.arange(groups), asked, words, masks)
        beginnings = worlds[:, 1:].reshape(-1)
        scratch = np.empty((2, spec.num_players))
        for simulation in range(config.simulations):
            new, ended = self._walk(beginnings, simulation)
            leaves += np.bincount(new // config.worlds, minlength=groups).astype(np.int32)
            terminals += np.bincount(ended // config.worlds, minlength=groups).astype(np.int32)
            rows = np.arange(len(beginnings))
            weight = simulation + 1.0
            sets.learn(self.tables, self.paths, rows, config.worlds, self.values, weight, *scratch)
        return self._result(evaluations, leaves, terminals)

    def _see(self, states: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """What the seats to move see, as words [n, V], what they may do [n, mask_bytes], and who they are."""
        spec, count = self.game.spec, len(states)
        views = np.zeros((count, spec.num_players), self.game.view_dtype)
        masks = np.zeros((count, spec.num_players, spec.mask_bytes), np.uint8)
        self.game.view(states, views)
        self.game.legal(states, masks)
        seats = masks.any(axis=2).argmax(axis=1)
        rows = np.arange(count)
        words = views[rows, seats].view(np.int64).reshape(count, -1)
        return words, masks[rows, seats], seats

    def _add(
        self, groups: np.ndarray, states: np.ndarray, words: np.ndarray, masks: np.ndarray
    ) -> np.ndarray:
        """Judge `states` [n] at sets that are new to the tables `groups` [n] and add those: values [n, P]."""
        most = int(self.tables.num_sets.max()) + self.config.worlds
        if most > self.tables.prior.shape[1]:
            self.tables = sets.enlarge(self.tables, max(most, 2 * self.tables.prior.shape[1]))
        logits, values = self.evaluator.evaluate(self.game, states)
        priors = np.zeros((len(states), 0), np.float32) if logits is None else logits[:, 0]
        sets.add_sets(self.tables, groups, words, masks, priors)
        return values

    def _walk(self, beginnings: np.ndarray, simulation: int) -> tuple[np.ndarray, np.ndarray]:
        """One walk from every world; the walkers that came to a new set, and those that came to the end."""
        config, players = self.config, self.game.spec.num_players
        states, rows = beginnings.copy(), np.arange(len(beginnings))
        self.paths.length[:] = 0
        new: list[np.ndarray] = []
        ended: list[np.ndarray] = []
        while len(rows):
            words, masks, seats = self._see(states)
            actions = np.zeros((len(rows), players), np.int32)
            sets.choose(
                self.tables,
                self.paths,
                rows,
                config.worlds,
                words,
                masks,
                seats,
                self.keys,
                simulation,
                EXPLORE,
                actions,
            )
            unknown = actions[np.arange(len(rows)), seats] < 0
            if unknown.any():
                where = rows[unknown]
                self.values[where] = self._add(
                    where // config.worlds, states[unknown], words[unknown], masks[unknown]
                )
                new.append(where)
                states, rows, actions = states[~unknown], rows[~unknown], actions[~unknown]
            self.game.step(states, actions, np.zeros(actions.shape, np.uint8))
            over = self.game.over(states)
            if over.any():
                returns = np.zeros((int(over.sum()), players), np.float32)
                self.game.returns(states[over], returns)
                self.values[rows[over]] = returns
                ended.append(rows[over])
                states, rows = states[~over], rows[~over]
        nothing = np.zeros(0, np.int64)
        return np.concatenate([nothing, *new]), np.concatenate([nothing, *ended])

    def _result(self, evaluations: np.ndarray, leaves: np.ndarray, terminals: np.ndarray) -> SearchResult:
        """What the first set of each table, which is the one that was asked for, has come to."""
        tables, rows = self.tables, np.arange(len(evaluations))
        prior, added, worth = tables.prior[:, 0], tables.average[:, 0], tables.worth[:, 0]
        weights, tried = added.sum(axis=1, keepdims=True), tables.reach[:, 0] > 0
        policy = np.where(weights > 0, added / np.maximum(weights, 1e-300), prior)
        actions = np.empty(len(policy), np.int64)
        draw_actions(policy, self.keys, actions)
        shares = np.where(tried, policy, 0.0)
        seen = shares.sum(axis=1, keepdims=True)
        values = (shares[:, :, None] * worth).sum(axis=1) / np.maximum(seen, 1e-300)
        return SearchResult(
            policy=policy.astype(np.float32),
            visits=tables.visits[:, 0].copy(),
            q=np.where(tried, worth[rows, :, self.players], np.nan).astype(np.float32),
            values=np.where(seen > 0, values, evaluations).astype(np.float32),
            prior=prior.copy(),
            actions=actions.astype(np.int32),
            leaves=leaves,
            terminals=terminals,
        )
