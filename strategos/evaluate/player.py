"""A game of Generals as one HTML page that plays in a browser: no server, no library, no other host.

The page gets the first board and, for every tick, the tiles that changed; whose tiles a player
sees is worked out in the browser from who owns what. `web/player.js` holds the other half.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from functools import cache
from pathlib import Path

import jinja2
import numpy as np
from markupsafe import Markup

from strategos.envs.render import player_colour
from strategos.games.generals.record import ALIVE, MOUNTAIN

WEB = Path(__file__).parent / "web"
_OFFSETS = ((-1, 0), (1, 0), (0, -1), (0, 1))  # up, down, left, right

Move = tuple[int, int, int, bool]
"""(player, source, target, half), the tiles numbered on the unpadded board."""


def player_data(
    states: Iterable[np.record],
    *,
    names: Sequence[str],
    title: str,
    result: str = "",
    moves: Sequence[Sequence[Move]] | None = None,
    actions: np.ndarray | None = None,
) -> dict:
    """What the player in the browser needs of one game, ready for JSON.

    `states` are the positions in order, the first one included (they may be one record written
    again and again). The moves that led from each to the next are drawn as arrows: given as
    `moves`, one list a tick, or as `actions` [T, P], where illegal ones are left out.
    `ValueError` where there is no position.
    """
    frames: list[list[int]] = []
    arrows: list[list[int]] = []
    deaths: list[list[int]] = []
    first: dict | None = None
    previous: np.ndarray | None = None
    alive = np.ones(0, bool)
    for index, state in enumerate(states):
        board = _board(state)
        living = state["status"] == ALIVE
        if first is None:
            first = opening(state, board, names, title, result)
            alive = np.ones(len(living), bool)
        else:
            assert previous is not None
            changed = np.flatnonzero((board != previous).any(axis=0))
            columns = np.column_stack([changed, board[0, changed], board[1, changed]])
            frames.append(columns.ravel().tolist())
            if moves is not None:
                played = moves[index - 1] if index <= len(moves) else []
                arrows.append([int(number) for move in played for number in move])
            elif actions is not None:
                arrows.append(
                    _legal_arrows(actions[index - 1], previous, first["width"], int(state["stride"]))
                )
        deaths += [[index, int(player)] for player in np.flatnonzero(alive & ~living)]
        alive &= living
        previous = board
    if first is None:
        raise ValueError("there is no position to show: the game has no states")
    return {**first, "ticks": frames, "moves": arrows or None, "deaths": deaths}


def _board(state: np.record) -> np.ndarray:
    """[2, height * width] int: the code of every tile (terrain * 32 + owner + 1) and its army."""
    height, width, stride = int(state["height"]), int(state["width"]), int(state["stride"])
    rows = slice(0, height * stride)

    def crop(field: str) -> np.ndarray:
        return state[field][rows].reshape(height, stride)[:, :width].astype(np.int64).ravel()

    return np.stack([crop("terrain") * 32 + crop("owner") + 1, crop("army")])


def opening(state: np.record, board: np.ndarray, names: Sequence[str], title: str, result: str) -> dict:
    """The beginning of `player_data`; `board` holds the codes of the tiles and their armies."""
    teams = state["team"].tolist()
    if len(names) != len(teams):
        raise ValueError(f"{len(names)} names for {len(teams)} players: {', '.join(names)}")
    return {
        "title": title,
        "result": result,
        "width": int(state["width"]),
        "height": int(state["height"]),
        "tick": int(state["tick"]),
        "players": [
            {"name": name, "team": team, "colour": "#{:02x}{:02x}{:02x}".format(*player_colour(player))}
            for player, (name, team) in enumerate(zip(names, teams, strict=True))
        ],
        "code": board[0].tolist(),
        "army": board[1].tolist(),
    }


def _legal_arrows(actions: np.ndarray, before: np.ndarray, width: int, stride: int) -> list[int]:
    """The moves among one tick's `actions` [P] whose source is the mover's, as player, from, to, half, ..."""
    arrows: list[int] = []
    height = before.shape[1] // width
    for player, action in enumerate(actions.tolist()):
        tile, direction, half = action // 8, action % 8 // 2, action % 2
        row, column = divmod(tile, stride)
        to_row, to_column = row + _OFFSETS[direction][0], column + _OFFSETS[direction][1]
        if not (0 <= row < height and column < width and 0 <= to_row < height and 0 <= to_column < width):
            continue  # a pass or a build
        source, target = row * width + column, to_row * width + to_column
        mine = before[0, source] % 32 == player + 1
        if mine and before[1, source] > 1 and before[0, target] // 32 != MOUNTAIN:
            arrows += [player, source, target, half]
    return arrows


def script_json(data: dict) -> Markup:
    """`data` as JSON that is safe inside a script element."""
    text = json.dumps(data, separators=(",", ":"), ensure_ascii=False)
    for character in "<>&\u2028\u2029":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return Markup(text)


@cache
def templates() -> jinja2.Environment:
    """The pages of `web/`, everything escaped that is not marked safe."""
    pages = jinja2.Environment(
        loader=jinja2.FileSystemLoader(WEB), autoescape=True, undefined=jinja2.StrictUndefined
    )
    pages.filters["script_json"] = script_json
    pages.globals["asset"] = lambda name: Markup((WEB / name).read_text("utf-8"))
    return pages


def replay_page(data: dict) -> str:
    """One self-contained HTML page that plays the game of `player_data`."""
    return templates().get_template("replay.html").render(replay=data)
