"""What this machine is and how fast it is: for `strategos doctor`, for reports, for the choice of a preset.

Measuring takes a few seconds; describing takes none.
"""

from __future__ import annotations

import os
import platform
import time
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import numpy as np

from strategos.engine.pool import available_cores

_TICKS = 16
PACKAGES = (
    "numpy",
    "numba",
    "scipy",
    "torch",
    "gymnasium",
    "pettingzoo",
    "pyarrow",
    "safetensors",
    "rich",
    "tensorboard",
)


def processor() -> str:
    """The processor's name, or its architecture where the system does not tell."""
    try:
        for line in Path("/proc/cpuinfo").read_text("utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


def installed() -> dict[str, str]:
    """Version of every package that Strategos stands on; `missing` where one is not there."""
    found = {}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "missing"
    return found


def gpus() -> list[dict]:
    """Name and memory, in GiB, of each GPU that torch can use."""
    import torch

    if not torch.cuda.is_available():
        return []
    found = []
    for index in range(torch.cuda.device_count()):
        properties = torch.cuda.get_device_properties(index)
        found.append({"name": properties.name, "memory_gib": round(properties.total_memory / 2**30, 1)})
    return found


def describe() -> dict[str, str]:
    """The machine in a few words, as a report prints it."""
    import torch

    from strategos import __version__

    cards = ", ".join(f"{card['name']} ({card['memory_gib']} GiB)" for card in gpus())
    return {
        "Strategos": __version__,
        "Python": platform.python_version(),
        "torch": torch.__version__,
        "system": f"{platform.system()} {platform.machine()}",
        "processor": processor(),
        "cores": str(available_cores()),
        "GPU": cards or "none",
    }


def engine_steps_per_second(size: int = 10, num_games: int = 512, seconds: float = 1.0) -> float:
    """Ticks of random two-player games a second, views and masks written, on all usable cores."""
    from strategos.engine.batch import Batch
    from strategos.games import make_game

    batch = Batch(make_game("generals", height=size, width=size), num_games, seed=1, autoreset="same_step")
    batch.reset()
    batch.step_randomly(_TICKS)  # compiles, or reads the compiled kernels
    steps, begin = 0, time.perf_counter()
    while time.perf_counter() - begin < seconds:
        batch.step_randomly(_TICKS)
        steps += _TICKS * num_games
    return steps / (time.perf_counter() - begin)


def matmul_gflops(kind: str, device: str = "cpu", size: int = 1024, seconds: float = 0.5) -> float:
    """Billions of operations a second of square matrix products; `kind` is a torch dtype's name."""
    import torch

    dtype = getattr(torch, kind)
    if device != "cpu":
        size *= 8
    left, right = (torch.randn(size, size, device=device).to(dtype) for _ in range(2))
    count = 0
    left @ right

    def finished() -> None:
        if device != "cpu":
            torch.cuda.synchronize()  # products are queued; without this only the queueing is timed

    finished()
    begin = time.perf_counter()
    while time.perf_counter() - begin < seconds:
        left @ right
        finished()
        count += 1
    return count * 2 * size**3 / (time.perf_counter() - begin) / 1e9


def measure() -> dict[str, float]:
    """The speeds that decide how long training takes."""
    device = "cuda" if gpus() else "cpu"
    return {
        "engine_steps_per_s": round(engine_steps_per_second()),
        "matmul_float32_gflops": round(matmul_gflops("float32", device), 1),
        "matmul_bfloat16_gflops": round(matmul_gflops("bfloat16", device), 1),
    }


def memory_gib() -> float:
    """Memory of the machine, or NaN where the system does not tell."""
    try:
        return round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1)
    except (ValueError, OSError, AttributeError):
        return float(np.nan)
