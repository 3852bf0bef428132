"""A hundred rounds of Oh Hell that OpenSpiel played: hands, every legal set, trick winners, scores."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pytest

from strategos.games.blob import Blob
from strategos.games.blob.record import BID, card_id, card_name

ORACLE = Path(os.environ.get("STRATEGOS_ORACLE", Path(__file__).parents[2] / "../shared/oracle")).resolve()
FILE = ORACLE / "blob" / "oh_hell_rounds.jsonl"
ROUNDS = [json.loads(line) for line in FILE.read_text("utf-8").splitlines()] if FILE.is_file() else []
NONE = pytest.mark.skip(reason=f"no rounds at {FILE}; set STRATEGOS_ORACLE to a folder with blob/{FILE.name}")


@pytest.mark.parametrize(
    "oracle", ROUNDS or [pytest.param(None, marks=NONE)], ids=[f"round{r['id']}" for r in ROUNDS] or ["none"]
)
def test_a_round_is_played_as_recorded(oracle: dict) -> None:
    players, cards = oracle["players"], oracle["num_tricks"]
    turned = card_id(oracle["trump_card"])
    hands = [[card_id(name) for name in oracle["hands"][str(seat)]] for seat in range(players)]
    game = Blob(players, cards)
    states, masks = np.zeros(1, game.state_dtype), np.zeros((1, players, game.spec.mask_bytes), np.uint8)
    game.deal(states, hands, "SHCD".index(oracle["trump_suit"]), oracle["dealer"], turned)

    def legal(seat: int) -> list[int]:
        """The ids that `seat`, whose turn it is, may choose; nobody else may choose any."""
        assert states["turn"][0] == seat
        game.legal(states, masks)
        bits = np.unpackbits(masks[0], axis=-1, bitorder="little")
        assert not np.delete(bits, seat, axis=0).any()
        return np.flatnonzero(bits[seat]).tolist()

    def play(action: int) -> None:
        illegal = np.zeros((1, players), np.uint8)
        game.step(states, np.full((1, players), action, np.int32), illegal)
        assert not illegal.any()

    for bid in oracle["bids"]:
        assert [action - BID for action in legal(bid["seat"])] == bid["legal"]
        play(BID + bid["bid"])
    winners = []
    for number, card in enumerate(oracle["plays"], 1):
        before = states["tricks"][0].copy()
        assert sorted(card_name(action) for action in legal(card["seat"])) == card["legal"]
        assert states["num_plays"][0] // players == card["trick"]
        play(card_id(card["card"]))
        if number % players == 0:
            winners += np.flatnonzero(states["tricks"][0] - before).tolist()
    assert winners == oracle["trick_winners"]
    assert game.over(states)[0]
    assert states["tricks"][0, :players].tolist() == oracle["tricks_won"]
    assert states["scores"][0, :players].tolist() == oracle["blob_score"]
    assert np.maximum(oracle["returns_off_bid"], 0).tolist() == oracle["blob_score"]


@pytest.mark.skipif(not ROUNDS, reason=f"no rounds at {FILE}")
def test_the_rounds_cover_the_game() -> None:
    assert len(ROUNDS) == 100
    assert {oracle["players"] for oracle in ROUNDS} >= {3, 4, 5, 6, 7}
