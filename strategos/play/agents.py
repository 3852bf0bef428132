"""Whoever can play, by name: a scripted bot, a checkpoint folder, a run folder, an ONNX file, any program."""

from __future__ import annotations

import hashlib
import os
import re
import shlex
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

from strategos.play.bots import BOTS
from strategos.play.checkpoint_files import META_FILE, WEIGHTS_FILE, checked_bytes, named_game, read_meta
from strategos.play.policy import Policy, PolicyError
from strategos.play.program import Limits, Program
from strategos.spelling import nearest

if TYPE_CHECKING:
    import torch

RUNS_FOLDER = Path("runs")
ONNX_SUFFIX = ".onnx"
COMMAND_PREFIX = "cmd:"
"""Begins the name of a program that is a whole command line."""
RUN_SCRIPT = "run.sh"
"""What is started in a folder that holds a program."""


def load_policy(
    source: str | Path,
    *,
    temperature: float = 1.0,
    device: str = "cpu",
    symmetries: bool = True,
    limits: Limits | None = None,
) -> Policy:
    """The player called `source`: a bot's name, a checkpoint or a run (see `find_checkpoint`), an ONNX file
    (played on the CPU), or a program (see `find_program`), which `limits` fence.

    An agent for Generals looks at a board from all sides (`symmetries`): stronger, at eight times the price.
    Raises `PolicyError`.
    """
    name = str(source)
    if name in BOTS:
        return BOTS[name]()
    if is_bot(name):
        return load_search_bot(name)
    if name.endswith(ONNX_SUFFIX):
        from strategos.play.onnx import load_onnx_policy

        return load_onnx_policy(Path(source), temperature=temperature, symmetries=symmetries)
    program = find_program(source, limits)
    if program is not None:
        return program
    folder = find_checkpoint(source)
    return load_network_policy(folder, temperature=temperature, device=device, symmetries=symmetries)


def is_bot(name: str) -> bool:
    """Whether `name` is that of a scripted bot, or of a search without a network."""
    return name in BOTS or re.fullmatch(r"mcts-\d+", name) is not None


def load_search_bot(name: str) -> Policy:
    """The player called `mcts-N`, of N simulations a move; `PolicyError` for another N."""
    from strategos.play.search_bots import MctsBot

    simulations = int(name.removeprefix("mcts-"))
    if not 1 <= simulations <= 1_000_000:
        raise PolicyError(f"no player {name!r}: a move takes 1 to 1000000 simulations, as in mcts-100")
    return MctsBot(simulations)


def find_program(source: str | Path, limits: Limits | None = None) -> Program | None:
    """The program that `source` names, None where it names something else.

    A program is a file that can be executed, a folder with a `run.sh`, both started in their own folder,
    or `cmd:` and a command line, started here. The first two are what a ladder takes, and have no network;
    a command line is the user's own, and has one. `PolicyError` for one that cannot be started.
    """
    name = str(source)
    if name.startswith(COMMAND_PREFIX):
        return _command_program(name.removeprefix(COMMAND_PREFIX), limits)
    path = Path(source) / RUN_SCRIPT if (Path(source) / RUN_SCRIPT).is_file() else Path(source)
    if not path.is_file():
        return None
    if not os.access(path, os.X_OK):
        raise PolicyError(
            f"{path} is not executable: make it so with chmod +x {path}, or name the program that runs it, "
            f"as in 'cmd:python3 {path}'"
        )
    return Program(
        [str(path.resolve())], path.resolve().parent, name=Path(source).name or name, limits=limits
    )


def _command_program(line: str, limits: Limits | None) -> Program:
    try:
        command = shlex.split(line)
    except ValueError as error:
        raise PolicyError(f"the command {line!r} cannot be read: {error}") from None
    if not command:
        raise PolicyError(f"after {COMMAND_PREFIX} comes a command line, as in 'cmd:python3 bot.py'")
    if shutil.which(command[0]) is None:
        raise PolicyError(f"there is no program {command[0]!r} to run for {COMMAND_PREFIX}{line}")
    return Program(command, Path.cwd(), name=line, limits=limits or Limits(network=True))


def game_of(source: str | Path) -> str | None:
    """The game that a player says it plays, None where it says nothing; `PolicyError` for no such player."""
    name = str(source)
    if is_bot(name):
        return getattr(BOTS.get(name), "game", None)
    if name.endswith(ONNX_SUFFIX):
        from strategos.play.onnx import OnnxNetwork

        meta = OnnxNetwork(Path(source)).about
    elif find_program(source) is not None:
        return Program.game
    else:
        meta = read_meta(find_checkpoint(source))
    return named_game(meta) or _game_read_by(meta["network"].get("kind"))


def _game_read_by(kind: str | None) -> str | None:
    """The one game that networks of a kind play; None where there are several, or none."""
    from strategos.play.network import NETWORKS

    games = [game for game, each in NETWORKS.items() if each == kind]
    return games[0] if len(games) == 1 else None


def find_checkpoint(source: str | Path) -> Path:
    """The checkpoint folder that `source` means; `PolicyError` where there is none.

    Of a run it is the best one, or what stands after an `@`: `quick@best`, `quick@latest`, or the one after
    so many samples, `quick@1310720`.
    """
    name, which = _split_run(str(source))
    places = [Path(name)] + ([RUNS_FOLDER / name] if Path(name).parent == Path() else [])
    for place in places:
        if (place / META_FILE).is_file():
            if which is not None:
                raise PolicyError(f"{place} is a checkpoint; leave out @{which}, which chooses one of a run")
            return place
        if (place / "checkpoints").is_dir():
            return _checkpoint_of_run(place, "best" if which is None else which)
        if place.is_dir():
            raise PolicyError(f"{place} is neither a run nor a checkpoint: it has no {META_FILE} in it")
    known = [*BOTS, *(each.name for each in RUNS_FOLDER.glob("*") if (each / "checkpoints").is_dir())]
    hint = nearest(name, known) or f"; there are {', '.join(known)}, or give a folder"
    raise PolicyError(f"no player {str(source)!r}{hint}")


def _split_run(source: str) -> tuple[str, str | None]:
    """The folder and what is said after the last `@`; a folder may have an `@` in its own name."""
    if Path(source).exists() or (RUNS_FOLDER / source).exists() or "@" not in source:
        return source, None
    name, _, which = source.rpartition("@")
    return name, which


def _checkpoint_of_run(run: Path, which: str) -> Path:
    steps = _steps_of_run(run)
    if which == "best" and (run / "best" / META_FILE).is_file():
        return (run / "best").resolve()
    if not steps:
        raise PolicyError(f"the run {run} has no checkpoint yet; let it train for longer")
    if which in ("best", "latest"):
        return steps[max(steps)]
    if not re.fullmatch(r"[0-9][0-9_]*", which) or int(which) not in steps:
        kept = ", ".join(str(step) for step in list(steps)[-8:])
        raise PolicyError(
            f"no checkpoint {which!r} of the run {run}; after the @ comes best, latest, or the "
            f"samples of one that is kept: {kept}"
        )
    return steps[int(which)]


def _steps_of_run(run: Path) -> dict[int, Path]:
    """The checkpoints of a run by their samples; listed again where all of them were pruned meanwhile."""
    listed: dict[int, Path] = {}
    while True:
        before, listed = (
            listed,
            {
                int(each.name.removeprefix("step-")): each
                for each in sorted((run / "checkpoints").glob("step-*"))
                if each.name.removeprefix("step-").isdecimal()
            },
        )
        steps = {step: each for step, each in listed.items() if (each / META_FILE).is_file()}
        if steps or listed == before:
            return steps


def find_weights(source: str | Path) -> Path | None:
    """The ONNX file or checkpoint folder that `source` plays with, None for bots and programs; `PolicyError`
    where there is no such player."""
    if is_bot(str(source)):
        return None
    if str(source).endswith(ONNX_SUFFIX):
        return Path(source)
    return find_checkpoint(source) if find_program(source) is None else None


def weights_hash(path: Path) -> str:
    """SHA-256 of an ONNX file, or what a checkpoint says of its weights, which loading compares."""
    if path.suffix == ONNX_SUFFIX:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    return str(read_meta(path)["files"].get(WEIGHTS_FILE))


def load_network(
    folder: Path, device: str = "cpu", *, bfloat16: bool = True
) -> tuple[torch.nn.Module, dict[str, Any]]:
    """The network of a checkpoint folder, ready to be asked, and its meta; `PolicyError` names the file that
    is damaged. With `bfloat16=False` it computes in float32 even where it was trained in less."""
    from safetensors import SafetensorError
    from safetensors.torch import load

    from strategos.play.network import build_network

    meta = read_meta(folder)
    content = checked_bytes(folder, WEIGHTS_FILE, meta)
    if not bfloat16 and meta["network"].get("kind") in ("grid", "cards"):
        meta["network"]["bfloat16"] = False
    try:
        network = build_network(meta["network"])
        network.load_state_dict(load(content))
    except (SafetensorError, RuntimeError, ValueError) as error:
        raise PolicyError(f"{folder / WEIGHTS_FILE} does not fit its own {META_FILE}: {error}") from None
    return network.to(device).eval(), meta


def load_network_policy(
    folder: Path, *, temperature: float = 1.0, device: str = "cpu", symmetries: bool = True
) -> Policy:
    """The agent of a checkpoint folder; `PolicyError` names the file that is damaged."""
    from strategos.nets.symmetric import SymmetricNet
    from strategos.play.network import NetworkPolicy, make_encoder, plane_set_of

    network, meta = load_network(folder, device)
    encode = make_encoder(plane_set_of(meta["network"]), device, meta["network"].get("bfloat16", False))
    name = f"{meta.get('run', folder.parent.parent.name)}@{meta.get('samples', 0)}"
    if symmetries and meta["network"]["kind"] == "grid":
        network = SymmetricNet(network)
    return NetworkPolicy(network, encode, name=name, temperature=temperature)
