"""The rules of Blob once more, slow and readable: names of cards in lists, no masks, nothing compiled.

Written from the rules and not from `rules.py`, which is tested against it: a `Position` is played beside a
record and must stay equal to it. Nothing else may use this file.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from strategos.games.blob.record import STATE, VIEW
from strategos.games.rng import below

SUITS = ["S", "H", "C", "D"]
TRUMPS = [*SUITS, "none"]
RANKS = ["2", "3", "4", "5", "6", "7", "8", "9", "T", "J", "Q", "K", "A"]
DECK = [suit + rank for suit in SUITS for rank in RANKS]
BIDS_FROM = 52
"""Actions are places in the deck, then this number plus the bid."""
SCORINGS = ["exact", "tricks_plus_bonus"]
Trick = list[tuple[int, str]]


@dataclass
class Position:
    """One game: the options, the round that is being played, the scores."""

    players: int
    largest: int
    whole: bool
    scoring: str
    turned_up: bool
    key: int
    draws: int = 0
    round: int = 0
    cards: int = 0
    trump: str = ""
    dealer: int = 0
    turned: str = ""
    tick: int = 0
    over: bool = False
    hands: list[list[str]] = field(default_factory=list)
    bids: list[tuple[int, int]] = field(default_factory=list)
    tricks: list[Trick] = field(default_factory=list)
    scores: list[int] = field(default_factory=list)
    last_scores: list[int] = field(default_factory=list)

    @property
    def seats(self) -> range:
        return range(self.players)

    @property
    def deals(self) -> list[int]:
        """Cards of every round of the game."""
        if not self.whole:
            return [self.cards]
        down = list(range(self.largest, 1, -1))
        return down + [1] * self.players + down[::-1]


def new_game(
    key: int,
    players: int = 4,
    cards: int = 5,
    *,
    rounds: str = "one",
    min_cards: int | None = None,
    trump: str | None = None,
    dealer: int | None = None,
    turned_up: bool = False,
    scoring: str = "exact",
) -> Position:
    """A game with the options of `Blob`, dealt from stream `key`."""
    position = Position(players, cards, rounds == "all", scoring, turned_up, key)
    least = cards if min_cards is None else min_cards
    position.cards = least + _drawn(position, cards - least + 1)
    drawn_trump, drawn_dealer = _drawn(position, 5), _drawn(position, players)
    position.trump = "S" if position.whole else TRUMPS[drawn_trump] if trump is None else trump
    position.dealer = drawn_dealer if dealer is None else dealer
    position.scores = [0] * players
    position.last_scores = [0] * players
    _deal(position)
    return position


def _drawn(position: Position, bound: int) -> int:
    position.draws += 1
    return below(position.key, position.draws - 1, bound)


def _deal(position: Position) -> None:
    """Shuffle: every place of the deck gets one of the cards left over; seat 0 has all of its cards first."""
    deck, places = list(DECK), position.players * position.cards + position.turned_up
    for place in range(places):
        chosen = place + _drawn(position, len(deck) - place)
        deck[place], deck[chosen] = deck[chosen], deck[place]
    position.hands = [deck[seat * position.cards : (seat + 1) * position.cards] for seat in position.seats]
    position.bids, position.tricks, position.turned = [], [], ""
    if position.turned_up:
        position.turned = deck[places - 1]
        position.trump = position.turned[0]


def to_move(position: Position) -> int | None:
    """The seat that bids or plays next; nobody after the end."""
    if position.over:
        return None
    if len(position.bids) < position.players or not position.tricks:
        return (position.dealer + 1 + len(position.bids)) % position.players
    trick = position.tricks[-1]
    if len(trick) == position.players:
        return winner(position, trick)
    return (trick[-1][0] + 1) % position.players


def legal(position: Position) -> set[int]:
    """The actions that the seat to move may choose."""
    seat = to_move(position)
    if seat is None:
        return set()
    if len(position.bids) < position.players:
        bids = set(range(position.cards + 1))
        if seat == position.dealer:
            bids.discard(position.cards - sum(bid for _, bid in position.bids))
        return {BIDS_FROM + bid for bid in bids}
    hand = position.hands[seat]
    trick = position.tricks[-1] if position.tricks else []
    if 0 < len(trick) < position.players:
        led = trick[0][1][0]
        hand = [card for card in hand if card[0] == led] or hand
    return {DECK.index(card) for card in hand}


def winner(position: Position, trick: Trick) -> int:
    """Who takes a full trick: the highest trump, else the highest card of the suit led."""
    led = trick[0][1][0]
    for suit in (position.trump, led):
        of_suit = [(RANKS.index(card[1]), seat) for seat, card in trick if card[0] == suit]
        if of_suit:
            return max(of_suit)[1]
    raise AssertionError("the first card of a trick is of the suit led")


def tricks_taken(position: Position, seat: int) -> int:
    """How many full tricks a seat has won in this round."""
    full = [trick for trick in position.tricks if len(trick) == position.players]
    return [winner(position, trick) for trick in full].count(seat)


def points(position: Position, seat: int) -> int:
    """What a seat scores for the round that is played to its end."""
    bid, taken = dict(position.bids)[seat], tricks_taken(position, seat)
    if position.scoring == "tricks_plus_bonus":
        return taken + 10 if bid == taken else taken
    return 10 + bid if bid == taken else 0


def step(position: Position, action: int) -> bool:
    """The seat to move plays `action`, or its lowest legal one if it may not; whether it was refused."""
    seat = to_move(position)
    if seat is None:
        return False
    choices = legal(position)
    refused = action not in choices
    if refused:
        action = min(choices)
    position.tick += 1
    if action >= BIDS_FROM:
        position.bids.append((seat, action - BIDS_FROM))
        return refused
    card = DECK[action]
    position.hands[seat].remove(card)
    if not position.tricks or len(position.tricks[-1]) == position.players:
        position.tricks.append([])
    position.tricks[-1].append((seat, card))
    if not any(position.hands):
        _end_round(position)
    return refused


def _end_round(position: Position) -> None:
    position.last_scores = [points(position, seat) for seat in position.seats]
    for seat in position.seats:
        position.scores[seat] += position.last_scores[seat]
    if position.round == len(position.deals) - 1:
        position.over = True
        return
    position.round += 1
    position.cards = position.deals[position.round]
    position.trump = TRUMPS[position.round % 5]
    position.dealer = (position.dealer + 1) % position.players
    _deal(position)


def returns(position: Position) -> list[float]:
    """What each seat is paid: see `Blob.returns`."""
    scores = position.scores
    if not position.over:
        return [0.0] * position.players
    if position.whole:
        beaten = [sum(mine > other for other in scores) for mine in scores]
        beaten_by = [sum(mine < other for other in scores) for mine in scores]
        return [(won - lost) / (position.players - 1) for won, lost in zip(beaten, beaten_by, strict=True)]
    mean = sum(scores) / position.players
    return [(score - mean) / (10 + position.cards) for score in scores]


def voids(position: Position, seat: int) -> set[str]:
    """Suits that a seat has shown not to hold: they were led, and it played another."""
    shown = set()
    for trick in position.tricks:
        led = trick[0][1][0]
        if any(who == seat and card[0] != led for who, card in trick):
            shown.add(led)
    return shown


def to_state(position: Position) -> np.record:
    """The record that the kernels must have reached."""
    state = _public(position, np.zeros(1, STATE)[0], first=0)
    state["key"], state["draws"], state["over"] = position.key, position.draws, position.over
    for seat in position.seats:
        state["hand"][seat] = sum(1 << DECK.index(card) for card in position.hands[seat])
    return state


def view(position: Position, seat: int) -> np.record:
    """The record of what `seat` knows."""
    record = _public(position, np.zeros(1, VIEW)[0], first=seat)
    record["me"] = seat
    record["hand"] = sum(1 << DECK.index(card) for card in position.hands[seat])
    for place in position.seats:
        record["sizes"][place] = len(position.hands[(seat + place) % position.players])
    return record


def _public(position: Position, record: np.record, first: int) -> np.record:
    """Fill what everybody knows; seats are counted from `first`."""

    def place_of(seat: int) -> int:
        return (seat - first) % position.players

    seat_to_move, plays = to_move(position), [card for trick in position.tricks for _, card in trick]
    for name in ("tick", "round", "players", "largest", "cards", "turned_up"):
        record[name] = getattr(position, name)
    record["rounds"] = len(position.deals)
    record["trump"] = TRUMPS.index(position.trump)
    record["turned"] = DECK.index(position.turned) if position.turned else -1
    record["dealer"] = place_of(position.dealer)
    record["turn"] = -1 if seat_to_move is None else place_of(seat_to_move)
    record["num_bids"], record["num_plays"] = len(position.bids), len(plays)
    record["scoring"] = SCORINGS.index(position.scoring)
    record["bids"] = record["leaders"] = record["plays"] = -1
    for seat, bid in position.bids:
        record["bids"][place_of(seat)] = bid
    for seat in position.seats:
        place = place_of(seat)
        record["tricks"][place] = tricks_taken(position, seat)
        record["voids"][place] = sum(1 << SUITS.index(suit) for suit in voids(position, seat))
        record["scores"][place] = position.scores[seat]
        record["last_scores"][place] = position.last_scores[seat]
    for number, trick in enumerate(position.tricks):
        record["leaders"][number] = place_of(trick[0][0])
    for number, card in enumerate(plays):
        record["plays"][number] = DECK.index(card)
    return record
