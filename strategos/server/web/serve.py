"""Running the web entrance: a listening socket, uvicorn on the loop of the hall, and its end."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
from collections.abc import Iterator

import uvicorn

from strategos.server.generalsio import make_app as make_generalsio
from strategos.server.hall import Hall
from strategos.server.settings import Settings
from strategos.server.web.app import make_app
from strategos.server.web.guard import Application
from strategos.server.web.lines import http_lines, socket_lines

_BACKLOG = 2048
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
    return socket.create_server((settings.host, settings.http_port), family=family, backlog=_BACKLOG)


async def serve(hall: Hall, settings: Settings, listening: socket.socket | None = None) -> None:
    """Serve the page, the HTTP API, the WebSocket and the protocol of generals.io until cancelled.

    `listening` is a socket of `listen`, for a caller who wants to know the port. `OSError` where there is
    none to be had.
    """
    listening = listening or listen(settings)
    generalsio = make_generalsio(hall, settings)
    app = make_app(hall, settings, {"/socket.io": generalsio})
    server = _Server(_config(app, hall, settings))
    running = asyncio.create_task(server.serve(sockets=[listening]))
    try:
        await asyncio.shield(running)
    finally:
        await generalsio.close()
        server.should_exit = True
        await running
        listening.close()


def _config(app: Application, hall: Hall, settings: Settings) -> uvicorn.Config:
    connections = hall.connections
    config = uvicorn.Config(
        app,
        http=http_lines(connections),
        ws=socket_lines(connections),
        ws_max_size=settings.message_bytes,
        ws_ping_interval=_PING_S,
        ws_ping_timeout=_PING_S,
        ws_per_message_deflate=False,  # a bomb is a few bytes, and every line would hold 300 KB
        lifespan="off",
        log_config=None,
        access_log=False,
        proxy_headers=False,  # an address that anybody can write into a header limits nobody
        server_header=False,
        timeout_keep_alive=_KEEP_ALIVE_S,
        timeout_graceful_shutdown=max(1, round(settings.grace_s)),
    )
    if settings.tls_certificate is not None:
        config.load()
        config.ssl = _tls(settings)
    return config


def _tls(settings: Settings) -> ssl.SSLContext:
    """TLS 1.2 or later; with an authority clients must show a certificate of it."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    assert settings.tls_certificate is not None
    context.load_cert_chain(settings.tls_certificate, settings.tls_key)
    if settings.tls_client_authority is not None:
        context.load_verify_locations(settings.tls_client_authority)
        context.verify_mode = ssl.CERT_REQUIRED
    return context
