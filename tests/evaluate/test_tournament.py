"""Tournaments: every format comes to its end, nothing is played twice, threads and kills change nothing."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
from safetensors.torch import save

from strategos.cli import main
from strategos.evaluate.tournament.entrants import Entrant, keep
from strategos.evaluate.tournament.games import FinishedGame
from strategos.evaluate.tournament.jobs import cut_round
from strategos.evaluate.tournament.plan import Plan, PlanError, begun, make_plan, read_plan
from strategos.evaluate.tournament.play import Progress, play_tournament
from strategos.evaluate.tournament.results import TournamentResult, rate
from strategos.games import make_game
from strategos.play.network import build_network, describe_network
from strategos.play.policy import Conduct, PolicyError
from strategos.play.record import RecordError, find_records, read_records

GENERALS = make_game("generals", height=8, width=8)
BLOB = make_game("blob", players=4, cards=5)
MCTS = ["mcts-1", "mcts-2", "mcts-3"]


def plan_of(sources: list[str], game=GENERALS, **options) -> Plan:
    return make_plan(sources, game, **{"games": 2, "tick_limit": 0 if game is BLOB else 20} | options)


def played(folder: Path, plan: Plan, **options) -> tuple[Progress, TournamentResult]:
    with begun(plan, folder) as settled:
        progress = play_tournament(settled, folder, **options)
        return progress, rate(settled, progress.games, progress.rounds)


def settle(plan: Plan, folder: Path) -> Plan:
    """The plan as it is begun in a folder, and left alone again."""
    with begun(plan, folder) as settled:
        return settled


def write_run(folder: Path) -> Path:
    """A run with one checkpoint of an untrained agent."""
    network = describe_network(GENERALS.spec, "memory", builds=False, channels=8, blocks=1)
    module = build_network(network)
    weights = save({name: each.contiguous() for name, each in module.state_dict().items()})
    meta = {
        "network": network,
        "game": {"name": "generals"},
        "run": folder.name,
        "samples": 7,
        "files": {"ema.safetensors": hashlib.sha256(weights).hexdigest()},
    }
    checkpoint = folder / "checkpoints" / "step-000000000007"
    checkpoint.mkdir(parents=True)
    (checkpoint / "ema.safetensors").write_bytes(weights)
    (checkpoint / "meta.json").write_text(json.dumps(meta))
    return folder


def meetings(games: list[FinishedGame]) -> dict[frozenset[int], int]:
    found: dict[frozenset[int], int] = {}
    for game in games:
        found[frozenset(game.entrants)] = found.get(frozenset(game.entrants), 0) + 1
    return found


def test_a_round_robin_finds_the_order_of_the_bots(tmp_path):
    plan = plan_of(["expander", "random", "hunter"], games=24, tick_limit=300)
    progress, result = played(tmp_path, plan)
    assert result.names == ("hunter", "expander", "random")
    assert result.standings.anchor == "random" and result.standings.ratings[-1].rating == 1500
    assert set(meetings(progress.games).values()) == {24} and len(progress.games) == 72
    for rating in result.standings.ratings[:2]:
        assert 1500 < rating.low < rating.rating < rating.high
    assert result.elo is not None and result.elo["hunter"] > result.elo["random"]
    assert result.averages is not None and result.averages.nash[0] > 0.99
    score = result.standings.payoff.score
    assert np.allclose((score + score.T)[~np.eye(3, dtype=bool)], 1) and score[0, 2] > 0.9
    points = sum(game.points[game.entrants.index(2)] for game in progress.games if 2 in game.entrants)
    assert result.standings.ratings[0].score == pytest.approx(points / 48)
    json.dumps(result.as_json(), allow_nan=False)


def test_a_swiss_of_five_gives_every_bye_to_another(tmp_path):
    plan = plan_of(["random", "expander", *MCTS], format="swiss", rounds=5, games=2, tick_limit=3)
    progress, result = played(tmp_path, plan)
    assert [len(each.tables) for each in progress.rounds] == [2] * 5 and result.byes == (1,) * 5
    assert set(meetings(progress.games).values()) == {2} and len(meetings(progress.games)) == 10
    assert sum(result.points) == pytest.approx(5 * 3)
    assert result.intransitivity == 0 and len(result.history) == 5


def test_a_gauntlet_is_the_first_against_all(tmp_path):
    progress, result = played(
        tmp_path, plan_of(["hunter", "random", "expander", *MCTS[:1]], format="gauntlet", tick_limit=3)
    )
    assert meetings(progress.games) == {frozenset((0, other)): 2 for other in (1, 2, 3)}
    assert result.averages is None and len(result.standings.rated) == 4


def test_on_a_ladder_the_better_climb(tmp_path):
    plan = plan_of(["random", "expander", "hunter"], format="ladder", rounds=4, games=8, tick_limit=300)
    progress, _ = played(tmp_path, plan)
    tables = [each.tables for each in progress.rounds]
    assert len(tables) == 4 and set(tables[0][0]) == {0, 1} and set(tables[1][0]) == {0, 2}
    assert set(tables[2][0]) == {1, 2}, "the hunter has climbed past random and meets the expander"


def test_tables_of_four_count_who_finished_ahead(tmp_path):
    plan = plan_of(["random", "heuristic", *MCTS], BLOB, games=8)
    progress, result = played(tmp_path, plan)
    assert set(meetings(progress.games)) == {frozenset(each) for each in combinations(range(5), 4)}
    assert result.names[-1] == "random" and result.elo is None
    assert result.first_places is not None and result.skills is not None
    by_hand = np.zeros(5)
    seats = np.zeros((5, 4), int)
    for file in sorted((tmp_path / "games").glob("games-*.parquet")):
        for record in read_records(file):
            best = np.flatnonzero(np.array(record.returns) == max(record.returns))
            for seat, name in enumerate(record.players):
                seats[plan.names.index(name), seat] += 1
                by_hand[plan.names.index(name)] += (seat in best) / len(best)
    shares = [each.mean for each in result.first_places]
    assert shares == pytest.approx([by_hand[plan.names.index(name)] / 32 for name in result.names])
    assert (seats == 8).all(), "everybody has every seat equally often"
    for game in progress.games:
        assert sum(game.points) == pytest.approx(2) and len(set(game.entrants)) == 4


def test_an_entrant_has_all_seats_of_its_team(tmp_path):
    game = make_game("generals", height=9, width=8, players=4, teams=(0, 1, 0, 1))
    plan = plan_of(["random", "expander"], game, games=4, tick_limit=200)
    progress, result = played(tmp_path, plan)
    assert plan.seats == 2 and result.names[0] == "expander"
    for record in read_records(tmp_path / "games" / "games-000001.parquet"):
        assert record.players[0] == record.players[2] != record.players[1] == record.players[3]
        assert record.returns[0] == record.returns[2]
    assert {game.entrants for game in progress.games} == {(0, 1), (1, 0)}


def test_boards_are_paired_within_a_table_and_new_at_every_table():
    plan = plan_of(["random", "expander", "hunter", *MCTS[:1]], games=6)
    jobs = cut_round(plan, 0, [(0, 1), (2, 3)], 1) + cut_round(plan, 1, [(1, 0), (3, 2)], 9)
    seeds = np.concatenate([job.seeds for job in jobs])
    assert sorted(np.unique(seeds, return_counts=True)[1].tolist()) == [2] * 12
    for job in jobs:
        for seed in set(job.seeds.tolist()):
            one, other = job.seating[job.seeds == seed].tolist()
            assert one == other[::-1]
    big = cut_round(replace(plan, games=1000), 0, [(0, 1), (2, 3)], 5)
    assert [job.number for job in big] == list(range(5, 5 + len(big))) and sum(map(len, big)) == 2000
    assert max(map(len, big)) == 128


def test_the_games_do_not_depend_on_the_threads(tmp_path):
    plan = plan_of(["random", "expander", "hunter"], games=32, tick_limit=60)
    found = []
    for threads in (1, 2, 3):
        folder = tmp_path / str(threads)
        progress, result = played(folder, plan, threads=threads)
        hashes = {(entry.file, entry.row): entry.final_hash for entry in find_records(folder / "games")}
        found.append((progress.games, hashes, result.as_json()))
    assert found[0] == found[1] == found[2] and len(found[0][1]) == 96


COMMAND = "from strategos.cli import main; import sys; sys.exit(main(sys.argv[1:]))"
ARGUMENTS = [
    "tournament", "random", "expander", "--format", "swiss", "--rounds", "12", "--games", "64", "--size", "8",
    "--ticks", "100", "--json",
]  # fmt: skip
"""48 jobs, so that there is a middle to be killed in."""


def start(folder: Path) -> subprocess.Popen:
    arguments = [sys.executable, "-c", COMMAND, *ARGUMENTS, "--output", str(folder)]
    return subprocess.Popen(arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def test_killed_in_the_middle_it_goes_on_and_ends_the_same(tmp_path):
    killed, whole = tmp_path / "killed", tmp_path / "whole"
    process = start(killed)
    while process.poll() is None and len(list((killed / "games").glob("games-*.parquet"))) < 3:
        time.sleep(0.005)
    os.kill(process.pid, signal.SIGKILL)
    process.communicate()
    before = {path: path.stat().st_mtime_ns for path in (killed / "games").glob("games-*.parquet")}
    recorded = sum(len(read_records(path)) for path in before)
    assert 0 < recorded < 768, "it was not killed in the middle"
    results = []
    for folder in (killed, whole):
        process = start(folder)
        told, errors = process.communicate()
        assert process.returncode == 0, errors
        results.append(json.loads(told))
    went_on, uninterrupted = results
    assert (went_on.pop("found"), went_on.pop("played")) == (recorded, 768 - recorded)
    assert (uninterrupted.pop("found"), uninterrupted.pop("played")) == (0, 768)
    assert went_on.pop("output") != uninterrupted.pop("output") and went_on == uninterrupted
    assert {path: path.stat().st_mtime_ns for path in before} == before, "a recorded job was played again"
    assert (killed / "games.csv").read_text() == (whole / "games.csv").read_text()


def test_a_finished_tournament_is_read_and_not_played(tmp_path):
    plan = plan_of(["random", "expander"], games=8)
    first, result = played(tmp_path, plan)
    again, same = played(tmp_path, plan)
    assert (again.played_now, again.found) == (0, 8)
    assert again.games == first.games and same.as_json() == result.as_json()


def test_a_record_that_does_not_verify_is_named(tmp_path):
    plan = plan_of(["random", "expander"], games=8)
    played(tmp_path, plan)
    path = tmp_path / "games" / "games-000001.parquet"
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(RecordError, match=r"games-000001\.parquet is no Parquet file, or a damaged one"):
        play_tournament(plan, tmp_path)
    other = tmp_path / "other"
    played(other, replace(plan, seed=1))
    path.write_bytes((other / "games" / path.name).read_bytes())
    with pytest.raises(RecordError, match=r"games-000001\.parquet holds other games"):
        play_tournament(plan, tmp_path)
    path.unlink()
    assert played(tmp_path, plan)[0].played_now == 8


def test_the_weights_of_the_beginning_play_whatever_becomes_of_the_run(tmp_path):
    run, folder = write_run(tmp_path / "run"), tmp_path / "cup"
    plan = plan_of([str(run), "random"], format="swiss", rounds=2, tick_limit=10)
    settled = settle(plan, folder)
    assert settled.names == ("run@7", "random") and settled.entrants[0].path == "players/1"
    assert (folder / settled.entrants[0].path / "ema.safetensors").is_file()
    shutil.rmtree(run)
    moved = folder.rename(tmp_path / "moved")
    progress, result = played(moved, plan)
    assert progress.played_now == 4 and set(result.names) == {"run@7", "random"}
    (moved / "players" / "1" / "meta.json").write_text('{"network": {}, "files": {"ema.safetensors": "00"}}')
    with pytest.raises(PolicyError, match="have changed since the tournament began"):
        settled.entrants[0].load(moved, 1.0)


def test_a_stopped_tournament_needs_nobody_where_they_were(tmp_path, capsys):
    """Not even to tell which game is played."""
    run, cup = write_run(tmp_path / "run"), tmp_path / "cup"
    arguments = [
        "tournament", str(run), "random", "--size", "8", "--games", "2", "--ticks", "10", "--json",
        "--output", str(cup),
    ]  # fmt: skip
    assert main(arguments) == 0
    first = json.loads(capsys.readouterr().out)
    shutil.rmtree(run)
    assert main(arguments) == 0
    again = json.loads(capsys.readouterr().out)
    assert (again.pop("found"), again.pop("played")) == (first.pop("played"), first.pop("found")) == (2, 0)
    assert again == first


def test_an_onnx_file_is_copied_too(tmp_path):
    (tmp_path / "agent.onnx").write_bytes(b"weights")
    (entrant,) = keep([Entrant("agent", "agent", str(tmp_path / "agent.onnx"))], tmp_path)
    assert (tmp_path / entrant.path).read_bytes() == b"weights" and entrant.path == "players/1.onnx"
    assert entrant.sha256 == hashlib.sha256(b"weights").hexdigest()


def test_players_of_one_name_are_called_as_typed(tmp_path):
    sources = []
    for owner in ("alice", "bob"):
        bot = tmp_path / owner / "bot"
        bot.parent.mkdir()
        bot.write_text(CRASHING)
        bot.chmod(0o755)
        sources.append(str(bot))
    settled = settle(plan_of([*sources, "random"]), tmp_path / "cup")
    assert settled.names == (*sources, "random")


def test_two_processes_never_play_in_one_folder(tmp_path, capsys):
    plan = plan_of(["random", "expander"], games=8)
    with begun(plan, tmp_path / "cup") as settled:
        (tmp_path / "cup" / "games").mkdir()
        unfinished = tmp_path / "cup" / "games" / "games-1.unfinished"
        unfinished.write_text("being written")
        with pytest.raises(PlanError, match="another process plays the tournament there"):
            settle(plan, tmp_path / "cup")
        assert main(["tournament", "random", "expander", "--output", str(tmp_path / "cup")]) == 2
        assert "another process" in capsys.readouterr().err and unfinished.exists()
        assert play_tournament(settled, tmp_path / "cup").played_now == 8 and not unfinished.exists()
    assert settle(plan, tmp_path / "cup").entrants == settled.entrants


def test_a_beginning_that_was_killed_is_begun_again(tmp_path):
    """Killed after the players were copied and before the plan was there."""
    (tmp_path / "players" / "1").mkdir(parents=True)
    (tmp_path / ".writing-tournament.json").write_text("{")
    (tmp_path / "lock").touch()
    assert played(tmp_path, plan_of(["random", "expander"]))[0].played_now == 2


CRASHING = "#!/bin/sh\nread line\nread line\nexit 3\n"
HANGING = "#!/bin/sh\nsleep 100\n"
"""Late with every answer; the time for the first is ten seconds, so one game is enough."""


def test_programs_that_crash_never_stop_it(tmp_path):
    bot = tmp_path / "crashing"
    bot.write_text(CRASHING)
    bot.chmod(0o755)
    plan = plan_of(["random", str(bot), "expander"], games=4, tick_limit=30)
    progress, result = played(tmp_path / "out", plan)
    (line,) = result.misconduct
    assert line.startswith("crashing: 0 faults, 0 illegal moves, 8 of 8 games forfeited (at tick ")
    assert all(game.points[game.entrants.index(1)] == 0 for game in progress.games if 1 in game.entrants), (
        "who forfeits has lost"
    )
    assert played(tmp_path / "out", plan)[1].misconduct == result.misconduct


def test_a_program_that_hangs_forfeits(tmp_path, monkeypatch):
    from strategos.play import agents
    from strategos.play.program import Limits

    bot = tmp_path / "hanging"
    bot.write_text(HANGING)
    bot.chmod(0o755)
    plan = plan_of(["random", str(bot)], games=2, tick_limit=12)
    find, fast = agents.find_program, Limits(move_s=0.01, first_move_s=0.05, faults=5, end_s=0.1)
    monkeypatch.setattr(agents, "find_program", lambda source, limits=None: find(source, fast))
    progress, result = played(tmp_path / "out", plan)
    assert result.misconduct[0].startswith("hanging: 10 faults, 0 illegal moves, 2 of 2 games forfeited")
    assert [game.conduct[game.entrants.index(1)].faults for game in progress.games] == [5, 5]
    assert all(game.conduct[game.entrants.index(0)] == Conduct() for game in progress.games)


def test_what_breaks_one_job_stops_the_others_and_is_told(tmp_path):
    plan = plan_of(["random", "hunter"], games=64, tick_limit=300)

    def fail(progress: Progress) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        played(tmp_path, plan, on_progress=fail)
    progress, _ = played(tmp_path, plan)
    assert progress.played_now + progress.found == 64


@pytest.mark.parametrize(
    ("sources", "options", "message"),
    [
        (["random"], {}, "two or more agents"),
        (["random", "hunter", "random"], {}, "random is given twice"),
        (["random", "heuristic"], {}, "heuristic plays blob"),
        (["random", "nobody"], {}, "no player 'nobody'"),
        (["random", "hunter"], {"format": "knockout"}, "no format 'knockout'; there are swiss, round-robin"),
        (["random", "hunter"], {"format": "ladder", "rounds": 3}, "a ladder of 2 players is one table"),
        (["random", "hunter"], {"format": "swiss", "rounds": 0}, "rounds, 1 or more"),
        (["random", "hunter"], {"rounds": 3}, "a round-robin ends by itself"),
        (["random", "hunter"], {"games": 3}, "take 4"),
        (["random", "hunter"], {"games": 0}, "take 2"),
        (["random", "hunter"], {"tick_limit": 0}, "no last tick"),
    ],
)
def test_tournaments_that_cannot_be_are_refused(sources, options, message, tmp_path):
    with pytest.raises((PlanError, PolicyError), match=message), begun(plan_of(sources, **options), tmp_path):
        pass
    assert not list(tmp_path.iterdir()), "something was left in the folder"
    with pytest.raises(PlanError, match="a table has 4 seats and there are 2 players"):
        plan_of(["random", "heuristic"], BLOB, games=4)


def test_another_plan_in_the_folder_is_refused(tmp_path):
    plan = plan_of(["random", "hunter"])
    settle(plan, tmp_path)
    assert read_plan(tmp_path) == settle(plan, tmp_path)
    for other, difference in (
        (plan_of(["random", "expander"]), "there entrants is random hunter, here random expander"),
        (replace(plan, seed=4), "there seed is 0, here 4"),
        (replace(plan, options=plan.options | {"height": 9}), "there height is 8, here 9"),
    ):
        with pytest.raises(PlanError, match=difference):
            settle(other, tmp_path)
    full = tmp_path / "full"
    full.mkdir()
    (full / "notes.txt").write_text("mine")
    with pytest.raises(PlanError, match="is not empty and holds no tournament"):
        settle(plan, full)
    assert [path.name for path in full.iterdir()] == ["notes.txt"]
    (tmp_path / "tournament.json").write_text("{}")
    with pytest.raises(PlanError, match=r"tournament\.json is damaged"):
        settle(plan, tmp_path)


def test_somebody_who_played_is_the_anchor(tmp_path):
    """A swiss round of three seats lets the last of four rest, here the weakest bot."""
    game = make_game("generals", height=8, width=8, players=3)
    plan = plan_of(["expander", "hunter", "mcts-1", "random"], game, format="swiss", rounds=1, games=3)
    _, result = played(tmp_path, plan)
    assert result.standings.anchor == "expander" and len(result.standings.rated) == 3
    assert result.standings.rated[result.names.index("expander")].rating == 1500
    assert result.names[-1] == "random" and result.standings.ratings[-1].summary == "random has no rating"
    plain = json.loads(json.dumps(result.as_json(), allow_nan=False))
    assert plain["first_places"][-1] == {"mean": None, "low": 0.0, "high": 1.0, "deals": 0}


def test_players_whom_nothing_links_have_no_rating(tmp_path):
    plan = plan_of(["random", "expander", "hunter", *MCTS[:1]], format="swiss", rounds=1, tick_limit=3)
    _, result = played(tmp_path, plan)
    assert len(result.standings.rated) == 2 and len(result.names) == 4
    assert result.remarks[0].startswith("no games link ")
    plain = json.loads(json.dumps(result.as_json(), allow_nan=False))
    assert plain["ratings"][-1]["rating"] is None and plain["ratings"][-1]["games"] == 2
