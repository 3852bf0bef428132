"""PPO with everything it depends on: one iteration at a time, and its whole state as bytes."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import torch
from safetensors.torch import load, save
from torch import nn

from strategos.engine.batch import Batch
from strategos.games.spec import Game
from strategos.league.matchmaking import Draw
from strategos.league.roles import MAIN
from strategos.league.seating import PAST, PEERS, Seating, arrange
from strategos.learn.maths import anneal
from strategos.learn.ppo import PPO
from strategos.play.agents import load_policy
from strategos.play.checkpoint_files import WEIGHTS_FILE
from strategos.play.exploitability import EXPLOITABILITY, agent_exploitability
from strategos.play.match import play_match
from strategos.play.network import NetworkPolicy, make_encoder
from strategos.play.policy import Policy
from strategos.play.try_out import try_out
from strategos.ratings.payoff import Result
from strategos.train.actor import Actor
from strategos.train.arena import Arena
from strategos.train.config import BoardConfig, TrainConfig, to_dict
from strategos.train.curriculum import BOARD_KEYS, Curriculum, make_board_game
from strategos.train.devices import WorkerThreads, choose_device, plain_tensors
from strategos.train.league import League
from strategos.train.networks import describe_trained
from strategos.train.opponents import load_opponent
from strategos.train.rollout import Collected, CollectSettings, collect
from strategos.train.trainers import Clock, Evaluation, Tell

_GENERATORS, _GAMES = "generators.safetensors", "games.msgpack"
_NOISE = 0.02
"""Of the share won in a few dozen games."""


class PPOTrainer:
    """A run in progress: the agents of its league, games, random streams, curriculum, counters."""

    unsteady_iterations, steady_iterations = 4, 8
    gated = False

    def __init__(self, config: TrainConfig) -> None:
        self.config = config
        self.evaluation_game = self._make_evaluation_game()
        self.opponents = {name: load_policy(name) for name in config.evaluation.against}
        shared = {*config.rollout.bots, *(name for stage in config.stages for name in stage.bots or ())}
        names = sorted({*shared, *config.league.bots})
        # An agent among them looks from one side, as the learner does: all eight take eight times as long.
        self.bots: dict[str, Policy] = {name: load_opponent(name, symmetries=False) for name in names}
        self.teacher = load_opponent(config.rollout.teacher) if config.rollout.teacher else None
        self.total_samples = config.samples
        self.samples = self.iteration = 0
        self.curriculum = Curriculum(config.stages)
        self.device = choose_device(config.device)
        self.threads = WorkerThreads(self.device, config.rollout.workers)
        try:
            self._begin(shared)
        except BaseException:
            self.threads.close()
            raise

    def _begin(self, shared: set[str]) -> None:
        """Make everything that learns and plays; the bots in `shared` have a share of the games."""
        config, workers = self.config, self.config.rollout.workers
        torch.manual_seed(config.seed)
        self._make_games()
        self.description = describe_trained(config, self.games[0].spec)
        self.encode = make_encoder(self.description["planes"], self.device, config.net.bfloat16)
        self.league = League(
            config.league, shared, self.description, to_dict(config.game), self.device, self._make_ppo
        )
        streams = np.random.SeedSequence(config.seed).spawn(workers + 1)
        self.rng = np.random.default_rng(streams[0])
        self.worker_rngs = [np.random.default_rng(stream) for stream in streams[1:]]
        self.generators = [self._generator(worker) for worker in range(workers)]
        self._make_arenas()

    @property
    def progress(self) -> float:
        """How far the run is, from 0 to 1; every schedule follows it."""
        return min(1.0, self.samples / self.total_samples)

    def _generator(self, worker: int) -> torch.Generator | None:
        if self.device.type == "cpu":
            return None
        return torch.Generator(self.device).manual_seed(self.config.seed * 1000 + worker)

    def _make_ppo(self, network: nn.Module) -> PPO:
        return PPO(
            network,
            self.config.ppo,
            device=self.device,
            executor=self.threads.learning,
            compiled=self.config.compile,
        )

    def _make_games(self) -> None:
        boards = self.curriculum.now.boards
        self.games = [make_board_game(self.config.game, board) for board in boards]

    def _make_arenas(self) -> None:
        config, workers, stage = self.config, self.config.rollout.workers, self.curriculum.stage
        limit = self.curriculum.now.tick_limit
        self.arenas: list[list[Arena]] = []
        for worker in range(workers):
            num_games = (config.rollout.games + worker) // workers
            self.arenas.append([])
            for board, game in enumerate(self.games):
                moves = [len(self.curriculum.history)] if self.curriculum.by_wins else []
                stream = np.random.SeedSequence([config.seed, stage, worker, board, *moves])
                batch = Batch(
                    game,
                    num_games,
                    seed=int(stream.generate_state(1)[0]),
                    threads=1,
                    tick_limit=config.game.tick_limit if limit is None else limit,
                    autoreset="same_step",
                )
                batch.reset()
                self.arenas[worker].append(self._arena(batch))

    def _arena(self, batch: Batch) -> Arena:
        names = [learner.name for learner in self.league.learners]
        return Arena(batch, self._seating(batch), names, self.config.league.opponents)

    def _seating(self, batch: Batch) -> Seating:
        teams = batch.game.options.get("teams") or range(batch.game.spec.num_players)
        shares = [self._shares(learner.role) for learner in self.league.learners]
        return arrange(batch.num_games, tuple(teams), shares, len(self.league.mains))

    def _shares(self, role: str) -> dict[str, float]:
        """Of the games of an agent, those that are not against itself."""
        if role != MAIN:
            return {PAST: 1.0}
        stage, league = self.curriculum.now, self.config.league
        bots = self.config.rollout.bots if stage.bots is None else stage.bots
        more = {PAST: league.past, PEERS: league.peers}
        return {**bots, **{kind: share for kind, share in more.items() if share > 0}}

    def _make_evaluation_game(self) -> Game | None:
        """What is played in the evaluations; nothing where they are exact."""
        config = self.config.evaluation
        if config.every < 0 or self.config.game.name in EXPLOITABILITY:
            return None
        game, sides = self.config.game, len(set(self.config.game.teams or ()))
        if game.teams is not None:  # by turns, so that teams stay together when matches rotate the seats
            game = replace(game, teams=tuple(seat % sides for seat in range(game.players)))
        return make_board_game(game, BoardConfig(config.height, config.width))

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
        first = self.league.learners[0]
        kinds = dict.fromkeys([*self.bots, PAST], 1 / (2 + len(self.bots)))
        actor = Actor({first.name: first.network}, self.encode, self._generator(0))
        for game in [*games, *more]:
            batch = Batch(game, 4 * (2 + len(self.bots)), threads=1, tick_limit=1, autoreset="same_step")
            batch.reset()
            seating = arrange(batch.num_games, range(game.spec.num_players), [kinds], 1)
            arena = Arena(batch, seating, [first.name])
            collect(arena, actor, self.bots, [Draw()], np.random.default_rng(0), settings)

    def iterate(self, clock: Clock, tell: Tell | None = None) -> dict[str, Any]:
        """Collect, learn, and return metrics; an iteration is short, so there is nothing to `tell`."""
        if self.curriculum.move(self.progress, self.samples):
            self._make_games()
            self._make_arenas()
        progress = self.progress
        collected = self._collect(progress)
        collected_at = clock()
        metrics = self._learn(collected, progress)
        self.iteration += 1
        metrics |= self._report(collected)
        self.league.advance(self.progress, self.samples, self.rng)
        metrics |= self.league.metrics() | self.curriculum.metrics()
        return metrics | {"time/learning": clock() - collected_at}

    def _collect(self, progress: float) -> list[Collected]:
        rollout, stage = self.config.rollout, self.curriculum.now
        boards = range(len(self.games))
        if not rollout.together:
            boards = range(self.iteration % len(boards), self.iteration % len(boards) + 1)
        shaping = anneal(rollout.shaping, 0.0, progress / max(rollout.shaping_until, 1e-9))
        settings = CollectSettings(
            ticks=rollout.ticks,
            gamma=self.config.ppo.gamma,
            trace=self.config.ppo.trace,
            shaping=shaping if stage.shaping is None else stage.shaping,
            limit_value=self.config.game.limit_value,
        )
        draws = self.league.draws()
        expected = {name for arenas in self.arenas for arena in arenas for name in arena.expected}
        networks = self.league.networks({*expected, *(name for draw in draws for name in draw.names)})
        first = self.league.learners[0]
        teacher = self.teacher if first.ppo.teacher_weight(progress) > 0 else None

        def work(worker: int) -> list[Collected]:
            actor = Actor(networks, self.encode, self.generators[worker])
            rng = self.worker_rngs[worker]
            return [
                collect(self.arenas[worker][board], actor, self.bots, draws, rng, settings, teacher)
                for board in boards
            ]

        self.shaping = settings.shaping
        return [each for part in self.threads.executor.map(work, range(rollout.workers)) for each in part]

    def _learn(self, collected: Sequence[Collected], progress: float) -> dict[str, float]:
        """Let every agent learn from its own experience; the means of the main agents' metrics."""
        found: dict[str, list[float]] = defaultdict(list)
        for place, learner in enumerate(self.league.learners):
            shards = [each.shards[place] for each in collected if len(each.shards[place])]
            if not shards:
                continue
            metrics = learner.ppo.update(shards, progress, self.rng)
            self.samples += sum(len(shard) for shard in shards)
            for name, value in metrics.items() if learner.role == MAIN else ():
                found[name].append(value)
        return {name: float(np.mean(values)) for name, values in found.items()}

    def _report(self, collected: Sequence[Collected]) -> dict[str, Any]:
        results = [result for each in collected for result in each.results]
        seconds: dict[str, float] = defaultdict(float)
        for each in collected:
            for part, spent in each.seconds.items():
                seconds[part] += spent / self.config.rollout.workers
        self.league.record(results)
        lengths = [length for each in collected for length in each.lengths]
        report: dict[str, Any] = {f"collect/{part}": spent for part, spent in seconds.items()}
        report["shaping"] = self.shaping
        report["games_ended"] = len(lengths)
        if lengths:
            report["game_ticks"] = float(np.mean(lengths))
        return report | self._count_wins(results)

    def _count_wins(self, results: Sequence[Result]) -> dict[str, float]:
        """The main agents' share of wins by the kind of opponent; the curriculum counts them, too.

        Among peers one of two who learn wins, which says nothing of either.
        """
        kinds: dict[str, list[Result]] = defaultdict(list)
        mains, learners = ({each.name for each in some} for some in (self.league.mains, self.league.learners))
        for result in results:
            if result.first in mains and result.second not in learners:
                kinds[self.league.kind_of(result.second)].append(result)
        against = self.curriculum.now.against
        counting = [result for kind in kinds if against in ("", kind) for result in kinds[kind]]
        if counting:
            self.curriculum.count(
                sum(result.games for result in counting), sum(result.wins for result in counting)
            )
        return {
            f"rollout_win/{kind}": sum(each.wins for each in some) / sum(each.games for each in some)
            for kind, some in sorted(kinds.items())
        }

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
            return None if exact is None else Evaluation({"exploitability": exact}, score=-exact)
        players = game.spec.num_players
        teams = game.options.get("teams") or range(players)
        games = -(-config.games // players) * players

        def against(opponent: Policy) -> tuple[float, float, float]:
            result = play_match(
                game,
                [agent if team == teams[0] else opponent for team in teams],
                num_games=games,
                seed=self.config.seed,
                tick_limit=config.tick_limit,
                paired=True,
                threads=1,
            )
            wins, draws, losses = (int(each[0]) for each in (result.wins, result.draws, result.losses))
            return wins / len(result.games), draws / len(result.games), losses / len(result.games)

        found = self.threads.executor.map(against, self.opponents.values())
        results = zip(self.opponents, found, strict=True)
        row: dict[str, Any] = {"games": games}
        if game.spec.name in BOARD_KEYS:
            row["board"] = f"{config.height}x{config.width}"
        scores = {}
        for name, (wins, draws, losses) in results:
            row |= {f"win/{name}": wins, f"draw/{name}": draws, f"loss/{name}": losses}
            scores[name] = wins
        return Evaluation(row, scores, float(np.mean([*scores.values()])), _NOISE)

    def agent(self, temperature: float = 1.0) -> NetworkPolicy:
        """The agent that is kept: the best main agent's averaged weights, in a network of their own."""
        network = self.league.best.averaged(self.league.build().eval())
        return NetworkPolicy(network, self.encode, name="agent", temperature=temperature)

    def state_files(self, folder: Path) -> tuple[dict[str, bytes], dict[str, Any]]:
        """Everything the next iteration depends on: files of a checkpoint, and its plain data.

        Members of the population are written once, below the run's `folder`.
        """
        files, league = self.league.save(folder)
        files[WEIGHTS_FILE] = save(plain_tensors(self.agent().network.state_dict()))
        files[_GAMES] = msgspec.msgpack.encode([[arena.save() for arena in each] for each in self.arenas])
        states = {str(i): each.get_state() for i, each in enumerate(self.generators) if each is not None}
        if states:
            files[_GENERATORS] = save(states)
        meta = {
            "network": self.description,
            "iteration": self.iteration,
            "total_samples": self.total_samples,
            "curriculum": self.curriculum.save(),
            "league": league,
            "rng": self.rng.bit_generator.state,
            "worker_rngs": [rng.bit_generator.state for rng in self.worker_rngs],
        }
        return files, json.loads(json.dumps(meta))

    def load_state(self, files: dict[str, bytes], meta: dict[str, Any], folder: Path) -> None:
        """Go on exactly where `state_files` was called; `ValueError` if it belongs to another run."""
        self.league.load(files, meta["league"], folder)
        self.samples, self.iteration = int(meta["samples"]), int(meta["iteration"])
        self.total_samples = int(meta["total_samples"])
        self.curriculum.load(meta["curriculum"])
        self._make_games()
        saved = msgspec.msgpack.decode(files[_GAMES])
        if len(saved) != self.config.rollout.workers or any(len(each) != len(self.games) for each in saved):
            raise ValueError("the saved games are of another number of workers or boards")
        self._make_arenas()
        for arenas, states in zip(self.arenas, saved, strict=True):
            for arena, state in zip(arenas, states, strict=True):
                arena.load(state)
        self.rng.bit_generator.state = meta["rng"]
        for rng, state in zip(self.worker_rngs, meta["worker_rngs"], strict=True):
            rng.bit_generator.state = state
        if _GENERATORS in files:
            drawn = load(files[_GENERATORS])
            for index, generator in enumerate(self.generators):
                if generator is not None:
                    generator.set_state(drawn[str(index)])

    def forget_before(self, folder: Path, samples: int) -> None:
        """Nothing: a checkpoint holds all there is."""

    def close(self) -> None:
        """Let the worker threads go."""
        self.threads.close()
