"""PPO: what acting and learning must agree on, whose rows count, and that it learns Kuhn poker."""

from __future__ import annotations

import shutil
import sysconfig
from concurrent.futures import ThreadPoolExecutor
from copy import deepcopy
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from made_experience import PLANES, make_grid_net, make_shard, weights_of

from strategos.learn.maths import masked_log_softmax, unpack_masks
from strategos.learn.ppo import PPO, PPOConfig, Shard
from strategos.nets.choice import sample_packed
from strategos.nets.mlp import MLP, MLPConfig

SMALL = PPOConfig(minibatch=64, epochs=2, learning_rate=1e-3)


def lag(ppo: PPO) -> None:
    """Let the averaged weights be others than the network's, as they are once a run is under way."""
    generator = torch.Generator().manual_seed(7)
    for average in ppo.optimiser.average.average:
        average.add_(0.1 * torch.randn(average.shape, generator=generator))


def test_the_first_ratio_is_one():
    """Trap 8: acting and learning see the same masks, modes and dtypes."""
    net = make_grid_net()
    shards = [make_shard(net, 300, 8, 8, 1), make_shard(net, 300, 6, 9, 2)]
    metrics = PPO(net, SMALL).update(shards, 0.0, np.random.default_rng(0))
    assert metrics["first_ratio_error"] < 1e-5
    assert abs(metrics["first_kl"]) < 1e-9
    assert metrics["kl"] > 0  # later minibatches have moved


def test_the_first_ratio_finds_another_mask():
    """The check above can fail: masks that changed between acting and learning show."""
    net = make_grid_net()
    shard = make_shard(net, 300, 8, 8, 1)
    shard.masks |= np.uint8(1)
    assert PPO(net, SMALL).update([shard], 0.0, np.random.default_rng(0))["first_ratio_error"] > 1e-3


def test_the_first_ratio_in_bfloat16():
    net = make_grid_net(bfloat16=True)
    metrics = PPO(net, SMALL).update([make_shard(net, 300, 8, 8, 1)], 0.0, np.random.default_rng(0))
    assert metrics["first_ratio_error"] < 0.02


@pytest.mark.parametrize("options", [{}, {"attention": True, "heads": 2}, {"builds": True}])
def test_train_and_eval_mode_are_the_same_network(options):
    net = make_grid_net(**options)
    inputs = torch.rand(3, PLANES, 7, 5)
    with torch.inference_mode():
        training, evaluating = net.train()(inputs), net.eval()(inputs)
    assert all(torch.equal(one, two) for one, two in zip(training, evaluating, strict=True))


@pytest.mark.parametrize("builds", [False, True])
def test_logits_are_in_the_order_of_the_actions(builds):
    """The logits of a tile move with the tile; pass comes last."""
    net = make_grid_net(blocks=1, builds=builds)  # a reach of three tiles: no edge is in sight
    inputs = torch.zeros(2, PLANES, 9, 11)
    inputs[0, :, 4, 3], inputs[1, :, 4, 6] = 1, 1
    with torch.inference_mode():
        logits, _ = net(inputs)
    assert logits.shape == (2, 99 * (9 if builds else 8) + 1)
    moves = logits[:, : 99 * 8].view(2, 9, 11, 8)
    near, far = moves[0, 4, 3], moves[0, 0, 10]
    assert torch.allclose(near, moves[1, 4, 6], atol=1e-5) and not torch.allclose(near, far, atol=1e-3)


def plain_pools(tiles):
    return torch.cat([tiles.mean(1), tiles.amax(1)], 1)


def test_the_handwritten_gradients_equal_autograd(monkeypatch):
    """Pooling and spreading have a backward of their own; the plain operations are their twin."""
    from strategos.nets import grid

    inputs, gradients = torch.rand(4, PLANES, 5, 6), []
    for plain in (False, True):
        if plain:
            monkeypatch.setattr(grid._BoardPool, "apply", plain_pools)
            monkeypatch.setattr(grid._Spread, "apply", lambda tiles, vector: tiles + vector.unsqueeze(1))
        net = make_grid_net()
        logits, values = net(inputs)
        (logits.square().sum() + values.square().sum()).backward()
        gradients.append([parameter.grad for parameter in net.parameters()])
    for one, two in zip(*gradients, strict=True):
        assert torch.allclose(one, two, atol=1e-4, rtol=1e-4)


def test_threads_do_not_change_the_result():
    results = []
    for threads in (None, 1, 3):
        net = make_grid_net()
        shards = [make_shard(net, 200, 8, 8, seed) for seed in range(3)]
        executor = ThreadPoolExecutor(threads) if threads else None
        PPO(net, SMALL, executor=executor).update(shards, 0.0, np.random.default_rng(0))
        results.append(torch.cat([parameter.detach().flatten() for parameter in net.parameters()]))
    assert torch.equal(results[0], results[1]) and torch.equal(results[0], results[2])


@pytest.mark.skipif(
    not shutil.which("g++") or not Path(sysconfig.get_path("include"), "Python.h").is_file(),
    reason="compiling for a CPU needs a C++ compiler and Python's headers",
)
def test_a_compiled_network_learns_the_same():
    """Boards of two sizes, and minibatches of several."""
    config, weights = replace(SMALL, adam_epsilon=1e-2), []
    for compiled in (False, True):
        net = make_grid_net()
        shards = [make_shard(net, 300, 8, 8, 1), make_shard(net, 170, 6, 9, 2)]
        PPO(net, config, compiled=compiled).update(shards, 0.0, np.random.default_rng(0))
        weights.append(weights_of(net))
    assert torch.allclose(weights[0], weights[1], atol=1e-5)


@pytest.mark.parametrize("magnet", [0.0, 0.5])
def test_shards_together_are_one_batch(magnet):
    """The gradient of a minibatch does not depend on how its samples are spread over shards."""
    config = PPOConfig(minibatch=10_000, epochs=1, keep=1.0, learning_rate=1e-3, magnet=magnet)
    weights = []
    for cuts in ([0, 240], [0, 100, 240]):
        net = make_grid_net()
        whole = make_shard(net, 240, 8, 8, 5)
        shards = []
        for first, last in pairwise(cuts):
            shards.append(
                Shard(
                    lambda rows, first=first, whole=whole: whole.observe(rows + first),
                    *(
                        getattr(whole, name)[first:last]
                        for name in (
                            "masks",
                            "actions",
                            "log_probabilities",
                            "values",
                            "advantages",
                            "returns",
                        )
                    ),
                )
            )
        ppo = PPO(net, config)
        lag(ppo)
        ppo.update(shards, 0.0, np.random.default_rng(0))
        weights.append(torch.cat([parameter.detach().flatten() for parameter in net.parameters()]))
    assert torch.allclose(weights[0], weights[1], atol=2e-4)


def test_minibatches_of_fewer_samples_than_shards():
    """Every minibatch has samples of at least one shard, whatever its size."""
    net = make_grid_net()
    shards = [make_shard(net, count, 5, 5, count) for count in (3, 2, 3)]
    config = PPOConfig(minibatch=1, keep=1.0, epochs=1)
    assert PPO(net, config).update(shards, 0.0, np.random.default_rng(0))["samples_learned"] == 8


def test_only_the_largest_advantages_are_learned_from():
    """Samples outside the kept share may hold anything, NaN included, without a trace."""
    weights = []
    for spoiled in (False, True):
        net = make_grid_net()
        shard = make_shard(net, 400, 8, 8, 3)
        shard.advantages[:] = np.where(np.arange(400) < 100, 3.0, 0.001) * (-1.0) ** np.arange(400)
        if spoiled:
            shard.log_probabilities[100:] = np.nan
        PPO(net, SMALL).update([shard], 0.0, np.random.default_rng(0))
        weights.append(torch.cat([parameter.detach().flatten() for parameter in net.parameters()]))
    assert torch.isfinite(weights[1]).all() and torch.equal(weights[0], weights[1])


def test_a_better_action_becomes_likelier():
    torch.manual_seed(1)
    net = MLP(MLPConfig(features=3, num_actions=4))
    rng = np.random.default_rng(0)
    ppo = PPO(net, PPOConfig(keep=1.0, minibatch=128, learning_rate=3e-3, last_learning_rate=3e-3))
    inputs = torch.eye(3)[torch.from_numpy(rng.integers(0, 3, 512))]
    masks = np.full((512, 1), 0b1011, np.uint8)
    for _ in range(20):
        with torch.inference_mode():
            logits, values = net(inputs)
        actions, chosen = sample_packed(logits.numpy(), masks, rng.random(512))
        rewards = (actions == 3).astype(np.float32)
        shard = Shard(
            lambda rows: inputs[torch.from_numpy(rows)],
            masks,
            actions,
            chosen,
            values.numpy(),
            rewards - values.numpy(),
            rewards,
        )
        ppo.update([shard], 0.0, rng)
    with torch.inference_mode():
        table = masked_log_softmax(net(torch.eye(3))[0], unpack_masks(torch.from_numpy(masks[:3]), 4)).exp()
    assert (table[:, 3] > 0.9).all() and (table[:, 2] < 1e-6).all()


def test_a_teacher_is_followed_until_its_weight_is_gone():
    """With no advantage anywhere, only the teacher moves the policy; after `teacher_until` nothing does."""
    config = PPOConfig(
        keep=1.0, minibatch=64, learning_rate=3e-3, last_learning_rate=3e-3, value_weight=0.0,
        entropy=0.0, last_entropy=0.0, teacher_weight=1.0, teacher_until=0.5,
    )  # fmt: skip
    likelihoods = []
    for progress in (0.0, 0.25, 0.5):
        net = make_grid_net()
        shard = make_shard(net, 256, 6, 6, 1)
        shard.advantages[:] = 0.0
        shard.taught = shard.actions[::-1].copy()
        shard.masks[np.arange(256), shard.taught // 8] |= (1 << (shard.taught % 8)).astype(np.uint8)
        legal = unpack_masks(torch.from_numpy(shard.masks), 6 * 6 * 8 + 1)

        def likelihood(net=net, shard=shard, legal=legal) -> float:
            with torch.inference_mode():
                logits = net(shard.observe(np.arange(256)))[0]
            chosen = masked_log_softmax(logits, legal).gather(1, torch.from_numpy(shard.taught)[:, None])
            return float(chosen.mean())

        before, ppo = likelihood(), PPO(net, config)
        for _ in range(3):
            ppo.update([shard], progress, np.random.default_rng(0))
        likelihoods.append(likelihood() - before)
    assert min(likelihoods[:2]) > 0.1, "Adam steps alike whatever the weight, as long as there is one"
    assert likelihoods[2] == pytest.approx(0.0, abs=1e-6)


def test_a_magnet_pulls_the_policy_to_that_of_the_averaged_weights():
    """With no advantage anywhere nothing else moves it, and every update brings it nearer."""
    config = PPOConfig(
        keep=1.0, minibatch=64, learning_rate=1e-3, last_learning_rate=1e-3, value_weight=0.0, entropy=0.0,
        last_entropy=0.0, average_decay=0.0, magnet=0.5,
    )  # fmt: skip
    net = make_grid_net()
    shard = make_shard(net, 256, 6, 6, 1)
    shard.advantages[:] = 0.0
    legal = unpack_masks(torch.from_numpy(shard.masks), 6 * 6 * 8 + 1)

    def policy(network) -> torch.Tensor:
        with torch.inference_mode():
            return masked_log_softmax(network(shard.observe(np.arange(256)))[0], legal).exp()

    ppo = PPO(net, config)
    lag(ppo)
    magnet = deepcopy(net)
    ppo.optimiser.average.copy_to(magnet.parameters())
    apart = [float((policy(net) - policy(magnet)).abs().mean())]
    for _ in range(3):
        ppo.optimiser.average.average = [each.detach().clone() for each in magnet.parameters()]
        ppo.update([shard], 0.0, np.random.default_rng(0))
        apart.append(float((policy(net) - policy(magnet)).abs().mean()))
    assert all(after < before for before, after in pairwise(apart)) and apart[-1] < 0.7 * apart[0]


@pytest.mark.parametrize("magnet", [0.0, 0.5])
def test_the_optimiser_goes_on_exactly(magnet):
    config = replace(SMALL, magnet=magnet)
    nets = [make_grid_net(), make_grid_net()]
    shards = [make_shard(nets[0], 200, 8, 8, seed) for seed in range(4)]
    straight, stopped = PPO(nets[0], config), PPO(nets[1], config)
    for ppo in (straight, stopped):
        ppo.update(shards[:2], 0.0, np.random.default_rng(1))
    again = PPO(make_grid_net(), config)
    again.network.load_state_dict(stopped.network.state_dict())
    again.optimiser.load_state_tensors(stopped.optimiser.state_tensors())
    for ppo in (straight, again):
        ppo.update(shards[2:], 0.5, np.random.default_rng(2))
    for one, two in zip(straight.network.parameters(), again.network.parameters(), strict=True):
        assert torch.equal(one, two)
    for one, two in zip(straight.optimiser.average.average, again.optimiser.average.average, strict=True):
        assert torch.equal(one, two)
    with pytest.raises(ValueError, match=r"does not fit|another shape"):
        PPO(MLP(MLPConfig(2, 2)), SMALL).optimiser.load_state_tensors(stopped.optimiser.state_tensors())


def test_impossible_settings_are_named():
    with pytest.raises(ValueError, match=r"ppo\.keep"):
        PPOConfig(keep=0)
    with pytest.raises(ValueError, match=r"ppo\.teacher_weight"):
        PPOConfig(teacher_weight=-1.0)
    with pytest.raises(ValueError, match="schedule"):
        PPOConfig(learning_rate_shape="steps")
