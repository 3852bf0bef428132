"""What every test shares: repeatable properties, the folder of recorded real games."""

from __future__ import annotations

import os
from pathlib import Path

import hypothesis
import pytest

ROOT = Path(__file__).resolve().parents[1]

os.environ.setdefault("MPLBACKEND", "Agg")
# The first example of a property compiles its kernels: no deadline. The same examples every time.
hypothesis.settings.register_profile("repeatable", deadline=None, derandomize=True, database=None)
hypothesis.settings.load_profile("repeatable")


@pytest.fixture(scope="session")
def oracle() -> Path:
    """The folder of real games and tables; its tests skip where it is absent."""
    folder = Path(os.environ.get("STRATEGOS_ORACLE", ROOT / "../shared/oracle")).resolve()
    if not folder.is_dir():
        pytest.skip(f"no folder of recorded games at {folder}; set STRATEGOS_ORACLE to it")
    return folder
