"""`strategos load`: what it measures, what it tells, and what it says of a server that refuses."""

from __future__ import annotations

import asyncio
import gc
import json
import math
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from certificates import make_all
from grpc_servers import running
from hypothesis import given
from hypothesis import strategies as st
from web_house import house

from strategos.cli import main
from strategos.client.load.figures import Figures, Latencies, Report, Sample, slope_mb_per_minute
from strategos.client.load.measure import Plan
from strategos.client.load.seats import Kind
from strategos.commands.host import _warm_up
from strategos.server.hall import Hall
from strategos.server.settings import Settings

ROOT = Path(__file__).resolve().parents[2]
DUELS = ["--size", "6", "--ticks", "10", "--quiet"]
"""Short games on the board that other tests of the server have compiled already."""


def load(*arguments: str, **options) -> subprocess.Popen:
    return subprocess.Popen(
        [sys.executable, "-m", "strategos.cli", "load", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        **options,
    )


# -- figures -------------------------------------------------------------------------------------------------


@given(st.lists(st.floats(2e-5, 100.0), min_size=1, max_size=200), st.integers(0, 200))
def test_percentiles_are_one_percent_exact_and_merge_as_if_counted_together(waits, cut):
    one, other, both = Latencies(), Latencies(), Latencies()
    for place, wait in enumerate(waits):
        (one if place < cut else other).add(wait)
        both.add(wait)
    one.merge(other)
    assert one.counts == both.counts and len(one) == len(waits) and one.max_s == max(waits)
    for percent in (1, 50, 95, 99, 100):
        exact = float(np.percentile(waits, percent, method="inverted_cdf"))
        assert exact * 0.999 <= one.percentile(percent) <= exact * 1.011


def test_latencies_of_nothing_and_beyond_the_buckets():
    latencies = Latencies()
    assert math.isnan(latencies.percentile(50)) and latencies.as_json() == {"count": 0}
    for wait in (0.0, 1e-9, 1e6):
        latencies.add(wait)
    assert latencies.percentile(1) <= 1.02e-5 and latencies.max_s == 1e6 and len(latencies) == 3


def test_the_slope_is_that_of_the_second_half():
    def grown(at_s: int) -> int:
        return 50_000_000 + (40_000_000 if at_s >= 30 else at_s * 1_000_000) + 200_000 * max(0, at_s - 30)

    samples = [Sample(float(at_s), grown(at_s), 0.0) for at_s in range(61)]
    assert slope_mb_per_minute(samples) == pytest.approx(12.0)


def test_a_report_fails_where_anything_went_wrong_or_nothing_was_played():
    played = Figures(actions=3, seconds=2.0)
    assert not Report(played, 0.1).failed
    assert Report(Figures(seconds=2.0), 0.1).failed
    played.errors["late"] += 2
    report = Report(played, 0.95)
    assert report.failed
    shown = "\n".join(report.lines())
    assert "2 late" in shown and "at its limit" in shown and "2 actions/s" in shown


@given(st.integers(1, 40), st.integers(0, 40), st.integers(1, 8))
def test_the_tables_are_shared_out_and_nobody_has_none(tables, idle, processes):
    processes = min(processes, tables)
    kind = Kind("generals", {"players": 2}, 0)
    shares = Plan(kind, agents=2 * tables, idle=2 * idle, processes=processes).shares("localhost:1")
    assert len(shares) == processes and all(share.tables for share in shares)
    assert sum(share.tables for share in shares) == tables
    assert sum(share.idle_tables for share in shares) == idle
    assert len({share.seed for share in shares}) == processes


# -- the command ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "way",
    [
        ["--agents", "4", "--idle", "2", "--processes", "2"],
        ["--agents", "4", "--idle", "2", "--over", "websocket", "--think", "0.025"],
        ["--agents", "3", "--over", "websocket", "--think", "0.03", "--game", "blob"],
    ],
    ids=["gRPC", "WebSocket", "Blob"],
)
def test_agents_play_whole_games_on_a_server_of_their_own(way, tmp_path):
    options = [*(DUELS[2:] if "blob" in way else DUELS), "--duration", "1.5", "--json", *way]
    done = load(*options, cwd=tmp_path)
    said, log = done.communicate(timeout=120)
    assert done.returncode == 0, said + log
    told = json.loads(said)
    assert told["errors"] == {} and told["games_finished"] > 0
    assert told["actions"] > 0 and told["ticks_per_second"] > 0
    waits = told["next_state_ms"]
    assert 0 < waits["p50"] <= waits["p95"] <= waits["p99"] <= waits["max"]
    assert ("p99" in told["answer_ms"]) == ("websocket" not in way)  # a socket answers with the state
    assert 0 < told["generator_busiest"] <= told["generator_cpu"] + 0.01
    assert list(tmp_path.iterdir()) == []  # the server's folder was its own
    if Path("/proc").is_dir():
        assert len(told["memory_bytes"]) >= 2 and min(told["memory_bytes"]) > 10_000_000
        assert told["server_cpu"] > 0


def test_a_server_that_is_there_already_is_left_as_it_was(tmp_path, capfd):
    with running(tmp_path) as server:
        assert main(["load", server.address, "--agents", "4", *DUELS, "--duration", "1"]) == 0
        rooms = server.ask(lambda: list(server.hall._lobby.rooms.values()))
        assert rooms and all(room.options.private for room in rooms)
        until = time.monotonic() + 30  # the server is told of the end by lines that close
        while not all(room.phase == "over" or all(seat.gone for seat in room.chairs) for room in rooms):
            assert time.monotonic() < until, [(room.phase, room.chairs) for room in rooms]
            time.sleep(0.05)
    out = capfd.readouterr().out
    assert "4 agents in 2 games of generals 6x6 over grpc" in out and "a move until its answer" in out
    assert "memory" not in out  # whose process it is, is not known


def test_what_the_server_refuses_is_counted_by_its_code(tmp_path, capfd):
    with running(tmp_path, requests_per_second=25) as server:
        assert main(["load", server.address, "--agents", "2", *DUELS, "--duration", "2"]) == 1
    out = capfd.readouterr().out
    assert " exhausted" in out and "none" not in out


def test_players_whose_room_is_gone_sit_down_anew(tmp_path, capfd):
    async def close_one(server) -> set[str]:
        seen: set[str] = set()
        rooms = server.hall._lobby.rooms
        while len(seen) < 2:
            for room in list(rooms.values()):
                if room.tick > 5 and room.id not in seen:
                    seen.add(room.id)
                    if len(seen) == 1:
                        server.hall._lobby.close(room)
            await asyncio.sleep(0.01)
        return seen

    with running(tmp_path) as server:
        closing = asyncio.run_coroutine_threadsafe(close_one(server), server.loop)
        options = ["--agents", "2", "--size", "6", "--ticks", "100000", "--quiet", "--duration", "3"]
        assert main(["load", server.address, *options]) == 1
        assert len(closing.result(1)) == 2
    out = capfd.readouterr().out
    assert "2 over" in out and "ended" in out  # both players, when they listened again


def test_players_who_get_no_seat_are_told_why_in_one_line(tmp_path, capfd):
    with running(tmp_path, board_cells=20) as server:
        assert main(["load", server.address, "--agents", "4", *DUELS, "--duration", "1"]) == 2
    err = capfd.readouterr().err.strip()
    assert err.startswith(
        "strategos: load: the players cannot sit down: invalid: this server plays on boards"
    )
    assert "\n" not in err


@pytest.mark.parametrize("over", ["grpc", "websocket"])
def test_an_address_where_nobody_answers(over, capfd):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
    assert main(["load", address, "--over", over, *DUELS]) == 2
    err = capfd.readouterr().err.strip()
    assert err.startswith("strategos: load: the players cannot sit down: unavailable") and "\n" not in err


# -- TLS -----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def keys(tmp_path_factory):
    return make_all(tmp_path_factory.mktemp("keys"))


@pytest.fixture(scope="module", params=["grpc", "websocket"])
def safe(request, tmp_path_factory, keys):
    """A server that asks for certificates: what to say for this way in, before its files."""
    files = {"tls_certificate": "server.pem", "tls_key": "server.key", "tls_client_authority": "ours.pem"}
    settings = {name: keys / file for name, file in files.items()}
    folder = tmp_path_factory.mktemp("data")
    if request.param == "grpc":
        with running(folder, **settings) as server:
            yield [f"localhost:{server.server.port}", *DUELS, "--agents", "2"]
    else:
        with house(folder, **settings, creates_per_minute=1e6, requests_per_second=1e6) as server:
            where = [f"localhost:{server.port}", "--over", "websocket", "--think", "0.03"]
            yield [*where, *DUELS, "--agents", "2"]


def shown(keys, name: str) -> list[str]:
    """Show the certificate of somebody."""
    return ["--cert", str(keys / f"{name}.pem"), "--key", str(keys / f"{name}.key")]


def test_players_with_a_certificate_play_over_tls(safe, keys, capfd):
    files = ["--ca", str(keys / "ours.pem"), *shown(keys, "player")]
    assert main(["load", *safe, *files, "--duration", "1"]) == 0, capfd.readouterr().err
    assert "with TLS" in capfd.readouterr().out


@pytest.mark.parametrize(
    ("authority", "name"),
    [(None, None), ("ours", None), ("ours", "stranger"), ("theirs", "player")],
    ids=["no-tls", "no-certificate", "a-stranger", "another-server"],
)
def test_all_others_are_told_in_one_line_that_they_cannot_sit_down(safe, keys, authority, name):
    files = ["--ca", str(keys / f"{authority}.pem")] if authority else []
    refused = load(*safe, *files, *(shown(keys, name) if name else []))
    err = refused.communicate(timeout=120)[1].strip()
    assert refused.returncode == 2
    assert err.startswith("strategos: load: the players cannot sit down: unavailable") and "\n" not in err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--ca", "ours.pem"], "--ca is for a server that speaks TLS; give its address"),
        (["here:1", "--cert", "player.pem", "--key", "player.key"], "say with --ca who signed"),
        (["here:1", "--ca", "ours.pem", "--cert", "player.pem"], "--cert and --key belong together"),
        (["here:1", "--ca", "ours.pem", "--key", "player.key"], "--cert and --key belong together"),
        (["here:1", "--ca", "none.pem"], "load: --ca: .*none.pem cannot be read: No such file"),
        (["here:1", "--ca", "ours.key"], "load: --ca: .*ours.key holds no certificate"),
        (
            ["here:1", "--ca", "ours.pem", "--cert", "none.pem", "--key", "player.key"],
            "load: --cert: .*none.pem cannot be read",
        ),
        (
            ["here:1", "--ca", "ours.pem", "--cert", "player.key", "--key", "player.key"],
            "load: --cert: .*player.key holds no certificate",
        ),
        (
            ["here:1", "--ca", "ours.pem", "--cert", "player.pem", "--key", "none.key"],
            "load: --key: .*none.key cannot be read",
        ),
        (
            ["here:1", "--ca", "ours.pem", "--cert", "player.pem", "--key", "server.key"],
            "load: --key: .*server.key is not the key of",
        ),
        (
            ["here:1", "--ca", "ours.pem", "--cert", "server.pem", "--key", "locked.key"],
            "load: --key: .*locked with a password",
        ),
    ],
)
def test_files_of_tls_that_cannot_be_used_are_one_line(keys, capsys, monkeypatch, arguments, said):
    monkeypatch.chdir(keys)
    assert main(["load", *arguments]) == 2
    err = capsys.readouterr().err.strip()
    assert re.search(said, err) and "\n" not in err


# -- its end, and mistakes -----------------------------------------------------------------------------------


def test_ctrl_c_ends_it_with_what_was_measured(tmp_path):
    process = load("--agents", "2", "--size", "6", "--duration", "600", cwd=tmp_path, start_new_session=True)
    assert process.stderr is not None
    assert any("actions/s" in line for line in process.stderr)
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does: all processes of the group
    said, log = process.communicate(timeout=60)
    assert process.returncode == 0, log
    assert "errors" in said and "none" in said and "2 agents in 1 games" in said
    assert "Traceback" not in log


def test_ctrl_c_while_the_players_sit_down_gives_their_seats_back(tmp_path):
    """The server lets no more rooms be made for a while: that is not waited for."""
    with running(tmp_path / "data", creates_per_minute=3, absent_s=1e6) as server:
        process = load(server.address, "--agents", "20", *DUELS, cwd=tmp_path, start_new_session=True)
        rooms = server.hall._lobby.rooms

        def wait_for(holds: Callable[[], bool]) -> None:
            until = time.monotonic() + 60
            while not server.ask(holds):
                assert time.monotonic() < until, [(room.phase, room.chairs) for room in rooms.values()]
                time.sleep(0.05)

        wait_for(lambda: len(rooms) >= 3 and all(room.running for room in rooms.values()))
        os.killpg(process.pid, signal.SIGINT)
        log = process.communicate(timeout=60)[1]
        assert process.returncode == 130 and "Traceback" not in log, log
        wait_for(lambda: all(room.phase == "over" for room in rooms.values()))


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--agents", "3"], "--agents must be a multiple of 2"),
        (["--idle", "1"], "--idle must be a multiple of 2"),
        (["--agents", "4", "--game", "blob"], "--agents must be a multiple of 3"),
        (["--agents", "3", "--game", "blob", "--size", "8"], "--size is for generals"),
        (["--agents", "2", "--processes", "2"], "fewer games than --processes"),
        (["--duration", "0"], "--duration must be more than 0"),
        (["--think", "-1"], "0 or more"),
        (["--over", "websocket", "--think", "0"], "50 messages a second"),
        (["--over", "smoke"], "--over"),
        (["localhost"], "host:port"),
        (["http://localhost:8001"], "host:port"),
        (["localhost:99999"], "host:port"),
    ],
)
def test_mistakes_are_one_line(arguments, said, capsys):
    assert main(["load", *arguments]) == 2
    err = capsys.readouterr().err.strip()
    assert said in err and "\n" not in err


def test_the_help_fits_a_screen(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    with pytest.raises(SystemExit) as ended:
        main(["load", "--help"])
    lines = capsys.readouterr().out.splitlines()
    assert ended.value.code == 0 and len(lines) <= 24 and max(map(len, lines)) <= 80


def test_a_server_leaves_what_it_has_loaded_out_of_its_search_for_garbage(tmp_path):
    """A pause of all games otherwise, for longer than a move may take."""

    async def warm() -> int:
        async with Hall(Settings(data=tmp_path, runs=None)) as hall:
            await _warm_up(hall)
            return gc.get_freeze_count()

    try:
        assert asyncio.run(warm()) > 10_000
    finally:
        gc.unfreeze()
