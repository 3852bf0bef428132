"""What a training run is configured by: frozen dataclasses, and what is refused of them.

The field docs are the command line's help. Where a configuration is read and written: `config_files`.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from dataclasses import dataclass, field
from typing import Any

from strategos.engine.planes import PLANES
from strategos.games import GAMES
from strategos.league.roles import LeagueConfig, agents_of
from strategos.learn.alphazero import AlphaZeroConfig
from strategos.learn.ppo import PPOConfig
from strategos.nets.cards import CardNetConfig
from strategos.play.network import NETWORKS
from strategos.play.search import SearchConfig
from strategos.spelling import nearest
from strategos.train.alphazero_tables import DealConfig, GateConfig, MemoryConfig, SelfPlayConfig
from strategos.train.stages import BoardConfig as BoardConfig
from strategos.train.stages import StageConfig, check_stages

ALGORITHMS = ("ppo", "alphazero")


class ConfigError(ValueError):
    """A mistake in a configuration: which key, what was expected, what to do."""


@dataclass(frozen=True)
class GameConfig:
    """The game that is learned."""

    name: str = "generals"
    """generals, blob or kuhn."""
    ruleset: str = "generalsio"
    """generalsio, classic, duel or competition."""
    players: int = 2
    """Seats of a game; in Blob `deals` say it."""
    teams: tuple[int, ...] | None = None
    """The team of each seat, as in [0, 0, 1, 1], where not everyone is alone; an agent plays a whole team."""
    tick_limit: int = 400
    """A game is cut here. 0 never."""
    limit_value: float | None = None
    """What a game that is cut is worth to every seat, from what a loser gets (-1, shared by the losing sides)
    to 1, where the limit is a rule of the match. Left out, the limit is only practical: the value of the last
    position stands for what would have come."""
    scoring: str = "exact"
    """Of Blob: exact (10 + bid for an exact bid) or tricks_plus_bonus (1 a trick, 10 more if exact)."""


@dataclass(frozen=True)
class NetConfig:
    """The network for boards; that for Blob is `cards`."""

    planes: str = "memory"
    """Plane set: basic, enhanced or memory."""
    channels: int = 32
    """Channels of the trunk."""
    blocks: int = 2
    """Residual blocks of two 3x3 convolutions."""
    global_pooling: bool = True
    """Tell every tile the board's mean and maximum before every second block."""
    attention: bool = False
    """Self-attention over all tiles after the blocks."""
    heads: int = 4
    """Attention heads."""
    bfloat16: bool = True
    """Trunk in bfloat16; the heads are always float32."""


@dataclass(frozen=True)
class RolloutConfig:
    """How experience is collected."""

    games: int = 256
    """Games played side by side on each board, over all workers."""
    ticks: int = 32
    """Ticks of one iteration."""
    workers: int = 2
    """Collectors and gradient shards. Part of the recipe: the result depends on it, not on the cores."""
    bots: dict[str, float] = field(default_factory=dict)
    """Share of the games against each bot, for example { hunter = 0.2 }."""
    teacher: str = ""
    """A bot that says what it would do on the learner's samples, for as long as `ppo.teacher_until`."""
    shaping: float = 1.0
    """Weight, at the start, of the potential: the difference of land and army shares. 0 is sparse."""
    shaping_until: float = 0.67
    """Share of the run by which that weight has fallen to 0."""
    together: bool = False
    """Every iteration plays all boards; otherwise they take turns."""


@dataclass(frozen=True)
class EvaluationConfig:
    """Matches against the bots while training."""

    every: float = 0.1
    """Share of the run between two evaluations; 0 only at the end, negative never."""
    games: int = 64
    """Games against each bot, on paired boards (in Blob rounds: every deal from all seats)."""
    against: tuple[str, ...] = ("random", "expander", "hunter")
    """The bots."""
    height: int = 8
    """Rows of the board."""
    width: int = 8
    """Columns of the board."""
    tick_limit: int = 400
    """A game that lasts longer is a draw."""
    temperature: float = 1.0
    """Of the agent's sampling; 0 is greedy, which runs in circles on a grid."""
    worlds: int = 16
    """Worlds of the searches that the final report plays (Blob)."""
    simulations: int = 8
    """Simulations in each of them."""


@dataclass(frozen=True)
class TrainConfig:
    """A training run. One dial: `samples`; the schedules follow it."""

    algorithm: str = "ppo"
    """ppo, or alphazero: self-play with search, a memory, and a gate for each new champion."""
    seed: int = 1
    """Of boards, weights and choices. Same seed, same run, bit by bit on one kind of CPU, with `fit` off."""
    samples: int = 6_000_000
    """Own decisions to learn from, over the whole run."""
    max_minutes: float = 0.0
    """The run ends early after so many minutes of training; 0 never."""
    fit: bool = False
    """After about 30 s, and at every evaluation, set the length of the run to what fits into `max_minutes`.
    Until then it is `samples`. Speed is not the seed's to decide: such runs differ in length."""
    device: str = "auto"
    """auto, cpu or cuda."""
    compile: bool = False
    """torch.compile the network for learning, for each size of board; on a CPU it needs a C++ compiler."""
    checkpoint_every: float = 0.1
    """Share of the run between two checkpoints; one is always written at the end."""
    checkpoint_minutes: float = 2.0
    """... and at the latest after so many minutes; 0 switches this off."""
    checkpoints_kept: int = 3
    """Older ones are removed; the best is kept."""
    tensorboard: bool = True
    """Write TensorBoard files beside metrics.jsonl."""
    wandb: str = ""
    """Project name to log to Weights & Biases, where it is installed."""
    game: GameConfig = GameConfig()
    net: NetConfig = NetConfig()
    cards: CardNetConfig = field(default_factory=CardNetConfig)
    ppo: PPOConfig = field(default_factory=PPOConfig)
    rollout: RolloutConfig = field(default_factory=RolloutConfig)
    league: LeagueConfig = field(default_factory=LeagueConfig)
    alphazero: AlphaZeroConfig = field(default_factory=AlphaZeroConfig)
    search: SearchConfig = field(default_factory=SearchConfig)
    self_play: SelfPlayConfig = field(default_factory=SelfPlayConfig)
    memory: MemoryConfig = field(default_factory=MemoryConfig)
    gate: GateConfig = field(default_factory=GateConfig)
    evaluation: EvaluationConfig = EvaluationConfig()
    stages: tuple[StageConfig, ...] = (StageConfig(),)
    deals: tuple[DealConfig, ...] = (DealConfig(),)

    def __post_init__(self) -> None:
        _check(self)

    def digest(self) -> str:
        """A hash of everything in it; two runs with equal digests were configured alike."""
        return hashlib.sha256(json.dumps(to_dict(self), sort_keys=True).encode()).hexdigest()[:16]


def _check(config: TrainConfig) -> None:
    """Refuse what would fail only after minutes of training."""
    _check_algorithm(config)
    if config.samples < 1:
        raise ConfigError(f"samples must be at least 1, not {config.samples}")
    if config.fit and config.max_minutes <= 0:
        raise ConfigError("fit needs max_minutes above 0: how long may the run take?")
    if not 0 <= config.seed < 2**63 or config.game.tick_limit < 0:
        raise ConfigError("seed and game.tick_limit must be 0 or more, and seed below 2**63")
    if min(config.max_minutes, config.checkpoint_minutes) < 0 or config.checkpoints_kept < 1:
        raise ConfigError("max_minutes and checkpoint_minutes must be 0 or more, checkpoints_kept 1 or more")
    if config.device not in ("auto", "cpu") and not config.device.startswith("cuda"):
        raise ConfigError(f"device must be auto, cpu or cuda, not {config.device!r}")
    _check_net(config.net)
    _check_rollout(config.rollout)
    if bool(config.rollout.teacher) != (config.ppo.teacher_weight > 0):
        raise ConfigError(
            "rollout.teacher (a bot) and ppo.teacher_weight (above 0) belong together: set both or neither"
        )
    _check_evaluation(config.evaluation)
    _check_league(config)
    _check_limit(config.game)


def _check_algorithm(config: TrainConfig) -> None:
    if config.game.name not in GAMES:
        hint = nearest(config.game.name, GAMES)
        raise ConfigError(f"game.name is one of {', '.join(GAMES)}, not {config.game.name!r}{hint}")
    if config.algorithm not in ALGORITHMS:
        hint = nearest(config.algorithm, ALGORITHMS)
        raise ConfigError(f"algorithm is one of {', '.join(ALGORITHMS)}, not {config.algorithm!r}{hint}")
    if config.algorithm == "ppo" and NETWORKS.get(config.game.name) == "cards":
        raise ConfigError(f'PPO teaches no card networks; set algorithm = "alphazero" for {config.game.name}')
    if not config.deals:
        raise ConfigError("deals: at least one kind of deal is needed")


def _check_net(net: NetConfig) -> None:
    if net.planes not in PLANES:
        raise ConfigError(f"no plane set {net.planes!r}; net.planes is one of {', '.join(PLANES)}")
    if net.channels < 1 or net.blocks < 0:
        raise ConfigError("net.channels must be 1 or more and net.blocks 0 or more")
    if net.attention and (net.heads < 1 or net.channels % net.heads):
        raise ConfigError(f"net.channels ({net.channels}) must be a multiple of net.heads ({net.heads})")


def _check_rollout(rollout: RolloutConfig) -> None:
    if rollout.workers < 1 or rollout.ticks < 1:
        raise ConfigError("rollout.workers and rollout.ticks must be at least 1")
    if rollout.games < rollout.workers:
        raise ConfigError(
            f"rollout.games ({rollout.games}) must be at least rollout.workers ({rollout.workers})"
        )


def _check_league(config: TrainConfig) -> None:
    league, rollout, teams = config.league, config.rollout, config.game.teams
    bots = [rollout.bots, *(stage.bots for stage in config.stages if stage.bots is not None)]
    for shares in ([*each.values(), league.past, league.peers] for each in bots):
        if min(shares) < 0 or sum(shares) > 1:
            raise ConfigError(
                "the shares in rollout.bots (or a stage's bots), league.past and league.peers must not be "
                "negative nor exceed 1 together"
            )
    agents = len(agents_of(league))
    if config.algorithm != "ppo" and league != LeagueConfig():
        raise ConfigError('a league is trained by PPO; set algorithm = "ppo" or leave out league')
    if rollout.games < rollout.workers * agents:
        raise ConfigError(
            f"rollout.games ({rollout.games}) must be at least {rollout.workers * agents}: "
            "a game for every agent and worker"
        )
    if teams is not None and (len(teams) != config.game.players or len({*map(teams.count, teams)}) != 1):
        raise ConfigError(f"game.teams needs {config.game.players} entries and teams of one size")
    try:
        check_stages(config.stages, rollout.bots, league.past > 0)
    except ValueError as error:
        raise ConfigError(str(error)) from None


def _check_limit(game: GameConfig) -> None:
    """Whoever loses gets -1, shared by the losing sides; below that it would pay to die before the limit."""
    sides = game.players if game.teams is None else len(set(game.teams))
    lowest = -1 / max(sides - 1, 1)
    if game.limit_value is not None and not lowest <= game.limit_value <= 1:
        raise ConfigError(
            f"game.limit_value must be from {lowest:.3g} (to lose among {sides} sides) to 1, "
            f"not {game.limit_value}"
        )


def _check_evaluation(evaluation: EvaluationConfig) -> None:
    if evaluation.games < 1 or evaluation.tick_limit < 1:
        raise ConfigError("evaluation.games and evaluation.tick_limit must be at least 1")
    if not evaluation.against or len(set(evaluation.against)) < len(evaluation.against):
        raise ConfigError("evaluation.against must name one bot or more, each once")
    if min(evaluation.worlds, evaluation.simulations) < 1:
        raise ConfigError("evaluation.worlds and evaluation.simulations must be at least 1")
    if evaluation.temperature < 0:
        raise ConfigError(f"evaluation.temperature must be 0 or more, not {evaluation.temperature}")


def to_dict(config: Any) -> dict[str, Any]:
    """Nested plain tables, what `from_dict` reads; keys that are not set are left out."""
    return _without_none(dataclasses.asdict(config))


def _without_none(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_none(each) for key, each in value.items() if each is not None}
    if isinstance(value, list | tuple):
        return [_without_none(each) for each in value]
    return value
