"""The rules of Blob on one record, compiled; no Python objects, no allocation.

Seats are numbered to the left. Hands are masks of 52 bits, so following suit, counting and drawing a
card are a few machine instructions. The twin to read is `reference.py`.
"""

from __future__ import annotations

import numpy as np

from strategos.games.bits import count_bits
from strategos.games.blob.record import (
    BID,
    DECK,
    MAX_CARDS,
    MAX_PLAYERS,
    NO_TRUMP,
    NONE,
    NUM_ACTIONS,
    SUIT_MASK,
    TRICKS_PLUS_BONUS,
)
from strategos.games.compiled import kernel
from strategos.games.rng import below, draw

EXACT_BONUS = 10
_RECIPROCAL = np.array([0] + [1024 // players + 1 for players in range(1, MAX_PLAYERS + 1)], np.int64)
"""`plays * _RECIPROCAL[players] >> 10` is `plays // players` up to a deck; a division takes far longer."""


@kernel
def lowest_card(cards):
    """The lowest card of a mask that holds one."""
    return count_bits((cards & -cards) - 1)


@kernel
def nth_card(cards, index):
    """Card number `index` of a mask, the lowest first: six halvings, no unpredictable branch."""
    place = 0
    width = 32
    while width:
        low = count_bits(cards >> place & ((1 << width) - 1))
        beyond = index >= low
        index -= low * beyond
        place += width * beyond
        width >>= 1
    return place


@kernel
def begin_round(state):
    """Deal `state.cards` cards to each seat; dealer and, unless it is turned up, trump are set."""
    deck = state.plays  # free until the table is cleared
    for place in range(DECK):
        deck[place] = place
    dealt, first = 0, int(state.draws)
    for seat in range(state.players):
        hand = 0
        for _ in range(state.cards):
            chosen = dealt + below(state.key, first + dealt, DECK - dealt)
            hand |= 1 << int(deck[chosen])
            deck[chosen] = deck[dealt]
            dealt += 1
        state.hand[seat] = hand
    state.turned = NONE
    if state.turned_up:
        state.turned = deck[dealt + below(state.key, first + dealt, DECK - dealt)]
        state.trump = state.turned // 13
        dealt += 1
    state.draws = first + dealt
    clear_table(state)


@kernel
def clear_table(state):
    """No bids, no plays; the seat left of the dealer is to bid."""
    for seat in range(state.bids.shape[0]):
        state.bids[seat] = NONE
        state.tricks[seat] = 0
        state.voids[seat] = 0
    for place in range(DECK):
        state.plays[place] = NONE
    for trick in range(MAX_CARDS):
        state.leaders[trick] = NONE
    state.num_bids = 0
    state.num_plays = 0
    state.turn = left_of(state, state.dealer)


@kernel
def left_of(state, seat):
    """The seat to the left of `seat`."""
    return seat + 1 if seat + 1 < state.players else 0


@kernel
def full_tricks(state):
    """How many full tricks have been played in this round."""
    return int(state.num_plays) * int(_RECIPROCAL[state.players]) >> 10


@kernel
def forbidden_bid(state):
    """The bid that would bring the dealer's total to exactly the cards dealt; -1 where none is forbidden."""
    if state.num_bids != state.players - 1:
        return NONE
    total = 0
    for seat in range(state.players):
        if seat != state.dealer:
            total += int(state.bids[seat])
    return int(state.cards) - total if total <= state.cards else NONE


@kernel
def legal_bids(state):
    """The bids that the seat to move may make, a bit each."""
    bids = (1 << (int(state.cards) + 1)) - 1
    forbidden = forbidden_bid(state)
    if forbidden >= 0:
        bids &= ~(1 << forbidden)
    return bids


@kernel
def legal_cards(state):
    """The cards that the seat to move may play, as a mask."""
    hand = int(state.hand[state.turn])
    first = full_tricks(state) * int(state.players)
    following = 0
    if state.num_plays > first:
        led = int(state.plays[first]) // 13
        following = hand & (SUIT_MASK << (led * 13))
    return following if following else hand


@kernel
def trick_winner(state, first):
    """The place, from 0, of the card that wins the full trick beginning at play number `first`."""
    led = int(state.plays[first]) // 13
    best, winner = -1, 0
    for place in range(state.players):
        card = int(state.plays[first + place])
        suit = card // 13
        strength = card + 64 * (suit == led) + 128 * (suit == state.trump)
        winner = place if strength > best else winner  # no branch to mispredict
        best = max(best, strength)
    return winner


@kernel
def round_score(state, seat):
    """Points of one seat for the round that has just ended."""
    exact = state.tricks[seat] == state.bids[seat]
    if state.scoring == TRICKS_PLUS_BONUS:
        return state.tricks[seat] + EXACT_BONUS * exact
    return (EXACT_BONUS + state.bids[seat]) * exact


@kernel
def cards_of_round(largest, players, number):
    """Cards dealt in round `number` of a whole game: C to 2, then 1 for each seat, then 2 to C."""
    if number < largest - 1:
        return largest - number
    if number < largest - 1 + players:
        return 1
    return number - (largest + players - 1) + 2


@kernel
def end_round(state):
    """Count the scores; deal the next round, or end the game."""
    for seat in range(state.players):
        points = round_score(state, seat)
        state.last_scores[seat] = points
        state.scores[seat] += points
    if state["round"] + 1 >= state.rounds:
        state.over = 1
        state.turn = NONE
        return
    state["round"] += 1
    state.cards = cards_of_round(state.largest, state.players, state["round"])
    state.trump = state["round"] % (NO_TRUMP + 1)
    state.dealer = left_of(state, state.dealer)
    begin_round(state)


@kernel
def play_card(state, card):
    """Play a legal card."""
    seat, players, card = int(state.turn), int(state.players), int(card)
    trick = full_tricks(state)
    first = trick * players
    place = int(state.num_plays) - first
    if place == 0:
        state.leaders[trick] = seat
    else:
        led = int(state.plays[first]) // 13
        state.voids[seat] |= int(card // 13 != led) << led
    state.hand[seat] ^= 1 << card
    state.plays[first + place] = card
    state.num_plays += 1
    if place < players - 1:
        state.turn = left_of(state, seat)
        return
    winner = int(state.leaders[trick]) + trick_winner(state, first)
    winner -= players * (winner >= players)
    state.tricks[winner] += 1
    state.turn = winner
    if trick + 1 == state.cards:
        end_round(state)


@kernel
def is_legal(state, action):
    """Whether the seat to move may play `action`, any integer."""
    if state.num_bids < state.players:
        return BID <= action < NUM_ACTIONS and (legal_bids(state) >> (action - BID)) & 1 == 1
    return 0 <= action < DECK and (legal_cards(state) >> action) & 1 == 1


@kernel
def lowest_action(state):
    """The legal action with the lowest id: what an illegal one is played as."""
    if state.num_bids < state.players:
        return BID + lowest_card(legal_bids(state))
    return lowest_card(legal_cards(state))


@kernel
def play_action(state, action):
    """Play a legal bid or card of the seat to move."""
    state.tick += 1
    if state.num_bids < state.players:
        state.bids[state.turn] = action - BID
        state.num_bids += 1
        state.turn = left_of(state, state.turn)
    else:
        play_card(state, action)


@kernel
def random_action(state):
    """A uniformly random legal action from the game's own stream."""
    bidding = state.num_bids < state.players
    choices = legal_bids(state) if bidding else legal_cards(state)
    count = count_bits(choices)
    if count > 1:
        index = (draw(state.key, state.draws) * count) >> 32
        state.draws += 1
        for _ in range(index):  # few are held: faster than `nth_card`
            choices &= choices - 1
    return lowest_card(choices) + BID * bidding
