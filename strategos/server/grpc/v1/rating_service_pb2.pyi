# ruff: noqa
# fmt: off
# mypy: ignore-errors
from strategos.server.grpc.v1 import game_service_pb2 as _game_service_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class ReportResultRequest(_message.Message):
    __slots__ = ("key", "game")
    KEY_FIELD_NUMBER: _ClassVar[int]
    GAME_FIELD_NUMBER: _ClassVar[int]
    key: str
    game: _game_service_pb2.Replay
    def __init__(self, key: _Optional[str] = ..., game: _Optional[_Union[_game_service_pb2.Replay, _Mapping]] = ...) -> None: ...

class ReportResultResponse(_message.Message):
    __slots__ = ("replay", "ratings")
    REPLAY_FIELD_NUMBER: _ClassVar[int]
    RATINGS_FIELD_NUMBER: _ClassVar[int]
    replay: str
    ratings: _containers.RepeatedScalarFieldContainer[float]
    def __init__(self, replay: _Optional[str] = ..., ratings: _Optional[_Iterable[float]] = ...) -> None: ...

class GetLeaderboardRequest(_message.Message):
    __slots__ = ("game", "size", "mode")
    GAME_FIELD_NUMBER: _ClassVar[int]
    SIZE_FIELD_NUMBER: _ClassVar[int]
    MODE_FIELD_NUMBER: _ClassVar[int]
    game: str
    size: int
    mode: str
    def __init__(self, game: _Optional[str] = ..., size: _Optional[int] = ..., mode: _Optional[str] = ...) -> None: ...

class Standing(_message.Message):
    __slots__ = ("name", "rating", "mu", "sigma", "games", "wins")
    NAME_FIELD_NUMBER: _ClassVar[int]
    RATING_FIELD_NUMBER: _ClassVar[int]
    MU_FIELD_NUMBER: _ClassVar[int]
    SIGMA_FIELD_NUMBER: _ClassVar[int]
    GAMES_FIELD_NUMBER: _ClassVar[int]
    WINS_FIELD_NUMBER: _ClassVar[int]
    name: str
    rating: float
    mu: float
    sigma: float
    games: int
    wins: int
    def __init__(self, name: _Optional[str] = ..., rating: _Optional[float] = ..., mu: _Optional[float] = ..., sigma: _Optional[float] = ..., games: _Optional[int] = ..., wins: _Optional[int] = ...) -> None: ...

class Leaderboard(_message.Message):
    __slots__ = ("game", "standings")
    GAME_FIELD_NUMBER: _ClassVar[int]
    STANDINGS_FIELD_NUMBER: _ClassVar[int]
    game: str
    standings: _containers.RepeatedCompositeFieldContainer[Standing]
    def __init__(self, game: _Optional[str] = ..., standings: _Optional[_Iterable[_Union[Standing, _Mapping]]] = ...) -> None: ...
