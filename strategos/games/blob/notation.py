"""Positions of Blob as text, both ways, and what one seat knows as text.

    round 1 of 1  cards 2 of 2  trump S  dealer 2  scoring exact
    seat 0  S:- H:- C:4 D:-   bid 1  took 0  score 0  last 0
    seat 1  S:A H:- C:- D:-   bid 0  took 0  score 0  last 0
    seat 2  S:- H:T2 C:- D:-  bid 2  took 0  score 0  last 0
    trick 0  H7 H5
    turn 2  tick 5
    stream  key 7  draws 9

Rounds are counted from 1, seats from 0; `cards 2 of 5` are the cards of this round and of the largest
one. Hands are what is still held; a trick is who led it and the cards in order. By hand `trump`, `dealer`,
the seats with their hands and bids, and the tricks are enough: the rest follows by replaying them, and is
checked where it is written. The random stream is key 0, draws 0 if left out.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from strategos.games.blob import rules
from strategos.games.blob.record import (
    BID,
    DECK,
    MAX_CARDS,
    MAX_PLAYERS,
    NO_TRUMP,
    NONE,
    RANKS,
    SCORINGS,
    STATE,
    SUITS,
    card_id,
    card_name,
)

_HIGHEST_SCORE = 2**31 - 1
_EXAMPLE = "seat 0  S:AK3 H:- C:T9 D:2  bid 1"


@dataclass
class _Seat:
    """What a seat's line says; -1 where it says nothing."""

    hand: int = 0
    bid: int = NONE
    took: int = NONE
    score: int = NONE
    last: int = NONE


@dataclass
class _Position:
    """The text in parts, before anything is replayed."""

    words: dict[str, list[str]] = field(default_factory=dict)
    seats: list[_Seat] = field(default_factory=list)
    tricks: list[tuple[int, list[int]]] = field(default_factory=list)  # leader or -1, cards


def format_hand(hand: int) -> str:
    """A mask of cards by suit, the highest first: `S:AK3 H:- C:T9 D:2`."""
    suits = []
    for suit, letter in enumerate(SUITS):
        ranks = [rank for rank in range(12, -1, -1) if int(hand) >> (suit * 13 + rank) & 1]
        suits.append(f"{letter}:" + ("".join(RANKS[rank] for rank in ranks) or "-"))
    return " ".join(suits)


def parse_hand(text: str) -> int:
    """The mask of cards that `format_hand` printed; empty suits may be left out.

    `ValueError` names the suit that is wrong.
    """
    hand = 0
    for word in text.split():
        suit, colon, ranks = word.partition(":")
        if not colon or len(suit) != 1 or suit not in SUITS or not ranks:
            raise ValueError(f"a hand is written by suit, such as S:AK3 H:- C:T9 D:2; what is {word!r}?")
        for rank in ranks if ranks != "-" else "":
            card = 1 << card_id(suit + rank)
            if hand & card:
                raise ValueError(f"{suit + rank} is twice in one hand")
            hand |= card
    return hand


def format_state(state: np.record) -> str:
    """The whole state, the random stream included."""
    players = int(state["players"])
    hands = [format_hand(state["hand"][seat]) for seat in range(players)]
    lines = [_heading(state, int(state["dealer"]))]
    for seat in range(players):
        lines.append(f"seat {seat}  {hands[seat]:<{max(map(len, hands))}}  {_account(state, seat)}")
    lines += _tricks(state, 0)
    lines.append(_turn(state, 0))
    lines.append(f"stream  key {state['key']}  draws {state['draws']}")
    return "\n".join(lines)


def format_view(view: np.record) -> str:
    """What one seat knows, by absolute seats: `?3` is a hand of three cards, `void SH` suits it has not."""
    players, me = int(view["players"]), int(view["me"])
    own = format_hand(view["hand"])
    lines = [_heading(view, (int(view["dealer"]) + me) % players)]
    for seat in range(players):
        place = (seat - me) % players
        hand = own if seat == me else f"?{view['sizes'][place]}"
        line = f"seat {seat}  {hand:<{len(own)}}  {_account(view, place)}"
        voids = "".join(SUITS[suit] for suit in range(4) if view["voids"][place] >> suit & 1)
        lines.append(line + (f"  void {voids}" if voids else ""))
    lines += _tricks(view, me)
    lines.append(_turn(view, me))
    return "\n".join(lines)


def parse_state(text: str) -> np.record:
    """The state that `format_state` printed, or that was written by hand; see the head of this file.

    `ValueError` names the part that is wrong: impossible deals, illegal bids and plays, wrong sums.
    """
    position = _read(text)
    state = _begin(position)
    _bid(state, position)
    _play(state, position)
    _check_sums(state, position)
    return state


def _heading(record: np.record, dealer: int) -> str:
    trump = "none" if record["trump"] == NO_TRUMP else SUITS[record["trump"]]
    turned = f"  turned {card_name(int(record['turned']))}" if record["turned_up"] else ""
    return (
        f"round {record['round'] + 1} of {record['rounds']}  cards {record['cards']} of {record['largest']}"
        f"  trump {trump}{turned}  dealer {dealer}  scoring {SCORINGS[record['scoring']]}"
    )


def _account(record: np.record, place: int) -> str:
    """What is public of one seat; `place` is its index in the arrays of the record."""
    bid = record["bids"][place]
    return (
        f"bid {'-' if bid == NONE else bid}  took {record['tricks'][place]}"
        f"  score {record['scores'][place]}  last {record['last_scores'][place]}"
    )


def _tricks(record: np.record, first_seat: int) -> list[str]:
    """A line for each trick; seats of the record are counted from `first_seat`."""
    players, played = int(record["players"]), int(record["num_plays"])
    lines = []
    for trick, start in enumerate(range(0, played, players)):
        cards = [card_name(int(card)) for card in record["plays"][start : min(start + players, played)]]
        lines.append(f"trick {(record['leaders'][trick] + first_seat) % players}  {' '.join(cards)}")
    return lines


def _turn(record: np.record, first_seat: int) -> str:
    turn = "-" if record["turn"] == NONE else (record["turn"] + first_seat) % record["players"]
    return f"turn {turn}  tick {record['tick']}"


def _read(text: str) -> _Position:
    """Words, numbers and cards; what they mean together is checked later."""
    position = _Position()
    for line in text.splitlines():
        words = line.split()
        if not words:
            continue
        if words[0] == "seat":
            if len(words) < 2 or words[1] != str(len(position.seats)):
                raise ValueError(f"seats go from 0 upwards, so seat {len(position.seats)} is next: {line!r}")
            position.seats.append(_read_seat(line, words[2:]))
        elif words[0] == "trick":
            led = len(words) > 1 and words[1].isdecimal()
            leader = int(words[1]) if led else NONE
            position.tricks.append((leader, [card_id(word) for word in words[1 + led :]]))
        else:
            _read_words(position.words, [word for word in words if word != "stream"])
    if not 3 <= len(position.seats) <= MAX_PLAYERS:
        raise ValueError(f"a position has 3 to {MAX_PLAYERS} seats, a line each, such as {_EXAMPLE!r}")
    return position


def _read_seat(line: str, words: list[str]) -> _Seat:
    hand = [word for word in words if ":" in word]
    rest = [word for word in words if ":" not in word]
    limits = {"bid": MAX_CARDS, "took": MAX_CARDS, "score": _HIGHEST_SCORE, "last": 127}
    if len(rest) % 2 or any(name not in limits for name in rest[::2]):
        raise ValueError(f"a seat has a hand, bid, took, score and last, such as {_EXAMPLE!r}, not {line!r}")
    seat = _Seat(parse_hand(" ".join(hand)))
    for name, value in zip(rest[::2], rest[1::2], strict=True):
        if not (name == "bid" and value == "-"):
            setattr(seat, name, _number(f"{name} of {line.split()[1]}", value, 0, limits[name]))
    return seat


def _read_words(into: dict[str, list[str]], words: list[str]) -> None:
    known = ("round", "cards", "trump", "turned", "dealer", "scoring", "turn", "tick", "key", "draws")
    place = 0
    while place < len(words):
        name, length = words[place], 2
        if name not in known:
            raise ValueError(f"what is {name!r}? A position has lines of seat, trick and {', '.join(known)}")
        if words[place + 2 : place + 3] == ["of"]:
            length = 4
        values = words[place + 1 : place + length]
        if name in into or len(values) != length - 1 or (length == 4) > (name in ("round", "cards")):
            raise ValueError(f"{name} is written once and has one value, not {' '.join(values)!r}")
        into[name] = values
        place += length


def _number(name: str, word: str, low: int, high: int) -> int:
    try:
        number = int(word)
    except ValueError:
        raise ValueError(f"{name} is a number, not {word!r}") from None
    if not low <= number <= high:
        raise ValueError(f"{name} is from {low} to {high}, not {number}")
    return number


def _begin(position: _Position) -> np.record:
    """The round as it was dealt, before the first bid."""
    words, players = position.words, len(position.seats)
    for name in ("trump", "dealer"):
        if name not in words:
            raise ValueError(f"the position does not say {name}")
    state = np.zeros(1, STATE)[0]
    state["players"], state["rounds"] = players, 1
    state["dealer"] = _number("dealer", words["dealer"][0], 0, players - 1)
    trump, scoring = words["trump"][0], words.get("scoring", [SCORINGS[0]])[0]
    if trump != "none" and trump not in list(SUITS):
        raise ValueError(f"trump is one of S, H, C, D or none, not {trump!r}")
    if scoring not in SCORINGS:
        raise ValueError(f"scoring is one of {', '.join(SCORINGS)}, not {scoring!r}")
    state["trump"] = NO_TRUMP if trump == "none" else SUITS.index(trump)
    state["scoring"] = SCORINGS.index(scoring)
    rules.clear_table(state)
    _deal(state, position)
    _place_in_game(state, words)
    for name, low in (("key", -(2**63)), ("draws", 0)):
        if name in words:
            state[name] = _number(name, words[name][0], low, 2**63 - 1)
    return state


def _deal(state: np.record, position: _Position) -> None:
    """Give every seat what it holds and what it has played."""
    players = len(position.seats)
    plays = [card for _, cards in position.tricks for card in cards]
    for number, (_, cards) in enumerate(position.tricks, 1):
        last = number == len(position.tricks)
        if not 1 <= len(cards) <= players or (len(cards) < players and not last):
            raise ValueError(f"trick {number} has {len(cards)} cards; {players} are a full one")
    if len(plays) > players * (DECK // players):
        raise ValueError(f"{len(plays)} cards are played, more than {players} hands can hold")
    held = [card for seat in position.seats for card in range(DECK) if seat.hand >> card & 1]
    turned = position.words.get("turned")
    stock = [card_id(turned[0])] if turned else []
    _check_different(held + plays + stock)
    played = _played_by_each(state, plays)
    hands = [seat.hand | mine for seat, mine in zip(position.seats, played, strict=True)]
    sizes = [hand.bit_count() for hand in hands]
    if len(set(sizes)) > 1 or not 1 <= sizes[0] <= MAX_CARDS:
        raise ValueError(f"cards held and played differ by seat, or are none or too many: {sizes}")
    state["hand"][:players] = hands
    state["cards"] = state["largest"] = sizes[0]
    state["turned"] = stock[0] if stock else NONE
    state["turned_up"] = bool(stock)
    if stock and stock[0] // 13 != state["trump"]:
        raise ValueError(f"the card turned up, {card_name(stock[0])}, is not of the trump suit")


def _check_different(cards: list[int]) -> None:
    twice = sorted({card for card in cards if cards.count(card) > 1})
    if twice:
        raise ValueError(f"{' '.join(map(card_name, twice))} would be in two places")


def _played_by_each(state: np.record, plays: list[int]) -> list[int]:
    """The cards of `plays` as a mask for each seat, by replaying them without hands."""
    players = int(state["players"])
    played = np.array([state], STATE)[0]
    played["cards"] = DECK // players  # the round does not end in the midst of them
    for card in plays:
        rules.play_card(played, card)  # toggles the card in an empty hand
    return [int(hand) for hand in played["hand"][:players]]


def _place_in_game(state: np.record, words: dict[str, list[str]]) -> None:
    """Which round of how many it is, and whether a whole game has such a round."""
    players, cards = int(state["players"]), int(state["cards"])
    number = words.get("round", ["1"])
    rounds = _number("the number of rounds", number[-1], 1, 2**15 - 1)
    this = _number("round", number[0], 1, rounds) - 1
    said = words.get("cards", [str(cards)])
    if _number("cards", said[0], 1, MAX_CARDS) != cards:
        raise ValueError(f"cards is {said[0]}, but every seat holds or has played {cards}")
    largest = _number("the largest deal", said[-1], cards, DECK // players)
    state["round"], state["rounds"], state["largest"] = this, rounds, largest
    if rounds == 1:
        return
    if rounds != 2 * (largest - 1) + players:
        raise ValueError(f"a game of {players} from {largest} cards has {2 * (largest - 1) + players} rounds")
    if cards != rules.cards_of_round(largest, players, this):
        raise ValueError(f"round {this + 1} of a game from {largest} cards is not one of {cards} cards")
    if not state["turned_up"] and state["trump"] != this % (NO_TRUMP + 1):
        raise ValueError(f"round {this + 1} has another trump: S, H, C, D, none, and again")


def _bid(state: np.record, position: _Position) -> None:
    """Make the bids in turn, the legal ones."""
    players = len(position.seats)
    order = [(int(state["dealer"]) + 1 + place) % players for place in range(players)]
    bids = [position.seats[seat].bid for seat in order]
    made = bids.index(NONE) if NONE in bids else players
    if any(bid != NONE for bid in bids[made:]):
        raise ValueError(f"seat {order[made]} bids before others do that have bid already")
    for seat, bid in zip(order[:made], bids[:made], strict=True):
        if not rules.is_legal(state, BID + bid):
            raise ValueError(f"seat {seat} may not bid {bid}")
        rules.play_action(state, BID + bid)
    if made < players and position.tricks:
        raise ValueError("cards are played before everyone has bid")


def _play(state: np.record, position: _Position) -> None:
    """Play the tricks, legal cards only; at the end of a game the round's points are counted."""
    total = len(position.seats) * int(state["cards"])
    if sum(len(cards) for _, cards in position.tricks) == total and state["round"] + 1 < state["rounds"]:
        raise ValueError("the round is played to its end; the next one is dealt at once, so give that one")
    for number, (leader, cards) in enumerate(position.tricks, 1):
        if leader not in (NONE, state["turn"]):
            raise ValueError(f"trick {number} is led by seat {state['turn']}, not by {leader}")
        for card in cards:
            if not rules.is_legal(state, card):
                raise ValueError(f"seat {state['turn']} may not play {card_name(card)} to trick {number}")
            rules.play_action(state, card)


def _check_sums(state: np.record, position: _Position) -> None:
    """Scores, and what the text says that follows from the rest."""
    words = position.words
    for number, seat in enumerate(position.seats):
        points = int(state["last_scores"][number])
        if seat.took not in (NONE, state["tricks"][number]):
            raise ValueError(f"seat {number} took {state['tricks'][number]} tricks, not {seat.took}")
        if state["over"] and (seat.last not in (NONE, points) or NONE < seat.score < points):
            raise ValueError(f"seat {number} made {points} points in the last round; score or last differ")
        if not state["over"]:
            state["last_scores"][number] = max(seat.last, 0)
        state["scores"][number] = seat.score if seat.score != NONE else points
    turn = "-" if state["over"] else str(state["turn"])
    if words.get("turn", [turn])[0] != turn:
        raise ValueError(f"the turn is {turn}, not {words['turn'][0]}")
    if "tick" in words:
        state["tick"] = _number("tick", words["tick"][0], int(state["tick"]), 2**31 - 1)
