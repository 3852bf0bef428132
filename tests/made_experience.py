"""Made-up experience for the learners' tests, and small networks to learn from it."""

from __future__ import annotations

from dataclasses import replace
from typing import TypeVar

import numpy as np
import torch

from strategos.games.blob.record import NUM_ACTIONS
from strategos.learn.alphazero import Examples
from strategos.learn.ppo import Shard
from strategos.nets.card_features import INPUTS, ORDER_AT, SEAT_WIDTH, SEATS_AT, SLOTS_AT
from strategos.nets.cards import CardNet, CardNetConfig
from strategos.nets.choice import sample_packed
from strategos.nets.grid import GridNet, GridNetConfig
from strategos.nets.mlp import MLP, MLPConfig

Made = TypeVar("Made", Shard, Examples)

CARDS = {
    "mlp": CardNetConfig("mlp", width=48, layers=1),
    "tokens": CardNetConfig("tokens", width=16, layers=1, heads=2),
    "recurrent": CardNetConfig("recurrent", width=48, layers=1),
}
KINDS = [*CARDS, "grid", "kuhn"]

PLANES = 5


def make_grid_net(bfloat16: bool = False, **options) -> GridNet:
    torch.manual_seed(0)
    net = GridNet(GridNetConfig(planes=PLANES, channels=8, bfloat16=bfloat16, **options))
    for parameter in net.parameters():  # an untrained policy is uniform, which would hide mistakes
        with torch.no_grad():
            parameter.add_(0.05 * torch.randn_like(parameter))
    return net


def make_shard(net, count: int, height: int, width: int, seed: int) -> Shard:
    """Experience that `net` collected where it is, in batches of another size than a minibatch."""
    device = next(net.parameters()).device
    rng = np.random.default_rng(seed)
    torch.manual_seed(seed)
    inputs = torch.rand(count, PLANES, height, width).to(memory_format=torch.channels_last)
    cells = height * width
    masks = (rng.integers(0, 256, (count, cells + 1)) * (rng.random((count, cells + 1)) < 0.3)).astype(
        np.uint8
    )
    masks[:, -1] = 1
    logits, values = [], []
    with torch.inference_mode():
        for part in inputs.split(37):
            part_logits, part_values = net(part.to(device))
            logits.append(part_logits.cpu())
            values.append(part_values.cpu())
    actions, chosen = sample_packed(torch.cat(logits).numpy(), masks, rng.random(count))
    return Shard(
        observe=lambda rows: inputs[torch.from_numpy(rows)].to(device),
        masks=masks,
        actions=actions,
        log_probabilities=chosen,
        values=torch.cat(values).numpy(),
        advantages=rng.normal(size=count).astype(np.float32),
        returns=rng.normal(size=count).astype(np.float32),
    )


def make_net(kind: str, seed: int = 0, bfloat16: bool = False):
    torch.manual_seed(seed)
    if kind == "grid":
        return GridNet(GridNetConfig(planes=4, channels=16, blocks=1, bfloat16=bfloat16))
    if kind == "kuhn":
        return MLP(MLPConfig(features=13, num_actions=5))
    return CardNet(replace(CARDS[kind], bfloat16=bfloat16))


def make_examples(kind: str, count: int, seed: int = 1) -> Examples:
    """Random positions and targets; those of cards look enough like positions for every torso."""
    rng, generator = np.random.default_rng(seed), torch.Generator().manual_seed(seed)
    if kind in CARDS:
        inputs = (torch.rand((count, INPUTS), generator=generator) < 0.1).float()
        players = rng.integers(3, 9, count)
        for row in range(count):
            at = torch.arange(8) * SEAT_WIDTH + SEATS_AT
            inputs[row, at] = (torch.arange(8) < int(players[row])).float()
            inputs[row, SLOTS_AT:ORDER_AT] = torch.from_numpy(rng.permutation(4)).float()
            inputs[row, ORDER_AT:] = -1
            plays = int(rng.integers(0, 12))
            inputs[row, ORDER_AT : ORDER_AT + plays] = torch.from_numpy(rng.integers(0, 52, plays)).float()
            inputs[row, ORDER_AT + 52 : ORDER_AT + 52 + plays] = 1
        num_actions = NUM_ACTIONS
    elif kind == "grid":
        inputs, num_actions = torch.rand((count, 4, 3, 3), generator=generator), 73
    else:
        inputs, num_actions = torch.rand((count, 13), generator=generator), 5
    legal = rng.random((count, num_actions)) < 0.3
    legal[:, 0] = True
    policy = np.where(legal, rng.random(legal.shape) ** 8, 0).astype(np.float32)
    policy /= policy.sum(1, keepdims=True)
    examples = Examples(
        observe=lambda rows: inputs[torch.from_numpy(rows)],
        masks=np.packbits(legal, axis=1, bitorder="little"),
        policy=policy,
        values=rng.uniform(-1, 1, count).astype(np.float32),
    )
    if kind in CARDS:
        exists = np.arange(8) < players[:, None]
        examples.values = np.where(exists, rng.random((count, 8)), np.nan).astype(np.float32)
        examples.made = np.where(exists, rng.integers(0, 2, (count, 8)), np.nan).astype(np.float32)
        examples.players = players
    return examples


def seen_on(device: str, experience: Made) -> Made:
    """The same shard or examples for a network that is on `device`."""
    observe = experience.observe
    return replace(experience, observe=lambda rows: observe(rows).to(device))


def weights_of(net) -> torch.Tensor:
    """All of a network's weights in a row, on the CPU."""
    return torch.cat([parameter.detach().flatten() for parameter in net.parameters()]).cpu()
