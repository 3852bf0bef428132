"""What a report says of a run's league: who scores what against whom at its end, of those who are met."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from strategos.league.population import POPULATION_FOLDER, Population
from strategos.league.roles import BOT


@dataclass(frozen=True)
class Met:
    """Games of an agent against another member."""

    share: float
    """Of the points, in the last few hundred games."""
    games: int
    """All of them."""


@dataclass(frozen=True)
class LeagueShown:
    """The payoffs of a league, agents as columns."""

    agents: list[str]
    """Those who learn."""
    rows: list[tuple[str, list[Met | None]]]
    """The name of a member, and what each of the agents made against it; None where the two never met."""


def show_league(run_dir: Path) -> LeagueShown | None:
    """The league of a run as it was saved last; None where one agent has met neither others nor past selves.

    Members that have retired are left out. `PolicyError` for one that is damaged.
    """
    population = Population.load(run_dir / POPULATION_FOLDER)
    members = population.members.values()
    agents = [each.name for each in members if each.role != BOT and not each.parent]
    if len(agents) == 1 and not any(each.parent for each in members):
        return None
    records = {agent: population.payoffs.row(agent) for agent in agents}
    rows = []
    for member in members:
        if member.parent and not member.drawn:
            continue
        met = [
            Met(population.payoffs.chance(agent, member.name), records[agent][member.name][0])
            if member.name in records[agent]
            else None
            for agent in agents
        ]
        if any(met):
            rows.append((member.name, met))
    return LeagueShown(agents, rows)
