"""`GeneralsVectorEnv`: thousands of games of Generals behind Gymnasium's `VectorEnv`.

Not a list of single environments: one engine batch on all cores, one call of each opponent for
all games, and one observation tensor.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import gymnasium
import numpy as np
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.vector.utils import batch_space

from strategos.envs.arena import Arena, Opponent, OpponentChoice, seat_opponents
from strategos.envs.generals_env import RENDER_MODES, checked_render_mode, other_seats, render_view


class GeneralsVectorEnv(VectorEnv):
    """`num_envs` games of Generals, each from the same seat; options as in `GeneralsEnv`.

    `autoreset` is one of Gymnasium's modes, or its name, and stands in `metadata`:

    * `NextStep` (default): the observation that comes with the end is the episode's last; the
      next step ignores that game's action and returns the new game's first observation with
      reward 0. That step is no transition: leave it out of your losses.
    * `SameStep`: the observation that comes with the end is already the new game's first; the
      last one is `infos["final_obs"][i]`, its info is in `infos["final_info"]`.
    * `Disabled`: begin new games yourself with `reset(options={"reset_mask": ...})`.

    `infos` holds the arrays of `GeneralsEnv`'s `info`, one row for each game, and beside each
    key a bool array of the same name with an underscore, which rows carry it. Game `i` of
    `reset(seed=s)` plays the boards of `GeneralsEnv.reset(seed=s + i)`.
    """

    # No ClassVar: to Gymnasium it is an attribute of the instance.
    metadata = {"render_modes": list(RENDER_MODES), "render_fps": 4}  # noqa: RUF012

    def __init__(
        self,
        num_envs: int,
        size: int | tuple[int, int] = 20,
        *,
        players: int = 2,
        ruleset: str = "generalsio",
        opponent: OpponentChoice | Sequence[OpponentChoice] = None,
        load_policy: Callable[[str], Opponent] | None = None,
        seat: int = 0,
        planes: str = "memory",
        reward: str | Mapping[str, float] = "sparse",
        gamma: float = 0.99,
        tick_limit: int = 1000,
        seed: int | None = None,
        autoreset: AutoresetMode | str = AutoresetMode.NEXT_STEP,
        threads: int | None = None,
        render_mode: str | None = None,
        **board: Any,
    ) -> None:
        if num_envs < 1:
            raise ValueError(f"num_envs must be at least 1, not {num_envs}")
        others = other_seats(seat, players)
        self.autoreset = _autoreset_mode(autoreset)
        # Gymnasium's wrappers look the mode up in the metadata; each environment has its own.
        self.metadata = {**type(self).metadata, "autoreset_mode": self.autoreset}
        self.render_mode = checked_render_mode(render_mode)
        self.num_envs = num_envs
        self.seat = seat
        self._arena = Arena(
            num_envs,
            size=size,
            players=players,
            ruleset=ruleset,
            planes=planes,
            reward=reward,
            gamma=gamma,
            opponents=seat_opponents(opponent, others, load_policy),
            tick_limit=tick_limit,
            threads=threads,
            board=board,
        )
        self.single_observation_space = self._arena.observation_space
        self.single_action_space = self._arena.action_space
        self.observation_space = batch_space(self.single_observation_space, num_envs)
        self.action_space = batch_space(self.single_action_space, num_envs)
        self._first_seed = seed
        self._begun = False
        self._ended = np.zeros(num_envs, np.bool_)
        self._illegal_actions = np.zeros(num_envs, np.int64)

    def reset(
        self,
        *,
        seed: int | Sequence[int] | None = None,
        options: dict[str, Any] | None = None,
    ) -> tuple[np.ndarray, dict[str, Any]]:
        """Begin new games: in all rows, or in those of `options["reset_mask"]` (bool [num_envs]).

        `seed`: an int for `seed + row`, or one int for each row of all; without, each row goes on
        with its own stream of boards.
        """
        super().reset(seed=seed if isinstance(seed, (int, np.integer)) else None)
        rows = self._rows_to_reset(options)
        if seed is None and not self._begun:
            if rows is not None:
                raise gymnasium.error.ResetNeeded("reset all games once before you reset some of them")
            seed = int(self.np_random.integers(2**62)) if self._first_seed is None else self._first_seed
        self._begin(rows, None if seed is None else self._seeds(seed))
        self._begun = True
        return self._arena.observe(self.seat), self._infos(np.zeros(self.num_envs, np.bool_))

    def step(
        self, actions: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, dict[str, Any]]:
        """Play one tick of every game: `actions` int [num_envs].

        Returns observations float32 [num_envs, C, H, W], rewards float64, terminations and
        truncations bool [num_envs], and infos. Raises `ValueError` for an id that is no action,
        `ResetNeeded` before the first `reset`, and in `Disabled` mode on a game that is over.
        """
        if not self._begun:
            raise gymnasium.error.ResetNeeded("call reset() before the first step()")
        waiting = self._ended
        if self.autoreset is AutoresetMode.DISABLED and waiting.any():
            raise gymnasium.error.ResetNeeded(
                f"game {int(waiting.argmax())} is over; "
                "begin a new one with reset(options={'reset_mask': ...})"
            )
        arena, seat = self._arena, self.seat
        arena.step(np.asarray(actions).reshape(-1, 1))
        self._illegal_actions += arena.illegal[:, seat]
        if waiting.any():
            self._begin(np.flatnonzero(waiting))
        rewards = arena.rewards[:, seat].copy()
        terminated, truncated = arena.terminated[:, seat].copy(), arena.truncated[:, seat].copy()
        ended = terminated | truncated
        if self.autoreset is AutoresetMode.SAME_STEP and ended.any():
            final = self._final(ended)
            self._begin(np.flatnonzero(ended))
            infos = self._infos(np.zeros_like(ended)) | final
        else:
            self._ended = ended
            infos = self._infos(ended)
        return arena.observe(seat), rewards, terminated, truncated, infos

    def action_masks(self) -> np.ndarray:
        """The legal actions now, bool [num_envs, num_actions]."""
        return self._arena.masks(self.seat)

    def render(self) -> tuple[Any, ...] | None:
        """What the player sees of each game, in the render mode; `None` without one."""
        if self.render_mode is None:
            return None
        return tuple(render_view(view, self.render_mode) for view in self._arena.views[:, self.seat])

    def _begin(self, rows: np.ndarray | None, seeds: Sequence[int] | None = None) -> None:
        if rows is not None and seeds is not None:
            seeds = [seeds[row] for row in rows]
        self._arena.begin(rows, seeds)
        chosen = slice(None) if rows is None else rows
        self._ended = self._ended.copy()
        self._ended[chosen] = False
        self._illegal_actions[chosen] = 0

    def _infos(self, ended: np.ndarray) -> dict[str, Any]:
        everyone = np.ones(self.num_envs, np.bool_)
        infos = {
            "action_mask": self.action_masks(),
            "tick": self._arena.views["tick"][:, self.seat].copy(),
            "illegal_actions": self._illegal_actions.copy(),
        }
        infos |= {f"_{key}": everyone.copy() for key in infos}
        if ended.any():
            infos |= {"result": self._results(ended), "_result": ended.copy()}
        return infos

    def _final(self, ended: np.ndarray) -> dict[str, Any]:
        """The last observation and info of the games that ended, as Gymnasium lays them out."""
        rows = np.flatnonzero(ended)
        final_obs = np.full(self.num_envs, None, dtype=object)
        for row, observation in zip(rows, self._arena.observe(self.seat, rows), strict=True):
            final_obs[row] = observation
        final_info = self._infos(ended)
        for key in [key for key in final_info if not key.startswith("_")]:
            final_info[key][~ended] = 0
            final_info[f"_{key}"] = ended.copy()
        return {
            "final_obs": final_obs,
            "_final_obs": ended.copy(),
            "final_info": final_info,
            "_final_info": ended.copy(),
        }

    def _results(self, ended: np.ndarray) -> np.ndarray:
        return np.where(ended, self._arena.results[:, self.seat], 0)

    def _rows_to_reset(self, options: dict[str, Any] | None) -> np.ndarray | None:
        mask = (options or {}).get("reset_mask")
        if mask is None:
            return None
        mask = np.asarray(mask)
        if mask.shape != (self.num_envs,) or mask.dtype != np.bool_ or not mask.any():
            raise ValueError(
                f"reset_mask must be a bool array of shape ({self.num_envs},) with at least one True, "
                f"not {mask.dtype} of shape {mask.shape}"
            )
        return np.flatnonzero(mask)

    def _seeds(self, seed: int | Sequence[int]) -> list[int]:
        if isinstance(seed, (int, np.integer)):
            return [int(seed) + row for row in range(self.num_envs)]
        if len(seed) != self.num_envs:
            raise ValueError(f"{len(seed)} seeds for {self.num_envs} games; give one for each, or one int")
        return list(seed)


def _autoreset_mode(mode: AutoresetMode | str) -> AutoresetMode:
    for known in AutoresetMode:
        if mode in (known, known.value, known.name, known.name.lower()):
            return known
    raise ValueError(f"no autoreset mode {mode!r}; choose one of {', '.join(m.value for m in AutoresetMode)}")
