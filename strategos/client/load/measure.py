"""One measurement from its beginning to its end: processes that play, the server watched beside them.

Everything here is called from one thread; the processes are told and tell through pipes.
"""

from __future__ import annotations

import multiprocessing
import time
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess

from strategos.client.load.figures import Figures, Report, Sample
from strategos.client.load.own_server import OwnServer
from strategos.client.load.seats import Kind
from strategos.client.load.tls import Tls
from strategos.client.load.worker import GO, STOP, TOLD_EVERY_S, WARM_UP_S, Share, work

BEGINS_S = 600.0
"""For all seats, and for the server to compile the rules of a kind of game that it has not played before."""
_ENDS_S = 20.0


class LoadError(RuntimeError):
    """A measurement that cannot be made: why, in one line."""


@dataclass(frozen=True)
class Plan:
    """What is measured. `agents` and `idle` fill whole tables; each process has one of agents at least."""

    kind: Kind
    agents: int
    idle: int = 0
    over: str = "grpc"
    """grpc or websocket"""
    think_s: float = 0.0
    duration_s: float = 30.0
    processes: int = 1
    tls: Tls | None = None

    def shares(self, address: str) -> list[Share]:
        """The tables as evenly as they go among the processes."""

        def part(people: int, place: int) -> int:
            tables = people // self.kind.players
            return tables * (place + 1) // self.processes - tables * place // self.processes

        return [
            Share(
                address=address,
                over=self.over,
                kind=self.kind,
                tables=part(self.agents, place),
                idle_tables=part(self.idle, place),
                think_s=self.think_s,
                seed=place,
                tls=self.tls,
            )
            for place in range(self.processes)
        ]


def measure(
    plan: Plan,
    server: OwnServer | str,
    *,
    on_second: Callable[[Report], None] = lambda report: None,
) -> Report:
    """Play as `plan` says against a server of one's own, or the address of another, and tell what came of it.

    Ctrl-C (KeyboardInterrupt) while it is played ends it early, with the report of what was measured so far.
    `LoadError` where the players cannot sit down, `OwnServerError` where the server ends.
    """
    if isinstance(server, OwnServer):
        address, own = server.grpc_address if plan.over == "grpc" else server.http_address, server
    else:
        address, own = server, None
    with _Generator(plan.shares(address)) as generator:
        generator.sit_down(own)
        return generator.play(plan.duration_s, own, on_second)


class _Generator:
    """The processes of one measurement."""

    def __init__(self, shares: list[Share]) -> None:
        self._shares = shares
        self._processes: list[BaseProcess] = []
        self._pipes: list[Connection] = []
        self._figures: list[Figures | None] = [None] * len(shares)
        self._samples: list[Sample] = []

    def __enter__(self) -> _Generator:
        spawn = multiprocessing.get_context("spawn")  # a fork would not have gRPC's threads
        for share in self._shares:
            ours, theirs = spawn.Pipe()
            process = spawn.Process(target=work, args=(share, theirs), daemon=True)
            process.start()
            theirs.close()
            self._processes.append(process)
            self._pipes.append(ours)
        return self

    def __exit__(self, *_: object) -> None:
        for pipe in self._pipes:
            pipe.close()  # who hears nothing any more gives its seats back and ends
        for process in self._processes:
            process.join(_ENDS_S)
            if process.is_alive():
                process.kill()
                process.join()

    def sit_down(self, own: OwnServer | None) -> None:
        """Wait until all games have begun."""
        until, ready = time.monotonic() + BEGINS_S, 0
        while ready < len(self._pipes):
            if time.monotonic() > until:
                raise LoadError(f"the games had not begun after {BEGINS_S:.0f} s; see the server's log")
            if own is not None:
                own.require_running()
            for pipe in wait(self._pipes, timeout=TOLD_EVERY_S):
                self._read(pipe)  # type: ignore[arg-type]
                ready += 1

    def play(self, duration_s: float, own: OwnServer | None, on_second: Callable[[Report], None]) -> Report:
        """Let everybody play, and look at the server once a second."""
        try:
            self._tell(GO)
            time.sleep(WARM_UP_S)
            begun_at = time.monotonic()
            shown = 0
            while (at_s := time.monotonic() - begun_at) < duration_s:
                if at_s >= shown:
                    shown += 1
                    self._look(own, at_s)
                    if all(self._figures):
                        on_second(self._report())
                for pipe in wait(self._pipes, timeout=max(0.0, min(shown, duration_s) - at_s)):
                    self._read(pipe)  # type: ignore[arg-type]
            self._look(own, at_s)
        except KeyboardInterrupt:
            if not all(self._figures):
                raise  # there is nothing to tell yet
        self._tell(STOP)
        for place, pipe in enumerate(self._pipes):
            while not pipe.closed and pipe.poll(_ENDS_S):
                try:
                    _, figures = pipe.recv()
                except (EOFError, OSError):
                    break
                self._figures[place] = figures
        return self._report()

    def _tell(self, word: str) -> None:
        for pipe in self._pipes:
            pipe.send(word)

    def _read(self, pipe: Connection) -> None:
        try:
            word, said = pipe.recv()
        except (EOFError, OSError):
            raise LoadError("a process of the load generator has failed; its error stands above") from None
        if word == "failed":
            raise LoadError(f"the players cannot sit down: {said}")
        if word == "figures":
            self._figures[self._pipes.index(pipe)] = said

    def _look(self, own: OwnServer | None, at_s: float) -> None:
        if own is None:
            return
        own.require_running()
        sample = own.sample(at_s)
        if sample is not None:
            self._samples.append(sample)

    def _report(self) -> Report:
        merged = Figures()
        told = [figures for figures in self._figures if figures is not None]
        for figures in told:
            merged.merge(figures)
        busiest = max(figures.cpu_s / max(1e-9, figures.seconds) for figures in told)
        return Report(merged, busiest, tuple(self._samples))
