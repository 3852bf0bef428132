"""Maps of Generals: what every board must satisfy, for all rulesets, sizes and numbers of players."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest

from strategos.games.generals import maps
from strategos.games.generals.record import (
    ALIVE,
    CITY,
    GENERAL,
    MOUNTAIN,
    NEUTRAL,
    PLAIN,
    ruleset,
    state_dtype,
)
from strategos.games.rng import derive

STRIDE = 36  # one padded size for all tests: every state dtype is compiled on its own
SIDES = [(4, 4), (5, 5), (4, 9), (8, 8), (10, 10), (15, 20), (20, 20), (26, 26), (33, 33)]


def draw_boards(
    rules, players, height, width, *, boards=3, teams=None, rubbish=b"\x2a", **wishes
) -> np.ndarray:
    """`boards` states with rubbish in every field but the stream, then filled by the generator."""
    seats = np.arange(players, dtype=np.int8) if teams is None else np.array(teams, np.int8)
    options = maps.map_options(rules, players, len(set(seats.tolist())), height, width, **wishes)
    states = np.frombuffer(
        rubbish * (boards * state_dtype(STRIDE**2, players).itemsize), state_dtype(STRIDE**2, players)
    ).copy()
    states["key"] = [derive(1, index) for index in range(boards)]
    states["draws"] = 3
    scratch = maps.scratch(STRIDE**2, players)
    scratch[:] = rubbish[0]
    for state in states:
        maps.generate(state, options, ruleset(rules), seats, STRIDE, STRIDE, scratch)
    return states


def grid(state: np.record, field: str) -> np.ndarray:
    return state[field].reshape(STRIDE, STRIDE)[: state.height, : state.width]


def places(state: np.record) -> list[tuple[int, int]]:
    return [divmod(int(cell), STRIDE) for cell in state.general]


def apart(one: tuple[int, int], other: tuple[int, int]) -> int:
    return abs(one[0] - other[0]) + abs(one[1] - other[1])


def enemy_distances(state: np.record) -> np.ndarray:
    """Manhattan distances [P, P] between generals; a large number between teammates."""
    where = places(state)
    distances = np.array([[apart(one, other) for other in where] for one in where])
    return np.where(state.team[:, None] == state.team[None, :], 999, distances)


def walk(state: np.record, start: tuple[int, int], limit: int = 10_000) -> np.ndarray:
    """The slow twin of the flood: steps from `start` to every tile within `limit`, -1 elsewhere."""
    open_land = np.isin(grid(state, "terrain"), (PLAIN, GENERAL))
    steps = np.full(open_land.shape, -1)
    ring = np.zeros_like(open_land)
    ring[start] = True
    for step in range(limit + 1):
        if not ring.any():
            break
        steps[ring] = step
        around = np.pad(ring, 1)
        near = around[:-2, 1:-1] | around[2:, 1:-1] | around[1:-1, :-2] | around[1:-1, 2:]
        ring = near & open_land & (steps < 0)
    return steps


def reach(state: np.record) -> np.ndarray:
    """How many tiles each general reaches in seven steps."""
    return np.array([(walk(state, place, 7) >= 0).sum() for place in places(state)])


def check_board(state: np.record, rules: str, players: int) -> None:
    terrain, army, owner = grid(state, "terrain"), grid(state, "army"), grid(state, "owner")
    where = places(state)
    assert len(set(where)) == players
    assert set(np.unique(terrain)) <= {PLAIN, MOUNTAIN, CITY, GENERAL}
    assert (terrain == GENERAL).sum() == players
    for player, place in enumerate(where):
        assert terrain[place] == GENERAL and owner[place] == player and army[place] == 1
    assert (owner != NEUTRAL).sum() == players
    steps = walk(state, where[0])
    assert all(steps[place] >= 0 for place in where), "a general is cut off"
    assert (steps >= 0).sum() >= 0.7 * np.isin(terrain, (PLAIN, GENERAL)).sum(), "most of the land is cut off"
    cities = np.flatnonzero(state.terrain == CITY)
    assert state.num_cities == len(cities)
    assert (state.city[: len(cities)] == cities).all() and not state.city[len(cities) :].any()
    assert ((army[terrain == CITY] >= 40) & (army[terrain == CITY] <= 50)).all()
    assert not army[(terrain == PLAIN) | (terrain == MOUNTAIN)].any()
    outside = np.ones((STRIDE, STRIDE), bool)
    outside[: state.height, : state.width] = False
    assert (state.terrain[outside.ravel()] == MOUNTAIN).all()
    assert (state.owner[outside.ravel()] == NEUTRAL).all() and not state.army[outside.ravel()].any()
    assert (state.army_total == 1).all() and (state.land_total == 1).all()
    assert state.stride == STRIDE and not state.disguises and not state.stacks.any()
    assert (state.status == ALIVE).all() and not state.death.any() and not state.disguise.any()
    assert (state.tick, state.over, state.winner, state.num_dead) == (0, 0, -1, 0)
    assert state.rules == ruleset(rules)
    assert state.draws > 3


@pytest.mark.parametrize(
    ("rules", "players"),
    [
        ("duel", 2),
        ("competition", 2),
        *((name, n) for name in ("generalsio", "classic") for n in (2, 3, 5, 8, 16)),
    ],
)
def test_every_size_that_fits_gives_a_valid_board(rules, players):
    fitting = [(height, width) for height, width in SIDES if height * width >= 4 * players]
    assert len(fitting) >= 6
    for height, width in fitting:
        for state in draw_boards(rules, players, height, width):
            assert (state.height, state.width) == (height, width)
            assert (state.team == np.arange(players)).all()
            check_board(state, rules, players)


@pytest.mark.parametrize(
    ("rules", "players", "sides", "cities", "mountains", "distance"),
    [
        ("generalsio", 2, (18, 23), (9, 11), (0.20, 0.28), 15),
        ("classic", 2, (18, 23), (9, 11), (0.20, 0.28), 15),
        ("duel", 2, (18, 23), (9, 11), (0.18, 0.26), 1),
        ("competition", 2, (18, 21), (0, 0), (0.18, 0.26), 1),
        ("generalsio", 3, (19, 24), (11, 14), (0.20, 0.28), 14),
        ("generalsio", 8, (24, 32), (21, 29), (0.20, 0.28), 10),
    ],
)
def test_natural_boards_are_those_of_the_ruleset(rules, players, sides, cities, mountains, distance):
    low, high = sides
    assert maps.natural_sides(rules, players) == sides
    states = draw_boards(rules, players, high, high, min_height=low, min_width=low, boards=60)
    assert {int(side) for side in states["height"]} | {int(side) for side in states["width"]} <= {
        *range(low, high + 1)
    }
    assert len(np.unique(states["height"])) >= 3 and (states["height"] != states["width"]).any()
    assert set(states["num_cities"]) <= {*range(cities[0], cities[1] + 1)}
    assert len(set(states["num_cities"])) >= min(4, cities[1] - cities[0] + 1)
    for state in states:
        check_board(state, rules, players)
        terrain = grid(state, "terrain")
        share = (terrain == MOUNTAIN).mean()
        assert mountains[0] - 0.002 <= share <= mountains[1] + 0.002
        assert enemy_distances(state).min() >= distance
        if rules in ("generalsio", "classic"):
            for place in places(state):
                steps = np.pad(walk(state, place, 5), 1, constant_values=-1) >= 0
                beside = steps[:-2, 1:-1] | steps[2:, 1:-1] | steps[1:-1, :-2] | steps[1:-1, 2:]
                assert (beside & (terrain == CITY)).any(), "no city within six steps"
        else:
            assert walk(state, places(state)[0])[places(state)[1]] >= 17


def test_small_sides_are_more_frequent_as_on_the_site():
    heights = draw_boards("generalsio", 2, 23, 23, min_height=18, min_width=18, boards=300)["height"]
    counts = np.bincount(heights, minlength=24)[18:]
    assert counts.sum() == 300 and (counts > 0).all()
    # P(18) = sqrt(0.1) and P(23) = 1 - sqrt(0.9) for 18 + 5 U^2
    assert 70 <= counts[0] <= 120 and 5 <= counts[5] <= 30


def test_cities_grow_and_shrink_with_the_area():
    numbers = {
        side: draw_boards("generalsio", 2, side, side, boards=30)["num_cities"].mean()
        for side in (4, 10, 20, 34)
    }
    assert numbers[4] <= 1
    assert 2 <= numbers[10] <= 4
    assert 9 <= numbers[20] <= 11
    assert 19 <= numbers[34] <= 25


@pytest.mark.parametrize(
    ("side", "spawn_distance"),
    [
        (4, (1, 1)),
        (4, (5, 5)),
        (8, (2, 3)),
        (8, (4, 6)),
        (10, (1, 2)),
        (10, (13, 18)),
        (20, (2, 2)),
        (20, (20, 24)),
    ],
)
def test_spawn_distance_is_kept(side, spawn_distance):
    for state in draw_boards("generalsio", 2, side, side, boards=40, spawn_distance=spawn_distance):
        check_board(state, "generalsio", 2)
        assert spawn_distance[0] <= apart(*places(state)) <= spawn_distance[1]


def test_spawn_distance_of_many_is_a_bound_on_the_nearest_enemy():
    for state in draw_boards("generalsio", 5, 20, 20, boards=20, spawn_distance=(4, 6)):
        nearest = enemy_distances(state).copy()
        np.fill_diagonal(nearest, 999)
        assert nearest.min() >= 4 and nearest.min(axis=1).max() <= 6


@pytest.mark.parametrize("wishes", [{"mountains": (0.0, 0.0)}, {"mountains": (0.4, 0.4)}, {"cities": (0, 0)}])
def test_wishes_are_granted(wishes):
    for state in draw_boards("generalsio", 2, 16, 16, boards=20, **wishes):
        check_board(state, "generalsio", 2)
        share = (grid(state, "terrain") == MOUNTAIN).mean()
        if "mountains" in wishes:
            # Where two fifths of the land are mountains, some may be cleared to connect the rest.
            assert wishes["mountains"][0] - 0.05 <= share <= wishes["mountains"][1] + 0.002
        else:
            assert state.num_cities == 0


def test_numbers_are_exact_and_nobody_starts_on_a_mountain():
    for state in draw_boards("generalsio", 2, 16, 16, boards=20, mountains=(0.25, 0.25), cities=(3, 3)):
        assert (grid(state, "terrain") == MOUNTAIN).sum() == 64 and state.num_cities == 3


def test_connected_where_mountains_are_dense():
    for side in (4, 6, 9):
        for state in draw_boards("generalsio", 2, side, side, boards=150, mountains=(0.4, 0.4)):
            check_board(state, "generalsio", 2)


@pytest.mark.parametrize("teams", [(0, 1, 0, 1, 1, 0, 1, 0), (3, 0, 1, 2, 0, 1, 2, 3)])
def test_teammates_spawn_closer_than_enemies(teams):
    states = draw_boards("generalsio", 8, 26, 26, boards=40, teams=teams)
    kept = 0
    for state in states:
        check_board(state, "generalsio", 8)
        assert tuple(state.team) == teams
        where, enemies = places(state), enemy_distances(state)
        assert enemies.min() >= 12
        # Some general of each team has all its teammates no further away than their nearest enemy.
        kept += all(
            any(
                all(apart(where[mate], where[first]) <= enemies[mate].min() for mate in mates)
                for first in mates
            )
            for mates in ([p for p in range(8) if teams[p] == team] for team in set(teams))
        )
    assert kept >= 36


def test_fair_by_the_land_within_reach_and_no_seat_is_favoured():
    states = draw_boards("generalsio", 2, 23, 23, min_height=18, min_width=18, boards=500)
    reached = np.array([reach(state) for state in states])
    spread = np.abs(reached[:, 0] - reached[:, 1])
    assert (spread <= 5).mean() >= 0.95 and spread.max() <= 10
    assert reached.min() >= 20, "a general is walled in"
    for seat_0, seat_1 in (reached.T, states["general"].T):  # the land, and the place on the board
        difference = seat_0.astype(int) - seat_1
        assert abs(difference.mean()) < 4 * difference.std() / np.sqrt(500)
    for many in draw_boards("generalsio", 8, 32, 32, min_height=24, min_width=24, boards=20):
        assert np.ptp(reach(many)) <= 11 + 6


def test_the_stream_decides_everything():
    first = draw_boards("generalsio", 3, 20, 20, boards=20)
    other = draw_boards("generalsio", 3, 20, 20, boards=20, rubbish=b"\x51")
    for field in set(first.dtype.names) - {"padding", "ways"}:  # `ways` follow from the terrain
        assert (first[field] == other[field]).all(), f"{field} keeps what the last game left"
    boards = {state.terrain.tobytes() + state.general.tobytes() for state in first}
    assert len(boards) == 20
    again = first.copy()
    options = maps.map_options("generalsio", 3, 3, 20, 20)
    scratch = maps.scratch(400, 3)
    for state in again:
        maps.generate(
            state, options, ruleset("generalsio"), np.arange(3, dtype=np.int8), STRIDE, STRIDE, scratch
        )
    boards |= {state.terrain.tobytes() + state.general.tobytes() for state in again}
    assert len(boards) == 40, "the next episode of a game has a new board"
    assert (again["draws"] > first["draws"]).all()


def boards_digest() -> str:
    """A hash of boards of several kinds; run with and without the compiler."""
    digest = hashlib.sha256()
    for rules, teams, side, wishes in [
        ("generalsio", (0, 1), 20, {}),
        ("generalsio", (0, 1), 4, {"spawn_distance": (1, 2)}),
        ("generalsio", (0, 1), 12, {"mountains": (0.4, 0.4), "min_height": 6, "cities": (0, 4)}),
        ("generalsio", (0, 0, 1, 1), 10, {}),
        ("duel", (0, 1), 8, {}),
    ]:
        options = maps.map_options(rules, len(teams), 2, side, side, **wishes)
        states = np.zeros(2, state_dtype(STRIDE**2, len(teams)))
        states["key"] = [derive(5, index) for index in range(2)]
        scratch = maps.scratch(side**2, len(teams))  # no larger than it must be
        for state in states:
            maps.generate(state, options, ruleset(rules), np.array(teams, np.int8), STRIDE, STRIDE, scratch)
        digest.update(states.tobytes())
    return digest.hexdigest()


def test_plain_python_draws_the_same_boards():
    root = Path(maps.__file__).parents[3]
    environment = {**os.environ, "NUMBA_DISABLE_JIT": "1"}
    environment["PYTHONPATH"] = os.pathsep.join([str(root), str(Path(__file__).parent)])
    command = [sys.executable, "-c", "import test_maps; print(test_maps.boards_digest())"]
    plain = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120)
    assert plain.returncode == 0, plain.stderr
    assert plain.stdout.strip() == boards_digest()


@pytest.mark.parametrize(
    ("arguments", "wishes", "message"),
    [
        (("generalsio", 16, 16, 4, 4), {}, "holds at most 4 players; 16 players need 64 tiles, 8x8"),
        (("generalsio", 2, 2, 3, 8), {}, "at least 4"),
        (("generalsio", 2, 2, 8, 8), {"min_height": 9}, "height from 9 to 8"),
        (("generalsio", 17, 17, 30, 30), {}, "2 to 16"),
        (("duel", 3, 3, 20, 20), {}, "'duel' is for 2 to 2"),
        (("generalsio", 4, 1, 20, 20), {}, "1 teams: 4 players can form 2 to 4"),
        (("generalsio", 2, 2, 200, 200), {}, "181x181"),
        (("generalsio", 2, 2, 8, 8), {"spawn_distance": (14, 14)}, "from 1 to 10"),
        (("generalsio", 2, 2, 8, 8), {"spawn_distance": (5, 4)}, "not lower"),
        (("generalsio", 2, 2, 8, 8), {"mountains": (0.2, 0.6)}, "from 0 to 0.4"),
        (("generalsio", 2, 2, 8, 8), {"cities": (3, 9)}, "from 0 to 8"),
        (("chess", 2, 2, 8, 8), {}, "generalsio, classic, duel, competition"),
    ],
)
def test_impossible_boards_are_refused_with_the_remedy(arguments, wishes, message):
    with pytest.raises(ValueError, match=message):
        maps.map_options(*arguments, **wishes)


def test_generals_never_share_a_tile_on_the_fullest_boards():
    for players, height, width in ((4, 4, 4), (16, 8, 8), (5, 4, 5)):
        for state in draw_boards("generalsio", players, height, width, boards=30):
            check_board(state, "generalsio", players)
            assert all(apart(one, other) >= 1 for one, other in combinations(places(state), 2))
