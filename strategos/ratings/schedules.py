"""Who plays whom next: from the number of players and the rounds so far to the tables of the next round.

Every format is such a function, so that a tournament that was stopped goes on from its recorded rounds; no
tables mean that it is over. Nothing here plays, rates or draws a random number: who wants chance in it
shuffles the players.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from itertools import combinations

import numpy as np

from strategos.ratings.rounds import Round, Table, require_players, seated
from strategos.ratings.swiss import swiss

Format = Callable[[int, int, Sequence[Round]], list[Table]]
"""Players, seats of a table, rounds so far; the tables of the next round."""


def round_robin(count: int, seats: int, rounds: Sequence[Round]) -> list[Table]:
    """Every set of `seats` players meets once; the seats are shared out evenly.

    Two to a table: `count - 1` rounds in which everybody plays (`count` rounds with a bye each where it is
    odd), by the circle method. More to a table: the binomial(count, seats) tables in one round, since rounds
    without a bye exist for few numbers; 16 players at tables of 4 make 1,820 of them, where `swiss` is meant.
    """
    require_players(count, seats)
    if seats > 2:
        return [] if rounds else _evenly(combinations(range(count), seats), count, seats)
    circle = count + count % 2
    turn = len(rounds)
    if turn >= circle - 1:
        return []
    # The last stays where it is and changes its seat every turn; the others walk round it.
    tables: list[Table] = []
    for step in range(circle // 2):
        low = (turn + step) % (circle - 1)
        high = (turn - step) % (circle - 1) if step else circle - 1
        if high < count and low < count:
            swap = turn % 2 if step == 0 else step % 2
            tables.append((high, low) if swap else (low, high))
    return tables


def ladder(count: int, seats: int, rounds: Sequence[Round]) -> list[Table]:
    """Neighbours on a ladder play for the better rung; it begins in the order of the players.

    Tables are filled from the top of the ladder and from its foot (or shifted by half a table) in turn, so
    that everybody moves; who is left over rests. At a table the players take its rungs in the order of their
    points, equal points as before. With two to a table this is a sort by odd and even exchanges: after
    `count` rounds of results that agree with one order, the ladder has that order. It has no end of its own.
    """
    require_players(count, seats)
    order = standing(count, seats, rounds)
    tables = []
    for first in range(_offset(count, seats, len(rounds)), count - seats + 1, seats):
        rungs = order[first : first + seats]
        turned = len(rounds) // 2 % seats
        tables.append(tuple(rungs[turned:] + rungs[:turned]))
    return tables


def standing(count: int, seats: int, rounds: Sequence[Round]) -> list[int]:
    """The players from the top of the ladder to its foot, after `rounds` of it."""
    order = list(range(count))
    for number, played in enumerate(rounds):
        place = {player: rung for rung, player in enumerate(order)}
        made = {
            player: points
            for table, row in zip(played.tables, played.points, strict=True)
            for player, points in zip(table, row, strict=True)
        }
        for first in range(_offset(count, seats, number), count - seats + 1, seats):
            rungs = order[first : first + seats]
            if not set(rungs) <= set(made):
                raise ValueError(f"round {number + 1} was not played on this ladder: {played.tables}")
            order[first : first + seats] = sorted(rungs, key=lambda each: (-made[each], place[each]))
    return order


def gauntlet(count: int, seats: int, rounds: Sequence[Round]) -> list[Table]:
    """Player 0 against all, in one round; everybody else meets it equally often.

    More than two to a table: one table for each other player, who sits there with those next in number, all
    round, so that it meets player 0 `seats - 1` times; a single table where they all fit.
    """
    require_players(count, seats)
    if rounds:
        return []
    others = count - 1
    starts = range(others if others > seats - 1 else 1)
    return _evenly(
        ((0, *(1 + (start + step) % others for step in range(seats - 1))) for start in starts), count, seats
    )


FORMATS: dict[str, Format] = {
    "swiss": swiss,
    "round-robin": round_robin,
    "ladder": ladder,
    "gauntlet": gauntlet,
}


def _evenly(groups: Iterable[Iterable[int]], count: int, seats: int) -> list[Table]:
    """Seat one group after the other, each player where it sat least so far."""
    seatings = np.zeros((count, seats), np.int64)
    tables = []
    for group in groups:
        table = seated(group, seatings)
        seatings[list(table), np.arange(seats)] += 1
        tables.append(table)
    return tables


def _offset(count: int, seats: int, number: int) -> int:
    """The rung on which the first table of round `number` begins."""
    if number % 2 == 0 or count == seats:
        return 0
    return count % seats or seats // 2
