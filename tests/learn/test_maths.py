"""The shared maths against brute force: advantages, masked choice, schedules, averages (TRAPS 9, 10)."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from strategos.learn.maths import (
    WeightAverage,
    anneal,
    explained_variance,
    generalised_advantages,
    largest,
    masked_entropy,
    masked_log_softmax,
    sample_masked,
    unpack_masks,
)
from strategos.nets.choice import choice, sample_packed


def brute_force(rewards, values, terminated, truncated, final_values, last_values, gamma, trace, acted):
    """Each advantage by walking forward from its own moment, as in the definition."""
    ticks, players = rewards.shape
    advantages = np.zeros((ticks, players))
    known = np.zeros((ticks, players), bool)
    for player in range(players):
        for start in range(ticks):
            if not acted[start, player]:
                continue
            weight, tick, advantage, value = 1.0, start, 0.0, values[start, player]
            known[start, player] = True
            while True:
                reward = 0.0
                following, over = None, False
                while True:  # up to the player's next move, an end, or the end of the data
                    reward += rewards[tick, player]
                    if terminated[tick, player]:
                        following, over = 0.0, True
                    elif truncated[tick, player]:
                        following, over = final_values[tick, player], True
                    tick += 1
                    if over or tick == ticks or acted[tick, player]:
                        break
                if not over:
                    following = last_values[player] if tick == ticks else values[tick, player]
                advantage += weight * (reward + gamma * following - value)
                if over or tick == ticks:
                    break
                weight *= gamma * trace
                value = values[tick, player]
            advantages[start, player] = advantage
    return advantages, known


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("turns", [False, True])
def test_advantages_equal_brute_force(seed, turns):
    rng = np.random.default_rng(seed)
    shape = (23, 9)
    rewards, values, final_values = (rng.normal(size=shape) for _ in range(3))
    ends = rng.random(shape)
    terminated, truncated = ends < 0.15, (ends > 0.8)
    acted = rng.random(shape) < 0.5 if turns else np.ones(shape, bool)
    last_values = rng.normal(size=9)
    want, known = brute_force(
        rewards, values, terminated, truncated, final_values, last_values, 0.97, 0.8, acted
    )
    got = generalised_advantages(
        rewards,
        values,
        terminated,
        truncated,
        final_values,
        last_values,
        gamma=0.97,
        trace=0.8,
        acted=acted,
    )
    np.testing.assert_allclose(got.advantages, want, atol=1e-5)
    np.testing.assert_allclose(got.returns, (want + values) * acted, atol=1e-5)
    np.testing.assert_array_equal(got.usable, known)


def test_truncation_bootstraps_and_cuts():
    """A cut game is worth its last position's value, and nothing of the next game leaks in."""
    one = np.array([[0.0], [100.0]])
    values = np.array([[0.5], [7.0]])
    for terminated, expected in ((True, -0.5), (False, 0.9 * 0.3 - 0.5)):
        got = generalised_advantages(
            one,
            values,
            np.array([[terminated], [False]]),
            np.array([[not terminated], [False]]),
            np.array([[0.3], [0.0]]),
            np.array([50.0]),
            gamma=0.9,
            trace=1.0,
        )
        assert got.advantages[0, 0] == pytest.approx(expected)


def test_a_move_whose_answer_is_not_in_the_data_is_not_used():
    zeros, no = np.zeros((3, 1)), np.zeros((3, 1), bool)
    acted = np.array([[True], [True], [False]])
    got = generalised_advantages(
        zeros,
        zeros,
        no,
        no,
        zeros,
        np.ones(1),
        gamma=1.0,
        trace=1.0,
        acted=acted,
        last_acts=np.array([False]),
    )
    assert got.usable[:, 0].tolist() == [True, False, False]


def random_masks(rng, rows, num_actions, share=0.05):
    legal = rng.random((rows, num_actions)) < share
    legal[:, -1] = True
    return np.packbits(legal, axis=1, bitorder="little"), legal


def test_a_million_samples_at_4609_actions_are_legal():
    """Float32 logits of great range, and rows with a single legal action; the dense sampler draws fewer."""
    rng = np.random.default_rng(0)
    num_actions, rows = 8 * 576 + 1, 500
    generator = torch.Generator().manual_seed(0)
    drawn = 0
    for turn in range(8):
        masks, legal = random_masks(rng, rows, num_actions, 0.01 if turn else 0.0)
        logits = (rng.normal(size=(rows, num_actions)) * 10 ** rng.uniform(-2, 3)).astype(np.float32)
        for _ in range(250):
            actions, log_probabilities = sample_packed(logits, masks, rng.random(rows))
            assert legal[np.arange(rows), actions].all() and np.isfinite(log_probabilities).all()
            drawn += rows
        log_table = masked_log_softmax(torch.from_numpy(logits), torch.from_numpy(legal))
        assert torch.isfinite(log_table).all()
        actions = sample_masked(log_table, torch.from_numpy(legal), generator).numpy()
        assert legal[np.arange(rows), actions].all()
    assert drawn >= 1_000_000


def test_samplers_have_the_right_frequencies():
    rng = np.random.default_rng(1)
    logits = np.tile(np.array([0.0, 1.0, 5.0, -1.0, 2.0], np.float32), (200_000, 1))
    masks = np.full((200_000, 1), 0b11011, np.uint8)
    legal = unpack_masks(torch.from_numpy(masks), 5)
    table = masked_log_softmax(torch.from_numpy(logits), legal)
    expected = table[0].exp().numpy()
    packed, _ = sample_packed(logits, masks, rng.random(len(logits)))
    dense = sample_masked(table, legal, torch.Generator().manual_seed(2)).numpy()
    for drawn in (packed, dense):
        np.testing.assert_allclose(np.bincount(drawn, minlength=5) / len(drawn), expected, atol=0.005)


def test_the_compiled_choice_equals_the_dense_one():
    """Log-probabilities, entropies and gradients; one row has a single legal action."""
    rng = np.random.default_rng(3)
    masks, legal = random_masks(rng, 64, 513)
    masks[0], legal[0] = 0, False
    masks[0, 3], legal[0, 24] = 1, True
    logits = torch.from_numpy(rng.normal(size=(64, 513)).astype(np.float32) * 3)
    actions = torch.from_numpy(np.array([np.flatnonzero(row)[-1] for row in legal]))
    weights = torch.from_numpy(rng.normal(size=(2, 64)).astype(np.float32))
    one, two = logits.clone().requires_grad_(), logits.clone().requires_grad_()
    chosen, entropies = choice(one, torch.from_numpy(masks), actions)
    table = masked_log_softmax(two, unpack_masks(torch.from_numpy(masks), 513))
    dense_chosen, dense_entropies = table.gather(1, actions[:, None])[:, 0], masked_entropy(table)
    assert torch.allclose(chosen, dense_chosen, atol=1e-5)
    assert torch.allclose(entropies, dense_entropies, atol=1e-5)
    assert entropies[0] == 0
    (chosen * weights[0] + entropies * weights[1]).sum().backward()
    (dense_chosen * weights[0] + dense_entropies * weights[1]).sum().backward()
    assert torch.isfinite(one.grad).all()
    assert torch.allclose(one.grad, two.grad, atol=1e-5)


def test_the_log_probability_of_a_draw_is_the_one_the_loss_sees():
    rng = np.random.default_rng(4)
    masks, _ = random_masks(rng, 256, 513)
    logits = rng.normal(size=(256, 513)).astype(np.float32)
    actions, chosen = sample_packed(logits, masks, rng.random(256))
    again, _ = choice(torch.from_numpy(logits), torch.from_numpy(masks), torch.from_numpy(actions))
    assert np.abs(np.exp(chosen - again.numpy()) - 1).max() < 1e-5


def test_rows_without_a_legal_action_are_harmless():
    logits, masks = np.zeros((3, 5), np.float32), np.zeros((3, 1), np.uint8)
    actions, chosen = sample_packed(logits, masks, np.full(3, 0.5))
    assert actions.tolist() == [0, 0, 0] and chosen.tolist() == [0, 0, 0]


def test_largest_keeps_the_share():
    values = np.array([3.0, 0.0, 9.0, 1.0, 5.0, 2.0, 8.0, 7.0])
    assert largest(values, 0.25).tolist() == [2, 6]
    assert largest(values, 1.0).tolist() == list(range(8))
    assert largest(values, 1e-9).tolist() == [2]


def test_schedules():
    assert anneal(1, 0, 0.25) == 0.75
    assert anneal(1, 0.01, 0.5, "exponential") == pytest.approx(0.1)
    assert anneal(1, 0, 0.5, "cosine") == pytest.approx(0.5)
    assert anneal(1, 0, 7) == 0
    with pytest.raises(ValueError, match="cosine"):
        anneal(1, 0, 0.5, "cubic")


def test_explained_variance():
    targets = np.array([1.0, 2.0, 4.0])
    assert explained_variance(targets, targets) == 1
    assert explained_variance(np.full(3, 7.0), targets) == 0


def test_weights_are_averaged_by_the_formula():
    weight = torch.tensor([1.0])
    average = WeightAverage([weight], 0.9)
    expected, decays = 1.0, [0.1, 2 / 11, 3 / 12]
    for step, decay in enumerate(decays):
        weight += 1
        average.update([weight])
        expected = decay * expected + (1 - decay) * (step + 2)
        assert average.average[0].item() == pytest.approx(expected)
