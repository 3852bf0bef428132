"""The hall as a whole: who may do what, lists in bounded pages, spectators, listeners, results, ratings."""

from __future__ import annotations

import asyncio
import json

import numpy as np
import pytest
from halls import BOARD, CLOCK, alone, both_pass, duel, legal, options, passing, run, settings, until

from strategos.games.generals.record import GENERAL
from strategos.play.record import verify
from strategos.server.hall import Hall, HallError, RoomOptions
from strategos.server.rooms.mailbox import KEPT_EVENTS
from strategos.server.settings import SettingsError, load_settings
from strategos.server.terms import Pace


def code_of(call, *arguments, **named) -> str:
    try:
        call(*arguments, **named)
    except HallError as error:
        return error.code
    return ""


PLAYER = {
    "act": (0,),
    "enqueue": (0,),
    "undo": (),
    "clear": (),
    "surrender": (),
    "force": (True,),
    "chat": ("hello",),
    "rematch": (),
}
WATCHER = {"check": (), "snapshot": (), "listen": ()}


@pytest.mark.parametrize("method", [*PLAYER, *WATCHER, "leave"])
@pytest.mark.parametrize("role", ["nobody", "forged", "left", "spectator"])
def test_j10_who_may_call_what(tmp_path, method, role):
    async def work():
        async with Hall(settings(tmp_path)) as hall:
            first, second = await duel(hall)
            if role == "spectator":
                _, token = await hall.spectate(first.code, address="s")
            elif role == "left":
                token = second.token
                hall.leave(token)
            else:
                token = "" if role == "nobody" else first.token[:-6] + "AAAAAA"
            before = hall._lobby.rooms[first.room].chairs[0]
            wanted = "forbidden"
            if role == "spectator" and (method in WATCHER or method == "leave"):
                wanted = ""
            assert code_of(getattr(hall, method), token, *PLAYER.get(method, ())) == wanted
            assert before.move is None and not before.leaving and not before.queue

    run(work())


def test_i14_spectators_see_the_whole_board_late_and_nothing_live(tmp_path):
    async def work():
        async with Hall(settings(tmp_path, spectator_delay_ticks=10)) as hall:
            first, second = await duel(hall)
            _, early = await hall.spectate(first.code, address="s")
            states = []
            for _ in range(30):
                room = hall._lobby.rooms[first.room]
                states.append(room.pool.states[room.row].tobytes())
                seen = hall.snapshot(early)
                assert seen.tick == max(0, room.tick - 10)
                shadow = room.pool.states[room.shadow].tobytes()
                assert shadow == states[seen.tick]
                assert seen.seat is None and seen.mask is None and seen.memory is None and seen.queue == ()
                for ticket in (first, second):
                    choices = legal(hall.snapshot(ticket.token))
                    hall.act(ticket.token, choices[0], tick=room.tick)
                tick = room.tick
                await until(lambda room=room, tick=tick: room.tick > tick)
            assert (hall.snapshot(early).view["terrain"] == GENERAL).sum() == 2
            _, late = await hall.spectate(first.code, address="s")  # and who comes later sees the same
            assert hall.snapshot(late).view.tobytes() == hall.snapshot(early).view.tobytes()
            hall.surrender(first.token)
            await until(lambda: hall.snapshot(early).phase == "over")
            assert hall.snapshot(early).tick == hall.snapshot(first.token).tick

    run(work())


def test_who_watches_before_the_start_sees_the_game_begin(tmp_path):
    async def work():
        async with Hall(settings(tmp_path, spectator_delay_ticks=2)) as hall:
            first = await hall.create(options(), name="ann", address="a")
            _, token = await hall.spectate(first.code, address="s")
            assert hall.snapshot(token).view is None
            second = await hall.join(first.code, name="bob", address="b")
            await until(lambda: hall.snapshot(first.token).phase == "running")
            await both_pass(hall, first, second, ticks=5)
            assert hall.snapshot(token).tick == 3 and hall.snapshot(token).view is not None

    run(work())


def test_i14_before_the_delay_is_over_spectators_see_the_first_position_only(tmp_path):
    async def work():
        async with Hall(settings(tmp_path)) as hall:
            tables = [await duel(hall), await duel(hall)]
            for first, second in tables:
                await both_pass(hall, first, second, ticks=4)
            watched, _ = tables[0]
            _, token = await hall.spectate(watched.code, address="s")
            assert hall.snapshot(token).tick == 0

    run(work())


def test_spectators_of_blob_see_no_hand(tmp_path):
    async def work():
        async with Hall(settings(tmp_path)) as hall:
            table = RoomOptions("blob", {"players": 3, "cards": 5}, agents={1: "random", 2: "random"})
            first = await hall.create(table, name="ann", address="a")
            _, token = await hall.spectate(first.room, address="s")
            assert hall.snapshot(token).view is None  # not begun
            await until(lambda: hall.snapshot(first.token).phase == "running")
            await until(lambda: legal(hall.snapshot(first.token)))
            seen, own = hall.snapshot(token), hall.snapshot(first.token)
            assert seen.view["hand"] == 0 and own.view["hand"] != 0
            assert list(seen.view["bids"][:3]) == list(own.view["bids"][:3])

    run(work())


def test_a_slow_listener_skips_states_and_keeps_a_bounded_number_of_events(tmp_path):
    async def work():
        async with Hall(settings(tmp_path, chats_per_minute=1e6)) as hall:
            first, second = await duel(hall)
            slow, quick = hall.listen(first.token), hall.listen(second.token)
            await quick.next()
            for number in range(KEPT_EVENTS + 50):
                hall.chat(first.token, f"{number}")
            for _ in range(4):
                await both_pass(hall, first, second)
                snapshot, _ = await quick.next()
                assert snapshot.tick == hall.snapshot(second.token).tick
            snapshot, events = await slow.next()
            assert snapshot.tick == 4 and len(events) == KEPT_EVENTS and slow.missed >= 50
            waiting = asyncio.create_task(slow.next())
            await asyncio.sleep(0.02)
            assert not waiting.done()
            slow.close()
            slow.close()
            with pytest.raises(HallError):
                await waiting
            assert hall._lobby.rooms[first.room].chairs[0].listeners == 0

    run(work())


def test_listeners_of_a_seat_are_counted(tmp_path):
    async def work():
        async with Hall(settings(tmp_path, spectators=3)) as hall:
            first, _ = await duel(hall)
            boxes = [hall.listen(first.token) for _ in range(16)]
            assert code_of(hall.listen, first.token) == "exhausted"
            for box in boxes:
                box.close()
            hall.listen(first.token).close()
            tokens = [(await hall.spectate(first.code, address=each))[1] for each in ("r", "s", "t")]
            boxes = [hall.listen(token) for token in tokens]
            assert code_of(hall.listen, tokens[0]) == "exhausted"

    run(work())


def test_a_listener_is_counted_for_its_person_and_not_for_the_chair(tmp_path):
    async def work():
        async with Hall(settings(tmp_path)) as hall:
            three = {"height": 8, "width": 8, "players": 3}
            first = await hall.create(options(options=three), name="ann", address="a")
            bob = await hall.join(first.code, name="bob", address="b")
            old = [hall.listen(bob.token) for _ in range(16)]
            hall.leave(bob.token)
            with pytest.raises(HallError, match="nothing more"):  # who has left hears no more
                await old[0].next()
            eve = await hall.join(first.code, name="eve", address="e")
            assert eve.seat == bob.seat
            seat = hall._lobby.rooms[first.room].chairs[eve.seat]
            new = hall.listen(eve.token)
            heard = seat.heard
            for box in old:  # the lines of the one before end, one after the other
                box.close()
            assert seat.listeners == 1 and seat.heard == heard
            new.close()
            assert seat.listeners == 0

    run(work())


def test_l11_lists_come_in_bounded_pages(tmp_path):
    async def work():
        async with Hall(settings(tmp_path)) as hall:
            made = [await hall.create(options(private=False), name="ann", address="a") for _ in range(7)]
            secret = await hall.create(options(), name="bob", address="b")
            found, page, pages = [], "", 0
            while True:
                lines, page = hall.rooms(page=page, size=3)
                found += [line.room for line in lines]
                pages += 1
                if not page:
                    break
            assert sorted(found) == sorted(ticket.room for ticket in made) and pages == 3
            assert secret.room not in found
            assert hall.rooms(game="blob") == ([], "")
            for page, size in (
                ("-1", 5),
                ("x", 5),
                ("9" * 30, 5),
                ("", 0),
                ("", 10**6),
                ("", True),
                (None, 5),
            ):
                for call in (hall.rooms, hall.games):
                    assert code_of(call, page=page, size=size) == "invalid", (page, size)
            assert hall.rooms(page="999999")[0] == []
            with pytest.raises(HallError):
                hall.leaderboard("generals", size=10**9)

    run(work())


def test_the_seed_is_told_to_nobody_before_the_end(tmp_path):
    async def work():
        async with Hall(settings(tmp_path)) as hall:
            first, second = await duel(hall, private=False)
            seed = str(hall._lobby.rooms[first.room].seed)
            mailbox = hall.listen(first.token)
            await both_pass(hall, first, second, ticks=2)
            snapshot, events = await mailbox.next()
            told = [repr(hall.rooms()), repr(snapshot), repr(events), repr(hall.check(first.token))]
            assert not any(seed in each for each in told)
            assert seed not in first.token

    run(work())


def test_results_ratings_replays_and_lists(tmp_path):
    async def work():
        async with Hall(settings(tmp_path)) as hall:
            for winner in (0, 0, 1):
                tickets = await duel(hall, private=False, pace=CLOCK)
                await both_pass(hall, *tickets, ticks=2)
                hall.surrender(tickets[1 - winner].token)
                await until(lambda at=tickets: hall.snapshot(at[0].token).result)
                assert None not in hall.snapshot(tickets[0].token).result.ratings
            board = hall.leaderboard("generals")
            assert [(line.name, line.games, line.wins) for line in board] == [("ann", 3, 2), ("bob", 3, 1)]
            assert hall.leaderboard("blob") == []
            games, page = hall.games(size=2)
            assert len(games) == 2 and page == "2" and len(hall.games(page=page)[0]) == 1
            for line in games:
                record = hall.replay(line.replay)
                verify(record)
                assert record.players == line.names == ("ann", "bob")
            private = await duel(hall)
            await both_pass(hall, *private)
            hall.surrender(private[0].token)
            await until(lambda: hall.snapshot(private[0].token).result)
            result = hall.snapshot(private[0].token).result
            assert result.ratings == (None, None)
            assert result.replay not in [line.replay for line in hall.games()[0]]
            verify(hall.replay(result.replay))  # whoever has its id may watch it
        async with Hall(settings(tmp_path)) as hall:  # and all of it is still there
            assert hall.leaderboard("generals") == board
            for line in hall.games()[0]:
                verify(hall.replay(line.replay))

    run(work())


def test_at_the_servers_tick_limit_who_is_left_has_drawn(tmp_path):
    async def work():
        async with Hall(settings(tmp_path, tick_limit=4)) as hall:
            three = options(private=False, pace=CLOCK, options={**BOARD, "players": 3})
            first = await hall.create(three, name="ann", address="a")
            others = [await hall.join(first.code, name=name, address="a") for name in ("bob", "cid")]
            await until(lambda: hall.snapshot(first.token).phase == "running")
            hall.surrender(others[0].token)
            await both_pass(hall, first, others[1], ticks=4)
            result = hall.snapshot(first.token).result
            assert (result.reason, result.returns, result.places) == ("limit", (0.0, 0.0, 0.0), (1, 3, 1))
            ann, bob, cid = result.ratings
            assert ann == cid > bob
            assert [line.wins for line in hall.leaderboard("generals", mode="ffa")] == [0, 0, 0]
            assert hall.leaderboard("generals") == hall.leaderboard("generals", mode="teams") == []
            verify(hall.replay(result.replay))

    run(work())


@pytest.mark.parametrize("seconds", [0.0, 86_400.0])
def test_people_who_meet_without_a_clock_are_not_rated(tmp_path, seconds):
    """Who never moves would win against whoever gives up waiting; agents do not stall."""

    async def work():
        async with Hall(settings(tmp_path)) as hall:
            pace = Pace("lockstep", seconds)
            tickets = await duel(hall, private=False, pace=pace)
            hall.leave(tickets[1].token)
            await until(lambda: hall.snapshot(tickets[0].token).result)
            assert hall.snapshot(tickets[0].token).result.ratings == (None, None)
            ticket = await alone(hall, private=False, pace=pace)
            hall.surrender(ticket.token)
            await until(lambda: hall.snapshot(ticket.token).result)
            assert None not in hall.snapshot(ticket.token).result.ratings

    run(work())


def test_a_room_with_a_tick_limit_of_its_own_is_not_rated(tmp_path):
    """It would be a way out of losing, and to a draw with the strongest."""

    async def work():
        async with Hall(settings(tmp_path)) as hall:
            for surrenders in (True, False):
                tickets = await duel(hall, private=False, pace=CLOCK, tick_limit=2)
                await both_pass(hall, *tickets, ticks=1)
                if surrenders:
                    hall.surrender(tickets[1].token)
                else:
                    await both_pass(hall, *tickets, ticks=1)
                await until(lambda at=tickets: hall.snapshot(at[0].token).result)
                result = hall.snapshot(tickets[0].token).result
                assert result.reason == ("played" if surrenders else "limit") and result.replay
                assert result.ratings == (None, None)
            assert hall.leaderboard("generals") == []

    run(work())


@pytest.mark.parametrize(
    "replay",
    ["", "x", "../../etc/passwd", "..%2f..", "a\x00b", "/etc/passwd", "x" * 10**6, None, 7, "' OR 1=1 --"],
)
def test_g9_replay_ids_that_are_none(tmp_path, replay):
    async def work():
        async with Hall(settings(tmp_path)) as hall:
            assert code_of(hall.replay, replay) == "not_found"

    run(work())


def test_j14_tokens_are_never_logged(tmp_path, capsys):
    async def work():
        async with Hall(settings(tmp_path)) as hall:
            first, second = await duel(hall)
            _, watcher = await hall.spectate(first.code, address="s")
            code_of(hall.act, first.token, 10**9)
            hall.surrender(first.token)
            await until(lambda: hall.snapshot(first.token).result)
            return first.token, second.token, watcher

    tokens = run(work())
    said = capsys.readouterr()
    for token in tokens:
        assert token not in said.out + said.err
        for part in token.split("."):
            assert part not in said.out + said.err
    assert all(token.encode() not in file.read_bytes() for token in tokens for file in tmp_path.rglob("*.*"))


def test_stop_tells_when_to_come_back(tmp_path):
    async def work():
        hall = Hall(settings(tmp_path, back_s=12.0))
        await hall.start()
        first, _ = await duel(hall)
        mailbox = hall.listen(first.token)
        await mailbox.next()
        stopping = asyncio.create_task(hall.stop(1.0))
        told = []
        with pytest.raises(HallError):
            while True:
                _, events = await mailbox.next()
                told += events
        assert [event.data["back_s"] for event in told if event.kind == "closing"] == [12.0]
        await stopping
        await hall.stop()

    run(work())


def test_settings_come_from_file_environment_and_command(tmp_path, monkeypatch):
    file = tmp_path / "host.toml"
    file.write_text('games = 7\nhttp_port = 81\nlog_level = "debug"\n[agents]\nbest = "runs/best"\n')
    monkeypatch.setenv("STRATEGOS_HTTP_PORT", "82")
    found = load_settings(file, grpc_port=83)
    assert (found.games, found.http_port, found.grpc_port, found.agents) == (7, 82, 83, {"best": "runs/best"})
    assert load_settings(file, http_port=84).http_port == 84
    for text, what in (
        ("gaems = 3", "did you mean|games"),
        ("games = 0", "games"),
        ("games = [", "cannot be read"),
    ):
        file.write_text(text)
        with pytest.raises(SettingsError, match=what):
            load_settings(file)


def test_limits_are_reloaded_while_it_runs(tmp_path):
    async def work():
        async with Hall(settings(tmp_path)) as hall:
            await alone(hall)
            hall.reload(settings(tmp_path / "elsewhere", games=1, connections=5, http_port=1))
            assert hall.settings.games == 1 and hall.settings.data == tmp_path
            assert hall.settings.http_port == 8000
            with pytest.raises(HallError):
                await hall.create(options(), name="bob", address="b")
            with pytest.raises(HallError):
                for number in range(6):
                    hall.connections.open(f"{number}")

    run(work())


def test_snapshots_and_events_hold_plain_data(tmp_path):
    async def work():
        async with Hall(settings(tmp_path)) as hall:
            first, second = await duel(hall)
            await both_pass(hall, first, second)
            snapshot = hall.snapshot(first.token)
            assert snapshot.view.shape == () and isinstance(snapshot.mask, np.ndarray)
            assert snapshot.memory is not None and snapshot.alive == (True, True)
            assert all(type(each) is bool for each in (*snapshot.alive, *snapshot.present))
            json.dumps([snapshot.tick, snapshot.seat, snapshot.queue, snapshot.taken, snapshot.names])
            assert passing(hall, first) in legal(snapshot)

    run(work())
