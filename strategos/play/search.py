"""One search for every game: many sampled worlds in lock step, values as vectors, leaves evaluated in one batch.

A decision is a *group* of worlds: states that the asking player holds possible (`play/beliefs.py`).
Each world has its own tree (determinization), or the worlds change at every simulation and the
tree is over what is known (information sets). All trees walk down together, so an evaluator always
gets a full batch and no virtual loss is needed. Nothing here knows a particular game.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from strategos.games.spec import Game
from strategos.play import roots, tree

ROOTS = ("gumbel", "puct", "regret")


class Evaluator(Protocol):
    """What positions are worth and which actions look good in them."""

    def evaluate(self, game: Game, states: np.ndarray) -> tuple[np.ndarray | None, np.ndarray]:
        """Judge `states` [n], none of them over: logits and values.

        Logits float32: [n, P, num_actions] where all players act at once, else [n, 1, num_actions] of the seat to
        move; None for a uniform prior. Values [n, P] float32, on the scale of `game.returns`. `states` may be overwritten.
        """
        ...


@dataclass(frozen=True)
class SearchConfig:
    """How a decision is searched."""

    worlds: int = 16
    """Sampled worlds of a decision, a tree each."""
    simulations: int = 32
    """Simulations in each tree."""
    root: str = "gumbel"
    """Rule of the root: gumbel, puct, or regret (regret matching, where all players act at once)."""
    information_set: bool = False
    """Another world at every simulation; a tree is over what the asking player knows."""
    considered: int = 16
    """Actions that a gumbel root looks at."""
    gumbel_scale: float = 1.0
    """Noise of a gumbel root; 0 plays the best it knows."""
    c_visit: float = 50.0
    """Visits that a gumbel root's values count for at least."""
    c_scale: float = 0.3
    """Weight of a gumbel root's values against its prior."""
    c_puct: float = 1.5
    """Weight of the prior's exploration inside the trees, and at a puct root."""
    dirichlet: float = 0.0
    """Concentration of the noise in a puct root's prior; 0 switches it off."""
    dirichlet_share: float = 0.25
    """Share of that noise."""
    depth: int = 0
    """Steps after which a simulation is evaluated where it stands; 0 goes on to a new leaf or the end."""

    def __post_init__(self) -> None:
        if self.worlds < 1 or self.simulations < 1 or self.considered < 1 or self.depth < 0:
            raise ValueError("worlds, simulations and considered must be 1 or more, depth 0 or more")
        if self.root not in ROOTS:
            raise ValueError(f"root must be one of {', '.join(ROOTS)}, not {self.root!r}")
        if self.root == "regret" and self.information_set:
            raise ValueError("a regret root needs the same worlds throughout: information_set must be off")
        if not 0 <= self.dirichlet_share <= 1 or self.dirichlet < 0 or self.gumbel_scale < 0:
            raise ValueError(
                "dirichlet and gumbel_scale must not be negative, dirichlet_share is from 0 to 1"
            )


@dataclass
class SearchResult:
    """What a search found, for G groups; of the asking player where nothing else is said."""

    policy: np.ndarray
    """[G, num_actions] float32: the improved policy, 0 where illegal."""
    visits: np.ndarray
    """[G, num_actions] int32, over all worlds."""
    q: np.ndarray
    """[G, num_actions] float32: mean values; nan where never tried."""
    values: np.ndarray
    """[G, P] float32: the root's value, of every player."""
    prior: np.ndarray
    """[G, num_actions] float32: the evaluator's policy, without noise."""
    actions: np.ndarray
    """[G] int32: what the root's rule plays."""
    leaves: np.ndarray
    """[G] int32: distinct positions that were evaluated, the root not counted."""
    terminals: np.ndarray
    """[G] int32: simulations that came to the end of the game."""


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
        self._groups = 0
        self._schedules: dict[int, np.ndarray] = {}
        self._widest = 8

    def run(
        self, worlds: np.ndarray, players: np.ndarray, keys: np.ndarray, fresh: np.ndarray | None = None
    ) -> SearchResult:
        """Search the decisions of `players` [G] in `worlds` [G, W], with the random streams `keys` [G] int64.

        With `information_set` worlds are [G, W, simulations + 1]; the first of each tree is its root's. Trees that `fresh`
        [G, W] bool does not name go on from where `advance` left them, and their worlds are not read.
        `ValueError` for worlds of another shape, or where a game is over.
        """
        self._take(worlds, players, fresh)
        self._keys = np.ascontiguousarray(keys, np.int64)
        self._expand_roots(fresh)
        logits = self._root_logits()
        rule = _RULES[self.config.root](self, logits)
        terminals = np.zeros(len(self.rows), np.int32)
        before = self.trees.num_nodes.copy()
        for simulation in range(self.config.simulations):
            rule.choose(simulation)
            self._simulate(simulation, terminals)
            rule.learn()
        return self._result(rule, logits, self.trees.num_nodes - before, terminals)

    def advance(self, actions: np.ndarray) -> np.ndarray:
        """Follow what was really played, `actions` [G, P], in all worlds: which trees [G, W] are still good.

        A world in which the move was impossible is refuted and its tree is dropped; so is one whose new root was
        never visited. Use it before the next `run`, whose `fresh` is the opposite of the answer.
        """
        if self.config.information_set:
            raise ValueError("an information-set search has no worlds of its own to advance; run it anew")
        groups, width = len(self.players), self.config.worlds
        spread = np.repeat(actions, width, axis=0).astype(np.int32)
        illegal = np.zeros(spread.shape, np.uint8)
        movers = self.trees.mover[:, 0].copy()
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
        if len(players) != self._groups:
            self._allocate(len(players))
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
        self._groups = groups
        count, players = groups * config.worlds, spec.num_players
        self.rows = np.arange(count)
        nodes = config.simulations + 1
        self.trees = tree.make_trees(count, nodes, nodes * self.slots * self._widest, players, self.slots)
        dtype = self.game.state_dtype
        self.roots, self._walk = np.zeros(count, dtype), np.zeros(count, dtype)
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
        nodes = int(self.trees.num_nodes.max()) + 1
        edges = int(self.trees.num_edges.max()) + 2 * self.slots * self._widest
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
        movers = self.trees.mover[:, 0].reshape(self._groups, -1)
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
        tree.backup(self.trees, rows, values, self._depth, self._path_nodes, self._path_edges)

    def _widen(self, masks: np.ndarray) -> None:
        """Room for the edges of these positions."""
        widest = int(np.bitwise_count(masks).sum(axis=2).max())
        if widest > self._widest:
            self._widest = widest
        self._make_room()

    def _simulate(self, simulation: int, terminals: np.ndarray) -> None:
        """One simulation in every tree."""
        config, game = self.config, self.game
        walking = len(self.rows)
        np.copyto(self._walk, self._pool[:, simulation + 1] if config.information_set else self.roots)
        self._walkers[:] = self.rows
        self._at[:] = 0
        self._depth[:] = 0
        if config.information_set:
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
            tree.select(
                self.trees,
                rows,
                self._at,
                self._depth,
                self.root_choice,
                masks,
                config.c_puct,
                self._path_nodes,
                self._path_actions,
                self._path_edges,
                actions,
            )
            game.step(states, actions, self._illegal[:walking])
            walking, more_new, more_ended, more_known = tree.settle(
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
            tree.backup(self.trees, rows, returns, self._depth, self._path_nodes, self._path_edges)
            terminals[rows] += 1
        if known:
            rows = self._known_rows[:known]
            tree.backup_known(self.trees, rows, self._at, self._depth, self._path_nodes, self._path_edges)
        if new:
            self._expand(self._leaf_rows[:new], self._leaves[:new])

    def _root_logits(self) -> np.ndarray:
        """Log-priors of the asking players' root actions, the mean over worlds; -inf where illegal. [G, A]."""
        priors = np.zeros((self._groups, self.game.spec.num_actions))
        tree.root_priors(self.trees, self.config.worlds, self.players, priors)
        with np.errstate(divide="ignore"):
            return np.log(priors)

    def root_values(self) -> np.ndarray:
        """Value of the root for every player, the mean over worlds, [G, P] float32."""
        means = self.trees.totals[:, 0] / self.trees.visits[:, :1]
        return means.reshape(self._groups, self.config.worlds, -1).mean(axis=1)

    def schedule(self, considered: int) -> np.ndarray:
        """The halving of a gumbel root with so many actions, made once."""
        if considered not in self._schedules:
            self._schedules[considered] = roots.halving_schedule(considered, self.config.simulations)
        return self._schedules[considered]

    def _result(
        self, rule: _Root, logits: np.ndarray, leaves: np.ndarray, terminals: np.ndarray
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


class _Root(Protocol):
    """A root's rule during one search."""

    def __init__(self, search: Search, logits: np.ndarray) -> None: ...

    def choose(self, simulation: int) -> None:
        """Write the root actions of the next simulation into `search.root_choice`."""

    def learn(self) -> None:
        """Take in what the simulation found."""

    def decide(self, visits: np.ndarray, totals: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The improved policy [G, A] and the action [G]."""
        ...


class _Gumbel:
    """Sequential halving over the actions of the highest Gumbel scores, the same in all worlds of a group."""

    def __init__(self, search: Search, logits: np.ndarray) -> None:
        self.search, self.logits = search, logits
        self.noise = np.empty(logits.shape)
        roots.gumbel_noise(search._keys, search.config.gumbel_scale, self.noise)
        self.tried = np.zeros(logits.shape, np.int32)
        self.visits, self.totals = np.zeros(logits.shape, np.int32), np.zeros(logits.shape)
        self.completed = np.empty(logits.shape)
        self.chosen = np.zeros(len(logits), np.int64)
        legal = (logits > -np.inf).sum(axis=1)
        considered = np.minimum(legal, search.config.considered)
        self.schedule = np.stack([search.schedule(int(count)) for count in considered])

    def _choose(self, wanted: np.ndarray) -> None:
        search, config = self.search, self.search.config
        tree.root_statistics(search.trees, config.worlds, search.players, self.visits, self.totals)
        values = search.root_values()[np.arange(len(self.logits)), search.players].astype(np.float64)
        roots.gumbel_choose(
            self.logits,
            self.noise,
            self.tried,
            wanted,
            self.visits,
            self.totals,
            values,
            config.worlds,
            config.c_visit,
            config.c_scale,
            self.completed,
            self.chosen,
        )

    def choose(self, simulation: int) -> None:
        self._choose(self.schedule[:, simulation])
        self.tried[np.arange(len(self.chosen)), self.chosen] += 1
        choice = self.search.root_choice
        choice[:] = tree.NONE
        slots = np.repeat(
            self.search.players if self.search.slots > 1 else 0 * self.chosen, self.search.config.worlds
        )
        choice[np.arange(len(choice)), slots] = np.repeat(self.chosen, self.search.config.worlds)

    def learn(self) -> None:
        pass

    def decide(self, visits: np.ndarray, totals: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        self._choose(self.tried.max(axis=1))
        search, config = self.search, self.search.config
        policy = np.zeros(self.logits.shape, np.float32)
        values = search.root_values()[np.arange(len(policy)), search.players].astype(np.float64)
        roots.improved_policy(
            self.logits,
            visits,
            totals,
            values,
            config.worlds,
            config.c_visit,
            config.c_scale,
            self.completed,
            policy,
        )
        return policy, self.chosen


class _Puct:
    """Every tree chooses by PUCT, with the same noise in all worlds of a group; visits are added up."""

    def __init__(self, search: Search, logits: np.ndarray) -> None:
        config = search.config
        priors = np.exp(logits)
        if config.dirichlet > 0:
            roots.mix_dirichlet(priors, search._keys, config.dirichlet, config.dirichlet_share)
        roots.set_root_priors(search.trees, config.worlds, search.players, priors)
        search.root_choice[:] = tree.NONE

    def choose(self, simulation: int) -> None:
        pass

    def learn(self) -> None:
        pass

    def decide(self, visits: np.ndarray, totals: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        policy = visits / visits.sum(axis=1, keepdims=True)
        # Ties go to the higher value, which is less than one visit apart.
        score = visits + np.where(visits > 0, totals / np.maximum(visits, 1), 0.0) / 8
        return policy, score.argmax(axis=1)


class _Regret:
    """Regret matching of all players at the root; what is played is the average strategy."""

    def __init__(self, search: Search, logits: np.ndarray) -> None:
        self.search = search
        self.regrets = np.zeros((len(search.rows), search.slots, logits.shape[1]))
        self.averages = np.zeros(logits.shape)

    def choose(self, simulation: int) -> None:
        search = self.search
        roots.regret_choose(
            search.trees,
            search.config.worlds,
            search.players,
            search._keys,
            simulation,
            self.regrets,
            self.averages,
            search.root_choice,
        )

    def learn(self) -> None:
        search = self.search
        roots.regret_learn(
            search.trees, search.config.worlds, search.players, search.root_choice, self.regrets
        )

    def decide(self, visits: np.ndarray, totals: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        policy = self.averages / self.averages.sum(axis=1, keepdims=True)
        actions = np.empty(len(policy), np.int64)
        roots.draw_actions(policy, self.search._keys, actions)
        return policy, actions


_RULES: dict[str, type[_Root]] = {"gumbel": _Gumbel, "puct": _Puct, "regret": _Regret}
