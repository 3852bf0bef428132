"""How long a person waits before Strategos does anything: `import strategos`, `strategos --help`.

python bench/startup.py [--json] [--quick]
"""

from __future__ import annotations

import subprocess
import sys
import time

from measurement import parse_options, report

COMMANDS = {
    "startup/python": (["-c", "pass"], ""),
    "startup/import": (["-c", "import strategos"], "under 150"),
    "startup/help": (["-m", "strategos.cli", "--help"], "under 300"),
}


def milliseconds(arguments: list[str]) -> float:
    """Wall time of one fresh interpreter."""
    begin = time.perf_counter()
    subprocess.run([sys.executable, *arguments], check=True, stdout=subprocess.DEVNULL)
    return (time.perf_counter() - begin) * 1e3


def main() -> None:
    options = parse_options(__doc__ or "")
    for name, (arguments, target) in COMMANDS.items():
        milliseconds(arguments)  # reads the files into the page cache
        times = [milliseconds(arguments) for _ in range(5 if options.quick else 21)]
        report(options, name, times, "ms", target=target)


if __name__ == "__main__":
    main()
