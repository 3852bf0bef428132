"""The PettingZoo environment: its checkers, players who fall before the end, and teams."""

from __future__ import annotations

import warnings

import gymnasium
import numpy as np
import pytest
from pettingzoo.test import api_test, parallel_api_test, parallel_seed_test
from pettingzoo.utils import parallel_to_aec

from strategos.envs import generals_parallel

RIGHT = 3
EMPTY_ROWS = ".    .    .    .    .    .    .    .\n" * 7


@pytest.mark.parametrize(
    "options",
    [
        {"size": 5},
        {"size": (5, 10), "ruleset": "competition"},
        {"size": 8, "players": 4},
        {"size": 8, "players": 4, "teams": (0, 0, 1, 1), "reward": "shaped"},
    ],
)
def test_pettingzoos_checkers_pass(options):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        parallel_api_test(generals_parallel.parallel_env(tick_limit=60, **options), num_cycles=150)
        parallel_seed_test(lambda: generals_parallel.parallel_env(**options), num_cycles=40)


def test_pettingzoos_conversion_to_turns_passes():
    api_test(parallel_to_aec(generals_parallel.parallel_env(size=5, tick_limit=30)), num_cycles=80)


def everybody_passes(env, **moves):
    passing = env.action_space(env.agents[0]).n - 1
    return {agent: moves.get(agent, passing) for agent in env.agents}


def test_a_fallen_player_leaves_and_the_others_play_on(place, move):
    env = generals_parallel.parallel_env(size=8, players=4, seed=0)
    env.reset()
    place(env, "tick: 7\nA9!  B2!  .    C5!  .    D5!  .    .\n" + EMPTY_ROWS)
    capture = everybody_passes(env, player_0=move(env, 0, 0, RIGHT))
    observations, rewards, terminations, truncations, infos = env.step(capture)
    assert rewards == {"player_0": 0.0, "player_1": -1.0, "player_2": 0.0, "player_3": 0.0}
    assert [agent for agent, ended in terminations.items() if ended] == ["player_1"]
    assert not any(truncations.values())
    assert infos["player_1"]["result"] == -1 and "result" not in infos["player_0"]
    assert set(observations) == set(env.possible_agents)  # the last observation is reachable
    assert env.agents == ["player_0", "player_2", "player_3"]
    assert set(env.step(everybody_passes(env))[0]) == set(env.agents)
    with pytest.raises(ValueError, match="player_1"):
        env.step({**everybody_passes(env), "player_1": 0})


def test_the_dead_of_a_living_team_share_its_result(place, move):
    env = generals_parallel.parallel_env(size=8, players=4, teams=(0, 0, 1, 1), seed=0)
    env.reset()
    place(env, "tick: 7\nteams: 0 0 1 1\nC9!  A2!  .    B9!  D2!  .    .    .\n" + EMPTY_ROWS)
    _, rewards, terminations, *_ = env.step(everybody_passes(env, player_2=move(env, 0, 0, RIGHT)))
    assert not any(rewards.values()) and not any(terminations.values())
    assert env.agents == env.possible_agents
    mask = env._arena.masks(0)[0]
    assert mask.sum() == 1 and mask[-1], "the dead can only pass"
    _, rewards, *_ = env.step(everybody_passes(env, player_1=move(env, 0, 3, RIGHT)))
    assert not any(rewards.values())
    place(
        env,
        "tick: 9\nplayers: 4\nteams: 0 0 1 1\ndead: AD\nC2!  B9!  .    .    .    .    .    .\n" + EMPTY_ROWS,
    )
    _, rewards, terminations, _, infos = env.step(everybody_passes(env, player_1=move(env, 0, 1, 2)))
    assert rewards == {"player_0": 1.0, "player_1": 1.0, "player_2": -1.0, "player_3": -1.0}
    assert all(terminations.values()) and env.agents == []
    assert {agent: info["result"] for agent, info in infos.items()} == rewards
    with pytest.raises(gymnasium.error.ResetNeeded):
        env.step({})


def test_the_tick_limit_truncates_everybody():
    env = generals_parallel.parallel_env(size=5, tick_limit=2, seed=0)
    env.reset()
    env.step(everybody_passes(env))
    _, rewards, terminations, truncations, infos = env.step(everybody_passes(env))
    assert all(truncations.values()) and not any(terminations.values()) and not any(rewards.values())
    assert all(info["result"] == 0 for info in infos.values())
    assert env.agents == []


def test_missing_and_malformed_actions_are_refused():
    env = generals_parallel.parallel_env(size=5, seed=0)
    with pytest.raises(gymnasium.error.ResetNeeded):
        env.step({"player_0": 0, "player_1": 0})
    env.reset()
    before = env._arena.batch.states.tobytes()
    with pytest.raises(ValueError, match="check player_1"):
        env.step({"player_0": 0})
    with pytest.raises(ValueError, match=r"no action 201 \(game 0, player 1\)"):
        env.step({"player_0": 0, "player_1": 201})
    with pytest.raises(ValueError, match="player_0 must be an integer"):
        env.step({"player_0": 1.5, "player_1": 0})
    assert before == env._arena.batch.states.tobytes()


def test_illegal_actions_are_counted_and_paid_by_who_plays_them():
    env = generals_parallel.parallel_env(size=5, seed=0, reward={"illegal": -1})
    _, infos = env.reset()
    illegal = int(np.flatnonzero(infos["player_1"]["action_mask"] == 0)[0])
    _, rewards, *_, infos = env.step(everybody_passes(env, player_1=illegal))
    assert rewards == {"player_0": 0.0, "player_1": -1.0}
    assert [infos[agent]["illegal_actions"] for agent in env.agents] == [0, 1]


def test_spectators_see_everything():
    env = generals_parallel.parallel_env(size=5, seed=0, render_mode="ansi")
    env.reset()
    text = env.render()
    assert "A1!" in text and "B1!" in text and "?" not in text
    env.render_mode = "rgb_array"
    assert env.render().ndim == 3
