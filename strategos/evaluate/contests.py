"""How a Blob agent fares at a table of others: relative points on paired deals, with and without search.

Every deal is played from every seat, and the mean over the seats is one sample; intervals are over deals.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

import numpy as np

from strategos.engine.pool import available_cores
from strategos.play.agents import is_bot, load_policy
from strategos.play.beliefs import make_beliefs
from strategos.play.evaluators.mixed import MixedEvaluator
from strategos.play.evaluators.network import NetworkEvaluator
from strategos.play.evaluators.rollouts import RolloutEvaluator
from strategos.play.network import NetworkPolicy
from strategos.play.policy import Policy
from strategos.play.search import SearchConfig
from strategos.play.search_bots import SearchPolicy
from strategos.train.deals import Deals
from strategos.train.devices import one_thread_each
from strategos.train.duel import Duel, Maker, deal_keys, joined, play_duel

PLAYOUTS = 8
"""Random playouts of a leaf where they judge it; a tenth of the network's time."""
_PARTS = 8
"""A contest is cut into so many parts, whatever the number of cores, so that its result stays the same."""


@dataclass(frozen=True)
class Contest:
    """One player at a table of another."""

    player: str
    table: str
    deals: int
    rounds: int
    points: float
    """Relative points of a round: the score less the table's mean, in units of 10 + cards."""
    low: float
    """The 95 % interval."""
    high: float
    score: float
    """Mean score in the same units."""
    exact: float
    """Share of rounds in which the player took exactly what it bid."""

    @property
    def summary(self) -> str:
        """One short line."""
        interval = f"({self.low:+.3f} to {self.high:+.3f})"
        return f"{self.player} at a table of {self.table}: {self.points:+.3f} points {interval}"

    def as_json(self) -> dict:
        """Plain data."""
        values = asdict(self).items()
        return {name: round(each, 5) if isinstance(each, float) else each for name, each in values}


def contest(deals: Deals, player: Maker, table: Maker, *, count: int, seed: int) -> Contest:
    """Play `count` deals of the series `seed` with `player` on every seat of a table of `table`.

    Ctrl-C ends it before the next move of every thread.
    """
    keys = deal_keys(seed, 0, count)
    parts = [part for part in np.array_split(np.arange(count), _PARTS) if len(part)]

    given_up = threading.Event()

    def play(part: np.ndarray) -> Duel:
        return play_duel(deals, player(), table(), keys[part], seed + int(part[0]), given_up.is_set)

    cores = min(_PARTS, available_cores())
    with ThreadPoolExecutor(cores, initializer=one_thread_each, initargs=("cpu",)) as executor:
        try:
            duel = joined(list(executor.map(play, parts)))
        finally:
            given_up.set()
    low, high = duel.interval()
    return Contest(
        player=player().name,
        table=table().name,
        deals=count,
        rounds=count * deals.game.spec.num_players,
        points=duel.points,
        low=low,
        high=high,
        score=duel.score,
        exact=duel.exact,
    )


def maker_of(source: str | Path, temperature: float) -> Maker:
    """Makes the player that `source` names now, whatever becomes of its run while games are played.

    A network is loaded once and shared; bots, some of whom search, are made anew for each thread.
    """
    player = load_policy(source, temperature=temperature)
    return partial(load_policy, source) if is_bot(str(source)) else lambda: player


def searching(
    deals: Deals, agent: NetworkPolicy, worlds: int, simulations: int, beliefs: str = "uniform"
) -> Maker:
    """Makes the agent with a search of `worlds` x `simulations`; network and playouts judge its leaves.

    With `beliefs` "reweighed" it expects the others to act as it would itself.
    """
    config = SearchConfig(worlds=worlds, simulations=simulations, gumbel_scale=0.0, beliefs=beliefs)

    def make() -> Policy:
        network = NetworkEvaluator(deals.game, agent.network, agent.encode)
        evaluator = MixedEvaluator(network, RolloutEvaluator(PLAYOUTS))
        return SearchPolicy(deals.game, make_beliefs(deals.game), evaluator, config, f"{agent.name} + search")

    return make


def rolling_out(deals: Deals, worlds: int, simulations: int) -> Maker:
    """Makes a player with the same search and as many random playouts, but without the network."""
    config = SearchConfig(worlds=worlds, simulations=simulations, gumbel_scale=0.0)

    def make() -> Policy:
        beliefs = make_beliefs(deals.game)
        return SearchPolicy(deals.game, beliefs, RolloutEvaluator(PLAYOUTS), config, "rollout search")

    return make


def final_contests(
    deals: Deals,
    agent: NetworkPolicy,
    bots: Sequence[Maker],
    *,
    count: int,
    worlds: int,
    simulations: int,
    seed: int,
    on_contest: Callable[[Contest], None] | None = None,
) -> list[Contest]:
    """What a finished run has to show.

    The network alone at a table of each bot (`2 * count` deals), then with search at a table of the last bot,
    of itself without search and of rollout search with the same budget (`count` deals). It searches worlds
    weighed by how likely it would have bid and played as the others did.
    """
    searcher = searching(deals, agent, worlds, simulations, "reweighed")
    plan: list[tuple[Maker, Maker, int]] = [(lambda: agent, bot, 2 * count) for bot in bots]
    plan += [(searcher, bots[-1], count), (searcher, lambda: agent, count)]
    plan.append((searcher, rolling_out(deals, worlds, simulations), count))
    found = []
    for player, table, number in plan:
        found.append(contest(deals, player, table, count=number, seed=seed))
        if on_contest:
            on_contest(found[-1])
    return found
