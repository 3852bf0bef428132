"""Who scores what against whom, from games as they come: totals, and what is recent.

An agent that learns is another one tomorrow, so its old games count less and less. The matrix is
antisymmetric: what one makes the other loses.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

_DECAY = 0.995
"""Per game of a pair: about the last 200 count."""
_PRIOR_GAMES = 2.0
"""Drawn games that every pair is given: who never met is even."""


@dataclass
class Record:
    """Games of two, from the side of the first by name."""

    games: int = 0
    points: float = 0.0
    """A draw counts half."""
    recent_games: float = 0.0
    recent_points: float = 0.0


class Payoffs:
    """The results of all pairs that met."""

    def __init__(self) -> None:
        self.records: dict[tuple[str, str], Record] = {}

    def add(self, name: str, other: str, games: int, points: float) -> None:
        """Enter games in which `name` made `points`, of at most 1 each.

        `ValueError` for a player against itself or for points that cannot be.
        """
        if name == other or games < 1 or not 0 <= points <= games:
            raise ValueError(
                f"{name!r} made {points} points in {games} games against {other!r}; "
                "expected two players and 0 to 1 points a game"
            )
        pair = (min(name, other), max(name, other))
        record = self.records.setdefault(pair, Record())
        mine = points if pair[0] == name else games - points
        kept = _DECAY**games
        record.games += games
        record.points += mine
        counted = (1 - kept) / (1 - _DECAY)  # of games that came one after the other, all with the mean
        record.recent_games = kept * record.recent_games + counted
        record.recent_points = kept * record.recent_points + counted * mine / games

    def chance(self, name: str, other: str) -> float:
        """The share of points of `name` against `other` of late, between 0 and 1; 0.5 for who never met."""
        record = self.records.get((min(name, other), max(name, other)), Record())
        share = (record.recent_points + _PRIOR_GAMES / 2) / (record.recent_games + _PRIOR_GAMES)
        return share if name < other or name == other else 1 - share

    def recent_games(self, name: str, other: str) -> float:
        """How many games the chance rests on, old ones counting less."""
        return self.records.get((min(name, other), max(name, other)), Record()).recent_games

    def row(self, name: str) -> dict[str, tuple[int, float]]:
        """Games and points of `name` against each that it met."""
        found = {}
        for (first, second), record in self.records.items():
            if name == first:
                found[second] = (record.games, record.points)
            elif name == second:
                found[first] = (record.games, record.games - record.points)
        return found

    def copy_row(self, name: str, child: str) -> None:
        """Let `child`, who is `name` as it is now, have the same results."""
        for (first, second), record in list(self.records.items()):
            if name not in (first, second) or child in (first, second):
                continue
            other = second if name == first else first
            pair = (min(child, other), max(child, other))
            turned = (name == first) != (child == pair[0])
            self.records[pair] = _turned(record) if turned else Record(**vars(record))

    def forget(self, name: str) -> None:
        """Leave out everything of `name`: it begins anew."""
        self.records = {pair: each for pair, each in self.records.items() if name not in pair}

    def save(self) -> list[list]:
        """Plain data."""
        return [
            [*pair, each.games, each.points, each.recent_games, each.recent_points]
            for pair, each in self.records.items()
        ]

    @classmethod
    def load(cls, saved: Iterable[list]) -> Payoffs:
        """What `save` gave."""
        payoffs = cls()
        for first, second, *numbers in saved:
            payoffs.records[first, second] = Record(*numbers)
        return payoffs


def _turned(record: Record) -> Record:
    return Record(
        record.games,
        record.games - record.points,
        record.recent_games,
        record.recent_games - record.recent_points,
    )
