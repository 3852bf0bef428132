"""What a snapshot of the hall looks like as JSON for the page. Translation only: no rules, no sockets.

A board of Generals is sent whole once and then as what changed, in the format of the replay player: the code
of a tile is `terrain * 32 + owner + 1`, plus `FOGGED` where the seat only remembers it. A table of Blob is
small and sent whole. Seats are those of the table, never relative to the viewer.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from strategos.games.blob.record import DECK
from strategos.games.generals.record import FOG, GENERAL, OBSTACLE
from strategos.play.record import GameRecord, replay
from strategos.server.hall import Result, Snapshot

Record = np.ndarray | np.record
"""One record, as an element of an array or as an array of no dimension."""
FOGGED = 256
"""Added to the code of a tile that is out of sight: what is known of it is a memory."""
_MOST_CHANGED = 0.6
"""Share of the tiles above which a whole board is shorter than its changes."""


class Shown:
    """What one listener was shown last of a board, so that only what changed is sent."""

    def __init__(self, pass_action: int = -1) -> None:
        self.pass_action = pass_action
        """Of Generals: an id that a city to build may have elsewhere."""
        self._board: np.ndarray | None = None

    def forget(self) -> None:
        """The next board is sent whole."""
        self._board = None

    def state(self, game: str, snapshot: Snapshot) -> dict[str, Any]:
        """What the page needs to know of `snapshot`, ready for JSON."""
        shown = _frame(snapshot)
        if snapshot.view is None:
            return shown
        if game == "generals":
            return shown | self._generals(snapshot)
        return shown | {"table": table_of(snapshot.view, snapshot.mask)}

    def _generals(self, snapshot: Snapshot) -> dict[str, Any]:
        view = snapshot.view
        assert view is not None
        width, stride = int(view["width"]), int(view["stride"])
        board = board_of(view, snapshot.memory)
        shown: dict[str, Any] = {
            "army_total": view["army_total"].tolist(),
            "land_total": view["land_total"].tolist(),
            "queue": [self._move(action, width, stride, len(view["terrain"])) for action in snapshot.queue],
        }
        before, self._board = self._board, board
        if before is not None and before.shape == board.shape:
            changed = np.flatnonzero((board != before).any(axis=0))
            if len(changed) <= _MOST_CHANGED * board.shape[1]:
                columns = np.column_stack([changed, board[0, changed], board[1, changed]])
                return shown | {"changes": columns.ravel().tolist()}
        return shown | {
            "board": {
                "width": width,
                "height": int(view["height"]),
                "stride": stride,
                "cells": len(view["terrain"]),
                "team": view["team"].tolist(),
                "code": board[0].tolist(),
                "army": board[1].tolist(),
            }
        }

    def _move(self, action: int, width: int, stride: int, cells: int) -> list[int]:
        """An action as tile of the page, direction (4: build a city, 5: pass) and half."""
        if action == self.pass_action:
            return [0, 5, 0]
        cell, direction, half = action // 8, action % 8 // 2, action % 2
        if action >= 8 * cells:
            cell, direction, half = action - 8 * cells, 4, 0
        return [cell // stride * width + cell % stride, direction, half]


def _frame(snapshot: Snapshot) -> dict[str, Any]:
    """What every game has."""
    return {
        "type": "state",
        "tick": snapshot.tick,
        "phase": snapshot.phase,
        "seat": snapshot.seat,
        "taken": snapshot.taken,
        "left": None if snapshot.seconds_left is None else round(float(snapshot.seconds_left), 2),
        "names": list(snapshot.names),
        "alive": [bool(each) for each in snapshot.alive],
        "present": [bool(each) for each in snapshot.present],
        "result": None if snapshot.result is None else result_of(snapshot.result),
    }


def result_of(result: Result) -> dict[str, Any]:
    """The end of a game."""
    return {
        "returns": [float(each) for each in result.returns],
        "places": [int(each) for each in result.places],
        "replay": result.replay,
        "reason": result.reason,
        "ratings": [None if each is None else float(each) for each in result.ratings],
        "unrated": result.unrated,
    }


def _crop(record: Record, field: str, height: int, width: int, stride: int) -> np.ndarray:
    """[height * width] int64: a field of the padded board without its padding."""
    return record[field][: height * stride].reshape(height, stride)[:, :width].astype(np.int64).ravel()


def board_of(view: Record, memory: Record | None) -> np.ndarray:
    """[2, height * width] int64: the code of every tile and its army, the remembered ones `FOGGED`."""
    shape = int(view["height"]), int(view["width"]), int(view["stride"])
    terrain, owner, army = (_crop(view, field, *shape) for field in ("terrain", "owner", "army"))
    hidden = (terrain == FOG) | (terrain == OBSTACLE)
    board = np.stack([terrain * 32 + owner + 1, army])
    if memory is not None:
        known, holder, was = (_crop(memory, field, *shape) for field in ("terrain", "owner", "army"))
        standing = np.zeros(len(view["terrain"]), bool)
        standing[[cell for cell in memory["general"].tolist() if cell >= 0]] = True
        rows = standing[: shape[0] * shape[2]].reshape(shape[0], shape[2])[:, : shape[1]].ravel()
        fallen = (known == GENERAL) & ~rows  # it was captured: nobody knows what the tile is now
        recalled = np.stack([np.where(fallen, FOG * 32, known * 32 + holder + 1), np.where(fallen, 0, was)])
        board = np.where(hidden, recalled, board)
    board[0] += FOGGED * hidden
    return board


def table_of(position: Record, mask: np.ndarray | None = None) -> dict[str, Any]:
    """A table of Blob from a view (seats from the viewer on) or from a state, ready for JSON."""
    fields = position.dtype.names or ()
    players = int(position["players"])
    me = int(position["me"]) if "me" in fields else 0

    def seat(relative: int) -> int:
        return (relative + me) % players if relative >= 0 else -1

    def by_seat(field: str) -> list[int]:
        return np.roll(position[field][:players], me).tolist()

    plays = position["plays"][: int(position["num_plays"])].tolist()
    tricks = [
        [seat(int(leader)), *plays[number * players : (number + 1) * players]]
        for number, leader in enumerate(position["leaders"][: -(-len(plays) // players)])
    ]
    shown = {
        "players": players,
        "round": int(position["round"]),
        "rounds": int(position["rounds"]),
        "cards": int(position["cards"]),
        "trump": int(position["trump"]),
        "turned": int(position["turned"]),
        "dealer": seat(int(position["dealer"])),
        "turn": seat(int(position["turn"])),
        "bids": by_seat("bids"),
        "taken": by_seat("tricks"),
        "scores": by_seat("scores"),
        "last_scores": by_seat("last_scores"),
        "tricks": tricks,
    }
    if "me" in fields:
        shown |= {"me": me, "hand": _cards(int(position["hand"])), "sizes": by_seat("sizes")}
        legal = [] if mask is None else np.flatnonzero(np.unpackbits(mask, bitorder="little")).tolist()
        return shown | {"legal": legal}
    return shown | {"hands": [_cards(int(hand)) for hand in position["hand"][:players]]}


def _cards(hand: int) -> list[int]:
    return [card for card in range(DECK) if hand >> card & 1]


def replay_of(record: GameRecord) -> dict[str, Any]:
    """A recorded game for the page's viewer; `RecordError` where it does not replay.

    Of Generals the data of the replay player (`evaluate/player.py`); of Blob one table for every action, and
    one more wherever a round ends, with the last trick still lying there.
    """
    from strategos.evaluate.report import distinct_names, replay_of_record, result_of_record

    names = distinct_names(record.players)
    if record.game == "generals":
        return {"game": "generals", **replay_of_record(record)}
    shown: dict[str, Any] = {
        "game": record.game,
        "title": " against ".join(names),
        "result": result_of_record(record, names),
        "names": names,
    }
    if record.game != "blob":
        return shown
    frames: list[dict[str, Any]] = []
    for tick, states in enumerate(replay(record)):
        table = table_of(states[0])
        if tick:
            before = frames[-1]
            action = int(record.actions[tick - 1, before["turn"]])
            if table["round"] != before["round"] or table["turn"] < 0:
                frames.append(end_of_round(before, action, table))
                if table["turn"] < 0:
                    break
            else:
                table["played"] = [before["turn"], action]
        frames.append(table)
    return shown | {"frames": frames}


def end_of_round(before: dict[str, Any], card: int, after: dict[str, Any]) -> dict[str, Any]:
    """The table when the last card of a round has just been played, which no state shows."""
    seat = before["turn"]
    trick = [*before["tricks"][-1], card]
    winner = (trick[0] + trick_winner(trick[1:], before["trump"])) % before["players"]
    return before | {
        "turn": -1,
        "hands": [[] for _ in before["hands"]],
        "tricks": [*before["tricks"][:-1], trick],
        "taken": [taken + (each == winner) for each, taken in enumerate(before["taken"])],
        "scores": after["scores"],
        "last_scores": after["last_scores"],
        "played": [seat, card],
        "ended": True,
    }


def trick_winner(cards: list[int], trump: int) -> int:
    """The place in `cards`, as they were played, of the one that takes the trick."""
    led = cards[0] // 13

    def strength(place: int) -> tuple[bool, bool, int]:
        suit = cards[place] // 13
        return suit == trump, suit == led, cards[place]

    return max(range(len(cards)), key=strength)
