"""Proximal policy optimisation (Schulman et al., 2017), read from top to bottom.

Works on any network that maps observations to (logits [B, A], values [B]) and on any game: simultaneous
ones, where a transition lasts a tick, and sequential ones, where it runs between two of a player's moves.
Experience comes in shards, one for each worker and board size. A minibatch takes its part of every
shard; the shards' gradients are computed by as many threads as there are, and added in the order of the
shards, so the number of threads never changes a result.

`b_` is everything kept of an iteration, `mb_` a minibatch, as in CleanRL.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from copy import deepcopy
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor, nn

from strategos.learn.maths import (
    anneal,
    explained_variance,
    largest,
    masked_entropy,
    masked_log_softmax,
    policy_divergence,
    unpack_masks,
)
from strategos.learn.optimiser import Optimiser
from strategos.nets.choice import choice


@dataclass(frozen=True)
class PPOConfig:
    """How PPO learns. Schedules run over the progress of the run, from 0 to 1."""

    gamma: float = 0.995
    """Discount of a tick (of an own move, where players take turns)."""
    trace: float = 0.9
    """Lambda of the generalised advantage estimate."""
    clip: float = 0.2
    """The ratio of new to old probability is clipped to 1 +- this."""
    keep: float = 0.25
    """Share of the samples that is learned from: those with the largest |advantage|."""
    epochs: int = 3
    """Passes over the kept samples."""
    minibatch: int = 1024
    """Samples of one optimiser step, over all shards."""
    learning_rate: float = 6e-3
    """Adam's step size at the start."""
    last_learning_rate: float = 3e-4
    """... and at the end."""
    learning_rate_shape: str = "linear"
    """linear, cosine or exponential."""
    entropy: float = 0.01
    """Weight of the entropy bonus at the start."""
    last_entropy: float = 0.003
    """... and at the end."""
    magnet: float = 0.0
    """Weight of the divergence from the averaged weights' policy. Where being predictable loses, self-play
    runs in circles round the equilibrium; the average lags behind, and the pull towards it damps them."""
    value_weight: float = 0.5
    """Weight of the squared error of the values."""
    gradient_clip: float = 0.5
    """Largest norm of a gradient."""
    adam_beta2: float = 0.999
    """Decay of Adam's second moment."""
    adam_epsilon: float = 1e-5
    """Added to Adam's denominator."""
    teacher_weight: float = 0.0
    """Weight, at the start, of the cross-entropy to a teacher's choices on the learner's own samples:
    kickstarting (Schmitt et al., 2018). 0 learns without a teacher; `rollout.teacher` names one."""
    teacher_until: float = 0.2
    """Share of the run by which that weight has fallen to 0."""
    average_decay: float = 0.999
    """Decay, per optimiser step, of the averaged weights: the agent that is kept."""

    def __post_init__(self) -> None:
        for name in ("gamma", "trace", "keep"):
            if not 0 < getattr(self, name) <= 1:
                raise ValueError(f"ppo.{name} must be above 0 and at most 1, not {getattr(self, name)}")
        if not 0 <= self.average_decay < 1:
            raise ValueError(f"ppo.average_decay must be in [0, 1), not {self.average_decay}")
        if min(self.learning_rate, self.last_learning_rate, self.adam_epsilon) <= 0:
            raise ValueError("ppo.learning_rate, last_learning_rate and adam_epsilon must be above 0")
        if not 0 <= self.adam_beta2 < 1:
            raise ValueError(f"ppo.adam_beta2 must be in [0, 1), not {self.adam_beta2}")
        if self.gradient_clip <= 0:
            raise ValueError(f"ppo.gradient_clip must be above 0, not {self.gradient_clip}")
        for name in ("magnet", "teacher_weight"):
            if getattr(self, name) < 0:
                raise ValueError(f"ppo.{name} must not be negative, not {getattr(self, name)}")
        for name in ("epochs", "minibatch"):
            if getattr(self, name) < 1:
                raise ValueError(f"ppo.{name} must be at least 1, not {getattr(self, name)}")
        anneal(self.learning_rate, self.last_learning_rate, 0.5, self.learning_rate_shape)


@dataclass
class Shard:
    """The learner's own experience of one worker, flat over ticks and seats; nobody else's rows.

    `observe(indices)` makes the network's input of those samples, on the learner's device. `masks`
    [N, mask_bytes] are the packed legal moves at acting time, the same that the sampling used.
    """

    observe: Callable[[np.ndarray], Tensor]
    masks: np.ndarray
    actions: np.ndarray
    log_probabilities: np.ndarray
    values: np.ndarray
    advantages: np.ndarray
    returns: np.ndarray
    taught: np.ndarray | None = None
    """What the teacher would have done, where there is one."""

    def __len__(self) -> int:
        return len(self.actions)


@dataclass
class _Kept:
    """The samples of one shard that are learned from, as tensors on the learner's device."""

    b_inputs: Tensor
    b_masks: Tensor
    b_actions: Tensor
    b_log_probabilities: Tensor
    b_advantages: Tensor
    b_returns: Tensor
    b_taught: Tensor | None
    b_magnet: Tensor | None
    """[N, A]: the policy of the averaged weights, where there is a magnet."""
    orders: list[list[Tensor]] = field(default_factory=list)
    """For each epoch, the sample indices of each minibatch."""


@dataclass(frozen=True)
class _Weights:
    """What changes from one iteration to the next."""

    clip: float
    value: float
    entropy: float
    magnet: float
    teacher: float


_METRICS = ("policy_loss", "value_loss", "entropy", "kl", "clip_fraction")


def shard_gradients(
    network: nn.Module | Callable[[Tensor], tuple[Tensor, Tensor]],
    parameters: Sequence[Tensor],
    kept: _Kept,
    rows: Tensor,
    size: int,
    weights: _Weights,
) -> tuple[Sequence[Tensor], Tensor, Tensor]:
    """One shard's part of a minibatch of `size` samples.

    Returns the gradients, the sums of `_METRICS` and the largest |ratio - 1|.
    """
    mb_masks, mb_actions = kept.b_masks[rows], kept.b_actions[rows]
    mb_advantages, mb_returns = kept.b_advantages[rows], kept.b_returns[rows]
    logits, values = network(kept.b_inputs[rows])
    if logits.is_cuda:
        log_probabilities = masked_log_softmax(logits, unpack_masks(mb_masks, logits.shape[1]))
        entropies = masked_entropy(log_probabilities)

        def log_probability(actions: Tensor) -> Tensor:
            return log_probabilities.gather(1, actions.unsqueeze(1)).squeeze(1)

        chosen = log_probability(mb_actions)
    else:
        chosen, entropies = choice(logits, mb_masks, mb_actions)

        def log_probability(actions: Tensor) -> Tensor:
            return choice(logits, mb_masks, actions)[0]

    log_ratio = chosen - kept.b_log_probabilities[rows]
    ratio = log_ratio.exp()
    clipped = ratio.clamp(1 - weights.clip, 1 + weights.clip)
    policy_loss = -torch.minimum(ratio * mb_advantages, clipped * mb_advantages).sum()
    value_loss = 0.5 * (values - mb_returns).square().sum()
    entropy = entropies.sum()
    loss = policy_loss + weights.value * value_loss - weights.entropy * entropy
    if weights.teacher > 0 and kept.b_taught is not None:
        loss = loss - weights.teacher * log_probability(kept.b_taught[rows]).sum()
    if kept.b_magnet is not None:
        legal = unpack_masks(mb_masks, logits.shape[1])
        loss = loss + weights.magnet * policy_divergence(logits, legal, kept.b_magnet[rows]).sum()
    loss = loss / size
    gradients = torch.autograd.grad(loss, parameters, allow_unused=True, materialize_grads=True)
    with torch.no_grad():
        away = (ratio - 1).abs()
        kl = (ratio - 1 - log_ratio).sum()  # Schulman's estimator k3: never negative, low variance
        sums = torch.stack([policy_loss, value_loss, entropy, kl, (away > weights.clip).float().sum()])
        return gradients, sums, away.max() if len(away) else away.sum()


def compile_for_boards(network: nn.Module) -> Callable[[Tensor], tuple[Tensor, Tensor]]:
    """`network`, compiled for each size of board, and for any number of samples.

    Nothing but that number is left open: torch 2.13 fails over strides that are products of unknown sizes.
    """
    from torch._dynamo import maybe_mark_dynamic  # a second to load, that only compiling is worth

    compiled = torch.compile(network, dynamic=False)

    def forward(inputs: Tensor) -> tuple[Tensor, Tensor]:
        maybe_mark_dynamic(inputs, 0)
        return compiled(inputs)

    return forward


class PPO:
    """A network, its optimiser and the average of its weights.

    `network` maps inputs to (logits, values). `executor` runs shards side by side; the caller gives it as
    many threads as it has cores and sets `torch.set_num_threads(1)`: two threads with half a minibatch
    each are a fifth faster than one with two threads inside every operation.
    """

    def __init__(
        self,
        network: nn.Module,
        config: PPOConfig,
        *,
        device: str | torch.device = "cpu",
        executor: ThreadPoolExecutor | None = None,
        compiled: bool = False,
    ) -> None:
        self.network, self.config = network, config
        self.device = torch.device(device)
        self.executor = executor

        def make(parameters: list[Tensor]) -> torch.optim.Optimizer:
            return torch.optim.Adam(
                parameters,
                lr=config.learning_rate,
                betas=(0.9, config.adam_beta2),
                eps=config.adam_epsilon,
                foreach=True,
            )

        self.optimiser = Optimiser(
            network, make, gradient_clip=config.gradient_clip, average_decay=config.average_decay
        )
        self._forward = compile_for_boards(network) if compiled else network
        self._magnet = deepcopy(network) if config.magnet > 0 else None

    def learning_rate(self, progress: float) -> float:
        """Adam's step size at `progress` of the run."""
        config = self.config
        return anneal(config.learning_rate, config.last_learning_rate, progress, config.learning_rate_shape)

    def teacher_weight(self, progress: float) -> float:
        """Weight of the teacher's choices at `progress` of the run."""
        config = self.config
        return anneal(config.teacher_weight, 0.0, progress / max(config.teacher_until, 1e-9))

    def update(
        self, shards: Sequence[Shard], progress: float, generator: np.random.Generator
    ) -> dict[str, float]:
        """Learn from an iteration's `shards` and return metrics.

        `first_ratio_error` is the largest |ratio - 1| of the first minibatch: anything above 1e-5 in
        float32 says that acting and learning disagree (masks, modes, dtypes).
        """
        config = self.config
        weights = _Weights(
            config.clip,
            config.value_weight,
            anneal(config.entropy, config.last_entropy, progress),
            config.magnet,
            self.teacher_weight(progress),
        )
        rate = self.learning_rate(progress)
        if self._magnet is not None:
            self.optimiser.average.copy_to(self._magnet.parameters())
        kept, count = self._keep(shards)
        minibatches = max(1, round(count / config.minibatch))
        minibatches = min(minibatches, max(len(shard.b_actions) for shard in kept))  # none without samples
        for shard in kept:
            shard.orders = [
                self._minibatches(len(shard.b_actions), minibatches, generator) for _ in range(config.epochs)
            ]
        sums = torch.zeros(len(_METRICS), device=self.device)
        first_error = first_kl = norm = torch.zeros((), device=self.device)
        for epoch in range(config.epochs):
            for index in range(minibatches):
                size = sum(len(shard.orders[epoch][index]) for shard in kept)
                gradients, step_sums, error = self._gradients(kept, epoch, index, size, weights)
                norm = self.optimiser.step(gradients, rate)
                sums += step_sums
                if epoch == index == 0:
                    first_error, first_kl = error, step_sums[_METRICS.index("kl")] / size
        used = count * config.epochs
        metrics = dict(zip(_METRICS, (sums / used).tolist(), strict=True))
        return metrics | {
            "learning_rate": rate,
            "entropy_weight": weights.entropy,
            "gradient_norm": float(norm),
            "first_ratio_error": float(first_error),
            "first_kl": float(first_kl),
            "explained_variance": explained_variance(
                np.concatenate([shard.values for shard in shards]),
                np.concatenate([shard.returns for shard in shards]),
            ),
            "samples_learned": float(used),
            "optimiser_steps": float(self.optimiser.steps),
        }

    def _keep(self, shards: Sequence[Shard]) -> tuple[list[_Kept], int]:
        """Normalise the advantages over all shards, then keep the largest of them."""
        advantages = np.concatenate([shard.advantages for shard in shards])
        advantages = (advantages - advantages.mean()) / (advantages.std() + 1e-8)
        chosen = largest(np.abs(advantages), self.config.keep)
        ends = np.cumsum([len(shard) for shard in shards])
        parts = []
        for shard, end in zip(shards, ends, strict=True):
            begin = end - len(shard)
            mine = chosen[(chosen >= begin) & (chosen < end)]
            if len(mine):
                parts.append((shard, mine - begin, advantages[mine]))
        return list(self._map(self._load, parts)), len(chosen)

    def _load(self, part: tuple[Shard, np.ndarray, np.ndarray]) -> _Kept:
        shard, rows, advantages = part

        def on_device(array: np.ndarray) -> Tensor:
            return torch.from_numpy(np.ascontiguousarray(array)).to(self.device)

        b_inputs, b_masks = shard.observe(rows), on_device(shard.masks[rows])
        return _Kept(
            b_inputs=b_inputs,
            b_masks=b_masks,
            b_actions=on_device(shard.actions[rows]),
            b_log_probabilities=on_device(shard.log_probabilities[rows]),
            b_advantages=on_device(advantages.astype(np.float32)),
            b_returns=on_device(shard.returns[rows]),
            b_taught=None if shard.taught is None else on_device(shard.taught[rows]),
            b_magnet=self._magnet_policy(b_inputs, b_masks),
        )

    @torch.no_grad()
    def _magnet_policy(self, inputs: Tensor, masks: Tensor) -> Tensor | None:
        """What the averaged weights would do: magnetic mirror descent (Sokota et al., 2023) with a magnet
        that moves. It biases nothing: at an equilibrium that the policy keeps, the average is the same.
        """
        if self._magnet is None:
            return None
        logits = self._magnet(inputs)[0]
        return masked_log_softmax(logits, unpack_masks(masks, logits.shape[1])).exp()

    def _minibatches(self, count: int, parts: int, generator: np.random.Generator) -> list[Tensor]:
        # A whole epoch's order at once: every copy to a GPU waits for all that is queued there.
        order = torch.from_numpy(generator.permutation(count)).to(self.device)
        return list(torch.tensor_split(order, parts))

    def _gradients(
        self, kept: list[_Kept], epoch: int, index: int, size: int, weights: _Weights
    ) -> tuple[list[Tensor], Tensor, Tensor]:
        """A minibatch's gradients: computed shard by shard, added in the order of the shards."""
        busy = [shard for shard in kept if len(shard.orders[epoch][index])]

        def work(shard: _Kept) -> tuple[Sequence[Tensor], Tensor, Tensor]:
            rows = shard.orders[epoch][index]
            return shard_gradients(self._forward, self.optimiser.parameters, shard, rows, size, weights)

        results = list(self._map(work, busy))
        gradients, sums, error = list(results[0][0]), results[0][1], results[0][2]
        for more_gradients, more_sums, more_error in results[1:]:
            torch._foreach_add_(gradients, more_gradients)
            sums, error = sums + more_sums, torch.maximum(error, more_error)
        return gradients, sums, error

    def _map(self, function: Callable, parts: Sequence) -> Sequence:
        if self.executor is None or len(parts) == 1:
            return [function(part) for part in parts]
        return list(self.executor.map(function, parts))
