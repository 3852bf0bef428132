"""AlphaZero: what the losses see and do not see, exact averages and resumption, eight samples by heart."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest
import torch
from made_experience import CARDS, KINDS, make_examples, make_net, weights_of

from strategos.games.blob.record import BID, NUM_ACTIONS
from strategos.learn.alphazero import AlphaZero, AlphaZeroConfig, Examples, _Minibatch, sample_losses
from strategos.learn.maths import anneal, policy_divergence, share_divergence, unpack_masks
from strategos.nets.cards import CardNet
from strategos.nets.mlp import MLP, MLPConfig

STEADY = AlphaZeroConfig(
    minibatch=32, learning_rate=5e-3, last_learning_rate=5e-3, warmup=0, weight_decay=0.0, adam_beta2=0.99
)


def whole(examples: Examples) -> _Minibatch:
    """All examples as one minibatch."""
    learner = AlphaZero(make_net("kuhn"), STEADY)
    return learner._load(examples, np.arange(len(examples)))


@pytest.mark.parametrize("kind", KINDS)
def test_eight_samples_are_learned_by_heart(kind):
    """Trap 23: a second softmax or a missing mask would leave a loss."""
    net, examples, rng = make_net(kind), make_examples(kind, 8), np.random.default_rng(0)
    config = replace(STEADY, gradient_clip=10.0, parts=1, learning_rate=1e-2, last_learning_rate=1e-4)
    learner = AlphaZero(net, config)
    first = learner.update(examples, 0.0, rng)
    for step in range(300):
        last = learner.update(examples, step / 300, rng)
    assert first["policy_loss"] > 0.1 and first["value_loss"] > 0.02
    assert last["policy_loss"] < 2e-3 and last["value_loss"] < 2e-3 and last["makes_loss"] < 2e-3
    assert last["accuracy"] == 1 and last["explained_variance"] > 0.95
    assert last["entropy"] == pytest.approx(last["target_entropy"], abs=0.05)


def test_values_are_taught_from_the_end_and_from_the_search_by_their_shares():
    examples = make_examples("kuhn", 8)
    examples.roots = -examples.values
    learner = AlphaZero(make_net("kuhn"), replace(STEADY, root_share=0.25))
    assert np.allclose(learner._load(examples, np.arange(8)).values.numpy(), 0.5 * examples.values)
    examples.roots = None
    with pytest.raises(ValueError, match="root_share needs the values of the searches"):
        learner.update(examples, 0.0, np.random.default_rng(0))


@pytest.mark.parametrize("kind", ["mlp", "grid"])
def test_what_is_known_by_heart_does_not_count_as_understood(kind):
    """Outcomes here are chance, so nothing can be known of those that were not learned."""
    net, known, unseen = make_net(kind), make_examples(kind, 64), make_examples(kind, 640, seed=2)
    learner, rng = AlphaZero(net, replace(STEADY, minibatch=64)), np.random.default_rng(0)
    for _ in range(200):
        learned = learner.update(known, 0.0, rng)
    weights = weights_of(net)
    judged_known, judged = learner.judge(known), learner.judge(unseen)
    assert torch.equal(weights, weights_of(net))
    assert judged_known["unseen_explained_variance"] > 0.5 and learned["explained_variance"] > 0.5
    assert judged["unseen_explained_variance"] < 0.05
    with torch.no_grad():
        expected = sample_losses(net, whole(unseen)).policy.mean()
    assert judged["unseen_policy_loss"] == pytest.approx(float(expected), rel=1e-4)


@pytest.mark.parametrize("kind", KINDS)
def test_masked_logits_get_no_gradient(kind):
    part = whole(make_examples(kind, 16))
    logits = torch.randn(part.policy.shape, requires_grad=True)
    policy_divergence(logits, part.legal, part.policy).sum().backward()
    assert (logits.grad[~part.legal] == 0).all() and (logits.grad[part.legal] != 0).any()
    changed = torch.where(part.legal, logits, 50.0)
    assert torch.equal(
        policy_divergence(logits, part.legal, part.policy),
        policy_divergence(changed, part.legal, part.policy),
    )


def test_the_divergences_equal_their_definitions():
    part = whole(make_examples("kuhn", 20))
    logits = torch.randn(part.policy.shape)
    for row, found in enumerate(policy_divergence(logits, part.legal, part.policy)):
        legal, target = part.legal[row], part.policy[row]
        probability = torch.softmax(logits[row][legal], 0)
        expected = sum(t * torch.log(t / p) for t, p in zip(target[legal], probability, strict=True) if t > 0)
        assert found == pytest.approx(float(expected), abs=1e-5)
    logits, targets = torch.randn(30), torch.rand(30)
    targets[:2] = torch.tensor([0.0, 1.0])
    p, t = logits.sigmoid().double(), targets.double()
    expected = torch.xlogy(t, t / p) + torch.xlogy(1 - t, (1 - t) / (1 - p))
    assert torch.allclose(share_divergence(logits, targets).double(), expected, atol=1e-5)


def test_a_row_without_a_policy_teaches_the_values_only():
    examples = make_examples("kuhn", 16)
    examples.policy[:] = 0
    net = make_net("kuhn")
    policy, value = weights_of(net.policy), weights_of(net.value)
    metrics = AlphaZero(net, STEADY).update(examples, 0.0, np.random.default_rng(0))
    assert metrics["policy_loss"] == 0 and metrics["value_loss"] > 0
    assert torch.equal(policy, weights_of(net.policy)) and not torch.equal(value, weights_of(net.value))


@pytest.mark.parametrize("kind", CARDS)
def test_absent_seats_have_no_influence(kind):
    """Targets of seats that do not exist may be anything, NaN included."""
    results = []
    for filling in (0.0, 1.0, np.nan):
        net, examples = make_net(kind), make_examples(kind, 24)
        absent = np.arange(8) >= examples.players[:, None]
        examples.values[absent] = examples.made[absent] = filling
        metrics = AlphaZero(net, STEADY).update(examples, 0.0, np.random.default_rng(0))
        results.append((weights_of(net), metrics, examples.losses))
    for weights, metrics, losses in results[1:]:
        assert torch.equal(weights, results[0][0]) and metrics == results[0][1]
        assert np.array_equal(losses, results[0][2]) and np.isfinite(losses).all()


def test_card_networks_ask_for_their_targets():
    examples = make_examples("mlp", 4)
    examples.made = None
    with pytest.raises(ValueError, match="made"):
        AlphaZero(make_net("mlp"), STEADY).update(examples, 0.0, np.random.default_rng(0))
    with pytest.raises(ValueError, match="empty"):
        AlphaZero(make_net("kuhn"), STEADY).update(make_examples("kuhn", 0), 0.0, np.random.default_rng(0))


def test_weights_count_like_repeated_samples():
    """A sample of weight 2 is the sample twice; one of weight 0 is not there."""
    whole_batch, once = make_examples("kuhn", 6), make_examples("kuhn", 6)
    once.weights = np.array([2, 1, 1, 0, 0, 1], np.float32)
    rows = np.array([0, 0, 1, 2, 5])
    twice = Examples(
        lambda wanted: whole_batch.observe(rows[wanted]),
        whole_batch.masks[rows],
        whole_batch.policy[rows],
        whole_batch.values[rows],
    )
    nets = [make_net("kuhn"), make_net("kuhn")]
    config = replace(STEADY, parts=1)
    for net, examples in zip(nets, (once, twice), strict=True):
        learner = AlphaZero(net, config)
        gradients, _ = learner._gradients(prepared(learner, examples), np.arange(len(examples)))
        learner.optimiser.step(gradients, learner.learning_rate(0.0))
    assert torch.allclose(weights_of(nets[0]), weights_of(nets[1]), atol=1e-6)


def prepared(learner: AlphaZero, examples: Examples) -> Examples:
    """What `update` lays out before its first minibatch."""
    examples.losses = np.zeros(len(examples), np.float32)
    learner._predicted = np.zeros(examples.values.shape, np.float32)
    return examples


def test_the_average_is_taken_at_every_step():
    """Trap 31: the average after many steps is that of all weights on the way."""
    net, examples = make_net("kuhn"), make_examples("kuhn", 96)
    learner = AlphaZero(net, replace(STEADY, average_decay=0.9))
    expected, seen = weights_of(net).double(), 0
    step = learner.optimiser.step

    def watched(gradients, rate):
        nonlocal expected, seen
        norm = step(gradients, rate)
        decay = min(0.9, (1 + seen) / (10 + seen))
        expected = decay * expected + (1 - decay) * weights_of(net).double()
        seen += 1
        return norm

    learner.optimiser.step = watched
    for _ in range(5):
        learner.update(examples, 0.0, np.random.default_rng(0))
    assert seen == learner.optimiser.steps == 15
    average = torch.cat([each.flatten() for each in learner.optimiser.average.average])
    assert torch.allclose(average.double(), expected, atol=1e-6)


@pytest.mark.parametrize("kind", ["mlp", "grid"])
def test_the_optimiser_goes_on_exactly(kind):
    batches = [make_examples(kind, 64, seed) for seed in range(4)]
    config = replace(STEADY, warmup=5, weight_decay=0.01)
    straight, stopped = AlphaZero(make_net(kind), config), AlphaZero(make_net(kind), config)
    for learner in (straight, stopped):
        for examples in batches[:2]:
            learner.update(examples, 0.1, np.random.default_rng(1))
    again = AlphaZero(make_net(kind, seed=9), config)
    again.network.load_state_dict(stopped.network.state_dict())
    again.optimiser.load_state_tensors(
        {name: each.clone() for name, each in stopped.optimiser.state_tensors().items()}
    )
    for examples in batches[2:]:
        first = straight.update(examples, 0.5, np.random.default_rng(2))
        second = again.update(examples, 0.5, np.random.default_rng(2))
        assert first == second
    assert torch.equal(weights_of(straight.network), weights_of(again.network))
    for one, two in zip(straight.optimiser.average.average, again.optimiser.average.average, strict=True):
        assert torch.equal(one, two)
    with pytest.raises(ValueError, match=r"does not fit|another shape"):
        AlphaZero(MLP(MLPConfig(2, 2)), config).optimiser.load_state_tensors(
            stopped.optimiser.state_tensors()
        )


@pytest.mark.parametrize("kind", ["mlp", "grid"])
def test_threads_do_not_change_the_result(kind):
    results = []
    for threads in (None, 1, 3):
        net, examples = make_net(kind), make_examples(kind, 90)
        executor = ThreadPoolExecutor(threads) if threads else None
        AlphaZero(net, replace(STEADY, parts=3), executor=executor).update(
            examples, 0.0, np.random.default_rng(0)
        )
        results.append((weights_of(net), examples.losses))
    for weights, losses in results[1:]:
        assert torch.equal(weights, results[0][0]) and np.array_equal(losses, results[0][1])


def test_parts_together_are_one_minibatch():
    gradients = []
    for parts in (1, 4):
        learner, examples = AlphaZero(make_net("mlp"), replace(STEADY, parts=parts)), make_examples("mlp", 30)
        found, _ = learner._gradients(prepared(learner, examples), np.arange(30))
        gradients.append(torch.cat([each.flatten() for each in found]))
    assert torch.allclose(gradients[0], gradients[1], atol=1e-6)


def test_each_sample_s_loss_is_written():
    examples, net = make_examples("grid", 20), make_net("grid")
    config = replace(STEADY, minibatch=100, value_weight=2.0)
    before = sample_losses(net, whole(examples))
    AlphaZero(net, config).update(examples, 0.0, np.random.default_rng(0))
    expected = (before.policy + 2 * before.value).detach().numpy()
    assert np.allclose(examples.losses, expected, atol=1e-5)


def test_biases_and_norms_do_not_decay():
    net, examples = make_net("mlp"), make_examples("mlp", 8)
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.add_(0.5)
    learner = AlphaZero(net, replace(STEADY, weight_decay=0.1))
    optimiser = learner.optimiser
    before = [parameter.clone() for parameter in optimiser.parameters]
    zeros = [torch.zeros_like(parameter) for parameter in optimiser.parameters]
    optimiser.step(zeros, learner.learning_rate(0.0))
    for old, new in zip(before, optimiser.parameters, strict=True):
        factor = 1 - 0.1 * 5e-3 if new.ndim >= 2 else 1.0
        assert torch.allclose(new, old * factor, atol=1e-7)
    assert {name.rpartition(".")[2] for name, each in net.named_parameters() if each.ndim < 2} <= {
        "bias",
        "weight",
    }
    del examples


def test_the_step_size_follows_its_schedule():
    learner = AlphaZero(make_net("kuhn"), AlphaZeroConfig(minibatch=4, warmup=4, learning_rate=1e-2))
    rates = [learner.update(make_examples("kuhn", 4), 0.0, np.random.default_rng(0)) for _ in range(5)]
    assert [each["learning_rate"] for each in rates] == pytest.approx([0.0025, 0.005, 0.0075, 0.01, 0.01])
    assert [anneal(8, 1, progress, "step") for progress in (0, 0.24, 0.25, 0.5, 0.75, 1)] == pytest.approx(
        [8, 8, 4, 2, 1, 1]
    )


def test_a_network_in_bfloat16_learns_the_same():
    losses = []
    for bfloat16 in (False, True):
        torch.manual_seed(0)
        net, examples = CardNet(replace(CARDS["mlp"], bfloat16=bfloat16)), make_examples("mlp", 64)
        learner = AlphaZero(net, STEADY)
        for _ in range(10):
            metrics = learner.update(examples, 0.0, np.random.default_rng(0))
        losses.append((metrics["policy_loss"], metrics["value_loss"]))
        assert all(parameter.dtype == torch.float32 for parameter in net.parameters())
    assert losses[0] == pytest.approx(losses[1], rel=0.1, abs=0.02)


def test_bids_are_actions_after_the_cards():
    """A network taught one bid for every position answers it, through the renaming of suits."""
    net, examples = make_net("mlp"), make_examples("mlp", 32)
    examples.policy[:] = 0
    examples.policy[:, BID + 2] = 1
    legal = np.zeros((32, NUM_ACTIONS), bool)
    legal[:, [BID, BID + 1, BID + 2]] = True
    examples.masks = np.packbits(legal, axis=1, bitorder="little")
    learner = AlphaZero(net, STEADY)
    for _ in range(30):
        metrics = learner.update(examples, 0.0, np.random.default_rng(0))
    logits = net(examples.observe(np.arange(32)))[0]
    masked = torch.where(unpack_masks(torch.from_numpy(examples.masks), NUM_ACTIONS), logits, -torch.inf)
    assert (masked.argmax(1) == BID + 2).all() and metrics["accuracy"] == 1


@pytest.mark.parametrize(
    ("options", "name"),
    [
        ({"minibatch": 0}, "minibatch"),
        ({"learning_rate": 0.0}, "learning_rate"),
        ({"weight_decay": -1.0}, "weight_decay"),
        ({"average_decay": 1.0}, "average_decay"),
        ({"learning_rate_shape": "stairs"}, "schedule"),
    ],
)
def test_impossible_settings_are_named(options, name):
    with pytest.raises(ValueError, match=name):
        AlphaZeroConfig(**options)
