"""A round of Blob to read: who held what, what was bid and played, and what network and search made of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from strategos.games.blob.record import BID, SUITS, card_name
from strategos.play.evaluators.network import NetworkEvaluator
from strategos.play.network import NetworkPolicy
from strategos.play.search import SearchConfig
from strategos.play.searcher import Searcher
from strategos.train.deals import Deals
from strategos.train.duel import deal_keys

_SUIT_SIGNS = dict(zip(SUITS, "♠♥♣♦", strict=True))
_TRUMPS = ("spades", "hearts", "clubs", "diamonds", "no suit")


@dataclass(frozen=True)
class ShownAction:
    """One bid or card of the round."""

    trick: int
    """0 while bidding."""
    seat: int
    action: str
    network: str
    """The likeliest actions of the network alone, with their shares; empty for a forced one."""
    search: str
    """The same after the search."""


@dataclass(frozen=True)
class ShownRound:
    """A whole round."""

    title: str
    hands: list[str]
    actions: list[ShownAction]
    result: list[str]


def show_round(deals: Deals, agent: NetworkPolicy, worlds: int, simulations: int, seed: int) -> ShownRound:
    """Play one round with the agent and its search on every seat, and keep what was thought."""
    game = deals.game
    state = np.zeros(1, game.state_dtype)
    deals.begin(state, deal_keys(seed, 0, 1))
    config = SearchConfig(worlds=worlds, simulations=simulations, gumbel_scale=0.0)
    searcher = Searcher(game, config, NetworkEvaluator(game, agent.network, agent.encode))
    seats = [f"seat {seat + 1}" for seat in range(game.spec.num_players)]
    hands = [hand_text(int(hand)) for hand in state["hand"][0][: game.spec.num_players]]
    title = round_title(state[0], seats)
    actions = []
    while not game.over(state)[0]:
        actions.append(_act(deals, state, searcher, seed))
    return ShownRound(title, hands, actions, round_result(state[0], seats))


def round_title(state: np.record, seats: Sequence[str]) -> str:
    """What is dealt, by whom; `seats` are their names."""
    return (
        f"{len(seats)} players, {int(state['cards'])} cards each, "
        f"{_TRUMPS[int(state['trump'])]} as trump, {seats[int(state['dealer'])]} deals"
    )


def round_result(state: np.record, seats: Sequence[str]) -> list[str]:
    """What everybody bid, took and made in a round that is over, a line each."""
    bids, tricks, scores = (state[name] for name in ("bids", "tricks", "last_scores"))
    return [
        f"{name} bid {bids[seat]}, took {tricks[seat]}: {scores[seat]} points"
        for seat, name in enumerate(seats)
    ]


def _act(deals: Deals, state: np.ndarray, searcher: Searcher, seed: int) -> ShownAction:
    """Search the decision of the seat to move, play it in `state` [1], and say what was thought."""
    game = deals.game
    players = game.spec.num_players
    views = np.zeros((1, players), game.view_dtype)
    masks = np.zeros((1, players, game.spec.mask_bytes), np.uint8)
    game.view(state, views)
    game.legal(state, masks)
    seat = int(state["turn"][0])
    legal = np.flatnonzero(np.unpackbits(masks[0, seat], bitorder="little"))
    bidding = int(state["num_bids"][0]) < players
    trick = 0 if bidding else int(state["num_plays"][0]) // players + 1
    chosen, network, search = int(legal[0]), "", ""
    if len(legal) > 1:
        keys = deal_keys(seed, int(state["tick"][0]) + 1, int(state["tick"][0]) + 2)
        found = searcher.decide(views[:, seat], None, keys)
        chosen = int(found.actions[0])
        network, search = _likeliest(found.prior[0]), _likeliest(found.policy[0])
    actions = np.zeros((1, players), np.int32)
    actions[0, seat] = chosen
    game.step(state, actions, np.zeros((1, players), np.uint8))
    return ShownAction(trick, seat + 1, action_text(chosen), network, search)


def _likeliest(policy: np.ndarray, count: int = 3) -> str:
    order = [action for action in np.argsort(-policy, kind="stable")[:count] if policy[action] >= 0.005]
    return ", ".join(f"{action_text(int(action))} {policy[action]:.0%}" for action in order)


def action_text(action: int) -> str:
    """A bid or a card to read."""
    return f"bids {action - BID}" if action >= BID else _card(action)


def _card(card: int) -> str:
    name = card_name(card)
    return _SUIT_SIGNS[name[0]] + name[1]


def hand_text(cards: int) -> str:
    """The cards of a hand, the highest first."""
    return " ".join(_card(card) for card in range(51, -1, -1) if cards >> card & 1)
