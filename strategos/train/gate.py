"""The gate: whether learned weights replace the champion, and how strong the champions were.

A candidate is tested on deals that nobody has seen, both ways round: alone at a table of champions, and
one champion at a table of candidates. A sequential test looks after every few deals and keeps its error
rates. A new champion then meets the past ones and the bots again, so that forgetting shows.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from scipy.special import stdtrit

from strategos.games.rng import derive
from strategos.ratings.points import Meeting, PointsRating, fit
from strategos.ratings.sprt import ACCEPT, SequentialTest, decide
from strategos.train.alphazero_tables import GateConfig
from strategos.train.deals import Deals
from strategos.train.duel import Maker, compare, mean_interval

Map = Callable[[Callable, Iterable], Iterable]
"""`map`, or that of an executor."""
_CHANCE = 1 << 20
_SPREAD = 0.618_033_988_749_895


@dataclass(frozen=True)
class GateResult:
    """How a test of a candidate ended."""

    accepted: bool
    undecided: bool
    """The deals were used up before the test knew; then the champion stays."""
    deals: int
    points: float
    """Mean points of the candidate over the champion, of a deal."""
    low: float
    high: float
    """A 95 % interval as of a fixed number of deals; the test itself decides by its own bounds."""


def challenge(
    tables: Sequence[Deals], candidate: Maker, champion: Maker, config: GateConfig, seed: int, run: Map
) -> GateResult:
    """Test a candidate against the champion on the deals of the series `seed`.

    Where no gain is asked for it is taken, and plays the first of them to show what it is worth.
    """
    if config.points == 0:
        samples = meet(tables, candidate, champion, seed, 0, config.step, run)
        return _result(samples, accepted=True, undecided=False)
    test = SequentialTest(0.0, config.points, config.alpha, config.beta, look=config.step).at_most(
        config.deals
    )

    def observe(first: int, last: int) -> np.ndarray:
        return meet(tables, candidate, champion, seed, first, last, run)

    verdict, samples = decide(test, test.of_deals, observe)
    return _result(samples, accepted=verdict.status == ACCEPT, undecided=verdict.exhausted)


def _result(samples: np.ndarray, *, accepted: bool, undecided: bool) -> GateResult:
    low, high = mean_interval(samples)
    return GateResult(accepted, undecided, len(samples), float(samples.mean()), low, high)


def meet(
    tables: Sequence[Deals],
    one: Maker,
    other: Maker,
    seed: int,
    first: int,
    last: int,
    run: Map,
    stop: Callable[[], bool] = lambda: False,
) -> np.ndarray:
    """Points [last - first] of `one` over `other` on deals number `first` to `last` of the series `seed`.

    The deals are spread over the tables by their shares. `CancelledError` where `stop` says so.
    """
    bounds = np.cumsum([table.share for table in tables])
    parts = []
    deals = np.arange(first, last)
    table_of = np.searchsorted(bounds[:-1], deals * _SPREAD % 1.0 * bounds[-1], side="right")
    for number, table in enumerate(tables):
        stream = derive(seed, number)
        keys = np.array([derive(stream, int(deal)) for deal in deals[table_of == number]], np.int64)
        parts += [(table, part) for part in np.array_split(keys, 2) if len(part)]

    def play(part: tuple[Deals, np.ndarray]) -> np.ndarray:
        table, keys = part
        return compare(table, one(), other(), keys, derive(seed, _CHANCE) ^ int(keys[0]), stop)

    return np.concatenate(list(run(play, parts)))


@dataclass(frozen=True)
class Drop:
    """A player that does worse against an opponent than an earlier one did, by more than chance explains."""

    opponent: str
    earlier: str
    was: float
    """Points that the earlier one made against the opponent, of a deal."""
    now: float
    allowed: float
    """The half width of the interval of the difference."""

    def told_of(self, newest: str) -> str:
        """One line."""
        return (
            f"alarm: {newest} made {self.now:+.3f} points against {self.opponent}, {self.earlier} had made "
            f"{self.was:+.3f}: the interval allows to lose {self.allowed:.3f}"
        )


class Standings:
    """Who met whom, and the ratings in points that follow."""

    def __init__(self, meetings: Iterable[Meeting] = ()) -> None:
        self.meetings = list(meetings)

    def add(self, first: str, second: str, samples: np.ndarray) -> None:
        """Enter the points [deals] of `first` over `second`."""
        spread = float(samples.var(ddof=1)) if len(samples) > 1 else 1.0
        self.meetings.append(Meeting(first, second, len(samples), float(samples.mean()), spread))

    def drops(self, newest: str, past: Collection[str], confidence: float = 0.95) -> list[Drop]:
        """What `newest` has forgotten: each opponent against whom one of the `past` players made more.

        Everybody makes 0 against itself. The chance that any of all the comparisons is a false alarm is at
        most 1 - `confidence` (Bonferroni; Welch's interval with the fewer degrees of freedom of the two).
        """
        selves = [Meeting(name, name, 1 << 30, 0.0, 0.0) for name in past]
        mine = [meeting for meeting in self.meetings if meeting.first == newest and meeting.deals > 1]
        earlier = [
            (now, was)
            for now in mine
            for was in (*selves, *self.meetings)
            if was.second == now.second and was.first in past and was.deals > 1
        ]
        found: dict[str, Drop] = {}
        for now, was in earlier:
            spread = (now.variance / now.deals + was.variance / was.deals) ** 0.5
            freedom = min(now.deals, was.deals) - 1
            allowed = float(stdtrit(freedom, 1 - (1 - confidence) / len(earlier))) * spread
            worst = found.get(now.second)
            if was.points - now.points > allowed and (worst is None or was.points > worst.was):
                found[now.second] = Drop(now.second, was.first, was.points, now.points, allowed)
        return list(found.values())

    def ratings(self, anchor: str) -> list[PointsRating]:
        """The strongest first, `anchor` at 0; nothing before it has played."""
        if not any(anchor in (meeting.first, meeting.second) for meeting in self.meetings):
            return []
        return fit(self.meetings, anchor=anchor)

    def save(self) -> list[dict[str, Any]]:
        """Plain data."""
        return [asdict(meeting) for meeting in self.meetings]

    @classmethod
    def load(cls, saved: Iterable[Mapping[str, Any]]) -> Standings:
        """What `save` gave."""
        return cls(Meeting(**each) for each in saved)
