"""Configurations: presets, overrides, round trips, and mistakes that are named."""

from __future__ import annotations

import pytest

from strategos.train.config import ConfigError, TrainConfig, to_dict
from strategos.train.config_files import from_dict, load_config, preset_names, to_toml
from strategos.train.curriculum import make_board_game, stage_at
from strategos.train.deals import make_deals


def test_there_are_the_presets_of_the_manual():
    assert {"quick", "laptop", "gpu"} <= set(preset_names())


@pytest.mark.parametrize("name", preset_names())
def test_presets_read_back_and_their_boards_can_be_made(name, tmp_path):
    config = load_config(name)
    file = tmp_path / "resolved.toml"
    file.write_text(to_toml(config))
    assert load_config(file) == config and load_config(file).digest() == config.digest()
    assert config.digest() in file.read_text()
    if config.algorithm == "alphazero":
        assert make_deals(config)
        return
    for stage in config.stages:
        for board in stage.boards:
            make_board_game(config.game, board)


def test_overrides_win_over_the_file():
    config = load_config(
        "quick", ["ppo.clip=0.1", "rollout.bots.hunter=0.4", "device=cpu", "evaluation.against=['random']"]
    )
    assert config.ppo.clip == 0.1 and config.rollout.bots["hunter"] == 0.4 and config.device == "cpu"
    assert config.evaluation.against == ("random",)
    assert config.digest() != load_config("quick").digest()
    assert load_config("quick", {"seed": 5}).seed == 5


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("ppo.clp=0.1", r"unknown key 'ppo.clp'; did you mean 'clip'"),
        ("sampels=3", r"unknown key 'sampels'; did you mean 'samples'"),
        ("ppo.clip=high", r"ppo.clip must be of type float, not 'high'"),
        ("seed=1.5", r"seed must be of type int"),
        ("seed=true", r"seed must be of type int"),
        ("ppo=3", r"ppo must be a table"),
        ("ppo.keep=2", r"ppo.keep must be above 0"),
        ("net.planes=foo", r"no plane set 'foo'.*memory"),
        ("ppo.learning_rate=-1.0", r"must be above 0"),
        ("ppo.adam_beta2=1.5", r"ppo.adam_beta2 must be in"),
        ("game.tick_limit=-1", r"0 or more"),
        ("seed=-1", r"0 or more"),
        ("seed=9223372036854775808", r"seed below 2\*\*63"),
        ("ppo.clip=nan", r"ppo.clip must be a finite number, not nan"),
        ("max_minutes=inf", r"max_minutes must be a finite number, not inf"),
        ("rollout.bots.hunter=nan", r"rollout.bots.hunter must be a finite number"),
        ("checkpoints_kept=0", r"checkpoints_kept 1 or more"),
        ("game.name=general", r"'general'; did you mean 'generals'"),
        ("league.every=0.0", r"league.every must be above 0"),
        ("league.kept=0", r"league.kept and league.opponents 1 or more"),
        ("league.agents=0", r"league.agents must be 1 or more"),
        ("league.matchmaking=hart", r"'hart'; did you mean 'hard'"),
        ("league.peers=0.2", r"league.peers needs league.agents of 2 or more"),
        ("league.past=0.7", r"league.past and league.peers must not be negative nor exceed 1 together"),
        ("league.floor=2", r"league.floor must be from 0 to 1"),
        ("league.agents=129", r"rollout.games \(256\) must be at least 258"),
        ("game.teams=[0, 0, 1]", r"game.teams needs 2 entries"),
        ("game.limit_value=1.5", r"game.limit_value must be from -1 \(to lose among 2 sides\) to 1"),
        ("game.players=4", r"game.limit_value must be from -0.333 \(.* 4 sides\) to 1, not -0.5"),
        ("evaluation.games=0", r"at least 1"),
        ("evaluation.tick_limit=0", r"at least 1"),
        ("evaluation.against=[]", r"one bot or more"),
        ("evaluation.temperature=-1.0", r"0 or more"),
        ("seed=1979-05-27", r"seed must be of type int"),
        ("rollout.teacher=''", r"set both or neither"),
        ("rollout.bots.hunter=0.95", r"nor exceed 1 together"),
        ("stages=[]", r"stages: the first one starts at 0"),
        ("stages=[{advance=0.6}]", r"nothing lies .* after the last one"),
        (
            "stages=[{advance=0.6}, {back=0.6, advance=0.5}, {}]",
            r"back \(0.6\) must be below advance \(0.5\)",
        ),
        ("stages=[{advance=0.6}, {start=0.5}]", r"either the run \(start\) or the win rate"),
        ("stages=[{advance=0.6}, {}, {}]", r"every one but the last needs advance"),
        ("stages=[{advance=0.6, against='hntr'}, {}]", r"no games are played against 'hntr'"),
        ("stages=[{advance=1.6}, {}]", r"advance and back lie between 0 and 1"),
        ("stages=[{start=0, boards=[{hight=8}]}]", r"stages\[0\].boards\[0\].hight'; did you mean 'height'"),
        ("stages=[{boards=[{spawn_distance=[1]}]}]", r"must have 2 entries"),
        ("rollout.games=1", r"at least rollout.workers"),
        ("device=gpu", r"device must be auto, cpu or cuda"),
        ("nonsense", r"key=value"),
    ],
)
def test_mistakes_are_named(override, message):
    with pytest.raises(ConfigError, match=message):
        load_config("quick", [override])


def test_losing_must_not_pay_more_than_the_limit():
    """A loser among four gets a third of what a loser of two gets, also for a team."""
    assert load_config("league-four").game.limit_value == -0.2
    with pytest.raises(ConfigError, match=r"from -0.333"):
        load_config("league-four", ["game.limit_value=-0.5"])
    assert load_config("league-teams").game.limit_value == -0.5


def test_games_among_peers_are_no_win_rate():
    tables = {
        "rollout": {"games": 64},
        "league": {"agents": 2, "peers": 0.5},
        "stages": [{"advance": 0.6}, {}],
    }
    with pytest.raises(ConfigError, match=r"a win rate needs games against others"):
        from_dict(tables)
    tables["league"]["past"] = 0.1
    assert from_dict(tables).league.peers == 0.5


def test_missing_and_broken_files_are_named(tmp_path):
    with pytest.raises(ConfigError, match=r"no preset and no file 'quikc'.*did you mean 'quick'"):
        load_config("quikc")
    broken = tmp_path / "broken.toml"
    broken.write_text("seed = = 1")
    with pytest.raises(ConfigError, match=r"broken.toml: not valid TOML"):
        load_config(broken)


def test_an_impossible_board_is_named():
    config = load_config("quick", ["stages=[{boards=[{height=2, width=2}]}]"])
    with pytest.raises(ConfigError, match="board 2x2"):
        make_board_game(config.game, config.stages[0].boards[0])


def test_stages_follow_the_progress():
    stages = load_config("laptop").stages
    starts = [stage.start for stage in stages]
    assert [stage_at(stages, start) for start in starts] == list(range(len(stages)))
    assert stage_at(stages, 1.0) == len(stages) - 1 and stage_at(stages, starts[1] - 1e-9) == 0


def test_the_defaults_are_complete():
    assert set(to_dict(TrainConfig())) >= {"game", "net", "ppo", "rollout", "evaluation", "stages"}
