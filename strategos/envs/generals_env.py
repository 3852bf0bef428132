"""`GeneralsEnv`: one game of Generals behind Gymnasium's `Env`, you against policies of your choice."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import gymnasium
import numpy as np

from strategos.envs.arena import Arena, Opponent, OpponentChoice, seat_opponents
from strategos.envs.render import draw_position, format_position

RENDER_MODES = ("ansi", "rgb_array")


class GeneralsEnv(gymnasium.Env[np.ndarray, np.int64]):
    """One game of Generals from one seat.

    Observation: float32 planes [C, H, W] in [0, 1] of what the player may know. Action: one id,
    `cell * 8 + direction * 2 + half`, the last id to pass. `info` of every step holds
    `action_mask` (bool [num_actions]), `tick` and `illegal_actions` (how many actions of this
    episode lay outside the mask; each was played as a pass), and of the last step `result`
    (1, 0 or -1).

    * `size`: one side of square boards, or (lowest, highest) of sides drawn for every episode.
    * `opponent`: anything with `.act(views, masks, memories, rng)`, a name for `load_policy` to
      look up, `None` for one that passes, or a list with one of these for each other seat.
    * `planes`: `basic`, `enhanced` or `memory`; see `strategos.engine.planes`.
    * `reward`: `sparse`, `shaped`, `events` or a dict of event weights; see `strategos.envs.rewards`.
      `gamma` is the discount of the shaping potential and should be the learner's.
    * `tick_limit`: truncates the episode; 0 for never.
    * `seed`: of the first `reset` that names none. `board`: further options of `Generals`, such
      as `teams`, `spawn_distance`, `mountains`, `cities`, `height` and `width`.

    Raises `ValueError` for options that cannot be, saying which and what would do.
    """

    # No ClassVar: to Gymnasium it is an attribute of the instance.
    metadata = {"render_modes": list(RENDER_MODES), "render_fps": 4}  # noqa: RUF012

    def __init__(
        self,
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
        render_mode: str | None = None,
        **board: Any,
    ) -> None:
        others = other_seats(seat, players)
        self.render_mode = checked_render_mode(render_mode)
        self.seat = seat
        self._arena = Arena(
            1,
            size=size,
            players=players,
            ruleset=ruleset,
            planes=planes,
            reward=reward,
            gamma=gamma,
            opponents=seat_opponents(opponent, others, load_policy),
            tick_limit=tick_limit,
            threads=1,
            board=board,
        )
        self.observation_space = self._arena.observation_space
        self.action_space = self._arena.action_space
        self._first_seed = seed
        self._playing = False
        self._begun = False
        self._illegal_actions = 0

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[np.ndarray, dict[str, Any]]:
        """Begin a new game: on the board of `seed`, or on the next board of the running stream."""
        super().reset(seed=seed)
        if seed is None and not self._begun:
            seed = self._first_seed
            seed = int(self.np_random.integers(2**63)) if seed is None else seed
        self._arena.begin(seeds=None if seed is None else [seed])
        self._begun = self._playing = True
        self._illegal_actions = 0
        return self._observation(), self._info()

    def step(self, action: np.int64 | int) -> tuple[np.ndarray, float, bool, bool, dict[str, Any]]:
        """Play one tick. Raises `ResetNeeded` after the end and `ValueError` for an id that is no action."""
        if not self._playing:
            raise gymnasium.error.ResetNeeded("this game is over or was never begun; call reset()")
        arena, mine = self._arena, (0, self.seat)
        arena.step(np.asarray(action).reshape(1, 1))
        self._illegal_actions += int(arena.illegal[mine])
        terminated, truncated = bool(arena.terminated[mine]), bool(arena.truncated[mine])
        self._playing = not (terminated or truncated)
        info = self._info()
        if not self._playing:
            info["result"] = int(arena.results[mine])
        return self._observation(), float(arena.rewards[mine]), terminated, truncated, info

    def action_masks(self) -> np.ndarray:
        """The legal actions now, bool [num_actions]; the name that sb3-contrib looks for."""
        return self._arena.masks(self.seat)[0]

    def render(self) -> Any:
        """What the player sees: text for `ansi`, uint8 [height, width, 3] for `rgb_array`."""
        if self.render_mode is None:
            gymnasium.logger.warn(
                "render() was called without a render_mode; give one when making the environment"
            )
            return None
        return render_view(self._arena.views[0, self.seat], self.render_mode)

    def _observation(self) -> np.ndarray:
        return self._arena.observe(self.seat)[0]

    def _info(self) -> dict[str, Any]:
        return {
            "action_mask": self.action_masks(),
            "tick": int(self._arena.views["tick"][0, self.seat]),
            "illegal_actions": self._illegal_actions,
        }


def other_seats(seat: int, players: int) -> list[int]:
    """The seats that are not yours; `ValueError` where yours is not at the table."""
    if not 0 <= seat < players:
        raise ValueError(f"seat must be 0 to {players - 1} of {players} players, not {seat}")
    return [other for other in range(players) if other != seat]


def checked_render_mode(render_mode: str | None) -> str | None:
    """The render mode itself, or `ValueError`."""
    if render_mode is not None and render_mode not in RENDER_MODES:
        raise ValueError(f"no render mode {render_mode!r}; choose one of {', '.join(RENDER_MODES)}")
    return render_mode


def render_view(position: np.record, render_mode: str) -> str | np.ndarray:
    """A view or a state in one of the `RENDER_MODES`."""
    return format_position(position) if render_mode == "ansi" else draw_position(position)
