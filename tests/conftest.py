"""What every test shares: no windows, the same examples of every property each time."""

from __future__ import annotations

import os

import hypothesis

os.environ.setdefault("MPLBACKEND", "Agg")
# The first example of a property compiles its kernels: no deadline. The same examples every time.
hypothesis.settings.register_profile("repeatable", deadline=None, derandomize=True, database=None)
hypothesis.settings.load_profile("repeatable")
