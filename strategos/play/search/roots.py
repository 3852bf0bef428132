"""The rules of the root: Gumbel with sequential halving, PUCT with noise, regret matching.

A decision is made for the player who is asked, who does not know which of the sampled worlds is true:
what is chosen and learned at the root is shared by the trees of all worlds of a group.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import numpy as np

from strategos.play.search import root_kernels, tree

if TYPE_CHECKING:
    from strategos.play.search.search import Search


class Root(Protocol):
    """A root's rule during one search."""

    def __init__(self, search: Search, logits: np.ndarray) -> None: ...

    def choose(self, simulation: int) -> None:
        """Write the root actions of the next simulation into `search.root_choice`."""

    def learn(self) -> None:
        """Take in what the simulation found."""

    def decide(self, visits: np.ndarray, totals: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The improved policy [G, A] and the action [G]."""
        ...


class Gumbel:
    """Sequential halving over the actions of the highest Gumbel scores, the same in all worlds of a group."""

    def __init__(self, search: Search, logits: np.ndarray) -> None:
        self.search, self.logits = search, logits
        self.noise = np.empty(logits.shape)
        root_kernels.gumbel_noise(search.keys, search.config.gumbel_scale, self.noise)
        self.tried = np.zeros(logits.shape, np.int32)
        self.visits, self.totals = np.zeros(logits.shape, np.int32), np.zeros(logits.shape)
        self.completed = np.empty(logits.shape)
        self.chosen = np.zeros(len(logits), np.int64)
        legal = (logits > -np.inf).sum(axis=1)
        most = min(search.config.considered, max(2, search.config.simulations // 2))  # or nothing is halved
        considered = np.minimum(legal, most)
        self.schedule = np.stack([search.schedule(int(count)) for count in considered])
        means = search.root_evaluations()
        self.evaluations = means[np.arange(len(means)), search.players].astype(np.float64)

    def _choose(self, wanted: np.ndarray) -> None:
        search, config = self.search, self.search.config
        tree.root_statistics(search.trees, config.worlds, search.players, self.visits, self.totals)
        root_kernels.gumbel_choose(
            self.logits,
            self.noise,
            self.tried,
            wanted,
            self.visits,
            self.totals,
            self.evaluations,
            config.worlds,
            config.c_visit,
            config.c_scale,
            self.completed,
            self.chosen,
        )

    def choose(self, simulation: int) -> None:
        self._choose(self.schedule[:, simulation])
        self.tried[np.arange(len(self.chosen)), self.chosen] += 1
        search, worlds = self.search, self.search.config.worlds
        slots = search.players if search.slots > 1 else np.zeros_like(search.players)
        search.root_choice[:] = tree.NONE
        search.root_choice[search.rows, np.repeat(slots, worlds)] = np.repeat(self.chosen, worlds)

    def learn(self) -> None:
        pass

    def decide(self, visits: np.ndarray, totals: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        self._choose(self.tried.max(axis=1))
        config = self.search.config
        policy = np.zeros(self.logits.shape, np.float32)
        root_kernels.improved_policy(
            self.logits,
            visits,
            totals,
            self.evaluations,
            config.worlds,
            config.c_visit,
            config.c_scale,
            self.completed,
            policy,
        )
        return policy, self.chosen


class Puct:
    """Every tree chooses by PUCT, with the same noise in all worlds of a group; visits are added up."""

    def __init__(self, search: Search, logits: np.ndarray) -> None:
        config = search.config
        priors = np.exp(logits)
        if config.dirichlet > 0:
            root_kernels.mix_dirichlet(priors, search.keys, config.dirichlet, config.dirichlet_share)
        root_kernels.set_root_priors(search.trees, config.worlds, search.players, priors)
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


class Regret:
    """Regret matching of all players at the root; what is played is the average strategy."""

    def __init__(self, search: Search, logits: np.ndarray) -> None:
        self.search = search
        self.regrets = np.zeros((len(search.rows), search.slots, logits.shape[1]))
        self.averages = np.zeros(logits.shape)
        self._strategy = np.empty(logits.shape[1])
        self._joint = np.empty(search.slots, np.int32)

    def choose(self, simulation: int) -> None:
        search = self.search
        root_kernels.regret_choose(
            search.trees,
            search.config.worlds,
            search.players,
            search.keys,
            simulation,
            self.regrets,
            self.averages,
            self._strategy,
            search.root_choice,
        )

    def learn(self) -> None:
        search = self.search
        root_kernels.regret_learn(
            search.trees, search.config.worlds, search.players, search.root_choice, self.regrets, self._joint
        )

    def decide(self, visits: np.ndarray, totals: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        policy = self.averages / self.averages.sum(axis=1, keepdims=True)
        actions = np.empty(len(policy), np.int64)
        root_kernels.draw_actions(policy, self.search.keys, actions)
        return policy, actions


RULES: dict[str, type[Root]] = {"gumbel": Gumbel, "puct": Puct, "regret": Regret}
