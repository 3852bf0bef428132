"""The gRPC entrance, a second: actions in batches, calls, moves of one seat, experiences to one consumer.

    python bench/server_grpc.py [--json] [--quick]

The server is a process of its own, the client is this one; both share the machine. `batch/...` plays actions
of any kind in 512 games a call (1,024 actions), with and without what the players see. `unary/...` asks for
the state of one seat. `moves/...` plays one seat against a bot, the ways in turns: with a call for each move,
with all moves on one stream, and as the steps of a `RemoteEnv`. `experience/...` streams recorded games, made
into chunks while they are streamed: to a consumer that keeps the bytes, and to one that makes arrays of them.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from statistics import median

import numpy as np
from measurement import Options, parse_options, rates, rates_in_turns, report

GAMES = 512
BOARD = {"height": 20, "width": 20}
RECORDS = 128
TICKS = 512


def serve(data: str, ports: multiprocessing.Queue) -> None:
    """The child process: a hall and its gRPC server, until it is killed."""
    import structlog

    from strategos.server.grpc.serving import GrpcServer
    from strategos.server.hall import Hall
    from strategos.server.settings import Settings

    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(40))

    async def run() -> None:
        settings = Settings(data=Path(data), grpc_port=0, runs=None, requests_per_second=1e9)
        async with Hall(settings) as hall:
            server = GrpcServer(hall, settings)
            await server.start()
            ports.put(server.port)
            await server.wait()

    asyncio.run(run())


def measure_batches(options: Options, address: str) -> None:
    """`batch/...`: actions a second, the engine's work included."""
    from strategos.client import Client
    from strategos.client.batches import RemoteBatch

    for name, wanted in (("actions", ()), ("views", ("views", "masks"))):
        with Client(address) as client:
            batch = RemoteBatch(client, "generals", BOARD, num_games=GAMES, tick_limit=1000, wanted=wanted)
            actions = _moves(batch.game.spec.num_actions)

            def steps(batch: RemoteBatch = batch, actions: np.ndarray = actions) -> float:
                for _ in range(50):
                    batch.step(actions)
                return 50 * GAMES * 2 / 1e6

            steps()
            values = rates(steps, 3 if options.quick else 15)
            report(options, f"batch/{name}", values, "M actions/s", target="0.95 M" if not wanted else "")
            batch.close()


def _moves(num_actions: int) -> np.ndarray:
    """Actions [GAMES, 2] of any kind; most are illegal, and each is looked at as any other."""
    return np.random.default_rng(1).integers(0, num_actions, (GAMES, 2)).astype(np.int32)


def measure_calls(options: Options, address: str) -> None:
    """`unary/...`: calls a second, one after the other, and from several threads."""
    from strategos.client import Client

    with Client(address) as client:
        seat = client.create("generals", BOARD, name="bench", agents={1: "random"}, private=True)
        while seat.state().phase != "running":
            time.sleep(0.1)

        def calls() -> float:
            for _ in range(300):
                seat.state()
            return 300

        def at_once() -> float:
            threads = [threading.Thread(target=calls) for _ in range(8)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            return 8 * 300

        repetitions = 3 if options.quick else 9
        report(options, "unary/one", rates(calls, repetitions), "calls/s")
        report(options, "unary/eight", rates(at_once, repetitions), "calls/s", target="4,000 to 6,000")


def measure_moves(options: Options, address: str) -> None:
    """`moves/...`: moves a second of one seat that waits for the bot's before its next one."""
    from strategos.client import Client, RemoteEnv, State
    from strategos.client.sync import Seat

    moves = 200

    def new_game(client: Client) -> Seat:
        return client.create(
            "generals", BOARD, name="bench", agents={1: "random"}, tick_limit=moves, private=True
        )

    def by_calls() -> float:
        seat = new_game(client)
        return sum(1 for state in seat.states() if seat.act(_first(state.legal), tick=state.tick))

    def on_a_stream() -> float:
        moved = -1
        with new_game(client).play() as game:
            for update in game:
                if isinstance(update, State) and update.my_turn and update.tick > moved:
                    moved = update.tick
                    game.act(_first(update.legal), tick=moved)
        return moved + 1

    def of_an_environment() -> float:
        _, info = env.reset()
        while "replay" not in info:
            *_, info = env.step(_first(info["action_mask"]))
        return info["tick"]

    with Client(address) as client:
        env = RemoteEnv(address, "generals", BOARD, opponents={1: "random"}, tick_limit=moves, client=client)
        works = {"calls": by_calls, "stream": on_a_stream, "environment": of_an_environment}
        rates_in_turns(works, 1)
        measured = rates_in_turns(works, 4 if options.quick else 15)
        calls = measured.pop("calls")
        report(options, "moves/calls", calls, "moves/s")
        for name, values in measured.items():
            ratio = median(values) / median(calls)
            report(options, f"moves/{name}", values, "moves/s", peer="moves/calls", ratio=ratio)
        env.close()


def _first(legal: np.ndarray) -> int:
    return int(legal.argmax())


def measure_experience(options: Options, address: str, key: str) -> None:
    """`experience/...`: steps a second out of records, as bytes and as arrays, and bytes of a step."""
    from strategos.client import Client
    from strategos.client.experiences import ExperienceStream
    from strategos.server.experience.chunks import decode_chunk

    def stream(client: Client) -> Iterator[list[bytes]]:
        return ExperienceStream(client, key, history=True, follow=False, credits=8192).batches()

    with Client(address) as client:
        chunks = [data for batch in stream(client) for data in batch]
        steps = sum(decode_chunk(data).steps for data in chunks)

        def taken() -> float:
            assert sum(map(len, stream(client))) == len(chunks)
            return steps

        def decoded() -> float:
            assert sum(decode_chunk(data).steps for batch in stream(client) for data in batch) == steps
            return steps

        repetitions = 3 if options.quick else 9
        report(options, "experience/history", rates(taken, repetitions), "steps/s", target="200,000")
        report(options, "experience/decoded", rates(decoded, repetitions), "steps/s")
    report(options, "experience/size", [sum(map(len, chunks)) / steps], "bytes a step")


def write_games(data: Path) -> None:
    """Recorded games for the history: two players who expand, 512 ticks each."""
    from strategos.games import make_game
    from strategos.play.agents import load_policy
    from strategos.play.match import play_match
    from strategos.play.record import match_records
    from strategos.server.hall import Hall
    from strategos.server.settings import Settings

    game = make_game("generals", **BOARD)
    bots = [load_policy("expander"), load_policy("random")]
    match = play_match(game, bots, num_games=RECORDS, seed=1, tick_limit=TICKS, record=True)

    async def report_all() -> None:
        async with Hall(Settings(data=data, runs=None)) as hall:
            for record in match_records(game, match):
                await hall.report(record)

    asyncio.run(report_all())


def main() -> None:
    options = parse_options(__doc__)
    with tempfile.TemporaryDirectory() as folder:
        write_games(Path(folder))
        spawn = multiprocessing.get_context("spawn")
        ports = spawn.Queue()
        child = spawn.Process(target=serve, args=(folder, ports), daemon=True)
        child.start()
        try:
            address = f"127.0.0.1:{ports.get(timeout=120)}"
            measure_batches(options, address)
            measure_calls(options, address)
            measure_moves(options, address)
            measure_experience(options, address, (Path(folder) / "worker.key").read_text().strip())
        finally:
            child.terminate()
            child.join(20)


if __name__ == "__main__":
    main()
