"""The champions of a run: who plays now, who did before, how they fare against each other and the bots."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import partial
from typing import Any

import torch
from safetensors.torch import load, save
from torch import Tensor, nn

from strategos.play.bots import anchor_among
from strategos.play.network import Encoder, NetworkPolicy, build_network
from strategos.train.alphazero_tables import GateConfig
from strategos.train.deals import Deals
from strategos.train.devices import plain_tensors
from strategos.train.duel import Maker
from strategos.train.gate import GateResult, Map, Standings, challenge, meet
from strategos.train.trainers import Tell


@dataclass
class Champions:
    """The network that plays, and the history of the gate."""

    description: Mapping[str, Any]
    encode: Encoder
    device: torch.device
    config: GateConfig
    network: nn.Module = field(init=False)
    """The champion's; its weights are overwritten in place, so whoever holds it goes on with the new ones."""
    history: list[dict[str, Any]] = field(default_factory=list)
    """Every champion there was: name, samples, optimiser steps, and what the gate said."""
    archive: dict[str, list[Tensor]] = field(default_factory=dict)
    """Weights of the last of them, by name."""
    standings: Standings = field(default_factory=Standings)
    tests: int = 0
    """How often the gate was asked."""

    def __post_init__(self) -> None:
        self.network = self._build()

    def _build(self, weights: Sequence[Tensor] | None = None) -> nn.Module:
        network = build_network(self.description).to(self.device).eval()
        if weights is not None:
            with torch.no_grad():
                for parameter, value in zip(network.parameters(), weights, strict=True):
                    parameter.copy_(value)
        return network

    def player(self, network: nn.Module | None = None, name: str = "champion") -> NetworkPolicy:
        """The champion, or another `network`, without search."""
        return NetworkPolicy(
            self.network if network is None else network,
            self.encode,
            name=name,
            temperature=self.config.temperature,
        )

    def test(
        self, weights: Sequence[Tensor], tables: Sequence[Deals], seed: int, run: Map
    ) -> tuple[nn.Module, GateResult]:
        """Challenge the champion with `weights` on the deals of `seed`: their network and the result."""
        self.tests += 1
        candidate = self._build(weights)
        result = challenge(
            tables, partial(self.player, candidate, "candidate"), self.player, self.config, seed, run
        )
        return candidate, result

    def promote(self, candidate: nn.Module, result: GateResult, samples: int, optimiser_steps: int) -> None:
        """Make the candidate the champion, and archive it."""
        self.network.load_state_dict(candidate.state_dict())
        name = f"champion {len(self.history) + 1}"
        self.history.append(
            {"name": name, "samples": samples, "optimiser_steps": optimiser_steps, **asdict(result)}
        )
        self.archive[name] = [each.detach().clone() for each in self.network.parameters()]
        while len(self.archive) > self.config.kept + 1:
            self.archive.pop(next(iter(self.archive)))

    def rate(
        self, tables: Sequence[Deals], bots: Mapping[str, Maker], seed: int, run: Map, tell: Tell
    ) -> dict[str, Any]:
        """Let the newest champion meet those of the archive and the bots, and rate everybody.

        `alarms` are lines about opponents against whom an earlier champion did better; see `Standings.drops`.
        """
        newest = self.history[-1]["name"]
        others: dict[str, Maker] = {
            name: partial(self.player, self._build(weights), name)
            for name, weights in self.archive.items()
            if name != newest
        }
        metrics: dict[str, Any] = {}
        for number, (name, other) in enumerate({**others, **bots}.items()):
            tell(f"{newest} against {name}", number / (len(others) + len(bots)))
            samples = meet(tables, self.player, other, seed, 0, self.config.rating_deals, run)
            self.standings.add(newest, name, samples)
            if name in others:
                metrics["gate/worst_past"] = min(metrics.get("gate/worst_past", 1.0), float(samples.mean()))
        drops = self.standings.drops(newest, [each["name"] for each in self.history[:-1]])
        metrics["gate/alarms"] = float(len(drops))
        if drops:
            metrics["alarms"] = [drop.told_of(newest) for drop in drops]
        for rating in self.standings.ratings(anchor_among(bots)):
            if rating.name == newest:
                metrics |= {"rating": rating.points, "rating_low": rating.low, "rating_high": rating.high}
        return metrics

    def save(self) -> tuple[bytes, bytes | None, dict[str, Any]]:
        """The champion's weights and the archive's (None where it is empty), and plain data."""
        archived = {
            f"{name}.{index}": each
            for name, weights in self.archive.items()
            for index, each in enumerate(weights)
        }
        meta = {
            "history": self.history,
            "archive": list(self.archive),
            "meetings": self.standings.save(),
            "tests": self.tests,
        }
        weights = save(plain_tensors(self.network.state_dict()))
        return weights, save(plain_tensors(archived)) if archived else None, meta

    def load(self, weights: bytes, archived: bytes | None, meta: Mapping[str, Any]) -> None:
        """Go on where `save` was called."""
        self.network.load_state_dict(load(weights))
        tensors = load(archived) if archived is not None else {}
        count = len(list(self.network.parameters()))
        self.archive = {
            name: [tensors[f"{name}.{index}"].to(self.device) for index in range(count)]
            for name in meta["archive"]
        }
        self.history, self.tests = list(meta["history"]), int(meta["tests"])
        self.standings = Standings.load(meta["meetings"])
