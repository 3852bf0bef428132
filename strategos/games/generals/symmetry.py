"""The symmetries of the board of Generals: a turned or mirrored position is as good as the original.

Eight for a square board, four (mirrored, turned by half) for another. They act on views, memories,
masks, policies and actions of a batch, each example by its own; a board smaller than its padding
stays in its upper left corner.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache

import numpy as np

from strategos.games.generals.record import DOWN, LEFT, RIGHT, UP

MIRROR_ROWS, MIRROR_COLUMNS, TRANSPOSE = 1, 2, 4
"""Bits of an element: transpose first, then turn the rows upside down, then the columns around."""
NUM_ELEMENTS, NUM_RECTANGULAR = 8, 4
_CELL_FIELDS = {
    "views": ("army", "owner", "terrain"),
    "memories": ("seen", "activity", "army", "owner", "terrain"),
}


@lru_cache(maxsize=4096)
def moved_cells(element: int, height: int, width: int, cells: int, stride: int) -> np.ndarray:
    """Where each tile goes, int64 [cells]; the padding around the board stays."""
    moved = np.arange(cells)
    rows, columns = np.divmod(moved, stride)
    board = (rows < height) & (columns < width)
    if element & TRANSPOSE:
        rows, columns = columns, rows
    if element & MIRROR_ROWS:
        rows = height - 1 - rows
    if element & MIRROR_COLUMNS:
        columns = width - 1 - columns
    moved = np.where(board, rows * stride + columns, moved)
    moved.flags.writeable = False
    return moved


def moved_directions(element: int) -> list[int]:
    """What up, down, left and right become."""
    directions = [UP, DOWN, LEFT, RIGHT]
    if element & TRANSPOSE:
        directions = [{UP: LEFT, DOWN: RIGHT, LEFT: UP, RIGHT: DOWN}[each] for each in directions]
    if element & MIRROR_ROWS:
        directions = [{UP: DOWN, DOWN: UP}.get(each, each) for each in directions]
    if element & MIRROR_COLUMNS:
        directions = [{LEFT: RIGHT, RIGHT: LEFT}.get(each, each) for each in directions]
    return directions


@lru_cache(maxsize=4096)
def moved_actions(
    element: int, height: int, width: int, cells: int, stride: int, num_actions: int
) -> np.ndarray:
    """What each action becomes, int64 [num_actions]: moves, builds where the ruleset has them, pass."""
    moved = moved_cells(element, height, width, cells, stride)
    orders = 2 * np.array(moved_directions(element))[:, None] + np.arange(2)
    moves = (moved[:, None] * 8 + orders.reshape(-1)).reshape(-1)
    builds = 8 * cells + moved if num_actions > 9 * cells else np.zeros(0, int)
    whole = np.concatenate([moves, builds, [num_actions - 1]])
    whole.flags.writeable = False
    return whole


class BoardSymmetry:
    """Symmetries of boards padded to `height` x `width`, `elements` [B] being bits as named above.

    `ValueError` where an element would transpose a board that is not square.
    """

    def __init__(self, height: int, width: int, num_actions: int) -> None:
        self.cells, self.stride, self.num_actions = height * width, width, num_actions

    def draw(self, views: np.ndarray, generator: np.random.Generator) -> np.ndarray:
        """One symmetry for each of `views` [B], uniform over those that its board has; int64 [B]."""
        square = views["height"] == views["width"]
        return generator.integers(np.where(square, NUM_ELEMENTS, NUM_RECTANGULAR))

    def _groups(
        self, views: np.ndarray, elements: np.ndarray
    ) -> Iterator[tuple[np.ndarray, tuple[int, ...]]]:
        """Rows of the batch that move alike, with the arguments of `moved_cells`."""
        heights, widths = views["height"].astype(np.int64), views["width"].astype(np.int64)
        kinds, which = np.unique((elements << 32) | (heights << 16) | widths, return_inverse=True)
        for number, kind in enumerate(kinds.tolist()):
            element, height, width = kind >> 32, kind >> 16 & 0xFFFF, kind & 0xFFFF
            if element & TRANSPOSE and height != width:
                raise ValueError(f"a board of {height} x {width} cannot be transposed")
            yield np.flatnonzero(which == number), (element, height, width, self.cells, self.stride)

    def _move_cells(
        self, views: np.ndarray, records: np.ndarray, elements: np.ndarray, kind: str
    ) -> np.ndarray:
        moved_records = records.copy()
        for rows, about in self._groups(views, elements):
            source = np.argsort(moved_cells(*about))
            for field in _CELL_FIELDS[kind]:
                moved_records[field][rows] = records[field][rows[:, None], source]
        return moved_records

    def views(self, views: np.ndarray, elements: np.ndarray) -> np.ndarray:
        """The views [B] on the turned boards."""
        return self._move_cells(views, views, elements, "views")

    def memories(self, views: np.ndarray, memories: np.ndarray, elements: np.ndarray) -> np.ndarray:
        """The memories [B] on the turned boards; the views tell how large each board is."""
        moved = self._move_cells(views, memories, elements, "memories")
        for rows, about in self._groups(views, elements):
            generals = memories["general"][rows]
            moved["general"][rows] = np.where(generals >= 0, moved_cells(*about)[generals], generals)
        return moved

    def masks(self, views: np.ndarray, masks: np.ndarray, elements: np.ndarray) -> np.ndarray:
        """Packed legal masks [B, mask_bytes] uint8 on the turned boards."""
        legal = np.unpackbits(masks, axis=1, count=self.num_actions, bitorder="little")
        return np.packbits(self.policies(views, legal, elements), axis=1, bitorder="little")

    def policies(self, views: np.ndarray, policies: np.ndarray, elements: np.ndarray) -> np.ndarray:
        """Numbers for each action, [B, num_actions] of any dtype, on the turned boards."""
        moved = np.empty_like(policies)
        for rows, about in self._groups(views, elements):
            moved[rows[:, None], moved_actions(*about, self.num_actions)] = policies[rows]
        return moved

    def restored(self, views: np.ndarray, policies: np.ndarray, elements: np.ndarray) -> np.ndarray:
        """The inverse of `policies`: numbers for each action of the turned boards, on the original ones."""
        original = np.empty_like(policies)
        for rows, about in self._groups(views, elements):
            original[rows] = policies[rows[:, None], moved_actions(*about, self.num_actions)]
        return original

    def actions(self, views: np.ndarray, actions: np.ndarray, elements: np.ndarray) -> np.ndarray:
        """What the action ids [B] or [B, K] become, in their own dtype."""
        moved = np.empty_like(actions)
        for rows, about in self._groups(views, elements):
            moved[rows] = moved_actions(*about, self.num_actions)[actions[rows]]
        return moved
