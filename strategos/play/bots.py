"""The scripted opponents that agents are measured against, by name.

They see views, masks and memories like any policy. The kernels take single fields as `[B, ...]`
arrays and not records, so that one compilation serves every board size and player count.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from functools import partial

import numpy as np

from strategos.games.bits import count_bits
from strategos.games.compiled import kernel
from strategos.games.masks import count_legal, nth_legal
from strategos.games.rng import below
from strategos.play.blob_bots import HeuristicBot
from strategos.play.hunter import HunterBot
from strategos.play.policy import Policy, check_plays, row_keys

_OTHER, _NEUTRAL, _ENEMY = range(3)


class RandomBot:
    """Plays uniformly among the legal actions of any game; in Generals it passes only when it must."""

    name = "random"

    def act(
        self, views: np.ndarray, masks: np.ndarray, memories: np.ndarray | None, rng: np.random.Generator
    ) -> np.ndarray:
        """Choose actions [B] int32; see `Policy.act`."""
        actions = np.empty(len(views), np.int32)
        _random_actions(masks, "terrain" in (views.dtype.names or ()), row_keys(rng, len(views)), actions)
        return actions


class ExpanderBot:
    """Takes an enemy tile where it can, else a neutral one, else makes any legal move; chance decides.

    It moves whole stacks: drawing among halves too wins a third as many games against random.
    """

    name = "expander"
    game = "generals"

    def act(
        self, views: np.ndarray, masks: np.ndarray, memories: np.ndarray | None, rng: np.random.Generator
    ) -> np.ndarray:
        """Choose actions [B] int32; see `Policy.act`. `ValueError` for the views of another game."""
        check_plays(self, views, "army")
        actions = np.empty(len(views), np.int32)
        _expander_actions(
            views["army"],
            views["owner"],
            views["me"],
            views["stride"],
            views["team"],
            masks,
            row_keys(rng, len(views)),
            actions,
        )
        return actions


def _mcts(simulations: int) -> Policy:
    """A player that searches; imported when it is asked for, as it needs much that the others do not."""
    from strategos.play.search_bots import MctsBot

    return MctsBot(simulations)


BOTS: dict[str, Callable[[], Policy]] = {
    "random": RandomBot,  # any game
    "expander": ExpanderBot,
    "hunter": HunterBot,
    "heuristic": HeuristicBot,
    "mcts-100": partial(_mcts, 100),
    "mcts-800": partial(_mcts, 800),
}
"""Name of each bot, and what makes one."""
SCRIPTED: dict[str, tuple[str, ...]] = {
    "generals": ("random", "expander", "hunter"),
    "blob": ("random", "heuristic"),
    "kuhn": (),  # measured against the best answer
}
"""The scripted bots that an agent of each game is measured against, from the weakest up."""


def anchor_among(names: Collection[str]) -> str:
    """Whose rating is fixed in a list of one name or more: the first of the bots, who stay the same from one
    list to the next, or else the first name."""
    return next((bot for bot in BOTS if bot in names), next(iter(names)))


@kernel
def _random_actions(masks, last_is_pass, keys, actions):
    """Fill `actions` [B] from packed `masks` [B, mask_bytes]; the last id only where it is alone."""
    for row in range(masks.shape[0]):
        mask = masks[row]
        legal = count_legal(mask)
        if last_is_pass and legal > 1:
            legal -= 1
        actions[row] = nth_legal(mask, below(keys[row], 0, legal)) if legal > 0 else 0


@kernel
def _class_of(army, owner, team, my_team, stride, cell, bit):
    """What move number `bit` of `cell` captures with the whole stack: enemy land, neutral, nothing."""
    direction = bit >> 1
    if direction == 0:
        target = cell - stride
    elif direction == 1:
        target = cell + stride
    elif direction == 2:
        target = cell - 1
    else:
        target = cell + 1
    holder = owner[target]
    if army[cell] - 1 <= army[target] or (holder >= 0 and team[holder] == my_team):
        return _OTHER
    return _ENEMY if holder >= 0 else _NEUTRAL


@kernel
def _expander_actions(armies, owners, me, strides, teams, masks, keys, actions):
    """Fill `actions` [B]; see `ExpanderBot`. Every board field is [B, cells], `teams` [B, P]."""
    cells = armies.shape[1]
    for row in range(armies.shape[0]):
        army, owner, team, mask = armies[row], owners[row], teams[row], masks[row]
        my_team, stride = team[me[row]], int(strides[row])
        enemies, neutrals, others = 0, 0, 0
        for place in range(mask.shape[0]):
            byte = int(mask[place])
            if byte == 0:
                continue
            if place >= cells:
                others += count_bits(byte)
                continue
            for bit in range(0, 8, 2):
                if byte >> bit & 1:
                    kind = _class_of(army, owner, team, my_team, stride, place, bit)
                    enemies += kind == _ENEMY
                    neutrals += kind == _NEUTRAL
                    others += kind == _OTHER
        if enemies > 0:
            wanted, choices = _ENEMY, enemies
        elif neutrals > 0:
            wanted, choices = _NEUTRAL, neutrals
        else:
            # The last legal id is pass: never where something else is legal.
            wanted, choices = _OTHER, others - 1 if others > 1 else others
        index = below(keys[row], 0, choices)
        actions[row] = _nth_of_class(army, owner, team, my_team, stride, mask, wanted, index)


@kernel
def _nth_of_class(army, owner, team, my_team, stride, mask, wanted, index):
    """The id of whole-stack move number `index` of a class; what is no move counts as `_OTHER`."""
    cells = army.shape[0]
    for place in range(mask.shape[0]):
        byte = int(mask[place])
        if byte == 0:
            continue
        for bit in range(0, 8, 2 if place < cells else 1):
            if byte >> bit & 1:
                kind = _OTHER
                if place < cells:
                    kind = _class_of(army, owner, team, my_team, stride, place, bit)
                if kind == wanted:
                    if index == 0:
                        return 8 * place + bit
                    index -= 1
    return 0
