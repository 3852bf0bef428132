"""Games over the protocol of generals.io, in a hall that runs: what clients are told, what they can do."""

from __future__ import annotations

import asyncio
import json
import random
from contextlib import suppress

import aiohttp
import pytest
import socketio
from generalsio_house import SMALL, begin, players, run
from wire import greet, url, wire

from strategos.games.generals.record import view_dtype
from strategos.server.generalsio import map_diff


@pytest.mark.parametrize("version", [3, 4])
def test_h18_the_shape_of_every_event(tmp_path, version):
    """The number of arguments, and their names, as the public bots want them."""

    async def test(house):
        async with players(house, "ann", "bob", version=version) as (ann, bob):
            await ann.line.send('421["get_username","ann"]')
            assert await ann.line.until("43") == "431[null]"
            await begin(house, [ann, bob])
            assert [ann.start["playerIndex"], bob.start["playerIndex"]] == [0, 1]
            assert ann.start["usernames"] == ["[Bot] ann", "[Bot] bob"]
            for name in ("replay_id", "chat_room", "teams", "swamps", "lights", "options", "playerColors"):
                assert name in ann.start
            assert ann.start["game_type"] == "custom" and "team_chat_room" not in ann.start
            before = [packet for packet in ann.line.packets if packet.startswith("42")]
            assert before[-2] == '42["pre_game_start"]'

            update = await ann.look()
            assert update["turn"] >= 1 and update["attackIndex"] == -1 and update["deserts_diff"] == [0]
            assert len(update["map_diff"]) == 2 + len(ann.map)  # the first patches an empty array
            assert ann.map[:2] == [8, 8] and len(ann.map) == 2 + 2 * 64
            assert sorted(score["i"] for score in update["scores"]) == [0, 1]
            for score in update["scores"]:
                assert score.keys() >= {"total", "tiles", "i", "color", "dead"}
            general = update["generals"][0]
            assert update["generals"][1] == -1 and ann.terrain[general] == 0
            assert len(update["stars"]) == 2

            await ann.line.send('422["get_username","ann"]')
            assert await ann.line.until("43") == '432["[Bot] ann"]'
            await ann.emit("stars_and_rank", "ann", None)
            assert (await ann.event("stars"))[0].keys() == {"duel", "ffa", "2v2"}
            assert (await ann.event("rank"))[0].keys() == {"duel", "ffa", "2v2"}

            await bob.emit("chat_message", bob.start["chat_room"], "hello", None, "")
            room, said = await ann.event("chat_message")
            assert room == ann.start["chat_room"] and said["username"] == "[Bot] bob"
            assert (said["text"], said["playerIndex"]) == ("hello", 1)

            await bob.emit("surrender")
            assert await bob.event("game_lost") == [{"killer": -1, "surrender": True}, None]
            assert await bob.event("game_over") == [None, None]
            assert await ann.event("game_won") == [None, None]
            assert await ann.event("game_over") == [None, None]
            assert house.hall.games()[0] == []  # a private game is not listed

    run(tmp_path, test)


def test_what_a_client_sees_is_its_view(tmp_path):
    """Map, cities, generals and scores that a client has after many patches are those of the hall."""

    async def test(house):
        async with players(house, "ann", "bob") as (ann, bob):
            await begin(house, [ann, bob])
            order = []
            for _ in range(40):
                update = await ann.look()
                await bob.look()
                with suppress(AssertionError):
                    await ann.emit("attack", *ann.way_out(), False)
                order.append([score["i"] for score in update["scores"]])
            token = house.app.entrance.players["ann"].seated.ticket.token
            while True:
                update = await ann.look()
                snapshot = house.hall.snapshot(token)
                if snapshot.tick == update["turn"]:
                    break
            assert ann.map == map_diff.map_array(snapshot.view).tolist()
            assert ann.cities == map_diff.cities_of(snapshot.view).tolist()
            assert snapshot.view.dtype == view_dtype(64, 2)
            totals = {score["i"]: score["total"] for score in update["scores"]}
            assert [totals[0], totals[1]] == snapshot.view["army_total"].tolist()
            assert [score["total"] for score in update["scores"]] == sorted(totals.values(), reverse=True)
            assert [0, 1] in order  # the stronger first, whoever that is

    run(tmp_path, test)


def test_attacks_with_two_three_and_four_arguments(tmp_path):
    async def test(house):
        async with players(house, "ann", "bob") as (ann, bob):
            await begin(house, [ann, bob])
            while max((await ann.look())["generals"]) < 0 or ann.armies[ann.update["generals"][0]] < 8:
                pass
            start, end = ann.way_out(8)
            await ann.emit("attack", start, end, True, 7)
            while (await ann.look())["attackIndex"] != 7:
                pass
            assert ann.terrain[end] == ann.me and 2 <= ann.armies[end] < ann.armies[start] + 3  # about half
            await ann.emit("attack", start, end)  # as many bots do
            while (await ann.look())["attackIndex"] != 8:
                pass
            await ann.emit("attack", end, start, False)
            while (await ann.look())["attackIndex"] != 9:
                pass
            assert ann.armies[end] <= 2

    run(tmp_path, test)


def test_i3_i11_attacks_that_are_none_are_ignored(tmp_path):
    async def test(house):
        async with players(house, "ann", "bob") as (ann, bob):
            await ann.emit("attack", 1, 2)  # before any game
            await begin(house, [ann, bob])
            await ann.look()
            general = ann.update["generals"][0]
            for arguments in (
                [], [general], [general, general], [general, general + 16], [7, 8], [-1, 0], [63, 64],
                [True, False], ["1", "2"], [1.5, 2.5], [None, None], [[1], [2]], [{}, {}], [2**62, 1],
                [general, None, False, 3], [10**18, 10**18, True, -5],
            ):  # fmt: skip
                await ann.emit("attack", *arguments)
            beside = general + 1 if general % 8 < 7 else general - 1
            await bob.emit("attack", general, beside, False, 3)  # not his
            for _ in range(5):
                assert (await ann.look())["attackIndex"] == -1
            while (await bob.look())["attackIndex"] != 3:  # taken from the queue, and dropped
                pass
            land = {score["i"]: score["tiles"] for score in bob.update["scores"]}
            assert land == {0: 1, 1: 1}

    run(tmp_path, test)


def test_undo_and_clear(tmp_path):
    async def test(house):
        async with players(house, "ann", "bob") as (ann, bob):
            await begin(house, [ann, bob], game_speed=1)  # slow: the moves must still wait
            token = house.app.entrance.players["ann"].seated.ticket.token
            await ann.look()
            general = ann.update["generals"][0]
            inside = general + 8 if general < 32 else general - 8
            for number in range(4):
                await ann.emit("attack", general, inside, False, number)
            await ann.emit("undo_move")
            await ann.emit("ping_server")
            await ann.event("pong_server")
            assert 1 <= len(house.hall.snapshot(token).queue) <= 3
            await ann.emit("clear_moves")
            await ann.emit("ping_server")
            await ann.event("pong_server")
            assert house.hall.snapshot(token).queue == ()

    run(tmp_path, test)


def test_the_queue_is_told_again_and_again(tmp_path):
    async def test(house):
        async with players(house, "ann", "bob") as (ann, bob):
            await ann.join("room", {"width": 0.5, "swamp_density": 1})
            assert await ann.event("notify") == ["Options", "there is no option swamp_density here"]
            for _ in range(3):  # nobody does anything
                (told,) = await ann.event("queue_update")
            assert told["numPlayers"] == 1 and told["usernames"] == ["[Bot] ann"]
            assert told["numForce"] == [] and told["isForcing"] is False and told["options"]["width"] == 0.5
            await bob.join("room")
            await bob.emit("set_custom_team", "room", 2)
            await bob.emit("set_custom_options", "room", {"width": 1})
            assert "host" in (await bob.event("notify"))[1]
            await bob.emit("set_custom_team", "room", 99)
            assert "1 to 16" in (await bob.event("notify"))[1]
            await bob.emit("set_force_start", "room", 1, True)  # as some do
            while not (told := (await ann.event("queue_update"))[0])["numForce"]:
                pass
            assert told["numForce"] == [1] and told["playerIndices"] == [0, 1] and told["teams"] == [1, 2]
            await bob.emit("chat_message", "chat_custom_queue_room", "anyone?", None, "")
            room, said = await ann.event("chat_message")
            assert (room, said["text"]) == ("chat_custom_queue_room", "anyone?")
            await ann.emit("set_custom_options", "room", {"agents": ["nobody"]})
            assert "no agent" in (await ann.event("notify"))[1]

    run(tmp_path, test)


def test_error_queue_full(tmp_path):
    async def test(house):
        names = [f"p{number}" for number in range(17)]
        async with players(house, *names) as clients:
            for client in clients[:16]:
                await client.emit("join_private", "room", client.user_id)
                await client.event("queue_update")
            await clients[16].emit("join_private", "room", "p16")
            assert await clients[16].event("error_queue_full") == []

    run(tmp_path, test)


def test_names(tmp_path):
    async def test(house):
        async with players(house, "ann", "bob") as (ann, bob):
            for name, told in (("ann", ""), ("[Bot] ann", ""), ("", "text"), ("a\x00b", "text"), (7, "text")):
                await ann.emit("set_username", "ann", name, "key", None)
                (said,) = await ann.event("error_set_username")
                assert said == told if not told else told in said
            await bob.emit("set_username", "bob", "ann")
            assert await bob.event("error_set_username") == ["This username is already taken."]
            for user_id in ("", None, 5, ["x"], "x" * 500):
                await bob.emit("join_1v1", user_id)
                assert "user id" in (await bob.event("gio_error"))[0]
            await bob.emit("join_1v1", "bob")
            await bob.event("queue_update")
            await bob.emit("join_1v1", "somebody else")
            assert "one connection is one player" in (await bob.event("gio_error"))[0]

    run(tmp_path, test)


def test_teams_talk_among_themselves(tmp_path):
    async def test(house):
        async with players(house, "ann", "bob", "cat") as (ann, bob, cat):
            for place, client in enumerate((ann, bob, cat)):
                await client.join("room", SMALL if place == 0 else None)
                await client.emit("set_custom_team", "room", 1 if place < 2 else 2)
            for client in (ann, bob, cat):
                await client.emit("set_force_start", "room", True)
            for client in (ann, bob, cat):
                await client.begin()
            assert ann.start["teams"] == [0, 0, 1]
            assert ann.start["team_chat_room"] == bob.start["team_chat_room"] != cat.start["team_chat_room"]
            await bob.emit("chat_message", bob.start["team_chat_room"], "psst", "[team] ")
            room, said = await ann.event("chat_message")
            assert (room, said["text"]) == (bob.start["team_chat_room"], "psst")
            await bob.emit("ping_tile", 9)
            assert await ann.event("ping_tile") == [9, 1]
            await cat.emit("chat_message", ann.start["team_chat_room"], "I am one of you")  # is told to all
            room, said = await ann.event("chat_message")
            assert room == ann.start["chat_room"] and said["username"] == "[Bot] cat"
            assert not any("psst" in packet or "ping_tile" in packet for packet in cat.line.packets)
            await cat.emit("surrender")
            for client in (ann, bob):
                await client.event("game_won")

    run(tmp_path, test, seats=3)


def test_h1_fuzz_while_a_game_keeps_ticking(tmp_path):
    """6,000 frames of nonsense from many connections; the game of others does not miss a tick for it."""
    chance = random.Random(7)
    names = [
        "attack",
        "join_private",
        "set_username",
        "chat_message",
        "set_custom_options",
        "undo_move",
        "",
        "x",
    ]
    pieces = [
        '"a"',
        "1",
        "-1",
        "null",
        "true",
        "[]",
        "{}",
        '{"width":9e9}',
        "1e400",
        '"\\u0000"',
        "[[[[",
        '"room"',
    ]

    def nonsense() -> str:
        kind = chance.randrange(5)
        if kind == 0:
            return "".join(chance.choice('0123456789[]{}",:\\x/🦊\x1e') for _ in range(chance.randrange(40)))
        if kind == 1:
            return "4" + chance.choice("0123456789") + chance.choice(["", "[", "{}", "/x,", '["a"', "-1[]"])
        arguments = ",".join(chance.choice(pieces) for _ in range(chance.randrange(6)))
        return f'42{chance.choice(["", "7", "99"])}["{chance.choice(names)}",{arguments}]'

    async def attack(house, frames: int) -> int:
        sent = 0
        while sent < frames:
            async with wire(house.port, chance.choice([3, 4])) as line:
                try:
                    for _ in range(200):
                        sent += 1
                        await line.send(nonsense())
                        if sent >= frames:
                            break
                except ConnectionError:
                    pass
        return sent

    async def test(house):
        async with players(house, "ann", "bob") as (ann, bob):
            await begin(house, [ann, bob])
            attackers = [asyncio.create_task(attack(house, 1500)) for _ in range(4)]
            turns = []
            while not all(task.done() for task in attackers) or len(turns) <= 5:
                turns.append((await ann.look())["turn"])
                await bob.look()
            assert sum(task.result() for task in attackers) == 6000
            assert turns == sorted(set(turns)), "the game went on all the while"
            await bob.emit("surrender")
            await ann.event("game_won")

    run(tmp_path, test)


def test_the_public_queues_make_public_rooms(tmp_path):
    """Two who wait for a duel, and two who force a free for all; their boards are as in a quick match."""

    async def test(house):
        async with players(house, "ann", "bob", "cat", "dan") as (ann, bob, cat, dan):
            for client in (ann, bob):
                await client.emit("join_1v1", client.user_id, "key", None)
                await client.event("queue_update")
            for client in (cat, dan):
                await client.emit("play", client.user_id)
                await client.event("queue_update")
                await client.emit("set_force_start", None, True)
            while len(rooms := house.hall.rooms()[0]) < 2 or any(room.free for room in rooms):
                await asyncio.sleep(0.01)
            seated = {
                name: house.app.entrance.players[name].seated.ticket.room for name in ("ann", "bob", "cat")
            }
            assert seated["ann"] == seated["bob"] != seated["cat"]
            for room in rooms:
                assert room.game == "generals" and room.pace.seconds == 0.5
                assert room.options["players"] == 2 and room.options["ruleset"] == "generalsio"
                assert room.names == ("[Bot] Anonymous", "[Bot] Anonymous (2)")

    run(tmp_path, test)


def test_python_socketio_plays_a_rated_game(tmp_path):
    """An independent client, from the queue to the leaderboard."""

    async def test(house):
        ends: asyncio.Queue = asyncio.Queue()

        async def play(name: str) -> socketio.AsyncClient:
            client = socketio.AsyncClient()
            client.on("game_update", lambda data, nothing: ends.put_nowait((name, data["turn"])))
            client.on("game_won", lambda one, two: ends.put_nowait((name, "won")))
            client.on("game_lost", lambda data, nothing: ends.put_nowait((name, "lost")))
            client.on("error_set_username", lambda message: ends.put_nowait((name, message)))
            await client.connect(house.url)
            await client.emit("set_username", (name, name, "key"))
            assert await ends.get() == (name, "")
            await client.emit("join_private", ("room", name, "key", None))
            return client

        clients = [await play("ann"), await play("bob")]
        await clients[0].emit("make_custom_public", "room")
        await clients[0].emit("set_custom_options", ("room", SMALL))
        for client in clients:
            await client.emit("set_force_start", ("room", True))
        while not isinstance((await ends.get())[1], int):
            pass
        await clients[0].emit("surrender")
        told = set()
        while len(told) < 2:
            name, what = await ends.get()
            if isinstance(what, str):
                told.add((name, what))
        assert told == {("ann", "lost"), ("bob", "won")}
        for client in clients:
            await client.disconnect()
        standing = {line.name: line.wins for line in house.hall.leaderboard("generals")}
        assert standing == {"[Bot] ann": 0, "[Bot] bob": 1}

    run(tmp_path, test)


def test_h17_the_family_that_speaks_raw_websocket(tmp_path):
    """As the Python bots do that descend from one client: a session by polling, a post beside the socket, no
    waiting for anything, heartbeats that nobody wants, and one way to read whatever comes."""

    async def test(house):
        read: list = []

        def understand(packet: str) -> None:
            if packet in ("2", "3", "40", "41"):
                return
            text = packet.lstrip("0123456789")
            if text != "probe":
                read.append(json.loads(text))

        async with aiohttp.ClientSession() as http, players(house, "ann") as (ann,):
            await ann.join("room", SMALL)
            sid = (await greet(http, house.port))["sid"]
            posting = asyncio.create_task(http.post(url(house.port, sid=sid), data="40"))
            async with wire(house.port, sid=sid) as line:
                await line.send("2probe", "5", "3")
                await line.emit("stars_and_rank", "raw", None)
                await line.emit("join_private", "room", "raw", None, None)
                await line.emit("set_force_start", "room", True)
                await ann.emit("set_force_start", "room", True)
                assert (await posting).status == 200
                start = (await line.event("game_start"))[0]
                await line.send("3")
                await line.event("game_update")
                await line.emit("chat_message", start["chat_room"], "glhf", None)
                await line.emit("attack", 0, 1, False, 1)
                await line.emit("surrender")
                assert (await line.event("game_lost"))[0]["killer"] == -1
                for packet in line.packets:
                    understand(packet)
        names = [message[0] for message in read if isinstance(message, list)]
        assert {"stars", "rank", "queue_update", "pre_game_start", "game_start", "game_update"} <= set(names)

    run(tmp_path, test)
