"""A training run from beginning to end: learn, log, evaluate, write checkpoints, stop well.

The run folder is the whole interface: `config.toml`, `metrics.jsonl`, `checkpoints/`, `best`. Running
the same command again goes on where the run stopped, whatever stopped it.
"""

from __future__ import annotations

import json
import time
from collections import defaultdict, deque
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from strategos import __version__
from strategos.durable import write_atomically
from strategos.memory.shards import ShardError
from strategos.play.policy import PolicyError
from strategos.train.checkpoint import (
    Checkpoint,
    RunError,
    checkpoint_folders,
    load_newest,
    mark_best,
    prune,
    run_lock,
    samples_of,
    save_checkpoint,
)
from strategos.train.config import ConfigError, TrainConfig, to_dict
from strategos.train.config_files import from_dict, to_toml
from strategos.train.dashboard import Display, make_display
from strategos.train.interrupt import Interrupt, exit_process, raise_interrupt
from strategos.train.metrics import Metrics
from strategos.train.trainers import make_trainer

CONFIG_FILE, CONFIG_JSON = "config.toml", "config.json"
_LENGTH_KEYS = ("max_minutes", "fit")
_FREE_KEYS = (
    "device",
    "compile",
    "checkpoint_every",
    "checkpoint_minutes",
    "checkpoints_kept",
    "tensorboard",
    "wandb",
    "evaluation",
)
"""What may differ when a run goes on: where it computes and what it tells, not what it learns from.
`_LENGTH_KEYS` may, too, once the length of the run stands."""
_FIT_AFTER_S = 30.0
_FIT_MARGIN = 0.97


@dataclass
class RunSummary:
    """How a call of `train` ended."""

    run_dir: Path
    samples: int
    minutes: float
    """Training time of the whole run so far, all calls together."""
    ended: str
    """`finished`, `time` (max_minutes reached) or `interrupted` (Ctrl-C)."""
    checkpoint: Path | None
    wins: dict[str, float] = field(default_factory=dict)
    """Share of the games won against each bot (relative points, in Blob), from the last evaluation."""


def train(
    config: TrainConfig,
    run_dir: str | Path,
    *,
    resume: bool = True,
    as_json: bool = False,
    quiet: bool = False,
    display: Display | None = None,
    may_exit: bool = False,
) -> RunSummary:
    """Train in `run_dir`, from its newest checkpoint where there is one.

    With `resume=False` a folder that already has checkpoints is refused. With `may_exit` Ctrl-C ends the
    process at once while the rules are compiled, for commands. Raises `RunError` for a folder that is in
    use, damaged, or of a run with another configuration, `ConfigError` for impossible boards.
    """
    run_dir = Path(run_dir)
    if display is None:
        display = make_display(f"strategos train  {run_dir}", as_json=as_json, quiet=quiet)
    try:
        at_once = partial(exit_process, display) if may_exit else None
        with run_lock(run_dir), Interrupt(at_once) as interrupt:
            return _Run(config, run_dir, resume, display, interrupt).play()
    finally:
        display.close()


def resume_run(run_dir: str | Path, **options: Any) -> RunSummary:
    """Go on with the run in a folder, with the configuration it was begun with; see `train`."""
    return train(read_run_config(Path(run_dir)), run_dir, resume=True, **options)


def read_run_config(run_dir: Path) -> TrainConfig:
    """The configuration a run was begun with; `RunError` where the folder is not a run."""
    path = run_dir / CONFIG_JSON
    try:
        return from_dict(json.loads(path.read_text(encoding="utf-8"))["config"])
    except (FileNotFoundError, NotADirectoryError):
        raise RunError(
            f"{run_dir} is not a run: it has no {CONFIG_JSON}; begin one with `strategos train`"
        ) from None
    except (OSError, ValueError, KeyError, TypeError) as error:
        if isinstance(error, ConfigError):
            raise RunError(f"{path} is of another version of Strategos: {error}") from None
        raise RunError(f"{path} is damaged: {error}") from None


class _Run:
    """The state of one call of `train`."""

    def __init__(
        self, config: TrainConfig, run_dir: Path, resume: bool, display: Display, interrupt: Interrupt
    ) -> None:
        self.config, self.run_dir, self.display, self.interrupt = config, run_dir, display, interrupt
        found, problems = load_newest(run_dir)
        if found is not None and not resume:
            raise RunError(f"{run_dir} already has checkpoints; resume it, or choose another run folder")
        self._check_config(found)
        self.trainer = make_trainer(config)
        try:
            self._prepare(found, problems)
        except BaseException:
            self.trainer.close()
            raise

    def _prepare(self, found: Checkpoint | None, problems: list[str]) -> None:
        """Take up the checkpoint, write the configuration, open the metrics."""
        config, run_dir, display = self.config, self.run_dir, self.display
        self.elapsed_s = 0.0
        self.score: float | None = None
        self.noise = 0.0
        self.best_score: float | None = None
        self.judged_at = -1
        self.wins: dict[str, float] = {}
        self.fitted = not config.fit
        self.folder: Path | None = None
        self.ended: str | None = None
        """Of `RunSummary`, as the newest checkpoint says it; None while the run goes on."""
        if found is not None:
            self._restore(found)
        write_atomically(run_dir / CONFIG_FILE, to_toml(config).encode())
        described = {"digest": config.digest(), "version": __version__, "config": to_dict(config)}
        write_atomically(run_dir / CONFIG_JSON, json.dumps(described, indent=1).encode())
        self.metrics = Metrics(
            run_dir,
            samples=self.trainer.samples,
            tensorboard=config.tensorboard,
            wandb=config.wandb,
            config=to_dict(config),
        )
        for note in [*problems, *self.metrics.notes]:
            display.note(note)
        if found is not None:
            display.note(f"going on from {self.trainer.samples:,} samples")
        self.recent: deque[tuple[float, int]] = deque(maxlen=30)
        self.spent: dict[str, float] = defaultdict(float)
        self.saved_at_s = self.elapsed_s
        self.seen_samples = self.trainer.samples
        every = config.evaluation.every
        self.mark = int(self.trainer.progress / every + 1e-9) if every > 0 else 0

    def _check_config(self, found: Checkpoint | None) -> None:
        """Refuse to go on with a configuration under which the run would not have come this far."""
        if found is None or not (self.run_dir / CONFIG_JSON).is_file():
            return
        fitted = bool(found.meta.get("run_state", {}).get("fitted"))
        free = _FREE_KEYS + (_LENGTH_KEYS if fitted else ())
        old, new = to_dict(read_run_config(self.run_dir)), to_dict(self.config)
        changed = [key for key in new if key not in free and old.get(key) != new[key]]
        if changed:
            raise RunError(
                f"{self.run_dir} was begun with another configuration (different: {', '.join(changed)}); "
                "resume it without changes, or choose another run folder"
            )

    def _restore(self, found: Checkpoint) -> None:
        try:
            self.trainer.load_state(found.files, found.meta, self.run_dir)
            state = found.meta["run_state"]
            self.elapsed_s, self.best_score = float(state["elapsed_s"]), state["best_score"]
            self.wins, self.fitted, self.ended = dict(state["wins"]), bool(state["fitted"]), state["ended"]
        except (ShardError, PolicyError) as error:
            raise RunError(str(error)) from None
        except (KeyError, TypeError, ValueError, RuntimeError) as error:
            raise RunError(f"{found.folder} does not fit this version of Strategos: {error}") from None
        self.folder = found.folder

    def play(self) -> RunSummary:
        """Iterate until the run is finished, out of time or interrupted."""
        trainer, config = self.trainer, self.config
        ended = "finished"
        try:
            if trainer.progress < 1 and not self.interrupt.asked:
                self._warm_up()
            self.interrupt.at_once = None
            while trainer.progress < 1:
                if self.interrupt.asked:
                    ended = "interrupted"
                    break
                if config.max_minutes and self.elapsed_s >= config.max_minutes * 60:
                    ended = "time"
                    break
                self._iterate()
            return self._end(ended)
        finally:
            self.metrics.close()
            trainer.close()

    def _warm_up(self) -> None:
        """Compile, which Ctrl-C breaks off: the state of the run does not change by it."""
        self.interrupt.at_once = self.interrupt.at_once or raise_interrupt
        try:
            self.display.note("compiling the rules for games of this kind (only the first time) ...")
            self.trainer.warm_up()
        except (KeyboardInterrupt, Exception):  # Numba swallows the interrupt and fails later
            if not self.interrupt.asked:
                raise

    def _iterate(self) -> None:
        trainer, self.ended = self.trainer, None
        began, before = time.monotonic(), trainer.progress
        row = trainer.iterate(time.monotonic, self._tell)
        self._log(row, time.monotonic() - began)
        fitted_now = self._fit()
        if trainer.progress >= 1:
            return  # the end evaluates and saves
        every = self.config.evaluation.every
        if every > 0 and (mark := int(trainer.progress / every + 1e-9)) > self.mark:
            self.mark = mark
            self._evaluate()
            if self.config.fit and self.fitted:
                self._set_length()
            self._save()
        elif fitted_now or self._save_is_due(before):
            self._save()

    def _tell(self, what: str, share: float) -> None:
        """Show how far a long iteration is, and that it is the last one where that was asked."""
        self.display.show(
            {
                "working": f"stopping after this iteration: {what}" if self.interrupt.asked else what,
                "share": share,
                "samples": self.trainer.samples,
                "progress": self.trainer.progress,
            }
        )

    def _save_is_due(self, before: float) -> bool:
        """Whether a checkpoint is to be written after an iteration that began at `before` of the run."""
        if _crossed(before, self.trainer.progress, self.config.checkpoint_every):
            return True
        limit_s = self.config.checkpoint_minutes * 60
        return limit_s > 0 and self.elapsed_s - self.saved_at_s >= limit_s

    def _fit(self) -> bool:
        """Once the speed is known, set the length of the run; evaluations correct it.

        Whether this was the moment: then a checkpoint must keep it, as whoever resumes may not measure again.
        """
        if self.fitted or self.elapsed_s < _FIT_AFTER_S:
            return False
        if len(self.recent) < self.trainer.steady_iterations:
            return False
        self.fitted = True
        self._set_length()
        self.display.note(
            f"{self._speed():,.0f} samples/s here: {self.trainer.total_samples:,} samples "
            f"in {self.config.max_minutes:g} minutes"
        )
        return True

    def _set_length(self) -> None:
        """Make the run as long as fits into `max_minutes` at the present speed."""
        left_s = self.config.max_minutes * 60 * _FIT_MARGIN - self.elapsed_s
        self.trainer.total_samples = self.trainer.samples + max(1, int(self._speed() * left_s))
        every = self.config.evaluation.every
        if every > 0:  # the next evaluation is the nearest one that is half an interval away or more
            self.mark = round(self.trainer.progress / every)

    def _speed(self) -> float:
        """Samples per second over the last iterations, without the ones that compiled."""
        seconds = sum(each[0] for each in self.recent)
        return sum(each[1] for each in self.recent) / seconds if seconds else 0.0

    def _log(self, row: dict[str, Any], seconds: float) -> None:
        trainer = self.trainer
        self.elapsed_s += seconds
        learned = trainer.samples - self.seen_samples
        self.seen_samples = trainer.samples
        if trainer.iteration > trainer.unsteady_iterations:
            self.recent.append((seconds, learned))
        speed = self._speed() or learned / max(seconds, 1e-9)
        left = max(0, trainer.total_samples - trainer.samples) / max(speed, 1e-9)
        if self.config.max_minutes:
            left = min(left, self.config.max_minutes * 60 - self.elapsed_s)
        for key in [key for key in row if key.startswith(("collect/", "time/"))]:
            self.spent[key.partition("/")[2]] += row.pop(key)
        row = {
            "samples": trainer.samples,
            "iteration": trainer.iteration,
            "progress": trainer.progress,
            "elapsed_s": round(self.elapsed_s, 2),
            "eta_s": round(left, 1),
            "samples_per_second": round(speed, 1),
            **row,
            **{f"time/{part}": round(spent, 3) for part, spent in self.spent.items()},
        }
        self.metrics.write(row)
        self.display.show(row)
        for alarm in row.get("alarms", ()):
            self.display.note(alarm)

    def _evaluate(self) -> None:
        """Play the bots and remember the score."""
        began = time.monotonic()
        found = self.trainer.evaluate()
        if found is None:
            return
        self.judged_at = self.trainer.samples
        self.wins, self.score, self.noise = found.scores, found.score, found.noise
        spent = time.monotonic() - began
        self.elapsed_s += spent
        self.spent["evaluation"] += spent
        row: dict[str, Any] = {
            "evaluation": True,
            "samples": self.trainer.samples,
            "elapsed_s": round(self.elapsed_s, 2),
            **found.row,
        }
        self.metrics.write(row)
        self.display.show(row)

    def _save(self) -> None:
        began = time.monotonic()
        is_best = self._is_best()
        files, meta = self.trainer.state_files(self.run_dir)
        meta |= {
            "run": self.run_dir.name,
            "version": __version__,
            "digest": self.config.digest(),
            "game": to_dict(self.config.game),
            "run_state": {
                "elapsed_s": self.elapsed_s,
                "best_score": self.best_score,
                "wins": self.wins,
                "fitted": self.fitted,
                "ended": self.ended,
            },
        }
        self.folder = save_checkpoint(self.run_dir, self.trainer.samples, files, meta)
        if is_best:
            mark_best(self.run_dir, self.folder)
        prune(self.run_dir, self.config.checkpoints_kept)
        self.trainer.forget_before(self.run_dir, samples_of(checkpoint_folders(self.run_dir)[0]))
        spent = time.monotonic() - began
        self.elapsed_s += spent
        self.spent["checkpoints"] += spent
        self.saved_at_s = self.elapsed_s

    def _is_best(self) -> bool:
        """Whether the weights of this moment are to be the run's `best`, and remember their score.

        Only what was evaluated can be; until something was, the newest is.
        """
        if self.trainer.gated:
            return True
        if self.judged_at != self.trainer.samples or self.score is None:
            return self.best_score is None
        best = self.best_score is None or self.score >= self.best_score - self.noise
        self.best_score = self.score if self.best_score is None else max(self.score, self.best_score)
        return best

    def _end(self, ended: str) -> RunSummary:
        """Evaluate, and save with the reason, unless the newest checkpoint says it all."""
        trainer = self.trainer
        saved = self.folder is not None and samples_of(self.folder) == trainer.samples
        if not saved and ended != "interrupted":
            self._evaluate()
        if not saved or self.ended != ended:
            self.ended = ended
            self._save()
        told = {
            "finished": f"finished after {trainer.samples:,} samples",
            "time": f"stopped at {trainer.progress:.0%}: max_minutes = {self.config.max_minutes:g} is over",
            "interrupted": f"stopped and saved at {trainer.samples:,} samples; "
            f"to go on: strategos resume {self.run_dir}",
        }
        self.display.note(told[ended])
        return RunSummary(
            self.run_dir, trainer.samples, self.elapsed_s / 60, ended, self.folder, dict(self.wins)
        )


def _crossed(before: float, after: float, every: float) -> bool:
    return every > 0 and int(before / every + 1e-9) != int(after / every + 1e-9)
