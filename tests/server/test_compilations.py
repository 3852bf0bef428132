"""New kinds of boards: one compilation at a time, few in a queue, one of each address, none for nobody."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
from pathlib import Path

import pytest
from grpc_servers import running
from halls import alone, duel, options, run, settings, until

from strategos.client import ServerError
from strategos.client.batches import RemoteBatch
from strategos.games import make_game
from strategos.games.generals.game import Generals
from strategos.server.hall import Hall, HallError, RoomOptions
from strategos.server.rooms.kinds import FEWEST, MOST, build, is_usual, layout_of, quick_options

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="looks for processes in /proc")


def board(number: int) -> RoomOptions:
    """A room on a board that no other test plays on: nothing of it is ever compiled to the end."""
    return options(options={"height": 5, "width": 31 + number, "players": 3})


def compilers() -> int:
    """How many children of this process compile."""
    found = 0
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            with contextlib.suppress(OSError, IndexError):
                parent = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
                compiles = b"strategos.server.rooms.prepare" in (folder / "cmdline").read_bytes()
                found += compiles and parent == os.getpid()
    return found


async def refused(work) -> str:
    with pytest.raises(HallError) as caught:
        await work
    assert caught.value.code == "exhausted" and "\n" not in caught.value.message
    return caught.value.message


def test_new_boards_wait_in_a_short_queue_and_one_is_compiled_at_a_time(tmp_path):
    async def work():
        async with Hall(settings(tmp_path, compilations_waiting=2)) as hall:
            await duel(hall)  # 8 x 8 is ready
            tickets = [await hall.create(board(0), name="ann", address="a")]
            told = await refused(hall.create(board(1), name="ann", address="a"))
            assert told.startswith("a new kind of board is being prepared for you already; try again in ")
            assert "seconds, or play one of those that are ready: " in told and "8 x 8 for 2" in told
            tickets.append(await hall.create(board(0), name="bob", address="b"))  # the same: nothing new
            for number in (1, 2):
                tickets.append(await hall.create(board(number), name="cid", address=f"c{number}"))
            told = await refused(hall.create(board(3), name="eve", address="e"))
            assert told.startswith("many new kinds of boards are being prepared for others; try again in ")
            assert len(hall._lobby.rooms) == 5, "a refusal leaves no room behind"
            await alone(hall)  # what is ready is played all the same
            await hall.quick_match("generals", name="eve", address="e", players=16)  # of few kinds: always
            await until(compilers)
            for _ in range(20):
                assert compilers() <= 1
                await asyncio.sleep(0.02)

    run(work())
    assert compilers() == 0


def test_what_nobody_waits_for_is_not_compiled(tmp_path):
    async def work():
        async with Hall(settings(tmp_path)) as hall:
            first = await hall.create(board(0), name="ann", address="a")
            second = await hall.create(board(0), name="bob", address="b")
            await until(compilers)
            hall.leave(first.token)
            await asyncio.sleep(0.1)
            assert compilers() == 1, "somebody else waits"
            hall.leave(second.token)
            await until(lambda: not compilers())
            full = options(options=board(0).options, agents={1: "random", 2: "random"})
            alone_with_agents = await hall.create(full, name="ann", address="a")
            assert hall.snapshot(alone_with_agents.token).phase == "preparing"
            await until(compilers)
            hall.leave(alone_with_agents.token)
            await until(lambda: not compilers())
            assert not hall._lobby.rooms
            again = await hall.create(board(0), name="ann", address="a")  # begins anew
            await until(compilers)
            assert hall.snapshot(again.token).phase == "open"
            batch = asyncio.create_task(hall.prepare(make_game("generals", height=5, width=40), address="b"))
            await asyncio.sleep(0)
            hall.leave(again.token)
            await until(lambda: compilers() == 1)
            batch.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await batch
            await until(lambda: not compilers())

    run(work())


def test_a_batch_is_an_order_like_any_other(tmp_path):
    with running(tmp_path) as server, server.client() as client:
        ticket = server.do(server.hall.create(board(0), name="ann", address="127.0.0.1"))
        with pytest.raises(ServerError) as caught:
            RemoteBatch(client, "generals", {"height": 5, "width": 40}, num_games=2)
        assert caught.value.code == "exhausted" and "try again in" in str(caught.value)
        server.ask(lambda: server.hall.leave(ticket.token))


def test_a_start_with_fewer_waits_where_its_board_cannot_be_compiled(tmp_path):
    async def work():
        async with Hall(settings(tmp_path)) as hall:
            table = options(options={"height": 5, "width": 45, "players": 5}, agents={4: "random"})
            first = await hall.create(table, name="ann", address="a")
            waits = await hall.create(board(0), name="bob", address="b")
            second = await hall.join(first.code, name="bob", address="b")
            hall.force(first.token, True)
            with pytest.raises(HallError) as caught:
                hall.force(second.token, True)
            assert caught.value.code == "exhausted" and hall.snapshot(first.token).phase == "open"
            hall.leave(waits.token)
            await asyncio.sleep(0.05)
            hall.force(second.token, True)
            assert hall.snapshot(first.token).phase == "preparing"
            assert len(hall.snapshot(first.token).names) == 3

    run(work())


def test_kinds_of_boards_are_counted(tmp_path):
    async def work():
        async with Hall(settings(tmp_path)) as hall:
            await duel(hall)
            hall.reload(settings(tmp_path, layouts=1))
            told = await refused(hall.create(board(0), name="ann", address="a"))
            assert told.startswith(
                "this server takes no more new kinds of boards; play one of those that are"
            )
            await duel(hall)

    run(work())


def test_games_of_the_same_records_are_compiled_once():
    assert (
        layout_of(Generals(10, 10))
        == layout_of(Generals(5, 20, ruleset="duel"))
        != layout_of(Generals(9, 11))
    )
    assert layout_of(Generals(10, 10)) != layout_of(Generals(10, 10, 3))
    tables = [build("blob", {"players": players, "rounds": "all"}, board_cells=16) for players in (3, 5, 8)]
    assert len({layout_of(table) for table in tables}) == 1


@pytest.mark.parametrize("name", ["generals", "blob", "kuhn"])
def test_quick_matches_are_usual_and_other_boards_are_not(name):
    for players in range(FEWEST[name], MOST[name] + 1):
        assert is_usual(build(name, quick_options(name, players), board_cells=2500))
    assert not is_usual(Generals(5, 31, 3))
