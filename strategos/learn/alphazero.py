"""Learning from search: the AlphaZero update (Silver et al., 2017), read from top to bottom.

The policy moves towards what the search made of it, the values towards how things ended. It works for
two kinds of network: a card network is taught the points and the made bids of every seat, any other
(logits, values) network the viewer's own return. Generating games, keeping them and deciding how often a
position is learned from are not its business.

There is one softmax, and the mask is in the loss: both losses are divergences, 0 when the targets are
met. Mixed precision belongs to the network (its `bfloat16`): the torso runs in it under autocast, on a
GPU or a CPU; heads, losses and weights stay float32. A minibatch is cut into a fixed number of parts
whose gradients are added in order, so the number of threads that compute them never changes a result.

`b_` is all that one call of `update` learns from, `mb_` a minibatch, as in CleanRL.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from strategos.learn.maths import (
    anneal,
    explained_variance,
    masked_entropy,
    masked_log_softmax,
    policy_divergence,
    share_divergence,
    unpack_masks,
)
from strategos.learn.optimiser import Optimiser
from strategos.nets.cards import CardNet


@dataclass(frozen=True)
class AlphaZeroConfig:
    """How AlphaZero learns. Schedules run over the progress of the run, from 0 to 1."""

    minibatch: int = 512
    """Samples of one optimiser step."""
    parts: int = 2
    """A minibatch is computed in so many parts, side by side where there are threads (on the CPU)."""
    learning_rate: float = 2e-3
    """AdamW's step size at the start."""
    last_learning_rate: float = 1e-4
    """... and at the end."""
    learning_rate_shape: str = "cosine"
    """linear, cosine, exponential or step (four levels)."""
    warmup: int = 50
    """The step size grows from 0 over so many optimiser steps."""
    weight_decay: float = 1e-3
    """AdamW's decay of the weights; biases and norms have none."""
    gradient_clip: float = 1.0
    """Largest norm of a gradient."""
    value_weight: float = 1.0
    """Weight of the loss of the values (a card network's points)."""
    root_share: float = 0.0
    """Share of a value target that is the search's own value of the position; how things ended is the rest.
    Not for card networks."""
    makes_weight: float = 0.25
    """Weight of the loss of a card network's made bids."""
    adam_beta2: float = 0.99
    """Decay of Adam's second moment."""
    adam_epsilon: float = 1e-6
    """Added to Adam's denominator."""
    average_decay: float = 0.998
    """Decay, per optimiser step, of the averaged weights: the agent that is tested and kept."""

    def __post_init__(self) -> None:
        for name in ("minibatch", "parts"):
            if getattr(self, name) < 1:
                raise ValueError(f"alphazero.{name} must be at least 1, not {getattr(self, name)}")
        for name in ("learning_rate", "last_learning_rate", "gradient_clip", "adam_epsilon"):
            if getattr(self, name) <= 0:
                raise ValueError(f"alphazero.{name} must be above 0, not {getattr(self, name)}")
        for name in ("weight_decay", "value_weight", "makes_weight", "warmup"):
            if getattr(self, name) < 0:
                raise ValueError(f"alphazero.{name} must not be negative, not {getattr(self, name)}")
        if not 0 <= self.root_share <= 1:
            raise ValueError(f"alphazero.root_share is from 0 to 1, not {self.root_share}")
        for name in ("adam_beta2", "average_decay"):
            if not 0 <= getattr(self, name) < 1:
                raise ValueError(f"alphazero.{name} must be in [0, 1), not {getattr(self, name)}")
        anneal(self.learning_rate, self.last_learning_rate, 0.5, self.learning_rate_shape)


@dataclass
class Examples:
    """Positions, and what search and the end said about them; N of them.

    `observe(indices)` makes the network's input of those samples, on the learner's device, so stored views
    become floats only now. `masks` [N, mask_bytes] uint8 are the packed legal moves.
    """

    observe: Callable[[np.ndarray], Tensor]
    masks: np.ndarray
    policy: np.ndarray
    """[N, A] float32: the improved policy, 0 on illegal actions. A row of zeros teaches the values only."""
    values: np.ndarray
    """Card networks: points / (10 + cards) of every relative seat [N, 8] in [0, 1]. Others: the
    viewer's own return [N] in [-1, 1]."""
    roots: np.ndarray | None = None
    """[N], needed where `root_share` is above 0: what the search thought of the position, as `values`."""
    made: np.ndarray | None = None
    """[N, 8], card networks only: 1 where a seat made its bid, else 0."""
    players: np.ndarray | None = None
    """[N], card networks only: seats from there on teach nothing, whatever stands in them."""
    weights: np.ndarray | None = None
    """[N]: how much a sample counts; 1 where left out."""
    losses: np.ndarray = field(default_factory=lambda: np.zeros(0, np.float32))
    """[N], written by `update`: the loss of each sample, unweighted, when it was learned from."""

    def __len__(self) -> int:
        return len(self.masks)


class _Minibatch(NamedTuple):
    """A part of a minibatch, on the learner's device."""

    inputs: Tensor
    legal: Tensor
    policy: Tensor
    values: Tensor
    made: Tensor | None
    exists: Tensor | None
    weights: Tensor


class _SampleLosses(NamedTuple):
    """Losses of each sample [B], and what the metrics need."""

    policy: Tensor
    value: Tensor
    makes: Tensor
    logits: Tensor
    values: Tensor


_METRICS = (
    "policy_loss",
    "value_loss",
    "makes_loss",
    "entropy",
    "target_entropy",
    "taught",
    "agreed",
    "weight",
)


def sample_losses(network: nn.Module, part: _Minibatch) -> _SampleLosses:
    """What `network` still has to learn about each sample, unweighted."""
    if isinstance(network, CardNet):
        if part.made is None or part.exists is None:
            raise ValueError("a card network learns from `made` and `players`, too; the examples lack them")
        output = network.predict(part.inputs)
        logits, values = output.logits, output.scores
        value = _mean_of_seats(share_divergence(output.score_logits, part.values), part.exists)
        makes = _mean_of_seats(share_divergence(output.makes, part.made), part.exists)
    else:
        logits, values = network(part.inputs)
        value = 0.5 * (values - part.values).square()
        makes = torch.zeros_like(value)
    return _SampleLosses(policy_divergence(logits, part.legal, part.policy), value, makes, logits, values)


def _mean_of_seats(losses: Tensor, exists: Tensor) -> Tensor:
    """The mean [B] of `losses` [B, 8] over the seats at the table; the others may hold anything."""
    return torch.where(exists, losses, 0.0).sum(1) / exists.sum(1).clamp(min=1)


class AlphaZero:
    """A network, its optimiser and the average of its weights.

    `executor` computes the parts of a minibatch side by side; the caller gives it as many threads as there
    are cores and keeps torch itself on one.
    """

    def __init__(
        self,
        network: nn.Module,
        config: AlphaZeroConfig,
        *,
        device: str | torch.device = "cpu",
        executor: ThreadPoolExecutor | None = None,
    ) -> None:
        self.network, self.config = network, config
        self.device = torch.device(device)
        self.executor = executor
        self.parts = config.parts if self.device.type == "cpu" else 1

        def make(parameters: list[Tensor]) -> torch.optim.Optimizer:
            groups: list[dict[str, Any]] = [
                {"params": [each for each in parameters if each.ndim >= 2]},
                {"params": [each for each in parameters if each.ndim < 2], "weight_decay": 0.0},
            ]
            return torch.optim.AdamW(
                groups,
                lr=config.learning_rate,
                betas=(0.9, config.adam_beta2),
                eps=config.adam_epsilon,
                weight_decay=config.weight_decay,
                foreach=True,
            )

        self.optimiser = Optimiser(
            network, make, gradient_clip=config.gradient_clip, average_decay=config.average_decay
        )

    def learning_rate(self, progress: float) -> float:
        """AdamW's next step size at `progress` of the run; it warms up over the first steps."""
        config = self.config
        warm = min(1.0, (self.optimiser.steps + 1) / max(config.warmup, 1))
        shape = config.learning_rate_shape
        return warm * anneal(config.learning_rate, config.last_learning_rate, progress, shape)

    def update(self, examples: Examples, progress: float, rng: np.random.Generator) -> dict[str, float]:
        """Learn once from each of `examples` in random order; returns metrics and writes `examples.losses`.

        `policy_loss` is the mean KL divergence from the improved policy, over the samples that have one;
        `accuracy` how often the likeliest action is the same.
        """
        count = len(examples)
        if not count:
            raise ValueError("there is nothing to learn from: the examples are empty")
        examples.losses = np.zeros(count, np.float32)
        self._predicted = np.zeros(examples.values.shape, np.float32)
        minibatches = max(1, round(count / self.config.minibatch))
        sums = torch.zeros(len(_METRICS), device=self.device)
        norms = torch.zeros((), device=self.device)
        for b_rows in np.array_split(rng.permutation(count), minibatches):
            rate = self.learning_rate(progress)
            gradients, step_sums = self._gradients(examples, b_rows)
            norms += self.optimiser.step(gradients, rate)
            sums += step_sums
        totals = dict(zip(_METRICS, sums.tolist(), strict=True))
        weight, taught = max(totals["weight"], 1e-9), max(totals["taught"], 1.0)
        return {
            "policy_loss": totals["policy_loss"] / taught,
            "value_loss": totals["value_loss"] / weight,
            "makes_loss": totals["makes_loss"] / weight,
            "entropy": totals["entropy"] / taught,
            "target_entropy": totals["target_entropy"] / taught,
            "accuracy": totals["agreed"] / taught,
            "explained_variance": _explained(examples, self._predicted),
            "learning_rate": rate,
            "gradient_norm": float(norms) / minibatches,
            "samples_learned": float(count),
            "optimiser_steps": float(self.optimiser.steps),
        }

    @torch.no_grad()
    def judge(self, examples: Examples) -> dict[str, float]:
        """How well the network does on `examples` that it has not learned from.

        What `update` reports is of examples that it may know by heart: those of a round share one outcome,
        so values are memorised long before policies are.
        """
        policy_loss, taught, predicted = 0.0, 0.0, []
        for rows in np.array_split(np.arange(len(examples)), -(-len(examples) // self.config.minibatch)):
            part = self._load(examples, rows)
            losses = sample_losses(self.network, part)
            policy_loss += float(losses.policy.sum())  # 0 where there is no policy to learn
            taught += float((part.policy.sum(1) > 0).sum())
            predicted.append(losses.values.float().cpu().numpy())
        return {
            "unseen_policy_loss": policy_loss / max(taught, 1.0),
            "unseen_explained_variance": _explained(examples, np.concatenate(predicted)),
        }

    def _gradients(self, examples: Examples, rows: np.ndarray) -> tuple[list[Tensor], Tensor]:
        """A minibatch's gradients and sums of metrics: computed part by part, added in order."""
        parts = [part for part in np.array_split(rows, self.parts) if len(part)]
        whole = float(len(rows) if examples.weights is None else examples.weights[rows].sum())

        def work(mb_rows: np.ndarray) -> tuple[Sequence[Tensor], Tensor]:
            return self._part_gradients(examples, mb_rows, max(whole, 1e-9))

        threads = self.executor is not None and len(parts) > 1
        results = list(self.executor.map(work, parts) if threads and self.executor else map(work, parts))
        gradients, sums = list(results[0][0]), results[0][1]
        for more_gradients, more_sums in results[1:]:
            torch._foreach_add_(gradients, list(more_gradients))
            sums = sums + more_sums
        return gradients, sums

    def _part_gradients(
        self, examples: Examples, rows: np.ndarray, whole: float
    ) -> tuple[Sequence[Tensor], Tensor]:
        """One part's share of the gradient of a minibatch whose weights add up to `whole`."""
        part = self._load(examples, rows)
        losses = sample_losses(self.network, part)
        each = (
            losses.policy + self.config.value_weight * losses.value + self.config.makes_weight * losses.makes
        )
        loss = (part.weights * each).sum() / whole
        gradients = torch.autograd.grad(
            loss, self.optimiser.parameters, allow_unused=True, materialize_grads=True
        )
        with torch.no_grad():
            examples.losses[rows] = each.float().cpu().numpy()
            self._predicted[rows] = losses.values.float().cpu().numpy()
            return gradients, _sums(part, losses)

    def _load(self, examples: Examples, rows: np.ndarray) -> _Minibatch:
        def on_device(array: np.ndarray, dtype: type) -> Tensor:
            return torch.from_numpy(np.ascontiguousarray(array[rows], dtype)).to(self.device)

        policy = on_device(examples.policy, np.float32)
        values, share = on_device(examples.values, np.float32), self.config.root_share
        if share > 0:
            if examples.roots is None:
                raise ValueError("root_share needs the values of the searches; the examples have none")
            values = values.lerp(on_device(examples.roots, np.float32), share)
        made = None if examples.made is None else on_device(examples.made, np.float32)
        exists = None
        if made is not None and examples.players is not None:
            players = on_device(examples.players, np.int64)
            exists = torch.arange(values.shape[1], device=self.device) < players.unsqueeze(1)
            values, made = torch.where(exists, values, 0.0), torch.where(exists, made, 0.0)
        return _Minibatch(
            inputs=examples.observe(rows),
            legal=unpack_masks(on_device(examples.masks, np.uint8), policy.shape[1]),
            policy=policy,
            values=values,
            made=made,
            exists=exists,
            weights=torch.ones(len(rows), device=self.device)
            if examples.weights is None
            else on_device(examples.weights, np.float32),
        )


def _explained(examples: Examples, predicted: np.ndarray) -> float:
    """Explained variance of the values, over the seats that exist."""
    targets = np.asarray(examples.values, np.float32)
    if examples.players is not None:
        exists = np.arange(targets.shape[1]) < np.asarray(examples.players)[:, None]
        predicted, targets = predicted[exists], targets[exists]
    return explained_variance(predicted, targets)


def _sums(part: _Minibatch, losses: _SampleLosses) -> Tensor:
    """The sums of `_METRICS` over a part."""
    log_probabilities = masked_log_softmax(losses.logits, part.legal)
    has_policy = part.policy.sum(1) > 0
    agreed = log_probabilities.argmax(1) == part.policy.argmax(1)
    return torch.stack(
        [
            (losses.policy * has_policy).sum(),
            (losses.value * part.weights).sum(),
            (losses.makes * part.weights).sum(),
            (masked_entropy(log_probabilities) * has_policy).sum(),
            -torch.xlogy(part.policy, part.policy).sum(),
            has_policy.sum(),
            (agreed & has_policy).sum(),
            part.weights.sum(),
        ]
    )
