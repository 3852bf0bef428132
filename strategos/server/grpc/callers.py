"""Who calls over gRPC: the address that its limits are counted by."""

from __future__ import annotations

import grpc

from strategos.server.access.addresses import address_of as known_as
from strategos.server.hall import Hall

FORWARDED = "x-forwarded-for"


def address_of(context: grpc.aio.ServicerContext, hall: Hall) -> str:
    """The address of the caller without its port, or the one that a trusted proxy names."""
    host, proxies = host_of(context.peer()), hall.connections.proxies
    if not proxies.trusts(host):
        return known_as(host)
    hops = [str(value) for name, value in context.invocation_metadata() or () if name == FORWARDED]
    return proxies.caller(host, ",".join(hops))


def host_of(peer: str) -> str:
    """`ipv4:10.0.0.1:5000` is `10.0.0.1`, `ipv6:%5B::1%5D:5000` is `::1`."""
    kind, _, rest = peer.partition(":")
    if kind in ("ipv4", "ipv6"):
        return rest.rpartition(":")[0].replace("%5B", "").replace("%5D", "").strip("[]")
    return kind
