"""Swiss pairing: in every round equals meet, nobody twice while that can be helped.

Two to a table is a maximum-weight matching, exact. In this order, each only where those before it leave a
choice: byes go to who had the fewest; as few rematches as can be; nobody gets more than two turns ahead on
a seat; the bye goes to the lowest score; the squared differences of scores are least; seats are shared.
A rematch is avoided within the round, not by looking ahead: up to count / 2 rounds none is ever needed.
Larger tables are filled by score and improved by exchanges: rematches are few, not always the fewest.

Source: FIDE Handbook C.04.1 (basic rules of the Swiss systems); J. Edmonds, Paths, trees and flowers,
Canadian Journal of Mathematics 17 (1965), 449-467, as in networkx.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

import networkx
import numpy as np

from strategos.ratings.rounds import Round, Table, Tally, seated, tally

Cost = tuple[int, ...]
"""What a choice costs, the gravest first; compared from the left."""
_UNIT = 1000
"""Scores are compared in thousandths of a point, so that costs are whole numbers and add up exactly."""
_SWING = 2
"""How far ahead on one of two seats a player may get."""


def swiss(count: int, seats: int, rounds: Sequence[Round]) -> list[Table]:
    """The tables of the next round of `count` players (numbers from 0) after `rounds`, the top table first.

    Where the seats do not divide the players, `count % seats` of them have a bye. The answer depends on the
    arguments alone; equal players are told apart by their numbers, so the first round follows them.
    It has no end of its own. `ValueError` for fewer players than seats or rounds that do not fit.
    """
    past = tally(count, seats, rounds)
    groups = _pairs(past) if seats == 2 else _groups(past, seats)
    tables = [seated(group, past.seatings) for group in groups]
    return sorted(tables, key=lambda table: (-max(past.points[list(table)]), min(table)))


def pair_cost(past: Tally, one: int, other: int) -> Cost:
    """What it costs to let two players meet: 0, rematches, seats beyond the limit, 0, distance, seats."""
    away = round(_UNIT * abs(past.points[one] - past.points[other]))
    leads = sorted(int(past.seatings[player, 0] - past.seatings[player, 1]) for player in (one, other))
    # Who is further ahead on the first seat takes the second.
    beyond = int(leads[1] - 1 < -_SWING) + int(leads[0] + 1 > _SWING)
    return 0, int(past.meetings[one, other]), beyond, 0, away**2, leads[0] - leads[1]


def bye_cost(past: Tally, player: int) -> Cost:
    """What it costs to let a player rest: byes above the fewest, 0, 0, score above the lowest, 0, 0."""
    return (
        int(past.byes[player] - past.byes.min()),
        0,
        0,
        round(_UNIT * (past.points[player] - past.points.min())),
        0,
        0,
    )


def _pairs(past: Tally) -> list[tuple[int, int]]:
    """The matching of least cost; with an odd number one more vertex stands for the bye."""
    count = len(past.points)
    costs = {pair: pair_cost(past, *pair) for pair in combinations(range(count), 2)}
    if count % 2:
        costs |= {(player, count): bye_cost(past, player) for player in range(count)}
    # Whole numbers of any size: no sum over a matching of a lesser cost reaches one of a graver.
    base = 1 + 2 * count * max(abs(part) for cost in costs.values() for part in cost)
    graph = networkx.Graph()
    for pair, cost in costs.items():
        weight = 0
        for part in cost:
            weight = weight * base + part
        graph.add_edge(*pair, weight=-weight)
    matching = networkx.max_weight_matching(graph, maxcardinality=True)
    return [(one, other) for one, other in matching if max(one, other) < count]


def _groups(past: Tally, seats: int) -> list[list[int]]:
    """Tables of more than two: whoever fits the table best, from the highest score down, then exchanges."""
    count = len(past.points)
    worst = sorted(range(count), key=lambda each: (past.byes[each], past.points[each], -each))
    resting = worst[: count % seats]
    waiting = sorted(set(range(count)) - set(resting), key=lambda each: (-past.points[each], each))
    distance = np.round(_UNIT * np.abs(past.points[:, None] - past.points)).astype(np.int64) ** 2
    cost = past.meetings * (1 + distance.sum()) + distance
    table_of = np.full(count, -1)
    for number in range(len(waiting) // seats):
        table = [waiting.pop(0)]
        while len(table) < seats:
            fits = min(waiting, key=lambda each: cost[each, table].sum())
            waiting.remove(fits)
            table.append(fits)
        table_of[table] = number
    playing = np.flatnonzero(table_of >= 0)
    table_of = _improved(cost[playing[:, None], playing], table_of[playing])
    return [playing[table_of == number].tolist() for number in range(table_of.max() + 1)]


def _improved(cost: np.ndarray, table_of: np.ndarray) -> np.ndarray:
    """Exchange two players as long as that lowers the cost [N, N] summed over tables, the best first.

    It stops where no single exchange helps, which may lie above the least possible cost.
    """
    table_of = table_of.copy()
    while True:
        members = table_of[:, None] == np.arange(table_of.max() + 1)
        joining = (cost @ members)[:, table_of]
        leaving = np.diag(joining)
        change = joining + joining.T - leaving[:, None] - leaving - 2 * cost
        change[table_of[:, None] == table_of] = 0
        one, other = np.unravel_index(change.argmin(), change.shape)
        if change[one, other] >= 0:
            return table_of
        table_of[[one, other]] = table_of[[other, one]]
