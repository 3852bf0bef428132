"""The arithmetic of the root's rules, compiled.

Sources: Danihelka et al. 2022, *Policy improvement by planning with Gumbel* (sequential halving, completed
values); Silver et al. 2018, *A general reinforcement learning algorithm* (noise); Lanctot, Lisy, Winands
2013, *Monte Carlo tree search in simultaneous move games* (regret matching).
"""

from __future__ import annotations

import math

import numpy as np

from strategos.games.compiled import kernel
from strategos.games.rng import derive, uniform, uniform_inside
from strategos.play.search.tree import NONE, find_edge, find_joint

EXPLORE = 0.1
"""Share of uniform choices while regret matching learns."""


def halving_schedule(considered: int, simulations: int) -> np.ndarray:
    """At each simulation, how often the action to be chosen has been tried before: [simulations] int32.

    Every round tries all actions that are still considered equally often, then keeps the better half.
    """
    if considered <= 1:
        return np.arange(simulations, dtype=np.int32)
    rounds = math.ceil(math.log2(considered))
    tried: list[int] = []
    visits, left = 0, considered
    while len(tried) < simulations:
        for _ in range(max(1, simulations // (rounds * left))):
            tried += [visits] * left
            visits += 1
        left = max(2, left // 2)
    return np.array(tried[:simulations], np.int32)


@kernel
def gumbel_noise(keys, scale, noise):
    """Fill `noise` [G, num_actions] float64 with Gumbel draws times `scale`, from the streams `keys` [G]."""
    for group in range(noise.shape[0]):
        for action in range(noise.shape[1]):
            if scale == 0.0:
                noise[group, action] = 0.0
            else:
                noise[group, action] = -np.log(-np.log(uniform_inside(keys[group], action))) * scale


@kernel
def completed_values(logits, visits, totals, evaluation, worlds, completed):
    """Values of a root's legal actions: the mean where tried, else a mix of those means and `evaluation`.

    `logits` [A] (-inf where illegal); fills `completed` [A]. Appendix D of Danihelka et al.; the root was
    evaluated once in each of the `worlds`.
    """
    highest, prior_seen, value_seen, count = -np.inf, 0.0, 0.0, 0
    for action in range(logits.shape[0]):
        highest = max(highest, logits[action])
    for action in range(logits.shape[0]):
        if logits[action] == -np.inf:
            continue
        if visits[action]:
            weight = np.exp(logits[action] - highest)
            prior_seen += weight
            value_seen += weight * totals[action] / visits[action]
            count += visits[action]
    mixed = evaluation
    if count:
        mixed = (worlds * evaluation + count * value_seen / prior_seen) / (worlds + count)
    for action in range(logits.shape[0]):
        completed[action] = totals[action] / visits[action] if visits[action] else mixed


@kernel
def gumbel_choose(
    logits, noise, tried, wanted, visits, totals, evaluations, worlds, c_visit, c_scale, completed, chosen
):
    """The action of each group's next simulation: the best of those tried `wanted` [G] times.

    `logits`, `noise`, `visits`, `totals`, `completed` are [G, A]; `tried` [G, A] counts this search's own.
    """
    for group in range(logits.shape[0]):
        value_of = completed[group]
        completed_values(logits[group], visits[group], totals[group], evaluations[group], worlds, value_of)
        most = 0
        for action in range(logits.shape[1]):
            most = max(most, visits[group, action])
        scale = (c_visit + most / worlds) * c_scale
        best, best_score = NONE, -np.inf
        for action in range(logits.shape[1]):
            if logits[group, action] == -np.inf or tried[group, action] != wanted[group]:
                continue
            score = noise[group, action] + logits[group, action] + scale * value_of[action]
            if score > best_score:
                best, best_score = action, score
        chosen[group] = best


@kernel
def improved_policy(logits, visits, totals, evaluations, worlds, c_visit, c_scale, completed, policy):
    """Softmax of the prior's logits plus the scaled completed values: `policy` [G, A] float32."""
    for group in range(logits.shape[0]):
        value_of = completed[group]
        completed_values(logits[group], visits[group], totals[group], evaluations[group], worlds, value_of)
        most, highest, total = 0, -np.inf, 0.0
        for action in range(logits.shape[1]):
            most = max(most, visits[group, action])
        scale = (c_visit + most / worlds) * c_scale
        for action in range(logits.shape[1]):
            highest = max(highest, logits[group, action] + scale * value_of[action])
        for action in range(logits.shape[1]):
            policy[group, action] = 0.0
            if logits[group, action] > -np.inf:
                weight = np.exp(logits[group, action] + scale * value_of[action] - highest)
                policy[group, action] = weight
                total += weight
        for action in range(logits.shape[1]):
            policy[group, action] /= total


def mix_dirichlet(prior: np.ndarray, keys: np.ndarray, concentration: float, share: float) -> None:
    """Mix Dirichlet noise into `prior` [G, A] in place, over the actions of positive probability."""
    for row, key in zip(prior, keys, strict=True):
        legal = np.flatnonzero(row)
        stream = np.random.Generator(np.random.Philox(key=int(key) & 0xFFFFFFFFFFFFFFFF))
        row[legal] = (1 - share) * row[legal] + share * stream.dirichlet(np.full(len(legal), concentration))


@kernel
def set_root_priors(trees, worlds, players, priors):
    """Give the asking players' [G] root edges the `priors` [G, A] in every tree of their group."""
    slots = trees.first_edge.shape[2]
    for group in range(players.shape[0]):
        slot = players[group] if slots > 1 else 0
        for tree in range(group * worlds, (group + 1) * worlds):
            edge = trees.first_edge[tree, 0, slot]
            while edge != NONE:
                trees.edge_prior[tree, edge] = priors[group, trees.edge_action[tree, edge]]
                edge = trees.edge_next[tree, edge]


@kernel
def _match_regrets(trees, tree, slot, regrets, explore, strategy):
    """Write a player's current strategy over the root edges, in their order; how many there are."""
    count, total = 0, 0.0
    edge = trees.first_edge[tree, 0, slot]
    while edge != NONE:
        regret = max(0.0, regrets[trees.edge_action[tree, edge]])
        strategy[count] = regret
        total += regret
        count += 1
        edge = trees.edge_next[tree, edge]
    for place in range(count):
        matched = strategy[place] / total if total > 0.0 else 1.0 / count
        strategy[place] = (1.0 - explore) * matched + explore / count
    return count


@kernel
def regret_choose(trees, worlds, players, keys, simulation, regrets, averages, strategy, root_choice):
    """Draw every player's root action by regret matching; add the asking player's strategy to `averages`.

    `regrets` [T, P, A] float64; the asking player's are those of the first tree of the group, for all worlds.
    `averages` [G, A] float64; `strategy` [A] float64 is scratch. Writes `root_choice` [T, P].
    """
    for group in range(players.shape[0]):
        for world in range(worlds):
            tree = group * worlds + world
            for slot in range(root_choice.shape[1]):
                asked = slot == players[group]
                owner = group * worlds if asked else tree
                if asked and world == 0:
                    _match_regrets(trees, tree, slot, regrets[owner, slot], 0.0, strategy)
                    place, edge = 0, trees.first_edge[tree, 0, slot]
                    while edge != NONE:
                        averages[group, trees.edge_action[tree, edge]] += strategy[place]
                        place, edge = place + 1, trees.edge_next[tree, edge]
                count = _match_regrets(trees, tree, slot, regrets[owner, slot], EXPLORE, strategy)
                if count == 0:
                    root_choice[tree, slot] = NONE
                    continue
                stream = derive(keys[group], 1 + world)
                left = uniform(stream, simulation * root_choice.shape[1] + slot)
                place, edge = 0, trees.first_edge[tree, 0, slot]
                while place < count - 1 and left >= strategy[place]:
                    left -= strategy[place]
                    place, edge = place + 1, trees.edge_next[tree, edge]
                root_choice[tree, slot] = trees.edge_action[tree, edge]


@kernel
def regret_learn(trees, worlds, players, root_choice, regrets, joint):
    """Add to each root action's regret what it would have been worth against what the others just played.

    A joint action is worth the mean value of its child; one never tried, the mean of the player's own action.
    `joint` [P] int32 is scratch.
    """
    for group in range(players.shape[0]):
        for tree in range(group * worlds, (group + 1) * worlds):
            for slot in range(root_choice.shape[1]):
                if root_choice[tree, slot] == NONE:
                    continue
                owner = group * worlds if slot == players[group] else tree
                for other in range(joint.shape[0]):
                    joint[other] = max(root_choice[tree, other], 0)
                played = _joint_value(trees, tree, slot, joint)
                edge = trees.first_edge[tree, 0, slot]
                while edge != NONE:
                    action = trees.edge_action[tree, edge]
                    joint[slot] = action
                    regrets[owner, slot, action] += _joint_value(trees, tree, slot, joint) - played
                    edge = trees.edge_next[tree, edge]


@kernel
def _joint_value(trees, tree, slot, joint):
    child = find_joint(trees, tree, 0, joint)
    if child != NONE:
        return trees.totals[tree, child, slot] / trees.visits[tree, child]
    edge = find_edge(trees, tree, 0, slot, joint[slot])
    if trees.edge_visits[tree, edge]:
        return trees.edge_total[tree, edge] / trees.edge_visits[tree, edge]
    return trees.totals[tree, 0, slot] / trees.visits[tree, 0]


@kernel
def draw_actions(policy, keys, actions):
    """Draw one action of each `policy` [G, A] from the streams `keys` [G]."""
    for group in range(policy.shape[0]):
        left = uniform(derive(keys[group], 0), 0)
        chosen = NONE
        for action in range(policy.shape[1]):
            if policy[group, action] > 0.0 and (chosen == NONE or left >= 0.0):
                chosen = action
                left -= policy[group, action]
        actions[group] = chosen
