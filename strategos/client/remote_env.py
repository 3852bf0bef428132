"""`RemoteEnv`: one game in the server behind Gymnasium's `Env`, you against agents that the server plays."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import ExitStack, suppress
from typing import Any

import gymnasium
import numpy as np
from gymnasium import spaces

from strategos.client.messages import Answer, ServerError, State
from strategos.client.sync import Client, Play, Seat
from strategos.games import make_game

Encoder = Callable[[State], np.ndarray]


class RemoteEnv(gymnasium.Env[Any, np.int64]):
    """A private game on the server at `address`, from one seat; `opponents` names the agent of each other.

    Observation: a dict with every field of the view as an array, as the server sent it, or whatever
    `encode(state)` makes, of which `observation_space` then tells. Action: one id of the game. `info` holds
    `action_mask` (bool [num_actions]), `tick`, `illegal_actions`, and at the end `result` and `replay`.
    Reward: the return of the game at its end, otherwise 0.

    An action outside the mask is counted in `illegal_actions`; where all players move at once it is played as
    the last id (Generals: a pass), and where they take turns nothing is played.

    `ServerError` where the server refuses, `ValueError` for a game that there is not.
    """

    metadata = {"render_modes": ["ansi"], "render_fps": 4}  # noqa: RUF012 - Gymnasium wants an instance's

    def __init__(
        self,
        address: str,
        game: str = "generals",
        options: Mapping[str, Any] | None = None,
        *,
        opponents: Mapping[int, str],
        name: str = "learner",
        tick_limit: int = 1000,
        encode: Encoder | None = None,
        observation_space: spaces.Space[Any] | None = None,
        client: Client | None = None,
        render_mode: str | None = None,
    ) -> None:
        if (encode is None) != (observation_space is None):
            raise ValueError("give both encode and observation_space, or neither")
        self.game = make_game(game, **(options or {}))
        seats = [seat for seat in range(self.game.spec.num_players) if seat not in opponents]
        if len(seats) != 1:
            raise ValueError(f"opponents sit on all seats but one; {len(seats)} seats are free")
        self.seat, self.render_mode = seats[0], render_mode
        self.action_space = spaces.Discrete(self.game.spec.num_actions)
        self.observation_space = observation_space or view_space(self.game.view_dtype)
        self._name, self._options, self._opponents = name, dict(options or {}), dict(opponents)
        self._tick_limit, self._encode = tick_limit, encode or view_fields
        self._own_client = client is None
        self._client = client or Client(address)
        self._table: Seat | None = None
        self._play: Play | None = None
        self._line = ExitStack()
        """Holds the stream of the game open."""
        self._state: State | None = None
        self._illegal_actions = 0

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Any, dict[str, Any]]:
        """Begin a new game, on the board of `seed` or of the running stream of seeds."""
        super().reset(seed=seed)
        self._leave()
        self._table = self._client.create(
            self.game.spec.name,
            self._options,
            name=self._name,
            agents=self._opponents,
            private=True,
            seed=int(self.np_random.integers(2**62)),
            tick_limit=self._tick_limit,
        )
        self._play = self._line.enter_context(self._table.play())
        self._illegal_actions = 0
        state = self._next_turn(-1, answered=True)
        return self._encode(state), self._info(state)

    def step(self, action: np.int64 | int) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        """Play an action and wait until this seat has to move again, or the game is over."""
        if self._play is None or self._state is None or self._state.phase == "over":
            raise gymnasium.error.ResetNeeded("this game is over or was never begun; call reset()")
        state, number = self._state, int(action)
        if not 0 <= number < self.game.spec.num_actions:
            raise ValueError(f"no action {number}: the ids run from 0 to {self.game.spec.num_actions - 1}")
        if not state.legal[number]:
            self._illegal_actions += 1
            number = self.game.spec.num_actions - 1 if self.game.spec.simultaneous else -1
        if number >= 0:
            self._play.act(number, tick=state.tick)
            state = self._next_turn(state.tick, answered=False)
        over, reward = state.phase == "over", 0.0
        truncated = over and state.result is not None and state.result.reason != "played"
        if over and state.result is not None:
            reward = state.result.returns[self.seat]
        return self._encode(state), reward, over and not truncated, truncated, self._info(state)

    def action_masks(self) -> np.ndarray:
        """The legal actions now, bool [num_actions]; the name that sb3-contrib looks for."""
        if self._state is None:
            raise gymnasium.error.ResetNeeded("no game was begun; call reset()")
        return self._state.legal

    def render(self) -> str | None:
        """What the seat knows, as text."""
        if self.render_mode is None or self._state is None or self._state.view is None:
            return None
        notation: Any = self.game.notation
        shown = getattr(notation, "format_view", notation.format_state)
        return str(shown(self._state.view))

    def close(self) -> None:
        """Give the seat back, and close a connection of one's own."""
        self._leave()
        if self._own_client:
            self._client.close()

    def _next_turn(self, tick: int, *, answered: bool) -> State:
        """The next state in which this seat has to move, once its move is `answered`, or the game's last."""
        assert self._play is not None
        turn: State | None = None
        for update in self._play:
            if isinstance(update, Answer):
                if update.code:
                    raise ServerError(update.code, update.message)
                answered = True
            elif isinstance(update, State) and update.view is not None:
                over = update.phase == "over" and update.result is not None
                if over or (update.my_turn and update.tick > tick):
                    turn = update
                answered = answered or over
            if turn is not None and answered:
                self._state = turn
                return turn
        raise ServerError("over", "the game ended without a result; call reset()")

    def _leave(self) -> None:
        self._line.close()
        if self._table is not None and (self._state is None or self._state.phase != "over"):
            with suppress(ServerError):  # nothing comes of it that a new game would wait for
                self._table.leave()
        self._table = self._play = self._state = None

    def _info(self, state: State) -> dict[str, Any]:
        info: dict[str, Any] = {
            "action_mask": state.legal,
            "tick": state.tick,
            "illegal_actions": self._illegal_actions,
        }
        if state.result is not None:
            info |= {"result": state.result.returns[self.seat], "replay": state.result.replay}
        return info


def view_space(dtype: np.dtype) -> spaces.Dict:
    """Every field of a view as a box of its own type."""
    boxes: dict[str, spaces.Space[Any]] = {}
    for name in _numbers(dtype):
        kind = dtype[name]
        limits = np.iinfo(kind.base)
        boxes[name] = spaces.Box(limits.min, limits.max, kind.shape, kind.base.type)
    return spaces.Dict(boxes)


def view_fields(state: State) -> Any:
    """The fields of a view by name; what a `RemoteEnv` observes without an encoder."""
    dtype = state.game.view_dtype
    return {name: np.array(state.view[name], dtype[name].base) for name in _numbers(dtype)}


def _numbers(dtype: np.dtype) -> list[str]:
    """The fields that are shown."""
    return [name for name in dtype.names or () if name != "padding" and dtype[name].base.kind in "iu"]
