"""The heuristic player of Blob: it counts probable tricks to bid, and plays to make its bid.

Every card of a hand has two chances to win a trick: when its holder tries to win with it (`high`) and when
its holder tries not to (`low`). The tricks that a hand takes then lie between L and H, sums of independent
chances, and a bid b is made when L <= b <= H, which is P(L <= b) - P(H < b). One number therefore answers
both questions: which bid to make, and which card to play (look one card ahead: the chance that it wins
this trick, and what the cards that stay in hand make of either outcome).

Stateless: all that it goes by, the cards that are out, voids and what others still need, is in the view.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from strategos.games.bits import count_bits
from strategos.games.blob.record import (
    BID,
    DECK,
    EXACT,
    MAX_CARDS,
    MAX_PLAYERS,
    NO_TRUMP,
    SUIT_MASK,
)
from strategos.games.compiled import kernel
from strategos.games.masks import is_set
from strategos.play.policy import check_plays

_DECK_MASK = (1 << DECK) - 1
_EXACT_BONUS = 10


class Weights(NamedTuple):
    """The constants of the heuristic, tuned by hill climbing: one variant against copies of the best so far.

    With one card left there is no moment to choose. In a hand of n cards a chance q that nobody beats a card
    becomes q ** (n ** -strive) for a holder who picks the moment to win with it, and q ** (n ** -avoid) for
    one who picks the moment to lose with it. Of trumps it becomes q ** exp(-strive * (n - 1)), and likewise:
    they can be played at any time, and in a long hand the last of them take tricks whether wanted or not.
    """

    strive_trump: float = 0.3
    strive_side: float = 0.4
    avoid_trump: float = 0.1
    avoid_side: float = -0.4
    ruff: float = 0.1
    """Chance that a trump wins a trick of a suit its holder is out of, for each such suit."""
    pressure: float = 1.4
    """How much harder tricks are to take where the others want more of them than their share."""
    reach: float = 0.2
    """Chance, each trick, that a suit is led for a holder who is not on lead."""
    eager: float = 0.9
    """How often a seat that needs a trick takes one that it can take."""
    content: float = 0.15
    """The same of a seat that needs none and could duck."""


class HeuristicBot:
    """Bids its probable tricks and plays to make its bid; Blob with any players, cards, trump and scoring."""

    name = "heuristic"
    game = "blob"

    def __init__(self, weights: Weights | None = None) -> None:
        self.weights = Weights() if weights is None else weights

    def act(
        self, views: np.ndarray, masks: np.ndarray, memories: np.ndarray | None, rng: np.random.Generator
    ) -> np.ndarray:
        """Choose actions [B] int32; see `Policy.act`. `ValueError` for the views of another game."""
        check_plays(self, views, "bids")
        actions = np.zeros(len(views), np.int32)
        _heuristic_actions(
            views["hand"],
            views["players"],
            views["cards"],
            views["trump"],
            views["turned"],
            views["dealer"],
            views["num_bids"],
            views["num_plays"],
            views["scoring"],
            views["bids"],
            views["tricks"],
            views["sizes"],
            views["voids"],
            views["plays"],
            masks,
            self.weights,
            _new_table(),
            actions,
        )
        return actions


class _Table(NamedTuple):
    """What one seat reckons with; the arrays are scratch that one call of the kernel uses again and again."""

    share: np.ndarray  # [MAX_PLAYERS] chance that one given unseen card is in the hand of this seat
    voids: np.ndarray  # [MAX_PLAYERS] suits that the seat does not hold, a bit each
    needs: np.ndarray  # [MAX_PLAYERS] tricks that the seat still needs
    sizes: np.ndarray  # [MAX_PLAYERS] cards in its hand
    cards: np.ndarray  # [MAX_CARDS] the viewer's hand
    low: np.ndarray  # [2, MAX_CARDS] chance that each wins against its holder's will, off and on lead
    high: np.ndarray  # [2, MAX_CARDS] chance that each wins when its holder wants it to
    tricks: np.ndarray  # [MAX_CARDS + 1] chances of 0, 1, 2, ... tricks


def _new_table() -> _Table:
    return _Table(
        np.zeros(MAX_PLAYERS),
        np.zeros(MAX_PLAYERS, np.int64),
        np.zeros(MAX_PLAYERS),
        np.zeros(MAX_PLAYERS, np.int64),
        np.zeros(MAX_CARDS, np.int64),
        np.zeros((2, MAX_CARDS)),
        np.zeros((2, MAX_CARDS)),
        np.zeros(MAX_CARDS + 1),
    )


@kernel
def _heuristic_actions(
    hands, players, cards, trumps, turned, dealers, num_bids, num_plays, scorings, bids, tricks, sizes, voids,
    plays, masks, weights, table, actions,
):  # fmt: skip
    """Fill `actions` [B]; fields by seat are [B, MAX_PLAYERS] and counted from the viewer."""
    for row in range(hands.shape[0]):
        if not masks[row].any():
            continue
        seats, trump = int(players[row]), int(trumps[row])
        seen = int(hands[row])
        if turned[row] >= 0:
            seen |= 1 << int(turned[row])
        for play in range(num_plays[row]):
            seen |= 1 << int(plays[row, play])
        unseen = _DECK_MASK & ~seen
        for seat in range(seats):
            table.sizes[seat] = sizes[row, seat]
            table.voids[seat] = voids[row, seat]
            table.share[seat] = sizes[row, seat] / max(count_bits(unseen), 1)
            if bids[row, seat] >= 0:
                table.needs[seat] = bids[row, seat] - tricks[row, seat]
            else:  # not bid yet: an equal share
                table.needs[seat] = cards[row] / seats
        if num_bids[row] < seats:
            on_lead = int(dealers[row] == seats - 1)
            actions[row] = _choose_bid(
                table, weights, int(hands[row]), unseen, seats, trump, on_lead, int(scorings[row]), masks[row]
            )
        else:
            place = num_plays[row] % seats
            trick = plays[row, num_plays[row] - place : num_plays[row]]
            actions[row] = _choose_card(
                table, weights, int(hands[row]), unseen, seats, trump, trick, int(scorings[row]), masks[row]
            )


@kernel
def _choose_bid(table, weights, hand, unseen, seats, trump, on_lead, scoring, mask):
    """The legal bid with the most expected points."""
    count = _weigh_hand(table, weights, hand, unseen, seats, trump)
    best, best_points = -1, -1.0
    for bid in range(count + 1):
        if is_set(mask, BID + bid):
            points = float(_EXACT_BONUS + (bid if scoring == EXACT else 0))
            points *= _makes(table, on_lead, count, -1, bid)
            if points > best_points:
                best, best_points = bid, points
    return BID + best


@kernel
def _choose_card(table, weights, hand, unseen, seats, trump, trick, scoring, mask):
    """The legal card after which the bid is made most probably; the lowest of equals."""
    count = _weigh_hand(table, weights, hand, unseen, seats, trump)
    need = int(table.needs[0])
    lost = need < 0 or need > count
    grab = lost and (scoring != EXACT or _others_want(table, seats) >= count)
    best, best_value = 0, -2.0
    for index in range(count):
        card = int(table.cards[index])
        if not is_set(mask, card):
            continue
        wins = _wins_trick(table, weights, card, unseen, seats, trump, trick)
        if lost:  # nothing to make any more: take the tricks that others need, or leave them what they do not
            value = wins if grab else -wins
            value += (-1 if grab else 1) * 0.001 * (card % 13 + 13 * (card // 13 == trump))
        else:
            value = wins * _makes(table, 1, count, index, need - 1)
            value += (1 - wins) * _makes(table, 0, count, index, need)
        if value > best_value + 1e-12:
            best, best_value = card, value
    return best


@kernel
def _others_want(table, seats):
    """The tricks that the other seats still need together."""
    wanted = 0.0
    for seat in range(1, seats):
        wanted += max(table.needs[seat], 0.0)
    return wanted


@kernel
def _weigh_hand(table, weights, hand, unseen, seats, trump):
    """List the cards of `hand` with their chances in `table`; how many they are."""
    count = 0
    out_of = 0
    for suit in range(4):
        if suit != trump and hand >> (13 * suit) & SUIT_MASK == 0:
            out_of += 1
    size = count_bits(hand)
    strain = _others_want(table, seats) / size - (seats - 1) / seats
    strain = min(max(np.exp(weights.pressure * strain), 0.25), 4.0)
    choice = 1 - 1 / size  # with one card left there is no moment to pick
    for card in range(DECK):
        if not hand >> card & 1:
            continue
        is_trump = card // 13 == trump
        best = _unbeaten(table, card, unseen, seats, trump)
        if is_trump:
            high = best ** (strain * np.exp(-weights.strive_trump * (size - 1)))
            low = best ** (strain * np.exp(-weights.avoid_trump * (size - 1)))
            high = 1 - (1 - high) * (1 - weights.ruff * choice) ** out_of
        else:
            high = best ** (strain * size**-weights.strive_side)
            low = best ** (strain * size**-weights.avoid_side)
        table.cards[count] = card
        reach = 1.0 if is_trump else 1 - (1 - weights.reach) ** size
        table.high[0, count], table.high[1, count] = high * reach, high
        table.low[0, count], table.low[1, count] = low * reach, low
        count += 1
    return count


@kernel
def _unbeaten(table, card, unseen, seats, trump):
    """The chance that no other hand beats `card` when it is led."""
    suit = card // 13
    of_suit = unseen & SUIT_MASK << (13 * suit)
    higher, total = count_bits(of_suit >> (card + 1)), count_bits(of_suit)
    trumps = 0
    if trump != NO_TRUMP and trump != suit:
        trumps = count_bits(unseen >> (13 * trump) & SUIT_MASK)
    chance = 1.0
    for seat in range(1, seats):
        miss = 1 - table.share[seat]
        beaten, out = 0.0, 1.0
        if not table.voids[seat] >> suit & 1:
            beaten, out = 1 - miss**higher, miss**total
        if trumps and not table.voids[seat] >> trump & 1:
            beaten += out * (1 - miss**trumps)
        chance *= max(1 - beaten, 0.0)
    return chance


@kernel
def _wins_trick(table, weights, card, unseen, seats, trump, trick):
    """The chance that `card` wins the trick of which `trick` lies on the table."""
    suit = card // 13
    led = suit
    if len(trick):
        led = int(trick[0]) // 13
        for other in trick:
            other_suit = int(other) // 13
            if (other_suit == suit and other > card) or (other_suit != suit and other_suit == trump):
                return 0.0
        if suit != led and suit != trump:
            return 0.0
    of_led = unseen >> (13 * led) & SUIT_MASK
    higher, lower, over = 0, 0, 0
    if suit == led:
        higher = count_bits(of_led >> (card % 13 + 1))
        lower = count_bits(of_led) - higher
        if trump != NO_TRUMP and trump != led:
            over = count_bits(unseen >> (13 * trump) & SUIT_MASK)
    else:  # it is a trump on another suit
        over = count_bits(unseen >> (13 * trump) & SUIT_MASK & ~((2 << card % 13) - 1))
    total = count_bits(of_led)
    chance = 1.0
    for seat in range(1, seats - len(trick)):
        miss = 1 - table.share[seat]
        can, must, out = 0.0, 0.0, 1.0
        if not table.voids[seat] >> led & 1:
            can, out = 1 - miss**higher, miss**total
            must = miss**lower * can
        if over and not table.voids[seat] >> trump & 1:
            ruffs = out * (1 - miss**over)
            can += ruffs
            must += ruffs / max(table.sizes[seat], 1)
        takes = weights.content if table.needs[seat] <= 0 else weights.eager
        chance *= max(1 - takes * can - (1 - takes) * must, 0.0)
    return chance


@kernel
def _makes(table, on_lead, count, without, need):
    """The chance that the hand, less card number `without` (-1: none), can take exactly `need` tricks."""
    most = count - (without >= 0)
    if need < 0 or need > most:
        return 0.0
    chance = _at_most(table, table.low[on_lead], count, without, need)
    if need > 0:
        chance -= _at_most(table, table.high[on_lead], count, without, need - 1)
    return chance


@kernel
def _at_most(table, chances, count, without, limit):
    """The chance that at most `limit` of the cards win, each with its own of `chances`."""
    tricks = table.tricks
    tricks[: limit + 1] = 0.0
    tricks[0] = 1.0
    for index in range(count):
        if index == without:
            continue
        chance = chances[index]
        for number in range(limit, 0, -1):
            tricks[number] += (tricks[number - 1] - tricks[number]) * chance
        tricks[0] *= 1 - chance
    return tricks[: limit + 1].sum()
