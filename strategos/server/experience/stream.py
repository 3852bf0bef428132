"""Experience of the games of a hall: made into chunks beside them, handed to consumers, never in their way.

The hall tells which actions were played; the games are played again on one thread of their own, and the
chunks are offered to every consumer's queue. A consumer that was not there when a game began, or that would
rather wait than lose anything, gets the game from its record when it is over; the bytes are the same.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import numpy as np
import structlog

from strategos.games.spec import Game
from strategos.play.record import GameRecord
from strategos.server.experience.chunks import ChunkError, decode_chunk, episode_of, kind_of, make_compressor
from strategos.server.experience.consumers import BLOCK, Consumer
from strategos.server.experience.pieces import Made, Piece, Wanted, make
from strategos.server.experience.transitions import (
    GAMES_AT_ONCE,
    SPAN,
    Rerun,
    Trace,
    play_spans,
    record_chunks,
)
from strategos.server.hall import Hall
from strategos.server.terms import HallError, Result

WAITING_TICKS = 1024
"""Of one running game, that are not in chunks yet; with more it is lost to those who follow it."""
QUEUE_CHUNKS = 4096
"""Of one consumer: about 8 MB of compressed 20 x 20 boards."""
CONSUMERS = 64
WAITING_GAMES = 100_000
"""Ids of recorded games that may wait for one consumer."""
_PAGE = 200
_RECORD_WAIT_S = 0.25
_RECORD_TRIES = 40

_log = structlog.get_logger("strategos.experience")


@dataclass
class _Running:
    """A game that is followed tick by tick."""

    room: str
    rerun: Rerun
    number: int
    """In the order of beginning, consumers among them."""
    most_waiting: int


@dataclass
class _Reader:
    """One consumer's way through records."""

    consumer: Consumer
    number: int
    follow: bool
    waiting: deque[str] = field(default_factory=deque)
    finished_since: set[str] | None = None
    """Games that ended while the history is being listed, which are not part of it."""
    woken: asyncio.Event = field(default_factory=asyncio.Event)
    task: asyncio.Task[None] | None = None


class Experience:
    """The experience of one hall. All methods are for the hall's loop."""

    def __init__(self, hall: Hall) -> None:
        self.kinds: dict[str, Game] = {}
        """The game of every kind of chunk that was made or taken in."""
        self.episodes = self.chunks = self.steps = self.refused_chunks = 0
        self._hall = hall
        self._readers: dict[int, _Reader] = {}
        self._running: dict[str, _Running] = {}
        self._rooms: dict[str, str] = {}
        """The room of every episode in `_running`."""
        self._untold: dict[str, tuple[str, str]] = {}
        """Rooms whose game nobody wanted tick by tick: the name of the game, and the episode."""
        self._numbers = 0
        self._awake = asyncio.Event()
        self._compressor = make_compressor()
        self._thread = ThreadPoolExecutor(1, "experience")  # one: the compressor is not to be shared
        self._unfollow: Callable[[], None] | None = None
        self._task: asyncio.Task[None] | None = None

    @property
    def consumers(self) -> list[Consumer]:
        return [reader.consumer for reader in self._readers.values()]

    @property
    def open_games(self) -> int:
        """Games that are followed tick by tick."""
        return len(self._running)

    @property
    def waiting_ticks(self) -> int:
        """Ticks of them that are not in chunks yet."""
        return sum(len(running.rerun.waiting) for running in self._running.values())

    def subscribe(
        self, wanted: Wanted, *, history: bool, follow: bool, when_full: str, capacity: int = QUEUE_CHUNKS
    ) -> Consumer:
        """A new consumer: of the recorded games (`history`), of those that are played from now on (`follow`).

        `HallError` "exhausted" where there are too many, "invalid" for a consumer that wants nothing.
        """
        if not history and not follow:
            raise HallError("invalid", "ask for the history, for the games to follow, or for both")
        if len(self._readers) >= CONSUMERS:
            raise HallError("exhausted", f"{CONSUMERS} consumers are connected, and no more are taken")
        consumer = Consumer(wanted, when_full=when_full, capacity=capacity)
        self._numbers += 1
        reader = _Reader(consumer, self._numbers, follow, finished_since=set() if history else None)
        self._readers[id(consumer)] = reader
        if follow and self._unfollow is None:
            self._unfollow = self._hall.follow(self)
            self._task = asyncio.create_task(self._follow())
        reader.task = asyncio.create_task(self._read(reader))
        return consumer

    def unsubscribe(self, consumer: Consumer) -> None:
        """Forget a consumer; without one nothing is made."""
        reader = self._readers.pop(id(consumer), None)
        if reader is not None and reader.task is not None:
            reader.task.cancel()
        if not any(reader.follow for reader in self._readers.values()):
            self._stop_following()

    def submit(self, kind: str, chunks: Sequence[bytes]) -> list[tuple[int, str]]:
        """Offer chunks that were made elsewhere, of games of one `kind`, to the consumers that follow.

        The places and faults of those that were refused; they harm nobody else.
        """
        refused = []
        for place, data in enumerate(chunks):
            try:
                chunk = decode_chunk(data)
                if chunk.kind != kind:
                    raise ChunkError("the chunk is of another kind of game than was announced")
                game = self.kinds[kind]
                if (chunk.views.shape[1], chunk.masks.shape[1]) != (
                    game.view_dtype.itemsize,
                    game.spec.mask_bytes,
                ):
                    raise ChunkError("the chunk's views or masks are not as long as those of the game")
                if chunk.seat >= game.spec.num_players or (chunk.actions >= game.spec.num_actions).any():
                    raise ChunkError("the chunk names a seat or an action that the game does not have")
            except ChunkError as error:
                self.refused_chunks += 1
                refused.append((place, str(error)))
                continue
            self._offer([Made(chunk, data, {})])
        return refused

    async def close(self) -> None:
        """End all streams; what waits in the queues can still be taken."""
        self._stop_following()
        for reader in self._readers.values():
            if reader.task is not None:
                reader.task.cancel()
            reader.consumer.end()
        self._thread.shutdown(wait=False, cancel_futures=True)

    # The games that are played: what the hall tells its followers.

    def begun(
        self, room: str, game: Game, seed: int, names: tuple[str, ...], actions: Sequence[np.ndarray]
    ) -> None:
        """A game has begun, or runs already; see `Follower`."""
        kind = kind_of(game)
        episode = episode_of(kind, seed, names)
        wanted = any(
            reader.follow
            and reader.consumer.when_full != BLOCK
            and reader.consumer.wanted.game(game.spec.name, room, episode)
            for reader in self._readers.values()
        )
        if not wanted or episode in self._rooms:  # twice at once: a seed of somebody's own choice
            self._untold[room] = game.spec.name, episode
            return
        self.kinds[kind] = game
        self._numbers += 1
        rerun = Rerun(Trace(game, kind, episode, names), seed, actions)
        self._running[room] = _Running(room, rerun, self._numbers, len(actions) + WAITING_TICKS)
        self._rooms[episode] = room
        if rerun.due()[0]:
            self._awake.set()

    def played(self, room: str, actions: np.ndarray) -> None:
        """A tick was played; see `Follower`."""
        running = self._running.get(room)
        if running is None:
            return
        waiting = running.rerun.waiting
        waiting.append(actions)
        if len(waiting) > running.most_waiting:  # more is played than can be made into chunks
            _log.warning("experience_overrun", room=room)
            self._lose(running)
        elif len(waiting) > SPAN:
            self._awake.set()

    def ended(self, room: str, result: Result) -> None:
        """A game has ended; see `Follower`. Whoever did not see it begin gets its record."""
        running = self._running.get(room)
        untold = self._untold.pop(room, None)
        if running is not None:
            untold = running.rerun.trace.game.spec.name, running.rerun.trace.episode
            running.rerun.ended = True
            self._awake.set()
        for reader in self._readers.values():
            if reader.finished_since is not None:
                reader.finished_since.add(result.replay)
            if untold is None:
                continue  # lost on the way, and counted then
            consumer = reader.consumer
            streamed = running is not None and running.number > reader.number and consumer.when_full != BLOCK
            if not reader.follow or streamed or not consumer.wanted.game(*untold, room):
                continue
            if not result.replay or len(reader.waiting) >= WAITING_GAMES:
                consumer.dropped_episodes += 1
                continue
            reader.waiting.append(result.replay)
            reader.woken.set()

    async def _follow(self) -> None:
        while True:
            await self._awake.wait()
            self._awake.clear()
            while due := self._due():
                await self._play(due)

    def _due(self) -> list[_Running]:
        """Some games of one kind of which something can be made."""
        found: list[_Running] = []
        for running in list(self._running.values()):
            count, ended = running.rerun.due()
            if ended and count == 0:
                self._forget(running)  # it has ended before its first tick
            elif count and (not found or running.rerun.trace.kind == found[0].rerun.trace.kind):
                found.append(running)
                if len(found) == GAMES_AT_ONCE:
                    break
        return found

    async def _play(self, due: Sequence[_Running]) -> None:
        """Turn a span of each game into bytes on the thread, and offer them."""
        minimums = {reader.consumer.wanted.minimum_tick for reader in self._readers.values()}
        compressor, reruns = self._compressor, [running.rerun for running in due]

        def work() -> list[Made]:
            return [make(chunk, minimums, compressor) for chunk in play_spans(reruns)]

        loop = asyncio.get_running_loop()
        try:
            made = await loop.run_in_executor(self._thread, work)
        except Exception as error:  # whatever is wrong with these games, the others go on
            _log.error("experience_lost", error=type(error).__name__, games=len(due))
            for running in due:
                self._lose(running)
            return
        self._offer(each for each in made if each.chunk.episode in self._rooms)
        for running in due:
            if running.rerun.ended and not running.rerun.waiting:
                self._forget(running)

    def _offer(self, made: Iterable[Made]) -> None:
        for each in made:
            chunk = each.chunk
            self.chunks += 1
            self.steps += chunk.steps
            self.episodes += chunk.last
            room = self._rooms.get(chunk.episode, "")
            running = self._running.get(room)
            name = self.kinds[chunk.kind].spec.name
            for reader in self._readers.values():
                consumer = reader.consumer
                if not reader.follow or consumer.when_full == BLOCK:
                    continue
                if running is not None and running.number < reader.number:
                    continue  # it began before; it comes from the record
                if not consumer.wanted.game(name, chunk.episode, room):
                    continue
                piece = each.piece(consumer.wanted)
                if piece is not None:
                    consumer.offer(piece)

    def _forget(self, running: _Running) -> None:
        if self._running.pop(running.room, None) is not None:
            del self._rooms[running.rerun.trace.episode]

    def _lose(self, running: _Running) -> None:
        self._forget(running)
        for consumer in self.consumers:
            consumer.lose(running.rerun.trace.episode)

    def _stop_following(self) -> None:
        if self._unfollow is not None:
            self._unfollow()
            self._unfollow = None
        if self._task is not None:
            self._task.cancel()
            self._task = None
        self._running.clear()
        self._rooms.clear()
        self._untold.clear()

    # The games that were recorded.

    async def _read(self, reader: _Reader) -> None:
        """Everything that one consumer gets from records, in the order in which the games ended."""
        try:
            await self._read_all(reader)
        except Exception:  # of the records; the consumer is told no more, everybody else goes on
            _log.exception("experience_reader_failed")
        reader.consumer.end()

    async def _read_all(self, reader: _Reader) -> None:
        if reader.finished_since is not None:
            await self._read_history(reader)
        while reader.follow:
            await reader.woken.wait()
            reader.woken.clear()
            while reader.waiting:
                number = min(GAMES_AT_ONCE, len(reader.waiting))
                await self._deliver(reader, [reader.waiting.popleft() for _ in range(number)])

    async def _read_history(self, reader: _Reader) -> None:
        found, page = deque[str](), ""
        while True:
            games, page = self._hall.games(page=page, size=_PAGE)
            for each in games:
                late = reader.finished_since is not None and each.replay in reader.finished_since
                if each.replay and not late and reader.consumer.wanted.game(each.game, each.replay):
                    found.append(each.replay)
            await asyncio.sleep(0)
            if not page or len(found) >= WAITING_GAMES:
                break
        reader.finished_since = None
        found.reverse()  # the list begins with the newest
        while found:
            number = min(GAMES_AT_ONCE, len(found))
            await self._deliver(reader, [found.popleft() for _ in range(number)])

    async def _deliver(self, reader: _Reader, replays: Sequence[str]) -> None:
        records = []
        for replay in replays:
            record = await self._record(replay)
            if record is not None:
                records.append(record)
            else:
                reader.consumer.dropped_episodes += 1
        wanted, compressor, kinds = reader.consumer.wanted, self._compressor, self.kinds

        def work(few: list[GameRecord]) -> list[Piece]:
            made = (make(chunk, {wanted.minimum_tick}, compressor) for chunk in record_chunks(few, kinds))
            pieces = (each.piece(wanted) for each in made)
            return [piece for piece in pieces if piece is not None and piece.steps]

        loop = asyncio.get_running_loop()
        try:
            pieces = await loop.run_in_executor(self._thread, work, records)
        except ValueError as error:
            _log.error("record_does_not_replay", error=str(error)[:200])
            reader.consumer.dropped_episodes += len(records)
            return
        for piece in pieces:
            await reader.consumer.put(piece)

    async def _record(self, replay: str) -> GameRecord | None:
        """A record, which may be on its way to the disk; None where there is none."""
        for _ in range(_RECORD_TRIES):
            try:
                return await asyncio.to_thread(self._hall.replay, replay)
            except HallError as error:
                if error.code != "not_found":
                    break
            await asyncio.sleep(_RECORD_WAIT_S)
        return None
