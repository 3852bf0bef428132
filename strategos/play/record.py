"""Records of games: everything needed to play one again, in Parquet files with a SQLite index.

A record is (game, ruleset, version, seed, players, actions, result) and replays to the same final
state, byte for byte. The Parquet files are the truth; the index can be rebuilt from them.
"""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import sqlite3
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from strategos import __version__
from strategos.games import make_game
from strategos.games.spec import LEAVE, Game
from strategos.play.match import MatchResult, hash_state, leave

INDEX_NAME, _FILES = "index.sqlite", "games-*.parquet"
_FORMAT = b"1"
_SCHEMA = pa.schema(
    [
        ("game", pa.string()),
        ("options", pa.string()),  # JSON object
        ("ruleset", pa.string()),
        ("version", pa.string()),
        ("seed", pa.int64()),
        ("players", pa.list_(pa.string())),
        ("actions", pa.list_(pa.int32())),  # tick by tick, seat by seat
        ("ticks", pa.int32()),
        ("returns", pa.list_(pa.float32())),
        ("truncated", pa.bool_()),
        ("final_hash", pa.string()),
    ],
    metadata={b"strategos.games": _FORMAT},
)


class RecordError(ValueError):
    """A record or a file of records that cannot be read or does not replay; the text says why."""


@dataclass(frozen=True)
class GameRecord:
    """One played game. `options` are those of `make_game(game, **options)`."""

    game: str
    options: dict[str, Any]
    ruleset: str
    version: str
    seed: int
    players: tuple[str, ...]
    """Name of the policy on each seat."""
    actions: np.ndarray
    """int32 [ticks, seats]; `LEAVE` where a player left the game before that tick was played."""
    returns: tuple[float, ...]
    """Of each seat; zeros where the tick limit ended the game."""
    truncated: bool
    final_hash: str

    @property
    def ticks(self) -> int:
        return len(self.actions)


def match_records(game: Game, match: MatchResult) -> list[GameRecord]:
    """The games of a match that was played with `record=True`; `ValueError` if it was not."""
    options = dict(game.options)
    records = []
    for played in match.games:
        if played.actions is None or played.final_hash is None:
            raise ValueError("this match was not recorded; play it with record=True")
        records.append(
            GameRecord(
                game=game.spec.name,
                options=options,
                ruleset=str(options.get("ruleset", "")),
                version=__version__,
                seed=played.seed,
                players=tuple(match.policies[place] for place in played.seats),
                actions=played.actions,
                returns=played.returns,
                truncated=played.truncated,
                final_hash=played.final_hash,
            )
        )
    return records


def replay(record: GameRecord) -> Iterator[np.ndarray]:
    """The states of a recorded game, [1] of `state_dtype` each: the start, then one after every tick.

    `RecordError` for a game that cannot be built or actions that do not fit it.
    """
    for _, states in _replay(record):
        yield states


def verify(record: GameRecord) -> None:
    """Replay a record and compare its end; `RecordError` naming the first thing that is wrong."""
    ((game, states),) = deque(_replay(record), maxlen=1)
    over = bool(game.over(states)[0])
    if over == record.truncated:
        was = "cut off at its tick limit" if record.truncated else "played to its end"
        now = "is over" if over else "is still running"
        raise RecordError(f"the game was recorded as {was}, but {now} after its {record.ticks} ticks")
    returns = np.zeros((1, game.spec.num_players), np.float32)
    game.returns(states, returns)
    if not np.array_equal(returns[0], np.array(record.returns, np.float32)):
        raise RecordError(
            f"the recorded result is {list(record.returns)}; the replay gives {returns[0].tolist()}"
        )
    found = hash_state(states)
    if found != record.final_hash:
        hint = ""
        if record.version != __version__:
            hint = f"; it was recorded by version {record.version}, this is {__version__}"
        raise RecordError(
            f"the final state differs: recorded {record.final_hash[:16]}, replayed {found[:16]}{hint}"
        )


def recorded_game(record: GameRecord) -> Game:
    """The game that a record is of; `RecordError` where it cannot be built or the record does not fit it."""
    options = {
        key: tuple(value) if isinstance(value, list) else value for key, value in record.options.items()
    }
    try:
        game = make_game(record.game, **options)
    except ValueError as error:
        raise RecordError(f"the recorded game cannot be built: {error}") from None
    require_fitting(game, record)
    return game


def require_fitting(game: Game, record: GameRecord) -> None:
    """`RecordError` where a record does not have the seats of its game."""
    seats = game.spec.num_players
    if record.actions.ndim != 2 or record.actions.shape[1] != seats:
        raise RecordError(f"actions have shape {record.actions.shape}; expected [ticks, {seats}]")
    for what, values in (("players", record.players), ("returns", record.returns)):
        if len(values) != seats:
            raise RecordError(f"{len(values)} {what} are recorded for {seats} seats")


def _replay(record: GameRecord) -> Iterator[tuple[Game, np.ndarray]]:
    game = recorded_game(record)
    seats = game.spec.num_players
    states = np.zeros(1, game.state_dtype)
    illegal = np.zeros((1, seats), np.uint8)
    game.reset(states, np.array([record.seed], np.int64))
    yield game, states.copy()
    for tick, actions in enumerate(record.actions):
        if game.over(states)[0]:
            raise RecordError(f"the game ends after {tick} ticks, but {record.ticks} are recorded")
        for seat in np.flatnonzero(actions == LEAVE):
            try:
                leave(game, states, 0, int(seat))
            except ValueError as error:
                raise RecordError(f"seat {seat} leaves at tick {tick}, but {error}") from None
        game.step(states, np.ascontiguousarray(actions[None], np.int32), illegal)
        yield game, states.copy()


def write_records(folder: Path | str, records: Iterable[GameRecord], number: int | None = None) -> Path:
    """Write records to a new numbered Parquet file in `folder` and add them to its index.

    The file appears whole or not at all; its number is the next free one or `number`. `ValueError` when there
    are no records, `FileExistsError` where `number` is taken.
    """
    rows = list(records)
    if not rows:
        raise ValueError("no records to write")
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    columns = {
        "game": [record.game for record in rows],
        "options": [json.dumps(record.options, sort_keys=True) for record in rows],
        "ruleset": [record.ruleset for record in rows],
        "version": [record.version for record in rows],
        "seed": [record.seed for record in rows],
        "players": [list(record.players) for record in rows],
        "actions": [np.asarray(record.actions, np.int32).ravel() for record in rows],
        "ticks": [record.ticks for record in rows],
        "returns": [list(record.returns) for record in rows],
        "truncated": [record.truncated for record in rows],
        "final_hash": [record.final_hash for record in rows],
    }
    unfinished = folder / f"games-{os.getpid()}-{secrets.token_hex(4)}.unfinished"
    table = pa.table(columns, schema=_SCHEMA)
    try:
        pq.write_table(table, unfinished, compression="zstd", write_page_checksum=True)
        with open(unfinished, "rb") as file:
            os.fsync(file.fileno())
        path = _publish(unfinished, folder, number)
    finally:
        unfinished.unlink(missing_ok=True)
    with _open_index(folder) as index:
        _add_to_index(index, path.name, rows)
    index.close()
    return path


def records_path(folder: Path, number: int) -> Path:
    """The file of games of that number in `folder`."""
    return folder / f"games-{number:06d}.parquet"


def _publish(unfinished: Path, folder: Path, number: int | None) -> Path:
    """Give a finished file its number, or the next free one; of two writers at once each gets its own."""
    if number is not None:
        os.link(unfinished, records_path(folder, number))  # unlike a rename, refuses a name that is taken
        return records_path(folder, number)
    numbers = [int(path.stem[6:]) for path in folder.glob(_FILES) if path.stem[6:].isdigit()]
    number = max(numbers, default=0)
    while True:
        number += 1
        with contextlib.suppress(FileExistsError):
            return _publish(unfinished, folder, number)


def read_records(path: Path | str) -> list[GameRecord]:
    """All records of one Parquet file, in the order they were written; `RecordError` if it is damaged."""
    path = Path(path)
    if not path.is_file():
        raise RecordError(f"there is no file of games at {path}")
    try:
        table = pq.read_table(path, page_checksum_verification=True)
        columns = {field.name: field.type for field in table.schema}
        rows = table.to_pylist()
    except (pa.ArrowException, OSError, UnicodeError, OverflowError) as error:
        raise RecordError(f"{path} is no Parquet file, or a damaged one: {error}") from None
    if (table.schema.metadata or {}).get(b"strategos.games") != _FORMAT:
        raise RecordError(f"{path} holds no games of Strategos, or of a format newer than {_FORMAT.decode()}")
    for field in _SCHEMA:
        if columns.get(field.name) != field.type:
            raise RecordError(f"{path}: column {field.name!r} is missing or not of type {field.type}")
    return [_from_row(path, number, row) for number, row in enumerate(rows)]


def _from_row(path: Path, number: int, row: dict[str, Any]) -> GameRecord:
    where = f"{path}, game {number}"
    for name, value in row.items():
        if value is None or (isinstance(value, list) and None in value):
            raise RecordError(f"{where}: {name!r} is empty, or something in it")
    try:
        options = json.loads(row["options"])
    except json.JSONDecodeError as error:
        raise RecordError(f"{where}: 'options' is no JSON: {error}") from None
    if not isinstance(options, dict):
        raise RecordError(f"{where}: 'options' must be a JSON object, not {row['options'][:40]}")
    seats, ticks = len(row["players"]), row["ticks"]
    if len(row["actions"]) != ticks * seats:
        raise RecordError(
            f"{where}: {len(row['actions'])} actions; expected {ticks} ticks of {seats} players"
        )
    return GameRecord(
        game=row["game"],
        options=options,
        ruleset=row["ruleset"],
        version=row["version"],
        seed=row["seed"],
        players=tuple(row["players"]),
        actions=np.array(row["actions"], np.int32).reshape(ticks, seats),
        returns=tuple(row["returns"]),
        truncated=row["truncated"],
        final_hash=row["final_hash"],
    )


@dataclass(frozen=True)
class IndexEntry:
    """Where a recorded game lies, and what one may want to find it by."""

    file: str
    row: int
    """Its place in the file: `read_records(folder / file)[row]`."""
    game: str
    ruleset: str
    version: str
    seed: int
    players: tuple[str, ...]
    returns: tuple[float, ...]
    ticks: int
    truncated: bool
    final_hash: str


def find_records(folder: Path | str, *, player: str | None = None) -> list[IndexEntry]:
    """The recorded games of `folder`, from its index, oldest first; with `player` those that it played in.

    The index is made anew where it is missing or where a writer died before it was told of a file.
    `RecordError` for a folder without games, and for a file of games or an index that is damaged.
    """
    folder = Path(folder)
    files = {path.name for path in folder.glob(_FILES)}
    if not files:
        raise RecordError(f"{folder} holds no files of recorded games ({_FILES})")
    if not (folder / INDEX_NAME).exists():
        _rebuild_index(folder)
    index = _open_index(folder)
    try:
        known = {file for (file,) in index.execute("SELECT DISTINCT file FROM games")}
        if known != files:
            index.close()
            _rebuild_index(folder)
            index = _open_index(folder)
        rows = index.execute(
            "SELECT * FROM games WHERE ?1 IS NULL OR ?1 IN (SELECT value FROM json_each(players)) "
            "ORDER BY file, row",
            (player,),
        ).fetchall()
    except sqlite3.DatabaseError as error:
        raise RecordError(_damaged(folder, error)) from None
    finally:
        index.close()
    return [_entry(*row) for row in rows]


def _entry(
    file: str, row: int, game: str, ruleset: str, version: str, seed: int,
    players: str, returns: str, ticks: int, truncated: int, final_hash: str,
) -> IndexEntry:  # fmt: skip
    seats, result = tuple(json.loads(players)), tuple(json.loads(returns))
    return IndexEntry(
        file, row, game, ruleset, version, seed, seats, result, ticks, bool(truncated), final_hash
    )


def _rebuild_index(folder: Path) -> None:
    """Make the index of `folder` anew from its Parquet files; `RecordError` for one that is damaged."""
    found = [(path.name, read_records(path)) for path in sorted(folder.glob(_FILES))]
    (folder / INDEX_NAME).unlink(missing_ok=True)
    with _open_index(folder) as index:
        for name, records in found:
            _add_to_index(index, name, records)
    index.close()


def _open_index(folder: Path) -> sqlite3.Connection:
    index = sqlite3.connect(folder / INDEX_NAME, timeout=30)
    try:
        index.execute(
            "CREATE TABLE IF NOT EXISTS games "
            "(file TEXT, row INTEGER, game TEXT, ruleset TEXT, version TEXT, seed INTEGER, players TEXT, "
            "returns TEXT, ticks INTEGER, truncated INTEGER, final_hash TEXT, "
            "PRIMARY KEY (file, row))"
        )
    except sqlite3.DatabaseError as error:
        index.close()
        raise RecordError(_damaged(folder, error)) from None
    return index


def _damaged(folder: Path, error: Exception) -> str:
    return f"the index {folder / INDEX_NAME} is damaged ({error}); delete it and it is made anew"


def _add_to_index(index: sqlite3.Connection, file: str, records: list[GameRecord]) -> None:
    index.executemany(
        "INSERT OR REPLACE INTO games VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        [
            (
                file,
                row,
                record.game,
                record.ruleset,
                record.version,
                record.seed,
                json.dumps(record.players),
                json.dumps(record.returns),
                record.ticks,
                int(record.truncated),
                record.final_hash,
            )
            for row, record in enumerate(records)
        ],
    )
