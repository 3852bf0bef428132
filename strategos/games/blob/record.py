"""The records of Blob: the state of a game, what one seat knows, the cards. Data only.

One layout serves every number of players and cards, so the rules are compiled once: seats beyond
`players` and cards beyond `cards` stay empty. A card is `suit * 13 + rank`, a hand is a mask of 52 bits.
"""

from __future__ import annotations

import numpy as np

MAX_PLAYERS, MAX_CARDS, DECK = 8, 17, 52
SPADES, HEARTS, CLUBS, DIAMONDS, NO_TRUMP = range(5)
SUITS, RANKS = "SHCD", "23456789TJQKA"
BID = DECK
"""The action id of a bid of 0; cards come before it, bids follow it."""
NUM_ACTIONS = BID + MAX_CARDS + 1
NONE = -1
EXACT, TRICKS_PLUS_BONUS = range(2)
SCORINGS = ("exact", "tricks_plus_bonus")
SUIT_MASK = (1 << 13) - 1

STATE = np.dtype(
    (
        np.record,
        [
            ("key", "i8"),  # the random stream
            ("draws", "i8"),  # numbers drawn from it so far
            ("hand", "i8", (MAX_PLAYERS,)),  # cards that each seat still holds
            ("tick", "i4"),  # actions made in the game
            ("scores", "i4", (MAX_PLAYERS,)),  # totals of the rounds that are finished
            (
                "round",
                "i2",
            ),  # number of this round, from 0; in kernels `state["round"]`, as records have a method `round`
            ("rounds", "i2"),  # the game is over after so many
            ("over", "i1"),
            ("players", "i1"),
            ("largest", "i1"),  # the largest deal of the game
            ("cards", "i1"),  # cards dealt to each seat in this round
            ("trump", "i1"),
            ("turned", "i1"),  # the card turned up, or -1
            ("dealer", "i1"),
            ("turn", "i1"),  # the seat to move, -1 after the end
            ("num_bids", "i1"),
            ("num_plays", "i1"),  # cards played in this round
            ("turned_up", "i1"),  # option: the trump is the suit of a card of the stock
            ("scoring", "i1"),  # option: EXACT or TRICKS_PLUS_BONUS
            ("bids", "i1", (MAX_PLAYERS,)),  # -1 before the bid
            ("tricks", "i1", (MAX_PLAYERS,)),  # taken in this round
            ("voids", "u1", (MAX_PLAYERS,)),  # suits that a seat has shown not to hold, a bit each
            ("last_scores", "i1", (MAX_PLAYERS,)),  # of the round before this one, or of the last one
            ("leaders", "i1", (MAX_CARDS,)),  # the seat that led each trick, -1 before
            ("plays", "i1", (DECK,)),  # cards in the order in which they were played, -1 beyond
            ("padding", "u1", (7,)),
        ],
    )
)

VIEW = np.dtype(
    (
        np.record,
        [
            ("hand", "i8"),
            ("tick", "i4"),
            ("scores", "i4", (MAX_PLAYERS,)),  # here and below: seat 0 is the viewer, then to the left
            ("me", "i2"),  # the viewer's seat at the table
            ("round", "i2"),
            ("rounds", "i2"),
            ("players", "i1"),
            ("largest", "i1"),
            ("cards", "i1"),
            ("trump", "i1"),
            ("turned", "i1"),
            ("dealer", "i1"),  # relative
            ("turn", "i1"),  # relative; -1 after the end
            ("num_bids", "i1"),
            ("num_plays", "i1"),
            ("turned_up", "i1"),
            ("scoring", "i1"),
            ("bids", "i1", (MAX_PLAYERS,)),
            ("tricks", "i1", (MAX_PLAYERS,)),
            ("sizes", "i1", (MAX_PLAYERS,)),  # cards in each hand
            ("voids", "u1", (MAX_PLAYERS,)),
            ("last_scores", "i1", (MAX_PLAYERS,)),
            ("leaders", "i1", (MAX_CARDS,)),  # relative
            ("plays", "i1", (DECK,)),
            ("padding", "u1", (6,)),
        ],
    )
)

MEMORY = np.dtype((np.record, [("tick", "i4"), ("padding", "u1", (4,))]))


def card_name(card: int) -> str:
    """`SA` for the ace of spades."""
    return SUITS[card // 13] + RANKS[card % 13]


def card_id(name: str) -> int:
    """The card that `card_name` names; `ValueError` for another word."""
    if len(name) != 2 or name[0] not in SUITS or name[1] not in RANKS:
        raise ValueError(f"a card is a suit of {SUITS} and a rank of {RANKS}, such as SA, not {name!r}")
    return SUITS.index(name[0]) * 13 + RANKS.index(name[1])
