"""A fully convolutional residual policy-value network for boards of any size.

There is no BatchNorm and no dropout anywhere: both make the network that acted differ from the
network that is updated, so PPO's first ratio would not be 1. Residual branches start at zero
instead, which keeps a deep trunk trainable without any normalisation.

The trunk runs in bfloat16 where asked (2.4 times as fast as float32 on a CPU with AMX); the heads are
always float32, because a policy's log-probabilities are compared to 1e-5. Activations are channels_last.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn


@dataclass(frozen=True)
class GridNetConfig:
    """The shape of a `GridNet`; everything needed to build it again from its weights."""

    planes: int
    """Input channels."""
    channels: int = 32
    """Channels of the trunk."""
    blocks: int = 2
    """Residual blocks of two 3x3 convolutions."""
    global_pooling: bool = True
    """Before every second block, add the board's mean and maximum to every tile."""
    attention: bool = False
    """One self-attention layer over all tiles, after the blocks."""
    heads: int = 4
    """Attention heads."""
    builds: bool = False
    """One more logit a tile for rulesets with builds."""
    bfloat16: bool = True
    """Run the trunk in bfloat16."""


class _BoardPool(torch.autograd.Function):
    """Mean and maximum over tiles: [B, cells, C] to [B, 2 C].

    Written out because autograd's backward of `mean` leaves channels_last, and that of `amax` compares
    the whole board again: together a fifth of the time of an update.
    """

    @staticmethod
    def forward(ctx: Any, tiles: Tensor) -> Tensor:
        highest, where = tiles.max(1)
        weights = torch.full(
            (1, 1, tiles.shape[1]), 1 / tiles.shape[1], dtype=tiles.dtype, device=tiles.device
        )
        ctx.save_for_backward(where)
        ctx.cells = tiles.shape[1]
        return torch.cat([torch.matmul(weights, tiles).squeeze(1), highest], 1)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        (where,) = ctx.saved_tensors
        of_mean, of_highest = gradient.chunk(2, 1)
        tiles = (of_mean / ctx.cells).unsqueeze(1).repeat(1, ctx.cells, 1)
        batch, channels = where.shape
        row = torch.arange(batch, device=where.device).unsqueeze(1) * ctx.cells
        places = (row + where) * channels + torch.arange(channels, device=where.device)
        flat = tiles.view(-1)  # every place occurs once, so gather and put back is exact
        flat[places] = flat[places] + of_highest
        return tiles


class _Spread(torch.autograd.Function):
    """Add a vector [B, C] to every tile of [B, cells, C]; the backward sums by a matrix product."""

    @staticmethod
    def forward(ctx: Any, tiles: Tensor, vector: Tensor) -> Tensor:
        return tiles + vector.unsqueeze(1)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, Tensor]:
        ones = torch.ones((1, 1, gradient.shape[1]), dtype=gradient.dtype, device=gradient.device)
        return gradient, torch.matmul(ones, gradient).squeeze(1)


class GridNet(nn.Module):
    """Policy and value of one player's planes.

    `forward(planes [B, C, H, W])` gives logits [B, num_actions] float32 (eight a tile in the order of
    the action ids, builds where configured, pass last) and values [B] float32: the viewer's own entry
    of the vector of values over players.
    """

    def __init__(self, config: GridNetConfig) -> None:
        super().__init__()
        self.config = config
        width = config.channels
        self.stem = nn.Conv2d(config.planes, width, 3, padding=1)
        self.first = nn.ModuleList(nn.Conv2d(width, width, 3, padding=1) for _ in range(config.blocks))
        self.second = nn.ModuleList(nn.Conv2d(width, width, 3, padding=1) for _ in range(config.blocks))
        self.pooled = nn.ModuleDict(
            {
                str(block): nn.Linear(2 * width, width)
                for block in range(1, config.blocks, 2)
                if config.global_pooling
            }
        )
        if config.attention:
            self.attend = nn.Linear(width, 3 * width)
            self.attended = nn.Linear(width, width)
        self.moves = nn.Linear(width, 8)
        self.builds = nn.Linear(width, 1) if config.builds else None
        self.pass_logit = nn.Linear(2 * width, 1)
        self.value_hidden = nn.Linear(2 * width, width)
        self.value = nn.Linear(width, 1)
        self._initialise()

    def _initialise(self) -> None:
        for module in self.modules():
            if isinstance(module, nn.Conv2d | nn.Linear):
                nn.init.orthogonal_(module.weight, 2**0.5)
                if module.bias is not None:
                    nn.init.zeros_(module.bias)
        zeroed = [*self.second, *self.pooled.values()]
        zeroed += [self.attended] if self.config.attention else []
        for module in zeroed:  # residual branches begin as nothing
            nn.init.zeros_(module.weight)
        for head in (self.moves, self.pass_logit, self.value, *([self.builds] if self.builds else [])):
            nn.init.orthogonal_(head.weight, 0.01)

    def forward(self, planes: Tensor) -> tuple[Tensor, Tensor]:
        batch, _, height, width = planes.shape
        trunk_dtype = torch.bfloat16 if self.config.bfloat16 else torch.float32

        def tiles(grid: Tensor) -> Tensor:
            return grid.permute(0, 2, 3, 1).reshape(batch, height * width, -1)

        def grid(tiles: Tensor) -> Tensor:
            return tiles.view(batch, height, width, -1).permute(0, 3, 1, 2)

        with torch.autocast(planes.device.type, torch.bfloat16, enabled=self.config.bfloat16):
            hidden = F.relu_(self.stem(planes.to(trunk_dtype, memory_format=torch.channels_last)))
            for block, (first, second) in enumerate(zip(self.first, self.second, strict=True)):
                if str(block) in self.pooled:
                    board = _BoardPool.apply(tiles(hidden))
                    hidden = grid(_Spread.apply(tiles(hidden), self.pooled[str(block)](board)))
                hidden = F.relu_(second(F.relu_(first(hidden))).add_(hidden))
            flat = tiles(hidden)
            if self.config.attention:
                flat = flat + self._attention(flat)
        with torch.autocast(planes.device.type, enabled=False):
            return self._heads(flat.to(trunk_dtype))

    def _attention(self, flat: Tensor) -> Tensor:
        batch, cells, width = flat.shape
        split = self.attend(flat).view(batch, cells, 3, self.config.heads, -1).permute(2, 0, 3, 1, 4)
        mixed = F.scaled_dot_product_attention(split[0], split[1], split[2])
        return self.attended(mixed.transpose(1, 2).reshape(batch, cells, width))

    def _heads(self, flat: Tensor) -> tuple[Tensor, Tensor]:
        board = _BoardPool.apply(flat).float()
        flat = flat.float()
        logits = [self.moves(flat).flatten(1)]
        if self.builds is not None:
            logits.append(self.builds(flat).squeeze(2))
        logits.append(self.pass_logit(board))
        values = self.value(F.relu(self.value_hidden(board))).squeeze(1)
        return torch.cat(logits, 1), values
