"""Seats: every share as asked, teams whole, every seat of a free-for-all another agent's."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from strategos.league.roles import LeagueConfig, agents_of
from strategos.league.seating import NOBODY, PAST, PEERS, SELF, arrange


def test_an_agent_alone_has_all_seats():
    seating = arrange(5, (0, 1), [{}], 1)
    assert (seating.agents == 0).all() and (seating.kinds == SELF).all()


def test_games_are_shared_out_as_asked_and_seats_alternate():
    seating = arrange(200, (0, 1), [{"hunter": 0.25, PAST: 0.5}, {PAST: 1.0}], 1)
    kinds = Counter(zip(seating.owners.tolist(), seating.kinds.tolist(), strict=True))
    assert kinds == {(0, "hunter"): 25, (0, PAST): 50, (0, SELF): 25, (1, PAST): 100}
    alone = seating.kinds != SELF
    assert ((seating.agents[alone] == NOBODY).sum(axis=1) == 1).all()
    seats = np.argmax(seating.agents[alone] != NOBODY, axis=1)
    assert abs(np.bincount(seats)[0] - np.bincount(seats)[1]) <= 2


@pytest.mark.parametrize("mains", [4, 5])
def test_a_free_for_all_has_another_agent_on_every_seat(mains):
    seating = arrange(48 * mains, (0, 1, 2, 3), [{PEERS: 1.0}] * mains, mains)
    assert all(len(set(row)) == 4 for row in seating.agents.tolist())
    counts = np.array([np.bincount(seating.agents[:, seat], minlength=mains) for seat in range(4)])
    assert counts.min() > 0, "everybody sits everywhere"


def test_in_games_of_two_everybody_meets_everybody():
    seating = arrange(96, (0, 1), [{PEERS: 1.0}] * 4, 4)
    met = {tuple(sorted(row)) for row in seating.agents.tolist()}
    assert met == {(0, 1), (0, 2), (0, 3), (1, 2), (1, 3), (2, 3)}


@pytest.mark.parametrize("teams", [(0, 0, 1, 1), (1, 0, 1, 0), (3, 7, 7, 3)])
def test_a_team_is_one_players(teams):
    seating = arrange(60, teams, [{PEERS: 0.4, PAST: 0.3}] * 2, 2)
    for row in seating.agents.tolist():
        for team in set(teams):
            assert len({agent for agent, each in zip(row, teams, strict=True) if each == team}) == 1
    assert set(map(tuple, seating.agents[seating.kinds == PEERS].tolist())) == {
        tuple(int(each == teams[0]) for each in teams),
        tuple(int(each != teams[0]) for each in teams),
    }


def test_agents_are_named_by_what_they_are_for():
    names = [each.name for each in agents_of(LeagueConfig(agents=2, main_exploiters=1, league_exploiters=1))]
    assert names == ["main-1", "main-2", "main-exploiter-1", "league-exploiter-1"]
