"""The maths that learners share: masked distributions, advantages, schedules, averages of weights.

Pure functions on tensors and arrays; every one has a brute-force twin in the tests.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

_LOWEST = -1e9
"""What illegal logits become: finite, so that 0 * log 0 never makes a NaN."""


def unpack_masks(masks: Tensor, num_actions: int) -> Tensor:
    """Packed legal masks [B, mask_bytes] uint8 to bool [B, num_actions], on any device."""
    shifts = torch.arange(8, dtype=torch.uint8, device=masks.device)
    bits = torch.bitwise_and(torch.bitwise_right_shift(masks.unsqueeze(-1), shifts), 1)
    return bits.view(len(masks), -1)[:, :num_actions].bool()


def masked_log_softmax(logits: Tensor, legal: Tensor) -> Tensor:
    """Log-probabilities [B, A] over the legal actions; about -1e9 elsewhere.

    A row without a legal action is uniform over everything, not NaN; its samples mean nothing.
    """
    return torch.log_softmax(torch.where(legal, logits, _LOWEST), dim=-1)


def masked_entropy(log_probabilities: Tensor) -> Tensor:
    """Entropy [B] in nats of `masked_log_softmax`'s rows; 0 with a single legal action."""
    return -(log_probabilities.exp() * log_probabilities).sum(-1)


def policy_divergence(logits: Tensor, legal: Tensor, targets: Tensor) -> Tensor:
    """KL divergence [B] in nats of the policy from `targets` [B, A]: their cross-entropy less its floor.

    `logits` [B, A] are raw: the mask and the one softmax are in here. Targets are 0 on illegal actions;
    a row of zeros costs 0 and has no gradient.
    """
    cross_entropy = -(targets * masked_log_softmax(logits, legal)).sum(-1)
    return cross_entropy + torch.xlogy(targets, targets).sum(-1)


def share_divergence(logits: Tensor, targets: Tensor) -> Tensor:
    """Binary cross-entropy of `targets` in [0, 1] less its floor, element by element: 0 where they are met.

    Its gradient never dies at the ends of the range, as that of a squared error through a sigmoid does,
    and its minimum is the expectation just the same.
    """
    floor = -torch.xlogy(targets, targets) - torch.xlogy(1 - targets, 1 - targets)
    return F.binary_cross_entropy_with_logits(logits, targets, reduction="none") - floor


def sample_masked(
    log_probabilities: Tensor, legal: Tensor, generator: torch.Generator | None = None
) -> Tensor:
    """Draw one legal action of each row by the Gumbel trick: int64 [B].

    Source: Maddison et al., *A\\* sampling*, 2014. Never an illegal one: those are masked after the
    noise is added, so no rounding can lift them. A row without a legal action gives 0.
    """
    noise = torch.empty_like(log_probabilities).exponential_(generator=generator)
    scores = log_probabilities - noise.clamp_(min=1e-20).log_()
    return torch.where(legal, scores, -torch.inf).argmax(-1)


@dataclass
class Advantages:
    """What `generalised_advantages` returns, all [T, B]."""

    advantages: np.ndarray
    returns: np.ndarray
    """Targets of the value function."""
    usable: np.ndarray
    """bool: the player acted here, and what follows is known."""


def generalised_advantages(
    rewards: np.ndarray,
    values: np.ndarray,
    terminated: np.ndarray,
    truncated: np.ndarray,
    final_values: np.ndarray,
    last_values: np.ndarray,
    *,
    gamma: float,
    trace: float,
    acted: np.ndarray | None = None,
    last_acts: np.ndarray | None = None,
) -> Advantages:
    """Generalised advantage estimation over `T` ticks of `B` players.

    `rewards`, `values`, `terminated`, `truncated`, `final_values` are [T, B]: the reward and the ends
    follow the action of the same index. Termination bootstraps from nothing; truncation from
    `final_values`, the value of the last observation of the cut game; both cut the trace. `last_values`
    [B] belong to the observation after the last tick.

    In games where players take turns, `acted` [T, B] says whose moves they were: a transition then runs
    from one move of a player to the next, and collects every reward between. A move whose next
    moment of decision lies beyond the data (`last_acts` [B] false) is not usable.

    Source: Schulman et al., *High-dimensional continuous control using GAE*, 2015, eq. 16.
    """
    ticks, players = rewards.shape
    acted = np.ones((ticks, players), bool) if acted is None else acted
    advantages, returns = np.zeros((ticks, players), np.float32), np.zeros((ticks, players), np.float32)
    usable = np.zeros((ticks, players), bool)
    next_value = last_values.astype(np.float64)
    next_known = np.ones(players, bool) if last_acts is None else last_acts.copy()
    next_advantage, pending = np.zeros(players), np.zeros(players)
    for tick in range(ticks - 1, -1, -1):
        ended = terminated[tick] | truncated[tick]
        next_value = np.where(ended, np.where(terminated[tick], 0.0, final_values[tick]), next_value)
        next_advantage = np.where(ended, 0.0, next_advantage)
        next_known |= ended
        pending = np.where(ended, 0.0, pending) + rewards[tick]
        mine = acted[tick]
        error = pending + gamma * next_value - values[tick]
        advantage = error + gamma * trace * next_advantage
        advantages[tick] = np.where(mine, advantage, 0.0)
        returns[tick] = np.where(mine, advantage + values[tick], 0.0)
        usable[tick] = mine & next_known
        next_advantage = np.where(mine, np.where(next_known, advantage, 0.0), next_advantage)
        next_value = np.where(mine, values[tick], next_value)
        next_known |= mine
        pending = np.where(mine, 0.0, pending)
    return Advantages(advantages, returns, usable)


def largest(magnitudes: np.ndarray, share: float) -> np.ndarray:
    """Indices, ascending, of the `share` of entries with the largest values; at least one."""
    count = len(magnitudes)
    kept = max(1, min(count, round(count * share)))
    if kept == count:
        return np.arange(count)
    return np.sort(np.argpartition(magnitudes, count - kept, kind="introselect")[count - kept :])


def explained_variance(predictions: np.ndarray, targets: np.ndarray) -> float:
    """1 - Var(targets - predictions) / Var(targets): 1 is perfect, 0 no better than the mean."""
    variance = float(np.var(targets))
    return float("nan") if variance == 0 else 1 - float(np.var(targets - predictions)) / variance


def anneal(first: float, last: float, progress: float, shape: str = "linear") -> float:
    """A schedule's value at `progress` in [0, 1], from first to last.

    `linear`, `cosine` or `exponential`; `step` stands still on four levels, each the same factor lower.
    """
    progress = min(max(progress, 0.0), 1.0)
    if shape == "linear":
        return first + (last - first) * progress
    if shape == "cosine":
        return last + (first - last) * 0.5 * (1 + float(np.cos(np.pi * progress)))
    if shape == "exponential":
        return first * (last / first) ** progress
    if shape == "step":
        return first * (last / first) ** (min(int(progress * 4), 3) / 3)
    raise ValueError(f"no schedule {shape!r}; choose linear, cosine, exponential or step")


class WeightAverage:
    """An exponential moving average of weights, updated on every optimiser step.

    Averaging once per iteration would lag dozens of iterations behind. The decay warms up as
    (1 + n) / (10 + n), so that the first steps do not drag the random weights along.
    """

    def __init__(self, parameters: Iterable[Tensor], decay: float) -> None:
        self.decay = decay
        self.steps = 0
        self.average = [parameter.detach().clone() for parameter in parameters]

    @torch.no_grad()
    def update(self, parameters: Iterable[Tensor]) -> None:
        """Move the average towards `parameters`."""
        decay = min(self.decay, (1 + self.steps) / (10 + self.steps))
        torch._foreach_lerp_(self.average, [each.detach() for each in parameters], 1 - decay)
        self.steps += 1

    @torch.no_grad()
    def copy_to(self, parameters: Iterable[Tensor]) -> None:
        """Overwrite `parameters` with the average."""
        for parameter, average in zip(parameters, self.average, strict=True):
            parameter.copy_(average)
