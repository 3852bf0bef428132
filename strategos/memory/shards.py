"""Examples on disk: numbered, in append-only shards, each whole or not there, each checked by its hash.

Every example of a run has a number, from 0 in the order of writing. A checkpoint adds one shard with the
examples that are new, so its cost does not grow with the memory; `kill -9` at any moment leaves whole
shards only. A shard is a safetensors file of raw records, and says of which dtype they are.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load, save

from strategos.durable import TEMPORARY, write_atomically

_SHARD = re.compile(r"examples-(\d{12})-(\d{12})\.safetensors")
_META = "strategos"


class ShardError(ValueError):
    """Stored examples that cannot be used: which file, what is wrong, what to do."""


def describe(dtype: np.dtype) -> dict[str, str]:
    """Every plain field of a dtype with its type, shape and offset: `{"view.hand": "<i8 at 0", ...}`."""
    found: dict[str, str] = {"": f"{dtype.itemsize} bytes"}

    def visit(name: str, kind: np.dtype, offset: int) -> None:
        shape = "".join(f"[{size}]" for size in kind.shape)
        if kind.base.names is None:
            found[name] = f"{kind.base.str}{shape} at {offset}"
            return
        fields: Any = kind.base.fields
        for inner in kind.base.names:
            field, place = fields[inner][:2]
            visit(f"{name}{shape}.{inner}".removeprefix("."), field, offset + place)

    if dtype.names is not None:
        visit("", dtype, 0)
    return found


def check_same_dtype(stored: Mapping[str, str], dtype: np.dtype, source: str) -> None:
    """`ShardError` naming the first field in which the examples of `source` are not of `dtype`."""
    ours = describe(dtype)
    for name in [*ours, *(name for name in stored if name not in ours)]:
        there, here = stored.get(name, "missing"), ours.get(name, "missing")
        if there != here and name:
            raise ShardError(
                f"{source} holds examples of another kind: field {name!r} is {there} there and {here} here; "
                "go on with the configuration that wrote it, or begin a new run"
            )
    if stored != ours:
        raise ShardError(f"{source} holds examples of {stored.get('')}, not of {ours['']}; begin a new run")


def as_bytes(records: np.ndarray) -> np.ndarray:
    """Records [n] as bytes [n, itemsize] uint8: copied, compared and hashed whole, padding included."""
    flat = np.ascontiguousarray(records).reshape(-1)
    return flat.view(np.uint8).reshape(len(flat), records.dtype.itemsize)


def as_records(data: np.ndarray, dtype: np.dtype) -> np.ndarray:
    """Bytes [n, itemsize] as records [n] of `dtype`, without a copy."""
    return np.ascontiguousarray(data).reshape(-1).view(dtype)


def pack(meta: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> bytes:
    """A safetensors file of plain `arrays`, with `meta` (JSON) and a hash of it all in its header."""
    kept = {name: np.ascontiguousarray(array) for name, array in arrays.items() if array.size}
    header = {"meta": dict(meta), "sha256": _hash(meta, kept)}
    return save(kept, {_META: json.dumps(header)})  # one key: the library does not keep an order


def unpack(content: bytes, source: str) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """What `pack` packed, empty arrays left out; `ShardError` naming `source` if a bit of it has changed."""
    try:
        size = int.from_bytes(content[:8], "little")
        header = json.loads(json.loads(content[8 : 8 + size])["__metadata__"][_META])
        arrays = load(content)
        meta = header["meta"]
        whole = _hash(meta, arrays) == header["sha256"]
    except (SafetensorError, ValueError, KeyError, TypeError, MemoryError, OverflowError):
        raise ShardError(f"{source} is cut short or no file of examples; {_WHAT_TO_DO}") from None
    if not whole:
        raise ShardError(f"{source} is damaged (its hash is not the one in its header); {_WHAT_TO_DO}")
    return meta, arrays


_WHAT_TO_DO = "restore it from a copy, or begin a new run"


def _hash(meta: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> str:
    digest = hashlib.sha256(json.dumps(dict(meta), sort_keys=True).encode())
    for name in sorted(arrays):
        array = np.ascontiguousarray(arrays[name])
        digest.update(f"{name} {array.dtype.str} {array.shape}".encode())
        digest.update(array.reshape(-1).view(np.uint8))
    return digest.hexdigest()


class Shards:
    """The examples of one run in `folder`, as shards of numbered records of `dtype`.

    A checkpoint appends what is new, and keeps the number after its last example; going on from it
    begins with `truncate` of that number, because a shard may have been written for a checkpoint that was
    killed. One writer at a time.
    """

    def __init__(self, folder: Path | str, dtype: np.dtype) -> None:
        self.folder, self.dtype = Path(folder), np.dtype(dtype)
        self.folder.mkdir(parents=True, exist_ok=True)

    @property
    def spans(self) -> list[tuple[int, int]]:
        """The stored ranges of numbers, (first, end), ascending."""
        names = (_SHARD.fullmatch(path.name) for path in self.folder.iterdir())
        return sorted((int(name[1]), int(name[2])) for name in names if name)

    @property
    def end(self) -> int:
        """The number after the newest stored example, 0 where there is none."""
        return max((end for _, end in self.spans), default=0)

    def append(self, examples: np.ndarray, first: int | None = None) -> Path | None:
        """Store `examples` [n], numbered from `first` (default: where the stored ones end), as one shard.

        Returns its path once it is safe on disk, `None` for no examples. `ValueError` for examples of
        another dtype or for numbers that are stored already.
        """
        end = self.end
        first = end if first is None else first
        if examples.dtype != self.dtype:
            raise ValueError("the examples are not of the dtype of these shards")
        if first < end:
            raise ValueError(f"the examples up to {end - 1} are stored already; truncate({first}) drops some")
        return self._write(examples, first) if len(examples) else None

    def _path(self, first: int, end: int) -> Path:
        return self.folder / f"examples-{first:012d}-{end:012d}.safetensors"

    def _write(self, examples: np.ndarray, first: int) -> Path:
        end = first + len(examples)
        meta = {"first": first, "end": end, "dtype": describe(self.dtype)}
        path = self._path(first, end)
        write_atomically(path, pack(meta, {"examples": as_bytes(examples)}))
        return path

    def _read(self, first: int, end: int) -> np.ndarray:
        path = self._path(first, end)
        try:
            content = path.read_bytes()
        except OSError as error:
            raise ShardError(f"{path} cannot be read: {error.strerror}; {_WHAT_TO_DO}") from None
        meta, arrays = unpack(content, str(path))
        if (meta.get("first"), meta.get("end")) != (first, end) or "dtype" not in meta:
            raise ShardError(f"{path} was renamed: it holds other examples than its name says; {_WHAT_TO_DO}")
        check_same_dtype(meta["dtype"], self.dtype, str(path))
        return as_records(arrays["examples"], self.dtype)

    def read(self, first: int, end: int) -> Iterator[np.ndarray]:
        """The examples numbered from `first` to `end` (exclusive), oldest first, shard by shard.

        `ShardError` where one is damaged or missing; the range is checked before anything is read.
        """
        wanted: list[tuple[int, int]] = []
        reached = first
        for start, stop in self.spans:
            if start <= reached < stop and reached < end:
                wanted.append((start, stop))
                reached = min(stop, end)
        if reached < end:
            raise ShardError(f"{self.folder} lacks the examples {reached} to {end - 1}; {_WHAT_TO_DO}")
        return self._pieces(wanted, first, end)

    def _pieces(self, spans: list[tuple[int, int]], first: int, end: int) -> Iterator[np.ndarray]:
        for start, stop in spans:
            last = min(stop, end)
            yield self._read(start, stop)[first - start : last - start]
            first = last

    def truncate(self, end: int) -> None:
        """Forget every example from number `end` on; killed in between, calling it again finishes it."""
        for start, stop in self.spans:
            if stop <= end:
                continue
            if start < end and not self._path(start, end).exists():
                self._write(self._read(start, stop)[: end - start], start)
            self._path(start, stop).unlink()

    def prune(self, oldest: int) -> None:
        """Remove the shards that hold nothing from number `oldest` on, and what a killed writer left.

        A memory of `capacity` examples that may have to go back to a checkpoint made at number `end` needs
        those from `end - capacity` on.
        """
        for start, stop in self.spans:
            if stop <= oldest:
                self._path(start, stop).unlink()
        for leftover in self.folder.glob(f"{TEMPORARY}*"):
            leftover.unlink()
