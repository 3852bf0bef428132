"""What the games of a tournament say: ratings with intervals, payoffs, how far one list can tell it all.

A board or deal is one observation, as its games are alike. At tables of more than two, who finishes ahead of
whom is what is counted. Sequential ratings (Elo, openskill) follow the games in the order of the plan.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass

import numpy as np

from strategos.evaluate.standings import Standings
from strategos.evaluate.tournament.games import FinishedGame
from strategos.evaluate.tournament.plan import Plan
from strategos.play.bots import anchor_among
from strategos.play.match import misconduct_line
from strategos.ratings import bootstrap, elo, plackett_luce
from strategos.ratings.bradley_terry import Rating
from strategos.ratings.equilibria import alpha_rank, antisymmetric, nash_average
from strategos.ratings.intransitivity import decompose, log_odds
from strategos.ratings.payoff import PayoffMatrix
from strategos.ratings.plackett_luce import Skill
from strategos.ratings.rounds import Round
from strategos.ratings.tables import Estimate, Games, finish_ahead, first_places

_LIVE_DRAWS = 100


@dataclass(frozen=True)
class Averages:
    """What no crowd of clones can sway; of everybody who met everybody, in the order of the ratings."""

    nash: tuple[float, ...]
    """Weights of the equilibrium of greatest entropy."""
    nash_ratings: tuple[float, ...]
    """Share of points above one half that each makes against it; 0 for all it takes."""
    alpha_rank: tuple[float, ...]
    """Shares of time."""


@dataclass(frozen=True)
class TournamentResult:
    """Everything that a tournament shows; all lists are in the order of the ratings."""

    standings: Standings
    points: tuple[float, ...]
    """Of the rounds: the mean of a table's games each, and in a swiss tournament 1 for a bye."""
    byes: tuple[int, ...]
    elo: dict[str, float] | None
    """Sequential, between two."""
    skills: dict[str, Skill] | None
    """By openskill, at tables of more than two."""
    first_places: tuple[Estimate, ...] | None
    """Shares of first places, at tables of more than two."""
    intransitivity: float | None
    """Share of the payoffs (as log-odds, noise taken off) that goes round in cycles; None where it is not to
    be told."""
    averages: Averages | None
    history: tuple[tuple[float | None, ...], ...]
    """Rating of each player after each round; None for whom nothing links to the anchor yet."""
    misconduct: tuple[str, ...]
    """A line for each player with faults, illegal moves or forfeits."""

    @property
    def names(self) -> tuple[str, ...]:
        """The strongest first."""
        return self.standings.payoff.names

    @property
    def remarks(self) -> tuple[str, ...]:
        """What a list of ratings leaves open, a line each."""
        lines = []
        apart = [each.name for each in self.standings.ratings if math.isnan(each.rating)]
        if apart:
            lines.append(f"no games link {', '.join(apart)} to {self.standings.anchor}: play more rounds")
        if self.intransitivity is not None:
            lines.append(
                f"{100 * self.intransitivity:.1f} % of the payoffs go round in cycles and show in no rating"
            )
        if self.averages is not None:
            for what, shares in (
                ("Nash average", self.averages.nash),
                ("alpha-rank", self.averages.alpha_rank),
            ):
                best = sorted(zip(shares, self.names, strict=True), key=lambda each: -each[0])
                lines.append(
                    f"{what}: "
                    + ", ".join(f"{name} {100 * share:.0f} %" for share, name in best if share > 0.005)
                )
        return tuple(lines)

    def as_json(self) -> dict:
        """Plain data."""
        return {
            **self.standings.as_json(),
            "points": [round(each, 4) for each in self.points],
            "byes": list(self.byes),
            "elo": self.elo and {name: round(value, 1) for name, value in self.elo.items()},
            "openskill": self.skills and {name: asdict(skill) for name, skill in self.skills.items()},
            "first_places": self.first_places
            and [asdict(each) | {"mean": each.mean if each.deals else None} for each in self.first_places],
            "intransitivity": self.intransitivity,
            "averages": self.averages and asdict(self.averages),
            "history": [list(each) for each in self.history],
            "misconduct": list(self.misconduct),
        }


def rate(plan: Plan, games: Sequence[FinishedGame], rounds: Sequence[Round]) -> TournamentResult:
    """Rate the players of `games`, which are those of `rounds`; `ValueError` where there are none."""
    standings = standing_so_far(plan, games, draws=1000)
    payoff, names = standings.payoff, list(standings.payoff.names)
    order = [plan.names.index(name) for name in names]
    many = plan.seats > 2
    points, byes = _points(plan, rounds)
    return TournamentResult(
        standings=standings,
        points=tuple(points[order].tolist()),
        byes=tuple(byes[order].tolist()),
        elo=None if many else dict.fromkeys(names, 1500.0) | elo.sequential(_pairs(plan, games)),
        skills=_skills(plan, games) if many else None,
        first_places=_first_places(plan, games, order) if many else None,
        intransitivity=_intransitivity(payoff),
        averages=_averages(payoff),
        history=_history(plan, games, len(rounds), standings.anchor, names),
        misconduct=_misconduct(plan, games),
    )


def standing_so_far(plan: Plan, games: Sequence[FinishedGame], draws: int = _LIVE_DRAWS) -> Standings:
    """Ratings and payoffs after `games`, if any; at 1500 is a bot that played, else the first who did."""
    played = {plan.names[entrant] for game in games for entrant in game.entrants}
    anchor = anchor_among([name for name in plan.names if name in played] or plan.names)
    ratings = _ratings(plan, games, anchor, draws)
    return Standings(anchor, ratings, _payoff(plan, games, [plan.names.index(each.name) for each in ratings]))


def _ratings(plan: Plan, games: Sequence[FinishedGame], anchor: str, draws: int) -> list[Rating]:
    """All players, the strongest first; last and rated NaN those whom no games link to the anchor."""
    linked = {plan.names.index(anchor)}
    groups = {frozenset(game.entrants) for game in games}
    while grown := [each for each in groups if each & linked and not each <= linked]:
        linked.update(*grown)
    counted = [game for game in games if game.entrants[0] in linked]
    listed: list[Rating] = []
    if counted:
        listed = bootstrap.fit_tables(_arrays(counted), plan.names, anchor=anchor, draws=draws)
    rated = {rating.name for rating in listed}
    for entrant, name in enumerate(plan.names):
        if name not in rated:
            points = [game.points[game.entrants.index(entrant)] for game in games if entrant in game.entrants]
            meetings, score = len(points) * (plan.seats - 1), float(np.mean(points)) if points else math.nan
            listed.append(Rating(name, math.nan, math.nan, math.nan, meetings, score))
    return listed


def _arrays(games: Sequence[FinishedGame]) -> Games:
    return Games(
        np.array([game.seed for game in games]),
        np.array([game.entrants for game in games]),
        np.array([game.points for game in games]),
    )


def _payoff(plan: Plan, games: Sequence[FinishedGame], order: Sequence[int]) -> PayoffMatrix:
    """Shares of meetings in which row finished ahead of column, a tie counting half."""
    size = len(order)
    score, low, high = (np.full((size, size), np.nan) for _ in range(3))
    met = np.zeros((size, size), np.int64)
    place = {entrant: index for index, entrant in enumerate(order)}
    together: dict[tuple[int, int], list[FinishedGame]] = {}
    for game in games:
        for one in game.entrants:
            for other in game.entrants:
                if place[one] < place[other]:
                    together.setdefault((one, other), []).append(game)
    for (one, other), shared in together.items():
        found = finish_ahead(_arrays(shared), one, other)
        row, column = place[one], place[other]
        met[row, column] = met[column, row] = len(shared)
        score[row, column], score[column, row] = found.mean, 1 - found.mean
        low[row, column], high[row, column] = found.low, found.high
        low[column, row], high[column, row] = 1 - found.high, 1 - found.low
    return PayoffMatrix(tuple(plan.names[entrant] for entrant in order), met, score, low, high)


def _points(plan: Plan, rounds: Sequence[Round]) -> tuple[np.ndarray, np.ndarray]:
    """Points [N] of all rounds and byes [N]; in some formats a player sits at several tables of a round."""
    count = len(plan.entrants)
    points, byes = np.zeros(count), np.zeros(count, np.int64)
    for played in rounds:
        seated = np.zeros(count, bool)
        for table, made in zip(played.tables, played.points, strict=True):
            points[list(table)] += made
            seated[list(table)] = True
        points[~seated] += plan.format == "swiss"
        byes[~seated] += 1
    return points, byes


def _in_turn(games: Sequence[FinishedGame]) -> Iterator[FinishedGame]:
    """Round by round one game of each table in turn: what comes last counts most in sequential ratings."""
    tables: dict[tuple[int, int], list[FinishedGame]] = {}
    for game in games:
        tables.setdefault((game.round, game.table), []).append(game)
    for number in sorted({round for round, _ in tables}):
        rows = [played for (round, _), played in sorted(tables.items()) if round == number]
        for turn in range(max(map(len, rows))):
            yield from (played[turn] for played in rows if turn < len(played))


def _pairs(plan: Plan, games: Sequence[FinishedGame]) -> Iterator[tuple[str, str, float]]:
    for game in _in_turn(games):
        one, other = game.entrants
        yield plan.names[one], plan.names[other], game.points[0]


def _sides(plan: Plan, games: Sequence[FinishedGame]) -> Iterator[plackett_luce.Game]:
    for game in _in_turn(games):
        yield [[plan.names[entrant]] for entrant in game.entrants], game.points


def _skills(plan: Plan, games: Sequence[FinishedGame]) -> dict[str, Skill]:
    skills = {name: Skill(name, plackett_luce.MU, plackett_luce.SIGMA, 0) for name in plan.names}
    return skills | {each.name: each for each in plackett_luce.rate(_sides(plan, games))}


def _first_places(plan: Plan, games: Sequence[FinishedGame], order: Sequence[int]) -> tuple[Estimate, ...]:
    found = first_places(_arrays(games), len(plan.entrants))
    return tuple(found[entrant] for entrant in order)


def _intransitivity(payoff: PayoffMatrix) -> float | None:
    if len(payoff.names) < 3:
        return None
    odds, variances = log_odds(payoff)
    try:
        return round(decompose(odds, variances=variances).corrected, 4)
    except ValueError:  # some met nobody of the others
        return None


def _averages(payoff: PayoffMatrix) -> Averages | None:
    met = payoff.games > 0
    if not met[~np.eye(len(met), dtype=bool)].all():
        return None
    above = antisymmetric(payoff.score)
    nash = nash_average(above)
    return Averages(
        *(tuple(np.round(each, 4).tolist()) for each in (nash.weights, nash.ratings, alpha_rank(above)))
    )


def _history(
    plan: Plan, games: Sequence[FinishedGame], rounds: int, anchor: str, names: Sequence[str]
) -> tuple[tuple[float | None, ...], ...]:
    """Ratings after each round, from all games so far."""
    rows: list[tuple[float | None, ...]] = []
    for number in range(rounds):
        listed = _ratings(plan, [game for game in games if game.round <= number], anchor, _LIVE_DRAWS)
        found = {each.name: round(each.rating, 1) for each in listed if not math.isnan(each.rating)}
        rows.append(tuple(found.get(name) for name in names))
    return tuple(rows)


def _misconduct(plan: Plan, games: Sequence[FinishedGame]) -> tuple[str, ...]:
    lines = (
        misconduct_line(
            name, [game.conduct[game.entrants.index(entrant)] for game in games if entrant in game.entrants]
        )
        for entrant, name in enumerate(plan.names)
    )
    return tuple(line for line in lines if line)
