"""`strategos load`: let many agents play on a server at once, and tell how long they waited."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from strategos.commands.arguments import (
    InputError,
    Parser,
    board_size,
    positive,
    refuse_options_of_others,
    seconds,
)

if TYPE_CHECKING:
    from strategos.client.load.figures import Report
    from strategos.client.load.measure import Plan
    from strategos.client.load.tls import Tls

DESCRIPTION = (
    "Measure how fast a server answers agents that play by chance. Exit code 1 if anything went wrong; "
    "Ctrl-C ends it with what was measured so far."
)
GAMES: dict[str, dict[str, Any]] = {
    "generals": {"players": 2},
    "blob": {"players": 3, "cards": 5, "rounds": "all"},
}
SIDE, SOCKET_THINK_S = 20, 0.1
EXIT_ERRORS = 1


def run(arguments: list[str]) -> int:
    """Measure and tell; 1 where a call was refused, a line broke or nothing was played."""
    parser = Parser("load", DESCRIPTION)
    parser.usage = "%(prog)s [options] [address]"  # or the help would not fit a screen
    parser.add_argument("address", nargs="?", help="host:port of a server; without it, one is started")
    parser.add_argument("--agents", type=positive, default=20, metavar="N", help="who play (20)")
    parser.add_argument("--idle", type=positive, default=0, metavar="N", help="who sit and only listen")
    parser.add_argument(
        "--game", choices=GAMES, default="generals", metavar="GAME", help="generals or blob (generals)"
    )
    parser.add_argument("--size", type=board_size, help=f"of the board of generals ({SIDE})")
    parser.add_argument("--ticks", type=positive, default=500, metavar="N", help="of a game at most (500)")
    parser.add_argument(
        "--think", type=seconds, metavar="S", help=f"before each move (0; websocket {SOCKET_THINK_S})"
    )
    parser.add_argument("--duration", type=seconds, default=30.0, metavar="S", help="measured for (30)")
    parser.add_argument(
        "--over",
        choices=("grpc", "websocket"),
        default="grpc",
        metavar="WAY",
        help="grpc or websocket (grpc)",
    )
    parser.add_argument(
        "--ca", type=Path, metavar="FILE", help="speak TLS; who signed the server's certificate"
    )
    parser.add_argument("--cert", type=Path, metavar="FILE", help="of the players, for a server that asks")
    parser.add_argument("--key", type=Path, metavar="FILE", help="of that certificate")
    parser.add_argument("--processes", type=positive, default=1, metavar="N", help="of the generator (1)")
    parser.add_argument("--quiet", action="store_true", help="no line each second")
    parser.add_argument("--json", action="store_true", help="one JSON object")
    options = parser.read(arguments)
    address = _address(options.address)
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")  # what it would write itself is told in one line
    try:
        import grpc  # noqa: F401
        import websockets  # noqa: F401
    except ImportError as error:
        raise InputError(
            f"load needs the server's packages ({error.name} is missing): pip install 'strategos[server]'"
        ) from None
    from strategos.client.load.measure import LoadError, measure
    from strategos.client.load.own_server import OwnServerError, own_server

    plan = _plan(options)
    show = _silent if options.quiet or options.json else _shown_each_second(plan)
    try:
        with own_server() if address is None else nullcontext(address) as server:
            report = measure(plan, server, on_second=show)
    except (LoadError, OwnServerError) as error:
        raise InputError(f"load: {error}") from None
    if options.json:
        print(json.dumps({**_described(plan), **report.as_json()}))
    else:
        print("\n".join([_headline(plan), *report.lines()]))
    return EXIT_ERRORS if report.failed else 0


def _address(text: str | None) -> str | None:
    """`host:port`, checked."""
    if text is None:
        return None
    try:
        parts = urlsplit(f"//{text}")
        good = parts.hostname and parts.port and parts.netloc == text and not parts.username
    except ValueError:
        good = False
    if not good:
        raise InputError(f"load: {text!r} is no address; it is host:port, such as localhost:8001")
    return text


def _plan(options: argparse.Namespace) -> Plan:
    """The measurement that is asked for; `InputError` where it cannot be."""
    from strategos.client.load.measure import Plan
    from strategos.client.load.seats import Kind
    from strategos.client.load.sockets import LEAST_THINK_S

    refuse_options_of_others(options, options.game, {"generals": ["size"]}, "leave it out, or choose {}")
    chosen = dict(GAMES[options.game])
    if options.game == "generals":
        chosen["height"], chosen["width"] = options.size or (SIDE, SIDE)
    players = chosen["players"]
    for name in ("agents", "idle"):
        if getattr(options, name) % players:
            raise InputError(
                f"load: --{name} must be a multiple of {players}: so many play a game of {options.game}"
            )
    if options.processes > options.agents // players:
        raise InputError(
            "load: there are fewer games than --processes; choose fewer processes or more agents"
        )
    if not options.duration:
        raise InputError("load: --duration must be more than 0 seconds")
    sockets = options.over == "websocket"
    think_s = options.think if options.think is not None else SOCKET_THINK_S if sockets else 0.0
    if sockets and think_s < LEAST_THINK_S:
        raise InputError(
            f"load: a server takes 50 messages a second of a WebSocket; --think {LEAST_THINK_S} or more"
        )
    return Plan(
        kind=Kind(options.game, chosen, options.ticks),
        agents=options.agents,
        idle=options.idle,
        over=options.over,
        think_s=think_s,
        duration_s=options.duration,
        processes=options.processes,
        tls=_tls(options),
    )


def _tls(options: argparse.Namespace) -> Tls | None:
    """The files that are given, tried; `InputError` for what cannot be."""
    from strategos.client.load.tls import Tls
    from strategos.server.settings import SettingsError

    if (options.cert is None) != (options.key is None):
        raise InputError("load: --cert and --key belong together; give both, or neither")
    if options.ca is None:
        if options.cert is not None:
            raise InputError("load: --cert is for TLS; say with --ca who signed the server's certificate")
        return None
    if options.address is None:
        raise InputError("load: --ca is for a server that speaks TLS; give its address, host:port")
    tls = Tls(options.ca, options.cert, options.key)
    try:
        tls.context()
    except SettingsError as error:
        raise InputError(f"load: {error}") from None
    return tls


def _described(plan: Plan) -> dict[str, Any]:
    return {
        "agents": plan.agents,
        "idle": plan.idle,
        "game": plan.kind.game,
        "options": dict(plan.kind.options),
        "ticks": plan.kind.tick_limit,
        "think_s": plan.think_s,
        "over": plan.over,
        "processes": plan.processes,
        "tls": plan.tls is not None,
    }


def _headline(plan: Plan) -> str:
    options = plan.kind.options
    board = f" {options['height']}x{options['width']}" if "height" in options else ""
    idle = f", {plan.idle:,} more are idle" if plan.idle else ""
    return (
        f"{plan.agents:,} agents in {plan.agents // plan.kind.players:,} games of {plan.kind.game}{board} "
        f"over {plan.over}{' with TLS' if plan.tls else ''}, thinking {plan.think_s:g} s{idle}"
    )


def _silent(_: Report) -> None:
    """No line each second."""


def _shown_each_second(plan: Plan) -> Callable[[Report], None]:
    """A line on the terminal that is written anew; elsewhere a line each second."""
    end = "" if sys.stderr.isatty() else "\n"
    print(_headline(plan) + "; sitting down", file=sys.stderr, flush=True)

    def show(report: Report) -> None:
        figures = report.figures
        latencies = figures.answer if len(figures.answer) else figures.next_state
        waits = " ".join(f"p{each} {1e3 * latencies.percentile(each):.1f}" for each in (50, 99))
        memory = f", server {report.samples[-1].memory_bytes / 1e6:,.0f} MB" if report.samples else ""
        errors = sum(figures.errors.values())
        text = (
            f"{figures.seconds:5.0f} s  {report.rate(figures.actions):,.0f} actions/s, {waits} ms, "
            f"{figures.games:,} games finished{memory}, {errors} errors"
        )
        start = "\r\033[K" if not end else ""
        print(f"{start}{text}", end=end, file=sys.stderr, flush=True)

    return show
