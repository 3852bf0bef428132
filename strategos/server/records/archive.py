"""Finished games from the journal into Parquet files, each exactly once, and back out of them by replay id.

A file is first announced in the journal (its number and its games), then written whole, then the games are
told where they lie and their ticks are let go. Whatever is killed between two of these is taken up again.
Runs on any one thread, with a connection of its own.
"""

from __future__ import annotations

import contextlib
import json
import sqlite3
from functools import lru_cache
from pathlib import Path

import numpy as np

from strategos import __version__
from strategos.durable import sync_folder
from strategos.play.record import GameRecord, RecordError, read_records, records_path, write_records
from strategos.server.records.journal import JournalError, connect, ticks_of
from strategos.server.terms import HallError

FOLDER = "games"
_OPEN_FILES = 2
"""Files whose games are kept in memory: who reads one game mostly reads its neighbours. No file changes."""
_LEFT_OVER = """
WITH RECURSIVE played (room) AS (
  SELECT min(room) FROM ticks UNION ALL
  SELECT (SELECT min(room) FROM ticks WHERE room > played.room) FROM played WHERE played.room IS NOT NULL)
SELECT results.room FROM played JOIN results ON results.room = played.room WHERE results.file IS NOT NULL
"""
"""Games that lie in a file and have ticks yet: from room to room of the ticks, not tick by tick."""
_RECORDED = "game, options, names, returns, truncated, ticks, final_hash, seed, room, file, place"


class Archive:
    """The files of finished games of one data folder."""

    def __init__(self, data: Path) -> None:
        self.folder = data / FOLDER
        self._journal = data / "journal.sqlite"
        self.folder.mkdir(parents=True, exist_ok=True)
        self._read = lru_cache(maxsize=_OPEN_FILES)(self._read_file)
        for rest in self.folder.glob("*.unfinished"):  # of a process that was killed
            rest.unlink(missing_ok=True)

        with contextlib.closing(connect(self._journal)) as journal:
            for (room,) in journal.execute(_LEFT_OVER).fetchall():
                _forget_ticks(journal, room)

    def write(self, most: int) -> int:
        """Write up to `most` finished games to a file; how many. `OSError` where the disk refuses."""
        with contextlib.closing(connect(self._journal)) as journal:
            announced = journal.execute(
                "SELECT number, replays FROM files WHERE number IN (SELECT max(number) FROM files)"
            ).fetchone()
            if announced is not None:
                number, replays = announced[0], json.loads(announced[1])
                if _open(journal, replays):
                    return self._write_file(journal, number, replays)
            rows = journal.execute(
                "SELECT replay FROM results WHERE file IS NULL AND recorded ORDER BY rowid LIMIT ?", (most,)
            ).fetchall()
            replays = [replay for (replay,) in rows]
            if not replays:
                return 0
            number = self._next_number(journal)
            journal.execute("INSERT INTO files VALUES (?, ?)", (number, json.dumps(replays)))
            return self._write_file(journal, number, replays)

    def find(self, replay: str) -> GameRecord:
        """The record of a finished game; `HallError` "not_found", or "unavailable" for a damaged one."""
        if not isinstance(replay, str) or not 0 < len(replay) <= 64:
            raise HallError("not_found", "there is no such replay")
        try:
            with contextlib.closing(connect(self._journal)) as journal:
                journal.execute("BEGIN")  # a game that is written to a file meanwhile has its ticks here yet
                found = journal.execute(
                    f"SELECT {_RECORDED} FROM results WHERE replay = ? AND recorded", (replay,)
                ).fetchone()
                if found is None:
                    raise HallError("not_found", "there is no such replay")
                if found[-2] is None:
                    return _from_journal(journal, found)
                return self._read(found[-2])[found[-1]]
        except (RecordError, JournalError, IndexError, sqlite3.Error):
            text = "the record of this game is damaged, or cannot be read at present"
            raise HallError("unavailable", text) from None

    def _read_file(self, number: int) -> list[GameRecord]:
        return read_records(records_path(self.folder, number))

    def _next_number(self, journal: sqlite3.Connection) -> int:
        (last,) = journal.execute("SELECT coalesce(max(number), 0) FROM files").fetchone()
        stems = [path.stem[6:] for path in self.folder.glob("games-*.parquet")]
        return max([last, *(int(stem) for stem in stems if stem.isdigit())]) + 1

    def _write_file(self, journal: sqlite3.Connection, number: int, replays: list[str]) -> int:
        """Write the announced file unless it is there, and close its games."""
        records, kept, damaged = [], [], []
        for replay in replays:
            found = journal.execute(
                f"SELECT {_RECORDED} FROM results WHERE replay = ? AND recorded", (replay,)
            ).fetchone()
            try:
                if found is not None:
                    records.append(_from_journal(journal, found))
                    kept.append((replay, found[8]))
            except (JournalError, ValueError):
                damaged.append(replay)
        if records and not records_path(self.folder, number).exists():
            write_records(self.folder, records, number)
        sync_folder(self.folder)  # the file's name is safe before the only other copy goes
        journal.execute("BEGIN IMMEDIATE")
        try:
            for place, (replay, room) in enumerate(kept):
                journal.execute(
                    "UPDATE results SET file = ?, place = ? WHERE replay = ?", (number, place, replay)
                )
                journal.execute("DELETE FROM seats WHERE room = ?", (room,))
                journal.execute("DELETE FROM rooms WHERE id = ?", (room,))
            for replay in damaged:
                journal.execute("UPDATE results SET recorded = 0 WHERE replay = ?", (replay,))
            journal.execute("COMMIT")
        except BaseException:
            if journal.in_transaction:
                journal.execute("ROLLBACK")
            raise
        for _, room in kept:
            _forget_ticks(journal, room)
        return len(kept)


def _forget_ticks(journal: sqlite3.Connection, room: str) -> None:
    """Let go of a game's ticks, a few at a time: the games that run write in between."""
    while journal.execute(
        "DELETE FROM ticks WHERE room = ?1 AND tick IN (SELECT tick FROM ticks WHERE room = ?1 LIMIT 500)",
        (room,),
    ).rowcount:
        pass


def _open(journal: sqlite3.Connection, replays: list[str]) -> bool:
    """Whether games that were announced for a file have not been told that they lie there."""
    return any(
        journal.execute(
            "SELECT 1 FROM results WHERE replay = ? AND file IS NULL AND recorded", (replay,)
        ).fetchone()
        for replay in replays
    )


def _from_journal(journal: sqlite3.Connection, row: tuple) -> GameRecord:
    game, options, names, returns, truncated, ticks, final_hash, seed, room, _, _ = row
    chosen, players = json.loads(options), tuple(json.loads(names))
    rows = journal.execute("SELECT tick, actions FROM ticks WHERE room = ? ORDER BY tick", (room,))
    actions = ticks_of(rows, len(players))
    if len(actions) != ticks or not actions:
        raise JournalError(f"{len(actions)} ticks of {ticks} are in the journal")
    return GameRecord(
        game=game,
        options=chosen,
        ruleset=str(chosen.get("ruleset", "")),
        version=__version__,
        seed=seed,
        players=players,
        actions=np.stack(actions),
        returns=tuple(json.loads(returns)),
        truncated=bool(truncated),
        final_hash=final_hash,
    )
