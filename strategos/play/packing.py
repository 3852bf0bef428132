"""Submissions to the generals.bot ladder: an agent and what it takes to play it, as one zip.

The zip carries the network's weights, the part of Strategos' own source that plays them, and the `run.sh`
that the ladder starts. Which part follows from the imports of `submission.py` and of what that imports,
at the top of each file; nothing else than the libraries of the ladder may be among them.
"""

from __future__ import annotations

import ast
import io
import json
import sys
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from strategos import __version__
from strategos.play.checkpoint_files import WEIGHTS_FILE, checked_bytes, read_meta
from strategos.play.policy import PolicyError
from strategos.play.submission import ABOUT_FILE
from strategos.play.submission import WEIGHTS_FILE as PACKED_WEIGHTS

LARGEST_BYTES = 50 << 20
"""The largest zip that the ladder takes."""
LADDER_LIBRARIES = frozenset({"numpy", "torch", "numba", "safetensors"})
ENTRY = "strategos.play.submission"
_PACKAGE = Path(__file__).parents[1]
_MOMENT = (1980, 1, 1, 0, 0, 0)
"""Of every file in the zip, so that the same agent gives the same bytes."""

RUN_SCRIPT = """#!/bin/sh
# Starts the player: one core, plain Python (-I: nothing of whoever runs it but the libraries).
# With --trial its first error ends it, and Python reaches no network.
cd "$(dirname "$0")" || exit 1
export NUMBA_DISABLE_JIT=1 OMP_NUM_THREADS=1 MKL_NUM_THREADS=1 PYTHONHASHSEED=0
exec python3 -I -B player.py "$@"
"""
PLAYER = """import sys
from pathlib import Path

folder = Path(__file__).resolve().parent
sys.path.insert(0, str(folder))  # -I leaves it out

from strategos.play.submission import main  # noqa: E402

main(folder, trial=sys.argv[1:] == ["--trial"])
"""


def pack_agent(checkpoint: Path, *, temperature: float = 1.0, all_sides: bool = True) -> bytes:
    """The zip of the agent of a checkpoint folder; `PolicyError` where there can be none.

    With `all_sides` it looks at a board from all sides: stronger, at eight times the price. The trunk runs in
    float32: whether another machine is any good at less is not known.
    """
    meta = read_meta(checkpoint)
    described = dict(meta["network"])
    if described.get("kind") != "grid":
        raise PolicyError(f"{checkpoint} does not play Generals, and the ladder has no other game")
    described["bfloat16"] = False
    about = {
        "name": f"{meta.get('run', checkpoint.name)}@{meta.get('samples', 0)}",
        "strategos": __version__,
        "network": described,
        "temperature": temperature,
        "all_sides": all_sides,
    }
    files: dict[str, bytes] = {
        "run.sh": RUN_SCRIPT.encode(),
        "player.py": PLAYER.encode(),
        ABOUT_FILE: json.dumps(about, indent=1).encode(),
        PACKED_WEIGHTS: checked_bytes(checkpoint, WEIGHTS_FILE, meta),
        **carried_sources(),
    }
    content = _zipped(files)
    if len(content) > LARGEST_BYTES:
        raise PolicyError(
            f"the submission has {len(content) / 2**20:.1f} MiB and the ladder takes {LARGEST_BYTES >> 20}: "
            f"{len(files[PACKED_WEIGHTS]) / 2**20:.1f} of them are weights; take a network of fewer channels"
        )
    return content


def unpack(content: bytes, folder: Path) -> Path:
    """Unpack a zip that `pack_agent` made into `folder`; returns its `run.sh`, which can then be started."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        archive.extractall(folder)
    script = folder / "run.sh"
    script.chmod(0o755)
    return script


def carried_sources() -> dict[str, bytes]:
    """Path in the zip and source of every module of ours that a submission imports.

    A package that is only on the way to its modules is carried empty: what it offers, nobody asks for.
    `RuntimeError` where a module imports what the ladder has not.
    """
    sources: dict[str, bytes] = {}
    passed: set[str] = set()
    waiting = [ENTRY]
    while waiting:
        name = waiting.pop()
        path = _source_of(name)
        if path is None or (place := _place_of(path)) in sources:
            continue
        sources[place] = path.read_bytes()
        parts = name.split(".")
        passed |= {".".join(parts[:length]) for length in range(1, len(parts))}
        for imported in _imported(ast.parse(sources[place]).body):
            top = imported.partition(".")[0]
            if top == "strategos":
                waiting.append(imported)
            elif top not in sys.stdlib_module_names and top not in LADDER_LIBRARIES:
                raise RuntimeError(f"{place} imports {top}, which the ladder has not")
    for name in passed:
        path = _source_of(name)
        if path is not None:
            sources.setdefault(_place_of(path), b"")
    return dict(sorted(sources.items()))


def _place_of(path: Path) -> str:
    return path.relative_to(_PACKAGE.parent).as_posix()


def _source_of(name: str) -> Path | None:
    """The file of a module of ours; None for a name inside of one, or a folder without code of its own."""
    base = _PACKAGE.joinpath(*name.split(".")[1:])
    return next((path for path in (base / "__init__.py", base.with_suffix(".py")) if path.is_file()), None)


def _imported(statements: list[ast.stmt]) -> Iterator[str]:
    """The modules that statements import when they run: not those in functions or for type checkers only."""
    for node in statements:
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)  # it may be a module
        elif isinstance(node, ast.If) and "TYPE_CHECKING" not in ast.unparse(node.test):
            yield from _imported(node.body + node.orelse)
        elif isinstance(node, ast.Try):
            yield from _imported(node.body + node.orelse + node.finalbody)


def _zipped(files: Mapping[str, bytes]) -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        for name in sorted(files):
            entry = zipfile.ZipInfo(name, _MOMENT)
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.create_system = 3  # Unix, whose rights follow
            entry.external_attr = (0o100755 if name.endswith(".sh") else 0o100644) << 16
            archive.writestr(entry, files[name])
    return content.getvalue()


def about_submission(content: bytes) -> dict[str, Any]:
    """What a zip that `pack_agent` made says about its agent."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        return json.loads(archive.read(ABOUT_FILE))
