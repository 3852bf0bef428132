"""Programs of the line protocol as agents of the server: `strategos host --stdio-bot ./run.sh`.

Only the operator names programs, when the server starts: what people and bots choose among are the names that
come out of here. How a program is run, asked in time and ended is the business of `play/program.py`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

from strategos.play.agents import COMMAND_PREFIX, RUN_SCRIPT, find_program, is_bot
from strategos.play.policy import PolicyError

_LONGEST_NAME = 32


def program_agents(programs: Iterable[str], taken: Iterable[str] = ()) -> dict[str, str]:
    """Name and source of each of `programs`, for `Settings.agents`; no name is among `taken` ones.

    A program is what `find_program` finds: an executable file, a folder with a `run.sh`, or `cmd:` and a
    command line. `PolicyError` for one that is not there or cannot be started.
    """
    agents: dict[str, str] = {}
    used = set(taken)
    for source in programs:
        if find_program(source) is None:
            raise PolicyError(
                f"{source!r} is no program: give an executable file, a folder with a {RUN_SCRIPT} in it, or "
                f"'{COMMAND_PREFIX}' and a command line"
            )
        name = plain = _name_of(source)
        number = 2
        while name in used or name in agents or is_bot(name):
            name, number = f"{plain}-{number}", number + 1
        agents[name] = source if source.startswith(COMMAND_PREFIX) else str(Path(source).resolve())
    return agents


def _name_of(source: str) -> str:
    """What people call a program: its folder where that holds a `run.sh`, else its file without ending."""
    if source.startswith(COMMAND_PREFIX):
        words = source.removeprefix(COMMAND_PREFIX).split()
        name = Path(next((word for word in reversed(words) if not word.startswith("-")), words[0])).stem
    else:
        path = Path(source).resolve()
        name = path.parent.name if path.name == RUN_SCRIPT else path.stem if path.is_file() else path.name
    return re.sub(r"[^A-Za-z0-9_.-]+", "-", name).strip("-.")[:_LONGEST_NAME] or "program"
