"""Journals on disks that refuse, and journals that were torn or are old: B4 to B8, B12, B17."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import shutil
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
from failing_disk import failing_disk
from halls import both_pass, duel, options, passing, run, settings, until
from read_only import read_only

from strategos.play.record import find_records, records_path, verify
from strategos.server.hall import Hall, HallError
from strategos.server.records.archive import FOLDER, Archive
from strategos.server.records.journal import VERSION, Journal, JournalError, connect, folder_lock

HERE = Path(__file__).parent
FORMAT_1 = HERE / "journal_format_1.sql"
"""What a server of the first format had written: two games that had ended, one that ran, one room."""

_BAD_DISK = """
import os, resource, signal, sys
from pathlib import Path
sys.path.insert(0, {here!r})
from halls import duel, both_pass, settings, until, run
from strategos.play.record import verify
from strategos.server.hall import Hall, RoomOptions

def limit(size):
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))

def refuse():
    {refuse}

def mend():
    {mend}

async def work():
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    async with Hall(settings(Path({data!r}))) as hall:
        first, second = await duel(hall)
        mailbox = hall.listen(first.token)
        await both_pass(hall, first, second, ticks=3)
        refuse()
        await both_pass(hall, first, second, ticks=5)
        await until(lambda: hall._clockwork.wake() or hall._journal.alarm)
        print("alarm:", hall._journal.alarm)
        await both_pass(hall, first, second, ticks=5)
        ticket = await hall.create({options}, name="eve", address="e")  # and new rooms open
        mend()
        await until(lambda: hall._clockwork.wake() or not hall._journal.alarm)
        await both_pass(hall, first, second, ticks=2)
        _, events = await mailbox.next()
        assert [event.data["what"] for event in events if event.kind == "alarm"] == [
            "recording has stopped", "recording goes on"], events
        hall.surrender(first.token)
        await until(lambda: hall.snapshot(first.token).result)
        record = hall.replay(hall.snapshot(first.token).result.replay)
        verify(record)
        assert record.ticks == 16, record.ticks
    print("whole")

run(work())
"""
_FAULTS = "Path(os.environ['FAILING_DISK'])"
WAYS = {
    "full": ("limit(1)", "limit(resource.RLIM_INFINITY)", "recording has stopped"),
    "quota": (
        f"{_FAULTS}.write_text('write {errno.EDQUOT}')", f"{_FAULTS}.unlink()", "recording has stopped",
    ),
    "fsync": (
        f"{_FAULTS}.write_text('fsync {errno.EIO}')", f"{_FAULTS}.unlink()", "does not reach the disk",
    ),
}  # fmt: skip
"""How a disk begins to refuse, how it takes again, and what the alarm says of the time between."""


@pytest.mark.parametrize("way", WAYS)
def test_b4_b5_b6_b8_on_a_bad_disk_games_go_on_and_are_whole_afterwards(tmp_path, way):
    """It is full, in the middle of a write; past a quota; or it does not confirm what was written."""
    refuse, mend, alarm = WAYS[way]
    program = _BAD_DISK.format(
        here=str(HERE),
        data=str(tmp_path / "data"),
        options=f"RoomOptions(options={options().options!r})",
        refuse=refuse,
        mend=mend,
    )
    environment = dict(os.environ) if way == "full" else failing_disk(tmp_path, "journal.sqlite")
    done = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        timeout=200,
        cwd=HERE.parents[1],
        env=environment,
    )
    assert done.returncode == 0 and "whole" in done.stdout, done.stderr[-3000:]
    told = next(line for line in done.stdout.splitlines() if line.startswith("alarm:"))
    assert alarm in told
    with sqlite3.connect(tmp_path / "data" / "journal.sqlite") as journal:
        assert journal.execute("PRAGMA integrity_check").fetchall() == [("ok",)]


@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="which file it is, is read from /proc")
def test_b6_no_tick_is_let_go_before_the_file_of_its_game_has_its_name_on_the_disk(tmp_path, monkeypatch):
    real = os.fsync

    def unconfirmed(handle: int) -> None:
        if os.readlink(f"/proc/self/fd/{handle}").endswith("/games"):
            raise OSError(errno.EIO, "Input/output error")
        real(handle)

    async def work() -> None:
        async with Hall(settings(tmp_path)) as hall:
            tickets = await duel(hall)
            await both_pass(hall, *tickets, ticks=3)
            hall.surrender(tickets[0].token)
            await until(lambda: hall.snapshot(tickets[0].token).result)
            with monkeypatch.context() as patch:
                patch.setattr(os, "fsync", unconfirmed)
                for _ in range(2):  # also when the file is there already
                    assert not await hall._recorder.write_all()
                    assert hall._journal.read("SELECT count(*) FROM ticks") == [(4,)]
            assert await hall._recorder.write_all()
            assert hall._journal.read("SELECT count(*) FROM ticks") == [(0,)]
            verify(hall.replay(hall.snapshot(tickets[0].token).result.replay))

    run(work())


def test_b7_a_data_folder_that_is_read_only(tmp_path, monkeypatch):
    Journal(tmp_path / "journal.sqlite").close()
    monkeypatch.chdir(tmp_path)
    with read_only(Path()):
        refused = "data cannot be a data folder: Permission denied; choose another --data"
        with pytest.raises(JournalError, match=refused), folder_lock(Path("data")):
            pass
        with pytest.raises(JournalError, match=r"journal\.sqlite cannot be read .*(readonly|unable to open)"):
            Journal(Path("journal.sqlite"))


async def play_some(hall: Hall) -> tuple[str, str]:
    """A game that has ended, which lies in a file, and one that runs; replay id and token."""
    over, going_on = await duel(hall), await duel(hall)
    await both_pass(hall, *over, ticks=2)
    hall.surrender(over[1].token)
    await until(lambda: hall.snapshot(over[0].token).result)
    assert await hall._recorder.write_all()
    await both_pass(hall, *going_on, ticks=20)
    result = hall.snapshot(over[0].token).result
    assert result is not None
    return result.replay, going_on[0].token


def left_by_a_crash(folder: Path, monkeypatch) -> tuple[Path, str, str]:
    """A copy of a data folder as it was while its server ran, its log longer than one transaction."""
    monkeypatch.setattr("strategos.server.records.journal.CHECKPOINT_S", 3600.0)

    async def work() -> tuple[str, str]:
        async with Hall(settings(folder / "data")) as hall:
            known = await play_some(hall)
            shutil.copytree(folder / "data", folder / "crashed")
            return known

    known = run(work())
    monkeypatch.undo()
    (folder / "crashed" / "journal.sqlite-shm").unlink()  # was in memory
    return folder / "crashed", *known


def ticks_in(journal: Path) -> list[tuple[str, list[int]]]:
    with contextlib.closing(connect(journal)) as connection:
        rooms = connection.execute("SELECT DISTINCT room FROM ticks ORDER BY room").fetchall()
        return [
            (room, [tick for (tick,) in connection.execute("SELECT tick FROM ticks WHERE room = ?", (room,))])
            for (room,) in rooms
        ]


@pytest.mark.parametrize("damage", ["cut", "flipped"])
def test_b17_of_a_torn_log_all_before_the_tear_is_there_and_the_tear_is_told(
    tmp_path, monkeypatch, capsys, damage
):
    crashed, _, _ = left_by_a_crash(tmp_path, monkeypatch)
    log = (crashed / "journal.sqlite-wal").read_bytes()
    whole = ticks_in_copy(tmp_path, crashed, log)
    running = max(whole, key=lambda each: len(each[1]))[0]
    assert len(dict(whole)[running]) == 20
    found: list[int] = []
    every = max(1, len(log) // FRAME_BYTES // 40)
    for place in range(100, len(log), every * FRAME_BYTES):  # in the page of every such frame
        torn = log[:place] if damage == "cut" else log[:place] + bytes([log[place] ^ 16]) + log[place + 1 :]
        capsys.readouterr()
        kept = dict(ticks_in_copy(tmp_path, crashed, torn))
        for room, ticks in whole:
            assert kept.get(room, []) == ticks[: len(kept.get(room, []))], "what is there is a beginning"
        found.append(len(kept.get(running, [])))
        said = capsys.readouterr().out
        assert "ended in the middle of a write" in said, place
    assert found == sorted(found) and found[0] < 10 < found[-1]
    capsys.readouterr()
    ticks_in_copy(tmp_path, crashed, log)
    assert "in the middle" not in capsys.readouterr().out, "a log that is whole says nothing"


FRAME_BYTES = 24 + 4096
"""Of the log: a page, and what is said of it."""


def ticks_in_copy(folder: Path, crashed: Path, log: bytes) -> list[tuple[str, list[int]]]:
    """What a server finds in a copy of a data folder with this log."""
    copy = folder / "copy"
    shutil.rmtree(copy, ignore_errors=True)
    copy.mkdir()
    shutil.copy(crashed / "journal.sqlite", copy)
    (copy / "journal.sqlite-wal").write_bytes(log)
    Journal(copy / "journal.sqlite").close()
    with contextlib.closing(sqlite3.connect(copy / "journal.sqlite")) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    return ticks_in(copy / "journal.sqlite")


def test_b17_games_go_on_from_before_the_tear(tmp_path, monkeypatch):
    crashed, replay, token = left_by_a_crash(tmp_path, monkeypatch)
    log = crashed / "journal.sqlite-wal"
    log.write_bytes(log.read_bytes()[:-6000])

    async def go_on() -> None:
        async with Hall(settings(crashed)) as hall:
            verify(hall.replay(replay))
            seen = hall.snapshot(token)
            assert seen.phase == "running" and 10 < seen.tick < 20
            hall.act(token, passing(hall, hall.check(token)), tick=seen.tick)

    run(go_on())


def test_b17_of_a_torn_file_of_games_those_of_other_files_are_there_and_it_is_named(tmp_path):
    async def work() -> None:
        async with Hall(settings(tmp_path)) as hall:
            replays = [(await play_some(hall))[0] for _ in range(2)]
            torn = records_path(tmp_path / FOLDER, 2)
            for size in (0, 1, torn.stat().st_size // 2, torn.stat().st_size - 1):
                torn.write_bytes(torn.read_bytes()[:size])
                hall._archive = Archive(tmp_path)  # one that has read nothing yet
                verify(hall.replay(replays[0]))
                with pytest.raises(HallError, match="the record of this game is damaged") as refused:
                    hall.replay(replays[1])
                assert refused.value.code == "unavailable"
            await play_some(hall)  # is written to a file of its own
            assert records_path(tmp_path / FOLDER, 3).exists()
            (tmp_path / FOLDER / "index.sqlite").unlink()
            with pytest.raises(
                ValueError, match=r"games-000002\.parquet is no Parquet file, or a damaged one"
            ):
                find_records(tmp_path / FOLDER)

    run(work())


def test_b12_a_journal_that_a_server_of_the_first_format_wrote_goes_on(tmp_path):
    with contextlib.closing(sqlite3.connect(tmp_path / "journal.sqlite")) as journal:
        journal.executescript(FORMAT_1.read_text())
        assert journal.execute("PRAGMA user_version").fetchone() == (1,)

    async def go_on() -> None:
        async with Hall(settings(tmp_path)) as hall:
            games, _ = hall.games()
            assert [(game.names, game.ticks) for game in games] == [(("ann", "bob"), 5), (("ann", "bob"), 4)]
            assert [(line.name, line.games) for line in hall.leaderboard("generals")] == [
                ("ann", 2),
                ("bob", 2),
            ]
            rooms = {room.chairs[0].name: room for room in hall._lobby.rooms.values() if room.phase != "over"}
            assert (rooms["cid"].phase, rooms["cid"].tick) == ("running", 30)
            state = rooms["cid"].pool.states[rooms["cid"].row].tobytes()
            assert hashlib.sha256(state).hexdigest() == STATE_OF_FORMAT_1
            assert rooms["eve"].phase == "open"
            eve = await hall.join(rooms["eve"].code, name="fay", address="f")
            await until(lambda: hall.snapshot(eve.token).phase == "running")
            for line in games:
                verify(hall.replay(line.replay))
            assert await hall._recorder.write_all()
            for line in games:
                verify(hall.replay(line.replay))

    run(go_on())
    journal = Journal(tmp_path / "journal.sqlite")
    assert journal.read("PRAGMA user_version") == [(VERSION,)]
    journal.close()


STATE_OF_FORMAT_1 = "1f979d68fe72f2f79cfaf8feddf310659bf32c1d525f74ccff2e0660093a0844"
"""Of the game that ran, as its server had it."""
