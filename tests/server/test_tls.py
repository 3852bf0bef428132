"""TLS by the settings: what cannot be is told at the start, and nothing below version 1.2 is spoken."""

from __future__ import annotations

import shutil
import socket
import ssl
from contextlib import contextmanager

import grpc
import httpx
import pytest
from certificates import lenient, make_all, shown_by, spoken
from grpc_servers import running
from web_house import house

from strategos.server.access.tls import load_tls
from strategos.server.settings import Settings, SettingsError

OLD = (ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1)


@pytest.fixture(scope="module")
def keys(tmp_path_factory):
    folder = make_all(tmp_path_factory.mktemp("keys"))
    (folder / "empty").write_text("")
    (folder / "binary").write_bytes(bytes(range(256)))
    (folder / "torn.pem").write_text((folder / "server.pem").read_text()[:200])
    return folder


@pytest.fixture(scope="module")
def web_port(tmp_path_factory, keys):
    files = {"tls_certificate": keys / "server.pem", "tls_key": keys / "server.key"}
    with house(tmp_path_factory.mktemp("web"), **files) as running_web:
        yield running_web.port


@pytest.fixture(scope="module")
def grpc_port(tmp_path_factory, keys):
    files = {"tls_certificate": keys / "server.pem", "tls_key": keys / "server.key"}
    with running(tmp_path_factory.mktemp("grpc"), **files) as running_grpc:
        yield running_grpc.server.port


@pytest.fixture(params=["web_port", "grpc_port"])
def port(request):
    return request.getfixturevalue(request.param)


@pytest.mark.parametrize(
    ("files", "said"),
    [
        ({"tls_key": "server.key"}, "tls_certificate is missing, but tls_key is set"),
        ({"tls_client_authority": "ours.pem"}, "tls_certificate is missing, but tls_client_authority is set"),
        ({"tls_certificate": "server.pem"}, "tls_key is missing, but tls_certificate is set"),
        (
            {"tls_certificate": "server.pem", "tls_key": "none"},
            "tls_key: .*/none cannot be read: No such",
        ),
        ({"tls_certificate": "nothing", "tls_key": "server.key"}, "tls_certificate: .* cannot be read"),
        ({"tls_certificate": "server.key", "tls_key": "server.key"}, "tls_certificate: .* no certificate"),
        ({"tls_certificate": "empty", "tls_key": "server.key"}, "tls_certificate: .* no certificate"),
        ({"tls_certificate": "binary", "tls_key": "server.key"}, "tls_certificate: .* no certificate"),
        ({"tls_certificate": "torn.pem", "tls_key": "server.key"}, "tls_certificate: .* no certificate"),
        ({"tls_certificate": "server.pem", "tls_key": "player.key"}, "tls_key: .* is not the key of"),
        ({"tls_certificate": "server.pem", "tls_key": "server.pem"}, "tls_key: .* no private key"),
        ({"tls_certificate": "server.pem", "tls_key": "empty"}, "tls_key: .* no private key"),
        ({"tls_certificate": "server.pem", "tls_key": "locked.key"}, "tls_key: .* locked with a password"),
        (
            {"tls_certificate": "server.pem", "tls_key": "server.key", "tls_client_authority": "ours.key"},
            "tls_client_authority: .* no certificate",
        ),
    ],
    ids=str,
)
def test_files_that_cannot_be_used_are_told_by_their_setting(keys, files, said):
    with pytest.raises(SettingsError, match=said) as refused:
        load_tls(Settings(**{name: keys / file for name, file in files.items()}))
    assert "\n" not in str(refused.value)


def test_names_with_accents_may_stand_between_certificates(keys, tmp_path):
    for name in ("server", "ours"):
        (tmp_path / f"{name}.pem").write_text(f"# Autorité\n{(keys / f'{name}.pem').read_text()}", "utf-8")
    files = {"tls_certificate": tmp_path / "server.pem", "tls_client_authority": tmp_path / "ours.pem"}
    tls = load_tls(Settings(tls_key=keys / "server.key", **files))
    assert tls is not None and tls.newest.context.cert_store_stats()["x509"] == 1


def test_without_any_file_there_is_no_tls():
    assert load_tls(Settings()) is None


@pytest.mark.parametrize("version", OLD, ids=str)
def test_J13_tls_below_1_2_is_refused(port, keys, version):
    with lenient(keys, version) as control:
        if not spoken(control, version):
            pytest.skip("this OpenSSL does not speak so old a version with anybody")
    assert not spoken(port, version)


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3], ids=str)
def test_tls_from_1_2_on_is_spoken(port, version):
    assert spoken(port, version) == version.name.replace("_", ".")


def test_J11_J12_the_page_speaks_tls_only_to_who_has_a_certificate(keys, tmp_path):
    """mTLS of the web entrance: the player is served, the stranger and who shows nothing are not."""
    files = {"tls_certificate": "server.pem", "tls_key": "server.key", "tls_client_authority": "ours.pem"}
    with house(tmp_path, **{name: keys / file for name, file in files.items()}) as safe:

        def health(name: str | None) -> int:
            context = ssl.create_default_context(cafile=str(keys / "ours.pem"))
            if name is not None:
                context.load_cert_chain(keys / f"{name}.pem", keys / f"{name}.key")
            with httpx.Client(
                base_url=f"https://localhost:{safe.port}", verify=context, timeout=20
            ) as asking:
                return asking.get("/api/health").status_code

        assert health("player") == 200
        for name in ("stranger", "old", "self", None):
            with pytest.raises(httpx.HTTPError):
                health(name)
        with pytest.raises(httpx.HTTPError):
            httpx.get(f"http://127.0.0.1:{safe.port}/api/health")


@contextmanager
def serving(entrance, folder, **files):
    """The port of a running entrance, and how to have its hall read the certificate again."""
    if entrance == "page":
        with house(folder, **files) as web:
            yield web.port, lambda: web.call(lambda: web.hall.reload(web.hall.settings))
    else:
        with running(folder, **files) as server:
            yield server.server.port, lambda: server.ask(lambda: server.hall.reload(server.hall.settings))


@pytest.mark.parametrize("entrance", ["page", "grpc"])
def test_a_new_certificate_is_served_without_a_restart_and_a_bad_one_is_not(keys, tmp_path, entrance, capsys):
    certificate, key = tmp_path / "now.pem", tmp_path / "now.key"

    def put(name: str, named: str) -> None:
        shutil.copy(keys / f"{name}.pem", certificate)
        shutil.copy(keys / f"{named}.key", key)

    def same(name: str) -> bool:
        return (
            shown_by(port).split()
            == ssl.DER_cert_to_PEM_cert(ssl.PEM_cert_to_DER_cert((keys / f"{name}.pem").read_text())).split()
        )

    put("server", "server")
    with serving(entrance, tmp_path / "data", tls_certificate=certificate, tls_key=key) as (port, again):
        assert same("server")
        put("elsewhere", "elsewhere")
        assert same("server")  # not before it is told to
        again()
        assert same("elsewhere")
        put("server", "elsewhere")  # one file is new, the other is not: half way through a rotation
        again()
        assert same("elsewhere")
        certificate.unlink()
        again()
        assert same("elsewhere")
        told = capsys.readouterr().out
        assert told.count("the certificate was not read again") == 2 and "is not the key of" in told
        put("server", "server")
        again()
        assert same("server")


@pytest.mark.parametrize("entrance", ["page", "grpc"])
def test_a_new_authority_lets_its_own_clients_in_and_the_others_no_more(keys, tmp_path, entrance):
    authority = tmp_path / "clients.pem"
    files = {"tls_certificate": keys / "server.pem", "tls_key": keys / "server.key"}

    def comes_in(name: str) -> bool:
        if entrance == "grpc":
            credentials = grpc.ssl_channel_credentials(
                (keys / "ours.pem").read_bytes(),
                (keys / f"{name}.key").read_bytes(),
                (keys / f"{name}.pem").read_bytes(),
            )
            with grpc.secure_channel(f"localhost:{port}", credentials) as channel:
                try:
                    grpc.channel_ready_future(channel).result(5 if name == refused else 60)
                except grpc.FutureTimeoutError:
                    return False
                return True
        context = ssl.create_default_context(cafile=str(keys / "ours.pem"))
        context.load_cert_chain(keys / f"{name}.pem", keys / f"{name}.key")
        try:
            return httpx.get(f"https://localhost:{port}/api/health", verify=context, timeout=60).is_success
        except httpx.HTTPError:
            return False

    shutil.copy(keys / "ours.pem", authority)
    with serving(entrance, tmp_path / "data", tls_client_authority=authority, **files) as (port, again):
        refused = "stranger"
        assert comes_in("player") and not comes_in("stranger")
        shutil.copy(keys / "theirs.pem", authority)
        again()
        refused = "player"
        assert comes_in("stranger") and not comes_in("player")


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3], ids=str)
def test_a_session_from_before_lets_nobody_in_whom_a_new_authority_refuses(keys, tmp_path, version):
    authority = tmp_path / "clients.pem"
    shutil.copy(keys / "ours.pem", authority)
    context = ssl.create_default_context(cafile=str(keys / "ours.pem"))
    context.minimum_version = context.maximum_version = version
    context.load_cert_chain(keys / "player.pem", keys / "player.key")

    def comes_in(session: ssl.SSLSession | None) -> ssl.SSLSession | None:
        try:
            with (
                socket.create_connection(("127.0.0.1", port), timeout=30) as plain,
                context.wrap_socket(plain, server_hostname="localhost", session=session) as line,
            ):
                line.sendall(b"GET /api/health HTTP/1.1\r\nhost: localhost\r\n\r\n")
                return line.session if line.recv(8) == b"HTTP/1.1" else None
        except (ssl.SSLError, ConnectionError):
            return None

    files = {"tls_certificate": keys / "server.pem", "tls_key": keys / "server.key"}
    with serving("page", tmp_path / "data", tls_client_authority=authority, **files) as (port, again):
        session = comes_in(None)
        assert session is not None and comes_in(session)
        shutil.copy(keys / "theirs.pem", authority)
        again()
        assert not comes_in(session)
