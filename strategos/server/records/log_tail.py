"""The end of SQLite's write-ahead log after a crash: how much of it nobody will read.

SQLite takes the log up to its last whole transaction and says nothing of what comes after. The format is that
of https://www.sqlite.org/fileformat2.html, section 4.
"""

from __future__ import annotations

import contextlib
import sqlite3
import struct
from pathlib import Path

_HEADER = struct.Struct(">8s2I8s8s")
"""Magic number and version, size of a page, number of the checkpoint, salts, checksum."""
_FRAME = struct.Struct(">2I8s8s")
"""Page, size of the file after a commit, salts, checksum; the page follows."""


def dropped_bytes(path: Path) -> int:
    """The bytes at the end of the log of the database at `path` that are of no whole transaction: torn by a
    loss of power, or by a kill in the middle of a write. 0 for a database that cannot be read."""
    log = path.with_name(f"{path.name}-wal")
    try:
        written = log.read_bytes() if log.exists() else b""
        if not written:
            return 0
        with contextlib.closing(sqlite3.connect(path)) as connection:
            _, taken, _ = connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
    except (OSError, sqlite3.Error):
        return 0  # whoever opens it says more
    return len(written) if taken <= 0 else _behind(written, taken)


def _behind(log: bytes, taken: int) -> int:
    """The bytes behind the first `taken` frames of a log that were written since it was last begun anew, as
    their salts say; behind them lie older ones, which were read long ago."""
    _, page_bytes, _, salts, _ = _HEADER.unpack_from(log)
    frame_bytes = _FRAME.size + page_bytes
    first = end = _HEADER.size + taken * frame_bytes
    for place in range(first, len(log) - frame_bytes + 1, frame_bytes):
        if _FRAME.unpack_from(log, place)[2] == salts:
            end = place + frame_bytes
    rest = len(log) - end
    return end - first + (rest if rest < frame_bytes else 0)
