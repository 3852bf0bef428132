"""`strategos package`: the submission plays from its zip alone, as the agent would, within the limits."""

from __future__ import annotations

import ast
import io
import json
import os
import resource
import socket
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import small_runs

from strategos.cli import main
from strategos.commands.package import _try_out
from strategos.games.generals.game import Generals
from strategos.games.generals.record import FOG, GENERAL, NEUTRAL, PLAIN, view_dtype
from strategos.play import packing
from strategos.play.agents import find_checkpoint, load_network
from strategos.play.child_process import can_cut_network
from strategos.play.hunter import HunterBot
from strategos.play.match import play_match
from strategos.play.network import NetworkPolicy, make_encoder
from strategos.play.packing import LADDER_LIBRARIES, LARGEST_BYTES, carried_sources, pack_agent, unpack
from strategos.play.policy import PolicyError
from strategos.play.program import Limits, Program
from strategos.play.submission import Careful
from strategos.play.time_trial import time_trial

GAME, DUEL = (Generals(8, 8, 2, ruleset=name) for name in ("competition", "duel"))
LADDER = Limits()
PATIENT = Limits(move_s=60, first_move_s=120, end_s=20)
PYTHON_FIRST = f"PATH={Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', os.defpath)}"


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> Path:
    return small_runs.straight_run("ppo", tmp_path_factory.getbasetemp())


@pytest.fixture(scope="module")
def submission(run, tmp_path_factory) -> Path:
    """The `run.sh` of an unpacked submission that plays greedily."""
    content = pack_agent(find_checkpoint(run), temperature=0.0)
    return unpack(content, tmp_path_factory.mktemp("submission"))


class Steady:
    """Always makes the same legal move in the same place, without any chance."""

    name = "steady"

    def act(self, views, masks, memories, rng):
        moves = [np.flatnonzero(np.unpackbits(mask, bitorder="little")) for mask in masks]
        return np.array(
            [legal[int(tick) * 7919 % len(legal)] for legal, tick in zip(moves, views["tick"], strict=True)],
            np.int32,
        )


def shut_in(script: Path, limits: Limits) -> Program:
    """The submission without network, where the system lets us, and without anything of ours."""
    command = ["env", "-i", PYTHON_FIRST, str(script)]
    return Program(command, script.parent, name="submission", limits=limits)


def test_it_plays_from_the_zip_within_the_limits_of_the_ladder(submission):
    def play(limits: Limits) -> tuple[int, int]:
        match = play_match(
            GAME,
            [shut_in(submission, limits), HunterBot()],
            num_games=2,
            seed=1,
            tick_limit=60,
            record=True,
            batch_size=1,
        )
        assert match.illegal.sum() == 0, match.misconduct
        moves = np.concatenate([played.actions[:, played.seats.index(0)] for played in match.games])
        assert match.faults.sum() > 0 or (moves != GAME.pass_action).mean() > 0.5
        return int(match.faults.sum()), len(moves)

    within_the_limits(play, starts=2)


def test_it_plays_on_the_largest_board_of_the_ladder(submission):
    """Frames of 21 x 21 tiles, a board that nobody has to compile anything for."""
    views = np.zeros(1, view_dtype(441, 2))
    views["height"], views["width"], views["stride"] = 21, 21, 21
    views["owner"], views["terrain"], views["alive"] = NEUTRAL, FOG, 1
    views["army_total"], views["land_total"] = 50, 1
    own = [200 + row * 21 + column for row in (-1, 0, 1) for column in (-1, 0, 1)]
    views["terrain"][0, own] = PLAIN
    views["terrain"][0, 200], views["owner"][0, 200], views["army"][0, 200] = GENERAL, 0, 50
    masks = np.zeros((1, 441 + 441 // 8 + 1), np.uint8)
    masks[0, 200] = 255
    masks[0, -1] = 1 << (9 * 441 & 7)

    def play(limits: Limits) -> tuple[int, int]:
        session = shut_in(submission, limits).begin()
        actions = []
        for tick in range(40):
            views["tick"] = tick
            actions += session.act(
                np.zeros(1, np.int64), views, masks, None, np.random.default_rng(0)
            ).tolist()
        session.close()
        conduct = session.conduct(0)
        assert conduct.illegal == 0
        assert conduct.faults > 0 or sum(action // 8 == 200 for action in actions) > 20
        return conduct.faults, len(actions)

    within_the_limits(play, starts=1)


def within_the_limits(play: Callable[[Limits], tuple[int, int]], starts: int) -> None:
    """`play` gives the faults and the moves of games under limits. There are none under those of the ladder,
    or, on a machine that others keep busy, its own time on a core is within them."""
    faults, _ = play(LADDER)
    if faults == 0:
        return
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    faults, moves = play(PATIENT)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert faults == 0
    used_s = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    assert used_s < starts * LADDER.first_move_s + moves * LADDER.move_s


def test_it_plays_as_the_agent_would(run, tmp_path):
    """The same moves as the agent's network in float32, though nothing is compiled in the submission.

    From one side: looking from all sides, it would look from one as soon as a busy machine makes it late.
    """
    checkpoint = find_checkpoint(run)
    script = unpack(pack_agent(checkpoint, temperature=0.0, all_sides=False), tmp_path)
    network, meta = load_network(checkpoint, bfloat16=False)
    agent = NetworkPolicy(network, make_encoder(meta["network"]["planes"], "cpu", False), temperature=0.0)
    ends = [
        play_match(DUEL, [player, Steady()], num_games=2, seed=4, tick_limit=80, record=True, batch_size=1)
        for player in (agent, shut_in(script, PATIENT))
    ]
    assert ends[1].misconduct == ()
    assert [each.final_hash for each in ends[0].games] == [each.final_hash for each in ends[1].games]


def test_it_carries_what_it_imports_and_nothing_that_the_ladder_lacks(submission):
    """Everything of ours comes out of the zip; what does not is the standard library or the ladder's."""
    code = (
        "import sys; sys.path.insert(0, '.'); import strategos.play.submission, json; "
        "print(json.dumps({name: getattr(module, '__file__', None) for name, module in sys.modules.items()}))"
    )
    done = subprocess.run(
        [sys.executable, "-I", "-B", "-c", code],
        cwd=submission.parent,
        capture_output=True,
        check=True,
        env={"NUMBA_DISABLE_JIT": "1"},
    )
    loaded = json.loads(done.stdout)
    ours = {name: path for name, path in loaded.items() if name.split(".")[0] == "strategos" and path}
    assert ours and all(Path(path).resolve().is_relative_to(submission.parent) for path in ours.values())
    assert {Path(path).resolve().relative_to(submission.parent).as_posix() for path in ours.values()} == set(
        carried_sources()
    )
    tops = {
        name.partition(".")[0]
        for source in carried_sources().values()
        for node in ast.walk(ast.parse(source))
        for name in (
            [alias.name for alias in node.names]
            if isinstance(node, ast.Import)
            else [node.module or ""]
            if isinstance(node, ast.ImportFrom)
            else []
        )
    }
    assert tops - set(sys.stdlib_module_names) - {"strategos"} <= LADDER_LIBRARIES
    assert not tops & {"socket", "urllib", "http", "ssl", "asyncio", "subprocess"}


def test_the_command_writes_it_after_a_game(run, tmp_path, capsys):
    output = tmp_path / "submission.zip"
    code = main(["package", str(run), "-o", str(output), "--ticks", "12", "--size", "8", "--json"])
    told = capsys.readouterr()
    if code != 0:  # a machine too busy to keep the ladder's time is told so, and nothing is written
        assert "faults" in told.err and not output.exists()
        return
    facts = json.loads(told.out)
    assert facts["answers"] == 12 and facts["faults"] == facts["illegal"] == 0
    assert facts["bytes"] == output.stat().st_size < LARGEST_BYTES
    assert output.read_bytes() in {
        pack_agent(find_checkpoint(run), all_sides=sides) for sides in (True, False)
    }
    with zipfile.ZipFile(output) as archive:
        assert archive.testzip() is None
        assert archive.getinfo("run.sh").external_attr >> 16 == 0o100755
        assert "agent.safetensors" in archive.namelist()


def test_what_cannot_be_a_submission(run, tmp_path, capsys, monkeypatch):
    for arguments, told in (
        (["package", str(run), "-o", str(tmp_path / "submission.tar")], "must end in .zip"),
        (["package", "hunter"], "no player 'hunter'"),
        (["package", f"{run}@worst"], "comes best, latest, or the samples"),
    ):
        assert main(arguments) == 2
        said = capsys.readouterr().err
        assert told in said and said.count("\n") == 1, said
    monkeypatch.setattr(packing, "LARGEST_BYTES", 10_000)
    with pytest.raises(PolicyError, match=r"MiB and the ladder takes .* weights"):
        pack_agent(find_checkpoint(run))


def test_an_agent_of_another_game_is_refused(tmp_path):
    (tmp_path / "meta.json").write_text(json.dumps({"network": {"kind": "cards"}, "files": {}}))
    with pytest.raises(PolicyError, match="does not play Generals"):
        pack_agent(tmp_path)


@pytest.fixture(scope="module")
def content(run) -> bytes:
    return pack_agent(find_checkpoint(run), all_sides=False)


def spoiled(content: bytes, lines: str) -> bytes:
    """The zip with an agent that does this first whenever it is asked for a move."""
    place, method = "strategos/play/network.py", "        actions = np.zeros(len(views), np.int32)\n"
    changed = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as old, zipfile.ZipFile(changed, "w") as new:
        for entry in old.infolist():
            source = old.read(entry)
            if entry.filename == place:
                assert method.encode() in source
                source = source.replace(method.encode(), f"        {lines}\n{method}".encode())
            new.writestr(entry, source)
    return changed.getvalue()


def test_an_agent_that_always_fails_is_not_packed(run, content, tmp_path, capsys, monkeypatch):
    """On the ladder it passes all game long, without a fault or an illegal move."""
    failing = spoiled(content, r"raise ValueError('no idea\nat all')")
    script = unpack(failing, tmp_path / "unpacked")
    played = time_trial(shut_in(script, PATIENT), HunterBot(), ticks=3, side=8)
    assert (played.faults, played.illegal, played.forfeit) == (0, 0, None)
    monkeypatch.setattr(packing, "pack_agent", lambda *_, **__: failing)
    output = tmp_path / "submission.zip"
    assert main(["package", str(run), "-o", str(output), "--ticks", "30", "--size", "8"]) == 2
    told = capsys.readouterr().err
    assert "tick 0: ValueError: no idea at all" in told and told.count("\n") == 1 and not output.exists()


@pytest.mark.parametrize("by", ["itself", "a program"])
def test_the_trial_has_no_network(content, by):
    if by == "a program" and not can_cut_network():
        pytest.skip("this system lets nobody make a network namespace")
    with socket.create_server(("127.0.0.1", 0)) as listening:
        call = f"import socket; socket.create_connection(('127.0.0.1', {listening.getsockname()[1]}), 5)"
        if by == "a program":
            call = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {call!r}], check=True)"
        trial = _try_out(spoiled(content, call), 3, 8)
        listening.settimeout(0.1)
        with pytest.raises(TimeoutError):
            listening.accept()
    error = "PermissionError: the ladder has no network" if by == "itself" else "CalledProcessError"
    assert trial.forfeit is not None and error in trial.forfeit


class Slow:
    """A policy that takes its time, or fails."""

    def __init__(self, name: str, takes_s: float, fails: bool = False) -> None:
        self.name, self.takes_s, self.fails = name, takes_s, fails

    def act(self, views, masks, memories, rng):
        if self.fails:
            raise ValueError("no idea")
        CLOCK[0] += self.takes_s
        return np.array([len(self.name)], np.int32)


CLOCK = [0.0]


def test_who_answers_late_twice_goes_on_with_one_side(monkeypatch, capsys):
    monkeypatch.setattr("strategos.play.submission.time.perf_counter", lambda: CLOCK[0])
    views = np.zeros(1, [("tick", "i4")])
    policy = Careful(Slow("all", 0.12), Slow("one", 0.01), 99)
    policy._policy.name, policy._quick.name = "careful", "quick"
    asked = [int(policy.act(views, None, None, None)[0]) for _ in range(5)]
    assert asked == [len("careful")] * 3 + [len("quick")] * 2  # the first one may take as long as it likes
    failing = Careful(Slow("bad", 0, fails=True), Slow("bad", 0, fails=True), 99)
    assert failing.act(views, None, None, None) == [99]
    assert "tick 0: ValueError: no idea" in capsys.readouterr().err
