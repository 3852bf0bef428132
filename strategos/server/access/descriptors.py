"""How many files and sockets the system lets this process hold at once."""

from __future__ import annotations

import structlog

from strategos.server.settings import Settings

OWN_FILES = 200
"""Of the server itself: journal, records, agents, loops."""
log = structlog.get_logger("strategos.server")


def allow_descriptors(settings: Settings) -> None:
    """Ask the system for as many as the setting `connections` needs, for the page and gRPC, and warn where
    it gives fewer: then further connections wait until others are closed."""
    needed = 2 * settings.connections + OWN_FILES
    given = ask_for_descriptors(needed)
    if given < needed:
        log.warning(
            "fewer files are allowed than connections need", allowed=given, connections=settings.connections
        )


def ask_for_descriptors(needed: int) -> int:
    """Ask the system for as many as are needed; how many there may be now. Shells begin with 1,024."""
    try:
        import resource
    except ImportError:  # Windows has no such limit
        return needed
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY or soft >= needed:
        return needed
    given = needed if hard == resource.RLIM_INFINITY else min(needed, hard)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, given), hard))
    return max(soft, given)
