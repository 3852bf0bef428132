"""`strategos bot`: an agent as a program of the line protocol is the agent that plays at home."""

from __future__ import annotations

import io
import sys
from pathlib import Path

import numpy as np
import pytest
import small_runs

from strategos.cli import main
from strategos.engine import Batch
from strategos.games.generals.game import Generals
from strategos.play.agents import load_policy
from strategos.play.line_player import LinePlayer, play_lines
from strategos.play.line_protocol import ProtocolError, format_frame, format_greeting, parse_greeting
from strategos.play.match import play_match
from strategos.play.program import Limits, Program

PATIENT = Limits(move_s=60, first_move_s=120, end_s=20)
"""For a machine that may be busy: what is asked here is not speed."""


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> Path:
    """A run of an agent that was trained for a moment."""
    return small_runs.straight_run("ppo", tmp_path_factory.getbasetemp())


def bot(*arguments: str | Path) -> Program:
    command = [sys.executable, "-m", "strategos.cli", "bot", *map(str, arguments)]
    return Program(command, Path.cwd(), name="bot", limits=PATIENT)


class Notes:
    """A policy that keeps what it was shown."""

    name = "notes"

    def __init__(self) -> None:
        self.seen: list[tuple] = []

    def act(self, views, masks, memories, rng):
        self.seen.append((views.copy(), masks.copy(), memories.copy()))
        return np.array([1], np.int32)


class Steady:
    """Always makes the same legal move in the same place, without any chance."""

    name = "steady"

    def act(self, views, masks, memories, rng):
        moves = [np.flatnonzero(np.unpackbits(mask, bitorder="little")) for mask in masks]
        return np.array(
            [legal[int(tick) * 7919 % len(legal)] for legal, tick in zip(moves, views["tick"], strict=True)],
            np.int32,
        )


@pytest.mark.parametrize("ruleset", ["competition", "duel"])
def test_a_frame_tells_what_a_seat_may_know(ruleset):
    """View, mask and memory that come out of the lines are those of the engine, every tick and bit."""
    game = Generals(8, 8, 2, ruleset=ruleset)
    batch = Batch(game, 1, threads=1)
    batch.reset(seeds=np.array([5]))
    players = [
        LinePlayer(
            Notes(),
            parse_greeting(format_greeting(batch.observation.views[0, seat])),
            builds=ruleset == "competition",
            rng=np.random.default_rng(0),
        )
        for seat in (0, 1)
    ]
    actions = np.zeros((1, 2), np.int32)
    built = 0
    for tick in range(400):
        seen = batch.observation
        for seat, player in enumerate(players):
            lines = format_frame(seen.views[0, seat]).splitlines(keepends=True)
            player.answer(lines)
            view, mask, memory = player.policy.seen.pop()
            assert view.tobytes() == seen.views[0, seat : seat + 1].tobytes(), tick
            assert mask.tobytes() == seen.masks[0, seat].tobytes(), tick
            assert memory.tobytes() == seen.memories[0, seat : seat + 1].tobytes(), tick
            built += bool(mask[0, game.cells :].any() and ruleset == "competition")
        game.random_actions(batch.states, actions)
        batch.step(actions)
        if batch.terminated[0]:
            break
    assert tick > 100 and (built > 0 or ruleset == "duel")


def test_an_agent_plays_by_lines_as_it_does_at_home(run):
    game = Generals(8, 8, 2, ruleset="duel")
    settings = {"num_games": 2, "seed": 3, "tick_limit": 60, "record": True, "batch_size": 1}
    home = load_policy(run, temperature=0.0)
    expected = play_match(game, [home, Steady()], **settings)
    played = play_match(game, [bot(run, "--temperature", "0"), Steady()], **settings)
    assert played.misconduct == () and played.illegal.sum() == 0
    assert [each.final_hash for each in played.games] == [each.final_hash for each in expected.games]


def test_a_scripted_bot_plays_by_lines_and_can_be_repeated():
    game = Generals(8, 8, 2, ruleset="duel")
    settings = {"num_games": 1, "seed": 3, "tick_limit": 40, "record": True, "paired": False}
    matches = [
        play_match(game, [bot("expander", "--no-builds", "--seed", "7"), Steady()], **settings)
        for _ in range(2)
    ]
    assert all(match.faults.sum() == match.illegal.sum() == 0 for match in matches)
    assert matches[0].games[0].final_hash == matches[1].games[0].final_hash


def test_the_check_tells_how_long_a_move_takes(capsys):
    code = main(["bot", "random", "--check", "--ticks", "5", "--size", "8"])
    told = capsys.readouterr()
    if code == 0:
        assert "in time on one core: the first answer after" in told.out and "in 5 moves" in told.out
    else:  # a machine too busy for the ladder's limits is told so, in one line
        assert "faults" in told.err and told.err.count("\n") == 1


def test_what_is_no_game_of_lines_is_told_in_one_line(run, monkeypatch, capsys, tmp_path):
    def ask(text: bytes, *arguments: str) -> tuple[int, str]:
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(text)))
        code = main(["bot", *arguments])
        told = capsys.readouterr().err
        assert told.count("\n") == (code != 0), told
        return code, told

    assert ask(b"", "random") == (0, "")
    assert "greeting of player_id H W" in ask(b"hello\n", "random")[1]
    assert "middle of frame 0" in ask(b"0 2 2\n0 1 1 1 1\n1 1\n", "random")[1]
    frame = b"0 1 1 1 1\n" + b"1 1\n" * 2 + b"9 0\n" * 2 + b"0 0\n" * 2
    assert "an owner is 0, 1 or 2" in ask(b"0 2 2\n" + frame, "random")[1]
    code, told = ask(b"", "heuristic")
    assert code == 2 and "plays blob" in told
    assert ask(b"", "nobody")[0] == 2


def test_lines_end_where_the_game_ends():
    def nobody(greeting):
        raise AssertionError("there is no game")

    assert play_lines(nobody, io.BytesIO(b""), io.BytesIO()) == 0
    with pytest.raises(ProtocolError, match="greeting"):
        play_lines(nobody, io.BytesIO(b"x" * 5_000_000), io.BytesIO())
