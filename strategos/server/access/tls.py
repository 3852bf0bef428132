"""TLS of every entrance: the files that the settings name, read and tried before anything listens, and again
whenever the operator says so.

What would only fail at somebody's first handshake, or be left out without a word, is a `SettingsError` here
that names the setting.
"""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import structlog

from strategos.server.settings import Settings, SettingsError

_NEEDED = ("tls_certificate", "tls_key")
_NAMES = (*_NEEDED, "tls_client_authority")
log = structlog.get_logger("strategos.server")


@dataclass(frozen=True)
class Files:
    """What was in the files, and a context made of it."""

    context: ssl.SSLContext
    certificate: bytes
    key: bytes
    authority: bytes | None
    """Clients must show a certificate signed by it; None where anybody may come."""


class Tls:
    """TLS of a running server: `context` for who listens with one, `newest` for who makes its own."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self.newest = _load(settings)
        self.context = _Newest(ssl.PROTOCOL_TLS_SERVER)
        self.context.tls = self

    def renew(self) -> None:
        """Read the files again; those that cannot be used are told in the log, and the ones before stay."""
        try:
            self.newest = _load(self._settings)
        except SettingsError as error:
            log.error("the certificate was not read again", error=str(error))


class _Newest(ssl.SSLContext):
    """Lets every new line of asyncio speak by a whole context of its own time.

    New files in one that is in use would not do: a certificate without its key would break all handshakes,
    and whom the authority signs no more would come in again with a session that was begun before.
    """

    tls: Tls

    def wrap_bio(self, *arguments: Any, **named: Any) -> ssl.SSLObject:
        return self.tls.newest.context.wrap_bio(*arguments, **named)


def load_tls(settings: Settings) -> Tls | None:
    """None where the settings ask for no TLS; `SettingsError` for files that cannot be used."""
    return Tls(settings) if any(getattr(settings, name) is not None for name in _NAMES) else None


def _load(settings: Settings) -> Files:
    given = {name: getattr(settings, name) for name in _NAMES if getattr(settings, name) is not None}
    for name in _NEEDED:
        if name not in given:
            raise SettingsError(
                f"{name} is missing, but {next(iter(given))} is set: TLS needs {' and '.join(_NEEDED)}; "
                f"set both, or none of {', '.join(_NAMES)}"
            )
    content = {name: read_file(name, file) for name, file in given.items()}
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    require_certificates("tls_certificate", given["tls_certificate"], content["tls_certificate"])
    load_key("tls_key", context, given["tls_certificate"], given["tls_key"])
    authority = content.get("tls_client_authority")
    if authority is not None:
        require_certificates("tls_client_authority", given["tls_client_authority"], authority)
        context.load_verify_locations(cadata=as_pem(authority))
        context.verify_mode = ssl.CERT_REQUIRED
    return Files(context, content["tls_certificate"], content["tls_key"], authority)


def read_file(name: str, file: Path) -> bytes:
    """What is in the file that the setting or option `name` names; `SettingsError`."""
    try:
        return file.read_bytes()
    except OSError as error:
        raise SettingsError(f"{name}: {file} cannot be read: {error.strerror}") from None


def require_certificates(name: str, file: Path, content: bytes) -> None:
    """That there is a certificate in a file, and all of them are whole; else a `SettingsError`."""
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_verify_locations(cadata=as_pem(content))
    except (ssl.SSLError, ValueError):
        raise SettingsError(
            f"{name}: {file} holds no certificate in PEM, which begins with -----BEGIN CERTIFICATE-----"
        ) from None


def as_pem(content: bytes) -> str:
    """A file of certificates for Python's `ssl`, which takes no names with accents between them."""
    return content.decode("ascii", "ignore")


def load_key(name: str, context: ssl.SSLContext, certificate: Path, key: Path) -> None:
    """Let a context show a certificate, with its key, which `name` names; `SettingsError`."""
    asked = []

    def no_password() -> str:
        asked.append(True)  # without this the server would stand and wait for one at its terminal
        return ""

    try:
        context.load_cert_chain(certificate, key, no_password)
    except (ssl.SSLError, ValueError) as error:
        reason = str(getattr(error, "reason", None) or "")
        if asked:
            problem = f"{key} is locked with a password; write it without one: openssl pkey -in KEY -out NEW"
        elif "MISMATCH" in reason:
            problem = f"{key} is not the key of the certificate in {certificate}"
        elif reason in ("", "PEM_LIB", "PEM lib", "NO_START_LINE"):
            problem = f"{key} holds no private key in PEM, which begins with -----BEGIN PRIVATE KEY-----"
        else:  # such as EE_KEY_TOO_SMALL
            problem = f"{key} and {certificate} are refused: {reason.replace('_', ' ').lower()}"
        raise SettingsError(f"{name}: {problem}") from None
