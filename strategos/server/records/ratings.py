"""Ratings of who plays public games, by name: Plackett-Luce, one list a kind of game, kept in the journal.

The first list of a game has the game's own name: journals have ratings from before there were others.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

from strategos.ratings.plackett_luce import MU, SIGMA, Skill, rate
from strategos.server.records.journal import Journal
from strategos.server.terms import Standing

KEPT = 10_000
"""Players whose rating is in memory."""
_PUT = "INSERT OR REPLACE INTO players VALUES (?, ?, ?, ?, ?, ?)"


class Ratings:
    """Read from the journal on demand, written with the result that changes them."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._known: dict[tuple[str, str], tuple[Skill, int]] = {}

    def update(
        self,
        board: str,
        names: Sequence[str],
        sides: Sequence[Sequence[int]],
        points: Sequence[float],
        kept: Collection[str] = (),
    ) -> tuple[float | None, ...]:
        """Rate a game of a list: `names` [P] on `sides` (the seats of each), by the `points` [P] of the
        seats; the new ratings [P], None of those who are `kept` as they were. Who has the most points, and
        more than none, has won. Nothing changes where somebody sat twice."""
        if len(set(names)) < len(names):
            return (None,) * len(names)
        before = {name: self._look_up(board, name) for name in names}
        start = {name: skill for name, (skill, _) in before.items()}
        teams = [[names[seat] for seat in side] for side in sides]
        scores = [max(points[seat] for seat in side) for side in sides]
        best = max(points)
        after = {skill.name: skill for skill in rate([(teams, scores)], start)}
        for seat, name in enumerate(names):
            if name in kept:
                continue
            skill = after[name]
            wins = before[name][1] + (points[seat] == best > 0)
            self._known[board, name] = skill, wins
            self._journal.note(_PUT, board, name, skill.mu, skill.sigma, skill.games, wins)
        return tuple(None if name in kept else after[name].at_least for name in names)

    def leaderboard(self, board: str, size: int) -> list[Standing]:
        """The best `size` of a list. Sorted by what the index of the journal is made of, to the letter."""
        rows = self._journal.read(
            "SELECT name, mu, sigma, games, wins FROM players WHERE game = ? "
            "ORDER BY mu - 3 * sigma DESC, name LIMIT ?",
            board,
            size,
        )
        return [
            Standing(name, mu - 3 * sigma, mu, sigma, games, wins) for name, mu, sigma, games, wins in rows
        ]

    def _look_up(self, board: str, name: str) -> tuple[Skill, int]:
        if (board, name) not in self._known:
            if len(self._known) >= KEPT:
                for old in list(self._known)[: KEPT // 2]:  # the oldest: they have long been written
                    del self._known[old]
            rows = self._journal.read(
                "SELECT mu, sigma, games, wins FROM players WHERE game = ? AND name = ?", board, name
            )
            mu, sigma, games, wins = rows[0] if rows else (MU, SIGMA, 0, 0)
            self._known[board, name] = Skill(name, mu, sigma, games), wins
        return self._known[board, name]
