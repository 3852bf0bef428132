"""Who meets whom: pure functions of payoffs and a random stream.

Prioritized fictitious self-play: O. Vinyals et al., Grandmaster level in StarCraft II using multi-agent
reinforcement learning, Nature 575 (2019), 350-354, methods.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

WEIGHTINGS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "uniform": np.ones_like,
    "hard": lambda chances: np.square(1 - chances),
    "even": lambda chances: chances * (1 - chances),
}
"""The weight of an opponent by the chance [N] to beat it."""
_HOPELESS = 0.2


@dataclass(frozen=True)
class Draw:
    """Opponents and how likely each is drawn; nobody where there are none."""

    names: tuple[str, ...] = ()
    chances: tuple[float, ...] = ()

    def one(self, rng: np.random.Generator) -> str:
        """The name of one of them; `ValueError` where there is nobody."""
        if not self.names:
            raise ValueError("nobody can be drawn from an empty list of opponents")
        place = np.searchsorted(np.cumsum(self.chances), rng.random() * sum(self.chances), side="right")
        return self.names[min(int(place), len(self.names) - 1)]


def prioritized(wins: Mapping[str, float], weighting: str, floor: float) -> Draw:
    """Draw opponents by the chance to beat each (`wins`, 0 to 1).

    `floor` of the probability is spread evenly, the rest by `WEIGHTINGS[weighting]`; evenly, too, where all
    weights are 0. `ValueError` for a chance or floor outside [0, 1].
    """
    if not wins:
        return Draw()
    chances = np.array(list(wins.values()), np.float64)
    if not 0 <= floor <= 1 or chances.min() < 0 or chances.max() > 1:
        raise ValueError(f"chances to win and the floor lie between 0 and 1, not {dict(wins)} and {floor}")
    weights = WEIGHTINGS[weighting](chances)
    even = np.full(len(chances), 1 / len(chances))
    shares = weights / weights.sum() if weights.sum() > 0 else even
    return Draw(tuple(wins), tuple((floor * even + (1 - floor) * shares).tolist()))


def exploiters_draw(mains: Mapping[str, float], past: Mapping[str, float]) -> Draw:
    """Whom a main exploiter meets: the main agents, evenly; past selves where they are too strong yet.

    `mains` and `past` are its chances to beat the main agents of this moment and their past selves. For each
    main agent that it beats less often than one game in five it meets past ones of even strength instead.
    """
    easier = prioritized(past, "even", 0.0)
    names: list[str] = []
    chances: list[float] = []
    for name, chance in mains.items():
        instead = easier if chance < _HOPELESS and easier.names else Draw((name,), (1.0,))
        names += instead.names
        chances += [each / len(mains) for each in instead.chances]
    return _merged(names, chances)


def _merged(names: Sequence[str], chances: Sequence[float]) -> Draw:
    totals: dict[str, float] = {}
    for name, chance in zip(names, chances, strict=True):
        totals[name] = totals.get(name, 0.0) + chance
    return Draw(tuple(totals), tuple(totals.values()))
