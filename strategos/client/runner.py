"""Plays whole games with an agent: told of the start, asked for every move, told of the end.

The states come as a stream; where none can be had (a proxy that does not let one through, a server that went
away), the runner asks for the state again and again until a stream works.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import closing
from typing import Protocol

import numpy as np

from strategos.client.messages import ServerError, State
from strategos.client.sync import Seat
from strategos.play.policy import Policy

POLL_S = 0.1
"""Between two questions for the state."""
STREAM_AGAIN_S = 30.0
"""For so long after a broken stream the state is asked for."""
GIVE_UP_S = 60.0
"""Without any answer of the server."""
_TEMPORARY = ("unavailable", "deadline_exceeded", "unimplemented", "internal", "unknown", "cancelled")
_TOO_LATE = ("late", "early", "illegal", "duplicate", "not_started", "over")
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

    `ServerError` where the seat is not good any more, or the server does not answer for `GIVE_UP_S`.
    """
    run = _Run(seat, agent)
    stream_at, heard_at = clock() if streaming else float("inf"), clock()
    while True:
        try:
            if clock() >= stream_at:
                with closing(seat.updates()) as updates:
                    for update in updates:
                        heard_at = clock()
                        if isinstance(update, State) and run.enter(update):
                            return update
            state = seat.state()
            heard_at = clock()
            if run.enter(state):
                return state
        except ServerError as error:
            if error.code not in _TEMPORARY or clock() - heard_at > GIVE_UP_S:
                raise
            if clock() >= stream_at:
                stream_at = clock() + STREAM_AGAIN_S
        sleep(poll_s)


class _Run:
    """One game of one agent: which moves were made, what it was told."""

    def __init__(self, seat: Seat, agent: Agent) -> None:
        self._seat, self._agent = seat, agent
        self._begun = False
        self._moved = -1

    def enter(self, state: State) -> bool:
        """Tell the agent what there is to tell and make its move; whether the game is over."""
        if state.view is not None and not self._begun:
            self._begun = True
            self._agent.on_game_start(state)
        if state.phase == "over":
            if state.result is not None:
                self._agent.on_game_end(state)
            return state.result is not None
        if state.my_turn and state.tick > self._moved:
            self._moved = state.tick
            action = self._agent.select_action(state)
            try:
                self._seat.act(action, tick=state.tick)
            except ServerError as error:
                if error.code not in _TOO_LATE:
                    self._moved = state.tick - 1
                    raise
        return False
