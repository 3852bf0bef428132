"""Whoever acts on a GPU sees, thinks and draws what it would on the CPU: rollouts, policies, searches."""

from __future__ import annotations

from copy import deepcopy

import numpy as np
import pytest
import torch

from strategos.engine.batch import Batch
from strategos.engine.planes import PLANES, planes
from strategos.games import make_game
from strategos.learn.maths import masked_log_softmax, sample_masked, unpack_masks
from strategos.play.evaluators.network import NetworkEvaluator
from strategos.play.network import NetworkPolicy, build_network, describe_network, make_encoder
from strategos.train.actor import Actor, Stopwatch, flat

GAMES = {
    "generals": ("memory", {"height": 9, "width": 7}),
    "blob": ("cards", {"players": 4, "cards": 5}),
    "kuhn": ("kuhn", {}),
}
OPTIONS = {
    "generals": {"channels": 16, "blocks": 2, "bfloat16": False},
    "blob": {"width": 32, "layers": 1},
    "kuhn": {},
}


def played(name: str, games: int = 24) -> Batch:
    """Games that have been going on for a while."""
    batch = Batch(make_game(name, **GAMES[name][1]), games, seed=3, threads=1, autoreset="same_step")
    batch.reset()
    batch.step_randomly(40 if name == "generals" else 1)
    return batch


def made_network(name: str, batch: Batch) -> tuple[torch.nn.Module, str]:
    """A network that prefers some actions to others, and what it reads."""
    description = describe_network(batch.game.spec, GAMES[name][0], False, **OPTIONS[name])
    torch.manual_seed(0)
    network = build_network(description).eval()
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(0.05 * torch.randn_like(parameter))
    return network, str(description["planes"])


@pytest.mark.parametrize("name", PLANES)
def test_planes_are_those_of_the_cpu(device, name):
    views, masks, memories = flat(played("generals").observation)
    here = planes(name, views, masks, memories)
    there = planes(name, views, masks, memories, device=device)
    assert there.device.type == device and torch.allclose(here, there.cpu(), atol=1e-5)


def deciding(batch: Batch) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
    """What the seats see that have something to decide."""
    views, masks, memories = flat(batch.observation)
    rows = np.flatnonzero(masks.any(axis=1))
    return views[rows], masks[rows], None if memories is None else memories[rows]


@pytest.mark.parametrize("name", GAMES)
def test_a_policy_answers_as_on_the_cpu(device, name):
    batch = played(name)
    network, plane_set = made_network(name, batch)
    seen = deciding(batch)
    policies = [
        NetworkPolicy(deepcopy(network).to(where), make_encoder(plane_set, where, False), largest_batch=17)
        for where in ("cpu", device)
    ]
    for one, two in zip(*(policy.evaluate(*seen) for policy in policies), strict=True):
        assert one.dtype == two.dtype == np.float32 and np.allclose(one, two, atol=1e-4)
    here, there = (policy.probabilities(*seen) for policy in policies)
    assert np.allclose(here, there, atol=1e-4)
    actions = policies[1].act(*seen, np.random.default_rng(0))
    legal = np.unpackbits(seen[1], axis=1, bitorder="little")
    assert legal[np.arange(len(actions)), actions].all()


@pytest.mark.parametrize("name", ["generals", "blob", "kuhn"])
def test_a_search_is_told_what_it_is_told_on_the_cpu(device, name):
    batch = played(name, 8)
    network, plane_set = made_network(name, batch)
    found = [
        NetworkEvaluator(
            batch.game, deepcopy(network).to(where), make_encoder(plane_set, where, False)
        ).evaluate(batch.game, batch.states)
        for where in ("cpu", device)
    ]
    for one, two in zip(*found, strict=True):
        assert one.shape == two.shape and np.allclose(one, two, atol=1e-4)


def test_the_actor_of_a_rollout_keeps_the_probabilities_it_drew_with(device):
    """And the values; every action is legal."""
    batch = played("generals")
    network, plane_set = made_network("generals", batch)
    seen = flat(batch.observation)
    there = Actor(
        {"one": deepcopy(network).to(device), "two": deepcopy(network).to(device)},
        make_encoder(plane_set, device, False),
        torch.Generator(device).manual_seed(1),
    )
    groups = [("one", 30), ("two", len(seen[0]) - 30)]
    actions, chosen, values = there.act(seen, groups, np.random.default_rng(0), Stopwatch())
    assert actions.dtype == np.int64 and chosen.dtype == values.dtype == np.float32
    logits, expected = NetworkPolicy(network, make_encoder(plane_set, "cpu", False)).evaluate(*seen)
    legal = unpack_masks(torch.from_numpy(seen[1]), logits.shape[1])
    rows = np.arange(len(actions))
    assert legal.numpy()[rows, actions].all()
    likelihoods = masked_log_softmax(torch.from_numpy(logits), legal).numpy()[rows, actions]
    assert np.allclose(chosen, likelihoods, atol=1e-4) and np.allclose(values, expected, atol=1e-4)
    assert np.allclose(there.values(seen, "one"), expected, atol=1e-4)


def test_draws_on_the_gpu_are_as_likely_as_they_should_be(device):
    """Of 40,000 draws of one distribution every action's share is within five standard deviations."""
    count = 40_000
    legal = torch.tensor([True, False, True, True, True], device=device).expand(count, 5)
    logits = torch.tensor([0.0, 9.0, 1.0, -1.0, 0.5], device=device).expand(count, 5)
    table = masked_log_softmax(logits, legal)
    generator = torch.Generator(device).manual_seed(5)
    drawn = sample_masked(table, legal, generator)
    shares = torch.bincount(drawn, minlength=5).cpu().double() / count
    expected = table[0].exp().cpu().double()
    assert shares[1] == 0
    assert ((shares - expected).abs() <= 5 * (expected * (1 - expected) / count).sqrt()).all()
    generator.manual_seed(5)
    assert torch.equal(drawn, sample_masked(table, legal, generator))
