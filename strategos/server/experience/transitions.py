"""Games turned into chunks of experience, by playing them again from their seeds and actions.

Nothing is copied out of a running game but its actions; what the players saw is made again from them, many
games in lock step. What is streamed while a game is played and what its record gives later are the same
bytes, whatever the moments at which the running game was looked at.

A *step* is a decision: an observation of a player who is in the game and has something to choose, what it
chose, and all that it gained until its next step or the end. A seat that left took the action `LEAVE`.
No I/O, no clock.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from strategos.games.spec import LEAVE, Game
from strategos.play.match import hash_state, leave
from strategos.play.record import GameRecord
from strategos.server.experience.chunks import CHUNK_STEPS, TERMINATED, TRUNCATED, Chunk, kind_of

SPAN = CHUNK_STEPS
"""Ticks that are turned into chunks at once: in a simultaneous game, one chunk of each player."""
GAMES_AT_ONCE = 32
"""Games in lock step: views of 32 games on 20 x 20 tiles for 65 moments are 8 MB."""


@dataclass(frozen=True)
class End:
    """How a game ended."""

    done: int
    """`TERMINATED` or `TRUNCATED`."""
    returns: np.ndarray
    """float32 [P]"""


class Trace:
    """The steps of one game that are not in a chunk yet, of all its players or of some `seats`."""

    def __init__(
        self,
        game: Game,
        kind: str,
        episode: str,
        players: Sequence[str],
        seats: Iterable[int] | None = None,
    ) -> None:
        self.game, self.kind, self.episode, self.players = game, kind, episode, tuple(players)
        self.tick = 0
        chosen = range(len(self.players)) if seats is None else seats
        self._pending = {seat: _Pending.none(game) for seat in chosen}

    def absorb(
        self,
        seen: np.ndarray,
        masks: np.ndarray,
        choosing: np.ndarray,
        actions: np.ndarray,
        end: End | None,
    ) -> Iterator[Chunk]:
        """The chunks that the next T ticks fill; with the `end` of the game after them, all that is left.

        `seen` uint8 [T + 1, P, view_bytes], `masks` uint8 [T + 1, P, mask_bytes] and `choosing` bool
        [T + 1, P] (who has something to decide) are of before every tick and of after the last one;
        `actions` int32 [T, P]. A chunk may share their memory.
        """
        count = len(actions)
        for seat, pending in self._pending.items():
            steps = np.flatnonzero(choosing[:count, seat])
            ticks = (self.tick + steps).astype(np.int32)
            follows = bool(choosing[count, seat])
            closed = end is not None or (count == CHUNK_STEPS and follows)
            if closed and not len(pending.ticks) and 0 < len(steps) == count <= CHUNK_STEPS:
                # As nearly always in a simultaneous game: all of it is one chunk, and nothing is copied.
                yield self._chunk(seat, ticks, actions[:, seat], masks[:count, seat], seen[:, seat], end)
                continue
            pending.add(ticks, actions[steps, seat], masks[steps, seat], seen[steps, seat])
            yield from self._filled(seat, seen[count, seat], follows, end)
        self.tick += count

    def _filled(self, seat: int, after: np.ndarray, follows: bool, end: End | None) -> Iterator[Chunk]:
        """`after` is the view that follows the last step, if the game has ended or if it `follows` that the
        player has to choose there."""
        pending = self._pending[seat]
        while len(pending.ticks):
            number = min(CHUNK_STEPS, len(pending.ticks))
            the_rest = number == len(pending.ticks)
            if end is None and (number < CHUNK_STEPS or (the_rest and not follows)):
                return
            ticks, actions, masks, views = pending.take(number)
            next_view = after if the_rest else pending.views[0]
            views = np.concatenate([views, next_view[None]])
            yield self._chunk(seat, ticks, actions, masks, views, end if the_rest else None)

    def _chunk(
        self,
        seat: int,
        ticks: np.ndarray,
        actions: np.ndarray,
        masks: np.ndarray,
        views: np.ndarray,
        end: End | None,
    ) -> Chunk:
        """The next chunk of a player; with the `end` of the game where it is the last one."""
        pending, number = self._pending[seat], len(ticks)
        rewards, done = np.zeros(number, np.float32), np.zeros(number, np.uint8)  # `RUNNING`
        if end is not None:
            rewards[-1], done[-1] = end.returns[seat], end.done
        first, pending.taken = pending.taken, pending.taken + number
        told = (self.kind, self.episode, seat, self.players[seat], first)
        return Chunk(*told, ticks, actions, rewards, done, masks, views)


@dataclass
class _Pending:
    """Steps of one player, oldest first."""

    ticks: np.ndarray
    actions: np.ndarray
    masks: np.ndarray
    views: np.ndarray
    taken: int = 0
    """Steps that are in chunks."""

    @classmethod
    def none(cls, game: Game) -> _Pending:
        masks = np.zeros((0, game.spec.mask_bytes), np.uint8)
        views = np.zeros((0, game.view_dtype.itemsize), np.uint8)
        return cls(np.zeros(0, np.int32), np.zeros(0, np.int32), masks, views)

    def add(self, ticks: np.ndarray, actions: np.ndarray, masks: np.ndarray, views: np.ndarray) -> None:
        if len(self.ticks) == 0:
            self.ticks, self.actions, self.masks, self.views = ticks, actions, masks, views
        elif len(ticks):
            self.ticks = np.concatenate([self.ticks, ticks])
            self.actions = np.concatenate([self.actions, actions])
            self.masks = np.concatenate([self.masks, masks])
            self.views = np.concatenate([self.views, views])

    def take(self, number: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        first, rest = slice(0, number), slice(number, None)
        taken = (self.ticks[first], self.actions[first], self.masks[first], self.views[first])
        self.ticks, self.actions = self.ticks[rest], self.actions[rest]
        self.masks, self.views = self.masks[rest], self.views[rest]
        return taken


def _choosing(game: Game, views: np.ndarray, masks: np.ndarray) -> np.ndarray:
    """Which observations [...] are decisions: not of a seat whose turn it is not, nor of a dead one."""
    if game.spec.simultaneous and "alive" in (game.view_dtype.names or ()):
        seats = np.arange(game.spec.num_players)
        return np.asarray(views["alive"][..., seats, seats] != 0)
    return np.asarray(masks.any(axis=-1))


class Rerun:
    """A game that is played again, from its seed and actions, as far as they are known.

    Actions may be added on one thread while `play_spans` works on another.
    """

    def __init__(
        self,
        trace: Trace,
        seed: int,
        actions: Iterable[np.ndarray] = (),
        *,
        ended: bool = False,
        final_hash: str = "",
    ) -> None:
        self.trace, self.waiting = trace, deque(actions)
        """`waiting` holds the actions int32 [P] of ticks that are not played again yet."""
        self.ended = ended
        """No more actions will come."""
        self.final_hash = final_hash
        """Of the state that the game must end in, where that is known."""
        self.fault = ""
        """Why the rest of it gives no chunks: the actions do not fit the game."""
        self.state = np.zeros(1, trace.game.state_dtype)
        trace.game.reset(self.state, np.array([seed], np.int64))

    def due(self) -> tuple[int, bool]:
        """How many ticks to play now, at most `SPAN`, and whether the game has ended with them.

        The newest tick of a running game waits: nothing may come after it but the end.
        """
        ended = self.ended  # first: once it is set, nothing more comes to wait
        waiting = len(self.waiting)
        if ended:
            return min(SPAN, waiting), waiting <= SPAN
        return (SPAN if waiting > SPAN else 0), False

    def check_end(self) -> None:
        """Note a `fault` where `state` is not the end that it must have."""
        if self.waiting:
            self.fault = "it ends before all of its ticks are played"
        elif self.final_hash and hash_state(self.state) != self.final_hash:
            self.fault = "its final state is not the recorded one"


def rerun_of(record: GameRecord, game: Game, episode: str, seats: Iterable[int] | None = None) -> Rerun:
    """A recorded game of `game`, from its beginning, for chunks of all its players or of some `seats`.

    `episode` is the id of its replay; of a game from elsewhere it is one that no other game has.
    """
    trace = Trace(game, kind_of(game), episode, record.players, seats)
    actions = np.ascontiguousarray(record.actions, np.int32)
    return Rerun(trace, record.seed, actions, ended=True, final_hash=record.final_hash)


def play_spans(reruns: Sequence[Rerun]) -> Iterator[tuple[Rerun, Chunk]]:
    """Play what is due of some games of one kind, a span of each, in lock step; the chunks that are filled.

    A game whose actions do not fit it gets a `fault` and gives no more chunks; the others go on.
    """
    plans = sorted(((*rerun.due(), rerun) for rerun in reruns), key=lambda plan: -plan[0])
    order = [rerun for _, _, rerun in plans]
    counts = np.array([count for count, _, _ in plans])
    game, rows, longest = order[0].trace.game, len(order), int(counts[0])
    players = game.spec.num_players
    # States and views as bytes: copies of records go field by field, those of bytes record by record.
    states = np.zeros(rows, game.state_dtype)
    raw = states.view(np.uint8).reshape(rows, -1)
    actions = np.zeros((longest, rows, players), np.int32)
    for row, rerun in enumerate(order):
        raw[row] = rerun.state.view(np.uint8)
        count = int(counts[row])
        actions[:count, row] = [rerun.waiting.popleft() for _ in range(count)]
    leaving = (actions == LEAVE).any(axis=(1, 2))
    seen = np.zeros((longest + 1, rows, players, game.view_dtype.itemsize), np.uint8)
    masks = np.zeros((longest + 1, rows, players, game.spec.mask_bytes), np.uint8)
    illegal = np.zeros((rows, players), np.uint8)
    none = np.zeros((0, players), game.memory_dtype)
    views = seen.view(game.view_dtype)[..., 0]
    game.observe(states, views[0], masks[0], none)
    for tick in range(longest):
        left = int(np.count_nonzero(counts > tick))
        for row in np.flatnonzero(game.over(states[:left])).tolist():
            order[row].fault = "it ends before all of its ticks are played"
        for row, seat in np.argwhere(actions[tick, :left] == LEAVE).tolist() if leaving[tick] else ():
            try:
                leave(game, states, row, seat)
            except ValueError as error:
                order[row].fault = f"seat {seat} leaves, but {error}"
        game.step(states[:left], actions[tick, :left], illegal[:left])
        game.observe(states[:left], views[tick + 1, :left], masks[tick + 1, :left], none)
    choosing = _choosing(game, views, masks)
    over = game.over(states)
    returns = np.zeros((rows, players), np.float32)
    game.returns(states, returns)
    for row, (count, last, rerun) in enumerate(plans):
        rerun.state = states[row : row + 1].copy()
        end = None
        if over[row] or last:
            end = End(TERMINATED if over[row] else TRUNCATED, returns[row])
            rerun.check_end()
        if rerun.fault:
            rerun.waiting.clear()
            continue
        here = slice(0, count + 1)
        for chunk in rerun.trace.absorb(
            seen[here, row], masks[here, row], choosing[here, row], actions[:count, row], end
        ):
            yield rerun, chunk
