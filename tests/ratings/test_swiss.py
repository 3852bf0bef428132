"""Swiss pairing: against every possible pairing for few players, and its promises for many."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from strategos.ratings.rounds import Round, Tally, tally
from strategos.ratings.swiss import bye_cost, pair_cost, swiss


def matchings(players: list[int]) -> Iterator[tuple[list[tuple[int, int]], list[int]]]:
    """Every way to pair `players`, with the one who rests where they are odd."""
    if len(players) % 2:
        for rest in players:
            for pairs, _ in matchings([each for each in players if each != rest]):
                yield pairs, [rest]
    elif not players:
        yield [], []
    else:
        for other in players[1:]:
            for pairs, rest in matchings([each for each in players[1:] if each != other]):
                yield [(players[0], other), *pairs], rest


def cost_of(past: Tally, pairs: list[tuple[int, int]], resting: list[int]) -> tuple[int, ...]:
    parts = [pair_cost(past, *pair) for pair in pairs] + [bye_cost(past, each) for each in resting]
    return tuple(map(sum, zip(*parts, strict=True)))


def resting_of(count: int, tables: list[tuple[int, ...]]) -> list[int]:
    return sorted(set(range(count)) - {player for table in tables for player in table})


def played(rng: np.random.Generator, tables: list[tuple[int, ...]], strength: np.ndarray) -> Round:
    points = []
    for table in tables:
        order = np.argsort(np.argsort(strength[list(table)] + rng.normal(0, 1, len(table))))
        points.append(tuple(order / (len(table) - 1)))
    return Round(tuple(tables), tuple(points))


@settings(max_examples=60)
@given(st.integers(2, 7), st.integers(1, 12), st.integers(0, 2**32 - 1))
def test_no_pairing_of_few_players_is_better(count, number, seed):
    rng = np.random.default_rng(seed)
    strength, rounds = rng.normal(0, 1, count), []
    for _ in range(number):
        past = tally(count, 2, rounds)
        tables = swiss(count, 2, rounds)
        best = min(cost_of(past, *each) for each in matchings(list(range(count))))
        assert cost_of(past, tables, resting_of(count, tables)) == best
        rounds.append(played(rng, tables, strength))


@settings(max_examples=60)
@given(st.integers(2, 7), st.integers(2, 12), st.integers(0, 2**32 - 1))
def test_a_rematch_only_where_every_pairing_has_one(count, number, seed):
    """Without the costs of the code: a bye to who had the fewest, then no rematch if one pairing has none."""
    rng = np.random.default_rng(seed)
    strength, rounds, met, byes = rng.normal(0, 1, count), [], set(), np.zeros(count, int)
    for _ in range(number):
        tables = swiss(count, 2, rounds)
        resting = resting_of(count, tables)
        assert all(byes[each] == byes.min() for each in resting)
        possible = any(
            not any(frozenset(pair) in met for pair in pairs)
            for pairs, rest in matchings(list(range(count)))
            if all(byes[each] == byes.min() for each in rest)
        )
        pairs = {frozenset(table) for table in tables}
        assert not (possible and pairs & met)
        met |= pairs
        byes[resting] += 1
        rounds.append(played(rng, tables, strength))


@settings(max_examples=25)
@given(st.integers(2, 40), st.integers(0, 2**32 - 1))
def test_promises_for_many_players(count, seed):
    rng = np.random.default_rng(seed)
    strength, rounds, met, byes = rng.normal(0, 1, count), [], set(), np.zeros(count, int)
    for number in range(min(12, count)):
        tables = swiss(count, 2, rounds)
        assert tables == swiss(count, 2, rounds)
        seated = [player for table in tables for player in table]
        assert len(seated) == len(set(seated)) == count - count % 2
        pairs = {frozenset(table) for table in tables}
        if number < count // 2:
            assert not pairs & met  # Dirac: who has not met yet still holds a perfect matching
        met |= pairs
        byes[resting_of(count, tables)] += 1
        assert byes.max() - byes.min() <= 1
        rounds.append(played(rng, tables, strength))
        leads = np.diff(tally(count, 2, rounds).seatings, axis=1)
        if number < count // 2:
            assert np.abs(leads).max() <= 2


def test_equals_meet_and_the_bye_goes_to_the_last():
    first = Round(((0, 1), (2, 3), (4, 5)), ((1.0, 0.0), (1.0, 0.0), (1.0, 0.0)))
    tables = swiss(7, 2, [first])
    assert resting_of(7, tables)[0] in (1, 3, 5)  # without a point; player 6 rested before, for a point
    assert sum(set(table) <= {0, 2, 4, 6} for table in tables) == 2
    assert sum(set(table) <= {1, 3, 5} for table in tables) == 1


def test_the_strongest_of_many_comes_out_first():
    rng = np.random.default_rng(3)
    strength, rounds = np.linspace(8, 0, 16), []
    for _ in range(7):
        rounds.append(played(rng, swiss(16, 2, rounds), strength))
    points = tally(16, 2, rounds).points
    assert np.corrcoef(points, strength)[0, 1] > 0.8 and points.argmax() < 3


@settings(max_examples=25)
@given(st.integers(3, 6), st.integers(0, 20), st.integers(1, 8), st.integers(0, 2**32 - 1))
def test_larger_tables(seats, more, number, seed):
    count = seats + more
    rng = np.random.default_rng(seed)
    strength, rounds, byes = rng.normal(0, 1, count), [], np.zeros(count, int)
    for _ in range(number):
        tables = swiss(count, seats, rounds)
        assert tables == swiss(count, seats, rounds)
        seated = [player for table in tables for player in table]
        assert len(seated) == len(set(seated)) == count - count % seats
        assert all(len(table) == seats for table in tables)
        byes[resting_of(count, tables)] += 1
        assert byes.max() - byes.min() <= 1
        rounds.append(played(rng, tables, strength))
    spread = np.ptp(tally(count, seats, rounds).seatings, axis=1)
    assert spread.max() <= 2


def partitions(players: list[int], seats: int) -> Iterator[list[tuple[int, ...]]]:
    """Every way to fill tables of `seats`."""
    if not players:
        yield []
        return
    for others in combinations(players[1:], seats - 1):
        rest = [each for each in players[1:] if each not in others]
        for tables in partitions(rest, seats):
            yield [(players[0], *others), *tables]


def test_larger_tables_repeat_few_meetings():
    """Against every seating of nine players at three tables: the fewest rematches, in nearly every round."""
    rng = np.random.default_rng(4)
    excess = []
    for _ in range(25):
        rounds: list[Round] = []
        for _ in range(5):
            meetings = tally(9, 3, rounds).meetings

            def rematches(tables, meetings=meetings):
                return sum(int(meetings[np.ix_(table, table)].sum()) // 2 for table in tables)

            tables = swiss(9, 3, rounds)
            excess.append(rematches(tables) - min(map(rematches, partitions(list(range(9)), 3))))
            rounds.append(played(rng, tables, np.zeros(9)))
    assert np.mean(np.array(excess) == 0) > 0.8 and np.mean(excess) < 0.4


def test_rounds_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match="do not fill a table"):
        swiss(3, 4, [])
    with pytest.raises(ValueError, match="at most once"):
        swiss(4, 2, [Round(((0, 1), (1, 2)), ((1, 0), (1, 0)))])
    with pytest.raises(ValueError, match="tables have 2 seats"):
        swiss(4, 2, [Round(((0, 1, 2),), ((1, 0, 0.5),))])
    with pytest.raises(ValueError, match="do not match"):
        Round(((0, 1),), ((1.0,),))
    with pytest.raises(ValueError, match="between 0 and 1"):
        Round(((0, 1),), ((3.0, 0.0),))
