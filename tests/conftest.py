"""What every test shares: a Numba cache that never goes stale, the folder of recorded real games."""

from __future__ import annotations

import hashlib
import os
import shutil
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


def _key_the_kernel_cache() -> None:
    """Point Numba at a cache folder named after the sources.

    Numba notices a change of a kernel's own file only, not of a kernel it calls in another file.
    """
    digest = hashlib.sha256()
    for source in sorted((ROOT / "strategos").rglob("*.py")):
        text = source.read_bytes()
        if b"njit" in text or b"dtype" in text:
            digest.update(source.name.encode() + text)
    home = ROOT / ".pytest_cache" / "numba"
    home.mkdir(parents=True, exist_ok=True)
    old = sorted((folder for folder in home.iterdir()), key=lambda folder: folder.stat().st_mtime)
    for folder in old[:-6]:
        shutil.rmtree(folder, ignore_errors=True)
    os.environ.setdefault("NUMBA_CACHE_DIR", str(home / digest.hexdigest()[:16]))


_key_the_kernel_cache()
os.environ.setdefault("MPLBACKEND", "Agg")


@pytest.fixture(scope="session")
def oracle() -> Path:
    """The folder of real games and tables; its tests skip where it is absent."""
    folder = Path(os.environ.get("STRATEGOS_ORACLE", ROOT / "../shared/oracle")).resolve()
    if not folder.is_dir():
        pytest.skip(f"no folder of recorded games at {folder}; set STRATEGOS_ORACLE to it")
    return folder
