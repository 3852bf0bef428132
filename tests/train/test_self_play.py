"""Self-play with search: what is kept of a decision, forced moves, mixtures, streams, going on exactly."""

from __future__ import annotations

from concurrent.futures import CancelledError
from dataclasses import replace

import numpy as np
import pytest

from strategos.play.evaluators.generals import ScriptedEvaluator
from strategos.play.evaluators.rollouts import RolloutEvaluator
from strategos.play.search import SearchConfig
from strategos.play.searcher import Searcher
from strategos.train.alphazero_tables import SelfPlayConfig
from strategos.train.config_files import from_dict
from strategos.train.deals import Deals, make_deals
from strategos.train.duel import compare, deal_keys, play_duel
from strategos.train.outcomes import outcomes_of
from strategos.train.self_play import SelfPlay

BLOB = {
    "algorithm": "alphazero",
    "game": {"name": "blob"},
    "deals": [
        {"players": 4, "cards": 3, "share": 0.6},
        {"players": 4, "cards": 2, "min_cards": 1, "share": 0.2},
        {"players": 3, "cards": 2, "share": 0.2},
    ],
}
SETTINGS = SelfPlayConfig(games=12, workers=2, rounds=20, temperature_ticks=4, last_temperature=0.0)


def tables() -> list[Deals]:
    return make_deals(from_dict(BLOB))


def searchers(tables: list[Deals], simulations: int = 12) -> list[Searcher]:
    config = SearchConfig(worlds=2, simulations=simulations)
    return [Searcher(table.game, config, RolloutEvaluator()) for table in tables]


def played(worker: SelfPlay, rounds: int = 20, **options):
    made = worker.play(rounds, searchers(worker_tables(worker), **options), lambda: False)
    return made


def worker_tables(worker: SelfPlay) -> list[Deals]:
    return [table.deals for table in worker.tables]


@pytest.fixture(scope="module")
def generated():
    worker = SelfPlay(tables(), SETTINGS, 0, 7)
    return worker, played(worker, 40)


def test_examples_are_decisions_with_a_choice_each_seen_by_a_second_seat(generated):
    _, made = generated
    decided = made.examples["mask"].any(axis=1)
    watching = made.examples[~decided]
    assert len(watching) == decided.sum() and not watching["policy"].any()
    assert (watching["view"]["turn"] > 0).all() and (watching["view"]["me"] == watching["seat"]).all()
    assert set((watching["view"]["turn"]).tolist()) == {1, 2, 3}
    examples = made.examples[decided]
    legal = np.unpackbits(examples["mask"], axis=1, count=70, bitorder="little").astype(bool)
    assert (legal.sum(axis=1) > 1).all(), "forced moves are no decisions"
    policy = examples["policy"].astype(np.float32)
    assert (policy[~legal] == 0).all() and np.allclose(policy.sum(axis=1), 1, atol=5e-3)
    assert (examples["view"]["turn"] == 0).all(), "the viewer was to move"
    assert (examples["view"]["me"] == examples["seat"]).all()


def test_outcomes_are_counted_from_the_viewer(generated):
    """Every example of a round says the same about every seat of the table, from another side."""
    _, made = generated
    examples = made.examples
    checked = 0
    for number in np.unique(examples["round"]):
        mine = examples[examples["round"] == number]
        players = int(mine["players"][0])
        absolute = [np.roll(each["scores"][:players], int(each["seat"])) for each in mine]
        assert all((each == absolute[0]).all() for each in absolute)
        makes = [np.roll(each["makes"][:players], int(each["seat"])) for each in mine]
        assert all((each == makes[0]).all() for each in makes)
        # who makes the bid has points, who does not has none
        assert ((absolute[0] > 0) == (makes[0] > 0)).all()
        for each in mine[mine["view"]["num_bids"] == players]:
            points = (10 + each["view"]["bids"][:players]) / (10 + each["view"]["cards"])
            made = each["makes"][:players] > 0
            assert np.allclose(each["scores"][:players], np.where(made, points, 0))
            checked += 1
    assert checked > 10


def test_kinds_of_deals_trumps_and_dealers_are_mixed():
    found = tables()
    assert [table.game.spec.num_players for table in found] == [4, 3]
    assert [table.share for table in found] == pytest.approx([0.8, 0.2])
    states = np.zeros(4000, found[0].game.state_dtype)
    found[0].begin(states, deal_keys(3, 0, len(states)))
    cards = np.bincount(states["cards"], minlength=4) / len(states)
    assert cards[3] == pytest.approx(0.75, abs=0.03)
    assert cards[1] == pytest.approx(cards[2], abs=0.03)
    for field, count in (("trump", 5), ("dealer", 4)):
        shares = np.bincount(states[field], minlength=count) / len(states)
        assert shares == pytest.approx(np.full(count, 1 / count), abs=0.03)
    again = np.zeros(10, states.dtype)
    found[0].begin(again, deal_keys(3, 5, 15))
    assert (again == states[5:15]).all(), "which kind a round is of is a function of its key alone"


def test_shares_of_the_tables_are_kept(generated):
    worker, _ = generated
    finished = np.array([table.finished for table in worker.tables])
    assert finished[1] / finished.sum() == pytest.approx(0.2, abs=0.12)


def test_every_round_passes_the_check_of_distinct_leaves(generated):
    """Trap 18: every simulation of every search reached a new leaf or the end of the round."""
    _, made = generated
    assert made.checked_rounds == made.rounds
    assert made.leaves > 0 and made.changed / made.decisions > 0.02


def test_a_worker_is_a_function_of_its_configuration_and_state():
    one, two = SelfPlay(tables(), SETTINGS, 0, 7), SelfPlay(tables(), SETTINGS, 0, 7)
    whole = np.concatenate([played(one, 10).examples, played(one, 10).examples])
    first = played(two, 10).examples
    other = SelfPlay(tables(), SETTINGS, 0, 7)
    other.load(two.save())
    assert (np.concatenate([first, played(other, 10).examples]) == whole).all()
    assert other.save() == one.save()
    strange = SelfPlay(tables(), SETTINGS, 1, 7)
    assert not (played(strange, 10).examples["view"]["hand"][:5] == whole["view"]["hand"][:5]).all()


def test_a_worker_of_other_tables_is_refused():
    one = SelfPlay(tables(), SETTINGS, 0, 7)
    fewer = SelfPlay(tables(), replace(SETTINGS, games=4), 0, 7)
    with pytest.raises(ValueError, match="another number of games"):
        fewer.load(one.save())


class Fixed:
    """Takes the legal action number `index`, from the lowest or the highest."""

    def __init__(self, index: int) -> None:
        self.name, self.index = f"fixed {index}", index

    def act(self, views, masks, memories, rng):
        bits = np.unpackbits(masks, axis=1, bitorder="little")
        return np.array([np.flatnonzero(row)[self.index] for row in bits], np.int32)


def test_equal_players_make_nothing_of_a_deal():
    table = tables()[0]
    duel = play_duel(table, Fixed(0), Fixed(0), deal_keys(1, 0, 30))
    assert np.allclose(duel.samples, 0, atol=1e-6)
    low, high = duel.interval()
    assert low <= 0 <= high


def test_a_duel_that_is_given_up_ends_before_the_next_move():
    asked = iter([False, False, True])
    with pytest.raises(CancelledError):
        play_duel(tables()[0], Fixed(0), Fixed(0), deal_keys(1, 0, 8), stop=lambda: next(asked))
    assert next(asked, "all were asked") == "all were asked"


def test_the_better_player_makes_points_and_the_comparison_changes_sign():
    table = tables()[0]
    keys = deal_keys(2, 0, 40)
    there, back = (compare(table, *pair, keys) for pair in ((Fixed(0), Fixed(-1)), (Fixed(-1), Fixed(0))))
    assert np.allclose(there, -back, atol=1e-6)
    assert there.mean() > 0.1, "to bid nothing and duck is far better than to bid everything"


def test_the_outcome_of_a_round_is_in_the_units_of_the_network():
    table = tables()[0]
    states = np.zeros(50, table.game.state_dtype)
    table.begin(states, deal_keys(9, 0, 50))
    table.game.playout(states, 1000)
    found = outcomes_of(table.game).measure(table.game, states)
    assert found.scores.min() >= 0 and found.scores.max() <= 1
    assert np.allclose(found.returns, found.scores - found.scores.mean(axis=1, keepdims=True), atol=1e-6)


def test_where_all_act_at_once_every_seat_is_searched():
    """Generals on a small board: both seats' decisions are kept, and what one wins the other loses."""
    config = from_dict(
        {
            "algorithm": "alphazero",
            "game": {"name": "generals", "ruleset": "duel", "tick_limit": 12},
            "stages": [{"boards": [{"height": 5, "width": 5, "spawn_distance": [3, 8]}]}],
        }
    )
    tables = make_deals(config)
    search = SearchConfig(worlds=2, simulations=4, root="regret")
    searcher = Searcher(tables[0].game, search, ScriptedEvaluator())
    worker = SelfPlay(tables, replace(SETTINGS, games=4, workers=1), 0, 3)
    made = worker.play(4, [searcher], lambda: False)
    assert made.rounds >= 4 and made.checked_rounds == made.rounds
    assert set(made.examples["seat"]) == {0, 1}
    assert (made.examples["view"]["me"] == made.examples["seat"]).all()
    assert np.allclose(made.examples["scores"].sum(axis=1), 0)


def test_a_game_that_is_cut_is_adjudicated_where_asked():
    """Both seats are told what the script makes of the last position; without it, nothing to anybody."""
    config = from_dict(
        {
            "algorithm": "alphazero",
            "game": {"name": "generals", "ruleset": "duel", "tick_limit": 40},
            "stages": [{"boards": [{"height": 5, "width": 5, "spawn_distance": [3, 8]}]}],
        }
    )
    table = make_deals(config)[0]
    made = {}
    for adjudicate in (False, True):
        searcher = Searcher(table.game, SearchConfig(worlds=1, simulations=4), ScriptedEvaluator())
        settings = replace(SETTINGS, games=8, workers=1, adjudicate=adjudicate)
        made[adjudicate] = SelfPlay([table], settings, 0, 3).play(8, [searcher], lambda: False).examples
    assert made[False]["view"].tobytes() == made[True]["view"].tobytes(), "the same games"
    scores = made[True]["scores"]
    assert (np.abs(made[False]["scores"]) % 1 == 0).all(), "won, lost or nothing"
    assert ((np.abs(scores) > 0.01) & (np.abs(scores) < 0.99)).any()
    assert np.allclose(scores.sum(axis=1), 0, atol=1e-6)
    one, other = (made[True][made[True]["seat"] == seat] for seat in (0, 1))
    for number in np.unique(one["round"]):
        mine, theirs = one[one["round"] == number], other[other["round"] == number]
        assert np.allclose(mine["scores"][0], theirs["scores"][0][::-1]), "each seat counts from itself"
