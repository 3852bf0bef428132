"""Kuhn poker as text, both ways: `J K | pass bet | key 7 draws 2`.

The cards of both players, the moves so far (`-` before the first), the random stream.
"""

from __future__ import annotations

import numpy as np

from strategos.games.kuhn.record import BET, CARDS, PASS, STATE, UNPLAYED

_MOVES = {"pass": PASS, "bet": BET}
_NAMES = {number: name for name, number in _MOVES.items()}
_COMPLETE = {
    ("pass", "pass"),
    ("bet", "pass"),
    ("bet", "bet"),
    ("pass", "bet", "pass"),
    ("pass", "bet", "bet"),
}


def format_state(state: np.record) -> str:
    """The whole state on one line."""
    cards = " ".join(CARDS[card] for card in state["card"])
    moves = " ".join(_NAMES[move] for move in state["moves"] if move != UNPLAYED) or "-"
    return f"{cards} | {moves} | key {state['key']} draws {state['draws']}"


def format_view(view: np.record) -> str:
    """What one player knows: the other card is a question mark."""
    cards = ["?", "?"]
    cards[view["me"]] = CARDS[view["card"]]
    moves = " ".join(_NAMES[move] for move in view["moves"] if move != UNPLAYED) or "-"
    return f"{' '.join(cards)} | {moves}"


def parse_state(text: str) -> np.record:
    """The state that `format_state` printed; the stream may be left out (key 0).

    `ValueError` names the part that is wrong.
    """
    parts = [part.split() for part in text.strip().split("|")]
    if len(parts) not in (2, 3):
        raise ValueError(f"a Kuhn position is 'cards | moves | key K draws D', not {text.strip()!r}")
    cards, moves = parts[0], [] if parts[1] == ["-"] else parts[1]
    if len(cards) != 2 or cards[0] == cards[1] or any(card not in CARDS for card in cards):
        raise ValueError(f"the cards are two different ones of J, Q, K, not {' '.join(cards)!r}")
    prefixes = {line[:length] for line in _COMPLETE for length in range(len(line) + 1)}
    if tuple(moves) not in prefixes:
        raise ValueError(f"the moves {' '.join(moves)!r} are not the beginning of a game; use pass and bet")
    state = np.zeros(1, STATE)[0]
    state["card"] = [CARDS.index(card) for card in cards]
    state["moves"] = UNPLAYED
    state["moves"][: len(moves)] = [_MOVES[move] for move in moves]
    state["tick"] = len(moves)
    state["over"] = tuple(moves) in _COMPLETE
    if len(parts) == 3:
        stream = dict(zip(parts[2][::2], parts[2][1::2], strict=False))
        try:
            state["key"], state["draws"] = int(stream["key"]), int(stream["draws"])
        except (KeyError, ValueError):
            raise ValueError(f"the stream is 'key K draws D', not {' '.join(parts[2])!r}") from None
    return state
