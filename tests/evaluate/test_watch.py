"""Every checkpoint is judged once, whatever is pruned or killed meanwhile; the best is kept."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import pytest

from strategos.cli import main
from strategos.evaluate.judged import BEST, JUDGED_FOLDER, Judged, judged_rows, ratings, read_judged
from strategos.evaluate.judging import Ladder
from strategos.evaluate.report import curves_png
from strategos.evaluate.watch import watching
from strategos.games import make_game
from strategos.play.agents import find_checkpoint, load_policy
from strategos.play.checkpoint_files import pack_meta, read_meta
from strategos.play.exploitability import agent_exploitability
from strategos.train.checkpoint import RunError, checkpoint_folders, run_lock, samples_of
from tests.small_runs import straight_run

LADDER = Ladder(("random", "expander"), games=4, gate=4)


@pytest.fixture
def run(tmp_path, tmp_path_factory) -> Path:
    """A finished run with three checkpoints."""
    copy = tmp_path / "run"
    shutil.copytree(straight_run("ppo", tmp_path_factory.getbasetemp()), copy, symlinks=True)
    for folder in checkpoint_folders(copy)[1:-2]:
        shutil.rmtree(folder)
    return copy


def judge(run: Path, ladder: Ladder = LADDER, on_result=lambda result: None) -> int:
    with watching(run, ladder, on_result) as watch:
        return watch.judge_new()


def test_every_checkpoint_is_judged_once_and_the_best_is_kept(run):
    moments = [samples_of(folder) for folder in checkpoint_folders(run)]
    told: list[Judged] = []
    before = {path: path.read_bytes() for path in run.rglob("*") if path.is_file() and path.name != "lock"}
    assert judge(run, on_result=told.append) == 3 and judge(run) == 0
    assert told == read_judged(run) and curves_png(judged_rows(told)).startswith(b"\x89PNG")
    assert [(each.samples, each.opponent) for each in told] == [
        (samples, opponent) for samples in moments for opponent in ("random", "expander", BEST)
    ]
    assert told[2].decision == "accept" and told[2].games == 0
    assert all(each.games == 4 and each.low <= each.value <= each.high for each in told[:2])
    assert told[5].summary.endswith(
        f"{told[5].wins} won, {told[5].draws} drawn, {told[5].losses} lost  {told[5].decision}"
    )
    accepted = [each for each in told if each.decision == "accept"][-1]
    best = find_checkpoint(run / JUDGED_FOLDER / "best")
    assert read_meta(best)["samples"] == accepted.samples
    assert load_policy(run / JUDGED_FOLDER / "best").name.endswith(f"@{accepted.samples}")
    assert (run / JUDGED_FOLDER / "strength.png").read_bytes().startswith(b"\x89PNG")
    assert [path.name for path in (run / JUDGED_FOLDER).glob("step-*")] == [f"step-{accepted.samples:012d}"]
    assert {path: path.read_bytes() for path in before} == before  # the trainer's files are only read


def test_the_best_is_handed_over_when_the_run_is_over_and_nobody_holds_it(run):
    with watching(run, LADDER, lambda result: None) as watch:
        assert watch.is_over and not watch.hand_over()
        watch.judge_new()
        with run_lock(run):
            assert not watch.hand_over()
        assert watch.hand_over()
        assert watch.results.best is not None
        assert read_meta(find_checkpoint(run))["samples"] == watch.results.best.samples


@pytest.mark.parametrize(
    ("ended", "over"), [(None, False), ("interrupted", False), ("time", True), ("finished", True)]
)
def test_a_run_is_over_when_its_newest_checkpoint_says_so(run, ended, over):
    file = checkpoint_folders(run)[-1] / "meta.json"
    meta = read_meta(file.parent)
    meta["run_state"]["ended"], meta["total_samples"] = ended, 10 * meta["samples"]
    file.write_bytes(pack_meta(meta))
    with watching(run, LADDER, lambda result: None) as watch:
        assert watch.is_over == over


@pytest.mark.parametrize(
    ("ladder", "part"),
    [
        (Ladder(("random", "expander"), games=4, gate=4, size=(6, 6)), "size was 8x8, not 6x6"),
        (Ladder(("hunter",), games=4, gate=4), "against was ['expander', 'random'], not ['hunter']"),
    ],
)
def test_one_curve_is_of_one_kind_of_games(run, ladder, part):
    """On other boards the same share of games would say something else; others were met by some only."""
    for folder in checkpoint_folders(run)[1:]:
        shutil.rmtree(folder)
    assert judge(run) == 1
    known = (run / JUDGED_FOLDER / "results.jsonl").read_bytes()
    with pytest.raises(RunError, match=re.escape(part)):
        judge(run, ladder)
    assert (run / JUDGED_FOLDER / "results.jsonl").read_bytes() == known
    more = Ladder(("expander", "random"), games=8, gate=2)  # how often they meet, every line says itself
    assert judge(run, more) == 0


def test_a_checkpoint_may_be_pruned_once_it_was_seen(run):
    with watching(run, LADDER, lambda result: None) as watch:
        watch.take_new()
        shutil.rmtree(checkpoint_folders(run)[0])
        assert watch.judge_new() == 3


def test_after_a_kill_nothing_is_judged_twice(run):
    class Killed(BaseException):
        pass

    seen: list[Judged] = []

    def die(result: Judged) -> None:
        seen.append(result)
        if len(seen) == 5:
            raise Killed

    with pytest.raises(Killed):
        judge(run, on_result=die)
    with open(run / JUDGED_FOLDER / "results.jsonl", "a", encoding="utf-8") as file:
        file.write('{"samples": 12, "elaps')  # and the last line was cut
    assert judge(run, on_result=seen.append) == 2
    assert seen == read_judged(run) and len({(each.samples, each.opponent) for each in seen}) == 9


def test_a_damaged_or_half_written_checkpoint_is_left_to_the_trainer(run):
    (checkpoint_folders(run)[0] / "ema.safetensors").write_bytes(b"half")
    assert judge(run) == 2


def test_one_process_watches_and_only_runs_are_watched(run, tmp_path):
    with watching(run, LADDER, print), pytest.raises(RunError, match="watched by another"):
        judge(run)
    with pytest.raises(RunError, match="not a run"):
        judge(tmp_path)


def test_deals_of_blob_are_judged_in_points(tmp_path, tmp_path_factory):
    run = tmp_path / "run"
    shutil.copytree(straight_run("alphazero", tmp_path_factory.getbasetemp()), run, symlinks=True)
    for folder in checkpoint_folders(run)[1:-1]:
        shutil.rmtree(folder)
    judge(run, Ladder(("random",), games=8, gate=8))
    found = read_judged(run)
    assert [each.opponent for each in found] == ["random", BEST] * 2
    rows = judged_rows(found)
    assert rows[0]["judged/random"] == found[0].value and "judged_rating" in rows[-1]
    weights = {each.weights for each in found}
    assert found[-1].decision == "same" if len(weights) == 1 else found[-1].rival == found[0].weights


def test_kuhn_is_judged_exactly(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert (
        main(["train", "--preset", "kuhn", "--run", "k", "--samples", "3000", "--no-report", "--quiet"]) == 0
    )
    capsys.readouterr()
    assert main(["watch", "k", "--once", "--json"]) == 0
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    agent = load_policy(tmp_path / "runs" / "k")
    exact = [line["value"] for line in lines if line["opponent"] == "best answer"]
    assert min(exact) == pytest.approx(agent_exploitability(make_game("kuhn"), agent))


def test_ratings_follow_the_results():
    def result(weights, opponent, wins, losses, rival="", decision=""):
        games = wins + losses
        share = wins / games
        moment = (10, 1.0, weights, opponent, "share of games won", share, share, share)
        return Judged(*moment, games, wins, 0, losses, rival, decision)

    found = [result("a", "random", 10, 10), result("b", "random", 15, 5), result("b", BEST, 15, 5, "a")]
    rated = ratings(found)
    assert rated["b"][0] > rated["a"][0] == pytest.approx(1500, abs=30)
    assert all(low < middle < high for middle, low, high in rated.values())
    assert ratings(found[2:]) == {}
    apart = [*found, result("c", "hunter", 9, 11), result("d", BEST, 3, 17, "c")]
    assert ratings(apart) == rated  # nobody whom no games link to random


@pytest.mark.parametrize(
    ("arguments", "part"),
    [
        (("nowhere",), "not a run"),
        (("nowhere", "--games", "3"), "must be even"),
        (("nowhere", "--gate", "1"), "at least 2"),
    ],
)
def test_mistakes_are_one_line(arguments, part, capsys):
    assert main(["watch", *arguments]) == 2
    error = capsys.readouterr().err.strip()
    assert part in error and len(error.splitlines()) == 1


@pytest.mark.parametrize(
    ("algorithm", "arguments", "part"),
    [
        ("ppo", ("--against", "huntre"), "hunter"),
        ("ppo", ("--against", "random", "heuristic"), "heuristic cannot play this game of generals"),
        ("ppo", ("--against", "random", "--size", "1"), "at least 4"),
        ("alphazero", ("--against", "hunter"), "hunter cannot play this game of blob"),
        ("alphazero", ("--against", "cmd:cat"), "cat plays generals"),
        ("alphazero", ("--size", "8"), "--size is of a board"),
    ],
)
def test_who_cannot_be_met_is_told_at_once(algorithm, arguments, part, tmp_path_factory, capsys):
    run = straight_run(algorithm, tmp_path_factory.getbasetemp())
    assert main(["watch", str(run), "--once", *arguments]) == 2
    error = capsys.readouterr().err.strip()
    assert part in error and len(error.splitlines()) == 1
    assert not (run / JUDGED_FOLDER).exists()
