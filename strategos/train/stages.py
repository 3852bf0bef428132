"""The stages of a curriculum, as data: what is played, and when a run moves on or back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class BoardConfig:
    """One kind of board."""

    height: int = 8
    """Rows."""
    width: int = 8
    """Columns."""
    spawn_distance: tuple[int, int] | None = None
    """Lowest and highest Manhattan distance of the generals; the ruleset's own where left out."""
    min_height: int | None = None
    """Boards vary from here to `height`."""
    min_width: int | None = None
    """... and from here to `width`."""


@dataclass(frozen=True)
class StageConfig:
    """A stage of the curriculum: from a share of the run on, or from a win rate on, these boards."""

    start: float = 0.0
    """Share of the run at which the stage begins, where stages do not follow the win rate."""
    boards: tuple[BoardConfig, ...] = (BoardConfig(),)
    """The boards that are played."""
    tick_limit: int | None = None
    """In place of `game.tick_limit`."""
    bots: dict[str, float] | None = None
    """In place of `rollout.bots`."""
    shaping: float | None = None
    """Weight of the potential all through the stage, in place of `rollout.shaping`."""
    advance: float | None = None
    """The next stage begins at this share of games won in training ..."""
    back: float | None = None
    """... and the one before comes back below this one, which must be lower."""
    against: str = ""
    """The bot against which games count for this; empty, all against bots, past selves and exploiters."""
    games: int = 200
    """So many games of a stage are measured before it is left, and about so many count."""


def check_stages(
    stages: Sequence[StageConfig], rollout_bots: Mapping[str, float], against_others: bool
) -> None:
    """`ValueError` for stages that cannot follow one another.

    `against_others` says whether there are games against past selves.
    """
    if not stages or stages[0].start != 0 or any(not stage.boards for stage in stages):
        raise ValueError("stages: the first one starts at 0, and each has at least one board")
    for number, stage in enumerate(stages):
        bots = rollout_bots if stage.bots is None else stage.bots
        _check_stage(f"stages[{number}]", stage, bots, against_others)
    if not follows_wins(stages):
        starts = [stage.start for stage in stages]
        if starts != sorted(set(starts)) or starts[-1] >= 1:
            raise ValueError(f"stages must start one after the other, from 0 to below 1, not {starts}")
        return
    if any(stage.start for stage in stages):
        raise ValueError("stages follow either the run (start) or the win rate (advance), not both")
    if stages[0].back is not None or stages[-1].advance is not None:
        raise ValueError("stages: nothing lies before the first (back) or after the last one (advance)")
    if any(stage.advance is None for stage in stages[:-1]):
        raise ValueError(
            "stages: where one follows the win rate all do; every one but the last needs advance"
        )


def _check_stage(name: str, stage: StageConfig, bots: Mapping[str, float], against_others: bool) -> None:
    limits = [each for each in (stage.advance, stage.back) if each is not None]
    if any(not 0 < each < 1 for each in limits) or stage.games < 1:
        raise ValueError(f"{name}: advance and back lie between 0 and 1, and games is at least 1")
    if stage.advance is not None and stage.back is not None and stage.back >= stage.advance:
        raise ValueError(f"{name}: back ({stage.back}) must be below advance ({stage.advance})")
    if (stage.tick_limit or 0) < 0 or (stage.shaping or 0) < 0:
        raise ValueError(f"{name}: tick_limit and shaping must be 0 or more")
    if stage.against and not bots.get(stage.against):
        raise ValueError(f"{name}: no games are played against {stage.against!r} there; give it a share")
    if limits and not stage.against and not against_others and not sum(bots.values()):
        raise ValueError(f"{name}: a win rate needs games against others: set bots or league.past")


def follows_wins(stages: Sequence[StageConfig]) -> bool:
    """Whether the stages follow a measured win rate; else they follow the run's progress."""
    return any(stage.advance is not None or stage.back is not None for stage in stages)
