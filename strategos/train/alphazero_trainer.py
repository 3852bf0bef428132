"""AlphaZero with everything it depends on: self-play with search, memory, learner, champion, ratings.

An iteration is short: a few hundred rounds of the champion, then as many optimiser steps as the reuse
limit allows; every few iterations the averaged weights ask for the champion's place. The weights that play
are always the champion's; the learner goes on from its own, whatever the gate says.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Sequence
from concurrent.futures import wait
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load, save
from torch import Tensor

from strategos.games.rng import derive
from strategos.games.spec import Game
from strategos.learn.alphazero import AlphaZero, Examples
from strategos.memory.ring import Ring
from strategos.memory.shards import Shards
from strategos.memory.statistics import RingStatistics, ring_statistics
from strategos.memory.symmetry import augment, make_symmetry
from strategos.play.checkpoint_files import WEIGHTS_FILE
from strategos.play.evaluators import unlearned_evaluator
from strategos.play.evaluators.mixed import MixedEvaluator
from strategos.play.evaluators.network import NetworkEvaluator
from strategos.play.exploitability import agent_exploitability
from strategos.play.network import NetworkPolicy, build_network, make_encoder
from strategos.play.search import Evaluator
from strategos.play.searcher import Searcher
from strategos.play.try_out import try_out
from strategos.train.agreement import Agreement
from strategos.train.alphazero_tables import MemoryConfig
from strategos.train.champions import Champions
from strategos.train.config import ConfigError, TrainConfig
from strategos.train.deals import Deals, first_kind, make_deals
from strategos.train.devices import WorkerThreads, choose_device, plain_tensors
from strategos.train.duel import Duel, Maker, deal_keys, joined, play_duel
from strategos.train.networks import describe_trained
from strategos.train.opponents import load_opponent
from strategos.train.outcomes import outcomes_of
from strategos.train.self_play import Generated, SelfPlay, example_dtype
from strategos.train.trainers import Clock, Evaluation, Tell

_RAW_WEIGHTS, _OPTIMISER, _CHAMPIONS, _SELF_PLAY, _MEMORY = (
    "weights.safetensors",
    "optimiser.safetensors",
    "champions.safetensors",
    "self_play.msgpack",
    "memory.safetensors",
)
EXAMPLES_FOLDER = "examples"
_GATES, _RATINGS, _EVALUATIONS = range(1, 4)
_POLL_S = 0.5
_CHUNK = 64
"""Minibatches that are drawn from the memory together."""
_JUDGED = 4096
"""New examples on which the network is judged before it learns from them; at most so many."""


class AlphaZeroTrainer:
    """A run in progress."""

    gated = True

    def __init__(self, config: TrainConfig) -> None:
        self.config = config
        self.total_samples = config.samples
        self.samples = self.iteration = 0
        self.unsteady_iterations = config.self_play.bootstrap + 1
        self.steady_iterations = config.gate.every  # one of them has a test of the gate in it
        self.tables = make_deals(config)
        for name in config.evaluation.against:
            load_opponent(name)  # a mistake is told now
        self.opponents: dict[str, Maker] = {
            name: partial(load_opponent, name) for name in config.evaluation.against
        }
        self.device = choose_device(config.device)
        self.threads = WorkerThreads(self.device, config.self_play.workers)
        try:
            self._begin()
        except BaseException:
            self.threads.close()
            raise

    def _begin(self) -> None:
        """Make everything that learns and plays."""
        config, workers = self.config, self.config.self_play.workers
        torch.manual_seed(config.seed)
        self._make_networks()
        self._check_searches()
        self.workers = [
            SelfPlay(self.tables, config.self_play, worker, config.seed) for worker in range(workers)
        ]
        self.memory = _make_memory(config.memory, self.tables[0].game)
        self.symmetry = make_symmetry(self.tables[0].game) if config.memory.symmetry else None
        self.rng = np.random.default_rng([config.seed, 0x6C6561])
        self.agreement = Agreement(self.tables[0], config.search, config.seed)
        self._statistics: RingStatistics | None = None

    def _check_searches(self) -> None:
        """`ConfigError` for a search that the game does not allow, before anything is compiled."""
        try:
            for table in self.tables:
                self.searcher(table, bootstrap=self.bootstrapping)
        except ValueError as error:
            raise ConfigError(f"search: {error}") from None

    def _make_networks(self) -> None:
        """The learner's network, and the champion, which begins as its copy."""
        config = self.config
        self.outcomes = outcomes_of(self.tables[0].game)
        self.description = describe_trained(config, self.tables[0].game.spec)
        if config.alphazero.root_share > 0 and self.description["kind"] == "cards":
            raise ConfigError("alphazero.root_share must be 0: a card network is taught points, not values")
        self.network = build_network(self.description).to(self.device)
        self.encode = make_encoder(
            self.description["planes"], self.device, bool(self.description.get("bfloat16"))
        )
        self.champions = Champions(self.description, self.encode, self.device, config.gate)
        self.champions.network.load_state_dict(self.network.state_dict())
        self.learner = AlphaZero(
            self.network, self.config.alphazero, device=self.device, executor=self.threads.learning
        )

    @property
    def progress(self) -> float:
        """How far the run is, from 0 to 1; every schedule follows it."""
        return min(1.0, self.samples / self.total_samples)

    @property
    def bootstrapping(self) -> bool:
        """Whether searches still do without the network."""
        return self.iteration < self.config.self_play.bootstrap

    def searcher(self, table: Deals, *, bootstrap: bool) -> Searcher:
        """A search for self-play at a table, for one thread."""
        config, settings = self.config, self.config.self_play
        if not bootstrap:
            judge: Evaluator = NetworkEvaluator(table.game, self.champions.network, self.encode)
            if settings.unlearned_share > 0:
                other = unlearned_evaluator(table.game, settings.playouts)
                judge = MixedEvaluator(judge, other, 1 - settings.unlearned_share)
            return Searcher(table.game, config.search, judge)
        search = replace(
            config.search,
            worlds=settings.bootstrap_worlds,
            simulations=settings.bootstrap_simulations,
            beliefs="uniform",  # there is no network yet to weigh them by
        )
        return Searcher(table.game, search, unlearned_evaluator(table.game))

    def warm_up(self) -> None:
        """Compile what the run will need by playing throw-away rounds; `PolicyError` where a bot cannot."""
        try_out(self.tables[0].game, [opponent() for opponent in self.opponents.values()])
        settings = replace(self.config.self_play, games=2, workers=1)
        tables = [replace(table, tick_limit=min(table.tick_limit, 4)) for table in self.tables]
        for bootstrap in {False, self.bootstrapping}:
            searchers = [self.searcher(table, bootstrap=bootstrap) for table in tables]
            SelfPlay(tables, settings, 0, 0).play(1, searchers, lambda: False)
        for opponent in self.opponents.values():
            play_duel(tables[0], opponent(), self.agent(), deal_keys(0, 0, 1))

    def iterate(self, clock: Clock, tell: Tell) -> dict[str, Any]:
        """Play, learn, test the candidate when it is time, and return metrics."""
        began = clock()
        bootstrapping = self.bootstrapping
        generated = self._generate(tell)
        new = np.concatenate([each.examples for each in generated])
        self.memory.append(new)
        self.samples = self.memory.written
        played_at = clock()
        judged = self.learner.judge(self._examples(new[:: -(-len(new) // _JUDGED)])) if len(new) else {}
        learned = self._learn(tell)
        self.iteration += 1
        metrics = self._report(generated, played_at - began) | judged | learned
        metrics |= {"bootstrap": float(bootstrapping), "time/learning": clock() - played_at}
        if self._gate_is_due():
            tested_at = clock()
            metrics |= self._gate(tell)
            metrics["time/gate"] = clock() - tested_at
        metrics["champion"] = float(len(self.champions.history))
        return metrics

    def _generate(self, tell: Tell) -> list[Generated]:
        """Every worker plays its part of the iteration's rounds; in the order of the workers."""
        wanted, count = self.config.self_play.rounds, len(self.workers)
        given_up = threading.Event()

        def work(number: int) -> Generated:
            searchers = [self.searcher(table, bootstrap=self.bootstrapping) for table in self.tables]
            rounds = (wanted + number) // count
            return self.workers[number].play(rounds, searchers, given_up.is_set)

        futures = [self.threads.executor.submit(work, number) for number in range(count)]
        try:
            left: set = set(futures)
            while left:
                left = wait(left, _POLL_S)[1]
                rounds = sum(worker.rounds for worker in self.workers)
                tell(f"self-play, {rounds:,} of {wanted:,} rounds", rounds / wanted)
        finally:
            given_up.set()  # after an error or a second Ctrl-C nobody waits for the rest
        return [future.result() for future in futures]

    def _learn(self, tell: Tell) -> dict[str, float]:
        """As many optimiser steps as the reuse limit allows; nothing while there are too few examples."""
        config, memory = self.config.memory, self.memory
        minibatch = self.config.alphazero.minibatch
        steps = int(config.reuse * memory.written - memory.draws) // minibatch
        if len(memory) < config.least or steps < 1:
            return {}
        rows: list[dict[str, float]] = []
        done = 0
        while done < steps:
            tell(f"learning, {done:,} of {steps:,} steps", done / steps)
            count = min(_CHUNK, steps - done)
            rows.append(self._update(count * minibatch))
            done += count
        row = {key: float(np.mean([each[key] for each in rows])) for key in rows[0]}
        return row | {key: rows[-1][key] for key in ("learning_rate", "optimiser_steps")}

    def _update(self, count: int) -> dict[str, float]:
        """Learn once from each of `count` examples of the memory."""
        config = self.config.memory
        if config.sampling == "prioritized":
            drawn = self.memory.sample_by_priority(self.rng, count, beta=config.beta)
        else:
            drawn = self.memory.sample(self.rng, count)
        examples = self._examples(augment(drawn.examples, self.symmetry, self.rng), drawn.weights)
        row = self.learner.update(examples, self.progress, self.rng)
        if config.sampling == "prioritized":
            # A network that knows an example by heart would never see it again at 0.
            self.memory.update_priorities(drawn.numbers, examples.losses + 1e-3)
        return row

    def _examples(self, drawn: np.ndarray, weights: np.ndarray | None = None) -> Examples:
        """Records of the memory as what the learner reads."""
        memories = drawn["memory"] if "memory" in (drawn.dtype.names or ()) else None
        views, masks = drawn["view"], drawn["mask"]

        def observe(rows: np.ndarray) -> Tensor:
            return self.encode(views[rows], masks[rows], None if memories is None else memories[rows])

        targets = self.outcomes.targets(drawn)
        return Examples(observe=observe, masks=masks, policy=drawn["policy"], weights=weights, **targets)

    def _gate_is_due(self) -> bool:
        """Every so many iterations, but not before the learner has learned anything new."""
        history = self.champions.history
        taken = history[-1]["optimiser_steps"] if history else 0
        return self.iteration % self.config.gate.every == 0 and self.learner.optimiser.steps > taken

    def _gate(self, tell: Tell) -> dict[str, Any]:
        """Test the averaged weights against the champion; accept, archive and rate, or keep what is."""
        tell("testing the candidate", 0.0)
        champions, run = self.champions, self.threads.executor.map
        seed = self._seed(_GATES, champions.tests)
        candidate, result = champions.test(self.learner.optimiser.average.average, self.tables, seed, run)
        metrics = {f"gate/{key}": float(value) for key, value in asdict(result).items()}
        if result.accepted:
            champions.promote(candidate, result, self.samples, self.learner.optimiser.steps)
            seed = self._seed(_RATINGS, len(champions.history))
            metrics |= champions.rate(self.tables, self.opponents, seed, run, tell)
        return metrics

    def _seed(self, purpose: int, number: int) -> int:
        return derive(derive(self.config.seed, purpose), number)

    def agent(self, temperature: float | None = None) -> NetworkPolicy:
        """The champion, without search."""
        player = self.champions.player()
        if temperature is not None:
            player.temperature = temperature
        return player

    def evaluate(self) -> Evaluation | None:
        """The champion without search at a table of each bot, on the first kind of deals.

        The deals are the same at every evaluation, so that the curve shows the agent and not the cards.
        """
        config = self.config.evaluation
        if config.every < 0:
            return None
        table = first_kind(self.tables[0])
        deals = max(2, -(-config.games // table.game.spec.num_players))
        keys = deal_keys(self._seed(_EVALUATIONS, 0), 0, deals)
        agent = self.agent(config.temperature)
        row: dict[str, Any] = {"games": deals * table.game.spec.num_players}
        scores = {}
        for name, opponent in self.opponents.items():

            def play(part: np.ndarray, opponent: Maker = opponent) -> Duel:
                return play_duel(table, agent, opponent(), part, int(part[0]))

            duel = joined(list(self.threads.executor.map(play, np.array_split(keys, 2))))
            low, high = duel.interval()
            scores[name] = duel.points
            row |= {f"points/{name}": duel.points, f"points_low/{name}": low, f"points_high/{name}": high}
            if self.outcomes.makes_bids:
                row |= {f"score/{name}": duel.score, f"exact/{name}": duel.exact}
        exact = agent_exploitability(table.game, agent)
        row |= {} if exact is None else {"exploitability": exact}
        row |= self.agreement.measure(self.champions.network, self.encode)
        return Evaluation(row, scores)

    def _report(self, generated: Sequence[Generated], seconds: float) -> dict[str, Any]:
        rounds = sum(each.rounds for each in generated)
        decisions = max(1, sum(each.decisions for each in generated))
        simulations = max(1, sum(each.simulations for each in generated))
        seats = max(1, sum(each.seats for each in generated))
        examples = max(1, sum(len(each.examples) for each in generated))
        parts = {part for each in generated for part in each.seconds}
        report: dict[str, Any] = {
            f"collect/{part}": sum(each.seconds[part] for each in generated) / len(generated)
            for part in sorted(parts)
        }
        report |= {
            "rounds": rounds,
            "rounds_per_minute": rounds / max(seconds, 1e-9) * 60,
            "simulations_per_second": simulations / max(seconds, 1e-9),
            "checked_rounds": sum(each.checked_rounds for each in generated) / max(1, rounds),
            "distinct_leaves": sum(each.leaves for each in generated) / simulations,
            "search_change": sum(each.changed for each in generated) / decisions,
            "search_entropy": sum(each.entropy for each in generated) / decisions,
            "search_value_error": sum(each.error for each in generated) / examples,
        }
        if self.outcomes.makes_bids:
            report["exact_bids"] = sum(each.exact for each in generated) / seats
            report["mean_score"] = sum(each.score for each in generated) / seats
        self._statistics = ring_statistics(
            self.memory, games="round", values="scores", before=self._statistics
        )
        return report | self._statistics.metrics()

    def state_files(self, folder: Path) -> tuple[dict[str, bytes], dict[str, Any]]:
        """Everything the next iteration depends on; new examples are appended to shards in `folder`."""
        self.memory.store(Shards(folder / EXAMPLES_FOLDER, self.memory.dtype))
        champion, archived, champions = self.champions.save()
        files = {
            _RAW_WEIGHTS: save(plain_tensors(self.network.state_dict())),
            WEIGHTS_FILE: champion,
            _OPTIMISER: save(plain_tensors(self.learner.optimiser.state_tensors())),
            _MEMORY: self.memory.state(),
        }
        for number, worker in enumerate(self.workers):
            files[f"{number}.{_SELF_PLAY}"] = worker.save()
        if archived is not None:
            files[_CHAMPIONS] = archived
        meta = {
            "network": self.description,
            "iteration": self.iteration,
            "total_samples": self.total_samples,
            "champions": champions,
            "rng": self.rng.bit_generator.state,
        }
        return files, json.loads(json.dumps(meta))

    def load_state(self, files: dict[str, bytes], meta: dict[str, Any], folder: Path) -> None:
        """Go on exactly where `state_files` was called; `ValueError` if it belongs to another run."""
        self.network.load_state_dict(load(files[_RAW_WEIGHTS]))
        self.champions.load(files[WEIGHTS_FILE], files.get(_CHAMPIONS), meta["champions"])
        self.learner.optimiser.load_state_tensors(load(files[_OPTIMISER]))
        self.memory.restore(files[_MEMORY], Shards(folder / EXAMPLES_FOLDER, self.memory.dtype))
        self._statistics = ring_statistics(self.memory)  # the next report is of the draws since then
        for number, worker in enumerate(self.workers):
            worker.load(files[f"{number}.{_SELF_PLAY}"])
        self.samples, self.iteration = int(meta["samples"]), int(meta["iteration"])
        self.total_samples = int(meta["total_samples"])
        self.rng.bit_generator.state = meta["rng"]

    def forget_before(self, folder: Path, samples: int) -> None:
        """Remove stored examples that no checkpoint from `samples` on needs."""
        oldest = samples - self.config.memory.capacity
        Shards(folder / EXAMPLES_FOLDER, self.memory.dtype).prune(max(0, oldest))

    def close(self) -> None:
        """Let the worker threads go."""
        self.threads.close()


def _make_memory(config: MemoryConfig, game: Game) -> Ring:
    """The replay memory of a game's examples; `ConfigError` where there is no room for it."""
    alpha = config.alpha if config.sampling == "prioritized" else None
    try:
        return Ring(example_dtype(game), config.capacity, config.folder or None, alpha=alpha)
    except (OSError, MemoryError) as error:
        where = f"memory.folder = {config.folder!r}" if config.folder else "the machine's memory"
        raise ConfigError(f"no room for memory.capacity = {config.capacity} in {where}: {error}") from None
