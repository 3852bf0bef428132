# ruff: noqa
# fmt: off
# mypy: ignore-errors
from google.protobuf import struct_pb2 as _struct_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class GameKind(_message.Message):
    __slots__ = ("name", "options")
    NAME_FIELD_NUMBER: _ClassVar[int]
    OPTIONS_FIELD_NUMBER: _ClassVar[int]
    name: str
    options: _struct_pb2.Struct
    def __init__(self, name: _Optional[str] = ..., options: _Optional[_Union[_struct_pb2.Struct, _Mapping]] = ...) -> None: ...

class Field(_message.Message):
    __slots__ = ("name", "type", "offset", "shape")
    NAME_FIELD_NUMBER: _ClassVar[int]
    TYPE_FIELD_NUMBER: _ClassVar[int]
    OFFSET_FIELD_NUMBER: _ClassVar[int]
    SHAPE_FIELD_NUMBER: _ClassVar[int]
    name: str
    type: str
    offset: int
    shape: _containers.RepeatedScalarFieldContainer[int]
    def __init__(self, name: _Optional[str] = ..., type: _Optional[str] = ..., offset: _Optional[int] = ..., shape: _Optional[_Iterable[int]] = ...) -> None: ...

class Layout(_message.Message):
    __slots__ = ("size_bytes", "fields")
    SIZE_BYTES_FIELD_NUMBER: _ClassVar[int]
    FIELDS_FIELD_NUMBER: _ClassVar[int]
    size_bytes: int
    fields: _containers.RepeatedCompositeFieldContainer[Field]
    def __init__(self, size_bytes: _Optional[int] = ..., fields: _Optional[_Iterable[_Union[Field, _Mapping]]] = ...) -> None: ...

class GameDescription(_message.Message):
    __slots__ = ("kind", "num_players", "num_actions", "mask_bytes", "simultaneous", "max_ticks", "view", "memory")
    KIND_FIELD_NUMBER: _ClassVar[int]
    NUM_PLAYERS_FIELD_NUMBER: _ClassVar[int]
    NUM_ACTIONS_FIELD_NUMBER: _ClassVar[int]
    MASK_BYTES_FIELD_NUMBER: _ClassVar[int]
    SIMULTANEOUS_FIELD_NUMBER: _ClassVar[int]
    MAX_TICKS_FIELD_NUMBER: _ClassVar[int]
    VIEW_FIELD_NUMBER: _ClassVar[int]
    MEMORY_FIELD_NUMBER: _ClassVar[int]
    kind: GameKind
    num_players: int
    num_actions: int
    mask_bytes: int
    simultaneous: bool
    max_ticks: int
    view: Layout
    memory: Layout
    def __init__(self, kind: _Optional[_Union[GameKind, _Mapping]] = ..., num_players: _Optional[int] = ..., num_actions: _Optional[int] = ..., mask_bytes: _Optional[int] = ..., simultaneous: _Optional[bool] = ..., max_ticks: _Optional[int] = ..., view: _Optional[_Union[Layout, _Mapping]] = ..., memory: _Optional[_Union[Layout, _Mapping]] = ...) -> None: ...
