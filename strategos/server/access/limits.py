"""Limits on what one address or one connection may ask for: token buckets and counts of connections.

The hall has one `Connections` and one `Requests`, and every entrance asks them, by `addresses.address_of`.
Their `settings` are replaced when they are read again. Clocks are arguments; nothing here knows a protocol.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from strategos.server.access.addresses import Proxies, address_of
from strategos.server.settings import Settings
from strategos.server.terms import HallError

KEPT_ADDRESSES = 10_000
"""Buckets of more addresses than this are forgotten, the fullest first: those have asked for least."""
WAYS = {
    "grpc": (math.inf, 1.0),
    "http": (200.0, 15.0),  # a class behind one address opens the page at once: 25 requests each
    "websocket": (math.inf, 1.0),
    "generalsio": (math.inf, 1.0),
}
"""Of each way in: requests or messages a second of one address, where the settings would allow more; and how
many seconds' worth of them may come at once."""


class Bucket:
    """Allows `rate` requests a second on average, and `burst` at once."""

    __slots__ = ("_at", "_left", "burst", "rate")

    def __init__(self, rate: float, burst: float, now: float) -> None:
        self.rate, self.burst = rate, max(1.0, burst)
        self._left, self._at = self.burst, now

    def retune(self, rate: float, burst: float) -> None:
        """Go on with other limits: the settings may have been read again."""
        self.rate, self.burst = rate, max(1.0, burst)

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
        bucket.retune(rate, burst)
        return bucket.take(now)

    def _forget(self, now: float) -> None:
        fullest = sorted(self._buckets, key=lambda each: -self._buckets[each].left(now))
        for address in fullest[: KEPT_ADDRESSES // 2]:
            del self._buckets[address]


class Requests:
    """Counts requests and messages of each address, every way in by itself."""

    def __init__(self, settings: Settings, *, clock: Callable[[], float] = time.monotonic) -> None:
        self.settings, self._clock = settings, clock
        self._addresses = {way: Addresses() for way in WAYS}

    def take(self, address: str, way: str) -> None:
        """Count one more; `HallError` "exhausted" where that is too many."""
        most, burst_s = WAYS[way]
        rate = min(self.settings.requests_per_second, most)
        if not self._addresses[way].take(address, rate, rate * burst_s, self._clock()):
            raise HallError("exhausted", f"more than {rate:g} requests a second from this address; slow down")


class Connections:
    """Counts open connections, of all entrances together and of each address.

    Those of a trusted proxy count for the whole alone; who speaks through one is counted `behind_proxy`.
    """

    def __init__(self, settings: Settings, *, clock: Callable[[], float] = time.monotonic) -> None:
        self.settings, self._clock = settings, clock
        self.proxies = Proxies(settings.trusted_proxies)
        self.total = 0
        self._of_address: dict[str, int] = {}
        self._opened = Addresses()

    def open(self, host: str) -> None:
        """Count one more; `HallError` "exhausted" where that is too many, or too many in a short time."""
        self._open(host, new=True)

    def close(self, host: str) -> None:
        """Count one less."""
        if self.proxies.trusts(host) or self._close_own(address_of(host)):
            self.total = max(0, self.total - 1)

    @contextmanager
    def held(self, host: str) -> Iterator[None]:
        """Count a stream over a line that is there for as long as the block runs.

        How fast streams come is for `Requests` to bound: programs that play short games open many.
        """
        self._open(host, new=False)
        try:
            yield
        finally:
            self.close(host)

    @contextmanager
    def behind_proxy(self, address: str, *, new: bool) -> Iterator[None]:
        """Count who speaks over a line of a trusted proxy, which itself is counted already.

        A WebSocket is a `new` connection; how fast requests come is for `Requests` to bound.
        """
        self._open_own(address, new=new)
        try:
            yield
        finally:
            self._close_own(address)

    def _open(self, host: str, *, new: bool) -> None:
        if self.total >= self.settings.connections:
            raise HallError("exhausted", "the server has as many connections as it takes; try again later")
        if not self.proxies.trusts(host):
            self._open_own(address_of(host), new=new)
        self.total += 1

    def _open_own(self, address: str, *, new: bool) -> None:
        own, most = self._of_address.get(address, 0), self.settings.connections_per_address
        if own >= most:
            raise HallError("exhausted", "too many connections from this address; close some")
        rate = self.settings.connects_per_second
        if new and not self._opened.take(address, rate, max(rate, float(most)), self._clock()):
            raise HallError("exhausted", "too many new connections from this address; wait a little")
        self._of_address[address] = own + 1

    def _close_own(self, address: str) -> bool:
        """Whether there was one to close."""
        own = self._of_address.pop(address, 0)
        if own > 1:
            self._of_address[address] = own - 1
        return own > 0
