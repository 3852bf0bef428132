"""`strategos train`: learn by self-play, then measure the agent and write the report.

Every key of the configuration is an option: `--samples 1_000_000 --ppo.learning-rate 1e-3`.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from strategos.commands.arguments import InputError, Parser, positive, reading
from strategos.spelling import nearest

DESCRIPTION = (
    "Train an agent by self-play, then measure it and write a report. Ctrl-C stops and saves; the same "
    "command goes on. Every key of the configuration is an option, for example --samples 1_000_000 or "
    "--ppo.clip 0.1; --keys lists them all."
)


def run(arguments: list[str]) -> int:
    """Train, report, and say how to play against the agent; 130 after Ctrl-C."""
    parser = Parser("train", DESCRIPTION)
    parser.add_argument("--preset", help="quick (ten minutes), laptop (an evening), gpu; blob-quick")
    parser.add_argument("--config", type=Path, metavar="FILE", help="a TOML file instead of a preset")
    parser.add_argument("--run", metavar="NAME", help="folder in runs/ (the preset's name)")
    parser.add_argument("--keys", action="store_true", help="list every key of the configuration and stop")
    add_report_options(parser)
    options, rest = parser.parse_known_args(arguments)
    from strategos.train import config_files

    if options.keys:
        from strategos.commands.configuration import keys_text

        print(keys_text())
        return 0
    if options.preset and options.config:
        raise InputError("train: give --preset or --config, not both")
    source = options.config or options.preset or "quick"
    with reading():
        if options.preset and options.preset not in config_files.preset_names():
            known = config_files.preset_names()
            hint = nearest(options.preset, known, then="there are " + ", ".join(known))
            raise InputError(f"train: no preset {options.preset!r}{hint}")
        chosen = config_files.load_config(source, list(_overrides(rest, parser)))
    name = options.run or (options.config.stem if options.config else options.preset or "quick")
    return learn(chosen, run_folder(name), options)


def add_report_options(parser: argparse.ArgumentParser) -> None:
    """The options that `train` and `resume` share."""
    parser.add_argument("--json", action="store_true", help="every row of metrics and results as JSON lines")
    parser.add_argument("--quiet", action="store_true", help="show the result only")
    parser.add_argument("--games", type=positive, default=512, help="of the final matches, even (512)")
    parser.add_argument("--no-report", action="store_true", help="do not measure the agent at the end")


def run_folder(name: str) -> Path:
    """`runs/NAME`, or `name` itself where it is a path."""
    return Path(name) if "/" in name else Path("runs") / name


def learn(config, run_dir: Path, options: argparse.Namespace) -> int:
    """Train `config` in `run_dir`, going on where it stopped, and report."""
    from strategos.train.loop import train

    if options.games % 2:
        raise InputError(f"--games must be even (boards are played from both seats), not {options.games}")
    with refusals(run_dir):
        summary = train(config, run_dir, as_json=options.json, quiet=options.quiet, may_exit=True)
    if summary.ended == "interrupted":
        return 130  # the loop has said how to go on
    if not options.no_report:
        show_report(run_dir, options)
    return 0


@contextmanager
def refusals(run_dir: Path) -> Iterator[None]:
    """What training refuses (a folder, a board, a bot) and a full disk are the user's to change: one line."""
    from strategos.play.policy import PolicyError
    from strategos.train.checkpoint import RunError
    from strategos.train.config import ConfigError

    try:
        yield
    except (RunError, ConfigError, PolicyError) as error:
        raise InputError(str(error)) from error
    except BrokenPipeError:
        raise
    except OSError as error:
        what = f"{run_dir} cannot be written ({error.strerror or error})"
        raise InputError(
            f"{what}; make room, and the same command goes on from the last checkpoint"
        ) from error


def show_report(run_dir: Path, options: argparse.Namespace) -> None:
    """Play the final matches, write the report and print the table."""
    from rich.console import Console
    from rich.markup import escape

    from strategos.commands import tables
    from strategos.evaluate.run_report import report_run

    console = Console(quiet=options.json, highlight=False)
    with console.status("final matches") as status, reading():

        def tell(rung) -> None:
            status.update(escape(f"final matches: {rung.summary}"))

        found = report_run(run_dir, games=options.games, on_rung=tell)
    if options.json:
        results = [rung.as_json() for rung in found.rungs]
        results += [contest.as_json() for contest in found.contests]
        ratings = found.standings.as_json() if found.standings else None
        print(json.dumps({"report": str(found.report), "results": results, "standings": ratings}))
        return
    if found.rungs:
        tables.show(console, tables.rungs_table(found.rungs), found.rungs)
    if found.contests:
        tables.show(console, tables.contests_table(found.contests), found.contests)
    if found.standings:
        console.print(tables.ratings_table(found.standings))
    if found.rungs or found.contests:
        command = escape(f"strategos play {run_dir}")
        console.print(f"play against it:              [b]{command}[/b]", soft_wrap=True)
    what = "report with a game to watch: " if found.rungs else "report with the curves:      "
    what = "report with a round to read: " if found.contests else what
    console.print(f"{what} [b]{escape(str(found.report))}[/b]", soft_wrap=True)


def _overrides(words: list[str], parser: Parser) -> Iterator[str]:
    """`--ppo.learning-rate 1e-3` or `--ppo.learning-rate=1e-3` as `ppo.learning_rate=1e-3`."""
    rest = iter(words)
    for word in rest:
        if not word.startswith("--"):
            raise InputError(f"train: {word!r} belongs to no option; write --key value")
        key, equals, value = word[2:].partition("=")
        value = value if equals else next(rest, "--")
        if not equals and value.startswith("--"):
            known = [name for action in parser._actions for name in action.option_strings]
            hint = nearest(word, known, 0.8, then="see strategos train --keys for all keys")
            raise InputError(f"train: {word} needs a value{hint}")
        yield f"{key.replace('-', '_')}={value}"
