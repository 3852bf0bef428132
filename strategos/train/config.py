"""What a training run is configured by: frozen dataclasses, a TOML file, then overrides.

The field docs are the command line's help. An unknown key is an error that names the nearest known one.
The presets are TOML files inside the package, so that `strategos train --preset quick` works anywhere.
"""

from __future__ import annotations

import copy
import dataclasses
import hashlib
import json
import math
import tomllib
import types
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Union, get_args, get_origin, get_type_hints

from strategos.engine.planes import PLANES
from strategos.games import GAMES
from strategos.league.roles import LeagueConfig, agents_of
from strategos.learn.alphazero import AlphaZeroConfig
from strategos.learn.ppo import PPOConfig
from strategos.nets.cards import CardNetConfig
from strategos.play.search import SearchConfig
from strategos.spelling import nearest
from strategos.train.alphazero_tables import DealConfig, GateConfig, MemoryConfig, SelfPlayConfig
from strategos.train.stages import BoardConfig as BoardConfig
from strategos.train.stages import StageConfig, check_stages

PRESETS_FOLDER = Path(__file__).parent / "presets"
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
    """What a game that is cut is worth to every seat, from -1 to 1, where the limit is a rule of the match.
    Left out, the limit is only practical: the value of the last position stands for what would have come."""
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
    """torch.compile the network for learning; worth its minute on a GPU, needs a C++ compiler on a CPU."""
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
    if config.game.limit_value is not None and not -1 <= config.game.limit_value <= 1:
        raise ConfigError(f"game.limit_value must be from -1 to 1, not {config.game.limit_value}")
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


def _check_algorithm(config: TrainConfig) -> None:
    if config.game.name not in GAMES:
        hint = nearest(config.game.name, GAMES)
        raise ConfigError(f"game.name is one of {', '.join(GAMES)}, not {config.game.name!r}{hint}")
    if config.algorithm not in ALGORITHMS:
        hint = nearest(config.algorithm, ALGORITHMS)
        raise ConfigError(f"algorithm is one of {', '.join(ALGORITHMS)}, not {config.algorithm!r}{hint}")
    if config.algorithm == "ppo" and config.game.name == "blob":
        raise ConfigError('PPO plays generals and kuhn; set algorithm = "alphazero" for blob')
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
        check_stages(config.stages, rollout.bots, league.past + league.peers > 0)
    except ValueError as error:
        raise ConfigError(str(error)) from None


def _check_evaluation(evaluation: EvaluationConfig) -> None:
    if evaluation.games < 1 or evaluation.tick_limit < 1:
        raise ConfigError("evaluation.games and evaluation.tick_limit must be at least 1")
    if not evaluation.against or len(set(evaluation.against)) < len(evaluation.against):
        raise ConfigError("evaluation.against must name one bot or more, each once")
    if min(evaluation.worlds, evaluation.simulations) < 1:
        raise ConfigError("evaluation.worlds and evaluation.simulations must be at least 1")
    if evaluation.temperature < 0:
        raise ConfigError(f"evaluation.temperature must be 0 or more, not {evaluation.temperature}")


def preset_names() -> list[str]:
    """The presets that come with the package."""
    return sorted(path.stem for path in PRESETS_FOLDER.glob("*.toml"))


def load_config(
    source: str | Path = "quick", overrides: Mapping[str, Any] | Iterable[str] = ()
) -> TrainConfig:
    """A preset's name or the path of a TOML file, then overrides (`{"ppo.clip": 0.1}` or `["ppo.clip=0.1"]`).

    Raises `ConfigError` for a missing file, a syntax error, an unknown key or a value of a wrong type.
    """
    path = PRESETS_FOLDER / f"{source}.toml"
    if not path.is_file():
        path = Path(source)
    if not path.is_file():
        names = preset_names()
        hint = nearest(str(source), names)
        raise ConfigError(f"no preset and no file {str(source)!r}; presets are {', '.join(names)}{hint}")
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: not valid TOML: {error}") from None
    return from_dict(content, overrides, where=f"{path.name}: ")


def from_dict(
    content: Mapping[str, Any], overrides: Mapping[str, Any] | Iterable[str] = (), where: str = ""
) -> TrainConfig:
    """A configuration from nested tables and overrides; see `load_config`."""
    tables = copy.deepcopy(dict(content))
    pairs = overrides.items() if isinstance(overrides, Mapping) else map(_parse_override, overrides)
    _build(TrainConfig, tables, "", where)  # the file's own mistakes are named before the overrides'
    for key, value in pairs:
        _set(tables, key, value)
    try:
        return _build(TrainConfig, tables, "", "")
    except ConfigError:
        raise
    except ValueError as error:
        raise ConfigError(str(error)) from None


def _parse_override(text: str) -> tuple[str, Any]:
    key, equals, value = text.partition("=")
    if not equals:
        raise ConfigError(f"an override is key=value, for example ppo.clip=0.1, not {text!r}")
    try:
        return key.strip(), tomllib.loads(f"value = {value}")["value"]
    except tomllib.TOMLDecodeError:
        return key.strip(), value.strip()  # a bare word is a string


def _set(tables: dict[str, Any], key: str, value: Any) -> None:
    *path, last = key.split(".")
    for name in path:
        tables = tables.setdefault(name, {})
        if not isinstance(tables, dict):
            raise ConfigError(f"{key}: {name} is not a table")
    tables[last] = value


def _build(kind: Any, content: Any, prefix: str, where: str) -> Any:
    if not isinstance(content, Mapping):
        raise ConfigError(f"{where}{prefix.rstrip('.')} must be a table, not {content!r}")
    hints = get_type_hints(kind)
    for key in content:
        if key not in hints:
            hint = nearest(key, hints) or "; known are " + ", ".join(hints)
            raise ConfigError(f"{where}unknown key {prefix + key!r}{hint}")
    values = {key: _value(hints[key], value, f"{prefix}{key}", where) for key, value in content.items()}
    try:
        return kind(**values)
    except ConfigError as error:
        raise ConfigError(f"{where}{error}") from None


def _value(kind: Any, value: Any, key: str, where: str) -> Any:
    """`value` as the annotated type; integers pass for floats, lists for tuples."""
    origin, inner = get_origin(kind), get_args(kind)
    if origin in (Union, types.UnionType):
        return None if value is None else _value(inner[0], value, key, where)
    if dataclasses.is_dataclass(kind):
        return _build(kind, value, f"{key}.", where)
    if origin is tuple:
        if not isinstance(value, list | tuple):
            raise ConfigError(f"{where}{key} must be a list, not {value!r}")
        if inner[-1] is not Ellipsis and len(inner) != len(value):
            raise ConfigError(f"{where}{key} must have {len(inner)} entries, not {value!r}")
        return tuple(_value(inner[0], each, f"{key}[{index}]", where) for index, each in enumerate(value))
    if origin is dict:
        if not isinstance(value, Mapping):
            raise ConfigError(f"{where}{key} must be a table, not {value!r}")
        return {str(name): _value(inner[1], each, f"{key}.{name}", where) for name, each in value.items()}
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if isinstance(value, float) and not math.isfinite(value):
        raise ConfigError(f"{where}{key} must be a finite number, not {value}")
    if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
        raise ConfigError(f"{where}{key} must be of type {kind.__name__}, not {value!r}")
    return value


def to_dict(config: Any) -> dict[str, Any]:
    """Nested plain tables, what `from_dict` reads; keys that are not set are left out."""
    return _without_none(dataclasses.asdict(config))


def _without_none(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_none(each) for key, each in value.items() if each is not None}
    if isinstance(value, list | tuple):
        return [_without_none(each) for each in value]
    return value


def to_toml(config: TrainConfig) -> str:
    """The resolved configuration as TOML, the hash in its first line; `load_config` reads it back."""
    lines = [f"# resolved configuration, hash {config.digest()}"]
    tables = to_dict(config)
    lists = {key: tables.pop(key) for key in ("stages", "deals")}
    lines += [f"{key} = {_toml(each)}" for key, each in tables.items() if not isinstance(each, dict)]
    for name, table in tables.items():
        if isinstance(table, dict):
            lines += ["", f"[{name}]", *(f"{key} = {_toml(each)}" for key, each in table.items())]
    for name, entries in lists.items():
        for table in entries:
            lines += ["", f"[[{name}]]", *(f"{key} = {_toml(each)}" for key, each in table.items())]
    return "\n".join(lines) + "\n"


def _toml(value: Any) -> str:
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{json.dumps(key)} = {_toml(each)}" for key, each in value.items()) + " }"
    if isinstance(value, list):
        return "[" + ", ".join(_toml(each) for each in value) + "]"
    return json.dumps(value)
