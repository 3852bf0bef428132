"""The lobby: who finds whom, what a room may be, and what one address may ask for."""

from __future__ import annotations

import asyncio
import math

import pytest
from halls import BOARD, alone, both_pass, duel, events_until, options, run, settings, until
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st

from strategos.server.access.names import apart, clean_chat, clean_name
from strategos.server.hall import Hall, HallError, Pace, RoomOptions
from strategos.server.rooms.kinds import OPTIONS
from strategos.server.terms import CODES

THREE = {**BOARD, "players": 3}


async def refusal(work) -> str:
    with pytest.raises(HallError) as caught:
        await work
    return caught.value.code


def test_create_and_join_by_code(tmp_path):
    async def work():
        async with Hall(settings(tmp_path)) as hall:
            first = await hall.create(options(), name="ann", address="a")
            assert (first.seat, hall.snapshot(first.token).phase) == (0, "open")
            assert await refusal(hall.join(first.room, name="eve", address="e")) == "not_found"  # private
            assert await refusal(hall.join("AAAAAAAA", name="eve", address="e")) == "not_found"
            typed = f"{first.code[:4]}-{first.code[4:]}".lower()
            second = await hall.join(typed, name="bob", address="b")
            assert (second.room, second.seat) == (first.room, 1)
            assert hall.snapshot(first.token).names == ("ann", "bob")
            assert await refusal(hall.join(first.code, name="eve", address="e")) == "late"
            public = await hall.create(options(private=False), name="ann", address="a")
            assert (await hall.join(public.room, name="bob", address="b")).seat == 1

    run(work())


def test_events_of_a_room_in_order(tmp_path):
    async def work():
        async with Hall(settings(tmp_path)) as hall:
            first = await hall.create(options(), name="ann", address="a")
            listening = asyncio.create_task(events_until(hall, first, "over"))
            await asyncio.sleep(0)
            second = await hall.join(first.code, name="bob", address="b")
            await until(lambda: hall.snapshot(first.token).phase == "running")
            hall.chat(second.token, "good luck")
            await both_pass(hall, first, second)
            hall.surrender(first.token)
            told = await listening
            kinds = [event.kind for event in told if event.kind not in ("votes", "preparing")]
            assert kinds == ["joined", "started", "chat", "surrendered", "over"]
            assert told[-1].data["places"] == [2, 1]

    run(work())


def test_quick_match_brings_two_together(tmp_path):
    async def work():
        async with Hall(settings(tmp_path)) as hall:
            first = await hall.quick_match("generals", name="ann", address="a", players=6)
            second = await hall.quick_match("generals", name="bob", address="b", players=6)
            other = await hall.quick_match("generals", name="cid", address="c", players=5)
            assert first.room == second.room != other.room and second.seat == 1
            assert (await hall.quick_match("blob", name="dan", address="d")).room != first.room
            assert len(hall.snapshot(first.token).names) == 6
            for players in (17, "2", 2.0):
                assert await refusal(hall.quick_match("generals", name="e", address="e", players=players))
            assert await refusal(hall.quick_match("chess", name="e", address="e")) == "invalid"

    run(work())


def test_force_start_with_fewer_and_seats_close_up(tmp_path):
    async def work():
        async with Hall(settings(tmp_path)) as hall:
            first = await hall.create(options(options={**BOARD, "players": 5}), name="ann", address="a")
            bob = await hall.join(first.code, name="bob", address="b", seat=2)
            cid = await hall.join(first.code, name="cid", address="c", seat=4)
            hall.force(first.token, True)
            assert hall.snapshot(first.token).phase == "open"
            hall.force(first.token, False)
            hall.force(cid.token, True)
            assert hall.snapshot(first.token).phase == "open"
            hall.leave(bob.token)  # one of two is not enough
            assert hall.snapshot(first.token).phase == "open"
            hall.force(first.token, True)
            await until(lambda: hall.snapshot(first.token).phase == "running")
            assert hall.snapshot(first.token).names == ("ann", "cid")
            assert hall.snapshot(cid.token).seat == 1 and hall.check(cid.token).seat == 1
            assert int(hall.snapshot(cid.token).view["me"]) == 1
            with pytest.raises(HallError) as caught:
                hall.snapshot(bob.token)
            assert caught.value.code == "forbidden"
            await both_pass(hall, first, cid)
            with pytest.raises(HallError):
                hall.force(first.token, True)

    run(work())


def test_teams_and_named_seats(tmp_path):
    async def work():
        async with Hall(settings(tmp_path)) as hall:
            board = {**BOARD, "players": 4, "teams": [0, 0, 1, 1]}
            first = await hall.create(options(options=board), name="ann", address="a")
            second = await hall.join(first.code, name="bob", address="b", team=1)
            assert second.seat == 2
            assert await refusal(hall.join(first.code, name="c", address="c", seat=2)) == "full"
            assert await refusal(hall.join(first.code, name="c", address="c", seat=9)) == "invalid"
            assert await refusal(hall.join(first.code, name="c", address="c", team=7)) == "full"
            third = await hall.join(first.code, name="cid", address="c", team=1)
            assert third.seat == 3
            hall.leave(first.token)  # one team alone does not begin, however much it wants to
            for ticket in (second, third):
                hall.force(ticket.token, True)
            assert hall.snapshot(second.token).phase == "open"

    run(work())


def test_rematch_moves_everybody_one_seat_on(tmp_path):
    async def work():
        async with Hall(settings(tmp_path)) as hall:
            first, second = await duel(hall)
            with pytest.raises(HallError) as caught:
                hall.rematch(first.token)
            assert caught.value.code == "early"
            await both_pass(hall, first, second)
            hall.surrender(first.token)
            await until(lambda: hall.snapshot(first.token).result)
            again = hall.rematch(first.token)
            assert hall.rematch(first.token) == again, "who asks twice has one seat"
            told = await events_until_rematch(hall, second)
            assert told["room"] == again.room
            other = hall.rematch(second.token)
            assert (again.seat, other.seat) == (1, 0) and again.room == other.room != first.room
            await until(lambda: hall.snapshot(again.token).phase == "running")
            assert hall.snapshot(again.token).names == ("bob", "ann")
            assert hall.rematch(second.token) == other, "who lost the answer asks again"
            ticket = await alone(hall)
            hall.surrender(ticket.token)
            await until(lambda: hall.snapshot(ticket.token).result)
            next_one = hall.rematch(ticket.token)
            await until(lambda: hall.snapshot(next_one.token).phase == "running")
            assert hall.snapshot(next_one.token).names == ("random", "ann")

    async def events_until_rematch(hall, ticket):
        return {"room": hall._lobby.rooms[ticket.room].next_room}

    run(work())


@pytest.mark.parametrize(
    "chosen",
    [
        {"game": "chess"},
        {"game": 7},
        {"options": {"height": 10**9}},
        {"options": {"height": 90, "width": 90}},
        {"options": {"height": True}},
        {"options": {"height": "8"}},
        {"options": {"height": 8.5}},
        {"options": {"hight": 8}},
        {"options": {"players": 99}},
        {"options": {"teams": [0] * 1000}},
        {"options": {"teams": [0, "x"]}},
        {"options": {"cities": [math.nan, 3]}},
        {"options": {"mountains": [0.1]}},
        {"options": {"ruleset": "x" * 10_000}},
        {"options": {"__class__": 1}},
        {"options": []},
        {"pace": Pace("never")},
        {"pace": Pace("real_time", 0.0)},
        {"pace": Pace("real_time", math.nan)},
        {"pace": Pace("lockstep", -1.0)},
        {"pace": Pace("lockstep", 1e9)},
        {"game": "blob", "options": {"players": 3}, "pace": Pace("real_time", 0.5)},
        {"agents": {0: "random", 1: "random"}},
        {"agents": {7: "random"}},
        {"agents": {"1": "random"}},
        {"seed": -1},
        {"seed": 1 << 64},
        {"seed": 3, "private": False},
        {"tick_limit": -1},
        {"tick_limit": 2.5},
        {"tick_limit": 1 << 63},
    ],
)
def test_rooms_that_cannot_be(tmp_path, chosen):
    async def work():
        async with Hall(settings(tmp_path)) as hall:
            assert await refusal(hall.create(options(**chosen), name="ann", address="a")) == "invalid"
            assert not hall._lobby.rooms and not hall._lobby.pools

    run(work())


def test_whatever_is_asked_for_is_made_or_refused_in_words(tmp_path):
    values = st.one_of(
        st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=20),
        st.lists(st.integers(-3, 20), max_size=5), st.integers(0, 20),
    )  # fmt: skip
    keys = st.sampled_from([*OPTIONS["generals"], *OPTIONS["blob"], "x"])

    async def work():
        async with Hall(settings(tmp_path, board_cells=400)) as hall:

            @examples(max_examples=300)
            @given(st.sampled_from(["generals", "blob", "kuhn"]), st.dictionaries(keys, values, max_size=4))
            def check(game, chosen):
                try:
                    hall._lobby.check(RoomOptions(game, chosen))
                except HallError as error:
                    assert error.code in CODES and len(error.message) < 400

            check()

    run(work())


def test_l5_a_flood_of_new_games_is_refused_clearly(tmp_path):
    async def work():
        chosen = settings(tmp_path, games=10, games_per_address=6, creates_per_minute=1000)
        async with Hall(chosen) as hall:
            codes = []
            for number in range(40):
                try:
                    await hall.create(options(), name="eve", address=f"e{number % 2}")
                    codes.append("")
                except HallError as error:
                    codes.append(error.code)
            assert codes.count("") == 10 and set(codes[12:]) == {"exhausted"}
            assert len(hall._lobby.rooms) == 10
            room = next(iter(hall._lobby.rooms.values()))
            hall._lobby.close(room)  # and one that ends makes place for another
            await hall.create(options(), name="bob", address="b")
        async with Hall(settings(tmp_path / "second", creates_per_minute=5)) as hall:
            for _ in range(5):
                await hall.create(options(), name="eve", address="e")
            assert await refusal(hall.create(options(), name="eve", address="e")) == "exhausted"
            await hall.create(options(), name="bob", address="b")

    run(work())


def test_l5_rematches_are_new_games_too(tmp_path):
    async def work():
        async with Hall(settings(tmp_path, creates_per_minute=5)) as hall:
            ticket, made = await alone(hall), 1
            with pytest.raises(HallError, match="too many new rooms"):
                while made < 9:
                    hall.surrender(ticket.token)
                    await until(lambda at=ticket: hall.snapshot(at.token).result)
                    ticket, made = hall.rematch(ticket.token), made + 1
                    await until(lambda at=ticket: hall.snapshot(at.token).phase == "running")
            assert made == 5

    run(work())


def test_whose_address_was_forgotten_has_a_rematch(tmp_path):
    """After a restart no address is known: that of others who came back is not one and the same."""

    async def before():
        async with Hall(settings(tmp_path)) as hall:
            return [await duel(hall) for _ in range(3)]

    async def after(tables):
        async with Hall(settings(tmp_path, games_per_address=1)) as hall:
            first, second = tables[0]
            hall.surrender(first.token)
            await until(lambda: hall.snapshot(first.token).result)
            assert hall.rematch(first.token).room == hall.rematch(second.token).room

    run(after(run(before())))


def test_a_room_whose_people_all_leave_is_closed(tmp_path):
    async def work():
        async with Hall(settings(tmp_path)) as hall:
            ticket = await hall.create(options(options=THREE, agents={1: "random"}), name="ann", address="a")
            hall.leave(ticket.token)
            assert not hall._lobby.rooms
            assert await refusal(hall.join(ticket.code, name="bob", address="b")) == "not_found"

    run(work())


def test_l6_chat(tmp_path):
    async def work():
        async with Hall(settings(tmp_path, chats_per_minute=60)) as hall:
            first, _ = await duel(hall)
            codes = []
            for number in range(40):
                try:
                    hall.chat(first.token, f"line {number}")
                except HallError as error:
                    codes.append(error.code)
            assert 25 <= len(codes) <= 35 and set(codes) == {"exhausted"}

    run(work())


@pytest.mark.parametrize("text", ["", "   ", "x" * 201, "a\x00b", "a\u202eb", "\u200b", None, 7])
def test_l6_lines_of_chat_that_are_refused(text):
    with pytest.raises(HallError):
        clean_chat(text)


@pytest.mark.parametrize(
    "name",
    [
        "x" * 33,
        "a\x00b",
        "a\nb\x1b[31m",
        "a\u202eb",
        "a\u200bb",
        "\ufeffann",
        "\ue000",
        "e" + "\u0301" * 9,
        None,
        7,
    ],
)
def test_l7_names_that_are_refused(name):
    if name == "a\nb\x1b[31m":
        with pytest.raises(HallError):
            clean_name(name)
        return
    with pytest.raises(HallError) as caught:
        clean_name(name)
    assert caught.value.code == "invalid"


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("  ann   lee ", "ann lee"),
        ("", "Anonymous"),
        ("<b>ann</b>", "<b>ann</b>"),  # the page escapes; a name is not changed behind its owner's back
        ("../../etc", "../../etc"),
        ("Ａｎｎ", "Ann"),
        ("Åsa 漢字 🙂", "Åsa 漢字 🙂"),
        ("[Bot] x", "[Bot] x"),
    ],
)
def test_l7_names_that_are_taken(name, shown):
    assert clean_name(name) == shown


@pytest.mark.parametrize(
    "name",
    ["hunter", "Hunter", "h u n t e r", "ｈｕｎｔｅｒ", "hunter.", "hünter!", "hunt\u0435r", "\u041dunter",
     "\u04bbu\u039d\u03c4er"],
    ids=ascii,
)  # fmt: skip
def test_l7_an_agent_is_not_impersonated(name):
    with pytest.raises(HallError):
        clean_name(name, ["hunter"])


def test_two_of_a_name_are_told_apart():
    assert apart("ann", []) == "ann"
    assert apart("ann", ["ann", "ann (2)"]) == "ann (3)"
    assert len(apart("x" * 32, ["x" * 32])) == 32
