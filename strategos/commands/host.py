"""`strategos host`: one process with everything a game server needs. Ctrl-C tells the players and saves."""

from __future__ import annotations

import asyncio
import contextlib
import gc
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
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")  # its own lines would stand between those of the log
    try:
        import grpc  # noqa: F401
        import uvicorn  # noqa: F401
    except ImportError as error:
        raise InputError(
            f"host needs the server's packages ({error.name} is missing): pip install 'strategos[server]'"
        ) from None
    from strategos.play.policy import PolicyError
    from strategos.server.logs import log_to_stderr
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
        log_to_stderr(settings)
        return asyncio.run(_serve(settings, read))
    except (JournalError, SettingsError, PolicyError) as error:
        raise InputError(f"host: {error}") from None
    except OSError as error:  # those of listening say what to do by themselves
        reason = f"{error.filename}: {error.strerror}" if error.filename else error
        raise InputError(f"host: {reason}") from error


def _named(text: str) -> tuple[str, str]:
    """`NAME=SOURCE` of `--agent`."""
    name, equals, source = text.partition("=")
    if not equals or not name or not source or len(name) > 32:
        raise InputError(f"host: --agent is NAME=SOURCE, as in champion=runs/laptop, not {text!r}")
    return name, source


async def _serve(settings: Settings, read: Any) -> int:
    """Open the hall and its entrances; the exit code."""
    from strategos.server import grpc, web
    from strategos.server.access.descriptors import allow_descriptors
    from strategos.server.hall import Hall

    hall = Hall(settings)  # before anything is opened: what TLS cannot be is told at once
    listening = web.listen(settings)
    allow_descriptors(settings)
    try:
        await hall.start()
    except BaseException:
        listening.close()
        raise
    scheme = "http" if hall.tls is None else "https"
    port = listening.getsockname()[1]
    print(f"page         {scheme}://{_shown_host(settings.host)}:{port}/", flush=True)

    def grpc_opened(port: int) -> None:
        print(f"gRPC         {_shown_host(settings.host)}:{port}", flush=True)
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
        asyncio.create_task(grpc.serve(hall, settings, grpc_opened)),
    ]
    warming = asyncio.create_task(_warm_up(hall))
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


async def _warm_up(hall: Hall) -> None:
    """Compile and load what games need, and leave it out of every later search for garbage: there are 140,000
    objects, and looking through them stopped all games for 0.14 s every ten seconds."""
    await hall.warm_up()
    gc.collect()
    gc.freeze()


def _shown_host(host: str) -> str:
    """What a browser on this machine opens."""
    return "127.0.0.1" if host in ("0.0.0.0", "::") else f"[{host}]" if ":" in host else host


def _reload(hall: Hall, read: Any) -> None:
    """Take over new settings; what is wrong with them is logged, and the old ones stay."""
    import structlog

    from strategos.server.access.descriptors import allow_descriptors
    from strategos.server.logs import log_to_stderr

    log = structlog.get_logger("strategos.server")
    try:
        newer = read()
    except (ValueError, InputError) as error:
        log.error("the settings were not read again", error=str(error))
        return
    more = newer.connections > hall.settings.connections
    hall.reload(newer)
    log_to_stderr(newer)
    if more:
        allow_descriptors(newer)
    log.info("the settings were read again")
    left = [name for name in type(newer).model_fields if getattr(newer, name) != getattr(hall.settings, name)]
    if left:
        log.warning("some settings change with a restart only", settings=left)
