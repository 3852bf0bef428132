"""The map of a generals.io game as its clients know it: arrays made from a view, and patches between them.

The map is one array, `[width, height, armies, terrain]` over the tiles of the board row by row, without the
padding of a batch. A patch is pairs of how many entries stay as they are at the same place and how many new
ones follow, then those; it may end with the first half of a pair. Numbers only: no connection enters here.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from strategos.games.generals.record import CITY, FOG, GENERAL, MOUNTAIN, OBSTACLE

EMPTY, BLOCKED, HIDDEN, HIDDEN_OBSTACLE = -1, -2, -3, -4
"""Terrain of a tile without a known owner: in sight, a mountain, in fog, a mountain or city in fog."""
_UNOWNED = np.full(6, EMPTY, np.int64)
_UNOWNED[[MOUNTAIN, FOG, OBSTACLE]] = BLOCKED, HIDDEN, HIDDEN_OBSTACLE


def board_of(view: np.ndarray, field: str) -> np.ndarray:
    """A field of a view over the tiles of the board alone, row by row: [height * width]."""
    height, width, stride = int(view["height"]), int(view["width"]), int(view["stride"])
    return view[field].reshape(-1, stride)[:height, :width].reshape(-1)


def map_array(view: np.ndarray) -> np.ndarray:
    """`[width, height, armies, terrain]` of a view, int64 [2 + 2 * tiles]; terrain 0 and up is a player."""
    owner, kind = board_of(view, "owner"), board_of(view, "terrain")
    terrain = np.where(owner >= 0, owner, _UNOWNED[kind])
    return np.concatenate([[int(view["width"]), int(view["height"])], board_of(view, "army"), terrain])


def cities_of(view: np.ndarray) -> np.ndarray:
    """The tiles of the cities in sight, ascending, int64."""
    return np.flatnonzero(board_of(view, "terrain") == CITY)


def generals_of(view: np.ndarray, players: int) -> list[int]:
    """The tile of each player's general, -1 where it is not in sight."""
    owner = board_of(view, "owner")
    places = [-1] * players
    for tile in np.flatnonzero(board_of(view, "terrain") == GENERAL).tolist():
        if 0 <= owner[tile] < players:
            places[owner[tile]] = tile
    return places


def diff(old: np.ndarray, new: np.ndarray) -> list[int]:
    """The patch that makes `new` out of `old`, both 1-D."""
    if not len(new):
        return [0]
    common = min(len(old), len(new))
    differs = np.ones(len(new), bool)
    differs[:common] = old[:common] != new[:common]
    ends = np.flatnonzero(differs[1:] != differs[:-1]) + 1
    bounds = [0, *ends.tolist(), len(new)]
    patch: list[int] = [0] if differs[0] else []
    for first, last in pairwise(bounds):
        patch.append(last - first)
        if differs[first]:
            patch += new[first:last].tolist()
    return patch


def action_of(view: np.ndarray, start: object, end: object, half: bool) -> int | None:
    """The action id of a move between two tiles of the board; None where they are no two neighbours of it."""
    height, width, stride = int(view["height"]), int(view["width"]), int(view["stride"])
    for tile in (start, end):
        if type(tile) is not int or not 0 <= tile < height * width:  # a bool is no tile
            return None
    assert isinstance(start, int) and isinstance(end, int)
    row, column = divmod(start, width)
    steps = {start - width: 0, start + width: 1}
    if column > 0:
        steps[start - 1] = 2
    if column < width - 1:
        steps[start + 1] = 3
    direction = steps.get(end)
    return None if direction is None else (row * stride + column) * 8 + direction * 2 + int(half)
