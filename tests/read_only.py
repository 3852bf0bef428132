"""Folders into which nobody may write for a while."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_NOBODY = 65534


@contextmanager
def read_only(folder: Path) -> Iterator[None]:
    """`folder` without the right to write; who is root, to whom no such right matters, is nobody meanwhile.

    A relative path: who is nobody may not come through the folders above.
    """
    user = os.geteuid()
    os.seteuid(os.getuid())
    folder.chmod(0o555)
    try:
        if os.getuid() == 0:
            os.seteuid(_NOBODY)
        yield
    finally:
        os.seteuid(os.getuid())
        folder.chmod(0o755)
        os.seteuid(user)
