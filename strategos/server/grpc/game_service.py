"""GameService: one seat of one game, as messages. Every rule is the hall's; here is only translation."""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import grpc
import numpy as np

from strategos.server.grpc.callers import address_of
from strategos.server.grpc.columns import ColumnError, describe, from_struct, make_patch, to_struct
from strategos.server.grpc.errors import readable
from strategos.server.grpc.replays import write_replay
from strategos.server.grpc.v1 import game_service_pb2 as v1
from strategos.server.grpc.v1 import game_service_pb2_grpc, games_pb2
from strategos.server.hall import Hall, Mailbox
from strategos.server.terms import Event, HallError, Pace, Result, RoomOptions, Snapshot, Ticket

MOST_QUEUED = 1000
"""Moves of one request."""
OPTIONS_BYTES = 8192
REPLAYS_AT_ONCE = 2
"""Records that are read at a time: the threads for it are those of the whole server."""
_PACES = {v1.PACE_KIND_LOCKSTEP: "lockstep", v1.PACE_KIND_REAL_TIME: "real_time"}
_PHASES = {
    "open": v1.PHASE_OPEN,
    "preparing": v1.PHASE_PREPARING,
    "running": v1.PHASE_RUNNING,
    "over": v1.PHASE_OVER,
}


class GameService(game_service_pb2_grpc.GameServiceServicer):
    """The methods of `game_service.proto`; they raise `HallError`."""

    def __init__(self, hall: Hall) -> None:
        self._hall = hall
        self._reading = asyncio.Semaphore(REPLAYS_AT_ONCE)

    async def CreateGame(
        self, request: v1.CreateGameRequest, context: grpc.aio.ServicerContext
    ) -> v1.SeatResponse:
        options = room_options(request)
        ticket = await self._hall.create(options, name=request.name, address=address_of(context, self._hall))
        return self._seated(ticket)

    async def JoinGame(
        self, request: v1.JoinGameRequest, context: grpc.aio.ServicerContext
    ) -> v1.SeatResponse:
        hall, where, address = self._hall, request.WhichOneof("where"), address_of(context, self._hall)
        if where == "game":
            ticket = await hall.join(
                request.game,
                name=request.name,
                address=address,
                seat=request.seat if request.HasField("seat") else None,
                team=request.team if request.HasField("team") else None,
            )
        elif where == "quick_match":
            wish = request.quick_match
            ticket = await hall.quick_match(
                wish.game, name=request.name, address=address, players=wish.players or 2
            )
        elif where == "rematch":
            ticket = hall.rematch(request.rematch)
        elif where == "spectate":
            room, token = await hall.spectate(request.spectate, address=address)
            ticket = Ticket(room, -1, token, "")
        else:
            raise HallError(
                "invalid", "say where to join: a game, a quick match, a rematch, or whom to watch"
            )
        return self._seated(ticket)

    async def ListGames(
        self, request: v1.ListGamesRequest, context: grpc.aio.ServicerContext
    ) -> v1.ListGamesResponse:
        hall, size = self._hall, request.size or 50
        answer = v1.ListGamesResponse()
        if request.finished:
            finished, answer.next_page = hall.games(game=request.game or None, page=request.page, size=size)
            for game in finished:
                answer.games.add(
                    game=game.game,
                    phase="over",
                    tick=game.ticks,
                    seats=len(game.names),
                    names=game.names,
                    replay=game.replay,
                    returns=game.returns,
                )
        else:
            rooms, answer.next_page = hall.rooms(game=request.game or None, page=request.page, size=size)
            for room in rooms:
                answer.games.add(
                    game_id=room.room,
                    game=room.game,
                    phase=room.phase,
                    tick=room.tick,
                    seats=len(room.names),
                    free_seats=room.free,
                    names=room.names,
                )
        if request.game:
            answer.agents.extend(hall.agents(request.game))
        return answer

    async def GetGameState(
        self, request: v1.GetGameStateRequest, context: grpc.aio.ServicerContext
    ) -> v1.GameState:
        return state_message(self._hall.snapshot(request.token))

    async def SubmitAction(
        self, request: v1.SubmitActionRequest, context: grpc.aio.ServicerContext
    ) -> v1.SubmitActionResponse:
        tick = request.tick if request.HasField("tick") else None
        following = self._hall.act(request.token, request.action, tick=tick, key=request.idempotency_key)
        return v1.SubmitActionResponse(next_tick=following)

    async def QueueActions(
        self, request: v1.QueueActionsRequest, context: grpc.aio.ServicerContext
    ) -> v1.QueueActionsResponse:
        hall, token = self._hall, request.token
        if len(request.actions) > MOST_QUEUED:
            raise HallError("invalid", f"a request queues at most {MOST_QUEUED} moves")
        if request.clear:
            hall.clear(token)
        if request.undo:
            hall.undo(token)
        number = request.number if request.HasField("number") else -1
        length = -1
        for place, action in enumerate(request.actions):
            length = hall.enqueue(token, action, number if number < 0 else number + place)
        return v1.QueueActionsResponse(length=length if length >= 0 else len(hall.snapshot(token).queue))

    async def StreamGame(
        self, request: v1.StreamGameRequest, context: grpc.aio.ServicerContext
    ) -> AsyncIterator[v1.GameUpdate]:
        mailbox = self._hall.listen(request.token)
        try:
            async for update in _updates(mailbox):
                yield update
        finally:
            mailbox.close()

    async def PlayGame(
        self, requests: AsyncIterator[v1.PlayGameRequest], context: grpc.aio.ServicerContext
    ) -> None:
        hall, address = self._hall, address_of(context, self._hall)
        speaking = asyncio.Lock()  # gRPC takes one message after the other

        async def say(update: v1.GameUpdate) -> None:
            async with speaking:
                await context.write(update)

        first = readable(await anext(aiter(requests), None))
        if first is None or first.WhichOneof("request") != "seat":
            raise HallError("invalid", "the first request of the stream names the seat")
        token = first.seat.token
        mailbox = hall.listen(token)
        moving = asyncio.create_task(self._take_moves(requests, token, address, say))
        moving.add_done_callback(lambda task: mailbox.shut() if _failed(task) else None)
        try:
            async for update in _updates(mailbox):
                await say(update)
            if _failed(moving):
                moving.result()
        finally:
            moving.cancel()
            mailbox.close()

    async def _take_moves(
        self,
        requests: AsyncIterator[v1.PlayGameRequest],
        token: str,
        address: str,
        say: Callable[[v1.GameUpdate], Awaitable[None]],
    ) -> None:
        """Play the moves of a stream as they come, and answer each."""
        hall = self._hall
        async for request in requests:
            try:
                hall.requests.take(address, "grpc")
                if readable(request).WhichOneof("request") != "move":
                    raise HallError("invalid", "after the first request there are moves only")
                move = request.move
                tick = move.tick if move.HasField("tick") else None
                following = hall.act(token, move.action, tick=tick, key=move.idempotency_key)
                answer = v1.MoveAnswer(next_tick=following)
            except HallError as error:
                answer = v1.MoveAnswer(code=error.code, message=error.message)
            await say(v1.GameUpdate(answer=answer))

    async def GetReplay(self, request: v1.GetReplayRequest, context: grpc.aio.ServicerContext) -> v1.Replay:
        async with self._reading:
            return write_replay(await asyncio.to_thread(self._hall.replay, request.replay))

    async def SendSignal(
        self, request: v1.SendSignalRequest, context: grpc.aio.ServicerContext
    ) -> v1.SendSignalResponse:
        signal = request.WhichOneof("signal")
        if signal == "chat":
            self._hall.chat(request.token, request.chat)
        elif signal == "force_start":
            self._hall.force(request.token, request.force_start)
        else:
            raise HallError("invalid", "say what to send: a chat message, or a vote for an early start")
        return v1.SendSignalResponse()

    async def LeaveGame(
        self, request: v1.LeaveGameRequest, context: grpc.aio.ServicerContext
    ) -> v1.LeaveGameResponse:
        if request.surrender:
            self._hall.surrender(request.token)
        else:
            self._hall.leave(request.token)
        return v1.LeaveGameResponse()

    def _seated(self, ticket: Ticket) -> v1.SeatResponse:
        return v1.SeatResponse(
            game_id=ticket.room,
            seat=ticket.seat if ticket.seat >= 0 else None,
            token=ticket.token,
            code=ticket.code,
            game=describe(self._hall.game_of(ticket.room)),
            state=state_message(self._hall.snapshot(ticket.token)),
        )


async def _updates(mailbox: Mailbox) -> AsyncIterator[v1.GameUpdate]:
    """What a listener is told, to the end of its game."""
    before: v1.GameState | None = None
    while True:
        try:
            snapshot, events = await mailbox.next()
        except HallError as error:
            if error.code == "over":
                return
            raise
        for event in events:
            yield v1.GameUpdate(event=event_message(event))
        if snapshot is None:
            continue
        state = state_message(snapshot)
        yield update_message(before, state)
        if snapshot.phase == "over" and snapshot.result is not None:
            return
        before = state


def _failed(task: asyncio.Task[None]) -> bool:
    return task.done() and not task.cancelled() and task.exception() is not None


def game_options(kind: games_pb2.GameKind) -> dict[str, Any]:
    """The options of a game as plain values; `HallError` "invalid" for what no game can take."""
    if kind.ByteSize() > OPTIONS_BYTES:
        raise HallError("invalid", f"the options of a game take at most {OPTIONS_BYTES} bytes")
    try:
        return from_struct(kind.options)
    except ColumnError as error:
        raise HallError("invalid", str(error)) from None


def room_options(request: v1.CreateGameRequest) -> RoomOptions:
    """What a request asks for; `HallError` "invalid" for a pace that there is not."""
    if request.pace.kind not in _PACES:
        raise HallError("invalid", "the pace is lockstep or real time")
    if not math.isfinite(request.pace.seconds) or request.pace.seconds < 0:
        raise HallError("invalid", "the seconds of the pace are a number from 0 on")
    return RoomOptions(
        game=request.kind.name or "generals",
        options=game_options(request.kind),
        pace=Pace(_PACES[request.pace.kind], request.pace.seconds),
        agents=dict(request.agents),
        private=request.private,
        seed=request.seed if request.HasField("seed") else None,
        tick_limit=request.tick_limit,
    )


def state_message(snapshot: Snapshot) -> v1.GameState:
    """A snapshot as a message."""
    return v1.GameState(
        game_id=snapshot.room,
        phase=_PHASES.get(snapshot.phase, v1.PHASE_UNSPECIFIED),
        tick=snapshot.tick,
        seat=snapshot.seat,
        view=_raw(snapshot.view),
        mask=_raw(snapshot.mask),
        memory=_raw(snapshot.memory),
        queue=snapshot.queue,
        taken=snapshot.taken,
        seconds_left=snapshot.seconds_left,
        names=snapshot.names,
        alive=snapshot.alive,
        present=snapshot.present,
        result=None if snapshot.result is None else result_message(snapshot.result),
    )


def _raw(array: np.ndarray | None) -> bytes:
    return b"" if array is None else array.tobytes()


def result_message(result: Result) -> v1.GameResult:
    """How a game ended, as a message."""
    return v1.GameResult(
        returns=result.returns,
        places=result.places,
        replay=result.replay,
        reason=result.reason,
        ratings=[math.nan if each is None else each for each in result.ratings],
        unrated=result.unrated,
    )


def update_message(before: v1.GameState | None, state: v1.GameState) -> v1.GameUpdate:
    """A state, as what has changed since the one `before` where that is as long."""
    if before is None or any(
        len(getattr(before, name)) != len(getattr(state, name)) for name in ("view", "mask", "memory")
    ):
        return v1.GameUpdate(full=state)
    delta = v1.StateDelta(
        view=make_patch(before.view, state.view),
        mask=make_patch(before.mask, state.mask),
        memory=make_patch(before.memory, state.memory),
    )
    delta.state.CopyFrom(state)
    for name in ("view", "mask", "memory"):
        delta.state.ClearField(name)
    return v1.GameUpdate(delta=delta)


def event_message(event: Event) -> v1.GameEvent:
    """An event as a message; a kind that the protocol does not know yet is unspecified."""
    name = f"EVENT_KIND_{event.kind.upper()}"
    kind = name if name in v1.EventKind.keys() else "EVENT_KIND_UNSPECIFIED"  # noqa: SIM118 - no dict
    return v1.GameEvent(kind=kind, tick=event.tick, data=to_struct(event.data))
