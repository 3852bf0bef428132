"""Tables of three or more: shares add up, intervals cover though games of a deal are tied (trap 29)."""

from __future__ import annotations

import numpy as np
import pytest

from strategos.ratings.payoff import wilson
from strategos.ratings.tables import Games, finish_ahead, first_places

SEATS = 4
STRENGTH = np.array([0.0, 0.3, 0.6, 0.9])


def simulate(rng: np.random.Generator, deals: int, luck: float = 1.0, whole: bool = True) -> Games:
    """Four players, each deal from every seat: points are strength, the seat's luck and noise."""
    seat_luck = rng.normal(0, luck, (deals, 1, SEATS))
    players = (np.arange(SEATS) + np.arange(SEATS)[:, None]) % SEATS
    players = np.broadcast_to(players, (deals, SEATS, SEATS))
    points = STRENGTH[players] + seat_luck + rng.normal(0, 1, players.shape)
    if whole:
        points = np.round(points)  # many ties
    return Games(np.repeat(np.arange(deals), SEATS), players.reshape(-1, SEATS), points.reshape(-1, SEATS))


def test_shares_add_up():
    games = simulate(np.random.default_rng(0), 50)
    assert sum(each.mean for each in first_places(games, SEATS)) == pytest.approx(1)
    for one in range(SEATS):
        for other in range(one):
            there, back = finish_ahead(games, one, other), finish_ahead(games, other, one)
            assert there.mean + back.mean == pytest.approx(1)
            assert there.low + back.high == pytest.approx(1) and there.deals == 50


def test_counted_by_hand():
    games = Games(
        np.array([7, 7, 9]),
        np.array([[0, 1, 2], [1, 2, 0], [3, 0, 1]]),
        np.array([[5.0, 5.0, 2.0], [1.0, 3.0, 3.0], [4.0, 4.0, 4.0]]),
    )
    firsts = first_places(games, 5)
    assert [each.mean for each in firsts[:4]] == pytest.approx([4 / 9, 5 / 18, 1 / 4, 1 / 3])
    assert [each.deals for each in firsts] == [2, 2, 1, 1, 0]
    assert np.isnan(firsts[4].mean) and (firsts[4].low, firsts[4].high) == (0, 1)
    assert finish_ahead(games, 0, 1).mean == pytest.approx((0.5 + 1 + 0.5) / 3)
    assert finish_ahead(games, 3, 2).deals == 0


def test_a_challenger_among_equals_takes_its_share():
    """Trap 29: one of four equals, ties included, has a quarter of the first places and no more."""
    rng = np.random.default_rng(1)
    points = np.round(rng.normal(0, 1, (8000, SEATS)))
    players = np.ones((8000, SEATS), int)
    players[np.arange(8000), np.arange(8000) % SEATS] = 0
    challenger, champions = first_places(Games(np.arange(8000) // SEATS, players, points), 2)
    assert challenger.low < 0.25 < challenger.high and challenger.high - challenger.low < 0.03
    assert champions.mean == pytest.approx((1 - challenger.mean) / 3)
    outright = (points[players == 0] > np.sort(points, axis=1)[:, -2]).mean()
    assert outright < 0.2  # counting only undivided first places would call an equal weak


@pytest.mark.parametrize("luck", [0.0, 2.0])
@pytest.mark.parametrize("whole", [True, False])
def test_intervals_cover_95_percent(luck, whole):
    long = simulate(np.random.default_rng(2), 60_000, luck, whole)
    truth = [each.mean for each in first_places(long, SEATS)]
    ahead = finish_ahead(long, 3, 0).mean
    rng = np.random.default_rng(3)
    firsts, heads = [], []
    for _ in range(600):
        games = simulate(rng, 40, luck, whole)
        firsts += [
            each.low <= t <= each.high for each, t in zip(first_places(games, SEATS), truth, strict=True)
        ]
        head = finish_ahead(games, 3, 0)
        heads.append(head.low <= ahead <= head.high)
    assert 0.93 <= np.mean(firsts) <= 0.975
    assert 0.925 <= np.mean(heads) <= 0.98


def test_paired_deals_are_worth_more_than_their_games_where_seats_decide():
    """Rotation cancels the luck of the seat: the interval is far narrower than of as many lone games."""
    games = simulate(np.random.default_rng(4), 200, luck=4.0)
    paired = first_places(games, SEATS)[3]
    low, high = wilson(paired.mean * 800, 800)
    assert paired.high - paired.low < 0.6 * (high - low)


def test_a_player_who_always_wins_has_an_interval():
    games = Games(np.arange(30), np.tile([0, 1, 2], (30, 1)), np.tile([2.0, 1.0, 0.0], (30, 1)))
    winner, middle, _ = first_places(games, 3)
    assert winner.mean == winner.high == 1 and 0.85 < winner.low < 0.95
    assert middle.mean == middle.low == 0 and 0.05 < middle.high < 0.15


def test_what_does_not_fit_is_refused():
    with pytest.raises(ValueError, match="every seat needs points"):
        Games(np.zeros(1, int), np.zeros((1, 3), int), np.zeros((1, 2)))
    with pytest.raises(ValueError, match="do not fit"):
        Games(np.zeros(2, int), np.zeros((1, 3), int), np.zeros((1, 3)))
