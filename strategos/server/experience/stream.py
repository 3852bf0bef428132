"""Experience of the games of a hall: made into chunks beside them, handed to consumers, never in their way.

The hall tells which actions were played; the games are played again on a thread of their own, and the chunks
are offered to the queue of every consumer that was there when the game began. A consumer that was not, or
that would rather wait than lose anything, gets the game from its record when it is over (`history`); the
bytes are the same.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import structlog

from strategos.games.spec import Game
from strategos.server.experience.chunks import kind_of, make_compressor
from strategos.server.experience.consumers import Consumer, Episode
from strategos.server.experience.history import RecordReader
from strategos.server.experience.pieces import Piece, Wanted, make_pieces
from strategos.server.experience.submitted import Submissions
from strategos.server.experience.transitions import GAMES_AT_ONCE, SPAN, Rerun, Trace, play_spans
from strategos.server.hall import Hall
from strategos.server.terms import HallError, Result

WAITING_TICKS = 1024
"""Of one running game, that are not in chunks yet; with more it is lost to those who follow it."""
QUEUE_CHUNKS = 4096
"""Of one consumer: about 5 MB of compressed 20 x 20 boards."""
CONSUMERS = 64

_log = structlog.get_logger("strategos.experience")


@dataclass(eq=False)
class _Followed:
    """A game that runs, and who gets it tick by tick."""

    name: str
    players: tuple[str, ...]
    ticks: int
    live: dict[Consumer, dict[int, Episode]]
    """The episodes of each consumer, by seat; also where the game was lost on the way to them."""
    rerun: Rerun | None = None
    """None where nobody gets it tick by tick, or not any more."""
    most_waiting: int = 0


@dataclass(frozen=True)
class _Made:
    """What a chunk gives each consumer, by its minimum tick."""

    rerun: Rerun
    seat: int
    steps: int
    last: bool
    pieces: dict[int, Piece]


class Experience:
    """The experience of one hall. All methods are for the hall's loop."""

    def __init__(self, hall: Hall) -> None:
        self.episodes = self.chunks = self.steps = self.refused_chunks = 0
        self._hall = hall
        self._submissions = Submissions(hall.clock)
        self._stop_tending = hall.tend(self._submissions.give_up_silent)
        self._readers: dict[Consumer, RecordReader] = {}
        self._games: dict[str, _Followed] = {}
        """Those that run, by their room."""
        self._reruns: dict[Rerun, _Followed] = {}
        """Those of which chunks are made; some have ended."""
        self._awake = asyncio.Event()
        self._compressor = make_compressor()
        # One of each: a compressor is not to be shared, and who reads records holds up no live game.
        self._thread = ThreadPoolExecutor(1, "experience")
        self._records_thread = ThreadPoolExecutor(1, "records")
        self._unfollow: Callable[[], None] | None = None
        self._task: asyncio.Task[None] | None = None

    @property
    def consumers(self) -> list[Consumer]:
        return list(self._readers)

    @property
    def open_games(self) -> int:
        """Games that are made into chunks tick by tick."""
        return len(self._reruns)

    @property
    def waiting_ticks(self) -> int:
        """Ticks of them that are not in chunks yet."""
        return sum(len(rerun.waiting) for rerun in self._reruns)

    def subscribe(
        self, wanted: Wanted, *, history: bool, follow: bool, when_full: str, capacity: int = QUEUE_CHUNKS
    ) -> Consumer:
        """A new consumer: of the recorded games (`history`), then of those that are played (`follow`).

        `HallError` "exhausted" where there are too many, "invalid" for a consumer that wants nothing.
        """
        if not history and not follow:
            raise HallError("invalid", "ask for the history, for the games to follow, or for both")
        if len(self._readers) >= CONSUMERS:
            raise HallError("exhausted", f"{CONSUMERS} consumers are connected, and no more are taken")
        consumer = Consumer(wanted, when_full=when_full, capacity=capacity)
        reader = RecordReader(self._hall, consumer, self._records_thread, history=history, follow=follow)
        self._readers[consumer] = reader
        if follow and self._unfollow is None:
            self._unfollow = self._hall.follow(self)
            self._task = asyncio.create_task(self._follow())
        reader.start()
        return consumer

    def unsubscribe(self, consumer: Consumer) -> None:
        """Forget a consumer; without one nothing is made."""
        reader = self._readers.pop(consumer, None)
        if reader is not None:
            reader.cancel()
        for followed in [*self._games.values(), *self._reruns.values()]:
            if followed.live.pop(consumer, None) is not None and not followed.live:
                self._forget(followed)
        self._submissions.forget(consumer)
        if not any(reader.follow for reader in self._readers.values()):
            self._stop_following()

    async def submit(self, game: Game, chunks: Sequence[bytes]) -> list[tuple[int, str]]:
        """Offer chunks of `game` that were made elsewhere to the consumers that follow.

        The places and faults of those that were refused; they harm nobody else. `HallError` "exhausted" where
        too many wait for that already.
        """
        live = [consumer for consumer, reader in self._readers.items() if reader.live]
        minimums = {consumer.wanted.minimum_tick for consumer in live}
        checked = await self._submissions.check(game, chunks, minimums)
        live = [consumer for consumer in live if consumer in self._readers]
        played = {rerun.trace.episode for rerun in self._reruns}
        refused = []
        for place, chunk in enumerate(checked):
            fault = chunk if isinstance(chunk, str) else self._submissions.hand_on(chunk, live, played)
            if fault or isinstance(chunk, str):
                refused.append((place, fault))
            else:
                self._count(chunk.steps, chunk.last)
        self.refused_chunks += len(refused)
        return refused

    async def close(self) -> None:
        """End all streams; what waits in the queues can still be taken."""
        self._stop_following()
        self._stop_tending()
        for consumer, reader in self._readers.items():
            reader.cancel()
            consumer.end()
        for threads in (self._thread, self._records_thread):
            threads.shutdown(wait=False, cancel_futures=True)
        self._submissions.close()

    # The games that are played: what the hall tells its followers.

    def begun(
        self, room: str, game: Game, seed: int, names: tuple[str, ...], actions: Sequence[np.ndarray]
    ) -> None:
        """A game has begun, or runs already; see `Follower`."""
        live = {}
        for consumer, reader in self._readers.items():
            seats = consumer.wanted.seats_of(names)
            if reader.live and seats and consumer.wanted.game(game.spec.name, room):
                live[consumer] = {seat: Episode((room, seat), recorded=False) for seat in seats}
        followed = self._games[room] = _Followed(game.spec.name, names, len(actions), live)
        if not live:
            return
        wanted = sorted({seat for seats in live.values() for seat in seats})
        followed.rerun = Rerun(Trace(game, kind_of(game), room, names, wanted), seed, actions)
        followed.most_waiting = len(actions) + WAITING_TICKS
        self._reruns[followed.rerun] = followed
        if followed.rerun.due()[0]:
            self._awake.set()

    def played(self, room: str, actions: np.ndarray) -> None:
        """A tick was played; see `Follower`."""
        followed = self._games.get(room)
        if followed is None:
            return
        followed.ticks += 1
        if followed.rerun is None:
            return
        waiting = followed.rerun.waiting
        waiting.append(actions)
        if len(waiting) > followed.most_waiting:
            self._lose(followed, "more is played than can be made into chunks")
        elif len(waiting) > SPAN:
            self._awake.set()

    def ended(self, room: str, result: Result) -> None:
        """A game has ended; see `Follower`. Whoever does not get it tick by tick gets its record."""
        followed = self._games.pop(room, None)
        if followed is None:
            return
        if followed.rerun is not None:
            followed.rerun.ended = True
            self._awake.set()
        for consumer, reader in self._readers.items():
            wanted = consumer.wanted
            if consumer in followed.live or not wanted.game(followed.name, room):
                continue
            episodes = len(wanted.seats_of(followed.players))
            if episodes and followed.ticks:
                reader.ended(result.replay, episodes)

    async def _follow(self) -> None:
        while True:
            await self._awake.wait()
            self._awake.clear()
            while due := self._due():
                await self._play(due)

    def _due(self) -> list[Rerun]:
        """Some games of one kind of which something can be made."""
        found: list[Rerun] = []
        for rerun, followed in list(self._reruns.items()):
            count, ended = rerun.due()
            if ended and count == 0:
                self._forget(followed)  # it has ended before its first tick
            elif count and (not found or rerun.trace.kind == found[0].trace.kind):
                found.append(rerun)
                if len(found) == GAMES_AT_ONCE:
                    break
        return found

    async def _play(self, due: Sequence[Rerun]) -> None:
        """Turn a span of each game into bytes on the thread, and offer them."""
        minimums = {
            rerun: {consumer.wanted.minimum_tick for consumer in self._reruns[rerun].live} for rerun in due
        }
        game, compressor = due[0].trace.game, self._compressor

        def work() -> list[_Made]:
            return [
                _Made(
                    rerun,
                    chunk.seat,
                    chunk.steps,
                    chunk.last,
                    make_pieces(game, chunk, minimums[rerun], compressor),
                )
                for rerun, chunk in play_spans(due)
            ]

        loop = asyncio.get_running_loop()
        try:
            made = await loop.run_in_executor(self._thread, work)
        except Exception as error:  # whatever is wrong with these games, the others go on
            _log.exception("experience_failed", games=len(due))
            made = []
            for rerun in due:
                rerun.fault = type(error).__name__
        for each in made:
            self._offer(each)
        for rerun in due:
            followed = self._reruns.get(rerun)
            if followed is None:
                continue
            if rerun.fault:
                self._lose(followed, rerun.fault)
            elif rerun.ended and not rerun.waiting:
                self._forget(followed)

    def _offer(self, made: _Made) -> None:
        followed = self._reruns.get(made.rerun)
        if followed is None:
            return  # lost, or unwanted by now
        self._count(made.steps, made.last)
        for consumer, episodes in followed.live.items():
            piece = made.pieces.get(consumer.wanted.minimum_tick)
            if piece is not None and made.seat in episodes:
                consumer.offer(episodes[made.seat], piece)

    def _count(self, steps: int, last: bool) -> None:
        self.chunks += 1
        self.steps += steps
        self.episodes += last

    def _forget(self, followed: _Followed) -> None:
        """Make no more chunks of a game."""
        if followed.rerun is not None:
            self._reruns.pop(followed.rerun, None)
            followed.rerun = None

    def _lose(self, followed: _Followed, reason: str) -> None:
        """Count a game as dropped by all who get it tick by tick."""
        _log.warning("experience_lost", reason=reason, consumers=len(followed.live))
        self._forget(followed)
        for consumer, episodes in followed.live.items():
            for episode in episodes.values():
                consumer.drop(episode)

    def _stop_following(self) -> None:
        if self._unfollow is not None:
            self._unfollow()
            self._unfollow = None
        if self._task is not None:
            self._task.cancel()
            self._task = None
        self._games.clear()
        self._reruns.clear()
