"""What every benchmark shares: options, repeated measurement, one line or one JSON object a figure."""

from __future__ import annotations

import argparse
import json
import platform
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Options:
    """`--json`: one object a line. `--quick`: fewer repetitions, under 40 s in all."""

    json: bool
    quick: bool


def parse_options(description: str) -> Options:
    """The options of a script in `bench/`."""
    parser = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--json", action="store_true", help="one JSON object a line")
    parser.add_argument("--quick", action="store_true", help="fewer repetitions, under 40 s in all")
    chosen = parser.parse_args()
    if not chosen.json:
        print(f"# {machine()}")
    return Options(chosen.json, chosen.quick)


def machine() -> str:
    """The processor, its cores and the versions that matter, in one line."""
    from strategos.engine.pool import available_cores
    from strategos.evaluate.machine import processor

    return f"{processor()}, {available_cores()} cores, Python {platform.python_version()}"


def rates(
    work: Callable[[], float], repetitions: int, clock: Callable[[], float] = time.perf_counter
) -> list[float]:
    """Units a second of each repetition; `work` does the work and returns how many units it was."""
    measured = []
    for _ in range(repetitions):
        begin = clock()
        units = work()
        measured.append(units / (clock() - begin))
    return measured


def rates_in_turns(
    works: dict[str, Callable[[], float]], seconds: float, clock: Callable[[], float] = time.perf_counter
) -> dict[str, list[float]]:
    """`rates` of several works, each once a turn, for so many seconds and at least three turns."""
    measured: dict[str, list[float]] = {name: [] for name in works}
    end = time.perf_counter() + seconds
    while time.perf_counter() < end or any(len(values) < 3 for values in measured.values()):
        for name, work in works.items():
            measured[name] += rates(work, 1, clock)
    return measured


def report(
    options: Options,
    name: str,
    values: list[float],
    unit: str,
    *,
    target: str = "",
    peer: str = "",
    ratio: float | None = None,
) -> None:
    """Print the median of `values` with its spread."""
    row: dict[str, object] = {
        "name": name,
        "value": round(statistics.median(values), 4),
        "unit": unit,
        "median_of": len(values),
        "low": round(min(values), 4),
        "high": round(max(values), 4),
    }
    if peer:
        row["peer"] = peer
    if ratio is not None:
        row["ratio"] = round(ratio, 3)
    if options.json:
        print(json.dumps(row), flush=True)
        return
    notes = [f"{ratio:.2f} x {peer}"] if ratio is not None else []
    notes += [f"target {target}"] if target else []
    spread = f"({row['low']} to {row['high']}, median of {len(values)})"
    print(f"{name:24} {row['value']:>12} {unit:14} {spread:44} {'; '.join(notes)}", flush=True)
