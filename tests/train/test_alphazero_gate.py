"""The gate lets the better through and keeps the equal out; deals are spread over the tables."""

from __future__ import annotations

import numpy as np
import pytest

from strategos.train.alphazero_tables import GateConfig
from strategos.train.config_files import from_dict
from strategos.train.deals import Deals, make_deals
from strategos.train.gate import Standings, challenge, meet

CONFIG = GateConfig(deals=64, step=16, points=0.05)


def tables() -> list[Deals]:
    kinds = [{"players": 4, "cards": 2, "share": 0.75}, {"players": 3, "cards": 2, "share": 0.25}]
    return make_deals(from_dict({"algorithm": "alphazero", "game": {"name": "blob"}, "deals": kinds}))


class Bidder:
    """Bids nothing, or all it can, and plays its lowest card."""

    def __init__(self, low: bool) -> None:
        self.low, self.name = low, "low" if low else "high"

    def act(self, views, masks, memories, rng):
        bits = np.unpackbits(masks, axis=1, bitorder="little")
        bidding = bits[:, 52:].any(axis=1)
        lowest = bits.argmax(axis=1)
        highest = bits.shape[1] - 1 - bits[:, ::-1].argmax(axis=1)
        return np.where(bidding & (not self.low), highest, lowest).astype(np.int32)


class Careless(Bidder):
    """A bidder whose every card is drawn."""

    def act(self, views, masks, memories, rng):
        actions = super().act(views, masks, memories, rng)
        bits = np.unpackbits(masks, axis=1, bitorder="little")
        drawn = np.array([rng.choice(np.flatnonzero(row)) for row in bits], np.int32)
        return np.where(bits[:, 52:].any(axis=1), actions, drawn)


def test_the_better_passes_soon_and_the_worse_fails_soon():
    better = challenge(tables(), lambda: Bidder(True), lambda: Bidder(False), CONFIG, 1, map)
    assert better.accepted and not better.undecided and better.deals < CONFIG.deals and better.low > 0
    worse = challenge(tables(), lambda: Bidder(False), lambda: Bidder(True), CONFIG, 1, map)
    assert not worse.accepted and worse.deals < CONFIG.deals and worse.high < 0


def test_equals_do_not_pass():
    results = [
        challenge(tables(), lambda: Careless(True), lambda: Careless(True), CONFIG, seed, map)
        for seed in range(20)
    ]
    assert sum(result.accepted for result in results) <= 4


def test_deals_are_spread_and_every_stretch_has_its_own():
    seen: list[tuple[int, int]] = []

    def look(play, parts):
        for table, keys in parts:
            seen.extend((table.game.spec.num_players, int(key)) for key in keys)
        return [np.zeros(len(keys)) for _, keys in parts]

    for first in (0, 200):
        samples = meet(tables(), lambda: Bidder(True), lambda: Bidder(True), 5, first, first + 200, look)
        assert len(samples) == 200
    assert len(set(seen)) == 400
    assert np.mean([players == 3 for players, _ in seen]) == pytest.approx(0.25, abs=0.01)


def test_standings_rate_once_the_anchor_has_played():
    standings = Standings()
    assert standings.ratings("random") == []
    standings.add("champion 1", "random", np.array([0.2, 0.3, 0.25]))
    again = Standings.load(standings.save())
    assert [each.name for each in again.ratings("random")] == ["champion 1", "random"]
