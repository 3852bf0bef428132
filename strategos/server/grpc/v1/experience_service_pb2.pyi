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

class WhenFull(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    WHEN_FULL_DROP_OLDEST: _ClassVar[WhenFull]
    WHEN_FULL_SAMPLE: _ClassVar[WhenFull]
    WHEN_FULL_BLOCK: _ClassVar[WhenFull]
WHEN_FULL_DROP_OLDEST: WhenFull
WHEN_FULL_SAMPLE: WhenFull
WHEN_FULL_BLOCK: WhenFull

class ExperienceRequest(_message.Message):
    __slots__ = ("subscribe", "credits")
    SUBSCRIBE_FIELD_NUMBER: _ClassVar[int]
    CREDITS_FIELD_NUMBER: _ClassVar[int]
    subscribe: Subscription
    credits: int
    def __init__(self, subscribe: _Optional[_Union[Subscription, _Mapping]] = ..., credits: _Optional[int] = ...) -> None: ...

class Subscription(_message.Message):
    __slots__ = ("key", "games", "episodes", "players", "seats", "minimum_tick", "history", "follow", "when_full", "batch_chunks", "maximum_wait_ms", "credits")
    KEY_FIELD_NUMBER: _ClassVar[int]
    GAMES_FIELD_NUMBER: _ClassVar[int]
    EPISODES_FIELD_NUMBER: _ClassVar[int]
    PLAYERS_FIELD_NUMBER: _ClassVar[int]
    SEATS_FIELD_NUMBER: _ClassVar[int]
    MINIMUM_TICK_FIELD_NUMBER: _ClassVar[int]
    HISTORY_FIELD_NUMBER: _ClassVar[int]
    FOLLOW_FIELD_NUMBER: _ClassVar[int]
    WHEN_FULL_FIELD_NUMBER: _ClassVar[int]
    BATCH_CHUNKS_FIELD_NUMBER: _ClassVar[int]
    MAXIMUM_WAIT_MS_FIELD_NUMBER: _ClassVar[int]
    CREDITS_FIELD_NUMBER: _ClassVar[int]
    key: str
    games: _containers.RepeatedScalarFieldContainer[str]
    episodes: _containers.RepeatedScalarFieldContainer[str]
    players: _containers.RepeatedScalarFieldContainer[str]
    seats: _containers.RepeatedScalarFieldContainer[int]
    minimum_tick: int
    history: bool
    follow: bool
    when_full: WhenFull
    batch_chunks: int
    maximum_wait_ms: int
    credits: int
    def __init__(self, key: _Optional[str] = ..., games: _Optional[_Iterable[str]] = ..., episodes: _Optional[_Iterable[str]] = ..., players: _Optional[_Iterable[str]] = ..., seats: _Optional[_Iterable[int]] = ..., minimum_tick: _Optional[int] = ..., history: _Optional[bool] = ..., follow: _Optional[bool] = ..., when_full: _Optional[_Union[WhenFull, str]] = ..., batch_chunks: _Optional[int] = ..., maximum_wait_ms: _Optional[int] = ..., credits: _Optional[int] = ...) -> None: ...

class KnownGame(_message.Message):
    __slots__ = ("kind", "game")
    KIND_FIELD_NUMBER: _ClassVar[int]
    GAME_FIELD_NUMBER: _ClassVar[int]
    kind: str
    game: _games_pb2.GameDescription
    def __init__(self, kind: _Optional[str] = ..., game: _Optional[_Union[_games_pb2.GameDescription, _Mapping]] = ...) -> None: ...

class Episode(_message.Message):
    __slots__ = ("episode", "seat")
    EPISODE_FIELD_NUMBER: _ClassVar[int]
    SEAT_FIELD_NUMBER: _ClassVar[int]
    episode: str
    seat: int
    def __init__(self, episode: _Optional[str] = ..., seat: _Optional[int] = ...) -> None: ...

class ExperienceBatch(_message.Message):
    __slots__ = ("games", "chunks", "dropped", "dropped_episodes")
    GAMES_FIELD_NUMBER: _ClassVar[int]
    CHUNKS_FIELD_NUMBER: _ClassVar[int]
    DROPPED_FIELD_NUMBER: _ClassVar[int]
    DROPPED_EPISODES_FIELD_NUMBER: _ClassVar[int]
    games: _containers.RepeatedCompositeFieldContainer[KnownGame]
    chunks: _containers.RepeatedScalarFieldContainer[bytes]
    dropped: _containers.RepeatedCompositeFieldContainer[Episode]
    dropped_episodes: int
    def __init__(self, games: _Optional[_Iterable[_Union[KnownGame, _Mapping]]] = ..., chunks: _Optional[_Iterable[bytes]] = ..., dropped: _Optional[_Iterable[_Union[Episode, _Mapping]]] = ..., dropped_episodes: _Optional[int] = ...) -> None: ...

class SubmitExperiencesRequest(_message.Message):
    __slots__ = ("key", "kind", "chunks")
    KEY_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    CHUNKS_FIELD_NUMBER: _ClassVar[int]
    key: str
    kind: _games_pb2.GameKind
    chunks: _containers.RepeatedScalarFieldContainer[bytes]
    def __init__(self, key: _Optional[str] = ..., kind: _Optional[_Union[_games_pb2.GameKind, _Mapping]] = ..., chunks: _Optional[_Iterable[bytes]] = ...) -> None: ...

class RefusedChunk(_message.Message):
    __slots__ = ("index", "reason")
    INDEX_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    index: int
    reason: str
    def __init__(self, index: _Optional[int] = ..., reason: _Optional[str] = ...) -> None: ...

class SubmitExperiencesResponse(_message.Message):
    __slots__ = ("accepted", "refused")
    ACCEPTED_FIELD_NUMBER: _ClassVar[int]
    REFUSED_FIELD_NUMBER: _ClassVar[int]
    accepted: int
    refused: _containers.RepeatedCompositeFieldContainer[RefusedChunk]
    def __init__(self, accepted: _Optional[int] = ..., refused: _Optional[_Iterable[_Union[RefusedChunk, _Mapping]]] = ...) -> None: ...

class GetExperienceStatsRequest(_message.Message):
    __slots__ = ("key",)
    KEY_FIELD_NUMBER: _ClassVar[int]
    key: str
    def __init__(self, key: _Optional[str] = ...) -> None: ...

class ConsumerStats(_message.Message):
    __slots__ = ("queued_chunks", "delivered_chunks", "delivered_steps", "dropped_episodes")
    QUEUED_CHUNKS_FIELD_NUMBER: _ClassVar[int]
    DELIVERED_CHUNKS_FIELD_NUMBER: _ClassVar[int]
    DELIVERED_STEPS_FIELD_NUMBER: _ClassVar[int]
    DROPPED_EPISODES_FIELD_NUMBER: _ClassVar[int]
    queued_chunks: int
    delivered_chunks: int
    delivered_steps: int
    dropped_episodes: int
    def __init__(self, queued_chunks: _Optional[int] = ..., delivered_chunks: _Optional[int] = ..., delivered_steps: _Optional[int] = ..., dropped_episodes: _Optional[int] = ...) -> None: ...

class ExperienceStats(_message.Message):
    __slots__ = ("episodes", "chunks", "steps", "refused_chunks", "open_games", "waiting_ticks", "consumers")
    EPISODES_FIELD_NUMBER: _ClassVar[int]
    CHUNKS_FIELD_NUMBER: _ClassVar[int]
    STEPS_FIELD_NUMBER: _ClassVar[int]
    REFUSED_CHUNKS_FIELD_NUMBER: _ClassVar[int]
    OPEN_GAMES_FIELD_NUMBER: _ClassVar[int]
    WAITING_TICKS_FIELD_NUMBER: _ClassVar[int]
    CONSUMERS_FIELD_NUMBER: _ClassVar[int]
    episodes: int
    chunks: int
    steps: int
    refused_chunks: int
    open_games: int
    waiting_ticks: int
    consumers: _containers.RepeatedCompositeFieldContainer[ConsumerStats]
    def __init__(self, episodes: _Optional[int] = ..., chunks: _Optional[int] = ..., steps: _Optional[int] = ..., refused_chunks: _Optional[int] = ..., open_games: _Optional[int] = ..., waiting_ticks: _Optional[int] = ..., consumers: _Optional[_Iterable[_Union[ConsumerStats, _Mapping]]] = ...) -> None: ...
