"""How the strength of players is told, game by game: on boards, on deals, or exactly."""

from __future__ import annotations

from strategos.games import make_game
from strategos.play.exploitability import EXPLOITABILITY
from strategos.train.deals import Deals

BOARDS, DEALS, EXACT = "boards", "deals", "exact"
_MEASURES = {"generals": BOARDS}


def how_measured(game: str) -> str:
    """`BOARDS`: the share of games won from both seats; `EXACT`: by going through every decision, of one
    player alone; else `DEALS`: points, alone at a table of others."""
    if game in EXPLOITABILITY:
        return EXACT
    return _MEASURES.get(game, DEALS)


def deals_of(game: str, kind: tuple[int, int] | None) -> Deals:
    """Deals of one kind: in Blob of players x cards (4x5), in other games as they are by default.

    `ValueError` for a deal that cannot be.
    """
    if game != "blob":
        return Deals((make_game(game),), (1.0,))
    players, cards = kind or (4, 5)
    return Deals((make_game(game, players=players, cards=cards),), (1.0,))
