"""The rounds of a tournament: who sat at which table, what it brought, and what follows for the next round.

Players are numbers from 0. A table is the players in the order of their seats; what is played on it (one
game, or many on paired boards) is the caller's business. Who is at no table of a round has a bye.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.optimize import linear_sum_assignment

Table = tuple[int, ...]
"""Players in the order of their seats."""


@dataclass(frozen=True)
class Round:
    """One round as it was played."""

    tables: tuple[Table, ...]
    points: tuple[tuple[float, ...], ...]
    """Of each seat of each table, in [0, 1]: between two the share of points, a draw counting half."""

    def __post_init__(self) -> None:
        if [len(table) for table in self.tables] != [len(points) for points in self.points]:
            raise ValueError(f"every seat needs its points: {self.tables} and {self.points} do not match")
        if any(not 0 <= point <= 1 for points in self.points for point in points):
            raise ValueError(f"points of a table lie between 0 and 1: {self.points}")


@dataclass(frozen=True)
class Tally:
    """What `N` players did in the rounds so far."""

    points: np.ndarray
    """float64 [N], a bye counting one point, as a win does."""
    byes: np.ndarray
    """int64 [N]."""
    meetings: np.ndarray
    """int64 [N, N], symmetric: at how many tables two players sat together."""
    seatings: np.ndarray
    """int64 [N, seats]: how often a player had a seat."""


def tally(count: int, seats: int, rounds: Sequence[Round]) -> Tally:
    """Add up `rounds` of `count` players at tables of `seats`.

    `ValueError` for fewer players than seats, another size of table, or a player twice in a round.
    """
    require_players(count, seats)
    points, byes = np.zeros(count), np.zeros(count, np.int64)
    meetings, seatings = np.zeros((count, count), np.int64), np.zeros((count, seats), np.int64)
    for played in rounds:
        playing = [player for table in played.tables for player in table]
        if len(set(playing)) < len(playing) or not set(playing) <= set(range(count)):
            raise ValueError(f"a round seats each of players 0 to {count - 1} at most once: {played.tables}")
        for table, made in zip(played.tables, played.points, strict=True):
            if len(table) != seats:
                raise ValueError(f"tables have {seats} seats here, not {len(table)}: {table}")
            row = np.array(table)
            points[row] += made
            meetings[row[:, None], row] += 1
            seatings[row, np.arange(seats)] += 1
        resting = np.setdiff1d(np.arange(count), playing)
        points[resting] += 1
        byes[resting] += 1
    np.fill_diagonal(meetings, 0)
    return Tally(points, byes, meetings, seatings)


def require_players(count: int, seats: int) -> None:
    """`ValueError` unless `count` players fill at least one table of two or more `seats`."""
    if not 2 <= seats <= count:
        raise ValueError(f"{count} players do not fill a table of {seats}; take {max(seats, 2)} or more")


def seated(players: Iterable[int], seatings: np.ndarray) -> Table:
    """The order in which `players` sit where they sat least: the least sum of their `seatings` [N, seats].

    The order given does not matter; equals are told apart by their numbers.
    """
    players = sorted(players)
    rows, columns = linear_sum_assignment(seatings[players])
    return tuple(players[row] for row in rows[np.argsort(columns)])
