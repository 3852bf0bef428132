"""The environments of Blob: their checkers, what they pay, what they refuse and what they may not tell."""

from __future__ import annotations

import warnings

import gymnasium
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env
from pettingzoo.test import api_test, seed_test

from strategos.envs import BlobEnv, blob_aec
from strategos.envs.blob_features import encode_features, feature_parts, num_features
from strategos.games.blob.record import BID

OPTIONS = [
    {},
    {"players": 3, "cards": 17, "trump": "none"},
    {"players": 8, "cards": 2, "rounds": "all", "reward": "points"},
    {"players": 5, "cards": 4, "min_cards": 1, "turned_up": True, "scoring": "tricks_plus_bonus"},
]


def lowest(env):
    return int(np.flatnonzero(env.action_masks())[0])


@pytest.mark.parametrize("options", OPTIONS)
def test_gymnasiums_checker_passes(options, first_legal):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        check_env(BlobEnv(opponent=first_legal, render_mode="ansi", **options), skip_render_check=True)


@pytest.mark.parametrize("options", OPTIONS)
@pytest.mark.filterwarnings(
    "ignore::UserWarning:pettingzoo"
)  # it knows its own games with dict observations by name
def test_pettingzoos_checkers_pass(options):
    api_test(blob_aec.env(render_mode="ansi", **options), num_cycles=60)
    seed_test(lambda: blob_aec.env(**options), num_cycles=30)


@pytest.mark.parametrize("options", OPTIONS)
def test_an_episode_visits_every_decision_and_pays_what_the_game_says(options, first_legal):
    env = BlobEnv(
        opponent=[None, *[first_legal] * (options.get("players", 4) - 2)], seat=1, seed=5, **options
    )
    rng = np.random.default_rng(0)
    for _ in range(3):
        observation, info = env.reset()
        total, ended = 0.0, False
        while not ended:
            assert info["action_mask"].any() and env._table.turn == 1
            assert observation in env.observation_space
            action = rng.choice(np.flatnonzero(info["action_mask"]))
            observation, reward, ended, truncated, info = env.step(action)
            total += reward
            assert not truncated
        scores = info["scores"]
        paid = scores[0] if options.get("reward") == "points" else scores[0] - scores.mean()
        assert total == pytest.approx(paid / (10 + options.get("cards", 5)))
        assert info["rank"] == 1 + (scores > scores[0]).sum() and info["illegal_actions"] == 0
        assert observation in env.observation_space and not info["action_mask"].any()
        with pytest.raises(gymnasium.error.ResetNeeded):
            env.step(action)


def test_a_whole_game_pays_each_round_when_it_is_counted(first_legal):
    env = BlobEnv(3, 3, rounds="all", opponent=first_legal, reward="points", seed=1)
    _, info = env.reset()
    ended, before = False, 0
    while not ended:
        _, reward, ended, _, info = env.step(lowest(env))
        assert reward == pytest.approx((info["scores"][0] - before) / 13)
        before = info["scores"][0]
    assert before > 0


def test_an_action_outside_the_mask_is_penalised_and_changes_nothing():
    env = BlobEnv(seed=3, illegal=-0.25)
    observation, _ = env.reset()
    before = env._table.batch.states.tobytes()
    again, reward, terminated, truncated, info = env.step(0)  # a card, while bids are made
    assert (reward, terminated, truncated, info["illegal_actions"]) == (-0.25, False, False, 1)
    assert env._table.batch.states.tobytes() == before and np.array_equal(observation, again)
    assert env.step(lowest(env))[4]["illegal_actions"] == 1
    assert env.reset()[1]["illegal_actions"] == 0


@pytest.mark.parametrize("action", [-1, 70, 10**9, 1.5, None, [1, 2]])
def test_a_thing_that_is_no_action_is_refused_and_nothing_is_played(action):
    for env in (BlobEnv(seed=0), blob_aec.env(seed=0)):
        env.reset()
        before = env._table.batch.states.tobytes()
        with pytest.raises(ValueError, match="action"):
            env.step(action)
        assert env._table.batch.states.tobytes() == before


def test_a_seed_fixes_this_deal_and_all_that_follow(first_legal):
    first, second = BlobEnv(opponent=None), BlobEnv(opponent=None, seed=9)
    runs = []
    for env, seed in ((first, 9), (second, None), (first, 9)):
        seen = [env.reset(seed=seed)[0]]
        for _ in range(3):
            ended = False
            while not ended:
                observation, _, ended, _, _ = env.step(lowest(env))
                seen.append(observation)
            seen.append(env.reset()[0])
        runs.append(np.array(seen).tobytes())
    assert runs[0] == runs[1] == runs[2]
    hands = {env.reset()[0][:52].tobytes() for env in [first] * 20}
    assert len(hands) == 20


def test_opponents_see_their_own_seat_and_are_asked_only_in_turn():
    asked = []

    class Witness:
        def act(self, views, masks, memories, rng):
            assert len(views) == 1 and memories is None and masks.any() and views["turn"][0] == 0
            asked.append(int(views["me"][0]))
            return np.unpackbits(masks, axis=-1, bitorder="little").argmax(-1)

    env = BlobEnv(3, 1, dealer=0, opponent=Witness(), seed=0)
    env.reset()
    assert asked == [1, 2]
    env.step(lowest(env))
    assert asked == [1, 2, 1, 2]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"players": 2}, "3 to 8 players"),
        ({"players": 4, "cards": 20}, "1 to 13 cards"),
        ({"rounds": "some"}, "'one' or 'all'"),
        ({"reward": "dense"}, "choose one of relative, points"),
        ({"render_mode": "human"}, "ansi"),
    ],
)
def test_impossible_options_are_named(options, words):
    for make in (BlobEnv, blob_aec.env):
        with pytest.raises(ValueError, match=words):
            make(**options)


@pytest.mark.parametrize(
    ("options", "words"), [({"seat": 4}, "seat must be 0 to 3"), ({"opponent": "heuristic"}, "load_policy")]
)
def test_impossible_opponents_are_named(options, words):
    with pytest.raises(ValueError, match=words):
        BlobEnv(**options)


def pieces(observation, players):
    return {
        name: observation[place].reshape(shape) for name, (place, shape) in feature_parts(players).items()
    }


def test_the_features_say_what_the_view_says():
    env = BlobEnv(3, 4, dealer=2, trump="H", opponent=None, seed=6)
    observation, _ = env.reset()
    assert observation.shape == (num_features(3),) and num_features(4) == 576
    part = pieces(observation, 3)
    assert part["hand"].sum() == 4 and part["bidding"][0] == 1 and not part["bid_made"].any()
    assert part["trump"].tolist() == [0, 1, 0, 0, 0] and part["dealer"].tolist() == [0, 0, 1]
    assert part["turn"].tolist() == [1, 0, 0] and not part["turned"].any() and not part["led"].any()
    observation, *_ = env.step(BID + 2)
    part, view = pieces(observation, 3), env._table.view(0)
    assert part["bid_made"].all() and part["bids"] == pytest.approx(view["bids"][:3] / 17)
    assert part["bidding"][0] == 0
    ended = False
    while not ended:
        part, view = pieces(observation, 3), env._table.view(0)
        lying = int(view["num_plays"]) % 3
        assert part["trick"].sum() == lying and part["played"].sum() == view["num_plays"]
        assert part["led"].sum() == (lying > 0)
        assert part["tricks"] == pytest.approx(view["tricks"][:3] / 17)
        assert part["sizes"] == pytest.approx(view["sizes"][:3] / 17)
        for seat in range(3):
            assert part["voids"][seat].tolist() == [view["voids"][seat] >> suit & 1 for suit in range(4)]
        if lying:
            leader = int(view["leaders"][view["num_plays"] // 3])
            card = int(view["plays"][view["num_plays"] - lying])
            assert part["trick"][leader, card] == 1 and part["led"][card // 13] == 1
        observation, _, ended, _, info = env.step(lowest(env))
    part = pieces(observation, 3)
    assert part["scores"] == pytest.approx(info["scores"] / 14)
    assert part["played"].sum() == 12 and part["hand"].sum() == 0


def test_the_features_tell_nothing_of_the_other_hands():
    env = BlobEnv(4, 5, seed=2)
    env.reset()
    env.step(lowest(env))
    table = env._table
    before = encode_features(table.view(0))
    states = table.batch.states
    states["hand"][0, 1], states["hand"][0, 2] = states["hand"][0, 2], states["hand"][0, 1]
    table.batch.observe()
    assert np.array_equal(encode_features(table.view(0)), before)


def play_aec(env, seed):
    """One game by the lowest actions; all that was paid, and the agents in the order they were asked."""
    env.reset(seed=seed)
    paid, asked = dict.fromkeys(env.possible_agents, 0.0), []
    for agent in env.agent_iter():
        observation, reward, terminated, truncated, info = env.last()
        paid[agent] += reward
        assert observation["observation"] in env.observation_space(agent)["observation"]
        if terminated or truncated:
            assert not observation["action_mask"].any() and info["rank"] >= 1
            env.step(None)
        else:
            asked.append(agent)
            env.step(int(observation["action_mask"].argmax()))
    return paid, asked


def test_the_agents_move_in_turn_and_are_paid_between_their_moves():
    env = blob_aec.env(4, 3, dealer=1)
    paid, asked = play_aec(env, seed=4)
    assert asked[:4] == ["player_2", "player_3", "player_0", "player_1"] and len(asked) == 16
    scores = env._table.scores(0)
    assert list(paid.values()) == pytest.approx(((scores - scores.mean()) / 13).tolist())
    assert env.agents == []
    with pytest.raises(gymnasium.error.ResetNeeded):
        env.step(0)


def test_an_illegal_action_is_asked_for_again_and_paid_by_who_tried():
    env = blob_aec.env(seed=1, illegal=-0.5)
    env.reset()
    agent, before = env.agent_selection, env._table.batch.states.tobytes()
    env.step(0)
    assert env.agent_selection == agent and env._table.batch.states.tobytes() == before
    assert env.last()[1] == -0.5 and env.infos[agent] == {"illegal_actions": 1}
    env.step(int(env.last()[0]["action_mask"].argmax()))
    assert env.agent_selection != agent and env.rewards[agent] == 0 and env._cumulative_rewards[agent] == 0


def test_who_looks_on_sees_all_hands_and_who_plays_its_own():
    env = BlobEnv(render_mode="ansi", seed=1)
    env.reset()
    own = env.render()
    spectators = blob_aec.env(render_mode="ansi", seed=1)
    spectators.reset()
    assert isinstance(own, str) and spectators.render().count("S:") == 4 and own.count("S:") == 1
