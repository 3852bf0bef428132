"""Policy-value networks for Blob: a residual perceptron, real tokens, or a recurrent reading of the plays.

All of them read the rows of `card_features.py` and answer for the viewer: which card or bid, and for every
seat how many points it will make and whether it makes its bid. There is no BatchNorm and no dropout:
the network that acted is the network that is updated. The recurrent one keeps nothing between calls:
it reads the whole sequence of plays again from the view, so there is no stored state to go stale.

The torso runs in bfloat16 where asked; the heads are always float32.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from strategos.games.blob.record import DECK, MAX_PLAYERS, NUM_ACTIONS
from strategos.nets.card_features import (
    BIDS_AT,
    FEATURES,
    INPUTS,
    NUM_BIDS,
    NUM_PLANES,
    ORDER_AT,
    ROUND_AT,
    ROUND_WIDTH,
    SEAT_WIDTH,
    SEATS_AT,
    SLOTS_AT,
    write_card_features,
)

_ABSENT = -1e9
"""The logit of a seat that is not at the table."""


def encode_cards(views: np.ndarray, masks: np.ndarray) -> Tensor:
    """A network's input [B, INPUTS] float32, on the CPU, from views [B] of Blob and packed masks [B, 9]."""
    rows = torch.empty((len(views), INPUTS))
    write_card_features(np.ascontiguousarray(views), np.ascontiguousarray(masks), rows.numpy())
    return rows


@dataclass(frozen=True)
class CardNetConfig:
    """The shape of a `CardNet`; everything needed to build it again from its weights."""

    torso: str = "mlp"
    """mlp: a residual perceptron. tokens: a transformer over one token for each card, bid and seat.
    recurrent: the perceptron, with a GRU over the plays in order beside its input."""
    width: int = 256
    """Features of a layer; of a token (64 is enough there)."""
    layers: int = 2
    """Residual blocks."""
    heads: int = 4
    """Attention heads of the tokens."""
    bfloat16: bool = False
    """Run the torso in bfloat16: 1.7 times as fast on a CPU that has its instructions, slower without."""

    def __post_init__(self) -> None:
        if self.torso not in _TORSOS:
            raise ValueError(f"torso is one of {', '.join(_TORSOS)}, not {self.torso!r}")
        if min(self.width, self.layers, self.heads) < 1 or self.width % self.heads:
            raise ValueError(
                f"width ({self.width}) must be a multiple of heads ({self.heads}), layers at least 1"
            )


class CardOutput(NamedTuple):
    """What a `CardNet` says about B positions; seats are relative to the viewer."""

    logits: Tensor
    """[B, 70]: the policy, in real cards and bids, illegal ones not masked."""
    scores: Tensor
    """[B, 8]: expected points of the round / (10 + cards), in [0, 1]; 0 for seats that do not exist."""
    makes: Tensor
    """[B, 8]: logits that a seat makes its bid; very low for seats that do not exist."""
    score_logits: Tensor
    """[B, 8]: what `scores` are the sigmoid of; very low for seats that do not exist."""
    values: Tensor
    """[B, 8]: scores less their mean over the players, on the scale of `game.returns`; sums to 0."""


class CardNet(nn.Module):
    """Policy and values of one seat.

    `forward(inputs [B, INPUTS])` keeps the contract of all networks: logits [B, 70] and the viewer's own
    value [B]. `predict` gives everything.
    """

    def __init__(self, config: CardNetConfig) -> None:
        super().__init__()
        self.config = config
        self.torso = _TORSOS[config.torso](config)

    def forward(self, inputs: Tensor) -> tuple[Tensor, Tensor]:
        output = self.predict(inputs)
        return output.logits, output.values[:, 0]

    def predict(self, inputs: Tensor) -> CardOutput:
        """The policy, and what every seat may expect, float32."""
        cards, bids, seats = self.torso(inputs)
        slots = inputs[:, SLOTS_AT:ORDER_AT].long().unsqueeze(2).expand(-1, -1, 13)
        logits = torch.cat([cards.view(-1, 4, 13).gather(1, slots).view(-1, DECK), bids], 1)
        exists = inputs[:, SEATS_AT:BIDS_AT:SEAT_WIDTH] > 0
        score_logits = torch.where(exists, seats[:, 0], _ABSENT)
        scores = score_logits.sigmoid()  # exactly 0 where there is no seat
        players = exists.sum(1, keepdim=True).clamp(min=1)
        values = torch.where(exists, scores - scores.sum(1, keepdim=True) / players, 0.0)
        return CardOutput(logits, scores, torch.where(exists, seats[:, 1], _ABSENT), score_logits, values)


Raw = tuple[Tensor, Tensor, Tensor]
"""Logits of the cards by slot [B, 52], of the bids [B, 18], and score and makes of each seat [B, 2, 8]."""


class _Perceptron(nn.Module):
    """Pre-norm residual blocks over the flat features; optionally with what a GRU read from the plays."""

    def __init__(self, config: CardNetConfig) -> None:
        super().__init__()
        width = config.width
        self.short = config.bfloat16
        self.plays = _Plays(width) if config.torso == "recurrent" else None
        self.stem = nn.Linear(FEATURES, width)
        self.norms = nn.ModuleList(nn.LayerNorm(width) for _ in range(config.layers))
        self.first = nn.ModuleList(nn.Linear(width, width) for _ in range(config.layers))
        self.second = nn.ModuleList(nn.Linear(width, width) for _ in range(config.layers))
        self.last_norm = nn.LayerNorm(width)
        self.head = nn.Linear(width, NUM_ACTIONS + 2 * MAX_PLAYERS)
        _initialise(self, begin_as_nothing=self.second, heads=[self.head])

    def forward(self, inputs: Tensor) -> Raw:
        read = None if self.plays is None else self.plays(inputs)
        with torch.autocast(inputs.device.type, torch.bfloat16, enabled=self.short):
            hidden = self.stem(inputs[:, :FEATURES])
            if read is not None:
                hidden = hidden + read
            for norm, first, second in zip(self.norms, self.first, self.second, strict=True):
                hidden = hidden + second(F.relu_(first(norm(hidden))))
        with torch.autocast(inputs.device.type, enabled=False):
            out = self.head(F.relu_(self.last_norm(hidden.float())))
        return out[:, :DECK], out[:, DECK:NUM_ACTIONS], out[:, NUM_ACTIONS:].view(-1, 2, MAX_PLAYERS)


class _Plays(nn.Module):
    """A GRU over the plays in order, always float32: [B, width], zeros before the first play."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.card = nn.Embedding(DECK, width // 2)
        self.seat = nn.Embedding(MAX_PLAYERS, width // 2)
        self.gru = nn.GRU(width // 2, width // 2, batch_first=True)
        self.out = nn.Linear(width // 2, width, bias=False)

    def forward(self, inputs: Tensor) -> Tensor:
        cards, seats = inputs[:, ORDER_AT:].long().chunk(2, 1)
        lengths = (cards >= 0).sum(1)
        longest = max(1, int(lengths.max()))
        cards, seats = cards[:, :longest].clamp(min=0), seats[:, :longest].clamp(min=0)
        with torch.autocast(inputs.device.type, enabled=False):
            steps, _ = self.gru(self.card(cards) + self.seat(seats))
            last = (lengths - 1).clamp(min=0)[:, None, None].expand(-1, 1, steps.shape[2])
            read = steps.gather(1, last).squeeze(1) * (lengths > 0).unsqueeze(1)
            return self.out(read)


class _Tokens(nn.Module):
    """A pre-norm transformer over 79 tokens: 52 cards, 18 bids, 8 seats and the round.

    Cards and bids answer for themselves, seats for their points; seats that do not exist are not
    attended to.
    """

    def __init__(self, config: CardNetConfig) -> None:
        super().__init__()
        width, self.heads = config.width, config.heads
        self.short = config.bfloat16
        self.card, self.bid = nn.Linear(NUM_PLANES, width), nn.Linear(2, width)
        self.seat, self.table = nn.Linear(SEAT_WIDTH, width), nn.Linear(ROUND_WIDTH, width)
        self.which = nn.Embedding(DECK + NUM_BIDS + MAX_PLAYERS + 1, width)
        self.attention_norms = nn.ModuleList(nn.LayerNorm(width) for _ in range(config.layers))
        self.attend = nn.ModuleList(nn.Linear(width, 3 * width) for _ in range(config.layers))
        self.attended = nn.ModuleList(nn.Linear(width, width) for _ in range(config.layers))
        self.norms = nn.ModuleList(nn.LayerNorm(width) for _ in range(config.layers))
        self.first = nn.ModuleList(nn.Linear(width, 2 * width) for _ in range(config.layers))
        self.second = nn.ModuleList(nn.Linear(2 * width, width) for _ in range(config.layers))
        self.last_norm = nn.LayerNorm(width)
        self.of_card, self.of_bid = nn.Linear(width, 1), nn.Linear(width, 1)
        self.of_seat = nn.Linear(width, 2)
        nn.init.normal_(self.which.weight, std=0.5)
        heads = [self.of_card, self.of_bid, self.of_seat]
        _initialise(self, begin_as_nothing=[*self.attended, *self.second], heads=heads)

    def forward(self, inputs: Tensor) -> Raw:
        batch = inputs.shape[0]
        with torch.autocast(inputs.device.type, torch.bfloat16, enabled=self.short):
            tokens = torch.cat(
                [
                    self.card(inputs[:, :SEATS_AT].view(batch, NUM_PLANES, DECK).transpose(1, 2)),
                    self.bid(inputs[:, BIDS_AT:ROUND_AT].view(batch, 2, NUM_BIDS).transpose(1, 2)),
                    self.seat(inputs[:, SEATS_AT:BIDS_AT].view(batch, MAX_PLAYERS, SEAT_WIDTH)),
                    self.table(inputs[:, ROUND_AT:FEATURES]).unsqueeze(1),
                ],
                1,
            )
            tokens = tokens + self.which.weight
            seen = torch.ones((batch, tokens.shape[1]), dtype=torch.bool, device=inputs.device)
            seen[:, DECK + NUM_BIDS : -1] = inputs[:, SEATS_AT:BIDS_AT:SEAT_WIDTH] > 0
            for layer in range(len(self.norms)):
                tokens = tokens + self._attention(layer, tokens, seen[:, None, None])
                between = F.relu_(self.first[layer](self.norms[layer](tokens)))
                tokens = tokens + self.second[layer](between)
        with torch.autocast(inputs.device.type, enabled=False):
            tokens = self.last_norm(tokens.float())
            cards, bids, seats = tokens[:, :-1].split([DECK, NUM_BIDS, MAX_PLAYERS], 1)
            return (
                self.of_card(cards).squeeze(2),
                self.of_bid(bids).squeeze(2),
                self.of_seat(seats).transpose(1, 2),
            )

    def _attention(self, layer: int, tokens: Tensor, seen: Tensor) -> Tensor:
        batch, count, width = tokens.shape
        split = self.attend[layer](self.attention_norms[layer](tokens))
        query, key, value = split.view(batch, count, 3, self.heads, -1).permute(2, 0, 3, 1, 4)
        mixed = F.scaled_dot_product_attention(query, key, value, attn_mask=seen)
        return self.attended[layer](mixed.transpose(1, 2).reshape(batch, count, width))


def _initialise(
    module: nn.Module, *, begin_as_nothing: Iterable[nn.Module], heads: Iterable[nn.Module]
) -> None:
    for each in module.modules():
        if isinstance(each, nn.Linear):
            nn.init.orthogonal_(each.weight)
            if each.bias is not None:
                nn.init.zeros_(each.bias)
    for each in begin_as_nothing:  # residual branches
        assert isinstance(each, nn.Linear)
        nn.init.zeros_(each.weight)
    for each in heads:
        assert isinstance(each, nn.Linear)
        nn.init.orthogonal_(each.weight, 0.01)


_TORSOS: dict[str, type[nn.Module]] = {"mlp": _Perceptron, "tokens": _Tokens, "recurrent": _Perceptron}
