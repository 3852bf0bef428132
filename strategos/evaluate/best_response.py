"""A best-response probe: an exploiter is trained against one frozen agent, and what it wins is a lower bound.

Whoever wins much from an agent that wins from everybody has found a hole in it. Where the game is small
enough the best response is known exactly, and stands beside what was found.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from strategos.durable import write_folder_atomically
from strategos.evaluate.ladder import Size, climb
from strategos.evaluate.measures import EXACT, deals_of, how_measured
from strategos.games.spec import Game
from strategos.play.agents import ONNX_SUFFIX, find_weights, is_bot, load_policy, weights_hash
from strategos.play.checkpoint_files import copy_agent, read_meta
from strategos.play.exploitability import agent_exploitability, exact_gain, exact_unit
from strategos.play.network import NetworkPolicy
from strategos.play.policy import Policy, PolicyError
from strategos.train.checkpoint import checkpoint_folders, run_lock, samples_of
from strategos.train.config import TrainConfig
from strategos.train.config_files import load_config
from strategos.train.duel import deal_keys, play_duel
from strategos.train.loop import CONFIG_JSON

AGENT_FOLDER, PICTURE_FILE = "agent", "exploiter.png"
PRESETS = {"generals": "quick", "kuhn": "kuhn"}
"""The games that PPO learns, and the preset that an exploiter begins from."""
_SEED = 20_290_000
_PURE = {
    "ppo.magnet": 0.0,
    "ppo.entropy": 0.02,
    "ppo.last_entropy": 0.0,
    "ppo.learning_rate": 5e-3,
    "ppo.last_learning_rate": 1e-3,
    "ppo.epochs": 4,
    "ppo.average_decay": 0.95,
}
"""A best response to a fixed policy is pure; a preset of a game that is measured exactly is made for a mixed
equilibrium."""


@dataclass(frozen=True)
class Exploit:
    """What the exploiter won from the agent after some training."""

    samples: int
    elapsed_s: float
    value: float
    """Share of the games won; in Kuhn poker chips a game, the mean of both seats (see `unit_of`)."""
    low: float
    """The 95 % interval; of no width where the value is exact."""
    high: float
    games: int

    def summary(self, game: str) -> str:
        """One short line."""
        form = "+.3f" if how_measured(game) == EXACT else ".1%"
        interval = f" ({self.low:{form}} to {self.high:{form}})" if self.high > self.low else ", exactly"
        return f"{self.samples:>12,} samples  wins {self.value:{form}} {unit_of(game)}{interval}"


def unit_of(game: str) -> str:
    """What an exploiter wins, in words."""
    return f"{exact_unit(game)[0]} a game" if how_measured(game) == EXACT else "of the games"


def freeze(agent: str, run_dir: Path) -> str:
    """The name by which the exploiter's run plays `agent`: a bot's own, else a copy in the run's folder.

    `PolicyError` for a program, and where the folder is that of another run, to which nothing is done then;
    `RunError` where somebody trains in it.
    """
    if is_bot(agent):
        return agent
    source = find_weights(agent)
    if source is None:
        raise PolicyError(f"{agent} is a program; an exploiter is trained in thousands of games side by side")
    load_policy(source)  # a damaged one is told now
    folder = run_dir / AGENT_FOLDER
    copy = folder / source.name if source.suffix == ONNX_SUFFIX else folder
    if (run_dir / CONFIG_JSON).exists() and not folder.is_dir():
        raise PolicyError(f"{run_dir} is another run already; choose another --run")
    if folder.is_dir():
        if not copy.exists() or weights_hash(copy) != weights_hash(source):
            raise PolicyError(f"{run_dir} has the exploiter of another agent; choose another --run")
        return str(copy)
    with run_lock(run_dir):
        if copy != folder:
            write_folder_atomically(folder, {copy.name: source.read_bytes()})
        else:
            copy_agent(source, copy)
    return str(copy)


def exploiter_config(
    frozen: str, game: str, size: Size, *, samples: int | None, minutes: float, seed: int
) -> TrainConfig:
    """The run of an exploiter: PPO with the agent on the other side of every game.

    The length is `samples`, or else what fits into `minutes`.
    """
    changes: dict[str, Any] = {
        "seed": seed,
        "checkpoint_every": 0.1,
        "checkpoint_minutes": 0.0,
        "checkpoints_kept": 1000,
        "max_minutes": minutes,
        "fit": samples is None,
        "rollout.bots": {frozen: 1.0},
        "league.past": 0.0,
        "evaluation.every": -1.0,
    }
    if samples is not None:
        changes["samples"] = samples
    if how_measured(game) == EXACT:
        return load_config(PRESETS[game], changes | _PURE)
    height, width = size
    # Many short iterations: a probe is over before the long ones of the preset have come to anything.
    changes |= {"rollout.games": 64, "ppo.minibatch": 256, "ppo.average_decay": 0.99}
    changes["stages"] = [{"boards": [{"height": height, "width": width}]}]
    return load_config(PRESETS[game], changes)


def measure(
    run_dir: Path,
    config: TrainConfig,
    frozen: str,
    *,
    games: int,
    on_exploit: Callable[[Exploit], None] = lambda exploit: None,
) -> list[Exploit]:
    """Play every checkpoint of the exploiter against the agent, the oldest first, on boards of their own."""
    found = []
    for folder in checkpoint_folders(run_dir):
        value, low, high, played = _against(config, folder, frozen, games)
        elapsed_s = float(read_meta(folder)["run_state"]["elapsed_s"])
        found.append(Exploit(samples_of(folder), round(elapsed_s, 1), value, low, high, played))
        on_exploit(found[-1])
    return found


def _against(config: TrainConfig, folder: Path, frozen: str, games: int) -> tuple[float, float, float, int]:
    # Both look from one side, as they did in training; all eight sides take eight times as long.
    exploiter, agent = (load_policy(each, symmetries=False) for each in (folder, frozen))
    if how_measured(config.game.name) == EXACT:
        return _gain(config.game.name, exploiter, agent, games)
    board = config.stages[-1].boards[0]
    (rung,) = climb(
        exploiter,
        [agent],
        sizes=[(board.height, board.width)],
        games=games,
        seed=_SEED,
        tick_limit=config.game.tick_limit,
        ruleset=config.game.ruleset,
    )
    return rung.win_share, rung.low, rung.high, rung.games


def _gain(game: str, exploiter: Policy, agent: Policy, games: int) -> tuple[float, float, float, int]:
    """What is won in a game: exactly between networks, else in `games`, two to a deal."""
    deals, (_, units) = deals_of(game, None), exact_unit(game)
    if isinstance(exploiter, NetworkPolicy) and isinstance(agent, NetworkPolicy):
        gain = exact_gain(deals.game, exploiter, agent)
        return gain, gain, gain, 0
    seats = deals.game.spec.num_players
    duel = play_duel(deals, exploiter, agent, deal_keys(_SEED, 0, games // seats), _SEED)
    low, high = duel.interval()
    return units * duel.points, units * low, units * high, games // seats * seats


def exact_best_response(game: Game, frozen: str) -> float | None:
    """What a best answer wins from the agent, where that can be told."""
    agent = load_policy(frozen)
    return agent_exploitability(game, agent) if isinstance(agent, NetworkPolicy) else None


def exploits_png(found: list[Exploit], game: str, agent: str, exact: float | None) -> bytes:
    """What the exploiter won over its training, and the exact bound where it is known."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6.4, 3.6), dpi=130, layout="constrained", facecolor="white")
    axes = figure.add_subplot()
    across = [each.samples / 1e6 for each in found]
    axes.plot(across, [each.value for each in found], "o-", color="#d55e00", markersize=4)
    lows, highs = [each.low for each in found], [each.high for each in found]
    axes.fill_between(across, lows, highs, color="#d55e00", alpha=0.15, lw=0)
    if exact is not None:
        axes.axhline(exact, color="black", linewidth=0.8, linestyle="--", label="a best answer, exactly")
        axes.legend(fontsize=8, frameon=False)
    axes.set_title(f"an exploiter of {agent}", fontsize=11, loc="left")
    axes.set_xlabel("million samples", fontsize=9)
    axes.set_ylabel(f"wins {unit_of(game)}", fontsize=9)
    axes.grid(alpha=0.25)
    axes.spines[["top", "right"]].set_visible(False)
    picture = io.BytesIO()
    FigureCanvasAgg(figure).print_png(picture)
    return picture.getvalue()


def as_json(agent: str, run_dir: Path, found: list[Exploit], exact: float | None) -> dict[str, Any]:
    """Plain data."""
    curve = [asdict(each) for each in found]
    return {"agent": agent, "exploiter": str(run_dir), "curve": curve, "best_response": exact}
