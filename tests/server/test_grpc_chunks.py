"""Chunks of experience hold exactly the steps of a game, and damaged ones are refused (C12, C13)."""

from __future__ import annotations

import struct
import zlib
from dataclasses import replace

import hypothesis
import numpy as np
import pytest
import zstandard
from hypothesis import strategies as st
from played_games import KINDS, Step, play, record_chunks, steps_of

from strategos.games import make_game
from strategos.play.record import recorded_game
from strategos.server.experience.chunks import (
    CHUNK_STEPS,
    Chunk,
    ChunkError,
    decode_chunk,
    encode_chunk,
    kind_of,
)
from strategos.server.experience.transitions import Rerun, Trace, play_spans, rerun_of

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
    chunks = [decode_chunk(encode_chunk(chunk)) for chunk in record_chunks({"game": record})]
    for seat, expected in enumerate(steps_of(record)):
        assert read_steps(chunks, seat) == expected


@pytest.mark.parametrize("pieces", [1, 64, 65, 1000])
def test_a_running_game_gives_the_bytes_of_its_record(record, pieces):
    """Whenever the ticks of the running game come in, and whenever they are looked at."""
    game = make_game(record.game, **record.options)
    kind = kind_of(game)
    rerun = Rerun(Trace(game, kind, "game", record.players), record.seed)
    made = []

    def look() -> None:
        while rerun.due()[0]:
            made.extend(encode_chunk(chunk) for _, chunk in play_spans([rerun]))

    for first in range(0, record.ticks, pieces):
        rerun.waiting.extend(record.actions[first : first + pieces])
        look()
    rerun.ended = True
    look()
    assert made == [encode_chunk(chunk) for chunk in record_chunks({"game": record})]


@pytest.mark.parametrize("kind", ["generals", "blob"])
def test_games_together_give_what_each_gives_alone(kind):
    records = {f"game {seed}": play(kind, seed, 70 + 13 * seed) for seed in range(5)}
    together: dict[str, list[bytes]] = {}
    for chunk in record_chunks(records):
        together.setdefault(chunk.episode, []).append(encode_chunk(chunk))
    assert len(together) == len(records)
    for episode, one in records.items():
        assert together[episode] == [encode_chunk(chunk) for chunk in record_chunks({episode: one})]


def test_games_of_one_seed_and_the_same_players_are_two_episodes():
    """Who gets the chunks of both at once tells them apart."""
    record = play("generals", 11, 100)
    shorter = replace(record, actions=record.actions[:70], final_hash="")
    found: dict[str, list[bytes]] = {}
    for chunk in record_chunks({"one": record, "other": shorter}):
        found.setdefault(chunk.episode, []).append(encode_chunk(chunk))
    for episode, one in (("one", record), ("other", shorter)):
        assert found[episode] == [encode_chunk(chunk) for chunk in record_chunks({episode: one})]


@pytest.mark.parametrize("more", [1, 400])
def test_a_record_that_goes_on_after_the_end_of_its_game_is_an_error(more):
    record = play("generals", 11, 400)
    assert not record.truncated and record.ticks % CHUNK_STEPS
    longer = replace(record, actions=np.concatenate([record.actions, record.actions[:more]]))
    with pytest.raises(ValueError, match="ends before all"):
        record_chunks({"game": longer})


def test_a_record_that_ends_otherwise_than_it_says_is_an_error_and_the_others_are_not():
    records = [play("generals", seed, 100) for seed in range(3)]
    reruns = [rerun_of(record, recorded_game(record), "game") for record in records]
    reruns[1].final_hash = "another"
    made: dict[Rerun, list[bytes]] = {rerun: [] for rerun in reruns}
    while running := [rerun for rerun in reruns if rerun.waiting]:
        for rerun, chunk in play_spans(running):
            made[rerun].append(encode_chunk(chunk))
    whole = [[encode_chunk(chunk) for chunk in record_chunks({"game": record})] for record in records]
    assert "not the recorded one" in reruns[1].fault and made[reruns[1]] == whole[1][:2]
    assert [made[reruns[number]] for number in (0, 2)] == [whole[0], whole[2]]


def test_steps_from_a_tick_on():
    first, _ = record_chunks({"game": play("generals", 3, 64)})
    assert first.since(0) is first and first.since(64) is None
    later = first.since(10)
    assert later.first == 10 and later.ticks.tolist() == list(range(10, 64))
    assert np.array_equal(decode_chunk(encode_chunk(later)).views, first.views[10:])


CHUNK = next(iter(record_chunks({"game": play("generals", 1, 20)})))
DATA = encode_chunk(CHUNK)


def with_header(data: bytes, **changed: int) -> bytes:
    """The chunk with another header and a checksum that is right for it."""
    names = ("described", "steps", "view_bytes", "mask_bytes", "size")
    values = dict(zip(names, struct.unpack_from("<HHIIQ", data, 8), strict=True)) | changed
    rest = struct.pack("<HHIIQ4x", *(values[name] for name in names)) + data[32:]
    return data[:4] + zlib.crc32(rest).to_bytes(4, "little") + rest


def with_frame(frame: bytes) -> bytes:
    return with_header(DATA[:32] + frame)


def test_C13_a_name_as_long_as_a_book_is_refused():
    """Names are kept for as long as an episode goes on."""
    named = type(CHUNK)(**{**vars(CHUNK), "player": "x" * 60_000})
    with pytest.raises(ChunkError, match="description"):
        decode_chunk(encode_chunk(named))
    longest = type(CHUNK)(**{**vars(CHUNK), "player": "\U0001f600" * 128})
    assert decode_chunk(encode_chunk(longest)).player == longest.player


def test_C10_a_chunk_of_another_version_says_so():
    with pytest.raises(ChunkError, match=r"another format than SXC2.*same version"):
        decode_chunk(b"SXC1" + bytes(60))


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
    row = 1_000_000  # 64 steps of it: within what views and masks may take
    size = 65 << 20
    honest = zstandard.ZstdCompressor(level=1).compress(bytes(size))
    header = {"steps": 64, "view_bytes": row // 2, "mask_bytes": row // 2}
    with pytest.raises(ChunkError, match="claims"):
        decode_chunk(with_header(DATA[:32] + honest, size=size, **header))
    with pytest.raises(ChunkError, match="claims"):
        decode_chunk(with_frame(honest))  # more than its header says


def test_C13_few_bytes_that_say_that_nothing_changes_in_a_gigabyte_of_views():
    """Nothing is made of what is not in the bytes, however well it is packed."""
    row = 60 << 20
    size = len(DATA) + row + row // 8
    frame = zstandard.ZstdCompressor(level=1).compress(bytes(size))
    header = {"steps": 64, "view_bytes": row, "mask_bytes": 0, "size": size}
    with pytest.raises(ChunkError, match="not as long"):
        decode_chunk(with_header(DATA[:32] + frame, **header))


def test_C13_sizes_that_are_not_those_of_the_game_are_refused_before_anything_is_unpacked():
    sizes = (CHUNK.views.shape[1], CHUNK.masks.shape[1])
    assert decode_chunk(DATA, sizes).steps == CHUNK.steps
    for wrong in ((sizes[0] + 1, sizes[1]), (sizes[0], sizes[1] - 1)):
        with pytest.raises(ChunkError, match="not as long as those of the game"):
            decode_chunk(DATA[:40], wrong)  # nor is the rest looked at


@pytest.mark.parametrize("place", range(60, 400, 17))
def test_C12_content_that_is_none_though_its_checksum_is_right(place):
    """Whatever the frame holds, it is read as a chunk of these sizes or refused."""
    raw = bytearray(zstandard.ZstdDecompressor().decompress(DATA[32:]))
    raw[place:] = bytes(255 - byte for byte in raw[place:])
    for content in (bytes(raw), bytes(raw[:place]), bytes(raw) + b"more"):
        frame = zstandard.ZstdCompressor(level=1).compress(content)
        with pytest.raises(ChunkError):
            decode_chunk(with_header(DATA[:32] + frame, size=len(content)))


@pytest.mark.parametrize("place", range(struct.unpack_from("<H", DATA, 8)[0]))
def test_C12_a_description_that_is_none_though_its_checksum_is_right(place):
    """Also one that is no UTF-8."""
    raw = bytearray(zstandard.ZstdDecompressor().decompress(DATA[32:]))
    raw[place] = 0xFF
    frame = zstandard.ZstdCompressor(level=1).compress(bytes(raw))
    with pytest.raises(ChunkError):
        decode_chunk(with_header(DATA[:32] + frame, size=len(raw)))


@hypothesis.given(
    st.integers(1, CHUNK_STEPS), st.integers(1, 40), st.integers(0, 9), st.integers(0, 2**32), st.floats(0, 1)
)
@hypothesis.settings(max_examples=100, deadline=None)
def test_any_views_and_masks_come_out_as_they_went_in(steps, view_bytes, mask_bytes, seed, moving):
    """From boards that stand still to those of which every byte changes on every tick."""
    rng = np.random.default_rng(seed)

    def rows(number: int, width: int) -> np.ndarray:
        table = rng.integers(0, 256, (number, width)).astype(np.uint8)
        still = rng.random(width) >= moving
        table[1:, still] = table[0, still]
        return table

    chunk = Chunk(
        "kind", "episode", 1, "näme", 7,
        np.sort(rng.choice(2**31 - 1, steps, replace=False)).astype(np.int32),
        rng.integers(-1, 2**31 - 1, steps).astype(np.int32),
        rng.normal(size=steps).astype(np.float32),
        np.array([0] * (steps - 1) + [rng.integers(0, 3)], np.uint8),
        rows(steps, mask_bytes),
        rows(steps + 1, view_bytes),
    )  # fmt: skip
    found = decode_chunk(encode_chunk(chunk))
    for name, value in vars(chunk).items():
        assert np.array_equal(getattr(found, name), value), name
    assert found.views.flags.c_contiguous and not found.views.flags.writeable


def read_by_the_manual(data: bytes) -> tuple[list, list, list[bytes], list[bytes]]:
    """Ticks, actions, masks and views of a chunk as `docs/grpc.md` tells it, a byte at a time."""
    described, steps, view_bytes, mask_bytes, size = struct.unpack_from("<HHIIQ", data, 8)
    content = zstandard.ZstdDecompressor().decompress(data[32:])
    assert len(content) == size
    numbers, place = content[described:], described + 13 * steps

    def number(column: int, row: int) -> int:
        planes = bytes(numbers[(4 * column + byte) * steps + row] for byte in range(4))
        return int.from_bytes(planes, "little", signed=True)

    ticks = [sum(number(0, row) for row in range(upto + 1)) for upto in range(steps)]
    actions = [number(1, row) for row in range(steps)]
    width = view_bytes + mask_bytes
    rows, place = [bytearray(content[place : place + width])], place + width
    changed = [byte for byte in range(width) if content[place + byte // 8] >> byte % 8 & 1]
    place += (width + 7) // 8
    when = {}
    for byte in changed:
        when[byte] = [row for row in range(steps) if content[place + row // 8] >> row % 8 & 1]
        place += (steps + 7) // 8
    by = {}
    for byte in changed:
        for row in when[byte]:
            by[row, byte] = content[place]
            place += 1
    assert place == len(content)
    for row in range(steps):
        rows.append(bytearray(rows[-1]))
        for byte in changed:
            rows[-1][byte] = (rows[-1][byte] + by.get((row, byte), 0)) % 256
    return (
        ticks,
        actions,
        [bytes(row[view_bytes:]) for row in rows[:-1]],
        [bytes(row[:view_bytes]) for row in rows],
    )


def test_a_chunk_reads_as_the_manual_says():
    for chunk in record_chunks({"game": play("four", 12, 90, {30: 2, 80: 2})}):
        ticks, actions, masks, views = read_by_the_manual(encode_chunk(chunk))
        assert ticks == chunk.ticks.tolist() and actions == chunk.actions.tolist()
        assert masks == [mask.tobytes() for mask in chunk.masks]
        assert views == [view.tobytes() for view in chunk.views]


def test_every_kind_has_a_name_of_its_own():
    names = {kind_of(make_game(name, **options)) for name, options in KINDS.values()}
    assert len(names) == len(KINDS)
    assert kind_of(make_game("generals", height=6, width=6)) == kind_of(
        make_game("generals", height=6, width=6)
    )
