"""What a seat of Blob can deduce of the hidden cards, and sampled worlds that agree with what it has seen.

Whoever does not follow suit is void of it; everything else about the unseen cards is open. Nothing here
reads a state: it all comes from a view, and seats are counted from the viewer until a world is written.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from strategos.games.bits import count_bits
from strategos.games.blob import Blob
from strategos.games.blob.record import DECK, MAX_CARDS, MAX_PLAYERS, NONE
from strategos.games.compiled import kernel
from strategos.games.rng import derive
from strategos.games.spec import Game
from strategos.play.blob_deals import SUIT_CARDS, deal_hands, new_plan, plan_deals

_DECK_MASK = (1 << DECK) - 1
_DEALS, _STREAMS = 0, 1  # children of a caller's key


@dataclass(frozen=True)
class Deduction:
    """What seats can deduce; seats from the viewer to the left, cards as masks of 52 bits."""

    unseen: np.ndarray
    """[B] int64: cards neither held, played nor turned up."""
    allowed: np.ndarray
    """[B, 8] int64: cards that each seat may hold; one's own hand for seat 0."""
    sizes: np.ndarray
    """[B, 8] int8: cards in each hand."""
    stock: np.ndarray
    """[B] int8: unseen cards that are in no hand; the card turned up is not counted."""


def deduce(views: np.ndarray) -> Deduction:
    """What `views` [B] tell about the hidden cards."""
    views = np.ascontiguousarray(views)
    unseen = np.zeros(len(views), np.int64)
    allowed = np.zeros((len(views), MAX_PLAYERS), np.int64)
    stock = np.zeros(len(views), np.int8)
    _deduce(views, unseen, allowed, stock)
    return Deduction(unseen, allowed, views["sizes"].copy(), stock)


@kernel
def unseen_cards(view):
    """The cards that the viewer has not seen: neither held, played nor turned up."""
    unseen = _DECK_MASK ^ view.hand
    for place in range(view.num_plays):
        unseen &= ~(1 << int(view.plays[place]))
    if view.turned >= 0:
        unseen &= ~(1 << int(view.turned))
    return unseen


@kernel
def _deduce(views, unseen, allowed, stock):
    for row in range(views.shape[0]):
        view = views[row]
        cards = unseen_cards(view)
        unseen[row] = cards
        allowed[row, 0] = view.hand
        hidden = count_bits(cards)
        for seat in range(1, view.players):
            hidden -= view.sizes[seat]
            if view.sizes[seat]:
                allowed[row, seat] = cards & ~SUIT_CARDS[np.int64(view.voids[seat])]
        stock[row] = hidden


@kernel
def _write_public(view, state):
    """All of a state that the viewer knows, as a single round; the other hands stay empty."""
    me, players = view.me, view.players
    state.draws = 0
    state.tick = view.tick
    state.round = 0
    state.rounds = 1
    state.over = 0
    state.players = players
    state.largest = view.largest
    state.cards = view.cards
    state.trump = view.trump
    state.turned = view.turned
    state.dealer = (view.dealer + me) % players
    state.turn = (view.turn + me) % players
    state.num_bids = view.num_bids
    state.num_plays = view.num_plays
    state.turned_up = view.turned_up
    state.scoring = view.scoring
    for other in range(MAX_PLAYERS):
        seat = (me + other) % players if other < players else other
        state.hand[seat] = 0
        state.scores[seat] = 0
        state.bids[seat] = view.bids[other]
        state.tricks[seat] = view.tricks[other]
        state.voids[seat] = view.voids[other]
        state.last_scores[seat] = view.last_scores[other]
    state.hand[me] = view.hand
    for trick in range(MAX_CARDS):
        leader = view.leaders[trick]
        state.leaders[trick] = (leader + me) % players if leader >= 0 else NONE
    for place in range(DECK):
        state.plays[place] = view.plays[place]
    for place in range(state.padding.shape[0]):
        state.padding[place] = 0


@kernel
def _sample(views, keys, plan, states):
    """Fill `states` [B, W]; return the first row whose view no deal agrees with, or -1."""
    for row in range(views.shape[0]):
        view = views[row]
        unseen = unseen_cards(view)
        groups, left, total = plan_deals(view, unseen, plan)
        if total == 0.0:
            return row
        deals, streams = derive(keys[row], _DEALS), derive(keys[row], _STREAMS)
        counter = 0
        _write_public(view, states[row, 0])
        for world in range(states.shape[1]):
            if world:
                states[row, world] = states[row, 0]
            state = states[row, world]
            state.key = derive(streams, world)
            counter = deal_hands(view, state, unseen, plan, groups, left, total, deals, counter)
    return -1


@kernel
def renew_streams(worlds, keys):
    """Give `worlds` [B, W] the streams that fresh worlds drawn with `keys` [B] have."""
    for row in range(worlds.shape[0]):
        streams = derive(keys[row], _STREAMS)
        for world in range(worlds.shape[1]):
            worlds[row, world].key = derive(streams, world)


class BlobBeliefs:
    """Uniform beliefs: every deal that agrees with what a seat has seen is equally likely.

    Worlds are single rounds, of `game` (a `Blob`, one round or whole games): scores are zero, the round is
    the last. Everything else that the seat knows is as it was, so a world shows this seat the same view.
    """

    def __init__(self, game: Game) -> None:
        options = dict(game.options)
        if options["rounds"] == "all":
            options.update(rounds="one", min_cards=1)
        self.game: Game = Blob(**options)

    def sample(
        self, views: np.ndarray, memories: np.ndarray | None, keys: np.ndarray, worlds: int
    ) -> np.ndarray:
        """Draw states [B, worlds] that agree with `views` [B], any seat's while the round runs.

        `keys` [B] int64: same keys, same worlds. `ValueError` for a view that is over, of another table, or
        that no deal agrees with.
        """
        views = np.ascontiguousarray(views)
        keys = np.ascontiguousarray(keys, np.int64)
        if worlds < 1 or len(keys) != len(views):
            raise ValueError(f"at least 1 world and a key for each view, not {worlds} and {len(keys)} keys")
        if (views["players"] != self.game.spec.num_players).any() or (views["turn"] < 0).any():
            raise ValueError(
                f"views are of running rounds of {self.game.spec.num_players} players; one is not"
            )
        states = np.empty((len(views), worlds), self.game.state_dtype)
        impossible = _sample(views, keys, new_plan(), states)
        if impossible >= 0:
            raise ValueError(f"view {impossible} contradicts itself: no deal has such voids and hand sizes")
        return states
