"""TLS and mTLS by the settings: who shows no certificate, or a wrong one, is not served."""

from __future__ import annotations

import shutil
import socket
import ssl
import subprocess
from pathlib import Path

import grpc
import pytest
from grpc_servers import running

from strategos.client import ServerError
from strategos.server.grpc.serving import credentials
from strategos.server.settings import Settings

pytestmark = pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl makes the certificates")


def openssl(*arguments: str) -> None:
    subprocess.run(["openssl", *arguments], check=True, capture_output=True, timeout=60)


def make_authority(folder: Path, name: str) -> None:
    openssl(
        "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
        "-keyout", f"{folder}/{name}.key", "-out", f"{folder}/{name}.pem", "-days", "2",
        "-subj", f"/CN={name}",
    )  # fmt: skip


def make_certificate(
    folder: Path, name: str, authority: str, san: str = "DNS:localhost,IP:127.0.0.1"
) -> None:
    openssl(
        "req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
        "-keyout", f"{folder}/{name}.key", "-out", f"{folder}/{name}.csr", "-subj", f"/CN={name}",
    )  # fmt: skip
    (folder / "extensions").write_text(f"subjectAltName={san}\n")
    openssl(
        "x509", "-req", "-in", f"{folder}/{name}.csr", "-CA", f"{folder}/{authority}.pem",
        "-CAkey", f"{folder}/{authority}.key", "-CAcreateserial", "-out", f"{folder}/{name}.pem",
        "-days", "2", "-extfile", f"{folder}/extensions",
    )  # fmt: skip


@pytest.fixture(scope="module")
def keys(tmp_path_factory):
    folder = tmp_path_factory.mktemp("keys")
    for authority in ("ours", "theirs"):
        make_authority(folder, authority)
    make_certificate(folder, "server", "ours")
    make_certificate(folder, "elsewhere", "ours", san="DNS:example.org")
    make_certificate(folder, "player", "ours")
    make_certificate(folder, "stranger", "theirs")
    return folder


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


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion:DeprecationWarning")
def test_J13_tls_below_1_2_is_refused(server):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    try:
        context.minimum_version = ssl.TLSVersion.TLSv1
        context.maximum_version = ssl.TLSVersion.TLSv1_1
        context.set_ciphers("ALL:@SECLEVEL=0")
    except (ValueError, ssl.SSLError):
        pytest.skip("this OpenSSL cannot even ask for TLS 1.1")
    with (
        socket.create_connection(("127.0.0.1", server.server.port), timeout=10) as line,
        pytest.raises((ssl.SSLError, ConnectionError)),
    ):
        context.wrap_socket(line)


@pytest.mark.parametrize("certificate, key", [("server.pem", "player.key"), ("extensions", "server.key")])
def test_files_that_do_not_belong_together_are_told_at_the_start(keys, certificate, key):
    with pytest.raises(ValueError, match="belong together"):
        credentials(Settings(tls_certificate=keys / certificate, tls_key=keys / key))


def test_a_file_that_is_missing_is_told_at_the_start(keys, tmp_path):
    with pytest.raises(OSError, match="tls_key: the file cannot be read"):
        credentials(Settings(tls_certificate=keys / "server.pem", tls_key=tmp_path / "nothing"))
    with pytest.raises(ValueError, match="both"):
        credentials(Settings(tls_certificate=keys / "server.pem"))
