"""Recorded games, compared to the letter.

A difference is a change of the rules, the maps, the random stream, the views or the notation. If it
is meant, record anew with `python tests/golden/playthrough.py` and read the difference.
"""

from __future__ import annotations

import pytest
from playthrough import FOLDER, RECORDINGS, playthrough


@pytest.mark.parametrize("name", RECORDINGS)
def test_the_game_is_as_recorded(name):
    recorded = (FOLDER / f"{name}.txt").read_text("utf-8")
    assert "\n".join(playthrough(name)) + "\n" == recorded
