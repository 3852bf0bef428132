"""Chunks of experience as bytes: at most 64 steps of one player of one game, whole or refused.

A chunk is a header and one zstd frame. The header (32 bytes, little end first) is the magic `SXC1`, a crc32
of all that follows it, the length of the description, the number of steps, the bytes of a view and of a mask,
and the number of raw bytes. The frame holds the description (MessagePack), then arrays one after the other:

    ticks int32 [n], actions int32 [n], rewards float32 [n], done uint8 [n], masks [n, mask_bytes],
    views [n + 1, view_bytes]

The view after step `i` is `views[i + 1]`. What a chunk is made of is in `transitions`, who gets it in
`consumers`.
"""

from __future__ import annotations

import hashlib
import json
import struct
import zlib
from collections.abc import Sequence
from dataclasses import dataclass

import msgspec
import numpy as np
import zstandard

from strategos.games.spec import Game

CHUNK_STEPS = 64
RUNNING, TERMINATED, TRUNCATED = range(3)
"""What `done` says of a step: the player goes on, the rules ended the game, or somebody else did."""

_MAGIC = b"SXC1"
_HEADER = struct.Struct("<4sIHHIIQ4x")
_PER_STEP = 4 + 4 + 4 + 1
_MOST_BYTES = 64 << 20
"""Of an unpacked chunk: 64 views of 16 players on a board of 100 x 100 tiles are 6 MB."""


class ChunkError(ValueError):
    """Bytes that are no chunk, or a damaged one; the text says what is wrong."""


class _Description(msgspec.Struct, array_like=True, forbid_unknown_fields=True):
    kind: str
    episode: str
    seat: int
    player: str
    first: int


@dataclass(frozen=True)
class Chunk:
    """Steps `first` to `first + len(actions)` of one player of one game."""

    kind: str
    """Which game with which options and layout, see `kind_of`."""
    episode: str
    """Which game it was, see `episode_of`."""
    seat: int
    player: str
    first: int
    ticks: np.ndarray
    """int32 [n], when each action was chosen."""
    actions: np.ndarray
    """int32 [n]; -1 where the player left the game."""
    rewards: np.ndarray
    """float32 [n], all that the player gained until its next step."""
    done: np.ndarray
    """uint8 [n]: `RUNNING`, or on the last step of a game `TERMINATED` or `TRUNCATED`."""
    masks: np.ndarray
    """uint8 [n, mask_bytes], packed legal actions."""
    views: np.ndarray
    """uint8 [n + 1, view_bytes], records of the game's `view_dtype`: of each step and after the last."""

    @property
    def steps(self) -> int:
        return len(self.actions)

    @property
    def last(self) -> bool:
        """Whether the episode of this player ends with it."""
        return bool(self.done[-1] != RUNNING)

    def since(self, tick: int) -> Chunk | None:
        """The steps from `tick` on, None where there are none."""
        start = int(np.searchsorted(self.ticks, tick))
        if start == 0:
            return self
        if start == self.steps:
            return None
        cut = slice(start, None)
        return Chunk(
            self.kind,
            self.episode,
            self.seat,
            self.player,
            self.first + start,
            self.ticks[cut],
            self.actions[cut],
            self.rewards[cut],
            self.done[cut],
            self.masks[cut],
            self.views[cut],
        )


def kind_of(game: Game) -> str:
    """A short name of the game, its options and the layout of its views: 16 hexadecimal digits."""
    told = [game.spec.name, game.options, str(game.view_dtype.descr), game.spec.mask_bytes]
    return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()[:16]


def episode_of(kind: str, seed: int, players: Sequence[str]) -> str:
    """The id of a game in chunks, the same while it is played and out of its record."""
    told = json.dumps([kind, seed, list(players)])
    return hashlib.sha256(told.encode()).hexdigest()[:24]


def encode_chunk(chunk: Chunk, compressor: zstandard.ZstdCompressor | None = None) -> bytes:
    """A chunk as bytes, the same for the same chunk. `compressor` spares making one; one a thread."""
    described = msgspec.msgpack.encode(
        _Description(chunk.kind, chunk.episode, chunk.seat, chunk.player, chunk.first)
    )
    raw = b"".join(
        (
            described,
            np.ascontiguousarray(chunk.ticks, "<i4"),
            np.ascontiguousarray(chunk.actions, "<i4"),
            np.ascontiguousarray(chunk.rewards, "<f4"),
            np.ascontiguousarray(chunk.done, np.uint8),
            np.ascontiguousarray(chunk.masks),
            np.ascontiguousarray(chunk.views),
        )
    )
    frame = (compressor or make_compressor()).compress(raw)
    sizes = (chunk.steps, chunk.views.shape[1], chunk.masks.shape[1], len(raw))
    head = _HEADER.pack(_MAGIC, 0, len(described), *sizes)[8:]
    return _MAGIC + zlib.crc32(frame, zlib.crc32(head)).to_bytes(4, "little") + head + frame


def make_compressor() -> zstandard.ZstdCompressor:
    """Level 1: the next view is nearly the one before, and no level makes much of what is left."""
    return zstandard.ZstdCompressor(level=1, write_content_size=True)


def decode_chunk(data: bytes) -> Chunk:
    """The chunk that `encode_chunk` wrote; `ChunkError` for anything else. Arrays are read only."""
    if len(data) < _HEADER.size or data[:4] != _MAGIC:
        raise ChunkError("these bytes are no chunk of experience, or the chunk is cut short")
    _, checksum, described_bytes, steps, view_bytes, mask_bytes, size = _HEADER.unpack_from(data)
    if zlib.crc32(memoryview(data)[8:]) != checksum:
        raise ChunkError("the chunk is damaged: its checksum is not the one in its header")
    if not 1 <= steps <= CHUNK_STEPS:
        raise ChunkError(f"the chunk has {steps} steps; there are 1 to {CHUNK_STEPS} in one")
    if size != described_bytes + steps * (_PER_STEP + mask_bytes + view_bytes) + view_bytes:
        raise ChunkError("the chunk's arrays are not as long as its header says")
    raw = _unpack(data[_HEADER.size :], size)
    try:
        described = msgspec.msgpack.decode(raw[:described_bytes], type=_Description)
    except msgspec.DecodeError as error:
        raise ChunkError(f"the chunk's description cannot be read: {error}") from None
    place = described_bytes
    arrays = []
    for dtype, shape in (
        ("<i4", (steps,)),
        ("<i4", (steps,)),
        ("<f4", (steps,)),
        ("u1", (steps,)),
        ("u1", (steps, mask_bytes)),
        ("u1", (steps + 1, view_bytes)),
    ):
        count = int(np.prod(shape))
        arrays.append(np.frombuffer(raw, dtype, count, place).reshape(shape))
        place += count * np.dtype(dtype).itemsize
    chunk = Chunk(
        described.kind, described.episode, described.seat, described.player, described.first, *arrays
    )
    _check(chunk)
    return chunk


def _unpack(frame: bytes, size: int) -> bytes:
    """At most `size` bytes are ever unpacked, whatever the frame claims."""
    try:
        claimed = zstandard.frame_content_size(frame)
        if claimed != size or size > _MOST_BYTES:
            raise ChunkError(f"the chunk's frame claims {claimed} bytes; {size} were announced")
        raw = zstandard.ZstdDecompressor().decompress(frame, max_output_size=size, allow_extra_data=False)
    except zstandard.ZstdError as error:
        raise ChunkError(f"the chunk's zstd frame cannot be read: {error}") from None
    if len(raw) != size:
        raise ChunkError("the chunk's zstd frame is cut short")
    return raw


def _check(chunk: Chunk) -> None:
    if not np.isfinite(chunk.rewards).all():
        raise ChunkError("a reward is no finite number")
    if (chunk.done > TRUNCATED).any() or (chunk.done[:-1] != RUNNING).any():
        raise ChunkError("`done` may say 1 or 2 of the last step, and is 0 before")
    if (np.diff(chunk.ticks) <= 0).any() or chunk.ticks[0] < 0:
        raise ChunkError("the ticks of a chunk ascend from 0")
    if chunk.first < 0 or chunk.seat < 0 or (chunk.actions < -1).any():
        raise ChunkError("a number is negative that cannot be")
