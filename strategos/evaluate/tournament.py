"""Everyone against everyone on paired boards: the payoff matrix, Bradley-Terry ratings, sequential Elo."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import combinations

from strategos.games.spec import Game
from strategos.play.match import play_match
from strategos.play.policy import Policy
from strategos.ratings import bradley_terry, elo
from strategos.ratings.bradley_terry import Rating
from strategos.ratings.payoff import PayoffMatrix, Result, payoff_matrix


@dataclass(frozen=True)
class Standings:
    """What a tournament shows."""

    anchor: str
    """The player whose rating is 1500."""
    ratings: list[Rating]
    """Bradley-Terry, the strongest first."""
    payoff: PayoffMatrix
    """In the order of the ratings."""
    elo: dict[str, float]
    """Sequential Elo over the games in the order played; it swings, the ratings above do not."""
    misconduct: tuple[str, ...] = ()
    """A line for each match and player with faults or forfeits (`MatchResult.misconduct`)."""

    def as_json(self) -> dict:
        """Plain data."""
        names = self.payoff.names
        score = [
            [None if share != share else round(share, 4) for share in row]
            for row in self.payoff.score.tolist()
        ]
        return {
            "anchor": self.anchor,
            "ratings": [asdict(rating) for rating in self.ratings],
            "names": list(names),
            "score": score,
            "elo": {name: round(value, 1) for name, value in self.elo.items()},
            "misconduct": list(self.misconduct),
        }


def round_robin(
    game: Game,
    policies: Sequence[Policy],
    *,
    games: int = 256,
    seed: int = 0,
    tick_limit: int = 400,
    threads: int | None = None,
    on_result: Callable[[Result], None] | None = None,
) -> Standings:
    """Let every pair of `policies` play `games` games of a two-player `game`; the first is the anchor.

    A bot among the policies is the better anchor: it stays the same from one tournament to the
    next, so the random bot is taken where it plays. `ValueError` for fewer than two, or two of one name.
    """
    names = [policy.name for policy in policies]
    if len(names) < 2 or len(set(names)) < len(names):
        raise ValueError(f"a tournament needs two or more different players, not {', '.join(names)}")
    results: list[Result] = []
    played: list[tuple[str, str, float]] = []
    misconduct: list[str] = []
    for first, second in combinations(policies, 2):
        match = play_match(
            game, [first, second], num_games=games, seed=seed, tick_limit=tick_limit, threads=threads
        )
        for one in match.games:
            score = (1 + (one.returns[one.seats.index(0)] > 0) - (one.returns[one.seats.index(0)] < 0)) / 2
            played.append((first.name, second.name, score))
        results.append(match.result())
        misconduct += [f"{first.name} against {second.name}: {line}" for line in match.misconduct]
        if on_result:
            on_result(results[-1])
    outcome = standings(results, anchor=_anchor(names), games=played)
    return replace(outcome, misconduct=tuple(misconduct))


def standings(
    results: Sequence[Result], *, anchor: str, games: Sequence[tuple[str, str, float]] = ()
) -> Standings:
    """Ratings and payoff of `results`; sequential Elo over `games`, the pairs taking turns."""
    ratings = bradley_terry.fit(results, anchor=anchor)
    payoff = payoff_matrix(results, [rating.name for rating in ratings])
    return Standings(anchor, ratings, payoff, elo.sequential(_interleaved(games)))


def _anchor(names: Sequence[str]) -> str:
    return next((bot for bot in ("random", "expander", "hunter") if bot in names), names[0])


def _interleaved(games: Sequence[tuple[str, str, float]]) -> list[tuple[str, str, float]]:
    """One game of each pair in turn: Elo forgets, so the pair that plays last would count most."""
    pairs: dict[tuple[str, str], list[tuple[str, str, float]]] = {}
    for game in games:
        pairs.setdefault(game[:2], []).append(game)
    longest = max(map(len, pairs.values()), default=0)
    return [rows[turn] for turn in range(longest) for rows in pairs.values() if turn < len(rows)]
