"""Dealing the hidden hands of Blob: every deal that agrees with a view is equally likely."""

from collections import Counter
from functools import cache
from itertools import combinations
from math import comb, prod

import numpy as np
import pytest
from blob_positions import cards_of, own_views, played, table, views_of
from scipy.stats import chisquare

from strategos.games.blob.game import Blob
from strategos.games.blob.record import DECK, NONE, card_id
from strategos.play.blob_beliefs import BlobBeliefs, deduce

ALMOST_NEVER = 1e-5
"""Seeds are fixed, so a test that passes once passes always; this is how unlikely luck it takes."""


def hidden_by_hand(view):
    """Unseen cards, and for each other seat its number of cards and what it may hold; plain Python."""
    seen = set(cards_of(view["hand"])) | {int(card) for card in view["plays"][: view["num_plays"]]}
    if view["turned"] != NONE:
        seen.add(int(view["turned"]))
    unseen = [card for card in range(DECK) if card not in seen]
    seats = []
    for seat in range(1, view["players"]):
        allowed = {card for card in unseen if not view["voids"][seat] >> card // 13 & 1}
        seats.append((int(view["sizes"][seat]), allowed))
    return unseen, seats


def all_deals(view):
    """Every tuple of hands (masks; seats from the viewer's left) that agrees with a view."""
    unseen, seats = hidden_by_hand(view)

    def deal(left, place):
        if place == len(seats):
            yield ()
            return
        size, allowed = seats[place]
        for hand in combinations([card for card in left if card in allowed], size):
            rest = [card for card in left if card not in hand]
            for others in deal(rest, place + 1):
                yield (sum(1 << card for card in hand), *others)

    return list(deal(unseen, 0))


def splits_of(counts, allowed, number):
    """All numbers by suit of `number` cards out of `counts`, only of the suits `allowed`."""
    if not counts:
        return [()] if number == 0 else []
    most = min(counts[0], number) if allowed[0] else 0
    return [
        (some, *rest)
        for some in range(most + 1)
        for rest in splits_of(counts[1:], allowed[1:], number - some)
    ]


def holding_chances(view):
    """{(relative seat, suit): probability that the seat holds a given unseen card of the suit}, exact."""
    unseen, seats = hidden_by_hand(view)
    counts = tuple(sum(card // 13 == suit for card in unseen) for suit in range(4))
    suits = [
        tuple(not view["voids"][seat + 1] >> suit & 1 for suit in range(4)) for seat in range(len(seats))
    ]
    order = sorted(range(len(seats)), key=lambda place: sum(suits[place]))

    @cache
    def ways(turn, counts, sizes):
        if turn == len(sizes):
            return 1
        if all(suits[order[turn]]):  # and those after it: no suit matters any more
            number = sizes[order[turn]]
            return comb(sum(counts), number) * ways(turn + 1, (sum(counts) - number, 0, 0, 0), sizes)
        total = 0
        for split in splits_of(counts, suits[order[turn]], sizes[order[turn]]):
            choices = prod(comb(count, part) for count, part in zip(counts, split, strict=True))
            left = tuple(count - part for count, part in zip(counts, split, strict=True))
            total += choices * ways(turn + 1, left, sizes)
        return total

    sizes = tuple(size for size, _ in seats)
    everything = ways(0, counts, sizes)
    chances = {}
    for seat, suit in np.ndindex(len(seats), 4):
        if counts[suit]:
            fewer = tuple(count - (suit == other) for other, count in enumerate(counts))
            less = tuple(size - (seat == other) for other, size in enumerate(sizes))
            possible = sizes[seat] and suits[seat][suit]
            chances[seat + 1, suit] = ways(0, fewer, less) / everything if possible else 0.0
    return chances


def relative_hands(views, worlds):
    """Hidden hands [W, players - 1] of the worlds of one view, from the viewer's left."""
    players = int(views["players"])
    seats = (int(views["me"]) + np.arange(1, players)) % players
    return worlds["hand"][:, seats]


TABLES = {
    "three players, no void": table("SA S2 HK C3 D4 D5 D6", (2, 2), ("", "")),
    "three players, one void": table("SA S2 HK H3 C3 D4 D5 D6", (3, 2), ("S", "")),
    "two seats with the same void": table("SA S2 HK H3 C3 D4 D5", (2, 2, 1), ("D", "D", ""), me=2),
    "two voids and the stock": table("SA S2 S3 HK H3 C3 C4 D4", (2, 2, 1), ("S", "H", ""), me=1),
    "one seat with two voids": table("SA S2 S3 HK H3 C3 C4 D4", (2, 1, 2), ("SH", "C", "")),
    "three groups": table("SA S2 HK H3 C3 C4 D4 D5", (2, 1, 2), ("S", "H", "C"), me=3),
    "three groups, no stock": table("SA S2 S3 HK H3 C3 C4 D4 D5", (2, 2, 2, 3), ("S", "H", "CD", "")),
    "four groups": table("SA S2 HK H3 C3 C4 D4 D5", (1, 1, 1, 2), ("SH", "H", "D", "SC"), me=4),
    "five groups, eight players": table(
        "SA S2 HK H3 C3 C4 D4", (1, 1, 1, 1, 1, 1, 1), ("S", "SH", "C", "", "HD", "SCD", ""), me=5
    ),
    "a void in a suit that is gone": table("SA S2 S3 HK H3 D4", (2, 2, 1), ("C", "CS", "C")),
    "a hand that is empty": table("SA S2 S3 HK H3 D4", (0, 2, 1), ("S", "S", "H")),
    "a single deal": table("SA S2 HK D4", (1, 1, 2), ("SH", "SD", "")),
    "a card turned up": table("SA S2 HK H3 C3 C4", (2, 1), ("S", ""), turned=card_id("S9")),
}


@pytest.mark.parametrize("name", TABLES)
def test_uniform_over_the_deals(name):
    """Chi-square against enumeration, every deal a cell."""
    view = TABLES[name]
    deals = all_deals(view[0])
    draws = max(20_000, 20 * len(deals))
    beliefs = BlobBeliefs(Blob(int(view["players"][0]), 6))
    worlds = beliefs.sample(view, None, np.array([17]), draws)[0]
    seen = Counter(map(tuple, relative_hands(view[0], worlds).tolist()))
    assert set(seen) <= set(deals)
    if len(deals) == 1:
        assert seen == {deals[0]: draws}
    else:
        assert chisquare([seen[deal] for deal in deals]).pvalue > ALMOST_NEVER


@pytest.mark.parametrize(
    "players, cards, turned_up, seats",
    [(3, 17, False, 6), (4, 12, True, 5), (4, 13, False, 7), (5, 10, False, 6)],
)
def test_uniform_in_real_positions(players, cards, turned_up, seats):
    """Ends of random rounds, within a trick or at its beginning, whoever looks on."""
    game = Blob(players, cards, turned_up=turned_up)
    beliefs = BlobBeliefs(game)
    length = players * (cards + 1)
    states = played(game, np.arange(24), length - 2 - np.arange(24) % seats)
    tried = within_trick = 0
    for row, views in enumerate(views_of(game, states)):
        view = views[row % players]
        deals = all_deals(view)
        if not 1 < len(deals) <= 1500:
            continue
        draws = 20 * len(deals) + 2000
        worlds = beliefs.sample(views[row % players : row % players + 1], None, np.array([row]), draws)[0]
        seen = Counter(map(tuple, relative_hands(view, worlds).tolist()))
        assert set(seen) <= set(deals)
        assert chisquare([seen[deal] for deal in deals]).pvalue > ALMOST_NEVER
        tried += 1
        within_trick += view["num_plays"] % players > 0
    assert tried >= 8 and within_trick >= 3


@pytest.mark.parametrize("players, turned_up", [(3, False), (3, True), (4, True)])
def test_no_bias_by_seat_and_the_stock_is_dealt_to(players, turned_up):
    """One card each before the first bid: any unseen card is as likely with any seat; most are stock."""
    game = Blob(players, 1, turned_up=turned_up)
    views = own_views(game, played(game, [3], [1]))
    draws = 60_000
    hands = relative_hands(views[0], BlobBeliefs(game).sample(views, None, np.array([5]), draws)[0])
    unseen = [1 << card for card in cards_of(deduce(views).unseen[0])]
    assert len(unseen) == 51 - turned_up and deduce(views).stock[0] == len(unseen) - (players - 1)
    for seat in range(players - 1):
        seen = Counter(hands[:, seat].tolist())
        assert set(seen) == set(unseen)
        assert chisquare([seen[card] for card in unseen]).pvalue > ALMOST_NEVER
    if players == 3:
        pairs = Counter(map(tuple, hands.tolist()))
        assert chisquare([pairs[a, b] for a in unseen for b in unseen if a != b]).pvalue > ALMOST_NEVER


@pytest.mark.parametrize(
    "players, cards, actions", [(4, 5, 15), (4, 13, 34), (5, 10, 32), (6, 8, 28), (8, 6, 30)]
)
def test_as_likely_as_counted_in_the_middle_of_a_round(players, cards, actions):
    """Every card with every seat, against an independent count with whole numbers."""
    game = Blob(players, cards)
    views = own_views(game, played(game, np.arange(4), np.full(4, actions)))
    assert (views["voids"] != 0).any(axis=1).sum() >= 2
    draws = 6000
    worlds = BlobBeliefs(game).sample(views, None, np.arange(4), draws)
    for view, row in zip(views, worlds, strict=True):
        hands = relative_hands(view, row)
        for (seat, suit), chance in holding_chances(view).items():
            for card in cards_of(deduce(view[None]).unseen[0]):
                if card // 13 == suit:
                    often = (hands[:, seat - 1] >> card & 1).mean()
                    assert abs(often - chance) <= 5.5 * np.sqrt(chance * (1 - chance) / draws), (seat, card)
