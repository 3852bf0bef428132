"""Beliefs of Blob: what a seat can deduce, and worlds that contradict nothing of it."""

from dataclasses import replace

import numpy as np
import pytest
from blob_positions import (
    check_hands,
    check_voids,
    mask_of,
    own_views,
    play,
    played,
    table,
    views_of,
)

from strategos.games.blob.game import Blob
from strategos.games.blob.record import BID, DECK, NONE, card_id
from strategos.games.kuhn.game import Kuhn
from strategos.play.beliefs import make_beliefs
from strategos.play.blob_beliefs import BlobBeliefs, deduce

CONFIGURATIONS = [
    *[Blob(players, DECK // players) for players in range(3, 9)],
    *[Blob(players, cards, min_cards=1) for players, cards in ((3, 8), (4, 5), (5, 7), (7, 4), (8, 6))],
    *[Blob(players, cards, turned_up=True) for players, cards in ((3, 17), (4, 5), (6, 8), (8, 6))],
    *[Blob(players, cards, rounds="all") for players, cards in ((3, 6), (4, 5), (5, 3), (8, 2))],
    Blob(4, 5, scoring="tricks_plus_bonus"),
]


@pytest.mark.parametrize(
    "game", CONFIGURATIONS, ids=lambda game: "{players}x{cards}-{rounds}".format(**game.options)
)
def test_worlds_agree_with_all_that_is_known(game):
    """Random positions of all sizes and every seat: never a failure, never a contradiction (trap 21)."""
    rng = np.random.default_rng(game.players)
    count, number = 60, 3
    states = played(game, rng.integers(0, 2**62, count), rng.integers(0, game.spec.max_ticks, count))
    truth = views_of(game, states)
    beliefs = make_beliefs(game)
    masks = np.zeros((count, game.players, game.spec.mask_bytes), np.uint8)
    game.legal(states, masks)
    for seat in range(game.players):
        views = truth[:, seat]
        worlds = beliefs.sample(views, None, rng.integers(-(2**62), 2**62, count), number)
        assert worlds.shape == (count, number) and worlds.dtype == game.state_dtype
        for world in range(number):
            drawn = worlds[:, world].copy()
            known = views_of(beliefs.game, drawn)[:, seat]
            for name in known.dtype.names:
                if name in ("round", "scores"):
                    assert (known[name] == 0).all()
                elif name == "rounds":
                    assert (known[name] == 1).all()
                else:
                    np.testing.assert_array_equal(known[name], views[name], err_msg=name)
            public = set(states.dtype.names) - {"key", "draws", "hand", "round", "rounds", "scores"}
            for name in sorted(public):
                np.testing.assert_array_equal(drawn[name], states[name], err_msg=name)
            mine = states["turn"] == seat
            legal = np.zeros_like(masks)
            beliefs.game.legal(drawn, legal)
            np.testing.assert_array_equal(legal[mine, seat], masks[mine, seat])
            assert (drawn["draws"] == 0).all() and (drawn["hand"][:, game.players :] == 0).all()
            check_hands(drawn, states)
            check_voids(drawn, views)


def test_worlds_play_on_to_the_end_of_the_round():
    game = Blob(5, 4, rounds="all")
    states = played(game, np.arange(40), np.arange(40) * 2)
    beliefs = make_beliefs(game)
    worlds = beliefs.sample(own_views(game, states), None, np.arange(40), 4).reshape(-1)
    beliefs.game.playout(worlds, 1000)
    assert beliefs.game.over(worlds).all() and (worlds["round"] == 0).all()
    results = np.zeros((len(worlds), 5), np.float32)
    beliefs.game.returns(worlds, results)
    assert np.abs(results).max() <= 1 and np.allclose(results.sum(axis=1), 0, atol=1e-6)


def test_the_true_hands_and_stream_do_not_matter():
    """Everything hidden is replaced: not a byte of the worlds changes."""
    game = Blob(4, 5)
    beliefs = BlobBeliefs(game)
    states = played(game, np.arange(50), np.arange(50) % 24)
    views = own_views(game, states)
    keys = np.arange(50)
    others = beliefs.sample(views, None, keys + 1000, 1)[:, 0]
    assert (others["hand"] != states["hand"]).any(axis=1).mean() > 0.8
    again = own_views(game, others)
    worlds = beliefs.sample(views, None, keys, 8)
    assert worlds.tobytes() == beliefs.sample(again, None, keys, 8).tobytes()
    assert not (worlds["key"] == states["key"][:, None]).any()


def test_same_keys_same_worlds_alone_or_in_a_batch():
    game = Blob(4, 7)
    beliefs = BlobBeliefs(game)
    views = own_views(game, played(game, np.arange(30), np.arange(30)))
    keys = np.arange(30) * 12345
    worlds = beliefs.sample(views, None, keys, 6)
    for row in (0, 13, 29):
        alone = beliefs.sample(views[row : row + 1], None, keys[row : row + 1], 3)
        assert alone[0].tobytes() == worlds[row, :3].tobytes()
    assert len(np.unique(worlds["key"])) == worlds.size
    other = beliefs.sample(views, None, keys + 1, 6)
    assert (other["hand"] != worlds["hand"]).any(axis=2).mean() > 0.9


def test_deduction():
    game = Blob(3, 2)
    states = np.zeros(1, game.state_dtype)
    hands = [[card_id(name) for name in hand.split()] for hand in ("SA H2", "SK C3", "D4 C5")]
    game.deal(states, hands, trump=0, dealer=2)
    play(game, states, [BID + 1, BID, BID, card_id("SA"), card_id("SK"), card_id("D4")])
    view = views_of(game, states)[:, 0]
    known = deduce(view)
    assert known.unseen[0] == ((1 << DECK) - 1) & ~mask_of("SA SK D4 H2")
    assert known.allowed[0, 0] == mask_of("H2") and known.allowed[0, 1] == known.unseen[0]
    assert known.allowed[0, 2] == known.unseen[0] & ~((1 << 13) - 1)
    assert known.allowed[0, 3:].max() == 0
    assert known.sizes[0, :3].tolist() == [1, 1, 1] and known.stock[0] == 46


def test_what_cannot_be_is_refused():
    beliefs = BlobBeliefs(Blob(3, 5))
    with pytest.raises(ValueError, match="view 0 contradicts itself"):
        beliefs.sample(table("SA S2 HK", (1, 1), ("SHCD", "")), None, np.zeros(1), 2)
    with pytest.raises(ValueError, match="view 0 contradicts itself"):
        beliefs.sample(table("SA HK", (1, 1), ("S", "SD")), None, np.zeros(1), 2)
    with pytest.raises(ValueError, match="view 0 contradicts itself"):
        beliefs.sample(table("SA HK", (2, 1), ("", "")), None, np.zeros(1), 2)
    with pytest.raises(ValueError, match="running rounds of 3 players"):
        beliefs.sample(table("SA HK D2", (1, 1, 1), ("", "", "")), None, np.zeros(1), 2)
    done = table("SA HK D2", (1, 1), ("", ""))
    done["turn"] = NONE
    with pytest.raises(ValueError, match="running rounds"):
        beliefs.sample(done, None, np.zeros(1), 2)
    with pytest.raises(ValueError, match="at least 1 world"):
        beliefs.sample(table("SA HK D2", (1, 1), ("", "")), None, np.zeros(1), 0)


class Poker(Kuhn):
    """A game of somebody's own, which no beliefs were written for."""

    spec = replace(Kuhn.spec, name="poker")


def test_a_game_without_beliefs_is_refused_by_name():
    with pytest.raises(ValueError, match="no beliefs for 'poker'"):
        make_beliefs(Poker())
