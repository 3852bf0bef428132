"""Augmentation of examples: every field that has a symmetry follows the view, the others stay."""

from __future__ import annotations

import numpy as np
import pytest

from strategos.games import make_game
from strategos.games.blob import Blob
from strategos.games.generals.symmetry import moved_actions
from strategos.memory.symmetry import augment, make_symmetry
from strategos.play.bots import BOTS


def example_dtype(game) -> np.dtype:
    return np.dtype(
        [
            ("view", game.view_dtype),
            ("memory", game.memory_dtype),
            ("mask", "u1", (game.spec.mask_bytes,)),
            ("policy", "f4", (game.spec.num_actions,)),
            ("action", "i4"),
            ("value", "f4", (game.spec.num_players,)),
        ]
    )


def collected(game, count: int, ticks: int) -> np.ndarray:
    """Examples of random games: the policy is what is legal, the action its lowest."""
    rng = np.random.default_rng(1)
    states = np.zeros(count, game.state_dtype)
    game.reset(states, rng.integers(2**62, size=count))
    players = game.spec.num_players
    views = np.zeros((count, players), game.view_dtype)
    memories = np.zeros((count, players), game.memory_dtype)
    masks = np.zeros((count, players, game.spec.mask_bytes), np.uint8)
    actions, illegal = np.zeros((count, players), np.int32), np.zeros((count, players), np.uint8)
    made = []
    for _ in range(ticks):
        game.observe(states, views, masks, memories)
        examples = np.zeros(count * players, example_dtype(game))
        examples["view"], examples["memory"] = views.reshape(-1), memories.reshape(-1)
        examples["mask"] = masks.reshape(len(examples), -1)
        examples["policy"] = np.unpackbits(
            examples["mask"], axis=1, count=game.spec.num_actions, bitorder="little"
        )
        examples["action"] = examples["policy"].argmax(1)
        examples["value"] = rng.random(examples["value"].shape)
        made.append(examples)
        game.play_randomly(states, actions, illegal)
    return np.concatenate(made)


@pytest.fixture(params=["blob", "generals"])
def game(request):
    if request.param == "blob":
        return Blob(4, 5, min_cards=2)
    return make_game("generals", height=8, width=8, min_height=6)


def test_all_fields_follow_the_view(game):
    examples = collected(game, 16, 10)
    symmetry, rng = make_symmetry(game), np.random.default_rng(2)
    before = examples.tobytes()
    changed = augment(examples, symmetry, rng)
    assert examples.tobytes() == before
    assert changed["value"].tobytes() == examples["value"].tobytes()
    assert (changed["view"] != examples["view"]).mean() > 0.4
    legal = np.unpackbits(changed["mask"], axis=1, count=game.spec.num_actions, bitorder="little")
    assert (changed["policy"] == legal).all()
    asked = legal.any(1)
    assert asked.sum() > 100 and legal[asked, changed["action"][asked]].all()
    assert (legal.sum(1) == examples["policy"].sum(1)).all()
    again = augment(examples, symmetry, np.random.default_rng(2))
    assert again.tobytes() == changed.tobytes()
    assert augment(examples, symmetry, rng).tobytes() != changed.tobytes()


def test_over_many_draws_every_symmetry_occurs_and_is_undone_by_another(game):
    examples = collected(game, 2, 4)
    symmetry, rng = make_symmetry(game), np.random.default_rng(3)
    variants = [set() for _ in examples]
    for _ in range(300):
        changed = augment(examples, symmetry, rng)
        for variant, example in zip(variants, changed, strict=True):
            variant.add(example.tobytes())
    orbit = max(map(len, variants))
    assert orbit in ((6, 12, 24) if game.spec.name == "blob" else (4, 8))
    for example, variant in zip(examples, variants, strict=True):
        assert example.tobytes() in variant  # the identity is among them
    some = int(np.argmax([len(variant) for variant in variants]))
    other = np.frombuffer(sorted(variants[some])[0], examples.dtype)
    back = {augment(other, symmetry, rng).tobytes() for _ in range(400)}
    assert back == variants[some]  # a group: the same orbit from each of its members


def test_a_game_without_a_symmetry_and_an_empty_batch():
    kuhn = make_game("kuhn")
    assert make_symmetry(kuhn) is None
    examples = np.ones(3, example_dtype(kuhn))
    copy = augment(examples, None, np.random.default_rng(4))
    assert copy.tobytes() == examples.tobytes() and copy is not examples
    blob = Blob(4, 5)
    assert len(augment(np.zeros(0, example_dtype(blob)), make_symmetry(blob), np.random.default_rng(4))) == 0


def test_builds_and_pass_of_the_competition_rules():
    game = make_game("generals", height=8, width=8, ruleset="competition")
    moved = moved_actions(1, 8, 8, 64, 8, game.spec.num_actions)
    assert moved[8 * 64] == 8 * 64 + 56 and moved[-1] == game.spec.num_actions - 1
    assert sorted(moved.tolist()) == list(range(game.spec.num_actions))


def test_the_heuristic_player_sees_no_difference():
    """It bids the same after an exchange of suits, and plays the exchanged card; of equal cards, either."""
    rng, symmetry, bot = np.random.default_rng(5), make_symmetry(Blob(4, 7)), BOTS["heuristic"]()
    examples = collected(Blob(4, 7), 64, 20)
    examples = examples[examples["mask"].any(1)]
    elements = symmetry.draw(examples["view"], rng)
    views, masks = examples["view"], examples["mask"]
    before = bot.act(views, masks, None, rng)
    after = bot.act(symmetry.views(views, elements), symmetry.masks(views, masks, elements), None, rng)
    same = symmetry.actions(views, before, elements) == after
    bids = before >= 52
    assert same[bids].all() and bids.sum() > 200
    assert same[~bids].mean() > 0.8
