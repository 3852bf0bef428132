"""TLS and mTLS of gRPC: who shows no certificate, or a wrong one, is not served."""

from __future__ import annotations

from pathlib import Path

import grpc
import pytest
from certificates import make_all
from grpc_servers import running

from strategos.client import ServerError


@pytest.fixture(scope="module")
def keys(tmp_path_factory):
    return make_all(tmp_path_factory.mktemp("keys"))


@pytest.fixture(scope="module")
def server(tmp_path_factory, keys):
    with running(
        tmp_path_factory.mktemp("data"),
        tls_certificate=keys / "server.pem",
        tls_key=keys / "server.key",
        tls_client_authority=keys / "ours.pem",
    ) as started:
        yield started


def channel_credentials(keys: Path, name: str | None, authority: str = "ours") -> grpc.ChannelCredentials:
    return grpc.ssl_channel_credentials(
        (keys / f"{authority}.pem").read_bytes(),
        (keys / f"{name}.key").read_bytes() if name else None,
        (keys / f"{name}.pem").read_bytes() if name else None,
    )


def test_a_player_with_a_certificate_is_served(server, keys):
    with server.client(credentials=channel_credentials(keys, "player")) as client:
        assert "random" in client.agents("generals")


@pytest.mark.parametrize("name, authority", [(None, "ours"), ("stranger", "ours"), ("player", "theirs")])
def test_J11_J12_nobody_else_is(server, keys, name, authority):
    """No certificate, one of another authority, and a client that does not trust the server's."""
    with (
        server.client(credentials=channel_credentials(keys, name, authority), timeout_s=3) as client,
        pytest.raises(ServerError) as refused,
    ):
        client.agents("generals")
    assert refused.value.code in ("unavailable", "deadline_exceeded")


def test_without_tls_nobody_is_served(server):
    with server.client(timeout_s=3) as client, pytest.raises(ServerError):
        client.agents("generals")


def test_J12_a_certificate_of_another_name_is_not_trusted(keys, tmp_path):
    files = {"tls_certificate": keys / "elsewhere.pem", "tls_key": keys / "elsewhere.key"}
    with (
        running(tmp_path, **files) as other,
        other.client(credentials=channel_credentials(keys, None), timeout_s=3) as client,
        pytest.raises(ServerError),
    ):
        client.agents("generals")
