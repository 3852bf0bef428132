"""The curriculum in a report: thresholds and every move, as the run's own checkpoint tells them."""

from __future__ import annotations

from small_runs import straight_run

from strategos.evaluate.report import Report, report_page
from strategos.evaluate.stage_report import show_stages
from strategos.play.agents import find_checkpoint
from strategos.play.checkpoint_files import read_meta
from strategos.train.config_files import load_config
from strategos.train.loop import read_run_config


def test_a_run_that_moved_says_when_and_at_which_rate(tmp_path_factory):
    run = straight_run("league", tmp_path_factory.getbasetemp())
    history = read_meta(find_checkpoint(f"{run}@latest"))["curriculum"]["history"]
    first, second = show_stages(read_run_config(run).stages, history)
    assert first.boards == "8x8, generals 2 to 3 apart" and first.until == "on at 2% won"
    assert second.boards == "8x8" and second.until == "back below 1%"
    assert history and history[0]["to"] == 1
    assert second.entered.startswith(
        f"{history[0]['samples']:,} samples (on at {history[0]['win_rate']:.1%})"
    )
    page = report_page(Report(title="a run", stages=[first, second]))
    assert second.entered in page and first.boards in page


def test_stages_by_progress_say_from_when_on_and_one_alone_says_nothing():
    stages = load_config("laptop").stages
    shown = show_stages(stages, [{"samples": 1200, "from": 0, "to": 1, "win_rate": None}])
    assert [each.until for each in shown] == [f"from {stage.start:.0%} of the run" for stage in stages]
    assert [each.entered for each in shown] == ["the beginning", "1,200 samples", "never"]
    assert show_stages(stages[:1], []) == []
