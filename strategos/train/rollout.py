"""Collecting experience: games that play on, and what the learners keep of them.

A worker plays an arena on one thread, start to end, with its own random streams. Agents learn from their
own seats only; the rows of bots and other members of a league never reach a learner. Compact records are kept
and become planes again when they are learned from: the tenth part of the memory, at 5 us a sample.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import torch
from torch import Tensor

from strategos.games.generals.potential import potential
from strategos.games.spec import Game
from strategos.league.matchmaking import Draw
from strategos.league.seating import NOBODY
from strategos.learn.maths import generalised_advantages
from strategos.learn.ppo import Shard
from strategos.play.policy import Policy
from strategos.ratings.payoff import Result
from strategos.train.actor import Actor, Seen, Stopwatch, flat, joined, rows_of
from strategos.train.arena import Arena, Store


@dataclass(frozen=True)
class CollectSettings:
    """What `collect` needs to know besides who plays."""

    ticks: int
    gamma: float
    trace: float
    shaping: float
    """Weight of the potential at this moment."""
    limit_value: float | None = None
    """What a game cut at the tick limit is worth to every seat; None, the value of its last position."""


@dataclass
class Collected:
    """One worker's experience of one arena, and what there is to report."""

    shards: list[Shard]
    """Of each agent; empty ones, too."""
    results: list[Result]
    """One for every pair of names, an agent that learns first. In games of more than two sides everybody
    meets everybody: the winner has won against each, and two losers have drawn."""
    lengths: list[int]
    seconds: dict[str, float]


def viewers_potential(views: np.ndarray) -> np.ndarray:
    """The potential of each viewer's own seat: views [B] to float32 [B]."""
    return potential(views)[np.arange(len(views)), views["me"]].astype(np.float32)


def collect(
    arena: Arena,
    actor: Actor,
    bots: Mapping[str, Policy],
    draws: Sequence[Draw],
    rng: np.random.Generator,
    settings: CollectSettings,
    teacher: Policy | None = None,
) -> Collected:
    """Play `settings.ticks` ticks of an arena and return the agents' experience.

    The games go on where the last call left them. When one ends, `draws` (of each agent) name who sits down
    for the next. Bots act through `Policy.act` on their rows; a `teacher` says what it would do in place of
    those who learn.
    """
    watch = Stopwatch()
    batch, rows, ticks = arena.batch, arena.learner_rows, settings.ticks
    seats, players = len(rows), batch.game.spec.num_players
    store = arena.store(ticks)
    games = rows // players
    shape = (ticks, seats)
    actions, chosen = np.zeros(shape, np.int64), np.zeros(shape, np.float32)
    taught = None if teacher is None else np.zeros(shape, np.int64)
    values, rewards = np.zeros(shape, np.float32), np.zeros(shape, np.float32)
    terminated, truncated = np.zeros(shape, bool), np.zeros(shape, bool)
    ahead, ahead_at_end = np.zeros((ticks + 1, seats), np.float32), np.zeros(shape, np.float32)
    shaped = settings.shaping > 0 and "land_total" in (batch.game.view_dtype.names or ())
    joint = np.zeros((batch.num_games, players), np.int32)
    cut: list[tuple[int, np.ndarray, Seen]] = []
    results = Results(arena)
    arena.seat(arena.unseated, draws, rng)
    for tick in range(ticks):
        everything, places = flat(batch.observation), arena.places(actor.networks)
        seen = rows_of(everything, places.rows)
        seen, asked = _first_rows(seen, seats), seen
        store.views[tick], store.masks[tick] = seen[0], seen[1]
        if store.memories is not None:
            store.memories[tick] = seen[2]
        if shaped:
            ahead[tick] = viewers_potential(seen[0])
        watch.lap("store")
        acts, logs, worth = actor.act(asked, places.groups, rng, watch)
        actions[tick], chosen[tick], values[tick] = acts[:seats], logs[:seats], worth[:seats]
        if teacher is not None and taught is not None:
            taught[tick] = teacher.act(*seen, rng)
            watch.lap("teacher")
        joint.reshape(-1)[rows] = actions[tick]
        for first, theirs in places.opponents:
            joint.reshape(-1)[theirs] = acts[first : first + len(theirs)]
        for name, theirs in places.bots:
            joint.reshape(-1)[theirs] = bots[name].act(*rows_of(everything, theirs), rng)
        watch.lap("opponents")
        lengths = batch.lengths.copy()
        batch.step(joint)
        rewards[tick] = batch.returns.reshape(-1)[rows]
        terminated[tick], truncated[tick] = batch.terminated[games], batch.truncated[games]
        watch.lap("engine")
        if truncated[tick].any():
            ends = np.flatnonzero(truncated[tick])
            last = rows_of(flat(batch.final), rows[ends])
            cut.append((tick, ends, last))
            if shaped:
                ahead_at_end[tick, ends] = viewers_potential(last[0])
        over = np.flatnonzero(batch.terminated | batch.truncated)
        results.add(over, lengths)
        arena.seat(over, draws, rng)
    last_seen = rows_of(flat(batch.observation), rows)
    last_values = _values(arena, actor, last_seen, np.arange(seats))
    final_values = np.zeros(shape, np.float32)
    if settings.limit_value is not None:
        final_values[truncated] = settings.limit_value
    elif cut:
        columns = np.concatenate([ends for _, ends, _ in cut])
        values_at_end = _values(arena, actor, joined([last for _, _, last in cut]), columns)
        for tick, ends, _ in cut:
            final_values[tick, ends], values_at_end = values_at_end[: len(ends)], values_at_end[len(ends) :]
    watch.lap("network")
    if shaped:
        ahead[ticks] = viewers_potential(last_seen[0])
        ended = terminated if settings.limit_value is None else terminated | truncated
        following = np.where(truncated, ahead_at_end, ahead[1:]) * ~ended
        rewards += settings.shaping * (settings.gamma * following - ahead[:-1])
    estimate = generalised_advantages(
        rewards,
        values,
        terminated,
        truncated,
        final_values,
        last_values,
        gamma=settings.gamma,
        trace=settings.trace,
        acted=_in_play(batch.game, store.views, store.masks),
        last_acts=_in_play(batch.game, last_seen[0], last_seen[1]),
    )
    shards = []
    for columns_of_agent in arena.columns:
        mine = np.zeros(shape, bool)
        mine[:, columns_of_agent] = estimate.usable[:, columns_of_agent]
        usable = np.flatnonzero(mine.reshape(-1))
        shards.append(
            Shard(
                observe=_observer(store, usable, actor),
                masks=store.masks.reshape(-1, store.masks.shape[-1])[usable],
                actions=actions.reshape(-1)[usable],
                log_probabilities=chosen.reshape(-1)[usable],
                values=values.reshape(-1)[usable],
                advantages=estimate.advantages.reshape(-1)[usable],
                returns=estimate.returns.reshape(-1)[usable],
                taught=None if taught is None else taught.reshape(-1)[usable],
            )
        )
    watch.lap("advantages")
    return Collected(shards, results.found, results.lengths, dict(watch.seconds))


def _first_rows(seen: Seen, count: int) -> Seen:
    views, masks, memories = seen
    return views[:count], masks[:count], None if memories is None else memories[:count]


def _values(arena: Arena, actor: Actor, seen: Seen, columns: np.ndarray) -> np.ndarray:
    """Values [B] of `seen`, each by the network of the agent whose seat it is, given as its column."""
    values = np.zeros(len(columns), np.float32)
    for name, mine in zip(arena.names, arena.columns, strict=True):
        rows = np.flatnonzero((columns >= mine.start) & (columns < mine.stop))
        if len(rows):
            values[rows] = actor.values(rows_of(seen, rows), name)
    return values


def _in_play(game: Game, views: np.ndarray, masks: np.ndarray) -> np.ndarray | None:
    """Which of the samples are decisions: not of a seat whose turn it is not, nor of a dead one.

    `None` where all are: in a simultaneous game of two, the first death ends the game.
    """
    if not game.spec.simultaneous:
        return np.any(masks, axis=-1)
    if game.spec.num_players == 2 or "alive" not in (views.dtype.names or ()):
        return None
    me = views["me"][..., None].astype(np.int64)
    return np.take_along_axis(views["alive"], me, -1)[..., 0] != 0


def _observer(store: Store, usable: np.ndarray, actor: Actor) -> Callable[[np.ndarray], Tensor]:
    """Make planes of some of the stored samples, in chunks of the actor's size."""
    encode, size = actor.encode, actor.chunk
    views, masks = store.views.reshape(-1), store.masks.reshape(-1, store.masks.shape[-1])
    memories = None if store.memories is None else store.memories.reshape(-1)

    def observe(indices: np.ndarray) -> Tensor:
        places = usable[indices]
        chunks = [places[first : first + size] for first in range(0, len(places), size)] or [places]
        return torch.cat([encode(*rows_of((views, masks, memories), chunk)) for chunk in chunks])

    return observe


class Results:
    """Results and lengths of the games that ended."""

    def __init__(self, arena: Arena) -> None:
        self.arena = arena
        self._counts: dict[tuple[str, str], list[int]] = defaultdict(lambda: [0, 0, 0])
        self.lengths: list[int] = []

    def add(self, games: np.ndarray, lengths: np.ndarray) -> None:
        """Enter the `games` that ended with the last tick."""
        arena = self.arena
        self.lengths.extend((lengths[games] + 1).tolist())
        sides = arena.sides
        for game in games:
            names, learn = arena.members[game, sides], arena.seating.agents[game, sides] != NOBODY
            returns = arena.batch.returns[game, sides]
            for one, two in combinations(range(len(sides)), 2):
                first, second = (one, two) if learn[one] else (two, one)
                if learn[first] and names[first] != names[second]:
                    sign = int(np.sign(returns[first] - returns[second]))
                    self._counts[names[first], names[second]][1 - sign] += 1

    @property
    def found(self) -> list[Result]:
        """Of every pair, from the side of one that learns."""
        return [Result(*pair, *counts) for pair, counts in self._counts.items()]
