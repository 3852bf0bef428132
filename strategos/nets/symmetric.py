"""A grid network that looks at a board from all sides: the mean over the symmetries of the board.

A turned board is the same position, but a network that was trained for minutes does not know that. The
mean of its logits and values over the eight symmetries (four where height and width differ) is a stronger
agent, at as many times the price. No plane tells one direction from another, so turning the planes is enough.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

_TURNED = {"transpose": (2, 3, 0, 1), "rows": (1, 0, 2, 3), "columns": (0, 1, 3, 2)}
"""What up, down, left and right become."""


class SymmetricNet(nn.Module):
    """`inner`, a `GridNet`, asked about every symmetry; the same inputs and outputs."""

    def __init__(self, inner: nn.Module) -> None:
        super().__init__()
        self.inner = inner

    def forward(self, planes: Tensor) -> tuple[Tensor, Tensor]:
        height, width = planes.shape[2:]
        logits: Tensor | None = None
        values: Tensor | None = None
        for transposed in (False, True) if height == width else (False,):
            for rows in (False, True):
                for columns in (False, True):
                    turned = turn(planes, transposed, rows, columns)
                    seen, worth = self.inner(turned.contiguous(memory_format=torch.channels_last))
                    restored = restore(seen, (height, width), transposed, rows, columns)
                    logits = restored if logits is None else logits + restored
                    values = worth if values is None else values + worth
        assert logits is not None and values is not None
        sides = 8 if height == width else 4
        return logits / sides, values / sides


def turn(planes: Tensor, transposed: bool, rows: bool, columns: bool) -> Tensor:
    """Planes [B, C, H, W] transposed, then with the rows upside down, then with the columns around."""
    if transposed:
        planes = planes.transpose(2, 3)
    dims = [dim for dim, wanted in ((2, rows), (3, columns)) if wanted]
    return planes.flip(dims) if dims else planes


def restore(logits: Tensor, board: tuple[int, int], transposed: bool, rows: bool, columns: bool) -> Tensor:
    """Logits [B, num_actions] of the turned board as those of the original one, `board` rows by columns."""
    height, width = board
    cells, batch = height * width, len(logits)
    directions = list(range(4))
    for wanted, name in ((transposed, "transpose"), (rows, "rows"), (columns, "columns")):
        if wanted:
            directions = [_TURNED[name][each] for each in directions]
    orders = [2 * each + half for each in directions for half in (0, 1)]
    moves = logits[:, : 8 * cells].view(batch, height, width, 8)[..., orders]
    builds = logits[:, 8 * cells : -1].view(batch, height, width, -1)
    whole = torch.cat([moves, builds], 3)
    dims = [dim for dim, wanted in ((1, rows), (2, columns)) if wanted]
    if dims:
        whole = whole.flip(dims)
    if transposed:
        whole = whole.transpose(1, 2)
    restored = [whole[..., :8].reshape(batch, -1), whole[..., 8:].reshape(batch, -1)]
    return torch.cat([*restored, logits[:, -1:]], 1)
