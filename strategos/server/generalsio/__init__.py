"""The generals.io entrance: bots that were written for generals.io play here, unmodified.

`make_app` gives an ASGI application for the paths `/socket.io` and `/socket.io/`.
"""

from __future__ import annotations

from strategos.server.generalsio.engine_io import EngineIO, Receive, Scope, Send
from strategos.server.generalsio.entrance import RESUME_S, Entrance
from strategos.server.generalsio.protocol import HANDLERS
from strategos.server.generalsio.socket_io import SocketIO
from strategos.server.hall import Hall
from strategos.server.settings import Settings


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
    settings: Settings,
    *,
    ping_interval_s: float = 25.0,
    ping_timeout_s: float = 20.0,
    resume_s: float = RESUME_S,
) -> App:
    """The ASGI application of the entrance. Limits are those of the hall, also when they are reloaded."""
    entrance = Entrance(hall, settings, HANDLERS, resume_s=resume_s)
    sockets = SocketIO(entrance)
    sockets.engine = EngineIO(
        sockets,
        lambda: hall.settings,
        ping_interval_s=ping_interval_s,
        ping_timeout_s=ping_timeout_s,
    )
    return App(entrance, sockets.engine)
