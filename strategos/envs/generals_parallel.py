"""`generals_parallel`: Generals for N players and teams behind PettingZoo's `ParallelEnv`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import gymnasium
import numpy as np
from gymnasium import spaces
from pettingzoo import ParallelEnv

from strategos.envs.arena import Arena
from strategos.envs.generals_env import RENDER_MODES, checked_render_mode, render_view


class GeneralsParallelEnv(ParallelEnv[str, np.ndarray, int]):
    """One game of Generals, every seat an agent: `player_0`, `player_1`, ...

    Observations, actions, rewards and infos of each agent are those of `GeneralsEnv`, whose
    options these are; only `action_mask` is int8, as PettingZoo's tools want it. An agent is
    terminated when the game is over or nobody of its team is alive; the dead of a living team
    stay, with passing as their only action, and share the team's result. Rendering shows the
    whole board, as to a spectator.
    """

    metadata: ClassVar[dict[str, Any]] = {
        "name": "generals_v0",
        "render_modes": list(RENDER_MODES),
        "render_fps": 4,
        "is_parallelizable": True,
    }

    def __init__(
        self,
        size: int | tuple[int, int] = 20,
        *,
        players: int = 2,
        teams: tuple[int, ...] | None = None,
        ruleset: str = "generalsio",
        planes: str = "memory",
        reward: str | Mapping[str, float] = "sparse",
        gamma: float = 0.99,
        tick_limit: int = 1000,
        seed: int | None = None,
        render_mode: str | None = None,
        **board: Any,
    ) -> None:
        self.render_mode = checked_render_mode(render_mode)
        self._arena = Arena(
            1,
            size=size,
            players=players,
            ruleset=ruleset,
            planes=planes,
            reward=reward,
            gamma=gamma,
            opponents={},
            tick_limit=tick_limit,
            threads=1,
            board={"teams": teams, **board},
        )
        self.possible_agents = [f"player_{seat}" for seat in range(players)]
        self.agents: list[str] = []
        self._seat = {agent: seat for seat, agent in enumerate(self.possible_agents)}
        low_high, shape = (0.0, 1.0), self._arena.observation_space.shape
        # A space has its own random stream, so every agent gets its own space.
        self.observation_spaces = {agent: spaces.Box(*low_high, shape, np.float32) for agent in self._seat}
        self.action_spaces = {agent: spaces.Discrete(self._arena.num_actions) for agent in self._seat}
        self._first_seed = seed
        self._begun = False
        self._illegal_actions = np.zeros(players, np.int64)

    def observation_space(self, agent: str) -> spaces.Box:
        """The space of one agent's observations; always the same object."""
        return self.observation_spaces[agent]

    def action_space(self, agent: str) -> spaces.Discrete:
        """The space of one agent's actions; always the same object."""
        return self.action_spaces[agent]

    def reset(
        self, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[dict[str, np.ndarray], dict[str, dict[str, Any]]]:
        """Begin a new game: on the board of `seed`, or on the next board of the running stream."""
        if seed is None and not self._begun:
            seed = self._first_seed
            seed = int(np.random.default_rng().integers(2**63)) if seed is None else seed
        self._arena.begin(seeds=None if seed is None else [seed])
        self._begun = True
        self._illegal_actions[:] = 0
        self.agents = list(self.possible_agents)
        return self._observations(), self._infos()

    def step(
        self, actions: dict[str, int]
    ) -> tuple[
        dict[str, np.ndarray], dict[str, float], dict[str, bool], dict[str, bool], dict[str, dict[str, Any]]
    ]:
        """Play one tick of everyone's actions at once; one for each living agent.

        Raises `ResetNeeded` after the end, and `ValueError` for a missing or unknown agent and
        for an id that is no action.
        """
        if not self.agents:
            raise gymnasium.error.ResetNeeded("this game is over or was never begun; call reset()")
        if set(actions) != set(self.agents):
            wrong = sorted(set(actions) ^ set(self.agents))
            raise ValueError(
                f"expected one action for each of {', '.join(self.agents)}; check {', '.join(wrong)}"
            )
        arena = self._arena
        played = np.full((1, len(self.possible_agents)), arena.game.pass_action)
        for agent, action in actions.items():
            if not np.issubdtype(np.asarray(action).dtype, np.integer):
                raise ValueError(f"the action of {agent} must be an integer, not {action!r}")
            played[0, self._seat[agent]] = action
        arena.step(played)
        self._illegal_actions += arena.illegal[0]
        observations, infos = self._observations(), self._infos()
        rewards = {agent: float(arena.rewards[0, self._seat[agent]]) for agent in self.agents}
        terminations = {agent: bool(arena.terminated[0, self._seat[agent]]) for agent in self.agents}
        truncations = {agent: bool(arena.truncated[0, self._seat[agent]]) for agent in self.agents}
        for agent in self.agents:
            if terminations[agent] or truncations[agent]:
                infos[agent]["result"] = int(arena.results[0, self._seat[agent]])
        self.agents = [agent for agent in self.agents if not (terminations[agent] or truncations[agent])]
        return observations, rewards, terminations, truncations, infos

    def render(self) -> Any:
        """The whole board: text for `ansi`, uint8 [height, width, 3] for `rgb_array`."""
        if self.render_mode is None:
            gymnasium.logger.warn(
                "render() was called without a render_mode; give one when making the environment"
            )
            return None
        return render_view(self._arena.batch.states[0], self.render_mode)

    def _observations(self) -> dict[str, np.ndarray]:
        return {agent: self._arena.observe(self._seat[agent])[0] for agent in self.agents}

    def _infos(self) -> dict[str, dict[str, Any]]:
        return {
            agent: {
                "action_mask": self._arena.masks(self._seat[agent])[0].astype(np.int8),
                "tick": int(self._arena.views["tick"][0, self._seat[agent]]),
                "illegal_actions": int(self._illegal_actions[self._seat[agent]]),
            }
            for agent in self.agents
        }


def parallel_env(size: int | tuple[int, int] = 20, **options: Any) -> GeneralsParallelEnv:
    """A `GeneralsParallelEnv`, by the name that PettingZoo's tools look for."""
    return GeneralsParallelEnv(size, **options)
