"""Tokens: who may speak for which seat. JSON web tokens, HS256, signed with keys of the data folder.

A token says room (`aud`), chair (`sub`), a number of its own (`jti`) and its end (`exp`); it never says what
is hidden. Whether the number still holds the chair is for the room to say: that is how a token is revoked.
"""

from __future__ import annotations

import base64
import json
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import jwt

from strategos.durable import write_atomically
from strategos.server.settings import SettingsError
from strategos.server.terms import HallError

ALGORITHM = "HS256"
SPECTATOR = -1
"""The chair of who only watches."""
LONGEST = 1024
"""Characters of a token that is looked at."""
KEPT = 20_000
"""Tokens that were checked already."""
_SECRET_BYTES = 32
_REFUSED = "this token is not good here; join again"


@dataclass(frozen=True)
class Claims:
    """What a good token says."""

    room: str
    chair: int
    """`SPECTATOR` for who only watches."""
    ident: str


@dataclass(frozen=True)
class Key:
    """A signing key; `kid` names it in the head of a token."""

    kid: str
    secret: bytes
    made_at: float


class Tokens:
    """Issues and checks. `clock` is the wall clock in seconds: the end of a token outlives a restart."""

    def __init__(
        self, file: Path, *, life_s: float, key_s: float, clock: Callable[[], float] = time.time
    ) -> None:
        self._file, self._life_s, self._key_s, self._clock = file, life_s, key_s, clock
        self._checked: dict[str, tuple[Claims, float]] = {}
        self._keys = _read_keys(file) if file.exists() else []
        if not self._keys or self._keys[-1].made_at + key_s < clock():
            self.rotate()

    def issue(self, room: str, chair: int) -> tuple[str, str]:
        """A new token for a chair, and the number it is known by."""
        ident, now = secrets.token_urlsafe(16), self._clock()
        if self._keys[-1].made_at + self._key_s < now:
            self.rotate()
        key = self._keys[-1]
        claims = {"aud": room, "sub": str(chair), "jti": ident, "exp": int(now + self._life_s)}
        return jwt.encode(claims, key.secret, ALGORITHM, headers={"kid": key.kid}), ident

    def check(self, token: str, room: str | None = None) -> Claims:
        """What `token` says, if it is ours, has not ended and is of `room`; otherwise `HallError`
        "forbidden", always with the same words."""
        if not isinstance(token, str) or not 0 < len(token) <= LONGEST:
            raise HallError("forbidden", _REFUSED)
        found = self._checked.get(token)
        if found is None:
            found = self._decode(token)
            if len(self._checked) >= KEPT:
                self._checked.clear()
            self._checked[token] = found
        claims, ends_at = found
        if self._clock() >= ends_at or (room is not None and claims.room != room):
            raise HallError("forbidden", _REFUSED)
        return claims

    def rotate(self) -> None:
        """Sign with a new key from now on; older ones check until the last token signed by them has ended."""
        now = self._clock()
        kept = [
            key
            for key, successor in zip(self._keys, self._keys[1:], strict=False)
            if successor.made_at + self._life_s > now
        ]
        kept += self._keys[-1:]
        self._keys = [*kept, Key(secrets.token_hex(8), secrets.token_bytes(_SECRET_BYTES), now)]
        self._checked.clear()
        _write_keys(self._file, self._keys)

    def _decode(self, token: str) -> tuple[Claims, float]:
        try:
            kid = jwt.get_unverified_header(token).get("kid")
            key = next(key for key in self._keys if key.kid == kid)
            said = jwt.decode(
                token,
                key.secret,
                algorithms=[ALGORITHM],
                options={
                    "require": ["aud", "sub", "jti", "exp"],
                    # The room is compared by `check`; the end by `check` and its clock.
                    "verify_aud": False,
                    "verify_exp": False,
                    "verify_iat": False,
                },
            )
            room, chair, ident = said["aud"], int(said["sub"]), said["jti"]
            if not isinstance(room, str) or not isinstance(ident, str):
                raise ValueError
            return Claims(room, chair, ident), float(said["exp"])
        except (jwt.PyJWTError, StopIteration, ValueError, TypeError, RecursionError):
            raise HallError("forbidden", _REFUSED) from None


def _read_keys(file: Path) -> list[Key]:
    """The keys of a file; `SettingsError` where it cannot be read or is damaged."""
    try:
        rows = json.loads(file.read_bytes())
        keys = [
            Key(row["kid"], base64.b64decode(row["secret"], validate=True), float(row["made_at"]))
            for row in rows
        ]
        if any(len(key.secret) != _SECRET_BYTES for key in keys):
            raise ValueError("a key of another length")
    except OSError as error:
        raise SettingsError(f"the signing keys in {file} cannot be read: {error.strerror}") from None
    except (ValueError, KeyError, TypeError, RecursionError):
        raise SettingsError(
            f"the signing keys in {file.name} are damaged; remove that file to make new ones, "
            "and every player has to join again"
        ) from None
    return keys


def _write_keys(file: Path, keys: list[Key]) -> None:
    """Replace the file, all or nothing; nobody but its owner may read it."""
    rows = [
        {"kid": key.kid, "secret": base64.b64encode(key.secret).decode(), "made_at": key.made_at}
        for key in keys
    ]
    write_atomically(file, json.dumps(rows).encode(), private=True)
