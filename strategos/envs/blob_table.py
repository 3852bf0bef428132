"""A table of Blob: one game dealt from a seed, whose turn it is, and what each seat was paid since.

`BlobEnv` and `BlobAEC` are adapters over this one room, as the environments of Generals are over the arena.
It knows nothing of Gymnasium or PettingZoo, and deals nothing by itself.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from strategos.engine.batch import Batch
from strategos.envs.arena import stream_key
from strategos.games.blob.game import Blob
from strategos.games.rng import derive

RENDER_MODES = ("ansi",)
REWARDS = ("relative", "points")


class BlobTable:
    """One game of Blob with `options` of `strategos.games.blob.Blob`.

    `paid` float64 [P]: what each seat earned since `collect` was last called for it. `reward` is "points"
    (the points of each round) or "relative" (the same above the table's mean), both in units of the most
    that a round can bring, 10 + `cards`.
    """

    def __init__(self, reward: str, **options: Any) -> None:
        if reward not in REWARDS:
            raise ValueError(f"no reward {reward!r}; choose one of {', '.join(REWARDS)}")
        self.game = Blob(**options)
        self.relative = reward == "relative"
        self.batch = Batch(self.game, 1, threads=1)
        self.paid = np.zeros(self.game.players)
        self.random = np.random.default_rng()
        # As in the arena: a seed fixes this game and all that follow.
        self._key, self._episode = 0, 0
        self._actions = np.zeros((1, self.game.players), np.int32)

    def begin(self, seed: int | None = None) -> None:
        """Deal the game of `seed`, or the next one of the running stream."""
        if seed is not None:
            self._key, self._episode = stream_key(seed), 0
            self.random = np.random.default_rng(self._key & (2**64 - 1))
        self.batch.reset(seeds=np.array([derive(self._key, self._episode)], np.int64))
        self._episode += 1
        self.paid[:] = 0

    @property
    def turn(self) -> int:
        """The seat to move, -1 after the end."""
        return int(self.batch.states["turn"][0])

    def view(self, seat: int) -> np.record:
        """What a seat may know."""
        return self.batch.observation.views[0, seat]

    def mask(self, seat: int) -> np.ndarray:
        """The legal actions of a seat, bool [70]; none for who is not to move."""
        packed = self.batch.observation.masks[0, seat]
        return np.unpackbits(packed, count=self.game.num_actions, bitorder="little").view(np.bool_)

    def checked(self, action: Any) -> int:
        """An action id, legal or not; `ValueError` for a thing that is none."""
        number = np.asarray(action)
        if number.size != 1 or not np.issubdtype(number.dtype, np.integer):
            raise ValueError(f"an action is one integer, not {action!r}")
        if not 0 <= number.item() < self.game.num_actions:
            raise ValueError(
                f"no action {number.item()}: cards are 0 to 51, bids 52 to {self.game.num_actions - 1}"
            )
        return int(number.item())

    def play(self, action: int) -> None:
        """Play a legal action of the seat to move, and pay what it settled."""
        before = self.batch.states["scores"][0].copy()
        self._actions[0, self.turn] = action
        self.batch.step(self._actions)
        points = (self.batch.states["scores"][0] - before)[: self.game.players].astype(np.float64)
        if self.relative:
            points -= points.mean()
        self.paid += points / (10 + self.game.cards)

    def collect(self, seat: int) -> float:
        """What the seat was paid since it was last asked."""
        amount = float(self.paid[seat])
        self.paid[seat] = 0
        return amount

    def scores(self, seat: int) -> np.ndarray:
        """The total points of all, int64 [P], counted from `seat`."""
        return np.roll(self.batch.states["scores"][0, : self.game.players], -seat).astype(np.int64)

    def rank(self, seat: int) -> int:
        """The place of a seat by points, 1 the best; equals share it."""
        scores = self.scores(seat)
        return 1 + int((scores > scores[0]).sum())


def checked_render_mode(render_mode: str | None) -> str | None:
    """The render mode itself, or `ValueError`."""
    if render_mode is not None and render_mode not in RENDER_MODES:
        raise ValueError(f"no render mode {render_mode!r}; Blob is drawn as {', '.join(RENDER_MODES)}")
    return render_mode
