"""BatchGameService: many games of one client, straight on the engine, in columns of bytes.

A batch belongs to who knows its name, which cannot be guessed. One call at a time works on a batch, until its
answer has gone out: a client that does not read holds up its own batch, of which one answer is kept at most.
The work is done on threads, so that rooms and other batches go on. A call whose deadline passes while it
waits for its turn does nothing.
"""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from typing import TypeVar

import grpc
import numpy as np
import zstandard

from strategos.engine.batch import Batch
from strategos.engine.pool import available_cores
from strategos.games.spec import Game
from strategos.play.agents import load_policy
from strategos.play.policy import Policy, PolicyError, SessionPolicy
from strategos.server.grpc.callers import address_of
from strategos.server.grpc.columns import ColumnError, describe, read_column, write_column
from strategos.server.grpc.game_service import game_options
from strategos.server.grpc.v1 import batch_service_pb2 as v1
from strategos.server.grpc.v1 import batch_service_pb2_grpc
from strategos.server.hall import Hall
from strategos.server.rooms.agents import SEARCHING, offered
from strategos.server.rooms.kinds import build
from strategos.server.terms import HallError
from strategos.spelling import nearest

MOST_GAMES = 10_000
"""Of one batch."""
MOST_BYTES = 2 << 30
"""Of all batches together; 10,000 games of two on 20 x 20 tiles take about 150 MB."""
BATCHES_PER_ADDRESS = 32
WAITING_CALLS = 32
"""That wait for their turn on one batch."""
_AUTORESETS = {
    v1.AUTORESET_DISABLED: "disabled",
    v1.AUTORESET_NEXT_STEP: "next_step",
    v1.AUTORESET_SAME_STEP: "same_step",
}

Answer = TypeVar("Answer")


@dataclass
class OwnedBatch:
    """A batch and who plays in it."""

    batch: Batch
    seats: np.ndarray
    """int64 [S], the seats that the client plays."""
    agents: dict[int, Policy]
    address: str
    size_bytes: int
    used_at: float
    rng: np.random.Generator
    steps: int = 0
    begun: bool = False
    """Whether a step can be answered again: nothing was reset since."""
    turn: asyncio.Lock = field(default_factory=asyncio.Lock)
    waiting: int = 0
    """Calls that wait for their turn."""
    call: asyncio.Task | None = None
    """The call whose turn it is."""

    async def take_turn(self, context: grpc.aio.ServicerContext) -> None:
        """Wait until no other call works on it; the turn ends with the call. `HallError` "exhausted" where
        too many wait."""
        if self.waiting >= WAITING_CALLS:
            raise HallError("exhausted", f"{self.waiting} calls wait for this batch; read the answers")
        self.waiting += 1
        try:
            await self.turn.acquire()
        finally:
            self.waiting -= 1
        self.call = asyncio.current_task()
        context.add_done_callback(self._end_turn)

    def _end_turn(self, _: object) -> None:
        self.call = None
        self.turn.release()


class BatchGameService(batch_service_pb2_grpc.BatchGameServiceServicer):
    """The methods of `batch_service.proto`; they raise `HallError`."""

    def __init__(self, hall: Hall, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._hall, self._clock = hall, clock
        self._offered = offered(hall.settings.agents, hall.settings.runs)
        self._batches: dict[str, OwnedBatch] = {}
        self._making: dict[str, list[int]] = {}
        """Bytes of the batches that are being made, by address."""
        self._threads = ThreadPoolExecutor(max(2, available_cores()), "batch")
        self._stop_closing_idle = hall.tend(self._close_idle)

    def close(self) -> None:
        """Let go of all batches."""
        self._stop_closing_idle()
        self._batches.clear()
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def CreateBatchGames(
        self, request: v1.CreateBatchGamesRequest, context: grpc.aio.ServicerContext
    ) -> v1.CreateBatchGamesResponse:
        address = address_of(context, self._hall)
        if not 1 <= request.num_games <= MOST_GAMES:
            raise HallError("invalid", f"a batch has 1 to {MOST_GAMES} games, not {request.num_games}")
        if request.autoreset not in _AUTORESETS:
            raise HallError("invalid", "autoreset is disabled, next step or same step")
        if request.tick_limit > self._hall.settings.tick_limit:
            raise HallError("invalid", f"the tick limit is 0 to {self._hall.settings.tick_limit}")
        own = sum(each.address == address for each in self._batches.values())
        own += len(self._making.get(address, ()))
        if own >= BATCHES_PER_ADDRESS:
            raise HallError("exhausted", f"{own} batches are open from this address; close some of them")
        game = build(
            request.kind.name, game_options(request.kind), board_cells=self._hall.settings.board_cells
        )
        size = _size_bytes(game, request)
        taken = sum(each.size_bytes for each in self._batches.values()) + sum(map(sum, self._making.values()))
        if size + taken > MOST_BYTES:
            raise HallError("exhausted", "the batches of this server are too large together; try fewer games")
        sources = self._sources(request, game)
        self._making.setdefault(address, []).append(size)
        try:
            await self._hall.prepare(game, address=address)
            owned = await self._work(partial(_make, game, request, sources, address, self._clock()))
        finally:
            self._making[address].remove(size)
            if not self._making[address]:
                del self._making[address]
        name = secrets.token_urlsafe(24)
        self._batches[name] = owned
        return v1.CreateBatchGamesResponse(batch=name, game=describe(game), seats=owned.seats.tolist())

    async def GetBatchStates(
        self, request: v1.GetBatchStatesRequest, context: grpc.aio.ServicerContext
    ) -> v1.BatchStates:
        owned = self._owned(request.batch)
        rows = _rows(request.rows, owned)
        _check_wanted(owned, request.wanted)
        await owned.take_turn(context)
        return await self._work(partial(_states, owned, request.wanted, rows))

    async def SubmitBatchActions(
        self, request: v1.SubmitBatchActionsRequest, context: grpc.aio.ServicerContext
    ) -> v1.BatchStates:
        owned = self._owned(request.batch)
        shape = (owned.batch.num_games, len(owned.seats))
        try:
            actions = read_column(request.actions, "<i4", shape, "the actions [games, seats] int32")
        except ColumnError as error:
            raise HallError("invalid", str(error)) from None
        _check_wanted(owned, request.wanted)
        await owned.take_turn(context)
        if request.step == owned.steps:
            await self._work(partial(_step, owned, actions))
        elif request.step + 1 != owned.steps or not owned.begun:
            raise HallError(
                "late" if request.step < owned.steps else "early",
                f"step {request.step} is not the coming one, which is {owned.steps}",
            )
        return await self._work(partial(_states, owned, request.wanted, None))

    async def ResetBatchGames(
        self, request: v1.ResetBatchGamesRequest, context: grpc.aio.ServicerContext
    ) -> v1.BatchStates:
        owned = self._owned(request.batch)
        rows = _rows(request.rows, owned)
        number = owned.batch.num_games if rows is None else len(rows)
        seeds = None
        if request.seeds:
            try:
                seeds = read_column(request.seeds, "<i8", (number,), "the seeds int64, one for each row,")
            except ColumnError as error:
                raise HallError("invalid", str(error)) from None
        _check_wanted(owned, request.wanted)
        await owned.take_turn(context)
        await self._work(partial(_reset, owned, rows, seeds))
        return await self._work(partial(_states, owned, request.wanted, None))

    async def CloseBatchGames(
        self, request: v1.CloseBatchGamesRequest, context: grpc.aio.ServicerContext
    ) -> v1.CloseBatchGamesResponse:
        self._owned(request.batch)
        del self._batches[request.batch]
        return v1.CloseBatchGamesResponse()

    async def _work(self, function: Callable[[], Answer]) -> Answer:
        """Do it on a thread, and wait for its end even where the caller has gone: nobody else's call comes
        in between."""
        loop = asyncio.get_running_loop()
        running = loop.run_in_executor(self._threads, function)
        try:
            return await asyncio.shield(running)
        except asyncio.CancelledError:
            await asyncio.wait([running])
            raise

    def _owned(self, name: str) -> OwnedBatch:
        owned = self._batches.get(name)
        if owned is None:
            raise HallError("not_found", "there is no such batch; it may have been closed for being idle")
        owned.used_at = self._clock()
        return owned

    def _sources(self, request: v1.CreateBatchGamesRequest, game: Game) -> dict[int, str]:
        """Where the agent of each seat comes from."""
        players, known = game.spec.num_players, self._offered.get(game.spec.name, {})
        if any(seat >= players for seat in request.agents):
            raise HallError("invalid", f"agents sit on seats 0 to {players - 1}")
        if len(request.agents) == players:
            raise HallError("invalid", "one seat at least is for the client")
        for name in request.agents.values():
            if name not in known:
                hint = nearest(name[:32], known)
                raise HallError("not_found", f"no agent {name[:32]!r} plays {game.spec.name} here{hint}")
            if known[name] in SEARCHING.get(game.spec.name, ()):
                raise HallError("invalid", f"{name} searches, too long for a batch; take another agent")
        return {seat: known[name] for seat, name in request.agents.items()}

    def _close_idle(self) -> None:
        now = self._clock()
        for name, owned in list(self._batches.items()):
            if now - owned.used_at > self._hall.settings.batch_idle_s:
                del self._batches[name]
                if owned.call is not None:
                    owned.call.cancel()  # its answer is not read: the connection may stay so for ever


def _size_bytes(game: Game, request: v1.CreateBatchGamesRequest) -> int:
    """What a batch will take, its last observations with `same_step` and an answer included."""
    seen = game.view_dtype.itemsize + game.spec.mask_bytes
    if request.memories or request.agents:
        seen += game.memory_dtype.itemsize
    kept = 4 if request.autoreset == v1.AUTORESET_SAME_STEP else 2
    return int(request.num_games * (game.state_dtype.itemsize + kept * game.spec.num_players * seen))


def _make(
    game: Game, request: v1.CreateBatchGamesRequest, sources: dict[int, str], address: str, now: float
) -> OwnedBatch:
    loaded = {source: _load(source) for source in set(sources.values())}
    agents = {seat: loaded[source] for seat, source in sources.items()}
    batch = Batch(
        game,
        request.num_games,
        seed=request.seed,
        tick_limit=request.tick_limit,
        autoreset=_AUTORESETS[request.autoreset],
        memory=request.memories or bool(agents),
    )
    batch.reset()
    seats = [seat for seat in range(game.spec.num_players) if seat not in agents]
    rng = np.random.default_rng(request.seed & 0xFFFFFFFFFFFFFFFF)
    size = _size_bytes(game, request)
    return OwnedBatch(batch, np.array(seats, np.int64), agents, address, size, now, rng)


def _load(source: str) -> Policy:
    try:
        policy = load_policy(source)
    except PolicyError:
        raise HallError("unavailable", "an agent that was asked for cannot be loaded now") from None
    if isinstance(policy, SessionPolicy):
        raise HallError("invalid", "a program plays one game at a time; take another agent for a batch")
    return policy


def _rows(wanted: object, owned: OwnedBatch) -> np.ndarray | None:
    """The rows that a request names, None for all; `HallError` for one that there is not."""
    rows = np.array(wanted, np.int64)
    if len(rows) == 0:
        return None
    if len(rows) > owned.batch.num_games or rows.max() >= owned.batch.num_games:
        raise HallError("invalid", f"the rows are at most {owned.batch.num_games}, from 0 on")
    return rows


def _step(owned: OwnedBatch, actions: np.ndarray) -> None:
    """Play one tick of every game; agents first, from what they see."""
    batch = owned.batch
    played = np.zeros((batch.num_games, batch.game.spec.num_players), np.int32)
    played[:, owned.seats] = actions
    seen = batch.observation
    for seat, agent in owned.agents.items():
        # Copies: kernels would be compiled anew for a column of a larger array.
        memories = seen.memories.take(seat, axis=1) if len(seen.memories) else None
        views, masks = seen.views.take(seat, axis=1), seen.masks.take(seat, axis=1)
        played[:, seat] = agent.act(views, masks, memories, owned.rng)
    batch.step(played)
    owned.steps += 1
    owned.begun = True


def _reset(owned: OwnedBatch, rows: np.ndarray | None, seeds: np.ndarray | None) -> None:
    owned.batch.reset(rows, seeds)
    owned.begun = False


def _check_wanted(owned: OwnedBatch, wanted: v1.Wanted) -> None:
    """`HallError` for columns that cannot be given, before anything is played for them."""
    if wanted.compression not in (v1.COMPRESSION_NONE, v1.COMPRESSION_ZSTD):
        raise HallError("invalid", "the compression is none or zstd")
    if wanted.memories and not len(owned.batch.observation.memories):
        raise HallError("invalid", "this batch keeps no memories; ask for them when you create it")


def _states(owned: OwnedBatch, wanted: v1.Wanted, rows: np.ndarray | None) -> v1.BatchStates:
    """The columns that are wanted, of all rows or some."""
    batch, seen, seats = owned.batch, owned.batch.observation, owned.seats
    packed = wanted.compression == v1.COMPRESSION_ZSTD
    compressor = zstandard.ZstdCompressor(level=1) if packed else None
    everybody = len(seats) == batch.game.spec.num_players
    answer = v1.BatchStates(
        step=owned.steps,
        num_games=batch.num_games if rows is None else len(rows),
        compression=wanted.compression,
        terminated=_chosen(batch.terminated, rows).tobytes(),
        truncated=_chosen(batch.truncated, rows).tobytes(),
        illegal=_of_seats(batch.illegal, rows, seats, everybody).tobytes(),
        returns=_of_seats(batch.returns, rows, seats, everybody).tobytes(),
    )
    if wanted.views:
        answer.views = write_column(_of_seats(seen.views, rows, seats, everybody), compressor)
        if len(batch.final.views):
            ended = np.flatnonzero(batch.terminated | batch.truncated)
            answer.final_rows = ended.astype("<u4").tobytes()
            answer.final_views = write_column(
                _of_seats(batch.final.views, ended, seats, everybody), compressor
            )
    if wanted.masks:
        answer.masks = write_column(_of_seats(seen.masks, rows, seats, everybody), compressor)
    if wanted.memories:
        answer.memories = write_column(_of_seats(seen.memories, rows, seats, everybody), compressor)
    return answer


def _chosen(array: np.ndarray, rows: np.ndarray | None) -> np.ndarray:
    return array if rows is None else array.take(rows, axis=0)


def _of_seats(array: np.ndarray, rows: np.ndarray | None, seats: np.ndarray, everybody: bool) -> np.ndarray:
    """Rows and seats of `array` [B, P, ...]; `take` copies records whole, an index field by field."""
    array = _chosen(array, rows)
    return array if everybody else array.take(seats, axis=1)
