"""Dealing the hidden hands of Blob uniformly, compiled: every deal that agrees with a view is equally likely.

Exact, without trial and error. Seats with the same voids are one group. Groups receive numbers of cards by
suit with the right probabilities, then cards. The number of deals after a choice depends only on how much is
left of each suit; for the last group it has a closed form, and seats without voids and the stock need none.
"""

from __future__ import annotations

from math import comb
from typing import Any, NamedTuple

import numpy as np

from strategos.games.bits import count_bits
from strategos.games.blob.record import DECK, MAX_PLAYERS, SUIT_MASK
from strategos.games.blob.rules import nth_card
from strategos.games.compiled import kernel
from strategos.games.rng import below, uniform

SUIT_CARDS = np.array(
    [sum(SUIT_MASK << 13 * suit for suit in range(4) if suits >> suit & 1) for suits in range(16)], np.int64
)
"""The cards of each set of suits."""
_SUIT_NIBBLES = np.array(
    [sum(15 << 4 * suit for suit in range(4) if suits >> suit & 1) for suits in range(16)]
)
"""Numbers of cards by suit are packed, four bits a suit: `left` and `split` below."""
_CHOOSE = np.array([[float(comb(n, k)) for k in range(DECK + 1)] for n in range(DECK + 1)])
_LEFTS = 1 << 12  # the last suit is no part of the index: the total is known
_SPLITS = 14 * 14  # a group lacks a suit: two numbers give the third
_UNKNOWN = -1.0


class Plan(NamedTuple):
    """How the hidden hands of one view are dealt; made once a call and written over for every view."""

    group: Any  # [8] the group of each seat; seats without voids have the number of groups
    suits: Any  # [8] suits that a group may hold, a bit each
    size: Any  # [8] cards in its hands
    reached: Any  # [8] how many lefts can be before a group
    lefts: Any  # [8, _LEFTS] which
    ways: Any  # [8, _LEFTS] ways of dealing a group and those after it, by what is left
    splits: Any  # [_SPLITS] of the group that is being dealt: numbers of cards by suit
    weights: Any  # [_SPLITS] deals that begin with each
    first_splits: Any  # [_SPLITS] the same of the first group, which are those of every world
    first_weights: Any  # [_SPLITS]


def new_plan() -> Plan:
    """Room for a plan."""
    return Plan(
        np.zeros(MAX_PLAYERS, np.int64),
        np.zeros(MAX_PLAYERS, np.int64),
        np.zeros(MAX_PLAYERS, np.int64),
        np.zeros(MAX_PLAYERS, np.int64),
        np.empty((MAX_PLAYERS, _LEFTS), np.int64),
        np.empty((MAX_PLAYERS, _LEFTS), np.float64),
        np.empty(_SPLITS, np.int64),
        np.empty(_SPLITS, np.float64),
        np.empty(_SPLITS, np.int64),
        np.empty(_SPLITS, np.float64),
    )


@kernel
def _write_splits(left, suits, number, splits, weights):
    """All numbers by suit of `number` cards out of `left`, with the choices of cards that each stands for."""
    left &= _SUIT_NIBBLES[suits]
    most_0, most_1, most_2, most_3 = left & 15, left >> 4 & 15, left >> 8 & 15, left >> 12
    count = 0
    for of_0 in range(max(0, number - most_1 - most_2 - most_3), min(number, most_0) + 1):
        number_1 = number - of_0
        for of_1 in range(max(0, number_1 - most_2 - most_3), min(number_1, most_1) + 1):
            number_2 = number_1 - of_1
            weight = _CHOOSE[most_0, of_0] * _CHOOSE[most_1, of_1]
            for of_2 in range(max(0, number_2 - most_3), min(number_2, most_2) + 1):
                of_3 = number_2 - of_2
                splits[count] = of_0 | of_1 << 4 | of_2 << 8 | of_3 << 12
                weights[count] = weight * _CHOOSE[most_2, of_2] * _CHOOSE[most_3, of_3]
                count += 1
    return count


@kernel
def _ways(plan, groups, group, left):
    """Ways of dealing `group` and those after it; the last one simply takes any cards of its suits."""
    if group < groups - 1:
        return plan.ways[group, left & (_LEFTS - 1)]
    held = left & _SUIT_NIBBLES[plan.suits[group]]
    return _CHOOSE[(held & 15) + (held >> 4 & 15) + (held >> 8 & 15) + (held >> 12), plan.size[group]]


@kernel
def _weigh_splits(plan, groups, group, left, splits, weights):
    """Write the splits of a group with the number of deals that begin so; return how many, and all deals."""
    count = _write_splits(left, plan.suits[group], plan.size[group], splits, weights)
    total = 0.0
    for place in range(count):
        weights[place] *= _ways(plan, groups, group + 1, left - splits[place])
        total += weights[place]
    return count, total


@kernel
def _choose_split(splits, weights, target):
    """The split at `target`, below the sum of the weights added up in the same order."""
    place, passed = 0, weights[0]
    while passed <= target:
        place += 1
        passed += weights[place]
    return splits[place]


@kernel
def _group_seats(view, present, plan):
    """Group the seats by what they may hold of the suits `present`; return how many groups lack a suit."""
    groups = 0
    for seat in range(1, view.players):
        suits = present & ~np.int64(view.voids[seat])
        if suits == present or view.sizes[seat] == 0:
            continue
        at = 0
        while at < groups and plan.suits[at] != suits:
            at += 1
        if at == groups:
            plan.suits[at], plan.size[at] = suits, 0
            groups += 1
        plan.size[at] += view.sizes[seat]
    # Few splits first: the last group, which needs no count, is then the one with the most.
    for last in range(1, groups):
        at = last
        while at > 0 and _splits_less(plan, at, at - 1):
            suits, size = plan.suits[at], plan.size[at]
            plan.suits[at], plan.size[at] = plan.suits[at - 1], plan.size[at - 1]
            plan.suits[at - 1], plan.size[at - 1] = suits, size
            at -= 1
    for seat in range(1, view.players):
        suits = present & ~np.int64(view.voids[seat])
        at = 0
        while at < groups and plan.suits[at] != suits:
            at += 1
        plan.group[seat] = at
    return groups


@kernel
def _splits_less(plan, one, other):
    suits, other_suits = count_bits(plan.suits[one]), count_bits(plan.suits[other])
    return suits < other_suits or (suits == other_suits and plan.size[one] < plan.size[other])


@kernel
def _count_ways(plan, groups, left):
    """Fill the ways of all groups between the first and the last: what can be left, then backwards."""
    plan.lefts[0, 0], plan.reached[0] = left, 1
    for group in range(groups - 2):
        after = group + 1
        plan.ways[after, :] = _UNKNOWN
        reached = 0
        for number in range(plan.reached[group]):
            left = plan.lefts[group, number]
            count = _write_splits(left, plan.suits[group], plan.size[group], plan.splits, plan.weights)
            for place in range(count):
                rest = left - plan.splits[place]
                if plan.ways[after, rest & (_LEFTS - 1)] == _UNKNOWN:
                    plan.ways[after, rest & (_LEFTS - 1)] = 0.0
                    plan.lefts[after, reached] = rest
                    reached += 1
        plan.reached[after] = reached
    for group in range(groups - 2, 0, -1):
        for number in range(plan.reached[group]):
            left = plan.lefts[group, number]
            _, total = _weigh_splits(plan, groups, group, left, plan.splits, plan.weights)
            plan.ways[group, left & (_LEFTS - 1)] = total


@kernel
def _draw_cards(cards, number, key, counter):
    """Any `number` of `cards`, all choices equally likely; uses at most `number` draws."""
    left = count_bits(cards)
    rest = cards
    if 2 * number > left:  # fewer to leave than to take
        for gone in range(left - number):
            rest ^= 1 << nth_card(rest, below(key, counter + gone, left - gone))
        return rest
    for gone in range(number):
        rest ^= 1 << nth_card(rest, below(key, counter + gone, left - gone))
    return cards ^ rest


@kernel
def plan_deals(view, unseen, plan):
    """Plan the hidden hands of `view`; return the groups, what is left by suit, and the deals of the groups.

    The number of deals is 0 where none agrees with the view.
    """
    left, present, stock = 0, 0, count_bits(unseen)
    for suit in range(4):
        number = count_bits(unseen & SUIT_MASK << 13 * suit)
        left |= number << 4 * suit
        if number:
            present |= 1 << suit
    for seat in range(1, view.players):
        stock -= view.sizes[seat]
    if stock < 0:
        return 0, left, 0.0
    groups = _group_seats(view, present, plan)
    _count_ways(plan, groups, left)
    total = 1.0
    if groups == 1:
        total = _ways(plan, 1, 0, left)
    elif groups:
        _, total = _weigh_splits(plan, groups, 0, left, plan.first_splits, plan.first_weights)
    return groups, left, total


@kernel
def deal_hands(view, state, unseen, plan, groups, left, total, key, counter):
    """Deal the hidden hands of one world as planned; return the next number of the stream `key`."""
    players = view.players
    for group in range(groups - 1):
        splits, weights = plan.first_splits, plan.first_weights
        if group:
            splits, weights = plan.splits, plan.weights
            _, total = _weigh_splits(plan, groups, group, left, splits, weights)
        split = _choose_split(splits, weights, total * uniform(key, counter))
        counter += 1
        left -= split
        cards = 0
        for suit in range(4):
            number = split >> 4 * suit & 15
            cards |= _draw_cards(unseen & SUIT_MASK << 13 * suit, number, key, counter)
            counter += number
        unseen ^= cards
        for seat in range(1, players):
            if plan.group[seat] == group:
                size = np.int64(view.sizes[seat])
                hand = _draw_cards(cards, size, key, counter)
                counter += size
                cards ^= hand
                state.hand[(view.me + seat) % players] = hand
    for group in range(max(groups - 1, 0), groups + 1):
        for seat in range(1, players):
            if plan.group[seat] == group:
                cards = unseen
                if group < groups:
                    cards &= SUIT_CARDS[plan.suits[group]]
                size = np.int64(view.sizes[seat])
                hand = _draw_cards(cards, size, key, counter)
                counter += size
                unseen ^= hand
                state.hand[(view.me + seat) % players] = hand
    return counter
