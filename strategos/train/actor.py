"""Networks as they act while experience is collected: one batch of what all seats see, encoded once."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor, nn

from strategos.engine.batch import Observation
from strategos.learn.maths import masked_log_softmax, sample_masked, unpack_masks
from strategos.nets.choice import sample_packed
from strategos.play.network import Encoder

Seen = tuple[np.ndarray, np.ndarray, "np.ndarray | None"]
"""Views [B], packed masks [B, mask_bytes] and memories [B] of some seats."""
Groups = Sequence[tuple[str, int]]
"""Whose network evaluates how many of the rows of a batch, one group after the other."""
_CHUNK, _CHUNK_OF_GPU = 512, 4096
"""Rows that are encoded together: what stays in a CPU's cache; what gives a GPU something to do."""
_PAD = 32
"""Odd batch sizes are padded up to multiples of this: every new size costs the CPU a new set of kernels."""


@dataclass
class Stopwatch:
    """Seconds spent in each part of the work of a thread."""

    seconds: dict[str, float] = field(default_factory=lambda: defaultdict(float))
    _last: float = field(default_factory=time.perf_counter)

    def lap(self, part: str) -> None:
        """Count the time since the last lap as spent on `part`."""
        now = time.perf_counter()
        self.seconds[part] += now - self._last
        self._last = now


class Actor:
    """The networks of a league by name: encode, evaluate each its rows, draw.

    On the CPU the draw is the compiled one; elsewhere it stays on the device, with a generator of its own.
    """

    def __init__(
        self, networks: Mapping[str, nn.Module], encode: Encoder, generator: torch.Generator | None = None
    ) -> None:
        self.networks, self.encode, self.generator = networks, encode, generator
        self.chunk = _CHUNK if generator is None else _CHUNK_OF_GPU

    @torch.inference_mode()
    def act(
        self, seen: Seen, groups: Groups, rng: np.random.Generator, watch: Stopwatch
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Actions int64, their log-probabilities and the values, all [B], for (views, masks, memories)."""
        masks = seen[1]
        inputs = self.encode(*seen)
        watch.lap("planes")
        logits, values = self._evaluate(inputs, groups)
        if logits.is_cuda:
            legal = unpack_masks(torch.from_numpy(masks).to(logits.device), logits.shape[1])
            log_probabilities = masked_log_softmax(logits, legal)
            drawn = sample_masked(log_probabilities, legal, self.generator)
            chosen = log_probabilities.gather(1, drawn.unsqueeze(1)).squeeze(1)
            result = torch.stack([chosen, values]).cpu().numpy()
            actions, chosen_array, value_array = drawn.cpu().numpy(), result[0], result[1]
            watch.lap("network")
            return actions, chosen_array, value_array
        watch.lap("network")
        actions, chosen_array = sample_packed(logits.numpy(), masks, rng.random(len(masks)))
        watch.lap("sampling")
        return actions, chosen_array, values.numpy()

    def _evaluate(self, inputs: Tensor, groups: Groups) -> tuple[Tensor, Tensor]:
        if len(groups) == 1:
            return self.networks[groups[0][0]](inputs)
        parts = inputs.split([count for _, count in groups])
        found = [self.networks[name](part) for (name, _), part in zip(groups, parts, strict=True)]
        logits, values = zip(*found, strict=True)
        return torch.cat(logits), torch.cat(values)

    @torch.inference_mode()
    def values(self, seen: Seen, name: str) -> np.ndarray:
        """Values [B] only, of the network called `name`, in chunks of a steady size."""
        network, count = self.networks[name], len(seen[0])
        padded = padded_to(np.arange(count), _PAD)
        parts = []
        for first in range(0, len(padded), self.chunk):
            rows = padded[first : first + self.chunk]
            parts.append(network(self.encode(*rows_of(seen, rows)))[1].cpu().numpy())
        return np.concatenate(parts)[:count]


def padded_to(rows: np.ndarray, multiple: int) -> np.ndarray:
    """`rows` [B] repeated up to the next multiple."""
    return np.resize(rows, -(-len(rows) // multiple) * multiple)


def flat(observation: Observation) -> Seen:
    """What all seats of all games see, game by game."""
    masks = observation.masks
    memories = observation.memories.reshape(-1) if len(observation.memories) else None
    return observation.views.reshape(-1), masks.reshape(-1, masks.shape[-1]), memories


def rows_of(seen: Seen, rows: np.ndarray) -> Seen:
    """Copies of some rows."""
    views, masks, memories = seen
    # `take` copies records whole; an index goes field by field and takes ten times as long.
    return views.take(rows), masks[rows], None if memories is None else memories.take(rows)


def joined(parts: Sequence[Seen]) -> Seen:
    """Several batches as one."""
    views, masks, memories = zip(*parts, strict=True)
    kept = None if memories[0] is None else np.concatenate(memories)
    return np.concatenate(views), np.concatenate(masks), kept
