"""The client package: RemoteEnv, the runner with and without streams, and the example of the docs."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import grpc
import gymnasium
import numpy as np
import pytest
from grpc_servers import BOARD, running

from strategos.client import Client, PolicyAgent, RemoteEnv, ServerError, State, run_agent
from strategos.client.remote_env import view_fields
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


class Teller:
    """An agent that writes down what it is told."""

    def __init__(self) -> None:
        self.heard: list[str] = []
        self._policy = PolicyAgent(load_policy("random"), seed=1)

    def on_game_start(self, state: State) -> None:
        self.heard.append("start")

    def select_action(self, state: State) -> int:
        self.heard.append("move")
        assert state.legal.any()
        return self._policy.select_action(state)

    def on_game_end(self, state: State) -> None:
        self.heard.append(f"end {state.result.reason}")


@pytest.mark.parametrize("streaming", [True, False])
def test_the_agent_is_told_of_start_moves_and_end(client, streaming):
    seat = client.create("generals", BOARD, name="me", agents={1: "random"}, private=True, tick_limit=12)
    agent = Teller()
    end = run_agent(seat, agent, streaming=streaming, poll_s=0.001)
    assert agent.heard == ["start", *["move"] * 12, "end limit"]
    assert end.tick == 12


class NoStreams(grpc.UnaryStreamClientInterceptor):
    """A proxy on the way that lets no stream through."""

    def __init__(self) -> None:
        self.refused = 0

    def intercept_unary_stream(self, continuation, details, request):
        self.refused += 1
        return continuation(details._replace(method="/strategos.v1.GameService/NoSuchStream"), request)


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
