"""What a run writes and shows: rows that read back, a screen, lines, JSON."""

from __future__ import annotations

import io
import json
import re

from rich.console import Console

from strategos.train.dashboard import JsonDisplay, LineDisplay, LiveDisplay, duration, make_display
from strategos.train.metrics import Metrics, read_metrics

ROW = {
    "samples": 12_345,
    "iteration": 3,
    "progress": 0.25,
    "elapsed_s": 61.0,
    "eta_s": 3725.0,
    "samples_per_second": 9876.5,
    "entropy": 1.5,
    "kl": 0.01,
    "explained_variance": 0.5,
    "rollout_win/past": 0.5,
    "time/learning": 3.0,
    "time/engine": 1.0,
}
EVALUATION = {"evaluation": True, "samples": 12_345, "win/random": 0.97, "win/hunter": 0.5}


def test_rows_read_back_and_a_resumed_run_drops_what_came_later(tmp_path):
    metrics = Metrics(tmp_path)
    for samples in (10, 20, 30):
        metrics.write({"samples": samples, "kl": float("nan") if samples == 20 else 0.5})
    metrics.close()
    with open(tmp_path / "metrics.jsonl", "a") as file:
        file.write('{"samples": 40, "k')  # killed while writing
    assert [row["kl"] for row in read_metrics(tmp_path)] == [0.5, None, 0.5]
    Metrics(tmp_path, samples=20).close()
    assert [row["samples"] for row in read_metrics(tmp_path)] == [10, 20]


def test_tensorboard_files_hold_the_numbers(tmp_path):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    metrics = Metrics(tmp_path, tensorboard=True)
    metrics.write({"samples": 10, "kl": 0.25, "note": "not a number"})
    metrics.close()
    events = EventAccumulator(str(tmp_path / "tensorboard"))
    events.Reload()
    assert [(event.step, event.value) for event in events.Scalars("kl")] == [(10, 0.25)]


def test_the_screen_shows_time_strength_and_eta():
    output = io.StringIO()
    display = LiveDisplay("a run", Console(file=output, width=110, force_terminal=True, color_system=None))
    display.show(ROW)
    display.show(EVALUATION)
    display.note("a note")
    display.close()
    text = output.getvalue()
    for part in (
        "a run",
        "25%",
        "12,345 samples",
        "9,876",
        "1h 02m",
        "learning",
        "75%",
        "hunter",
        "97%",
        "a note",
    ):
        assert part in text, part


def test_names_are_shown_as_they_are():
    """A program is named by its command line, in which brackets mean nothing to us."""
    output, name = io.StringIO(), "bot [/x]"
    display = LiveDisplay(name, Console(file=output, width=110, force_terminal=True, color_system=None))
    display.show({**ROW, f"rollout_win/{name}": 0.5})
    display.show({**EVALUATION, f"win/{name}": 0.5})
    points = {f"points/{name}": 0.1, f"points_low/{name}": 0.0, f"points_high/{name}": 0.2}
    display.show({"evaluation": True, "samples": 12_345, **points})
    display.close()
    assert f"{name}, in training" in output.getvalue()


def test_lines_for_pipes_and_json_for_machines(capsys):
    output = io.StringIO()
    lines = LineDisplay(output)
    for row in (ROW, ROW, EVALUATION):
        lines.show(row)
    first, second = output.getvalue().splitlines()  # the second row came too soon for a line
    assert "12,345 samples" in first and "ETA 1h 02m" in first
    assert "random 97%, hunter 50%" in second
    as_json = make_display("a run", as_json=True)
    assert isinstance(as_json, JsonDisplay)
    as_json.show(ROW)
    as_json.note("done")
    assert [json.loads(line) for line in capsys.readouterr().out.splitlines()] == [ROW, {"note": "done"}]


def test_an_evaluation_without_opponents_and_an_iteration_without_the_end_of_a_game():
    output, screen = io.StringIO(), io.StringIO()
    lines = LineDisplay(output)
    lines.show({"evaluation": True, "samples": 10, "exploitability": 0.25})
    lines.show({key: value for key, value in ROW.items() if key != "game_ticks"})
    first, second = output.getvalue().splitlines()
    assert first.endswith("samples] exploitability 0.250") and "ticks" not in second
    live = LiveDisplay("a run", Console(file=screen, width=110, force_terminal=True, color_system=None))
    live.show({"evaluation": True, "samples": 10, "exploitability": 0.25})
    live.close()
    assert re.search(r"exploitability +0.250", screen.getvalue())


def test_durations_are_short():
    assert [duration(each) for each in (-3, 12.4, 200, 3720)] == ["0s", "12s", "3m 20s", "1h 02m"]
