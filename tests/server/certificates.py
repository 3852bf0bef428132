"""Certificates for the tests of TLS, made by openssl; the tests are skipped where there is none."""

from __future__ import annotations

import contextlib
import shutil
import socket
import ssl
import subprocess
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

_CURVE = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")
_BOOK = """
[ca]
default_ca = book
[book]
database = {book}/index
serial = {book}/serial
new_certs_dir = {book}
default_md = sha256
policy = any
[any]
commonName = supplied
"""
"""What openssl wants of an authority that chooses the days of a certificate itself."""


def openssl(*arguments: str) -> None:
    """Run openssl."""
    program = shutil.which("openssl")
    if program is None:
        pytest.skip("no openssl on this machine to make a certificate")
    subprocess.run([program, *arguments], check=True, capture_output=True, timeout=60)


def make_authority(folder: Path, name: str) -> None:
    """`name.pem` and `name.key`: an authority."""
    openssl(
        "req", "-x509", *_CURVE, "-keyout", f"{folder}/{name}.key", "-out", f"{folder}/{name}.pem",
        "-days", "2", "-subj", f"/CN={name}",
    )  # fmt: skip


def make_certificate(
    folder: Path, name: str, authority: str, san: str = "DNS:localhost,IP:127.0.0.1", expired: bool = False
) -> None:
    """`name.pem`, signed by an authority of the folder, and `name.key`."""
    openssl(
        "req", *_CURVE, "-keyout", f"{folder}/{name}.key", "-out", f"{folder}/{name}.csr",
        "-subj", f"/CN={name}",
    )  # fmt: skip
    (folder / "extensions").write_text(f"subjectAltName={san}\n")
    if expired:
        book = folder / f"{name}.book"
        book.mkdir()
        (book / "index").touch()
        (book / "serial").write_text("01\n")
        (book / "rules").write_text(_BOOK.format(book=book))
        openssl(
            "ca", "-batch", "-notext", "-config", f"{book}/rules", "-extfile", f"{folder}/extensions",
            "-cert", f"{folder}/{authority}.pem", "-keyfile", f"{folder}/{authority}.key",
            "-startdate", "20200101000000Z", "-enddate", "20200102000000Z",
            "-in", f"{folder}/{name}.csr", "-out", f"{folder}/{name}.pem",
        )  # fmt: skip
        return
    openssl(
        "x509", "-req", "-in", f"{folder}/{name}.csr", "-CA", f"{folder}/{authority}.pem",
        "-CAkey", f"{folder}/{authority}.key", "-CAcreateserial", "-out", f"{folder}/{name}.pem",
        "-days", "2", "-extfile", f"{folder}/extensions",
    )  # fmt: skip


def make_all(folder: Path) -> Path:
    """`folder` with two authorities, ours and theirs; the certificates of a server, of one of another name,
    of a player, of a stranger, of somebody whose time is over and of somebody who has signed it alone; and
    the server's key locked with a password."""
    for authority in ("ours", "theirs"):
        make_authority(folder, authority)
    make_certificate(folder, "server", "ours")
    make_certificate(folder, "elsewhere", "ours", san="DNS:example.org")
    make_certificate(folder, "player", "ours")
    make_certificate(folder, "stranger", "theirs")
    make_certificate(folder, "old", "ours", expired=True)
    make_authority(folder, "self")
    openssl(
        "pkey", "-in", f"{folder}/server.key", "-aes256", "-passout", "pass:secret",
        "-out", f"{folder}/locked.key",
    )  # fmt: skip
    return folder


def spoken(port: int, version: ssl.TLSVersion) -> str:
    """What a client with one version of TLS, as weak as it likes, speaks with a server; "" for nothing."""
    context = _weak(ssl.PROTOCOL_TLS_CLIENT, version)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with socket.create_connection(("127.0.0.1", port), timeout=10) as line:
        try:
            with context.wrap_socket(line) as shaken:
                return str(shaken.version())
        except (ssl.SSLError, ConnectionError):
            return ""


def shown_by(port: int) -> str:
    """The certificate that a server shows to a new line, in PEM."""
    return ssl.get_server_certificate(("127.0.0.1", port), timeout=20)


@contextmanager
def lenient(folder: Path, version: ssl.TLSVersion) -> Iterator[int]:
    """The port of a server that shakes hands by one version of TLS: what a strict one is compared with."""
    context = _weak(ssl.PROTOCOL_TLS_SERVER, version)
    context.load_cert_chain(folder / "server.pem", folder / "server.key")

    def shake(listening: socket.socket) -> None:
        with (
            contextlib.suppress(OSError),
            context.wrap_socket(listening.accept()[0], server_side=True) as line,
        ):
            line.recv(1)

    with socket.create_server(("127.0.0.1", 0)) as listening:
        listening.settimeout(10)
        server = threading.Thread(target=shake, args=(listening,), daemon=True)
        server.start()
        yield listening.getsockname()[1]
        server.join(10)


def _weak(side: int, version: ssl.TLSVersion) -> ssl.SSLContext:
    context = ssl.SSLContext(side)
    context.set_ciphers("ALL:@SECLEVEL=0")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        context.minimum_version = context.maximum_version = version
    return context
