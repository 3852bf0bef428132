"""Continuous evaluation: every new checkpoint of a run is judged, beside the training or after it.

The trainer's files are only read, and a checkpoint is copied before it is judged, so that it may be pruned
meanwhile. While the run trains, its `best` belongs to the trainer; `watch` keeps a best of its own in
`judged/`, which only a sequential test replaces. Of a finished run it becomes the run's `best`.
"""

from __future__ import annotations

import shutil
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from strategos.durable import TEMPORARY, write_atomically, write_folder_atomically
from strategos.engine.pool import available_cores
from strategos.evaluate.gate import gate_boards, gate_deals
from strategos.evaluate.judged import (
    BEST,
    CHIPS,
    JUDGED_FOLDER,
    PICTURE_FILE,
    POINTS,
    SHARE,
    Judged,
    Results,
    strength_png,
)
from strategos.evaluate.ladder import Size, climb
from strategos.games import make_game
from strategos.games.rng import derive
from strategos.play.agents import META_FILE, WEIGHTS_FILE, PolicyError, checked_bytes, load_policy, read_meta
from strategos.play.bots import SCRIPTED
from strategos.play.exploitability import agent_exploitability
from strategos.play.network import NetworkPolicy
from strategos.play.policy import Policy
from strategos.ratings.payoff import wilson
from strategos.ratings.sprt import SequentialTest
from strategos.train.checkpoint import (
    RunError,
    checkpoint_folders,
    mark_best,
    run_lock,
    samples_of,
)
from strategos.train.config import ConfigError, TrainConfig
from strategos.train.deals import first_kind, make_deals
from strategos.train.devices import one_thread_each
from strategos.train.duel import Maker, mean_interval
from strategos.train.gate import meet
from strategos.train.loop import read_run_config

LADDERS = {game: (*bots, "mcts-100", "mcts-800") if bots else () for game, bots in SCRIPTED.items()}
"""Whom the checkpoints of each game meet; the best of before comes after them."""
_SEED = 20_280_000
"""Boards and deals of the ladder, the same for every checkpoint: the curve shows the agent."""
_ELO_GAIN, _POINTS_GAIN = 30.0, 0.02


@dataclass(frozen=True)
class Ladder:
    """How a checkpoint is judged."""

    against: tuple[str, ...]
    games: int = 128
    """Games against each opponent, even; deals of Blob."""
    search_games: int = 16
    """... against those that search, which are slow."""
    gate: int = 128
    """Pairs or deals after which the test against the best so far ends undecided."""
    size: Size | None = None
    """Of the board; that of the run's evaluations where left out."""

    def games_against(self, opponent: str) -> int:
        """How many of them."""
        return self.search_games if opponent.startswith("mcts-") else self.games


class Watch:
    """The judging of one run; one process at a time."""

    def __init__(self, run_dir: Path, ladder: Ladder, on_result: Callable[[Judged], None]) -> None:
        self.run_dir, self.folder, self.on_result = run_dir, run_dir / JUDGED_FOLDER, on_result
        self.config = read_run_config(run_dir)
        if self.config.game.name == "generals" and self.config.game.players != 2:
            raise RunError(f"{run_dir} plays Generals with more than two; watch judges games of two")
        self.ladder = ladder
        self.results = Results(run_dir)
        self._clear()

    def judge_new(self) -> int:
        """Judge every checkpoint that there is and was not judged; returns how many there were."""
        self.take_new()
        waiting = [each for each in self._kept() if BEST not in self.results.of(samples_of(each))]
        for folder in waiting:
            self._judge(folder)
            self.take_new()
        return len(waiting)

    def take_new(self) -> None:
        """Copy the agents of new checkpoints, so that pruning does not take them away."""
        for folder in checkpoint_folders(self.run_dir):
            kept = self.folder / folder.name
            if kept.is_dir() or BEST in self.results.of(samples_of(folder)):
                continue
            try:
                meta = read_meta(folder)
                weights = checked_bytes(folder, WEIGHTS_FILE, meta)
                described = (folder / META_FILE).read_bytes()
            except (PolicyError, OSError):
                continue  # pruned between the listing and now, or damaged: the trainer tells of that
            write_folder_atomically(kept, {WEIGHTS_FILE: weights, META_FILE: described})

    @property
    def is_over(self) -> bool:
        """Whether the run has come to its end, and no further checkpoint is to be expected."""
        folders = checkpoint_folders(self.run_dir)
        try:
            return bool(folders) and samples_of(folders[-1]) >= int(read_meta(folders[-1])["total_samples"])
        except PolicyError:
            return False

    @property
    def picture(self) -> Path:
        """Where strength is drawn."""
        return self.folder / PICTURE_FILE

    def hand_over(self) -> bool:
        """Make the best here the `best` of a run that is over; False where it still trains or has none."""
        best = self.results.best
        if best is None or not self.is_over:
            return False
        name = f"step-{best.samples:012d}"
        original = self.run_dir / "checkpoints" / name
        try:
            with run_lock(self.run_dir):
                mark_best(self.run_dir, original if original.is_dir() else self.folder / name)
        except RunError:
            return False
        return True

    def _kept(self) -> list[Path]:
        return sorted(self.folder.glob("step-*"))

    def _clear(self) -> None:
        """Remove what a killed predecessor left, and whatever is judged and not the best."""
        for leftover in self.folder.glob(f"{TEMPORARY}step-*"):
            shutil.rmtree(leftover, ignore_errors=True)
        best = self.results.best
        for folder in self._kept():
            samples = samples_of(folder)
            if BEST in self.results.of(samples) and (best is None or samples != best.samples):
                shutil.rmtree(folder)
        if best is not None:
            mark_best(self.folder, self.folder / f"step-{best.samples:012d}")

    def _judge(self, folder: Path) -> None:
        meta = read_meta(folder)
        begun = Judged(
            samples=samples_of(folder),
            elapsed_s=round(float(meta["run_state"]["elapsed_s"]), 1),
            weights=str(meta["files"][WEIGHTS_FILE])[:16],
            opponent="",
            unit="",
            value=0.0,
            low=0.0,
            high=0.0,
            games=0,
        )
        with _matches(self.config, self.ladder) as matches:
            for opponent in (*matches.opponents, BEST):
                if opponent in self.results.of(begun.samples):
                    continue  # before the process was killed
                self._add(self._again(begun, opponent) or self._play(matches, folder, begun, opponent))
        title = f"{self.run_dir.name}: every checkpoint, 95 % intervals"
        write_atomically(self.picture, strength_png(self.results.known, title))
        self._clear()

    def _add(self, result: Judged) -> None:
        self.results.add(result)
        self.on_result(result)

    def _again(self, begun: Judged, opponent: str) -> Judged | None:
        """The result of the same weights at an earlier moment, if there is one."""
        for each in self.results.known:
            if (each.weights, each.opponent) == (begun.weights, opponent):
                moment = replace(each, samples=begun.samples, elapsed_s=begun.elapsed_s)
                return replace(moment, decision="same") if opponent == BEST else moment
        return None

    def _play(self, matches: Any, folder: Path, begun: Judged, opponent: str) -> Judged:
        if opponent != BEST:
            return replace(begun, opponent=opponent, **matches.against(folder, opponent))
        best = self.results.best
        if best is None:
            return replace(begun, opponent=BEST, unit=matches.unit, decision="accept")
        rival = self.folder / f"step-{best.samples:012d}"
        found = matches.challenge(folder, rival, derive(_SEED, begun.samples))
        return replace(begun, opponent=BEST, rival=best.weights, **found)


@contextmanager
def watching(run_dir: Path, ladder: Ladder, on_result: Callable[[Judged], None]) -> Iterator[Watch]:
    """A `Watch` of a run that nobody else watches; `RunError` where it is no run, or is watched already."""
    read_run_config(run_dir)
    folder = run_dir / JUDGED_FOLDER
    with ExitStack() as stack:
        try:
            stack.enter_context(run_lock(folder))
        except RunError:
            if not (folder / "lock").exists():
                raise  # the folder cannot be written
            raise RunError(f"{run_dir} is being watched by another process; stop it, or read along") from None
        yield Watch(run_dir, ladder, on_result)


class _Boards:
    """Matches of Generals."""

    unit = SHARE

    def __init__(self, config: TrainConfig, ladder: Ladder) -> None:
        self.config, self.ladder, self.opponents = config, ladder, ladder.against
        self.size = ladder.size or (config.evaluation.height, config.evaluation.width)

    def agent(self, folder: Path) -> Policy:
        # One view of the board, as in training: all eight sides take eight times as long.
        return load_policy(folder, temperature=self.config.evaluation.temperature, symmetries=False)

    def against(self, folder: Path, opponent: str) -> dict[str, Any]:
        (rung,) = climb(
            self.agent(folder),
            [load_policy(opponent)],
            sizes=[self.size],
            games=self.ladder.games_against(opponent),
            seed=_SEED,
            tick_limit=self.config.evaluation.tick_limit,
            ruleset=self.config.game.ruleset,
        )
        counts = {"wins": rung.wins, "draws": rung.draws, "losses": rung.losses}
        interval = {"value": rung.win_share, "low": rung.low, "high": rung.high}
        return {"unit": SHARE, "games": rung.games, **interval, **counts}

    def challenge(self, folder: Path, rival: Path, seed: int) -> dict[str, Any]:
        height, width = self.size
        found = gate_boards(
            make_game("generals", height=height, width=width, ruleset=self.config.game.ruleset),
            self.agent(folder),
            self.agent(rival),
            _test(0.0, _ELO_GAIN, self.ladder.gate),
            seed=seed,
            tick_limit=self.config.evaluation.tick_limit,
        )
        games = 2 * found.count
        low, high = wilson(found.wins, games)
        counts = {"wins": found.wins, "draws": found.draws, "losses": found.losses}
        interval = {"value": found.wins / games, "low": round(low, 4), "high": round(high, 4)}
        return {"unit": SHARE, "games": games, "decision": found.decision, **interval, **counts}


class _Deals:
    """Duels of Blob: each at a table of the other."""

    unit = POINTS

    def __init__(self, config: TrainConfig, ladder: Ladder, executor: ThreadPoolExecutor) -> None:
        self.config, self.ladder, self.opponents = config, ladder, ladder.against
        self.deals, self.executor = first_kind(make_deals(config)[0]), executor
        self.given_up = threading.Event()

    def agent(self, folder: Path) -> Maker:
        policy = load_policy(folder, temperature=self.config.evaluation.temperature)
        return lambda: policy

    def against(self, folder: Path, opponent: str) -> dict[str, Any]:
        maker, count = partial(load_policy, opponent), self.ladder.games_against(opponent)
        run, stop = self.executor.map, self.given_up.is_set
        made = meet([self.deals], self.agent(folder), maker, _SEED, 0, count, run, stop)
        low, high = mean_interval(made)
        return {"unit": POINTS, "games": count, "value": float(made.mean()), "low": low, "high": high}

    def challenge(self, folder: Path, rival: Path, seed: int) -> dict[str, Any]:
        test = _test(0.0, _POINTS_GAIN, self.ladder.gate)
        found = gate_deals(self.deals, self.agent(folder), self.agent(rival), test, seed=seed)
        interval = {"value": found.estimate, "low": found.low, "high": found.high}
        return {"unit": POINTS, "games": found.count, "decision": found.decision, **interval}


class _Exact:
    """Kuhn poker: what a best answer wins is known without a game."""

    unit = CHIPS
    opponents = ("best answer",)

    def __init__(self, config: TrainConfig) -> None:
        self.config = config

    def against(self, folder: Path, opponent: str) -> dict[str, Any]:
        policy = load_policy(folder, temperature=self.config.evaluation.temperature)
        assert isinstance(policy, NetworkPolicy)
        chips = agent_exploitability(make_game(self.config.game.name), policy)
        assert chips is not None
        return {"unit": CHIPS, "games": 0, "value": chips, "low": chips, "high": chips}

    def challenge(self, folder: Path, rival: Path, seed: int) -> dict[str, Any]:
        mine, theirs = (self.against(each, "")["value"] for each in (folder, rival))
        decision = "accept" if mine < theirs else "reject"
        return {"unit": CHIPS, "games": 0, "value": mine, "low": mine, "high": mine, "decision": decision}


@contextmanager
def _matches(config: TrainConfig, ladder: Ladder) -> Iterator[_Boards | _Deals | _Exact]:
    """How checkpoints of the run's game are judged."""
    if config.game.name == "generals":
        yield _Boards(config, ladder)
    elif config.game.name == "blob":
        cores = min(2, available_cores())
        with ThreadPoolExecutor(cores, initializer=one_thread_each, initargs=("cpu",)) as executor:
            deals = _Deals(config, ladder, executor)
            try:
                yield deals
            finally:
                deals.given_up.set()
    elif config.game.name == "kuhn":
        yield _Exact(config)
    else:
        raise ConfigError(f"no ladder for {config.game.name}; there are {', '.join(LADDERS)}")


def _test(null: float, better: float, maximum: int) -> SequentialTest:
    minimum = min(SequentialTest.minimum, maximum)
    return SequentialTest(null, better, minimum=minimum, maximum=maximum, look=minimum)
