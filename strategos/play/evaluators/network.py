"""A network at the leaves of a search: states in, policies and values of all players out.

Every player's answer is made from that player's view alone. A leaf has no past of its own, so memories
(Generals) are those of someone who sees the board for the first time.

At a table of cards every seat judges itself. The seat to move alone would do for a quarter of the price,
but it does not see the hand of the player who is asked: what is kept back would be worth nothing, and a
search with such values plays worse than its own prior (4 x 5: -0.006 points a round, +0.012 so).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from strategos.games.spec import Game
from strategos.nets.card_features import INPUTS, write_card_features
from strategos.nets.cards import CardNet
from strategos.play.network import Encoder, choice_probabilities

_PAD = 32
"""Odd batch sizes are padded up to multiples of this: every new size costs the CPU a new set of kernels."""


@dataclass
class _Seen:
    """What the players of a batch of states may know; made once, for as many states as ever came together."""

    views: np.ndarray
    masks: np.ndarray
    memories: np.ndarray

    @classmethod
    def allocate(cls, game: Game, count: int) -> _Seen:
        players, spec = game.spec.num_players, game.spec
        return cls(
            np.zeros((count, players), game.view_dtype),
            np.zeros((count, players, spec.mask_bytes), np.uint8),
            np.zeros((count if spec.has_memory else 0, players), game.memory_dtype),
        )


class NetworkEvaluator:
    """The `Evaluator` of a search that asks `network`, which reads what `encode` makes.

    A card network is asked by every seat for its own score; its policy is that of the seat to move. Of other
    games in which players take turns only the view of the seat to move is read: it gives one value, its
    viewer's own, which is enough for two players who can only win from each other. In simultaneous games
    every player's own view is read.

    One thread at a time: every worker has its own evaluator, and all of them share the weights, which may be
    changed between two calls. `largest_batch` rows go through the network together.
    """

    def __init__(
        self, game: Game, network: nn.Module, encode: Encoder | None = None, *, largest_batch: int = 1024
    ) -> None:
        spec = game.spec
        self.game, self.network = game, network
        self.largest_batch = -(-largest_batch // _PAD) * _PAD
        self.cards = isinstance(network, CardNet)
        if encode is None and not self.cards:
            raise ValueError("this network needs an encoder; make_encoder makes one")
        if not self.cards and not spec.simultaneous and spec.num_players != 2:
            raise ValueError(
                f"a network with one value cannot judge all {spec.num_players} players of {spec.name} "
                "from the view of the one to move; use a card network"
            )
        self._encode: Callable[..., Tensor] = self._encode_cards if encode is None or self.cards else encode
        self._device = next(network.parameters()).device
        self._seen = _Seen.allocate(game, 0)
        self._inputs = torch.zeros((0, INPUTS))

    def evaluate(self, game: Game, states: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Judge `states` [n], none of them over.

        Returns float32 logits, [n, P, num_actions] in simultaneous games and otherwise [n, 1, num_actions]
        of the seat to move, and values [n, P] of the absolute seats on the scale of `game.returns`.
        """
        players = self.game.spec.num_players
        seen = self._observe(states)
        if self.game.spec.simultaneous:
            logits, own = self._answers(seen, np.arange(len(states) * players))
            own = own.reshape(-1, players)
            if players == 2:  # what one wins the other loses, whatever each believes
                own = (own - own[:, ::-1]) / 2
            return logits.reshape(len(states), players, -1), own
        movers = seen.masks[: len(states)].any(-1).argmax(-1)
        rows = np.arange(len(states)) * players + movers
        if self.cards:
            logits, scores = self._answers(seen, np.arange(len(states) * players))
            scores = scores.reshape(-1, players)
            return logits[rows, None], scores - scores.mean(axis=1, keepdims=True)
        logits, values = self._answers(seen, rows)
        signs = np.where(np.arange(2) == movers[:, None], np.float32(1), np.float32(-1))
        return logits[:, None], values[:, None] * signs

    def probabilities(self, views: np.ndarray, masks: np.ndarray) -> np.ndarray:
        """The network's policy in the seats to move that see `views` [n]: [n, num_actions], 0 where illegal.

        For games without memories.
        """
        seen = _Seen(views, masks, np.zeros(0, self.game.memory_dtype))
        return choice_probabilities(self._answers(seen, np.arange(len(views)))[0], masks)

    def _observe(self, states: np.ndarray) -> _Seen:
        count = len(states)
        if len(self._seen.views) < count:
            self._seen = _Seen.allocate(self.game, count)
        seen = self._seen
        if len(seen.memories):
            seen.memories[:count].view(np.uint8).fill(0)
        self.game.observe(states, seen.views[:count], seen.masks[:count], seen.memories[:count])
        return seen

    @torch.inference_mode()
    def _answers(self, seen: _Seen, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Logits and values of some of the flat rows [n * P] of `seen`, in batches of a steady size."""
        views, masks = seen.views.reshape(-1), seen.masks.reshape(-1, seen.masks.shape[-1])
        memories = seen.memories.reshape(-1) if len(seen.memories) else None
        parts = []
        for first in range(0, len(rows), self.largest_batch):
            chunk = rows[first : first + self.largest_batch]
            padded = np.resize(chunk, -(-len(chunk) // _PAD) * _PAD)
            remembered = None if memories is None else memories[padded]
            inputs = self._encode(views.take(padded), masks[padded], remembered)  # records: 10 x as fast
            if self.cards:
                output = self.network.predict(inputs)  # type: ignore[operator]
                logits, values = output.logits, output.scores[:, 0]
            else:
                logits, values = self.network(inputs)
            parts.append((logits[: len(chunk)].cpu().numpy(), values[: len(chunk)].cpu().numpy()))
        if len(parts) == 1:
            return parts[0]
        return np.concatenate([part[0] for part in parts]), np.concatenate([part[1] for part in parts])

    def _encode_cards(self, views: np.ndarray, masks: np.ndarray, memories: np.ndarray | None) -> Tensor:
        if len(self._inputs) < len(views):
            self._inputs = torch.zeros((len(views), INPUTS))
        inputs = self._inputs[: len(views)]
        write_card_features(views, masks, inputs.numpy())
        return inputs.to(self._device)
