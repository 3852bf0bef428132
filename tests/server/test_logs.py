"""The server's log: of one event so many lines, and what packages of others say looks like all else."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable

import pytest
import structlog
from halls import settings

from strategos.server.logs import LINES_AT_ONCE, LINES_PER_SECOND, Sparing, log_to_stderr


@pytest.fixture
def logged(tmp_path, capsys):
    """Logs as a server does while the given work is done; the lines of it."""
    root = logging.getLogger()
    handlers, level, before = root.handlers[:], root.level, structlog.get_config()

    def lines_of(work: Callable[[], None]) -> list[dict]:
        log_to_stderr(settings(tmp_path, log_json=True))
        work()
        return [json.loads(line) for line in capsys.readouterr().err.splitlines()]

    yield lines_of
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.configure(**before)


def passed(sparing: Sparing, event: str) -> dict | None:
    try:
        return sparing(None, "", {"event": event})
    except structlog.DropEvent:
        return None


def test_l9_of_one_event_so_many_lines_and_then_how_many_were_left_out():
    now = [0.0]
    sparing = Sparing(lambda: now[0])
    shown = [passed(sparing, "kicked") for _ in range(1000)]
    assert [line is not None for line in shown] == [True] * int(LINES_AT_ONCE) + [False] * 900
    assert passed(sparing, "another") == {"event": "another"}
    now[0] = 1.0
    shown = [passed(sparing, "kicked") for _ in range(100)]
    assert shown[0] == {"event": "kicked", "left_out": 900}
    assert sum(line is not None for line in shown) == int(LINES_PER_SECOND)
    now[0] = 0.0  # a clock that jumps back gives nothing, and takes nothing
    assert passed(sparing, "kicked") is None


def test_l9_events_that_are_all_different_take_no_more_memory():
    sparing = Sparing(lambda: 0.0)
    for number in range(5000):
        assert passed(sparing, f"event {number}")
    assert len(sparing._buckets) == 500


def test_l9_the_log_of_a_server_is_spared(logged):
    def flood() -> None:
        for number in range(300):
            structlog.get_logger("strategos.server").warning("a bad frame", number=number)

    shown = [line["number"] for line in logged(flood)]
    assert shown[: int(LINES_AT_ONCE)] == list(range(int(LINES_AT_ONCE))) and len(shown) < 200


def test_others_are_logged_alike_and_without_a_stack_for_what_strangers_send(logged):
    def fail() -> None:
        other = logging.getLogger("a.package")
        for error in (OSError(24, "Too many open files"), ValueError("ours")):
            try:
                raise error
            except Exception:
                other.error("it failed: %s\nsecond line", "so", exc_info=True)
        other.info("nobody needs this")

    refused, ours = logged(fail)
    assert refused["event"] == ours["event"] == "it failed: so"
    assert refused["logger"] == "a.package" and refused["level"] == "error"
    assert "Too many open files" in refused["error"] and "exception" not in refused
    assert "ValueError: ours" in ours["exception"]
