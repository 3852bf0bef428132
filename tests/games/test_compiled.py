"""The cache of compiled kernels: never stale, never two processes' machine code under one name."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import strategos
from strategos.games.compiled import sources_hash

PACKAGE = Path(strategos.__file__).parent


def test_the_key_follows_rules_constants_and_bits_but_not_the_command_line(tmp_path):
    package = tmp_path / "strategos"
    ignored = shutil.ignore_patterns("__pycache__", "web", "presets")
    shutil.copytree(PACKAGE, package, ignore=ignored)
    key = sources_hash(package)
    assert key == sources_hash(PACKAGE)
    for name in ("games/generals/record.py", "games/bits.py", "games/generals/rules.py", "play/bots.py"):
        with open(package / name, "a") as file:
            file.write("# changed\n")
        assert sources_hash(package) != key, name
        key = sources_hash(package)
    with open(package / "cli.py", "a") as file:
        file.write("# changed\n")
    assert sources_hash(package) == key


PRINT_A_NAME = """
import strategos.games
from strategos.games.rng import mix
mix(3)
cache = mix._cache._cache_file
print(cache._data_name(1), cache._data_name(1))
"""


def test_every_process_names_its_machine_code_apart():
    names = [
        name
        for _ in range(2)
        for name in subprocess.run(
            [sys.executable, "-c", PRINT_A_NAME], capture_output=True, text=True, check=True
        ).stdout.split()
    ]
    assert len(set(names)) == 4


SUM_RECORDS = """
import sys
import numpy as np
import strategos.games
from strategos.games.compiled import kernel

@kernel
def weigh(record):  # too long to be inlined: a symbol of its own
    total = 0
    for place in range(record.many.shape[0]):
BRANCHES
    return total + 1000 * record.last

@kernel
def add(records, out):
    for row in range(records.shape[0]):
        out[row] = weigh(records[row])

for size in map(int, sys.argv[1:]):
    records = np.zeros(3, np.dtype((np.record, [("many", "i4", (size,)), ("last", "i4")])))
    records["many"], records["last"] = 1, 7
    out = np.zeros(3, np.int64)
    add(records, out)
    print(*out)
""".replace(
    "BRANCHES",
    "\n".join(
        f"        if record.many[place] % {number + 2} == 1: total += 1 + total % {number}"
        for number in range(2, 60)
    ),
)


def test_kernels_of_two_boards_from_two_processes_live_in_a_third(tmp_path):
    """Numba numbers records in each process, and would give the code of both boards one name."""
    script = tmp_path / "sums.py"
    script.write_text(SUM_RECORDS)

    def run(*sizes: int, **more: str) -> list[str]:
        command = [sys.executable, str(script), *map(str, sizes)]
        surroundings = {**os.environ, "XDG_CACHE_HOME": str(tmp_path / "cache"), **more}
        done = subprocess.run(command, capture_output=True, text=True, check=True, env=surroundings)
        return done.stdout.splitlines()

    sizes = (3, 11, 6)
    expected = run(*sizes, NUMBA_DISABLE_JIT="1")
    assert len(set(expected)) == len(sizes)
    assert [run(size)[0] for size in sizes] == expected
    assert run(*sizes) == expected and run(*sizes[::-1]) == expected[::-1]
