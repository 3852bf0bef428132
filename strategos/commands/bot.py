"""`strategos bot`: an agent as a program for runners of others, by the line protocol on standard input."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from strategos.commands.arguments import InputError, Parser, positive, reading, seed, temperature

if TYPE_CHECKING:
    from strategos.play.policy import Policy


def run(arguments: list[str]) -> int:
    """Play the game on standard input to its end, or with `--check` tell how long a move takes."""
    parser = Parser(
        "bot",
        "Be a program of the generals.bot line protocol (docs/programs.md): read a game of two players "
        "from standard input, answer each frame on standard output.",
    )
    parser.add_argument("agent", help="a bot, run, checkpoint or ONNX file that plays Generals")
    parser.add_argument("--temperature", type=temperature, default=1.0, metavar="T", help="0 greedy (1)")
    parser.add_argument(
        "--one-side", action="store_true", help="do not look from all sides of a board: faster"
    )
    parser.add_argument("--no-builds", action="store_true", help="the game has no builds (competition has)")
    parser.add_argument("--seed", type=seed, help="of its choices (another one each time)")
    parser.add_argument("--check", action="store_true", help="play a game as the ladder would and time it")
    parser.add_argument("--ticks", type=positive, default=60, help="of the game of --check (60)")
    parser.add_argument("--size", type=positive, default=21, help="of the board of --check (21)")
    options = parser.read(arguments)

    if not options.agent.startswith("mcts-") and not options.check and "numba" not in sys.modules:
        # One board a move is little enough for plain Python, and the first move must not wait for a compiler.
        os.environ.setdefault("NUMBA_DISABLE_JIT", "1")
    from strategos.play.agents import game_of

    with reading():
        game = game_of(options.agent)
    if game not in (None, "generals"):
        raise InputError(
            f"bot: {options.agent} plays {game}; the line protocol is for Generals of two players"
        )
    return _check(options, arguments) if options.check else _play(options)


def _play(options: argparse.Namespace) -> int:
    import numpy as np
    import torch

    from strategos.play.agents import load_policy
    from strategos.play.line_player import LinePlayer, play_lines
    from strategos.play.line_protocol import Greeting

    torch.set_num_threads(1)  # others' runners give a program one core
    with reading():
        policy = load_policy(options.agent, temperature=options.temperature, symmetries=not options.one_side)
    builds = not options.no_builds and _knows_builds(policy)

    def sit_down(greeting: Greeting) -> LinePlayer:
        return LinePlayer(policy, greeting, builds=builds, rng=np.random.default_rng(options.seed))

    with reading("the game on standard input"):
        play_lines(sit_down, sys.stdin.buffer, sys.stdout.buffer)
    return 0


def _knows_builds(policy: Policy) -> bool:
    """Whether a policy knows the actions of a ruleset with builds; a script takes what the mask has."""
    network = getattr(policy, "network", None)
    if network is None:
        return True
    network = getattr(network, "inner", network)
    described = vars(network.config) if hasattr(network, "config") else network.about["network"]
    return bool(described.get("builds"))


def _check(options: argparse.Namespace, arguments: list[str]) -> int:
    """Play one game against this very command and print what it took of its time."""
    from strategos.play.bots import ExpanderBot
    from strategos.play.program import Program
    from strategos.play.time_trial import time_trial

    command = [sys.executable, "-m", "strategos.cli", "bot"]
    command += [word for word in arguments if word != "--check"]
    program = Program(command, Path.cwd(), name="bot")
    trial = time_trial(program, ExpanderBot(), ticks=options.ticks, side=options.size)
    if trial.faults or trial.forfeit:
        raise InputError(
            f"bot: {trial.faults} faults, {trial.forfeit or 'no forfeit'}: {trial}; the ladder waits 10 s "
            "for the first and 150 ms for each other; try --one-side, fewer simulations, or an idle machine"
        )
    print(f"in time on one core: {trial}")
    return 0
