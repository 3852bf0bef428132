"""Random play inside a game of Generals, drawn from the game's own stream."""

from __future__ import annotations

import numpy as np

from strategos.games.bits import count_bits
from strategos.games.compiled import inlined, kernel
from strategos.games.generals.record import ALIVE
from strategos.games.generals.rules import is_legal, step
from strategos.games.rng import below

_MISSES = 32


@kernel
def _stack(bitmap, before, index):
    """The tile of stack number `index` of a bitmap; `before[i]` bits are set before word `i`."""
    place = 0
    for word in range(1, bitmap.shape[0]):
        place += before[word] <= index
    bits = np.int64(bitmap[place])
    index -= before[place]
    cell = place * 32
    for width in (16, 8, 4, 2, 1):
        low = count_bits(bits & ((1 << width) - 1))
        beyond = width if index >= low else 0
        index -= low if beyond else 0
        bits >>= beyond
        cell += beyond
    return cell


@kernel
def _has_mates(state, player):
    for other in range(state.team.shape[0]):
        if other != player and state.team[other] == state.team[player]:
            return True
    return False


@kernel
def _nth_legal(state, player, num_actions):
    """An exact uniform draw by counting every legal action but pass; the slow path."""
    legal = 0
    for action in range(num_actions - 1):
        legal += is_legal(state, player, action)
    if legal == 0:
        return num_actions - 1
    index = below(state.key, state.draws, legal)
    state.draws += 1
    for action in range(num_actions - 1):
        if is_legal(state, player, action):
            if index == 0:
                return action
            index -= 1
    return num_actions - 1


@kernel
def random_action(state, player, num_actions, before):
    """Draw one action uniformly from the player's legal ones; pass only when there is no other.

    Without builds and teammates a legal action is (stack, direction, half): draw all three, and
    again where a mountain or the edge is in the way. `before` is working memory, one entry for
    every 32 tiles.
    """
    if state.over or state.status[player] != ALIVE:
        return num_actions - 1
    if state.rules.builds or _has_mates(state, player):
        return _nth_legal(state, player, num_actions)
    bitmap = state.stacks[player]
    stacks = 0
    for place in range(bitmap.shape[0]):
        before[place] = stacks
        stacks += count_bits(np.int64(bitmap[place]))
    if stacks == 0:
        return num_actions - 1
    for _ in range(_MISSES):
        number = below(state.key, state.draws, stacks * 8)
        state.draws += 1
        cell = _stack(bitmap, before, number >> 3)
        if state.ways[cell] >> (number & 7) & 1:
            return cell * 8 + (number & 7)
    return _nth_legal(state, player, num_actions)


@kernel
def random_actions(states, num_actions, actions, before):
    """Fill `actions` [B, P] int32 with random legal actions for a slice of games."""
    for game in range(states.shape[0]):
        for player in range(actions.shape[1]):
            actions[game, player] = random_action(states[game], player, num_actions, before)


@inlined
def _play_tick(state, num_actions, actions, illegal, before, work):
    """One tick of one game: `actions` and `illegal` [P] are written, then played."""
    for player in range(actions.shape[0]):
        actions[player] = random_action(state, player, num_actions, before)
        illegal[player] = 0
    step(state, actions, illegal, work)


@kernel
def play_randomly(states, num_actions, actions, illegal, before, work):
    """`random_actions` and a step in one pass, so that each game is brought into the cache once."""
    for game in range(states.shape[0]):
        _play_tick(states[game], num_actions, actions[game], illegal[game], before, work)


@kernel
def playout(states, limit, num_actions, actions, illegal, before, work):
    """Play every game on to its end, or for `limit` ticks; `actions` and `illegal` [P] are working memory."""
    for game in range(states.shape[0]):
        for _ in range(limit):
            if states[game].over:
                break
            _play_tick(states[game], num_actions, actions, illegal, before, work)
