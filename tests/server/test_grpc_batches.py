"""BatchGameService: many games in one call are the games of the engine, and nobody else's; F7, F8, F9."""

from __future__ import annotations

import socket
import struct
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import grpc
import numpy as np
import pytest
from grpc_servers import BOARD, child_server, resident_mb

from strategos.client import Client, ServerError
from strategos.client.batches import RemoteBatch
from strategos.client.messages import game_kind
from strategos.engine import Batch
from strategos.games import make_game
from strategos.server.grpc.batch_service import BATCHES_PER_ADDRESS, MOST_GAMES, WAITING_CALLS
from strategos.server.grpc.columns import ColumnError, unpack_column
from strategos.server.grpc.v1 import batch_service_pb2 as v1
from strategos.server.grpc.v1 import batch_service_pb2_grpc


def until(server, holds) -> None:
    """Wait until something holds on the server's loop; the limit of the test ends it."""
    while not server.ask(holds):
        time.sleep(0.02)


def make(client, num_games=4, **options) -> RemoteBatch:
    return RemoteBatch(client, "generals", BOARD, num_games=num_games, **options)


@pytest.mark.parametrize("zstd", [False, True])
@pytest.mark.parametrize("autoreset", ["disabled", "next_step", "same_step"])
def test_a_remote_batch_is_the_engines_batch(client, autoreset, zstd):
    remote = make(client, 8, seed=5, tick_limit=20, autoreset=autoreset, zstd=zstd,
                  wanted=("views", "masks", "memories"))  # fmt: skip
    local = Batch(make_game("generals", **BOARD), 8, seed=5, tick_limit=20, autoreset=autoreset)
    local.reset()
    actions = np.zeros((8, 2), np.int32)
    seen = remote.states()
    ended = 0
    for _ in range(45):
        assert seen.views.tobytes() == local.observation.views.tobytes()
        assert np.array_equal(seen.masks, local.observation.masks)
        assert seen.memories.tobytes() == local.observation.memories.tobytes()
        local.random_actions(actions)
        seen = remote.step(actions)
        local.step(actions)
        for name in ("terminated", "truncated", "illegal", "returns"):
            assert np.array_equal(getattr(seen, name), getattr(local, name)), name
        ended += int((seen.terminated | seen.truncated).sum())
        if autoreset == "same_step":
            rows = np.flatnonzero(local.terminated | local.truncated)
            assert seen.final_rows.tolist() == rows.tolist()
            if len(rows):
                assert seen.final_views.tobytes() == local.final.views[rows].tobytes()
    assert ended >= 8
    remote.close()


def test_blob_in_a_batch(client):
    remote = RemoteBatch(client, "blob", {"players": 3, "cards": 3}, num_games=5, agents={1: "heuristic"})
    assert remote.seats == (0, 2)
    seen, rng = remote.states(), np.random.default_rng(1)
    finished = 0
    for _ in range(40):
        actions = np.zeros((5, 2), np.int32)
        for row, seat in np.argwhere(seen.masks.any(axis=2)):
            legal = np.flatnonzero(np.unpackbits(seen.masks[row, seat], bitorder="little"))
            actions[row, seat] = rng.choice(legal)
        seen = remote.step(actions)
        assert not seen.illegal.any()
        finished += int(seen.terminated.sum())
    assert finished >= 10
    remote.close()


def test_agents_play_their_seats_and_their_views_stay_in_the_server(client):
    remote = make(client, 3, agents={0: "expander"}, tick_limit=100)
    assert remote.seats == (1,)
    seen = remote.states()
    assert seen.views.shape == (3, 1) and (seen.views["me"] == 1).all()
    passing = np.full((3, 1), remote.game.spec.num_actions - 1)
    for _ in range(60):
        seen = remote.step(passing)
    assert (seen.views["land_total"][:, 0, 0] > seen.views["land_total"][:, 0, 1]).any()
    remote.close()


def test_some_rows_and_new_games_on_chosen_boards(client):
    remote = make(client, 6, autoreset="disabled")
    seen = remote.states(rows=[4, 1])
    everything = remote.states()
    assert seen.views.tobytes() == everything.views[[4, 1]].tobytes()
    reset = remote.reset(rows=[0, 3], seeds=[77, 77])
    assert reset.views[0].tobytes() == reset.views[3].tobytes()
    assert reset.views[1].tobytes() == everything.views[1].tobytes()
    remote.close()


def test_a_step_that_is_sent_again_is_played_once(client):
    remote = make(client, 2)
    passing = np.full((2, 2), remote.game.spec.num_actions - 1, np.int32)
    first = remote.step(passing)
    remote._step = 0
    again = remote.step(passing)
    assert again.step == first.step == 1 and again.views.tobytes() == first.views.tobytes()
    for wrong in (3, 10**18):
        remote._step = wrong
        with pytest.raises(ServerError, match="early"):
            remote.step(passing)
    remote._step = 1
    assert remote.step(passing).step == 2
    remote._step = 0
    with pytest.raises(ServerError, match="late"):
        remote.step(passing)
    remote.close()


def test_what_cannot_be_told_is_refused_before_anything_is_played(client):
    remote = make(client, 2)
    stub = batch_service_pb2_grpc.BatchGameServiceStub(client.channel)
    passing = np.full((2, 2), remote.game.spec.num_actions - 1, "<i4").tobytes()
    for wanted in (v1.Wanted(memories=True), v1.Wanted(compression=9)):
        request = v1.SubmitBatchActionsRequest(batch=remote.name, step=0, actions=passing, wanted=wanted)
        with pytest.raises(grpc.RpcError) as refused:
            stub.SubmitBatchActions(request, timeout=60)
        assert refused.value.code() == grpc.StatusCode.INVALID_ARGUMENT
    assert remote.states().step == 0
    remote.close()


@pytest.mark.parametrize("number, fine", [(0, False), (1, True), (MOST_GAMES, True), (MOST_GAMES + 1, False)])
def test_F7_batches_of_no_one_and_too_many_games(client, number, fine):
    if not fine:
        with pytest.raises(ServerError, match="invalid: a batch has 1 to 10000 games"):
            make(client, number)
        return
    remote = make(client, number, wanted=())
    passing = np.full((number, 2), remote.game.spec.num_actions - 1, np.int32)
    assert remote.step(passing).step == 1
    remote.close()


def test_ten_thousand_games_and_all_their_views(client):
    remote = make(client, 10_000, zstd=True)
    seen = remote.states()
    assert seen.views.shape == (10_000, 2) and (seen.views["tick"] == 0).all()
    assert len(np.unique(seen.views["owner"][:, 0], axis=0)) > 20
    remote.close()


@pytest.mark.parametrize("length", [0, 1, 31, 33, 64, 100_000])
def test_F8_ragged_columns(client, length):
    remote = make(client, 4)
    stub = batch_service_pb2_grpc.BatchGameServiceStub(client.channel)
    with pytest.raises(grpc.RpcError) as refused:
        stub.SubmitBatchActions(v1.SubmitBatchActionsRequest(batch=remote.name, actions=bytes(length)))
    assert refused.value.code() == grpc.StatusCode.INVALID_ARGUMENT
    assert "32 bytes" in refused.value.details()
    with pytest.raises(grpc.RpcError) as refused:
        stub.ResetBatchGames(
            v1.ResetBatchGamesRequest(batch=remote.name, rows=[1, 2], seeds=bytes(length + 1))
        )
    assert refused.value.code() == grpc.StatusCode.INVALID_ARGUMENT
    assert remote.step(np.zeros((4, 2), np.int32)).step == 1
    remote.close()


def test_F6_rows_and_actions_that_there_are_not(client):
    remote = make(client, 4)
    for rows in ([4], [0, 2**32 - 1], [0, 1, 2, 3, 0]):
        with pytest.raises(ServerError, match="invalid"):
            remote.states(rows=rows)
    wild = np.array([[-1, 2**31 - 1], [-(2**31), 289], [10**6, -2], [288, 288]], np.int64)
    seen = remote.step(wild.astype(np.int32))
    assert seen.illegal.tolist() == [[1, 1], [1, 1], [1, 1], [0, 0]]
    remote.close()


@pytest.mark.parametrize(
    "change, code",
    [
        ({"num_games": 10, "autoreset": 9}, "INVALID_ARGUMENT"),
        ({"kind": game_kind("chess", {})}, "INVALID_ARGUMENT"),
        ({"kind": game_kind("generals", {"height": 10**9})}, "INVALID_ARGUMENT"),
        ({"kind": game_kind("generals", {"ruleset": {"a": [{"b": 1}]}})}, "INVALID_ARGUMENT"),
        ({"agents": {0: "nobody"}}, "NOT_FOUND"),
        ({"agents": {0: "../../etc/passwd"}}, "NOT_FOUND"),
        ({"agents": {7: "random"}}, "INVALID_ARGUMENT"),
        ({"agents": {1: "mcts-100"}}, "INVALID_ARGUMENT"),
        ({"agents": {0: "random", 1: "random"}}, "INVALID_ARGUMENT"),
        ({"tick_limit": 2**32 - 1}, "INVALID_ARGUMENT"),
    ],
)
def test_batches_that_cannot_be(client, change, code):
    stub = batch_service_pb2_grpc.BatchGameServiceStub(client.channel)
    request = v1.CreateBatchGamesRequest(**({"kind": game_kind("generals", BOARD), "num_games": 2} | change))
    with pytest.raises(grpc.RpcError) as refused:
        stub.CreateBatchGames(request, timeout=60)
    assert refused.value.code().name == code, refused.value.details()


def test_a_batch_is_for_who_knows_its_name_and_there_is_an_end_of_them(client):
    batches = [make(client, 1) for _ in range(BATCHES_PER_ADDRESS)]
    assert len({batch.name for batch in batches}) == len(batches) and len(batches[0].name) >= 32
    with pytest.raises(ServerError, match="exhausted"):
        make(client, 1)
    for batch in batches:
        batch.close()
    with pytest.raises(ServerError, match="not_found"):
        batches[0].states()
    make(client, 1).close()


def test_idle_batches_are_closed(server, client):
    """Also where nobody makes another one: what they take is free again."""
    remote, used = make(client, 1), make(client, 1)
    batches = server.server.batches._batches

    def age() -> None:
        batches[remote.name].used_at -= server.hall.settings.batch_idle_s

    server.ask(age)
    until(server, lambda: remote.name not in batches)
    with pytest.raises(ServerError, match="not_found"):
        remote.states()
    used.states()
    used.close()


def test_F9_a_call_whose_deadline_passes_while_it_waits_does_nothing(server, client):
    """The batch is busy until the deadline of the second call has passed: that one is never played."""
    remote = make(client, 2)
    owned = server.server.batches._batches[remote.name]
    server.do(owned.turn.acquire())
    stub = batch_service_pb2_grpc.BatchGameServiceStub(client.channel)
    request = v1.SubmitBatchActionsRequest(batch=remote.name, actions=bytes(16))
    with pytest.raises(grpc.RpcError) as late:
        stub.SubmitBatchActions(request, timeout=0.2)
    assert late.value.code() == grpc.StatusCode.DEADLINE_EXCEEDED
    until(server, lambda: not owned.turn._waiters)  # the server's own clock has run out, too
    server.ask(owned.turn.release)
    assert remote.states().step == 0
    assert remote.step(np.zeros((2, 2), np.int32)).step == 1
    remote.close()


def test_calls_at_once_on_one_batch_are_played_one_after_the_other(client):
    remote = make(client, 64)
    stub = batch_service_pb2_grpc.BatchGameServiceStub(client.channel)
    codes: list[str] = []

    def step() -> None:
        request = v1.SubmitBatchActionsRequest(batch=remote.name, step=0, actions=bytes(64 * 8))
        codes.append(str(stub.SubmitBatchActions(request, timeout=30).step))

    threads = [threading.Thread(target=step) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert codes == ["1"] * 8 and remote.states().step == 1
    remote.close()


@pytest.mark.parametrize("data", [b"", b"nothing packed", bytes(100)])
def test_a_column_that_is_no_frame(data):
    with pytest.raises(ColumnError):
        unpack_column(data, 100, "views")


@contextmanager
def unread_calls(port: int, method: str, message: bytes, number: int) -> Iterator[socket.socket]:
    """Calls on a connection whose client grants no byte for their answers: HTTP/2 with windows of nothing."""

    def frame(kind: int, flags: int, stream: int, payload: bytes = b"") -> bytes:
        return struct.pack(">I", len(payload))[1:] + struct.pack(">BBI", kind, flags, stream) + payload

    def header(name: str, value: str) -> bytes:  # a literal that is not indexed
        return b"\0" + bytes([len(name)]) + name.encode() + bytes([len(value)]) + value.encode()

    path = f"/strategos.v1.BatchGameService/{method}"
    headers = {":method": "POST", ":scheme": "http", ":path": path, ":authority": "localhost",
               "te": "trailers", "content-type": "application/grpc"}  # fmt: skip
    block = b"".join(header(name, value) for name, value in headers.items())
    with socket.create_connection(("127.0.0.1", port), timeout=30) as connection:
        connection.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + frame(4, 0, 0, struct.pack(">HI", 4, 0)))
        body = struct.pack(">BI", 0, len(message)) + message
        for stream in range(1, 2 * number, 2):
            connection.sendall(frame(1, 4, stream, block) + frame(0, 1, stream, body))
        yield connection


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="memory is read from /proc")
def test_C3_of_a_batch_whose_client_does_not_read_one_answer_is_kept(tmp_path):
    """Thirty-two answers of four megabytes each are asked for, and none is read: kept, they are 370 MB."""
    with child_server(tmp_path) as (child, port, _), Client(f"127.0.0.1:{port}") as client:
        slow, other = make(client, MOST_GAMES), make(client, 2)
        size = len(slow.states().views.tobytes())
        before = resident_mb(child)
        message = v1.GetBatchStatesRequest(batch=slow.name, wanted=v1.Wanted(views=True)).SerializeToString()
        with unread_calls(port, "GetBatchStates", message, WAITING_CALLS):
            for _ in range(200):  # meanwhile others play on, and what can be answered has been
                other.states()
            assert size > 3_000_000
            assert resident_mb(child) - before < 8 * size / 2**20
            stub = batch_service_pb2_grpc.BatchGameServiceStub(client.channel)
            with pytest.raises(grpc.RpcError) as waiting:
                stub.GetBatchStates(v1.GetBatchStatesRequest(batch=slow.name), timeout=0.5)
            assert waiting.value.code() == grpc.StatusCode.DEADLINE_EXCEEDED
        assert slow.states().step == 0  # the connection has ended, and so have its calls


def test_a_batch_is_closed_though_an_answer_of_it_waits_to_be_read(server, client):
    slow = make(client, 1000)
    owned = server.server.batches._batches[slow.name]
    message = v1.GetBatchStatesRequest(batch=slow.name, wanted=v1.Wanted(views=True)).SerializeToString()
    with unread_calls(server.server.port, "GetBatchStates", message, 2):
        while not server.ask(owned.turn.locked):
            pass

        def age() -> None:
            owned.used_at -= 10_000
            server.server.batches._close_idle()

        server.ask(age)
        with pytest.raises(ServerError, match="not_found"):
            slow.states()
        while server.ask(owned.turn.locked):
            pass
