"""Plays whole games with an agent: told of the start, asked for every move, told of the end.

States and moves go over one stream; where none can be had (a proxy that does not let one through, a server
that went away), the runner asks for the state again and again, and calls for each move, until a stream works.
"""

from __future__ import annotations

import math
import secrets
import time
from collections.abc import Callable
from typing import Protocol

import numpy as np

from strategos.client.messages import Answer, ServerError, State
from strategos.client.sync import Seat
from strategos.play.policy import Policy

POLL_S = 0.1
"""Between two questions for the state."""
STREAM_AGAIN_S = 30.0
"""For so long after a broken stream the state is asked for."""
GIVE_UP_S = 60.0
"""After the first failure, without any answer of the server since."""
_TEMPORARY = (
    "unavailable", "deadline_exceeded", "unimplemented", "internal", "unknown", "cancelled", "exhausted",
)  # fmt: skip
_TOO_LATE = ("late", "early", "duplicate", "not_started", "over")
"""Refusals of a move after which the next state says how to go on."""


class Agent(Protocol):
    """What plays."""

    def on_game_start(self, state: State) -> None:
        """A game begins; `state` is the first that this seat sees."""
        ...

    def select_action(self, state: State) -> int:
        """The move for `state`, one of `state.legal`."""
        ...

    def on_game_end(self, state: State) -> None:
        """The game is over; `state.result` says how."""
        ...


class PolicyAgent:
    """Any `Policy` as an agent: a scripted bot, a trained network."""

    def __init__(self, policy: Policy, seed: int | None = None) -> None:
        self.policy, self._rng = policy, np.random.default_rng(seed)

    def on_game_start(self, state: State) -> None:
        """Nothing to do: a policy remembers nothing between moves."""

    def select_action(self, state: State) -> int:
        """What the policy plays."""
        views = np.frombuffer(state.view.tobytes(), state.game.view_dtype)
        memories = None
        if state.memory is not None:
            memories = np.frombuffer(state.memory.tobytes(), state.game.memory_dtype)
        return int(self.policy.act(views, state.mask[None], memories, self._rng)[0])

    def on_game_end(self, state: State) -> None:
        """Nothing to do."""


def run_agent(
    seat: Seat,
    agent: Agent,
    *,
    poll_s: float = POLL_S,
    streaming: bool = True,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> State:
    """Play the game of `seat` to its end with `agent`; the last state. Without `streaming` it only polls.

    `ServerError` where the seat is not good any more, the server does not answer for `GIVE_UP_S`, or the
    agent chose a move that is not legal ("illegal"): a game without a clock would wait for another for ever.
    """
    run, newest = _Run(agent), 0
    stream_at, lost_at = clock() if streaming else math.inf, math.inf
    while True:
        run.forget_sent()
        try:
            if clock() >= stream_at:
                with seat.play() as game:
                    for update in game:
                        lost_at = math.inf
                        if isinstance(update, State) and update.tick >= newest:
                            asked_at = clock()
                            if run.enter(update, game.act):
                                return update
                            if update.seconds_left is not None and clock() - asked_at > update.seconds_left:
                                newest = seat.state().tick  # what came meanwhile is outdated: pass over it
                        if isinstance(update, Answer) and update.code:
                            run.refused(ServerError(update.code, update.message))
            state = seat.state()
            lost_at = math.inf
            if run.enter(state, seat.act):
                return state
        except ServerError as error:
            lost_at = min(lost_at, clock())
            if error.code not in _TEMPORARY or clock() - lost_at > GIVE_UP_S:
                raise
            if clock() >= stream_at:
                stream_at = clock() + STREAM_AGAIN_S
        sleep(poll_s)


class _Run:
    """One game of one agent: what it was told, and its last move."""

    def __init__(self, agent: Agent) -> None:
        self._agent = agent
        self._begun = False
        self._tick, self._action, self._key = -1, -1, ""
        self._sent = False

    def enter(self, state: State, act: Callable[..., object]) -> bool:
        """Tell the agent what there is to tell and make its move by `act`; whether the game is over."""
        if state.view is not None and not self._begun:
            self._begun = True
            self._agent.on_game_start(state)
        if state.phase == "over":
            if state.result is not None:
                self._agent.on_game_end(state)
            return state.result is not None
        if state.my_turn and (state.tick != self._tick or not self._sent):
            if state.tick != self._tick:
                self._tick, self._action = state.tick, self._agent.select_action(state)
                self._key = secrets.token_urlsafe(12)
            self._sent = True
            try:
                act(self._action, tick=self._tick, key=self._key)
            except ServerError as error:
                self.refused(error)
        return False

    def refused(self, why: ServerError) -> None:
        """The last move was not taken; raises `why` where the next state does not say how to go on."""
        if why.code not in _TOO_LATE:
            raise why

    def forget_sent(self) -> None:
        """Nobody knows whether the last move arrived, or is known to a server that was started anew: for as
        long as its tick is the coming one it is sent once more, with its key, and played once."""
        self._sent = False
