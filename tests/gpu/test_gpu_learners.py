"""Learning on a GPU gives what learning on the CPU gives, in bfloat16 and compiled about the same."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import replace

import numpy as np
import pytest
import torch
from made_experience import KINDS, make_examples, make_grid_net, make_net, make_shard, seen_on, weights_of

from strategos.learn.alphazero import AlphaZero, AlphaZeroConfig
from strategos.learn.ppo import PPO, PPOConfig

# A large epsilon: Adam's first steps else depend on the sign of gradients that are nothing but rounding.
PPO_STEADY = PPOConfig(minibatch=64, epochs=2, learning_rate=1e-2, adam_epsilon=1e-2, average_decay=0.9)
STEADY = AlphaZeroConfig(minibatch=32, learning_rate=1e-2, warmup=0, adam_epsilon=1e-2, average_decay=0.9)
SAME = {"rel": 1e-3, "abs": 1e-4}
CLOSE = 2e-5
"""How far a weight may be off after a few steps; they move a hundred times as far."""


def assert_learned_alike(before: torch.Tensor, ours: PPO | AlphaZero, theirs: PPO | AlphaZero) -> None:
    """Both moved, to the same weights and averages."""
    one, two = weights_of(ours.network), weights_of(theirs.network)
    assert (one - before).abs().max() > 100 * CLOSE
    assert torch.allclose(one, two, atol=CLOSE, rtol=1e-3)
    for mine, other in zip(ours.optimiser.average.average, theirs.optimiser.average.average, strict=True):
        assert torch.allclose(mine.cpu(), other.cpu(), atol=CLOSE, rtol=1e-3)


@pytest.mark.parametrize("options", [{}, {"attention": True, "heads": 2}, {"blocks": 4}])
@pytest.mark.parametrize("changes", [{}, {"magnet": 0.5, "teacher_weight": 1.0}])
def test_ppo_learns_what_it_learns_on_the_cpu(device, options, changes):
    net = make_grid_net(**options)
    before, config = weights_of(net), replace(PPO_STEADY, **changes)
    shards = [make_shard(net, 300, 8, 8, 1), make_shard(net, 200, 6, 9, 2)]
    for shard in shards:
        shard.taught = shard.actions[::-1].copy() if changes else None
    there = PPO(deepcopy(net).to(device), config, device=device)
    here = PPO(net, config)
    metrics = [
        ppo.update([seen_on(where, each) for each in shards], 0.0, np.random.default_rng(0))
        for ppo, where in ((here, "cpu"), (there, device))
    ]
    assert metrics[0] == pytest.approx(metrics[1], **SAME)
    assert metrics[1]["first_ratio_error"] < 1e-4
    assert_learned_alike(before, here, there)


@pytest.mark.parametrize("kind", KINDS)
def test_alphazero_learns_what_it_learns_on_the_cpu(device, kind):
    net, examples = make_net(kind), make_examples(kind, 90)
    examples.weights = np.linspace(0.5, 1.5, 90, dtype=np.float32)
    before = weights_of(net)
    there, here = AlphaZero(deepcopy(net).to(device), STEADY, device=device), AlphaZero(net, STEADY)
    moved = seen_on(device, examples)
    metrics = [
        learner.update(seen, 0.0, np.random.default_rng(0))
        for learner, seen in ((here, examples), (there, moved))
    ]
    assert metrics[0] == pytest.approx(metrics[1], **SAME)
    assert np.allclose(examples.losses, moved.losses, atol=1e-4)
    assert here.judge(examples) == pytest.approx(there.judge(moved), **SAME)
    assert_learned_alike(before, here, there)


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "kuhn"])
def test_alphazero_in_bfloat16_learns_eight_samples_by_heart(device, kind):
    net = make_net(kind, bfloat16=True).to(device)
    examples = seen_on(device, make_examples(kind, 8))
    config = replace(STEADY, weight_decay=0.0, gradient_clip=10.0, adam_epsilon=1e-6, last_learning_rate=1e-4)
    learner, rng = AlphaZero(net, config, device=device), np.random.default_rng(0)
    first = learner.update(examples, 0.0, rng)
    for step in range(300):
        last = learner.update(examples, step / 300, rng)
    assert first["policy_loss"] > 0.1 and first["value_loss"] > 0.02
    assert last["policy_loss"] < 5e-3 and last["value_loss"] < 5e-3 and last["makes_loss"] < 5e-3
    assert last["accuracy"] == 1 and last["explained_variance"] > 0.95
    assert all(parameter.dtype == torch.float32 for parameter in net.parameters())


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "kuhn"])
def test_alphazero_in_bfloat16_stays_near_float32(device, kind):
    losses = []
    for bfloat16 in (False, True):
        net = make_net(kind, bfloat16=bfloat16).to(device)
        learner, examples = AlphaZero(net, STEADY, device=device), seen_on(device, make_examples(kind, 64))
        for _ in range(10):
            metrics = learner.update(examples, 0.0, np.random.default_rng(0))
        losses.append((metrics["policy_loss"], metrics["value_loss"]))
    assert losses[0] == pytest.approx(losses[1], rel=0.1, abs=0.02)


def test_ppo_in_bfloat16_stays_near_float32(device):
    metrics = []
    for bfloat16 in (False, True):
        net = make_grid_net(bfloat16, attention=True).to(device)
        shard = make_shard(net, 300, 8, 8, 1)
        metrics.append(PPO(net, PPO_STEADY, device=device).update([shard], 0.0, np.random.default_rng(0)))
    assert metrics[0]["first_ratio_error"] < 1e-4 and metrics[1]["first_ratio_error"] < 0.02
    for name in ("policy_loss", "value_loss", "entropy"):
        assert metrics[0][name] == pytest.approx(metrics[1][name], rel=0.1, abs=0.02), name


def test_ppo_in_bfloat16_learns_eight_samples_by_heart(device):
    """What a teacher would do there, and how they ended."""
    config = replace(
        PPO_STEADY, keep=1.0, minibatch=8, epochs=4, last_learning_rate=1e-4, adam_epsilon=1e-6,
        entropy=0.0, last_entropy=0.0, gradient_clip=10.0, teacher_weight=1.0, teacher_until=100.0,
    )  # fmt: skip
    net = make_grid_net(True).to(device)
    shard = make_shard(net, 8, 6, 6, 1)
    shard.advantages[:], shard.taught = 0.0, shard.actions.copy()
    ppo, rng = PPO(net, config, device=device), np.random.default_rng(0)
    first = ppo.update([shard], 0.0, rng)
    for step in range(100):
        last = ppo.update([shard], step / 100, rng)
    assert first["value_loss"] > 0.1 and last["value_loss"] < 5e-3
    assert first["entropy"] > 1 and last["entropy"] < 0.1
    legal = torch.from_numpy(np.unpackbits(shard.masks, axis=1, bitorder="little").astype(bool))
    with torch.inference_mode():
        logits = net(shard.observe(np.arange(8)))[0].cpu()
    likeliest = torch.where(legal[:, : logits.shape[1]], logits, -torch.inf).argmax(1)
    assert (likeliest.numpy() == shard.taught).all()


@pytest.mark.parametrize("options", [{}, {"attention": True, "heads": 2}])
def test_a_compiled_network_learns_the_same(device, options):
    """Boards of several sizes, and minibatches of several."""
    net = make_grid_net(**options).to(device)
    before = weights_of(net)
    shards = [make_shard(net, 300, 8, 8, 1), make_shard(net, 170, 6, 9, 2)]
    eager = PPO(deepcopy(net), PPO_STEADY, device=device)
    compiled = PPO(net, PPO_STEADY, device=device, compiled=True)
    metrics = [ppo.update(shards, 0.0, np.random.default_rng(0)) for ppo in (eager, compiled)]
    assert metrics[0] == pytest.approx(metrics[1], **SAME)
    assert_learned_alike(before, eager, compiled)
