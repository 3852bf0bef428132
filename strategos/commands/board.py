"""Generals in a terminal: a position as coloured text, four columns a tile."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from strategos.envs.render import (
    FOG_COLOUR,
    INK,
    LAND,
    NEUTRAL_CITY,
    OBSTACLE_MARK,
    PAPER,
    ROCK,
    is_view,
    player_colour,
)
from strategos.games.generals.record import CITY, FOG, GENERAL, MOUNTAIN, OBSTACLE, PLAIN

if TYPE_CHECKING:
    from rich.text import Text

    from strategos.envs.render import Colour

TILE_COLUMNS = 4


def board_text(
    position: np.record, *, memory: np.record | None = None, cursor: int | None = None, marks: str = ""
) -> Text:
    """A state, or a view with what its player remembers shown dimly in the fog.

    `cursor` is a tile (padded numbering) to frame with the two characters of `marks`.
    """
    from rich.text import Text

    text = Text(no_wrap=True)
    height, width, stride = int(position["height"]), int(position["width"]), int(position["stride"])
    for row in range(height):
        for column in range(width):
            cell = row * stride + column
            label, ink, paper, bold = _tile(position, memory, cell)
            if cell == cursor:
                inner = _army_label(position, cell) or label.strip()
                label = f"{marks[0]}{inner:^2}{marks[1]}" if len(inner) <= 2 else f"{marks[0]}{inner:<3.3}"
                ink, paper, bold = INK, (255, 255, 255), True
            text.append(label, style=f"{'bold ' if bold else ''}{_hex(ink)} on {_hex(paper)}")
        text.append("\n" if row + 1 < height else "")
    return text


def scoreboard_text(position: np.record, names: list[str]) -> Text:
    """One line for each player: colour, name, army, land."""
    from rich.text import Text

    text = Text(no_wrap=True)
    status = position["alive"] if is_view(position) else position["status"]
    for player, name in enumerate(names):
        style = "dim strike" if status[player] != 1 else ""
        text.append("  ", style=f"on {_hex(player_colour(player))}")
        numbers = f"army {position['army_total'][player]:>5}  land {position['land_total'][player]:>4}"
        text.append(f" {name:<18.18} {numbers}\n", style=style)
    return text


def _tile(position: np.record, memory: np.record | None, cell: int) -> tuple[str, Colour, Colour, bool]:
    """Label of four characters, ink, paper, bold."""
    terrain, owner = int(position["terrain"][cell]), int(position["owner"][cell])
    if terrain in (FOG, OBSTACLE):
        known = int(memory["terrain"][cell]) if memory is not None else terrain
        mark = {MOUNTAIN: " ▲▲ ", CITY: " ⌂  ", GENERAL: " ♛  ", PLAIN: "  · "}.get(known)
        mark = mark or (" ▒▒ " if terrain == OBSTACLE else "    ")
        last = int(memory["owner"][cell]) if memory is not None else -1
        return mark, player_colour(last) if last >= 0 else OBSTACLE_MARK, FOG_COLOUR, last >= 0
    if terrain == MOUNTAIN:
        return " ▲▲ ", PAPER, ROCK, False
    army = _army_label(position, cell)
    sign = {CITY: "⌂", GENERAL: "♛"}.get(terrain, " ")
    label = f"{sign}{army:>3}" if len(army) <= 3 else f"{army:>4.4}"
    if owner >= 0:
        return label, (255, 255, 255), player_colour(owner), terrain == GENERAL or army not in ("", "1")
    return label, INK if terrain != CITY else PAPER, LAND if terrain != CITY else NEUTRAL_CITY, False


def _army_label(position: np.record, cell: int) -> str:
    if int(position["terrain"][cell]) in (FOG, OBSTACLE, MOUNTAIN):
        return ""
    army, owner = int(position["army"][cell]), int(position["owner"][cell])
    if army == 0 and owner < 0:
        return ""
    return str(army) if army < 10_000 else f"{army // 1000}k"


def _hex(colour: Colour) -> str:
    return "#{:02x}{:02x}{:02x}".format(*colour)
