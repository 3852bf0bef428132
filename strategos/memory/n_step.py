"""n-step returns: transitions over windows of each environment, and value targets of whole trajectories.

A window never crosses the end of an episode. Every transition is complete in itself, so that a ring may
replace or draw it without its neighbours.
"""

from __future__ import annotations

import numpy as np

from strategos.memory.shards import ShardError, as_bytes, as_records, check_same_dtype, describe, pack, unpack


def transition_dtype(observation: np.dtype) -> np.dtype:
    """A transition over up to n steps between two observations of the dtype `observation`.

    `value target = reward + discount * value(next_observation)`: `reward` is the discounted sum over the
    window, `discount` gamma^steps, or 0 where the episode terminated.
    """
    return np.dtype(
        [
            ("observation", observation),
            ("next_observation", observation),
            ("action", "i4"),
            ("steps", "i4"),
            ("reward", "f4"),
            ("discount", "f4"),
        ]
    )


class Windows:
    """The last up to `n` steps of each of `environments`, from which complete transitions come out.

    `observation` is the dtype of one observation. `ValueError` for n under 1 or a gamma outside [0, 1].
    """

    def __init__(self, observation: np.dtype, environments: int, *, n: int, gamma: float) -> None:
        if n < 1 or not 0 <= gamma <= 1:
            raise ValueError(f"n is at least 1 and gamma from 0 to 1, not {n} and {gamma}")
        self.environments, self.n, self.gamma = environments, n, gamma
        self.dtype = transition_dtype(np.dtype(observation))
        self._open = np.zeros((n, environments), self.dtype)  # a row for each step, its number modulo n
        self._returns = np.zeros((n, environments))
        self._waiting = np.zeros((n, environments), bool)
        self._step = 0

    def push(
        self,
        observations: np.ndarray,
        actions: np.ndarray,
        rewards: np.ndarray,
        terminated: np.ndarray,
        truncated: np.ndarray,
        next_observations: np.ndarray,
    ) -> np.ndarray:
        """Take one step of every environment, all [B]; returns the transitions [m] that it completes.

        `next_observations` are those that the actions led to: at an end, the last ones of the old episode,
        not the first ones of the next. A window that has n steps is complete; at an end all windows of the
        environment are, the shorter ones with gamma^k for their k steps. Termination bootstraps from
        nothing, truncation from the last observation. Oldest windows first, then by environment.
        """
        ended = terminated | truncated
        now = self._step % self.n
        self._open["observation"][now] = observations
        self._open["action"][now] = actions
        self._returns[now] = 0.0
        self._waiting[now] = True
        complete = []
        for age in range(self.n - 1, -1, -1):
            row = (self._step - age) % self.n
            self._returns[row] += self.gamma**age * rewards
            done = self._waiting[row] & (ended | (age == self.n - 1))
            if not done.any():
                continue
            made = self._open[row, done]
            made["next_observation"] = next_observations[done]
            made["steps"] = age + 1
            made["reward"] = self._returns[row, done]
            made["discount"] = np.where(terminated[done], 0.0, self.gamma ** (age + 1))
            complete.append(made)
            self._waiting[row, done] = False
        self._step += 1
        return np.concatenate(complete) if complete else np.zeros(0, self.dtype)

    def state(self) -> bytes:
        """The open windows, for a checkpoint."""
        arrays = {
            "open": as_bytes(self._open),
            "returns": self._returns,
            "waiting": self._waiting.astype(np.uint8),
        }
        return pack({"dtype": describe(self.dtype), "n": self.n, "step": self._step}, arrays)

    def restore(self, state: bytes) -> None:
        """Go on from `state`, exactly; `ShardError` where it is damaged or of other windows."""
        source = "the saved n-step windows"
        meta, arrays = unpack(state, source)
        check_same_dtype(meta["dtype"], self.dtype, source)
        if meta["n"] != self.n or arrays["returns"].shape[1] != self.environments:
            raise ShardError(f"{source} are of another n or of another number of environments")
        self._open[:] = as_records(arrays["open"], self.dtype).reshape(self._open.shape)
        self._returns[:], self._waiting[:] = arrays["returns"], arrays["waiting"] != 0
        self._step = meta["step"]


def n_step_targets(
    rewards: np.ndarray,
    values: np.ndarray,
    terminated: np.ndarray,
    truncated: np.ndarray,
    final_values: np.ndarray,
    last_values: np.ndarray,
    *,
    n: int,
    gamma: float,
) -> np.ndarray:
    """Value targets [T, B, ...] of `T` steps of `B` trajectories: n rewards, then the value found there.

    `rewards`, `values` (of the observation before each step) and `final_values` are [T, B, ...], the dots
    for a vector over players; `terminated` and `truncated` are [T, B]. A window ends early with its episode:
    termination bootstraps from nothing, truncation from `final_values`, the value of the last observation.
    Where the data end, it bootstraps from `last_values` [B, ...]. With `values` of a search and the result
    of a game as its last reward, n from the length of a game on gives the result itself.
    """
    vector = (..., *(None,) * (rewards.ndim - 2))
    ended, final = (terminated | truncated)[vector], np.where(terminated[vector], 0.0, final_values)
    targets = values.astype(np.float64)
    for _ in range(n):
        following = np.concatenate([targets[1:], last_values[None]])
        targets = rewards + gamma * np.where(ended, final, following)
    return targets.astype(np.float32)
