"""Chunks of experience hold exactly the steps of a game, and damaged ones are refused (C12, C13)."""

from __future__ import annotations

import struct
import zlib

import hypothesis
import numpy as np
import pytest
import zstandard
from hypothesis import strategies as st
from played_games import KINDS, Step, play, steps_of

from strategos.games import make_game
from strategos.server.experience.chunks import (
    CHUNK_STEPS,
    ChunkError,
    decode_chunk,
    encode_chunk,
    episode_of,
    kind_of,
)
from strategos.server.experience.transitions import Rerun, Trace, play_spans, record_chunks

GAMES = {
    "a whole game": ("generals", 400, None),
    "cut off": ("generals", 130, None),
    "cut off where a chunk ends": ("generals", 128, None),
    "cut off one tick later": ("generals", 129, None),
    "shorter than a chunk": ("generals", 7, None),
    "a player leaves": ("four", 150, {30: 2, 80: 2, 100: 0}),
    "a player leaves where a chunk ends": ("four", 100, {64: 1}),
    "in turn": ("blob", 1000, None),
    "two moves": ("kuhn", 10, None),
}


@pytest.fixture(scope="module", params=list(GAMES))
def record(request):
    kind, limit, leaves = GAMES[request.param]
    return play(kind, 11, limit, leaves)


def read_steps(chunks, seat) -> list[Step]:
    found, number = [], 0
    for chunk in chunks:
        if chunk.seat != seat:
            continue
        assert chunk.first == number and 1 <= chunk.steps <= CHUNK_STEPS
        number += chunk.steps
        for row in range(chunk.steps):
            found.append(
                Step(
                    int(chunk.ticks[row]),
                    chunk.views[row].tobytes(),
                    chunk.masks[row].tobytes(),
                    int(chunk.actions[row]),
                    float(chunk.rewards[row]),
                    chunk.views[row + 1].tobytes(),
                    int(chunk.done[row]),
                )
            )
    return found


def test_chunks_are_the_steps_of_the_slow_twin(record):
    chunks = [decode_chunk(encode_chunk(chunk)) for chunk in record_chunks([record])]
    for seat, expected in enumerate(steps_of(record)):
        assert read_steps(chunks, seat) == expected


@pytest.mark.parametrize("pieces", [1, 64, 65, 1000])
def test_a_running_game_gives_the_bytes_of_its_record(record, pieces):
    """Whenever the ticks of the running game come in, and whenever they are looked at."""
    game = make_game(record.game, **record.options)
    kind = kind_of(game)
    episode = episode_of(kind, record.seed, record.players)
    rerun = Rerun(Trace(game, kind, episode, record.players), record.seed)
    made = []

    def look() -> None:
        while rerun.due()[0]:
            made.extend(encode_chunk(chunk) for chunk in play_spans([rerun]))

    for first in range(0, record.ticks, pieces):
        rerun.waiting.extend(record.actions[first : first + pieces])
        look()
    rerun.ended = True
    look()
    assert made == [encode_chunk(chunk) for chunk in record_chunks([record])]


def test_games_together_give_what_each_gives_alone():
    records = [play(kind, seed, 70 + 13 * seed) for kind in ("generals", "blob") for seed in range(5)]
    together: dict[str, list[bytes]] = {}
    for chunk in record_chunks(records):
        together.setdefault(chunk.episode, []).append(encode_chunk(chunk))
    assert len(together) == len(records)
    for one in records:
        alone = [encode_chunk(chunk) for chunk in record_chunks([one])]
        episode = episode_of(kind_of(make_game(one.game, **one.options)), one.seed, one.players)
        assert together[episode] == alone


def test_a_record_that_does_not_fit_its_game_is_an_error():
    record = play("generals", 11, 400)
    assert not record.truncated
    longer = type(record)(**{**vars(record), "actions": np.concatenate([record.actions, record.actions])})
    with pytest.raises(ValueError, match="ends before all"):
        list(record_chunks([longer]))


def test_steps_from_a_tick_on():
    (first, *_), *_ = [[chunk for chunk in record_chunks([play("generals", 3, 64)]) if chunk.seat == 0]]
    assert first.since(0) is first and first.since(64) is None
    later = first.since(10)
    assert later.first == 10 and later.ticks.tolist() == list(range(10, 64))
    assert np.array_equal(decode_chunk(encode_chunk(later)).views, first.views[10:])


CHUNK = next(iter(record_chunks([play("generals", 1, 20)])))
DATA = encode_chunk(CHUNK)


def with_header(data: bytes, **changed: int) -> bytes:
    """The chunk with another header and a checksum that is right for it."""
    names = ("described", "steps", "view_bytes", "mask_bytes", "size")
    values = dict(zip(names, struct.unpack_from("<HHIIQ", data, 8), strict=True)) | changed
    rest = struct.pack("<HHIIQ4x", *(values[name] for name in names)) + data[32:]
    return data[:4] + zlib.crc32(rest).to_bytes(4, "little") + rest


def with_frame(frame: bytes) -> bytes:
    return with_header(DATA[:32] + frame)


@pytest.mark.parametrize("size", [0, 3, 31, 32, 40, len(DATA) - 1])
def test_C12_a_chunk_that_is_cut_short(size):
    with pytest.raises(ChunkError):
        decode_chunk(DATA[:size])


@hypothesis.given(st.integers(0, len(DATA) * 8 - 1))
@hypothesis.settings(max_examples=200)
def test_C12_a_chunk_with_any_one_bit_flipped(bit):
    damaged = bytearray(DATA)
    damaged[bit // 8] ^= 1 << bit % 8
    with pytest.raises(ChunkError):
        decode_chunk(bytes(damaged))


@pytest.mark.parametrize(
    "changed",
    [
        {"steps": 0},
        {"steps": 65},
        {"steps": 19},
        {"view_bytes": 1},
        {"mask_bytes": 1 << 31},
        {"size": 0},
        {"size": 1 << 40},
        {"described": 60_000},
    ],
)
def test_C12_a_header_that_does_not_fit_though_its_checksum_does(changed):
    with pytest.raises(ChunkError):
        decode_chunk(with_header(DATA, **changed))


@pytest.mark.parametrize("frame", [b"", b"no zstd at all", zstandard.ZstdCompressor().compress(b"")])
def test_C12_no_frame_or_another_one(frame):
    with pytest.raises(ChunkError):
        decode_chunk(with_frame(frame))


@pytest.mark.parametrize(
    "name, value", [("rewards", np.nan), ("rewards", np.inf), ("done", 7), ("ticks", -1)]
)
def test_C12_numbers_that_cannot_be(name, value):
    array = np.array(getattr(CHUNK, name))
    array[0] = value
    with pytest.raises(ChunkError):
        decode_chunk(encode_chunk(type(CHUNK)(**{**vars(CHUNK), name: array})))


def test_C13_a_bomb_is_refused_before_it_is_unpacked():
    """10 GB of zeros in 400 KB: only what was announced would ever be unpacked, and that is too much."""
    writer = zstandard.ZstdCompressor(level=1).compressobj()
    part = bytes(1 << 20)
    frame = b"".join(writer.compress(part) for _ in range(100)) + writer.flush()
    with pytest.raises(ChunkError):
        decode_chunk(with_frame(frame))  # the frame does not say its size
    honest = zstandard.ZstdCompressor(level=1).compress(bytes(100 << 20))
    per_step = 4 + 4 + 4 + 1
    mask_bytes = ((100 << 20) - 2 * 100 - per_step) // 1 - 0
    described = (100 << 20) - (per_step + mask_bytes + 100) - 100
    header = {"steps": 1, "view_bytes": 100, "mask_bytes": mask_bytes, "described": described}
    with pytest.raises(ChunkError, match="claims"):
        decode_chunk(with_header(DATA[:32] + honest, size=100 << 20, **header))


def test_every_kind_has_a_name_of_its_own():
    names = {kind_of(make_game(name, **options)) for name, options in KINDS.values()}
    assert len(names) == len(KINDS)
    assert kind_of(make_game("generals", height=6, width=6)) == kind_of(
        make_game("generals", height=6, width=6)
    )
