"""The checked-in stubs are what `proto/generate.py` makes, and the client loads nothing it does not need."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
STUBS = ROOT / "strategos" / "server" / "grpc" / "v1"


def test_making_the_stubs_again_changes_nothing(tmp_path):
    """In a process of its own: protoc keeps what it has read."""
    code = (
        f"import sys; sys.path.insert(0, {str(ROOT / 'proto')!r}); import generate; from pathlib import Path;"
        f"generate.generate(generate.PROTO, Path({str(tmp_path)!r}))"
    )
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, timeout=120)
    made = {path.name: path.read_text("utf-8") for path in tmp_path.iterdir()}
    kept = {path.name: path.read_text("utf-8") for path in STUBS.glob("*_pb2*.py*")}
    assert made == kept


def test_the_client_loads_no_torch_and_no_server():
    code = "import json, sys, strategos.client.sync; print(json.dumps(sorted(sys.modules)))"
    done = subprocess.run(
        [sys.executable, "-c", code], check=True, capture_output=True, text=True, timeout=120
    )
    loaded = set(json.loads(done.stdout.splitlines()[-1]))
    assert "strategos.server.grpc.v1.game_service_pb2" in loaded
    assert not {"torch", "gymnasium", "fastapi", "strategos.server.hall"} & loaded


def test_every_name_of_the_client_is_there():
    import strategos.client

    for name in strategos.client.__all__:
        assert getattr(strategos.client, name) is not None
