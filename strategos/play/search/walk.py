"""How simulations walk: selection on the way down, sorting the walkers, backup on the way up; compiled.

Many trees go down in lock step, a world's state each; states are rows of 64-bit words here. Where all
players act at once, each chooses by their own edges without seeing the others' choice.
"""

from __future__ import annotations

import numpy as np

from strategos.games.compiled import kernel
from strategos.games.masks import count_legal, is_set
from strategos.games.rng import uniform
from strategos.play.search.tree import NONE, add_edge, add_node, find_edge, find_joint, link


@kernel
def _best_edge(trees, tree, node, slot, seat, c_puct, key):
    """PUCT: mean value, plus the prior times the square root of the node's visits over the edge's own.

    An action that was never tried is worth what the node is. Where all act at once, chance stretches the
    second part by a half to one and a half: players who explore in step always meet in the same actions.
    """
    apart = trees.first_edge.shape[2] > 1
    node_value = trees.totals[tree, node, seat] / trees.visits[tree, node]
    root = np.sqrt(np.float64(trees.visits[tree, node]))
    best, best_score = NONE, -np.inf
    edge = trees.first_edge[tree, node, slot]
    while edge != NONE:
        visits = trees.edge_visits[tree, edge]
        value = trees.edge_total[tree, edge] / visits if visits else node_value
        explore = c_puct * trees.edge_prior[tree, edge] * root / (1 + visits)
        if apart:
            explore *= 0.5 + uniform(key + node, edge + (trees.visits[tree, node] << 24))
        if value + explore > best_score:
            best, best_score = edge, value + explore
        edge = trees.edge_next[tree, edge]
    return best


@kernel
def _best_edge_of_set(trees, tree, node, slot, seat, mask, c_puct):
    """PUCT among the actions that are legal in this world; others of the information set wait.

    An edge is measured by the visits in which it could be chosen (Cowling, Powley, Whitehouse 2012,
    SO-ISMCTS). An action that no world before had gets a uniform prior.
    """
    legal, known, share = count_legal(mask), 0, 0.0
    edge = trees.first_edge[tree, node, slot]
    while edge != NONE:
        if is_set(mask, trees.edge_action[tree, edge]):
            known += 1
        edge = trees.edge_next[tree, edge]
    if known < legal:
        for place in range(mask.shape[0]):
            for bit in range(8):
                if mask[place] >> bit & 1 and find_edge(trees, tree, node, slot, 8 * place + bit) == NONE:
                    add_edge(trees, tree, node, slot, 8 * place + bit, 1.0 / legal)
    edge = trees.first_edge[tree, node, slot]
    while edge != NONE:
        if is_set(mask, trees.edge_action[tree, edge]):
            share += trees.edge_prior[tree, edge]
            trees.edge_seen[tree, edge] += 1
        edge = trees.edge_next[tree, edge]
    node_value = trees.totals[tree, node, seat] / trees.visits[tree, node]
    best, best_score = NONE, -np.inf
    edge = trees.first_edge[tree, node, slot]
    while edge != NONE:
        if is_set(mask, trees.edge_action[tree, edge]):
            visits = trees.edge_visits[tree, edge]
            value = trees.edge_total[tree, edge] / visits if visits else node_value
            root = np.sqrt(np.float64(trees.edge_seen[tree, edge]))
            score = value + c_puct * trees.edge_prior[tree, edge] / share * root / (1 + visits)
            if score > best_score:
                best, best_score = edge, score
        edge = trees.edge_next[tree, edge]
    return best


@kernel
def select(
    trees, rows, nodes, depth, root_choice, masks, keys, c_puct, path_nodes, path_actions, path_edges, actions
):
    """Choose at `nodes` [T] for the trees `rows` [n]; `actions` [n, P] is what to play.

    `root_choice` [T, slots] fixes actions at the root where it is not -1. `masks` [n, P, mask_bytes] where
    worlds change between simulations, else of length 0. `nodes` become the children, -1 where there is none
    yet. `keys` [T] are random streams.
    """
    slots = trees.first_edge.shape[2]
    for index in range(rows.shape[0]):
        tree = rows[index]
        node, step = nodes[tree], depth[tree]
        path_nodes[tree, step] = node
        actions[index, :] = 0
        for slot in range(slots):
            seat = slot if slots > 1 else int(trees.mover[tree, node])
            edge = NONE
            if node == 0 and root_choice[tree, slot] != NONE:
                edge = find_edge(trees, tree, 0, slot, root_choice[tree, slot])
            elif masks.shape[0]:
                edge = _best_edge_of_set(trees, tree, node, slot, seat, masks[index, seat], c_puct)
            else:
                edge = _best_edge(trees, tree, node, slot, seat, c_puct, keys[tree])
            path_edges[tree, step, slot] = edge
            action = trees.edge_action[tree, edge] if edge != NONE else 0
            path_actions[tree, step, slot] = action
            actions[index, seat] = action
            if slots == 1:
                nodes[tree] = trees.edge_child[tree, edge]
        if slots > 1:
            nodes[tree] = find_joint(trees, tree, node, path_actions[tree, step])
        depth[tree] = step + 1


@kernel
def _copy(source, target):
    for word in range(source.shape[0]):
        target[word] = source[word]


@kernel
def settle(rows, walk, over, nodes, depth, limit, leaf_rows, leaves, end_rows, ends, known_rows):
    """Sort the walkers after a step: new leaves, ends of the game, known nodes at the depth limit, the rest.

    Each kind is written from the beginning of the arrays given for it; the rest move to the front of `rows`
    and `walk`. Returns how many walk on, and how many there are of each kind.
    """
    walking, new, ended, known = 0, 0, 0, 0
    for index in range(rows.shape[0]):
        tree = rows[index]
        if over[index]:
            end_rows[ended] = tree
            _copy(walk[index], ends[ended])
            ended += 1
        elif nodes[tree] == NONE:
            leaf_rows[new] = tree
            _copy(walk[index], leaves[new])
            new += 1
        elif limit and depth[tree] >= limit:
            known_rows[known] = tree
            known += 1
        else:
            rows[walking] = tree
            if walking != index:
                _copy(walk[index], walk[walking])
            walking += 1
    return walking, new, ended, known


@kernel
def backup(trees, rows, values, depth, path_nodes, path_edges):
    """Add `values` [n, P] to every node and edge on the way of the trees `rows` [n]."""
    slots, players = trees.first_edge.shape[2], trees.totals.shape[2]
    for index in range(rows.shape[0]):
        tree = rows[index]
        for step in range(depth[tree]):
            node = path_nodes[tree, step]
            trees.visits[tree, node] += 1
            for player in range(players):
                trees.totals[tree, node, player] += values[index, player]
            for slot in range(slots):
                edge = path_edges[tree, step, slot]
                if edge != NONE:
                    seat = slot if slots > 1 else int(trees.mover[tree, node])
                    trees.edge_visits[tree, edge] += 1
                    trees.edge_total[tree, edge] += values[index, seat]


@kernel
def keep_ends(trees, rows, values, depth, path_nodes, path_actions):
    """Where all act at once, give the ends of the game nodes too: regrets need the worth of joint actions."""
    for index in range(rows.shape[0]):
        tree = rows[index]
        step = depth[tree] - 1
        parent = path_nodes[tree, step]
        node = find_joint(trees, tree, parent, path_actions[tree, step])
        if node == NONE:
            node = add_node(trees, tree, values[index])
            link(trees, tree, node, parent, path_actions[tree, step], NONE)
        else:
            trees.visits[tree, node] += 1
            for player in range(values.shape[1]):
                trees.totals[tree, node, player] += values[index, player]


@kernel
def backup_known(trees, rows, nodes, depth, path_nodes, path_edges):
    """`backup` of the stored evaluation of `nodes` [T], which the trees `rows` have come to again."""
    for index in range(rows.shape[0]):
        tree, node = rows[index], nodes[rows[index]]
        values = trees.evaluation[tree, node : node + 1]
        backup(trees, rows[index : index + 1], values, depth, path_nodes, path_edges)
        trees.visits[tree, node] += 1
        for player in range(values.shape[1]):
            trees.totals[tree, node, player] += values[0, player]
