"""The generals.io entrance: bots that were written for generals.io play here, unmodified.

`make_app` gives an ASGI application for the paths `/socket.io` and `/socket.io/`.
"""

from __future__ import annotations

from strategos.server.generalsio.engine_io import EngineIO
from strategos.server.generalsio.entrance import RESUME_S, Entrance
from strategos.server.generalsio.protocol import HANDLERS
from strategos.server.generalsio.requests import Receive, Scope, Send
from strategos.server.generalsio.socket_io import SocketIO
from strategos.server.hall import Hall

_LATE_S = 5.0
"""A client that is well is heard of once in a ping's time, and this much later."""


class App:
    """The application: Engine.IO over a hall. `close` lets go of all clients."""

    def __init__(self, entrance: Entrance, engine: EngineIO) -> None:
        self.entrance, self.engine = entrance, engine

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self.engine(scope, receive, send)

    async def close(self) -> None:
        """End all sessions; games in the hall go on."""
        await self.entrance.close()
        for session in list(self.engine.sessions.values()):
            self.engine.close(session, "the server is closing")


def make_app(
    hall: Hall,
    *,
    ping_interval_s: float = 25.0,
    ping_timeout_s: float = 20.0,
    resume_s: float = RESUME_S,
) -> App:
    """The ASGI application of the entrance. Limits are those of the hall, also when they are reloaded."""
    entrance = Entrance(hall, HANDLERS, resume_s=resume_s, silent_s=ping_interval_s + _LATE_S)
    sockets = SocketIO(entrance)
    sockets.engine = EngineIO(
        sockets,
        lambda: hall.settings,
        hall.connections,
        hall.requests,
        ping_interval_s=ping_interval_s,
        ping_timeout_s=ping_timeout_s,
        clock=hall.clock,
    )
    return App(entrance, sockets.engine)
