"""GameService: seats, moves, streams, replays, over the wire and with both clients."""

from __future__ import annotations

import asyncio
import math

import grpc
import numpy as np
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc
from grpc_servers import BOARD
from played_games import play as play_record

from strategos.client import AsyncClient, PolicyAgent, ServerError, State, messages, run_agent
from strategos.client.batches import RemoteBatch
from strategos.client.experiences import ExperienceStream
from strategos.games.generals.record import FOG
from strategos.play.agents import load_policy
from strategos.play.record import verify
from strategos.server.grpc.columns import apply_patch, describe, from_struct, layout_of, make_patch, to_struct
from strategos.server.grpc.v1 import game_service_pb2 as v1

SERVICES = ("GameService", "BatchGameService", "ExperienceService", "RatingService")


def refusal(call, *arguments, **options) -> ServerError:
    with pytest.raises(ServerError) as refused:
        call(*arguments, **options)
    return refused.value


def test_two_people_play_a_whole_game(server, client):
    first = client.create("generals", BOARD, name="first", private=True, seed=7, tick_limit=60)
    assert first.joined_with.phase == "open" and first.joined_with.view is None
    second = client.join(first.code, name="second")
    assert (first.seat, second.seat) == (0, 1) and first.game_id == second.game_id

    async def play_second() -> State:
        async with AsyncClient(server.address) as other:
            seat = type(second)  # the same seat by its token, from another connection
            del seat
            request = v1.GetGameStateRequest(token=second.token)
            assert (await other.stub.GetGameState(request)).seat == 1
        return await asyncio.to_thread(run_agent, second, PolicyAgent(load_policy("random"), seed=2))

    async def both() -> list[State]:
        one = asyncio.to_thread(run_agent, first, PolicyAgent(load_policy("expander"), seed=1))
        return await asyncio.gather(one, play_second())

    ends = asyncio.run(asyncio.wait_for(both(), 120))
    assert ends[0].result == ends[1].result and ends[0].result.replay
    record = client.replay(ends[0].result.replay)
    assert record.players == ("first", "second") and record.seed == 7
    assert record.ticks == ends[0].tick
    verify(record)


def test_the_stream_tells_what_polling_tells(client):
    seat = client.create("generals", BOARD, name="me", agents={1: "random"}, private=True, tick_limit=40)
    policy, kinds, states = PolicyAgent(load_policy("random"), seed=3), [], 0
    for update in seat.updates():
        if not isinstance(update, State):
            kinds.append(update.kind)
            continue
        if update.my_turn:
            states += 1
            polled = seat.state()
            assert polled.tick == update.tick and polled.view.tobytes() == update.view.tobytes()
            assert np.array_equal(polled.mask, update.mask)
            assert polled.memory.tobytes() == update.memory.tobytes()
            assert seat.act(policy.select_action(update), tick=update.tick) == update.tick + 1
        last = update
    assert last.phase == "over" and last.result is not None and states == last.tick
    assert kinds[-1] == "over"


def test_a_stream_after_the_end_is_the_end_again(client):
    seat = client.create("generals", BOARD, name="me", agents={1: "random"}, private=True, tick_limit=5)
    end = run_agent(seat, PolicyAgent(load_policy("random")))
    states = [update for update in seat.updates() if isinstance(update, State)]
    assert [state.result for state in states] == [end.result]


def test_fog_hides_on_the_wire_what_the_player_cannot_see(client):
    seat = client.create("generals", BOARD, name="me", agents={1: "expander"}, private=True, seed=1)
    view = next(iter(seat.states())).view
    hidden = view["terrain"] == FOG
    assert hidden.sum() > 15
    assert not view["army"][hidden].any() and (view["owner"][hidden] < 0).all()
    assert (view["owner"] != 1).all()
    seat.leave()


def test_typed_refusals_of_moves(client):
    open_seat = client.create("generals", BOARD, name="me", private=True)
    assert refusal(open_seat.act, 0).code == "not_started"
    seat = client.create("generals", BOARD, name="me", agents={1: "random"}, private=True, tick_limit=50)
    state = next(iter(seat.states()))
    illegal = int(np.flatnonzero(~state.legal)[0])
    passing = state.game.spec.num_actions - 1
    for action, code in (
        (illegal, "illegal"),
        (-1, "invalid"),
        (2**31 - 1, "invalid"),
        (passing + 1, "invalid"),
    ):
        assert refusal(seat.act, action).code in (code, "illegal"), action
    assert refusal(seat.act, passing, tick=state.tick + 5).code == "early"
    after = seat.act(passing, tick=state.tick, key="one")
    assert seat.act(passing, tick=state.tick, key="one") == after  # sent again, played once
    while seat.state().tick == state.tick:
        pass
    assert refusal(seat.act, passing, tick=state.tick, key="two").code == "late"
    seat.leave()
    assert refusal(seat.act, passing).code in ("over", "forbidden")


def test_another_ones_seat_needs_another_ones_token(client):
    mine = client.create("generals", BOARD, name="me", private=True)
    other = client.create("generals", BOARD, name="other", private=True)
    for token in ("", "x", mine.token + "x", mine.token[:-4], "a" * 5000):
        mine.token, kept = token, mine.token
        assert refusal(mine.state).code == "forbidden"
        assert refusal(mine.act, 0).code == "forbidden"
        assert refusal(lambda: list(mine.updates())).code == "forbidden"
        mine.token = kept
    assert mine.state().game_id != other.state().game_id


def test_queues_in_real_time(client):
    seat = client.create(
        "generals", BOARD, name="me", agents={1: "random"}, private=True, seconds=0.1, real_time=True
    )
    next(iter(seat.states()))
    passing = seat.game.spec.num_actions - 1
    assert seat.queue([passing] * 50, number=7) >= 49
    assert 46 <= seat.queue(undo=True) <= 49
    assert seat.queue([passing], clear=True, number=99) <= 1
    for update in seat.updates():
        if isinstance(update, State) and update.taken == 99:
            break
    seat.surrender()
    assert any(isinstance(each, State) and each.phase == "over" for each in seat.updates())


def test_blob_in_turn(client):
    options = {"players": 3, "cards": 3}
    seat = client.create("blob", options, name="me", agents={0: "heuristic", 2: "heuristic"}, private=True)
    assert seat.seat == 1 and seat.game.spec.num_players == 3
    moves = 0
    for state in seat.states():
        assert state.view["turn"] == 0
        seat.act(int(np.flatnonzero(state.legal)[0]), tick=state.tick)
        moves += 1
    end = seat.state()
    assert moves == 4 and end.result is not None and sum(end.result.returns) == pytest.approx(0, abs=1e-6)


def test_lists_quick_match_chat_and_rematch(client):
    first = client.quick_match("blob", name="anna", players=3)
    assert first.game_id in [game.game_id for game in client.games("blob").games]
    second = client.quick_match("blob", name="bert", players=3)
    assert second.game_id == first.game_id
    updates = first.updates()
    assert isinstance(next(updates), State)  # it listens
    second.chat("hello <b>there</b>")
    for update in updates:
        if not isinstance(update, State) and update.kind == "chat":
            assert update.data["text"] == "hello <b>there</b>" and update.data["name"] == "bert"
            break
    assert "expander" in client.agents("generals") and "heuristic" in client.agents("blob")
    seat = client.create("generals", BOARD, name="carl", agents={1: "random"}, tick_limit=5)
    end = run_agent(seat, PolicyAgent(load_policy("random")))
    assert end.result.replay in [game.replay for game in client.games(finished=True).games]
    again = seat.rematch()
    assert again.game_id != seat.game_id and again.game.options == seat.game.options
    for each in (first, second, again):
        each.leave()


def test_who_looks_on_may_not_move(client):
    seat = client.create("generals", BOARD, name="me", agents={1: "random"}, tick_limit=30)
    watching = client.spectate(seat.game_id)
    assert watching.seat is None and watching.token != seat.token
    assert refusal(watching.act, 0).code == "forbidden"
    assert len(watching.state().mask) == 0
    run_agent(seat, PolicyAgent(load_policy("random")))


def test_a_result_without_rating_is_none(client):
    seat = client.create("generals", BOARD, name="me", agents={1: "random"}, private=True, tick_limit=3)
    end = run_agent(seat, PolicyAgent(load_policy("random")))
    assert end.result.ratings == (None, None) and end.result.reason == "limit"


def test_health_and_reflection(client):
    health = health_pb2_grpc.HealthStub(client.channel)
    for name in ("", *(f"strategos.v1.{service}" for service in SERVICES)):
        status = health.Check(health_pb2.HealthCheckRequest(service=name), timeout=10).status
        assert status == health_pb2.HealthCheckResponse.SERVING
    watched = health.Watch(health_pb2.HealthCheckRequest(service=""), timeout=10)
    assert next(watched).status == health_pb2.HealthCheckResponse.SERVING
    watched.cancel()
    reflection = reflection_pb2_grpc.ServerReflectionStub(client.channel)
    asked = iter([reflection_pb2.ServerReflectionRequest(list_services="")])
    (answer,) = reflection.ServerReflectionInfo(asked, timeout=10)
    named = {service.name for service in answer.list_services_response.service}
    assert {f"strategos.v1.{service}" for service in SERVICES} < named


def test_the_asyncio_client_plays_too(server):
    async def play() -> State:
        async with AsyncClient(server.address) as client:
            assert "random" in await client.agents("generals")
            seat = await client.create(
                "generals", BOARD, name="me", agents={1: "random"}, private=True, tick_limit=20
            )
            policy = PolicyAgent(load_policy("random"))
            async for state in seat.states():
                await seat.act(policy.select_action(state), tick=state.tick)
            end = await seat.state()
            assert (await client.replay(end.result.replay)).ticks == end.tick
            assert await client.leaderboard("generals") is not None
            assert await client.leaderboard("generals", mode="ffa") == []
            with pytest.raises(ServerError, match="has no list"):
                await client.leaderboard("blob", mode="ffa")
            with pytest.raises(ServerError, match="not_found"):
                await client.join("NOSUCHCODE", name="me")
            return end

    assert asyncio.run(asyncio.wait_for(play(), 120)).phase == "over"


def test_patches_carry_any_change():
    rng = np.random.default_rng(0)
    for size in (0, 1, 40, 2000):
        before = rng.integers(0, 256, size, np.uint8)
        for changes in (0, 1, 5, size):
            after = before.copy()
            if size:
                after[rng.integers(0, size, changes)] = rng.integers(0, 256, changes)
            patch = make_patch(before.tobytes(), after.tobytes())
            assert apply_patch(before.tobytes(), patch) == after.tobytes()
            assert changes or not patch.data


def test_options_survive_the_wire():
    options = {"height": 8, "teams": (0, 0, 1), "mountains": (0.1, 0.25), "turned_up": True, "trump": None}
    read = from_struct(to_struct(options))
    assert read == {"height": 8, "teams": [0, 0, 1], "mountains": [0.1, 0.25], "turned_up": True}
    assert isinstance(read["height"], int)
    assert math.isnan(from_struct(to_struct({"x": math.nan}))["x"])


def test_a_layout_names_every_field_of_a_view(client):
    seat = client.create("generals", BOARD, name="me", private=True)
    layout = describe(seat.game).view
    dtype = np.dtype(
        {
            "names": [field.name for field in layout.fields],
            "formats": [(field.type, tuple(field.shape)) for field in layout.fields],
            "offsets": [field.offset for field in layout.fields],
            "itemsize": layout.size_bytes,
        }
    )
    assert dtype.fields.keys() == seat.game.view_dtype.fields.keys()
    for name in dtype.names:
        assert dtype.fields[name] == seat.game.view_dtype.fields[name][:2]
    seat.leave()


@pytest.mark.parametrize("entrance", ["seat", "batch", "experience"])
def test_C10_a_client_whose_views_are_laid_out_otherwise_reads_none(server, client, monkeypatch, entrance):
    """It is told so with the first answer that describes a game."""
    run_agent(
        client.create("generals", BOARD, name="me", agents={1: "random"}, tick_limit=5),
        PolicyAgent(load_policy("random")),
    )

    def other_layout(dtype: np.dtype):
        layout = layout_of(dtype)
        layout.fields[0].offset += 1
        return layout

    monkeypatch.setattr(messages, "layout_of", other_layout)
    with pytest.raises(ServerError, match="laid out otherwise; install the version that it runs"):
        if entrance == "seat":
            client.create("generals", BOARD, name="me", private=True)
        elif entrance == "batch":
            RemoteBatch(client, "generals", BOARD, num_games=2)
        else:
            list(ExperienceStream(client, server.key, history=True, follow=False))


def test_a_server_that_is_not_there_is_a_refusal(tmp_path):
    from strategos.client import Client

    with Client("127.0.0.1:1", timeout_s=2) as nobody:
        assert refusal(nobody.games).code in ("unavailable", "deadline_exceeded")


def test_the_port_is_taken(server, tmp_path):
    from strategos.server.grpc.serving import GrpcServer

    async def start() -> None:
        settings = server.settings.model_copy(update={"grpc_port": server.server.port, "data": tmp_path})
        await GrpcServer(server.hall, settings).start()

    with pytest.raises(OSError, match="taken"):
        server.do(start())


def test_ratings_of_public_games_and_of_reported_ones(server, client):
    from strategos.server.grpc.replays import write_replay
    from strategos.server.grpc.v1 import rating_service_pb2 as ratings
    from strategos.server.grpc.v1 import rating_service_pb2_grpc

    seat = client.create("generals", BOARD, name="rated", agents={1: "random"})
    end = run_agent(seat, PolicyAgent(load_policy("expander"), seed=5))
    assert end.result.reason == "played" and None not in end.result.ratings and end.result.unrated == ""
    assert "rated" in [line.name for line in client.leaderboard("generals")]
    stub = rating_service_pb2_grpc.RatingServiceStub(client.channel)
    for mode, rated in (("", True), ("1v1", True), ("ffa", False)):
        board = stub.GetLeaderboard(ratings.GetLeaderboardRequest(game="generals", mode=mode), timeout=60)
        assert ("rated" in [line.name for line in board.standings]) == rated
    with pytest.raises(grpc.RpcError, match="has no list 'x'; its lists are 1v1, ffa, teams"):
        stub.GetLeaderboard(ratings.GetLeaderboardRequest(game="generals", mode="x"), timeout=60)
    record = client.replay(end.result.replay)
    elsewhere = write_replay(play_record("generals", 9, 5000))
    answer = stub.ReportResult(ratings.ReportResultRequest(key=server.key, game=elsewhere), timeout=60)
    assert len(answer.ratings) == 2 and client.replay(answer.replay).final_hash == elsewhere.final_hash
    edited = write_replay(record)
    edited.returns[:] = [-each for each in edited.returns]
    with pytest.raises(grpc.RpcError) as refused:
        stub.ReportResult(ratings.ReportResultRequest(key=server.key, game=edited), timeout=60)
    assert refused.value.code() == grpc.StatusCode.INVALID_ARGUMENT
    for key in ("", seat.token):
        with pytest.raises(grpc.RpcError) as refused:
            stub.ReportResult(ratings.ReportResultRequest(key=key, game=write_replay(record)), timeout=60)
        assert refused.value.code() == grpc.StatusCode.PERMISSION_DENIED
