"""Pictures of Generals: a view or a state as an RGB image, or as text.

A view is drawn as its player sees it, fog included; a state is drawn whole, for spectators.
Colours are those of Okabe and Ito, which stay apart in the common kinds of colour blindness;
players beyond the eighth carry a second mark, a white frame.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from strategos.games.generals.record import ALIVE, CITY, FOG, GENERAL, MOUNTAIN, OBSTACLE

Colour = tuple[int, int, int]

PLAYER_COLOURS: tuple[Colour, ...] = (
    (0, 114, 178),  # blue
    (213, 94, 0),  # vermilion
    (0, 158, 115),  # bluish green
    (204, 121, 167),  # reddish purple
    (230, 159, 0),  # orange
    (86, 180, 233),  # sky blue
    (240, 228, 66),  # yellow
    (152, 42, 96),  # wine, after Paul Tol, for Okabe and Ito's black
)
INK: Colour = (22, 25, 31)
PAPER: Colour = (240, 238, 232)
FOG_COLOUR: Colour = (41, 46, 54)
OBSTACLE_MARK: Colour = (78, 85, 97)
LAND: Colour = (222, 219, 210)
ROCK: Colour = (158, 158, 154)
ROCK_MARK: Colour = (104, 105, 104)
NEUTRAL_CITY: Colour = (112, 116, 122)
NEUTRAL_ARMY: Colour = (150, 148, 142)

_MOUNTAIN_SHAPE = (((0.06, 0.86), (0.38, 0.24), (0.58, 0.58), (0.70, 0.40), (0.95, 0.86)),)
_CITY_SHAPE = (
    (
        (0.12, 0.90), (0.12, 0.26), (0.28, 0.26), (0.28, 0.38), (0.42, 0.38), (0.42, 0.14),
        (0.58, 0.14), (0.58, 0.38), (0.72, 0.38), (0.72, 0.26), (0.88, 0.26), (0.88, 0.90),
    ),
)  # fmt: skip
_CROWN_SHAPE = (
    ((0.10, 0.84), (0.06, 0.28), (0.30, 0.52), (0.50, 0.12), (0.70, 0.52), (0.94, 0.28), (0.90, 0.84)),
)
_SMOOTHING = 4  # shapes are drawn this many times larger and scaled down: Pillow does not antialias


def draw_position(position: np.record, *, tile_size: int = 32, scoreboard: bool = True) -> np.ndarray:
    """Draw a view or a state of Generals as uint8 [height, width, 3].

    `tile_size` in pixels, at least 8. The scoreboard lists every player's land and army, which
    are public. Raises `ValueError` for a smaller tile.
    """
    if tile_size < 8:
        raise ValueError(f"tile_size must be at least 8 pixels, not {tile_size}")
    height, width, stride = int(position["height"]), int(position["width"]), int(position["stride"])
    players = len(position["land_total"])
    gap = max(1, tile_size // 16)
    margin = tile_size // 2
    board_width = max(width * tile_size, 5 * tile_size)
    line = max(16, int(tile_size * 0.75))
    standings = _standings(position)
    widest = max(_font(int(line * 0.66)).getlength(text) for text in standings)
    columns = max(1, min(players, int(board_width // (widest + 1.5 * line))))
    panel = (line * (1 + -(-players // columns)) + margin) if scoreboard else 0
    size = (board_width + 2 * margin, height * tile_size + 2 * margin + panel)
    image = Image.new("RGB", size, INK)
    draw = ImageDraw.Draw(image)
    left = margin + (board_width - width * tile_size) // 2
    for row in range(height):
        for column in range(width):
            cell = row * stride + column
            corner = (left + column * tile_size, margin + row * tile_size)
            _draw_tile(image, draw, position, cell, corner, tile_size - gap)
    if scoreboard:
        top = margin + height * tile_size + margin // 2
        _draw_scoreboard(draw, position, standings, (margin, top), (board_width // columns, line), columns)
    return np.array(image)


def format_position(position: np.record) -> str:
    """A view or a state as text, in the game's notation."""
    from strategos.games.generals import notation

    return notation.format_view(position) if is_view(position) else notation.format_state(position)


def is_view(position: np.record) -> bool:
    """Whether a Generals record is one player's view, and not the whole state."""
    return "me" in (position.dtype.names or ())


def player_colour(player: int) -> Colour:
    """The fill colour of a player's tiles."""
    return PLAYER_COLOURS[player % len(PLAYER_COLOURS)]


def _draw_tile(
    image: Image.Image,
    draw: ImageDraw.ImageDraw,
    position: np.record,
    cell: int,
    corner: tuple[int, int],
    size: int,
) -> None:
    terrain, owner = int(position["terrain"][cell]), int(position["owner"][cell])
    army = int(position["army"][cell])
    fill, mark, shape = _appearance(terrain, owner, army)
    box = (*corner, corner[0] + size - 1, corner[1] + size - 1)
    draw.rounded_rectangle(box, radius=size // 8, fill=fill)
    if owner >= len(PLAYER_COLOURS):
        draw.rounded_rectangle(box, radius=size // 8, outline=PAPER, width=max(1, size // 14))
    if shape is not None:
        image.paste(mark, corner, _shape_mask(shape, size))
    if army > 0 or owner >= 0:
        _draw_army(draw, army, corner, size, on_shape=shape is not None)


def _appearance(terrain: int, owner: int, army: int) -> tuple[Colour, Colour, str | None]:
    """Fill colour, colour of the shape on it, and the shape of a tile."""
    if terrain in (FOG, OBSTACLE):
        return FOG_COLOUR, OBSTACLE_MARK, "obstacle" if terrain == OBSTACLE else None
    if terrain == MOUNTAIN:
        return ROCK, ROCK_MARK, "mountain"
    fill = player_colour(owner) if owner >= 0 else LAND
    if terrain == CITY:
        fill = fill if owner >= 0 else NEUTRAL_CITY
        return fill, _shade(fill, 0.62), "city"
    if terrain == GENERAL:
        return fill, _shade(fill, 0.48), "general"
    if owner < 0 and army > 0:
        return NEUTRAL_ARMY, NEUTRAL_ARMY, None
    return fill, fill, None


def _draw_army(
    draw: ImageDraw.ImageDraw, army: int, corner: tuple[int, int], size: int, *, on_shape: bool
) -> None:
    text = str(army) if army < 10_000 else f"{army // 1000}k"
    font = _font(max(7, int(size * (0.46 if len(text) < 3 else 1.25 / len(text)))))
    middle = (corner[0] + size / 2, corner[1] + size * (0.6 if on_shape else 0.5))
    draw.text(
        middle, text, fill=PAPER, font=font, anchor="mm", stroke_width=max(1, size // 20), stroke_fill=INK
    )


def _standings(position: np.record) -> list[str]:
    """One line of the scoreboard for each player."""
    alive = _alive(position)
    me = int(position["me"]) if is_view(position) else -1
    return [
        ("you" if player == me else f"player {player}")
        + (
            f": {position['land_total'][player]} land, {position['army_total'][player]} army"
            if living
            else ": dead"
        )
        for player, living in enumerate(alive)
    ]


def _alive(position: np.record) -> np.ndarray:
    return position["alive"] if is_view(position) else position["status"] == ALIVE


def _draw_scoreboard(
    draw: ImageDraw.ImageDraw,
    position: np.record,
    standings: list[str],
    corner: tuple[int, int],
    cell: tuple[int, int],
    columns: int,
) -> None:
    width, line = cell
    font = _font(int(line * 0.66))
    draw.text(
        (corner[0], corner[1] + line // 2), f"tick {position['tick']}", fill=PAPER, font=font, anchor="lm"
    )
    for player, living in enumerate(_alive(position)):
        left = corner[0] + (player % columns) * width
        top = corner[1] + (1 + player // columns) * line
        chip = (left, top + line // 5, left + line * 3 // 5, top + line * 4 // 5)
        frame = PAPER if player >= len(PLAYER_COLOURS) else None
        draw.rounded_rectangle(chip, radius=line // 8, fill=player_colour(player), outline=frame, width=2)
        ink = PAPER if living else NEUTRAL_ARMY
        draw.text((left + line * 0.9, top + line // 2), standings[player], fill=ink, font=font, anchor="lm")


def _shade(colour: Colour, factor: float) -> Colour:
    return (int(colour[0] * factor), int(colour[1] * factor), int(colour[2] * factor))


@lru_cache(maxsize=32)
def _font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(size)


@lru_cache(maxsize=64)
def _shape_mask(shape: str, size: int) -> Image.Image:
    """The coverage of a shape on a tile, 8-bit, antialiased."""
    large = Image.new("L", (size * _SMOOTHING, size * _SMOOTHING), 0)
    draw = ImageDraw.Draw(large)
    polygons = {"city": _CITY_SHAPE, "general": _CROWN_SHAPE}.get(shape, _MOUNTAIN_SHAPE)
    for polygon in polygons:
        draw.polygon([(x * size * _SMOOTHING, y * size * _SMOOTHING) for x, y in polygon], fill=255)
    return large.resize((size, size), Image.Resampling.LANCZOS)
