"""The masked choice of an action on the CPU, compiled: only legal actions are looked at.

A board has hundreds to thousands of action ids and a player a few dozen legal ones. Dense softmax, noise
and entropy over all ids cost as much as a small network; walking the packed mask costs next to
nothing. The dense twins are in `learn/maths.py`, for any device; tests hold the two equal.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from strategos.games.compiled import kernel


@kernel
def _log_total(logits, mask, num_actions):
    """Log-sum-exp of the legal `logits`; -1 without a legal action."""
    highest = -np.inf
    for byte in range(mask.shape[0]):
        if mask[byte]:
            for bit in range(8):
                action = byte * 8 + bit
                if mask[byte] >> bit & 1 and action < num_actions and logits[action] > highest:
                    highest = logits[action]
    if highest == -np.inf:
        return -1.0
    total = 0.0
    for byte in range(mask.shape[0]):
        if mask[byte]:
            for bit in range(8):
                action = byte * 8 + bit
                if mask[byte] >> bit & 1 and action < num_actions:
                    total += np.exp(np.float64(logits[action]) - highest)
    return highest + np.log(total)


@kernel
def _sample(logits, masks, uniforms, actions, log_probabilities):
    num_actions = logits.shape[1]
    for row in range(logits.shape[0]):
        log_total = _log_total(logits[row], masks[row], num_actions)
        left, chosen = uniforms[row], -1
        for byte in range(masks.shape[1]):
            if masks[row, byte]:
                for bit in range(8):
                    action = byte * 8 + bit
                    if left >= 0.0 and masks[row, byte] >> bit & 1 and action < num_actions:
                        chosen = action  # the last legal one stands if rounding leaves a remainder
                        left -= np.exp(np.float64(logits[row, action]) - log_total)
                if left < 0.0:
                    break
        actions[row] = max(chosen, 0)
        log_probabilities[row] = logits[row, chosen] - log_total if chosen >= 0 else 0.0


def sample_packed(
    logits: np.ndarray, masks: np.ndarray, uniforms: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Draw a legal action of each row: (actions [B] int64, their log-probabilities [B] float32).

    `logits` [B, A] float32, `masks` [B, mask_bytes] packed, `uniforms` [B] float64 in [0, 1). Never an
    illegal action; 0 for a row that has no legal one.
    """
    actions, log_probabilities = np.empty(len(logits), np.int64), np.empty(len(logits), np.float32)
    _sample(logits, masks, uniforms, actions, log_probabilities)
    return actions, log_probabilities


@kernel
def _evaluate(logits, masks, actions, chosen, entropies, totals):
    num_actions = logits.shape[1]
    for row in range(logits.shape[0]):
        log_total = _log_total(logits[row], masks[row], num_actions)
        totals[row] = log_total
        entropy = 0.0
        for byte in range(masks.shape[1]):
            if masks[row, byte]:
                for bit in range(8):
                    action = byte * 8 + bit
                    if masks[row, byte] >> bit & 1 and action < num_actions:
                        log_probability = logits[row, action] - log_total
                        entropy -= np.exp(log_probability) * log_probability
        entropies[row] = entropy
        chosen[row] = logits[row, actions[row]] - log_total


@kernel
def _gradient(logits, masks, actions, totals, entropies, of_chosen, of_entropy, gradient):
    """d log p(a) / d x_i = [i = a] - p_i and d H / d x_i = -p_i (log p_i + H)."""
    num_actions = logits.shape[1]
    for row in range(logits.shape[0]):
        for byte in range(masks.shape[1]):
            if masks[row, byte]:
                for bit in range(8):
                    action = byte * 8 + bit
                    if masks[row, byte] >> bit & 1 and action < num_actions:
                        log_probability = logits[row, action] - totals[row]
                        weight = of_chosen[row] + of_entropy[row] * (log_probability + entropies[row])
                        gradient[row, action] = -np.exp(log_probability) * weight
        gradient[row, actions[row]] += of_chosen[row]


class _Choice(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, logits: Tensor, masks: Tensor, actions: Tensor) -> tuple[Tensor, Tensor]:
        rows = len(logits)
        chosen, entropies = torch.empty(rows), torch.empty(rows)
        totals = np.empty(rows)
        _evaluate(logits.numpy(), masks.numpy(), actions.numpy(), chosen.numpy(), entropies.numpy(), totals)
        ctx.save_for_backward(logits, masks, actions, entropies)
        ctx.totals = totals
        return chosen, entropies

    @staticmethod
    def backward(ctx: Any, of_chosen: Tensor, of_entropy: Tensor) -> tuple[Tensor, None, None]:
        logits, masks, actions, entropies = ctx.saved_tensors
        gradient = torch.zeros_like(logits)
        _gradient(
            logits.numpy(),
            masks.numpy(),
            actions.numpy(),
            ctx.totals,
            entropies.numpy(),
            of_chosen.contiguous().numpy(),
            of_entropy.contiguous().numpy(),
            gradient.numpy(),
        )
        return gradient, None, None


def choice(logits: Tensor, masks: Tensor, actions: Tensor) -> tuple[Tensor, Tensor]:
    """Log-probabilities [B] of `actions` and entropies [B] over the legal actions; differentiable.

    CPU only: `logits` [B, A] float32, `masks` [B, mask_bytes] uint8 packed, `actions` [B] int64, legal.
    """
    return _Choice.apply(logits, masks, actions)
