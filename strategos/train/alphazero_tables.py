"""The tables of a configuration that only AlphaZero reads: self-play, memory, gate and what is dealt.

The learner's own table is `AlphaZeroConfig`, the search's is `SearchConfig`.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class SelfPlayConfig:
    """How the examples are made. A round is one deal of Blob; of other games it is a whole game."""

    games: int = 128
    """Rounds played side by side, over all workers."""
    workers: int = 2
    """Threads that play, each with rounds of its own. Part of the recipe: the result depends on it, not on
    the cores."""
    rounds: int = 512
    """Rounds that must end before an iteration learns."""
    temperature: float = 1.0
    """An action is drawn from the search's policy with this temperature at the beginning of a round ..."""
    temperature_ticks: int = 8
    """... for so many actions of the table, bids among them ..."""
    last_temperature: float = 0.25
    """... and with this one afterwards; 0 takes what the search recommends."""
    bootstrap: int = 0
    """The first so many iterations search without the network, which knows nothing yet: leaves are judged by
    random playouts, in Generals by a script."""
    bootstrap_worlds: int = 8
    """Worlds of those searches."""
    bootstrap_simulations: int = 64
    """Simulations in each of their worlds."""
    unlearned_share: float = 0.0
    """Afterwards, the share of a leaf's value that playouts or the script still say; the network says the
    rest, and which actions look good."""
    playouts: int = 8
    """Random playouts of a leaf for that share; a script needs none."""
    adjudicate: bool = False
    """A game that the tick limit cuts is worth what playouts or the script say of its last position; else
    nothing to anybody. For games of which few end in time: draws alone teach no values."""

    def __post_init__(self) -> None:
        for name in ("workers", "rounds", "bootstrap_worlds", "bootstrap_simulations", "playouts"):
            if getattr(self, name) < 1:
                raise ValueError(f"self_play.{name} must be at least 1, not {getattr(self, name)}")
        if self.games < self.workers:
            raise ValueError(
                f"self_play.games ({self.games}) must be at least self_play.workers ({self.workers})"
            )
        if min(self.temperature, self.last_temperature) < 0:
            raise ValueError("self_play.temperature and last_temperature must be 0 or more")
        if min(self.temperature_ticks, self.bootstrap) < 0:
            raise ValueError("self_play.temperature_ticks and bootstrap must be 0 or more")
        if not 0 <= self.unlearned_share <= 1:
            raise ValueError(f"self_play.unlearned_share is from 0 to 1, not {self.unlearned_share}")


@dataclass(frozen=True)
class MemoryConfig:
    """What is kept of the examples, and how often they may be learned from."""

    capacity: int = 500_000
    """The newest so many examples are kept."""
    least: int = 4_096
    """Learning begins when there are so many."""
    reuse: float = 4.0
    """How often an example may be learned from on average, over the whole run."""
    sampling: str = "uniform"
    """uniform or prioritized (by the policy's loss when last seen)."""
    alpha: float = 0.6
    """Exponent of the priorities."""
    beta: float = 0.6
    """Exponent of the weights that make up for drawing some examples more often."""
    folder: str = ""
    """Where the examples lie in a mapped file, so that they may exceed the machine's memory; in memory where
    left out."""
    symmetry: bool = True
    """Show every example under a random exchange of suits that are not trump (turn of the board)."""

    def __post_init__(self) -> None:
        if not 1 <= self.least <= self.capacity:
            raise ValueError(f"memory.least is from 1 to memory.capacity ({self.capacity}), not {self.least}")
        if self.reuse <= 0:
            raise ValueError(f"memory.reuse must be above 0, not {self.reuse}")
        if self.sampling not in ("uniform", "prioritized"):
            raise ValueError(f"memory.sampling is uniform or prioritized, not {self.sampling!r}")
        if min(self.alpha, self.beta) < 0:
            raise ValueError("memory.alpha and memory.beta must be 0 or more")


@dataclass(frozen=True)
class GateConfig:
    """When the learned weights replace the champion: the weights that play against themselves.

    A sequential test on paired deals: one candidate at a table of champions and one champion at a table of
    candidates, on every seat. Points are those of the game's returns, relative to the table's mean.
    """

    every: int = 4
    """Iterations between two tests."""
    deals: int = 512
    """After so many the test ends; where it is undecided, the champion stays."""
    step: int = 32
    """Deals between two looks at the test."""
    temperature: float = 0.0
    """Of the players' sampling, without search; 0 is greedy, which runs in circles on a grid."""
    points: float = 0.02
    """The gain that the test looks for; none at all is the other hypothesis. 0 takes every candidate: where
    to beat the champion is not to be better, as near an equilibrium."""
    alpha: float = 0.05
    """Probability to accept a candidate that gains nothing."""
    beta: float = 0.05
    """Probability to reject one that gains `points`."""
    kept: int = 8
    """Past champions that are kept and met again."""
    rating_deals: int = 32
    """Deals that a new champion plays against each of them and each bot, for the ratings."""

    def __post_init__(self) -> None:
        for name in ("every", "deals", "step", "kept", "rating_deals"):
            if getattr(self, name) < 1:
                raise ValueError(f"gate.{name} must be at least 1, not {getattr(self, name)}")
        if self.deals < 2:
            raise ValueError("gate.deals must be at least 2: one deal has no spread")
        if self.temperature < 0:
            raise ValueError(f"gate.temperature must be 0 or more, not {self.temperature}")
        if self.points < 0:
            raise ValueError(f"gate.points must be 0 or more, not {self.points}")
        for name in ("alpha", "beta"):
            if not 0 < getattr(self, name) < 0.5:
                raise ValueError(f"gate.{name} must be above 0 and below 0.5, not {getattr(self, name)}")


@dataclass(frozen=True)
class DealConfig:
    """One kind of deal of Blob; trump and dealer are drawn for each round unless they are fixed here."""

    players: int = 4
    """Seats at the table."""
    cards: int = 5
    """Cards dealt to each seat, at most."""
    min_cards: int | None = None
    """... and at least; `cards` where left out."""
    trump: str | None = None
    """S, H, C, D or none; all five in turn of chance where left out."""
    share: float = 1.0
    """Share of the rounds, next to the other kinds."""

    def __post_init__(self) -> None:
        if self.share <= 0:
            raise ValueError(f"deals: share must be above 0, not {self.share}")
