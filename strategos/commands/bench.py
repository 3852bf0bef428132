"""`strategos bench`: run the scripts of `bench/`, which belong to a checkout of the sources."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from strategos.commands.arguments import InputError, Parser, nearest

FOLDER = Path(__file__).resolve().parents[2] / "bench"


def run(arguments: list[str]) -> int:
    """Run all scripts or those named; the exit code is that of the first that failed."""
    parser = Parser("bench", "Measure how fast Strategos is on this machine.")
    parser.add_argument("names", nargs="*", help="which scripts of bench/ to run (default: all)")
    parser.add_argument("--json", action="store_true", help="one object a line")
    parser.add_argument("--quick", action="store_true", help="under 40 s a script")
    options = parser.read(arguments)
    scripts = {path.stem: path for path in sorted(FOLDER.glob("*.py")) if _runs(path)}
    if not scripts:
        raise InputError(f"no benchmarks at {FOLDER}; run this in a checkout of the sources")
    for name in options.names:
        if name not in scripts:
            known = ", ".join(scripts)
            raise InputError(f"bench: no script {name!r}{nearest(name, scripts)}; there are {known}")
    flags = [flag for flag in ("json", "quick") if getattr(options, flag)]
    for name in options.names or scripts:
        if not options.json:
            print(f"==> {name}", flush=True)
        done = subprocess.run(
            [sys.executable, str(scripts[name]), *(f"--{flag}" for flag in flags)], check=False
        )
        if done.returncode:
            return done.returncode
    return 0


def _runs(path: Path) -> bool:
    """Whether the file is a script; others in the folder are what scripts share."""
    return "__main__" in path.read_text("utf-8")
