"""TLS of a load, from files: whom the players trust, and what they show a server that asks who they are."""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from pathlib import Path

import grpc

from strategos.server.access.tls import as_pem, load_key, read_file, require_certificates


@dataclass(frozen=True)
class Tls:
    """PEM files; as paths, because every process makes of them what its entrance needs."""

    authority: Path
    """A server must show a certificate signed by it."""
    certificate: Path | None = None
    key: Path | None = None
    """Of the players; both or neither."""

    def context(self) -> ssl.SSLContext:
        """For HTTP and WebSocket; `SettingsError` for files that cannot be used, which names the option."""
        trusted = read_file("--ca", self.authority)
        require_certificates("--ca", self.authority, trusted)
        context = ssl.create_default_context(cadata=as_pem(trusted))
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        if self.certificate is not None and self.key is not None:
            require_certificates("--cert", self.certificate, read_file("--cert", self.certificate))
            read_file("--key", self.key)
            load_key("--key", context, self.certificate, self.key)
        return context

    def credentials(self) -> grpc.ChannelCredentials:
        """For gRPC."""
        return grpc.ssl_channel_credentials(
            self.authority.read_bytes(),
            None if self.key is None else self.key.read_bytes(),
            None if self.certificate is None else self.certificate.read_bytes(),
        )
