"""`strategos host`: one process with everything a game server needs. Ctrl-C tells the players and saves."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from pathlib import Path
from typing import TYPE_CHECKING, Any

from strategos.commands.arguments import InputError, Parser

if TYPE_CHECKING:
    from strategos.server.hall import Hall
    from strategos.server.settings import Settings

DESCRIPTION = (
    "Serve games: a page and the generals.io protocol over HTTP, programs over gRPC. Everything is kept in "
    "--data; start it again, and running games go on. Settings come from --settings FILE, the environment "
    "(STRATEGOS_HTTP_PORT=8000) and these options; SIGHUP reads them again."
)
_EXIT_FORCED = 1


def run(arguments: list[str]) -> int:
    """Serve until Ctrl-C or SIGTERM; a second one ends it at once."""
    parser = Parser("host", DESCRIPTION)
    parser.add_argument("--data", type=Path, help="folder of games, results and keys (host)")
    parser.add_argument("--settings", type=Path, metavar="FILE", help="a TOML file of settings")
    parser.add_argument("--host", help="address to listen on (127.0.0.1); 0.0.0.0 for all")
    parser.add_argument("--http-port", type=int, metavar="PORT", help="page and generals.io (8000)")
    parser.add_argument("--grpc-port", type=int, metavar="PORT", help="gRPC (8001)")
    parser.add_argument(
        "--agent", action="append", default=[], metavar="NAME=SOURCE", help="offer a run, checkpoint, ..."
    )
    parser.add_argument(
        "--stdio-bot", action="append", default=[], metavar="PROGRAM", help="offer a program (./run.sh)"
    )
    parser.add_argument("--log-json", action="store_true", default=None, help="logs as JSON lines")
    options = parser.read(arguments)
    try:
        import grpc  # noqa: F401
        import uvicorn  # noqa: F401
    except ImportError as error:
        raise InputError(
            f"host needs the server's packages ({error.name} is missing): pip install 'strategos[server]'"
        ) from None
    from strategos.play.agents import PolicyError
    from strategos.server.records.journal import JournalError
    from strategos.server.settings import SettingsError, load_settings
    from strategos.server.stdio import program_agents

    def read() -> Settings:
        chosen: dict[str, Any] = {
            name: getattr(options, name)
            for name in ("data", "host", "http_port", "grpc_port", "log_json")
            if getattr(options, name) is not None
        }
        settings = load_settings(options.settings, **chosen)
        named = dict(_named(each) for each in options.agent)
        programs = program_agents(options.stdio_bot, {*settings.agents, *named})
        return settings.model_copy(update={"agents": {**settings.agents, **named, **programs}})

    try:
        settings = read()
        _log_to_stderr(settings)
        return asyncio.run(_serve(settings, read))
    except (JournalError, SettingsError, PolicyError) as error:
        raise InputError(f"host: {error}") from None
    except OSError as error:
        reason = error.strerror or error
        raise InputError(f"host: {reason}; choose another --http-port or --grpc-port") from error


def _named(text: str) -> tuple[str, str]:
    """`NAME=SOURCE` of `--agent`."""
    name, equals, source = text.partition("=")
    if not equals or not name or not source or len(name) > 32:
        raise InputError(f"host: --agent is NAME=SOURCE, as in champion=runs/laptop, not {text!r}")
    return name, source


async def _serve(settings: Settings, read: Any) -> int:
    """Open the hall and its entrances; the exit code."""
    from strategos.server import grpc, web
    from strategos.server.hall import Hall

    listening = web.listen(settings)  # before anything is opened: a port that is taken is told at once
    hall = Hall(settings)
    try:
        await hall.start()
    except BaseException:
        listening.close()
        raise
    scheme = "https" if settings.tls_certificate else "http"
    port = listening.getsockname()[1]
    print(f"page         {scheme}://{_shown_host(settings.host)}:{port}/", flush=True)
    print(f"gRPC         {_shown_host(settings.host)}:{settings.grpc_port}", flush=True)
    print(f"games        {settings.data}; Ctrl-C stops, and the same command goes on", flush=True)
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()

    def stop() -> None:
        if stopping.is_set():
            os._exit(_EXIT_FORCED)  # the second signal: nothing is lost but the current ticks
        stopping.set()

    with contextlib.suppress(NotImplementedError):  # Windows has no signal handlers here; Ctrl-C still raises
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, stop)
        loop.add_signal_handler(signal.SIGHUP, _reload, hall, read)
    waiting = asyncio.create_task(stopping.wait())
    entrances = [
        asyncio.create_task(web.serve(hall, settings, listening)),
        asyncio.create_task(grpc.serve(hall, settings)),
    ]
    warming = asyncio.create_task(hall.warm_up())
    try:
        done, _ = await asyncio.wait({waiting, *entrances}, return_when=asyncio.FIRST_COMPLETED)
        for task in done - {waiting}:
            task.result()  # an entrance that could not open says why
        await hall.stop(hall.settings.grace_s)
    finally:
        for task in (waiting, warming, *entrances):
            task.cancel()
        await asyncio.gather(waiting, warming, *entrances, return_exceptions=True)
        await hall.stop()
    return 0


def _shown_host(host: str) -> str:
    """What a browser on this machine opens."""
    return "127.0.0.1" if host in ("0.0.0.0", "::") else f"[{host}]" if ":" in host else host


def _reload(hall: Hall, read: Any) -> None:
    """Take over new settings; what is wrong with them is logged, and the old ones stay."""
    import structlog

    log = structlog.get_logger("strategos.server")
    try:
        newer = read()
    except (ValueError, InputError) as error:
        log.error("the settings were not read again", error=str(error))
        return
    hall.reload(newer)
    _log_to_stderr(newer)
    log.info("the settings were read again")


def _log_to_stderr(settings: Settings) -> None:
    """Structured logs, lines for people or JSON for machines."""
    import logging
    import sys

    import structlog

    shown: Any = (
        structlog.processors.JSONRenderer()
        if settings.log_json
        else structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())
    )
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            shown,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(
            logging.getLevelNamesMapping()[settings.log_level.upper()]
        ),
        logger_factory=structlog.WriteLoggerFactory(sys.stderr),
        cache_logger_on_first_use=False,
    )
