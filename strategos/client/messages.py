"""What the server says, as Python: states, events, results, errors; and what it is asked, as messages.

Shared by the blocking and the asyncio client, which only call. No I/O.
"""

from __future__ import annotations

import json
import math
import secrets
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import grpc
import numpy as np
from google.protobuf import json_format

from strategos.games import make_game
from strategos.games.spec import Game
from strategos.play.record import GameRecord
from strategos.server.grpc import CODE_KEY, replays
from strategos.server.grpc.columns import ColumnError, apply_patch, from_struct, layout_of, to_struct
from strategos.server.grpc.v1 import game_service_pb2 as v1
from strategos.server.grpc.v1 import games_pb2

ANSWER_BYTES = 256 << 20
"""The largest answer that is taken."""
TIMEOUT_S = 30.0
ATTEMPTS = 4
"""Of a call that may be made again, where the server cannot be reached."""
RETRY_S = 0.25
PING_S, PING_ANSWER_S = 15.0, 15.0
"""A line that is silent for so long while a call waits is asked whether it is still there; without an answer
after so long again it is lost. A stream has no deadline: without this a dead line would never be noticed."""
_PHASES = {
    v1.PHASE_OPEN: "open",
    v1.PHASE_PREPARING: "preparing",
    v1.PHASE_RUNNING: "running",
    v1.PHASE_OVER: "over",
}


class ServerError(Exception):
    """A refusal of the server, or no answer from it.

    `code` is the server's own word (late, illegal, over, forbidden, ...), or the gRPC status in lower case
    (unavailable, deadline_exceeded, unimplemented, ...).
    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(f"{code}: {message}")
        self.code, self.message = code, message


@contextmanager
def refusals() -> Iterator[None]:
    """Turn gRPC's errors into `ServerError`."""
    try:
        yield
    except grpc.RpcError as error:
        raise server_error(error) from None


def server_error(error: Any) -> ServerError:
    """The `ServerError` of a failed call."""
    return _failure(error.code(), error.details(), error.trailing_metadata())


def stream_end(status: grpc.StatusCode, details: str | None, trailing: Any) -> ServerError:
    """Why nothing can be sent on a stream that is done: "over" after its end, or what broke it off."""
    if status is grpc.StatusCode.OK:
        return ServerError("over", "the stream has ended")
    return _failure(status, details, trailing)


def _failure(status: grpc.StatusCode, details: str | None, trailing: Any) -> ServerError:
    code = dict(trailing or ()).get(CODE_KEY) or status.name.lower()
    return ServerError(str(code), details or "the server did not say why")


@dataclass(frozen=True)
class Result:
    """How a game ended."""

    returns: tuple[float, ...]
    """Of each seat, in [-1, 1]."""
    places: tuple[int, ...]
    """Of each seat, 1 the best."""
    replay: str
    """For `replay`; empty where the game could not be recorded."""
    reason: str
    ratings: tuple[float | None, ...]
    unrated: str
    """Why a game that would count is not rated; else empty."""


@dataclass(frozen=True)
class Event:
    """Something that happened in a game, beside its ticks: joined, started, seat_lost, chat, over, ..."""

    kind: str
    tick: int
    data: dict[str, Any]


@dataclass(frozen=True)
class Answer:
    """What became of a move that was sent over the stream of `play`; moves are answered in their order."""

    next_tick: int
    """That the next move will be for; 0 where this one was refused."""
    code: str
    """Why it was refused, as of a `ServerError`; "" where it was taken."""
    message: str


@dataclass(frozen=True)
class State:
    """What the holder of a seat, or a spectator, may know now."""

    game: Game
    game_id: str
    phase: str
    """open, preparing, running or over"""
    tick: int
    seat: int | None
    view: Any
    """A record of the game's `view_dtype`; None before the start."""
    mask: np.ndarray
    """uint8 [mask_bytes], packed legal actions; empty for a spectator."""
    memory: Any
    """A record of `memory_dtype`; None where the game keeps none."""
    queue: tuple[int, ...]
    taken: int
    seconds_left: float | None
    names: tuple[str, ...]
    alive: tuple[bool, ...]
    present: tuple[bool, ...]
    result: Result | None

    @property
    def legal(self) -> np.ndarray:
        """bool [num_actions]: what may be played now."""
        count = self.game.spec.num_actions
        if len(self.mask) == 0:
            return np.zeros(count, bool)
        return np.unpackbits(self.mask, count=count, bitorder="little").view(np.bool_)

    @property
    def my_turn(self) -> bool:
        """Whether this seat has something to decide."""
        if self.phase != "running" or self.seat is None or not self.mask.any():
            return False
        return not self.game.spec.simultaneous or not self.alive or self.alive[self.seat]


def read_game(described: games_pb2.GameDescription) -> Game:
    """The game that a server plays; `ServerError` "unavailable" where its records are laid out otherwise."""
    options = {
        name: tuple(value) if isinstance(value, list) else value
        for name, value in from_struct(described.kind.options).items()
    }
    game = make_game(described.kind.name, **options)
    if layout_of(game.view_dtype) != described.view or game.spec.num_actions != described.num_actions:
        raise ServerError(
            "unavailable", "the server's views are laid out otherwise; install the version that it runs"
        )
    return game


def read_state(game: Game, message: v1.GameState) -> State:
    """A state out of its message."""
    return State(
        game=game,
        game_id=message.game_id,
        phase=_PHASES.get(message.phase, "open"),
        tick=message.tick,
        seat=message.seat if message.HasField("seat") else None,
        view=_record(message.view, game.view_dtype),
        mask=np.frombuffer(message.mask, np.uint8),
        memory=_record(message.memory, game.memory_dtype),
        queue=tuple(message.queue),
        taken=message.taken,
        seconds_left=message.seconds_left if message.HasField("seconds_left") else None,
        names=tuple(message.names),
        alive=tuple(message.alive),
        present=tuple(message.present),
        result=read_result(message.result) if message.HasField("result") else None,
    )


def _record(data: bytes, dtype: np.dtype) -> Any:
    return np.frombuffer(data, dtype)[0] if data and len(data) == dtype.itemsize else None


def read_result(message: v1.GameResult) -> Result:
    """A result out of its message."""
    return Result(
        returns=tuple(message.returns),
        places=tuple(message.places),
        replay=message.replay,
        reason=message.reason,
        ratings=tuple(None if math.isnan(each) else each for each in message.ratings),
        unrated=message.unrated,
    )


def read_event(message: v1.GameEvent) -> Event:
    """An event out of its message."""
    kind = v1.EventKind.Name(message.kind) if message.kind in v1.EventKind.values() else "EVENT_KIND_NEW"
    return Event(
        kind.removeprefix("EVENT_KIND_").lower(), message.tick, json_format.MessageToDict(message.data)
    )


class StateStream:
    """Puts the updates of one stream together: a state, then what changed in it."""

    def __init__(self, game: Game) -> None:
        self._game = game
        self._last: v1.GameState | None = None

    def read(self, update: v1.GameUpdate) -> State | Event:
        """The next state or event; `ServerError` for a change of something that was never told."""
        told = self.read_any(update)
        if isinstance(told, Answer):
            raise ServerError("unavailable", "the stream answers a move that was never made")
        return told

    def read_any(self, update: v1.GameUpdate) -> State | Event | Answer:
        """As `read`, on a stream that answers moves, too."""
        kind = update.WhichOneof("update")
        if kind == "answer":
            return Answer(update.answer.next_tick, update.answer.code, update.answer.message)
        if kind == "event":
            return read_event(update.event)
        if kind == "full":
            self._last = update.full
        elif self._last is None:
            raise ServerError("unavailable", "the stream did not begin with a state")
        else:
            before, delta, state = self._last, update.delta, update.delta.state
            try:
                state.view = apply_patch(before.view, delta.view)
                state.mask = apply_patch(before.mask, delta.mask)
                state.memory = apply_patch(before.memory, delta.memory)
            except ColumnError as error:
                raise ServerError("unavailable", str(error)) from None
            self._last = state
        return read_state(self._game, self._last)


def read_replay(message: v1.Replay) -> GameRecord:
    """A record out of its message; `ServerError` "unavailable" for one that does not fit together."""
    try:
        return replays.read_replay(message)
    except ColumnError as error:
        raise ServerError("unavailable", str(error)) from None


def game_kind(name: str, options: Mapping[str, Any]) -> games_pb2.GameKind:
    """A game and its options as a message."""
    return games_pb2.GameKind(name=name, options=to_struct(options))


def create_request(
    game: str,
    options: Mapping[str, Any],
    *,
    name: str,
    agents: Mapping[int, str],
    seconds: float,
    real_time: bool,
    private: bool,
    seed: int | None,
    tick_limit: int,
) -> v1.CreateGameRequest:
    """See `Client.create`."""
    kind = v1.PACE_KIND_REAL_TIME if real_time else v1.PACE_KIND_LOCKSTEP
    return v1.CreateGameRequest(
        kind=game_kind(game, options),
        name=name,
        pace=v1.Pace(kind=kind, seconds=seconds),
        agents=dict(agents),
        private=private,
        seed=seed,
        tick_limit=tick_limit,
    )


def action_request(token: str, action: int, tick: int | None, key: str | None) -> v1.SubmitActionRequest:
    """See `Seat.act`; with a key of its own, so that it may be sent again."""
    return v1.SubmitActionRequest(
        token=token, action=action, tick=tick, idempotency_key=key or secrets.token_urlsafe(12)
    )


def seat_request(token: str) -> v1.PlayGameRequest:
    """The first request of `play`."""
    return v1.PlayGameRequest(seat=v1.StreamGameRequest(token=token))


def move_request(action: int, tick: int | None, key: str) -> v1.PlayGameRequest:
    """A further request of `play`; what is sent once only needs no key."""
    return v1.PlayGameRequest(move=v1.SubmitActionRequest(action=action, tick=tick, idempotency_key=key))


def queue_request(
    token: str, actions: Sequence[int], number: int | None, clear: bool, undo: bool
) -> v1.QueueActionsRequest:
    """See `Seat.queue`."""
    return v1.QueueActionsRequest(token=token, clear=clear, undo=undo, actions=actions, number=number)


_REPEATABLE = {
    "GameService": ("GetGameState", "SubmitAction", "ListGames", "GetReplay"),
    "BatchGameService": ("GetBatchStates", "SubmitBatchActions"),
    "RatingService": ("GetLeaderboard",),
}
"""Calls that do the same when they are made twice: actions have keys, or the number of their step."""


def channel_options(others: Sequence[tuple[str, int | str]] = ()) -> list[tuple[str, int | str]]:
    """Of every channel: answers of batches are large; what may be repeated is, while the server is away.

    What `others` say otherwise holds: gRPC would take the first of two.
    """
    service_config = {
        "methodConfig": [
            {
                "name": [
                    {"service": f"strategos.v1.{service}", "method": method}
                    for service, methods in _REPEATABLE.items()
                    for method in methods
                ],
                "retryPolicy": {
                    "maxAttempts": ATTEMPTS,
                    "initialBackoff": f"{RETRY_S}s",
                    "maxBackoff": "2s",
                    "backoffMultiplier": 2,
                    "retryableStatusCodes": ["UNAVAILABLE"],
                },
            }
        ]
    }
    ours: dict[str, int | str] = {
        "grpc.max_receive_message_length": ANSWER_BYTES,
        "grpc.max_send_message_length": ANSWER_BYTES,
        "grpc.service_config": json.dumps(service_config),
        "grpc.keepalive_time_ms": int(PING_S * 1000),
        "grpc.keepalive_timeout_ms": int(PING_ANSWER_S * 1000),
        "grpc.http2.ping_timeout_ms": int(PING_ANSWER_S * 1000),  # of gRPC's own pings, too: 60 s else
        "grpc.http2.max_pings_without_data": 0,  # as many as it takes: who looks on says nothing for hours
    }
    return list({**ours, **dict(others)}.items())
