"""A network that plays: observations encoded, a batched forward pass, a masked draw.

Also builds networks from the plain data that a checkpoint carries, so that playing needs nothing from
training.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from strategos.engine.planes import PLANES, planes
from strategos.games.spec import GameSpec
from strategos.nets.cards import CardNet, CardNetConfig, encode_cards
from strategos.nets.choice import sample_packed
from strategos.nets.grid import GridNet, GridNetConfig
from strategos.nets.mlp import MLP, MLPConfig

Encoder = Callable[[np.ndarray, np.ndarray, "np.ndarray | None"], Tensor]
"""Views [B], masks [B, mask_bytes], memories [B] to the network's input."""

_COLDEST = 1e-6


def kuhn_features(views: np.ndarray, masks: np.ndarray, memories: np.ndarray | None) -> Tensor:
    """Views of Kuhn poker as [B, 13] float32: card, three moves (unplayed, pass, bet), seat; one-hot."""
    card = views["card"][:, None] == np.arange(3)
    moves = views["moves"][:, :, None] == np.arange(-1, 2)
    seat = views["me"][:, None] == 1
    return torch.from_numpy(np.concatenate([card, moves.reshape(len(views), 9), seat], 1).astype(np.float32))


NETWORKS = {"blob": "cards", "generals": "grid", "kuhn": "mlp"}
"""The kind of network that plays each game; a new game is a line here."""

_FEATURES: dict[str, tuple[Encoder, int]] = {"kuhn": (kuhn_features, 13)}
"""What an `mlp` reads of a game, and how many numbers that is; a new game without a board is a line here."""


_PLANE_SETS: dict[str, Collection[str]] = {"grid": PLANES, "cards": ("cards",), "mlp": _FEATURES}
"""What each kind of network can read."""


def plane_set_of(description: Mapping[str, Any]) -> str:
    """What the network of a description reads, for `make_encoder`; `ValueError` for no such kind or set."""
    kind, plane_set = description.get("kind"), description.get("planes")
    if kind not in list(_PLANE_SETS):
        raise ValueError(f"no network of kind {kind!r}; known are {', '.join(_PLANE_SETS)}")
    if plane_set not in list(_PLANE_SETS[kind]):
        known = ", ".join(_PLANE_SETS[kind])
        raise ValueError(f"a network of kind {kind!r} reads no planes {plane_set!r}; known are {known}")
    return str(plane_set)


def make_encoder(plane_set: str, device: str | torch.device, bfloat16: bool) -> Encoder:
    """The encoder of a plane set, of a game in `_FEATURES` or of Blob (`cards`); inputs lie on `device`."""
    if plane_set in _FEATURES:
        features, _ = _FEATURES[plane_set]
        return lambda views, masks, memories: features(views, masks, memories).to(device)
    if plane_set == "cards":
        return lambda views, masks, memories: encode_cards(views, masks).to(device)
    dtype = torch.bfloat16 if bfloat16 else torch.float32

    def encode(views: np.ndarray, masks: np.ndarray, memories: np.ndarray | None) -> Tensor:
        return planes(plane_set, views, masks, memories, device=device, dtype=dtype)

    return encode


def describe_network(spec: GameSpec, plane_set: str, builds: bool, **options: Any) -> dict[str, Any]:
    """The plain data from which `build_network` makes the network for a game.

    `options` are the fields of `GridNetConfig`, for Blob those of `CardNetConfig`.
    """
    kind = NETWORKS[spec.name]
    if kind == "mlp":
        features = _FEATURES[spec.name][1]
        return {"kind": kind, "planes": spec.name, "features": features, "num_actions": spec.num_actions}
    if kind == "cards":
        return {"kind": kind, "planes": "cards", **options}
    return {"kind": kind, "planes": plane_set, "builds": builds, **options}


def build_network(description: Mapping[str, Any]) -> nn.Module:
    """The network of a description; `ValueError` where the description is not one."""
    plane_set = plane_set_of(description)
    options = {name: each for name, each in description.items() if name not in ("kind", "planes")}
    try:
        if description["kind"] == "mlp":
            return MLP(MLPConfig(**options))
        if description["kind"] == "cards":
            return CardNet(CardNetConfig(**options))
        net = GridNet(GridNetConfig(planes=PLANES[plane_set], **options))
        return net.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    except TypeError as error:
        raise ValueError(f"this version cannot build the network {dict(description)}: {error}") from None


def choice_probabilities(logits: np.ndarray, masks: np.ndarray) -> np.ndarray:
    """What is drawn from `logits` [B, num_actions] under packed `masks`: float64, 0 where illegal."""
    legal = np.unpackbits(masks, axis=1, count=logits.shape[1], bitorder="little").astype(bool)
    scaled = np.where(legal, logits.astype(np.float64), -np.inf)
    weights = np.exp(scaled - scaled.max(axis=1, keepdims=True))
    return weights / weights.sum(axis=1, keepdims=True)


class NetworkPolicy:
    """A network behind the `Policy` contract; what it may do is decided by the same masks as in training.

    `temperature` 1 samples as trained, 0 takes the likeliest action (and runs in circles on a grid:
    sampling plays as well or better).
    """

    def __init__(
        self,
        network: nn.Module,
        encode: Encoder,
        *,
        name: str = "network",
        temperature: float = 1.0,
        largest_batch: int = 512,
    ) -> None:
        if temperature < 0:
            raise ValueError(f"temperature must be 0 (greedy) or more, not {temperature}")
        self.network, self.encode, self.name = network, encode, name
        self.temperature, self.largest_batch = temperature, largest_batch

    def act(
        self, views: np.ndarray, masks: np.ndarray, memories: np.ndarray | None, rng: np.random.Generator
    ) -> np.ndarray:
        """Actions [B] int32; see `Policy.act`."""
        actions = np.zeros(len(views), np.int32)
        uniforms = rng.random(len(views))
        for first in range(0, len(views), self.largest_batch):
            rows = slice(first, first + self.largest_batch)
            logits, _ = self.evaluate(views[rows], masks[rows], None if memories is None else memories[rows])
            scaled = logits / max(self.temperature, _COLDEST)
            actions[rows], _ = sample_packed(scaled, masks[rows], uniforms[rows])
        return actions

    def probabilities(self, views: np.ndarray, masks: np.ndarray, memories: np.ndarray | None) -> np.ndarray:
        """What `act` draws from: [B, num_actions] float64, 0 where illegal."""
        logits, _ = self.evaluate(views, masks, memories)
        return choice_probabilities(logits.astype(np.float64) / max(self.temperature, _COLDEST), masks)

    @torch.inference_mode()
    def evaluate(
        self, views: np.ndarray, masks: np.ndarray, memories: np.ndarray | None
    ) -> tuple[np.ndarray, np.ndarray]:
        """Raw logits [B, num_actions] and values [B] of the viewers, float32; for explanations and hints.

        `ValueError` for a game with other actions than the network's.
        """
        logits, values = self.network(self.encode(views, masks, memories))
        if masks.shape[1] != (logits.shape[1] + 7) // 8:
            raise ValueError(
                f"{self.name} chooses among {logits.shape[1]} actions, but this game's masks have "
                f"{masks.shape[1]} bytes: it was trained for another ruleset"
            )
        return logits.cpu().numpy(), values.cpu().numpy()
