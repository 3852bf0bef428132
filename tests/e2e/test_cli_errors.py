"""Bad input gets one clear line with the remedy and exit code 2, never a stack trace. A matrix."""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from strategos.cli import _noticing, main
from strategos.commands.arguments import chosen_temperature
from strategos.commands.gate import EXIT_CODES
from strategos.engine.batch import Batch
from strategos.games import make_game
from strategos.games.generals.replay import replay_of_game
from strategos.games.generals.replay_files import write_replay
from strategos.play.exploitability import EXPLOITABILITY

REPLAY = "shape.gioreplay"

TRAIN = ["train", "--config", "small.toml", "--run", "./run", "--quiet"]
BLOB = ["train", "--config", "blob.toml", "--run", "./run", "--quiet"]

CASES = {
    "unknown command": (["trian"], ["no command 'trian'; did you mean 'train'? See strategos --help"]),
    "unknown option before a command": (["--verbose"], ["no option '--verbose'", "strategos --help"]),
    "unknown option": (["doctor", "--jsn"], ["'--jsn'", "did you mean '--json'?"]),
    "missing argument": (["evaluate"], ["agent", "strategos evaluate --help"]),
    "no such policy": (["evaluate", "huntr"], ["no player 'huntr'", "hunter"]),
    "no such opponent": (["play", "expandr"], ["no player 'expandr'", "expander"]),
    "no such opponent to measure against": (["evaluate", "hunter", "--against", "ranodm"], ["random"]),
    "an opponent of another game": (
        ["evaluate", "hunter", "--against", "cards"],
        ["cards@0 cannot play this game of generals"],
    ),
    "an agent without matches": (["evaluate", "cards", "--against", "random"], ["kuhn", "drop --against"]),
    "a program at a game of cards": (
        ["evaluate", "heuristic", "--against", "cmd:cat"],
        ["cat plays generals", "game of blob"],
    ),
    "boards at Blob": (["evaluate", "heuristic", "--size", "8"], ["--size is for generals", "game of blob"]),
    "ticks at Blob": (["evaluate", "random", "--deal", "3x2", "--ticks", "9"], ["--ticks is for generals"]),
    "a temperature that is none": (["evaluate", "hunter", "--temperature", "nan"], ["'nan'", "0 (greedy)"]),
    "a temperature below zero": (["evaluate", "hunter", "--temperature", "-1"], ["'-1'", "0 (greedy)"]),
    "a search for ever": (["evaluate", "heuristic", "--search", "9999999x99"], ["1000000 simulations"]),
    "nobody to measure against": (["evaluate", "random", "--against", "random"], ["random", "--against"]),
    "an agent of another game": (["play", "cards", "--game", "generals"], ["cards cannot play this game"]),
    "odd number of games": (["evaluate", "hunter", "--games", "3"], ["3 games", "4"]),
    "no games": (["evaluate", "hunter", "--games", "0"], ["--games", "at least 1"]),
    "games that are no number": (["evaluate", "hunter", "--games", "many"], ["'many'", "whole number"]),
    "a seed below zero": (["play", "--seed", "-1"], ["--seed", "'-1'", "from 0 to 9223372036854775807"]),
    "a seed too large": (["evaluate", "hunter", "--seed", "9" * 20], ["--seed", "9223372036854775807"]),
    "a seed that is no number": (["tournament", "random", "hunter", "--seed", "x"], ["--seed", "'x'"]),
    "malformed size": (["evaluate", "hunter", "--size", "8x"], ["'8x'", "8x10"]),
    "impossible board": (["play", "--size", "3"], ["at least 4"]),
    "too many players": (["play", "--players", "17"], ["17", "16"]),
    "too many players for the ruleset": (["play", "--players", "3", "--ruleset", "duel"], ["'duel'", "2"]),
    "no such ruleset": (["play", "--ruleset", "clasic"], ["'clasic'", "classic"]),
    "one player makes no tournament": (["tournament", "hunter"], ["two or more"]),
    "the same player twice": (["tournament", "random", "random"], ["different players"]),
    "a format with a typo": (
        ["tournament", "random", "hunter", "--format", "swis"],
        ["'swis'", "round-robin"],
    ),
    "no rounds": (["tournament", "random", "hunter", "--format", "swiss", "--rounds", "0"], ["--rounds"]),
    "games that fill no boards": (["tournament", "random", "hunter", "--games", "3"], ["take 4"]),
    "a player of another game": (
        ["tournament", "random", "heuristic", "--size", "8", "--game", "generals"],
        ["plays blob"],
    ),
    "too few players": (["tournament", "heuristic", "random"], ["4 seats", "2 players"]),
    "teams that are none": (["tournament", "random", "hunter", "--teams", "2"], ["'2'", "2x2"]),
    "cards on a board": (["tournament", "random", "hunter", "--cards", "5"], ["--cards is for blob"]),
    "no such preset": (
        ["train", "--preset", "qiuck"],
        ["no preset 'qiuck'; did you mean 'quick'? There are "],
    ),
    "no such configuration file": (["train", "--config", "none.toml"], ["none.toml", "quick"]),
    "a key with a typo": (["train", "--sampels", "9"], ["'sampels'", "samples"]),
    "a nested key with a typo": (["train", "--ppo.clp", "0.1"], ["ppo.clp", "clip"]),
    "a value of a wrong type": (["train", "--samples", "many"], ["samples", "int"]),
    "a key without a value": (["train", "--ppo.clip"], ["--ppo.clip needs a value"]),
    "a word without a key": (["train", "quick"], ["'quick'", "--key value"]),
    "preset and file": (["train", "--preset", "quick", "--config", "a.toml"], ["not both"]),
    "a broken configuration file": (["train", "--config", "broken.toml"], ["broken.toml", "TOML"]),
    "a file with a typo": (["train", "--config", "typo.toml"], ["typo.toml", "rollot", "rollout"]),
    "an impossible training board": (["train", "--config", "board.toml", "--run", "./b"], ["4"]),
    "a number that is none": (["train", "--ppo.clip", "nan"], ["ppo.clip", "finite number", "nan"]),
    "no end": (["train", "--max-minutes", "inf"], ["max_minutes", "finite number"]),
    "minutes below zero": (["train", "--checkpoint-minutes", "-1"], ["checkpoint_minutes", "0 or more"]),
    "no checkpoint kept": (["train", "--checkpoints-kept", "0"], ["checkpoints_kept", "1 or more"]),
    "a seed beyond the random numbers": (["train", "--seed", "9" * 20], ["seed", "2**63"]),
    "no such game": (["train", "--game.name", "general"], ["'general'", "did you mean 'generals'?"]),
    "no such device": (["train", "--device", "cuda:x"], ["'cuda:x'", "cpu"]),
    "a GPU too far": (["train", "--device", "cuda:99"], ["'cuda:99'", "GPU"]),
    "a search for other games": ([*BLOB, "--search.root", "regret"], ["search: ", "blob"]),
    "no room for examples": ([*BLOB, "--memory.folder", "noise.gior/x"], ["memory.folder", "noise.gior/x"]),
    "bots of another game": ([*BLOB, "--evaluation.against", "['hunter']"], ["hunter plays generals"]),
    "a judge of another game": (
        [*TRAIN, "--evaluation.against", "['heuristic']"],
        ["heuristic cannot play this game of generals", "heuristic plays blob"],
    ),
    "a teacher of another game": (
        [*TRAIN, "--rollout.teacher", "heuristic", "--ppo.teacher-weight", "1"],
        ["heuristic cannot play this game of generals"],
    ),
    "no such run": (["resume", "nowhere"], ["nowhere", "strategos train"]),
    "a folder that is no run": (["resume", "empty"], ["empty", "strategos train"]),
    "a folder that is no agent": (["evaluate", "empty"], ["empty", "meta.json"]),
    "a damaged checkpoint": (["evaluate", "checkpoint"], ["ema.safetensors", "damaged"]),
    "a checkpoint with damaged data": (["play", "garbled"], ["meta.json", "damaged"]),
    "a checkpoint without weights": (["evaluate", "weightless"], ["ema.safetensors"]),
    "no such replay": (["replay", "none.gior"], ["none.gior does not exist", ".gioreplay"]),
    "a folder without games": (["replay", "empty"], ["empty holds no files of recorded games"]),
    "a page of a folder": (["replay", "empty", "--html", "a.html"], ["--html is for one game", "a folder"]),
    "a player of one game": (["replay", REPLAY, "--player", "hunter"], ["--player is for a folder"]),
    "noise as a replay": (["replay", "noise.gior"], ["noise.gior"]),
    "a replay with a wrong field": (["replay", REPLAY], [REPLAY, "mapWidth"]),
    "noise as a record": (["replay", "noise.parquet"], ["noise.parquet"]),
    "a replay into no folder": (
        ["replay", "shape.gior", "--html", "nowhere/a.html"],
        ["nowhere/a.html cannot be written", "no folder nowhere"],
    ),
    "a table into a folder": (["replay", "shape.gior", "--csv", "empty"], ["empty cannot be written"]),
    "a replay of no kind": (["replay", "shape.gior", "--gioreplay", "a.txt"], ["a.txt", ".gioreplay"]),
    "one of one game": (["replay", "shape.gior", "--game", "3"], ["--game is for a .parquet"]),
    "a speed that is none": (["replay", REPLAY, "--speed", "nan"], ["--speed", "above 0"]),
    "a file as a run": (["resume", "./small.toml"], ["small.toml is not a run", "strategos train"]),
    "a speed of zero": (["replay", REPLAY, "--speed", "0"], ["--speed", "above 0"]),
    "no such benchmark": (["bench", "strtup"], ["'strtup'", "startup"]),
}


def write_kuhn_player(folder: Path) -> None:
    """A sound checkpoint of an agent that plays cards and nothing else."""
    from safetensors.torch import save

    from strategos.play.network import build_network, describe_network

    network = describe_network(make_game("kuhn").spec, "kuhn", builds=False)
    weights = save(build_network(network).state_dict())
    files = {"ema.safetensors": hashlib.sha256(weights).hexdigest()}
    folder.mkdir()
    (folder / "ema.safetensors").write_bytes(weights)
    meta = {"game": {"name": "kuhn"}, "run": "cards", "network": network, "files": files}
    (folder / "meta.json").write_text(json.dumps(meta))


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder with everything that can be wrong in it."""
    (tmp_path / "empty").mkdir()
    (tmp_path / "broken.toml").write_text("samples = = 3")
    (tmp_path / "typo.toml").write_text("[rollot]\ngames = 3")
    (tmp_path / "small.toml").write_text("[[stages]]\nboards = [{ height = 6, width = 6 }]")
    (tmp_path / "blob.toml").write_text(
        'algorithm = "alphazero"\n[game]\nname = "blob"\n[evaluation]\nagainst = ["random"]'
    )
    (tmp_path / "board.toml").write_text("[[stages]]\nboards = [{ height = 2, width = 8 }]")
    (tmp_path / "noise.gior").write_bytes(bytes(range(256)) * 3)
    (tmp_path / "noise.parquet").write_bytes(b"PAR1" + bytes(100))
    (tmp_path / REPLAY).write_text(json.dumps({"version": 15, "id": "x", "mapWidth": "wide"}))
    network = {"planes": "memory"}
    for name, meta in {
        "checkpoint": json.dumps({"network": network, "files": {"ema.safetensors": "00"}}),
        "garbled": '{"network": ',
        "weightless": json.dumps({"network": network, "files": {}}),
    }.items():
        (tmp_path / name).mkdir()
        (tmp_path / name / "meta.json").write_text(meta)
    (tmp_path / "checkpoint" / "ema.safetensors").write_bytes(b"\x00" * 64)
    write_kuhn_player(tmp_path / "cards")
    batch = Batch(make_game("generals", height=6, width=6), num_games=1, seed=3)
    batch.reset()
    write_replay(replay_of_game(batch.states[0], np.zeros((0, 2), np.int32)), tmp_path / "shape.gior")
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("STRATEGOS_DEBUG", raising=False)
    return tmp_path


@pytest.mark.parametrize("arguments, expected", CASES.values(), ids=CASES)
def test_one_line_and_exit_code_2(folder, capsys, arguments, expected):
    assert main(arguments) == 2
    out, err = capsys.readouterr()
    assert err.startswith("strategos: ") and err.count("\n") == 1 and err.endswith("\n")
    assert "Traceback" not in err and not out and "?;" not in err and "? (" not in err
    for part in expected:
        assert part in err


def test_the_process_itself_exits_with_2(folder):
    done = subprocess.run(
        [sys.executable, "-m", "strategos.cli", "evaluate", "huntr"], capture_output=True, text=True
    )
    assert done.returncode == 2 and done.stdout == "" and done.stderr.count("\n") == 1


@pytest.mark.parametrize("arguments", [["--help"], ["--version"], ["train", "--keys"], ["play", "--help"]])
def test_a_reader_that_has_seen_enough_is_no_error(arguments):
    reader, writer = os.pipe()
    os.close(reader)
    command = [sys.executable, "-m", "strategos.cli", *arguments]
    done = subprocess.run(command, stdout=writer, stderr=subprocess.PIPE, text=True, check=False)
    os.close(writer)
    assert (done.returncode, done.stderr) == (0, "")


def test_ctrl_c_is_noticed_even_where_it_is_swallowed():
    before, stops = signal.getsignal(signal.SIGINT), []
    with _noticing(stops), contextlib.suppress(KeyboardInterrupt):
        signal.raise_signal(signal.SIGINT)
    assert stops == [signal.SIGINT] and signal.getsignal(signal.SIGINT) is before


def test_the_trace_is_there_for_whoever_asks(folder, monkeypatch, capsys):
    monkeypatch.setenv("STRATEGOS_DEBUG", "1")
    assert main(["trian"]) == 2
    assert "Traceback" in (told := capsys.readouterr().err) and "no command" in told


def test_a_fault_of_ours_is_no_decision_of_a_gate(monkeypatch, capsys):
    def fail(arguments):
        raise RuntimeError("a fault")

    monkeypatch.setattr("strategos.commands.gate.run", fail)
    assert main(["gate", "hunter", "--against", "random"]) == 70 not in EXIT_CODES.values()
    assert "RuntimeError: a fault" in capsys.readouterr().err


def test_a_game_without_bots_and_without_a_known_answer_needs_opponents(folder, monkeypatch, capsys):
    monkeypatch.delitem(EXPLOITABILITY, "kuhn")
    assert main(["evaluate", "cards"]) == 2
    assert "--against" in capsys.readouterr().err
    assert main(["evaluate", "cards", "--against", "random", "--games", "8", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["results"][0]["deals"] == 8


@pytest.mark.parametrize(
    ("given", "game", "chosen"), [(None, "blob", 0), (None, "kuhn", 1), (0.5, "blob", 0.5)]
)
def test_networks_choose_as_their_game_is_measured(given, game, chosen):
    assert chosen_temperature(argparse.Namespace(temperature=given), game) == chosen


@pytest.fixture
def scripts(folder, monkeypatch) -> Path:
    """Benchmarks of which `strength` fails and the others print their name."""
    for name in ("engine", "scaling", "startup", "blob", "peers"):
        (folder / f"{name}.py").write_text(f'if __name__ == "__main__":\n    print("ran {name}")\n')
    (folder / "strength.py").write_text('if __name__ == "__main__":\n    raise RuntimeError("no time")\n')
    monkeypatch.setattr("strategos.commands.bench.FOLDER", folder)
    return folder


def test_benchmarks_that_take_more_than_minutes_run_only_by_name(scripts, capfd):
    assert main(["bench", "--json"]) == 0
    assert capfd.readouterr().out.split("\n") == ["ran engine", "ran scaling", "ran startup", "ran blob", ""]
    assert main(["bench", "peers", "--json"]) == 0
    assert capfd.readouterr().out == "ran peers\n"


def test_a_benchmark_that_fails_is_one_line_and_exit_code_1(scripts, capfd, monkeypatch):
    assert main(["bench", "strength", "engine", "--json"]) == 1
    out, err = capfd.readouterr()
    assert out == "" and err.count("\n") == 1 and "Traceback" not in err
    assert err.startswith("strategos: bench: strength failed: RuntimeError: no time; ")
    monkeypatch.setenv("STRATEGOS_DEBUG", "1")
    assert main(["bench", "strength", "--json"]) == 1
    assert "Traceback" in capfd.readouterr().err


@pytest.mark.parametrize("arguments", [[], ["--help"], ["help"], ["-h"]])
def test_help_is_not_an_error(arguments, capsys):
    assert main(arguments) == 0
    assert "usage: strategos COMMAND" in capsys.readouterr().out


@pytest.mark.parametrize(
    "command", ["train", "resume", "evaluate", "tournament", "play", "export", "replay", "bench", "doctor"]
)
def test_every_command_has_a_help_that_fits(command, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    with pytest.raises(SystemExit) as ended:
        main([command, "--help"])
    lines = capsys.readouterr().out.splitlines()
    assert ended.value.code == 0 and len(lines) <= 24 and max(map(len, lines)) <= 80
