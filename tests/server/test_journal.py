"""What is kept: whole turns or nothing, exactly once in a file, by one server at a time."""

from __future__ import annotations

import asyncio
import json
import os
import resource
import signal
import sqlite3
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
from halls import both_pass, duel, options, run, settings, until

from strategos.play.record import find_records, verify
from strategos.server.hall import Hall, HallError
from strategos.server.records import archive as archives
from strategos.server.records.archive import Archive
from strategos.server.records.journal import (
    TICK,
    Journal,
    JournalError,
    folder_lock,
    pack_actions,
    unpack_actions,
)

HERE = Path(__file__).parent


async def finish(hall: Hall, ticks: int = 3, **chosen):
    """Play a short game to its end; its result."""
    tickets = await duel(hall, **chosen)
    await both_pass(hall, *tickets, ticks=ticks)
    hall.surrender(tickets[1].token)
    await until(lambda: hall.snapshot(tickets[0].token).result)
    return hall.snapshot(tickets[0].token).result


def count(folder: Path, table: str) -> int:
    with sqlite3.connect(folder / "journal.sqlite") as journal:
        return journal.execute(f"SELECT count(*) FROM {table}").fetchone()[0]


def test_a_turn_is_written_whole_or_not_at_all(tmp_path):
    journal = Journal(tmp_path / "j.sqlite")
    for tick in range(3):
        journal.note(TICK, "room", tick, pack_actions(np.array([1, -1], np.int32)))
    assert journal.read("SELECT count(*) FROM ticks") == [(0,)]
    journal.commit()
    assert journal.read("SELECT count(*) FROM ticks") == [(3,)]
    journal.commit()
    journal.close()


def test_b18_a_tick_whose_bits_have_rotted_is_found():
    actions = np.array([5, -1, 2000], np.int32)
    blob = pack_actions(actions)
    assert np.array_equal(unpack_actions(blob, 3), actions)
    for place in range(len(blob)):
        changed = bytearray(blob)
        changed[place] ^= 4
        with pytest.raises(JournalError):
            unpack_actions(bytes(changed), 3)
    for other in (b"", blob[:-1], blob + b"\0"):
        with pytest.raises(JournalError):
            unpack_actions(other, 3)


def test_b18_a_damaged_game_ends_and_the_others_go_on(tmp_path):
    async def begin():
        async with Hall(settings(tmp_path)) as hall:
            tables = [await duel(hall), await duel(hall)]
            for table in tables:
                await both_pass(hall, *table, ticks=5)
            return tables

    async def go_on(good, bad):
        async with Hall(settings(tmp_path)) as hall:
            assert hall.snapshot(good[0].token).tick == 5
            await both_pass(hall, *good, ticks=2)
            ended = hall.snapshot(bad[0].token)
            assert ended.phase == "over" and ended.result.reason == "fault" and not ended.result.replay

    good, bad = run(begin())
    with sqlite3.connect(tmp_path / "journal.sqlite") as journal:
        journal.execute("UPDATE ticks SET actions = x'00' WHERE room = ? AND tick = 2", (bad[0].room,))
    journal.close()
    run(go_on(good, bad))


def test_b11_a_journal_of_a_newer_server_is_refused(tmp_path):
    Journal(tmp_path / "journal.sqlite").close()
    with sqlite3.connect(tmp_path / "journal.sqlite") as journal:
        journal.execute("PRAGMA user_version = 9")
    journal.close()

    async def work():
        async with Hall(settings(tmp_path)):
            pass

    with pytest.raises(JournalError, match="newer server"):
        run(work())


def test_b2_a_damaged_journal_says_what_to_do(tmp_path):
    (tmp_path / "journal.sqlite").write_bytes(b"not a database" * 1000)

    async def work():
        async with Hall(settings(tmp_path)):
            pass

    with pytest.raises(JournalError, match=r"journal\.sqlite cannot be read .* move it away"):
        run(work())


def test_two_servers_on_one_folder(tmp_path):
    async def work():
        async with Hall(settings(tmp_path)) as hall:
            with pytest.raises(JournalError, match=f"another server .process {os.getpid()}"):
                await Hall(settings(tmp_path)).start()
            other = subprocess.run(
                [sys.executable, "-m", "strategos.cli", "host", "--data", str(tmp_path)],
                capture_output=True,
                text=True,
                timeout=120,
            )
            assert other.returncode == 2 and "another server" in other.stderr
            assert "Traceback" not in other.stderr
            await finish(hall)
        async with Hall(settings(tmp_path)):
            pass

    run(work())


def test_b7_a_folder_that_cannot_be(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(JournalError, match="choose another --data"), folder_lock(tmp_path / "file" / "data"):
        pass


def test_finished_games_become_records_exactly_once(tmp_path):
    async def work():
        async with Hall(settings(tmp_path, record_games=2)) as hall:
            results = [await finish(hall) for _ in range(5)]
            assert await hall._recorder.write_all()
            return results

    results = run(work())
    found = find_records(tmp_path / "games")
    assert len(found) == 5 and len({entry.final_hash + str(entry.seed) for entry in found}) == 5
    assert count(tmp_path, "ticks") == count(tmp_path, "seats") == count(tmp_path, "rooms") == 0
    archive = Archive(tmp_path)
    for result in results:
        verify(archive.find(result.replay))
    assert archive.write(10) == 0


def test_who_stops_waits_for_the_file_that_is_being_written(tmp_path, monkeypatch):
    """The task that writes is cancelled, its thread is not: two at once would write the same games."""
    free, at_work, most = threading.Event(), [], []

    async def work():
        hall = Hall(settings(tmp_path, record_games=1))
        await hall.start()
        write = hall._archive.write

        def slowly(number: int) -> int:
            at_work.append(number)
            most.append(len(at_work))
            assert free.wait(60)
            written = write(number)
            at_work.pop()
            return written

        monkeypatch.setattr(hall._archive, "write", slowly)
        result = await finish(hall)
        await until(lambda: at_work)
        stopping = asyncio.create_task(hall.stop())
        await asyncio.sleep(0.5)  # long enough for a second one to begin, if it would
        assert not stopping.done()
        free.set()
        await stopping
        return result

    result = run(work())
    assert set(most) == {1}
    assert len(find_records(tmp_path / "games")) == 1
    verify(Archive(tmp_path).find(result.replay))


@pytest.mark.parametrize("moment", ["announced", "written", "closed"])
def test_killed_between_file_and_journal_nothing_is_lost_or_doubled(tmp_path, monkeypatch, moment):
    """Crash points: after the file is announced, after it is there, and before the ticks are let go."""

    class Killed(BaseException):
        pass

    def killed(*_, **__):
        raise Killed

    async def work():
        hall = Hall(settings(tmp_path))
        await hall.start()
        results = [await finish(hall) for _ in range(3)]
        with monkeypatch.context() as patch:
            whole = archives.write_records
            if moment == "announced":
                patch.setattr(archives, "write_records", killed)
            elif moment == "written":
                patch.setattr(archives, "write_records", lambda *given: whole(*given) and killed())
            else:
                patch.setattr(archives, "_forget_ticks", killed)
            with pytest.raises(Killed):
                hall._archive.write(10)
        hall._endings.finished = 0
        monkeypatch.setattr(hall._recorder, "write_all", lambda until: asyncio.sleep(0, True))
        await hall.stop()
        return results

    results = run(work())
    archive = Archive(tmp_path)
    while archive.write(10):
        pass
    assert len(find_records(tmp_path / "games")) == 3
    assert len(list((tmp_path / "games").glob("*.parquet"))) == 1
    for result in results:
        verify(archive.find(result.replay))
    assert count(tmp_path, "ticks") == 0


def test_a_note_that_cannot_be_written_holds_up_nobody(tmp_path):
    lost = []
    journal = Journal(tmp_path / "j.sqlite", on_lost=lost.append)
    journal.note(TICK, "good", 0, b"1234")
    journal.note(TICK, "bad", 0, None)  # violates NOT NULL
    journal.note(TICK, "\ud800", 0, b"1234")  # is no Unicode
    journal.note(TICK, "large", 1 << 64, b"1234")
    journal.note(TICK, "good", 1, b"1234")
    journal.commit()
    assert journal.read("SELECT room, tick FROM ticks") == [("good", 0), ("good", 1)]
    assert lost == [{"bad"}, {"\ud800"}, {"large"}]
    assert not journal.alarm
    journal.close()


def test_b4_what_does_not_fit_while_the_disk_is_full_is_told(tmp_path, monkeypatch):
    monkeypatch.setattr("strategos.server.records.journal.KEPT_NOTES", 5)
    alarms, lost = [], []
    journal = Journal(tmp_path / "j.sqlite", on_alarm=alarms.append, on_lost=lost.append)
    old = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (1, before[1]))
        for tick in range(10):
            journal.note(TICK, "room", tick, b"12345678")
        journal.commit()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, old)
    assert journal.alarm and lost == [{"room"}] and alarms[0].startswith("recording has stopped")
    journal.note(TICK, "other", 0, b"12345678")
    journal.close()
    assert alarms[-1] == ""


def test_unrecorded_games_say_so(tmp_path):
    async def work():
        async with Hall(settings(tmp_path)) as hall:
            tickets = await duel(hall)
            await both_pass(hall, *tickets)
            hall._lost({tickets[0].room})
            await both_pass(hall, *tickets)
            hall.surrender(tickets[0].token)
            await until(lambda: hall.snapshot(tickets[0].token).result)
            assert hall.snapshot(tickets[0].token).result.replay == ""
            result = await finish(hall)
            with pytest.raises(HallError):
                hall.replay("")
            verify(hall.replay(result.replay))

    run(work())


def test_b2_bit_rot_in_a_file_of_records_is_told(tmp_path):
    async def work():
        async with Hall(settings(tmp_path)) as hall:
            result = await finish(hall)
            await hall._recorder.write_all()
            (file,) = (tmp_path / "games").glob("*.parquet")
            content = bytearray(file.read_bytes())
            for place in range(100, 400):
                content[place] ^= 0xFF
            file.write_bytes(bytes(content))
            with pytest.raises(HallError) as caught:
                hall.replay(result.replay)
            assert caught.value.code == "unavailable" and "/" not in caught.value.message

    run(work())


def test_the_options_of_a_room_survive_as_they_are(tmp_path):
    chosen = {**options().options, "teams": [0, 1], "spawn_distance": [3, 12]}

    async def begin():
        async with Hall(settings(tmp_path)) as hall:
            tickets = await duel(hall, options=chosen, tick_limit=77)
            await both_pass(hall, *tickets, ticks=2)
            return tickets, hall._lobby.rooms[tickets[0].room].options

    async def again(tickets, before):
        async with Hall(settings(tmp_path)) as hall:
            room = hall._lobby.rooms[tickets[0].room]
            assert room.options == before and json.dumps(room.game.options)
            await both_pass(hall, *tickets)

    run(again(*run(begin())))
