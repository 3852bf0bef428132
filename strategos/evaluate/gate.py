"""A gate: a sequential test of a candidate against a baseline on paired boards or deals.

The two hypotheses and the chances of being wrong are declared before the first game; the test stops as soon
as it knows. Asking for a gain keeps equals out; asking that nothing is lost lets them through.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, replace

import numpy as np

from strategos.engine.pool import available_cores
from strategos.games.rng import derive
from strategos.games.spec import Game
from strategos.play.match import play_match
from strategos.play.policy import Policy
from strategos.ratings.boards import BoardResult
from strategos.ratings.elo import difference_of
from strategos.ratings.sprt import SequentialTest, Verdict, decide
from strategos.train.deals import Deals
from strategos.train.devices import one_thread_each
from strategos.train.duel import Maker, deal_keys, mean_interval, play_duel
from strategos.train.gate import meet

ACCEPT, REJECT, UNDECIDED = "accept", "reject", "undecided"
OnLook = Callable[[Verdict], None]
_PAIR_SHARES = np.array([0.0, 0.25, 0.5, 0.75, 1.0])
_PARTS = 2
"""`meet` plays a look in so many parts."""
_SCORED_DEALS = 256
_SCORES = 1
"""Stream of the deals on which a baseline's score is measured: none of them is in the test."""


@dataclass(frozen=True)
class Judgement:
    """How a gate ended, in the `unit` of its hypotheses: Elo of paired boards, points of deals."""

    candidate: str
    baseline: str
    unit: str
    null: float
    """Accepted from here with a chance of alpha ..."""
    better: float
    """... and rejected from here with a chance of beta."""
    alpha: float
    beta: float
    maximum: int
    decision: str
    """`accept`, `reject`, or `undecided` where the maximum came first."""
    count: int
    """Pairs of games or deals that were played."""
    llr: float
    """The log likelihood ratio at the end, and the bounds that it was held against."""
    lower: float
    upper: float
    estimate: float
    """Of the difference, and its 95 % interval as of a fixed number of games; the test has its own bounds."""
    low: float
    high: float
    wins: int = 0
    draws: int = 0
    losses: int = 0
    misconduct: tuple[str, ...] = ()

    @property
    def summary(self) -> str:
        """One short line."""
        what = "pairs of games" if self.unit == "Elo" else "deals"
        digits = 0 if self.unit == "Elo" else 3
        interval = f"{self.estimate:+.{digits}f} ({self.low:+.{digits}f} to {self.high:+.{digits}f})"
        return (
            f"{self.decision}: {self.candidate} against {self.baseline}, {interval} {self.unit} in "
            f"{self.count} {what}; LLR {self.llr:+.2f} between {self.lower:+.2f} and {self.upper:+.2f}"
        )

    def as_json(self) -> dict:
        """Plain data; what is not finite (the Elo of all wins) is null."""
        return {
            name: (None if isinstance(each, float) and not math.isfinite(each) else each)
            for name, each in asdict(self).items()
        }


def gate_boards(
    game: Game,
    candidate: Policy,
    baseline: Policy,
    test: SequentialTest,
    *,
    seed: int,
    tick_limit: int,
    on_look: OnLook = lambda verdict: None,
) -> Judgement:
    """Test two players of a game of two on paired boards of the series `seed`; hypotheses in Elo.

    `ValueError` for a game of more seats.
    """
    if game.spec.num_players != 2:
        raise ValueError(f"a pair of games has two seats, and this game has {game.spec.num_players}")
    counts, boards = np.zeros(3, np.int64), np.zeros(len(_PAIR_SHARES), np.int64)
    misconduct: list[str] = []

    def observe(first: int, last: int) -> np.ndarray:
        match = play_match(
            game,
            [candidate, baseline],
            num_games=2 * (last - first),
            seed=derive(seed, first),
            tick_limit=tick_limit,
        )
        counts[:] += (match.wins[0], match.draws[0], match.losses[0])
        misconduct.extend(line for line in match.misconduct if line not in misconduct)
        assert match.paired is not None
        boards[:] += match.paired[0]
        return np.repeat(_PAIR_SHARES, match.paired[0])

    verdict, scores = decide(test, test.of_pair_scores, observe, on_look)
    wins, draws, losses = counts.tolist()
    share_low, share_high = BoardResult("candidate", "baseline", tuple(boards.tolist())).interval()
    estimate = (
        difference_of(float(scores.mean())),
        difference_of(share_low),
        difference_of(share_high),
    )
    names = (candidate.name, baseline.name, "Elo")
    judgement = _judgement(names, test, verdict, estimate)
    return replace(judgement, wins=wins, draws=draws, losses=losses, misconduct=tuple(misconduct))


def gate_deals(
    deals: Deals,
    candidate: Maker,
    baseline: Maker,
    test: SequentialTest,
    *,
    seed: int,
    on_look: OnLook = lambda verdict: None,
) -> Judgement:
    """Test two players on deals of the series `seed`, each alone at the other's table; hypotheses in points.

    Ctrl-C ends it before the next move of every thread.
    """
    given_up = threading.Event()
    cores = min(_PARTS, available_cores())
    with ThreadPoolExecutor(cores, initializer=one_thread_each, initargs=("cpu",)) as executor:

        def observe(first: int, last: int) -> np.ndarray:
            return meet([deals], candidate, baseline, seed, first, last, executor.map, given_up.is_set)

        try:
            verdict, points = decide(test, test.of_deals, observe, on_look)
        finally:
            given_up.set()
    names = (candidate().name, baseline().name, "points")
    return _judgement(names, test, verdict, (float(points.mean()), *mean_interval(points)))


def _judgement(
    names: tuple[str, str, str],
    test: SequentialTest,
    verdict: Verdict,
    estimate: tuple[float, float, float],
) -> Judgement:
    return Judgement(
        *names,
        test.null,
        test.better,
        test.alpha,
        test.beta,
        test.maximum,
        UNDECIDED if verdict.exhausted else verdict.status,
        verdict.count,
        verdict.llr,
        verdict.lower,
        verdict.upper,
        *estimate,
    )


def kept_elo(share: float) -> float:
    """The Elo difference of who keeps `share` of the half of the points that an equal takes."""
    return difference_of(share / 2)


def kept_points(deals: Deals, baseline: Policy, share: float, seed: int) -> float:
    """Points that who keeps `share` of the baseline's mean score loses, 0 or less; measured at its own table.

    `ValueError` where the baseline scores nothing of which a share could be kept.
    """
    keys = deal_keys(derive(seed, _SCORES), 0, _SCORED_DEALS)
    score = play_duel(deals, baseline, baseline, keys, seed).score
    if score <= 0:
        raise ValueError(f"{baseline.name} scores {score:.3f} a round; a share of that cannot be kept")
    return (share - 1) * score
