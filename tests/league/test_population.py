"""Populations: payoffs that add up, files that come back exactly, and a kill at any moment."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import load, save

from strategos.games import make_game
from strategos.league.payoffs import Payoffs
from strategos.league.population import Member, Population
from strategos.play.agents import game_of, load_policy
from strategos.play.network import build_network, describe_network
from strategos.play.policy import PolicyError

KUHN = make_game("kuhn")
NETWORK = describe_network(KUHN.spec, "memory", False)
MEETINGS = st.lists(
    st.tuples(st.permutations("abc").map(lambda names: names[:2]), st.integers(1, 30), st.floats(0, 1)),
    max_size=20,
)


def weights(seed: int) -> bytes:
    torch.manual_seed(seed)
    return save(build_network(NETWORK).state_dict())


def small_population() -> Population:
    population = Population(NETWORK, {"name": "kuhn"})
    population.add(Member("main-1", "main", drawn=False))
    population.add(Member("random", "bot"))
    return population


@given(MEETINGS)
def test_what_one_makes_the_other_loses(meetings):
    payoffs, totals = Payoffs(), {}
    for (name, other), games, share in meetings:
        payoffs.add(name, other, games, share * games)
        for me, you, made in ((name, other, share * games), (other, name, (1 - share) * games)):
            played, points = totals.get((me, you), (0, 0.0))
            totals[me, you] = (played + games, points + made)
    for name in "abc":
        row = payoffs.row(name)
        assert row.keys() == {you for me, you in totals if me == name}
        for other, (games, points) in row.items():
            assert (games, points) == (totals[name, other][0], pytest.approx(totals[name, other][1]))
            assert payoffs.chance(name, other) + payoffs.chance(other, name) == pytest.approx(1)
    assert Payoffs.load(json.loads(json.dumps(payoffs.save()))).records == payoffs.records


def test_who_never_met_is_even_and_old_games_fade():
    payoffs = Payoffs()
    assert payoffs.chance("a", "b") == payoffs.chance("b", "a") == 0.5
    payoffs.add("b", "a", 2000, 2000)
    assert payoffs.chance("b", "a") > 0.99 and payoffs.recent_games("a", "b") < 201
    payoffs.add("b", "a", 1000, 0)
    assert payoffs.chance("b", "a") < 0.02, "the agent that learned is another one"
    assert payoffs.row("b")["a"] == (3000, 2000)


def test_games_together_count_like_games_one_by_one():
    together, apart = Payoffs(), Payoffs()
    together.add("a", "b", 40, 20)
    for _ in range(40):
        apart.add("a", "b", 1, 0.5)
    one, two = (vars(each.records["a", "b"]) for each in (together, apart))
    assert one == pytest.approx(two)


def test_a_snapshot_inherits_and_then_is_itself():
    population = small_population()
    population.record("main-1", "random", 100, 90)
    child = population.snapshot("main-1", 500, weights(1))
    assert child.name == "main-1@500" and (child.parent, child.samples) == ("main-1", 500)
    assert child.rating == population.members["main-1"].rating > 1500
    assert population.payoffs.row(child.name) == {"random": (100, 90.0)}
    population.record("main-1", child.name, 10, 10)
    assert population.payoffs.row(child.name)[child.parent] == (10, 0.0)
    assert child.rating < population.members["main-1"].rating
    population.begin_anew("main-1", child.name)
    assert population.payoffs.row("main-1") == {} and population.members["main-1"].rating == child.rating


def test_ratings_are_a_zero_sum():
    population = small_population()
    population.record("main-1", "random", 300, 220.5)
    assert sum(member.rating for member in population.members.values()) == pytest.approx(3000)


def test_a_population_comes_back_exactly_and_its_members_play(tmp_path):
    population = small_population()
    for samples in (100, 200, 300):
        population.record("main-1", "random", 7, samples / 100)
        population.snapshot("main-1", samples, weights(samples))
    population.retire("main-1@200")
    data = population.save(tmp_path)
    for again in (Population.load(tmp_path), Population.load(tmp_path, data)):
        assert again.members == population.members and again.network == NETWORK
        assert again.payoffs.records == population.payoffs.records
        assert [each.name for each in again.drawn()] == ["random", "main-1@100", "main-1@300"]
        assert again.weights("main-1@200") == weights(200)
        assert again.save(tmp_path) == data
    agent = load_policy(tmp_path / "main-1@300")
    assert agent.name == "main-1@300" and game_of(tmp_path / "main-1@300") == "kuhn"
    expected = load(weights(300))
    assert all((each == expected[name]).all() for name, each in agent.network.state_dict().items())


class Killed(BaseException):
    """Nothing tidies up after it."""


@pytest.mark.parametrize("call", range(8))
def test_a_kill_at_any_rename_leaves_a_whole_population(tmp_path, monkeypatch, call):
    """The data of the last whole save still fits the folder, and what came later is cleared away."""
    population = small_population()
    population.snapshot("main-1", 100, weights(1))
    data = population.save(tmp_path)
    before = dict(population.members)
    population.snapshot("main-1", 200, weights(2))
    population.snapshot("main-1", 300, weights(3))
    calls = iter(range(100))

    def dying(name):
        whole = getattr(__import__("os"), name)

        def replacement(*arguments):
            if next(calls) == call:
                raise Killed
            return whole(*arguments)

        return replacement

    with monkeypatch.context() as patch:
        for name in ("rename", "replace", "fsync"):
            patch.setattr(f"os.{name}", dying(name))
        with pytest.raises(Killed):
            population.save(tmp_path)
    again = Population.load(tmp_path, data)
    assert again.members == before
    again.tidy(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir() if path.is_dir()) == ["main-1@100"]
    again.snapshot("main-1", 200, weights(2))
    again.save(tmp_path)
    assert Population.load(tmp_path).weights("main-1@200") == weights(2)


def test_b1_b9_damaged_and_missing_members_are_named(tmp_path):
    population = small_population()
    population.snapshot("main-1", 100, weights(1))
    population.save(tmp_path)
    file = tmp_path / "main-1@100" / "ema.safetensors"
    file.write_bytes(b"nonsense")
    with pytest.raises(PolicyError, match="is damaged"):
        Population.load(tmp_path)
    file.unlink()
    with pytest.raises(PolicyError, match="cannot be read"):
        Population.load(tmp_path)


def test_impossible_results_are_refused():
    with pytest.raises(ValueError, match="expected two players"):
        Payoffs().add("a", "a", 1, 1)
    with pytest.raises(ValueError, match="0 to 1 points a game"):
        Payoffs().add("a", "b", 2, 2.5)
    assert np.isfinite(Payoffs().chance("a", "a"))
