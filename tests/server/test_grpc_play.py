"""PlayGame: moves, answers and states of a seat on one stream, and what a stream that misbehaves is told."""

from __future__ import annotations

import asyncio
import time
from contextlib import ExitStack

import grpc
import pytest
from grpc_servers import BOARD, running

from strategos.client import Answer, AsyncClient, ServerError, State
from strategos.client import messages as requests
from strategos.play.record import verify
from strategos.server.grpc.v1 import game_service_pb2 as v1


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with running(tmp_path_factory.mktemp("host")) as started:
        yield started


def against_a_bot(client, **options):
    return client.create("generals", BOARD, name="ann", agents={1: "random"}, private=True, **options)


def first_move(game) -> State:
    """The first state in which there is something to decide."""
    return next(each for each in game if isinstance(each, State) and each.my_turn)


def legal(state: State) -> int:
    return int(state.legal.nonzero()[0][-1])


def test_a_whole_game_on_one_stream(server):
    with server.client() as client:
        seat = against_a_bot(client, tick_limit=30)
        moved, answered, state = [], [], None
        with seat.play() as game:
            for update in game:
                if isinstance(update, Answer):
                    answered.append(update)
                elif isinstance(update, State):
                    state = update
                    if state.my_turn and state.tick not in moved:
                        moved.append(state.tick)
                        game.act(legal(state), tick=state.tick)
        assert state is not None and state.result is not None
        assert moved == list(range(30))
        assert [each.next_tick for each in answered] == list(range(1, 31))
        assert {each.code for each in answered} == {""}
        record = server.hall.replay(state.result.replay)
        verify(record)
        assert record.ticks == 30


def test_the_twin_for_asyncio_plays_the_same_way(server):
    async def play() -> tuple[list[Answer], State]:
        async with AsyncClient(server.address) as client:
            seat = await client.create("generals", BOARD, name="ann", agents={1: "random"}, tick_limit=10)
            answers, last, moved = [], None, -1
            async with seat.play() as game:
                async for update in game:
                    if isinstance(update, Answer):
                        answers.append(update)
                    elif isinstance(update, State):
                        last = update
                        if update.my_turn and update.tick > moved:
                            moved = update.tick
                            await game.act(legal(update), tick=moved)
            with pytest.raises(ServerError, match="over"):
                await game.act(0)
            return answers, last

    answers, last = asyncio.run(play())
    assert [each.next_tick for each in answered_well(answers)] == list(range(1, 11))
    assert last.phase == "over" and last.result is not None


def test_the_twin_for_asyncio_takes_moves_of_many_tasks_at_once(server):
    async def play() -> list[str]:
        async with AsyncClient(server.address) as client:
            seat = await client.create("generals", BOARD, name="ann", agents={1: "random"}, private=True)
            answers: list[str] = []
            async with seat.play() as game:
                await asyncio.gather(*(game.act(-1) for _ in range(50)))
                async for update in game:
                    if isinstance(update, Answer):
                        answers.append(update.code)
                    if len(answers) == 50:
                        break
            await seat.leave()
            return answers

    codes = asyncio.run(play())
    assert len(codes) == 50 and set(codes) <= {"invalid", "not_started"}


def answered_well(answers: list[Answer]) -> list[Answer]:
    assert all(not each.code for each in answers)
    return answers


def test_a_move_after_the_end_is_told_why(tmp_path):
    """With the end of the game it is over; where the stream broke off, that is what is told."""
    with running(tmp_path) as server:
        client = server.client()
        seat, lost = against_a_bot(client, tick_limit=1), against_a_bot(client)
        with seat.play() as game:
            state = first_move(game)
            game.act(legal(state), tick=0)
            for _ in game:
                pass
            with pytest.raises(ServerError, match="over"):
                game.act(0)
        cut_off = lost.play().__enter__()
        first_move(cut_off)
    broken = pytest.raises(ServerError, match=r"unavailable|cancelled")
    with broken:
        for _ in cut_off:
            pass
    with broken:
        cut_off.act(0)
    cut_off.__exit__(None, None, None)
    client.close()


def test_so_is_one_of_the_twin_for_asyncio(tmp_path):
    async def play() -> None:
        async with AsyncClient(server.address) as client:
            seat = await client.create("generals", BOARD, name="ann", agents={1: "random"}, private=True)
            broken = pytest.raises(ServerError, match=r"unavailable|cancelled")
            async with seat.play() as game:
                with broken:
                    async for update in game:
                        if isinstance(update, State) and update.my_turn:
                            await asyncio.to_thread(stack.close)
                with broken:
                    await game.act(0)

    with ExitStack() as stack:
        server = stack.enter_context(running(tmp_path))
        asyncio.run(play())


def test_what_is_refused_is_answered_in_order_and_the_stream_goes_on(server):
    with server.client() as client:
        first = client.create("generals", BOARD, name="ann", private=True)
        second = client.join(first.code, name="bob")  # nobody moves for bob: the tick stays
        with first.play() as game:
            state = first_move(game)
            illegal = int((~state.legal).nonzero()[0][0])
            game.act(-1)
            game.act(illegal)
            game.act(legal(state), tick=5)
            game.act(legal(state), tick=0, key="once")
            game.act(legal(state), tick=0, key="once")
            game.act(legal(state), tick=0)
            answers = [each for _, each in zip(range(6), answers_of(game), strict=False)]
            assert [each.code for each in answers] == ["invalid", "illegal", "early", "", "", "duplicate"]
            assert [each.next_tick for each in answers] == [0, 0, 0, 1, 1, 0]
            assert all(each.message for each in answers if each.code)
            second.act(legal(second.state()))
            assert next(each for each in game if isinstance(each, State) and each.tick == 1)
        first.leave()


def answers_of(game):
    return (each for each in game if isinstance(each, Answer))


@pytest.mark.parametrize(
    ("first", "code"),
    [
        (requests.move_request(0, None, ""), grpc.StatusCode.INVALID_ARGUMENT),
        (v1.PlayGameRequest(), grpc.StatusCode.INVALID_ARGUMENT),
        (requests.seat_request("stolen"), grpc.StatusCode.PERMISSION_DENIED),
    ],
)
def test_a_stream_that_does_not_begin_with_a_good_seat(server, first, code):
    with server.client() as client:
        call = client.stub.PlayGame(iter([first]))
        with pytest.raises(grpc.RpcError) as refused:
            next(call)
        assert refused.value.code() == code
        empty = client.stub.PlayGame(iter([]))
        with pytest.raises(grpc.RpcError) as refused:
            next(empty)
        assert refused.value.code() == grpc.StatusCode.INVALID_ARGUMENT


def test_requests_that_are_no_moves_are_answered(server):
    with server.client() as client:
        seat = against_a_bot(client)
        seat_first = requests.seat_request(seat.token).SerializeToString()
        call = client.channel.stream_stream("/strategos.v1.GameService/PlayGame")(
            iter([seat_first, seat_first, b"\xff\xff\xff", b""])
        )
        updates = (v1.GameUpdate.FromString(each) for each in call)
        answers = (each.answer for each in updates if each.WhichOneof("update") == "answer")
        told = [each for _, each in zip(range(3), answers, strict=False)]
        assert [each.code for each in told] == ["invalid"] * 3
        assert "no message" in told[1].message
        call.cancel()
        assert seat.state().phase == "running"
        seat.leave()


def test_moves_on_a_stream_count_as_calls(tmp_path):
    with running(tmp_path, requests_per_second=20) as server, server.client() as client:
        seat = against_a_bot(client)
        with seat.play() as game:
            first_move(game)
            for _ in range(40):
                game.act(-1)
            answers = [each for _, each in zip(range(40), answers_of(game), strict=False)]
        codes = [each.code for each in answers]
        assert codes[0] == "invalid" and "exhausted" in codes


def test_who_hangs_up_is_away_and_can_come_back(server):
    with server.client() as client:
        seat = against_a_bot(client)
        before = server.ask(lambda: server.hall.connections.total)
        for _ in range(3):
            with seat.play() as game:
                state = first_move(game)
                game.act(legal(state), tick=state.tick)
                assert next(answers_of(game)).code == ""
                room = server.hall._lobby.rooms[seat.game_id]
                assert server.ask(lambda room=room: len(room.mailboxes)) >= 1
        while server.ask(lambda: server.hall.connections.total) > before:
            time.sleep(0.01)
        assert server.ask(lambda: len(room.mailboxes)) == 0
        seat.leave()
