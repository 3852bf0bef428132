"""What judges the leaves of a search: random playouts, networks, a script for Generals, or two of them.

All keep the contract of `strategos.play.search.Evaluator`. Nothing here searches.
"""

from __future__ import annotations

from collections.abc import Callable

from strategos.games.spec import Game
from strategos.play.evaluators.generals import ScriptedEvaluator
from strategos.play.evaluators.rollouts import RolloutEvaluator
from strategos.play.search import Evaluator

SCRIPTS: dict[str, Callable[[], Evaluator]] = {"generals": ScriptedEvaluator}
"""The games in which random playouts come to no end, and what judges their positions instead."""


def unlearned_evaluator(game: Game, playouts: int = 1) -> Evaluator:
    """What judges the leaves of `game` without having learned: its script, or else random `playouts`."""
    script = SCRIPTS.get(game.spec.name)
    return script() if script else RolloutEvaluator(playouts)
