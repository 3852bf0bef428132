# ruff: noqa
# fmt: off
# mypy: ignore-errors
from strategos.server.grpc.v1 import games_pb2 as _games_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Autoreset(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    AUTORESET_DISABLED: _ClassVar[Autoreset]
    AUTORESET_NEXT_STEP: _ClassVar[Autoreset]
    AUTORESET_SAME_STEP: _ClassVar[Autoreset]

class Compression(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    COMPRESSION_NONE: _ClassVar[Compression]
    COMPRESSION_ZSTD: _ClassVar[Compression]
AUTORESET_DISABLED: Autoreset
AUTORESET_NEXT_STEP: Autoreset
AUTORESET_SAME_STEP: Autoreset
COMPRESSION_NONE: Compression
COMPRESSION_ZSTD: Compression

class CreateBatchGamesRequest(_message.Message):
    __slots__ = ("kind", "num_games", "seed", "tick_limit", "autoreset", "agents", "memories")
    class AgentsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: int
        value: str
        def __init__(self, key: _Optional[int] = ..., value: _Optional[str] = ...) -> None: ...
    KIND_FIELD_NUMBER: _ClassVar[int]
    NUM_GAMES_FIELD_NUMBER: _ClassVar[int]
    SEED_FIELD_NUMBER: _ClassVar[int]
    TICK_LIMIT_FIELD_NUMBER: _ClassVar[int]
    AUTORESET_FIELD_NUMBER: _ClassVar[int]
    AGENTS_FIELD_NUMBER: _ClassVar[int]
    MEMORIES_FIELD_NUMBER: _ClassVar[int]
    kind: _games_pb2.GameKind
    num_games: int
    seed: int
    tick_limit: int
    autoreset: Autoreset
    agents: _containers.ScalarMap[int, str]
    memories: bool
    def __init__(self, kind: _Optional[_Union[_games_pb2.GameKind, _Mapping]] = ..., num_games: _Optional[int] = ..., seed: _Optional[int] = ..., tick_limit: _Optional[int] = ..., autoreset: _Optional[_Union[Autoreset, str]] = ..., agents: _Optional[_Mapping[int, str]] = ..., memories: _Optional[bool] = ...) -> None: ...

class CreateBatchGamesResponse(_message.Message):
    __slots__ = ("batch", "game", "seats")
    BATCH_FIELD_NUMBER: _ClassVar[int]
    GAME_FIELD_NUMBER: _ClassVar[int]
    SEATS_FIELD_NUMBER: _ClassVar[int]
    batch: str
    game: _games_pb2.GameDescription
    seats: _containers.RepeatedScalarFieldContainer[int]
    def __init__(self, batch: _Optional[str] = ..., game: _Optional[_Union[_games_pb2.GameDescription, _Mapping]] = ..., seats: _Optional[_Iterable[int]] = ...) -> None: ...

class Wanted(_message.Message):
    __slots__ = ("views", "masks", "memories", "compression")
    VIEWS_FIELD_NUMBER: _ClassVar[int]
    MASKS_FIELD_NUMBER: _ClassVar[int]
    MEMORIES_FIELD_NUMBER: _ClassVar[int]
    COMPRESSION_FIELD_NUMBER: _ClassVar[int]
    views: bool
    masks: bool
    memories: bool
    compression: Compression
    def __init__(self, views: _Optional[bool] = ..., masks: _Optional[bool] = ..., memories: _Optional[bool] = ..., compression: _Optional[_Union[Compression, str]] = ...) -> None: ...

class GetBatchStatesRequest(_message.Message):
    __slots__ = ("batch", "wanted", "rows")
    BATCH_FIELD_NUMBER: _ClassVar[int]
    WANTED_FIELD_NUMBER: _ClassVar[int]
    ROWS_FIELD_NUMBER: _ClassVar[int]
    batch: str
    wanted: Wanted
    rows: _containers.RepeatedScalarFieldContainer[int]
    def __init__(self, batch: _Optional[str] = ..., wanted: _Optional[_Union[Wanted, _Mapping]] = ..., rows: _Optional[_Iterable[int]] = ...) -> None: ...

class SubmitBatchActionsRequest(_message.Message):
    __slots__ = ("batch", "step", "actions", "wanted")
    BATCH_FIELD_NUMBER: _ClassVar[int]
    STEP_FIELD_NUMBER: _ClassVar[int]
    ACTIONS_FIELD_NUMBER: _ClassVar[int]
    WANTED_FIELD_NUMBER: _ClassVar[int]
    batch: str
    step: int
    actions: bytes
    wanted: Wanted
    def __init__(self, batch: _Optional[str] = ..., step: _Optional[int] = ..., actions: _Optional[bytes] = ..., wanted: _Optional[_Union[Wanted, _Mapping]] = ...) -> None: ...

class ResetBatchGamesRequest(_message.Message):
    __slots__ = ("batch", "rows", "seeds", "wanted")
    BATCH_FIELD_NUMBER: _ClassVar[int]
    ROWS_FIELD_NUMBER: _ClassVar[int]
    SEEDS_FIELD_NUMBER: _ClassVar[int]
    WANTED_FIELD_NUMBER: _ClassVar[int]
    batch: str
    rows: _containers.RepeatedScalarFieldContainer[int]
    seeds: bytes
    wanted: Wanted
    def __init__(self, batch: _Optional[str] = ..., rows: _Optional[_Iterable[int]] = ..., seeds: _Optional[bytes] = ..., wanted: _Optional[_Union[Wanted, _Mapping]] = ...) -> None: ...

class BatchStates(_message.Message):
    __slots__ = ("step", "num_games", "views", "masks", "memories", "terminated", "truncated", "illegal", "returns", "final_rows", "final_views", "compression")
    STEP_FIELD_NUMBER: _ClassVar[int]
    NUM_GAMES_FIELD_NUMBER: _ClassVar[int]
    VIEWS_FIELD_NUMBER: _ClassVar[int]
    MASKS_FIELD_NUMBER: _ClassVar[int]
    MEMORIES_FIELD_NUMBER: _ClassVar[int]
    TERMINATED_FIELD_NUMBER: _ClassVar[int]
    TRUNCATED_FIELD_NUMBER: _ClassVar[int]
    ILLEGAL_FIELD_NUMBER: _ClassVar[int]
    RETURNS_FIELD_NUMBER: _ClassVar[int]
    FINAL_ROWS_FIELD_NUMBER: _ClassVar[int]
    FINAL_VIEWS_FIELD_NUMBER: _ClassVar[int]
    COMPRESSION_FIELD_NUMBER: _ClassVar[int]
    step: int
    num_games: int
    views: bytes
    masks: bytes
    memories: bytes
    terminated: bytes
    truncated: bytes
    illegal: bytes
    returns: bytes
    final_rows: bytes
    final_views: bytes
    compression: Compression
    def __init__(self, step: _Optional[int] = ..., num_games: _Optional[int] = ..., views: _Optional[bytes] = ..., masks: _Optional[bytes] = ..., memories: _Optional[bytes] = ..., terminated: _Optional[bytes] = ..., truncated: _Optional[bytes] = ..., illegal: _Optional[bytes] = ..., returns: _Optional[bytes] = ..., final_rows: _Optional[bytes] = ..., final_views: _Optional[bytes] = ..., compression: _Optional[_Union[Compression, str]] = ...) -> None: ...

class CloseBatchGamesRequest(_message.Message):
    __slots__ = ("batch",)
    BATCH_FIELD_NUMBER: _ClassVar[int]
    batch: str
    def __init__(self, batch: _Optional[str] = ...) -> None: ...

class CloseBatchGamesResponse(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...
