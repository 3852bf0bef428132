"""Who there is in a league, and which games each agent learns from: data only.

After O. Vinyals et al., Grandmaster level in StarCraft II using multi-agent reinforcement learning, Nature
575 (2019), 350-354: main agents meet everybody, main exploiters the main agents, and league exploiters
everybody who was ever there.
"""

from __future__ import annotations

from dataclasses import dataclass

from strategos.league.matchmaking import WEIGHTINGS
from strategos.spelling import nearest

MAIN, MAIN_EXPLOITER, LEAGUE_EXPLOITER, BOT = "main", "main-exploiter", "league-exploiter", "bot"


@dataclass(frozen=True)
class LeagueConfig:
    """Against whom agents learn. Without any of this there is one agent, and it plays itself and bots."""

    agents: int = 1
    """Main agents that are trained side by side, each with its own weights."""
    main_exploiters: int = 0
    """Agents that learn to beat the main agents of this moment, whose weaknesses they show."""
    league_exploiters: int = 0
    """Agents that learn to beat whoever is in the population."""
    past: float = 0.0
    """Share of a main agent's games against members of the population, chosen by `matchmaking`; until there
    is one, they are played against oneself."""
    peers: float = 0.0
    """Share of a main agent's games in which every seat (with teams: every team) is another main agent's; all
    of them learn."""
    opponents: int = 2
    """Members that a worker's games of one agent are against at a time, twice as many while they change: each
    costs an evaluation a tick. More of them mix better."""
    bots: tuple[str, ...] = ()
    """Scripted bots that are members, beside those with a share of their own in `rollout.bots`."""
    matchmaking: str = "uniform"
    """Chance of a member by the chance p to beat it: uniform, hard ((1 - p)^2) or even (p (1 - p))."""
    floor: float = 0.1
    """Share of these games that is spread evenly, so that nobody is ever forgotten."""
    every: float = 0.08
    """A past self of every main agent joins each time the run has advanced by this share."""
    kept: int = 6
    """Members of each agent that are drawn from; the newest always, of the others chance retires one."""
    exploiter_wins: float = 0.7
    """An exploiter with this share of points against all it is after joins the population and begins anew
    from a main agent's weights, `every` after it began at the soonest ..."""
    exploiter_patience: float = 0.2
    """... and so does one that has tried for this share of the run."""

    def __post_init__(self) -> None:
        if self.agents < 1 or min(self.main_exploiters, self.league_exploiters) < 0:
            raise ValueError(
                "league.agents must be 1 or more, main_exploiters and league_exploiters 0 or more"
            )
        if self.matchmaking not in WEIGHTINGS:
            hint = nearest(self.matchmaking, WEIGHTINGS)
            raise ValueError(
                f"league.matchmaking is one of {', '.join(WEIGHTINGS)}, not {self.matchmaking!r}{hint}"
            )
        if min(self.past, self.peers) < 0:
            raise ValueError("league.past and league.peers must not be negative")
        if self.peers > 0 and self.agents < 2:
            raise ValueError("league.peers needs league.agents of 2 or more: nobody is one's own peer")
        if self.every <= 0 or min(self.kept, self.opponents) < 1:
            raise ValueError("league.every must be above 0, league.kept and league.opponents 1 or more")
        if not 0 <= self.floor <= 1:
            raise ValueError(f"league.floor must be from 0 to 1, not {self.floor}")
        if not 0 < self.exploiter_wins <= 1 or self.exploiter_patience <= 0:
            raise ValueError("league.exploiter_wins must be in (0, 1] and exploiter_patience above 0")


@dataclass(frozen=True)
class Agent:
    """One of those who learn."""

    name: str
    role: str


def agents_of(config: LeagueConfig) -> list[Agent]:
    """Everybody who learns, main agents first."""
    counts = {
        MAIN: config.agents,
        MAIN_EXPLOITER: config.main_exploiters,
        LEAGUE_EXPLOITER: config.league_exploiters,
    }
    return [Agent(f"{role}-{n + 1}", role) for role, count in counts.items() for n in range(count)]
