"""What every way to learn must keep; a new line in `TRAINERS` is tested here at once."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import pytest
from small_runs import (
    PLAYED,
    SMALL,
    Notes,
    assert_same_state,
    small_config,
    straight_run,
    train_and_kill,
)

from strategos.engine.batch import Batch
from strategos.games import make_game
from strategos.play.agents import find_checkpoint, load_policy
from strategos.play.policy import PolicyError
from strategos.train.checkpoint import RunError, checkpoint_folders
from strategos.train.loop import read_run_config, resume_run, train
from strategos.train.metrics import read_metrics
from strategos.train.trainers import TRAINERS, make_trainer

CLOCKED = {"elapsed_s", "eta_s"}
"""With `time/PART` and `NUMBER_per_TIME`, the only metrics that may differ between two equal runs."""


@pytest.fixture(params=SMALL)
def algorithm(request) -> str:
    return request.param


@pytest.fixture
def straight(algorithm, tmp_path_factory) -> Path:
    """A run that was never stopped."""
    return straight_run(algorithm, tmp_path_factory.getbasetemp())


def learned(run: Path) -> list[dict]:
    """The metrics of a run without what clocks say."""
    return [
        {k: v for k, v in row.items() if k not in CLOCKED and not k.startswith("time/") and "_per_" not in k}
        for row in read_metrics(run)
    ]


def test_every_algorithm_has_a_small_run():
    assert {small_config(name).algorithm for name in SMALL} == TRAINERS.keys()


@pytest.mark.parametrize("iterations", [3, 7])
def test_a_killed_run_goes_on_bit_by_bit(algorithm, straight, tmp_path, monkeypatch, iterations):
    """Every file of the checkpoint, its plain data and all metrics: as if nothing had happened."""
    run = tmp_path / "stopped"
    train_and_kill(small_config(algorithm), run, iterations, monkeypatch)
    assert checkpoint_folders(run), "it must have come as far as a checkpoint"
    assert resume_run(run, quiet=True).ended == "finished"
    assert_same_state(straight, run)
    assert learned(straight) == learned(run) and len(learned(run)) > iterations


def test_a_damaged_checkpoint_falls_back_and_still_ends_alike(algorithm, straight, tmp_path, monkeypatch):
    run = tmp_path / "damaged"
    train_and_kill(small_config(algorithm), run, 7, monkeypatch)
    file = max(checkpoint_folders(run)[-1].glob("*.msgpack"))
    file.write_bytes(b"nonsense")
    notes = Notes()
    train(small_config(algorithm), run, display=notes)
    assert any(f"{file.name} is damaged" in note for note in notes)
    assert_same_state(straight, run)


def test_the_number_of_cores_does_not_change_the_run(algorithm, straight, tmp_path, monkeypatch):
    monkeypatch.setattr("os.cpu_count", lambda: 1)
    train(small_config(algorithm), tmp_path, quiet=True)
    assert_same_state(straight, tmp_path)


def test_no_clock_changes_what_is_learned(algorithm, tmp_path):
    """Nor does compiling ahead."""
    ends = []
    for name, clock in (("forwards", time.monotonic), ("backwards", lambda: -time.monotonic())):
        trainer = make_trainer(small_config(algorithm))
        try:
            if name == "backwards":
                trainer.warm_up()
            for _ in range(2):
                trainer.iterate(clock, lambda what, share: None)
            ends.append(trainer.state_files(tmp_path / name))
        finally:
            trainer.close()
    assert ends[0] == ends[1]


def test_a_finished_run_stays_finished(algorithm, straight):
    before = {path: path.read_bytes() for path in straight.rglob("*") if path.is_file()}
    assert train(small_config(algorithm), straight, quiet=True).ended == "finished"
    assert before == {path: path.read_bytes() for path in straight.rglob("*") if path.is_file()}


def test_another_configuration_is_refused(algorithm, straight):
    assert read_run_config(straight) == small_config(algorithm)
    with pytest.raises(RunError, match=r"different: seed, samples"):
        train(small_config(algorithm, seed=2, samples=10), straight, quiet=True)
    with pytest.raises(RunError, match="already has checkpoints"):
        train(small_config(algorithm), straight, resume=False, quiet=True)


def test_a_run_says_how_far_it_is(straight):
    rows = [row for row in read_metrics(straight) if "iteration" in row]
    assert [row["iteration"] for row in rows] == list(range(1, len(rows) + 1))
    for name in ("samples", "progress", "elapsed_s"):
        values = [row[name] for row in rows]
        assert values == sorted(values) and values[0] > 0, name
    assert rows[-1]["progress"] == 1.0


def test_the_agent_of_a_run_plays(algorithm, straight):
    """Legally, greedily or not, and the same with the same stream; both of a run and of a checkpoint."""
    name, options = PLAYED[algorithm]
    batch = Batch(make_game(name, **options), 6, seed=0, threads=1)
    batch.reset()
    seen = batch.observation
    games, seats = np.arange(6), seen.masks.any(axis=2).argmax(axis=1)
    views, masks = seen.views[games, seats], seen.masks[games, seats]
    memories = seen.memories[games, seats] if len(seen.memories) else None
    newest = checkpoint_folders(straight)[-1]
    for source in (straight, newest):
        for temperature in (0.0, 1.0):
            agent = load_policy(source, temperature=temperature)
            actions, again = (agent.act(views, masks, memories, np.random.default_rng(0)) for _ in range(2))
            legal = np.unpackbits(masks, axis=1, bitorder="little")
            assert legal[games, actions].all() and (actions == again).all()
    assert find_checkpoint(f"{straight}@latest") == newest
    samples = int(newest.name.removeprefix("step-"))
    assert find_checkpoint(f"{straight}@{samples:_}") == newest
    for wrong in (f"{straight}@{samples + 1}", f"{straight}@", f"{straight}@newest"):
        with pytest.raises(PolicyError, match=f"after the @ comes best, latest, .*{samples}"):
            find_checkpoint(wrong)
    with pytest.raises(PolicyError, match="is a checkpoint; leave out @latest"):
        find_checkpoint(f"{newest}@latest")
