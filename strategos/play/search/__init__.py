"""Search over hidden information, for every game: `Search(game, SearchConfig(), evaluator).run(...)`."""

from strategos.play.search.config import (
    Evaluator,
    PolicyEvaluator,
    Probabilities,
    SearchConfig,
    SearchResult,
)
from strategos.play.search.regret_search import RegretSearch
from strategos.play.search.search import Search

__all__ = [
    "Evaluator",
    "PolicyEvaluator",
    "Probabilities",
    "RegretSearch",
    "Search",
    "SearchConfig",
    "SearchResult",
]
