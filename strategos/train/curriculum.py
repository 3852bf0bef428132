"""Which stage is played when, by the run's progress or by a measured win rate, and the games it means."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from strategos.games import make_game
from strategos.games.spec import Game
from strategos.train.config import BoardConfig, ConfigError, GameConfig, StageConfig
from strategos.train.stages import follows_wins

GAME_KEYS: dict[str, tuple[str, ...]] = {"generals": ("players", "teams", "ruleset")}
"""Of the configuration's `game`, what each game takes as options; another one takes none."""
BOARD_KEYS: dict[str, tuple[str, ...]] = {
    "generals": ("height", "width", "spawn_distance", "min_height", "min_width")
}
"""... and what it takes of a stage's board."""


def stage_at(stages: Sequence[StageConfig], progress: float) -> int:
    """Index of the stage that starts last before `progress` in [0, 1]."""
    return max(index for index, stage in enumerate(stages) if stage.start <= progress)


class Curriculum:
    """The present stage, and the win rate that moves it.

    On at `advance`, back below `back`: between the two it stays where it is, so that chance moves nothing to
    and fro.
    """

    def __init__(self, stages: Sequence[StageConfig]) -> None:
        self.stages = tuple(stages)
        self.by_wins = follows_wins(stages)
        self.stage = 0
        self.games = self.wins = 0.0
        """Of the present stage; older games count less and less."""
        self.history: list[dict[str, Any]] = []
        """Every move: after how many samples, from which stage, to which, at which win rate (if by it)."""

    @property
    def now(self) -> StageConfig:
        """The present stage."""
        return self.stages[self.stage]

    @property
    def win_rate(self) -> float | None:
        """Share of the games won, None before there are enough."""
        return self.wins / self.games if self.games >= self.now.games else None

    def count(self, games: float, wins: float) -> None:
        """Enter games of the present stage."""
        kept = min(1.0, self.now.games / max(self.games, 1e-9))
        self.games, self.wins = kept * self.games + games, kept * self.wins + wins

    def move(self, progress: float, samples: int) -> bool:
        """Go on or back where it is time to; whether the stage is another one now."""
        rate, now = self.win_rate, self.now
        stage = self.stage
        if not self.by_wins:
            stage = stage_at(self.stages, progress)
        elif rate is not None and now.advance is not None and rate >= now.advance:
            stage += 1
        elif rate is not None and now.back is not None and rate < now.back:
            stage -= 1
        if stage == self.stage:
            return False
        self.history.append(
            {
                "samples": samples,
                "from": self.stage,
                "to": stage,
                "win_rate": rate if self.by_wins else None,
            }
        )
        self.stage, self.games, self.wins = stage, 0.0, 0.0
        return True

    def metrics(self) -> dict[str, float]:
        """For the run's metrics; nothing where there is one stage."""
        if len(self.stages) == 1:
            return {}
        found = {"stage": float(self.stage), "stage_moves": float(len(self.history))}
        for name, value in (
            ("stage_win", self.win_rate),
            ("stage_advance", self.now.advance),
            ("stage_back", self.now.back),
        ):
            if self.by_wins and value is not None:
                found[name] = value
        return found

    def save(self) -> dict[str, Any]:
        """Plain data."""
        return {"stage": self.stage, "games": self.games, "wins": self.wins, "history": self.history}

    def load(self, saved: Mapping[str, Any]) -> None:
        """Go on where `save` was called."""
        self.stage, self.history = int(saved["stage"]), list(saved["history"])
        self.games, self.wins = float(saved["games"]), float(saved["wins"])


def make_board_game(game: GameConfig, board: BoardConfig) -> Game:
    """The game of one board of a stage; `ConfigError` where it cannot be."""
    options = {key: getattr(game, key) for key in GAME_KEYS.get(game.name, ())}
    options |= {key: getattr(board, key) for key in BOARD_KEYS.get(game.name, ())}
    try:
        return make_game(game.name, **options)
    except (ValueError, TypeError, KeyError) as error:
        raise ConfigError(f"board {board.height}x{board.width}: {error}") from None
