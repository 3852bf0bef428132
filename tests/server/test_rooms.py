"""One room from the hall: which moves it takes, queues, keys, surrender, and what nobody may see."""

from __future__ import annotations

import asyncio
import json

import numpy as np
import pytest
from halls import (
    CLOCK,
    REAL_TIME,
    alone,
    both_pass,
    duel,
    events_until,
    legal,
    options,
    passing,
    play_out,
    run,
    settings,
    until,
)

from strategos.games.blob.record import BID
from strategos.games.generals.record import MOUNTAIN
from strategos.games.spec import LEAVE
from strategos.play.record import verify
from strategos.server.hall import Hall, HallError, RoomOptions


def refusal(call, *arguments, **named) -> str:
    with pytest.raises(HallError) as caught:
        call(*arguments, **named)
    assert "\n" not in caught.value.message and "/" not in caught.value.message
    return caught.value.code


async def after_some_ticks(hall: Hall, ticks: int = 24):
    """A duel in which both generals can move."""
    tickets = await duel(hall)
    await both_pass(hall, *tickets, ticks=ticks)
    return tickets


def illegal_moves(snapshot) -> dict[str, list[int]]:
    """Ids of moves by why they are none."""
    view, stride = snapshot.view, int(snapshot.view["stride"])
    allowed = set(legal(snapshot))
    height, width = int(view["height"]), int(view["width"])
    found: dict[str, list[int]] = {name: [] for name in ("foreign", "off", "wrap", "mountain", "small")}
    for cell in range(len(view["owner"])):
        row, column = divmod(cell, stride)
        for move in range(8):
            direction, action = move >> 1, cell * 8 + move
            rows, columns = ((-1, 0), (1, 0), (0, -1), (0, 1))[direction]
            r, c = row + rows, column + columns
            mine = view["owner"][cell] == view["me"]
            if not mine:
                found["foreign"].append(action)
            elif not 0 <= r < height:
                found["off"].append(action)
            elif not 0 <= c < width:
                found["wrap"].append(action)
            elif view["terrain"][r * stride + c] == MOUNTAIN:
                found["mountain"].append(action)
            elif view["army"][cell] <= 1:
                found["small"].append(action)
            else:
                assert action in allowed
    return found


def test_i1_i4_i5_i6_i7_moves_that_are_none(tmp_path):
    async def work():
        kinds: dict[str, int] = {}
        async with Hall(settings(tmp_path)) as hall:
            rng = np.random.default_rng(0)
            tickets = await duel(hall, seed=5)
            for _ in range(100):
                snapshots = [hall.snapshot(ticket.token) for ticket in tickets]
                if snapshots[0].result:
                    break
                for ticket, snapshot in zip(tickets, snapshots, strict=True):
                    for kind, actions in illegal_moves(snapshot).items():
                        for action in actions[:: max(1, len(actions) // 3)]:
                            assert refusal(hall.act, ticket.token, action) == "illegal"
                            kinds[kind] = kinds.get(kind, 0) + 1
                    # Refusals cost nothing: the tick has not moved and a legal move is still taken.
                    assert hall.snapshot(ticket.token).tick == snapshot.tick
                    hall.act(ticket.token, int(rng.choice(legal(snapshot))), tick=snapshot.tick)
                await until(lambda t=snapshots[0].tick: hall.snapshot(tickets[0].token).tick > t)
        return kinds

    kinds = run(work())
    assert set(kinds) == {"foreign", "off", "wrap", "mountain", "small"} and min(kinds.values()) >= 3, kinds


def test_i2_a_token_moves_its_own_seat_only(tmp_path):
    async def work():
        async with Hall(settings(tmp_path)) as hall:
            first, second = await after_some_ticks(hall)
            theirs = legal(hall.snapshot(second.token))[0]
            assert refusal(hall.act, first.token, theirs) == "illegal"
            hall.act(second.token, theirs)
            assert refusal(hall.act, second.token, theirs) == "duplicate"
            hall.act(first.token, passing(hall, first))  # the seat of the other had not moved
            other = await duel(hall, names=("eve", "mal"))
            assert hall.check(other[0].token).room != first.room
            assert refusal(hall.check, other[0].token, room=first.room) == "forbidden"

    run(work())


def test_i3_every_id_that_the_mask_does_not_hold_is_refused(tmp_path):
    async def work():
        async with Hall(settings(tmp_path)) as hall:
            first, _ = await after_some_ticks(hall)
            allowed = set(legal(hall.snapshot(first.token)))
            for action in set(range(passing(hall, first) + 1)) - allowed:
                assert refusal(hall.act, first.token, action) == "illegal"

    run(work())


def test_i8_after_death(tmp_path):
    async def work():
        async with Hall(settings(tmp_path)) as hall:
            three = {"height": 8, "width": 8, "players": 3}
            first = await hall.create(options(options=three), name="ann", address="a")
            others = [await hall.join(first.code, name=name, address="a") for name in ("bob", "cid")]
            await until(lambda: hall.snapshot(first.token).phase == "running")
            hall.surrender(first.token)
            for other in others:
                hall.act(other.token, passing(hall, other), tick=0)
            await until(lambda: hall.snapshot(first.token).tick == 1)
            assert not hall.snapshot(first.token).alive[0]
            assert refusal(hall.act, first.token, passing(hall, first)) == "illegal"
            assert refusal(hall.enqueue, first.token, passing(hall, first)) == "illegal"
            assert refusal(hall.surrender, first.token) == "illegal"
            # Fifty ticks later the land is free, and nobody waits for the dead.
            await both_pass(hall, *others, ticks=51)
            room = hall._lobby.rooms[first.room]
            assert [tick for tick, played in enumerate(room.actions) if played[0] == LEAVE] == [0, 50]
            assert room.pool.states[room.row]["land_total"][0] == 0
            hall.surrender(others[0].token)
            await until(lambda: hall.snapshot(first.token).result)
            result = hall.snapshot(first.token).result
            assert result.returns == (-0.5, -0.5, 1.0) and result.places == (3, 2, 1)
            verify(hall.replay(result.replay))

    run(work())


def test_i9_before_the_start(tmp_path):
    async def work():
        async with Hall(settings(tmp_path)) as hall:
            ticket = await hall.create(options(), name="ann", address="a")
            for call in (hall.act, hall.enqueue):
                assert refusal(call, ticket.token, 0) == "not_started"
            for call in (hall.undo, hall.clear, hall.surrender):
                assert refusal(call, ticket.token) == "not_started"
            assert hall.snapshot(ticket.token).view is None

    run(work())


def test_i10_a_queue_of_ten_thousand_moves_is_capped(tmp_path):
    async def work():
        async with Hall(settings(tmp_path, queue_moves=100)) as hall:
            first, second = await duel(hall)
            taken, codes = 0, set()
            for _ in range(10_000):
                try:
                    taken = hall.enqueue(first.token, passing(hall, first))
                except HallError as error:
                    codes.add(error.code)
            assert taken == 100 and codes == {"exhausted"}
            assert len(hall.snapshot(first.token).queue) == 100
            hall.clear(first.token)
            assert hall.snapshot(first.token).queue == ()
            hall.act(second.token, passing(hall, second))  # the first of the queue had been taken as the move
            await until(lambda: hall.snapshot(first.token).tick == 1)

    run(work())


@pytest.mark.parametrize(
    "action", [1.0, True, "1", None, [1], {}, float("nan"), -1, -2, 1 << 40, 1 << 10_000, b"1", np.int32(3)]
)
def test_i11_ids_of_other_types(tmp_path, action):
    async def work():
        async with Hall(settings(tmp_path)) as hall:
            first, _ = await duel(hall)
            assert refusal(hall.act, first.token, action) == "invalid"
            assert refusal(hall.enqueue, first.token, action) == "invalid"
            assert hall.snapshot(first.token).queue == ()

    run(work())


def test_i12_two_moves_in_one_tick_and_idempotency_keys(tmp_path):
    async def work():
        async with Hall(settings(tmp_path)) as hall:
            first, second = await duel(hall)
            move = passing(hall, first)
            assert hall.act(first.token, move, tick=0, key="k") == 1
            assert hall.act(first.token, move, tick=0, key="k") == 1  # the same call again
            assert hall.act(first.token, move, key="k") == 1
            assert refusal(hall.act, first.token, move, tick=0) == "duplicate"
            assert refusal(hall.act, first.token, move, tick=0, key="other") == "duplicate"
            assert refusal(hall.act, first.token, 0, tick=0, key="k") == "duplicate"
            hall.act(second.token, move, tick=0)
            await until(lambda: hall.snapshot(first.token).tick == 1)
            assert hall.act(first.token, move, tick=0, key="k") == 1  # and later, when its tick is over
            assert refusal(hall.act, first.token, move, tick=0) == "late"
            assert refusal(hall.act, first.token, move, tick=2) == "early"
            assert refusal(hall.act, first.token, move, key="k" * 1000) == "invalid"
            await both_pass(hall, first, second)
            assert hall.snapshot(first.token).tick == 2

    run(work())


def test_i13_a_snapshot_tells_nothing_that_the_fog_hides(tmp_path):
    async def work():
        async with Hall(settings(tmp_path)) as hall:
            first, _ = await after_some_ticks(hall)
            room = hall._lobby.rooms[first.room]
            before = hall.snapshot(first.token)
            state = room.pool.states[room.row : room.row + 1]
            dark = np.isin(before.view["terrain"], (0, 5))
            assert dark.any()
            state["army"][0, dark] += 7  # another world, which differs in the dark only
            pool, rows = room.pool, slice(room.row, room.row + 1)
            pool.game.observe(state, pool.views[rows], pool.masks[rows], pool.memories[rows])
            after = hall.snapshot(first.token)
            assert before.view.tobytes() == after.view.tobytes()
            assert before.mask.tobytes() == after.mask.tobytes()
            assert before.memory.tobytes() == after.memory.tobytes()
            assert before.seat == 0 and int(before.view["me"]) == 0
            before.view["army"][:] = 99  # a copy: a listener cannot write into the game
            assert hall.snapshot(first.token).view.tobytes() == after.view.tobytes()

    run(work())


def test_i15_cards_and_bids_out_of_turn_and_against_the_rules(tmp_path):
    async def work():
        revoked = False
        async with Hall(settings(tmp_path)) as hall:
            for _ in range(4):
                table = RoomOptions("blob", {"players": 3, "cards": 5}, private=True)
                tickets = [await hall.create(table, name="p0", address="a")]
                tickets += [await hall.join(tickets[0].code, name=f"p{n}", address="a") for n in (1, 2)]
                await until(lambda at=tickets: hall.snapshot(at[0].token).phase == "running")
                while not hall.snapshot(tickets[0].token).result:
                    room = hall._lobby.rooms[tickets[0].room]
                    for ticket in tickets:
                        snapshot = hall.snapshot(ticket.token)
                        choices = legal(snapshot)
                        if snapshot.result or choices:
                            continue
                        assert refusal(hall.act, ticket.token, BID) == "illegal"  # out of turn
                        assert refusal(hall.surrender, ticket.token) == "invalid"
                    snapshot = next(
                        each for each in map(hall.snapshot, [t.token for t in tickets]) if legal(each)
                    )
                    mover, choices = tickets[snapshot.seat], legal(snapshot)
                    hand = int(snapshot.view["hand"])
                    for action in sorted(set(range(70)) - set(choices)):
                        assert refusal(hall.act, mover.token, action) == "illegal"
                        held = action < 52 and hand >> action & 1
                        revoked |= bool(held and snapshot.view["num_bids"] == 3)
                    if snapshot.view["num_bids"] == 2:  # the dealer: the total rule forbids one bid at most
                        forbidden = 5 - int(snapshot.view["bids"][:3][snapshot.view["bids"][:3] >= 0].sum())
                        assert (BID + forbidden in choices) == (forbidden < 0)
                    hall.act(mover.token, choices[0], tick=snapshot.tick)
                    await until(lambda room=room, at=snapshot.tick: room.tick > at)
        return revoked

    assert run(work())


def test_i16_edited_records_are_refused(tmp_path):
    from dataclasses import replace

    async def work():
        async with Hall(settings(tmp_path)) as hall:
            tickets = await duel(hall, private=False)
            await both_pass(hall, *tickets, ticks=5)
            hall.surrender(tickets[1].token)
            await until(lambda: hall.snapshot(tickets[0].token).result)
            record = hall.replay(hall.snapshot(tickets[0].token).result.replay)
            with_other_move = record.actions.copy()
            with_other_move[-1] = with_other_move[-1, ::-1]  # the other one surrenders
            for edited in (
                replace(record, returns=tuple(-value for value in record.returns)),
                replace(record, actions=record.actions[:-1]),
                replace(record, actions=with_other_move),
                replace(record, seed=record.seed + 1),
                replace(record, options={"height": 10**9}),
                replace(record, options={"height": 90, "width": 90}),
                replace(record, options={"spawn_distance": [10**400, 1]}),
                replace(record, actions=np.where(record.actions == LEAVE, LEAVE, -7)),
                replace(record, actions=np.where(record.actions == LEAVE, LEAVE, 2**30)),
                replace(record, players=("x" * 70_000, "y")),
                replace(record, players=("x\u202e", "y")),
            ):
                with pytest.raises(HallError) as caught:
                    await hall.report(edited)
                assert caught.value.code == "invalid"

    run(work())


@pytest.mark.parametrize("private", [False, True])
def test_a_game_of_this_server_that_is_reported_counts_as_it_did_here(tmp_path, private):
    from dataclasses import replace

    def standings(hall):
        return [(each.name, each.mu, each.sigma, each.games) for each in hall.leaderboard("generals")]

    async def work():
        async with Hall(settings(tmp_path)) as hall:
            tickets = await duel(hall, private=private, pace=CLOCK)
            await both_pass(hall, *tickets, ticks=5)
            hall.surrender(tickets[1].token)
            await until(lambda: hall.snapshot(tickets[0].token).result)
            result = hall.snapshot(tickets[0].token).result
            once, record = standings(hall), hall.replay(result.replay)
            assert bool(once) != private
            for told in (record, replace(record, version="another", ruleset="")):
                assert await hall.report(told) == (result.replay, result.ratings)
            assert standings(hall) == once and len(hall.games()[0]) == (0 if private else 1)

    run(work())


def test_a_game_that_is_reported_again_is_rated_once(tmp_path):
    """A worker that got no answer asks again: at once, later, and after a restart of the server."""
    from played_games import play

    record = play("generals", 4, 5000)

    def standings(hall):
        return [(each.name, each.mu, each.sigma, each.games) for each in hall.leaderboard("generals")]

    async def work():
        async with Hall(settings(tmp_path)) as hall:
            answers = await asyncio.gather(*(hall.report(record) for _ in range(3)))
            once = standings(hall)
            answers.append(await hall.report(record))
            assert [games for *_, games in once] == [1, 1] and standings(hall) == once
        async with Hall(settings(tmp_path)) as hall:
            answers.append(await hall.report(record))
            assert len(set(answers)) == 1 and None not in answers[0][1]
            assert standings(hall) == once and len(hall.games()[0]) == 1
            assert (await hall.report(play("generals", 5, 5000)))[0] != answers[0][0]

    run(work())


def test_the_queue_gives_its_first_valid_move(tmp_path):
    async def work():
        async with Hall(settings(tmp_path)) as hall:
            first, _ = await duel(hall, pace=REAL_TIME)
            await until(lambda: hall.snapshot(first.token).tick >= 24)
            snapshot = hall.snapshot(first.token)
            good = next(action for action in legal(snapshot) if action != passing(hall, first))
            before = hall.snapshot(first.token).tick
            bad = next(iter(set(range(passing(hall, first))) - set(legal(snapshot))))
            for number, action in enumerate((bad, bad, good)):
                hall.enqueue(first.token, action, number)
            await until(lambda: hall.snapshot(first.token).taken == 2)
            after = hall.snapshot(first.token)
            assert after.queue == () and after.tick > before
            room = hall._lobby.rooms[first.room]
            assert good in [int(played[0]) for played in list(room.actions)[before:]]
            assert bad not in [int(played[0]) for played in room.actions]
            for action in (bad, good, good):
                hall.enqueue(first.token, action)
            hall.undo(first.token)
            assert hall.snapshot(first.token).queue == (bad, good)
            hall.clear(first.token)
            assert hall.snapshot(first.token).queue == ()

    run(work())


def test_surrender_ends_a_duel_and_everybody_is_told(tmp_path):
    async def work():
        async with Hall(settings(tmp_path)) as hall:
            first, second = await duel(hall)
            listening = [asyncio.create_task(events_until(hall, each, "over")) for each in (first, second)]
            await both_pass(hall, first, second, ticks=3)
            hall.surrender(second.token)
            for told in await asyncio.gather(*listening):
                over = told[-1].data
                assert over["returns"] == [1.0, -1.0] and over["reason"] == "played"
                assert [event.data["seat"] for event in told if event.kind == "surrendered"] == [1]
                verify(hall.replay(over["replay"]))
                json.dumps([dict(event.data) for event in told])
            assert refusal(hall.act, first.token, passing(hall, first)) == "over"

    run(work())


def test_who_leaves_blob_is_played_for(tmp_path):
    async def work():
        async with Hall(settings(tmp_path)) as hall:
            table = RoomOptions("blob", {"players": 3, "cards": 3}, agents={2: "heuristic"}, private=True)
            first = await hall.create(table, name="ann", address="a")
            second = await hall.join(first.code, name="bob", address="a")
            await until(lambda: hall.snapshot(first.token).phase == "running")
            hall.leave(second.token)
            last = await play_out(hall, first, rng=np.random.default_rng(0))
            assert last.result.reason == "played"

    run(work())


def test_a_game_against_an_agent_goes_to_its_end(tmp_path):
    async def work():
        async with Hall(settings(tmp_path)) as hall:
            ticket = await alone(hall, tick_limit=30)
            last = await play_out(hall, ticket, rng=np.random.default_rng(2))
            assert last.result.reason in ("limit", "played")
            record = hall.replay(last.result.replay)
            verify(record)
            assert record.players == ("ann", "random")

    run(work())
