"""Plackett-Luce: ratings after every table of two or more sides, by openskill.

Whoever comes first is chosen among all by strength, then the second among the rest, and so on; equal points
share a place. Like Elo these ratings follow the order of the games, and they forget nothing but the order:
for watching, and where tables are large. For intervals to publish see `bradley_terry` and `tables`.

Source: R. C. Weng and C.-J. Lin, A Bayesian approximation method for online ranking, Journal of Machine
Learning Research 12 (2011), 267-300, algorithm 4; V. Joshy, OpenSkill, Journal of Open Source Software 9
(2024), 5901.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from openskill.models import PlackettLuce

MU, SIGMA = 25.0, 25.0 / 3.0
"""Mean and standard deviation of the belief about a player who has not played."""


@dataclass(frozen=True)
class Skill:
    """What is believed about one player's strength: a normal distribution."""

    name: str
    mu: float
    sigma: float
    games: int

    @property
    def at_least(self) -> float:
        """Three standard deviations below the mean: what a list of newcomers and veterans is sorted by."""
        return self.mu - 3 * self.sigma


Game = tuple[Sequence[Sequence[str]], Sequence[float]]
"""The sides of one game, a side being the names of its players (one, or a team), and their points."""


def rate(games: Iterable[Game], start: Mapping[str, Skill] | None = None) -> list[Skill]:
    """Skills after `games` in the order given, the highest `mu` first; whoever is not in `start` is new.

    Agents do not change from game to game, so nothing is added to `sigma` between them. `sigma` is cautious:
    in simulations the errors were half of it to all of it. The first few dozen games spread players too far.
    `ValueError` for fewer than two sides, an empty side, other than one number of points a side, or a player
    twice in one game.
    """
    # With its default tau openskill lets everybody drift a little before every game.
    model = PlackettLuce(mu=MU, sigma=SIGMA, tau=0.0)
    skills = {name: (skill.mu, skill.sigma, skill.games) for name, skill in (start or {}).items()}
    for sides, points in games:
        _require_sides(sides, points)
        teams = [[model.rating(*skills.get(name, (MU, SIGMA))[:2]) for name in side] for side in sides]
        rated = model.rate(teams, scores=[float(point) for point in points])
        for side, team in zip(sides, rated, strict=True):
            for name, rating in zip(side, team, strict=True):
                skills[name] = (rating.mu, rating.sigma, skills.get(name, (MU, SIGMA, 0))[2] + 1)
    table = [Skill(name, *values) for name, values in skills.items()]
    return sorted(table, key=lambda skill: (-skill.mu, skill.name))


def _require_sides(sides: Sequence[Sequence[str]], points: Sequence[float]) -> None:
    names = [name for side in sides for name in side]
    if len(sides) < 2 or not all(sides):
        raise ValueError(f"a game has two sides or more with a player or more each: {sides}")
    if len(points) != len(sides):
        raise ValueError(f"{len(sides)} sides need as many points, not {len(points)}")
    if len(set(names)) < len(names):
        raise ValueError(f"a player sits twice in one game: {', '.join(names)}")
