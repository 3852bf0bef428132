"""The tables of AlphaZero's configuration: what is refused, and that presets say what can be played."""

from __future__ import annotations

import pytest

from strategos.train.config import ConfigError
from strategos.train.config_files import load_config, to_toml
from strategos.train.deals import make_deals
from strategos.train.trainers import make_trainer


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("algorithm=alphazer", r"algorithm is one of ppo, alphazero.*did you mean 'alphazero'"),
        ("algorithm=ppo", r"set algorithm = \"alphazero\" for blob"),
        ("self_play.gmes=3", r"unknown key 'self_play.gmes'; did you mean 'games'"),
        ("self_play.games=1", r"at least self_play.workers"),
        ("self_play.playouts=0", r"at least 1"),
        ("self_play.unlearned_share=1.5", r"from 0 to 1"),
        ("alphazero.root_share=-0.1", r"from 0 to 1"),
        ("self_play.rounds=0", r"self_play.rounds must be at least 1"),
        ("self_play.last_temperature=-1.0", r"0 or more"),
        ("memory.sampling=prioritised", r"uniform or prioritized"),
        ("memory.reuse=0", r"memory.reuse must be above 0"),
        ("memory.least=999999999", r"at most|from 1 to memory.capacity"),
        ("gate.points=-0.1", r"gate.points must be 0 or more"),
        ("gate.alpha=0.7", r"gate.alpha must be above 0 and below 0.5"),
        ("search.root=best", r"root must be one of"),
        ("alphazero.minibatch=0", r"minibatch must be at least 1"),
        ("cards.torso=cnn", r"torso is one of"),
        ("deals=[]", r"at least one kind"),
        ("deals=[{plyers=4}]", r"deals\[0\].plyers'; did you mean 'players'"),
        ("deals=[{share=0.0}]", r"share must be above 0"),
        ("evaluation.worlds=0", r"at least 1"),
    ],
)
def test_mistakes_are_named(override, message):
    with pytest.raises(ConfigError, match=message):
        load_config("blob-quick", [override])


def test_values_of_searches_are_not_for_networks_that_are_taught_points():
    config = load_config("blob-quick", ["alphazero.root_share=0.5"])
    with pytest.raises(ConfigError, match=r"alphazero.root_share must be 0"):
        make_trainer(config)


def test_an_impossible_deal_is_named():
    with pytest.raises(ConfigError, match=r"deals\[1\]: 4 players can hold 1 to 13 cards"):
        make_deals(load_config("blob-quick", ["deals=[{players=3, cards=5}, {players=4, cards=14}]"]))


def test_resolved_deals_read_back(tmp_path):
    config = load_config("blob-quick")
    file = tmp_path / "resolved.toml"
    file.write_text(to_toml(config))
    assert load_config(file) == config and "[[deals]]" in file.read_text()
