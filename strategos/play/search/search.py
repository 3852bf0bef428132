"""One search for every game: many sampled worlds in lock step, values as vectors, leaves in one batch.

A decision is a *group* of worlds: states that the asking player holds possible (`play/beliefs.py`).
Each world has its own tree (determinization), or the worlds change at every simulation and the
tree is over what is known (information sets). All trees walk down together, so an evaluator always
gets a full batch and no virtual loss is needed. Nothing here knows a particular game.
"""

from __future__ import annotations

import numpy as np

from strategos.games.spec import Game
from strategos.play.search import tree, walk
from strategos.play.search.config import Evaluator, SearchConfig, SearchResult
from strategos.play.search.root_kernels import halving_schedule
from strategos.play.search.roots import RULES, Root


class Search:
    """Searches for one game; keeps its arrays, and its trees until the next call.

    One `Search` belongs to one thread; several may share an evaluator that is safe for threads.
    """

    def __init__(self, game: Game, config: SearchConfig, evaluator: Evaluator) -> None:
        if config.root == "regret" and not game.spec.simultaneous:
            raise ValueError(
                f"regret matching is for games in which all act at once; {game.spec.name} is not"
            )
        self.game, self.config, self.evaluator = game, config, evaluator
        self.slots = game.spec.num_players if game.spec.simultaneous else 1
        self._groups = self._capacity = 0
        self._schedules: dict[int, np.ndarray] = {}
        self._widest = 8

    def run(
        self, worlds: np.ndarray, players: np.ndarray, keys: np.ndarray, fresh: np.ndarray | None = None
    ) -> SearchResult:
        """Search the decisions of `players` [G] in `worlds` [G, W], with the random streams `keys` [G].

        With `information_set` worlds are [G, W, simulations + 1]; the first of each tree is its root's. Trees
        that `fresh` [G, W] bool does not name go on from where `advance` left them, and their worlds are
        not read. `ValueError` for worlds of another shape, or where a game is over.
        """
        self._take(worlds, players, fresh)
        self.keys = np.ascontiguousarray(keys, np.int64)
        self._streams = np.repeat(self.keys, self.config.worlds) + np.tile(
            np.arange(self.config.worlds) << 32, len(self.keys)
        )
        self._expand_roots(fresh)
        logits = self._root_logits()
        rule = RULES[self.config.root](self, logits)
        leaves, terminals = np.zeros(len(self.rows), np.int32), np.zeros(len(self.rows), np.int32)
        for simulation in range(self.config.simulations):
            rule.choose(simulation)
            self._simulate(simulation, leaves, terminals)
            rule.learn()
        return self._result(rule, logits, leaves, terminals)

    def advance(self, actions: np.ndarray) -> np.ndarray:
        """Follow what was really played, `actions` [G, P], in all worlds: which trees [G, W] are still good.

        A world in which the move was impossible is refuted and its tree is dropped; so is one whose new root
        was never visited. Use it before the next `run`, whose `fresh` is the opposite of the answer.
        """
        if self.config.information_set:
            raise ValueError("an information-set search has no worlds of its own to advance; run it anew")
        groups, width = len(self.players), self.config.worlds
        spread = np.repeat(actions, width, axis=0).astype(np.int32)
        illegal = np.zeros(spread.shape, np.uint8)
        movers = self.trees.mover[: len(self.rows), 0].copy()
        self.game.step(self.roots, spread, illegal)
        good = ~illegal.any(axis=1) & ~self.game.over(self.roots)
        taken = spread if self.slots > 1 else spread[np.arange(len(spread)), np.maximum(movers, 0)][:, None]
        for row in range(len(spread)):
            good[row] = bool(good[row]) and tree.reroot(self.trees, row, np.ascontiguousarray(taken[row]))
        return good.reshape(groups, width)

    def world_states(self) -> np.ndarray:
        """The states [G, W] at the roots of the trees, as the last `run` or `advance` left them."""
        return self.roots.reshape(len(self.players), self.config.worlds)

    def _take(self, worlds: np.ndarray, players: np.ndarray, fresh: np.ndarray | None) -> None:
        """Check the worlds and make room."""
        config, game = self.config, self.game
        shape: tuple[int, ...] = (len(players), config.worlds)
        if config.information_set:
            shape += (config.simulations + 1,)
        if worlds.shape != shape or worlds.dtype != game.state_dtype:
            raise ValueError(
                f"worlds must be states of {game.spec.name} of shape {shape}, not {worlds.shape}"
            )
        if len(players) == 0:
            raise ValueError("there is no decision to search")
        if fresh is not None and (config.information_set or len(players) != self._groups):
            raise ValueError("only the worlds of the call before can be gone on with")
        self.players = np.ascontiguousarray(players, np.int64)
        if len(players) > self._capacity:
            self._allocate(len(players))
        self._groups, count = len(players), len(players) * config.worlds
        self.rows, self.roots = self._all_rows[:count], self._all_roots[:count]
        if config.information_set:
            self._pool = np.ascontiguousarray(worlds).reshape(-1, config.simulations + 1)
            self.roots[:] = self._pool[:, 0]
        elif fresh is None:
            self.roots[:] = worlds.reshape(-1)
        else:
            taken = np.flatnonzero(fresh.reshape(-1))
            self.roots[taken] = worlds.reshape(-1)[taken]
        if game.over(self.roots).any():
            raise ValueError("a world in which the game is over has nothing to search")

    def _allocate(self, groups: int) -> None:
        config, spec = self.config, self.game.spec
        self._capacity = groups
        count, players = groups * config.worlds, spec.num_players
        self._all_rows = np.arange(count)
        nodes = config.simulations + 1
        self.trees = tree.make_trees(count, nodes, nodes * self.slots * self._widest, players, self.slots)
        dtype = self.game.state_dtype
        self._all_roots, self._walk = np.zeros(count, dtype), np.zeros(count, dtype)
        self._leaves, self._ends = np.zeros(count, dtype), np.zeros(count, dtype)
        self._walk_words, self._leaf_words, self._end_words = (
            array.view(np.int64).reshape(count, -1) for array in (self._walk, self._leaves, self._ends)
        )
        self._walkers = np.zeros(count, np.int64)
        self._leaf_rows, self._end_rows, self._known_rows = (np.zeros(count, np.int64) for _ in range(3))
        self._at = np.zeros(count, np.int32)
        self._depth = np.zeros(count, np.int32)
        self._actions = np.zeros((count, players), np.int32)
        self._illegal = np.zeros((count, players), np.uint8)
        self._masks = np.zeros((count, players, spec.mask_bytes), np.uint8)
        self._no_masks = np.zeros((0, players, spec.mask_bytes), np.uint8)
        self._uniform = np.zeros((count, self.slots, 0), np.float32)
        self._returns = np.zeros((count, players), np.float32)
        self.root_choice = np.full((count, self.slots), tree.NONE, np.int32)
        self._path_nodes = np.zeros((count, nodes), np.int32)
        self._path_actions = np.zeros((count, nodes, self.slots), np.int32)
        self._path_edges = np.zeros((count, nodes, self.slots), np.int32)

    def _make_room(self) -> None:
        """Enough nodes and edges for one more choice and one more expansion of every tree."""
        nodes = int(self.trees.num_nodes[: len(self.rows)].max()) + 1
        edges = int(self.trees.num_edges[: len(self.rows)].max()) + 2 * self.slots * self._widest
        old_nodes, old_edges = self.trees.visits.shape[1], self.trees.edge_next.shape[1]
        if nodes <= old_nodes and edges <= old_edges:
            return
        nodes = old_nodes if nodes <= old_nodes else nodes + self.config.simulations
        edges = old_edges if edges <= old_edges else max(edges, 2 * old_edges)
        self.trees = tree.enlarge(self.trees, nodes, edges)
        if nodes > old_nodes:
            longer = ((0, 0), (0, nodes - old_nodes))
            self._path_nodes = np.pad(self._path_nodes, longer)
            self._path_actions = np.pad(self._path_actions, (*longer, (0, 0)))
            self._path_edges = np.pad(self._path_edges, (*longer, (0, 0)))

    def _expand_roots(self, fresh: np.ndarray | None) -> None:
        new = self.rows if fresh is None else np.flatnonzero(fresh.reshape(-1))
        tree.clear(self.trees, new)
        self._depth[:] = 0
        if len(new):
            np.copyto(self._leaves[: len(new)], self.roots[new])
            self._expand(new, self._leaves[: len(new)])
        movers = self.trees.mover[: len(self.rows), 0].reshape(self._groups, -1)
        if self.slots == 1 and (movers != self.players[:, None]).any():
            raise ValueError("in some world another player is to move than the one who is asked")

    def _expand(self, rows: np.ndarray, states: np.ndarray) -> None:
        """Evaluate `states` [n], add them as nodes to the trees `rows` and back their values up."""
        count = len(rows)
        masks = self._masks[:count]
        self.game.legal(states, masks)
        self._widen(masks)
        logits, values = self.evaluator.evaluate(self.game, states)
        if logits is None:
            logits = self._uniform[:count]
        tree.expand(
            self.trees,
            rows,
            masks,
            logits,
            values,
            self._depth,
            self._path_nodes,
            self._path_actions,
            self._path_edges,
        )
        walk.backup(self.trees, rows, values, self._depth, self._path_nodes, self._path_edges)

    def _widen(self, masks: np.ndarray) -> None:
        """Room for the edges of these positions."""
        widest = int(np.bitwise_count(masks).sum(axis=2).max())
        if widest > self._widest:
            self._widest = widest
        self._make_room()

    def _simulate(self, simulation: int, leaves: np.ndarray, terminals: np.ndarray) -> None:
        """One simulation in every tree."""
        config, game = self.config, self.game
        walking = len(self.rows)
        begin = self._pool[:, simulation + 1] if config.information_set else self.roots
        np.copyto(self._walk[:walking], begin)
        self._walkers[:walking] = self.rows
        self._at[:] = 0
        self._depth[:] = 0
        self._make_room()
        new = ended = known = 0
        while walking:
            rows, states = self._walkers[:walking], self._walk[:walking]
            masks = self._no_masks
            if config.information_set:
                masks = self._masks[:walking]
                game.legal(states, masks)
                self._widen(masks)
            actions = self._actions[:walking]
            walk.select(
                self.trees,
                rows,
                self._at,
                self._depth,
                self.root_choice,
                masks,
                self._streams,
                config.c_puct,
                self._path_nodes,
                self._path_actions,
                self._path_edges,
                actions,
            )
            game.step(states, actions, self._illegal[:walking])
            walking, more_new, more_ended, more_known = walk.settle(
                rows,
                self._walk_words,
                game.over(states),
                self._at,
                self._depth,
                config.depth,
                self._leaf_rows[new:],
                self._leaf_words[new:],
                self._end_rows[ended:],
                self._end_words[ended:],
                self._known_rows[known:],
            )
            new, ended, known = new + more_new, ended + more_ended, known + more_known
        if ended:
            rows, returns = self._end_rows[:ended], self._returns[:ended]
            game.returns(self._ends[:ended], returns)
            walk.backup(self.trees, rows, returns, self._depth, self._path_nodes, self._path_edges)
            if self.slots > 1:
                walk.keep_ends(self.trees, rows, returns, self._depth, self._path_nodes, self._path_actions)
            terminals[rows] += 1
        if known:
            rows = self._known_rows[:known]
            walk.backup_known(self.trees, rows, self._at, self._depth, self._path_nodes, self._path_edges)
        if new:
            self._expand(self._leaf_rows[:new], self._leaves[:new])
            leaves[self._leaf_rows[:new]] += 1

    def _root_logits(self) -> np.ndarray:
        """Log-priors [G, A] of the asking players' root actions, the mean over worlds; -inf where illegal."""
        priors = np.zeros((self._groups, self.game.spec.num_actions))
        tree.root_priors(self.trees, self.config.worlds, self.players, priors)
        with np.errstate(divide="ignore"):
            return np.log(priors)

    def root_values(self) -> np.ndarray:
        """Value of the root for every player, the mean over worlds, [G, P] float32."""
        count = len(self.rows)
        means = self.trees.totals[:count, 0] / self.trees.visits[:count, :1]
        return means.reshape(self._groups, self.config.worlds, -1).mean(axis=1)

    def root_evaluations(self) -> np.ndarray:
        """What the evaluator said of the root for every player, the mean over worlds, [G, P] float32."""
        evaluations = self.trees.evaluation[: len(self.rows), 0]
        return evaluations.reshape(self._groups, self.config.worlds, -1).mean(axis=1)

    def schedule(self, considered: int) -> np.ndarray:
        """The halving of a gumbel root with so many actions, made once."""
        if considered not in self._schedules:
            self._schedules[considered] = halving_schedule(considered, self.config.simulations)
        return self._schedules[considered]

    def _result(
        self, rule: Root, logits: np.ndarray, leaves: np.ndarray, terminals: np.ndarray
    ) -> SearchResult:
        visits = np.zeros(logits.shape, np.int32)
        totals = np.zeros(logits.shape)
        tree.root_statistics(self.trees, self.config.worlds, self.players, visits, totals)
        policy, actions = rule.decide(visits, totals)
        with np.errstate(invalid="ignore", divide="ignore"):
            q = (totals / visits).astype(np.float32)
        return SearchResult(
            policy=policy.astype(np.float32),
            visits=visits,
            q=q,
            values=self.root_values(),
            prior=np.exp(logits).astype(np.float32),
            actions=actions.astype(np.int32),
            leaves=leaves.reshape(self._groups, -1).sum(axis=1),
            terminals=terminals.reshape(self._groups, -1).sum(axis=1),
        )
