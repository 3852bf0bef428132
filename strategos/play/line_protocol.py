"""The line protocol of the generals.bot competition: a view as lines of integers, a line as an action.

A program is greeted once and then sent one frame a tick; it answers every frame with one line. Both sides
are here: `format_frame` and `parse_answer` for whoever runs a game, `parse_frame` and `format_answer` for
an agent that is itself the program. A frame holds what its view holds, and no more. Two players; nothing
here starts a process or keeps time.

    greeting   player_id H W
    frame      tick my_land my_army opp_land opp_army
               H lines of W   terrain  0 fog 1 plain 2 mountain 3 city 4 general 5 mountain or city in fog
               H lines of W   owner    0 nobody or unknown 1 me 2 opponent
               H lines of W   army     0 where unseen
    answer     kind row col dir split   kind 0 move 1 skip 2 build; dir 0 up 1 down 2 left 3 right;
                                        split 0 all but one 1 half
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from strategos.games.generals.record import ARMY_CAP, BY_CHASE, NEUTRAL, OBSTACLE, view_dtype

MOVE, SKIP, BUILD = range(3)
NOBODY, ME, OPPONENT = range(3)
OFF_BOARD = -1
"""What `parse_answer` gives for a tile that the board does not have: no action id, so never legal."""
_NUMBERS = re.compile(rb"[ \t]*-?[0-9]{1,9}(?:[ \t]+-?[0-9]{1,9})*[ \t\r\n]*")


class ProtocolError(ValueError):
    """A line that is not of the protocol: what was expected, what came."""


class Greeting(NamedTuple):
    """What a program is told first."""

    player: int
    height: int
    width: int

    @property
    def frame_lines(self) -> int:
        """Lines of each frame."""
        return 1 + 3 * self.height


def check_players(views: np.ndarray) -> None:
    """Refuse `views` that the protocol cannot tell: of another game, or of more than two players."""
    if "terrain" not in (views.dtype.names or ()) or views.dtype["alive"].shape != (2,):
        raise ValueError("the line protocol is for Generals of two players and no other game")


def format_greeting(view: np.record) -> bytes:
    """The line that begins a game for the player of `view`."""
    return b"%d %d %d\n" % (view["me"], view["height"], view["width"])


def format_frame(view: np.record) -> bytes:
    """The frame of one view; padding outside a smaller board is left out."""
    me, height, width = int(view["me"]), int(view["height"]), int(view["width"])
    totals = [view["tick"]]
    for player in (me, 1 - me):
        totals += [view["land_total"][player], view["army_total"][player]]
    owner = np.where(view["owner"] == me, ME, np.where(view["owner"] == NEUTRAL, NOBODY, OPPONENT))
    lines = [" ".join(map(str, totals))]
    for tiles in (view["terrain"], owner, view["army"]):
        board = tiles.reshape(-1, int(view["stride"]))[:height, :width]
        lines += [" ".join(map(str, row)) for row in board.tolist()]
    return ("\n".join(lines) + "\n").encode("ascii")


def parse_greeting(line: bytes) -> Greeting:
    """The reverse of `format_greeting`; `ProtocolError` for anything else."""
    player, height, width = _integers(line, 3, "a greeting of player_id H W")
    if player not in (0, 1) or height < 1 or width < 1:
        raise ProtocolError(f"player {player} on a board of {height}x{width} cannot be")
    return Greeting(player, height, width)


def parse_frame(lines: Sequence[bytes], greeting: Greeting) -> np.record:
    """The view that `format_frame` wrote, without padding; `ProtocolError` names the line that is wrong.

    Armies over what a view can hold are cut to `ARMY_CAP`.
    """
    player, height, width = greeting
    if len(lines) != greeting.frame_lines:
        raise ProtocolError(f"a frame of {height} rows has {greeting.frame_lines} lines, not {len(lines)}")
    view = np.zeros(1, view_dtype(height * width, 2))[0]
    totals = _integers(lines[0], 5, "tick my_land my_army opp_land opp_army")
    grids = [
        _integers(line, width, f"{width} tiles in line {at + 1}") for at, line in enumerate(lines[1:], 1)
    ]
    terrain, owner, army = np.array(grids, np.int64).reshape(3, -1)
    if not (terrain.min() >= 0 and terrain.max() <= OBSTACLE):
        raise ProtocolError(f"a tile is of kind 0 to {OBSTACLE}")
    if not (owner.min() >= NOBODY and owner.max() <= OPPONENT):
        raise ProtocolError("an owner is 0, 1 or 2")
    view["me"], view["tick"] = player, totals[0]
    view["height"], view["width"], view["stride"] = height, width, width
    view["land_total"][[player, 1 - player]] = totals[1], totals[3]
    view["army_total"][[player, 1 - player]] = totals[2], totals[4]
    view["terrain"] = terrain
    view["owner"] = np.array([NEUTRAL, player, 1 - player])[owner]
    view["army"] = np.minimum(army, ARMY_CAP)
    view["alive"], view["team"], view["order"] = 1, [0, 1], BY_CHASE
    return view


def format_answer(action: int, view: np.record, pass_action: int) -> bytes:
    """An action id as the line that a program answers with."""
    cells = len(view["owner"])
    if action == pass_action:
        return b"%d 0 0 0 0\n" % SKIP
    if action >= 8 * cells:
        return b"%d %d %d 0 0\n" % (BUILD, *divmod(action - 8 * cells, int(view["stride"])))
    row, column = divmod(action >> 3, int(view["stride"]))
    return b"%d %d %d %d %d\n" % (MOVE, row, column, action >> 1 & 3, action & 1)


def parse_answer(line: bytes, view: np.record, pass_action: int) -> int:
    """The action id of an answer to the frame of `view`; it may be illegal, which the mask tells.

    `OFF_BOARD` for a tile that is not on the board. `ProtocolError` for a line that is not five integers,
    or whose kind, direction or split is none of the protocol's.
    """
    kind, row, column, direction, split = _integers(line, 5, "an answer of kind row col dir split")
    if kind not in (MOVE, SKIP, BUILD):
        raise ProtocolError(f"the kind is 0 (move), 1 (skip) or 2 (build), not {kind}")
    if kind == SKIP:
        return pass_action
    if kind == MOVE and not (0 <= direction <= 3 and 0 <= split <= 1):
        raise ProtocolError(f"direction is 0 to 3 and split 0 or 1, not {direction} and {split}")
    if not (0 <= row < view["height"] and 0 <= column < view["width"]):
        return OFF_BOARD
    cell = row * int(view["stride"]) + column
    return cell * 8 + direction * 2 + split if kind == MOVE else 8 * len(view["owner"]) + cell


def _integers(line: bytes, count: int, what: str) -> list[int]:
    numbers = line.split() if _NUMBERS.fullmatch(line) else []
    if len(numbers) != count:
        raise ProtocolError(f"expected {what}, all integers; got {line[:60]!r}")
    return [int(number) for number in numbers]
