"""The network that a run trains, from its configuration."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from strategos.games.generals.record import RULESETS
from strategos.games.spec import GameSpec
from strategos.play.network import NETWORKS, describe_network
from strategos.train.config import TrainConfig


def describe_trained(config: TrainConfig, spec: GameSpec) -> dict[str, Any]:
    """The plain data from which `build_network` makes the network of a run."""
    options = asdict(config.cards if NETWORKS[spec.name] == "cards" else config.net)
    plane_set = options.pop("planes", "")
    builds = bool(RULESETS[config.game.ruleset].get("builds", 0))
    return describe_network(spec, plane_set, builds, **options)
