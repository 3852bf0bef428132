"""`BlobEnv`: one game of Blob behind Gymnasium's `Env`, you against policies of your choice."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import gymnasium
import numpy as np
from gymnasium import spaces

from strategos.envs.arena import Opponent, OpponentChoice, seat_opponents
from strategos.envs.blob_features import encode_features, num_features
from strategos.envs.blob_table import RENDER_MODES, BlobTable, checked_render_mode
from strategos.envs.generals_env import other_seats


class BlobEnv(gymnasium.Env[np.ndarray, np.int64]):
    """One game of Blob from one seat; a step is one bid or card of yours and the others' until your next.

    Observation: float32 [num_features] in [0, 1] of what the seat may know; `strategos.envs.blob_features`
    names the pieces. Action: a card 0 to 51 (suit * 13 + rank, suits S H C D) or 52 + bid. `info` holds
    `action_mask` (bool [70]), `scores` (points of all, yours first), `illegal_actions` (how many actions of
    this episode lay outside the mask; nothing was played), and with the last step `rank` (1 the best).

    * `players`, `cards`, `rounds`, `min_cards`, `trump`, `dealer`, `turned_up`, `scoring`: as
      `strategos.games.blob.Blob` takes them. `rounds` "one" is a single deal, "all" a whole game.
    * `opponent`: anything with `.act(views, masks, memories, rng)`, a name for `load_policy` to look up,
      `None` for one that plays any legal action, or a list with one of these for each other seat.
    * `reward`: "relative" (points above the table's mean) or "points", when a round is counted, in units of
      10 + `cards`. `illegal` is added for an action outside the mask.
    * `seed`: of the first `reset` that names none.

    Raises `ValueError` for options that cannot be, saying which and what would do.
    """

    # No ClassVar: to Gymnasium it is an attribute of the instance.
    metadata = {"render_modes": list(RENDER_MODES), "render_fps": 1}  # noqa: RUF012

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
        opponent: OpponentChoice | Sequence[OpponentChoice] = None,
        load_policy: Callable[[str], Opponent] | None = None,
        seat: int = 0,
        reward: str = "relative",
        illegal: float = -0.1,
        seed: int | None = None,
        render_mode: str | None = None,
    ) -> None:
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
        self._opponents = seat_opponents(opponent, other_seats(seat, players), load_policy)
        self.seat, self.illegal = seat, float(illegal)
        self.observation_space = spaces.Box(0.0, 1.0, (num_features(players),), np.float32)
        self.action_space = spaces.Discrete(self._table.game.num_actions)
        self._first_seed = seed
        self._playing = False
        self._begun = False
        self._illegal_actions = 0

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[np.ndarray, dict[str, Any]]:
        """Deal the game of `seed`, or the next one of the running stream, and play it to your first turn."""
        super().reset(seed=seed)
        if seed is None and not self._begun:
            seed = self._first_seed
            seed = int(self.np_random.integers(2**63)) if seed is None else seed
        self._table.begin(seed)
        self._begun = self._playing = True
        self._illegal_actions = 0
        self._let_opponents_act()
        return self._observation(), self._info()

    def step(self, action: np.int64 | int) -> tuple[np.ndarray, float, bool, bool, dict[str, Any]]:
        """Play your action and the others' until you are asked again, or the game has ended.

        An action outside the mask changes nothing: it is counted and costs `illegal`. Raises `ResetNeeded`
        after the end and `ValueError` for an id that is no action.
        """
        if not self._playing:
            raise gymnasium.error.ResetNeeded("this game is over or was never begun; call reset()")
        number = self._table.checked(action)
        reward = 0.0
        if self._table.mask(self.seat)[number]:
            self._table.play(number)
            self._let_opponents_act()
        else:
            self._illegal_actions += 1
            reward = self.illegal
        reward += self._table.collect(self.seat)
        self._playing = self._table.turn >= 0
        info = self._info()
        if not self._playing:
            info["rank"] = self._table.rank(self.seat)
        return self._observation(), reward, not self._playing, False, info

    def action_masks(self) -> np.ndarray:
        """The legal actions now, bool [70]; the name that sb3-contrib looks for."""
        return self._table.mask(self.seat)

    def render(self) -> str | None:
        """What the seat knows, as text."""
        if self.render_mode is None:
            gymnasium.logger.warn(
                "render() was called without a render_mode; give one when making the environment"
            )
            return None
        return self._table.game.notation.format_view(self._table.view(self.seat))

    def _let_opponents_act(self) -> None:
        table = self._table
        while table.turn not in (self.seat, -1):
            seat, opponent = table.turn, self._opponents[table.turn]
            if opponent is None:
                table.play(int(table.random.choice(np.flatnonzero(table.mask(seat)))))
                continue
            seen = table.batch.observation
            actions = opponent.act(seen.views[:, seat], seen.masks[:, seat], None, table.random)
            table.play(int(actions[0]))

    def _observation(self) -> np.ndarray:
        return encode_features(self._table.view(self.seat))

    def _info(self) -> dict[str, Any]:
        return {
            "action_mask": self.action_masks(),
            "scores": self._table.scores(self.seat),
            "illegal_actions": self._illegal_actions,
        }
