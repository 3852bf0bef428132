"""What a report says of a run's curriculum: its stages, their win rates, and when the run moved."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from strategos.train.stages import BoardConfig, StageConfig, follows_wins


@dataclass(frozen=True)
class StageShown:
    """One stage, as text."""

    boards: str
    until: str
    """When the run goes on, and when it goes back."""
    entered: str
    """After how many samples the stage began, each time, and at which win rate."""


def show_stages(stages: Sequence[StageConfig], history: Sequence[Mapping[str, Any]]) -> list[StageShown]:
    """The stages of a curriculum and its `history`; nothing where there is one stage."""
    if len(stages) == 1:
        return []
    shown = []
    for number, stage in enumerate(stages):
        entered = ["the beginning"] if number == 0 else []
        entered += [_move(move) for move in history if move["to"] == number]
        shown.append(
            StageShown(
                ", ".join(map(_board, stage.boards)),
                _bounds(stage) if follows_wins(stages) else f"from {stage.start:.0%} of the run",
                "; ".join(entered) or "never",
            )
        )
    return shown


def _board(board: BoardConfig) -> str:
    size = f"{board.height}x{board.width}"
    if board.spawn_distance is None:
        return size
    return f"{size}, generals {board.spawn_distance[0]} to {board.spawn_distance[1]} apart"


def _bounds(stage: StageConfig) -> str:
    bounds = [f"on at {stage.advance:.0%} won"] if stage.advance is not None else []
    bounds += [f"back below {stage.back:.0%}"] if stage.back is not None else []
    return ", ".join(bounds) + (f" against {stage.against}" if stage.against and bounds else "")


def _move(move: Mapping[str, Any]) -> str:
    what = f"{move['samples']:,} samples"
    if move["win_rate"] is None:
        return what
    return f"{what} ({'on' if move['to'] > move['from'] else 'back'} at {move['win_rate']:.1%})"
