"""How a position of Generals changes: legal actions, one tick, surrender, the end and its worth.

Written from the rules, one paragraph a function. Everything happens in place on a `Position`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from strategos.games.generals.record import (
    ALIVE,
    BY_CHASE,
    BY_INDEX,
    BY_PRIORITY,
    CITY,
    DEAD,
    GENERAL,
    MOUNTAIN,
    NEUTRAL,
    PLAIN,
    SURRENDERED,
)
from strategos.games.generals.reference.position import (
    Position,
    army_totals,
    found_city,
    land,
    land_totals,
    lift_disguises,
    same_team,
)

CHEAPEST_BUILD = 35


class Move(NamedTuple):
    """One player's intention: some of the stack on `source` to the tile beside it."""

    player: int
    source: int
    target: int
    half: bool


# What a player may do


def build_cost(position: Position, player: int, cell: int) -> int:
    """35, and up to 14 more for each own structure nearby."""
    row, column = divmod(cell, position.stride)
    cost = CHEAPEST_BUILD
    for structure in land(position, player):
        if position.terrain[structure] in (CITY, GENERAL):
            y, x = divmod(structure, position.stride)
            cost += max(0, 14 - 2 * (abs(y - row) + abs(x - column)))
    return cost


def can_build(position: Position, player: int, cell: int) -> bool:
    """Whether the player may build on this tile now: an own plain one that can pay."""
    army = position.army[cell]
    if position.owner[cell] != player or position.terrain[cell] != PLAIN or army < CHEAPEST_BUILD:
        return False
    return army >= build_cost(position, player, cell)


def can_move(position: Position, player: int, source: int, target: int | None) -> bool:
    """Whether the player may move from one tile to the one beside it (None beyond the edge) now."""
    stack = position.army[source]
    if target is None or position.owner[source] != player or position.terrain[target] == MOUNTAIN:
        return False
    if stack == 1:
        # A lone army cannot leave, but it may lay claim to a teammate's tile.
        holder = position.owner[target]
        return holder != player and same_team(position, player, holder)
    return stack > 1


def is_legal(position: Position, player: int, action: int) -> bool:
    """Whether the player may choose this action id now."""
    if action == position.pass_action:
        return True
    if not 0 <= action < position.pass_action or position.status[player] != ALIVE:
        return False
    if action >= 8 * len(position.army):
        return can_build(position, player, action - 8 * len(position.army))
    source, order = divmod(action, 8)
    return can_move(position, player, source, position.neighbours[source][order // 2])


def legal(position: Position, player: int) -> set[int]:
    """All legal action ids; pass is always among them."""
    choices = {position.pass_action}
    if position.status[player] != ALIVE:
        return choices
    for cell in land(position, player):
        for direction, target in enumerate(position.neighbours[cell]):
            if can_move(position, player, cell, target):
                whole = cell * 8 + direction * 2
                choices |= {whole, whole + 1}
        if position.rules["builds"] and can_build(position, player, cell):
            choices.add(8 * len(position.army) + cell)
    return choices


def read_move(position: Position, player: int, action: int) -> Move | None:
    """The move that an id `cell * 8 + direction * 2 + half` stands for; None if it leaves the board."""
    source, order = divmod(action, 8)
    target = position.neighbours[source][order // 2]
    return None if target is None else Move(player, source, target, half=order % 2 == 1)


# A tick


def step(position: Position, actions: Sequence[int]) -> list[int]:
    """Play one tick in place, `actions` [P] ids. Returns [P] flags: 1 where an id was refused."""
    illegal = [0] * len(position.team)
    if position.over:
        return illegal
    builds, moves = [], []
    for player, action in enumerate(actions):
        if not is_legal(position, player, action):
            illegal[player] = 1
        elif action == position.pass_action:
            continue
        elif action >= 8 * len(position.army):
            cell = action - 8 * len(position.army)
            builds.append((cell, build_cost(position, player, cell)))
        else:
            move = read_move(position, player, action)
            assert move is not None
            moves.append(move)

    pending = in_order(position, moves)  # armies and owners as the tick begins, before the builds
    for cell, cost in builds:
        position.army[cell] -= cost
        found_city(position, cell)
    captures = []
    while pending:
        move = next_move(position, pending)
        pending.remove(move)
        victim = execute(position, move)
        if victim is not None:
            captures.append((move.player, victim))
            if not position.rules["capture_ends"]:
                conquer(position, move.player, victim, spared=move.target)
        pending = [move for move in pending if position.status[move.player] == ALIVE]
    decided = bool(captures) and bool(position.rules["capture_ends"])
    if decided:
        settle(position, captures)
    position.tick += 1
    if not decided:
        grow(position)
    lift_disguises(position)
    judge(position)
    return illegal


def in_order(position: Position, moves: list[Move]) -> list[Move]:
    """Sort the moves of a tick by the ruleset's keys, on the position in which the tick began."""
    base = sorted(moves, key=lambda move: move.player, reverse=position.tick % 2 == 1)
    order = position.rules["order"]
    if order == BY_INDEX:
        return base
    if order == BY_PRIORITY:
        return sorted(
            base,  # Python's sort is stable: ties stay in base order
            key=lambda move: (
                not same_team(position, move.player, position.owner[move.target]),
                position.terrain[move.target] == GENERAL,
                -position.army[move.source],
            ),
        )
    assert order == BY_CHASE
    sources = [move.source for move in moves]
    chasers = [move for move in moves if move.target in sources]
    return sorted(
        moves,
        key=lambda move: (
            not (len(chasers) == 1 and move is chasers[0]),
            position.owner[move.target] != move.player,
            position.army[move.source],
            move.player,
        ),
    )


def next_move(position: Position, pending: list[Move]) -> Move:
    """The first move of the sorted list that nothing blocks, or the first if all are blocked."""
    if position.rules["order"] != BY_PRIORITY:
        return pending[0]
    for move in pending:
        if not any(other.target == move.source and other.source != move.target for other in pending):
            return move
    return pending[0]


def execute(position: Position, move: Move) -> int | None:
    """Carry out a move if it is still possible; returns the player whose general it took."""
    player, source, target, half = move
    if not can_move(position, player, source, target):
        return None
    stack = position.army[source]
    marching = stack // 2 if half else stack - 1
    holder, defence = position.owner[target], position.army[target]
    at_general = position.terrain[target] == GENERAL
    position.army[source] -= marching
    if same_team(position, player, holder):
        position.army[target] += marching
        if not at_general:
            position.owner[target] = player
        return None
    touch = position.rules["deathtouch_tick"]
    touches = at_general and 0 < touch <= position.tick
    if marching <= defence and not touches:
        position.army[target] = defence - marching
        return None
    position.army[target] = max(marching - defence, 0)
    position.owner[target] = player
    if not at_general:
        return None
    found_city(position, target)
    position.general[holder] = -1
    return holder


def conquer(position: Position, captor: int, victim: int, spared: int) -> None:
    """All the victim's land to the captor, halved rounding up but for the captured tile `spared`."""
    for cell in land(position, victim):
        position.owner[cell] = captor
        if position.rules["capture_halves"] and cell != spared:
            position.army[cell] = (position.army[cell] + 1) // 2
    die(position, victim)


def die(position: Position, player: int) -> None:
    position.status[player] = DEAD
    if position.death[player] == 0:  # who surrendered has a place in the order already
        position.num_dead += 1
        position.death[player] = position.num_dead


def settle(position: Position, captures: list[tuple[int, int]]) -> None:
    """End a game of two whose tick took one general or both."""
    if len(captures) == 2 and position.rules["mutual_capture_draws"]:
        for _, victim in captures:
            die(position, victim)
        return
    captor, victim = captures[-1]
    conquer(position, captor, victim, spared=-1)


def grow(position: Position) -> None:
    """Growth at the tick that has just begun: structures on even ticks, all land on every 50th."""
    for cell in position.cells:
        holder, terrain = position.owner[cell], position.terrain[cell]
        if position.tick % 2 == 0:
            if holder == NEUTRAL:
                if position.rules["cities_regrow"] and terrain == CITY and position.army[cell] < 40:
                    position.army[cell] += 1
            elif terrain in (CITY, GENERAL):  # a surrendered player's general grows until it is freed
                position.army[cell] += 1
        if position.tick % 50 == 0 and holder != NEUTRAL:
            position.army[cell] += 1


def judge(position: Position) -> None:
    """End the game when one team, or nobody, is left alive, or at the tick of the draw."""
    teams = {position.team[player] for player in position.players if position.status[player] == ALIVE}
    if len(teams) <= 1:
        position.over = 1
        position.winner = teams.pop() if teams else -1
    elif 0 < position.rules["draw_tick"] <= position.tick:
        position.over = 1
        position.winner = -1


def leave(position: Position, player: int) -> None:
    """Surrender: the first call ends the player's moves, the second frees the land."""
    if position.over:
        return
    if position.status[player] == ALIVE:
        die(position, player)
        position.status[player] = SURRENDERED
    elif position.status[player] == SURRENDERED:
        heirs = [
            mate
            for mate in position.players
            if position.status[mate] == ALIVE and same_team(position, player, mate)
        ]
        for cell in land(position, player):
            position.owner[cell] = heirs[0] if heirs else NEUTRAL
        found_city(position, position.general[player])
        position.general[player] = -1
        position.status[player] = DEAD
        lift_disguises(position)
    judge(position)


# What a game is worth


def returns(position: Position) -> list[float]:
    """[P] +1 for the winning team, the loss shared among the others; zeros in a draw or before the end."""
    if not position.over or position.winner == -1:
        return [0.0] * len(position.team)
    losing_teams = len(set(position.team)) - 1
    return [1.0 if team == position.winner else -1.0 / losing_teams for team in position.team]


def ranking(position: Position) -> list[int]:
    """[P] places from 1: the living by army, then land, then index; the dead, last to die first."""

    armies, lands = army_totals(position), land_totals(position)

    def place(player: int) -> tuple[int, ...]:
        if position.status[player] == ALIVE:
            return (0, -armies[player], -lands[player], player)
        return (1, -position.death[player])

    ranked = sorted(position.players, key=place)
    return [ranked.index(player) + 1 for player in position.players]
