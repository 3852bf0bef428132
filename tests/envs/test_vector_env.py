"""The vector environment: equal to single ones, three autoreset modes, and no episode joined to the next."""

from __future__ import annotations

import gymnasium
import numpy as np
import pytest
from gymnasium.vector import AutoresetMode

from strategos.engine.planes import PLANE_NAMES
from strategos.envs import GeneralsEnv, GeneralsVectorEnv

RIGHT = 3
GAMES = 6
PARTS = ("observation", "reward", "terminated", "truncated", "next observation", "result")
OPEN = {"spawn_distance": (2, 2), "mountains": (0.0, 0.0), "cities": (0, 0)}


ARMY, GENERAL = (PLANE_NAMES["memory"].index(name) for name in ("ally_army", "own_general"))


def choose(masks: np.ndarray, observations: np.ndarray) -> np.ndarray:
    """A policy without state: the largest stack that can, moves; the same position, the same action."""
    chosen = np.full(len(masks), masks.shape[1] - 1)
    for row, (mask, observation) in enumerate(zip(masks, observations, strict=True)):
        moves = mask[:-1].reshape(-1, 4, 2)[:, :, 0]
        if not moves.any():
            continue
        stacks = (observation[ARMY] - 0.15 * observation[GENERAL]).ravel()
        cell = int(np.where(moves.any(1), stacks, -1).argmax())
        directions = np.flatnonzero(moves[cell])
        digest = int(observation.astype(np.float64).sum() * 7919)
        chosen[row] = cell * 8 + directions[digest % len(directions)] * 2
    return chosen


def options(first_legal, **more):
    return {"size": 5, "opponent": first_legal, "tick_limit": 40, "reward": "events", **OPEN, **more}


def mortal(env):
    """With deathtouch from the first tick even a clumsy policy wins some games."""
    env._arena.game.rules["deathtouch_tick"] = 1
    return env


def episodes_of_single_environments(first_legal, steps: int) -> list[list[tuple]]:
    """For each game the transitions (observation, reward, terminated, truncated, next, result)."""
    games = []
    for game in range(GAMES):
        env = mortal(GeneralsEnv(**options(first_legal)))
        observation, info = env.reset(seed=100 + game)
        transitions = []
        while len(transitions) < steps:
            action = choose(info["action_mask"][None], observation[None])[0]
            after, reward, terminated, truncated, info = env.step(action)
            transitions.append((observation, reward, terminated, truncated, after, info.get("result", 0)))
            observation = after
            if terminated or truncated:
                observation, info = env.reset()
        games.append(transitions)
    return games


def collect(first_legal, mode: AutoresetMode, steps: int, threads: int | None = None) -> list[list[tuple]]:
    """The same transitions out of the vector environment, by each mode's own rules."""
    envs = mortal(GeneralsVectorEnv(GAMES, autoreset=mode, threads=threads, **options(first_legal)))
    observations, infos = envs.reset(seed=100)
    games: list[list[tuple]] = [[] for _ in range(GAMES)]
    waiting = np.zeros(GAMES, bool)
    while min(map(len, games)) < steps:
        actions = choose(infos["action_mask"], observations)
        after, rewards, terminated, truncated, infos = envs.step(actions)
        ended = terminated | truncated
        for row in np.flatnonzero(~waiting):
            final, results = after[row], infos.get("result")
            if mode is AutoresetMode.SAME_STEP and ended[row]:
                assert infos["_final_obs"][row] and infos["_final_info"][row]
                final, results = infos["final_obs"][row], infos["final_info"]["result"]
            result = int(results[row]) if ended[row] else 0
            games[row].append(
                (observations[row], rewards[row], terminated[row], truncated[row], final, result)
            )
        if mode is AutoresetMode.NEXT_STEP:
            assert not rewards[waiting].any() and not ended[waiting].any()
            waiting = ended
        observations = after
        if mode is AutoresetMode.DISABLED and ended.any():
            observations, infos = envs.reset(options={"reset_mask": ended})
    return games


@pytest.mark.parametrize("mode", list(AutoresetMode))
def test_every_mode_gives_the_episodes_of_single_environments(mode, first_legal):
    """TRAPS 2 and 7: own boards, the last observation reachable, no transition from one game to another."""
    steps = 90
    expected = episodes_of_single_environments(first_legal, steps)
    got = collect(first_legal, mode, steps)
    ends = [(terminated, truncated) for game in expected for _, _, terminated, truncated, *_ in game]
    assert (True, False) in ends and (False, True) in ends, "both kinds of end are to be tested"
    for wanted, found in zip(expected, got, strict=True):
        for number, (left, right) in enumerate(zip(wanted, found[:steps], strict=True)):
            for part, (a, b) in zip(PARTS, zip(left, right, strict=True), strict=True):
                np.testing.assert_allclose(a, b, atol=1e-6, err_msg=f"{part} of transition {number}")


def test_the_number_of_threads_changes_nothing(first_legal):
    one, two = (collect(first_legal, AutoresetMode.SAME_STEP, 50, threads) for threads in (1, 2))
    np.testing.assert_equal(one, two)


def test_boards_of_all_games_and_episodes_differ():
    envs = GeneralsVectorEnv(16, 10, seed=0)
    boards = [board.tobytes() for _ in range(10) for board in envs.reset()[0]]
    assert len(set(boards)) == 160


def test_resetting_one_game_shifts_no_other(first_legal):
    def play(reset_the_first: bool) -> np.ndarray:
        envs = GeneralsVectorEnv(3, 5, opponent=first_legal, tick_limit=10, autoreset="NextStep")
        observations, infos = envs.reset(seed=1)
        seen = []
        for tick in range(40):
            if reset_the_first and tick % 7 == 3:
                mask = np.array([True, False, False])
                observations, infos = envs.reset(options={"reset_mask": mask})
            observations, *_, infos = envs.step(choose(infos["action_mask"], observations))
            seen.append(observations[1:])
        return np.array(seen)

    assert np.array_equal(play(False), play(True))


def test_some_games_can_be_reset_with_seeds():
    envs = GeneralsVectorEnv(4, 10, autoreset="Disabled")
    first, _ = envs.reset(seed=50)
    mask = np.array([False, True, False, True])
    second, _ = envs.reset(seed=[1, 2, 3, 4], options={"reset_mask": mask})
    assert np.array_equal(first[~mask], second[~mask])
    for row in (1, 3):
        assert np.array_equal(second[row], GeneralsEnv(10).reset(seed=row + 1)[0])


def test_disabled_asks_for_the_reset():
    envs = GeneralsVectorEnv(2, 5, tick_limit=1, autoreset="Disabled", seed=0)
    envs.reset()
    envs.step(np.array([200, 200]))
    with pytest.raises(gymnasium.error.ResetNeeded, match="reset_mask"):
        envs.step(np.array([200, 200]))


def test_same_step_lays_out_the_end_as_gymnasium_does(place, move):
    envs = GeneralsVectorEnv(2, 5, autoreset=AutoresetMode.SAME_STEP, seed=0)
    envs.reset()
    capture = "tick: 7\nA9!  B2!  .    .    .\n" + ".    .    .    .    .\n" * 4
    place(envs, capture, row=1)
    observations, rewards, terminated, truncated, infos = envs.step(np.array([200, move(envs, 0, 0, RIGHT)]))
    assert rewards.tolist() == [0.0, 1.0]
    assert terminated.tolist() == [False, True] and not truncated.any()
    assert infos["final_obs"][0] is None
    assert infos["final_obs"][1] in envs.single_observation_space
    assert not np.array_equal(infos["final_obs"][1], observations[1])
    assert infos["_final_obs"].tolist() == infos["_final_info"].tolist() == [False, True]
    assert infos["final_info"]["result"].tolist() == [0, 1]
    assert infos["final_info"]["tick"].tolist() == [0, 8]
    assert infos["tick"].tolist() == [1, 0]


def test_the_mode_stands_in_the_metadata_of_each_environment():
    modes = {mode: GeneralsVectorEnv(1, 5, autoreset=mode) for mode in ("NextStep", "SameStep", "Disabled")}
    assert {name: env.metadata["autoreset_mode"].value for name, env in modes.items()} == {
        m: m for m in modes
    }
    assert "autoreset_mode" not in GeneralsVectorEnv.metadata


def test_gymnasiums_wrappers_take_it(first_legal):
    envs = GeneralsVectorEnv(4, autoreset="NextStep", **options(first_legal, tick_limit=5))
    wrapped = gymnasium.wrappers.vector.RecordEpisodeStatistics(envs)
    wrapped = gymnasium.wrappers.vector.DictInfoToList(wrapped)
    observations, infos = wrapped.reset(seed=0)
    assert len(infos) == 4 and infos[2]["action_mask"].shape == (201,)
    lengths = []
    for _ in range(12):
        masks = np.array([info["action_mask"] for info in infos])
        observations, *_, infos = wrapped.step(choose(masks, observations))
        lengths += [info["episode"]["l"] for info in infos if "episode" in info]
    assert len(lengths) == 8 and max(lengths) == 5


def test_spaces_and_types_hold():
    envs = GeneralsVectorEnv(3, (5, 10), planes="basic", seed=0)
    observations, infos = envs.reset()
    assert observations in envs.observation_space
    assert envs.action_space.shape == (3,)
    observations, rewards, terminated, truncated, infos = envs.step(envs.action_space.sample())
    assert observations in envs.observation_space and observations.dtype == np.float32
    assert rewards.dtype == np.float64 and rewards.shape == (3,)
    assert terminated.dtype == truncated.dtype == np.bool_
    assert infos["action_mask"].shape == (3, 801) and infos["action_mask"].dtype == np.bool_
    assert np.array_equal(infos["action_mask"], envs.action_masks())


@pytest.mark.parametrize(
    ("actions", "words"),
    [
        (np.array([0, 201]), r"no action 201 \(game 1, player 0\)"),
        (np.array([-1, 0]), r"no action -1 \(game 0"),
        (np.array([0, 0, 0]), "shape"),
        (np.array([0.5, 0.0]), "integers"),
    ],
)
def test_malformed_actions_are_refused(actions, words):
    envs = GeneralsVectorEnv(2, 5, seed=0)
    envs.reset()
    with pytest.raises(ValueError, match=words):
        envs.step(actions)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [({"num_envs": 0}, "num_envs"), ({"num_envs": 1, "autoreset": "always"}, "NextStep, SameStep, Disabled")],
)
def test_impossible_options_are_named(arguments, words):
    with pytest.raises(ValueError, match=words):
        GeneralsVectorEnv(size=5, **arguments)


def test_bad_resets_are_named():
    envs = GeneralsVectorEnv(2, 5)
    with pytest.raises(gymnasium.error.ResetNeeded):
        envs.step(np.zeros(2, int))
    with pytest.raises(gymnasium.error.ResetNeeded):
        envs.reset(options={"reset_mask": np.array([True, False])})
    with pytest.raises(ValueError, match="3 seeds for 2 games"):
        envs.reset(seed=[1, 2, 3])
    envs.reset()
    with pytest.raises(ValueError, match="reset_mask"):
        envs.reset(options={"reset_mask": np.zeros(2, bool)})


def test_illegal_actions_are_counted_per_game_and_episode():
    envs = GeneralsVectorEnv(2, 5, tick_limit=3, autoreset="SameStep", seed=0)
    envs.reset()
    illegal = int(np.flatnonzero(~envs.action_masks()[0])[0])
    counts = [envs.step(np.array([illegal, 200]))[4] for _ in range(3)]
    assert [info["illegal_actions"].tolist() for info in counts] == [[1, 0], [2, 0], [0, 0]]
    assert counts[2]["final_info"]["illegal_actions"].tolist() == [3, 0]


def test_frames_of_all_games():
    envs = GeneralsVectorEnv(2, 5, render_mode="ansi", seed=0)
    envs.reset()
    assert [frame.splitlines()[0] for frame in envs.render()] == ["me: A", "me: A"]
