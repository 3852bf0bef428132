"""What a finished run of Blob has to show: contests, gate history, ratings, curves, a round to read."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from strategos.evaluate.contests import Contest, final_contests
from strategos.evaluate.report import Report
from strategos.evaluate.shown_round import show_round
from strategos.play.agents import load_policy
from strategos.play.bots import anchor_among
from strategos.play.network import NetworkPolicy
from strategos.train.config import TrainConfig
from strategos.train.deals import first_kind, make_deals
from strategos.train.gate import Standings

_SEED = 20_270_000
"""Deals of the final contests: no deal of training or its evaluations is among them."""


def add_contests(
    report: Report,
    config: TrainConfig,
    agent: NetworkPolicy,
    *,
    deals: int,
    on_contest: Callable[[Contest], None] | None,
) -> list[Contest]:
    """Play the final contests, and enter them and a round to read into the report."""
    table = first_kind(make_deals(config)[0])
    evaluation = config.evaluation
    bots = [partial(load_policy, name) for name in evaluation.against]
    found = final_contests(
        table,
        agent,
        bots,
        count=max(2, deals),
        worlds=evaluation.worlds,
        simulations=evaluation.simulations,
        seed=_SEED,
        on_contest=on_contest,
    )
    kind = table.game.options
    report.contests = found
    report.contests_on = f"{kind['players']} players, {kind['cards']} cards"
    report.shown_round = show_round(table, agent, evaluation.worlds, evaluation.simulations, _SEED + 1)
    return found


def add_history(report: Report, config: TrainConfig, meta: dict[str, Any], rows: list[dict]) -> None:
    """Enter the gate's history and the ratings of all champions and bots into the report."""
    report.gates = [
        {
            "samples": row["samples"],
            "accepted": bool(row["gate/accepted"]),
            "undecided": bool(row["gate/undecided"]),
            "deals": int(row["gate/deals"]),
            "points": row["gate/points"],
            "low": row["gate/low"],
            "high": row["gate/high"],
        }
        for row in rows
        if "gate/points" in row
    ]
    report.alarms = [(row["samples"], alarm) for row in rows for alarm in row.get("alarms", ())]
    anchor = anchor_among(config.evaluation.against)
    report.points_ratings = Standings.load(meta["champions"]["meetings"]).ratings(anchor)
    report.anchor = anchor


def commands(run_dir: Path) -> list[tuple[str, str]]:
    """What to do next."""
    return [
        ("play against it", f"strategos play {run_dir}"),
        ("measure it again", f"strategos evaluate {run_dir}"),
        ("train for longer", "strategos train --preset blob-quick --max-minutes 120 --run longer"),
    ]
