"""Chunks of experience as bytes: at most 64 steps of one player of one game, whole or refused.

A chunk is a header and one zstd frame. The header (32 bytes, little end first) is the magic `SXC2`, a crc32
of all that follows it, the length of the description, the number of steps, the bytes of a view and of a mask,
and the bytes of the frame's content. That is the description (MessagePack), then one after the other:

    ticks int32 [n] less the tick before, actions int32 [n], rewards float32 [n]: their lowest bytes first,
    then their second ones, and so on; done uint8 [n]
    first [view_bytes + mask_bytes], the view and the mask of the first step
    changed, a bit for each of these bytes: whether it ever changes
    when [changed, n bits], a bit for each row after the first: whether it changes there
    by uint8 [bits of `when`], how much is added to it there, modulo 256

The view after step `i` is row `i + 1`; the mask of the last row, which has none, does not change. Bits have
their little end first, and begin a new byte where a row of them begins. Most of a board stands still for 64
ticks, and what moves is a few bytes of each view: written so, a step is half as long as with whole views in
the frame. What a chunk is made of is in `transitions`, who gets it in `consumers`.
"""

from __future__ import annotations

import hashlib
import json
import struct
import zlib
from dataclasses import dataclass

import msgspec
import numpy as np
import zstandard

from strategos.games.spec import Game

CHUNK_STEPS = 64
RUNNING, TERMINATED, TRUNCATED = range(3)
"""What `done` says of a step: the player goes on, the rules ended the game, or somebody else did."""

_MAGIC = b"SXC2"
_HEADER = struct.Struct("<4sIHHIIQ4x")
_NUMBERS = ("<i4", "<i4", "<f4")
"""Ticks, actions, rewards."""
_PER_STEP = 4 + 4 + 4 + 1
_MOST_DESCRIBED_BYTES = 1024
"""Of a description: names of players have at most 128 characters."""
_MOST_BYTES = 64 << 20
"""Of a frame's content, and of views and masks: 64 of 16 players on a board of 100 x 100 tiles are 6 MB."""


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
    """Which game it was: the id of its room and of its replay."""
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


def encode_chunk(chunk: Chunk, compressor: zstandard.ZstdCompressor | None = None) -> bytes:
    """A chunk as bytes, the same for the same chunk. `compressor` spares making one; one a thread."""
    described = msgspec.msgpack.encode(
        _Description(chunk.kind, chunk.episode, chunk.seat, chunk.player, chunk.first)
    )
    raw = b"".join((described, _numbers_of(chunk), *_changes_of(chunk.views, chunk.masks)))
    frame = (compressor or make_compressor()).compress(raw)
    sizes = (chunk.steps, chunk.views.shape[1], chunk.masks.shape[1], len(raw))
    head = _HEADER.pack(_MAGIC, 0, len(described), *sizes)[8:]
    return _MAGIC + zlib.crc32(frame, zlib.crc32(head)).to_bytes(4, "little") + head + frame


def make_compressor() -> zstandard.ZstdCompressor:
    """Level 1: what is left are changes, of which no level makes much."""
    return zstandard.ZstdCompressor(level=1, write_content_size=True)


def _numbers_of(chunk: Chunk) -> bytes:
    """Ticks, actions, rewards and `done`, a row of bytes for each byte of them."""
    table = np.empty((_PER_STEP, chunk.steps), np.uint8)
    ticks = chunk.ticks.astype("<i4")
    ticks[1:] -= chunk.ticks[:-1]
    columns = (ticks, chunk.actions.astype("<i4"), chunk.rewards.astype("<f4"))
    for place, column in enumerate(columns):
        table[4 * place : 4 * place + 4] = column.view(np.uint8).reshape(-1, 4).T
    table[-1] = chunk.done
    return table.tobytes()


def _changes_of(views: np.ndarray, masks: np.ndarray) -> tuple[bytes, ...]:
    """`first`, `changed`, `when` and `by` of views [n + 1, ...] and masks [n, ...]."""
    steps, view_bytes = len(masks), views.shape[1]
    rows = np.empty((steps, view_bytes + masks.shape[1]), np.uint8)
    np.subtract(views[1:], views[:-1], out=rows[:, :view_bytes])
    np.subtract(masks[1:], masks[:-1], out=rows[:-1, view_bytes:])
    rows[-1, view_bytes:] = 0
    changed = np.bitwise_or.reduce(rows, axis=0) != 0
    moving = np.ascontiguousarray(rows.take(np.flatnonzero(changed), axis=1).T)
    when = moving != 0
    first = (views[0].tobytes(), masks[0].tobytes())
    return *first, _pack(changed), _pack(when), moving[when].tobytes()


def _pack(bits: np.ndarray) -> bytes:
    return np.packbits(bits, axis=-1, bitorder="little").tobytes()


def decode_chunk(data: bytes, sizes: tuple[int, int] | None = None) -> Chunk:
    """The chunk that `encode_chunk` wrote; `ChunkError` for anything else. Arrays are read only.

    `sizes` are the bytes of a view and of a mask, where they are known: others are refused, and not unpacked.
    """
    if data[:3] == _MAGIC[:3] and data[:4] != _MAGIC:
        raise ChunkError(
            f"the chunk is of another format than {_MAGIC.decode()}, which is read here: bring client and "
            "server to the same version of Strategos"
        )
    if len(data) < _HEADER.size or data[:4] != _MAGIC:
        raise ChunkError("these bytes are no chunk of experience, or the chunk is cut short")
    _, checksum, described_bytes, steps, view_bytes, mask_bytes, size = _HEADER.unpack_from(data)
    if not 1 <= steps <= CHUNK_STEPS:
        raise ChunkError(f"the chunk has {steps} steps; there are 1 to {CHUNK_STEPS} in one")
    if sizes is not None and sizes != (view_bytes, mask_bytes):
        raise ChunkError("the chunk's views or masks are not as long as those of the game")
    if described_bytes > _MOST_DESCRIBED_BYTES:
        raise ChunkError(f"the chunk's description has more than {_MOST_DESCRIBED_BYTES} bytes")
    row, bits = view_bytes + mask_bytes, (steps + 7) // 8
    least = described_bytes + steps * _PER_STEP + row + (row + 7) // 8
    if not least <= size <= least + row * (bits + steps) or (steps + 1) * row > _MOST_BYTES:
        raise ChunkError("the chunk's arrays are not as long as its header says")
    if zlib.crc32(memoryview(data)[8:]) != checksum:
        raise ChunkError("the chunk is damaged: its checksum is not the one in its header")
    raw = _unpack(data[_HEADER.size :], size)
    try:
        described = msgspec.msgpack.decode(raw[:described_bytes], type=_Description)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ChunkError(f"the chunk's description cannot be read: {error}") from None
    numbers = np.frombuffer(raw, np.uint8, steps * _PER_STEP, described_bytes).reshape(_PER_STEP, steps)
    ticks, actions, rewards = (
        np.ascontiguousarray(numbers[4 * place : 4 * place + 4].T).view(dtype)[:, 0]
        for place, dtype in enumerate(_NUMBERS)
    )
    rest = np.frombuffer(raw, np.uint8, offset=described_bytes + steps * _PER_STEP)
    views, masks = _follow(rest, steps, view_bytes, mask_bytes)
    arrays = (np.cumsum(ticks, dtype=np.int32), actions, rewards, numbers[-1], masks, views)
    for array in arrays:
        array.flags.writeable = False
    chunk = Chunk(
        described.kind, described.episode, described.seat, described.player, described.first, *arrays
    )
    _check(chunk)
    return chunk


def _follow(rest: np.ndarray, steps: int, view_bytes: int, mask_bytes: int) -> tuple[np.ndarray, np.ndarray]:
    """Views and masks from `first`, `changed`, `when` and `by`."""
    row, bits = view_bytes + mask_bytes, (steps + 7) // 8
    first, rest = rest[:row], rest[row:]
    changed = np.unpackbits(rest[: (row + 7) // 8], count=row, bitorder="little").nonzero()[0]
    rest = rest[(row + 7) // 8 :]
    if len(rest) < len(changed) * bits:
        raise ChunkError("the chunk ends before it has told what changes")
    when = np.unpackbits(
        rest[: len(changed) * bits].reshape(-1, bits), axis=1, count=steps, bitorder="little"
    ).view(bool)
    by = rest[len(changed) * bits :]
    if len(by) != np.count_nonzero(when):
        raise ChunkError("the chunk tells of more or fewer changes than there are")
    moving = np.zeros((len(changed), steps), np.uint8)
    moving[when] = by
    moving = np.cumsum(moving, axis=1, dtype=np.uint8) + first[changed, None]
    views = np.empty((steps + 1, view_bytes), np.uint8)
    masks = np.empty((steps, mask_bytes), np.uint8)
    views[:], masks[:] = first[:view_bytes], first[view_bytes:]
    of_views = int(np.searchsorted(changed, view_bytes))
    views[1:, changed[:of_views]] = moving[:of_views].T
    masks[1:, changed[of_views:] - view_bytes] = moving[of_views:, :-1].T
    return views, masks


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
    if (chunk.ticks[1:] <= chunk.ticks[:-1]).any() or chunk.ticks[0] < 0:
        raise ChunkError("the ticks of a chunk ascend from 0")
    if chunk.first < 0 or chunk.seat < 0 or (chunk.actions < -1).any():
        raise ChunkError("a number is negative that cannot be")
