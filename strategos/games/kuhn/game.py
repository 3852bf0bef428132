"""The rules of Kuhn poker on the contract of `strategos.games.spec`. Copy this folder to begin a new game.

Two players ante one chip and get one card each of jack, queen, king. In turn they pass (check
or fold) or bet (bet or call) one more chip; the higher card wins the pot. Source: H. W. Kuhn,
*A simplified two-person poker*, 1950. Returns are chips / 2, so a called bet is worth ±1.
"""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np

from strategos.games.compiled import kernel
from strategos.games.kuhn import notation
from strategos.games.kuhn.record import BET, MEMORY, PASS, STATE, UNPLAYED, VIEW
from strategos.games.rng import below
from strategos.games.spec import GameSpec

_CHIPS_AT_STAKE = 2.0


@kernel
def _reset(states, seeds):
    for game in range(states.shape[0]):
        state = states[game]
        state.key = seeds[game]
        first = below(state.key, 0, 3)
        second = below(state.key, 1, 2)
        state.draws = 2
        state.card[0] = first
        state.card[1] = second + (second >= first)
        state.moves[:] = UNPLAYED
        state.tick = 0
        state.over = 0


@kernel
def _step(states, actions, illegal):
    for game in range(states.shape[0]):
        state = states[game]
        illegal[game, :] = 0
        if state.over:
            continue
        player = state.tick % 2
        action = actions[game, player]
        if action != PASS and action != BET:
            illegal[game, player] = 1
            action = PASS
        state.moves[state.tick] = action
        # A call, a fold and a second check all end the game; a first move and a bet after a check do not.
        state.over = state.tick > 0 and (action == PASS or state.moves[state.tick - 1] == BET)
        state.tick += 1


@kernel
def _legal(states, masks):
    for game in range(states.shape[0]):
        state = states[game]
        masks[game, :, :] = 0
        if not state.over:
            masks[game, state.tick % 2, 0] = 1 << PASS | 1 << BET


@kernel
def _view(states, views):
    for game in range(states.shape[0]):
        state = states[game]
        for player in range(2):
            view = views[game, player]
            view.tick = state.tick
            view.me = player
            view.card = state.card[player]
            for move in range(state.moves.shape[0]):
                view.moves[move] = state.moves[move]


@kernel
def _random_actions(states, actions):
    for game in range(states.shape[0]):
        state = states[game]
        actions[game, :] = PASS
        if not state.over:
            actions[game, state.tick % 2] = below(state.key, state.draws, 2)
            state.draws += 1


@kernel
def _returns(states, returns):
    for game in range(states.shape[0]):
        state = states[game]
        returns[game, :] = 0.0
        if not state.over:
            continue
        last, before = state.moves[state.tick - 1], state.moves[state.tick - 2]
        if last == PASS and before == BET:  # the last to move folded and loses the ante
            chips, winner = 1, state.tick % 2
        else:
            chips, winner = 1 + last, int(state.card[1] > state.card[0])
        returns[game, winner] = chips / _CHIPS_AT_STAKE
        returns[game, 1 - winner] = -chips / _CHIPS_AT_STAKE


class Kuhn:
    """Kuhn poker. Actions: 0 pass, 1 bet; who is not to move has an empty mask and is not asked."""

    spec = GameSpec(
        name="kuhn", num_players=2, num_actions=2, simultaneous=False, has_memory=False, max_ticks=3
    )
    state_dtype = STATE
    view_dtype = VIEW
    memory_dtype = MEMORY
    notation = notation
    options: ClassVar[dict[str, Any]] = {}
    num_actions = 2
    pass_action = PASS
    players = 2

    def reset(self, states: np.ndarray, seeds: np.ndarray) -> None:
        """Deal new games into `states` [B] from `seeds` [B] int64."""
        _reset(states, seeds)

    def step(self, states: np.ndarray, actions: np.ndarray, illegal: np.ndarray) -> None:
        """Play the action of the player to move, `actions` [B, 2] int32; an unknown id passes, marked."""
        _step(states, actions, illegal)

    def legal(self, states: np.ndarray, masks: np.ndarray) -> None:
        """Write `masks` [B, 2, 1] uint8; all zero for the player not to move and after the end."""
        _legal(states, masks)

    def view(self, states: np.ndarray, views: np.ndarray) -> None:
        """Write `views` [B, 2]: one's own card and the moves so far."""
        _view(states, views)

    def remember(self, views: np.ndarray, memories: np.ndarray) -> None:
        """Nothing: a view of Kuhn poker holds all that its player has ever seen."""

    def observe(self, states: np.ndarray, views: np.ndarray, masks: np.ndarray, memories: np.ndarray) -> None:
        """`view`, `legal` and `remember` in one call."""
        _view(states, views)
        _legal(states, masks)

    def random_actions(self, states: np.ndarray, actions: np.ndarray) -> None:
        """Fill `actions` [B, 2] int32 from each game's stream, pass and bet equally likely."""
        _random_actions(states, actions)

    def play_randomly(self, states: np.ndarray, actions: np.ndarray, illegal: np.ndarray) -> None:
        """`random_actions`, then `step`; what was played stands in `actions`."""
        _random_actions(states, actions)
        _step(states, actions, illegal)

    def playout(self, states: np.ndarray, limit: int) -> None:
        """Play randomly to the end, or at most `limit` moves; see `Game.playout`."""
        actions, illegal = np.zeros((len(states), 2), np.int32), np.zeros((len(states), 2), np.uint8)
        for _ in range(min(limit, self.spec.max_ticks)):
            self.play_randomly(states, actions, illegal)

    def over(self, states: np.ndarray) -> np.ndarray:
        """Which games [B] have ended, bool."""
        return states["over"] != 0

    def returns(self, states: np.ndarray, returns: np.ndarray) -> None:
        """Write `returns` [B, 2] float32: chips won / 2 for games that have ended, else 0."""
        _returns(states, returns)
