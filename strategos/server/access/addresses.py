"""Whose limits a caller counts against: the address of its line, or the one that a trusted proxy names.

No port enters, which anybody can change at will, and an IPv6 network of 64 bits is one address: whoever has
one address of it has them all.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address

Address = IPv4Address | IPv6Address
UNKNOWN = "unknown"
_LOOKED_AT = 1024
"""Characters of a list of hops, from its end, where the nearest proxy writes."""


@lru_cache(4096)
def address_of(host: str) -> str:
    """What limits know a host by: 10.0.0.1 as it is, 2001:db8::7 as 2001:db8::/64."""
    found = _parsed(host)
    return (host or UNKNOWN) if found is None else _shown(found)


class Proxies:
    """The reverse proxies that the operator trusts to say who asks."""

    def __init__(self, networks: Iterable[IPv4Network | IPv6Network]) -> None:
        self._networks = tuple(networks)

    def trusts(self, host: str) -> bool:
        """Whether a line from `host` is one of a trusted proxy."""
        return bool(self._networks) and self._within(_parsed(host))

    def caller(self, host: str, hops: str) -> str:
        """The address of who asks over a line from `host`.

        `hops` is what X-Forwarded-For says. It is believed from trusted proxies alone, and read from its end,
        where the proxy wrote, up to the first that is no trusted proxy: what stands before can be forged.
        """
        if not self.trusts(host):
            return address_of(host)
        found = host
        for hop in reversed(hops[-_LOOKED_AT:].split(",")):
            named = _without_port(hop.strip())
            if _parsed(named) is None:
                break
            found = named
            if not self.trusts(named):
                break
        return address_of(found)

    def _within(self, address: Address | None) -> bool:
        return address is not None and any(address in network for network in self._networks)


def _parsed(host: str) -> Address | None:
    try:
        address = ip_address(host)
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return mapped or address


def _shown(address: Address) -> str:
    if isinstance(address, IPv4Address) or address.is_loopback:
        return str(address)
    return str(IPv6Network((int(address) >> 64 << 64, 64)))


def _without_port(hop: str) -> str:
    """`10.0.0.1:5000` and `[::1]:5000` without the port that some proxies write."""
    if hop.startswith("["):
        return hop[1:].partition("]")[0]
    return hop.partition(":")[0] if hop.count(":") == 1 else hop
