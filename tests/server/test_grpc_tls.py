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


@pytest.mark.parametrize(
    "name, authority",
    [(None, "ours"), ("stranger", "ours"), ("old", "ours"), ("self", "ours"), ("player", "theirs")],
)
def test_J11_J12_nobody_else_is(server, keys, name, authority):
    """No certificate, one of another authority, one whose time is over, one that was signed by nobody else;
    and a client that does not trust the server's."""
    with (
        server.client(credentials=channel_credentials(keys, name, authority), timeout_s=3) as client,
        pytest.raises(ServerError) as refused,
    ):
        client.agents("generals")
    assert refused.value.code in ("unavailable", "deadline_exceeded")


def test_without_tls_nobody_is_served(server):
    with server.client(timeout_s=3) as client, pytest.raises(ServerError):
        client.agents("generals")


@pytest.mark.parametrize("name", ["elsewhere", "old", "self"])
def test_J12_a_server_of_another_name_or_time_or_signed_by_itself_is_not_trusted(keys, tmp_path, name):
    files = {"tls_certificate": keys / f"{name}.pem", "tls_key": keys / f"{name}.key"}
    with (
        running(tmp_path, **files) as other,
        other.client(credentials=channel_credentials(keys, None), timeout_s=3) as client,
        pytest.raises(ServerError),
    ):
        client.agents("generals")
