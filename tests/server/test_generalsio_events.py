"""H18: every event of a generals.io client and of the server as the public bots have it: when it comes, in
which order, and with how many arguments; and what comes at the wrong time or in another form."""

from __future__ import annotations

import asyncio
import json

import aiohttp
import pytest
from generalsio_house import SMALL, begin, players, run
from wire import serving

from strategos.server.web.app import make_app

ARGUMENTS = {
    "error_set_username": 1,
    "queue_update": 1,
    "pre_game_start": 0,
    "game_start": 2,
    "game_update": 2,
    "chat_message": 2,
    "game_lost": 2,
    "game_won": 2,
    "game_over": 2,
    "stars": 1,
    "rank": 1,
    "notify": 2,
    "gio_error": 1,
    "removed_from_queue": 0,
    "error_queue_full": 0,
    "error_user_id": 0,
    "pong_server": 0,
    "ping_tile": 2,
    "server_restart": 0,
}
"""Every event that the server has, and its number of arguments."""


def events_of(client) -> list[list]:
    """All events that a client was sent, in order, their numbers of arguments checked."""
    events = [json.loads(packet[2:]) for packet in client.line.packets if packet.startswith("42")]
    for name, *arguments in events:
        assert len(arguments) == ARGUMENTS[name], name
    return events


async def settled(client) -> None:
    """Wait until everything that the client has sent was handled; its answer is read with all before it."""
    await client.emit("ping_server")
    await client.event("pong_server")


@pytest.mark.parametrize("version", [3, 4])
def test_h18_a_whole_game_in_order(tmp_path, version):
    """Who does nothing is captured by an agent of the server."""

    async def test(house):
        async with players(house, "ann", version=version) as (ann,):
            await ann.join("room", {**SMALL, "agents": ["hunter"]})
            await ann.emit("set_force_start", "room", True)
            assert await ann.event("game_over") == [None, None]
            events = events_of(ann)
            names = [event[0] for event in events]
            first = names.index("pre_game_start")
            assert set(names[:first]) == {"error_set_username", "queue_update"}
            assert names[first + 1] == "game_start" and names[-1] == "game_over"
            assert names[-3:] == ["game_lost", "chat_message", "game_over"]
            assert events[-3] == ["game_lost", {"killer": 1}, None]
            assert set(names[first + 2 : -3]) == {"game_update", "chat_message"}
            assert names[first + 2] == "game_update"
            updates = [event[1] for event in events if event[0] == "game_update"]
            assert [update["turn"] for update in updates] == sorted({update["turn"] for update in updates})
            for update in updates:  # a bot may look for a tile of its own until it finds one
                assert not any(score["dead"] or not score["tiles"] for score in update["scores"])
            start = events[first + 1][1]
            for name in ("swamps", "deserts", "lights", "lookouts", "observatories"):
                assert start[name] == []  # there are none here, and clients that draw them find none
            said = [event[2]["text"] for event in events if event[0] == "chat_message"]
            assert said[0] == "hunter captured [Bot] ann."
            assert said[1] == f"The replay of this game is at /replays/{start['replay_id']}."
            await ann.emit("leave_game")
            await settled(ann)
            assert events_of(ann)[-1] == ["pong_server"] and len(events_of(ann)) == len(events) + 1

    run(tmp_path, test, tick_least_s=0.005)


@pytest.mark.parametrize("place", ["nowhere", "queue", "after"])
def test_h18_events_at_the_wrong_time_are_ignored(tmp_path, place):
    """Before any join, while waiting, and after the end: no answer, and no harm."""

    async def test(house):
        async with players(house, "ann", "bob") as (ann, bob):
            if place == "queue":
                await ann.join("room", SMALL)
            elif place == "after":
                await begin(house, [ann, bob])
                await ann.emit("surrender")
                await ann.event("game_over")
            await settled(ann)
            before = len(events_of(ann))
            for event in (
                ["attack", 0, 1], ["attack", 0, 1, False, 1], ["undo_move"], ["clear_moves"], ["surrender"],
                ["ping_tile", 3], ["leave_game"] if place != "queue" else ["clear_moves", None],
                ["set_force_start"] if place != "queue" else ["undo_move", 7], ["set_custom_team", "room"]
                if place != "queue" else ["surrender", None], ["nobody_knows_this", 1, 2], ["chat_message"],
                ["chat_message", None, None], ["chat_message", "x", "   "], ["cancel"] if place != "queue"
                else ["chat_message", 3, []],
            ):  # fmt: skip
                await ann.emit(*event)
            await settled(ann)
            told = [event[0] for event in events_of(ann)[before:]]
            assert set(told) <= {"pong_server"} | ({"queue_update"} if place == "queue" else set())
            await begin(house, [ann, bob], "again" if place != "queue" else "room")
            assert (await ann.look())["turn"] >= 1

    run(tmp_path, test)


def test_h18_null_stands_where_nothing_is(tmp_path):
    """Arguments that are null, missing or more than expected, as bots of several kinds send them."""

    async def test(house):
        async with players(house, "ann", "bob") as (ann, bob):
            await ann.emit("set_username", "ann", "ann", None, None)
            assert await ann.event("error_set_username") == [""]
            await ann.emit("join_private", "room", "ann", None, None)
            await ann.event("queue_update")
            await ann.emit(
                "set_custom_options", "room", {**SMALL, "width": None, "height": None, "map": None}
            )
            await ann.emit("set_custom_options", None, {"width": 8, "height": 8})
            await bob.emit("join_private", "room", "bob")
            await bob.event("queue_update")
            await ann.emit("set_force_start", None, True)
            await bob.emit("set_force_start", "room", True, None)
            await ann.begin()
            await bob.begin()
            assert ann.start["usernames"] == ["[Bot] ann", "[Bot] Anonymous"]
            await ann.look()
            await ann.emit("chat_message", None, "to everybody", None, "")
            assert (await bob.event("chat_message"))[0] == bob.start["chat_room"]
            await ann.emit("clear_moves", None)
            await ann.emit("undo_move", None, None)
            await ann.emit("stars_and_rank", "nobody")
            assert await ann.event("stars") == [dict.fromkeys(("duel", "ffa", "2v2"), 0.0)]
            assert await ann.event("rank") == [dict.fromkeys(("duel", "ffa", "2v2"), None)]
            await ann.emit("surrender", None)
            await bob.event("game_won")
            events_of(ann), events_of(bob)

    run(tmp_path, test)


def test_the_replay_is_where_its_id_said_from_the_start(tmp_path):
    """The link that bots print opens the page's viewer; while the game goes on there is nothing to see."""

    async def test(house):
        app = make_app(house.hall, {"/socket.io": house.app})
        async with serving(app) as port, aiohttp.ClientSession(f"http://127.0.0.1:{port}") as http:
            async with players(house, "ann", "bob") as (ann, bob):
                await ann.join("room", SMALL)
                await ann.emit("make_custom_public", "room")
                await begin(house, [ann, bob])
                replay = ann.start["replay_id"]
                await ann.look()
                async with http.get(f"/api/replays/{replay}") as answer:
                    assert answer.status == 404
                async with http.post(f"/api/rooms/{ann.start['replay_id']}/spectate", json={}) as answer:
                    assert answer.status == 200  # a public game is watched by anybody, late
                await ann.emit("surrender")
                await ann.event("game_over")
            async with http.get(f"/api/replays/{replay}") as answer:
                assert answer.status == 200 and (await answer.json())["game"] == "generals"
            async with http.get("/api/games") as answer:
                assert [game["replay"] for game in (await answer.json())["games"]] == [replay]
            async with http.get(f"/replays/{replay}", allow_redirects=False) as answer:
                assert answer.status == 307 and answer.headers["location"] == f"/#/replay/{replay}"
            async with http.get("/replays/..%2Fkeys.json", allow_redirects=False) as answer:
                assert answer.status in (404, 422)

    run(tmp_path, test)


def test_l7_chat_is_cleaned_in_queues_and_teams_too(tmp_path):
    async def test(house):
        async with players(house, "ann", "bob", "cat") as (ann, bob, cat):
            for place, client in enumerate((ann, bob, cat)):
                await client.join("room", SMALL if place == 0 else None)
                await client.emit("set_custom_team", "room", 1 if place < 2 else 2)
            for line in ("a\u202eb", "a\x07b", "e" + "\u0301" * 9):
                await ann.emit("chat_message", "chat_custom_queue_room", line)
                assert "a line of chat holds" in (await ann.event("notify"))[1]
            await ann.emit("chat_message", "chat_custom_queue_room", " two \t words\n ")
            assert (await bob.event("chat_message"))[1]["text"] == "two words"
            for client in (ann, bob, cat):
                await client.emit("set_force_start", "room", True)
            for client in (ann, bob, cat):
                await client.begin()
            await ann.emit("chat_message", ann.start["team_chat_room"], "a\u202eb")
            assert "a line of chat holds" in (await ann.event("notify"))[1]
            await ann.emit("chat_message", ann.start["team_chat_room"], "x" * 300)
            assert (await bob.event("chat_message"))[1]["text"] == "x" * 200
            for _ in range(50):
                await ann.emit("chat_message", ann.start["team_chat_room"], "again")
            assert "too much chat" in (await ann.event("notify"))[1]
            assert not any("again" in packet for packet in cat.line.packets)

    run(tmp_path, test, seats=3)


def test_who_is_well_but_silent_keeps_its_seat(tmp_path):
    """A client that only answers pings is not taken for a lost one: no second connection gets its user id."""

    async def test(house):
        assert house.app.entrance.silent_s > house.app.engine.ping_interval_s

    run(tmp_path, test)


def test_a_refusal_of_the_hall_leaves_nobody_stranded(tmp_path, capsys):
    """The server has as many games as it takes: those who waited are told, and may wait again."""

    async def test(house):
        async with players(house, "ann", "bob", "cat", "dan") as (ann, bob, cat, dan):
            await begin(house, [ann, bob])
            await cat.join("other", SMALL)
            await dan.join("other")
            for client in (cat, dan):
                await client.emit("set_force_start", "other", True)
            for client in (cat, dan):
                assert "as many games as it takes" in (await client.event("gio_error"))[0]
                await client.event("removed_from_queue")
            await ann.emit("surrender")
            await bob.event("game_over")
            while any(room.phase != "over" for room in house.hall._lobby.rooms.values()):
                await asyncio.sleep(0.01)
            await begin(house, [cat, dan], "other")
            assert cat.start["usernames"] == ["[Bot] cat", "[Bot] dan"]

    run(tmp_path, test, games=1)
    assert "[error" not in capsys.readouterr().out
