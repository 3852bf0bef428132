"""The server's log: structured lines on stderr, everybody's alike, and never a flood of one kind.

What strangers send can cause a line each: of one event a bounded number goes through, and the next one that
does says how many were left out.
"""

from __future__ import annotations

import logging
import sys
import threading
import time
from collections.abc import Callable, Mapping, MutableMapping
from typing import Any

import structlog

from strategos.server.access.limits import Bucket
from strategos.server.settings import Settings

LINES_PER_SECOND, LINES_AT_ONCE = 10.0, 100.0
"""Of one event."""
_KEPT_EVENTS = 500
"""Events are words of the code; where they are not, the oldest ones are counted anew."""
_LONGEST_EVENT = 200


class Sparing:
    """A processor of structlog that lets through so many lines of one event."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._one_thread = threading.Lock()
        self._buckets: dict[str, Bucket] = {}
        self._left_out: dict[str, int] = {}

    def __call__(self, _: Any, __: str, line: MutableMapping[str, Any]) -> Mapping[str, Any]:
        event, now = str(line.get("event", "")), self._clock()
        with self._one_thread:
            bucket = self._buckets.get(event)
            if bucket is None:
                if len(self._buckets) >= _KEPT_EVENTS:
                    oldest = next(iter(self._buckets))
                    del self._buckets[oldest]
                    self._left_out.pop(oldest, None)
                bucket = self._buckets[event] = Bucket(LINES_PER_SECOND, LINES_AT_ONCE, now)
            if not bucket.take(now):
                self._left_out[event] = self._left_out.get(event, 0) + 1
                raise structlog.DropEvent
            left_out = self._left_out.pop(event, 0)
        return {**line, "left_out": left_out} if left_out else line


class _Others(logging.Handler):
    """Takes what the packages of others log, so that it looks like all else; its first line is the event.

    Of what the system refused, or of bytes that are no text, the stack would say nothing more.
    """

    def emit(self, record: logging.LogRecord) -> None:
        try:
            text = record.getMessage().partition("\n")[0][:_LONGEST_EVENT]
            log = structlog.get_logger(record.name)
            say = log.error if record.levelno >= logging.ERROR else log.warning
            error = record.exc_info[1] if record.exc_info else None
            if isinstance(error, (OSError, UnicodeError)):
                say(text, logger=record.name, error=str(error)[:_LONGEST_EVENT])
            else:
                say(text, logger=record.name, exc_info=record.exc_info)
        except Exception:
            self.handleError(record)


def log_to_stderr(settings: Settings) -> None:
    """Lines for people, or JSON for machines, from the level of the settings on."""
    shown: Any = (
        structlog.processors.JSONRenderer()
        if settings.log_json
        else structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())
    )
    level = logging.getLevelNamesMapping()[settings.log_level.upper()]
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            Sparing(),
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            shown,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.WriteLoggerFactory(sys.stderr),
        cache_logger_on_first_use=False,
    )
    logging.basicConfig(level=max(level, logging.WARNING), handlers=[_Others()], force=True)
