"""The client package: RemoteEnv, the runner with and without streams and on lines that break, the docs."""

from __future__ import annotations

import contextlib
import itertools
import re
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import grpc
import gymnasium
import numpy as np
import pytest
from grpc_servers import BOARD, running

from strategos.client import Client, PolicyAgent, RemoteEnv, ServerError, State, run_agent
from strategos.client.messages import channel_options
from strategos.client.remote_env import view_fields
from strategos.client.sync import Seat
from strategos.play.agents import load_policy

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "grpc.md").read_text("utf-8")


def environment(server, game="generals", **options) -> RemoteEnv:
    if game == "generals":
        return RemoteEnv(server.address, game, BOARD, opponents={1: "random"}, **options)
    return RemoteEnv(
        server.address,
        game,
        {"players": 3, "cards": 3},
        opponents={0: "heuristic", 2: "heuristic"},
        **options,
    )


@pytest.mark.parametrize("game", ["generals", "blob"])
def test_the_environment_passes_gymnasiums_checker(server, game):
    from gymnasium.utils.env_checker import check_env

    env = environment(server, game, tick_limit=30)
    check_env(env, skip_render_check=True)
    env.close()


@pytest.mark.parametrize("game", ["generals", "blob"])
def test_an_episode_is_a_game_and_its_reward_the_result(server, client, game):
    env, rng = environment(server, game, tick_limit=40), np.random.default_rng(0)
    for seed in (5, 6):
        observation, info = env.reset(seed=seed)
        total, ended, steps = 0.0, False, 0
        while not ended:
            assert env.observation_space.contains(observation)
            assert np.array_equal(env.action_masks(), info["action_mask"])
            action = rng.choice(np.flatnonzero(info["action_mask"]))
            observation, reward, terminated, truncated, info = env.step(action)
            total, ended, steps = total + reward, terminated or truncated, steps + 1
        record = client.replay(info["replay"])
        assert record.truncated == truncated and info["illegal_actions"] == 0
        assert total == info["result"] == pytest.approx(record.returns[env.seat])
        assert steps == (record.ticks if game == "generals" else 4)
        with pytest.raises(gymnasium.error.ResetNeeded):
            env.step(0)
    env.close()


def test_the_same_seed_is_the_same_board_and_another_is_another(server):
    env = environment(server, tick_limit=5)
    first, *rest = (env.reset(seed=seed)[0] for seed in (3, 3, 4))
    assert all(np.array_equal(first[name], rest[0][name]) for name in first)
    assert any(not np.array_equal(first[name], rest[1][name]) for name in first)
    env.close()


def test_illegal_actions_are_counted(server):
    env = environment(server, tick_limit=10)
    _, info = env.reset(seed=1)
    wrong = int(np.flatnonzero(~info["action_mask"])[0])
    _, _, _, _, after = env.step(wrong)
    assert after["illegal_actions"] == 1 and after["tick"] == info["tick"] + 1  # played as a pass
    with pytest.raises(ValueError, match="no action"):
        env.step(env.action_space.n)
    env.close()
    env = environment(server, "blob")
    _, info = env.reset(seed=1)
    _, reward, *_, after = env.step(int(np.flatnonzero(~info["action_mask"])[0]))
    assert (after["illegal_actions"], after["tick"], reward) == (1, info["tick"], 0.0)  # nothing was played
    env.close()


def test_an_encoder_of_ones_own(server):
    space = gymnasium.spaces.Box(-np.inf, np.inf, (2,), np.float32)
    env = environment(
        server,
        tick_limit=5,
        encode=lambda state: state.view["land_total"].astype(np.float32),
        observation_space=space,
    )
    assert env.reset(seed=0)[0].tolist() == [1.0, 1.0]
    env.close()
    with pytest.raises(ValueError, match="both"):
        environment(server, encode=view_fields)
    with pytest.raises(ValueError, match="all seats but one"):
        RemoteEnv(server.address, "generals", BOARD, opponents={})


def test_an_environment_that_is_left_gives_its_seat_back(server):
    env = environment(server)
    env.reset(seed=1)
    env.reset(seed=2)
    env.close()


def test_a_seat_that_cannot_be_given_back_holds_up_no_new_game(server, monkeypatch):
    def refuse(seat: Seat) -> None:
        raise ServerError("deadline_exceeded", "the server said nothing")

    env = environment(server)
    env.reset(seed=1)
    monkeypatch.setattr(Seat, "leave", refuse)
    assert env.reset(seed=2)[1]["tick"] == 0
    env.close()


def test_what_is_refused_of_an_environment_is_an_error(server):
    env = environment(server)
    _, info = env.reset(seed=1)
    env._table.act(int(info["action_mask"].argmax()), tick=0)  # somebody else with its token
    with pytest.raises(ServerError, match=r"late|duplicate"):
        env.step(int(info["action_mask"].argmax()))
    assert env.reset(seed=1)[1]["tick"] == 0
    env.close()


class Teller:
    """An agent that writes down what it is told and what it plays; `thinks` is called before each move."""

    def __init__(self, thinks: Callable[[State], None] = lambda state: None) -> None:
        self.heard: list[str] = []
        self.played: list[int] = []
        self._thinks = thinks
        self._policy = PolicyAgent(load_policy("random"), seed=1)

    def on_game_start(self, state: State) -> None:
        self.heard.append("start")

    def select_action(self, state: State) -> int:
        self.heard.append("move")
        assert state.legal.any()
        self._thinks(state)
        self.played.append(self._policy.select_action(state))
        return self.played[-1]

    def on_game_end(self, state: State) -> None:
        self.heard.append(f"end {state.result.reason}")


@pytest.mark.parametrize("streaming", [True, False])
def test_the_agent_is_told_of_start_moves_and_end(client, streaming):
    seat = client.create("generals", BOARD, name="me", agents={1: "random"}, private=True, tick_limit=12)
    agent = Teller()
    end = run_agent(seat, agent, streaming=streaming, poll_s=0.001)
    assert agent.heard == ["start", *["move"] * 12, "end limit"]
    assert end.tick == 12


@pytest.mark.parametrize("streaming", [True, False])
def test_an_agent_that_breaks_the_rules_is_told_so_and_does_not_wait_for_ever(client, streaming):
    class Wrong(PolicyAgent):
        def select_action(self, state: State) -> int:
            return int((~state.legal).nonzero()[0][0])

    seat = client.create("generals", BOARD, name="wrong", agents={1: "random"}, private=True)
    with pytest.raises(ServerError, match="illegal"):
        run_agent(seat, Wrong(load_policy("random")), streaming=streaming, poll_s=0.001)
    seat.surrender()


def test_moves_go_over_the_stream(server, client, monkeypatch):
    monkeypatch.setattr(Seat, "act", None)  # no call of its own for any move
    seat = client.create("generals", BOARD, name="me", agents={1: "random"}, private=True, tick_limit=6)
    agent = Teller()
    end = run_agent(seat, agent)
    assert list(client.replay(end.result.replay).actions[:, 0]) == agent.played
    env = environment(server, tick_limit=3)
    _, info = env.reset(seed=1)
    while "replay" not in info:
        *_, info = env.step(int(info["action_mask"].argmax()))
    assert info["tick"] == 3
    env.close()


class NoStreams(grpc.UnaryStreamClientInterceptor, grpc.StreamStreamClientInterceptor):
    """A proxy on the way that lets no stream through."""

    def __init__(self) -> None:
        self.refused = 0

    def intercept_unary_stream(self, continuation, details, request):
        self.refused += 1
        return continuation(details._replace(method="/strategos.v1.GameService/NoSuchStream"), request)

    intercept_stream_stream = intercept_unary_stream


def test_without_streams_the_runner_asks_for_the_state(server):
    from strategos.server.grpc.v1 import game_service_pb2_grpc

    with server.client() as client:
        proxy = NoStreams()
        channel = grpc.intercept_channel(client.channel, proxy)
        client.stub = game_service_pb2_grpc.GameServiceStub(channel)
        seat = client.create("generals", BOARD, name="me", agents={1: "random"}, private=True, tick_limit=8)
        agent = Teller()
        run_agent(seat, agent, poll_s=0.001)
    assert agent.heard == ["start", *["move"] * 8, "end limit"] and proxy.refused == 1


class Relay:
    """A way to a server that breaks: `cut` ends its lines, `mute` lets nothing back through those of now."""

    def __init__(self, port: int) -> None:
        self._port, self._lines, self._mute = port, [], set()
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.address = f"127.0.0.1:{self._listening.getsockname()[1]}"
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                near = self._listening.accept()[0]
                far = socket.create_connection(("127.0.0.1", self._port))
                self._lines += [near, far]
                for one, other in ((near, far), (far, near)):
                    threading.Thread(target=self._pass_on, args=(one, other), daemon=True).start()

    def _pass_on(self, one: socket.socket, other: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := one.recv(65536):
                if other not in self._mute:
                    other.sendall(data)
            other.shutdown(socket.SHUT_RDWR)

    def mute(self, both_ways: bool = False) -> None:
        self._mute.update(self._lines if both_ways else self._lines[::2])

    def cut(self) -> None:
        for line in self._lines:
            with contextlib.suppress(OSError):
                line.shutdown(socket.SHUT_RDWR)

    def __enter__(self) -> Relay:
        return self

    def __exit__(self, *_: object) -> None:
        with contextlib.suppress(OSError):
            self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()
        self.cut()


def wait_for(holds: Callable[[], bool]) -> None:
    until = time.monotonic() + 60
    while not holds():
        assert time.monotonic() < until, "it did not come to that"
        time.sleep(0.01)


@pytest.mark.parametrize("arrives", [True, False], ids=["move-arrives", "move-is-lost"])
def test_a_move_whose_line_breaks_is_sent_again_and_played_once(server, client, monkeypatch, arrives):
    sent: list[tuple[int, int, str]] = []
    now = [0.0]
    act = server.hall.act

    def overheard(token, action, *, tick, key):
        if token == first.token:
            sent.append((tick, action, key))
        return act(token, action, tick=tick, key=key)

    def of_tick(tick: int) -> list[tuple[int, int, str]]:
        return [each for each in sent if each[0] == tick]

    def break_off(state: State) -> None:
        now[0] += 100.0  # an agent may think for longer than the runner waits for a server
        if state.tick == 2:
            relay.mute() if arrives else relay.cut()

    monkeypatch.setattr(server.hall, "act", overheard)
    with Relay(server.server.port) as relay, Client(relay.address) as over_relay:
        first = over_relay.create("generals", BOARD, name="ann", private=True, tick_limit=6)
        second = client.join(
            first.code, name="bob"
        )  # who moves last: what is sent again is for the same tick
        agent = Teller(break_off)
        options = {"poll_s": 0.01, "clock": lambda: now[0]}
        playing = threading.Thread(target=run_agent, args=(first, agent), kwargs=options)
        playing.start()
        for tick in range(6):
            wait_for(lambda tick=tick: of_tick(tick))
            if tick == 2 and arrives:
                relay.cut()  # before the answer
                wait_for(lambda: len(of_tick(2)) > 1)
            second.act(second.game.spec.num_actions - 1, tick=tick)
        playing.join(60)
    assert agent.heard == ["start", *["move"] * 6, "end limit"]
    assert len(set(sent)) == 6 and (not arrives or len(sent) > 6)
    result = second.state().result
    assert list(client.replay(result.replay).actions[:, 0]) == agent.played


@pytest.mark.parametrize("streaming", [True, False])
def test_a_move_that_the_server_has_lost_is_sent_again(server, client, streaming):
    """It was taken, and the server started anew before its tick; no call of the runner failed."""

    def forget() -> None:
        room.chairs[0].move = None
        room.chairs[0].answered.clear()
        for mailbox in list(room.mailboxes):
            mailbox.shut()  # the stream ends as it should

    first = client.create("generals", BOARD, name="ann", private=True, tick_limit=2)
    second = client.join(first.code, name="bob")
    room, agent = server.hall._lobby.rooms[first.game_id], Teller()
    options = {"poll_s": 0.01, "streaming": streaming}
    playing = threading.Thread(target=run_agent, args=(first, agent), kwargs=options, daemon=True)
    playing.start()
    wait_for(lambda: room.chairs[0].move is not None)
    server.ask(forget)
    wait_for(lambda: room.chairs[0].move is not None)
    for tick in range(2):
        second.act(second.game.spec.num_actions - 1, tick=tick)
        wait_for(lambda tick=tick: room.tick > tick)
    playing.join(60)
    assert agent.heard == ["start", "move", "move", "end limit"]
    assert list(client.replay(room.result.replay).actions[:, 0]) == agent.played


def test_an_agent_that_is_slower_than_the_clock_is_shown_the_newest_state(server, client):
    """Not those that have waited in the stream, of which each move would be too late again."""
    now, seen = [0.0], []

    def dawdle(state: State) -> None:
        until = room.tick + 3
        wait_for(lambda: room.tick >= until or not room.running)
        now[0] += 100.0
        seen.append((state, room.tick))

    seat = client.create(
        "generals",
        BOARD,
        name="me",
        agents={1: "random"},
        private=True,
        tick_limit=40,
        seconds=0.05,
        real_time=True,
    )
    room = server.hall._lobby.rooms[seat.game_id]
    run_agent(seat, Teller(dawdle), clock=lambda: now[0])
    following = itertools.pairwise(seen)
    pairs = [(tick, later.tick) for (state, tick), (later, _) in following if state.seconds_left is not None]
    assert pairs and all(later >= tick for tick, later in pairs)


def test_an_agent_that_plays_more_than_a_server_takes_slows_down(tmp_path):
    with running(tmp_path, requests_per_second=40) as server, server.client() as client:
        seat = client.create("generals", BOARD, name="me", agents={1: "random"}, private=True, tick_limit=60)
        agent = Teller()
        run_agent(seat, agent, poll_s=0.05)
    assert agent.heard == ["start", *["move"] * 60, "end limit"]


def test_a_line_that_goes_silent_is_given_up_and_the_game_goes_on(server):
    """Half open: nothing is closed, nothing arrives any more."""
    names = ("grpc.keepalive_time_ms", "grpc.keepalive_timeout_ms", "grpc.http2.ping_timeout_ms")
    soon = [(name, 500) for name in names if name in dict(channel_options())]
    with Relay(server.server.port) as relay, Client(relay.address, options=soon) as client:
        seat = client.create("generals", BOARD, name="me", agents={1: "random"}, private=True, tick_limit=8)
        agent = Teller(lambda state: relay.mute(both_ways=True) if state.tick == 3 else None)
        end = run_agent(seat, agent, poll_s=0.01)
    assert agent.heard == ["start", *["move"] * 8, "end limit"] and end.tick == 8


def test_the_runner_gives_up_on_a_server_that_is_gone(tmp_path):
    now = [0.0]

    def sleep(seconds: float) -> None:
        now[0] += 100.0

    with running(tmp_path) as server:
        client = server.client(timeout_s=1)
        seat = client.create("generals", BOARD, name="me", private=True)
    with pytest.raises(ServerError) as refused:
        run_agent(seat, Teller(), clock=lambda: now[0], sleep=sleep)
    assert refused.value.code in ("unavailable", "deadline_exceeded", "over", "cancelled")
    client.close()


def test_a_running_game_goes_on_when_the_server_comes_back(tmp_path):
    """The seat's token is good after a restart, and a new stream begins with a whole state."""
    with running(tmp_path) as server, server.client() as client:
        seat = client.create("generals", BOARD, name="me", agents={1: "random"}, private=True, tick_limit=30)
        policy = PolicyAgent(load_policy("random"), seed=1)
        for state in seat.states():
            seat.act(policy.select_action(state), tick=state.tick)
            if state.tick == 10:
                break
    with running(tmp_path) as server, server.client() as client:
        seat.client = client
        end = run_agent(seat, policy)
        assert end.tick == 30 and client.replay(end.result.replay).ticks == 30


def programs() -> list[str]:
    return re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)


def test_the_example_bot_of_the_docs_plays_a_game(server, tmp_path):
    (bot,) = [code for code in programs() if "__main__" in code or "sys.argv" in code]
    assert len(bot.splitlines()) < 60
    file = tmp_path / "bot.py"
    file.write_text(bot)
    done = subprocess.run(
        [sys.executable, str(file), server.address], capture_output=True, text=True, timeout=280
    )
    assert done.returncode == 0, done.stderr
    assert re.search(r"(won|lost|drew) after \d+ ticks", done.stdout)


def test_the_other_programs_of_the_docs_run(server, client, capsys):
    seat = client.create("generals", BOARD, name="me", agents={1: "random"}, tick_limit=20)
    run_agent(seat, PolicyAgent(load_policy("random")))
    ran = 0
    for code in programs():
        if "sys.argv" in code:
            continue
        text = code.replace("localhost:8001", server.address).replace("KEY", repr(server.key))
        exec(compile(text, "docs/grpc.md", "exec"), {})
        ran += 1
    assert ran >= 3 and capsys.readouterr().out


def test_every_method_and_field_of_the_page_is_there():
    from strategos.server.grpc.v1 import game_service_pb2

    for name in game_service_pb2.DESCRIPTOR.services_by_name["GameService"].methods_by_name:
        assert f"`{name}`" in PAGE, name
    assert isinstance(Client, type)
