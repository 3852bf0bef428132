"""PPO with everything it depends on: one iteration at a time, and its whole state as bytes."""

from __future__ import annotations

import json
import os
from collections import defaultdict
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import torch
from safetensors.torch import load, save
from torch import Tensor

from strategos.engine.batch import Batch
from strategos.games.spec import Game
from strategos.learn.maths import anneal
from strategos.learn.ppo import PPO
from strategos.play.agents import WEIGHTS_FILE, load_policy
from strategos.play.exploitability import agent_exploitability
from strategos.play.match import play_match
from strategos.play.network import NetworkPolicy, build_network, describe_network, make_encoder
from strategos.play.policy import Policy
from strategos.play.try_out import try_out
from strategos.train.config import BoardConfig, TrainConfig
from strategos.train.curriculum import make_board_game, stage_at
from strategos.train.devices import choose_device, one_thread_each, plain_tensors
from strategos.train.rollout import PAST, SELF, Actor, Arena, Collected, CollectSettings, Tally, collect
from strategos.train.trainers import Clock, Evaluation, Tell

_RAW_WEIGHTS, _OPTIMISER, _PAST_SELVES, _GENERATORS, _GAMES = (
    "weights.safetensors",
    "optimiser.safetensors",
    "past.safetensors",
    "generators.safetensors",
    "games.msgpack",
)


class PPOTrainer:
    """A run in progress: network, optimiser, games, random streams, past selves, counters."""

    unsteady_iterations, steady_iterations = 4, 8
    gated = False

    def __init__(self, config: TrainConfig) -> None:
        self.config = config
        self.evaluation_game = self._make_evaluation_game()
        self.opponents = {name: load_policy(name) for name in config.evaluation.against}
        self.total_samples = config.samples
        self.samples = self.iteration = 0
        self.device = choose_device(config.device)
        workers = config.rollout.workers
        torch.manual_seed(config.seed)
        self._threads_before = torch.get_num_threads()
        if self.device.type == "cpu":
            torch.set_num_threads(1)  # the shards are the threads
        self.executor = ThreadPoolExecutor(
            min(workers, os.cpu_count() or 1), initializer=one_thread_each, initargs=(self.device.type,)
        )
        self._make_games(0)
        spec = self.games[0].spec
        options = {
            "channels": config.net.channels,
            "blocks": config.net.blocks,
            "global_pooling": config.net.global_pooling,
            "attention": config.net.attention,
            "heads": config.net.heads,
            "bfloat16": config.net.bfloat16,
        }
        builds = spec.name == "generals" and config.game.ruleset == "competition"
        self.description = describe_network(spec, config.net.planes, builds, **options)
        self.network = build_network(self.description).to(self.device)
        self.encode = make_encoder(self.description["planes"], self.device, config.net.bfloat16)
        side_by_side = self.executor if self.device.type == "cpu" else None
        self.ppo = PPO(
            self.network, config.ppo, device=self.device, executor=side_by_side, compiled=config.compile
        )
        self.past: list[list[Tensor]] = []
        self._past_network = build_network(self.description).to(self.device)
        streams = np.random.SeedSequence(config.seed).spawn(workers + 1)
        self.rng = np.random.default_rng(streams[0])
        self.worker_rngs = [np.random.default_rng(stream) for stream in streams[1:]]
        self.generators = [self._generator(worker) for worker in range(workers)]
        self.bots: dict[str, Policy] = {name: load_policy(name) for name in config.rollout.bots}
        self.teacher = load_policy(config.rollout.teacher) if config.rollout.teacher else None
        self._make_arenas()

    @property
    def progress(self) -> float:
        """How far the run is, from 0 to 1; every schedule follows it."""
        return min(1.0, self.samples / self.total_samples)

    def _generator(self, worker: int) -> torch.Generator | None:
        if self.device.type == "cpu":
            return None
        return torch.Generator(self.device).manual_seed(self.config.seed * 1000 + worker)

    def _make_games(self, stage: int) -> None:
        self.stage = stage
        boards = self.config.stages[stage].boards
        self.games = [make_board_game(self.config.game, board) for board in boards]

    def _make_arenas(self) -> None:
        config, workers = self.config, self.config.rollout.workers
        self.arenas: list[list[Arena]] = []
        for worker in range(workers):
            num_games = (config.rollout.games + worker) // workers
            self.arenas.append([])
            for board, game in enumerate(self.games):
                stream = np.random.SeedSequence([config.seed, self.stage, worker, board])
                batch = Batch(
                    game,
                    num_games,
                    seed=int(stream.generate_state(1)[0]),
                    threads=1,
                    tick_limit=config.game.tick_limit,
                    autoreset="same_step",
                )
                batch.reset()
                self.arenas[worker].append(Arena(batch, self._shares()))

    def _shares(self) -> dict[str, float]:
        rollout = self.config.rollout
        return {**rollout.bots, **({PAST: rollout.past} if rollout.past > 0 else {})}

    def _make_evaluation_game(self) -> Game | None:
        """The board of the evaluations; there are bots for Generals only."""
        config = self.config.evaluation
        if config.every < 0 or self.config.game.name != "generals":
            return None
        return make_board_game(self.config.game, BoardConfig(config.height, config.width))

    def warm_up(self) -> None:
        """Compile what the run will need, for every board of every stage and for the evaluations.

        Plays throw-away games; the state of the run does not change. `PolicyError` for a bot of other games.
        """
        teachers = [self.teacher] if self.teacher else []
        judges = self.opponents.values() if self.evaluation_game else []
        try_out(self.games[0], [*judges, *self.bots.values(), *teachers])
        more = [self.evaluation_game] if self.evaluation_game else []
        boards = [board for stage in self.config.stages for board in stage.boards]
        games = [make_board_game(self.config.game, board) for board in dict.fromkeys(boards)]
        settings = CollectSettings(ticks=2, gamma=1.0, trace=1.0, shaping=1.0)
        kinds = dict.fromkeys(self._shares(), 1 / (1 + len(self._shares())))
        for game in [*games, *more]:
            batch = Batch(game, 4 * (1 + len(kinds)), threads=1, tick_limit=1, autoreset="same_step")
            batch.reset()
            actor = Actor(self.network, self.encode, self._generator(0))
            opponents = self.bots | {PAST: NetworkPolicy(self.network, self.encode)}
            collect(Arena(batch, kinds), actor, opponents, np.random.default_rng(0), settings)

    def iterate(self, clock: Clock, tell: Tell | None = None) -> dict[str, Any]:
        """Collect, learn, and return metrics; an iteration is short, so there is nothing to `tell`."""
        stage = stage_at(self.config.stages, self.progress)
        if stage != self.stage:
            self._make_games(stage)
            self._make_arenas()
        progress = self.progress
        collected = self._collect(progress)
        collected_at = clock()
        shards = [each.shard for each in collected if len(each.shard)]
        metrics = self.ppo.update(shards, progress, self.rng)
        self.samples += sum(len(shard) for shard in shards)
        self.iteration += 1
        self._keep_past_self(progress)
        metrics |= self._report(collected)
        return metrics | {"time/learning": clock() - collected_at}

    def _collect(self, progress: float) -> list[Collected]:
        rollout = self.config.rollout
        boards = range(len(self.games))
        if not rollout.together:
            boards = range(self.iteration % len(boards), self.iteration % len(boards) + 1)
        settings = CollectSettings(
            ticks=rollout.ticks,
            gamma=self.config.ppo.gamma,
            trace=self.config.ppo.trace,
            shaping=anneal(rollout.shaping, 0.0, progress / max(rollout.shaping_until, 1e-9)),
            limit_value=self.config.game.limit_value,
        )
        opponents = self.bots | {PAST: self._past_policy()}
        teacher = self.teacher if self.ppo.teacher_weight(progress) > 0 else None

        def work(worker: int) -> list[Collected]:
            actor = Actor(self.network, self.encode, self.generators[worker])
            rng = self.worker_rngs[worker]
            return [
                collect(self.arenas[worker][board], actor, opponents, rng, settings, teacher)
                for board in boards
            ]

        self.shaping = settings.shaping
        return [each for part in self.executor.map(work, range(rollout.workers)) for each in part]

    def _past_policy(self) -> Policy:
        """One of the past selves, drawn anew for every iteration; oneself while there is none."""
        if not self.past:
            return NetworkPolicy(self.network, self.encode, name=PAST)
        chosen = self.past[int(self.rng.integers(len(self.past)))]
        with torch.no_grad():
            for parameter, value in zip(self._past_network.parameters(), chosen, strict=True):
                parameter.copy_(value)
        return NetworkPolicy(self._past_network, self.encode, name=PAST)

    def _keep_past_self(self, before: float) -> None:
        every = self.config.rollout.past_every
        if self.config.rollout.past <= 0 or int(before / every) == int(self.progress / every):
            return
        self.past.append([each.clone() for each in self.ppo.optimiser.average.average])
        if len(self.past) > self.config.rollout.past_kept:
            self.past.pop(int(self.rng.integers(len(self.past) - 1)))  # the newest always stays

    def _report(self, collected: Sequence[Collected]) -> dict[str, Any]:
        tallies: dict[str, Tally] = defaultdict(Tally)
        seconds: dict[str, float] = defaultdict(float)
        for each in collected:
            for kind, tally in each.tallies.items():
                tallies[kind].wins += tally.wins
                tallies[kind].draws += tally.draws
                tallies[kind].losses += tally.losses
            for part, spent in each.seconds.items():
                seconds[part] += spent / self.config.rollout.workers
        lengths = [length for each in collected for length in each.lengths]
        report: dict[str, Any] = {f"collect/{part}": spent for part, spent in seconds.items()}
        report["shaping"] = self.shaping
        report["games_ended"] = len(lengths)
        if lengths:
            report["game_ticks"] = float(np.mean(lengths))
        for kind, tally in sorted(tallies.items()):
            if kind != SELF and tally.games:
                report[f"rollout_win/{kind}"] = tally.wins / tally.games
        return report

    def evaluate(self) -> Evaluation | None:
        """Shares of wins, draws and losses of the averaged weights against each opponent, on paired boards.

        Without opponents the exact exploitability, in games small enough. Of more than two seats the opponent
        takes all but one; games are rounded up to whole boards. The boards are the same at every evaluation,
        so that the curve shows the agent and not the boards.
        """
        config, game = self.config.evaluation, self.evaluation_game
        agent = self.agent(config.temperature)
        if game is None:
            exact = agent_exploitability(self.games[0], agent) if config.every >= 0 else None
            return None if exact is None else Evaluation({"exploitability": exact})
        players = game.spec.num_players

        def against(opponent: Policy) -> tuple[float, float, float]:
            result = play_match(
                game,
                [agent] + [opponent] * (players - 1),
                num_games=-(-config.games // players) * players,
                seed=self.config.seed,
                tick_limit=config.tick_limit,
                paired=True,
                threads=1,
            )
            wins, draws, losses = (int(each[0]) for each in (result.wins, result.draws, result.losses))
            return wins / len(result.games), draws / len(result.games), losses / len(result.games)

        results = zip(self.opponents, self.executor.map(against, self.opponents.values()), strict=True)
        row: dict[str, Any] = {"games": config.games, "board": f"{config.height}x{config.width}"}
        scores = {}
        for name, (wins, draws, losses) in results:
            row |= {f"win/{name}": wins, f"draw/{name}": draws, f"loss/{name}": losses}
            scores[name] = wins
        return Evaluation(row, scores)

    def agent(self, temperature: float = 1.0) -> NetworkPolicy:
        """The agent that is kept: the averaged weights, in a network of their own."""
        network = build_network(self.description).to(self.device).eval()
        self.ppo.optimiser.average.copy_to(network.parameters())
        return NetworkPolicy(network, self.encode, name="agent", temperature=temperature)

    def state_files(self, folder: Path | None = None) -> tuple[dict[str, bytes], dict[str, Any]]:
        """Everything the next iteration depends on: files of a checkpoint, and its plain data."""
        average = self.agent().network.state_dict()
        files = {
            _RAW_WEIGHTS: save(plain_tensors(self.network.state_dict())),
            WEIGHTS_FILE: save(plain_tensors(average)),
            _OPTIMISER: save(plain_tensors(self.ppo.optimiser.state_tensors())),
            _GAMES: msgspec.msgpack.encode(
                [[arena.batch.save() for arena in arenas] for arenas in self.arenas]
            ),
        }
        if self.past:
            files[_PAST_SELVES] = save(
                plain_tensors(
                    {
                        f"{age}.{index}": each
                        for age, past in enumerate(self.past)
                        for index, each in enumerate(past)
                    }
                )
            )
        states = {str(i): each.get_state() for i, each in enumerate(self.generators) if each is not None}
        if states:
            files[_GENERATORS] = save(states)
        meta = {
            "network": self.description,
            "iteration": self.iteration,
            "total_samples": self.total_samples,
            "stage": self.stage,
            "past_selves": len(self.past),
            "rng": self.rng.bit_generator.state,
            "worker_rngs": [rng.bit_generator.state for rng in self.worker_rngs],
        }
        return files, json.loads(json.dumps(meta))

    def load_state(self, files: dict[str, bytes], meta: dict[str, Any], folder: Path | None = None) -> None:
        """Go on exactly where `state_files` was called; `ValueError` if it belongs to another run."""
        self.network.load_state_dict(load(files[_RAW_WEIGHTS]))
        self.ppo.optimiser.load_state_tensors(load(files[_OPTIMISER]))
        self.samples, self.iteration = int(meta["samples"]), int(meta["iteration"])
        self.total_samples = int(meta["total_samples"])
        if self.stage != meta["stage"]:
            self._make_games(int(meta["stage"]))
        saved = msgspec.msgpack.decode(files[_GAMES])
        if len(saved) != self.config.rollout.workers or any(len(each) != len(self.games) for each in saved):
            raise ValueError("the saved games are of another number of workers or boards")
        self.arenas = [
            [
                Arena(Batch.load(game, data, threads=1), self._shares())
                for game, data in zip(self.games, batches, strict=True)
            ]
            for batches in saved
        ]
        past = load(files[_PAST_SELVES]) if _PAST_SELVES in files else {}
        self.past = [
            [past[f"{age}.{index}"].to(self.device) for index in range(len(self.ppo.optimiser.parameters))]
            for age in range(int(meta["past_selves"]))
        ]
        self.rng.bit_generator.state = meta["rng"]
        for rng, state in zip(self.worker_rngs, meta["worker_rngs"], strict=True):
            rng.bit_generator.state = state
        if _GENERATORS in files:
            states = load(files[_GENERATORS])
            for index, generator in enumerate(self.generators):
                if generator is not None:
                    generator.set_state(states[str(index)])

    def forget_before(self, folder: Path, samples: int) -> None:
        """Nothing: a checkpoint holds all there is."""

    def close(self) -> None:
        """Let the worker threads go, and give torch its own back."""
        self.executor.shutdown()
        torch.set_num_threads(self._threads_before)
