"""How an agent fares against a row of opponents on paired boards: wins, draws, losses, intervals.

A draw is not a win: a game that reaches the tick limit counts against the agent's share.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass

import numpy as np

from strategos.games import make_game
from strategos.play.match import play_match
from strategos.play.policy import Policy
from strategos.ratings.payoff import Result

Size = tuple[int, int]
"""Rows and columns of a board."""


@dataclass(frozen=True)
class Rung:
    """The games against one opponent on one size of board, counted from the agent's side."""

    agent: str
    opponent: str
    board: str
    wins: int
    draws: int
    losses: int
    low: float
    """Wilson's 95 % interval of the share of wins."""
    high: float
    ticks: int
    """Median length of a game."""
    misconduct: tuple[str, ...] = ()
    """A line for each of the two that had faults or forfeits (`MatchResult.misconduct`)."""

    @property
    def games(self) -> int:
        """All games played."""
        return self.wins + self.draws + self.losses

    @property
    def win_share(self) -> float:
        """Wins over all games."""
        return self.wins / self.games

    @property
    def summary(self) -> str:
        """One short line."""
        return f"{self.win_share:.1%} won against {self.opponent} on {self.board}"

    def result(self) -> Result:
        """As a line of a results table."""
        return Result(self.agent, self.opponent, self.wins, self.draws, self.losses)

    def as_json(self) -> dict:
        """Plain data, the share of wins included."""
        return {**asdict(self), "games": self.games, "win_share": round(self.win_share, 4)}


def climb(
    agent: Policy,
    opponents: Sequence[Policy],
    *,
    sizes: Sequence[Size] = ((8, 8), (10, 10)),
    games: int = 512,
    seed: int = 0,
    tick_limit: int = 400,
    ruleset: str = "generalsio",
    threads: int | None = None,
    on_rung: Callable[[Rung], None] | None = None,
) -> list[Rung]:
    """Play `games` two-player games of Generals against each of `opponents` on each of `sizes`.

    The same boards for every opponent. `on_rung` is told of each result as it comes. `ValueError`
    for an odd number of games or a board that cannot be.
    """
    rungs = []
    for height, width in sizes:
        game = make_game("generals", height=height, width=width, ruleset=ruleset)
        for opponent in opponents:
            match = play_match(
                game,
                [agent, opponent],
                num_games=games,
                seed=seed,
                tick_limit=tick_limit,
                threads=threads,
            )
            low, high = match.win_interval(0)
            rung = Rung(
                agent=agent.name,
                opponent=opponent.name,
                board=f"{height}x{width}",
                wins=int(match.wins[0]),
                draws=int(match.draws[0]),
                losses=int(match.losses[0]),
                low=round(low, 4),
                high=round(high, 4),
                ticks=int(np.median([played.length for played in match.games])),
                misconduct=match.misconduct,
            )
            rungs.append(rung)
            if on_rung:
                on_rung(rung)
    return rungs
