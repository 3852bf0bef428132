"""The command line: finds the command, loads only that one, turns mistakes into one clear line.

Nothing heavy may be imported here: `strategos --help` answers before torch could even load.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from types import FrameType

from strategos import __version__
from strategos.commands.arguments import InputError
from strategos.spelling import nearest

COMMANDS = {
    "train": "train an agent by self-play, then show how strong it became",
    "resume": "go on with a run that was stopped",
    "evaluate": "measure an agent against the scripted bots",
    "watch": "judge every new checkpoint of a run while it trains",
    "probe": "train an exploiter against an agent: what does it win?",
    "gate": "test whether an agent is better than another, for CI",
    "tournament": "let agents play each other and rate them",
    "play": "play against a bot or an agent in the terminal",
    "host": "serve games for people in a browser and for programs",
    "load": "play many games at once on a server, and measure it",
    "export": "write an agent as an ONNX file",
    "bot": "be a program of the line protocol for the runners of others",
    "package": "write an agent as a submission to the generals.bot ladder",
    "replay": "watch a game, or write it as a page or a table",
    "bench": "measure how fast Strategos is on this machine",
    "doctor": "what is installed, how fast this machine is, what it can train",
}
EXIT_INPUT = 2
EXIT_UNEXPECTED = 70
"""EX_SOFTWARE of sysexits.h: no command says anything by it."""
EXIT_INTERRUPTED = 130


def overview() -> str:
    """The text of `strategos --help`; fits a terminal of 24 lines and 80 columns."""
    width = max(map(len, COMMANDS))
    lines = [f"  {name:<{width}}  {what}" for name, what in COMMANDS.items()]
    return "\n".join(
        [
            "Strategos: self-play reinforcement learning for games with hidden information",
            "",
            "usage: strategos COMMAND [options]      strategos COMMAND --help",
            "",
            *lines,
            "",
            "An agent is a bot (hunter, heuristic, mcts-100 ...), a run, a checkpoint,",
            "an ONNX file or any program (./bot.py, 'cmd:java -jar bot.jar').",
            "Most commands take --json for machines. STRATEGOS_DEBUG=1 shows full traces.",
        ]
    )


def main(arguments: list[str] | None = None) -> int:
    """Run one command; the exit code is the command's own (0; of a gate its decision), 2 for a mistake in the
    input, 70 for a fault of Strategos itself, 130 after Ctrl-C."""
    stops: list[int] = []
    try:
        with _noticing(stops):
            try:
                return _run(sys.argv[1:] if arguments is None else arguments)
            finally:
                sys.stdout.flush()  # a closed pipe is told here, and not after the end
    except InputError as mistake:
        if os.environ.get("STRATEGOS_DEBUG"):
            traceback.print_exc()
        print(f"strategos: {mistake}", file=sys.stderr)
        return EXIT_INPUT
    except BrokenPipeError:  # the reader, `head` perhaps, has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except (KeyboardInterrupt, Exception) as error:
        if not stops and not isinstance(error, KeyboardInterrupt):
            traceback.print_exc()
            return EXIT_UNEXPECTED
        print("strategos: stopped", file=sys.stderr)
        return EXIT_INTERRUPTED


@contextmanager
def _noticing(stops: list[int]) -> Iterator[None]:
    """Enter each Ctrl-C into `stops`: Numba swallows one that comes while it compiles, and fails later."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def stop(number: int, frame: FrameType | None) -> None:
        stops.append(number)
        raise KeyboardInterrupt

    def unraisable(found: sys.UnraisableHookArgs) -> None:
        if not issubclass(found.exc_type, KeyboardInterrupt):
            sys.__unraisablehook__(found)

    handler, hook = signal.signal(signal.SIGINT, stop), sys.unraisablehook
    sys.unraisablehook = unraisable
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, handler)
        sys.unraisablehook = hook


def _run(arguments: list[str]) -> int:
    """The exit code of what was asked for; `InputError` for no such command."""
    name = arguments[0] if arguments else "help"
    if name in ("-h", "--help", "help"):
        print(overview())
        return 0
    if name in ("-V", "--version"):
        print(f"strategos {__version__}")
        return 0
    if name not in COMMANDS:
        kind = "option" if name.startswith("-") else "command"
        hint = nearest(name, COMMANDS, then="see strategos --help for all commands")
        raise InputError(f"no {kind} {name!r}{hint}")
    return import_module(f"strategos.commands.{name}").run(arguments[1:]) or 0


if __name__ == "__main__":
    sys.exit(main())
