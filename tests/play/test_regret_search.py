"""Regret matching at information sets: near the equilibrium of Kuhn poker, exactly measured, and honest."""

from __future__ import annotations

import numpy as np
import pytest

from strategos.games import make_game
from strategos.games.kuhn.exploitability import FIRST, RAISED, decisions, exploitability, table
from strategos.play.beliefs import make_beliefs
from strategos.play.evaluators.rollouts import RolloutEvaluator
from strategos.play.search import RegretSearch, SearchConfig
from strategos.play.searcher import Searcher

JACK, QUEEN, KING = range(3)
KUHN = make_game("kuhn")


def searched(config: SearchConfig, seed: int = 0):
    """What a search finds at each decision of Kuhn poker, every one from streams of its own."""
    views, _ = decisions()
    keys = np.arange(len(views), dtype=np.int64) * 7919 + seed
    return Searcher(KUHN, config, RolloutEvaluator(1)).decide(views, None, keys)


def test_the_search_alone_plays_near_the_equilibrium():
    """Trap 32: 60,000 walks a decision, no network; the twelve decisions are searched apart."""
    found = searched(SearchConfig(root="regret", worlds=12, simulations=5000))
    policy = table(found.policy)
    assert exploitability(policy) < 0.05
    assert policy[KING, RAISED] > 0.99 and policy[JACK, RAISED] < 0.01
    values = found.values[:, 0].reshape(3, 4)  # of the first player, half chips
    assert values[KING, RAISED] == pytest.approx(-1, abs=0.02)  # the second player's king calls
    assert values[JACK, RAISED] == pytest.approx(0.5, abs=0.02)
    assert values[:, FIRST].mean() == pytest.approx(-1 / 36, abs=0.03)


@pytest.mark.parametrize("root", ["gumbel", "puct"])
def test_a_search_from_the_decision_cannot(root):
    """Why there is another one: from worlds that only the asker holds possible comes no equilibrium."""
    found = searched(SearchConfig(root=root, worlds=12, simulations=2000, gumbel_scale=0.0))
    assert exploitability(table(found.policy)) > 0.05


def test_every_walk_ends_at_a_new_set_or_at_the_end():
    found = searched(SearchConfig(root="regret", worlds=12, simulations=30))
    assert (found.leaves + found.terminals == 360).all()
    assert (found.leaves >= 11).all(), "all but the set that is asked for are new once"
    assert (found.visits.sum(axis=1) > 0).all() and (found.visits.sum(axis=1) <= 360).all()
    assert np.allclose(found.policy.sum(axis=1), 1) and np.nanmax(np.abs(found.q)) <= 1


def test_a_decision_does_not_depend_on_the_others_searched_with_it():
    views, _ = decisions()
    keys = np.arange(12, dtype=np.int64)
    searcher = Searcher(KUHN, SearchConfig(root="regret", worlds=6, simulations=40), RolloutEvaluator(1))
    together = searcher.decide(views, None, keys)
    alone = searcher.decide(views[3:5], None, keys[3:5])
    assert np.array_equal(together.policy[3:5], alone.policy)
    assert np.array_equal(together.values[3:5], alone.values)


def test_tables_grow_when_a_game_has_many_information_sets():
    """Blob from its beginning: every hand is another set. What is found still adds up."""
    game = make_game("blob", players=3, cards=2)
    states = np.zeros((2, 41), game.state_dtype)
    for row in states:
        game.reset(row, np.arange(41, dtype=np.int64))
    players = states["turn"][:, 0].astype(np.int64)
    config = SearchConfig(root="regret", worlds=40, simulations=20)
    found = RegretSearch(game, config, RolloutEvaluator(1)).run(states, players, np.arange(2))
    assert (found.leaves + found.terminals == 800).all() and (found.leaves > 64).all()
    assert np.allclose(found.policy.sum(axis=1), 1, atol=1e-5)


class Sure:
    """An evaluator that always bets, and expects nothing."""

    def evaluate(self, game, states):
        logits = np.full((len(states), 1, 2), [-9.0, 9.0], np.float32)
        return logits, np.zeros((len(states), 2), np.float32)


def test_the_prior_plays_until_something_is_regretted():
    views, _ = decisions()
    searcher = Searcher(KUHN, SearchConfig(root="regret", worlds=1, simulations=1), Sure())
    found = searcher.decide(views, None, np.arange(12, dtype=np.int64))
    assert (found.prior[:, 1] > 0.99).all() and (found.policy[:, 1] > 0.99).all()


def test_what_cannot_be_searched_is_refused():
    with pytest.raises(ValueError, match="generals is not one"):
        RegretSearch(make_game("generals"), SearchConfig(root="regret"), RolloutEvaluator(1))
    with pytest.raises(ValueError, match="in blob root must be gumbel or puct"):
        Searcher(make_game("blob"), SearchConfig(root="regret"), RolloutEvaluator(1))
    search = RegretSearch(KUHN, SearchConfig(root="regret", worlds=2, simulations=1), RolloutEvaluator(1))
    views, _ = decisions()
    worlds = make_beliefs(KUHN).sample(views, None, np.arange(12), 3)
    with pytest.raises(ValueError, match="of shape"):
        search.run(worlds[:, :2], views["me"], np.arange(12))
    with pytest.raises(ValueError, match="another player is to move"):
        search.run(worlds, 1 - views["me"], np.arange(12))


def test_worlds_agree_with_the_view_and_with_nothing_hidden():
    views, _ = decisions()
    beliefs = make_beliefs(KUHN)
    worlds = beliefs.sample(views, None, np.arange(12), 10)
    seen = np.zeros((120, 2), KUHN.view_dtype)
    KUHN.view(worlds.reshape(-1), seen)
    assert (seen.reshape(12, 10, 2)[np.arange(12), :, views["me"]] == views[:, None]).all()
    others = worlds["card"][np.arange(12), :, 1 - views["me"]]
    assert all(sorted(np.bincount(row, minlength=3)) == [0, 5, 5] for row in others)


def test_beginnings_are_all_six_deals_evenly():
    views, _ = decisions()
    begun = make_beliefs(KUHN).beginnings(views, np.arange(12), 13)
    assert (begun["tick"] == 0).all() and (begun["moves"] == -1).all() and not KUHN.over(begun[0]).any()
    for row in begun["card"]:
        deals, counts = np.unique(row, axis=0, return_counts=True)
        assert len(deals) == 6 and (deals[:, 0] != deals[:, 1]).all() and sorted(counts) == [2] * 5 + [3]
    assert len(set(begun["key"].ravel().tolist())) == begun.size, "every world has a stream of its own"
