"""The Gymnasium environment: its checker, the roadmap's own tests, and what it may not tell."""

from __future__ import annotations

import inspect

import gymnasium
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env

from strategos.envs import GeneralsEnv, GeneralsVectorEnv, generals_parallel
from strategos.envs.arena import seat_opponents

RIGHT = 3

BEFORE_THE_CAPTURE = """
tick: 7
A9!  B2!  .    .    .
.    .    .    .    .
.    .    .    .    .
.    .    .    .    .
.    .    .    .    .
"""


@pytest.mark.parametrize("planes", ["basic", "enhanced", "memory"])
def test_gymnasiums_checker_passes(planes):
    gymnasium.register("Generals-test-v0", entry_point=GeneralsEnv, kwargs={"size": 5, "planes": planes})
    try:
        env = gymnasium.make("Generals-test-v0", render_mode="rgb_array")
        check_env(env.unwrapped)
    finally:
        gymnasium.registry.pop("Generals-test-v0")


@pytest.mark.parametrize("size", [5, 10, 15, 20])
def test_enhanced_observations_are_15_planes_between_0_and_1(size, first_legal):
    env = GeneralsEnv(size, planes="enhanced", opponent=first_legal, seed=size)
    observation, info = env.reset()
    rng = np.random.default_rng(size)
    for _ in range(30):
        assert observation.shape == (15, size, size)
        assert observation.dtype == np.float32
        assert observation.min() >= 0 and observation.max() <= 1
        assert observation.any()
        action = rng.choice(np.flatnonzero(info["action_mask"]))
        observation, _, terminated, truncated, info = env.step(action)
        if terminated or truncated:
            observation, info = env.reset()


def test_a_range_of_sizes_draws_a_board_size_for_every_episode():
    env = GeneralsEnv((5, 10), seed=3)
    sides = set()
    for _ in range(30):
        observation, _ = env.reset()
        assert observation.shape[1:] == (10, 10)
        view = env._arena.views[0, 0]
        sides.add((int(view["height"]), int(view["width"])))
    assert len(sides) > 5
    assert all(5 <= side <= 10 for pair in sides for side in pair)


def test_an_action_outside_the_mask_is_penalised_and_changes_nothing(place):
    position = BEFORE_THE_CAPTURE.replace("tick: 7", "tick: 8")  # growth comes on even ticks only
    env = GeneralsEnv(5, seed=0, reward={"illegal": -0.25})
    env.reset()
    place(env, position)
    passing, illegal = env._arena.game.pass_action, 24 * 8
    assert not env.action_masks()[illegal]
    _, reward, *_, info = env.step(passing)
    after_a_pass = env._arena.batch.states["army"].copy(), env._arena.batch.states["owner"].copy()
    assert (reward, info["illegal_actions"]) == (0.0, 0)
    place(env, position)
    _, reward, terminated, truncated, info = env.step(illegal)
    assert (reward, info["illegal_actions"]) == (-0.25, 1)
    assert not terminated and not truncated
    assert np.array_equal(after_a_pass[0], env._arena.batch.states["army"])
    assert np.array_equal(after_a_pass[1], env._arena.batch.states["owner"])
    assert env.step(illegal)[4]["illegal_actions"] == 2
    assert env.reset()[1]["illegal_actions"] == 0


@pytest.mark.parametrize("action", [-1, 201, 10**9, np.int64(-7)])
def test_an_id_that_is_no_action_is_refused_and_nothing_is_played(action):
    env = GeneralsEnv(5, seed=0)
    env.reset()
    before = env._arena.batch.states.copy()
    with pytest.raises(ValueError, match=r"no action -?\d+ .*from 0 to 200"):
        env.step(action)
    assert before.tobytes() == env._arena.batch.states.tobytes()


@pytest.mark.parametrize("action", [1.5, None, [1, 2]])
def test_a_thing_that_is_no_id_is_refused(action):
    env = GeneralsEnv(5, seed=0)
    env.reset()
    with pytest.raises(ValueError):
        env.step(action)


@pytest.mark.parametrize("reward", ["sparse", "shaped", "events"])
def test_every_named_reward_penalises_an_illegal_action(reward):
    pays = []
    for action in (200, 24 * 8):  # to pass, and to move from a tile that is not mine
        env = GeneralsEnv(5, reward=reward)
        env.reset(seed=5)
        assert action == 200 or not env.action_masks()[action]
        pays.append(env.step(action)[1])
    assert pays[1] == pytest.approx(pays[0] - 0.01)


def test_the_capture_of_the_general_terminates_with_the_win(place, move):
    env = GeneralsEnv(5, seed=0, tick_limit=1)
    env.reset()
    place(env, BEFORE_THE_CAPTURE)
    observation, reward, terminated, truncated, info = env.step(move(env, 0, 0, RIGHT))
    # The tick limit falls on the same tick: a game that is over is not truncated.
    assert (reward, terminated, truncated, info["result"]) == (1.0, True, False, 1)
    assert observation in env.observation_space
    with pytest.raises(gymnasium.error.ResetNeeded):
        env.step(0)


def test_losing_from_the_other_seat(place, first_legal, move):
    env = GeneralsEnv(5, seat=1, opponent=first_legal, seed=0)
    env.reset()
    place(env, BEFORE_THE_CAPTURE.replace("A9!  B2!", "B1!  A9!").replace("\n.    .  ", "\n#    #  ", 1))
    assert env._arena.views["me"][0, 1] == 1
    reward, result = 0.0, None
    for _ in range(3):
        _, reward, terminated, _, info = env.step(env._arena.game.pass_action)
        if terminated:
            result = info["result"]
            break
    assert (reward, result) == (-1.0, -1)


def test_the_tick_limit_truncates_and_does_not_terminate():
    env = GeneralsEnv(5, seed=0, tick_limit=3)
    env.reset()
    ends = [env.step(200)[2:4] for _ in range(3)]
    assert ends == [(False, False), (False, False), (False, True)]
    with pytest.raises(gymnasium.error.ResetNeeded):
        env.step(200)


def test_the_competitions_draw_terminates():
    env = GeneralsEnv(5, ruleset="competition", seed=0, tick_limit=0, reward={"draw": 0.5, "win": 1})
    env.reset()
    env._arena.batch.states["tick"] = 1199
    _, reward, terminated, truncated, info = env.step(env.action_space.n - 1)
    assert (reward, terminated, truncated, info["result"]) == (0.5, True, False, 0)


def test_it_must_be_reset_before_the_first_step():
    with pytest.raises(gymnasium.error.ResetNeeded):
        GeneralsEnv(5).step(0)


def test_successive_episodes_have_their_own_boards_and_a_seed_fixes_them_all():
    env, twin = GeneralsEnv(10), GeneralsEnv(10, seed=11)
    boards = [env.reset(seed=11)[0]] + [env.reset()[0] for _ in range(40)]
    assert len({board.tobytes() for board in boards}) == len(boards)
    for board in boards:
        assert np.array_equal(board, twin.reset()[0])
    assert np.array_equal(boards[0], env.reset(seed=11)[0])
    assert np.array_equal(boards[1], env.reset()[0])


def test_without_a_seed_two_environments_differ():
    assert not np.array_equal(GeneralsEnv(10).reset()[0], GeneralsEnv(10).reset()[0])


def test_seeds_of_any_size_are_seeds():
    boards = {GeneralsEnv(10).reset(seed=seed)[0].tobytes() for seed in (0, 1, 2**31, 2**63, 2**64 - 1)}
    assert len(boards) == 5


HIDDEN = """
tick: 10
A5!  A2   .    .    .
A2   .    .    .    .
.    .    .    .    .
.    .    .    {}   {}
.    .    {}   {}   {}
"""


def test_nothing_hidden_reaches_the_player(place):
    """TRAPS 1: what lies in the fog is permuted; the scoreboard stays; nothing the player gets changes."""
    fogs = [("B9!", "B3", ".", "B3", "B1"), ("B1", ".", "B9", "B3", "B3!")]
    told = []
    for fog in fogs:
        env = GeneralsEnv(5, reward="events", render_mode="ansi")
        env.reset(seed=0)
        place(env, HIDDEN.format(*fog))
        # Two views of one position would also differ in what was remembered of another board.
        env._arena.batch.observation.memories[:] = np.zeros((), env._arena.game.memory_dtype)
        env._arena.batch.observe()
        for _ in range(3):
            observation, reward, terminated, truncated, info = env.step(0 * 8 + 3 * 2)
        image = GeneralsEnv.render(env), _rgb(env)
        told.append((observation, reward, terminated, truncated, info, image))
    for first, second in zip(*told, strict=True):
        np.testing.assert_equal(first, second)
    assert set(told[0][4]) == {"action_mask", "tick", "illegal_actions"}


def _rgb(env):
    env.render_mode = "rgb_array"
    return env.render()


def test_data_of_earlier_steps_stays_as_it_was():
    env = GeneralsEnv(5, seed=0)
    observation, info = env.reset()
    kept = observation.copy(), info["action_mask"].copy()
    for _ in range(5):
        env.step(env.action_space.sample())
    assert np.array_equal(observation, kept[0])
    assert np.array_equal(info["action_mask"], kept[1])


def test_the_mask_is_the_engines(first_legal):
    env = GeneralsEnv(5, opponent=first_legal, seed=4)
    _, info = env.reset()
    rng = np.random.default_rng(0)
    for _ in range(60):
        mask = info["action_mask"]
        assert mask.dtype == np.bool_ and mask.shape == (env.action_space.n,) and mask[-1]
        assert np.array_equal(mask, env.action_masks())
        _, _, terminated, truncated, info = env.step(rng.choice(np.flatnonzero(mask)))
        assert info["illegal_actions"] == 0
        if terminated or truncated:
            _, info = env.reset()


class TestOpponents:
    def test_every_seat_can_have_its_own(self, first_legal):
        seated = seat_opponents([None, first_legal, "name"], [0, 2, 3], {"name": first_legal}.__getitem__)
        assert seated == {0: None, 2: first_legal, 3: first_legal}

    def test_a_name_is_looked_up_once(self, first_legal):
        asked = []
        seated = seat_opponents("hunter", [1, 2], lambda name: asked.append(name) or first_legal)
        assert asked == ["hunter"]
        assert seated == {1: first_legal, 2: first_legal}

    def test_they_see_their_own_seat_and_play_it(self):
        seen = []

        class Witness:
            def act(self, views, masks, memories, rng):
                seen.append((int(views["me"][0]), len(views), masks.shape, int(memories["me"][0])))
                bits = np.unpackbits(masks, axis=-1, bitorder="little")
                return bits.argmax(-1)

        env = GeneralsEnv(8, players=4, seat=1, opponent=Witness(), seed=0)
        env.reset()
        env.step(env.action_space.n - 1)
        assert seen == [(me, 1, (1, 65), me) for me in (0, 2, 3)]

    @pytest.mark.parametrize(
        ("opponent", "error", "words"),
        [
            ("hunter", ValueError, "load_policy"),
            ([None, None], ValueError, "2 opponents for 1 seats"),
            (42, TypeError, "act"),
        ],
    )
    def test_what_cannot_play_is_refused(self, opponent, error, words):
        with pytest.raises(error, match=words):
            GeneralsEnv(5, opponent=opponent)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"size": (9, 5)}, "size"),
        ({"size": 5, "planes": "enhansed"}, "choose one of basic, enhanced, memory"),
        ({"size": 5, "reward": "dense"}, "choose one of sparse, shaped, events"),
        ({"size": 5, "reward": {"capture_lnd": 1}}, "did you mean 'capture_land'"),
        ({"size": 5, "reward": {"win": float("nan")}}, "finite"),
        ({"size": 5, "gamma": 1.5}, "gamma"),
        ({"size": 5, "tick_limit": -1}, "tick_limit"),
        ({"size": 5, "seat": 2}, "seat must be 0 to 1"),
        ({"size": 5, "render_mode": "human"}, "ansi, rgb_array"),
        ({"size": 5, "ruleset": "chess"}, "no ruleset"),
        ({"size": 2}, "at least 4"),
        ({"size": 10, "heigth": 8}, "no option 'heigth'; did you mean 'height'"),
        ({"size": 10, "oponent": "hunter"}, "no option 'oponent'; did you mean 'opponent'"),
        ({"size": 10, "wrap": True}, "no option 'wrap'; choose from height, width"),
    ],
)
def test_impossible_options_are_named(options, words):
    with pytest.raises(ValueError, match=words):
        GeneralsEnv(**options)


@pytest.mark.parametrize(
    "environment", [GeneralsEnv, GeneralsVectorEnv, generals_parallel.GeneralsParallelEnv]
)
def test_a_typo_in_any_option_is_answered_with_the_option(environment):
    for option in set(inspect.signature(environment).parameters) - {"num_envs", "board"}:
        with pytest.raises(ValueError, match=f"no option '{option}_'; did you mean '{option}'"):
            environment(5, **{f"{option}_": 1})


def test_a_seed_must_be_an_integer():
    with pytest.raises(ValueError, match="seed"):
        GeneralsEnv(5, seed="seven").reset()


def test_an_unmodified_maskable_ppo_trains_on_it(first_legal):
    maskable = pytest.importorskip("sb3_contrib", reason="the test extra brings sb3-contrib")
    env = GeneralsEnv(5, opponent=first_legal, reward="shaped", tick_limit=50, seed=0)
    model = maskable.MaskablePPO(
        "MlpPolicy", env, n_steps=64, batch_size=32, n_epochs=2, seed=0, device="cpu"
    )
    before = [parameter.detach().clone() for parameter in model.policy.parameters()]
    model.learn(256)
    assert model.num_timesteps == 256
    changed = [not old.equal(new) for old, new in zip(before, model.policy.parameters(), strict=True)]
    assert all(changed)
    observation, info = env.reset()
    action, _ = model.predict(observation, action_masks=env.action_masks())
    assert info["action_mask"][int(action)]
