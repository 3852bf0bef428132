"""Ladders and reports: counts add up, the better player is rated higher, pages are whole."""

from __future__ import annotations

import base64
import json
import re
from pathlib import Path

import pytest

from strategos.evaluate.blob_report import commands
from strategos.evaluate.ladder import Rung, climb
from strategos.evaluate.report import Report, curves_png, report_page
from strategos.evaluate.standings import standings
from strategos.play.agents import load_policy
from strategos.play.bots import anchor_among
from strategos.ratings.payoff import Result


@pytest.fixture(scope="module")
def rungs() -> list[Rung]:
    told: list[Rung] = []
    found = climb(
        load_policy("hunter"),
        [load_policy("random"), load_policy("expander")],
        games=24,
        sizes=((8, 8), (6, 6)),
        tick_limit=200,
        on_rung=told.append,
    )
    assert told == found
    return found


def test_a_ladder_counts_every_game_once(rungs):
    assert [(rung.opponent, rung.board) for rung in rungs] == [
        ("random", "8x8"),
        ("expander", "8x8"),
        ("random", "6x6"),
        ("expander", "6x6"),
    ]
    for rung in rungs:
        assert rung.games == 24 == rung.wins + rung.draws + rung.losses
        assert 0 <= rung.low <= rung.win_share <= rung.high <= 1
        assert rung.win_share > 0.6 and 0 < rung.ticks <= 200
        assert json.loads(json.dumps(rung.as_json()))["win_share"] == round(rung.win_share, 4)


def test_a_ladder_is_a_function_of_its_arguments(rungs):
    again = climb(
        load_policy("hunter"), [load_policy("random")], games=24, sizes=((8, 8),), tick_limit=200, threads=1
    )
    assert again == rungs[:1]


def metric_rows() -> list[dict]:
    rows: list[dict] = [
        {"samples": 1000 * step, "game_ticks": 90.0 - step, "entropy": 3.0, "explained_variance": 0.1}
        for step in range(1, 60)
    ]
    return [*rows, {"evaluation": True, "samples": 60_000, "win/random": 0.9, "win/hunter": None}]


def test_the_curves_are_a_picture():
    picture = curves_png(metric_rows())
    assert picture.startswith(b"\x89PNG") and len(picture) > 10_000
    assert curves_png([]) == b"" and curves_png([{"note": "nothing yet"}]) == b""


def test_what_is_measured_without_opponents_has_a_curve():
    rows = [{"evaluation": True, "samples": 1000 * step, "exploitability": 1 / step} for step in (1, 2, 3)]
    assert curves_png(rows).startswith(b"\x89PNG")


def test_a_report_of_blob_says_how_to_play_against_the_agent():
    assert ("play against it", "strategos play runs/deep") in commands(Path("runs/deep"))


def test_a_report_holds_everything_and_needs_nothing_else(rungs):
    results = [rung.result() for rung in rungs]
    table = standings([*results, Result("random", "expander", 2, 3, 19)], anchor="random")
    picture = curves_png(metric_rows())
    report = Report(
        title="one <b>agent</b>",
        facts=[("samples", "0.06 M")],
        rungs=rungs,
        ratings=table.ratings,
        anchor=table.anchor,
        payoff=table.payoff,
        curves_png=picture,
        config='seed = 1\nname = "<script>"',
        machine={"cores": "2"},
        commands=[("play", "strategos play runs/quick")],
    )
    page = report_page(report)
    assert "one &lt;b&gt;agent" in page and "&lt;script&gt;" in page
    assert base64.b64encode(picture).decode() in page
    assert page.count('class="bar"') == len(rungs)
    for rung in rungs:
        assert f"{100 * rung.win_share:.1f} %" in page
    without_data = re.sub(r'src="data:image/png;base64,[^"]+"', "", page)
    assert not re.search(r'<(?:link|iframe)|src="|url\(|https?://|@import|fetch\(', without_data)


def test_the_rating_of_a_bot_is_fixed_where_there_is_one():
    assert anchor_among(["quick", "hunter", "random"]) == "random"
    assert anchor_among(["quick", "mcts-100", "hunter"]) == "hunter"
    assert anchor_among(["quick", "another"]) == "quick"


def test_an_empty_report_is_still_a_page():
    page = report_page(Report(title="nothing yet"))
    assert "nothing yet" in page and 'id="strength"' not in page and 'class="curves"' not in page
