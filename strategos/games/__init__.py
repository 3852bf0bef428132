"""The games. `make_game("generals", height=12, width=12)` builds one; `GAMES` lists them."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from strategos.games.compiled import use_keyed_cache
from strategos.games.spec import Game, GameSpec
from strategos.spelling import nearest

use_keyed_cache()

GAMES: dict[str, str] = {
    "blob": "strategos.games.blob.game:Blob",
    "generals": "strategos.games.generals.game:Generals",
    "kuhn": "strategos.games.kuhn.game:Kuhn",
}
"""Name of each game, and where its class is. A new game is a line here."""


def make_game(name: str, **options: Any) -> Game:
    """Build a game by name; `ValueError` for an unknown name or for options that it cannot take."""
    if name not in GAMES:
        hint = nearest(name, GAMES, then="there are " + ", ".join(GAMES))
        raise ValueError(f"no game {name!r}{hint}")
    module, _, attribute = GAMES[name].partition(":")
    game_class = getattr(import_module(module), attribute)
    try:
        return game_class(**options)
    except TypeError as error:
        raise ValueError(f"game {name!r}: {error}") from None


__all__ = ["GAMES", "Game", "GameSpec", "make_game"]
