"""Rewards: the events against a slow count, and the potential against its telescoping sum."""

from __future__ import annotations

import numpy as np
import pytest

from strategos.envs import GeneralsEnv, generals_parallel
from strategos.envs.rewards import CAPTURES, EVENTS, REWARDS, count_captures, reward_weights
from strategos.games.generals import record
from strategos.games.generals.potential import potential
from strategos.games.generals.record import CITY, FOG, GENERAL, PLAIN

RIGHT, DOWN = 3, 1
EMPTY_ROW = ".    .    .    .    .\n"


def test_named_rewards_use_known_events():
    for name, weights in REWARDS.items():
        assert set(weights) <= set(EVENTS)
        assert reward_weights(name) == weights
    assert set(CAPTURES) <= set(EVENTS)


def count_slowly(owner_before, terrain_before, owner_after, terrain_after, team, seat):
    """Tile by tile, with sets: the readable twin of `count_captures`."""
    mates = {player for player, its_team in enumerate(team) if its_team == team[seat]}
    cells = range(len(owner_before))
    gained = [c for c in cells if owner_after[c] == seat and owner_before[c] not in mates]
    lost = [c for c in cells if owner_before[c] == seat and owner_after[c] not in mates]
    kills = [c for c in gained if terrain_before[c] == GENERAL and owner_before[c] >= 0]
    cities = [c for c in gained if terrain_after[c] == CITY and c not in kills]
    lost_cities = [c for c in lost if terrain_before[c] == CITY]
    return [
        len(kills),
        len(cities),
        len(gained) - len(kills) - len(cities),
        len(lost_cities),
        len(lost) - len(lost_cities),
    ]


def test_captures_are_those_of_the_slow_count():
    rng = np.random.default_rng(5)
    games, cells, players = 60, 30, 4
    owners = rng.integers(-1, players, (2, games, cells)).astype(np.int8)
    terrains = rng.choice([FOG, PLAIN, CITY, GENERAL], (2, games, cells)).astype(np.uint8)
    teams = rng.choice([[0, 1, 2, 3], [0, 0, 1, 1], [1, 0, 1, 0]], games).astype(np.int8)
    counts = np.full((games, len(CAPTURES)), 99, np.int32)
    for seat in range(players):
        count_captures(owners[0], terrains[0], owners[1], terrains[1], teams, seat, counts)
        for game in range(games):
            parts = owners[0, game], terrains[0, game], owners[1, game], terrains[1, game]
            assert counts[game].tolist() == count_slowly(*parts, teams[game], seat)
    assert counts.sum(0).all()


WEIGHTS = {
    "kill": 10_000,
    "capture_city": 1_000,
    "capture_land": 100,
    "lose_city": -10,
    "lose_land": -1,
}


@pytest.mark.parametrize(
    ("row", "mine", "theirs"),
    [
        ("A9   .    A1!  .    B1!", 100, 0),  # an empty tile
        ("A9   ^5   A1!  .    B1!", 1_000, 0),  # a neutral city
        ("A9   B5   A1!  .    B1!", 100, -1),  # an enemy tile
        ("A9   B5^  A1!  .    B1!", 1_000, -10),  # an enemy city
        ("A9   B9   A1!  .    B1!", 0, 0),  # an attack that fails
        ("A9   A2   A1!  .    B1!", 0, 0),  # my own tile
        ("A9   B1!  A1!  B3   B3^", 11_100, -12),  # the general, and with it a tile and a city
    ],
)
def test_events_pay_who_they_happen_to(place, move, row, mine, theirs):
    env = generals_parallel.parallel_env(size=5, reward=WEIGHTS, seed=0)
    env.reset()
    place(env, "tick: 7\n" + row + "\n" + EMPTY_ROW * 4)
    _, rewards, *_ = env.step({"player_0": move(env, 0, 0, RIGHT), "player_1": 200})
    assert rewards == {"player_0": mine, "player_1": theirs}


def test_what_happens_between_two_moves_of_mine_is_mine(place, move):
    """The opponent takes a tile of mine in the tick in which I take one of the enemy's."""

    class TakeTheTile:
        def act(self, views, masks, memories, rng):
            return np.array([(0 * 5 + 3) * 8 + DOWN * 2])

    env = GeneralsEnv(5, reward=WEIGHTS | {"tick": 0.5}, opponent=TakeTheTile(), seed=0)
    env.reset()
    place(env, "tick: 7\nA9   .    A1!  B5   B1!\n.    .    A1   A1   .\n" + EMPTY_ROW * 3)
    _, reward, *_ = env.step(move(env, 0, 0, RIGHT))
    assert reward == 100 - 1 + 0.5


def views_with(land, army, teams):
    views = np.zeros((1,), record.view_dtype(4, len(teams)))
    views["land_total"], views["army_total"], views["team"] = land, army, teams
    return views


def test_the_potential_compares_my_team_with_the_strongest_other():
    # Shares of land 1/2, 1/4, 1/8, 1/8 and of army 1/4 each; teams of two.
    phi = potential(views_with([8, 4, 2, 2], [5, 5, 5, 5], [0, 0, 1, 1]))[0]
    assert phi == pytest.approx([0.25, 0.25, -0.25, -0.25])
    phi = potential(views_with([8, 4, 2, 2], [5, 5, 5, 5], [0, 1, 2, 3]))[0]
    assert phi == pytest.approx([0.125, -0.125, -0.1875, -0.1875])
    assert potential(views_with([3, 0], [7, 0], [0, 1]))[0] == pytest.approx([1, -1])


@pytest.mark.parametrize("gamma", [1.0, 0.9])
@pytest.mark.parametrize("capture", [True, False])
def test_the_potential_telescopes_to_minus_its_start(place, move, gamma, capture):
    """Sum of gamma^t F_t = gamma^T phi(s_T) - phi(s_0), and phi of a terminal state is 0."""
    position = "tick: 7\nA3   A15! B2   B5   B3!\n" + ".    A4   .    .    .\n" + EMPTY_ROW * 3
    env = generals_parallel.parallel_env(size=5, reward={"potential": 2.0}, gamma=gamma, tick_limit=6, seed=1)
    env.reset()
    place(env, position)
    env._arena._phi[:] = start = potential(env._arena.views[:, 0])
    assert start[0, 0] == -start[0, 1] != 0
    returns = np.zeros(2)
    way = [(1, RIGHT), (2, RIGHT), (3, RIGHT)] if capture else []
    for tick in range(6):
        mine = move(env, 0, *way[tick]) if tick < len(way) else 200
        _, rewards, terminations, truncations, _ = env.step({"player_0": mine, "player_1": 200})
        returns += gamma**tick * np.array(list(rewards.values()))
        if not env.agents:
            break
    if capture:
        assert all(terminations.values()) and tick == 2
        assert returns == pytest.approx(-2 * start[0])
    else:
        assert all(truncations.values()) and tick == 5
        last = potential(env._arena.views[:, 0])[0]
        assert returns == pytest.approx(2 * (gamma**6 * last - start[0]))


def test_a_new_episode_begins_at_its_own_potential():
    """The first reward after a reset must not hold a difference to the last position of the old game."""
    env = GeneralsEnv(5, reward="shaped", tick_limit=30, gamma=1.0)
    env.reset(seed=3)
    fresh = [env.step(200)[1] for _ in range(3)]
    for episode in range(3):
        _, info = env.reset(seed=episode)
        rng, done = np.random.default_rng(episode), False
        while not done:
            _, _, terminated, truncated, info = env.step(rng.choice(np.flatnonzero(info["action_mask"])))
            done = terminated or truncated
    env.reset(seed=3)
    assert [env.step(200)[1] for _ in range(3)] == fresh
