"""Continuous evaluation: every new checkpoint of a run is judged, beside the training or after it.

The trainer's files are only read, and a checkpoint is copied before it is judged, so that it may be pruned
meanwhile. While the run trains, its `best` belongs to the trainer; `watch` keeps a best of its own in
`judged/`, which only a sequential test replaces. Of a finished run it becomes the run's `best`.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace
from pathlib import Path

from strategos.durable import TEMPORARY, write_atomically
from strategos.evaluate.judged import BEST, JUDGED_FOLDER, PICTURE_FILE, Judged, Results, strength_png
from strategos.evaluate.judging import Judge, Ladder, judging
from strategos.games.rng import derive
from strategos.play.checkpoint_files import WEIGHTS_FILE, copy_agent, read_meta
from strategos.play.policy import PolicyError
from strategos.train.checkpoint import RunError, checkpoint_folders, mark_best, run_lock, samples_of
from strategos.train.loop import read_run_config

_SEED = 20_285_000
"""Boards and deals of the tests against the best."""


class Watch:
    """The judging of one run; one process at a time."""

    def __init__(self, run_dir: Path, judge: Judge, on_result: Callable[[Judged], None]) -> None:
        self.run_dir, self.folder, self.on_result = run_dir, run_dir / JUDGED_FOLDER, on_result
        self.judge = judge
        self.results = Results(run_dir, judge.terms)
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
            with suppress(PolicyError):  # pruned since it was listed, or damaged: the trainer tells of that
                copy_agent(folder, kept)

    @property
    def is_over(self) -> bool:
        """Whether the run has come to its end, and no further checkpoint is to be expected."""
        folders = checkpoint_folders(self.run_dir)
        try:
            ended = read_meta(folders[-1])["run_state"].get("ended") if folders else None
        except PolicyError:
            return False
        return ended not in (None, "interrupted")

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
        for opponent in (*self.judge.opponents, BEST):
            if opponent in self.results.of(begun.samples):
                continue  # before the process was killed
            self._add(self._again(begun, opponent) or self._play(folder, begun, opponent))
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

    def _play(self, folder: Path, begun: Judged, opponent: str) -> Judged:
        if opponent != BEST:
            return replace(begun, opponent=opponent, **self.judge.against(folder, opponent))
        best = self.results.best
        if best is None:
            return replace(begun, opponent=BEST, unit=self.judge.unit, decision="accept")
        rival = self.folder / f"step-{best.samples:012d}"
        found = self.judge.challenge(folder, rival, derive(_SEED, begun.samples))
        return replace(begun, opponent=BEST, rival=best.weights, **found)


@contextmanager
def watching(run_dir: Path, ladder: Ladder, on_result: Callable[[Judged], None]) -> Iterator[Watch]:
    """A `Watch` of a run that nobody else watches.

    `RunError` where it is no run, is watched already or was judged on other terms; errors of `judging`.
    """
    config, folder = read_run_config(run_dir), run_dir / JUDGED_FOLDER
    with ExitStack() as stack:
        judge = stack.enter_context(judging(config, ladder))
        try:
            stack.enter_context(run_lock(folder))
        except RunError:
            if not (folder / "lock").exists():
                raise  # the folder cannot be written
            raise RunError(f"{run_dir} is being watched by another process; stop it, or read along") from None
        yield Watch(run_dir, judge, on_result)
