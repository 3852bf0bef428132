"""`strategos host` as a user sees it: mistakes in one line, and what it prints when all is well."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def host(folder: Path, *arguments: str) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, "-m", "strategos.cli", "host", "--data", "data", *arguments],
        capture_output=True,
        text=True,
        timeout=120,
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--agent", "champion"], "--agent is NAME=SOURCE"),
        (["--agent", "champion=no-such-run"], "no player 'no-such-run'"),
        (["--stdio-bot", "./no-such-program"], "no program"),
        (["--settings", "no.toml"], "the settings in no.toml cannot be read"),
        (["--http-port", "99999"], "http_port"),
        (["--portt", "1"], "no option '--portt'"),
    ],
)
def test_mistakes_are_one_line(tmp_path, arguments, said):
    done = host(tmp_path, *arguments)
    assert done.returncode == 2 and said in done.stderr, done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_a_port_that_is_taken(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        done = host(tmp_path, "--http-port", str(taken.getsockname()[1]))
    assert done.returncode == 2 and "choose another --http-port" in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_it_says_where_to_go_and_reads_its_settings_again(tmp_path):
    file = tmp_path / "host.toml"
    file.write_text("games = 3\n")
    process = subprocess.Popen(
        [sys.executable, "-m", "strategos.cli", "host", "--data", "data", "--settings", str(file),
         "--http-port", "0", "--grpc-port", "0"],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT), "STRATEGOS_GRACE_S": "1"},
    )  # fmt: skip
    assert process.stdout is not None and process.stderr is not None
    first = process.stdout.readline()
    assert first.startswith("page") and "http://127.0.0.1:" in first
    assert any("grpc_listens" in line for line in process.stderr)
    for text, said in (("games = 0\n", "not read again"), ("games = 4\n", "were read again")):
        file.write_text(text)
        process.send_signal(signal.SIGHUP)
        assert said in process.stderr.readline()
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=60)
    assert process.returncode == 0
