"""Blob on the contract of `strategos.games.spec`: one round, or a whole game, for 3 to 8 players.

A **round** is one deal: bid, then play all tricks. A **game** is a fixed sequence of rounds:
C, C-1, ..., 2 cards, then one round of 1 card for each player, then 2, ..., C.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from strategos.games.blob import notation, rules
from strategos.games.blob.record import (
    BID,
    DECK,
    MAX_CARDS,
    MAX_PLAYERS,
    MEMORY,
    NO_TRUMP,
    NONE,
    NUM_ACTIONS,
    SCORINGS,
    STATE,
    SUITS,
    VIEW,
)
from strategos.games.compiled import kernel
from strategos.games.rng import below
from strategos.games.spec import GameSpec

_ANY = -1


class Blob:
    """Blob for `players` seats and at most `cards` cards each. Actions: cards 0 to 51, then `52 + bid`.

    With `rounds` "one" a game is a single round of `min_cards` to `cards` cards (all `cards` where left
    out), dealer and trump drawn from the seed; `trump` (`S`, `H`, `C`, `D` or `none`) and `dealer` fix
    them. With `rounds` "all" it is the whole sequence: trump goes by round, the dealer moves left, and the
    first dealer is drawn.
    `turned_up`: the next card of the stock is shown, and its suit is trump. `scoring`: `exact` (10 + bid for
    an exact bid, otherwise 0) or `tricks_plus_bonus` (1 a trick, and 10 more if exact).

    Who is not to move has an empty mask and is not asked. An illegal id is played as the lowest legal one
    and marked. `ValueError` for a deal that is impossible.
    """

    state_dtype, view_dtype, memory_dtype = STATE, VIEW, MEMORY
    notation = notation
    num_actions = NUM_ACTIONS

    def __init__(
        self,
        players: int = 4,
        cards: int = 5,
        *,
        rounds: str = "one",
        min_cards: int | None = None,
        trump: str | None = None,
        dealer: int | None = None,
        turned_up: bool = False,
        scoring: str = "exact",
    ) -> None:
        least = cards if min_cards is None else min_cards
        _check(players, cards, rounds, least, trump, dealer, turned_up, scoring)
        self.players, self.cards, self.min_cards = players, cards, least
        self.whole, self.turned_up = rounds == "all", turned_up
        self.rounds = 2 * (cards - 1) + players if self.whole else 1
        self.scoring = SCORINGS.index(scoring)
        self._trump = _ANY if trump is None else NO_TRUMP if trump == "none" else SUITS.index(trump)
        self._dealer = _ANY if dealer is None else dealer
        self.options: dict[str, Any] = {
            "players": players,
            "cards": cards,
            "rounds": rounds,
            "min_cards": min_cards,
            "trump": trump,
            "dealer": dealer,
            "turned_up": turned_up,
            "scoring": scoring,
        }
        ticks = sum(
            players * (1 + (rules.cards_of_round(cards, players, number) if self.whole else cards))
            for number in range(self.rounds)
        )
        self.spec = GameSpec(
            name="blob",
            num_players=players,
            num_actions=NUM_ACTIONS,
            simultaneous=False,
            has_memory=False,
            max_ticks=ticks,
        )

    def reset(self, states: np.ndarray, seeds: np.ndarray) -> None:
        """Deal new games into `states` [B] from `seeds` [B] int64."""
        _reset(
            states,
            seeds,
            self.players,
            self.cards,
            self.min_cards,
            self.rounds,
            self._trump,
            self._dealer,
            self.turned_up,
            self.scoring,
        )

    def deal(
        self, states: np.ndarray, hands: Sequence[Sequence[int]], trump: int, dealer: int, turned: int = NONE
    ) -> None:
        """Begin a single round from given `hands` (card ids of each seat), in all of `states` [B].

        `trump` 0 to 4 (spades, hearts, clubs, diamonds, none). `ValueError` for hands that
        no deal of this game gives.
        """
        dealt = [card for hand in hands for card in hand]
        sizes = {len(hand) for hand in hands}
        if len(hands) != self.players or len(sizes) != 1 or not 1 <= len(hands[0]) <= self.cards:
            raise ValueError(
                f"{self.players} hands of the same number of cards are needed, 1 to {self.cards}, not {hands}"
            )
        if len(set(dealt)) != len(dealt) or not all(0 <= card < DECK for card in dealt):
            raise ValueError("a card was dealt twice, or is none of 0 to 51")
        if not 0 <= trump <= NO_TRUMP or not 0 <= dealer < self.players:
            raise ValueError(f"no trump {trump} or no dealer {dealer}; trumps are 0 to 4, seats from 0")
        if turned != NONE and (turned in dealt or not 0 <= turned < DECK or turned // 13 != trump):
            raise ValueError(f"the card turned up ({turned}) is of the stock and of the trump suit")
        self.reset(states, states["key"].copy())
        states["hand"] = 0
        for seat, hand in enumerate(hands):
            states["hand"][:, seat] = sum(1 << card for card in hand)
        states["cards"], states["trump"], states["dealer"] = len(hands[0]), trump, dealer
        states["largest"] = len(hands[0])
        states["turned"], states["turned_up"] = turned, turned != NONE
        states["round"], states["rounds"] = 0, 1
        states["turn"] = (dealer + 1) % self.players

    def step(self, states: np.ndarray, actions: np.ndarray, illegal: np.ndarray) -> None:
        """Play the action of the seat to move, `actions` [B, P] int32; see the class for illegal ones."""
        _step(states, actions, illegal)

    def legal(self, states: np.ndarray, masks: np.ndarray) -> None:
        """Write `masks` [B, P, 9] uint8; all zero for who is not to move and after the end."""
        _legal(states, masks)

    def view(self, states: np.ndarray, views: np.ndarray) -> None:
        """Write `views` [B, P]: one's own hand and all that is public, seats counted from the viewer."""
        _view(states, views)

    def remember(self, views: np.ndarray, memories: np.ndarray) -> None:
        """Nothing: a view of Blob holds every bid and play of the round."""

    def observe(self, states: np.ndarray, views: np.ndarray, masks: np.ndarray, memories: np.ndarray) -> None:
        """`view` and `legal` in one call."""
        _view(states, views)
        _legal(states, masks)

    def random_actions(self, states: np.ndarray, actions: np.ndarray) -> None:
        """Fill `actions` [B, P] int32, uniform over the legal ones, from each game's own stream."""
        _random_actions(states, actions)

    def play_randomly(self, states: np.ndarray, actions: np.ndarray, illegal: np.ndarray) -> None:
        """`random_actions`, then `step`; what was played stands in `actions`."""
        _play_randomly(states, actions, illegal)

    def playout(self, states: np.ndarray, limit: int) -> None:
        """Play uniformly random actions to the end, or at most `limit` of them."""
        _playout(states, limit)

    def over(self, states: np.ndarray) -> np.ndarray:
        """Which games [B] have ended, bool."""
        return states["over"] != 0

    def returns(self, states: np.ndarray, returns: np.ndarray) -> None:
        """Write `returns` [B, P] float32, zero-sum; zeros while a game runs.

        Of one round: points above the table's mean, in units of 10 + the cards dealt. Of a whole game: the
        share of opponents beaten less the share lost to, ties counting neither.
        """
        _returns(states, returns)


def _check(
    players: int,
    cards: int,
    rounds: str,
    least: int,
    trump: str | None,
    dealer: int | None,
    turned_up: bool,
    scoring: str,
) -> None:
    if not 3 <= players <= MAX_PLAYERS:
        raise ValueError(f"Blob is for 3 to {MAX_PLAYERS} players, not {players}")
    most = DECK // players
    if not 1 <= cards <= most:
        raise ValueError(f"{players} players can hold 1 to {most} cards each, not {cards}")
    if rounds not in ("one", "all"):
        raise ValueError(f"rounds is 'one' or 'all' (a whole game), not {rounds!r}")
    if not 1 <= least <= cards:
        raise ValueError(f"min_cards is from 1 to cards ({cards}), not {least}")
    if rounds == "all" and (least != cards or trump is not None or dealer is not None):
        raise ValueError("a whole game has its own sequence: min_cards, trump and dealer are for one round")
    if trump is not None and trump != "none" and (len(trump) != 1 or trump not in SUITS):
        raise ValueError(f"trump is one of S, H, C, D or none, not {trump!r}")
    if dealer is not None and not 0 <= dealer < players:
        raise ValueError(f"dealer is a seat from 0 to {players - 1}, not {dealer}")
    if turned_up and (players * cards >= DECK or trump is not None):
        raise ValueError("turned_up needs a card left in the stock, and takes its trump from it")
    if scoring not in SCORINGS:
        raise ValueError(f"scoring is one of {', '.join(SCORINGS)}, not {scoring!r}")


@kernel
def _reset(states, seeds, players, cards, least, rounds, trump, dealer, turned_up, scoring):
    for game in range(states.shape[0]):
        state = states[game]
        state.key = seeds[game]
        state.draws = 3
        state.tick = 0
        state["round"] = 0
        state.rounds = rounds
        state.over = 0
        state.players = players
        state.largest = cards
        state.cards = least + below(state.key, 0, cards - least + 1)
        state.trump = trump
        if trump == _ANY:  # by round, where there is a sequence
            state.trump = 0 if rounds > 1 else below(state.key, 1, NO_TRUMP + 1)
        state.dealer = below(state.key, 2, players) if dealer == _ANY else dealer
        state.turned_up = turned_up
        state.scoring = scoring
        for seat in range(MAX_PLAYERS):
            state.hand[seat] = 0
            state.scores[seat] = 0
            state.last_scores[seat] = 0
        for place in range(state.padding.shape[0]):
            state.padding[place] = 0
        rules.begin_round(state)


@kernel
def _step(states, actions, illegal):
    for game in range(states.shape[0]):
        state = states[game]
        illegal[game, :] = 0
        if state.over:
            continue
        seat = state.turn
        action = actions[game, seat]
        if not rules.is_legal(state, action):
            illegal[game, seat] = 1
            action = rules.lowest_action(state)
        rules.play_action(state, action)


@kernel
def _legal(states, masks):
    for game in range(states.shape[0]):
        state = states[game]
        masks[game, :, :] = 0
        if state.over:
            continue
        mask = masks[game, state.turn]
        if state.num_bids < state.players:  # 52 is bit 4 of byte 6
            bits = rules.legal_bids(state) << (BID - 48)
            for place in range(6, mask.shape[0]):
                mask[place] = bits & 255
                bits >>= 8
        else:
            bits = rules.legal_cards(state)
            for place in range(7):
                mask[place] = bits & 255
                bits >>= 8


@kernel
def _view(states, views):
    for game in range(states.shape[0]):
        state = states[game]
        players = state.players
        turns = rules.full_tricks(state)
        first = state.num_plays - turns * players
        for seat in range(players):
            view = views[game, seat]
            view.hand = state.hand[seat]
            view.tick = state.tick
            view.me = seat
            view["round"] = state["round"]
            view.rounds = state.rounds
            view.players = players
            view.largest = state.largest
            view.cards = state.cards
            view.trump = state.trump
            view.turned = state.turned
            view.dealer = (state.dealer - seat + players) % players
            view.turn = (state.turn - seat + players) % players if state.turn >= 0 else NONE
            view.num_bids = state.num_bids
            view.num_plays = state.num_plays
            view.turned_up = state.turned_up
            view.scoring = state.scoring
            for other in range(MAX_PLAYERS):
                if other >= players:
                    view.scores[other] = 0
                    view.bids[other] = NONE
                    view.tricks[other] = 0
                    view.sizes[other] = 0
                    view.voids[other] = 0
                    view.last_scores[other] = 0
                    continue
                at = seat + other
                at -= players * (at >= players)
                view.scores[other] = state.scores[at]
                view.bids[other] = state.bids[at]
                view.tricks[other] = state.tricks[at]
                played = turns
                if first:
                    place = at - state.leaders[turns]
                    played += place + players * (place < 0) < first
                view.sizes[other] = state.cards - played
                view.voids[other] = state.voids[at]
                view.last_scores[other] = state.last_scores[at]
            for trick in range(MAX_CARDS):
                leader = state.leaders[trick]
                view.leaders[trick] = (leader - seat + players) % players if leader >= 0 else NONE
            for place in range(DECK):
                view.plays[place] = state.plays[place]


@kernel
def _random_actions(states, actions):
    for game in range(states.shape[0]):
        state = states[game]
        actions[game, :] = 0
        if not state.over:
            actions[game, state.turn] = rules.random_action(state)


@kernel
def _play_randomly(states, actions, illegal):
    for game in range(states.shape[0]):
        state = states[game]
        actions[game, :] = 0
        illegal[game, :] = 0
        if not state.over:
            action = rules.random_action(state)
            actions[game, state.turn] = action
            rules.play_action(state, action)


@kernel
def _playout(states, limit):
    for game in range(states.shape[0]):
        state = states[game]
        for _ in range(limit):
            if state.over:
                break
            rules.play_action(state, rules.random_action(state))


@kernel
def _returns(states, returns):
    for game in range(states.shape[0]):
        state = states[game]
        players = state.players
        returns[game, :] = 0.0
        if not state.over:
            continue
        if state.rounds == 1:
            total = 0
            for seat in range(players):
                total += state.scores[seat]
            scale = int(players) * (rules.EXACT_BONUS + int(state.cards))
            for seat in range(players):
                returns[game, seat] = (players * state.scores[seat] - total) / scale
        else:
            for seat in range(players):
                ahead = 0
                for other in range(players):
                    ahead += state.scores[seat] > state.scores[other]
                    ahead -= state.scores[seat] < state.scores[other]
                returns[game, seat] = ahead / (players - 1)
