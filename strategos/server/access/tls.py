"""TLS of every entrance: the files that the settings name, read and tried before anything listens.

What would only fail at somebody's first handshake, or be left out without a word, is a `SettingsError` here
that names the setting.
"""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from pathlib import Path

from strategos.server.settings import Settings, SettingsError

_NEEDED = ("tls_certificate", "tls_key")
_NAMES = (*_NEEDED, "tls_client_authority")


@dataclass(frozen=True)
class Tls:
    """What an entrance needs to speak TLS: a context, and for libraries that make their own the PEM files."""

    context: ssl.SSLContext
    certificate: bytes
    key: bytes
    authority: bytes | None
    """Clients must show a certificate signed by it; None where anybody may come."""


def load_tls(settings: Settings) -> Tls | None:
    """None where the settings ask for no TLS; `SettingsError` for files that cannot be used."""
    given = {name: getattr(settings, name) for name in _NAMES if getattr(settings, name) is not None}
    if not given:
        return None
    for name in _NEEDED:
        if name not in given:
            raise SettingsError(
                f"{name} is missing, but {next(iter(given))} is set: TLS needs {' and '.join(_NEEDED)}; "
                f"set both, or none of {', '.join(_NAMES)}"
            )
    content = {name: _read(name, file) for name, file in given.items()}
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    _require_certificates("tls_certificate", given["tls_certificate"], content["tls_certificate"])
    _load_key(context, given["tls_certificate"], given["tls_key"])
    authority = content.get("tls_client_authority")
    if authority is not None:
        _require_certificates("tls_client_authority", given["tls_client_authority"], authority)
        context.load_verify_locations(cadata=authority.decode("ascii"))
        context.verify_mode = ssl.CERT_REQUIRED
    return Tls(context, content["tls_certificate"], content["tls_key"], authority)


def _read(name: str, file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise SettingsError(f"{name}: {file} cannot be read: {error.strerror}") from None


def _require_certificates(name: str, file: Path, content: bytes) -> None:
    """That there is a certificate in a file, and all of them are whole."""
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_verify_locations(cadata=content.decode("ascii"))
    except (ssl.SSLError, ValueError):
        raise SettingsError(
            f"{name}: {file} holds no certificate in PEM, which begins with -----BEGIN CERTIFICATE-----"
        ) from None


def _load_key(context: ssl.SSLContext, certificate: Path, key: Path) -> None:
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
        raise SettingsError(f"tls_key: {problem}") from None
