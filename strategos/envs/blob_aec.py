"""`blob_aec`: Blob for 3 to 8 agents who move in turn, behind PettingZoo's `AECEnv`."""

from __future__ import annotations

from typing import Any, ClassVar

import gymnasium
import numpy as np
from gymnasium import spaces
from pettingzoo import AECEnv

from strategos.envs.blob_features import encode_features, num_features
from strategos.envs.blob_table import RENDER_MODES, BlobTable, checked_render_mode


class BlobAEC(AECEnv[str, dict[str, np.ndarray], int]):
    """One game of Blob, every seat an agent: `player_0`, `player_1`, ...

    An observation is a dict, as in PettingZoo's classic games: `observation`, the float32 features of
    `BlobEnv`, and `action_mask`, int8 [70], all zero for who is not to move. Options, actions and rewards are
    those of `BlobEnv`; an action outside the mask changes nothing, costs `illegal`, and the same agent is
    asked again. `infos` count them, and tell the `rank` with the end. Rendering shows all hands, as to a
    spectator.
    """

    metadata: ClassVar[dict[str, Any]] = {
        "name": "blob_v0",
        "render_modes": list(RENDER_MODES),
        "render_fps": 1,
        "is_parallelizable": False,
    }

    def __init__(
        self,
        players: int = 4,
        cards: int = 5,
        *,
        rounds: str = "one",
        min_cards: int | None = None,
        trump: str | None = None,
        dealer: int | None = None,
        turned_up: bool = False,
        scoring: str = "exact",
        reward: str = "relative",
        illegal: float = -0.1,
        seed: int | None = None,
        render_mode: str | None = None,
    ) -> None:
        super().__init__()
        self.render_mode = checked_render_mode(render_mode)
        self._table = BlobTable(
            reward,
            players=players,
            cards=cards,
            rounds=rounds,
            min_cards=min_cards,
            trump=trump,
            dealer=dealer,
            turned_up=turned_up,
            scoring=scoring,
        )
        self.illegal = float(illegal)
        self.possible_agents = [f"player_{seat}" for seat in range(players)]
        self.agents: list[str] = []
        self._seat = {agent: seat for seat, agent in enumerate(self.possible_agents)}
        num_actions = self._table.game.num_actions
        # A space has its own random stream, so every agent gets its own space.
        self.observation_spaces = {
            agent: spaces.Dict(
                {
                    "observation": spaces.Box(0.0, 1.0, (num_features(players),), np.float32),
                    "action_mask": spaces.Box(0, 1, (num_actions,), np.int8),
                }
            )
            for agent in self._seat
        }
        self.action_spaces = {agent: spaces.Discrete(num_actions) for agent in self._seat}
        self._first_seed = seed
        self._begun = False

    def observation_space(self, agent: str) -> spaces.Dict:
        """The space of one agent's observations; always the same object."""
        return self.observation_spaces[agent]

    def action_space(self, agent: str) -> spaces.Discrete:
        """The space of one agent's actions; always the same object."""
        return self.action_spaces[agent]

    def reset(self, seed: int | None = None, options: dict[str, Any] | None = None) -> None:
        """Deal the game of `seed`, or the next one of the running stream."""
        if seed is None and not self._begun:
            seed = self._first_seed
            seed = int(np.random.default_rng().integers(2**63)) if seed is None else seed
        self._table.begin(seed)
        self._begun = True
        self.agents = list(self.possible_agents)
        self.rewards = dict.fromkeys(self.agents, 0.0)
        self._cumulative_rewards = dict.fromkeys(self.agents, 0.0)
        self.terminations = dict.fromkeys(self.agents, False)
        self.truncations = dict.fromkeys(self.agents, False)
        self.infos = {agent: {"illegal_actions": 0} for agent in self.agents}
        self._skip_agent_selection = None
        self.agent_selection = self.possible_agents[self._table.turn]

    def step(self, action: int | None) -> None:
        """Play the action of `agent_selection`; `None` for an agent whose game is over.

        Raises `ResetNeeded` when there is no agent left and `ValueError` for an id that is no action.
        """
        if not self.agents:
            raise gymnasium.error.ResetNeeded("this game is over or was never begun; call reset()")
        agent, table = self.agent_selection, self._table
        if self.terminations[agent]:
            self._was_dead_step(action)
            return
        number = table.checked(action)
        self._cumulative_rewards[agent] = 0.0
        self._clear_rewards()
        if table.mask(self._seat[agent])[number]:
            table.play(number)
            self.rewards = {each: table.collect(self._seat[each]) for each in self.agents}
            self.agent_selection = self.possible_agents[max(table.turn, 0)]
        else:
            self.rewards[agent] = self.illegal
            self.infos[agent] = {"illegal_actions": self.infos[agent]["illegal_actions"] + 1}
        if table.turn < 0:
            for each in self.agents:
                self.terminations[each] = True
                self.infos[each] = {**self.infos[each], "rank": table.rank(self._seat[each])}
        self._accumulate_rewards()

    def observe(self, agent: str) -> dict[str, np.ndarray]:
        """What an agent knows and may do now, fresh arrays."""
        seat = self._seat[agent]
        return {
            "observation": encode_features(self._table.view(seat)),
            "action_mask": self._table.mask(seat).astype(np.int8),
        }

    def render(self) -> str | None:
        """The whole table, all hands open, as text."""
        if self.render_mode is None:
            gymnasium.logger.warn(
                "render() was called without a render_mode; give one when making the environment"
            )
            return None
        return self._table.game.notation.format_state(self._table.batch.states[0])

    def close(self) -> None:
        """Nothing is held open."""


def env(players: int = 4, cards: int = 5, **options: Any) -> BlobAEC:
    """A `BlobAEC`, by the name that PettingZoo's tools look for."""
    return BlobAEC(players, cards, **options)
