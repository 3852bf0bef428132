"""The rules of Generals: one tick of one game, as compiled functions of its record.

Integer-only and allocation-free. Nothing here looks at a view, draws a random number or knows
of batches beyond `step_games`, which walks a slice of one. The package `reference` is the
readable twin that the tests hold equal.
"""

from __future__ import annotations

import numpy as np

from strategos.games.compiled import inlined, kernel
from strategos.games.generals.record import (
    ALIVE,
    BY_CHASE,
    BY_INDEX,
    CITY,
    DEAD,
    GENERAL,
    MOUNTAIN,
    NEUTRAL,
    PLAIN,
    SURRENDERED,
)
from strategos.games.generals.tiles import (
    found_city,
    give_land,
    hand_over,
    index_stacks,
    sees,
    set_army,
    target_of,
)

BUILD_COST, BUILD_CROWDING, BUILD_REACH = 35, 14, 2
REGROWTH_LIMIT = 40
GROWTH_TICKS, LAND_GROWTH_TICKS = 2, 50
_NO_MOVE = -1

# Rows of the working memory of a tick, int64 [3, MAX_PLAYERS].
_TARGET, _ORDER, _RANK = range(3)


@kernel
def _bury(state, player):
    """Mark the player dead; one who surrendered keeps the place in the order of deaths."""
    if state.status[player] == ALIVE:
        state.num_dead += 1
        state.death[player] = state.num_dead
    state.status[player] = DEAD


@kernel
def can_move(position, player, source, target):
    """Whether a move from `source` to `target` (a neighbour, or -1) is legal now.

    `position` is a state or a view: like all that decides legality, this reads only what both have.
    """
    if target < 0 or position.owner[source] != player or position.terrain[target] == MOUNTAIN:
        return False
    if position.army[source] >= 2:
        return True
    owner = position.owner[target]  # a lone army may still be given to a teammate
    if position.army[source] < 1 or owner < 0 or owner == player:
        return False
    return position.team[owner] == position.team[player]


@kernel
def execute_move(state, player, source, target, half):
    """Play one move if it is legal now; returns 1 if it captured a general, else 0.

    Where a capture does not end the game, the loser's land changes hands at once; where it does
    (`capture_ends`), the caller settles it after the moves of the tick.
    """
    if not can_move(state, player, source, target):
        return 0
    army = state.army[source]
    sent = army >> 1 if half else army - 1
    set_army(state, source, player, army - sent)
    owner, defence = np.int64(state.owner[target]), np.int64(state.army[target])
    if owner == player:
        set_army(state, target, player, defence + sent)
        return 0
    general = owner >= 0 and state.terrain[target] == GENERAL
    if owner >= 0 and state.team[owner] == state.team[player]:
        gift = sent if general else -defence
        state.army_total[owner] += gift
        state.army_total[player] -= gift
        if general:
            set_army(state, target, owner, defence + sent)
        else:
            hand_over(state, target, player, defence + sent)
        return 0
    touched = general and 0 < state.rules.deathtouch_tick <= state.tick
    taken = sent > defence or touched
    state.army_total[player] -= min(sent, defence)
    if owner >= 0:  # a touched general loses what is left of its defence, too
        state.army_total[owner] -= defence if taken else sent
    if taken:
        hand_over(state, target, player, max(sent - defence, 0))
    elif owner >= 0:
        set_army(state, target, owner, defence - sent)
    else:
        state.army[target] = defence - sent
    if not (taken and general):
        return 0
    state.general[owner] = -1
    found_city(state, target)
    if not state.rules.capture_ends:
        _bury(state, owner)
        give_land(state, owner, player, state.rules.capture_halves)
    return 1


@kernel
def build_cost(position, player, cell):
    """What a city at `cell` would cost the player: dearer beside own structures."""
    stride = position.stride
    rows, near = position.owner.shape[0] // stride, BUILD_CROWDING // BUILD_REACH
    row, column = cell // stride, cell % stride
    cost = BUILD_COST
    for r in range(max(row - near, 0), min(row + near + 1, rows)):
        for c in range(max(column - near, 0), min(column + near + 1, stride)):
            terrain = position.terrain[r * stride + c]
            if position.owner[r * stride + c] == player and (terrain == CITY) | (terrain == GENERAL):
                cost += max(0, BUILD_CROWDING - BUILD_REACH * (abs(r - row) + abs(c - column)))
    return cost


@kernel
def can_build(position, player, cell):
    """Whether the player may build at `cell`: an own plain tile that can pay."""
    army = position.army[cell]
    if position.owner[cell] != player or position.terrain[cell] != PLAIN or army < BUILD_COST:
        return False
    return army >= build_cost(position, player, cell)


@kernel
def is_legal(state, player, action):
    """Whether an action id is legal for the player now; pass always is."""
    cells = state.owner.shape[0]
    num_actions = cells * (9 if state.rules.builds else 8) + 1
    if action == num_actions - 1:
        return True
    if action < 0 or action >= num_actions or state.status[player] != ALIVE:
        return False
    if action >= 8 * cells:
        return can_build(state, player, action - 8 * cells)
    return can_move(state, player, action >> 3, target_of(state, action))


@kernel
def _first_by_chase(state, actions, targets):
    """Which of players 0 and 1 moves first in `duel` and `competition`."""
    source0, source1 = actions[0] >> 3, actions[1] >> 3
    chase0, chase1 = targets[0] == source1, targets[1] == source0
    if chase0 != chase1:
        return 0 if chase0 else 1
    own0, own1 = state.owner[targets[0]] == 0, state.owner[targets[1]] == 1
    if own0 != own1:
        return 0 if own0 else 1
    return 1 if state.army[source1] < state.army[source0] else 0


@kernel
def _play_chase(state, actions, targets):
    """Both moves of a duel; a capture is settled after the second. Returns 1 if one happened."""
    first = 0
    if targets[0] >= 0 and targets[1] >= 0:
        first = _first_by_chase(state, actions, targets)
    captor = first
    captures = 0
    for player in (first, 1 - first):
        if targets[player] >= 0 and execute_move(
            state, player, actions[player] >> 3, targets[player], actions[player] & 1
        ):
            captor = player
            captures += 1
    if captures == 0:
        return 0
    if captures == 2 and state.rules.mutual_capture_draws:
        _bury(state, 1 - first)
        _bury(state, first)
    else:
        _bury(state, 1 - captor)
        give_land(state, 1 - captor, captor, state.rules.capture_halves)
    return 1


@kernel
def _play_index(state, actions, targets):
    """Moves by player index, ascending on even ticks and descending on odd ones."""
    players = actions.shape[0]
    for turn in range(players):
        player = turn if state.tick % 2 == 0 else players - 1 - turn
        if targets[player] >= 0 and state.status[player] == ALIVE:
            execute_move(state, player, actions[player] >> 3, targets[player], actions[player] & 1)


@kernel
def _rank(state, player, source, target):
    """Sorting key of a move in `generalsio`: own team's tiles first, generals last, large armies first."""
    owner = state.owner[target]
    rank = int(state.army[source])
    if owner < 0 or state.team[owner] != state.team[player]:
        rank -= 1 << 40
    if state.terrain[target] == GENERAL:
        rank -= 1 << 36
    return rank


@kernel
def _blocked(actions, targets, order, pending, place):
    """Whether another pending move ends on this move's source and does not start on its target."""
    player = order[place]
    source, target = actions[player] >> 3, targets[player]
    for other in range(pending):
        rival = order[other]
        if other != place and targets[rival] == source and actions[rival] >> 3 != target:
            return True
    return False


@kernel
def _commute(state, actions, targets):
    """Whether no two moves touch a common tile and none goes onto a general: any order is the same."""
    players = actions.shape[0]
    for player in range(players):
        if targets[player] >= 0:
            source, target = actions[player] >> 3, targets[player]
            if state.terrain[target] == GENERAL:
                return False
            for other in range(player):
                if targets[other] >= 0:
                    rival = actions[other] >> 3
                    meet = (rival == source) | (rival == target)
                    if meet | (targets[other] == source) | (targets[other] == target):
                        return False
    return True


@kernel
def _play_priority(state, actions, targets, order, ranks):
    """The live game's order: sorted moves, a chaser before the chased."""
    players = actions.shape[0]
    pending = 0
    for turn in range(players):
        player = turn if state.tick % 2 == 0 else players - 1 - turn
        if targets[player] < 0:
            continue
        rank = _rank(state, player, actions[player] >> 3, targets[player])
        place = pending
        while place > 0 and ranks[place - 1] < rank:
            order[place], ranks[place] = order[place - 1], ranks[place - 1]
            place -= 1
        order[place], ranks[place] = player, rank
        pending += 1
    while pending > 0:
        place = 0
        while place < pending and _blocked(actions, targets, order, pending, place):
            place += 1
        if place == pending:
            place = 0
        player = order[place]
        captured = execute_move(state, player, actions[player] >> 3, targets[player], actions[player] & 1)
        kept = 0
        for other in range(pending):
            if other != place and (not captured or state.status[order[other]] == ALIVE):
                order[kept] = order[other]
                kept += 1
        pending = kept


@kernel
def _reveal(state):
    """Cities founded during the game lose their disguise for every player who sees them."""
    if state.disguises == 0:
        return
    left = 0
    for slot in range(state.num_cities):
        if state.disguise[slot] != 0:
            for player in range(state.status.shape[0]):
                if state.disguise[slot] >> player & 1 and sees(state, player, state.city[slot]):
                    state.disguise[slot] ^= 1 << player
            left |= state.disguise[slot]
    state.disguises = left


@kernel
def _feed(state, cell):
    """One more army on an owned structure."""
    owner = state.owner[cell]
    state.army_total[owner] += 1
    set_army(state, cell, owner, state.army[cell] + 1)


@kernel
def _grow(state):
    """Growth of the tick that has just been counted."""
    if state.tick % GROWTH_TICKS == 0:
        for player in range(state.status.shape[0]):
            if state.general[player] >= 0:  # also of a player who surrendered, until the land is freed
                _feed(state, state.general[player])
        for slot in range(state.num_cities):
            cell = state.city[slot]
            if state.owner[cell] >= 0:
                _feed(state, cell)
            elif state.rules.cities_regrow and state.army[cell] < REGROWTH_LIMIT:
                state.army[cell] += 1
    if state.tick % LAND_GROWTH_TICKS == 0:
        army, owner = state.army, state.owner
        for cell in range(owner.shape[0]):
            army[cell] += owner[cell] >= 0
        for player in range(state.status.shape[0]):
            state.army_total[player] += state.land_total[player]
        index_stacks(state)


@kernel
def _settle(state):
    """End the game if the living are of one team, or at the ruleset's draw."""
    team = -1
    for player in range(state.status.shape[0]):
        if state.status[player] == ALIVE:
            if team >= 0 and state.team[player] != team:
                if state.rules.draw_tick > 0 and state.tick >= state.rules.draw_tick:
                    state.over = 1
                return
            team = state.team[player]
    state.over = 1
    state.winner = team


@inlined
def end_tick(state):
    """Count the tick; growth, sight of new cities, the end of the game."""
    state.tick += 1
    _grow(state)
    _reveal(state)
    _settle(state)


@kernel
def leave(state, player):
    """First call: the player surrenders, the land stays. Second: a living teammate or nobody gets it."""
    if state.over:
        return
    if state.status[player] == ALIVE:
        _bury(state, player)
        state.status[player] = SURRENDERED
    elif state.status[player] == SURRENDERED:
        heir = NEUTRAL
        for mate in range(state.status.shape[0] - 1, -1, -1):
            if state.status[mate] == ALIVE and state.team[mate] == state.team[player]:
                heir = mate
        if state.general[player] >= 0:
            found_city(state, state.general[player])
            state.general[player] = -1
        state.status[player] = DEAD
        give_land(state, player, heir, False)
        _reveal(state)
    _settle(state)


@kernel
def _play_builds(state, actions, illegal):
    cells = state.owner.shape[0]
    for player in range(actions.shape[0]):
        if 8 * cells <= actions[player] < 9 * cells and not illegal[player]:
            cell = actions[player] - 8 * cells
            cost = build_cost(state, player, cell)
            state.army_total[player] -= cost
            set_army(state, cell, player, state.army[cell] - cost)
            found_city(state, cell)


@kernel
def step(state, actions, illegal, work):
    """One tick of a game; a finished one does not change.

    `actions` [P] ids; `illegal` [P] uint8 is set to 1 where an id is played as a pass because it is
    not legal. `work` is working memory, int64 [3, MAX_PLAYERS].
    """
    if state.over:
        return
    cells = state.owner.shape[0]
    targets = work[_TARGET]
    for player in range(actions.shape[0]):
        targets[player] = _NO_MOVE
        action = np.int64(actions[player])
        if 0 <= action < 8 * cells and state.status[player] == ALIVE:
            target = target_of(state, action)
            if can_move(state, player, action >> 3, target):
                targets[player] = target
                continue
        illegal[player] = 0 if action >= 8 * cells and is_legal(state, player, action) else 1
    if state.rules.builds:
        _play_builds(state, actions, illegal)
    if state.rules.order == BY_CHASE:
        if _play_chase(state, actions, targets):
            state.tick += 1
            _reveal(state)
            _settle(state)
            return
    elif state.rules.order == BY_INDEX or _commute(state, actions, targets):
        _play_index(state, actions, targets)
    else:
        _play_priority(state, actions, targets, work[_ORDER], work[_RANK])
    end_tick(state)


@kernel
def step_games(states, actions, illegal, work):
    """Step every game of a slice: `actions` [B, P] int32, `illegal` [B, P] uint8 is rewritten."""
    for game in range(states.shape[0]):
        illegal[game, :] = 0
        step(states[game], actions[game], illegal[game], work)
