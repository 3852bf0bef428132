"""The gRPC entrance: `await serve(hall, settings)` answers until it is cancelled.

It translates between messages and `Hall`, nothing else. The client's stubs live here too (`v1`), so importing
this package loads nothing; `serving` holds the server.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from strategos.server.hall import Hall
    from strategos.server.settings import Settings

CODE_KEY = "strategos-code"
"""The trailing metadata of a refusal that holds the hall's own code."""


async def serve(hall: Hall, settings: Settings, on_open: Callable[[int], None] = lambda port: None) -> None:
    """Answer gRPC on `settings.grpc_port` until cancelled; `OSError` where the port is taken.

    `on_open` is told the port that was bound.
    """
    from strategos.server.grpc.serving import serve_until_cancelled

    await serve_until_cancelled(hall, settings, on_open)
