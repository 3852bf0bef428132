"""Search trees as arrays: nodes, edges, expansion, a new root; compiled.

A tree keeps statistics and no states: a simulation walks a state down from the root (`walk.py`), so one
tree can be visited by different worlds (information sets). Every value is a vector over players; an edge
belongs to one player's action and counts that player's own value. Where all players act at once, each has
edges of their own at a node, and the child is found by the joint action. Knows no game.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit

from strategos.games.compiled import kernel
from strategos.games.masks import count_legal
from strategos.games.rng import mix

NONE = -1
_EMPTY = np.int64(-1)


class Trees(NamedTuple):
    """T trees of at most N nodes and E edges for P players; `slots` is 1, or P where all act at once."""

    num_nodes: np.ndarray  # [T] int32
    num_edges: np.ndarray  # [T] int32
    mover: np.ndarray  # [T, N] int8: the seat to move; -1 where all act at once
    parent: np.ndarray  # [T, N] int32
    arrived: np.ndarray  # [T, N, slots] int32: the actions that led here
    visits: np.ndarray  # [T, N] int32, the evaluation included
    totals: np.ndarray  # [T, N, P] float32: values added up
    evaluation: np.ndarray  # [T, N, P] float32: of the node itself
    first_edge: np.ndarray  # [T, N, slots] int32
    edge_next: np.ndarray  # [T, E] int32: the next edge of the same node and player
    edge_action: np.ndarray  # [T, E] int32
    edge_child: np.ndarray  # [T, E] int32; not used where all act at once
    edge_prior: np.ndarray  # [T, E] float32
    edge_visits: np.ndarray  # [T, E] int32
    edge_total: np.ndarray  # [T, E] float32: of the acting player's value
    edge_seen: np.ndarray  # [T, E] int32: visits of the node in which the action was legal
    joint_key: np.ndarray  # [T, H] int64: children by joint action, open addressing
    joint_node: np.ndarray  # [T, H] int32


def make_trees(trees: int, nodes: int, edges: int, players: int, slots: int) -> Trees:
    """Empty trees."""
    places = 1
    while slots > 1 and places < 2 * nodes:
        places *= 2
    return Trees(
        num_nodes=np.zeros(trees, np.int32),
        num_edges=np.zeros(trees, np.int32),
        mover=np.full((trees, nodes), NONE, np.int8),
        parent=np.full((trees, nodes), NONE, np.int32),
        arrived=np.zeros((trees, nodes, slots), np.int32),
        visits=np.zeros((trees, nodes), np.int32),
        totals=np.zeros((trees, nodes, players), np.float32),
        evaluation=np.zeros((trees, nodes, players), np.float32),
        first_edge=np.full((trees, nodes, slots), NONE, np.int32),
        edge_next=np.full((trees, edges), NONE, np.int32),
        edge_action=np.zeros((trees, edges), np.int32),
        edge_child=np.full((trees, edges), NONE, np.int32),
        edge_prior=np.zeros((trees, edges), np.float32),
        edge_visits=np.zeros((trees, edges), np.int32),
        edge_total=np.zeros((trees, edges), np.float32),
        edge_seen=np.zeros((trees, edges), np.int32),
        joint_key=np.full((trees, places), _EMPTY, np.int64),
        joint_node=np.full((trees, places), NONE, np.int32),
    )


def enlarge(trees: Trees, nodes: int, edges: int) -> Trees:
    """The same trees with room for at least `nodes` and `edges` each."""
    count, old_nodes, slots = trees.first_edge.shape
    old_edges = trees.edge_next.shape[1]
    nodes, edges = max(nodes, old_nodes), max(edges, old_edges)
    larger = make_trees(count, nodes, edges, trees.totals.shape[2], slots)
    for old, new in zip(trees, larger, strict=True):
        if old is trees.joint_key or old is trees.joint_node:
            continue
        new[tuple(slice(size) for size in old.shape)] = old
    if slots > 1:
        _index_again(larger)
    return larger


@kernel
def _joint_hash(node, actions):
    """A hash of a node and everybody's action, never -1."""
    low, high = mix(node + 0x51ED), mix(node ^ 0x2F35)
    for slot in range(actions.shape[0]):
        low = mix(low ^ (actions[slot] + 0x9E37))
        high = mix(high + low + slot)
    return (low >> 1) << 32 | high


@kernel
def find_joint(trees, tree, node, actions):
    """The child of `node` under a joint action; -1 where there is none yet."""
    key = _joint_hash(node, actions)
    keys = trees.joint_key[tree]
    place = key & (keys.shape[0] - 1)
    while keys[place] != _EMPTY:
        if keys[place] == key:
            return trees.joint_node[tree, place]
        place = (place + 1) & (keys.shape[0] - 1)
    return NONE


@kernel
def _add_joint(trees, tree, node, actions, child):
    key = _joint_hash(node, actions)
    keys = trees.joint_key[tree]
    place = key & (keys.shape[0] - 1)
    while keys[place] != _EMPTY:
        place = (place + 1) & (keys.shape[0] - 1)
    keys[place] = key
    trees.joint_node[tree, place] = child


@kernel
def _index_again(trees):
    for tree in range(trees.num_nodes.shape[0]):
        for node in range(1, trees.num_nodes[tree]):
            _add_joint(trees, tree, trees.parent[tree, node], trees.arrived[tree, node], node)


@kernel
def clear(trees, rows):
    """Empty the trees `rows`; what their nodes and edges held is written over when they are used again."""
    for row in rows:
        trees.num_nodes[row] = 0
        trees.num_edges[row] = 0
        trees.joint_key[row, :] = _EMPTY


@kernel
def add_edge(trees, tree, node, slot, action, prior):
    """A new edge at the head of its list."""
    edge = trees.num_edges[tree]
    trees.num_edges[tree] = edge + 1
    trees.edge_next[tree, edge] = trees.first_edge[tree, node, slot]
    trees.first_edge[tree, node, slot] = edge
    trees.edge_action[tree, edge] = action
    trees.edge_child[tree, edge] = NONE
    trees.edge_prior[tree, edge] = prior
    trees.edge_visits[tree, edge] = 0
    trees.edge_total[tree, edge] = 0.0
    trees.edge_seen[tree, edge] = 0
    return edge


@kernel
def find_edge(trees, tree, node, slot, action):
    """The edge of an action; -1 where there is none."""
    edge = trees.first_edge[tree, node, slot]
    while edge != NONE and trees.edge_action[tree, edge] != action:
        edge = trees.edge_next[tree, edge]
    return edge


@kernel
def _expand_player(trees, tree, node, slot, mask, logits):
    """Edges for all legal actions of one player, the lowest id first; `logits` of length 0 are uniform."""
    highest, total = -np.inf, 0.0
    uniform = logits.shape[0] == 0
    for place in range(mask.shape[0] if not uniform else 0):
        if mask[place]:
            for bit in range(8):
                if mask[place] >> bit & 1:
                    highest = max(highest, logits[8 * place + bit])
    for place in range(mask.shape[0]):
        if mask[place]:
            for bit in range(8):
                if mask[place] >> bit & 1:
                    total += 1.0 if uniform else np.exp(np.float64(logits[8 * place + bit]) - highest)
    for back in range(mask.shape[0]):
        place = mask.shape[0] - 1 - back
        if mask[place]:
            for bit in range(7, -1, -1):
                if mask[place] >> bit & 1:
                    action = 8 * place + bit
                    weight = 1.0 if uniform else np.exp(np.float64(logits[action]) - highest)
                    add_edge(trees, tree, node, slot, action, weight / total)


@kernel
def add_node(trees, tree, values):
    """A new node without edges, whose evaluation `values` [P] is its first visit."""
    node = trees.num_nodes[tree]
    trees.num_nodes[tree] = node + 1
    trees.visits[tree, node] = 1
    trees.parent[tree, node] = NONE
    trees.mover[tree, node] = NONE
    for player in range(values.shape[0]):
        trees.totals[tree, node, player] = values[player]
        trees.evaluation[tree, node, player] = values[player]
    for slot in range(trees.first_edge.shape[2]):
        trees.first_edge[tree, node, slot] = NONE
    return node


@kernel
def link(trees, tree, node, parent, actions, edge):
    """Make `node` the child of `parent` under `actions` [slots], by `edge` where one player moves."""
    trees.parent[tree, node] = parent
    for slot in range(actions.shape[0]):
        trees.arrived[tree, node, slot] = actions[slot]
    if actions.shape[0] == 1:
        trees.edge_child[tree, edge] = node
    else:
        _add_joint(trees, tree, parent, actions, node)


@kernel
def expand(trees, rows, masks, logits, values, depth, path_nodes, path_actions, path_edges):
    """Add a node for the state that each tree of `rows` [n] has walked to, and count its evaluation.

    `masks` [n, P, mask_bytes], `logits` [n, slots, num_actions] or [n, slots, 0], `values` [n, P].
    """
    slots, players = trees.first_edge.shape[2], trees.totals.shape[2]
    for index in range(rows.shape[0]):
        tree = rows[index]
        node = add_node(trees, tree, values[index])
        last = depth[tree] - 1
        if last >= 0:
            edge = path_edges[tree, last, 0]
            link(trees, tree, node, path_nodes[tree, last], path_actions[tree, last], edge)
        if slots > 1:
            for seat in range(players):
                _expand_player(trees, tree, node, seat, masks[index, seat], logits[index, seat])
        else:
            for seat in range(players):
                if count_legal(masks[index, seat]):
                    trees.mover[tree, node] = seat
                    _expand_player(trees, tree, node, 0, masks[index, seat], logits[index, 0])


@kernel
def root_statistics(trees, worlds, players, visits, totals):
    """Add up the root edges of the asking `players` [G] over the trees of each group.

    Fills `visits` [G, num_actions] int32 and `totals` [G, num_actions] float64.
    """
    slots = trees.first_edge.shape[2]
    for group in range(players.shape[0]):
        visits[group, :] = 0
        totals[group, :] = 0.0
        slot = players[group] if slots > 1 else 0
        for tree in range(group * worlds, (group + 1) * worlds):
            edge = trees.first_edge[tree, 0, slot]
            while edge != NONE:
                visits[group, trees.edge_action[tree, edge]] += trees.edge_visits[tree, edge]
                totals[group, trees.edge_action[tree, edge]] += trees.edge_total[tree, edge]
                edge = trees.edge_next[tree, edge]


@kernel
def root_priors(trees, worlds, players, priors):
    """Fill `priors` [G, num_actions] with the asking players' root priors, the mean over their trees."""
    slots = trees.first_edge.shape[2]
    for group in range(players.shape[0]):
        slot = players[group] if slots > 1 else 0
        for tree in range(group * worlds, (group + 1) * worlds):
            edge = trees.first_edge[tree, 0, slot]
            while edge != NONE:
                priors[group, trees.edge_action[tree, edge]] += trees.edge_prior[tree, edge] / worlds
                edge = trees.edge_next[tree, edge]


@njit(nogil=True, cache=True)  # it allocates: no `kernel`
def reroot(trees, tree, actions):
    """Make the child under `actions` [slots] the root and drop the rest; False where there is none."""
    slots = trees.first_edge.shape[2]
    if trees.num_nodes[tree] == 0:
        return False
    if slots == 1:
        edge = find_edge(trees, tree, 0, 0, actions[0])
        root = trees.edge_child[tree, edge] if edge != NONE else NONE
    else:
        root = find_joint(trees, tree, 0, actions)
    if root == NONE:
        return False
    count = trees.num_nodes[tree]
    new = np.full(count, NONE, np.int32)
    kept = 0
    for node in range(root, count):  # parents come before children
        parent = trees.parent[tree, node]
        if node == root or (parent != NONE and new[parent] != NONE):
            new[node] = kept
            kept += 1
    _move_edges(trees, tree, root, new)
    for node in range(root, count):
        to = new[node]
        if to == NONE:
            continue
        trees.mover[tree, to] = trees.mover[tree, node]
        trees.visits[tree, to] = trees.visits[tree, node]
        trees.totals[tree, to] = trees.totals[tree, node]
        trees.evaluation[tree, to] = trees.evaluation[tree, node]
        trees.arrived[tree, to] = trees.arrived[tree, node]
        trees.first_edge[tree, to] = trees.first_edge[tree, node]
        trees.parent[tree, to] = NONE if node == root else new[trees.parent[tree, node]]
    trees.num_nodes[tree] = kept
    if slots > 1:
        trees.joint_key[tree, :] = _EMPTY
        for node in range(1, kept):
            _add_joint(trees, tree, trees.parent[tree, node], trees.arrived[tree, node], node)
    return True


@njit(cache=True)
def _move_edges(trees, tree, root, new):
    """Pack the edges of the nodes that stay (`new` is not -1), and number their children anew."""
    total = trees.num_edges[tree]
    place = np.full(total, NONE, np.int32)
    for node in range(root, new.shape[0]):
        if new[node] != NONE:
            for slot in range(trees.first_edge.shape[2]):
                edge = trees.first_edge[tree, node, slot]
                while edge != NONE:
                    place[edge] = 0
                    edge = trees.edge_next[tree, edge]
    kept = 0
    for edge in range(total):
        if place[edge] != NONE:
            place[edge] = kept
            kept += 1
    for edge in range(total):
        to = place[edge]
        if to == NONE:
            continue
        following, child = trees.edge_next[tree, edge], trees.edge_child[tree, edge]
        trees.edge_next[tree, to] = place[following] if following != NONE else NONE
        trees.edge_child[tree, to] = new[child] if child != NONE else NONE
        trees.edge_action[tree, to] = trees.edge_action[tree, edge]
        trees.edge_prior[tree, to] = trees.edge_prior[tree, edge]
        trees.edge_visits[tree, to] = trees.edge_visits[tree, edge]
        trees.edge_total[tree, to] = trees.edge_total[tree, edge]
        trees.edge_seen[tree, to] = trees.edge_seen[tree, edge]
    for node in range(root, new.shape[0]):
        if new[node] != NONE:
            for slot in range(trees.first_edge.shape[2]):
                first = trees.first_edge[tree, node, slot]
                trees.first_edge[tree, node, slot] = place[first] if first != NONE else NONE
    trees.num_edges[tree] = kept
