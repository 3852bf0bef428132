"""Which boards are played when: the stages of a run, as data, and the games they mean."""

from __future__ import annotations

from strategos.games import make_game
from strategos.games.spec import Game
from strategos.train.config import BoardConfig, ConfigError, GameConfig, StageConfig


def stage_at(stages: tuple[StageConfig, ...], progress: float) -> int:
    """Index of the stage that is played at `progress` in [0, 1]."""
    return max(index for index, stage in enumerate(stages) if stage.start <= progress)


def make_board_game(game: GameConfig, board: BoardConfig) -> Game:
    """The game of one board of a stage; `ConfigError` where it cannot be."""
    if game.name == "kuhn":
        return make_game("kuhn")
    try:
        return make_game(
            game.name,
            height=board.height,
            width=board.width,
            players=game.players,
            ruleset=game.ruleset,
            spawn_distance=board.spawn_distance,
            min_height=board.min_height,
            min_width=board.min_width,
        )
    except (ValueError, TypeError, KeyError) as error:
        raise ConfigError(f"board {board.height}x{board.width}: {error}") from None
