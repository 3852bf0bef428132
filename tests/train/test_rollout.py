"""Rollouts: whose rows are learned from, rewards, ends of games, and the same planes twice."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from strategos.engine.batch import Batch
from strategos.games import make_game
from strategos.league.matchmaking import Draw
from strategos.league.seating import arrange
from strategos.nets.choice import choice
from strategos.play.network import build_network, describe_network, make_encoder
from strategos.train.actor import Actor
from strategos.train.arena import Arena
from strategos.train.rollout import CollectSettings, collect, viewers_potential

SETTINGS = CollectSettings(ticks=24, gamma=0.9, trace=0.8, shaping=0.0)


class Recorder:
    """Passes, and remembers which seats it was asked for."""

    name = "recorder"

    def __init__(self, pass_action: int) -> None:
        self.pass_action, self.seats, self.rows = pass_action, set(), 0

    def act(self, views, masks, memories, rng):
        self.rows += len(views)
        self.seats |= set(views["me"].tolist())
        return np.full(len(views), self.pass_action, np.int32)


@pytest.fixture(scope="module")
def game():
    return make_game("generals", height=8, width=8, spawn_distance=(2, 6))


def make_actor(game, plane_set="memory") -> Actor:
    torch.manual_seed(0)
    description = describe_network(game.spec, plane_set, False, channels=8, blocks=1, bfloat16=False)
    return Actor({"main-1": build_network(description)}, make_encoder(description["planes"], "cpu", False))


def make_arena(game, games=12, tick_limit=16, shares=None) -> Arena:
    batch = Batch(game, games, seed=3, threads=1, tick_limit=tick_limit, autoreset="same_step")
    batch.reset()
    return make_seats(batch, shares or {})


def make_seats(batch: Batch, shares: dict[str, float]) -> Arena:
    """One agent, whose games are by `shares` against others."""
    seating = arrange(batch.num_games, range(batch.game.spec.num_players), [shares], 1)
    return Arena(batch, seating, ["main-1"])


def test_opponents_rows_never_reach_the_learner(game):
    """Trap 12: of each game against an opponent one seat is learned from, of self-play both."""
    arena = make_arena(game, shares={"a": 0.25, "b": 0.5})
    opponents = {name: Recorder(game.pass_action) for name in "ab"}
    collected = collect(arena, make_actor(game), opponents, [Draw()], np.random.default_rng(0), SETTINGS)
    assert len(collected.shards[0]) == 24 * (3 + 6 + 2 * 3)
    assert opponents["a"].rows == 24 * 3 and opponents["b"].rows == 24 * 6
    assert opponents["b"].seats == {0, 1}
    theirs = np.concatenate([rows for _, rows in arena.places(()).bots])
    assert sorted([*arena.learner_rows, *theirs]) == list(range(24))
    seen = arena.store(24).views.reshape(-1)
    assert len(seen) == len(collected.shards[0])
    assert (seen["me"].reshape(24, -1) == arena.learner_rows % 2).all()
    results = {(each.first, each.second): each for each in collected.results}
    assert results.keys() <= {("main-1", "a"), ("main-1", "b")} and len(results) == len(collected.results)
    assert results["main-1", "b"].draws > 0


class FirstLegal:
    """The lowest legal action id."""

    name = "first"

    def act(self, views, masks, memories, rng):
        return np.unpackbits(masks, axis=-1, bitorder="little").argmax(-1).astype(np.int32)


def test_a_teacher_speaks_of_the_samples_and_plays_none(game):
    taught, alone = (
        collect(
            make_arena(game), make_actor(game), {}, [Draw()], np.random.default_rng(0), SETTINGS, teacher
        ).shards[0]
        for teacher in (FirstLegal(), None)
    )
    assert (taught.taught == FirstLegal().act(None, taught.masks, None, None)).all()
    assert alone.taught is None
    assert (taught.actions == alone.actions).all()


def test_learning_sees_what_acting_saw(game):
    """Planes made again from the store, the stored mask and the network give the same probabilities."""
    actor = make_actor(game)
    shard = collect(make_arena(game), actor, {}, [Draw()], np.random.default_rng(0), SETTINGS).shards[0]
    rows = np.random.default_rng(1).permutation(len(shard))[:200]
    with torch.inference_mode():
        logits, values = actor.networks["main-1"](shard.observe(rows))
    masks, actions = torch.from_numpy(shard.masks[rows]), torch.from_numpy(shard.actions[rows])
    chosen, _ = choice(logits, masks, actions)
    ratio = np.exp(chosen.numpy() - shard.log_probabilities[rows])
    assert np.abs(ratio - 1).max() < 1e-5
    np.testing.assert_allclose(values.numpy(), shard.values[rows], atol=1e-5)


def test_games_go_on_from_call_to_call_and_are_cut(game):
    arena, actor = make_arena(game, games=8, tick_limit=16), make_actor(game)
    lengths = []
    for _ in range(2):
        lengths += collect(arena, actor, {}, [Draw()], np.random.default_rng(0), SETTINGS).lengths
    assert len(lengths) >= 3 * 8 and max(lengths) == 16 and min(lengths) > 0


def test_the_potential_is_antisymmetric_and_telescopes(game):
    batch = Batch(game, 16, seed=1, threads=1)
    batch.reset()
    for _ in range(30):
        batch.step_randomly()
    views = batch.observation.views
    mine, theirs = viewers_potential(views[:, 0]), viewers_potential(views[:, 1])
    np.testing.assert_allclose(mine, -theirs, atol=1e-6)
    assert np.abs(mine).max() <= 1 and np.abs(mine).max() > 0


def test_shaping_changes_returns_by_the_potential_alone(game):
    """With a constant value of 0 and lambda 1, shaped returns are the sparse ones plus a telescoped sum."""
    got = []
    for shaping in (0.0, 1.0):
        arena, actor = make_arena(game, tick_limit=400), make_actor(game)
        with torch.no_grad():
            actor.networks["main-1"].value.weight.zero_()
            actor.networks["main-1"].value.bias.zero_()
        settings = CollectSettings(ticks=24, gamma=0.9, trace=1.0, shaping=shaping)
        first = viewers_potential(arena.batch.observation.views.reshape(-1)[arena.learner_rows])
        collected = collect(arena, actor, {}, [Draw()], np.random.default_rng(0), settings)
        last = viewers_potential(arena.batch.observation.views.reshape(-1)[arena.learner_rows])
        got.append((collected, first, last))
    (sparse, first, last), (shaped, _, _) = got
    assert not sparse.lengths, "the check below is for games that are still running"
    difference = (shaped.shards[0].returns - sparse.shards[0].returns).reshape(24, -1)[0]
    np.testing.assert_allclose(difference, 0.9**24 * last - first, atol=1e-4)


def test_turns_of_kuhn_poker_are_joined_over_the_other_players_moves():
    """Every usable sample is a move of its own player, and an undiscounted return is the game's result."""
    kuhn = make_game("kuhn")
    batch = Batch(kuhn, 40, seed=0, threads=1, autoreset="same_step")
    batch.reset()
    arena, actor = make_seats(batch, {}), make_actor(kuhn)
    settings = CollectSettings(ticks=31, gamma=1.0, trace=1.0, shaping=0.0)
    shard = collect(arena, actor, {}, [Draw()], np.random.default_rng(0), settings).shards[0]
    assert (shard.masks == 3).all() and len(shard) > 31 * 30
    assert np.isin(np.round(shard.returns * 2).astype(int), [-2, -1, 1, 2]).mean() > 0.9
    views = shard.observe(np.arange(len(shard))).numpy()
    passed_on_a_bet = (views[:, 8] == 1) & (shard.actions == 0) & (views[:, 12] == 0) & (views[:, 4] == 1)
    assert passed_on_a_bet.any()
    np.testing.assert_allclose(shard.returns[passed_on_a_bet], -0.5, atol=1e-5)  # folding costs the ante


def test_a_limit_that_is_a_rule_ends_games_like_any_other_end(game):
    """The last sample of a game that was cut has the limit's value, discounted once, and no more."""
    settings = CollectSettings(ticks=16, gamma=0.9, trace=0.8, shaping=0.0, limit_value=-0.5)
    collected = collect(make_arena(game), make_actor(game), {}, [Draw()], np.random.default_rng(0), settings)
    ended = collected.lengths.count(16)
    last = collected.shards[0].returns.reshape(16, -1)[-1]
    assert ended > 0 and np.isclose(last, -0.45, atol=1e-6).sum() >= 2 * ended
    practical = CollectSettings(ticks=16, gamma=0.9, trace=0.8, shaping=0.0)
    other = collect(make_arena(game), make_actor(game), {}, [Draw()], np.random.default_rng(0), practical)
    assert not np.isclose(other.shards[0].returns.reshape(16, -1)[-1], -0.45, atol=1e-6).all()
