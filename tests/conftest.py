"""What every test shares: no windows, one thread for torch, the same examples of every property each time."""

from __future__ import annotations

import os
import sys

import hypothesis
import pytest

os.environ.setdefault("MPLBACKEND", "Agg")
# The first example of a property compiles its kernels: no deadline. The same examples every time.
hypothesis.settings.register_profile("repeatable", deadline=None, derandomize=True, database=None)
hypothesis.settings.load_profile("repeatable")


@pytest.fixture(autouse=True)
def one_torch_thread() -> None:
    """Tensors are small here: a second thread only waits, and on a busy machine it waits for long."""
    if "torch" in sys.modules:  # many tests need none, and loading it takes seconds
        sys.modules["torch"].set_num_threads(1)
