"""Where compiled kernels are cached: a folder keyed by a hash of every source that they are made of.

Numba notices a change in a function's own file, not in a file that it calls into or takes constants
from, and would go on running the old inlined rules. Imported by `strategos.games` before any kernel
is defined. A `NUMBA_CACHE_DIR` of the user's own is left alone.
"""

from __future__ import annotations

import contextlib
import hashlib
import itertools
import os
import secrets
import shutil
from pathlib import Path
from typing import Any

import numba
from numba import njit, types
from numba.core import caching

_OPTIONS: dict[str, Any] = {"nogil": True, "cache": True, "no_cfunc_wrapper": True, "_nrt": False}

kernel = njit(**_OPTIONS)
"""Compile a function of records and of arrays that its caller owns, without Numba's run time.

A kernel allocates nothing and returns no array, so there is nothing for reference counts to keep
alive; counting, an atomic addition for every array that is passed on, took half the time of a tick.
"""

inlined = njit(**_OPTIONS, inline="always")
"""A kernel that its callers take in as source: compiled on its own only for Python.

Numba optimises a function's machine code anew in each of its callers' callers, so levels cost seconds.
"""

_MARKS = (b"@njit", b"@kernel", b"@inlined")
"""What stands over a kernel."""
_KEPT = 4
"""How many past versions of the kernels stay cached, for people who switch between branches."""


def sources_hash(package: Path) -> str:
    """A hash of all of `games/` (rules, records, constants) and of every other file with a kernel."""
    digest = hashlib.sha256(numba.__version__.encode())
    for path in sorted(package.rglob("*.py")):
        source = path.read_bytes()
        name = path.relative_to(package).as_posix()
        if name.startswith("games/") or any(mark in source for mark in _MARKS):
            digest.update(name.encode() + b"\0" + source)
    return digest.hexdigest()[:16]


def use_keyed_cache() -> Path | None:
    """Point Numba at the folder of the present sources; `None` where the user has chosen one."""
    _name_files_apart()
    _name_records_apart()
    if os.environ.get("NUMBA_CACHE_DIR"):
        return None
    root = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "strategos" / "kernels"
    folder = root / sources_hash(Path(__file__).parent.parent)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        os.utime(folder)
    except OSError:  # a home that cannot be written: Numba finds a place of its own
        return None
    numba.config.CACHE_DIR = str(folder)  # type: ignore[attr-defined]
    with contextlib.suppress(OSError):  # another process may be clearing, too
        versions = sorted(root.iterdir(), key=lambda path: path.stat().st_mtime, reverse=True)
        for old in versions[_KEPT:]:
            shutil.rmtree(old, ignore_errors=True)
    return folder


def _name_files_apart() -> None:
    """Keep processes that compile at the same time from writing each other's files.

    Numba numbers a function's machine code 1, 2, 3 without a lock: two processes that compile it for
    two boards may both take 1, and the index then names the wrong one for good. With names of their
    own, the worst that can happen is that an entry is lost and compiled again.
    """
    token, numbers = secrets.token_hex(6), itertools.count()

    def data_name(self: caching.IndexDataCacheFile, number: int) -> str:
        return f"{self._index_name.removesuffix('.nbi')}.{token}-{next(numbers)}.nbc"

    caching.IndexDataCacheFile._data_name = data_name  # type: ignore[method-assign]


def _name_records_apart() -> None:
    """Name a record in the symbols of machine code by its layout.

    Numba takes a number that it counts up in each process. Two processes that compile for two boards give
    both records the same number, and their kernels the same symbols. A third process that loads both from
    the cache then runs the code of one board on the other: wrong masks, writes beyond arrays, not a word.
    """

    def mangling_args(self: types.Record) -> tuple[str, tuple[str]]:
        return "Record", ("r" + hashlib.sha256(self.name.encode()).hexdigest()[:24],)

    types.Record.mangling_args = property(mangling_args)  # type: ignore[method-assign, assignment]
