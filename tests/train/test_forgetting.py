"""A champion that has forgotten something raises an alarm; chance hardly ever does."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest
import torch

from strategos.play.agents import load_policy
from strategos.play.network import describe_network, make_encoder
from strategos.train.alphazero_tables import GateConfig
from strategos.train.champions import Champions
from strategos.train.config_files import from_dict
from strategos.train.deals import make_deals
from strategos.train.gate import GateResult, Standings

CHAMPIONS = [f"champion {number}" for number in range(1, 10)]


def test_a_drop_below_an_earlier_champion_is_told_with_the_best_of_them():
    rng = np.random.default_rng(1)
    standings = Standings()
    for name, mean in (("champion 1", 0.1), ("champion 2", 0.4), ("champion 3", 0.35)):
        standings.add(name, "heuristic", rng.normal(mean, 0.2, 64))
        standings.add(name, "random", rng.normal(0.5, 0.2, 64))
    assert standings.drops("champion 3", CHAMPIONS[:2]) == []
    standings.add("champion 4", "heuristic", rng.normal(0.0, 0.2, 64))
    standings.add("champion 4", "random", rng.normal(0.5, 0.2, 64))
    (drop,) = standings.drops("champion 4", CHAMPIONS[:3])
    assert (drop.opponent, drop.earlier) == ("heuristic", "champion 2")
    assert drop.was - drop.now > drop.allowed > 0
    line = drop.told_of("champion 4")
    assert "champion 4" in line and "heuristic" in line and "\n" not in line


def test_losing_to_a_past_self_is_a_drop_from_nothing():
    standings = Standings()
    standings.add("champion 2", "champion 1", np.random.default_rng(2).normal(-0.3, 0.2, 32))
    (drop,) = standings.drops("champion 2", CHAMPIONS[:1])
    assert (drop.opponent, drop.earlier, drop.was) == ("champion 1", "champion 1", 0.0)


def test_chance_raises_an_alarm_in_at_most_one_of_twenty_promotions():
    """Nine champions of equal strength, five opponents: 190 newest ones, 95 % of them without an alarm."""
    rng = np.random.default_rng(3)
    alarms = []
    for _ in range(190):
        standings = Standings()
        for champion in CHAMPIONS[:9]:
            for opponent in range(5):
                standings.add(champion, f"bot {opponent}", rng.normal(0.2, 0.3, 32))
        alarms.append(bool(standings.drops("champion 9", CHAMPIONS[:8])))
    assert np.mean(alarms) <= 0.06


@pytest.fixture(scope="module")
def forgetful():
    """Champions of two-card Blob whose second has unlearned to bid: its weights are those of noise."""
    config = from_dict(
        {"algorithm": "alphazero", "game": {"name": "blob"}, "deals": [{"players": 3, "cards": 2}]}
    )
    tables = make_deals(config)
    torch.manual_seed(0)
    description = describe_network(tables[0].game.spec, "", False, torso="mlp", width=16, layers=1, heads=1)
    encode = make_encoder("cards", "cpu", False)
    gate = GateConfig(rating_deals=96, temperature=1.0)
    return tables, Champions(description, encode, torch.device("cpu"), gate)


def test_a_promotion_replays_champions_and_bots_and_tells_what_was_lost(forgetful):
    tables, champions = forgetful
    result = GateResult(True, False, 0, 0.0, 0.0, 0.0)

    def promote_and_rate():
        champions.promote(
            champions._build([each.clone() for each in champions.network.parameters()]), result, 1, 1
        )
        return champions.rate(
            tables, {"random": partial(load_policy, "random")}, 1, map, lambda what, share: None
        )

    first = promote_and_rate()
    assert first["gate/alarms"] == 0 and "alarms" not in first
    made = [each for each in champions.standings.meetings if each.second == "random"]
    assert len(made) == 1 and made[0].deals == 96
    champions.standings.add("champion 1", "random", np.full(96, made[0].points + 0.6))
    second = promote_and_rate()
    assert second["gate/alarms"] == 1 and "random" in second["alarms"][0]
    assert {each.second for each in champions.standings.meetings if each.first == "champion 2"} == {
        "champion 1",
        "random",
    }
