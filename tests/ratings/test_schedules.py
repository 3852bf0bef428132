"""Formats: who meets whom and how often, and that a ladder sorts."""

from __future__ import annotations

from itertools import combinations, permutations

import numpy as np
import pytest

from strategos.ratings.rounds import Round, tally
from strategos.ratings.schedules import FORMATS, gauntlet, ladder, round_robin, standing


def finished(count, seats, name, limit=100):
    """All rounds of a format, every seat with the same points."""
    rounds: list[Round] = []
    while len(rounds) < limit and (tables := FORMATS[name](count, seats, rounds)):
        rounds.append(Round(tuple(tables), tuple((0.5,) * seats for _ in tables)))
    return rounds


@pytest.mark.parametrize("count", range(2, 14))
def test_everybody_meets_everybody_once(count):
    rounds = finished(count, 2, "round-robin")
    past = tally(count, 2, rounds)  # refuses a player at two tables of one round
    assert len(rounds) == (count - 1 if count % 2 == 0 else count)
    assert (past.meetings + np.eye(count, dtype=int) == 1).all()
    assert (past.byes == count % 2).all()
    leads = past.seatings[:, 0] - past.seatings[:, 1]
    assert np.abs(leads).max() == (count - 1) % 2


@pytest.mark.parametrize(("count", "seats"), [(3, 3), (5, 3), (6, 4), (8, 3)])
def test_every_table_once(count, seats):
    (one,) = finished(count, seats, "round-robin")
    assert sorted(tuple(sorted(table)) for table in one.tables) == list(combinations(range(count), seats))
    assert max(np.ptp(counts) for counts in seat_counts(count, seats, one)) <= 1


def seat_counts(count, seats, one):
    counts = np.zeros((count, seats), int)
    for table in one.tables:
        counts[list(table), np.arange(seats)] += 1
    return counts


@pytest.mark.parametrize(("count", "seats"), [(2, 2), (9, 2), (4, 4), (6, 4), (9, 3)])
def test_a_gauntlet_meets_all_alike(count, seats):
    (one,) = finished(count, seats, "gauntlet")
    assert all(0 in table and len(set(table)) == seats for table in one.tables)
    met = np.bincount([player for table in one.tables for player in table], minlength=count)[1:]
    assert (met == (seats - 1 if count > seats else 1)).all()
    assert np.ptp(seat_counts(count, seats, one)[0]) <= 1


@pytest.mark.parametrize("count", [2, 3, 4, 5])
def test_a_ladder_sorts_every_order(count):
    for order in permutations(range(count)):
        rounds: list[Round] = []
        for _ in range(count):
            tables = ladder(count, 2, rounds)
            points = tuple((1.0, 0.0) if order[one] < order[two] else (0.0, 1.0) for one, two in tables)
            rounds.append(Round(tuple(tables), points))
        assert [order[player] for player in standing(count, 2, rounds)] == list(range(count))


@pytest.mark.parametrize(("count", "seats"), [(4, 4), (5, 4), (7, 4), (8, 4), (6, 3)])
def test_larger_tables_of_a_ladder_sort_too(count, seats):
    rng = np.random.default_rng(0)
    strength = rng.permutation(count)
    rounds: list[Round] = []
    for _ in range(3 * count):
        tables = ladder(count, seats, rounds)
        rounds.append(Round(tuple(tables), tuple(tuple(strength[list(table)] / count) for table in tables)))
    assert strength[standing(count, seats, rounds)].tolist() == list(range(count))[::-1]


def test_equal_points_move_nobody_and_a_strange_round_is_refused():
    rounds = finished(6, 2, "ladder", limit=4)
    assert standing(6, 2, rounds) == list(range(6))
    assert [len(one.tables) for one in rounds] == [3, 2, 3, 2]
    with pytest.raises(ValueError, match="not played on this ladder"):
        ladder(4, 2, [Round(((0, 1),), ((1.0, 0.0),))])


@pytest.mark.parametrize("name", FORMATS)
def test_too_few_players_are_refused(name):
    with pytest.raises(ValueError, match="do not fill a table"):
        FORMATS[name](3, 4, [])


def test_what_is_over_stays_over():
    assert gauntlet(4, 2, finished(4, 2, "gauntlet")) == []
    assert round_robin(4, 2, finished(4, 2, "round-robin")) == []
