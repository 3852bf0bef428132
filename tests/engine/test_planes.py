"""Float planes: ranges, symmetry of the seats, and the compiled kernel against its torch twin."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from strategos.engine.planes import PLANE_NAMES, PLANES, planes, record_bytes, record_fields
from strategos.games.generals.record import CITY, FOG, GENERAL, MOUNTAIN, PLAIN, memory_dtype, view_dtype


def made_up(count: int, height: int, width: int, players: int, seed: int = 0):
    """Observations with every field drawn at random, smaller boards in a padded batch included."""
    rng = np.random.default_rng(seed)
    cells = height * width
    views, memories = (
        np.zeros(count, view_dtype(cells, players)),
        np.zeros(count, memory_dtype(cells, players)),
    )
    views["tick"] = rng.integers(0, 600, count)
    views["height"], views["width"] = rng.integers(4, height + 1, count), rng.integers(4, width + 1, count)
    views["stride"] = memories["stride"] = width
    views["me"] = rng.integers(0, players, count)
    views["team"] = np.arange(players) // (2 if players > 2 else 1)
    views["alive"] = 1
    views["army_total"] = rng.integers(0, 9000, (count, players))
    views["land_total"] = rng.integers(0, 300, (count, players))
    memories["general"] = rng.integers(-1, 4, (count, players))
    for records in (views, memories):
        records["army"] = rng.integers(0, 1500, (count, cells))
        records["owner"] = rng.integers(-1, players, (count, cells))
        records["terrain"] = rng.integers(0, 6, (count, cells))
    memories["seen"] = np.minimum(rng.integers(-1, 600, (count, cells)), views["tick"][:, None])
    memories["activity"] = rng.integers(0, 1 << 20, (count, cells))
    memories["army_trend"] = rng.random((count, players, 4)) * 3000
    memories["land_trend"] = rng.random((count, players, 4)) * 100
    masks = rng.integers(0, 256, (count, cells + 1)).astype(np.uint8)
    return views, masks, memories


def as_tensors(views, masks, memories):
    return (
        record_fields(record_bytes(views), views.dtype),
        torch.from_numpy(masks),
        record_fields(record_bytes(memories), memories.dtype),
    )


@pytest.mark.parametrize(("height", "width", "players"), [(9, 7, 2), (6, 11, 4)])
def test_the_kernel_equals_its_torch_twin(height, width, players):
    observed = made_up(48, height, width, players)
    fast, slow = planes("memory", *observed), planes("memory", *as_tensors(*observed))
    difference = (fast - slow).abs().amax((0, 2, 3))
    assert difference.max() < 1e-6, PLANE_NAMES["memory"][int(difference.argmax())]


@pytest.mark.parametrize("name", PLANES)
@pytest.mark.parametrize("size", [5, 10, 15, 20])
def test_shapes_ranges_and_padding(name, size):
    views, masks, memories = made_up(16, size, size + 1, 2, seed=size)
    for dtype in (torch.float32, torch.bfloat16):
        made = planes(name, views, masks, memories, dtype=dtype)
        assert made.shape == (16, PLANES[name], size, size + 1) and made.dtype == dtype
        assert made.is_contiguous(memory_format=torch.channels_last)
        assert made.min() >= 0 and made.max() <= 1 and torch.isfinite(made).all()
        for index in range(16):
            assert not made[index, :, int(views["height"][index]) :].any()
            assert not made[index, :, :, int(views["width"][index]) :].any()


def test_there_are_as_many_planes_as_names():
    assert PLANES == {"basic": 9, "enhanced": 15, "memory": 32}


@pytest.mark.parametrize("name", PLANES)
def test_seats_look_alike(name):
    """The same position with the two players' numbers exchanged gives the same planes."""
    views, masks, memories = made_up(12, 8, 8, 2)
    other_views, other_memories = views.copy(), memories.copy()
    other_views["me"] = 1 - views["me"]
    for records, others in ((views, other_views), (memories, other_memories)):
        others["owner"] = np.where(records["owner"] >= 0, 1 - records["owner"], -1)
    for key in ("army_total", "land_total"):
        other_views[key] = views[key][:, ::-1]
    for key in ("general", "army_trend", "land_trend"):
        other_memories[key] = memories[key][:, ::-1]
    mine, theirs = planes(name, views, masks, memories), planes(name, other_views, masks, other_memories)
    assert torch.equal(mine, theirs)


def small_position():
    """A 4x5 board: my general at 0, a wall in column 2 but for its last row, an enemy at 4."""
    views, memories = np.zeros(1, view_dtype(20, 2)), np.zeros(1, memory_dtype(20, 2))
    views["height"], views["width"], views["stride"], views["tick"] = 4, 5, 5, 3
    views["team"], views["alive"] = [0, 1], 1
    views["terrain"] = memories["terrain"] = PLAIN
    views["owner"] = memories["owner"] = -1
    memories["seen"], memories["general"] = 3, -1
    for records in (views, memories):
        records["terrain"][0, [2, 7, 12]] = MOUNTAIN
        records["terrain"][0, 0] = GENERAL
        records["owner"][0, [0, 4]] = [0, 1]
        records["army"][0, [0, 4]] = [7, 15]
    memories["general"][0, 0] = 0
    views["army_total"], views["land_total"] = [7, 15], [1, 1]
    masks = np.zeros((1, 21), np.uint8)
    masks[0, 0], masks[0, 20] = 0b11001100, 1
    return views, masks, memories


def plane_of(name, plane, observed):
    return planes(name, *observed)[0, PLANE_NAMES[name].index(plane)]


@pytest.mark.parametrize("name", ["enhanced", "memory"])
def test_distances_walk_around_walls(name):
    steps = plane_of(name, "steps_to_enemy", small_position()) * 24
    assert steps[0, 3] == 1 and steps[3, 4] == 3 and steps[3, 2] == 5
    assert torch.isclose(steps[0, 0], torch.tensor(10.0))  # round the wall, not through it
    assert torch.isclose(steps[0, 2], torch.tensor(24.0))  # a mountain is nowhere


def test_what_the_planes_mean():
    observed = small_position()
    views, _, memories = observed
    assert plane_of("basic", "ownership", observed)[0].tolist() == [1, 0.5, 0.5, 0.5, 0]
    assert plane_of("basic", "legal", observed)[0, 0] == 0.5
    assert plane_of("basic", "army", observed)[0, 4] == pytest.approx(0.4)  # log2(16) / 10
    assert plane_of("enhanced", "choke_point", observed)[3, 2] == 1  # under the wall, above the edge
    assert plane_of("memory", "enemy_in_sight", observed)[0, 4] == 1
    views["terrain"][0, 4], views["owner"][0, 4], views["army"][0, 4] = FOG, -1, 0
    memories["seen"][0, 4] = 1
    assert plane_of("memory", "enemy_in_sight", observed)[0, 4] == 0
    assert plane_of("memory", "enemy_remembered", observed)[0, 4] == 1
    assert plane_of("memory", "recency", observed)[0, 4] == pytest.approx(0.8)
    memories["terrain"][0, 9] = CITY
    assert plane_of("memory", "city", observed)[1, 4] == 1


def test_mistakes_are_named():
    views, masks, memories = small_position()
    with pytest.raises(ValueError, match=r"no plane set 'basics'.*enhanced"):
        planes("basics", views, masks, memories)
    with pytest.raises(ValueError, match="memories"):
        planes("memory", views, masks)
