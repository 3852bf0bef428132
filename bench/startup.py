"""How long a person waits before Strategos does anything: `import strategos`, `strategos --help`.

python bench/startup.py [--json] [--quick]
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import time

COMMANDS = {
    "startup/python": ["-c", "pass"],
    "startup/import": ["-c", "import strategos"],
    "startup/help": ["-m", "strategos.cli", "--help"],
}
TARGETS_MS = {"startup/import": 150, "startup/help": 300}


def milliseconds(arguments: list[str]) -> float:
    """Wall time of one fresh interpreter."""
    begin = time.perf_counter()
    subprocess.run([sys.executable, *arguments], check=True, stdout=subprocess.DEVNULL)
    return (time.perf_counter() - begin) * 1e3


def main() -> None:
    options = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    options.add_argument("--json", action="store_true", help="one object a line")
    options.add_argument("--quick", action="store_true", help="fewer repetitions")
    chosen = options.parse_args()
    repetitions = 5 if chosen.quick else 21
    for name, arguments in COMMANDS.items():
        milliseconds(arguments)  # reads the files into the page cache
        times = [milliseconds(arguments) for _ in range(repetitions)]
        row = {
            "name": name,
            "value": round(statistics.median(times), 2),
            "unit": "ms",
            "median_of": repetitions,
            "low": round(min(times), 2),
            "high": round(max(times), 2),
        }
        if chosen.json:
            print(json.dumps(row))
        else:
            target = f"   (must be under {TARGETS_MS[name]})" if name in TARGETS_MS else ""
            print(f"{name:16} {row['value']:8.1f} ms   {row['low']:.1f} to {row['high']:.1f}{target}")


if __name__ == "__main__":
    main()
