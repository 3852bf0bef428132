"""Recorded games as the data that a page shows: boards of Generals to play, rounds of Blob to read.

Many games at once, in lock step: for Generals the same data as `player.player_data`, its slow twin, makes of
each alone, in a fraction of the time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass

import numpy as np

from strategos.evaluate.player import opening
from strategos.evaluate.report import distinct_names, result_of_record
from strategos.evaluate.shown_round import (
    ShownAction,
    ShownRound,
    action_text,
    hand_text,
    round_result,
    round_title,
)
from strategos.games.generals.record import ALIVE, MOUNTAIN
from strategos.games.spec import Game
from strategos.play.lock_step import replay_together
from strategos.play.record import GameRecord

_ROWS = np.array([-1, 1, 0, 0])
_COLUMNS = np.array([0, 0, -1, 1])


def _boards_title(game: Game) -> str:
    options, players = game.options, game.spec.num_players
    teams = len(set(options["teams"]))
    title = f"Generals {options['height']}x{options['width']}"
    if teams < players:
        return f"{title}, {teams} teams of {players // teams}"
    return title if players == 2 else f"{title}, {players} players"


def _boards(game: Game, records: Sequence[GameRecord]) -> list[dict]:
    """Of Generals, boards of one size: `player_data` of every record."""
    size, lengths = len(records), np.array([record.ticks for record in records])
    moments = replay_together(game, records)
    start = next(moments)
    width, stride = int(start.states["width"][0]), int(start.states["stride"][0])
    before = np.zeros((2, size, int(start.states["height"][0]) * width), np.int64)
    before[:, start.rows] = _cropped(start.states, width, stride)
    shown: list[dict] = [{} for _ in records]
    for row, state in zip(start.rows.tolist(), start.states, strict=True):
        names = distinct_names(records[row].players)
        title, result = " against ".join(names), result_of_record(records[row], names)
        shown[row] = opening(state, before[:, row], names, title, result)
    alive = np.ones((size, game.spec.num_players), bool)
    changes, arrows, deaths = _Ticks(3), _Ticks(4), _Ticks(2)
    for moment in moments:
        rows, old = moment.rows, before[:, moment.rows]
        new = _cropped(moment.states, width, stride)
        place, cell = np.nonzero((new != old).any(axis=0))
        changes.add(rows[place], moment.tick, cell, new[0, place, cell], new[1, place, cell])
        actions = np.stack([records[row].actions[moment.tick - 1] for row in rows])
        place, *arrow = _arrows(actions, old, width, stride)
        arrows.add(rows[place], moment.tick, *arrow)
        living = moment.states["status"] == ALIVE
        place, player = np.nonzero(alive[rows] & ~living)
        deaths.add(rows[place], moment.tick, np.full(len(place), moment.tick), player)
        alive[rows] &= living
        before[:, rows] = new
    for data, ticks, moves, died in zip(
        shown, changes.of_games(lengths), arrows.of_games(lengths), deaths.of_games(lengths), strict=True
    ):
        pairs = [each[place : place + 2] for each in died for place in range(0, len(each), 2)]
        data |= {"ticks": ticks, "moves": moves or None, "deaths": pairs}
    return shown


def _cropped(states: np.ndarray, width: int, stride: int) -> np.ndarray:
    """[2, R, height * width] int64: the code of every tile and its army, as `player_data` has them."""
    rows = slice(0, int(states["height"][0]) * stride)

    def crop(field: str) -> np.ndarray:
        cells = states[field][:, rows].astype(np.int64).reshape(len(states), -1, stride)
        return cells[:, :, :width].reshape(len(states), -1)

    return np.stack([crop("terrain") * 32 + crop("owner") + 1, crop("army")])


def _arrows(actions: np.ndarray, before: np.ndarray, width: int, stride: int) -> tuple[np.ndarray, ...]:
    """The moves among `actions` [R, P] whose source is the mover's: row, player, source, target, half."""
    tile, direction, half = actions // 8, actions % 8 // 2, actions % 2
    row, column = tile // stride, tile % stride
    to_row, to_column = row + _ROWS[direction], column + _COLUMNS[direction]
    height = before.shape[2] // width
    inside = (row >= 0) & (row < height) & (column < width)
    inside &= (to_row >= 0) & (to_row < height) & (to_column >= 0) & (to_column < width)
    place, player = np.nonzero(inside)
    source = (row * width + column)[place, player]
    target = (to_row * width + to_column)[place, player]
    code, army = before[:, place, source]
    moved = (code % 32 == player + 1) & (army > 1) & (before[0, place, target] // 32 != MOUNTAIN)
    return tuple(each[moved] for each in (place, player, source, target, half[place, player]))


class _Ticks:
    """Rows of numbers, each of a tick of a game, gathered tick by tick and handed out game by game."""

    def __init__(self, width: int) -> None:
        self._width = width
        self._parts: list[np.ndarray] = [np.zeros((0, width + 2), np.int64)]

    def add(self, games: np.ndarray, tick: int, *numbers: np.ndarray) -> None:
        """Rows of `numbers`, `width` arrays [K], of `games` [K]."""
        self._parts.append(np.column_stack([games, np.full(len(games), tick), *numbers]))

    def of_games(self, lengths: np.ndarray) -> Iterator[list[list[int]]]:
        """For each game a list a tick: the numbers of its rows, one after the other."""
        rows = np.concatenate(self._parts)
        ends = np.cumsum(lengths)
        of_tick = (ends - lengths)[rows[:, 0]] + rows[:, 1] - 1
        order = np.argsort(of_tick, kind="stable")
        numbers = rows[order, 2:].ravel().tolist()
        stops = np.cumsum(np.bincount(of_tick, minlength=int(lengths.sum()))) * self._width
        bounds = [0, *stops.tolist()]
        for first, last in zip((ends - lengths).tolist(), ends.tolist(), strict=True):
            yield [numbers[bounds[tick] : bounds[tick + 1]] for tick in range(first, last)]


def _rounds_title(game: Game) -> str:
    return f"Blob, {game.options['players']} players, {game.options['cards']} cards"


def _rounds(game: Game, records: Sequence[GameRecord]) -> list[dict]:
    """Of Blob: the hands, every bid and card, and what came out."""
    shown: list[dict] = [{} for _ in records]
    actions: list[list[ShownAction]] = [[] for _ in records]
    players = game.spec.num_players
    names = [distinct_names(record.players) for record in records]
    before: dict[int, tuple[int, int]] = {}
    for moment in replay_together(game, records):
        for row, state in zip(moment.rows.tolist(), moment.states, strict=True):
            if moment.tick == 0:
                hands = [
                    f"{name}: {hand_text(int(hand))}"
                    for name, hand in zip(names[row], state["hand"], strict=False)
                ]
                shown[row] = {"players": names[row]} | asdict(
                    ShownRound(round_title(state, names[row]), hands, [], [])
                )
            else:
                seat, trick = before[row]
                action = int(records[row].actions[moment.tick - 1, seat])
                actions[row].append(ShownAction(trick, seat + 1, action_text(action), "", ""))
            bidding = int(state["num_bids"]) < players
            before[row] = int(state["turn"]), 0 if bidding else int(state["num_plays"]) // players + 1
            if moment.tick == records[row].ticks:
                shown[row]["result"] = round_result(state, names[row])
    for data, played, seats in zip(shown, actions, names, strict=True):
        data["actions"] = [[each.trick, seats[each.seat - 1], each.action] for each in played]
    return shown


@dataclass(frozen=True)
class Shown:
    """How the page of a tournament shows a game."""

    title: Callable[[Game], str]
    """What is played."""
    show: Callable[[Game, Sequence[GameRecord]], list[dict]]
    """What the page needs of each of some records, all of one game, ready for JSON."""
    mount: str
    """The function of `tournament.js` that puts it on the page."""
    units: str
    """What is played once from every seat."""
    verb: str
    """What one does with an opened game."""


SHOWN = {
    "generals": Shown(_boards_title, _boards, "mountBoard", "boards", "watch"),
    "blob": Shown(_rounds_title, _rounds, "mountRound", "deals", "read"),
}
