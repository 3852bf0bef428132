"""Limits on what one address or one connection may ask for: token buckets and counts of connections.

Clocks are arguments; nothing here knows a protocol.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from strategos.server.settings import Settings
from strategos.server.terms import HallError

KEPT_ADDRESSES = 10_000
"""Buckets of more addresses than this are forgotten, the fullest first: those have asked for least."""


class Bucket:
    """Allows `rate` requests a second on average, and `burst` at once."""

    __slots__ = ("_at", "_left", "burst", "rate")

    def __init__(self, rate: float, burst: float, now: float) -> None:
        self.rate, self.burst = rate, max(1.0, burst)
        self._left, self._at = self.burst, now

    def take(self, now: float, cost: float = 1.0) -> bool:
        """Whether `cost` requests are allowed now; they are counted if so."""
        if self.left(now) < cost:
            return False
        self._left -= cost
        return True

    def left(self, now: float) -> float:
        """How many requests are allowed now. A clock that jumps back gives and takes nothing."""
        if now > self._at:
            self._left = min(self.burst, self._left + (now - self._at) * self.rate)
        self._at = now
        return self._left


class Addresses:
    """A bucket for each address."""

    def __init__(self) -> None:
        self._buckets: dict[str, Bucket] = {}

    def take(self, address: str, rate: float, burst: float, now: float) -> bool:
        """Whether `address` may ask once more."""
        bucket = self._buckets.get(address)
        if bucket is None:
            if len(self._buckets) >= KEPT_ADDRESSES:
                self._forget(now)
            bucket = self._buckets[address] = Bucket(rate, burst, now)
        bucket.rate, bucket.burst = rate, max(1.0, burst)  # the settings may have been reloaded
        return bucket.take(now)

    def _forget(self, now: float) -> None:
        fullest = sorted(self._buckets, key=lambda each: -self._buckets[each].left(now))
        for address in fullest[: KEPT_ADDRESSES // 2]:
            del self._buckets[address]


class Connections:
    """Counts open connections, of all entrances together and of each address."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.total = 0
        self._of_address: dict[str, int] = {}

    def open(self, address: str) -> None:
        """Count one more; `HallError` "exhausted" where that is too many."""
        own = self._of_address.get(address, 0)
        if self.total >= self.settings.connections:
            raise HallError("exhausted", "the server has as many connections as it takes; try again later")
        if own >= self.settings.connections_per_address:
            raise HallError("exhausted", "too many connections from this address; close some")
        self.total += 1
        self._of_address[address] = own + 1

    def close(self, address: str) -> None:
        """Count one less."""
        own = self._of_address.get(address, 0)
        if own <= 0:
            return
        self.total -= 1
        if own == 1:
            del self._of_address[address]
        else:
            self._of_address[address] = own - 1

    @contextmanager
    def held(self, address: str) -> Iterator[None]:
        """Count a connection for as long as the block runs."""
        self.open(address)
        try:
            yield
        finally:
            self.close(address)
