"""The files of an agent in a checkpoint: its weights, what it says of itself, whether they are whole."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from strategos.durable import write_folder_atomically
from strategos.games import GAMES
from strategos.play.policy import PolicyError

WEIGHTS_FILE = "ema.safetensors"
"""The averaged weights: the agent that is kept."""
META_FILE = "meta.json"
META_FORMAT = 1
"""Of `meta.json`. One that says nothing is older than the numbers."""


class NewerFormatError(PolicyError):
    """A checkpoint that is well, of a version that came after this one."""


def check_meta(meta: Any) -> None:
    """`ValueError` where an agent's metadata have no table of a network, or name a game that there is not."""
    if not isinstance(meta, Mapping) or not isinstance(meta.get("network"), Mapping):
        raise ValueError("network must be a table")
    game = named_game(meta)
    if game is not None and game not in list(GAMES):
        raise ValueError(f"there is no game {game!r} but {', '.join(GAMES)}")


def named_game(meta: Mapping[str, Any]) -> str | None:
    """The game of an agent's metadata: a name, a checkpoint's table with a name, or nothing."""
    told = meta.get("game")
    return told.get("name") if isinstance(told, Mapping) else told


def pack_meta(meta: Mapping[str, Any]) -> bytes:
    """The content of `meta.json` for what a checkpoint says about itself, sealed with a hash of it."""
    told = json.loads(json.dumps({**meta, "format": META_FORMAT}))  # as it is read: keys are texts
    return json.dumps({**told, "sha256": _seal(told)}, indent=1).encode()


def _seal(told: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()


def read_meta(folder: Path) -> dict[str, Any]:
    """What a checkpoint says about itself; `PolicyError` if it cannot be read or a bit of it has changed,
    `NewerFormatError` if a newer version wrote it."""
    path = folder / META_FILE
    try:
        meta = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(meta, dict):
            raise ValueError("it must be a table")
        if "sha256" in meta and meta.pop("sha256") != _seal(meta):
            raise ValueError("its hash is not the one in it")
        form = meta.pop("format", 0)
        if not isinstance(form, int) or form > META_FORMAT:
            raise NewerFormatError(
                f"{path} was written by a newer Strategos (format {form}, this one reads {META_FORMAT}); "
                "use that one, or another checkpoint"
            )
        check_meta(meta)
        if not isinstance(meta.get("files"), dict):
            raise ValueError("files must be a table")
    except NewerFormatError:
        raise
    except (OSError, ValueError, RecursionError) as error:
        raise PolicyError(f"{path} is damaged: {error}; use another checkpoint") from None
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


def copy_agent(source: Path, target: Path) -> None:
    """Write what it takes to play the agent of the checkpoint folder `source` into the folder `target`, all
    or nothing: `source` may then be pruned. `PolicyError` where it is damaged, or is gone already."""
    meta = read_meta(source)
    weights = checked_bytes(source, WEIGHTS_FILE, meta)
    write_folder_atomically(target, {WEIGHTS_FILE: weights, META_FILE: pack_meta(meta)})
