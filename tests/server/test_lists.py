"""Lists of what was played: bounded pages out of an index, in the order of the journal and not of a clock."""

from __future__ import annotations

import contextlib
import itertools
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from halls import both_pass, duel, run, settings, until

from strategos.play.record import find_records, verify
from strategos.server import lists
from strategos.server.hall import Hall, HallError
from strategos.server.records import archive as archives
from strategos.server.records.archive import Archive
from strategos.server.records.journal import Journal, connect
from strategos.server.records.ratings import Ratings
from strategos.server.rooms.room import Room
from strategos.server.terms import RoomOptions

ROWS = 50_000
GAMES = ("generals", "blob")
FORMAT_1 = """
DROP INDEX results_listed; DROP INDEX results_listed_by_game; DROP INDEX results_to_file;
DROP INDEX players_by_rating; DROP INDEX results_by_final_hash; DROP TABLE moves;
ALTER TABLE seats DROP COLUMN leaving;
CREATE INDEX results_by_end ON results (private, ended_at DESC);
CREATE INDEX results_to_file ON results (ended_at) WHERE file IS NULL AND recorded;
PRAGMA user_version = 1;
"""
"""Makes of a journal one of the first format."""


def fill(file: Path, rows: int = ROWS) -> None:
    """Results and players of many games: every third private, every fifth unrecorded; the clock runs back."""
    with contextlib.closing(connect(file)) as journal:
        journal.execute("BEGIN")
        journal.executemany(
            "INSERT INTO results VALUES (?, ?, ?, '{}', '[\"a\",\"b\"]', '[1,-1]', '[1,2]', '[null,null]', "
            "'played', 0, 9, 'h', 1, ?, ?, ?, 1, 0)",
            (
                (f"replay{n}", f"room{n}", GAMES[n % 2], int(n % 3 == 0), float(-n), int(n % 5 > 0))
                for n in range(rows)
            ),
        )
        journal.executemany(
            "INSERT INTO players VALUES (?, ?, ?, ?, 1, 0)",
            ((GAMES[n % 2], f"player{n}", 25.0 + n * 7919 % 1000, 8.0 - n % 7) for n in range(rows)),
        )
        journal.execute("COMMIT")


def listed(rows: int, game: str | None = None) -> list[str]:
    """The replays of `fill` that everybody may list, the last one first."""
    shown = (n for n in reversed(range(rows)) if n % 3 and n % 5 and game in (None, GAMES[n % 2]))
    return [f"replay{n}" for n in shown]


@pytest.fixture(scope="module")
def large(tmp_path_factory) -> Path:
    file = tmp_path_factory.mktemp("large") / "journal.sqlite"
    fill(file)
    return file


@pytest.fixture
def journal(large):
    journal = Journal(large)
    yield journal
    journal.close()


def plans(connection: sqlite3.Connection, work: Callable[[], Any]) -> list[str]:
    """What SQLite does for every statement that `work` reads by."""
    statements: list[str] = []
    connection.set_trace_callback(statements.append)
    try:
        work()
    finally:
        connection.set_trace_callback(None)
    return explained(connection, statements)


def explained(connection: sqlite3.Connection, statements: list[str]) -> list[str]:
    reads = [each for each in statements if each.lstrip().startswith(("SELECT", "WITH"))]
    assert reads
    return [row[3] for each in reads for row in connection.execute(f"EXPLAIN QUERY PLAN {each}")]


def require_index(steps: list[str], index: str) -> None:
    assert any(f"USING INDEX {index} " in step for step in steps), steps
    assert not any(step.startswith("SCAN") or "TEMP B-TREE" in step for step in steps), steps


@pytest.mark.parametrize(
    ("game", "index"), [(None, "results_listed"), ("generals", "results_listed_by_game")]
)
@pytest.mark.parametrize("page", ["", "20000", "2"])
def test_l11_a_page_of_games_reads_its_own_lines_only(journal, game, index, page):
    steps = plans(journal._connection, lambda: lists.games(journal, game, page, 50))
    require_index(steps, index)
    assert all("rowid<?" in step for step in steps), steps  # begins where the page begins


def test_l11_the_leaderboard_reads_its_own_lines_only(journal):
    ratings = Ratings(journal)
    require_index(plans(journal._connection, lambda: ratings.leaderboard("blob", 50)), "players_by_rating")
    board = ratings.leaderboard("blob", lists.MOST_LINES)
    assert len(board) == lists.MOST_LINES and {each.name for each in board} <= {
        f"player{n}" for n in range(1, ROWS, 2)
    }
    assert [each.rating for each in board] == sorted((each.rating for each in board), reverse=True)


def test_what_the_archive_looks_for_is_found_by_an_index(large, monkeypatch):
    statements: list[str] = []

    def traced(file: Path) -> sqlite3.Connection:
        connection = connect(file)
        connection.set_trace_callback(statements.append)
        return connection

    monkeypatch.setattr(archives, "connect", traced)
    assert Archive(large.parent).write(0) == 0
    with contextlib.closing(connect(large)) as connection:
        steps = explained(connection, statements)
    assert any("USING INDEX results_to_file " in step for step in steps), steps
    assert not any(step.startswith(("SCAN results", "SCAN ticks", "USE TEMP")) for step in steps), steps


@pytest.mark.parametrize("game", [None, "blob"])
def test_b14_games_are_listed_in_the_order_of_the_journal(tmp_path, game):
    fill(tmp_path / "j.sqlite", 1000)
    journal = Journal(tmp_path / "j.sqlite")
    found, page, pages = [], "", 0
    while True:
        lines, page = lists.games(journal, game, page, 37)
        assert len(lines) <= 37
        found += [line.replay for line in lines]
        pages += 1
        if not page:
            break
    journal.close()
    expected = listed(1000, game)  # the newest has the earliest time
    assert found == expected and pages == -(-len(expected) // 37)


def test_l11_what_ends_meanwhile_shifts_no_page(tmp_path):
    fill(tmp_path / "j.sqlite", 100)
    journal = Journal(tmp_path / "j.sqlite")
    first, page = lists.games(journal, None, "", 10)
    journal.note(
        "INSERT INTO results SELECT 'new', 'new', game, options, names, returns, places, ratings, reason, "
        "truncated, ticks, final_hash, seed, 0, ended_at, 1, file, place FROM results LIMIT 1"
    )
    journal.commit()
    second, _ = lists.games(journal, None, page, 10)
    assert lists.games(journal, None, "", 1)[0][0].replay == "new"
    journal.close()
    assert [line.replay for line in (*first, *second)] == listed(100)[:20]


def known(made_at: float, name: str) -> Room:
    """A public room that waits for players."""
    nothing: Any = None  # no list looks at the game of a room, or at its pool
    return Room(
        id=name, code="", options=RoomOptions(), game=nothing, pool=nothing, chairs=[], seed=0,
        made_at=made_at, heard=0.0,
    )  # fmt: skip


def test_l11_rooms_that_come_and_go_shift_no_page():
    rooms = [known(made_at, f"room-_{number}") for number, made_at in enumerate((5.0, 3.5, 3.5, 2.0, 1.0))]
    first, page = lists.rooms(rooms, None, "", 2)
    rooms = [known(9.0, "newer"), *rooms[1:]]  # the newest has ended, another one has come
    second, page = lists.rooms(rooms, None, page, 2)
    third, after = lists.rooms(rooms, None, page, 2)
    names = [line.room for line in (*first, *second, *third)]
    assert names == [f"room-_{number}" for number in range(5)] and after == ""


@pytest.mark.parametrize("page", ["x", "-1", "9" * 40, ".", "٣", None, 7, b"1", "1e9"])
def test_l11_pages_that_are_none(journal, page):
    for work in (lambda: lists.games(journal, None, page, 5), lambda: lists.rooms([], None, page, 5)):
        with pytest.raises(HallError) as caught:
            work()
        assert caught.value.code == "invalid"


def test_b12_a_journal_of_the_first_format_is_upgraded(tmp_path):
    file = tmp_path / "journal.sqlite"
    fill(file, 300)
    with contextlib.closing(connect(file)) as connection:
        connection.executescript(FORMAT_1)
    journal = Journal(file)
    try:
        assert journal.read("PRAGMA user_version") == [(2,)]
        require_index(plans(journal._connection, lambda: lists.games(journal, None, "", 9)), "results_listed")
        assert [line.replay for line in lists.games(journal, None, "", 200)[0]] == listed(300)[:200]
    finally:
        journal.close()


async def finish(hall: Hall) -> str:
    """The replay of a short public game."""
    tickets = await duel(hall, private=False)
    await both_pass(hall, *tickets, ticks=2)
    hall.surrender(tickets[1].token)
    await until(lambda: hall.snapshot(tickets[0].token).result)
    result = hall.snapshot(tickets[0].token).result
    assert result is not None
    return result.replay


def test_b14_with_a_clock_that_jumps_back_games_are_kept_in_their_order(tmp_path, monkeypatch):
    times = itertools.count(2e9, -86_400.0)
    monkeypatch.setattr("time.time", lambda: next(times))

    async def work():
        async with Hall(settings(tmp_path, record_games=3)) as hall:
            replays = [await finish(hall) for _ in range(6)]
            page: list[str] = []
            following = ""
            while len(page) < 6:
                lines, following = hall.games(page=following, size=4)
                page += [line.replay for line in lines]
            assert page == replays[::-1] and not following
            assert hall.games(game="blob")[0] == []
            assert len(hall.games(game="generals")[0]) == 6
            assert await hall._recorder.write_all()
            return [hall.replay(replay).seed for replay in replays]

    seeds = run(work())
    assert [entry.seed for entry in find_records(tmp_path / "games")] == seeds


def test_b16_a_game_that_is_written_to_a_file_while_it_is_read_is_whole(tmp_path, monkeypatch):
    read = archives._from_journal

    async def work():
        async with Hall(settings(tmp_path)) as hall:
            replay = await finish(hall)
            other = Archive(tmp_path)

            def written_meanwhile(journal: sqlite3.Connection, row: tuple) -> Any:
                monkeypatch.setattr(archives, "_from_journal", read)
                assert other.write(10) == 1
                return read(journal, row)

            monkeypatch.setattr(archives, "_from_journal", written_meanwhile)
            verify(hall.replay(replay))
            verify(hall.replay(replay))  # and out of the file

    run(work())


def test_ticks_of_games_that_lie_in_a_file_are_let_go_at_the_start(tmp_path):
    with contextlib.closing(connect(tmp_path / "journal.sqlite")) as journal:
        journal.executemany(
            "INSERT INTO results VALUES (?, ?, 'generals', '{}', '[]', '[]', '[]', '[]', 'played', 0, 9, "
            "'h', 1, 0, 0.0, 1, ?, 0)",
            [("one", "in a file", 1), ("two", "not yet", None), ("three", "without ticks", 1)],
        )
        journal.executemany(
            "INSERT INTO ticks VALUES (?, ?, x'00')",
            [(room, tick) for room in ("in a file", "not yet", "running") for tick in range(700)],
        )
    Archive(tmp_path)
    with contextlib.closing(connect(tmp_path / "journal.sqlite")) as journal:
        left = journal.execute("SELECT room, count(*) FROM ticks GROUP BY room ORDER BY room").fetchall()
    assert left == [("not yet", 700), ("running", 700)]
