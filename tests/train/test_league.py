"""Leagues while they train: whose rows are learned from, who sits down when, who joins and begins anew."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from small_runs import small_config, straight_run

from strategos.engine.batch import Batch
from strategos.games import make_game
from strategos.league.matchmaking import Draw
from strategos.league.population import POPULATION_FOLDER, Population
from strategos.league.seating import PAST, PEERS, arrange
from strategos.play.agents import load_policy
from strategos.play.network import build_network, describe_network, make_encoder
from strategos.ratings.payoff import Result
from strategos.train.actor import Actor, Stopwatch, flat, rows_of
from strategos.train.arena import Arena
from strategos.train.checkpoint import RunError
from strategos.train.config_files import from_dict
from strategos.train.loop import train
from strategos.train.metrics import read_metrics
from strategos.train.rollout import CollectSettings, Results, collect
from strategos.train.stages import StageConfig
from strategos.train.trainers import make_trainer

SETTINGS = CollectSettings(ticks=24, gamma=1.0, trace=1.0, shaping=0.0)
NAMES = ("main-1", "main-2", "main-3", "main-4")
BOARD = {"height": 8, "width": 8}


def constant_network(description: dict, value: float) -> torch.nn.Module:
    """Plays at random and values every position alike, so that its rows can be told."""
    network = build_network(description)
    with torch.no_grad():
        network.value.weight.zero_()
        network.value.bias.fill_(value)
    return network


def make_actor(game, names) -> Actor:
    torch.manual_seed(0)
    description = describe_network(game.spec, "memory", False, channels=8, blocks=1, bfloat16=False)
    networks = {name: constant_network(description, place + 1.0) for place, name in enumerate(names)}
    return Actor(networks, make_encoder("memory", "cpu", False))


def make_arena(game, shares, agents, games=24, tick_limit=10, teams=None) -> Arena:
    batch = Batch(game, games, seed=3, threads=1, tick_limit=tick_limit, autoreset="same_step")
    batch.reset()
    seating = arrange(games, teams or range(game.spec.num_players), [shares] * agents, agents)
    return Arena(batch, seating, NAMES[:agents])


@pytest.mark.parametrize("teams", [None, (0, 0, 1, 1)], ids=["free-for-all", "teams"])
def test_every_agent_learns_from_its_own_rows_and_nobody_from_a_members(teams):
    """Trap 12, with four seats: the value of a row names the network that chose there."""
    game = make_game("generals", **BOARD, players=4, teams=teams)
    agents = 2 if teams else 4
    arena = make_arena(game, {PAST: 0.5, PEERS: 0.25}, agents, teams=teams)
    actor = make_actor(game, [*NAMES[:agents], "old", "older"])
    draws = [Draw(("old", "older"), (0.5, 0.5))] * agents
    collected = collect(arena, actor, {}, draws, np.random.default_rng(0), SETTINGS)
    for agent, shard in enumerate(collected.shards):
        mine = (arena.seating.agents == agent).sum()
        assert 0 < len(shard) <= 24 * mine and (shard.values == agent + 1.0).all()
    learning = sum(len(rows) for rows in arena.agent_rows)
    frozen = sum(len(rows) for _, rows in arena.places(actor.networks).opponents)
    assert learning + frozen == 24 * 4 and frozen > 0
    if teams:
        assert (arena.members[:, 0] == arena.members[:, 1]).all()
        assert (arena.members[:, 2] == arena.members[:, 3]).all()
    else:
        apart = arena.members[arena.seating.kinds == PEERS]
        assert len(apart) and all(len(set(row)) == 4 for row in apart.tolist())


def test_an_opponent_stays_for_a_whole_game_and_is_drawn_for_the_next():
    game = make_game("generals", **BOARD)
    arena, actor = make_arena(game, {PAST: 1.0}, 1), make_actor(game, ["main-1", "old", "older"])
    rng, tick = np.random.default_rng(0), CollectSettings(ticks=1, gamma=1.0, trace=1.0, shaping=0.0)
    seen, games = set(), 0
    for _ in range(100):
        before = arena.members.copy()
        collected = collect(arena, actor, {}, [Draw(("old", "older"), (0.3, 0.7))], rng, tick)
        changed = (arena.members != before).any(axis=1) & (before != "").all(axis=1)
        assert (arena.batch.lengths[changed] == 0).all(), "only a new game has a new opponent"
        seen |= set(arena.members.flat)
        games += sum(result.games for result in collected.results)
        pairs = {(result.first, result.second) for result in collected.results}
        assert pairs <= {("main-1", "old"), ("main-1", "older")}
    assert seen == {"main-1", "old", "older"} and games == 24 * 10


@pytest.mark.parametrize("parts", [1, 3])
def test_few_members_are_met_at_a_time_and_each_for_as_many_games(parts):
    """Each part of the games is against one, or two while they change."""
    game, old = make_game("generals", **BOARD), [f"old-{number}" for number in range(8)]
    batch = Batch(game, 24, seed=3, threads=1, tick_limit=7, autoreset="same_step")
    batch.reset()
    batch.lengths[:] = np.arange(24) % 7  # so that games end one after the other
    arena = Arena(batch, arrange(24, (0, 1), [{PAST: 1.0}], 1), NAMES[:1], parts)
    actor, rng = make_actor(game, ["main-1", *old]), np.random.default_rng(0)
    tick = CollectSettings(ticks=1, gamma=1.0, trace=1.0, shaping=0.0)
    met: dict[str, int] = {}
    for _ in range(200):
        for result in collect(arena, actor, {}, [Draw(tuple(old), (0.125,) * 8)], rng, tick).results:
            met[result.second] = met.get(result.second, 0) + result.games
        for part in arena.parts:
            assert len(set(arena.members[part].flat) - {"main-1"}) <= 2
    assert len(arena.parts) == parts and set(met) == set(old)
    assert sum(met.values()) == sum((np.arange(24) % 7 + 200) // 7)


def test_frozen_opponents_and_learners_choose_in_one_batch_as_they_would_alone():
    game = make_game("generals", **BOARD)
    arena, actor = make_arena(game, {PAST: 0.5}, 2), make_actor(game, ["main-1", "main-2", "old", "older"])
    with torch.no_grad():
        for number, network in enumerate(actor.networks.values()):
            network.value.weight.normal_(generator=torch.Generator().manual_seed(number))
    arena.seat(np.arange(24), [Draw(("old", "older"), (0.5, 0.5))] * 2, np.random.default_rng(0))
    places = arena.places(actor.networks)
    seen = rows_of(flat(arena.batch.observation), places.rows)
    _, _, values = actor.act(seen, places.groups, np.random.default_rng(1), Stopwatch())
    first = 0
    for name, count in places.groups:
        alone = actor.values(rows_of(seen, np.arange(first, first + count)), name)
        np.testing.assert_allclose(values[first : first + count], alone, atol=1e-5)
        first += count
    assert [name for name, _ in places.groups] == ["main-1", "main-2", "old", "older"] and first == len(
        values
    )


def test_at_a_table_of_four_everybody_meets_everybody():
    """The winner has won against each, two losers have drawn; a pair is entered once."""
    game = make_game("generals", **BOARD, players=4)
    arena = make_arena(game, {PEERS: 1.0}, 4, games=8)
    results = Results(arena)
    seat = int(np.flatnonzero(arena.members[0] == "main-2")[0])
    arena.batch.returns[0] = -1 / 3
    arena.batch.returns[0, seat] = 1
    results.add(np.array([0]), arena.batch.lengths)
    found = results.found
    mine = [each for each in found if "main-2" in (each.first, each.second)]
    assert [each.wins if each.first == "main-2" else each.losses for each in mine] == [1, 1, 1]
    assert len(found) == 6 and all(each.games == 1 for each in found)
    assert all(each.draws == 1 for each in found if each not in mine)


def test_an_exploiter_that_wins_joins_and_begins_anew_from_the_best_agent(tmp_path):
    trainer = make_trainer(small_config("league"))
    try:
        league = trainer.league
        exploiter = next(each for each in league.learners if each.role == "main-exploiter")
        rng = np.random.default_rng(0)
        league.population.record("main-2", "main-1", 60, 60)
        for main in ("main-1", "main-2"):
            league.population.record(exploiter.name, main, 60, 55)
        optimiser = exploiter.ppo
        league.advance(0.19, 10, rng)
        assert exploiter.ppo is optimiser, "not before it had time to learn"
        with torch.no_grad():
            league.mains[1].network.value.bias.fill_(7.0)
        league.advance(0.21, 20, rng)
        assert league.best.name == "main-2" and exploiter.ppo is not optimiser and exploiter.since == 0.21
        for one, two in zip(
            exploiter.network.parameters(), league.mains[1].network.parameters(), strict=True
        ):
            assert (one == two).all()
        assert league.population.payoffs.row(exploiter.name) == {}
        joined = league.population.members[f"{exploiter.name}@20"]
        assert joined.drawn and joined.role == "main-exploiter"
        assert league.population.payoffs.row(joined.name)["main-1"] == (60, 55)
        assert league.kind_of(joined.name) == "exploiters" and league.kind_of("main-1@20") == "past"
    finally:
        trainer.close()


def test_one_that_does_not_win_loses_patience():
    trainer = make_trainer(small_config("league"))
    try:
        before = [learner.ppo for learner in trainer.league.learners]
        trainer.league.advance(0.39, 30, np.random.default_rng(0))
        assert [learner.ppo for learner in trainer.league.learners] == before
        trainer.league.advance(0.41, 40, np.random.default_rng(0))
        changed = [
            learner.role
            for learner, old in zip(trainer.league.learners, before, strict=True)
            if learner.ppo is not old
        ]
        assert changed == ["main-exploiter", "league-exploiter"]
    finally:
        trainer.close()


def test_no_more_members_of_an_agent_are_drawn_than_are_kept_the_newest_always():
    trainer = make_trainer(small_config("league"))
    try:
        rng = np.random.default_rng(0)
        for number in range(1, 9):
            trainer.league.advance(0.2 * number + 0.01, number, rng)
            drawn = [each.samples for each in trainer.league.population.drawn("main-1")]
            assert len(drawn) == min(number, 2) and drawn[-1] == number
    finally:
        trainer.close()


def test_a_past_self_joins_once_however_the_length_of_the_run_changes(tmp_path):
    """A longer run is less far: the same share of it is passed again, also by who goes on with it."""
    trainer, again = make_trainer(small_config("league")), make_trainer(small_config("league"))
    try:
        rng = np.random.default_rng(0)
        for progress, samples in ((0.1, 10), (0.21, 20), (0.15, 30)):
            trainer.league.advance(progress, samples, rng)
        again.league.load(*trainer.league.save(tmp_path), tmp_path)
        for league in (trainer.league, again.league):
            for progress, samples in ((0.21, 40), (0.39, 50), (0.61, 60)):
                league.advance(progress, samples, rng)
            joined = [each.samples for each in league.population.members.values() if each.parent == "main-1"]
            assert joined == [20, 60]
    finally:
        trainer.close()
        again.close()


@pytest.mark.parametrize("against", ["", "expander"])
def test_a_curriculum_counts_all_games_of_an_iteration_alike_and_none_among_those_who_learn(against):
    trainer = make_trainer(small_config("league"))
    try:
        trainer.curriculum.stages = (StageConfig(advance=0.99, games=20, against=against), StageConfig())
        trainer.league.population.snapshot("main-2", 9, b"")
        shares = trainer._count_wins(
            [
                Result("main-1", "expander", 10, 5, 25),
                Result("main-2", "expander", 20, 0, 0),
                Result("main-1", "random", 40, 0, 0),
                Result("main-2", "main-2@9", 0, 20, 0),
                Result("main-1", "main-2", 30, 0, 70),
                Result("main-1", "main-exploiter-1", 50, 0, 0),
                Result("main-exploiter-1", "main-1", 50, 0, 0),
            ]
        )
        counted = (trainer.curriculum.games, trainer.curriculum.wins)
        assert counted == ((60, 30) if against else (120, 70))
        assert shares == {"rollout_win/expander": 0.5, "rollout_win/past": 0, "rollout_win/random": 1}
    finally:
        trainer.close()


@pytest.fixture(scope="module")
def straight(tmp_path_factory) -> Path:
    """A run that was never stopped."""
    return straight_run("league", tmp_path_factory.getbasetemp())


def test_a_run_leaves_its_population_and_every_member_plays(straight):
    population = Population.load(straight / POPULATION_FOLDER)
    roles = {member.role for member in population.members.values() if member.digest}
    assert roles == {"main", "main-exploiter", "league-exploiter"}
    frozen = [member.name for member in population.members.values() if member.digest]
    assert len(frozen) >= 8 and all(load_policy(straight / "league" / name).name == name for name in frozen)
    games = [games for name in frozen for games, _ in population.payoffs.row(name).values()]
    assert sum(games) > 100


def test_metrics_tell_of_ratings_members_and_stages(straight):
    rows = [row for row in read_metrics(straight) if "iteration" in row]
    last = rows[-1]
    assert {"rating/main-1", "rating/league-exploiter-1", "league/members", "league/worst"} <= last.keys()
    assert 0 <= last["league/worst"] <= 0.5 or last["league/members"] < 2
    assert {"stage", "stage_moves"} <= last.keys() and {row["stage"] for row in rows} == {0.0, 1.0}


def test_a_damaged_member_is_named_when_a_run_goes_on(straight, tmp_path):
    run = tmp_path / "run"
    shutil.copytree(straight, run, symlinks=True)
    member = next((run / "league").glob("main-1@*"))
    (member / "ema.safetensors").write_bytes(b"nonsense")
    with pytest.raises(RunError, match=r"^[^:]*ema\.safetensors is damaged"):
        train(small_config("league"), run, quiet=True)


def test_two_against_two_is_trained_and_measured():
    """Teams stay together in the matches that judge the agent, too."""
    config = from_dict(
        {
            "samples": 2000,
            "game": {"players": 4, "teams": [0, 0, 1, 1], "tick_limit": 20},
            "net": {"channels": 8, "blocks": 1},
            "rollout": {"games": 16, "ticks": 8},
            "league": {"agents": 2, "peers": 0.5, "past": 0.2, "every": 0.4},
            "evaluation": {"games": 6, "against": ["random"], "tick_limit": 20},
        }
    )
    trainer = make_trainer(config)
    try:
        while trainer.progress < 1:
            trainer.iterate(lambda: 0.0)
        found = trainer.evaluate()
        assert found is not None and found.row["draw/random"] + found.row["win/random"] > 0
        assert found.row["games"] == 8, "as many as were played: every board from all four seats"
        assert trainer.evaluation_game.options["teams"] == (0, 1, 0, 1)
        assert trainer.league.metrics()["league/members"] >= 2
    finally:
        trainer.close()
