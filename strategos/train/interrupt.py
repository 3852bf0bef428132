"""What Ctrl-C does to a run: it stops after the iteration, or at once where there is nothing to lose."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Callable
from types import FrameType
from typing import Any

from strategos.train.dashboard import Display

EXIT_INTERRUPTED = 130


class Interrupt:
    """The first Ctrl-C asks the loop to stop after the iteration; a second one stops at once.

    Where `at_once` is set the first one does that, too. Outside the main thread there is no Ctrl-C.
    """

    def __init__(self, at_once: Callable[[], None] | None = None) -> None:
        self.asked = False
        self.at_once = at_once
        self._old: Any = None

    def __enter__(self) -> Interrupt:
        if threading.current_thread() is threading.main_thread():
            self._old = signal.signal(signal.SIGINT, self._handle)
        return self

    def _handle(self, number: int, frame: FrameType | None) -> None:
        again, self.asked = self.asked, True
        if self.at_once is not None:
            self.at_once()
        if again:
            raise KeyboardInterrupt

    def __exit__(self, *error: object) -> None:
        if self._old is not None:
            signal.signal(signal.SIGINT, self._old)


def raise_interrupt() -> None:
    """End whatever runs by `KeyboardInterrupt`."""
    raise KeyboardInterrupt


def exit_process(display: Display) -> None:
    """Say so and end the process, without an exception: the compiler swallows it and goes on for a minute."""
    try:
        display.note("stopped before training began; nothing to save")
        display.close()
        sys.stdout.flush()
        sys.stderr.flush()
    finally:
        os._exit(EXIT_INTERRUPTED)
