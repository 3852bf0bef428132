"""A small perceptron for games whose observation is a short vector, such as Kuhn poker."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

from torch import Tensor, nn


@dataclass(frozen=True)
class MLPConfig:
    """The shape of an `MLP`."""

    features: int
    num_actions: int
    hidden: int = 64
    layers: int = 2


class MLP(nn.Module):
    """`forward(features [B, F])` gives logits [B, num_actions] and values [B], float32.

    Policy and value have a trunk each: on games this small, sharing one only slows both down.
    """

    def __init__(self, config: MLPConfig) -> None:
        super().__init__()
        self.config = config
        self.policy = _tower(config, config.num_actions, 0.01)
        self.value = _tower(config, 1, 1.0)

    def forward(self, features: Tensor) -> tuple[Tensor, Tensor]:
        features = features.float()
        return self.policy(features), self.value(features).squeeze(1)


def _tower(config: MLPConfig, outputs: int, last_gain: float) -> nn.Sequential:
    sizes = [config.features, *[config.hidden] * config.layers]
    layers: list[nn.Module] = []
    for size, following in pairwise(sizes):
        layers += [nn.Linear(size, following), nn.Tanh()]
    layers.append(nn.Linear(sizes[-1], outputs))
    linear = [layer for layer in layers if isinstance(layer, nn.Linear)]
    for layer in linear:
        nn.init.orthogonal_(layer.weight, last_gain if layer is linear[-1] else 2**0.5)
        nn.init.zeros_(layer.bias)
    return nn.Sequential(*layers)
