"""The game server under load, on one machine together with what loads it: latencies, throughput, memory.

    python bench/server_load.py [--json] [--quick]

Every server is a process of its own, `strategos host`; the load is that of `strategos load`. `full/...`: a
hundred games of two on 20x20 at once, each agent as fast as it is answered (200 agents over gRPC).
`followed/...`: the same, with a consumer of all their experience. `sockets/...`: 1,000 idle WebSocket players
beside 100 who think 0.25 s. `soak/...`: the hundred games for ten minutes, and how fast the memory of the
server grew in the second half. `batch/...`: 10,000 games in one batch of the batch service. It takes 17
minutes; with --quick two and a half, one of them the soak's.
"""

from __future__ import annotations

import threading
import time
from collections import Counter
from typing import TYPE_CHECKING, Any

import numpy as np
from measurement import Options, parse_options, rates, report

if TYPE_CHECKING:
    from strategos.client.load.figures import Report
    from strategos.client.load.measure import Plan

BOARD = {"players": 2, "height": 20, "width": 20}
TICKS = 500
GAMES = 10_000
STEPS = 10


def measure_full_speed(options: Options) -> None:
    """`full/...`, one row each of several measurements of one server."""
    _rows(
        options, "full", _plan(agents=200, duration_s=8 if options.quick else 30), 1 if options.quick else 5
    )


def measure_followed(options: Options) -> None:
    """`followed/...`: the same once; this process takes and decodes all experience of it."""
    from strategos.client import Client
    from strategos.client.experiences import ExperienceStream
    from strategos.client.load.measure import measure
    from strategos.client.load.own_server import own_server
    from strategos.server.access.worker_key import FILE_NAME

    steps: Counter[tuple[str, int]] = Counter()

    def take(stream: ExperienceStream) -> None:
        for chunk in stream:
            steps[chunk.episode, chunk.seat] += len(chunk.actions)

    with own_server() as server, Client(server.grpc_address) as client:
        stream = ExperienceStream(client, (server.data / FILE_NAME).read_text().strip())
        taking = threading.Thread(target=take, args=(stream,))
        taking.start()
        found = measure(_plan(agents=200, duration_s=8 if options.quick else 60), server)
        stream.close()
        taking.join()
    p99_ms = 1e3 * found.figures.answer.percentile(99)
    report(options, "followed/answer p99", [p99_ms], "ms", target="under 100")
    report(options, "followed/actions", [found.rate(found.figures.actions)], "actions/s")
    report(options, "followed/experiences", [steps.total() / 1e3], "1000 steps")
    lost = stream.dropped_episodes / (len(steps) + stream.dropped_episodes)
    report(options, "followed/lost", [100 * lost], "% of episodes", target="below 1")


def measure_sockets(options: Options) -> None:
    """`sockets/...`: most only listen."""
    plan = _plan(agents=100, idle=1000, over="websocket", think_s=0.25, duration_s=8 if options.quick else 30)
    _rows(options, "sockets", plan, 1 if options.quick else 3)


def measure_soak(options: Options) -> None:
    """`soak/...`: the same once, for long."""
    from strategos.client.load.figures import slope_mb_per_minute

    reports = _rows(options, "soak", _plan(agents=200, duration_s=60 if options.quick else 600), 1)
    if len(reports[0].samples) > 2:
        slope = slope_mb_per_minute(reports[0].samples)
        report(options, "soak/memory slope", [slope], "MB/minute", target="flat")


def measure_batch(options: Options) -> None:
    """`batch/...`: actions of any kind in all games a call, with and without what the players see."""
    from strategos.client import Client
    from strategos.client.batches import RemoteBatch
    from strategos.client.load.own_server import own_server

    with own_server() as server, Client(server.grpc_address) as client:
        for name, wanted in (("steps", ()), ("views", ("views", "masks"))):
            batch = RemoteBatch(client, "generals", BOARD, num_games=GAMES, tick_limit=TICKS, wanted=wanted)
            number = batch.game.spec.num_actions
            actions = np.random.default_rng(1).integers(0, number, (GAMES, 2)).astype(np.int32)

            def steps(batch: RemoteBatch = batch, actions: np.ndarray = actions) -> float:
                for _ in range(STEPS):
                    batch.step(actions)
                return STEPS * GAMES / 1e3

            steps()
            report(options, f"batch/{name}", rates(steps, 2 if options.quick else 9), "1000 steps/s")
            sample = server.sample(time.perf_counter())
            if sample is not None:
                report(options, f"batch/memory of {name}", [sample.memory_bytes / 1e6], "MB")
            batch.close()


def _plan(**chosen: Any) -> Plan:
    from strategos.client.load.measure import Plan
    from strategos.client.load.seats import Kind

    return Plan(kind=Kind("generals", BOARD, TICKS), **chosen)


def _rows(options: Options, name: str, plan: Plan, repetitions: int) -> list[Report]:
    """Measure a server of one's own so many times, print what was found, and give the reports."""
    from strategos.client.load.figures import PERCENTILES
    from strategos.client.load.measure import measure
    from strategos.client.load.own_server import own_server

    with own_server() as server:
        reports = [measure(plan, server) for _ in range(repetitions)]
    for what in ("answer", "next_state"):
        latencies = [getattr(each.figures, what) for each in reports]
        if not all(map(len, latencies)):
            continue
        for percent in PERCENTILES:
            values = [1e3 * each.percentile(percent) for each in latencies]
            target = "under 100" if percent == 99 and what == "answer" else ""
            report(options, f"{name}/{what.replace('_', ' ')} p{percent}", values, "ms", target=target)
    report(options, f"{name}/actions", [each.rate(each.figures.actions) for each in reports], "actions/s")
    report(options, f"{name}/ticks", [each.rate(each.figures.ticks) for each in reports], "ticks/s")
    errors = [float(sum(each.figures.errors.values())) for each in reports]
    report(options, f"{name}/errors", errors, "", target="0")
    report(options, f"{name}/generator", [100 * each.busiest for each in reports], "% of a core")
    watched = [each.samples for each in reports if each.samples]
    if watched:
        report(options, f"{name}/memory", [samples[-1].memory_bytes / 1e6 for samples in watched], "MB")
    return reports


def main() -> None:
    options = parse_options(__doc__)
    measure_full_speed(options)
    measure_followed(options)
    measure_sockets(options)
    measure_soak(options)
    measure_batch(options)


if __name__ == "__main__":
    main()
