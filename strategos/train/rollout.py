"""Collecting experience: games that play on, who sits in them, what the learner keeps.

An arena is one batch of games on one kind of board; a worker plays it on one thread, start to end, with
its own random streams. Most games are self-play and both seats learn; in a fixed share of them all seats
but one belong to a bot or a past self, and their rows never reach the learner. Compact records are kept
and become planes again when they are learned from: the tenth part of the memory, at 5 us a sample.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor, nn

from strategos.engine.batch import Batch, Observation
from strategos.games.generals.potential import potential
from strategos.games.spec import Game
from strategos.learn.maths import generalised_advantages, masked_log_softmax, sample_masked, unpack_masks
from strategos.learn.ppo import Shard
from strategos.nets.choice import sample_packed
from strategos.play.network import Encoder
from strategos.play.policy import Policy

SELF, PAST = "self", "past"
Seen = tuple[np.ndarray, np.ndarray, "np.ndarray | None"]
"""Views [B], packed masks [B, mask_bytes] and memories [B] of some seats."""
_CHUNK = 512
_PAD = 32
"""Odd batch sizes are padded up to multiples of this: every new size costs the CPU a new set of kernels."""


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
class Tally:
    """Results of the learner's seats against one kind of opponent."""

    wins: int = 0
    draws: int = 0
    losses: int = 0

    @property
    def games(self) -> int:
        """All of them."""
        return self.wins + self.draws + self.losses


@dataclass
class Collected:
    """One worker's experience of one arena, and what there is to report."""

    shard: Shard
    tallies: dict[str, Tally]
    lengths: list[int]
    seconds: dict[str, float]


@dataclass
class _Store:
    """What the learner's seats saw, tick by tick; made once."""

    views: np.ndarray
    masks: np.ndarray
    memories: np.ndarray | None

    @classmethod
    def allocate(cls, game: Game, ticks: int, seats: int) -> _Store:
        memories = np.zeros((ticks, seats), game.memory_dtype) if game.spec.has_memory else None
        masks = np.zeros((ticks, seats, game.spec.mask_bytes), np.uint8)
        return cls(np.zeros((ticks, seats), game.view_dtype), masks, memories)


class Arena:
    """A batch of games and who sits where.

    `shares` gives the share of the games against each kind of opponent (a bot's name or `past`). In
    such a game the learner has one seat, in turn from game to game, and the opponent all others.
    """

    def __init__(self, batch: Batch, shares: Mapping[str, float]) -> None:
        self.batch = batch
        games, players = batch.num_games, batch.game.spec.num_players
        kinds = np.full(games, SELF, dtype=object)
        first = 0
        for kind, share in sorted(shares.items()):
            count = min(round(share * games), games - first)
            kinds[first : first + count] = kind
            first += count
        learner = np.zeros((games, players), bool)
        learner[np.arange(games), np.arange(games) % players] = True
        learner[kinds == SELF] = True
        self.learner_rows = np.flatnonzero(learner)
        self.kinds = kinds[self.learner_rows // players]
        seat_kinds = np.repeat(kinds, players)
        self.opponent_rows = {
            kind: np.flatnonzero((seat_kinds == kind) & ~learner.reshape(-1))
            for kind in sorted(set(kinds) - {SELF})
        }
        self._store: _Store | None = None

    def store(self, ticks: int) -> _Store:
        """The buffers for `ticks` ticks, the same on every call."""
        if self._store is None or len(self._store.views) != ticks:
            self._store = _Store.allocate(self.batch.game, ticks, len(self.learner_rows))
        return self._store


def viewers_potential(views: np.ndarray) -> np.ndarray:
    """The potential of each viewer's own seat: views [B] to float32 [B]."""
    return potential(views)[np.arange(len(views)), views["me"]].astype(np.float32)


@dataclass
class _Clock:
    """Seconds spent in each part of the work of a thread."""

    seconds: dict[str, float] = field(default_factory=lambda: defaultdict(float))
    _last: float = field(default_factory=time.perf_counter)

    def lap(self, part: str) -> None:
        now = time.perf_counter()
        self.seconds[part] += now - self._last
        self._last = now


class Actor:
    """The learner's network as it acts: encode, evaluate, draw.

    On the CPU the draw is the compiled one; elsewhere it stays on the device, with a generator of its own.
    """

    def __init__(self, network: nn.Module, encode: Encoder, generator: torch.Generator | None = None) -> None:
        self.network, self.encode, self.generator = network, encode, generator

    @torch.inference_mode()
    def act(
        self, seen: Seen, rng: np.random.Generator, clock: _Clock
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Actions int64, their log-probabilities and the values, all [B], for (views, masks, memories)."""
        masks = seen[1]
        inputs = self.encode(*seen)
        clock.lap("planes")
        logits, values = self.network(inputs)
        if logits.is_cuda:
            legal = unpack_masks(torch.from_numpy(masks).to(logits.device), logits.shape[1])
            log_probabilities = masked_log_softmax(logits, legal)
            drawn = sample_masked(log_probabilities, legal, self.generator)
            chosen = log_probabilities.gather(1, drawn.unsqueeze(1)).squeeze(1)
            result = torch.stack([chosen, values]).cpu().numpy()
            actions, chosen_array, value_array = drawn.cpu().numpy(), result[0], result[1]
            clock.lap("network")
            return actions, chosen_array, value_array
        clock.lap("network")
        actions, chosen_array = sample_packed(logits.numpy(), masks, rng.random(len(masks)))
        clock.lap("sampling")
        return actions, chosen_array, values.numpy()

    @torch.inference_mode()
    def values(self, seen: Seen) -> np.ndarray:
        """Values [B] only, in chunks of a steady size."""
        count = len(seen[0])
        padded = np.resize(np.arange(count), -(-count // _PAD) * _PAD)
        parts = []
        for first in range(0, len(padded), _CHUNK):
            rows = padded[first : first + _CHUNK]
            parts.append(self.network(self.encode(*_rows_of(seen, rows)))[1].cpu().numpy())
        return np.concatenate(parts)[:count]


def _flat(observation: Observation) -> Seen:
    masks = observation.masks
    memories = observation.memories.reshape(-1) if len(observation.memories) else None
    return observation.views.reshape(-1), masks.reshape(-1, masks.shape[-1]), memories


def _rows_of(flat: Seen, rows: np.ndarray) -> Seen:
    views, masks, memories = flat
    # `take` copies records whole; an index goes field by field and takes ten times as long.
    return views.take(rows), masks[rows], None if memories is None else memories.take(rows)


def _joined(parts: list[Seen]) -> Seen:
    views, masks, memories = zip(*parts, strict=True)
    kept = None if memories[0] is None else np.concatenate(memories)
    return np.concatenate(views), np.concatenate(masks), kept


def collect(
    arena: Arena,
    actor: Actor,
    opponents: Mapping[str, Policy],
    rng: np.random.Generator,
    settings: CollectSettings,
    teacher: Policy | None = None,
) -> Collected:
    """Play `settings.ticks` ticks of an arena and return the learner's experience.

    The games go on where the last call left them. Opponents act through `Policy.act` on their rows; a
    `teacher` says what it would do in the learner's place.
    """
    clock = _Clock()
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
    report = _Report()
    for tick in range(ticks):
        flat = _flat(batch.observation)
        seen = _rows_of(flat, rows)
        store.views[tick], store.masks[tick] = seen[0], seen[1]
        if store.memories is not None:
            store.memories[tick] = seen[2]
        if shaped:
            ahead[tick] = viewers_potential(seen[0])
        clock.lap("store")
        actions[tick], chosen[tick], values[tick] = actor.act(seen, rng, clock)
        if teacher is not None and taught is not None:
            taught[tick] = teacher.act(*seen, rng)
            clock.lap("teacher")
        joint.reshape(-1)[rows] = actions[tick]
        for kind, theirs in arena.opponent_rows.items():
            joint.reshape(-1)[theirs] = opponents[kind].act(*_rows_of(flat, theirs), rng)
        clock.lap("opponents")
        lengths = batch.lengths.copy()
        batch.step(joint)
        rewards[tick] = batch.returns.reshape(-1)[rows]
        terminated[tick], truncated[tick] = batch.terminated[games], batch.truncated[games]
        clock.lap("engine")
        if truncated[tick].any():
            ends = np.flatnonzero(truncated[tick])
            last = _rows_of(_flat(batch.final), rows[ends])
            cut.append((tick, ends, last))
            if shaped:
                ahead_at_end[tick, ends] = viewers_potential(last[0])
        report.add(arena, rewards[tick], terminated[tick], truncated[tick], lengths)
    last_seen = _rows_of(_flat(batch.observation), rows)
    last_values, final_values = actor.values(last_seen), np.zeros(shape, np.float32)
    if settings.limit_value is not None:
        final_values[truncated] = settings.limit_value
    elif cut:
        values_at_end = actor.values(_joined([last for _, _, last in cut]))
        for tick, ends, _ in cut:
            final_values[tick, ends], values_at_end = values_at_end[: len(ends)], values_at_end[len(ends) :]
    clock.lap("network")
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
    usable = np.flatnonzero(estimate.usable.reshape(-1))
    shard = Shard(
        observe=_observer(store, usable, actor.encode),
        masks=store.masks.reshape(-1, store.masks.shape[-1])[usable],
        actions=actions.reshape(-1)[usable],
        log_probabilities=chosen.reshape(-1)[usable],
        values=values.reshape(-1)[usable],
        advantages=estimate.advantages.reshape(-1)[usable],
        returns=estimate.returns.reshape(-1)[usable],
        taught=None if taught is None else taught.reshape(-1)[usable],
    )
    clock.lap("advantages")
    return Collected(shard, report.tallies, report.lengths, dict(clock.seconds))


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


def _observer(store: _Store, usable: np.ndarray, encode: Encoder) -> Callable[[np.ndarray], Tensor]:
    """Make planes of some of the stored samples, in chunks that stay in the cache."""
    views, masks = store.views.reshape(-1), store.masks.reshape(-1, store.masks.shape[-1])
    memories = None if store.memories is None else store.memories.reshape(-1)

    def observe(indices: np.ndarray) -> Tensor:
        places = usable[indices]
        chunks = [places[first : first + _CHUNK] for first in range(0, len(places), _CHUNK)] or [places]
        return torch.cat([encode(*_rows_of((views, masks, memories), chunk)) for chunk in chunks])

    return observe


class _Report:
    """Results and lengths of the games that ended."""

    def __init__(self) -> None:
        self.tallies: dict[str, Tally] = defaultdict(Tally)
        self.lengths: list[int] = []

    def add(
        self,
        arena: Arena,
        returns: np.ndarray,
        terminated: np.ndarray,
        truncated: np.ndarray,
        lengths: np.ndarray,
    ) -> None:
        ended = np.flatnonzero(terminated | truncated)
        if not len(ended):
            return
        games = arena.learner_rows[ended] // arena.batch.game.spec.num_players
        self.lengths.extend((lengths[np.unique(games)] + 1).tolist())
        for index in ended:
            tally = self.tallies[arena.kinds[index]]
            if returns[index] > 0:
                tally.wins += 1
            elif returns[index] < 0:
                tally.losses += 1
            else:
                tally.draws += 1
