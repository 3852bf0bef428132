"""Pictures: sizes, the fog, and colours that can be told apart."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from strategos.envs import GeneralsEnv
from strategos.envs.render import (
    FOG_COLOUR,
    LAND,
    PLAYER_COLOURS,
    draw_position,
    format_position,
    player_colour,
)
from strategos.games.generals import notation
from strategos.games.generals.record import DEAD, SURRENDERED

BOARD = """
tick: 42
A12! .    #    B3   B9!
.    ^40  .    .    .
.    .    .    .    .
"""


def corner_of(image: np.ndarray, row: int, column: int, tile: int = 32) -> tuple[int, ...]:
    """The colour of a tile near its upper edge, where neither shape nor number is drawn."""
    margin = tile // 2
    return tuple(int(value) for value in image[margin + row * tile + 2, margin + column * tile + tile // 4])


def test_a_state_is_drawn_whole():
    image = draw_position(notation.parse_state(BOARD), scoreboard=False)
    assert image.dtype == np.uint8 and image.shape == (3 * 32 + 32, 5 * 32 + 32, 3)
    assert corner_of(image, 0, 0) == player_colour(0)
    assert corner_of(image, 0, 3) == player_colour(1)
    assert corner_of(image, 2, 4) == LAND
    taller = draw_position(notation.parse_state(BOARD))
    assert taller.shape[1] == image.shape[1] and taller.shape[0] > image.shape[0]


def test_a_view_is_drawn_with_its_fog():
    env = GeneralsEnv(5, seed=2, render_mode="rgb_array")
    env.reset()
    view, image = env._arena.views[0, 0], env.render()
    unseen = np.flatnonzero(view["terrain"] == 0)
    assert len(unseen)
    for cell in unseen:
        assert corner_of(image, *divmod(int(cell), 5)) == FOG_COLOUR
    general = int(np.flatnonzero(view["owner"] == 0)[0])
    assert corner_of(image, *divmod(general, 5)) == player_colour(0)


def test_only_the_board_and_not_its_padding_is_drawn():
    env = GeneralsEnv(height=10, width=10, min_height=5, min_width=5, seed=0)
    sizes = set()
    for _ in range(12):
        env.reset()
        view = env._arena.views[0, 0]
        image = draw_position(view, scoreboard=False)
        assert image.shape[:2] == (32 * view["height"] + 32, 32 * view["width"] + 32)
        sizes.add(image.shape)
    assert len(sizes) > 3


def test_whoever_surrendered_is_not_listed_among_the_living():
    state = notation.parse_state(BOARD)
    living = draw_position(state)
    state["status"][1] = DEAD
    dead = draw_position(state)
    state["status"][1] = SURRENDERED
    assert np.array_equal(draw_position(state), dead) and not np.array_equal(dead, living)


def test_texts_are_the_notation():
    state = notation.parse_state(BOARD)
    assert notation.parse_state(format_position(state)).tobytes() == state.tobytes()
    env = GeneralsEnv(5, seed=2, render_mode="ansi")
    env.reset()
    assert env.render() == notation.format_view(env._arena.views[0, 0])


def test_tiles_can_be_small_but_not_tiny():
    assert draw_position(notation.parse_state(BOARD), tile_size=8, scoreboard=False).shape == (32, 48, 3)
    with pytest.raises(ValueError, match="at least 8"):
        draw_position(notation.parse_state(BOARD), tile_size=4)


# Machado, Oliveira and Fernandes (2009), severity 1.0, on linear RGB.
DEFICIENCIES = {
    "none": np.eye(3),
    "protanopia": np.array(
        [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]]
    ),
    "deuteranopia": np.array(
        [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]]
    ),
    "tritanopia": np.array(
        [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]]
    ),
}


def lab(colour, seen_by: np.ndarray) -> np.ndarray:
    """CIE L*a*b* of an sRGB colour as a colour-blind eye sees it."""
    srgb = np.array(colour) / 255
    linear = np.where(srgb <= 0.04045, srgb / 12.92, ((srgb + 0.055) / 1.055) ** 2.4)
    linear = np.clip(seen_by @ linear, 0, 1)
    to_xyz = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])
    xyz = to_xyz @ linear / np.array([0.9505, 1.0, 1.089])
    f = np.where(xyz > 0.008856, np.cbrt(xyz), 7.787 * xyz + 16 / 116)
    return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])


@pytest.mark.parametrize("eye", DEFICIENCIES)
def test_players_can_be_told_apart(eye):
    seen = [lab(colour, DEFICIENCIES[eye]) for colour in (*PLAYER_COLOURS, LAND, FOG_COLOUR)]
    differences = {
        (a, b): float(np.linalg.norm(seen[a] - seen[b]))
        for a, b in itertools.combinations(range(len(seen)), 2)
    }
    assert min(differences.values()) > 14, min(differences, key=differences.__getitem__)
    assert differences[0, 1] > 40  # most games have two players
