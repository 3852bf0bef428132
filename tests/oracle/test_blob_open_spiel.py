"""Live rounds against OpenSpiel's Oh Hell: the same deals, bids and plays in both; 3 to 7 players.

Legal sets and the seat to move before every action, tricks taken and scores at the end, both scorings.
What OpenSpiel has not (8 players, no trump, no card left to turn up) is compared with the twin in
`tests/games/test_blob_reference.py`.
"""

from __future__ import annotations

import re

import numpy as np
import pytest

from strategos.games.blob import Blob
from strategos.games.blob.record import BID, DECK, RANKS, SUITS

pyspiel = pytest.importorskip("pyspiel", reason="OpenSpiel is not installed; the test extra has it")

LIVE_ROUNDS = 10_000
TABLES = [
    (players, cards)
    for players in range(3, 8)
    for cards in sorted({1, 2, 3, 5, min(8, 51 // players), 51 // players})
]


class Peer:
    """OpenSpiel's game of one table size, and its numbers of cards."""

    def __init__(self, players: int, cards: int, scoring: str) -> None:
        self.players, self.cards, self.exact = players, cards, scoring == "exact"
        self.game = pyspiel.load_game(
            "oh_hell",
            {
                "players": players,
                "num_suits": 4,
                "num_cards_per_suit": 13,
                "num_tricks_fixed": cards,
                "off_bid_penalty": self.exact,
                "points_per_trick": 1,
            },
        )
        state = self.game.new_initial_state()
        state.apply_action(cards)
        state.apply_action(0)
        self.theirs, self.bit = {}, {}
        for action in state.legal_actions():
            name = state.action_to_string(state.current_player(), action)
            (suit,) = set(name) & set(SUITS)
            (rank,) = set(name) & set(RANKS)
            card = SUITS.index(suit) * 13 + RANKS.index(rank)
            self.theirs[card], self.bit[action] = action, 1 << card
        assert len(self.theirs) == DECK
        for bid in range(cards + 1):  # a bid has the same number in both
            self.theirs[BID + bid], self.bit[BID + bid] = BID + bid, 1 << BID + bid

    def deal(self, record: np.record):
        """A state of theirs with our deal."""
        state = self.game.new_initial_state()
        state.apply_action(self.cards)
        state.apply_action(int(record["dealer"]))
        hands = [[card for card in range(DECK) if int(hand) >> card & 1] for hand in record["hand"]]
        for number in range(self.cards):
            for seat in range(self.players):
                state.apply_action(self.theirs[hands[seat][number]])
        state.apply_action(self.theirs[int(record["turned"])])
        return state

    def scores(self, state) -> list[float]:
        """Their returns as Blob counts: who misses the bid has nothing, and no less."""
        return [max(0, points) for points in state.returns()] if self.exact else state.returns()


@pytest.mark.parametrize("scoring", ["exact", "tricks_plus_bonus"])
@pytest.mark.parametrize(("players", "cards"), TABLES)
def test_both_play_the_same_round(players: int, cards: int, scoring: str) -> None:
    peer = Peer(players, cards, scoring)
    game = Blob(players, cards, turned_up=True, scoring=scoring)
    rounds = -(-LIVE_ROUNDS // (2 * len(TABLES)))
    states = np.zeros(rounds, game.state_dtype)
    game.reset(states, np.arange(rounds) + 1000 * cards)
    theirs = [peer.deal(record) for record in states]
    masks = np.zeros((rounds, players, game.spec.mask_bytes), np.uint8)
    words = np.zeros((rounds, 16), np.uint8)
    actions, illegal = np.zeros((rounds, players), np.int32), np.zeros((rounds, players), np.uint8)
    for _ in range(players * (1 + cards)):
        game.legal(states, masks)
        turns = states["turn"].tolist()
        game.play_randomly(states, actions, illegal)
        assert not illegal.any()
        own = np.arange(rounds), turns
        words[:, : masks.shape[-1]] = masks[own]
        low, high = words.view("<u8").T.tolist()
        for state, turn, action, *legal in zip(theirs, turns, actions[own].tolist(), low, high, strict=True):
            assert state.current_player() == turn
            assert sum(peer.bit[choice] for choice in state.legal_actions()) == legal[0] | legal[1] << 64
            state.apply_action(peer.theirs[action])
    for record, state in zip(states, theirs, strict=True):
        assert record["over"] and state.is_terminal()
        won = re.search(r"Tricks Won:((?: *\d+)+)", str(state))
        assert won and [int(taken) for taken in won[1].split()] == record["tricks"][:players].tolist()
        assert record["scores"][:players].tolist() == peer.scores(state)
