"""`strategos bench`: run the scripts of `bench/`, which belong to a checkout of the sources."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from strategos.commands.arguments import InputError, Parser
from strategos.spelling import nearest

FOLDER = Path(__file__).resolve().parents[2] / "bench"
DEFAULT = ("engine", "scaling", "startup", "blob")
"""What runs unasked. `peers` needs a package of others, and the rest takes more than minutes."""
EXIT_FAILED = 1


def run(arguments: list[str]) -> int:
    """Run the default scripts or those named, up to the first that fails; the exit code is then 1."""
    scripts = {path.stem: path for path in sorted(FOLDER.glob("*.py")) if _runs(path)}
    others = " ".join(name for name in scripts if name not in DEFAULT)
    parser = Parser("bench", "Measure how fast Strategos is on this machine.")
    parser.add_argument(
        "names",
        nargs="*",
        help=f"which scripts of bench/ to run ({' '.join(DEFAULT)}); only by name: {others}",
    )
    parser.add_argument("--json", action="store_true", help="one object a line")
    parser.add_argument("--quick", action="store_true", help="under 40 s a script")
    options = parser.read(arguments)
    if not scripts:
        raise InputError(f"no benchmarks at {FOLDER}; run this in a checkout of the sources")
    names = options.names or DEFAULT
    for name in names:
        if name not in scripts:
            hint = nearest(name, scripts, then="there are " + ", ".join(scripts))
            raise InputError(f"bench: no script {name!r}{hint}")
    flags = [flag for flag in ("json", "quick") if getattr(options, flag)]
    for name in names:
        if not options.json:
            print(f"==> {name}", flush=True)
        reason = _failure(scripts[name], flags)
        if reason:
            print(f"strategos: bench: {name} failed: {reason}", file=sys.stderr)
            return EXIT_FAILED
    return 0


def _failure(script: Path, flags: list[str]) -> str:
    """Run one script; why it failed in one line, nothing if it did not."""
    traced = bool(os.environ.get("STRATEGOS_DEBUG"))
    done = subprocess.run(
        [sys.executable, str(script), *(f"--{flag}" for flag in flags)],
        stderr=None if traced else subprocess.PIPE,
        encoding="utf-8",
        errors="replace",
        check=False,
    )
    said = (done.stderr or "").strip()
    if done.returncode == 0:
        if said:
            print(said, file=sys.stderr)  # warnings
        return ""
    if not said:
        return f"exit code {done.returncode}"
    error = said.splitlines()[-1].strip()  # the last line of a trace
    return f"{error}; the head of {script} says what it needs, STRATEGOS_DEBUG=1 shows the trace"


def _runs(path: Path) -> bool:
    """Whether the file is a script; others in the folder are what scripts share."""
    return "__main__" in path.read_text("utf-8")
