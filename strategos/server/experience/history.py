"""One consumer's way through recorded games: those that the server has kept, then those that end.

The games are read and played again on threads; a consumer that is slow makes its reader wait, and nobody
else. A record that is damaged, or that does not end as it says, costs itself: its episodes are counted as
dropped, and the others go on.
"""

from __future__ import annotations

import asyncio
import json
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass

import structlog

from strategos.games.spec import Game
from strategos.play.record import GameRecord, RecordError, recorded_game, require_fitting
from strategos.server.experience.chunks import make_compressor
from strategos.server.experience.consumers import BLOCK, Consumer, Episode
from strategos.server.experience.pieces import Piece, make_pieces
from strategos.server.experience.transitions import GAMES_AT_ONCE, play_spans, rerun_of
from strategos.server.hall import Hall
from strategos.server.terms import HallError

WAITING_GAMES = 100_000
"""Ids of recorded games that may wait for one consumer."""
_PAGE = 200
_RECORD_WAIT_S = 0.25
_RECORD_TRIES = 40
_KINDS = 64
"""Games that a reader keeps built."""
_log = structlog.get_logger("strategos.experience")


@dataclass(frozen=True)
class _Kept:
    """A recorded game."""

    replay: str
    episodes: int
    """How many of its players are wanted."""


@dataclass(frozen=True)
class _Span:
    """What some games give for a span of their ticks."""

    pieces: list[tuple[Episode, Piece]]
    lost: list[Episode]
    fault: str
    """Of one of the lost ones."""


class RecordReader:
    """Gives one consumer its recorded games. For the hall's loop.

    A game that begins while the reader is `live` comes to the consumer tick by tick; of every other one that
    the consumer wants the reader is told when it has `ended`.
    """

    def __init__(
        self, hall: Hall, consumer: Consumer, threads: Executor, *, history: bool, follow: bool
    ) -> None:
        self.consumer, self.follow, self.live = consumer, follow, False
        self._hall, self._threads, self._history = hall, threads, history
        self._compressor = make_compressor()  # of the one thread that works for this reader at a time
        self._games: dict[str, Game] = {}
        self._waiting: deque[_Kept] = deque()
        self._meanwhile: set[str] = set()
        """Games that ended while the history is being listed, and are no part of it."""
        self._listing = history
        self._woken = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        if not history:
            self._go_live()

    def start(self) -> None:
        """Read, until `cancel`."""
        self._task = asyncio.create_task(self._run())

    def cancel(self) -> None:
        if self._task is not None:
            self._task.cancel()

    def ended(self, replay: str, episodes: int) -> None:
        """A game has ended of which so many episodes are wanted here; without a `replay` they are lost."""
        if self._listing:
            self._meanwhile.add(replay)
        if not self.follow:
            return
        if replay and len(self._waiting) < WAITING_GAMES:
            self._waiting.append(_Kept(replay, episodes))
            self._woken.set()
        else:
            self.consumer.dropped_episodes += episodes

    def _go_live(self) -> None:
        self.live = self.follow and self.consumer.when_full != BLOCK

    async def _run(self) -> None:
        """All that the consumer gets from records, by and large in the order in which the games ended."""
        try:
            if self._history:
                await self._give_all(await self._listed())
                self._go_live()
            while self.follow:
                await self._woken.wait()
                self._woken.clear()
                await self._give_all(self._waiting)
        except Exception:  # the consumer is told no more, everybody else goes on
            _log.exception("experience_reader_failed")
        self.consumer.end()

    async def _listed(self) -> deque[_Kept]:
        """The games that the server has kept, the first to end first."""
        found: deque[_Kept] = deque()
        wanted, page, meanwhile = self.consumer.wanted, "", self._meanwhile
        while True:
            games, page = self._hall.games(page=page, size=_PAGE)
            for each in games:
                episodes = len(wanted.seats_of(each.names))
                if not episodes or each.replay in meanwhile or not wanted.game(each.game, each.replay):
                    continue
                if len(found) < WAITING_GAMES:
                    found.appendleft(_Kept(each.replay, episodes))
                else:
                    self.consumer.dropped_episodes += episodes
            if not page:
                self._listing = False
                return found
            await asyncio.sleep(0)

    async def _give_all(self, games: deque[_Kept]) -> None:
        """Give games until there are none; while some are played again the next ones are read."""
        reading = self._read_some(games)
        try:
            while reading is not None:
                records = await reading
                reading = self._read_some(games)
                await self._give(records)
        finally:
            if reading is not None:
                reading.cancel()

    def _read_some(self, games: deque[_Kept]) -> asyncio.Task[list[tuple[_Kept, GameRecord]]] | None:
        some = [games.popleft() for _ in range(min(GAMES_AT_ONCE, len(games)))]
        return asyncio.create_task(self._read(some)) if some else None

    async def _read(self, games: Sequence[_Kept]) -> list[tuple[_Kept, GameRecord]]:
        """The records of games, some of which may be on their way to the disk."""
        found: dict[str, GameRecord] = {}
        missing = [game.replay for game in games]
        for number in range(_RECORD_TRIES):
            if number:
                await asyncio.sleep(_RECORD_WAIT_S)
            missing = await asyncio.to_thread(self._find, missing, found)
            if not missing:
                break
        lost = [game for game in games if game.replay not in found]
        self._count_lost(lost, "the record is damaged or missing")
        return [(game, found[game.replay]) for game in games if game.replay in found]

    def _find(self, replays: Sequence[str], found: dict[str, GameRecord]) -> list[str]:
        """Add records to `found`; those that are not there yet."""
        missing = []
        for replay in replays:
            try:
                found[replay] = self._hall.replay(replay)
            except HallError as error:
                if error.code == "not_found":
                    missing.append(replay)
        return missing

    async def _give(self, records: Sequence[tuple[_Kept, GameRecord]]) -> None:
        """Play recorded games again, those of one kind together, and put what comes of it into the queue."""
        groups: dict[int, tuple[Game, list[tuple[_Kept, GameRecord]]]] = {}
        for kept, record in records:
            try:
                game = self._game_of(record)
            except RecordError as error:
                self._count_lost([kept], str(error))
                continue
            groups.setdefault(id(game), (game, []))[1].append((kept, record))
        for game, some in groups.values():
            await self._hall.prepare(game)  # a kind that nobody has played since the server began
            await self._play(game, some)

    async def _play(self, game: Game, records: Sequence[tuple[_Kept, GameRecord]]) -> None:
        loop, wanted = asyncio.get_running_loop(), self.consumer.wanted
        episodes = [
            {seat: Episode((kept.replay, seat), recorded=True) for seat in wanted.seats_of(record.players)}
            for kept, record in records
        ]
        spans = self._spans(game, records, episodes)
        try:
            coming = loop.run_in_executor(self._threads, next, spans, None)
            while (span := await coming) is not None:
                coming = loop.run_in_executor(self._threads, next, spans, None)
                for episode, piece in span.pieces:
                    await self.consumer.put(episode, piece)
                for episode in span.lost:
                    self.consumer.drop(episode)
                if span.lost:
                    _log.error("record_does_not_replay", error=span.fault, episodes=len(span.lost))
        except Exception:  # whatever is wrong with these games, the others go on
            _log.exception("records_lost", games=len(records))
            for seats_of_one in episodes:
                for episode in seats_of_one.values():
                    self.consumer.drop(episode)

    def _spans(
        self,
        game: Game,
        records: Sequence[tuple[_Kept, GameRecord]],
        episodes: Sequence[dict[int, Episode]],
    ) -> Iterator[_Span]:
        """Play games of one kind again, a span at a time; for a thread."""
        minimum = self.consumer.wanted.minimum_tick
        of = {
            rerun_of(record, game, kept.replay, seats): seats
            for (kept, record), seats in zip(records, episodes, strict=True)
        }
        running = list(of)
        while running:
            pieces = []
            for rerun, chunk in play_spans(running):
                made = make_pieces(game, chunk, (minimum,), self._compressor)
                pieces += [(of[rerun][chunk.seat], piece) for piece in made.values()]
            faulty = [rerun for rerun in running if rerun.fault]
            running = [rerun for rerun in running if rerun.waiting]
            lost = [episode for rerun in faulty for episode in of[rerun].values()]
            yield _Span(pieces, lost, faulty[0].fault if faulty else "")

    def _game_of(self, record: GameRecord) -> Game:
        """The game of a record, the same one for the same options; `RecordError` where there is none."""
        described = f"{record.game} {json.dumps(record.options, sort_keys=True)}"
        game = self._games.get(described)
        if game is None:
            if len(self._games) >= _KINDS:
                self._games.clear()
            game = self._games[described] = recorded_game(record)
        require_fitting(game, record)
        return game

    def _count_lost(self, games: Sequence[_Kept], reason: str) -> None:
        if games:
            _log.error("records_lost", games=len(games), error=reason[:200])
            self.consumer.dropped_episodes += sum(game.episodes for game in games)
