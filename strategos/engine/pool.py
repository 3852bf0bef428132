"""A small pool of threads that runs one function over the slices of a batch.

Kernels release the interpreter lock, so plain threads scale; which thread takes which slice never
changes a result. Survives `fork`: the threads are made anew in the child.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from queue import SimpleQueue


def available_cores() -> int:
    """Cores that this process may run on."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


class Pool:
    """`threads` threads, the caller's own among them."""

    def __init__(self, threads: int | None = None) -> None:
        if threads is not None and threads < 1:
            raise ValueError(f"threads must be at least 1, not {threads}")
        self.threads = threads or available_cores()
        self._start()

    def _start(self) -> None:
        self._process = os.getpid()
        self._tasks: SimpleQueue = SimpleQueue()
        self._done: SimpleQueue = SimpleQueue()
        for _ in range(self.threads - 1):
            worker = threading.Thread(target=_work, args=(self._tasks, self._done), daemon=True)
            worker.start()

    def run(self, function: Callable[[int, int], None], count: int, least: int = 32) -> None:
        """Call `function(first, last)` over [0, count) in one slice per thread, none under `least` long.

        Returns when all slices are done; the first error of any slice is raised.
        """
        if self._process != os.getpid():
            self._start()
        slices = max(1, min(self.threads, count // least))
        if slices == 1:
            function(0, count)
            return
        bounds = [count * index // slices for index in range(slices + 1)]
        for index in range(1, slices):
            self._tasks.put((function, bounds[index], bounds[index + 1]))
        error: BaseException | None = None
        try:
            function(0, bounds[1])
        except BaseException as raised:  # the other slices must end before the caller goes on
            error = raised
        left = slices - 1
        while left:  # all of them, even if Ctrl-C comes while waiting
            try:
                error = self._done.get() or error
                left -= 1
            except KeyboardInterrupt as raised:
                error = raised
        if error is not None:
            raise error

    def close(self) -> None:
        """End the threads."""
        if self._process == os.getpid():
            for _ in range(self.threads - 1):
                self._tasks.put(None)

    def __del__(self) -> None:
        if hasattr(self, "_tasks"):
            self.close()


def _work(tasks: SimpleQueue, done: SimpleQueue) -> None:
    while (task := tasks.get()) is not None:
        function, first, last = task
        try:
            function(first, last)
            done.put(None)
        except BaseException as raised:
            done.put(raised)
        del task, function
