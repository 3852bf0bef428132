"""The search searches: leaves are distinct, values are vectors, worlds share one decision, nobody peeks.

Traps 18 to 22, 24 and 25.
"""

from __future__ import annotations

import numpy as np
import pytest
from exact import action_values
from simultaneous_games import Level, MatrixGame

from strategos.evaluate.contests import contest, rolling_out
from strategos.games import make_game
from strategos.play.beliefs import make_beliefs
from strategos.play.bots import RandomBot
from strategos.play.evaluators.rollouts import RolloutEvaluator
from strategos.play.search import Search, SearchConfig
from strategos.play.search.root_kernels import halving_schedule
from strategos.train.deals import Deals


def positions(game, count: int, seed: int = 0, least_left: int = 2):
    """States of random play in which a decision with a choice is due, and the seats to move."""
    rng = np.random.default_rng(seed)
    found = []
    while len(found) < count:
        states = np.zeros(64, game.state_dtype)
        game.reset(states, rng.integers(0, 1 << 62, 64))
        actions = np.zeros((64, game.spec.num_players), np.int32)
        for _ in range(int(rng.integers(0, game.spec.max_ticks - least_left))):
            game.play_randomly(states, actions, np.zeros(actions.shape, np.uint8))
        masks = np.zeros((64, game.spec.num_players, game.spec.mask_bytes), np.uint8)
        game.legal(states, masks)
        choices = np.bitwise_count(masks).sum(axis=2)
        found += [states[row] for row in np.flatnonzero(choices.max(axis=1) > 1)[:4]]
    states = np.array(found[:count], game.state_dtype)
    masks = np.zeros((count, game.spec.num_players, game.spec.mask_bytes), np.uint8)
    game.legal(states, masks)
    return states, masks.any(axis=2).argmax(axis=1), masks


def legal_sets(game, masks, players):
    own = masks[np.arange(len(players)), players]
    return np.unpackbits(own, axis=-1, count=game.spec.num_actions, bitorder="little").astype(bool)


def keys(count: int) -> np.ndarray:
    return np.arange(count, dtype=np.int64) * 977 + 3


@pytest.mark.parametrize("root", ["gumbel", "puct"])
@pytest.mark.parametrize("information_set", [False, True])
def test_every_simulation_reaches_a_new_leaf_or_the_end(root, information_set):
    """Trap 18: a search whose batch is larger than its simulations only evaluates the root."""
    game = make_game("blob", players=4, cards=4)
    states, players, masks = positions(game, 12)
    config = SearchConfig(worlds=3, simulations=25, root=root, information_set=information_set)
    views = np.zeros((12, 4), game.view_dtype)
    game.view(states, views)
    width = 3 * 26 if information_set else 3
    worlds = make_beliefs(game).sample(views[np.arange(12), players], None, keys(12), width)
    if information_set:
        worlds = worlds.reshape(12, 3, 26)
    found = Search(game, config, RolloutEvaluator(1)).run(worlds, players, keys(12))
    assert (found.leaves + found.terminals == 75).all()
    assert (found.leaves > 0).all()
    assert (found.visits.sum(axis=1) == 75).all()
    legal = legal_sets(game, masks, players)
    assert not found.policy[~legal].any() and not found.visits[~legal].any()
    assert np.allclose(found.policy.sum(axis=1), 1, atol=1e-5)
    assert legal[np.arange(12), found.actions].all()
    assert np.abs(found.policy - found.prior).max(axis=1).mean() > 0.1  # some decisions do not matter
    assert np.isnan(found.q[~legal]).all() and np.nanmax(np.abs(found.q)) <= 1


@pytest.mark.parametrize("root", ["gumbel", "puct"])
def test_it_agrees_with_exact_max_n(root):
    """Trap 19: values are vectors. Open hands, 1,000 simulations: at least 85 % of the choices are best."""
    game = make_game("blob", players=3, cards=3)
    states, players, _ = positions(game, 60, seed=5, least_left=3)
    config = SearchConfig(worlds=1, simulations=1000, root=root, gumbel_scale=0.0, c_scale=1.0)
    found = Search(game, config, RolloutEvaluator(1)).run(states[:, None].copy(), players, keys(60))
    best = 0
    for row in range(60):
        values = action_values(game, states[row])
        mine = {action: value[players[row]] for action, value in values.items()}
        best += mine[int(found.actions[row])] >= max(mine.values()) - 1e-6
    assert best >= 51, f"{best} of 60"


def test_it_beats_its_own_prior_head_to_head():
    """Trap 18: the same prior (uniform) without search, on every seat of 60 deals."""
    game = make_game("blob", players=4, cards=3)
    found = contest(
        Deals((game,), (1.0,)), rolling_out(Deals((game,), (1.0,)), 4, 24), RandomBot, count=60, seed=1
    )
    assert found.low > 0.1


def test_a_decision_does_not_depend_on_the_others_searched_with_it():
    game = make_game("blob", players=4, cards=5)
    states, players, _ = positions(game, 8, seed=2)
    worlds = np.repeat(states[:, None], 4, axis=1)
    for root in ("gumbel", "puct"):
        config = SearchConfig(worlds=4, simulations=12, root=root, dirichlet=0.3 if root == "puct" else 0.0)
        search = Search(game, config, RolloutEvaluator(1))
        together = search.run(worlds, players, keys(8))
        alone = search.run(worlds[3:5], players[3:5], keys(8)[3:5])
        assert np.array_equal(together.visits[3:5], alone.visits)
        assert np.allclose(together.policy[3:5], alone.policy)


def test_the_answer_does_not_change_with_what_is_hidden():
    """Trap 21: worlds come from the view, so permuting the true hands and the true stream changes nothing."""
    game = make_game("blob", players=4, cards=5)
    states, players, _ = positions(game, 6, seed=3)
    beliefs = make_beliefs(game)
    answers = []
    for other in range(2):
        truth = states.copy()
        if other:
            truth = beliefs.sample(view_of(game, states, players), None, keys(6) + 99, 1)[:, 0].copy()
            truth["key"] = 12345
        worlds = beliefs.sample(view_of(game, truth, players), None, keys(6), 4)
        found = Search(game, SearchConfig(worlds=4, simulations=20), RolloutEvaluator(1)).run(
            worlds, players, keys(6)
        )
        answers.append(found)
    assert np.array_equal(answers[0].visits, answers[1].visits)
    assert np.array_equal(answers[0].policy, answers[1].policy)


def view_of(game, states, players):
    views = np.zeros((len(states), game.spec.num_players), game.view_dtype)
    game.view(states, views)
    single = views[np.arange(len(states)), players]
    single["round"], single["rounds"], single["scores"] = 0, 1, 0
    return single


PENNIES = [[1, -1], [-1, 1]]
ROCK = [[0, -1, 1], [1, 0, -1], [-1, 1, 0]]
LOPSIDED = [[2, -1], [-1, 1]]  # the first player's equilibrium is 2/5, 3/5


@pytest.mark.parametrize(
    ("payoff", "expected"),
    [(PENNIES, [0.5, 0.5]), (ROCK, [1 / 3] * 3), (np.array(LOPSIDED) / 2, [0.4, 0.6])],
)
@pytest.mark.parametrize("player", [0, 1])
def test_regret_matching_mixes_as_the_equilibrium_does(payoff, expected, player):
    game = MatrixGame(payoff)
    config = SearchConfig(worlds=2, simulations=4000, root="regret")
    found = Search(game, config, Level()).run(game.start(4, 2), np.full(4, player), keys(4))
    assert np.abs(found.policy - expected).max() < 0.07
    assert len(set(found.actions.tolist())) >= 1


@pytest.mark.parametrize("root", ["puct", "regret"])
def test_nobody_sees_the_others_move(root):
    """Trap 24: in matching pennies whoever moved second and saw the first would always win."""
    game = MatrixGame(PENNIES)
    config = SearchConfig(worlds=1, simulations=2000, root=root)
    found = Search(game, config, Level()).run(game.start(2, 1), np.array([0, 1]), keys(2))
    assert np.abs(found.values).max() < 0.1
    assert (np.abs(found.policy - 0.5) < 0.1).all()


def test_a_dominant_action_is_found_by_every_root():
    game = MatrixGame([[-1, -1, -1], [1, 0.5, 0.7], [0, -1, 0]])
    for root in ("gumbel", "puct", "regret"):
        config = SearchConfig(worlds=2, simulations=200, root=root, gumbel_scale=0.0)
        found = Search(game, config, Level()).run(game.start(3, 2), np.zeros(3, int), keys(3))
        assert (found.policy.argmax(axis=1) == 1).all()
        if root != "regret":
            assert (found.actions == 1).all()


def test_trees_are_kept_when_the_game_goes_on():
    game = make_game("blob", players=3, cards=4)
    states, players, _ = positions(game, 5, seed=4, least_left=6)
    search = Search(game, SearchConfig(worlds=2, simulations=300), RolloutEvaluator(1))
    found = search.run(np.repeat(states[:, None], 2, axis=1), players, keys(5))
    actions = np.zeros((5, 3), np.int32)
    actions[np.arange(5), players] = found.actions
    truth = states.copy()
    game.step(truth, actions, np.zeros((5, 3), np.uint8))
    good = search.advance(actions)
    assert good.all()
    assert (search.world_states()["tick"] == truth["tick"][:, None]).all()
    kept = search.trees.num_nodes[:10].copy()
    assert (kept > 1).all()
    again = search.run(
        search.world_states().copy(), truth["turn"].astype(int), keys(5), fresh=np.zeros((5, 2), bool)
    )
    assert (again.visits.sum(axis=1) > 600).all()  # both searches' together
    assert (again.leaves + again.terminals == 600).all()
    impossible = np.full((5, 3), 51, np.int32)
    assert not search.advance(impossible).all()


def test_a_tree_that_is_kept_is_the_subtree_it_was():
    """What a search learned under the move that was played stands, number for number."""
    game = make_game("blob", players=3, cards=3)
    states, players, _ = positions(game, 1, seed=9, least_left=6)
    search = Search(game, SearchConfig(worlds=1, simulations=200, root="puct"), RolloutEvaluator(1))
    found = search.run(states[:, None].copy(), players, keys(1))
    action = int(found.actions[0])
    actions = np.zeros((1, 3), np.int32)
    actions[0, players[0]] = action
    trees = search.trees
    edge = trees.first_edge[0, 0, 0]
    while trees.edge_action[0, edge] != action:
        edge = trees.edge_next[0, edge]
    child = trees.edge_child[0, edge]
    before = (int(trees.visits[0, child]), trees.totals[0, child].copy())
    assert search.advance(actions).all()
    assert (int(search.trees.visits[0, 0]), search.trees.totals[0, 0].tolist()) == (
        before[0],
        before[1].tolist(),
    )
    edges, seen = search.trees.first_edge[0, 0, 0], 0
    while edges != -1:
        seen += int(search.trees.edge_visits[0, edges])
        edges = search.trees.edge_next[0, edges]
    assert seen == before[0] - 1  # the node's own evaluation is a visit, too


class Hopeful:
    """Knows no action from another and expects the first player to win 0.6."""

    def evaluate(self, game, states):
        return None, np.tile(np.array([0.6, -0.6], np.float32), (len(states), 1))


@pytest.mark.parametrize("worlds", [1, 3])
def test_actions_that_were_never_tried_are_worth_the_mixed_value(worlds):
    """Danihelka et al., appendix D: the root's evaluation counts once, each value found as often as tried."""
    game = MatrixGame([[0.2] * 4, [0.4] * 4, [-1.0] * 4, [-1.0] * 4])
    config = SearchConfig(worlds=worlds, simulations=2, gumbel_scale=0.0)
    found = Search(game, config, Hopeful()).run(game.start(1, worlds), np.array([0]), keys(1))
    assert found.visits[0].tolist() == [worlds, worlds, 0, 0]
    mixed = (0.6 + 2 * (0.2 + 0.4) / 2) / 3
    scale = (config.c_visit + 1) * config.c_scale
    expected = np.exp(scale * (np.array([0.2, 0.4, mixed, mixed]) - 0.4))
    assert np.allclose(found.policy[0], expected / expected.sum(), rtol=1e-4)


def test_halving_gives_every_action_its_turn():
    schedule = halving_schedule(4, 32)
    assert len(schedule) == 32 and (schedule[:4] == 0).all() and schedule.max() >= 8
    assert (halving_schedule(1, 5) == np.arange(5)).all()
    assert len(halving_schedule(16, 3)) == 3


def test_what_cannot_be_searched_is_refused():
    game = make_game("blob", players=3, cards=2)
    states, players, _ = positions(game, 2, least_left=3)
    with pytest.raises(ValueError, match="all act at once"):
        Search(game, SearchConfig(root="regret"), RolloutEvaluator(1))
    with pytest.raises(ValueError, match="root must be one of"):
        SearchConfig(root="ucb")
    for weight in ("c_puct", "c_visit", "c_scale"):
        with pytest.raises(ValueError, match="must not be negative"):
            SearchConfig(**{weight: -0.1})
    search = Search(game, SearchConfig(worlds=2, simulations=4), RolloutEvaluator(1))
    with pytest.raises(ValueError, match="of shape"):
        search.run(states, players, keys(2))
    with pytest.raises(ValueError, match="another player is to move"):
        search.run(np.repeat(states[:, None], 2, axis=1), (players + 1) % 3, keys(2))
    game.playout(states, 100)
    with pytest.raises(ValueError, match="is over"):
        search.run(np.repeat(states[:, None], 2, axis=1), players, keys(2))
