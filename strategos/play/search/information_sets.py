"""Regret matching at the information sets of all players: their table, choices and updates; compiled.

A group of walkers shares a table. A set is found by a hash of what its player sees, so a game of which a
view holds all that its player knows needs no tree.

Sources: outcome sampling, M. Lanctot et al., *Monte Carlo sampling for regret minimization in extensive
games*, 2009; its baselines, M. Schmid et al., *Variance reduction in Monte Carlo counterfactual regret
minimization*, 2019; linear weights, N. Brown and T. Sandholm, *Solving imperfect-information games via
discounted regret minimization*, 2019.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from strategos.games.compiled import kernel
from strategos.games.masks import is_set
from strategos.games.rng import derive, mix, uniform
from strategos.play.search.tree import NONE

_EMPTY = np.int64(-1)


class Tables(NamedTuple):
    """G tables of at most N information sets, for games of A actions."""

    num_sets: np.ndarray  # [G] int32
    key: np.ndarray  # [G, H] int64, open addressing
    place: np.ndarray  # [G, H] int32: the set of a key
    prior: np.ndarray  # [G, N, A] float32: the evaluator's policy, 0 where illegal
    regret: np.ndarray  # [G, N, A] float64
    average: np.ndarray  # [G, N, A] float64: strategies added up
    visits: np.ndarray  # [G, N, A] int32
    reach: np.ndarray  # [G, N, A] float64: visits, each as likely as the strategies before it make it
    worth: np.ndarray  # [G, N, A, P] float64: mean value of an action, weighed by reach


class Paths(NamedTuple):
    """What T walkers have chosen so far, at most D times each."""

    length: np.ndarray  # [T] int32
    place: np.ndarray  # [T, D] int32: the information set
    seat: np.ndarray  # [T, D] int8: whose it is
    action: np.ndarray  # [T, D] int32
    drawn: np.ndarray  # [T, D] float64: probability with which the action was drawn
    strategy: np.ndarray  # [T, D, A] float64: the strategy there


def make_tables(groups: int, sets: int, actions: int, players: int) -> Tables:
    """Empty tables."""
    places = 1
    while places < 2 * sets:
        places *= 2
    return Tables(
        num_sets=np.zeros(groups, np.int32),
        key=np.full((groups, places), _EMPTY, np.int64),
        place=np.zeros((groups, places), np.int32),
        prior=np.zeros((groups, sets, actions), np.float32),
        regret=np.zeros((groups, sets, actions)),
        average=np.zeros((groups, sets, actions)),
        visits=np.zeros((groups, sets, actions), np.int32),
        reach=np.zeros((groups, sets, actions)),
        worth=np.zeros((groups, sets, actions, players)),
    )


def enlarge(tables: Tables, sets: int) -> Tables:
    """The same tables with room for `sets` information sets each."""
    groups, old, actions, players = tables.worth.shape
    larger = make_tables(groups, sets, actions, players)
    larger.num_sets[:] = tables.num_sets
    for name in ("prior", "regret", "average", "visits", "reach", "worth"):
        getattr(larger, name)[:, :old] = getattr(tables, name)
    _index_again(tables.key, tables.place, larger)
    return larger


def make_paths(walkers: int, depth: int, actions: int) -> Paths:
    """Room for paths of at most `depth` choices."""
    return Paths(
        length=np.zeros(walkers, np.int32),
        place=np.zeros((walkers, depth), np.int32),
        seat=np.zeros((walkers, depth), np.int8),
        action=np.zeros((walkers, depth), np.int32),
        drawn=np.zeros((walkers, depth)),
        strategy=np.zeros((walkers, depth, actions)),
    )


@kernel
def _slot(keys, key):
    """Where a key lies, or would lie."""
    at = key & (keys.shape[0] - 1)
    while keys[at] != _EMPTY and keys[at] != key:
        at = (at + 1) & (keys.shape[0] - 1)
    return at


@kernel
def _index_again(keys, places, larger):
    for group in range(keys.shape[0]):
        for old in range(keys.shape[1]):
            if keys[group, old] != _EMPTY:
                at = _slot(larger.key[group], keys[group, old])
                larger.key[group, at] = keys[group, old]
                larger.place[group, at] = places[group, old]


@kernel
def _hash(words):
    """A hash of a view [words] int64, never negative."""
    low, high = 0x51ED, 0x2F35
    for place in range(words.shape[0]):
        low = mix(low ^ words[place])
        high = mix(high + (words[place] >> 32) + low)
    return (low >> 1) << 32 | high


@kernel
def add_sets(tables, groups, words, masks, logits):
    """Add the sets of `words` [n, V] with legal `masks` [n, mask_bytes] to the tables `groups` [n].

    `logits` [n, A], or [n, 0] for a uniform prior. What is known already stays as it is.
    """
    actions = tables.prior.shape[2]
    for row in range(groups.shape[0]):
        group, key = groups[row], _hash(words[row])
        at = _slot(tables.key[group], key)
        if tables.key[group, at] == key:
            continue
        place = tables.num_sets[group]
        tables.num_sets[group] = place + 1
        tables.key[group, at] = key
        tables.place[group, at] = place
        highest, total = -np.inf, 0.0
        for action in range(logits.shape[1]):
            if is_set(masks[row], action):
                highest = max(highest, logits[row, action])
        for action in range(actions):
            weight = 0.0
            if is_set(masks[row], action):
                weight = np.exp(logits[row, action] - highest) if logits.shape[1] else 1.0
            tables.prior[group, place, action] = weight
            total += weight
        for action in range(actions):
            tables.prior[group, place, action] /= total


@kernel
def _match_regrets(prior, regret, strategy):
    """Write the current `strategy` [A]: in proportion to positive regrets, the prior where there are none."""
    total = 0.0
    for action in range(strategy.shape[0]):
        strategy[action] = max(0.0, regret[action])
        total += strategy[action]
    for action in range(strategy.shape[0]):
        strategy[action] = strategy[action] / total if total > 0.0 else prior[action]


@kernel
def choose(tables, paths, rows, worlds, words, masks, seats, keys, simulation, explore, actions):
    """Let the walkers `rows` [n] choose where a choice is due; `actions` [n, P] is what to play.

    `words` [n, V] is what the seats to move, `seats` [n], see; `masks` [n, mask_bytes] what they may do. With
    the share `explore` a walker chooses uniformly. Where its set is unknown its action is -1.
    """
    for index in range(rows.shape[0]):
        row, seat = rows[index], seats[index]
        group = row // worlds
        legal, only = 0, 0
        for action in range(tables.prior.shape[2]):
            if is_set(masks[index], action):
                legal, only = legal + 1, action
        if legal == 1:
            actions[index, seat] = only
            continue
        key = _hash(words[index])
        at = _slot(tables.key[group], key)
        if tables.key[group, at] != key:
            actions[index, seat] = NONE
            continue
        place, step = tables.place[group, at], paths.length[row]
        strategy = paths.strategy[row, step]
        _match_regrets(tables.prior[group, place], tables.regret[group, place], strategy)
        stream = derive(keys[group], 1 + row % worlds)
        left = uniform(stream, simulation * paths.place.shape[1] + step)
        chosen, probability = NONE, 0.0
        for action in range(strategy.shape[0]):
            if is_set(masks[index], action) and (chosen == NONE or left >= 0.0):
                chosen = action
                probability = (1.0 - explore) * strategy[action] + explore / legal
                left -= probability
        paths.place[row, step] = place
        paths.seat[row, step] = seat
        paths.action[row, step] = chosen
        paths.drawn[row, step] = probability
        paths.length[row] = step + 1
        actions[index, seat] = chosen


@kernel
def learn(tables, paths, rows, worlds, values, weight, worth, here):
    """Update the sets on the paths of the walkers `rows` [n], which ended with `values` [T, P].

    Regrets and averages of an iteration count `weight` times. What an action was worth before stands in for
    the actions that were not taken, and is corrected by the one that was: without bias, and far less noisy.
    `worth` and `here` [P] float64 are scratch.
    """
    players = values.shape[1]
    for index in range(rows.shape[0]):
        row = rows[index]
        group = row // worlds
        for player in range(players):
            worth[player] = values[row, player]
        for back in range(paths.length[row]):
            step = paths.length[row] - 1 - back
            place, seat = paths.place[row, step], paths.seat[row, step]
            strategy, taken = paths.strategy[row, step], paths.action[row, step]
            mine, others, before = _reach(paths, row, step)
            known = tables.worth[group, place]
            here[:] = 0.0
            for action in range(strategy.shape[0]):
                for player in range(players):
                    here[player] += strategy[action] * known[action, player]
            for player in range(players):
                correction = (worth[player] - known[taken, player]) / paths.drawn[row, step]
                here[player] += strategy[taken] * correction
                if player == seat:
                    tables.regret[group, place, taken] += weight * others / before * correction
            for action in range(strategy.shape[0]):
                if tables.prior[group, place, action] > 0.0:
                    gain = known[action, seat] - here[seat]
                    tables.regret[group, place, action] += weight * others / before * gain
                tables.average[group, place, action] += weight * mine / before * strategy[action]
            share = weight * mine * others / before
            tables.visits[group, place, taken] += 1
            tables.reach[group, place, taken] += share
            for player in range(players):
                step_size = share / max(tables.reach[group, place, taken], 1e-300)
                known[taken, player] += step_size * (worth[player] - known[taken, player])
                worth[player] = here[player]


@kernel
def _reach(paths, row, step):
    """How likely a walker's path up to `step` is under the strategies of its seat, under those of the others,
    and as it was drawn."""
    mine, others, drawn = 1.0, 1.0, 1.0
    for earlier in range(step):
        chance = paths.strategy[row, earlier, paths.action[row, earlier]]
        drawn *= paths.drawn[row, earlier]
        if paths.seat[row, earlier] == paths.seat[row, step]:
            mine *= chance
        else:
            others *= chance
    return mine, others, drawn
