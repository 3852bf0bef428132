"""What the page is told: the boards that it patches are the views, hidden things change nothing in it."""

from __future__ import annotations

import numpy as np
import orjson
import pytest

from strategos.engine.batch import Batch
from strategos.games import make_game
from strategos.games.generals.record import FOG, GENERAL, OBSTACLE
from strategos.play.agents import load_policy
from strategos.play.match import play_match
from strategos.play.record import GameRecord, match_records
from strategos.server.terms import Result, Snapshot
from strategos.server.web.shown import FOGGED, Shown, board_of, replay_of, table_of, trick_winner


def snapshot(view, mask=None, memory=None, **more) -> Snapshot:
    players = len(view["alive"]) if "alive" in view.dtype.names else int(view["players"])
    told = {
        "room": "room",
        "tick": int(view["tick"]),
        "phase": "running",
        "seat": int(view["me"]),
        "queue": (),
        "taken": -1,
        "seconds_left": None,
        "names": tuple(f"player {seat}" for seat in range(players)),
        "alive": (True,) * players,
        "present": (True,) * players,
        "result": None,
    }
    return Snapshot(**told | more, view=view, mask=mask, memory=memory)


def generals_batch(ticks: int, seed: int = 3, **options) -> Batch:
    batch = Batch(make_game("generals", **options), 1, seed=seed, threads=1)
    batch.reset()
    hunter = load_policy("hunter")
    rng = np.random.default_rng(seed)
    for _ in range(ticks):
        seen = batch.observation
        actions = [
            hunter.act(seen.views[:, seat], seen.masks[:, seat], seen.memories[:, seat], rng)
            for seat in range(seen.views.shape[1])
        ]
        batch.step(np.stack(actions, axis=1).astype(np.int32))
    return batch


def patch(board: list[list[int]], changes: list[int]) -> None:
    for place in range(0, len(changes), 3):
        cell, board[0][cell], board[1][cell] = changes[place : place + 3]


@pytest.mark.parametrize("padded", [False, True])
def test_a_board_and_its_changes_are_every_view(padded):
    options = {"height": 9, "width": 8} | ({"min_height": 6, "min_width": 5} if padded else {})
    batch = generals_batch(0, **options)
    shown, board, whole = Shown(), [], 0
    for _ in range(120):
        seen = batch.observation
        view, memory = seen.views[0, 0].copy(), seen.memories[0, 0].copy()
        told = shown.state("generals", snapshot(view, seen.masks[0, 0], memory))
        assert ("board" in told) != ("changes" in told)
        if "board" in told:
            whole += 1
            board = [told["board"]["code"], told["board"]["army"]]
            assert len(board[0]) == int(view["height"]) * int(view["width"])
        else:
            patch(board, told["changes"])
        assert np.array_equal(board, board_of(view, memory))
        height, width, stride = (int(view[field]) for field in ("height", "width", "stride"))
        terrain = view["terrain"].reshape(-1, stride)[:height, :width].ravel()
        hidden = (terrain == FOG) | (terrain == OBSTACLE)
        assert np.array_equal(np.array(board[0]) >= FOGGED, hidden)
        assert np.array_equal(np.array(board[0])[~hidden] >> 5, terrain[~hidden])
        orjson.dumps(told)
        batch.step_randomly()
    assert whole == 1
    shown.forget()
    assert "board" in shown.state("generals", snapshot(view, None, memory))


def test_i13_the_page_is_told_nothing_that_the_view_does_not_hold():
    """Two worlds that differ only in the fog look the same, byte for byte."""
    batch = generals_batch(60, height=10, width=10)
    game, states = batch.game, batch.states.copy()
    views, memories = batch.observation.views, batch.observation.memories
    fog = (views["terrain"][0, 0] == FOG) & (states["owner"][0] < 0)
    other = states.copy()
    other["army"][0, fog] += 7
    other["owner"][0, np.flatnonzero(fog)[:3]] = 1
    again = np.zeros_like(views)
    game.view(other, again)
    told = [
        orjson.dumps(Shown().state("generals", snapshot(each[0, 0], None, memories[0, 0].copy())))
        for each in (views.copy(), again)
    ]
    assert told[0] == told[1] and not np.array_equal(states["army"], other["army"])


def test_a_general_that_was_taken_is_not_remembered_as_one():
    batch = generals_batch(0, seed=4, height=8, width=8, players=3)
    view, memory = batch.observation.views[0, 0].copy(), batch.observation.memories[0, 0].copy()
    hidden = int(np.flatnonzero(view["terrain"] == FOG)[0])
    memory["terrain"][hidden], memory["owner"][hidden], memory["army"][hidden] = GENERAL, 1, 9
    memory["general"][1] = hidden
    assert board_of(view, memory)[:, hidden].tolist() == [FOGGED + GENERAL * 32 + 2, 9]
    memory["general"][1] = -1
    assert board_of(view, memory)[:, hidden].tolist() == [FOGGED, 0]


def test_waiting_moves_are_told_in_tiles_of_the_page():
    batch = generals_batch(0, height=9, width=8, min_height=6, min_width=5, ruleset="duel")
    view = batch.observation.views[0, 0].copy()
    stride, width, cells = int(view["stride"]), int(view["width"]), len(view["terrain"])
    move = (2 * stride + 1) * 8 + 3 * 2 + 1
    told = Shown(8 * cells).state("generals", snapshot(view, queue=(move, 8 * cells)))
    assert told["queue"] == [[2 * width + 1, 3, 1], [0, 5, 0]]
    building = Shown(9 * cells).state("generals", snapshot(view, queue=(8 * cells + stride + 2, 9 * cells)))
    assert building["queue"] == [[width + 2, 4, 0], [0, 5, 0]]


def test_before_the_start_there_is_no_board_and_after_it_a_result():
    view = generals_batch(0, height=8, width=8).observation.views[0, 0].copy()
    waiting = snapshot(view, phase="open", tick=0)
    empty = Snapshot(**{**waiting.__dict__, "view": None})
    assert "board" not in Shown().state("generals", empty)
    result = Result((1.0, -1.0), (1, 2), "abc", "played", (12.5, None), "too slow")
    told = Shown().state("generals", snapshot(view, result=result, phase="over"))["result"]
    assert told["places"] == [1, 2] and told["ratings"] == [12.5, None] and told["replay"] == "abc"
    assert told["unrated"] == "too slow"


def test_every_seat_is_told_of_the_same_table_and_of_its_own_hand():
    batch = Batch(make_game("blob", players=4, cards=6, rounds="all"), 1, seed=5, threads=1)
    batch.reset()
    for _ in range(90):
        state, seen = batch.states[0], batch.observation
        tables = [table_of(seen.views[0, seat], seen.masks[0, seat]) for seat in range(4)]
        whole = table_of(state)
        own = ("me", "hand", "legal", "sizes")
        for seat, table in enumerate(tables):
            assert table["me"] == seat and table["hand"] == whole["hands"][seat]
            assert table["sizes"] == [len(hand) for hand in whole["hands"]]
            assert bool(table["legal"]) == (seat == whole["turn"])
            public = {name: value for name, value in table.items() if name not in own}
            assert public == {name: value for name, value in whole.items() if name != "hands"}
        batch.step_randomly()


@pytest.fixture(scope="module")
def blob_record() -> GameRecord:
    game = make_game("blob", players=3, cards=4, rounds="all")
    bots = [load_policy("heuristic"), load_policy("random"), load_policy("heuristic")]
    return match_records(game, play_match(game, bots, num_games=3, seed=2, tick_limit=0, record=True))[0]


def test_a_replay_of_blob_shows_every_move_and_every_last_trick(blob_record):
    shown = replay_of(blob_record)
    frames = shown["frames"]
    ended = [frame for frame in frames if frame.get("ended")]
    rounds = frames[0]["rounds"]
    assert len(ended) == rounds == 2 * 3 + 3
    assert sum("played" in frame for frame in frames) == blob_record.ticks
    for frame in ended:
        assert sum(frame["taken"]) == frame["cards"] == len(frame["tricks"])
        assert all(len(trick) == 4 for trick in frame["tricks"])
        points = [
            10 + bid if bid == took else 0 for bid, took in zip(frame["bids"], frame["taken"], strict=True)
        ]
        assert frame["last_scores"] == points
    best = max(frames[-1]["scores"])
    winners = [shown["names"][seat] for seat, score in enumerate(frames[-1]["scores"]) if score == best]
    assert len(winners) > 1 or winners[0] in shown["result"]
    orjson.dumps(shown)


def test_the_trick_goes_to_the_highest_trump_or_to_the_highest_of_the_suit():
    spade_2, spade_ace, heart_ace, club_3 = 0, 12, 25, 27
    assert trick_winner([spade_2, spade_ace, heart_ace], trump=4) == 1
    assert trick_winner([spade_ace, heart_ace, club_3], trump=2) == 2
    assert trick_winner([heart_ace, spade_ace, spade_2], trump=0) == 1
    assert trick_winner([club_3, heart_ace, spade_ace], trump=3) == 0
