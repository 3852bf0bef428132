"""n-step windows equal brute force: all before an end, none across it, none cut by the ring. (TRAPS 13.)"""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from strategos.memory.n_step import Windows, n_step_targets, transition_dtype
from strategos.memory.ring import Ring
from strategos.memory.shards import ShardError

OBSERVATION = np.dtype([("environment", "i4"), ("episode", "i4"), ("moment", "i4")])


class Environments:
    """Environments whose observations say which environment, episode and moment they are of."""

    def __init__(self, count: int, seed: int, ends: float = 0.2) -> None:
        self.rng, self.ends = np.random.default_rng(seed), ends
        self.now = np.zeros(count, OBSERVATION)
        self.now["environment"] = np.arange(count)
        self.steps: list[tuple[np.ndarray, ...]] = []

    def step(self) -> tuple[np.ndarray, ...]:
        """Observations, actions, rewards, terminated, truncated, next observations; then autoreset."""
        count = len(self.now)
        terminated = self.rng.random(count) < self.ends / 2
        truncated = self.rng.random(count) < self.ends / 2
        after = self.now.copy()
        after["moment"] += 1
        taken = (
            self.now.copy(),
            self.rng.integers(9, size=count),
            self.rng.normal(size=count).astype(np.float32),
            terminated,
            truncated,
            after,
        )
        ended = terminated | truncated
        self.now = after.copy()
        self.now["episode"] += ended
        self.now["moment"][ended] = 0
        self.steps.append(taken)
        return taken


def brute_force(steps: list[tuple[np.ndarray, ...]], n: int, gamma: float) -> dict[tuple, tuple]:
    """Every complete window, one start at a time: (environment, episode, moment) to what follows."""
    found = {}
    for environment in range(len(steps[0][0])):
        for start in range(len(steps)):
            reward = 0.0
            for k, index in enumerate(range(start, min(start + n, len(steps)))):
                _, _, rewards, terminated, truncated, after = (part[environment] for part in steps[index])
                reward += gamma**k * float(rewards)
                if terminated or truncated or k == n - 1:
                    discount = 0.0 if terminated else gamma ** (k + 1)
                    key = tuple(steps[start][0][environment].tolist())
                    action = int(steps[start][1][environment])
                    found[key] = (action, k + 1, reward, discount, tuple(after.tolist()))
                    break
    return found


@given(
    n=st.integers(1, 6),
    gamma=st.sampled_from([0.0, 0.5, 0.99, 1.0]),
    count=st.integers(1, 4),
    length=st.integers(1, 30),
    seed=st.integers(0, 999),
)
def test_windows_equal_brute_force(n, gamma, count, length, seed):
    environments = Environments(count, seed)
    windows = Windows(OBSERVATION, count, n=n, gamma=gamma)
    made = np.concatenate([windows.push(*environments.step()) for _ in range(length)])
    expected = brute_force(environments.steps, n, gamma)
    assert len(made) == len(expected)  # every start once, none that is not complete
    for window in made:
        action, steps, reward, discount, after = expected[tuple(window["observation"].tolist())]
        assert (window["action"], window["steps"]) == (action, steps)
        assert window["reward"] == pytest.approx(reward, abs=1e-5)
        assert window["discount"] == pytest.approx(discount)
        assert tuple(window["next_observation"].tolist()) == after


def test_every_start_before_an_end_is_there_and_truncation_bootstraps():
    windows = Windows(np.dtype("i4"), 2, n=3, gamma=0.5)
    no, yes = np.array([False, False]), np.array([True, True])
    made = []
    for moment in range(4):
        last = moment == 3
        ends = (np.array([last, False]), np.array([False, last]))
        seen = np.array([moment, moment + 100], np.int32)
        made.append(windows.push(seen, np.zeros(2, int), np.ones(2), *ends, seen + 1))
    assert [len(each) for each in made] == [0, 0, 2, 6]
    last = made[3]
    assert last["observation"].tolist() == [1, 101, 2, 102, 3, 103]
    assert last["steps"].tolist() == [3, 3, 2, 2, 1, 1]
    assert last["reward"].tolist() == [1.75, 1.75, 1.5, 1.5, 1.0, 1.0]
    assert last["discount"].tolist() == [0, 0.125, 0, 0.25, 0, 0.5]
    assert last["next_observation"].tolist() == [4, 104] * 3
    after = windows.push(np.array([7, 8], np.int32), np.zeros(2, int), np.ones(2), yes, no, np.array([9, 9]))
    assert after["observation"].tolist() == [7, 8]  # nothing of the old episodes is left


def test_no_sample_spans_the_write_head_of_a_ring():
    environments, n = Environments(3, 5), 4
    windows = Windows(OBSERVATION, 3, n=n, gamma=0.9)
    ring, rng = Ring(windows.dtype, 17), np.random.default_rng(6)
    expected: dict[tuple, tuple] = {}
    for _ in range(60):
        ring.append(windows.push(*environments.step()))
        expected = brute_force(environments.steps, n, 0.9)
        for window in ring.sample(rng, 5).examples if len(ring) else ():
            start, after = window["observation"], window["next_observation"]
            assert (start["environment"], start["episode"]) == (after["environment"], after["episode"])
            assert after["moment"] - start["moment"] == window["steps"]
            assert expected[tuple(start.tolist())][2] == pytest.approx(window["reward"], abs=1e-5)
    assert ring.written > 100


def test_windows_go_on_exactly():
    environments = Environments(4, 7)
    windows = Windows(OBSERVATION, 4, n=5, gamma=0.97)
    for _ in range(23):
        windows.push(*environments.step())
    other = Windows(OBSERVATION, 4, n=5, gamma=0.97)
    other.restore(windows.state())
    for _ in range(20):
        step = environments.step()
        assert windows.push(*step).tobytes() == other.push(*step).tobytes()
    for wrong in (
        Windows(OBSERVATION, 4, n=4, gamma=0.97),
        Windows(OBSERVATION, 3, n=5, gamma=0.97),
        Windows(np.dtype("f4"), 4, n=5, gamma=0.97),
    ):
        with pytest.raises(ShardError, match="another"):
            wrong.restore(windows.state())


def test_what_windows_refuse():
    for n, gamma in ((0, 0.5), (1, 1.5), (1, -0.1)):
        with pytest.raises(ValueError, match="n is at least 1"):
            Windows(OBSERVATION, 1, n=n, gamma=gamma)
    assert transition_dtype(np.dtype(("f4", (2, 3))))["observation"].shape == (2, 3)


@given(
    n=st.integers(0, 7),
    gamma=st.sampled_from([0.5, 1.0]),
    length=st.integers(1, 12),
    seed=st.integers(0, 999),
    players=st.sampled_from([(), (3,)]),
)
def test_targets_equal_brute_force(n, gamma, length, seed, players):
    rng, count = np.random.default_rng(seed), 2
    shape = (length, count, *players)
    rewards, values, final_values = (rng.normal(size=shape) for _ in range(3))
    last_values = rng.normal(size=shape[1:])
    terminated, truncated = rng.random((2, length, count)) < 0.15
    targets = n_step_targets(
        rewards, values, terminated, truncated, final_values, last_values, n=n, gamma=gamma
    )
    for row in range(count):
        for start in range(length):
            total, index = np.zeros(players), start
            for k in range(n):
                total = total + gamma**k * rewards[index, row]
                if terminated[index, row]:
                    break
                if truncated[index, row]:
                    total = total + gamma ** (k + 1) * final_values[index, row]
                    break
                index += 1
                if index == length:
                    total = total + gamma ** (k + 1) * last_values[row]
                    break
            else:
                total = total + gamma**n * values[index, row]
            assert targets[start, row] == pytest.approx(total, abs=1e-5)


def test_the_result_of_a_game_is_the_target_of_a_long_window():
    """As AlphaZero uses it: no rewards but the result, no discount, a vector over the players."""
    result, values = np.array([0.5, -0.2, -0.3]), np.random.default_rng(1).normal(size=(6, 1, 3))
    rewards = np.zeros((6, 1, 3))
    rewards[-1] = result
    ends = np.zeros((6, 1), bool)
    ends[-1] = True
    arguments = (rewards, values, ends, np.zeros((6, 1), bool), np.zeros((6, 1, 3)), np.zeros((1, 3)))
    whole = n_step_targets(*arguments, n=6, gamma=1.0)
    assert np.allclose(whole, result)
    short = n_step_targets(*arguments, n=2, gamma=1.0)
    assert np.allclose(short[:4], values[2:]) and np.allclose(short[4:], result)
