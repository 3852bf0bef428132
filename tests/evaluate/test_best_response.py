"""An exploiter finds what there is to win: nearly all of it in Kuhn poker."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from strategos.cli import main
from strategos.evaluate.best_response import (
    AGENT_FOLDER,
    exact_best_response,
    exploiter_config,
    freeze,
    measure,
)
from strategos.games import make_game
from strategos.play.agents import find_checkpoint
from strategos.play.checkpoint_files import read_meta
from strategos.play.policy import PolicyError
from strategos.train.checkpoint import checkpoint_folders, samples_of
from strategos.train.duel import play_duel
from strategos.train.loop import train
from strategos.train.metrics import read_metrics

QUICK = ("--quiet", "--json", "--games", "64")


@pytest.fixture(scope="module")
def bad(tmp_path_factory) -> Path:
    """A player of Kuhn poker that has hardly learned: an eighth of a chip and more can be won from it."""
    run = tmp_path_factory.mktemp("bad") / "run"
    command = ["train", "--preset", "kuhn", "--run", str(run), "--samples", "7000", "--quiet", "--no-report"]
    assert main(command) == 0
    return run


def test_the_exploiter_of_a_bad_policy_earns_close_to_its_exact_exploitability(bad, tmp_path):
    frozen = freeze(str(bad), tmp_path)
    exact = exact_best_response(make_game("kuhn"), frozen)
    assert exact is not None and exact > 0.125
    config = exploiter_config(frozen, "kuhn", (8, 8), samples=40_000, minutes=0.0, seed=1)
    train(config, tmp_path, quiet=True)
    found = measure(tmp_path, config, frozen, games=64)
    assert [each.samples for each in found] == sorted(each.samples for each in found)
    assert found[-1].elapsed_s > 0 and found[-1].games == 0  # told exactly, not played
    assert 0.9 * exact < found[-1].value <= exact + 1e-9
    assert found[-1].value > found[0].value


def test_every_game_of_generals_is_against_the_agent_and_every_checkpoint_is_measured(tmp_path):
    config = exploiter_config("random", "generals", (8, 8), samples=3000, minutes=0.0, seed=1)
    small = {"games": 16, "ticks": 16}
    config = replace(
        config,
        game=replace(config.game, tick_limit=40),
        net=replace(config.net, channels=8),
        rollout=replace(config.rollout, **small),
        checkpoint_every=0.5,
        tensorboard=False,
    )
    train(config, tmp_path, quiet=True)
    rows = read_metrics(tmp_path)
    met = {key for row in rows for key in row if key.startswith("rollout_win/")}
    assert met == {"rollout_win/random"}
    found = measure(tmp_path, config, "random", games=8)
    assert [each.samples for each in found] == [samples_of(each) for each in checkpoint_folders(tmp_path)]
    assert all(each.games == 8 and each.low <= each.value < each.high for each in found)


def test_the_command_goes_on_and_tells_the_curve(bad, tmp_path, capsys):
    run = tmp_path / "exploiter"
    command = ["probe", str(bad), "--samples", "4000", "--run", str(run), *QUICK]
    told = []
    for _ in range(2):  # the second call finds the training done
        assert main(command) == 0
        told.append(json.loads(capsys.readouterr().out))
    assert told[0] == told[1] and told[0]["best_response"] > 0.125
    assert all(each["value"] <= told[0]["best_response"] + 1e-9 for each in told[0]["curve"])
    assert (run / "exploiter.png").read_bytes().startswith(b"\x89PNG")


def test_the_agent_is_frozen_and_stays_who_it_was(bad, tmp_path):
    frozen = Path(freeze(str(bad), tmp_path))
    assert frozen == tmp_path / AGENT_FOLDER
    assert read_meta(frozen)["files"] == read_meta(find_checkpoint(bad))["files"]
    assert freeze(str(bad), tmp_path) == str(frozen) and freeze("hunter", tmp_path) == "hunter"
    other = next(each for each in checkpoint_folders(bad) if each != find_checkpoint(bad))
    with pytest.raises(PolicyError, match="another agent"):
        freeze(str(other), tmp_path)


def test_the_run_of_somebody_else_is_left_alone(bad):
    with pytest.raises(PolicyError, match="another run"):
        freeze(str(bad), bad)
    assert not (bad / AGENT_FOLDER).exists()


def test_an_agent_in_a_file_is_frozen_too(bad, tmp_path):
    file, run = tmp_path / "agent.onnx", tmp_path / "exploiter"
    assert main(["export", str(bad), "--output", str(file)]) == 0
    frozen = Path(freeze(str(file), run))
    content = file.read_bytes()
    assert frozen.parent == run / AGENT_FOLDER and frozen.read_bytes() == content
    assert freeze(str(file), run) == str(frozen)
    worse = next(each for each in checkpoint_folders(bad) if each != find_checkpoint(bad))
    assert main(["export", str(worse), "--output", str(file)]) == 0
    with pytest.raises(PolicyError, match="another agent"):
        freeze(str(file), run)
    assert frozen.read_bytes() == content


def test_so_many_games_are_played_as_are_asked_for(tmp_path, monkeypatch):
    """A deal of Kuhn poker is two games."""
    config = exploiter_config("random", "kuhn", (8, 8), samples=1000, minutes=0.0, seed=1)
    train(config, tmp_path, quiet=True)
    deals: list[int] = []

    def play_counted(table, player, other, keys, seed):
        deals.append(len(keys))
        return play_duel(table, player, other, keys, seed)

    monkeypatch.setattr("strategos.evaluate.best_response.play_duel", play_counted)
    found = measure(tmp_path, config, "random", games=64)
    assert {each.games for each in found} == {64} and set(deals) == {32}
    assert all(each.low < each.value < each.high for each in found)


@pytest.mark.parametrize(
    ("arguments", "part"),
    [
        (("nobody",), "no player"),
        (("heuristic",), "plays blob"),
        (("hunter", "--minutes", "1", "--samples", "5"), "not both"),
        (("hunter", "--minutes", "0"), "minutes above 0"),
        (("hunter", "--games", "3"), "even"),
        (("random", "--game", "kuhn", "--size", "8"), "--size is for generals"),
    ],
)
def test_mistakes_are_one_line(arguments, part, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["probe", *arguments]) == 2
    error = capsys.readouterr().err.strip()
    assert part in error and len(error.splitlines()) == 1
