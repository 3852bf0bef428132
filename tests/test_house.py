"""The house itself: light imports, a help that fits a screen, layers that hold, what is banned."""

from __future__ import annotations

import ast
import json
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]

SOURCES = sorted((ROOT / "strategos").rglob("*.py"))
MODULES = {
    "PyJWT": "jwt",
    "grpcio": "grpc",
    "grpcio-health-checking": "grpc_health",
    "grpcio-reflection": "grpc_reflection",
    "protobuf": "google",
    "pydantic-settings": "pydantic_settings",
}
"""Packages whose modules have another name."""
HEAVY = {"numba", "torch", "numpy", "scipy", "gymnasium", "pettingzoo", "rich", "tyro", "matplotlib"}


def modules_after(statement: str) -> set[str]:
    code = f"import json, sys\n{statement}\nprint(json.dumps(sorted(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    return {name.partition(".")[0] for name in json.loads(done.stdout.splitlines()[-1])}


@pytest.mark.parametrize(
    "statement", ["import strategos", "import strategos.cli; strategos.cli.main(['--help'])"]
)
def test_nothing_heavy_loads_at_the_start(statement):
    assert not modules_after(statement) & HEAVY


def test_the_rules_load_no_torch():
    loaded = modules_after("import strategos.games, strategos.engine.batch, strategos.ratings.bradley_terry")
    assert "numba" in loaded
    assert not loaded & {"torch", "gymnasium", "pettingzoo", "rich", "matplotlib"}


def test_every_help_fits_a_screen():
    from strategos.cli import COMMANDS, overview

    lines = overview().splitlines()
    assert len(lines) <= 24 and max(map(len, lines)) <= 80
    for command in COMMANDS:
        assert (ROOT / "strategos" / "commands" / f"{command}.py").is_file()
        assert any(line.split()[:1] == [command] for line in lines)


def test_imports_point_down():
    linter = shutil.which("lint-imports", path=str(Path(sys.executable).parent))
    assert linter, "import-linter is not installed; make test installs it"
    done = subprocess.run([linter, "--no-logo"], capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-500:]


def test_what_is_imported_is_declared_and_what_is_declared_is_imported():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    declared = {re.split(r"[<>=]", line)[0] for line in project["dependencies"]}
    declared = {{"pillow": "PIL"}.get(name, name) for name in declared}
    imported = set()
    for path in SOURCES:
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Import):
                imported |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module:
                imported.add(node.module.partition(".")[0])
    third_party = imported - set(sys.stdlib_module_names) - {"strategos"}
    extra = {re.split(r"[<>=]", line)[0] for line in project["optional-dependencies"]["server"]}
    extra = {MODULES.get(name, name) for name in extra}
    optional = {"wandb", "onnxruntime"}
    through_torch = {"tensorboard"}  # torch.utils.tensorboard needs it
    assert third_party - optional - extra == declared - through_torch
    assert extra <= third_party


def test_no_room_without_a_name_and_no_file_without_a_purpose():
    for path in SOURCES:
        assert path.stem not in {"utils", "util", "core", "helpers", "common", "manager", "misc"}, path
        text = path.read_text("utf-8")
        assert ast.get_docstring(ast.parse(text)), f"{path.relative_to(ROOT)} does not say what it is for"
        generated = path.stem.endswith(("_pb2", "_pb2_grpc"))
        assert generated or len(text.splitlines()) <= 500, f"{path.relative_to(ROOT)} is too full"


BANNED = re.compile(
    r"^\s*(?:import|from)\s+(?:pickle|cloudpickle|marshal|shelve|joblib|dill)\b"
    r"|allow_pickle\s*=\s*True|torch\.load\b|\byaml\.(?:unsafe_)?load\b|(?<![\w.])(?:eval|exec)\(",
    re.MULTILINE,
)


def test_nothing_executes_a_file_that_it_reads():
    # Trap 34. `network.eval()` is fine: a dot stands before it.
    for path in [*SOURCES, *sorted((ROOT / "bench").rglob("*.py"))]:
        found = [match.group() for match in BANNED.finditer(path.read_text("utf-8"))]
        assert not found, f"{path.relative_to(ROOT)}: {found}"


@pytest.mark.parametrize(
    "text",
    ["import pickle", "np.load(f, allow_pickle=True)", "torch.load(path)", "exec(c)", "a = eval(b)"],
)
def test_the_ban_finds_what_it_bans(text):
    assert BANNED.search(text) and not BANNED.search("net.eval()")


def test_constraints_name_versions_and_no_place():
    lines = (ROOT / "constraints.txt").read_text("utf-8").splitlines()
    pins = [line for line in lines if line and not line.startswith("#")]
    assert all(re.fullmatch(r"[A-Za-z0-9_.\-]+==[0-9][0-9A-Za-z.]*", pin) for pin in pins)
    assert "torch==2.13.0" in pins
