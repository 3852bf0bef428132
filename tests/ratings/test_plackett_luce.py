"""Ratings of larger tables: the published formula, known strengths, teams, and what is refused."""

from __future__ import annotations

import math

import numpy as np
import pytest

from strategos.ratings.plackett_luce import MU, SIGMA, Skill, rate


def weng_lin(mu, sigma, ranks):
    """Algorithm 4 for sides of one player, term by term as printed."""
    size, beta = len(mu), SIGMA / 2
    c = math.sqrt(sum(each**2 + beta**2 for each in sigma))
    new = []
    for i in range(size):
        omega = delta = 0.0
        for q in range(size):
            if ranks[q] > ranks[i]:
                continue
            chance = math.exp(mu[i] / c) / sum(
                math.exp(mu[s] / c) for s in range(size) if ranks[s] >= ranks[q]
            )
            equals = sum(ranks[s] == ranks[q] for s in range(size))
            omega += ((q == i) - chance) / equals
            delta += chance * (1 - chance) / equals
        shrink = sigma[i] / c * delta * sigma[i] ** 2 / c**2
        new.append((mu[i] + sigma[i] ** 2 / c * omega, sigma[i] * math.sqrt(1 - shrink)))
    return new


@pytest.mark.parametrize("points", [(3.0, 2.0, 1.0, 0.0), (1.0, 1.0, 0.0, 2.0), (0.5, 0.5, 0.5, 0.5)])
def test_one_table_follows_the_published_formula(points):
    mu, sigma = (25, 30, 20, 27), (8, 5, 3, 6)
    start = {name: Skill(name, *each, 7) for name, *each in zip("abcd", mu, sigma, strict=True)}
    ranks = [sum(other > point for other in points) for point in points]
    expected = weng_lin(mu, sigma, ranks)
    found = {skill.name: skill for skill in rate([(tuple("abcd"), points)], start)}
    for name, wanted in zip("abcd", expected, strict=True):
        assert (found[name].mu, found[name].sigma) == pytest.approx(wanted, abs=1e-9)
        assert found[name].games == 8


def tables(rng: np.random.Generator, strength: np.ndarray, count: int, seats: int):
    """Games drawn from the Plackett-Luce model itself: places are the order of Gumbel-perturbed strengths."""
    for _ in range(count):
        seated = rng.choice(len(strength), seats, replace=False)
        yield [(f"p{each}",) for each in seated], (strength[seated] + rng.gumbel(0, 1, seats)).tolist()


@pytest.mark.parametrize("seats", [2, 4, 6])
def test_known_strengths_are_recovered(seats):
    strength = np.array([0.0, 0.6, 1.2, 1.8, 2.4, 3.0])
    skills = rate(tables(np.random.default_rng(seats), strength, 3000, seats))
    assert [skill.name for skill in skills] == ["p5", "p4", "p3", "p2", "p1", "p0"]
    # Where sigma is small against beta, c is sqrt(seats) beta: the scale of mu.
    spread = (skills[0].mu - skills[-1].mu) / (math.sqrt(seats) * SIGMA / 2)
    assert spread == pytest.approx(3.0, rel=0.2)
    assert all(skill.sigma < SIGMA / 4 and skill.at_least < skill.mu for skill in skills)


def test_ties_at_equals_move_nobody():
    skills = rate([([("a",), ("b",), ("c",)], (1, 1, 1))])
    assert all(skill.mu == pytest.approx(MU) and skill.sigma < SIGMA for skill in skills)


def test_a_team_shares_what_it_makes():
    skills = {each.name: each for each in rate([([("a", "b"), ("c", "d")], (1, 0))])}
    assert skills["a"].mu == skills["b"].mu > MU > skills["c"].mu == skills["d"].mu


def test_goes_on_where_it_stopped():
    games = list(tables(np.random.default_rng(0), np.arange(5.0), 40, 3))
    half = {skill.name: skill for skill in rate(games[:20])}
    assert rate(games[20:], half) == rate(games)


@pytest.mark.parametrize(
    ("game", "match"),
    [
        (([("a",)], (1,)), "two sides"),
        (([("a",), ()], (1, 0)), "two sides"),
        (([("a",), ("b",)], (1,)), "as many points"),
        (([("a",), ("a",)], (1, 0)), "twice"),
    ],
)
def test_what_is_no_game_is_refused(game, match):
    with pytest.raises(ValueError, match=match):
        rate([game])
