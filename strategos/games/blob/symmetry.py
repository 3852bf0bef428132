"""The symmetry of Blob: suits that are not trump can be exchanged for each other, and nothing changes.

Six ways with a trump, 24 without one. An exchange acts on views, masks, policies and actions of a batch, each
example by its own. It holds within a round: the next deal of a whole game has another trump.
"""

from __future__ import annotations

from itertools import permutations

import numpy as np

from strategos.games.blob.record import BID, DECK, NO_TRUMP, NUM_ACTIONS, SUIT_MASK

RANKS_PER_SUIT, NUM_SUITS = 13, 4
EXCHANGES = np.array(list(permutations(range(NUM_SUITS))), np.int8)
"""Row e says which suit each suit becomes, [24, 4]; row 0 changes nothing."""


def _keeping(trump: int) -> list[int]:
    """The exchanges that leave the trump where it is."""
    return [e for e, becomes in enumerate(EXCHANGES) if trump == NO_TRUMP or becomes[trump] == trump]


_KEEPING = [_keeping(trump) for trump in range(NO_TRUMP + 1)]
_COUNTS = np.array([len(kept) for kept in _KEEPING])
_CHOICES = np.array([kept + [0] * (len(EXCHANGES) - len(kept)) for kept in _KEEPING])
_SHIFTS = np.arange(NUM_SUITS) * RANKS_PER_SUIT


def _action_table() -> np.ndarray:
    """What each action becomes under each exchange, [24, 70]; bids stay."""
    table = np.tile(np.arange(NUM_ACTIONS), (len(EXCHANGES), 1))
    suit, rank = np.divmod(np.arange(DECK), RANKS_PER_SUIT)
    table[:, :BID] = EXCHANGES[:, suit] * RANKS_PER_SUIT + rank
    return table


_BECOMES = _action_table()
_COMES_FROM = np.argsort(_BECOMES, axis=1)


class SuitSymmetry:
    """Exchanges of suits, `elements` [B] being rows of `EXCHANGES`."""

    def draw(self, views: np.ndarray, generator: np.random.Generator) -> np.ndarray:
        """One exchange for each of `views` [B], uniform over those that keep its trump; int64 [B]."""
        trump = views["trump"].astype(np.int64)
        return _CHOICES[trump, generator.integers(_COUNTS[trump])]

    def views(self, views: np.ndarray, elements: np.ndarray) -> np.ndarray:
        """The views [B] as their seats would have them after the exchange."""
        changed = views.copy()
        becomes = EXCHANGES[elements].astype(np.int64)
        suits = views["hand"][:, None] >> _SHIFTS & SUIT_MASK
        changed["hand"] = (suits << becomes * RANKS_PER_SUIT).sum(axis=1)
        shown = views["voids"][:, :, None] >> np.arange(NUM_SUITS) & 1
        changed["voids"] = (shown.astype(np.int64) << becomes[:, None, :]).sum(axis=2)
        for field in ("plays", "turned"):
            cards = views[field].reshape(len(views), -1).astype(np.int64)
            moved = np.take_along_axis(_BECOMES[elements], np.maximum(cards, 0), axis=1)
            changed[field] = np.where(cards >= 0, moved, cards).reshape(views[field].shape)
        trump = views["trump"].astype(np.int64)
        named = np.take_along_axis(becomes, np.minimum(trump, NUM_SUITS - 1)[:, None], axis=1)[:, 0]
        changed["trump"] = np.where(trump == NO_TRUMP, trump, named)
        return changed

    def memories(self, views: np.ndarray, memories: np.ndarray, elements: np.ndarray) -> np.ndarray:
        """The memories [B]: those of Blob hold no suits."""
        return memories.copy()

    def masks(self, views: np.ndarray, masks: np.ndarray, elements: np.ndarray) -> np.ndarray:
        """Packed legal masks [B, 9] uint8 after the exchange."""
        legal = np.unpackbits(masks, axis=1, count=NUM_ACTIONS, bitorder="little")
        return np.packbits(self.policies(views, legal, elements), axis=1, bitorder="little")

    def policies(self, views: np.ndarray, policies: np.ndarray, elements: np.ndarray) -> np.ndarray:
        """Numbers for each action, [B, 70] of any dtype, after the exchange."""
        return np.take_along_axis(policies, _COMES_FROM[elements], axis=1)

    def actions(self, views: np.ndarray, actions: np.ndarray, elements: np.ndarray) -> np.ndarray:
        """What the action ids [B] become, in their own dtype."""
        return _BECOMES[elements, actions].astype(actions.dtype)
