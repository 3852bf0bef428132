"""The clock of the hall: seconds in which the server could have answered."""

from __future__ import annotations

import time
from collections.abc import Callable

STALL_S = 3.0
"""The clockwork looks at the clock every second. Whoever looks only after so long was stopped meanwhile."""


class AwakeClock:
    """Monotonic seconds, without those in which the process was stopped (SIGSTOP, a frozen container).

    Nobody could be heard then: no clock of a game runs out in it, and nobody is absent for it.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._last, self._stood = clock(), 0.0

    def __call__(self) -> float:
        now = self._clock()
        if now - self._last > STALL_S:
            self._stood += now - self._last
        self._last = now
        return now - self._stood
