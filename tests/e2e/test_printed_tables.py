"""Results at every width of a terminal: no number is ever cut."""

from __future__ import annotations

import io
from dataclasses import replace

import pytest
from rich.console import Console

from strategos.commands.tables import contests_table, rungs_table, show
from strategos.evaluate.contests import Contest
from strategos.evaluate.ladder import Rung

RUNG = Rung("quick", "hunter", "10x10", 300, 100, 112, 0.55, 0.62, 212)
CONTEST = Contest(
    "blob-quick@757902 + search", "rollout search", 1500, 6000, 0.0391, 0.027, 0.051, 0.4, 0.605
)


def shown(width: int, table, results) -> str:
    console = Console(width=width, file=io.StringIO())
    show(console, table, results)
    return console.file.getvalue()


@pytest.mark.parametrize("width", [40, 60, 80, 200])
def test_no_number_is_cut(width):
    rungs, contests = (
        shown(width, rungs_table([RUNG]), [RUNG]),
        shown(width, contests_table([CONTEST]), [CONTEST]),
    )
    for text in (rungs, contests):
        assert "…" not in text and max(map(len, text.splitlines())) <= width
    assert "58.6%" in rungs and "hunter" in rungs and "10x10" in rungs
    assert all(number in contests for number in ("+0.039", "+0.027", "+0.051"))


def test_a_screen_of_eighty_columns_has_tables():
    assert "55.0% to 62.0%" in shown(80, rungs_table([RUNG]), [RUNG])
    assert "+0.027 to +0.051" in shown(80, contests_table([CONTEST]), [CONTEST])


def test_names_are_shown_as_they_are():
    """A program is named by its command line, in which brackets mean nothing to us."""
    name = "cmd:bot [/x] [b]"
    rung, contest = replace(RUNG, opponent=name), replace(CONTEST, player=name, table=name)
    assert name in shown(200, rungs_table([rung]), [rung]) and name in shown(20, rungs_table([rung]), [rung])
    assert shown(200, contests_table([contest]), [contest]).count(name) == 2
