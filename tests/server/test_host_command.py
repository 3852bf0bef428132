"""`strategos host` as a user sees it: mistakes in one line, and what it prints when all is well."""

from __future__ import annotations

import os
import resource
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from strategos.server.access.descriptors import OWN_FILES

ROOT = Path(__file__).resolve().parents[2]


def host(folder: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, "-m", "strategos.cli", "host", "--data", "data", *arguments],
        capture_output=True,
        text=True,
        timeout=120,
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT), **environment},
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


@pytest.mark.parametrize("option", ["--http-port", "--grpc-port"])
def test_a_port_that_is_taken(tmp_path, option):
    other = "--grpc-port" if option == "--http-port" else "--http-port"
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        done = host(tmp_path, option, port, other, "0", STRATEGOS_LOG_LEVEL="error")
    assert done.returncode == 2 and port in done.stderr, done.stderr
    assert f"choose another {option} or --host" in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_options_of_tls_without_a_certificate_do_not_start_a_server_without_tls(tmp_path):
    done = host(tmp_path, STRATEGOS_TLS_CLIENT_AUTHORITY="authority.pem")
    assert done.returncode == 2 and "tls_certificate is missing" in done.stderr, done.stderr
    assert len(done.stderr.splitlines()) == 1 and not (tmp_path / "data").exists()


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("data/keys.json", "[{", "the signing keys in keys.json are damaged; remove that file"),
        ("data/keys.json", '[{"kid": 1}]', "the signing keys in keys.json are damaged"),
        ("data/keys.json/x", "", "the signing keys in data/keys.json cannot be read: Is a directory"),
        ("data/worker.key", "short", "the worker's key in worker.key cannot be used"),
        ("data", "", "data"),
    ],
)
def test_a_data_folder_that_cannot_be_used(tmp_path, name, content, said):
    file = tmp_path / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(content)
    done = host(tmp_path, "--http-port", "0", "--grpc-port", "0", STRATEGOS_LOG_LEVEL="error")
    assert done.returncode == 2 and said in done.stderr and "port" not in done.stderr, done.stderr
    assert len(done.stderr.splitlines()) == 1


def few_files() -> None:
    """What shells begin with."""
    resource.setrlimit(resource.RLIMIT_NOFILE, (900, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))


def test_it_says_where_to_go_and_reads_its_settings_again(tmp_path):
    file = tmp_path / "host.toml"
    file.write_text("games = 3\nconnections = 400\n")
    process = subprocess.Popen(
        [sys.executable, "-m", "strategos.cli", "host", "--data", "data", "--settings", str(file),
         "--http-port", "0", "--grpc-port", "0"],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT), "STRATEGOS_GRACE_S": "1"},
        preexec_fn=few_files,
    )  # fmt: skip
    assert process.stdout is not None and process.stderr is not None
    first = process.stdout.readline()
    assert first.startswith("page") and "http://127.0.0.1:" in first, first + process.stderr.read()
    second = process.stdout.readline()
    with socket.create_connection(("127.0.0.1", int(second.removeprefix("gRPC").partition(":")[2]))):
        pass  # the port that was bound, not the 0 that was asked for
    assert any("grpc_listens" in line for line in process.stderr)
    for text, said in (("games = 0\n", "not read again"), (file.read_text(), "were read again")):
        file.write_text(text)
        process.send_signal(signal.SIGHUP)
        assert said in process.stderr.readline()
    for connections in (500, 700):
        file.write_text(f"games = 4\nconnections = {connections}\n")
        process.send_signal(signal.SIGHUP)
        assert "were read again" in process.stderr.readline()
    assert resource.prlimit(process.pid, resource.RLIMIT_NOFILE)[0] == 2 * 700 + OWN_FILES
    file.write_text("games = 4\nconnections = 700\nbatch_message_bytes = 70000\n")
    process.send_signal(signal.SIGHUP)
    assert "were read again" in process.stderr.readline()
    left = process.stderr.readline()
    assert "with a restart only" in left and "['batch_message_bytes']" in left
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=60)
    assert process.returncode == 0
