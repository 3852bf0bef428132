"""The gRPC server: services, health, reflection, limits and TLS, started and stopped with the hall."""

from __future__ import annotations

import asyncio
import ssl
import time
from collections.abc import Callable
from pathlib import Path

import grpc
import structlog
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection

from strategos.server.access.limits import Addresses
from strategos.server.access.worker_key import WorkerKey
from strategos.server.experience.stream import Experience
from strategos.server.grpc.batch_service import BatchGameService
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
from strategos.server.settings import Settings, SettingsError
from strategos.server.terms import HallError

SEND_BYTES = 128 << 20
"""The largest answer: the views of 10,000 games of two on 20 x 20 tiles are 40 MB."""
METADATA_BYTES = 16 << 10
STREAMS = 2000
"""Calls at once on one connection."""
PING_S = 30
"""A connection that is silent for so long is pinged, and closed if no answer comes within `PING_ANSWER_S`."""
PING_ANSWER_S = 20
LEAST_PING_S = 5
"""Clients that ping more often than this are sent away, after some patience."""
_log = structlog.get_logger("strategos.grpc")


class GrpcServer:
    """A started server; `port` is the one that was bound."""

    def __init__(
        self, hall: Hall, settings: Settings, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._hall, self._settings = hall, settings
        self._clock, self._addresses = clock, Addresses()
        key = WorkerKey(settings.data)
        self.experience = Experience(hall)
        self.batches = BatchGameService(hall)
        self._health = health.aio.HealthServicer()
        self._server = grpc.aio.server(
            interceptors=(RefusalInterceptor(self._admit),), options=channel_options(settings)
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

    async def start(self) -> None:
        """Listen; `OSError` where the port is taken."""
        settings = self._settings
        address = f"{_bracketed(settings.host)}:{settings.grpc_port}"
        try:
            if settings.tls_certificate is None:
                self.port = self._server.add_insecure_port(address)
            else:
                self.port = self._server.add_secure_port(address, credentials(settings))
        except RuntimeError:
            raise OSError(f"gRPC cannot listen on {address}: the port is taken; choose another") from None
        await self._server.start()
        for name in ("", *self._names):
            await self._health.set(name, health_pb2.HealthCheckResponse.SERVING)
        _log.info("grpc_listens", port=self.port, tls=settings.tls_certificate is not None)

    async def stop(self, grace_s: float) -> None:
        """Take no new calls; those that run have `grace_s` to end."""
        await self._health.enter_graceful_shutdown()
        await self.experience.close()
        await self._server.stop(grace_s)
        self.batches.close()

    async def wait(self) -> None:
        """Until the server has been stopped."""
        await self._server.wait_for_termination()

    def _admit(self, peer: str) -> None:
        rate = self._hall.settings.requests_per_second
        if not self._addresses.take(peer, rate, rate, self._clock()):
            raise HallError(
                "exhausted", f"more than {rate:.0f} requests a second on this connection; slow down"
            )


async def serve_until_cancelled(hall: Hall, settings: Settings) -> None:
    """Listen until cancelled, then stop within `settings.grace_s`."""
    server = GrpcServer(hall, settings)
    await server.start()
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
        ("grpc.so_reuseport", 0),  # a second server on the port is an error, not half of the calls
        ("grpc.keepalive_time_ms", PING_S * 1000),
        ("grpc.keepalive_timeout_ms", PING_ANSWER_S * 1000),
        ("grpc.http2.min_ping_interval_without_data_ms", LEAST_PING_S * 1000),
        ("grpc.http2.min_recv_ping_interval_without_data_ms", LEAST_PING_S * 1000),
        ("grpc.http2.max_ping_strikes", 4),
        ("grpc.max_connection_age_grace_ms", 10_000),
    ]


def credentials(settings: Settings) -> grpc.ServerCredentials:
    """TLS, and a client's certificate where there is an authority for it; never below version 1.2.

    `OSError` or `SettingsError` names the setting that cannot be used.
    """
    if settings.tls_certificate is None or settings.tls_key is None:
        raise SettingsError("TLS needs both tls_certificate and tls_key")
    certificate = _read(settings.tls_certificate, "tls_certificate")
    key = _read(settings.tls_key, "tls_key")
    try:  # gRPC would only fail at the first handshake, and not say why
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(settings.tls_certificate, settings.tls_key)
    except ssl.SSLError:
        raise SettingsError("tls_certificate and tls_key are not PEM files that belong together") from None
    authority = settings.tls_client_authority
    return grpc.ssl_server_credentials(
        [(key, certificate)],
        root_certificates=None if authority is None else _read(authority, "tls_client_authority"),
        require_client_auth=authority is not None,
    )


def _read(file: Path, setting: str) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise OSError(f"{setting}: the file cannot be read: {error.strerror}") from None


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host
