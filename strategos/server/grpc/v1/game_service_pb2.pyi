# ruff: noqa
# fmt: off
# mypy: ignore-errors
from google.protobuf import struct_pb2 as _struct_pb2
from strategos.server.grpc.v1 import games_pb2 as _games_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class PaceKind(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    PACE_KIND_LOCKSTEP: _ClassVar[PaceKind]
    PACE_KIND_REAL_TIME: _ClassVar[PaceKind]

class Phase(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    PHASE_UNSPECIFIED: _ClassVar[Phase]
    PHASE_OPEN: _ClassVar[Phase]
    PHASE_PREPARING: _ClassVar[Phase]
    PHASE_RUNNING: _ClassVar[Phase]
    PHASE_OVER: _ClassVar[Phase]

class EventKind(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    EVENT_KIND_UNSPECIFIED: _ClassVar[EventKind]
    EVENT_KIND_JOINED: _ClassVar[EventKind]
    EVENT_KIND_LEFT: _ClassVar[EventKind]
    EVENT_KIND_STARTED: _ClassVar[EventKind]
    EVENT_KIND_SEAT_LOST: _ClassVar[EventKind]
    EVENT_KIND_SURRENDERED: _ClassVar[EventKind]
    EVENT_KIND_CHAT: _ClassVar[EventKind]
    EVENT_KIND_OVER: _ClassVar[EventKind]
    EVENT_KIND_REMATCH: _ClassVar[EventKind]
    EVENT_KIND_CLOSING: _ClassVar[EventKind]
    EVENT_KIND_VOTES: _ClassVar[EventKind]
    EVENT_KIND_PREPARING: _ClassVar[EventKind]
    EVENT_KIND_ALARM: _ClassVar[EventKind]
PACE_KIND_LOCKSTEP: PaceKind
PACE_KIND_REAL_TIME: PaceKind
PHASE_UNSPECIFIED: Phase
PHASE_OPEN: Phase
PHASE_PREPARING: Phase
PHASE_RUNNING: Phase
PHASE_OVER: Phase
EVENT_KIND_UNSPECIFIED: EventKind
EVENT_KIND_JOINED: EventKind
EVENT_KIND_LEFT: EventKind
EVENT_KIND_STARTED: EventKind
EVENT_KIND_SEAT_LOST: EventKind
EVENT_KIND_SURRENDERED: EventKind
EVENT_KIND_CHAT: EventKind
EVENT_KIND_OVER: EventKind
EVENT_KIND_REMATCH: EventKind
EVENT_KIND_CLOSING: EventKind
EVENT_KIND_VOTES: EventKind
EVENT_KIND_PREPARING: EventKind
EVENT_KIND_ALARM: EventKind

class Pace(_message.Message):
    __slots__ = ("kind", "seconds")
    KIND_FIELD_NUMBER: _ClassVar[int]
    SECONDS_FIELD_NUMBER: _ClassVar[int]
    kind: PaceKind
    seconds: float
    def __init__(self, kind: _Optional[_Union[PaceKind, str]] = ..., seconds: _Optional[float] = ...) -> None: ...

class CreateGameRequest(_message.Message):
    __slots__ = ("kind", "name", "pace", "agents", "private", "seed", "tick_limit")
    class AgentsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: int
        value: str
        def __init__(self, key: _Optional[int] = ..., value: _Optional[str] = ...) -> None: ...
    KIND_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    PACE_FIELD_NUMBER: _ClassVar[int]
    AGENTS_FIELD_NUMBER: _ClassVar[int]
    PRIVATE_FIELD_NUMBER: _ClassVar[int]
    SEED_FIELD_NUMBER: _ClassVar[int]
    TICK_LIMIT_FIELD_NUMBER: _ClassVar[int]
    kind: _games_pb2.GameKind
    name: str
    pace: Pace
    agents: _containers.ScalarMap[int, str]
    private: bool
    seed: int
    tick_limit: int
    def __init__(self, kind: _Optional[_Union[_games_pb2.GameKind, _Mapping]] = ..., name: _Optional[str] = ..., pace: _Optional[_Union[Pace, _Mapping]] = ..., agents: _Optional[_Mapping[int, str]] = ..., private: _Optional[bool] = ..., seed: _Optional[int] = ..., tick_limit: _Optional[int] = ...) -> None: ...

class JoinGameRequest(_message.Message):
    __slots__ = ("game", "quick_match", "rematch", "spectate", "name", "seat", "team")
    GAME_FIELD_NUMBER: _ClassVar[int]
    QUICK_MATCH_FIELD_NUMBER: _ClassVar[int]
    REMATCH_FIELD_NUMBER: _ClassVar[int]
    SPECTATE_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    SEAT_FIELD_NUMBER: _ClassVar[int]
    TEAM_FIELD_NUMBER: _ClassVar[int]
    game: str
    quick_match: QuickMatch
    rematch: str
    spectate: str
    name: str
    seat: int
    team: int
    def __init__(self, game: _Optional[str] = ..., quick_match: _Optional[_Union[QuickMatch, _Mapping]] = ..., rematch: _Optional[str] = ..., spectate: _Optional[str] = ..., name: _Optional[str] = ..., seat: _Optional[int] = ..., team: _Optional[int] = ...) -> None: ...

class QuickMatch(_message.Message):
    __slots__ = ("game", "players")
    GAME_FIELD_NUMBER: _ClassVar[int]
    PLAYERS_FIELD_NUMBER: _ClassVar[int]
    game: str
    players: int
    def __init__(self, game: _Optional[str] = ..., players: _Optional[int] = ...) -> None: ...

class SeatResponse(_message.Message):
    __slots__ = ("game_id", "seat", "token", "code", "game", "state")
    GAME_ID_FIELD_NUMBER: _ClassVar[int]
    SEAT_FIELD_NUMBER: _ClassVar[int]
    TOKEN_FIELD_NUMBER: _ClassVar[int]
    CODE_FIELD_NUMBER: _ClassVar[int]
    GAME_FIELD_NUMBER: _ClassVar[int]
    STATE_FIELD_NUMBER: _ClassVar[int]
    game_id: str
    seat: int
    token: str
    code: str
    game: _games_pb2.GameDescription
    state: GameState
    def __init__(self, game_id: _Optional[str] = ..., seat: _Optional[int] = ..., token: _Optional[str] = ..., code: _Optional[str] = ..., game: _Optional[_Union[_games_pb2.GameDescription, _Mapping]] = ..., state: _Optional[_Union[GameState, _Mapping]] = ...) -> None: ...

class ListGamesRequest(_message.Message):
    __slots__ = ("game", "page", "size", "finished")
    GAME_FIELD_NUMBER: _ClassVar[int]
    PAGE_FIELD_NUMBER: _ClassVar[int]
    SIZE_FIELD_NUMBER: _ClassVar[int]
    FINISHED_FIELD_NUMBER: _ClassVar[int]
    game: str
    page: str
    size: int
    finished: bool
    def __init__(self, game: _Optional[str] = ..., page: _Optional[str] = ..., size: _Optional[int] = ..., finished: _Optional[bool] = ...) -> None: ...

class GameSummary(_message.Message):
    __slots__ = ("game_id", "game", "phase", "tick", "seats", "free_seats", "names", "replay", "returns")
    GAME_ID_FIELD_NUMBER: _ClassVar[int]
    GAME_FIELD_NUMBER: _ClassVar[int]
    PHASE_FIELD_NUMBER: _ClassVar[int]
    TICK_FIELD_NUMBER: _ClassVar[int]
    SEATS_FIELD_NUMBER: _ClassVar[int]
    FREE_SEATS_FIELD_NUMBER: _ClassVar[int]
    NAMES_FIELD_NUMBER: _ClassVar[int]
    REPLAY_FIELD_NUMBER: _ClassVar[int]
    RETURNS_FIELD_NUMBER: _ClassVar[int]
    game_id: str
    game: str
    phase: str
    tick: int
    seats: int
    free_seats: int
    names: _containers.RepeatedScalarFieldContainer[str]
    replay: str
    returns: _containers.RepeatedScalarFieldContainer[float]
    def __init__(self, game_id: _Optional[str] = ..., game: _Optional[str] = ..., phase: _Optional[str] = ..., tick: _Optional[int] = ..., seats: _Optional[int] = ..., free_seats: _Optional[int] = ..., names: _Optional[_Iterable[str]] = ..., replay: _Optional[str] = ..., returns: _Optional[_Iterable[float]] = ...) -> None: ...

class ListGamesResponse(_message.Message):
    __slots__ = ("games", "next_page", "agents")
    GAMES_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_FIELD_NUMBER: _ClassVar[int]
    AGENTS_FIELD_NUMBER: _ClassVar[int]
    games: _containers.RepeatedCompositeFieldContainer[GameSummary]
    next_page: str
    agents: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, games: _Optional[_Iterable[_Union[GameSummary, _Mapping]]] = ..., next_page: _Optional[str] = ..., agents: _Optional[_Iterable[str]] = ...) -> None: ...

class GameResult(_message.Message):
    __slots__ = ("returns", "places", "replay", "reason", "ratings", "unrated")
    RETURNS_FIELD_NUMBER: _ClassVar[int]
    PLACES_FIELD_NUMBER: _ClassVar[int]
    REPLAY_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    RATINGS_FIELD_NUMBER: _ClassVar[int]
    UNRATED_FIELD_NUMBER: _ClassVar[int]
    returns: _containers.RepeatedScalarFieldContainer[float]
    places: _containers.RepeatedScalarFieldContainer[int]
    replay: str
    reason: str
    ratings: _containers.RepeatedScalarFieldContainer[float]
    unrated: str
    def __init__(self, returns: _Optional[_Iterable[float]] = ..., places: _Optional[_Iterable[int]] = ..., replay: _Optional[str] = ..., reason: _Optional[str] = ..., ratings: _Optional[_Iterable[float]] = ..., unrated: _Optional[str] = ...) -> None: ...

class GameState(_message.Message):
    __slots__ = ("game_id", "phase", "tick", "seat", "view", "mask", "memory", "queue", "taken", "seconds_left", "names", "alive", "present", "result")
    GAME_ID_FIELD_NUMBER: _ClassVar[int]
    PHASE_FIELD_NUMBER: _ClassVar[int]
    TICK_FIELD_NUMBER: _ClassVar[int]
    SEAT_FIELD_NUMBER: _ClassVar[int]
    VIEW_FIELD_NUMBER: _ClassVar[int]
    MASK_FIELD_NUMBER: _ClassVar[int]
    MEMORY_FIELD_NUMBER: _ClassVar[int]
    QUEUE_FIELD_NUMBER: _ClassVar[int]
    TAKEN_FIELD_NUMBER: _ClassVar[int]
    SECONDS_LEFT_FIELD_NUMBER: _ClassVar[int]
    NAMES_FIELD_NUMBER: _ClassVar[int]
    ALIVE_FIELD_NUMBER: _ClassVar[int]
    PRESENT_FIELD_NUMBER: _ClassVar[int]
    RESULT_FIELD_NUMBER: _ClassVar[int]
    game_id: str
    phase: Phase
    tick: int
    seat: int
    view: bytes
    mask: bytes
    memory: bytes
    queue: _containers.RepeatedScalarFieldContainer[int]
    taken: int
    seconds_left: float
    names: _containers.RepeatedScalarFieldContainer[str]
    alive: _containers.RepeatedScalarFieldContainer[bool]
    present: _containers.RepeatedScalarFieldContainer[bool]
    result: GameResult
    def __init__(self, game_id: _Optional[str] = ..., phase: _Optional[_Union[Phase, str]] = ..., tick: _Optional[int] = ..., seat: _Optional[int] = ..., view: _Optional[bytes] = ..., mask: _Optional[bytes] = ..., memory: _Optional[bytes] = ..., queue: _Optional[_Iterable[int]] = ..., taken: _Optional[int] = ..., seconds_left: _Optional[float] = ..., names: _Optional[_Iterable[str]] = ..., alive: _Optional[_Iterable[bool]] = ..., present: _Optional[_Iterable[bool]] = ..., result: _Optional[_Union[GameResult, _Mapping]] = ...) -> None: ...

class GetGameStateRequest(_message.Message):
    __slots__ = ("token",)
    TOKEN_FIELD_NUMBER: _ClassVar[int]
    token: str
    def __init__(self, token: _Optional[str] = ...) -> None: ...

class SubmitActionRequest(_message.Message):
    __slots__ = ("token", "action", "tick", "idempotency_key")
    TOKEN_FIELD_NUMBER: _ClassVar[int]
    ACTION_FIELD_NUMBER: _ClassVar[int]
    TICK_FIELD_NUMBER: _ClassVar[int]
    IDEMPOTENCY_KEY_FIELD_NUMBER: _ClassVar[int]
    token: str
    action: int
    tick: int
    idempotency_key: str
    def __init__(self, token: _Optional[str] = ..., action: _Optional[int] = ..., tick: _Optional[int] = ..., idempotency_key: _Optional[str] = ...) -> None: ...

class PlayGameRequest(_message.Message):
    __slots__ = ("seat", "move")
    SEAT_FIELD_NUMBER: _ClassVar[int]
    MOVE_FIELD_NUMBER: _ClassVar[int]
    seat: StreamGameRequest
    move: SubmitActionRequest
    def __init__(self, seat: _Optional[_Union[StreamGameRequest, _Mapping]] = ..., move: _Optional[_Union[SubmitActionRequest, _Mapping]] = ...) -> None: ...

class MoveAnswer(_message.Message):
    __slots__ = ("next_tick", "code", "message")
    NEXT_TICK_FIELD_NUMBER: _ClassVar[int]
    CODE_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    next_tick: int
    code: str
    message: str
    def __init__(self, next_tick: _Optional[int] = ..., code: _Optional[str] = ..., message: _Optional[str] = ...) -> None: ...

class SubmitActionResponse(_message.Message):
    __slots__ = ("next_tick",)
    NEXT_TICK_FIELD_NUMBER: _ClassVar[int]
    next_tick: int
    def __init__(self, next_tick: _Optional[int] = ...) -> None: ...

class QueueActionsRequest(_message.Message):
    __slots__ = ("token", "clear", "undo", "actions", "number")
    TOKEN_FIELD_NUMBER: _ClassVar[int]
    CLEAR_FIELD_NUMBER: _ClassVar[int]
    UNDO_FIELD_NUMBER: _ClassVar[int]
    ACTIONS_FIELD_NUMBER: _ClassVar[int]
    NUMBER_FIELD_NUMBER: _ClassVar[int]
    token: str
    clear: bool
    undo: bool
    actions: _containers.RepeatedScalarFieldContainer[int]
    number: int
    def __init__(self, token: _Optional[str] = ..., clear: _Optional[bool] = ..., undo: _Optional[bool] = ..., actions: _Optional[_Iterable[int]] = ..., number: _Optional[int] = ...) -> None: ...

class QueueActionsResponse(_message.Message):
    __slots__ = ("length",)
    LENGTH_FIELD_NUMBER: _ClassVar[int]
    length: int
    def __init__(self, length: _Optional[int] = ...) -> None: ...

class StreamGameRequest(_message.Message):
    __slots__ = ("token",)
    TOKEN_FIELD_NUMBER: _ClassVar[int]
    token: str
    def __init__(self, token: _Optional[str] = ...) -> None: ...

class Patch(_message.Message):
    __slots__ = ("start", "length", "data")
    START_FIELD_NUMBER: _ClassVar[int]
    LENGTH_FIELD_NUMBER: _ClassVar[int]
    DATA_FIELD_NUMBER: _ClassVar[int]
    start: _containers.RepeatedScalarFieldContainer[int]
    length: _containers.RepeatedScalarFieldContainer[int]
    data: bytes
    def __init__(self, start: _Optional[_Iterable[int]] = ..., length: _Optional[_Iterable[int]] = ..., data: _Optional[bytes] = ...) -> None: ...

class StateDelta(_message.Message):
    __slots__ = ("state", "view", "mask", "memory")
    STATE_FIELD_NUMBER: _ClassVar[int]
    VIEW_FIELD_NUMBER: _ClassVar[int]
    MASK_FIELD_NUMBER: _ClassVar[int]
    MEMORY_FIELD_NUMBER: _ClassVar[int]
    state: GameState
    view: Patch
    mask: Patch
    memory: Patch
    def __init__(self, state: _Optional[_Union[GameState, _Mapping]] = ..., view: _Optional[_Union[Patch, _Mapping]] = ..., mask: _Optional[_Union[Patch, _Mapping]] = ..., memory: _Optional[_Union[Patch, _Mapping]] = ...) -> None: ...

class GameEvent(_message.Message):
    __slots__ = ("kind", "tick", "data")
    KIND_FIELD_NUMBER: _ClassVar[int]
    TICK_FIELD_NUMBER: _ClassVar[int]
    DATA_FIELD_NUMBER: _ClassVar[int]
    kind: EventKind
    tick: int
    data: _struct_pb2.Struct
    def __init__(self, kind: _Optional[_Union[EventKind, str]] = ..., tick: _Optional[int] = ..., data: _Optional[_Union[_struct_pb2.Struct, _Mapping]] = ...) -> None: ...

class GameUpdate(_message.Message):
    __slots__ = ("full", "delta", "event", "answer")
    FULL_FIELD_NUMBER: _ClassVar[int]
    DELTA_FIELD_NUMBER: _ClassVar[int]
    EVENT_FIELD_NUMBER: _ClassVar[int]
    ANSWER_FIELD_NUMBER: _ClassVar[int]
    full: GameState
    delta: StateDelta
    event: GameEvent
    answer: MoveAnswer
    def __init__(self, full: _Optional[_Union[GameState, _Mapping]] = ..., delta: _Optional[_Union[StateDelta, _Mapping]] = ..., event: _Optional[_Union[GameEvent, _Mapping]] = ..., answer: _Optional[_Union[MoveAnswer, _Mapping]] = ...) -> None: ...

class GetReplayRequest(_message.Message):
    __slots__ = ("replay",)
    REPLAY_FIELD_NUMBER: _ClassVar[int]
    replay: str
    def __init__(self, replay: _Optional[str] = ...) -> None: ...

class Replay(_message.Message):
    __slots__ = ("kind", "version", "seed", "players", "ticks", "actions", "returns", "truncated", "final_hash")
    KIND_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    SEED_FIELD_NUMBER: _ClassVar[int]
    PLAYERS_FIELD_NUMBER: _ClassVar[int]
    TICKS_FIELD_NUMBER: _ClassVar[int]
    ACTIONS_FIELD_NUMBER: _ClassVar[int]
    RETURNS_FIELD_NUMBER: _ClassVar[int]
    TRUNCATED_FIELD_NUMBER: _ClassVar[int]
    FINAL_HASH_FIELD_NUMBER: _ClassVar[int]
    kind: _games_pb2.GameKind
    version: str
    seed: int
    players: _containers.RepeatedScalarFieldContainer[str]
    ticks: int
    actions: bytes
    returns: _containers.RepeatedScalarFieldContainer[float]
    truncated: bool
    final_hash: str
    def __init__(self, kind: _Optional[_Union[_games_pb2.GameKind, _Mapping]] = ..., version: _Optional[str] = ..., seed: _Optional[int] = ..., players: _Optional[_Iterable[str]] = ..., ticks: _Optional[int] = ..., actions: _Optional[bytes] = ..., returns: _Optional[_Iterable[float]] = ..., truncated: _Optional[bool] = ..., final_hash: _Optional[str] = ...) -> None: ...

class SendSignalRequest(_message.Message):
    __slots__ = ("token", "chat", "force_start")
    TOKEN_FIELD_NUMBER: _ClassVar[int]
    CHAT_FIELD_NUMBER: _ClassVar[int]
    FORCE_START_FIELD_NUMBER: _ClassVar[int]
    token: str
    chat: str
    force_start: bool
    def __init__(self, token: _Optional[str] = ..., chat: _Optional[str] = ..., force_start: _Optional[bool] = ...) -> None: ...

class SendSignalResponse(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class LeaveGameRequest(_message.Message):
    __slots__ = ("token", "surrender")
    TOKEN_FIELD_NUMBER: _ClassVar[int]
    SURRENDER_FIELD_NUMBER: _ClassVar[int]
    token: str
    surrender: bool
    def __init__(self, token: _Optional[str] = ..., surrender: _Optional[bool] = ...) -> None: ...

class LeaveGameResponse(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...
