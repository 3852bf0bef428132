"""A scripted judgement of Generals positions: who is how likely to win, and which moves are worth a look.

For the leaves of a search, where everything on the board is known. One pass over a position: walking
distances for each side, then a value for each player and a score for each action. Nothing here draws a
random number, and nothing looks ahead: that is the search's work.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np

from strategos.games.compiled import kernel
from strategos.games.generals.record import CITY, DEAD, GENERAL, MOUNTAIN
from strategos.games.spec import Game
from strategos.play.generals_fields import contiguous_fields

FAR = 1 << 20
THREAT_STEPS = 3
"""Enemy stacks within this many steps of a general are answered."""

# Weights of the value's terms, log odds; set by hand.
ARMY, LAND, STRUCTURES, STRIKE, MATE = 2.0, 1.0, 0.5, 1.5, 2.0


class Boards(NamedTuple):
    """Fields of states: arrays [n, ...] of a batch, or what one state holds."""

    tick: Any
    army_total: Any
    land_total: Any
    general: Any
    army: Any
    owner: Any
    terrain: Any
    ways: Any
    status: Any
    team: Any
    stride: Any
    deathtouch: Any


class _Fields(NamedTuple):
    """Working memory. A side is a team, numbered by its first player."""

    side: Any  # int64 [P]
    living: Any  # int64 [P]: living players of each side
    goal: Any  # int32 [P, cells]: a side's steps to the nearest enemy general
    victim: Any  # int32 [P, cells]: the tile of that general
    front: Any  # int32 [P, cells]: a side's steps to the nearest tile it can take
    queue: Any  # int32 [cells]
    strike: Any  # float64 [P]: how near a side's best stack is to taking a general
    mate: Any  # float64 [P]: 1 where a side can take a general at once
    structures: Any  # int64 [P]
    score: Any  # float64 [P]


class ScriptedEvaluator:
    """Values from material and threats, logits from what a move takes and where it leads."""

    def evaluate(self, game: Game, states: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Logits [n, P, num_actions] float32 and values [n, P] float32 of Generals `states` [n].

        Values are expected returns in [-1, 1] and sum to zero over the teams. Logits of illegal actions
        mean nothing.
        """
        size, players = states["team"].shape
        cells = states["owner"].shape[1]
        logits = np.empty((size, players, game.spec.num_actions), np.float32)
        values = np.empty((size, players), np.float32)
        columns = contiguous_fields(states, Boards._fields[:-1])
        boards = Boards(*columns, *contiguous_fields(states["rules"], ["deathtouch_tick"]))
        by_player = (np.zeros(players) for _ in range(4))
        fields = _Fields(
            side=np.zeros(players, np.int64),
            living=np.zeros(players, np.int64),
            goal=np.zeros((players, cells), np.int32),
            victim=np.zeros((players, cells), np.int32),
            front=np.zeros((players, cells), np.int32),
            queue=np.zeros(cells, np.int32),
            strike=next(by_player),
            mate=next(by_player),
            structures=np.zeros(players, np.int64),
            score=next(by_player),
        )
        _evaluate(boards, fields, logits, values)
        return logits, values


@kernel
def _evaluate(boards, fields, logits, values):
    """Fill `logits` [n, P, num_actions] and `values` [n, P]."""
    for row in range(values.shape[0]):
        board = Boards(
            int(boards.tick[row]),
            boards.army_total[row],
            boards.land_total[row],
            boards.general[row],
            boards.army[row],
            boards.owner[row],
            boards.terrain[row],
            boards.ways[row],
            boards.status[row],
            boards.team[row],
            int(boards.stride[row]),
            int(boards.deathtouch[row]),
        )
        _survey(board, fields)
        _measure(board, fields)
        _write_values(board, fields, values[row])
        for player in range(values.shape[1]):
            _write_logits(board, fields, player, logits[row, player])


@kernel
def _target(cell, direction, stride):
    """The neighbour up, down, left, right = 0..3; only asked where a way leads there."""
    if direction < 2:
        return cell - stride if direction == 0 else cell + stride
    return cell - 1 if direction == 2 else cell + 1


@kernel
def _survey(board, fields):
    """Number the sides and measure their ways."""
    players, cells = board.team.shape[0], board.owner.shape[0]
    side = fields.side
    for player in range(players):
        fields.living[player] = 0
        side[player] = player
        for other in range(player, -1, -1):
            if board.team[other] == board.team[player]:
                side[player] = other
        fields.living[side[player]] += board.status[player] != DEAD
    for player in range(players):
        if side[player] != player or fields.living[player] == 0:
            continue
        found = 0
        goal, victim = fields.goal[player], fields.victim[player]
        goal[:] = FAR
        for other in range(players):
            place = board.general[other]
            if place >= 0 and side[other] != player and board.status[other] != DEAD:
                goal[place], victim[place] = 0, place
                fields.queue[found] = place
                found += 1
        _walk(board, fields.queue, found, goal, victim)
        found = 0
        front = fields.front[player]
        front[:] = FAR
        for cell in range(cells):
            holder = board.owner[cell]
            if board.terrain[cell] == MOUNTAIN or (holder < 0 and board.terrain[cell] == CITY):
                continue
            if holder < 0 or side[holder] != player:
                front[cell] = 0
                fields.queue[found] = cell
                found += 1
        _walk(board, fields.queue, found, front, front[:0])


@kernel
def _walk(board, queue, found, steps, source):
    """Walking distances from the first `found` tiles of the queue; neutral cities are in the way.

    `source`, unless it is empty, is carried along from the tile that a way began at.
    """
    head, tail = 0, found
    while head < tail:
        cell = queue[head]
        head += 1
        for direction in range(4):
            if not board.ways[cell] >> (2 * direction) & 1:
                continue
            other = _target(cell, direction, board.stride)
            if steps[other] < FAR or (board.terrain[other] == CITY and board.owner[other] < 0):
                continue
            steps[other] = steps[cell] + 1
            if source.shape[0] > 0:
                source[other] = source[cell]
            queue[tail] = other
            tail += 1


@kernel
def _measure(board, fields):
    """Structures of each side and its best stroke at a general."""
    fields.strike[:] = 0.0
    fields.mate[:] = 0.0
    fields.structures[:] = 0
    touch = 0 < board.deathtouch <= board.tick
    for cell in range(board.owner.shape[0]):
        holder = board.owner[cell]
        if holder < 0:
            continue
        side = fields.side[holder]
        fields.structures[side] += board.terrain[cell] == CITY or board.terrain[cell] == GENERAL
        steps = fields.goal[side, cell]
        if board.army[cell] < 2 or fields.living[side] == 0 or steps >= FAR:
            continue
        garrison = board.army[fields.victim[side, cell]]
        sent = board.army[cell] - 1
        strength = min(sent / (garrison + steps + 1.0), 2.0)
        fields.strike[side] = max(fields.strike[side], strength * 4.0 / (7.0 + steps))
        if steps == 1 and (sent > garrison or touch):
            fields.mate[side] = 1.0


@kernel
def _write_values(board, fields, values):
    """The expected return of each player: its side's chance to win, among the sides that live."""
    players = board.team.shape[0]
    side, score = fields.side, fields.score
    sides, best = 0, -math.inf
    for player in range(players):
        if side[player] != player:
            continue
        sides += 1
        army, land = 0, 0
        for other in range(players):
            if side[other] == player:
                army += board.army_total[other]
                land += board.land_total[other]
        score[player] = -math.inf
        if fields.living[player] > 0:
            score[player] = (
                ARMY * math.log(1.0 + army)
                + LAND * math.log(1.0 + land)
                + STRUCTURES * math.log(1.0 + fields.structures[player])
                + STRIKE * fields.strike[player]
                + MATE * fields.mate[player]
            )
        best = max(best, score[player])
    total = 0.0
    for player in range(players):
        if side[player] == player and score[player] > -math.inf:
            total += math.exp(score[player] - best)
    for player in range(players):
        chance = math.exp(score[side[player]] - best) / total if total > 0.0 else 1.0 / sides
        values[player] = chance - (1.0 - chance) / (sides - 1)


@kernel
def _threat(board, fields, player):
    """The nearest enemy stack that can take the player's general and is close to it, or -1."""
    home = board.general[player]
    if home < 0:
        return -1
    worst, worst_steps = -1, THREAT_STEPS + 1
    for cell in range(board.owner.shape[0]):
        holder = board.owner[cell]
        if holder < 0 or fields.side[holder] == fields.side[player] or board.army[cell] < 2:
            continue
        steps = fields.goal[fields.side[holder], cell]
        aimed = steps < worst_steps and fields.victim[fields.side[holder], cell] == home
        if aimed and board.army[cell] - steps > board.army[home] + steps // 2:
            worst, worst_steps = cell, steps
    return worst


@kernel
def _write_logits(board, fields, player, logits):
    """Scores of the player's actions."""
    cells = board.owner.shape[0]
    logits[:] = -4.0
    logits[8 * cells :] = 0.5  # where one can build, it mostly pays
    logits[logits.shape[0] - 1] = -1.0
    if board.status[player] == DEAD:
        return
    threat = _threat(board, fields, player)
    for cell in range(cells):
        if board.owner[cell] != player or board.army[cell] < 1:
            continue
        for direction in range(4):
            if board.ways[cell] >> (2 * direction) & 1:
                target = _target(cell, direction, board.stride)
                action = 8 * cell + 2 * direction
                logits[action] = _score(board, fields, player, cell, target, board.army[cell] - 1, threat)
                logits[action + 1] = (
                    _score(board, fields, player, cell, target, board.army[cell] >> 1, threat) - 1.5
                )


@kernel
def _score(board, fields, player, cell, target, sent, threat):
    """What it is worth to send so many armies from `cell` to `target`."""
    side, home = fields.side[player], board.general[player]
    holder, defence = board.owner[target], board.army[target]
    size = math.log2(sent + 1.0)
    nearer = 0.0
    if fields.goal[side, target] < FAR and fields.goal[side, cell] < FAR:
        nearer = float(fields.goal[side, cell] - fields.goal[side, target])
    score = 0.0
    if threat >= 0:
        if target == threat:
            score += 6.0 if sent > defence else 2.0
        if target == home:
            score += 2.0 + 0.5 * size
        if cell == home and target != threat:
            score -= 4.0
    if holder >= 0 and fields.side[holder] == side:
        outward = 0.0
        if fields.front[side, target] < FAR and fields.front[side, cell] < FAR:
            outward = float(fields.front[side, cell] - fields.front[side, target])
        score += 0.3 * size * nearer + 0.5 * outward + 0.1 * math.log2(defence + 1.0) - 1.0
        return score - (2.0 if holder != player else 0.0)
    score += 0.2 * size * nearer
    takes = sent > defence
    if holder >= 0:
        if board.terrain[target] == GENERAL:
            touched = 0 < board.deathtouch <= board.tick
            return 12.0 if takes or touched else score + 3.0 * sent / (defence + 1.0) - 2.0
        if board.terrain[target] == CITY:
            return score + (5.0 if takes else -1.0)
        return score + (2.5 + 0.3 * math.log2(defence + 1.0) if takes else 2.0 * sent / (defence + 1.0) - 2.5)
    if board.terrain[target] == CITY:
        return score + (2.5 if takes else -5.0)
    return score + (1.5 if takes else -4.0)
