"""The queues of generals.io over the wire: what a host chooses is what is played, teams, force start, and
nobody's flood is anybody else's."""

from __future__ import annotations

import asyncio

import pytest
from generalsio_house import SMALL, begin, players, run

from strategos.server.generalsio.entrance import TELLINGS


def test_what_the_host_chooses_is_played(tmp_path):
    async def test(house):
        async with players(house, "ann", "bob") as (ann, bob):
            flat = {"mountain_density": 0, "city_density": 0, "width": 0, "height": "8", "game_speed": 10}
            await ann.join("room", flat)
            await ann.emit("make_custom_public", "room")
            await begin(house, [ann, bob], **flat)
            (room,) = house.hall.rooms()[0]
            assert room.pace.seconds == 0.05 and (room.options["width"], room.options["height"]) == (8, 8)
            assert ann.start["options"] == {
                "game_speed": 10.0, "width": 0.0, "height": 8.0, "city_density": 0.0, "mountain_density": 0.0
            }  # fmt: skip
            await ann.look()
            assert ann.map[:2] == [8, 8] and set(ann.terrain) == {-1, -3, 0}  # no mountain, no obstacle

    run(tmp_path, test)


def test_options_are_taken_over_all_together_or_not_at_all(tmp_path):
    async def test(house):
        async with players(house, "ann") as (ann,):
            await ann.join("room", {"width": 0.5, "agents": ["hunter"]})
            for wrong, why in (
                ({"width": 0.1, "height": "high"}, "height is a number"),
                ({"width": 0.1, "agents": ["nobody"]}, "no agent 'nobody'"),
                ({"width": 0.1, "agents": ["hunter"] * 16}, "seats for 15 agents"),
                ({"width": 0.1, "agents": "hunter"}, "a list of names"),
                ([], "an object"),
                (None, "an object"),
            ):
                await ann.emit("set_custom_options", "room", wrong)
                title, told = await ann.event("notify")
                assert title == "Refused" and why in told
            (queue,) = house.app.entrance.queues.values()
            assert (queue.options.width, queue.options.height, queue.options.agents) == (
                0.5,
                None,
                ["hunter"],
            )

    run(tmp_path, test)


@pytest.mark.parametrize(
    "joins",
    [
        (["blue", "ann"], ["red", "bob"], ["blue", "cat"], ["red", "dan"]),
        (["blue", "ann", "key"], [None, "bob"], ["blue", "cat", None], ["", "dan", "key"]),
        (["ann", "key"], ["blue", "bob"], ["cat", None], ["blue", "dan"]),
        (["ann"], ["blue", "bob", "key", None], ["cat", "key", None], ["blue", "dan"]),
    ],
)
def test_two_teams_of_two(tmp_path, joins):
    """With the name of a team or without, with keys or without."""

    async def test(house):
        async with players(house, "ann", "bob", "cat", "dan") as clients:
            for client, arguments in zip(clients, joins, strict=True):
                await client.emit("set_username", client.user_id, client.user_id)
                assert await client.event("error_set_username") == [""]
                await client.emit("join_team", *arguments)
                if client is not clients[-1]:
                    await client.event("queue_update")
            while not (rooms := house.hall.rooms()[0]) or rooms[0].free:
                await asyncio.sleep(0.01)
            assert rooms[0].names == tuple(f"[Bot] {client.user_id}" for client in clients)
            teams = rooms[0].options["teams"]
            assert teams[0] == teams[2] != teams[1] == teams[3]
            assert set(house.app.entrance.players) == {"ann", "bob", "cat", "dan"}

    run(tmp_path, test)


def test_a_number_of_a_team_is_that_of_the_player_who_has_it(tmp_path):
    """Who chooses none has the number of its place, as everybody is told: 1 is with the first one."""

    async def test(house):
        async with players(house, "ann", "bob", "cat") as (ann, bob, cat):
            for place, client in enumerate((ann, bob, cat)):
                await client.join("room", SMALL if place == 0 else None)
            await cat.emit("set_custom_team", "room", 1)
            while (told := (await cat.event("queue_update"))[0])["teams"] != [1, 2, 1]:
                pass
            assert told["numPlayers"] == 3
            await begin(house, [ann, bob, cat])
            assert ann.start["teams"] == [0, 1, 0]
            assert ann.start["team_chat_room"] == cat.start["team_chat_room"] != bob.start["team_chat_room"]

    run(tmp_path, test, seats=3)


@pytest.mark.parametrize(
    "arguments", [["room", True], [None, True], ["room", 1, True], [True], ["room", True, None], []]
)
def test_force_start_in_every_form(tmp_path, arguments):
    async def test(house):
        async with players(house, "ann") as (ann,):
            await ann.join("room")
            await ann.emit("set_force_start", *arguments)
            while not (await ann.event("queue_update"))[0]["isForcing"]:
                pass
            await ann.emit("set_force_start", "room", False)
            while (await ann.event("queue_update"))[0]["isForcing"]:
                pass

    run(tmp_path, test)


@pytest.mark.parametrize(("version", "none", "one"), [(3, 0, 1), (4, [], [0])])
def test_h18_who_wants_to_begin_is_a_number_for_old_clients(tmp_path, version, none, one):
    async def test(house):
        async with players(house, "ann", version=version) as (ann,):
            await ann.emit("join_private", "room", "ann")
            assert (await ann.event("queue_update"))[0]["numForce"] == none
            await ann.emit("set_force_start", "room", True)
            assert (await ann.event("queue_update"))[0]["numForce"] == one

    run(tmp_path, test)


def test_a_flood_in_a_queue_is_not_told_on(tmp_path):
    """One player changes its mind without end; the other is told now and then."""
    changes = 240  # as many events as may wait for one client, and a few less

    async def test(house):
        async with players(house, "ann", "bob") as (ann, bob):
            for client in (ann, bob):
                await client.emit("play", client.user_id)
                await client.event("queue_update")
            for change in range(changes):
                await ann.emit("set_force_start", None, change % 2 == 0)
            await ann.emit("ping_server")
            await ann.event("pong_server")
            await bob.emit("ping_server")
            await bob.event("pong_server")
            updates = [packet for packet in bob.line.packets if packet.startswith('42["queue_update"')]
            assert len(updates) < changes / 2
            while (await bob.event("queue_update"))[0]["numForce"]:  # the last word is told in the end
                pass

    assert changes > 8 * TELLINGS
    run(tmp_path, test)


def test_a_name_is_free_again_when_its_holder_has_another(tmp_path):
    async def test(house):
        async with players(house, "ann", "bob", "cat") as (ann, bob, cat):

            async def name(client, name: str) -> str:
                await client.emit("set_username", client.user_id, name)
                return (await client.event("error_set_username"))[0]

            assert await name(ann, "first") == ""
            assert "taken" in await name(bob, "first")
            assert await name(ann, "second") == "" == await name(bob, "first")
            assert "taken" in await name(ann, "first")
            await bob.line.socket.close()
            while house.app.entrance.players["bob"].socket is not None:
                await asyncio.sleep(0.01)
            assert await name(cat, "first") == ""  # nobody is here who has it

    run(tmp_path, test)
