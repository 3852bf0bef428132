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
from strategos.play.match import leave
from strategos.play.record import GameRecord, RecordError, recorded_game
from strategos.server.experience.chunks import (
    CHUNK_STEPS,
    RUNNING,
    TERMINATED,
    TRUNCATED,
    Chunk,
    episode_of,
    kind_of,
)

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
    """The steps of one game that are not in a chunk yet, of all its players."""

    def __init__(self, game: Game, kind: str, episode: str, players: Sequence[str]) -> None:
        self.game, self.kind, self.episode, self.players = game, kind, episode, tuple(players)
        self.tick = 0
        self._pending = [_Pending.none(game) for _ in players]

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
        `actions` int32 [T, P].
        """
        count = len(actions)
        for seat, pending in enumerate(self._pending):
            steps = np.flatnonzero(choosing[:count, seat])
            pending.add(self.tick + steps, actions[steps, seat], masks[steps, seat], seen[steps, seat])
            follows = bool(choosing[count, seat])
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
            rewards, done = np.zeros(number, np.float32), np.full(number, RUNNING, np.uint8)
            if the_rest and end is not None:
                rewards[-1], done[-1] = end.returns[seat], end.done
            yield Chunk(
                self.kind,
                self.episode,
                seat,
                self.players[seat],
                pending.taken - number,
                ticks,
                actions,
                rewards,
                done,
                masks,
                np.concatenate([views, next_view[None]]),
            )


@dataclass
class _Pending:
    """Steps of one player, oldest first."""

    ticks: np.ndarray
    actions: np.ndarray
    masks: np.ndarray
    views: np.ndarray
    taken: int = 0

    @classmethod
    def none(cls, game: Game) -> _Pending:
        masks = np.zeros((0, game.spec.mask_bytes), np.uint8)
        views = np.zeros((0, game.view_dtype.itemsize), np.uint8)
        return cls(np.zeros(0, np.int32), np.zeros(0, np.int32), masks, views)

    def add(self, ticks: np.ndarray, actions: np.ndarray, masks: np.ndarray, views: np.ndarray) -> None:
        ticks = ticks.astype(np.int32)
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
        self.taken += number
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
        self, trace: Trace, seed: int, actions: Iterable[np.ndarray] = (), *, ended: bool = False
    ) -> None:
        self.trace, self.waiting = trace, deque(actions)
        """`waiting` holds the actions int32 [P] of ticks that are not played again yet."""
        self.ended = ended
        """No more actions will come."""
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


def play_spans(reruns: Sequence[Rerun]) -> Iterator[Chunk]:
    """Play what is due of some games of one kind, a span of each, in lock step; the chunks that are filled.

    `RecordError` where the actions of one do not fit the game.
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
        for row, seat in np.argwhere(actions[tick, :left] == LEAVE).tolist() if leaving[tick] else ():
            try:
                leave(game, states, row, seat)
            except ValueError as error:
                raise RecordError(
                    f"game {order[row].trace.episode}: seat {seat} leaves, but {error}"
                ) from None
        game.step(states[:left], actions[tick, :left], illegal[:left])
        game.observe(states[:left], views[tick + 1, :left], masks[tick + 1, :left], none)
    choosing = _choosing(game, views, masks)
    over = game.over(states)
    returns = np.zeros((rows, players), np.float32)
    game.returns(states, returns)
    for row, (count, last, rerun) in enumerate(plans):
        if over[row] and rerun.waiting:
            raise RecordError(f"game {rerun.trace.episode} ends before all of its ticks are played")
        rerun.state = states[row : row + 1].copy()
        end = None
        if over[row] or last:
            end = End(TERMINATED if over[row] else TRUNCATED, returns[row])
        here = slice(0, count + 1)
        yield from rerun.trace.absorb(
            seen[here, row], masks[here, row], choosing[here, row], actions[:count, row], end
        )


def record_chunks(records: Sequence[GameRecord], kinds: dict[str, Game] | None = None) -> Iterator[Chunk]:
    """The chunks of recorded games; those of one game in the order in which it fills them.

    Games of one kind are played `GAMES_AT_ONCE` together. `kinds` is told the game of every kind.
    `RecordError` for a record that cannot be played.
    """
    known: dict[str, Game] = {}
    groups: dict[str, list[Rerun]] = {}
    for record in records:
        described = f"{record.game} {sorted(record.options.items())}"
        if described not in known:
            known[described] = recorded_game(record)
        game = known[described]
        kind = kind_of(game)
        if kinds is not None:
            kinds[kind] = game
        episode = episode_of(kind, record.seed, record.players)
        trace = Trace(game, kind, episode, record.players)
        actions = np.ascontiguousarray(record.actions, np.int32)
        groups.setdefault(kind, []).append(Rerun(trace, record.seed, actions, ended=True))
    for reruns in groups.values():
        for first in range(0, len(reruns), GAMES_AT_ONCE):
            running = reruns[first : first + GAMES_AT_ONCE]
            while running := [rerun for rerun in running if rerun.waiting]:
                yield from play_spans(running)
