"""Self-play with search: rounds side by side, what every decision teaches, and how the round ended.

A worker plays on one thread, with tables, searches and random streams of its own; what it makes is a
function of its configuration, its state and the weights alone. Nobody is asked who has no choice: forced
moves are played without a search. A decision becomes an example when its round is over.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec
import numpy as np

from strategos.games.compiled import kernel
from strategos.games.rng import derive, draw
from strategos.games.spec import Game
from strategos.play.evaluators import unlearned_evaluator
from strategos.play.search import Evaluator, SearchResult
from strategos.play.searcher import Searcher
from strategos.train.alphazero_tables import SelfPlayConfig
from strategos.train.deals import Deals
from strategos.train.outcomes import outcomes_of

_DEALT, _CHANCE = range(2)
_WORLDS, _SEARCH, _CHOICE, _PURPOSES = range(4)
_SEATS = 16
"""No game has more; the streams of a round are numbered by tick and seat."""


def example_dtype(game: Game) -> np.dtype:
    """The record of one decision, how its round ended included (`Outcomes.fields`)."""
    fields: list[tuple] = [("view", game.view_dtype)]
    if game.spec.has_memory:
        fields.append(("memory", game.memory_dtype))
    fields += [
        ("mask", "u1", (game.spec.mask_bytes,)),
        ("policy", "f2", (game.spec.num_actions,)),  # of the search; zeros of a seat that only watches
        ("root", "f4"),  # the search's value for the viewer
        ("players", "i2"),
        ("seat", "i2"),  # the viewer's, at the table
        ("round", "i8"),  # number of the round, so that examples of one round can be told
        *outcomes_of(game).fields(game),
    ]
    return np.dtype(fields)


@dataclass
class Generated:
    """What came out of a stretch of self-play."""

    examples: np.ndarray
    rounds: int = 0
    checked_rounds: int = 0
    """Rounds in which every simulation of every search reached a new leaf or the end of the game."""
    decisions: int = 0
    simulations: int = 0
    leaves: int = 0
    exact: float = 0.0
    """Bids that were made exactly, summed over all seats; the seats that played are in `seats`."""
    score: float = 0.0
    seats: int = 0
    changed: float = 0.0
    """Total variation between the prior and the search's policy, summed over the decisions."""
    entropy: float = 0.0
    error: float = 0.0
    """Distance of the searches' values from how the rounds ended, summed over the examples."""
    seconds: dict[str, float] = field(default_factory=lambda: defaultdict(float))


@kernel
def _streams(keys, ticks, seats, purpose, out):
    for row in range(keys.shape[0]):
        index = (ticks[row] * _SEATS + seats[row]) * _PURPOSES + purpose
        out[row] = derive(keys[row], index)


def _stream(keys: np.ndarray, ticks: np.ndarray, seats: np.ndarray, purpose: int) -> np.ndarray:
    out = np.empty(len(keys), np.int64)
    _streams(keys, ticks.astype(np.int64), seats.astype(np.int64), purpose, out)
    return out


@kernel
def _choose(policies, temperatures, keys, actions):
    """Draw from `policies` [B, A] at `temperatures` [B]; a row at 0 keeps its action."""
    for row in range(policies.shape[0]):
        if temperatures[row] <= 0.0:
            continue
        exponent = 1.0 / temperatures[row]
        highest = policies[row, 0]
        for action in range(1, policies.shape[1]):
            highest = max(highest, policies[row, action])
        total = 0.0
        for action in range(policies.shape[1]):
            if policies[row, action] > 0.0:
                total += (policies[row, action] / highest) ** exponent
        left = draw(keys[row], 0) / 4294967296.0 * total
        for action in range(policies.shape[1]):
            if policies[row, action] > 0.0:
                actions[row] = action  # the last one stands if rounding leaves a remainder
                left -= (policies[row, action] / highest) ** exponent
                if left < 0.0:
                    break


class Table:
    """`size` rounds of one mixture of deals: states, what is seen, decisions that wait for their outcome.

    Rounds are numbered `first`, `first + stride` and so on (`numbers`), so that no two of a run are alike.
    What a round that is cut is worth, `adjudicator` says; nothing where there is none.
    """

    def __init__(
        self,
        deals: Deals,
        size: int,
        key: int,
        numbers: tuple[int, int] = (0, 1),
        adjudicator: Evaluator | None = None,
    ) -> None:
        self.deals, self.key, self.begun, self.finished = deals, key, 0, 0
        self.adjudicator = adjudicator
        self.first, self.stride = numbers
        game = deals.game
        self.game, players = game, game.spec.num_players
        longest = game.spec.max_ticks if deals.tick_limit == 0 else deals.tick_limit
        for kind in deals.kinds:
            longest = max(longest, kind.spec.max_ticks)
        self.states = np.zeros(size, game.state_dtype)
        self.streams = np.zeros(size, np.int64)
        self.numbers = np.zeros(size, np.int64)
        self.lengths = np.zeros(size, np.int64)
        self.sound = np.ones(size, bool)
        self.outcomes = outcomes_of(game)
        decisions = longest * (players if game.spec.simultaneous else 1 + self.outcomes.watched)
        self.waiting = np.zeros((size, decisions), example_dtype(game))
        self.count = np.zeros(size, np.int64)
        self.views = np.zeros((size, players), game.view_dtype)
        self.masks = np.zeros((size, players, game.spec.mask_bytes), np.uint8)
        self.memories = np.zeros((size if game.spec.has_memory else 0, players), game.memory_dtype)
        self._begin(np.arange(size))
        self.game.observe(self.states, self.views, self.masks, self.memories)

    def _begin(self, rows: np.ndarray) -> None:
        numbers = np.arange(self.begun, self.begun + len(rows))
        self.begun += len(rows)
        dealt, chance = derive(self.key, _DEALT), derive(self.key, _CHANCE)
        part = self.states[rows]
        self.deals.begin(part, np.array([derive(dealt, int(each)) for each in numbers], np.int64))
        self.states[rows] = part
        self.streams[rows] = [derive(chance, int(each)) for each in numbers]
        self.numbers[rows] = self.first + numbers * self.stride
        self.lengths[rows] = self.count[rows] = 0
        self.sound[rows] = True

    def choices(self) -> np.ndarray:
        """How many legal actions each seat has, [B, P] int."""
        return np.bitwise_count(self.masks).sum(axis=2, dtype=np.int64)

    def settle(self, out: Generated) -> list[np.ndarray]:
        """Play forced moves and begin new rounds until somebody has a choice at every table.

        Returns the examples of the rounds that ended.
        """
        emitted: list[np.ndarray] = []
        while True:
            waiting = ~(self.choices() > 1).any(axis=1)
            rows = np.flatnonzero(waiting)
            if not len(rows):
                return emitted
            self.step(rows, _lowest(self.masks[rows]))
            emitted += self._finish(out)
            self.game.observe(self.states, self.views, self.masks, self.memories)

    def step(self, rows: np.ndarray, actions: np.ndarray) -> None:
        """Play `actions` [len(rows), P] int32 in some of the rounds."""
        part = self.states[rows]
        self.game.step(part, actions, np.zeros(actions.shape, np.uint8))
        self.states[rows] = part
        self.lengths[rows] += 1

    def _finish(self, out: Generated) -> list[np.ndarray]:
        """Hand out the examples of the rounds that are over, and begin others in their place."""
        over = self.game.over(self.states)
        if self.deals.tick_limit:
            over = over | (self.lengths >= self.deals.tick_limit)
        rows = np.flatnonzero(over)
        if not len(rows):
            return []
        found = self.outcomes.measure(self.game, self.states[rows])
        cut = np.flatnonzero(~self.game.over(self.states[rows]))
        if self.adjudicator is not None and len(cut):
            found.scores[cut] = self.adjudicator.evaluate(self.game, self.states[rows[cut]])[1]
        parts = [self.waiting[row, : self.count[row]].copy() for row in rows]
        for place, each in enumerate(parts):
            self.outcomes.write(each, found, place)
            decisions = each[each["mask"].any(axis=1)]
            out.error += float(np.abs(decisions["root"] - self.outcomes.viewers_return(decisions)).sum())
        out.rounds += len(rows)
        out.checked_rounds += int(self.sound[rows].sum())
        out.exact += float(found.makes.sum())
        out.score += float(found.scores.sum(dtype=np.float64))
        out.seats += found.makes.size
        self.finished += len(rows)
        self._begin(rows)
        return parts

    def decide(self, searcher: Searcher, config: SelfPlayConfig, out: Generated) -> None:
        """Search for everybody who has a choice, keep what the searches say, and play."""
        began = time.perf_counter()
        choices = self.choices()
        rows, seats = np.nonzero(choices > 1)
        views, ticks = self.views[rows, seats], self.lengths[rows]
        memories = self.memories[rows, seats] if len(self.memories) else None
        streams = self.streams[rows]
        worlds = searcher.worlds(views, memories, _stream(streams, ticks, seats, _WORLDS))
        sampled_at = time.perf_counter()
        result = searcher.search.run(worlds, seats, _stream(streams, ticks, seats, _SEARCH))
        searched_at = time.perf_counter()
        chosen = result.actions.astype(np.int32)
        temperatures = np.where(ticks < config.temperature_ticks, config.temperature, config.last_temperature)
        _choose(result.policy, temperatures, _stream(streams, ticks, seats, _CHOICE), chosen)
        self._remember(rows, seats, views, memories, result.policy, result.values)
        if self.outcomes.watched:
            players = self.game.spec.num_players
            others = (seats + 1 + (ticks + self.numbers[rows]) % (players - 1)) % players
            self._remember(rows, others, self.views[rows, others], None, None, result.values)
        _count(out, searcher, result, self.sound, rows)
        actions = _lowest(self.masks)
        actions[rows, seats] = chosen
        self.step(np.arange(len(self.states)), actions)
        out.seconds["beliefs"] += sampled_at - began
        out.seconds["search"] += searched_at - sampled_at
        out.seconds["engine"] += time.perf_counter() - searched_at

    def _remember(
        self,
        rows: np.ndarray,
        seats: np.ndarray,
        views: np.ndarray,
        memories: np.ndarray | None,
        policies: np.ndarray | None,
        values: np.ndarray,
    ) -> None:
        """Keep what `seats` saw at this tick until their rounds end; at most one of a seat.

        Without `policies` they only watched: their values are taught and nothing else.
        """
        for seat in np.unique(seats):
            mine = np.flatnonzero(seats == seat)
            where = (rows[mine], self.count[rows[mine]])
            new: np.ndarray = np.zeros(len(mine), self.waiting.dtype)
            new["view"] = views[mine]
            if memories is not None:
                new["memory"] = memories[mine]
            new["mask"] = self.masks[rows[mine], seat]
            if policies is not None:
                new["policy"] = policies[mine]
            new["root"] = values[mine, seat]
            new["seat"], new["round"] = seat, self.numbers[rows[mine]]
            new["players"] = self.game.spec.num_players
            self.waiting[where] = new
            self.count[rows[mine]] += 1

    def save(self) -> dict[str, Any]:
        """Everything the next decision depends on, as plain data."""
        kept = [self.waiting[row, : self.count[row]].tobytes() for row in range(len(self.states))]
        arrays = (self.states, self.streams, self.numbers, self.lengths, self.sound, self.memories)
        return {
            "begun": self.begun,
            "finished": self.finished,
            "arrays": [each.tobytes() for each in arrays],
            "waiting": kept,
        }

    def load(self, saved: dict[str, Any]) -> None:
        """Go on where `save` was called; `ValueError` if it is of other tables."""
        self.begun, self.finished = int(saved["begun"]), int(saved["finished"])
        arrays = (self.states, self.streams, self.numbers, self.lengths, self.sound, self.memories)
        if len(saved["waiting"]) != len(self.states):
            raise ValueError("the saved rounds are of another number of games")
        for array, content in zip(arrays, saved["arrays"], strict=True):
            array[...] = np.frombuffer(content, array.dtype).reshape(array.shape)
        for row, content in enumerate(saved["waiting"]):
            kept = np.frombuffer(content, self.waiting.dtype)
            self.count[row] = len(kept)
            self.waiting[row, : len(kept)] = kept
        self.game.observe(self.states, self.views, self.masks, self.memories)


def _lowest(masks: np.ndarray) -> np.ndarray:
    """The lowest legal action of packed `masks` [..., mask_bytes], int32; 0 where there is none."""
    bits = np.unpackbits(masks, axis=-1, bitorder="little")
    return bits.argmax(axis=-1).astype(np.int32)


def _count(
    out: Generated, searcher: Searcher, result: SearchResult, sound: np.ndarray, rows: np.ndarray
) -> None:
    sound[rows[result.leaves + result.terminals < searcher.budget]] = False
    out.decisions += len(rows)
    out.simulations += searcher.budget * len(rows)
    out.leaves += int(result.leaves.sum())
    out.changed += float(np.abs(result.policy - result.prior).sum() / 2)
    policy = result.policy
    out.entropy -= float((policy * np.log(np.maximum(policy, 1e-12))).sum())


class SelfPlay:
    """One worker: its tables, and how far it has come."""

    def __init__(self, tables: Sequence[Deals], config: SelfPlayConfig, worker: int, seed: int) -> None:
        games = (config.games + worker) // config.workers
        self.config = config
        self.tables = [
            Table(
                deals,
                max(1, round(deals.share * games)),
                _key(seed, worker, number),
                (worker * len(tables) + number, config.workers * len(tables)),
                unlearned_evaluator(deals.game) if config.adjudicate else None,
            )
            for number, deals in enumerate(tables)
        ]
        self.rounds = 0
        """Rounds finished in the stretch that is being played; others may read it."""

    def play(self, rounds: int, searchers: Sequence[Searcher], stop: Callable[[], bool]) -> Generated:
        """Play until `rounds` more rounds have ended, and return their examples.

        The table that is furthest behind its share goes on. Where `stop` says so, what has ended so far
        is returned early: then the result depends on the moment, so only a run that is given up may ask.
        """
        self.rounds = 0
        out = Generated(np.zeros(0, self.tables[0].waiting.dtype))
        emitted: list[np.ndarray] = []
        while out.rounds < rounds and not stop():
            table, searcher = self._furthest_behind(searchers)
            began = time.perf_counter()
            emitted += table.settle(out)
            out.seconds["engine"] += time.perf_counter() - began
            table.decide(searcher, self.config, out)
            emitted += table._finish(out)
            table.game.observe(table.states, table.views, table.masks, table.memories)
            self.rounds = out.rounds
        if emitted:
            out.examples = np.concatenate(emitted)
        return out

    def _furthest_behind(self, searchers: Sequence[Searcher]) -> tuple[Table, Searcher]:
        total = sum(table.finished for table in self.tables)
        behind = [table.deals.share * (total + 1) - table.finished for table in self.tables]
        chosen = max(range(len(behind)), key=behind.__getitem__)
        return self.tables[chosen], searchers[chosen]

    def save(self) -> bytes:
        """The worker's whole state."""
        return msgspec.msgpack.encode([table.save() for table in self.tables])

    def load(self, content: bytes) -> None:
        """Go on where `save` was called; `ValueError` if it is of another worker."""
        saved = msgspec.msgpack.decode(content)
        if len(saved) != len(self.tables):
            raise ValueError("the saved self-play is of another number of tables")
        for table, each in zip(self.tables, saved, strict=True):
            table.load(each)


def _key(seed: int, worker: int, number: int) -> int:
    return int(np.random.SeedSequence([seed, worker, number]).generate_state(1, np.uint64)[0] >> np.uint64(1))
