"""`strategos resume`: go on with a run that was stopped, with the configuration it was begun with."""

from __future__ import annotations

from strategos.commands.arguments import InputError, Parser
from strategos.commands.train import add_report_options, learn, run_folder


def run(arguments: list[str]) -> int:
    """Go on to the end and report; a finished run is only measured again."""
    parser = Parser("resume", "Go on with a run that was stopped, with the configuration it was begun with.")
    parser.add_argument("run", help="a run folder, or its name in runs/")
    add_report_options(parser)
    options = parser.read(arguments)

    from pathlib import Path

    from strategos.train.checkpoint import RunError
    from strategos.train.loop import read_run_config

    folder = Path(options.run) if Path(options.run).is_dir() else run_folder(options.run)
    try:
        config = read_run_config(folder)
    except RunError as error:
        raise InputError(str(error)) from error
    return learn(config, folder, options)
