"""The key of the workers: programs of the operator that may see what players see, and report results.

One line in a file of the data folder that only its owner may read; delete the file and start again to change
it.
"""

from __future__ import annotations

import hmac
import secrets
from pathlib import Path

from strategos.durable import write_atomically
from strategos.server.settings import SettingsError
from strategos.server.terms import HallError

FILE_NAME = "worker.key"
_LEAST_CHARACTERS = 22
"""128 bits in URL-safe base 64."""


class WorkerKey:
    """Checks the key of the data folder `data`; makes one where there is none."""

    def __init__(self, data: Path) -> None:
        data.mkdir(parents=True, exist_ok=True)
        self.file = data / FILE_NAME
        self._key = _read(self.file) or _make(self.file)

    def check(self, key: str) -> None:
        """`HallError` "forbidden" for any other key."""
        if not hmac.compare_digest(key.encode(), self._key.encode()):
            raise HallError("forbidden", "this needs the worker's key, which the operator of the server has")


def _read(file: Path) -> str:
    """The key in `file`, "" where there is no file; `SettingsError` for one that is too short to be one."""
    try:
        key = file.read_text(encoding="ascii").strip()
    except FileNotFoundError:
        return ""
    except (OSError, UnicodeError):
        key = ""
    if len(key) < _LEAST_CHARACTERS:
        raise SettingsError(
            f"the worker's key in {file.name} cannot be used; remove that file to make a new one"
        )
    return key


def _make(file: Path) -> str:
    key = secrets.token_urlsafe(32)
    write_atomically(file, f"{key}\n".encode(), private=True)
    return key
