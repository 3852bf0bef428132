"""Where compiled kernels are cached: a folder keyed by a hash of every kernel's source.

Numba notices a change in a function's own file, not in a file that it calls into, and would go on
running the old inlined rules. Imported by `strategos.games` before any kernel is defined. A
`NUMBA_CACHE_DIR` of the user's own is left alone.
"""

from __future__ import annotations

import hashlib
import os
import shutil
from pathlib import Path

import numba

_KEPT = 4
"""How many past versions of the kernels stay cached, for people who switch between branches."""


def _sources_hash(package: Path) -> str:
    digest = hashlib.sha256(f"{numba.__version__}".encode())
    for path in sorted(package.rglob("*.py")):
        source = path.read_bytes()
        if b"@njit" in source:
            digest.update(path.relative_to(package).as_posix().encode() + b"\0" + source)
    return digest.hexdigest()[:16]


def use_keyed_cache() -> Path | None:
    """Point Numba at the folder of the present sources; `None` where the user has chosen one."""
    if os.environ.get("NUMBA_CACHE_DIR"):
        return None
    package = Path(__file__).parent.parent
    root = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "strategos" / "kernels"
    folder = root / _sources_hash(package)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        os.utime(folder)
        versions = sorted(root.iterdir(), key=lambda path: path.stat().st_mtime, reverse=True)
    except OSError:  # a home that cannot be written: Numba finds a place of its own
        return None
    for old in versions[_KEPT:]:
        shutil.rmtree(old, ignore_errors=True)
    numba.config.CACHE_DIR = str(folder)  # type: ignore[attr-defined]
    return folder
