"""The journal: rooms, seats, queues, ticks as they are played, results, ratings, in one SQLite file (WAL).

The loop of the hall notes what happens, and commits the notes of one turn of the loop in one transaction
before it tells anybody. So `kill -9` loses at most the tick that is being played, and a reader sees whole
turns; a machine that loses its power loses about a second. Where the disk refuses, the notes are kept (up to
a bound) and tried again, and the games go on; past the bound ticks are lost and their games are told as
unrecorded.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
import threading
import time
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import structlog

from strategos.server.records.log_tail import dropped_bytes

VERSION = 2
KEPT_NOTES = 200_000
"""Notes that wait while the disk refuses; about 100 bytes each."""
RETRY_S = 0.5
BUSY_MS = 50
CHECKPOINT_S = 1.0
_INDEXES = """
CREATE INDEX results_listed ON results (private) WHERE private = 0 AND recorded;
CREATE INDEX results_listed_by_game ON results (game) WHERE private = 0 AND recorded;
CREATE INDEX results_to_file ON results (file) WHERE file IS NULL AND recorded;
CREATE INDEX results_by_final_hash ON results (final_hash);
CREATE INDEX players_by_rating ON players (game, mu - 3 * sigma DESC, name);
"""
"""Results are in the order of their rowid, the order in which games ended: a wall clock may jump back."""
_MOVES = """
CREATE TABLE moves (
  room TEXT, chair INTEGER, place INTEGER, action INTEGER NOT NULL, number INTEGER NOT NULL,
  PRIMARY KEY (room, chair, place)) WITHOUT ROWID;
"""
"""The queues of moves; at place `LAST_PLAYED` is the last one whose tick was played."""
_SCHEMA = f"""
CREATE TABLE rooms (
  id TEXT PRIMARY KEY, code TEXT NOT NULL, game TEXT NOT NULL, options TEXT NOT NULL, pace TEXT NOT NULL,
  seconds REAL NOT NULL, agents TEXT NOT NULL, private INTEGER NOT NULL, chosen_seed INTEGER,
  tick_limit INTEGER NOT NULL, quick INTEGER NOT NULL, seed INTEGER NOT NULL, made_at REAL NOT NULL,
  phase TEXT NOT NULL, seating TEXT NOT NULL, unrecorded INTEGER NOT NULL DEFAULT 0);
CREATE TABLE seats (
  room TEXT, chair INTEGER, name TEXT NOT NULL, ident TEXT NOT NULL, agent TEXT NOT NULL,
  gone INTEGER NOT NULL, leaving INTEGER NOT NULL DEFAULT 0, PRIMARY KEY (room, chair)) WITHOUT ROWID;
CREATE TABLE ticks (room TEXT, tick INTEGER, actions BLOB NOT NULL, PRIMARY KEY (room, tick)) WITHOUT ROWID;
CREATE TABLE results (
  replay TEXT PRIMARY KEY, room TEXT NOT NULL UNIQUE, game TEXT NOT NULL, options TEXT NOT NULL,
  names TEXT NOT NULL, returns TEXT NOT NULL, places TEXT NOT NULL, ratings TEXT NOT NULL,
  reason TEXT NOT NULL, truncated INTEGER NOT NULL, ticks INTEGER NOT NULL, final_hash TEXT NOT NULL,
  seed INTEGER NOT NULL,
  private INTEGER NOT NULL, ended_at REAL NOT NULL, recorded INTEGER NOT NULL, file INTEGER, place INTEGER);
{_MOVES}CREATE TABLE files (number INTEGER PRIMARY KEY, replays TEXT NOT NULL);
CREATE TABLE players (
  game TEXT, name TEXT, mu REAL NOT NULL, sigma REAL NOT NULL, games INTEGER NOT NULL, wins INTEGER NOT NULL,
  PRIMARY KEY (game, name)) WITHOUT ROWID;
{_INDEXES}"""
_UPGRADES = {
    1: "ALTER TABLE seats ADD COLUMN leaving INTEGER NOT NULL DEFAULT 0; "
    f"DROP INDEX results_by_end; DROP INDEX results_to_file; {_INDEXES} {_MOVES}"
}
"""By version: what makes the next one of it."""
TICK = "INSERT OR REPLACE INTO ticks VALUES (?, ?, ?)"
PUT_RESULT = "INSERT INTO results VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, NULL, NULL)"
PUT_MOVE = "INSERT OR REPLACE INTO moves VALUES (?, ?, ?, ?, ?)"
DROP_MOVES = "DELETE FROM moves WHERE room = ? AND chair = ? AND place BETWEEN ? AND ?"
LAST_PLAYED = -1
_OF_TICKS = (TICK, PUT_MOVE, DROP_MOVES)
"""Without these a room cannot go on after a restart; they are let go of when too much waits."""
KEY_BYTES = 16
"""Of the digest of an idempotency key."""
_NEVER = (sqlite3.IntegrityError, sqlite3.ProgrammingError, sqlite3.InterfaceError, OverflowError, ValueError)
"""What is raised for a note that no disk could take: text that is no Unicode, numbers beyond 64 bits."""
log = structlog.get_logger("strategos.server")
_Note = tuple[str, tuple[Any, ...]]


class JournalError(RuntimeError):
    """A journal that cannot be used: what is wrong, what to do."""


def pack_actions(actions: np.ndarray, keys: Sequence[bytes] = ()) -> bytes:
    """One tick's actions int32 [P], where there are any the digests [P] of their idempotency keys (b"" for
    none), and a checksum of it all."""
    digests = b"".join(key or bytes(KEY_BYTES) for key in keys) if any(keys) else b""
    content = np.ascontiguousarray(actions, "<i4").tobytes() + digests
    return zlib.crc32(content).to_bytes(4, "little") + content


def unpack_actions(blob: bytes, seats: int) -> np.ndarray:
    """int32 [P]; `JournalError` where bits have rotted."""
    content = blob[4:]
    whole = len(content) in (4 * seats, (4 + KEY_BYTES) * seats)
    if not whole or zlib.crc32(content) != int.from_bytes(blob[:4], "little"):
        raise JournalError("a tick in the journal is damaged")
    return np.frombuffer(content, "<i4", seats).astype(np.int32)


def keys_of(blob: bytes, seats: int) -> list[tuple[int, bytes]]:
    """Seats whose move had an idempotency key, and its digest; of a blob that `unpack_actions` takes."""
    digests = blob[4 + 4 * seats :]
    cut = [digests[place : place + KEY_BYTES] for place in range(0, len(digests), KEY_BYTES)]
    return [(seat, digest) for seat, digest in enumerate(cut) if any(digest)]


@contextmanager
def folder_lock(folder: Path) -> Iterator[None]:
    """Hold a data folder for one server; `JournalError` if another one has it.

    The lock belongs to the process: it falls when the process dies, however it dies.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        file = open(folder / "lock", "a+", encoding="utf-8")  # noqa: SIM115
    except OSError as error:
        raise JournalError(
            f"{folder} cannot be a data folder: {error.strerror}; choose another --data"
        ) from None
    with file:
        try:
            import fcntl
        except ImportError:  # Windows: no advisory locks of this kind, so no protection either
            yield
            return
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            holder = file.read().strip() or "unknown"
            raise JournalError(
                f"{folder} is in use by another server (process {holder}); stop it, or choose another --data"
            ) from None
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        yield


class Journal:
    """The journal of one data folder, for the loop of the hall.

    A commit goes to the system and not to the disk itself, which takes a tenth of a millisecond: less than
    the two changes of threads that a writer of its own would cost. What waits for the disk, the checkpoint,
    is on a thread. `on_alarm(text)` is called when the disk refuses, be it to write or to keep what was
    written, and, with "", when it takes again; `on_lost(rooms)` names the rooms of which ticks were lost.
    """

    def __init__(
        self,
        path: Path,
        *,
        on_alarm: Callable[[str], None] = lambda text: None,
        on_lost: Callable[[set[str]], None] = lambda rooms: None,
    ) -> None:
        self.path = path
        self._on_alarm, self._on_lost = on_alarm, on_lost
        self.alarm = ""
        """Why nothing is recorded at present, or not for good; "" where all is well."""
        self._refusal = ""
        """Why the last notes were not written."""
        self._unsynced = ""
        """Why the last checkpoint did not come onto the disk; its thread says so."""
        self._notes: list[_Note] = []
        self._retry_at = 0.0
        if dropped := dropped_bytes(path):
            log.warning("the journal ended in the middle of a write, which is lost", bytes=dropped)
        self._connection = connect(path)
        # The archive writes, too, for a millisecond at a time: rather than wait long, try with the next turn.
        self._connection.execute(f"PRAGMA busy_timeout={BUSY_MS}")
        self._connection.execute("PRAGMA wal_autocheckpoint=0")
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._checkpoint, name="journal", daemon=True)
        self._thread.start()

    def note(self, statement: str, *values: Any) -> None:
        """Write this with the next commit."""
        self._notes.append((statement, values))

    def commit(self) -> None:
        """Write all notes in one transaction; where the disk refuses they stay noted, and the games go on."""
        if self._notes and time.monotonic() >= self._retry_at:
            self._write()
        self._tell()

    def _write(self) -> None:
        try:
            self._transact(self._notes)
        except _NEVER:
            self._one_by_one()
        except (sqlite3.Error, OSError) as error:
            self._refused(error)
        else:
            self._notes, self._refusal = [], ""

    def _tell(self) -> None:
        """Raise the alarm, or end it."""
        alarm = self._refusal or self._unsynced
        if bool(alarm) != bool(self.alarm):
            self.alarm = alarm
            self._on_alarm(alarm)

    def read(self, statement: str, *values: Any) -> list[tuple]:
        """Rows of what was committed; for small reads."""
        try:
            return self._connection.execute(statement, values).fetchall()
        except sqlite3.DatabaseError as error:
            raise JournalError(_damaged(self.path, error)) from None

    def close(self) -> None:
        """Write what is left and close."""
        self._retry_at = 0.0
        self.commit()
        self._stop.set()
        self._thread.join()
        self._tell()
        self._connection.close()

    def _refused(self, error: Exception) -> None:
        """Keep the notes for later; the ticks among them only as long as they are not too many."""
        busy = "locked" in str(error)  # the archive is writing: the next turn tries again
        self._retry_at = 0.0 if busy else time.monotonic() + RETRY_S
        if not busy:
            self._refusal = f"recording has stopped: {error}"
        if len(self._notes) > KEPT_NOTES:
            lost = {values[0] for statement, values in self._notes if statement in _OF_TICKS}
            self._notes = [note for note in self._notes if note[0] not in _OF_TICKS][-KEPT_NOTES:]
            self._on_lost(lost)

    def _one_by_one(self) -> None:
        """Leave out a note that can never be written: it must not hold up those of other rooms."""
        notes, self._notes = self._notes, []
        for place, note in enumerate(notes):
            try:
                self._transact([note])
            except _NEVER as error:
                log.error("a note cannot be written", statement=note[0], error=type(error).__name__)
                if note[0] in _OF_TICKS:
                    self._on_lost({str(note[1][0])})
            except (sqlite3.Error, OSError) as error:
                self._notes = [*notes[place:], *self._notes]
                self._refused(error)
                return
        self._refusal = ""

    def _transact(self, notes: list[_Note]) -> None:
        connection = self._connection
        try:
            connection.execute("BEGIN IMMEDIATE")
            first = 0
            while first < len(notes):  # runs of the same statement at once
                statement, last = notes[first][0], first + 1
                while last < len(notes) and notes[last][0] == statement:
                    last += 1
                connection.executemany(statement, [values for _, values in notes[first:last]])
                first = last
            connection.execute("COMMIT")
        except BaseException:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise

    def _checkpoint(self) -> None:
        """Once a second: from the log into the file, and both onto the disk."""
        with contextlib.closing(connect(self.path)) as connection:
            ended = False
            while not ended:
                ended = self._stop.wait(CHECKPOINT_S)
                try:
                    connection.execute("PRAGMA wal_checkpoint(PASSIVE)")
                    self._unsynced = ""
                except sqlite3.Error as error:  # the log grows, and the next checkpoint tries again
                    if "locked" not in str(error):
                        self._unsynced = f"what is recorded does not reach the disk: {error}"


def connect(path: Path) -> sqlite3.Connection:
    """The journal at `path`, made where it is not there; `JournalError` for a damaged or a newer one."""
    try:
        connection = sqlite3.connect(path, timeout=10.0, isolation_level=None, check_same_thread=False)
    except sqlite3.Error as error:
        raise JournalError(_damaged(path, error)) from None
    try:
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=NORMAL")
        connection.execute("PRAGMA trusted_schema=OFF")
        (version,) = connection.execute("PRAGMA user_version").fetchone()
        if version == 0:
            connection.executescript(f"BEGIN; {_SCHEMA} PRAGMA user_version={VERSION}; COMMIT;")
        elif version > VERSION:
            raise JournalError(
                f"{path.name} was written by a newer server (format {version}, this one reads {VERSION}); "
                "use that one, or another --data"
            )
        for older in range(version, VERSION) if version else ():
            connection.executescript(f"BEGIN; {_UPGRADES[older]} PRAGMA user_version={older + 1}; COMMIT;")
    except sqlite3.Error as error:
        connection.close()
        raise JournalError(_damaged(path, error)) from None
    except JournalError:
        connection.close()
        raise
    return connection


def ticks_of(rows: Iterable[tuple[int, bytes]], seats: int) -> list[np.ndarray]:
    """The actions [ticks] of int32 [P] from rows (tick, blob) in order, up to the first that is missing or
    damaged; `JournalError` where others follow it."""
    actions: list[np.ndarray] = []
    for tick, blob in rows:
        if tick != len(actions):
            raise JournalError(f"tick {len(actions)} is missing in the journal")
        actions.append(unpack_actions(blob, seats))
    return actions


def wall_clock() -> float:
    """Seconds since 1970, for people to read and for nothing else."""
    return time.time()


def _damaged(path: Path, error: Exception) -> str:
    return (
        f"the journal {path.name} cannot be read ({error}); move it away to begin anew: the finished games "
        "in the folder of records stay"
    )
