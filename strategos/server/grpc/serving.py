"""The gRPC server: services, health, reflection, limits and TLS, started and stopped with the hall."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import AbstractContextManager

import grpc
import structlog
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection

from strategos.server.access.lines import Lines
from strategos.server.access.tls import Files, Tls
from strategos.server.access.worker_key import WorkerKey
from strategos.server.experience.stream import Experience
from strategos.server.grpc.batch_service import BatchGameService
from strategos.server.grpc.callers import address_of
from strategos.server.grpc.errors import RefusalInterceptor
from strategos.server.grpc.experience_service import ExperienceService
from strategos.server.grpc.game_service import GameService
from strategos.server.grpc.rating_service import RatingService
from strategos.server.grpc.v1 import (
    batch_service_pb2,
    batch_service_pb2_grpc,
    experience_service_pb2,
    experience_service_pb2_grpc,
    game_service_pb2,
    game_service_pb2_grpc,
    rating_service_pb2,
    rating_service_pb2_grpc,
)
from strategos.server.hall import Hall
from strategos.server.settings import Settings

SEND_BYTES = 128 << 20
"""The largest answer: the views of 10,000 games of two on 20 x 20 tiles are 40 MB."""
METADATA_BYTES = 16 << 10
STREAMS = 2000
"""Calls at once on one connection."""
HANDSHAKE_S = 10
"""A connection that has not said what it speaks after so long is closed."""
PING_S = 30
"""A connection that is silent for so long is pinged, and closed if no answer comes within `PING_ANSWER_S`."""
PING_ANSWER_S = 20
LEAST_PING_S = 5
"""Clients that ping more often than this are sent away, after some patience."""
_log = structlog.get_logger("strategos.grpc")


class GrpcServer:
    """A started server; `port` is the one that was bound."""

    def __init__(self, hall: Hall, settings: Settings) -> None:
        self._hall, self._settings = hall, settings
        key = WorkerKey(settings.data)
        self.experience = Experience(hall)
        self.batches = BatchGameService(hall)
        self._health = health.aio.HealthServicer()
        self._server = grpc.aio.server(
            interceptors=(RefusalInterceptor(self._admit, self._hold, lambda: hall.settings.message_bytes),),
            options=channel_options(settings),
            maximum_concurrent_rpcs=2 * settings.connections,  # also those whose request never comes
        )
        services = (
            (game_service_pb2, game_service_pb2_grpc, "GameService", GameService(hall)),
            (batch_service_pb2, batch_service_pb2_grpc, "BatchGameService", self.batches),
            (
                experience_service_pb2,
                experience_service_pb2_grpc,
                "ExperienceService",
                ExperienceService(hall, self.experience, key),
            ),
            (
                rating_service_pb2,
                rating_service_pb2_grpc,
                "RatingService",
                RatingService(hall, key),
            ),
        )
        self._names = [health.SERVICE_NAME, reflection.SERVICE_NAME]
        for messages, stubs, name, service in services:
            getattr(stubs, f"add_{name}Servicer_to_server")(service, self._server)
            self._names.append(messages.DESCRIPTOR.services_by_name[name].full_name)
        health_pb2_grpc.add_HealthServicer_to_server(self._health, self._server)
        reflection.enable_server_reflection(self._names, self._server)
        self.port = 0
        self._watching: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Listen; `OSError` where that is not possible."""
        settings, tls = self._settings, self._hall.tls
        address = f"{_bracketed(settings.host)}:{settings.grpc_port}"
        try:
            if tls is None:
                self.port = self._server.add_insecure_port(address)
            else:
                self.port = self._server.add_secure_port(address, _credentials(tls))
        except RuntimeError:
            raise OSError(
                f"gRPC cannot listen on {address}: the port is taken, or the address is none of this "
                "machine's; choose another --grpc-port or --host"
            ) from None
        await self._server.start()
        self._watching = asyncio.create_task(Lines(self._hall.connections, self.port).watch())
        for name in ("", *self._names):
            await self._health.set(name, health_pb2.HealthCheckResponse.SERVING)
        _log.info("grpc_listens", port=self.port, tls=tls is not None)

    async def stop(self, grace_s: float) -> None:
        """Take no new calls; those that run have `grace_s` to end."""
        await self._health.enter_graceful_shutdown()
        await self.experience.close()
        await self._server.stop(grace_s)
        if self._watching is not None:
            self._watching.cancel()
        self.batches.close()

    async def wait(self) -> None:
        """Until the server has been stopped."""
        await self._server.wait_for_termination()

    def _admit(self, context: grpc.aio.ServicerContext) -> None:
        self._hall.requests.take(address_of(context, self._hall), "grpc")

    def _hold(self, context: grpc.aio.ServicerContext) -> AbstractContextManager[None]:
        return self._hall.connections.held(address_of(context, self._hall))


async def serve_until_cancelled(hall: Hall, settings: Settings, on_open: Callable[[int], None]) -> None:
    """Listen until cancelled, then stop within `settings.grace_s`."""
    server = GrpcServer(hall, settings)
    await server.start()
    on_open(server.port)
    try:
        await server.wait()
    finally:
        # Shielded: a second cancellation must not leave the port open.
        await asyncio.shield(server.stop(settings.grace_s))


def channel_options(settings: Settings) -> list[tuple[str, int]]:
    """What the server takes from one connection."""
    return [
        ("grpc.max_receive_message_length", settings.batch_message_bytes),
        ("grpc.max_send_message_length", SEND_BYTES),
        ("grpc.max_metadata_size", METADATA_BYTES),
        ("grpc.absolute_max_metadata_size", 2 * METADATA_BYTES),
        ("grpc.max_concurrent_streams", STREAMS),
        ("grpc.max_allowed_incoming_connections", settings.connections),
        ("grpc.server_handshake_timeout_ms", HANDSHAKE_S * 1000),
        ("grpc.so_reuseport", 0),  # a second server on the port is an error, not half of the calls
        ("grpc.keepalive_time_ms", PING_S * 1000),
        ("grpc.keepalive_timeout_ms", PING_ANSWER_S * 1000),
        ("grpc.http2.ping_timeout_ms", PING_ANSWER_S * 1000),  # or it is 60 s, whatever the line above says
        ("grpc.http2.min_ping_interval_without_data_ms", LEAST_PING_S * 1000),
        ("grpc.http2.min_recv_ping_interval_without_data_ms", LEAST_PING_S * 1000),
        ("grpc.http2.max_ping_strikes", 4),
        ("grpc.max_connection_age_grace_ms", 10_000),
    ]


def _credentials(tls: Tls) -> grpc.ServerCredentials:
    """TLS by the newest files, never below version 1.2: that is gRPC's own least."""
    served = tls.newest

    def configured(files: Files) -> grpc.ServerCertificateConfiguration:
        pair = files.key, files.certificate
        return grpc.ssl_server_certificate_configuration([pair], root_certificates=files.authority)

    def fetch() -> grpc.ServerCertificateConfiguration | None:
        """Asked before every handshake, on a thread of gRPC's; None where nothing has changed."""
        nonlocal served
        before, served = served, tls.newest
        return None if served is before else configured(served)

    return grpc.dynamic_ssl_server_credentials(
        configured(served), fetch, require_client_authentication=served.authority is not None
    )


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host
