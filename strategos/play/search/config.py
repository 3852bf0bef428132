"""What a search is asked and what it answers: settings, the evaluator's contract, the result. Data only."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np

from strategos.games.spec import Game

ROOTS = ("gumbel", "puct", "regret")
BELIEFS = ("uniform", "reweighed")


Probabilities = Callable[[np.ndarray, np.ndarray], np.ndarray]
"""A policy: views [n] and packed masks [n, mask_bytes] of seats to move -> probabilities [n, num_actions]."""


class Evaluator(Protocol):
    """What positions are worth and which actions look good in them."""

    def evaluate(self, game: Game, states: np.ndarray) -> tuple[np.ndarray | None, np.ndarray]:
        """Judge `states` [n], none of them over: logits and values.

        Logits float32: [n, P, num_actions] where all players act at once, else [n, 1, num_actions] of the
        seat to move; None for a uniform prior. Values [n, P] float32, on the scale of `game.returns`.
        `states` may be overwritten.
        """
        ...


@runtime_checkable
class PolicyEvaluator(Evaluator, Protocol):
    """An evaluator that can also say how players act who see no more than they may."""

    def probabilities(self, views: np.ndarray, masks: np.ndarray) -> np.ndarray:
        """Its policy, as `Probabilities` are."""
        ...


@dataclass(frozen=True)
class SearchConfig:
    """How a decision is searched."""

    worlds: int = 16
    """Sampled worlds of a decision, a tree each."""
    simulations: int = 32
    """Simulations in each tree."""
    root: str = "gumbel"
    """Rule of the root: gumbel, puct, or regret: regret matching, at the root where all act at once, where
    they take turns at everybody's information sets from the beginning of the round on (Kuhn poker)."""
    information_set: bool = False
    """Another world at every simulation; a tree is over what the asking player knows."""
    beliefs: str = "uniform"
    """Which worlds are likely: all alike (uniform), or those in which the network would have done what the
    others did (reweighed: Blob with a network, slower)."""
    considered: int = 16
    """Actions that a gumbel root looks at, at most half as many as there are simulations."""
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
        if self.beliefs not in BELIEFS:
            raise ValueError(f"beliefs must be one of {', '.join(BELIEFS)}, not {self.beliefs!r}")
        if self.root == "regret" and self.information_set:
            raise ValueError("regret matching needs the same worlds throughout: information_set must be off")
        if not 0 <= self.dirichlet_share <= 1 or self.dirichlet < 0 or self.gumbel_scale < 0:
            raise ValueError(
                "dirichlet and gumbel_scale must not be negative, dirichlet_share is from 0 to 1"
            )
        if self.c_puct < 0 or self.c_visit < 0 or self.c_scale < 0:
            raise ValueError("c_puct, c_visit and c_scale must not be negative")


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
