"""Running the web entrance: a listening socket, uvicorn on the loop of the hall, and its end."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Iterator

import uvicorn

from strategos.server.access.lines import Lines
from strategos.server.generalsio import make_app as make_generalsio
from strategos.server.hall import Hall
from strategos.server.settings import Settings
from strategos.server.web.app import make_app
from strategos.server.web.guard import Application
from strategos.server.web.lines import http_lines, socket_lines

_BACKLOG = 128
"""Connections that wait to be taken. asyncio takes as many in one turn, and where the system has no file left
it tries and logs as often."""
_PING_S = 20.0
_KEEP_ALIVE_S = 10


class _Server(uvicorn.Server):
    """Leaves the signals to the command that runs it."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def listen(settings: Settings) -> socket.socket:
    """The socket that the entrance listens on; `OSError` where the address or the port is not free."""
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    address = settings.host, settings.http_port
    try:
        return socket.create_server(address, family=family, backlog=_BACKLOG)
    except OSError as error:
        reason = (error.strerror or str(error)).partition(" (while")[0].lower()
        raise OSError(
            f"the page cannot listen on {settings.host} port {settings.http_port}: {reason}; "
            "choose another --http-port or --host"
        ) from None


async def serve(hall: Hall, settings: Settings, listening: socket.socket | None = None) -> None:
    """Serve the page, the HTTP API, the WebSocket and the protocol of generals.io until cancelled.

    `listening` is a socket of `listen`, for a caller who wants to know the port. `OSError` where there is
    none to be had.
    """
    generalsio = make_generalsio(hall)
    config = _config(make_app(hall, {"/socket.io": generalsio}), hall, settings)
    listening = listening or listen(settings)
    server = _Server(config)
    running = asyncio.create_task(server.serve(sockets=[listening]))
    lines = Lines(hall.connections, listening.getsockname()[1])
    # Without TLS every line is counted as soon as it is taken.
    watching = asyncio.create_task(lines.watch()) if settings.tls_certificate else None
    try:
        await asyncio.shield(running)
    finally:
        if watching is not None:
            watching.cancel()
        await generalsio.close()
        server.should_exit = True
        await running
        listening.close()


def _config(app: Application, hall: Hall, settings: Settings) -> uvicorn.Config:
    connections = hall.connections
    config = uvicorn.Config(
        app,
        backlog=_BACKLOG,
        http=http_lines(connections),
        ws=socket_lines(connections),
        ws_max_size=settings.message_bytes,
        ws_ping_interval=_PING_S,
        ws_ping_timeout=_PING_S,
        ws_per_message_deflate=False,  # a bomb is a few bytes, and every line would hold 300 KB
        lifespan="off",
        log_config=None,
        access_log=False,
        proxy_headers=False,  # `guard.Callers` knows whom to believe
        server_header=False,
        timeout_keep_alive=_KEEP_ALIVE_S,
        timeout_graceful_shutdown=max(1, round(settings.grace_s)),
    )
    if hall.tls is not None:
        config.load()
        config.ssl = hall.tls.context
    return config
