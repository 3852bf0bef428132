"""What a tournament leaves: a page whose games all open, tables, records that answer questions."""

from __future__ import annotations

import base64
import csv
import json
import re
import zlib
from collections import Counter
from html.parser import HTMLParser
from pathlib import Path

import duckdb
import numpy as np
import pytest

from strategos.cli import main
from strategos.evaluate.report import replay_of_record
from strategos.evaluate.tournament import page
from strategos.evaluate.tournament.files import write_results
from strategos.evaluate.tournament.plan import Plan, begun, make_plan
from strategos.evaluate.tournament.play import Progress, play_tournament
from strategos.evaluate.tournament.results import TournamentResult, rate
from strategos.games import make_game
from strategos.games.blob.notation import card_name
from strategos.play.record import GameRecord, read_records

DOCS = Path(__file__).parents[2] / "docs" / "tournaments.md"


def played(folder: Path, plan: Plan) -> tuple[Plan, Progress, TournamentResult]:
    with begun(plan, folder) as settled:
        progress = play_tournament(settled, folder)
        result = rate(settled, progress.games, progress.rounds)
        write_results(settled, folder, progress, result)
        return settled, progress, result


@pytest.fixture(scope="module")
def cup(tmp_path_factory):
    folder = tmp_path_factory.mktemp("place") / "cup"
    game = make_game("generals", height=8, width=8)
    plan = make_plan(
        ["random", "expander", "hunter"], game, format="swiss", rounds=3, games=10, tick_limit=150
    )
    return folder, *played(folder, plan)


@pytest.fixture(scope="module")
def deals(tmp_path_factory):
    folder = tmp_path_factory.mktemp("deals")
    game = make_game("blob", players=4, cards=5)
    plan = make_plan(["random", "heuristic", "mcts-1", "mcts-2"], game, games=8, tick_limit=0)
    return folder, *played(folder, plan)


def records_of(folder: Path, progress: Progress) -> list[GameRecord]:
    files = {
        file: read_records(folder / "games" / f"games-{file:06d}.parquet")
        for file in {game.file for game in progress.games}
    }
    return [files[game.file][game.row] for game in progress.games]


class Page(HTMLParser):
    """Collects the scripts by id and checks that every element is closed."""

    void = frozenset(("meta", "link", "br", "img", "input", "path", "circle", "polyline"))

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.scripts: dict[str, str] = {}
        self.id = ""
        self.feed(text)
        self.close()
        assert not self.open, self.open

    def handle_starttag(self, tag, attributes):
        if tag not in self.void:
            self.open.append(tag)
            self.id = dict(attributes).get("id", "") if tag == "script" else ""

    def handle_startendtag(self, tag, attributes):
        pass

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open and self.open[-1] == "script":
            self.scripts[self.id] = data


def opened(whole: Page, place: int) -> dict:
    return json.loads(zlib.decompress(base64.b64decode(whole.scripts[f"game-{place}"])))


def test_every_game_of_the_page_opens_and_is_the_recorded_one(cup):
    folder, _, progress, _ = cup
    text = (folder / "report.html").read_text("utf-8")
    whole = Page(text)
    listed = json.loads(whole.scripts["list"])["games"]
    records = records_of(folder, progress)
    assert len(listed) == len(records) == 30
    for place, record in enumerate(records):
        shown = opened(whole, place)
        assert shown == json.loads(json.dumps(replay_of_record(record)))
        assert listed[place][4] == record.ticks
    outside = re.sub(r"<script[^>]*>.*?</script>", "", text, flags=re.DOTALL)
    assert not re.search(r'<(?:link|iframe)|src="|url\(|https?://|@import', outside)


def test_a_page_that_is_full_has_games_of_all_rounds(cup, monkeypatch):
    folder, plan, progress, result = cup
    whole = Page((folder / "report.html").read_text("utf-8"))
    sizes = {
        int(name.removeprefix("game-")): len(text)
        for name, text in whole.scripts.items()
        if name.startswith("game-")
    }
    with monkeypatch.context() as fewer:
        fewer.setattr(page, "_MOST_GAMES", 7)
        part = Page(page.tournament_page(plan, folder, progress, result))
        assert [place for place in range(30) if f"game-{place}" in part.scripts] == [0, 4, 9, 14, 19, 24, 29]
    monkeypatch.setattr(page, "_MOST_BYTES", sum(sizes.values()) // 3)
    part = Page(page.tournament_page(plan, folder, progress, result))
    kept = [place for place in range(30) if f"game-{place}" in part.scripts]
    assert 5 <= len(kept) <= 12 and sum(sizes[place] for place in kept) <= page._MOST_BYTES
    assert kept[0] == 0 and kept[-1] == 29 and max(np.diff(kept)) <= min(np.diff(kept)) + 1
    assert {progress.games[place].round for place in kept} == {0, 1, 2}


def test_the_page_of_a_player_without_games(tmp_path, capsys):
    """A swiss round of three seats lets the last of four rest, who would be the anchor."""
    arguments = [
        "tournament", "expander", "hunter", "mcts-1", "random", "--players", "3", "--format", "swiss",
        "--rounds", "1", "--games", "3", "--size", "8", "--ticks", "10", "--output", str(tmp_path / "cup"),
    ]  # fmt: skip
    assert main(arguments) == 0
    told = capsys.readouterr().out
    assert "expander at 1500" in told and "nan" not in told
    text = (tmp_path / "cup" / "report.html").read_text("utf-8")
    shown = text.split("<main>")[1].split("<script")[0]
    assert "nothing links it to expander yet" in shown and "nan" not in shown
    json.loads((tmp_path / "cup" / "results.json").read_text(), parse_constant=pytest.fail)


def test_the_page_shows_the_standings(cup):
    folder, _, _, result = cup
    text = (folder / "report.html").read_text("utf-8")
    for rating in result.standings.rated:
        assert f"<b>{rating.rating:.0f}</b>" in text and f"<td>{rating.name}</td>" in text
    assert text.count('<td class="heat') == 9 and 'class="history"' in text


def test_the_tables_hold_every_game_and_player(cup):
    folder, _, progress, result = cup
    with open(folder / "games.csv", encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    for row, record in zip(rows, records_of(folder, progress), strict=True):
        assert (row["player_1"], row["player_2"]) == record.players and int(row["ticks"]) == record.ticks
        won = float(row["points_1"]) - float(row["points_2"])
        assert won == np.sign(record.returns[0] - record.returns[1])
    with open(folder / "standings.csv", encoding="utf-8", newline="") as file:
        assert [row["player"] for row in csv.DictReader(file)] == list(result.names)
    with open(folder / "payoff.csv", encoding="utf-8", newline="") as file:
        games = sum(int(row["games"]) for row in csv.DictReader(file))
    assert games == 2 * len(progress.games)
    results = json.loads((folder / "results.json").read_text())
    assert results == json.loads(json.dumps(result.as_json())) and results["anchor"] == "random"


def test_a_round_of_blob_is_there_to_read(deals):
    folder, _, progress, _ = deals
    whole = Page((folder / "report.html").read_text("utf-8"))
    for place, record in enumerate(records_of(folder, progress)):
        shown = opened(whole, place)
        assert shown["players"] == list(record.players) and len(shown["actions"]) == record.ticks == 24
        bids = {name: text for trick, name, text in shown["actions"] if trick == 0}
        assert set(bids) == set(record.players) and all(text.startswith("bids ") for text in bids.values())
        cards = sorted(text for trick, _, text in shown["actions"] if trick)
        assert len(set(cards)) == 20
        dealt = sorted(card for line in shown["hands"] for card in line.split(": ")[1].split())
        assert dealt == cards
        played = [int(ids[ids < 52].max(initial=-1)) for ids in record.actions[4:]]
        assert len(played) == 20 and card_name(0)
        assert len(shown["result"]) == 4


def test_the_queries_of_the_page_answer_its_questions(cup, monkeypatch):
    folder, _, progress, _ = cup
    monkeypatch.chdir(folder.parent)
    queries = re.findall(r"```sql\n(.*?)```", DOCS.read_text("utf-8"), re.DOTALL)
    assert len(queries) == 3
    seats, boards, habits = (duckdb.sql(query).fetchall() for query in queries)
    records = records_of(folder, progress)
    count = Counter(record.players for record in records)
    assert {(row[0], row[1]): row[2] for row in seats} == count
    for first, second, games, wins, ticks in seats:
        mine = [record for record in records if record.players == (first, second)]
        assert wins == pytest.approx(np.mean([each.returns[0] > each.returns[1] for each in mine]), abs=6e-4)
        assert games == len(mine) and ticks == np.median([each.ticks for each in mine])
    winners = Counter(
        (record.seed, record.players[int(np.argmax(record.returns))])
        for record in records
        if not record.truncated
    )
    assert dict(boards) == Counter(name for (_, name), number in winners.items() if number == 2)
    for player, actions, halves, passes in habits:
        made = np.concatenate(
            [
                record.actions[:, seat]
                for record in records
                for seat in (0, 1)
                if record.players[seat] == player
            ]
        )
        assert actions == len(made) and passes == pytest.approx((made == 512).mean(), abs=6e-4)
        assert halves == pytest.approx(((made < 512) & (made % 2 == 1)).mean(), abs=6e-4)
