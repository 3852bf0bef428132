"""Columns of bytes and the arrays that they are, layouts of records, and patches between two of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import zstandard
from google.protobuf import struct_pb2

from strategos.games.spec import Game
from strategos.server.grpc.v1 import game_service_pb2, games_pb2

GAP = 12
"""Equal bytes between two changes that are cheaper to send again than to begin a new run."""


class ColumnError(ValueError):
    """A column that is not as long as it must be, or that cannot be unpacked."""


def read_column(data: bytes, dtype: np.dtype | type | str, shape: tuple[int, ...], what: str) -> np.ndarray:
    """`data` as a read-only array; `ColumnError` that says how long `what` must be."""
    kind = np.dtype(dtype)
    expected = kind.itemsize * int(np.prod(shape, dtype=np.int64))
    if len(data) != expected:
        raise ColumnError(
            f"{what} must hold {expected} bytes ({' x '.join(map(str, shape))} of {kind.itemsize}), "
            f"not {len(data)}"
        )
    return np.frombuffer(data, kind).reshape(shape)


def write_column(array: np.ndarray, compressor: zstandard.ZstdCompressor | None = None) -> bytes:
    """An array as bytes, in a zstd frame where there is a `compressor`."""
    data = array.tobytes()
    return data if compressor is None else compressor.compress(data)


def unpack_column(data: bytes, size: int, what: str) -> bytes:
    """The `size` bytes of a zstd frame; `ColumnError` for a frame of any other size, and nothing unpacked."""
    if not data and size == 0:
        return b""
    try:
        if zstandard.frame_content_size(data) != size:
            raise ColumnError(f"the frame of {what} does not hold {size} bytes")
        return zstandard.ZstdDecompressor().decompress(data, max_output_size=size)
    except zstandard.ZstdError as error:
        raise ColumnError(f"the frame of {what} cannot be read: {error}") from None


def layout_of(dtype: np.dtype) -> games_pb2.Layout:
    """Where every field of a record is."""
    layout = games_pb2.Layout(size_bytes=dtype.itemsize)
    for name in dtype.names or ():
        kind, offset = dtype.fields[name][:2]  # type: ignore[index]
        layout.fields.add(name=name, type=kind.base.str[1:], offset=offset, shape=kind.shape)
    return layout


def describe(game: Game) -> games_pb2.GameDescription:
    """What a program needs to know of a game before it can play it."""
    spec = game.spec
    return games_pb2.GameDescription(
        kind=games_pb2.GameKind(name=spec.name, options=to_struct(game.options)),
        num_players=spec.num_players,
        num_actions=spec.num_actions,
        mask_bytes=spec.mask_bytes,
        simultaneous=spec.simultaneous,
        max_ticks=spec.max_ticks,
        view=layout_of(game.view_dtype),
        memory=layout_of(game.memory_dtype) if spec.has_memory else None,
    )


def to_struct(values: Mapping[str, Any]) -> struct_pb2.Struct:
    """Plain values as a Struct; what is None is left out, and what is none of JSON's becomes text."""
    struct = struct_pb2.Struct()
    for name, value in values.items():
        if value is not None:
            _enter(struct.fields[str(name)], value)
    return struct


def _enter(target: struct_pb2.Value, value: Any) -> None:
    if value is None:
        target.null_value = struct_pb2.NULL_VALUE
    elif isinstance(value, (bool, np.bool_)):
        target.bool_value = bool(value)
    elif isinstance(value, (int, float, np.integer, np.floating)):
        target.number_value = float(value)
    elif isinstance(value, Mapping):
        target.struct_value.CopyFrom(to_struct(value))
    elif isinstance(value, (list, tuple, np.ndarray)):
        target.list_value.SetInParent()
        for each in value:
            _enter(target.list_value.values.add(), each)
    else:
        target.string_value = str(value)


def from_struct(struct: struct_pb2.Struct) -> dict[str, Any]:
    """A Struct as plain values; whole numbers become `int`. `ColumnError` for tables nested too deep."""
    return {name: _plain(value, 0) for name, value in struct.fields.items()}


def _plain(value: struct_pb2.Value, depth: int) -> Any:
    if depth > 8:
        raise ColumnError("lists and tables are nested too deep")
    kind = value.WhichOneof("kind")
    if kind == "number_value":
        number = value.number_value
        return int(number) if number.is_integer() and abs(number) < 2**53 else number
    if kind == "list_value":
        return [_plain(each, depth + 1) for each in value.list_value.values]
    if kind == "struct_value":
        return {name: _plain(each, depth + 1) for name, each in value.struct_value.fields.items()}
    return None if kind in (None, "null_value") else getattr(value, kind)


def make_patch(before: bytes, after: bytes) -> game_service_pb2.Patch:
    """The bytes of `after` that differ from `before`, which is as long."""
    if before == after:
        return game_service_pb2.Patch()
    changed = np.flatnonzero(np.frombuffer(before, np.uint8) != np.frombuffer(after, np.uint8)).tolist()
    starts, ends = [changed[0]], []
    last = changed[0]
    for place in changed:  # of a tick these are a few dozen: half the time that arrays take
        if place - last > GAP:
            ends.append(last + 1)
            starts.append(place)
        last = place
    ends.append(last + 1)
    runs = list(zip(starts, ends, strict=True))
    return game_service_pb2.Patch(
        start=starts,
        length=[end - start for start, end in runs],
        data=b"".join([after[start:end] for start, end in runs]),
    )


def apply_patch(before: bytes, patch: game_service_pb2.Patch) -> bytes:
    """What `make_patch` was given as `after`; `ColumnError` for a patch that does not fit."""
    if not patch.start:
        return before
    if len(patch.start) != len(patch.length):
        raise ColumnError("a patch has as many lengths as starts")
    after, place = bytearray(before), 0
    for start, length in zip(patch.start, patch.length, strict=True):
        if start + length > len(after) or place + length > len(patch.data):
            raise ColumnError("a patch goes beyond the bytes that it changes")
        after[start : start + length] = patch.data[place : place + length]
        place += length
    return bytes(after)
