"""An agent that looks at a board from all sides answers a turned board with the turned answer."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from strategos.engine.batch import Batch
from strategos.games import make_game
from strategos.games.generals.symmetry import NUM_ELEMENTS, BoardSymmetry
from strategos.play.network import NetworkPolicy, build_network, describe_network, make_encoder
from strategos.play.symmetric import SymmetricPolicy


@pytest.fixture(scope="module")
def plain():
    torch.manual_seed(0)
    game = make_game("generals", height=8, width=8)
    described = describe_network(game.spec, "memory", False, channels=8, blocks=1)
    return NetworkPolicy(
        build_network(described).eval(), make_encoder("memory", "cpu", False), largest_batch=64
    )


def seen(**options):
    game = make_game("generals", **options)
    batch = Batch(game, 6, seed=3, threads=1)
    batch.reset()
    batch.step_randomly(60)
    observation = batch.observation
    return game, observation.views[:, 0], observation.masks[:, 0], observation.memories[:, 0]


@pytest.mark.parametrize("options", [{"height": 8, "width": 8}, {"height": 8, "width": 8, "min_height": 6}])
def test_a_turned_board_is_answered_with_the_turned_answer(plain, options):
    game, views, masks, memories = seen(**options)
    policy = SymmetricPolicy(plain)
    logits, values = policy.evaluate(views, masks, memories)
    plainly, _ = plain.evaluate(views, masks, memories)
    assert np.abs(logits - plainly).max() > 1e-3
    symmetry = BoardSymmetry(8, 8, game.spec.num_actions)
    elements = np.where(views["height"] == views["width"], np.arange(6) % NUM_ELEMENTS, np.arange(6) % 4)
    turned_logits, turned_values = policy.evaluate(
        symmetry.views(views, elements),
        symmetry.masks(views, masks, elements),
        symmetry.memories(views, memories, elements),
    )
    legal = np.unpackbits(masks, axis=1, count=game.spec.num_actions, bitorder="little").astype(bool)
    back = symmetry.restored(views, turned_logits, elements)
    assert np.abs(back - logits)[legal].max() < 1e-4
    assert np.abs(turned_values - values).max() < 1e-4


def test_it_plays_legal_moves_and_does_not_mind_its_neighbours(plain):
    game, views, masks, memories = seen(height=8, width=8)
    policy = SymmetricPolicy(plain)
    actions = policy.act(views, masks, memories, np.random.default_rng(1))
    legal = np.unpackbits(masks, axis=1, count=game.spec.num_actions, bitorder="little")
    assert legal[np.arange(6), actions].all()
    alone = policy.act(views[:1], masks[:1], memories[:1], np.random.default_rng(1))
    assert alone[0] == actions[0]
