"""`strategos play` at a table of Blob: line by line, on a screen, and for whatever is typed wrong."""

from __future__ import annotations

import errno
import io
import json
import os
import re
import select
import subprocess
import sys
import time

import pytest

from strategos.cli import main
from strategos.commands.arguments import game_played_by
from strategos.commands.play_blob import Table, parse_action, screen, winning_place
from strategos.games.blob import Blob
from strategos.games.blob.record import BID, card_id
from strategos.play.blob_bots import HeuristicBot


def play(monkeypatch, capsys, lines: str, *arguments: str) -> str:
    monkeypatch.setattr(sys, "stdin", io.StringIO(lines))
    assert main(["play", *arguments]) == 0
    return capsys.readouterr().out


def script(**options) -> tuple[str, Table]:
    """The lines of a whole game with the lowest legal actions, and the table that it was played at."""
    seed = options.pop("seed")
    table, lines = Table(Blob(**options), HeuristicBot(), seed), []
    table.begin()
    while not table.over:
        action = table.legal()[0]
        lines.append(
            str(action - BID) if action >= BID else "SHCD"[action // 13] + "23456789TJQKA"[action % 13]
        )
        table.play(action)
    return "\n".join(lines) + "\n", table


def test_a_round_line_by_line(monkeypatch, capsys):
    lines, table = script(players=4, cards=5, seed=3)
    shown = play(monkeypatch, capsys, lines, "heuristic", "--seed", "3")
    assert shown.count("trick ") == 5 and shown.count("bid/took points") == 1
    assert shown.endswith(table.outcome() + "\n") and "--seed 3" in shown
    assert re.search(r"You (take|share) place [1-4] of 4 with \d+ points", shown)


def test_a_whole_game_line_by_line(monkeypatch, capsys):
    lines, table = script(players=3, cards=2, rounds="all", seed=8)
    options = ["--players", "3", "--cards", "2", "--rounds", "all", "--seed", "8"]
    shown = play(monkeypatch, capsys, lines, "heuristic", *options)
    assert all(f"round {number} of 5" in shown for number in range(1, 6))
    assert shown.count("bid/took points") == 5 and shown.endswith(table.outcome() + "\n")


def test_mistakes_cost_one_line_and_nothing_else(monkeypatch, capsys):
    lines, table = script(players=4, cards=5, seed=3)
    wrong = "six\n9\n-1\nSA\n\n"
    shown = play(monkeypatch, capsys, wrong + lines, "heuristic", "--game", "blob", "--seed", "3")
    assert shown.count("is not a bid; type a number from 0 to 5") == 5
    assert shown.endswith(table.outcome() + "\n")


def test_leaving_and_the_end_of_the_input(monkeypatch, capsys):
    for lines in ("q\n", ""):
        assert "You left in round 1 of 1" in play(monkeypatch, capsys, lines, "heuristic")


def table_at(cards: str, bids: list[int], plays: str = "", dealer: int = 2) -> Table:
    """A table of three in which you hold `cards`, after `bids` and `plays` by the others."""
    hands = [[card_id(card) for card in cards.split()]]
    lying = [card_id(card) for card in plays.split()]
    rest = [card for card in range(52) if card not in hands[0] and card not in lying]
    for _ in range(2):
        first = [lying.pop(0)] if lying else []
        hands.append(first + [rest.pop(0) for _ in range(len(hands[0]) - len(first))])
    table = Table(Blob(3, len(hands[0])), HeuristicBot(), 0)
    table.game.deal(table.batch.states, hands, 0, dealer)
    table.batch.observe()
    for action in [BID + bid for bid in bids] + [card_id(card) for card in plays.split()]:
        table._step(action)
    return table


@pytest.mark.parametrize(
    ("word", "card"), [("HA", "HA"), ("ha", "HA"), ("ah", "HA"), (" H10 ", "HT"), ("10h", "HT"), ("th", "HT")]
)
def test_a_card_is_read_as_people_type_it(word, card):
    assert parse_action(word, table_at("HA HT C2", [0, 0, 0])) == card_id(card)


@pytest.mark.parametrize(
    ("word", "words"),
    [
        ("HX", "'HX' is not a card; type one such as"),
        ("1", "is not a card"),
        ("SA", "you do not hold SA; you may play H2 HA"),
        ("C2", "hearts were led and you hold some; you may play H2 HA"),
    ],
)
def test_a_card_that_cannot_be_played_is_answered_with_those_that_can(word, words):
    with pytest.raises(Exception, match=words):
        parse_action(word, table_at("HA H2 C2", [1, 0, 0], "H9 H8", dealer=0))


def test_the_forbidden_bid_of_the_dealer_is_explained():
    with pytest.raises(Exception, match="you bid last and the bids may not add up to 3: anything but 1"):
        parse_action("1", table_at("HA H2 C2", [1, 1], dealer=0))


def test_the_winner_of_a_trick():
    for names, trump, winner in (
        ("H9 HT C2", 0, 1),
        ("H9 S2 HA", 0, 1),
        ("C2 HA DA", 0, 0),
        ("H9 S2 S3", 4, 0),
    ):
        assert winning_place([card_id(name) for name in names.split()], trump) == winner


def test_the_news_agree_with_the_rules():
    for seed in range(20):
        lines, table = script(players=5, cards=4, seed=seed)
        assert len(lines.split()) == 5
        account = table.news[-1]
        told = [int(points) for points in re.findall(r"\d/\d \+(\d+)", account)]
        assert told == table.batch.states["scores"][0, :5].tolist()
        took = [int(tricks) for tricks in re.findall(r"\d/(\d) \+", account)]
        assert took == table.batch.states["tricks"][0, :5].tolist()


def test_the_screen_shows_what_you_know_and_no_other_hand():
    from rich.console import Console

    table = table_at("HA H2 C2", [1, 0, 0], "H9 H8", dealer=0)
    console = Console(width=80, file=io.StringIO(), force_terminal=False)
    console.print(screen(table, "a message"))
    shown = console.file.getvalue()
    assert "♥A ♥2" in shown and "♥9" in shown and "♥8" in shown and "a message" in shown
    assert "you (dealer)" in shown and "trump spades" in shown
    assert len(re.findall("[♠♥♣♦][2-9TJQKA]", shown)) == 5  # three in hand, two on the table


CASES = {
    "an impossible deal": (["--cards", "20", "--players", "4", "--game", "blob"], ["1 to 13 cards", "20"]),
    "too many players": (["heuristic", "--players", "9"], ["3 to 8 players", "9"]),
    "no such rounds": (["heuristic", "--rounds", "some"], ["'one' or 'all'", "'some'"]),
    "no such game": (["--game", "blobb"], ["'blobb'", "did you mean 'blob'?"]),
    "a game without a table": (["--game", "kuhn"], ["'kuhn'", "generals or blob"]),
    "an option of the other game": (["heuristic", "--size", "8"], ["--size", "generals"]),
    "cards at Generals": (["hunter", "--cards", "8"], ["--cards", "--game blob"]),
    "a bot of Generals": (
        ["hunter", "--game", "blob"],
        ["hunter cannot play this game", "hunter plays generals"],
    ),
    "a bot of Blob": (["heuristic", "--game", "generals"], ["heuristic cannot play", "heuristic plays blob"]),
}


@pytest.mark.parametrize("arguments, expected", CASES.values(), ids=CASES)
def test_one_line_and_exit_code_2(capsys, arguments, expected):
    assert main(["play", *arguments]) == 2
    out, err = capsys.readouterr()
    assert err.startswith("strategos: ") and err.count("\n") == 1 and "Traceback" not in err and not out
    for part in expected:
        assert part in err


def test_the_game_is_that_of_the_agent(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name, meta in {"cards": {"game": {"name": "blob"}}, "old": {}}.items():
        (tmp_path / name).mkdir()
        (tmp_path / name / "meta.json").write_text(json.dumps({"network": {}, "files": {}, **meta}))
    played = {"cards": "blob", "old": "generals", "hunter": "generals", "heuristic": "blob"}
    assert {name: game_played_by(name) for name in played} == played
    assert game_played_by("mcts-50") == game_played_by(None) == "generals"


def read_until(master: int, word: str, shown: str = "", limit_s: float = 120) -> str:
    """What a program wrote to its terminal, once `word` is in it."""
    end = time.monotonic() + limit_s
    while word not in shown:
        assert time.monotonic() < end, shown
        if select.select([master], [], [], 1)[0]:
            try:
                shown += os.read(master, 65536).decode("utf-8", "replace")
            except OSError as error:  # Linux says so when the other side has closed
                assert error.errno == errno.EIO, error
                return shown
    return shown


@pytest.mark.skipif(os.name == "nt", reason="there are no pseudo-terminals on Windows")
def test_a_round_on_a_real_terminal():
    lines, table = script(players=3, cards=2, seed=4)
    import pty

    master, slave = pty.openpty()
    arguments = ["play", "heuristic", "--players", "3", "--cards", "2", "--seed", "4"]
    environment = {**os.environ, "TERM": "xterm-256color", "COLUMNS": "80", "LINES": "24"}
    program = subprocess.Popen(
        [sys.executable, "-m", "strategos.cli", *arguments],
        stdin=slave,
        stdout=slave,
        stderr=slave,
        env=environment,
    )
    os.close(slave)
    try:
        shown = ""
        for number, line in enumerate(["wrong", *lines.split()]):
            question = "is not a bid" if number == 1 else "your bid" if number == 0 else "your card"
            shown += read_until(master, question)
            os.write(master, f"{line}\n".encode())
        shown += read_until(master, "--seed 4")
        assert program.wait(30) == 0
    finally:
        program.kill()
        program.wait()
        os.close(master)
    assert table.outcome() in shown
    assert "\x1b[?1049h" in shown and "\x1b[?1049l" in shown  # a screen of its own, and back again
