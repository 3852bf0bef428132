"""Whoever can play, by name: a scripted bot, a checkpoint folder, a run folder."""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path
from typing import Any

from strategos.play.bots import BOTS
from strategos.play.policy import Policy
from strategos.spelling import nearest

WEIGHTS_FILE = "ema.safetensors"
"""The averaged weights: the agent that is kept."""
META_FILE = "meta.json"
RUNS_FOLDER = Path("runs")


class PolicyError(ValueError):
    """No such player, or one that is damaged: what was asked for, what there is."""


def load_policy(
    source: str | Path,
    *,
    temperature: float = 1.0,
    device: str = "cpu",
    which: str = "best",
    symmetries: bool = True,
) -> Policy:
    """The player called `source`: a bot's name, a checkpoint folder, a run folder or the name of a run.

    Of a run, `which` chooses the `best` or the `latest` checkpoint. An agent for Generals looks at a board
    from all sides (`symmetries`): stronger, at eight times the price. Raises `PolicyError`.
    """
    name = str(source)
    if name in BOTS:
        return BOTS[name]()
    if re.fullmatch(r"mcts-\d+", name):
        return load_search_bot(name)
    folder = find_checkpoint(source, which)
    return load_network_policy(folder, temperature=temperature, device=device, symmetries=symmetries)


def load_search_bot(name: str) -> Policy:
    """The player called `mcts-N`, of N simulations a move; `PolicyError` for another N."""
    from strategos.play.search_bots import MctsBot

    simulations = int(name.removeprefix("mcts-"))
    if not 1 <= simulations <= 1_000_000:
        raise PolicyError(f"no player {name!r}: a move takes 1 to 1000000 simulations, as in mcts-100")
    return MctsBot(simulations)


def find_checkpoint(source: str | Path, which: str = "best") -> Path:
    """The checkpoint folder that `source` means; `PolicyError` where there is none."""
    if which not in ("best", "latest"):
        raise PolicyError(f"choose the best or the latest checkpoint, not {which!r}")
    places = [Path(source)] + ([RUNS_FOLDER / source] if Path(source).parent == Path() else [])
    for place in places:
        if (place / META_FILE).is_file():
            return place
        if (place / "checkpoints").is_dir():
            if which == "best" and (place / "best" / META_FILE).is_file():
                return (place / "best").resolve()
            steps = sorted(
                each for each in (place / "checkpoints").glob("step-*") if (each / META_FILE).is_file()
            )
            if steps:
                return steps[-1]
            raise PolicyError(f"the run {place} has no checkpoint yet; let it train for longer")
        if place.is_dir():
            raise PolicyError(f"{place} is neither a run nor a checkpoint: it has no {META_FILE} in it")
    known = [*BOTS, *(each.name for each in RUNS_FOLDER.glob("*") if (each / "checkpoints").is_dir())]
    hint = nearest(str(source), known) or f"; there are {', '.join(known)}, or give a folder"
    raise PolicyError(f"no player {str(source)!r}{hint}")


def read_meta(folder: Path) -> dict[str, Any]:
    """What a checkpoint says about itself; `PolicyError` if it cannot be read."""
    try:
        meta = json.loads((folder / META_FILE).read_text(encoding="utf-8"))
        if not isinstance(meta["network"], dict) or not isinstance(meta["files"], dict):
            raise ValueError("network and files must be tables")
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise PolicyError(f"{folder / META_FILE} is damaged: {error}; use another checkpoint") from None
    return meta


def checked_bytes(folder: Path, name: str, meta: dict[str, Any]) -> bytes:
    """A file of a checkpoint whose hash is the one that `meta` names; `PolicyError` otherwise."""
    try:
        content = (folder / name).read_bytes()
    except OSError as error:
        raise PolicyError(
            f"{folder / name} cannot be read: {error.strerror}; use another checkpoint"
        ) from None
    if hashlib.sha256(content).hexdigest() != meta["files"].get(name):
        raise PolicyError(
            f"{folder / name} is damaged (its hash is not the one in {META_FILE}); use another checkpoint"
        )
    return content


def load_network_policy(
    folder: Path, *, temperature: float = 1.0, device: str = "cpu", symmetries: bool = True
) -> Policy:
    """The agent of a checkpoint folder; `PolicyError` names the file that is damaged."""
    from safetensors import SafetensorError
    from safetensors.torch import load

    from strategos.nets.symmetric import SymmetricNet
    from strategos.play.network import NetworkPolicy, build_network, make_encoder

    meta = read_meta(folder)
    content = checked_bytes(folder, WEIGHTS_FILE, meta)
    try:
        network = build_network(meta["network"])
        network.load_state_dict(load(content))
    except (SafetensorError, RuntimeError, ValueError) as error:
        raise PolicyError(f"{folder / WEIGHTS_FILE} does not fit its own {META_FILE}: {error}") from None
    network.to(device).eval()
    encode = make_encoder(meta["network"]["planes"], device, meta["network"].get("bfloat16", False))
    name = f"{meta.get('run', folder.parent.parent.name)}@{meta.get('samples', 0)}"
    if symmetries and meta["network"]["kind"] == "grid":
        network = SymmetricNet(network)
    return NetworkPolicy(network, encode, name=name, temperature=temperature)
