"""What a load measures: latencies in buckets, counts, the server's memory; and how that is told. No I/O."""

from __future__ import annotations

import math
from array import array
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

_LEAST_S, _RATIO, _BUCKETS = 1e-5, 1.01, 1700
"""From 10 microseconds to 220 seconds, each bucket 1 % wider than the one before."""
_WIDTH = math.log(_RATIO)
AT_ITS_LIMIT = 0.9
"""A generator's process that is busy for more than this share measures itself, too."""
PERCENTILES = (50, 95, 99)


class Latencies:
    """How long something took, many times: 1 % exact, and of one size however often."""

    def __init__(self) -> None:
        self.counts = array("q", bytes(8 * _BUCKETS))
        self.max_s = 0.0

    def add(self, seconds: float) -> None:
        """One more."""
        place = int(math.log(seconds / _LEAST_S) / _WIDTH) if seconds > _LEAST_S else 0
        self.counts[min(place, _BUCKETS - 1)] += 1
        self.max_s = max(self.max_s, seconds)

    def merge(self, other: Latencies) -> None:
        """Take in those of another process."""
        self.counts = array("q", (one + two for one, two in zip(self.counts, other.counts, strict=True)))
        self.max_s = max(self.max_s, other.max_s)

    def __len__(self) -> int:
        return sum(self.counts)

    def percentile(self, percent: float) -> float:
        """Seconds that so many percent did not exceed; NaN where there is nothing."""
        left = math.ceil(len(self) * percent / 100)
        if left == 0:
            return math.nan
        for place, count in enumerate(self.counts):
            left -= count
            if left <= 0:
                return min(_LEAST_S * _RATIO ** (place + 1), self.max_s)
        raise AssertionError("the counts changed")

    def as_json(self) -> dict[str, Any]:
        """Milliseconds."""
        shown = {f"p{percent}": round(1e3 * self.percentile(percent), 3) for percent in PERCENTILES}
        return {**shown, "max": round(1e3 * self.max_s, 3), "count": len(self)} if len(self) else {"count": 0}


@dataclass
class Figures:
    """What one process has counted since it began to measure."""

    answer: Latencies = field(default_factory=Latencies)
    """From the call of a move until its answer; over WebSocket a move has none."""
    next_state: Latencies = field(default_factory=Latencies)
    """From the call of a move until the state after it, which needs the moves of the others, too."""
    actions: int = 0
    ticks: int = 0
    games: int = 0
    """That were played to their end."""
    errors: Counter[str] = field(default_factory=Counter)
    """By code: refusals, lines that broke, games that ended for another reason than their rules or limit."""
    seconds: float = 0.0
    cpu_s: float = 0.0

    def merge(self, other: Figures) -> None:
        """Take in those of another process, which ran at the same time."""
        self.answer.merge(other.answer)
        self.next_state.merge(other.next_state)
        self.actions += other.actions
        self.ticks += other.ticks
        self.games += other.games
        self.errors.update(other.errors)
        self.seconds = max(self.seconds, other.seconds)
        self.cpu_s += other.cpu_s


@dataclass(frozen=True)
class Sample:
    """The server at one moment of the measurement."""

    at_s: float
    memory_bytes: int
    cpu_s: float
    """Of all its threads since it began."""


@dataclass(frozen=True)
class Report:
    """One measurement: of all processes together, and the server where it can be looked at."""

    figures: Figures
    busiest: float
    """Share of its time that the busiest process of the generator worked."""
    samples: tuple[Sample, ...] = ()

    @property
    def failed(self) -> bool:
        """Whether anything went wrong, or nothing was played."""
        return bool(self.figures.errors) or not self.figures.actions

    def rate(self, count: int) -> float:
        """A count as so many a second."""
        return count / self.figures.seconds if self.figures.seconds else 0.0

    def as_json(self) -> dict[str, Any]:
        """Everything; milliseconds, seconds, bytes."""
        figures = self.figures
        shown = {
            "seconds": round(figures.seconds, 3),
            "answer_ms": figures.answer.as_json(),
            "next_state_ms": figures.next_state.as_json(),
            "actions": figures.actions,
            "actions_per_second": round(self.rate(figures.actions), 1),
            "ticks_per_second": round(self.rate(figures.ticks), 1),
            "games_finished": figures.games,
            "errors": dict(figures.errors),
            "generator_cpu": round(self.rate_of_cpu(figures.cpu_s), 3),
            "generator_busiest": round(self.busiest, 3),
        }
        if len(self.samples) > 1:
            shown |= {
                "server_cpu": round(server_cpu(self.samples), 3),
                "memory_bytes": [sample.memory_bytes for sample in self.samples],
                "memory_at_s": [round(sample.at_s, 1) for sample in self.samples],
                "memory_slope_mb_per_minute": round(slope_mb_per_minute(self.samples), 3),
            }
        return shown

    def rate_of_cpu(self, cpu_s: float) -> float:
        """Processor time as a share of one core."""
        return cpu_s / self.figures.seconds if self.figures.seconds else 0.0

    def lines(self) -> list[str]:
        """For people to read."""
        figures = self.figures
        errors = ", ".join(f"{count:,} {code}" for code, count in figures.errors.most_common()) or "none"
        lines = [
            _latency_line("a move until its answer", figures.answer),
            _latency_line("a move until the next state", figures.next_state),
            f"{'played':28}{self.rate(figures.actions):,.0f} actions/s, {self.rate(figures.ticks):,.0f} "
            f"ticks/s, {figures.games:,} games finished in {figures.seconds:.1f} s",
            f"{'errors':28}{errors}",
            f"{'generator':28}{self.rate_of_cpu(figures.cpu_s):.0%} of a core",
        ]
        if self.busiest > AT_ITS_LIMIT:
            lines[-1] += "; at its limit: more --processes may show a faster server"
        if len(self.samples) > 1:
            first, last = self.samples[0].memory_bytes / 1e6, self.samples[-1].memory_bytes / 1e6
            most = max(sample.memory_bytes for sample in self.samples) / 1e6
            lines.append(f"{'server':28}{server_cpu(self.samples):.0%} of a core")
            slope = slope_mb_per_minute(self.samples)
            lines.append(
                f"{'memory of the server':28}{first:,.0f} MB at first, {last:,.0f} at the end, "
                f"{most:,.0f} at most; {slope:+.2f} MB a minute in the second half"
            )
        return [line for line in lines if line]


def _latency_line(name: str, latencies: Latencies) -> str:
    if not len(latencies):
        return ""
    shown = "  ".join(f"p{percent} {1e3 * latencies.percentile(percent):7.2f}" for percent in PERCENTILES)
    return f"{name:28}{shown}  max {1e3 * latencies.max_s:7.2f} ms"


def server_cpu(samples: Sequence[Sample]) -> float:
    """Share of one core that the server used."""
    return (samples[-1].cpu_s - samples[0].cpu_s) / max(1e-9, samples[-1].at_s - samples[0].at_s)


def slope_mb_per_minute(samples: Sequence[Sample]) -> float:
    """How fast the memory grows, by least squares over the second half: the first fills pools and caches."""
    middle = (samples[0].at_s + samples[-1].at_s) / 2
    late = [sample for sample in samples if sample.at_s >= middle]
    mean_s = sum(sample.at_s for sample in late) / len(late)
    spread = sum((sample.at_s - mean_s) ** 2 for sample in late)
    if not spread:
        return 0.0
    rise = sum((sample.at_s - mean_s) * sample.memory_bytes for sample in late)
    return 60 * rise / spread / 1e6
