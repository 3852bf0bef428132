"""Players of generals.io who go and come back: lost connections, a server that is started anew, its end."""

from __future__ import annotations

import asyncio
import json
import threading
from concurrent.futures import ThreadPoolExecutor

from generalsio_house import SMALL, begin, players, run


def test_h14_a_lost_connection_is_resumed_by_the_user_id(tmp_path):
    async def test(house):
        async with players(house, "ann", "bob") as (ann, bob):
            await begin(house, [ann, bob], game_speed=10)
            while (await ann.look())["turn"] < 6:
                pass
            async with players(house, "bob") as (second,):
                await second.emit("set_username", "bob", "bob")
                assert "plays already" in (await second.event("error_set_username"))[0]
                await second.emit("join_private", "room", "bob")
                await second.event("error_user_id")
            await bob.line.socket.close()
            async with players(house, "bob") as (again,):
                await again.emit("set_username", "bob", "bob")
                assert await again.event("error_set_username") == [""]
                await again.emit("join_private", "elsewhere", "bob", None)  # any way in leads back
                assert (await again.begin())["playerIndex"] == 1
                update = await again.look()
                assert update["turn"] >= 6 and len(again.map) == 2 + 2 * 64 and again.map[:2] == [8, 8]
                assert again.terrain[update["generals"][1]] == 1
                await again.emit("surrender")
                await again.event("game_over")
                await ann.event("game_won")

    run(tmp_path, test)


def test_who_does_not_come_back_has_surrendered(tmp_path):
    async def test(house):
        async with players(house, "ann", "bob") as (ann, bob):
            await begin(house, [ann, bob])
            await bob.line.socket.close()
            assert await ann.event("game_won") == [None, None]

    run(tmp_path, test, resume_s=0.3)


def test_leaving_a_game_and_a_queue(tmp_path):
    async def test(house):
        async with players(house, "ann", "bob") as (ann, bob):
            await ann.join("first")
            await ann.emit("cancel")
            await begin(house, [bob, ann], "second")
            await bob.emit("leave_game")
            await ann.event("game_won")
            await ann.event("game_over")
            assert house.app.entrance.queues == {}
            await bob.join("third")
            await bob.line.socket.close()
            while house.app.entrance.queues:
                await asyncio.sleep(0.01)

    run(tmp_path, test)


def test_the_end_of_the_server_is_told(tmp_path):
    async def test(house):
        async with players(house, "ann", "bob") as (ann, bob):
            await begin(house, [ann, bob], game_speed=1)
            stopping = asyncio.create_task(house.hall.stop(1.0))
            assert await ann.event("server_restart") == []
            await stopping

    run(tmp_path, test)


def test_a6_a_restarted_server_knows_its_players_by_their_user_ids(tmp_path):
    turn = 0

    async def before(house):
        nonlocal turn
        async with players(house, "ann", "bob") as (ann, bob):
            await begin(house, [ann, bob], game_speed=10)
            while (turn := (await ann.look())["turn"]) < 6:
                pass
            await house.hall.stop()

    async def after(house):
        kept = tmp_path / "generalsio.json"
        assert kept.stat().st_mode & 0o777 == 0o600 and "ann" not in kept.read_text().split('"')
        async with players(house, "ann", "bob") as (ann, bob):
            for client in (ann, bob):
                await client.emit("join_private", "room", client.user_id)
                await client.begin()
                assert (await client.look())["turn"] >= turn and client.map[:2] == [8, 8]
            assert (ann.me, bob.me) == (0, 1) and ann.start["usernames"] == ["[Bot] ann", "[Bot] bob"]
            await bob.emit("surrender")
            await ann.event("game_won")
            await ann.event("game_over")
            await ann.emit("join_private", "another", "ann")
            await ann.event("queue_update")

    run(tmp_path, before)
    run(tmp_path, after)


def test_a6_a_seat_is_on_the_disk_before_its_player_is_told(tmp_path):
    """Else a crash right then would leave a player who cannot come back. Here the disk is slow."""

    async def test(house):
        go_on, loop = threading.Event(), asyncio.get_running_loop()
        async with players(house, "ann", "bob") as (ann, bob):
            await ann.join("room", SMALL)
            await bob.join("room")
            loop.set_default_executor(ThreadPoolExecutor(1))
            loop.run_in_executor(None, go_on.wait)
            try:
                for client in (ann, bob):
                    await client.emit("set_force_start", "room", True)
                entrance = house.app.entrance
                while (seated := entrance.players["ann"].seated) is None:
                    await asyncio.sleep(0.01)
                while house.hall.snapshot(seated.ticket.token).tick < 2:
                    await asyncio.sleep(0.01)
                await ann.emit("join_private", "room", "ann")  # an impatient one
                await ann.emit("ping_server")
                await ann.event("pong_server")
                assert not any("game_start" in packet for packet in ann.line.packets)
            finally:
                go_on.set()
            for client in (ann, bob):
                await client.begin()
                assert len(json.loads((tmp_path / "generalsio.json").read_text())) == 2
                assert (await client.look())["turn"] >= 2 and client.map[:2] == [8, 8]
            told = [packet for packet in ann.line.packets if "game_start" in packet]
            assert len(told) == 2  # this, and "pre_game_start"

    run(tmp_path, test)


def test_a6_who_does_not_come_back_to_a_restarted_server_has_surrendered(tmp_path):
    """And what was kept of its seat goes."""

    async def before(house):
        async with players(house, "ann", "bob") as (ann, bob):
            await begin(house, [ann, bob], game_speed=10)
            await house.hall.stop()

    async def after(house):
        kept = tmp_path / "generalsio.json"
        assert len(json.loads(kept.read_text())) == 2
        async with players(house, "ann") as (ann,):
            await ann.emit("join_private", "room", "ann")
            assert (await ann.begin())["usernames"] == ["[Bot] ann", "[Bot] bob"]
            assert await ann.event("game_won") == [None, None]
            while json.loads(kept.read_text()):
                await asyncio.sleep(0.01)

    run(tmp_path, before)
    run(tmp_path, after, resume_s=0.5)


def test_a6_seats_of_games_that_are_over_are_forgotten(tmp_path):
    """Nobody has asked for them again."""

    async def before(house):
        async with players(house, "ann", "bob") as (ann, bob):
            await begin(house, [ann, bob])
            await house.app.entrance.kept.saved()
            (tmp_path / "kept").write_bytes((tmp_path / "generalsio.json").read_bytes())
            await bob.emit("surrender")
            await ann.event("game_over")

    async def after(house):
        while json.loads((tmp_path / "generalsio.json").read_text()):
            await asyncio.sleep(0.01)

    run(tmp_path, before)
    (tmp_path / "kept").rename(tmp_path / "generalsio.json")  # as after a crash at the end of the game
    run(tmp_path, after, resume_s=0.1)
