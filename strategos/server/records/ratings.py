"""Ratings of who plays public games, by name: Plackett-Luce, one list a game, kept in the journal."""

from __future__ import annotations

from collections.abc import Sequence

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
        self, game: str, names: Sequence[str], sides: Sequence[Sequence[int]], points: Sequence[float]
    ) -> tuple[float | None, ...]:
        """Rate a game of `names` [P] on `sides` (the seats of each), by the `points` [P] of the seats; the
        new ratings [P]. Who has the most points, and more than none, has won. Nothing changes where somebody
        sat twice."""
        if len(set(names)) < len(names):
            return (None,) * len(names)
        before = {name: self._look_up(game, name) for name in names}
        start = {name: skill for name, (skill, _) in before.items()}
        teams = [[names[seat] for seat in side] for side in sides]
        scores = [max(points[seat] for seat in side) for side in sides]
        best = max(points)
        after = {skill.name: skill for skill in rate([(teams, scores)], start)}
        for seat, name in enumerate(names):
            skill = after[name]
            wins = before[name][1] + (points[seat] == best > 0)
            self._known[game, name] = skill, wins
            self._journal.note(_PUT, game, name, skill.mu, skill.sigma, skill.games, wins)
        return tuple(after[name].at_least for name in names)

    def leaderboard(self, game: str, size: int) -> list[Standing]:
        """The best `size` of a game. Sorted by what the index of the journal is made of, to the letter."""
        rows = self._journal.read(
            "SELECT name, mu, sigma, games, wins FROM players WHERE game = ? "
            "ORDER BY mu - 3 * sigma DESC, name LIMIT ?",
            game,
            size,
        )
        return [
            Standing(name, mu - 3 * sigma, mu, sigma, games, wins) for name, mu, sigma, games, wins in rows
        ]

    def _look_up(self, game: str, name: str) -> tuple[Skill, int]:
        if (game, name) not in self._known:
            if len(self._known) >= KEPT:
                for old in list(self._known)[: KEPT // 2]:  # the oldest: they have long been written
                    del self._known[old]
            rows = self._journal.read(
                "SELECT mu, sigma, games, wins FROM players WHERE game = ? AND name = ?", game, name
            )
            mu, sigma, games, wins = rows[0] if rows else (MU, SIGMA, 0, 0)
            self._known[game, name] = Skill(name, mu, sigma, games), wins
        return self._known[game, name]
