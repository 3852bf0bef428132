"""The cache of compiled kernels: never stale, never two processes' machine code under one name."""

from __future__ import annotations

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
