"""A gate decides soon where the difference is large, keeps equals out, and says so by its exit code."""

from __future__ import annotations

import json
import shutil
from functools import partial
from types import SimpleNamespace

import numpy as np
import pytest

from strategos.cli import main
from strategos.evaluate.contests import maker_of
from strategos.evaluate.gate import gate_boards, gate_deals, kept_elo, kept_points
from strategos.games import make_game
from strategos.play.agents import find_checkpoint, load_policy
from strategos.ratings.elo import difference_of, expected_score
from strategos.ratings.payoff import score_interval
from strategos.ratings.sprt import CONTINUE, SequentialTest, decide
from strategos.train.deals import Deals
from tests.small_runs import straight_run

BOARDS = ("--size", "8", "--ticks", "80")


@pytest.fixture(scope="module")
def board():
    return make_game("generals", height=8, width=8)


def on_boards(board, candidate, baseline, *, seed=1, maximum=48, ticks=80):
    test = SequentialTest(0, 100, minimum=16, maximum=maximum, look=16)
    players = (load_policy(candidate), load_policy(baseline))
    return gate_boards(board, *players, test, seed=seed, tick_limit=ticks)


def test_the_better_is_accepted_and_the_worse_rejected_in_few_games(board):
    better = on_boards(board, "hunter", "random")
    assert better.decision == "accept" and better.count < 48
    assert better.wins + better.draws + better.losses == 2 * better.count
    assert better.low > 100 and better.llr >= better.upper
    worse = on_boards(board, "random", "hunter")
    assert worse.decision == "reject" and worse.high < 0 and worse.llr <= worse.lower
    assert (worse.wins, worse.losses) != (0, 0) and worse.wins < worse.losses


def test_equals_are_hardly_ever_accepted(board):
    """Eight gates of a bot against itself: at 5 % each, two of them accept once in 17 such tests."""
    found = [on_boards(board, "expander", "expander", seed=seed, ticks=300).decision for seed in range(8)]
    assert found.count("accept") <= 1
    assert set(found) <= {"accept", "reject", "undecided"}


def test_every_look_has_boards_of_its_own(board):
    """A repeated look would make two of one."""
    players, seen = [load_policy(name) for name in ("expander", "random")], []
    test = SequentialTest(0, 100, minimum=32, maximum=32, look=16)
    run = partial(gate_boards, board, *players, test, seed=3, tick_limit=300)
    first, second = run(on_look=lambda verdict: seen.append(verdict.mean)), run()
    assert first == second and first.count == 32
    assert seen[0] != seen[1]


def test_deals_are_judged_in_points_from_every_seat():
    deals = Deals((make_game("blob", players=3, cards=2),), (1.0,))
    test = SequentialTest(0.0, 0.1, minimum=16, maximum=96, look=16)
    heuristic, random = (lambda: load_policy("heuristic")), (lambda: load_policy("random"))
    better = gate_deals(deals, heuristic, random, test, seed=1)
    assert better.decision == "accept" and better.low > 0
    worse = gate_deals(deals, random, heuristic, test, seed=1)
    assert worse.decision == "reject" and worse.high < 0
    assert gate_deals(deals, random, random, test, seed=2).decision != "accept"


def test_a_pair_of_games_is_one_observation(board, monkeypatch):
    """A board that its first seat wins for both says nothing, and so do 64 of them, with certainty."""

    def play_split(game, policies, *, num_games, seed, tick_limit):
        won, pairs = np.array([num_games // 2] * 2), np.array([[0, 0, num_games // 2, 0, 0]] * 2)
        return SimpleNamespace(wins=won, draws=0 * won, losses=won, misconduct=(), paired=pairs)

    monkeypatch.setattr("strategos.evaluate.gate.play_match", play_split)
    found = on_boards(board, "random", "random", maximum=64)
    independent = [difference_of(share) for share in score_interval(found.wins, 0, found.losses)]
    assert found.estimate == 0 and found.low < 0 < found.high
    assert found.high - found.low < 0.5 * (independent[1] - independent[0])


def test_who_is_tested_stays_who_it_was(tmp_path, tmp_path_factory):
    """A run that trains on has another best between two looks."""
    best = find_checkpoint(straight_run("alphazero", tmp_path_factory.getbasetemp()))
    copy = tmp_path / "agent"
    shutil.copytree(best, copy)
    network, search = maker_of(copy, 0.0), maker_of("mcts-10", 0.0)
    shutil.rmtree(copy)
    assert network() is network() and network().name == load_policy(best).name
    assert search() is not search()  # whoever searches belongs to one thread


def test_a_short_test_looks_at_least_once():
    test = SequentialTest(0.0, 1.0, look=50).at_most(10)
    assert (test.minimum, test.maximum, test.look) == (10, 10, 10)
    assert SequentialTest(0.0, 1.0).at_most(100).minimum == SequentialTest.minimum


def test_what_is_kept_is_a_share_of_the_baselines_own_score():
    assert expected_score(kept_elo(0.9), 0) == pytest.approx(0.45)
    deals = Deals((make_game("blob", players=3, cards=1),), (1.0,))
    halves, tenths = (kept_points(deals, load_policy("random"), share, 1) for share in (0.5, 0.9))
    assert halves == pytest.approx(5 * tenths) and halves < 0


def test_the_loop_looks_as_often_as_declared_and_never_beyond_the_maximum():
    asked: list[tuple[int, int]] = []
    looks: list[int] = []
    test = SequentialTest(0, 1, minimum=4, maximum=25, look=10)

    def observe(first: int, last: int) -> np.ndarray:
        asked.append((first, last))
        return np.resize([0.0, 1.0], last - first)  # half of the way between the hypotheses

    verdict, observed = decide(test, test.of_deals, observe, lambda each: looks.append(each.count))
    assert asked == [(0, 10), (10, 20), (20, 25)] and looks == [10, 20, 25]
    assert verdict.exhausted and verdict.status != CONTINUE and len(observed) == 25


def pair_scores(rng: np.random.Generator, elo: float, first: int, last: int) -> np.ndarray:
    """Two games a pair without draws, won by whoever is `elo` better."""
    return rng.binomial(2, expected_score(elo, 0), last - first) / 2


def test_the_loop_errs_as_often_as_declared():
    """End to end, a look every 16 pairs: 80 gates at the null and at the gain, within 3 sigma."""
    test = SequentialTest(0.0, 60.0, maximum=2000, look=16)
    accepted = []
    for elo in (0.0, 60.0):
        observe = partial(pair_scores, np.random.default_rng(7), elo)
        found = [decide(test, test.of_pair_scores, observe)[0].status for _ in range(80)]
        accepted.append(found.count("accept"))
    assert accepted[0] <= 10 and accepted[1] >= 70


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("hunter", "--against", "random", "--elo1", "100"), 0),
        (("random", "--against", "hunter", "--keep", "0.95"), 1),
        (("expander", "--against", "expander", "--elo1", "5", "--max", "4"), 3),
    ],
)
def test_exit_codes_are_for_ci(arguments, code, capsys):
    assert main(["gate", *arguments, *BOARDS, "--step", "16", "--json"]) == code
    told = json.loads(capsys.readouterr().out)
    assert told["decision"] == {0: "accept", 1: "reject", 3: "undecided"}[code]
    assert told["null"] < told["better"]


@pytest.mark.parametrize(
    ("arguments", "part"),
    [
        (("hunter", "--against", "heuristic"), "hunter generals and heuristic blob"),
        (("hunter", "--against", "random", "--game", "blob"), "one game is needed"),
        (("heuristic", "--against", "random", "--game", "generals"), "one game is needed"),
        (("hunter", "--against", "random", "--elo0", "30"), "must be above null"),
        (("hunter", "--against", "random", "--keep", "1.5"), "not a share"),
        (("hunter", "--against", "random", "--keep", "0.9", "--elo1", "3"), "leave --elo0"),
        (("hunter", "--against", "random", "--points1", "3"), "--elo0 and --elo1"),
        (("heuristic", "--against", "random", "--size", "8"), "--size is for generals"),
        (("random", "--against", "nobody"), "no player"),
        (("hunter", "--against", "random", "--max", "1"), "minimum"),
        (("hunter", "--against", "random", "--alpha", "0.7"), "alpha"),
    ],
)
def test_mistakes_are_one_line(arguments, part, capsys):
    assert main(["gate", *arguments]) == 2
    error = capsys.readouterr().err.strip()
    assert part in error and len(error.splitlines()) == 1
