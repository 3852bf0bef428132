"""A network that looks at a board from all sides answers a turned board with the turned answer."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from strategos.engine.batch import Batch
from strategos.engine.planes import PLANES, planes
from strategos.games import make_game
from strategos.games.generals.symmetry import NUM_ELEMENTS, BoardSymmetry
from strategos.nets.grid import GridNet, GridNetConfig
from strategos.nets.symmetric import SymmetricNet


@pytest.mark.parametrize("plane_set", list(PLANES))
@pytest.mark.parametrize("ruleset", ["generalsio", "competition"])
def test_a_turned_board_is_answered_with_the_turned_answer(plane_set, ruleset):
    """Turned as the rules turn: views, memories and masks by `BoardSymmetry`, encoded again."""
    game = make_game("generals", height=8, width=8, ruleset=ruleset)
    batch = Batch(game, NUM_ELEMENTS, seed=3, threads=1)
    batch.reset()
    batch.step_randomly(60)
    seen = batch.observation
    views, masks, memories = seen.views[:, 0], seen.masks[:, 0], seen.memories[:, 0]
    torch.manual_seed(0)
    plain = GridNet(
        GridNetConfig(
            PLANES[plane_set], channels=8, blocks=1, builds=ruleset == "competition", bfloat16=False
        )
    )
    for parameter in plain.parameters():
        torch.nn.init.normal_(parameter, std=0.2)
    network = SymmetricNet(plain).eval()
    symmetry, elements = BoardSymmetry(8, 8, game.spec.num_actions), np.arange(NUM_ELEMENTS)
    with torch.inference_mode():
        logits, values = network(planes(plane_set, views, masks, memories))
        plainly, _ = plain(planes(plane_set, views, masks, memories))
        turned_logits, turned_values = network(
            planes(
                plane_set,
                symmetry.views(views, elements),
                symmetry.masks(views, masks, elements),
                symmetry.memories(views, memories, elements),
            )
        )
    assert (logits - plainly).abs().max() > 1e-2
    back = symmetry.restored(views, turned_logits.numpy(), elements)
    assert np.abs(back - logits.numpy()).max() < 1e-3
    assert (turned_values - values).abs().max() < 1e-3


def test_boards_that_are_not_square_have_four_sides():
    plain = GridNet(GridNetConfig(9, channels=4, blocks=1, bfloat16=False))
    network = SymmetricNet(plain)
    x = torch.rand(2, 9, 5, 7)
    logits, values = network(x)
    flipped, again = network(x.flip(3))
    assert logits.shape == (2, 5 * 7 * 8 + 1) and torch.allclose(values, again, atol=1e-5)
    moves = logits[:, :-1].view(2, 5, 7, 4, 2)
    there = flipped[:, :-1].view(2, 5, 7, 4, 2).flip(2)[:, :, :, [0, 1, 3, 2]]
    assert torch.allclose(moves, there, atol=1e-4)
