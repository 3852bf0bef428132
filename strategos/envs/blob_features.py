"""What a seat of Blob knows as one row of numbers in [0, 1], for libraries that want a flat array.

Plain NumPy, one view at a time. Seats are relative: 0 is you, 1 your left neighbour. `feature_parts` names
the pieces, so that a library or a person can take them apart again.
"""

from __future__ import annotations

import numpy as np

from strategos.games.blob.record import DECK, NO_TRUMP, SUITS

_HIGHEST_BID = 17
_EXACT_BONUS = 10


def feature_parts(players: int) -> dict[str, tuple[slice, tuple[int, ...]]]:
    """Name of each piece of the features of a table of `players`: where it lies, and its shape.

    * `hand` [52]: your cards, suits S H C D, two to ace.
    * `trick` [players, 52]: the card each seat has put into the trick that is on the table.
    * `played` [players, 52]: all cards each seat has played in this round.
    * `led` [4]: the suit led. `trump` [5]: its suit, the last for none. `turned` [52]: the card turned up.
    * `dealer` [players]: who dealt. `turn` [players]: who is to move. `bidding` [1]: bids are being made.
    * `bid_made` [players], `bids` [players]: whether a seat has bid, and its bid / 17.
    * `tricks` [players]: tricks taken / 17. `sizes` [players]: cards in hand / 17.
    * `voids` [players, 4]: suits that a seat has shown not to hold.
    * `scores` [players]: total points / the most that the game can bring.
    * `round` [1]: number of the round / rounds. `cards` [1]: cards dealt to each seat / 17.
    """
    shapes: dict[str, tuple[int, ...]] = {
        "hand": (DECK,),
        "trick": (players, DECK),
        "played": (players, DECK),
        "led": (len(SUITS),),
        "trump": (NO_TRUMP + 1,),
        "turned": (DECK,),
        "dealer": (players,),
        "turn": (players,),
        "bidding": (1,),
        "bid_made": (players,),
        "bids": (players,),
        "tricks": (players,),
        "sizes": (players,),
        "voids": (players, len(SUITS)),
        "scores": (players,),
        "round": (1,),
        "cards": (1,),
    }
    parts, first = {}, 0
    for name, shape in shapes.items():
        last = first + int(np.prod(shape))
        parts[name] = slice(first, last), shape
        first = last
    return parts


def num_features(players: int) -> int:
    """The length of a row of features: 576 at a table of four."""
    return list(feature_parts(players).values())[-1][0].stop


def encode_features(view: np.record) -> np.ndarray:
    """One view as float32 [num_features] in [0, 1]; the pieces are those of `feature_parts`."""
    players = int(view["players"])
    row = np.zeros(num_features(players), np.float32)
    piece = {name: row[place].reshape(shape) for name, (place, shape) in feature_parts(players).items()}
    piece["hand"][:] = _bits(view["hand"], DECK)
    plays = view["plays"][: view["num_plays"]]
    for number, card in enumerate(plays):
        trick, place = divmod(number, players)
        seat = (int(view["leaders"][trick]) + place) % players
        piece["played"][seat, card] = 1
        if trick == len(plays) // players:
            piece["trick"][seat, card] = 1
    if len(plays) % players:
        piece["led"][plays[-(len(plays) % players)] // 13] = 1
    piece["trump"][view["trump"]] = 1
    if view["turned"] >= 0:
        piece["turned"][view["turned"]] = 1
    piece["dealer"][view["dealer"]] = 1
    if view["turn"] >= 0:
        piece["turn"][view["turn"]] = 1
    piece["bidding"][0] = view["num_bids"] < players
    bids = view["bids"][:players]
    piece["bid_made"][:] = bids >= 0
    piece["bids"][:] = np.maximum(bids, 0) / _HIGHEST_BID
    piece["tricks"][:] = view["tricks"][:players] / _HIGHEST_BID
    piece["sizes"][:] = view["sizes"][:players] / _HIGHEST_BID
    for seat in range(players):
        piece["voids"][seat] = _bits(view["voids"][seat], len(SUITS))
    piece["scores"][:] = view["scores"][:players] / (
        int(view["rounds"]) * (_EXACT_BONUS + int(view["largest"]))
    )
    piece["round"][0] = view["round"] / view["rounds"]
    piece["cards"][0] = view["cards"] / _HIGHEST_BID
    return row


def _bits(word: int, count: int) -> np.ndarray:
    """The lowest `count` bits of a word, uint8 [count]."""
    return np.unpackbits(np.array([word], "<u8").view(np.uint8), count=count, bitorder="little")
