"""What one seat of Blob knows, as numbers: the one layout that every card network reads.

Seats are relative (0 the viewer, then to the left). Suits are renamed: slot 0 is trump where there is
one, and the other suits follow by what the viewer holds of them, so positions that differ only in the
names of suits are one position to the network. Points and the number of the round are left out: a network
judges a round, and what was won before changes nothing in it.

A row has `INPUTS` columns of float32:

* `14 planes of 52 cards` (slot * 13 + rank): see `CARD_PLANES`;
* `8 seats of 37 features`: see `SEAT_FEATURES`; zeros for seats beyond the players;
* `2 planes of 18 bids`: legal for the viewer now, forbidden to the dealer;
* `58 features of the round`: see `ROUND_FEATURES`; here end the `FEATURES` that a perceptron reads;
* `4 slots of the suits`, S, H, C, D: with them a network gives its answer in real cards;
* `52 cards and 52 seats`: the plays in order, -1 beyond; for recurrent networks.
"""

from __future__ import annotations

import numpy as np

from strategos.games.bits import count_bits
from strategos.games.blob.record import BID, DECK, MAX_CARDS, MAX_PLAYERS, NO_TRUMP, SUIT_MASK
from strategos.games.compiled import kernel

CARD_PLANES = (
    "hand",
    "unseen",  # in other hands or the stock, as far as the viewer knows
    "legal",
    "table",  # of the trick that is being played
    "higher",  # on the viewer's cards: unseen cards of the suit that beat it, / 12
    "takes",  # on legal cards: played now, it would win the trick so far
    *(f"played_{seat}" for seat in range(MAX_PLAYERS)),
)
SEAT_FEATURES = (
    "exists",
    "dealer",
    "to_move",
    "leads",  # led the trick that is being played
    "winning",  # it, so far
    "to_play",  # still has to play to it
    "has_bid",
    "bid",  # this and the next three: / cards of the round
    "tricks",
    "needed",  # bid - tricks, negative beyond the bid
    "size",  # of the hand
    *(f"void_{slot}" for slot in range(4)),
    *(f"bid_{bid}" for bid in range(8)),  # the last: that or more
    *(f"needed_{needed}" for needed in range(-1, 7)),  # the first and the last: that or beyond
    *(f"table_suit_{slot}" for slot in range(4)),  # of its card on the table
    "table_rank",  # (rank + 1) / 13
    "table_trump",
)
ROUND_FEATURES = (
    *(f"cards_{cards}" for cards in range(1, MAX_CARDS + 1)),
    *(f"players_{players}" for players in range(3, MAX_PLAYERS + 1)),
    *(f"led_{slot}" for slot in range(4)),
    *(f"place_{place}" for place in range(MAX_PLAYERS)),  # cards on the table
    *(f"turned_{rank}" for rank in range(13)),  # rank of the trump that was turned up
    "no_trump",
    "bidding",
    "plus_bonus",  # scoring `tricks_plus_bonus`
    "cards",  # / 17
    "tricks_left",  # / cards
    "unseen",  # / 52
    "stock",  # / 52
    "bid_total",  # / cards
    "bids_to_come",  # / players
    "tricks_wanted",  # needed by all seats together, over the tricks left, / cards
)

NUM_BIDS = MAX_CARDS + 1
NUM_PLANES = len(CARD_PLANES)
SEAT_WIDTH = len(SEAT_FEATURES)
ROUND_WIDTH = len(ROUND_FEATURES)
SEATS_AT = NUM_PLANES * DECK
BIDS_AT = SEATS_AT + MAX_PLAYERS * SEAT_WIDTH
ROUND_AT = BIDS_AT + 2 * NUM_BIDS
FEATURES = ROUND_AT + ROUND_WIDTH
SLOTS_AT = FEATURES
ORDER_AT = SLOTS_AT + 4
INPUTS = ORDER_AT + 2 * DECK

_HAND, _UNSEEN, _LEGAL, _TABLE, _HIGHER, _TAKES, _PLAYED = range(0, 7 * DECK, DECK)
_BID_ONE_HOT = SEAT_FEATURES.index("bid_0")
_NEEDED_ONE_HOT = SEAT_FEATURES.index("needed_-1")
_VOID = SEAT_FEATURES.index("void_0")
_TABLE_SUIT = SEAT_FEATURES.index("table_suit_0")
_PLAYERS_AT = ROUND_AT + ROUND_FEATURES.index("players_3")
_LED_AT = ROUND_AT + ROUND_FEATURES.index("led_0")
_PLACE_AT = ROUND_AT + ROUND_FEATURES.index("place_0")
_TURNED_AT = ROUND_AT + ROUND_FEATURES.index("turned_0")
_NO_TRUMP_AT = ROUND_AT + ROUND_FEATURES.index("no_trump")
_FIRST = 1 << 50
"""A key above that of every suit which is not trump."""


@kernel
def _rename_suits(hand, unseen, trump, row):
    """Write the slot of each suit into `row`: trump first, then the longest and highest of the hand."""
    for suit in range(4):
        mine, open_cards = hand >> suit * 13 & SUIT_MASK, unseen >> suit * 13 & SUIT_MASK
        key = _FIRST if suit == trump else count_bits(mine) << 26 | mine << 13 | open_cards
        slot = 0
        for other in range(4):
            if other != suit:
                mine, open_cards = hand >> other * 13 & SUIT_MASK, unseen >> other * 13 & SUIT_MASK
                rival = _FIRST if other == trump else count_bits(mine) << 26 | mine << 13 | open_cards
                slot += rival > key or (rival == key and other < suit)
        row[SLOTS_AT + suit] = slot


@kernel
def _write_plays(view, row):
    """Planes of what was played by whom and the plays in order; returns (best card, its seat) of the table.

    (-1, -1) while nothing lies on the table.
    """
    players, num_plays = int(view.players), int(view.num_plays)
    begun = num_plays - num_plays % players
    best, winning = -1, -1
    for place in range(num_plays):
        card = int(view.plays[place])
        seat = int(view.leaders[place // players]) + place % players
        seat -= players * (seat >= players)
        suit, rank = card // 13, card % 13
        slot = int(row[SLOTS_AT + suit])
        where = slot * 13 + rank
        row[_PLAYED + seat * DECK + where] = 1
        row[ORDER_AT + place] = where
        row[ORDER_AT + DECK + place] = seat
        if place >= begun:
            row[_TABLE + where] = 1
            at = SEATS_AT + seat * SEAT_WIDTH + _TABLE_SUIT
            row[at + slot] = 1
            row[at + 4] = (rank + 1) / 13
            row[at + 5] = suit == view.trump
            if best < 0 or _beats(card, best, view.trump):
                best, winning = card, seat
    return best, winning


@kernel
def _beats(card, best, trump):
    suit, best_suit = card // 13, best // 13
    return (suit == best_suit and card > best) or (suit != best_suit and suit == trump)


@kernel
def _write_cards(view, unseen, legal, best, row):
    """Planes of the hand, the unseen cards and what may be played."""
    for suit in range(4):
        mine, open_cards = view.hand >> suit * 13 & SUIT_MASK, unseen >> suit * 13 & SUIT_MASK
        allowed = legal >> suit * 13 & SUIT_MASK
        at = int(row[SLOTS_AT + suit]) * 13
        for rank in range(13):
            row[_UNSEEN + at + rank] = open_cards >> rank & 1
            if mine >> rank & 1:
                row[_HAND + at + rank] = 1
                row[_HIGHER + at + rank] = count_bits(open_cards >> (rank + 1)) / 12
            if allowed >> rank & 1:
                row[_LEGAL + at + rank] = 1
                row[_TAKES + at + rank] = best < 0 or _beats(suit * 13 + rank, best, view.trump)


@kernel
def _write_seats(view, winning, row):
    """What is public about each seat; returns the sum of the bids and of the tricks still needed."""
    players, cards, place = int(view.players), int(view.cards), int(view.num_plays % view.players)
    leader = int(view.leaders[view.num_plays // players]) if place else -1
    total, wanted = 0, 0
    for seat in range(players):
        at = SEATS_AT + seat * SEAT_WIDTH
        tricks, bid = int(view.tricks[seat]), int(view.bids[seat])
        row[at] = 1
        row[at + 1] = seat == view.dealer
        row[at + 2] = seat == view.turn
        if place:
            behind = seat - leader
            behind += players * (behind < 0)
            row[at + 3] = behind == 0
            row[at + 4] = seat == winning
            row[at + 5] = behind >= place
        if bid >= 0:
            needed = bid - tricks
            total += bid
            wanted += max(needed, 0)
            row[at + 6] = 1
            row[at + 7] = bid / cards
            row[at + 9] = needed / cards
            row[at + _BID_ONE_HOT + min(bid, 7)] = 1
            row[at + _NEEDED_ONE_HOT + min(max(needed, -1), 6) + 1] = 1
        row[at + 8] = tricks / cards
        row[at + 10] = view.sizes[seat] / cards
        for suit in range(4):
            row[at + _VOID + int(row[SLOTS_AT + suit])] = view.voids[seat] >> suit & 1
    return total, wanted


@kernel
def _write_round(view, unseen, total, wanted, row):
    """The deal, the trick and the bidding as a whole."""
    players, cards, place = int(view.players), int(view.cards), int(view.num_plays % view.players)
    row[ROUND_AT + cards - 1] = 1
    row[_PLAYERS_AT + players - 3] = 1
    if place:
        led = int(view.plays[view.num_plays - place]) // 13
        row[_LED_AT + int(row[SLOTS_AT + led])] = 1
    row[_PLACE_AT + place] = 1
    if view.turned >= 0:
        row[_TURNED_AT + int(view.turned) % 13] = 1
    left = cards - view.num_plays // players
    row[_NO_TRUMP_AT] = view.trump == NO_TRUMP
    row[_NO_TRUMP_AT + 1] = view.num_bids < players
    row[_NO_TRUMP_AT + 2] = view.scoring
    row[_NO_TRUMP_AT + 3] = cards / MAX_CARDS
    row[_NO_TRUMP_AT + 4] = left / cards
    row[_NO_TRUMP_AT + 5] = count_bits(unseen) / DECK
    row[_NO_TRUMP_AT + 6] = (DECK - players * cards) / DECK
    row[_NO_TRUMP_AT + 7] = total / cards
    row[_NO_TRUMP_AT + 8] = (players - view.num_bids) / players
    row[_NO_TRUMP_AT + 9] = (wanted - left) / cards
    if view.num_bids == players - 1 and total <= cards:  # the dealer bids next
        row[BIDS_AT + NUM_BIDS + cards - total] = 1


@kernel
def write_card_features(views, masks, rows):
    """Fill `rows` [B, INPUTS] float32 from `views` [B] and packed `masks` [B, 9] uint8; see the layout."""
    for index in range(views.shape[0]):
        view, row = views[index], rows[index]
        row[:ORDER_AT] = 0.0
        row[ORDER_AT:] = -1.0
        seen = view.hand
        for place in range(view.num_plays):
            seen |= 1 << int(view.plays[place])
        if view.turned >= 0:
            seen |= 1 << int(view.turned)
        unseen = ((1 << DECK) - 1) & ~seen
        legal = np.int64(0)
        for byte in range(7):
            legal |= np.int64(masks[index, byte]) << 8 * byte
        bids = legal >> BID | np.int64(masks[index, 7]) << 4 | np.int64(masks[index, 8]) << 12
        legal &= (1 << DECK) - 1
        _rename_suits(view.hand, unseen, view.trump, row)
        best, winning = _write_plays(view, row)
        _write_cards(view, unseen, legal, best, row)
        total, wanted = _write_seats(view, winning, row)
        for bid in range(NUM_BIDS):
            row[BIDS_AT + bid] = bids >> bid & 1
        _write_round(view, unseen, total, wanted, row)
