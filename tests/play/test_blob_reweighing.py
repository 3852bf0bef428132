"""Worlds of Blob weighed by a policy, against the posterior counted by hand."""

import numpy as np
import pytest
import torch
from blob_positions import cards_of, check_hands, check_voids, mask_of, own_views, play, played, views_of

from strategos.games import make_game
from strategos.games.blob.game import Blob
from strategos.games.blob.record import BID, DECK, card_id
from strategos.play.beliefs import make_beliefs
from strategos.play.blob_beliefs import BlobBeliefs
from strategos.play.blob_reweighing import ReweighedBeliefs, _resample, log_likelihoods
from strategos.play.evaluators.mixed import MixedEvaluator
from strategos.play.evaluators.network import NetworkEvaluator
from strategos.play.evaluators.rollouts import RolloutEvaluator
from strategos.play.network import NetworkPolicy, build_network, describe_network, make_encoder
from strategos.play.search import SearchConfig
from strategos.play.search_bots import SearchPolicy
from strategos.play.searcher import Searcher

ACES = mask_of("SA HA CA DA")

RANK_WEIGHTS = np.arange(DECK) % 13 + 1.0


def ace_bidder(views, masks):
    """Bids about as many as it holds aces; plays high cards rather than low ones."""
    legal = np.unpackbits(masks, axis=1, count=70, bitorder="little")
    weights = np.zeros(legal.shape)
    weights[:, :DECK] = RANK_WEIGHTS
    aces = np.bitwise_count(views["hand"] & ACES).astype(int)
    weights[:, DECK:] = np.exp(-2.0 * (np.arange(18) - aces[:, None]) ** 2)
    weights *= legal
    return weights / weights.sum(axis=1, keepdims=True)


def bid_chance(hand, bid, bids):
    weights = {b: np.exp(-2.0 * (b - (hand & ACES).bit_count()) ** 2) for b in bids}
    return weights[bid] / sum(weights.values())


def play_chance(hand, card, led):
    suit = [c for c in cards_of(hand) if led is not None and c // 13 == led]
    return RANK_WEIGHTS[card] / sum(RANK_WEIGHTS[c] for c in suit or cards_of(hand))


def tiny_round():
    """Three players, two cards; seat 0 looks on after a trick and a card. Seat 2 bid two, seat 1 nothing."""
    game = Blob(3, 2)
    states = np.zeros(1, game.state_dtype)
    hands = [[card_id(name) for name in hand.split()] for hand in ("S5 H2", "S3 CA", "S9 DA")]
    game.deal(states, hands, trump=4, dealer=0)
    play(game, states, [BID + 0, BID + 2, BID + 1])  # seats 1, 2, 0
    play(game, states, [card_id("S3"), card_id("S9"), card_id("S5"), card_id("DA")])
    return game, states


def exact_posterior(plays):
    """{card left to seat 1: probability} for seat 0 in `tiny_round`; seat 2 has played both its cards."""
    seen = mask_of("S5 H2 S3 S9 DA")
    posterior = {}
    for card in range(DECK):
        if seen >> card & 1:
            continue
        one, two = 1 << card | mask_of("S3"), mask_of("S9 DA")
        chance = bid_chance(one, 0, range(3)) * bid_chance(two, 2, range(3))
        if plays:
            chance *= play_chance(one, card_id("S3"), None)
            chance *= play_chance(two, card_id("S9"), 0) * play_chance(
                1 << card_id("DA"), card_id("DA"), None
            )
        posterior[card] = chance
    total = sum(posterior.values())
    return {card: chance / total for card, chance in posterior.items()}


@pytest.mark.parametrize("plays", [False, True])
def test_the_likelihoods_are_exact(plays):
    game, states = tiny_round()
    views = views_of(game, states)[:, 0]
    worlds = BlobBeliefs(game).sample(views, None, np.array([3]), 200)
    logs = log_likelihoods(BlobBeliefs(game).game, worlds, views["me"], ace_bidder, plays=plays)[0]
    posterior = exact_posterior(plays)
    expected = np.log([posterior[cards_of(hand)[0]] for hand in worlds[0]["hand"][:, 1]])
    np.testing.assert_allclose(logs - logs[0], expected - expected[0], atol=1e-9)


@pytest.mark.parametrize("plays", [False, True])
def test_reweighing_reaches_the_exact_posterior(plays):
    """Every card that seat 1 may hold, within five standard errors over independent keys."""
    game, states = tiny_round()
    repeats, wanted = 200, 64
    views = np.repeat(views_of(game, states)[:, 0], repeats)
    beliefs = ReweighedBeliefs(BlobBeliefs(game), ace_bidder, candidates=400, plays=plays, doubt=0.0)
    worlds = beliefs.sample(views, None, np.arange(repeats), wanted)
    for card, chance in exact_posterior(plays).items():
        often = (worlds["hand"][:, :, 1] >> card & 1).mean(axis=1)
        error = often.std() / np.sqrt(repeats)
        assert abs(often.mean() - chance) < 5 * error + 0.01 * chance, card
    assert len(np.unique(worlds["key"])) == worlds.size


def test_the_resampling_is_in_proportion():
    """Each candidate as often as its weight says, rounded up or down, and right on average over keys."""
    weights = np.array([0.05, 0.0, 3.0, 0.4, 1.55, 0.0])
    repeats, wanted = 2000, 7
    candidates = np.zeros((repeats, len(weights)), Blob.state_dtype)
    candidates["tick"] = np.arange(len(weights))
    drawn = np.zeros((repeats, wanted), Blob.state_dtype)
    with np.errstate(divide="ignore"):
        logs = np.repeat(np.log(weights)[None] - 700, repeats, axis=0)
    _resample(candidates, logs, np.arange(repeats), drawn)
    often = (drawn["tick"][:, :, None] == np.arange(len(weights))).sum(axis=1)
    expected = wanted * weights / weights.sum()
    assert (often.sum(axis=1) == wanted).all() and (np.abs(often - expected) < 1).all()
    np.testing.assert_allclose(often.mean(axis=0), expected, atol=0.06)


def test_reweighing_prefers_hands_that_explain_the_bids():
    game = Blob(4, 5, trump="none", dealer=3)
    states = np.zeros(1, game.state_dtype)
    hands = ["SA HA CA D2 D3", "S2 S3 S4 H2 H3", "C2 C3 C4 D4 D5", "S5 S6 H5 H6 C5"]
    game.deal(states, [[card_id(name) for name in hand.split()] for hand in hands], trump=4, dealer=3)
    play(game, states, [BID + 3, BID + 0, BID + 1])
    views = views_of(game, states)[:, 3]  # holds no ace
    uniform = BlobBeliefs(game)
    beliefs = ReweighedBeliefs(uniform, ace_bidder, candidates=2000, plays=False, doubt=0.0)

    def aces(source):
        worlds = source.sample(views, None, np.array([1]), 500)[0]
        return np.bitwise_count(worlds["hand"][:, :4] & ACES).mean(axis=0)

    before, after = aces(uniform), aces(beliefs)
    assert np.ptp(before[:3]) < 0.2 and after[3] == 0
    assert after[0] > 1.8 and after[1] < 0.15 and 0.35 < after[2] < 1.0


def test_reweighed_worlds_are_worlds():
    """Repeatable, legal, with streams of their own; in the middle of whole games, whoever is to move."""
    game = Blob(5, 4, rounds="all")
    states = played(game, np.arange(40), np.arange(40) * 2)
    views = own_views(game, states)
    beliefs = ReweighedBeliefs(BlobBeliefs(game), ace_bidder, candidates=32)
    worlds = beliefs.sample(views, None, np.arange(40), 8)
    assert worlds.tobytes() == beliefs.sample(views, None, np.arange(40), 8).tobytes()
    assert len(np.unique(worlds["key"])) == worlds.size
    for world in range(8):
        check_hands(worlds[:, world], states)
        check_voids(worlds[:, world], views)
        again = own_views(beliefs.game, worlds[:, world].copy())
        for name in set(views.dtype.names) - {"round", "rounds", "scores"}:
            np.testing.assert_array_equal(again[name], views[name])


def test_a_policy_that_rules_out_everything_leaves_the_worlds_uniform():
    game, states = tiny_round()
    views = views_of(game, states)[:, 0]
    never = ReweighedBeliefs(
        BlobBeliefs(game), lambda views, masks: np.zeros((len(views), 70)), candidates=64, doubt=0.0
    )
    drawn = never.sample(views, None, np.array([9]), 64)
    plain = BlobBeliefs(game).sample(views, None, np.array([9]), 64)
    assert drawn.tobytes() == plain.tobytes()


def test_own_actions_and_forced_ones_are_not_asked_about():
    game, states = tiny_round()
    asked = []

    def remember(views, masks):
        asked.extend(zip(views["me"].tolist(), views["tick"].tolist(), strict=True))
        return ace_bidder(views, masks)

    views = views_of(game, states)[:, 0]
    worlds = BlobBeliefs(game).sample(views, None, np.array([3]), 50)
    log_likelihoods(game, worlds, views["me"], remember)
    # Seat 2 must follow with its only spade; its last card is forced.
    assert set(asked) == {(1, 0), (2, 1), (1, 3)}


def network_of(game, seed: int = 0) -> NetworkEvaluator:
    """The judge of an untrained network whose every weight matters."""
    torch.manual_seed(seed)
    network = build_network(describe_network(game.spec, "", False, width=32, layers=1)).eval()
    for weights in network.parameters():
        weights.data += 0.3 * torch.randn_like(weights)
    return NetworkEvaluator(game, network)


@pytest.mark.parametrize("mixed", [False, True])
def test_a_search_reweighs_its_worlds_where_it_is_asked_to(mixed):
    game = Blob(4, 5)
    states = played(game, np.arange(20), np.full(20, 9))
    views, keys = own_views(game, states), np.arange(20)
    network = network_of(game)
    judge = MixedEvaluator(network, RolloutEvaluator(1)) if mixed else network
    config = SearchConfig(worlds=4, simulations=6, beliefs="reweighed")
    searcher = Searcher(game, config, judge)
    worlds = searcher.worlds(views, None, keys)
    by_hand = ReweighedBeliefs(BlobBeliefs(game), network.probabilities, candidates=16)
    assert worlds.tobytes() == by_hand.sample(views, None, keys, 4).tobytes()
    assert (worlds["hand"] != BlobBeliefs(game).sample(views, None, keys, 4)["hand"]).any()
    policy = SearchPolicy(game, make_beliefs(game), judge, config, "searcher")
    masks = np.zeros((20, 4, game.spec.mask_bytes), np.uint8)
    game.legal(states, masks)
    rows = np.arange(20)
    mine = masks[rows, states["turn"]]
    actions = policy.act(views, mine, None, np.random.default_rng(0))
    assert (mine[rows, actions >> 3] >> (actions & 7) & 1).all()


def test_the_worlds_of_information_sets_are_reweighed_too():
    game = Blob(3, 3)
    views = own_views(game, played(game, np.arange(3), np.full(3, 4)))
    config = SearchConfig(worlds=2, simulations=3, information_set=True, beliefs="reweighed")
    searcher = Searcher(game, config, network_of(game))
    assert searcher.worlds(views, None, np.arange(3)).shape == (3, 2, 4)
    assert searcher.beliefs.candidates == 32


def test_the_policy_of_a_judge_is_that_of_its_network():
    game = Blob(4, 5)
    states = played(game, np.arange(70), np.full(70, 6))
    views, masks = own_views(game, states), np.zeros((70, 4, game.spec.mask_bytes), np.uint8)
    game.legal(states, masks)
    mine = masks[np.arange(70), states["turn"]]
    judge = network_of(game)
    plain = NetworkPolicy(judge.network, make_encoder("cards", "cpu", False))
    found = judge.probabilities(views, mine)
    np.testing.assert_allclose(found, plain.probabilities(views, mine, None), atol=1e-6)
    np.testing.assert_allclose(found.sum(axis=1), 1)


def test_what_cannot_be_reweighed_is_refused():
    reweighed = SearchConfig(beliefs="reweighed")
    with pytest.raises(ValueError, match="only be reweighed by a network"):
        Searcher(Blob(4, 5), reweighed, RolloutEvaluator())
    with pytest.raises(ValueError, match="only be reweighed by a network"):
        Searcher(Blob(4, 5), reweighed, MixedEvaluator(RolloutEvaluator(), network_of(Blob(4, 5))))
    with pytest.raises(ValueError, match=r"of kuhn cannot be reweighed \(there is a way for blob\)"):
        Searcher(make_game("kuhn"), reweighed, network_of(Blob(4, 5)))
    with pytest.raises(ValueError, match="beliefs must be one of uniform, reweighed, not 'likely'"):
        SearchConfig(beliefs="likely")
