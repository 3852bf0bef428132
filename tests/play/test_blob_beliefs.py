"""Beliefs of Blob: what a seat can deduce, worlds uniform over the deals, or weighed by a policy."""

from collections import Counter
from functools import cache
from itertools import combinations
from math import comb, prod

import numpy as np
import pytest
from scipy.stats import chisquare

from strategos.games.blob.game import Blob
from strategos.games.blob.record import BID, DECK, NONE, VIEW, card_id
from strategos.play.beliefs import make_beliefs
from strategos.play.blob_beliefs import BlobBeliefs, deduce
from strategos.play.blob_reweighing import ReweighedBeliefs, _resample, log_likelihoods

ALMOST_NEVER = 1e-5
"""Seeds are fixed, so a test that passes once passes always; this is how unlikely luck it takes."""


def cards_of(mask):
    return [card for card in range(DECK) if int(mask) >> card & 1]


def mask_of(text):
    """`SA H2` as a mask."""
    return sum(1 << card_id(name) for name in text.split())


def played(game, seeds, actions):
    """States [B] after `actions` [B] random actions, fewer where the game would have ended."""
    states = np.zeros(len(seeds), game.state_dtype)
    game.reset(states, np.asarray(seeds, np.int64))
    chosen = np.zeros((len(states), game.players), np.int32)
    illegal = np.zeros((len(states), game.players), np.uint8)
    for number in range(int(np.max(actions))):
        ahead = states.copy()
        game.play_randomly(ahead, chosen, illegal)
        go_on = (np.asarray(actions) > number) & ~game.over(ahead)
        states[go_on] = ahead[go_on]
    return states


def views_of(game, states):
    views = np.zeros((len(states), game.players), game.view_dtype)
    game.view(states, views)
    return views


def own_views(game, states):
    """Views [B] of the seats to move."""
    return views_of(game, states)[np.arange(len(states)), states["turn"]]


def voids_by_hand(view):
    """Suits that each relative seat has shown not to hold, from the cards on the table alone."""
    players, voids = int(view["players"]), [set() for _ in range(view["players"])]
    for place in range(view["num_plays"]):
        trick, turn = divmod(place, players)
        led, suit = view["plays"][trick * players] // 13, view["plays"][place] // 13
        if suit != led:
            voids[(view["leaders"][trick] + turn) % players].add(int(led))
    return voids


def hidden_by_hand(view):
    """Unseen cards, and for each other seat its number of cards and what it may hold; plain Python."""
    seen = set(cards_of(view["hand"])) | {int(card) for card in view["plays"][: view["num_plays"]]}
    if view["turned"] != NONE:
        seen.add(int(view["turned"]))
    unseen = [card for card in range(DECK) if card not in seen]
    seats = []
    for seat in range(1, view["players"]):
        allowed = {card for card in unseen if not view["voids"][seat] >> card // 13 & 1}
        seats.append((int(view["sizes"][seat]), allowed))
    return unseen, seats


def all_deals(view):
    """Every tuple of hands (masks; seats from the viewer's left) that agrees with a view."""
    unseen, seats = hidden_by_hand(view)

    def deal(left, place):
        if place == len(seats):
            yield ()
            return
        size, allowed = seats[place]
        for hand in combinations([card for card in left if card in allowed], size):
            rest = [card for card in left if card not in hand]
            for others in deal(rest, place + 1):
                yield (sum(1 << card for card in hand), *others)

    return list(deal(unseen, 0))


def splits_of(counts, allowed, number):
    """All numbers by suit of `number` cards out of `counts`, only of the suits `allowed`."""
    if not counts:
        return [()] if number == 0 else []
    most = min(counts[0], number) if allowed[0] else 0
    return [
        (some, *rest)
        for some in range(most + 1)
        for rest in splits_of(counts[1:], allowed[1:], number - some)
    ]


def holding_chances(view):
    """{(relative seat, suit): probability that the seat holds a given unseen card of the suit}, exact."""
    unseen, seats = hidden_by_hand(view)
    counts = tuple(sum(card // 13 == suit for card in unseen) for suit in range(4))
    suits = [
        tuple(not view["voids"][seat + 1] >> suit & 1 for suit in range(4)) for seat in range(len(seats))
    ]
    order = sorted(range(len(seats)), key=lambda place: sum(suits[place]))

    @cache
    def ways(turn, counts, sizes):
        if turn == len(sizes):
            return 1
        if all(suits[order[turn]]):  # and those after it: no suit matters any more
            number = sizes[order[turn]]
            return comb(sum(counts), number) * ways(turn + 1, (sum(counts) - number, 0, 0, 0), sizes)
        total = 0
        for split in splits_of(counts, suits[order[turn]], sizes[order[turn]]):
            choices = prod(comb(count, part) for count, part in zip(counts, split, strict=True))
            left = tuple(count - part for count, part in zip(counts, split, strict=True))
            total += choices * ways(turn + 1, left, sizes)
        return total

    sizes = tuple(size for size, _ in seats)
    everything = ways(0, counts, sizes)
    chances = {}
    for seat, suit in np.ndindex(len(seats), 4):
        if counts[suit]:
            fewer = tuple(count - (suit == other) for other, count in enumerate(counts))
            less = tuple(size - (seat == other) for other, size in enumerate(sizes))
            possible = sizes[seat] and suits[seat][suit]
            chances[seat + 1, suit] = ways(0, fewer, less) / everything if possible else 0.0
    return chances


def relative_hands(views, worlds):
    """Hidden hands [W, players - 1] of the worlds of one view, from the viewer's left."""
    players = int(views["players"])
    seats = (int(views["me"]) + np.arange(1, players)) % players
    return worlds["hand"][:, seats]


def table(unseen, sizes, voids, me=0, turned=NONE):
    """A view as if all cards but `unseen` lay on the table; hidden `sizes` and `voids` from the left."""
    view = np.zeros(1, VIEW)
    players = len(sizes) + 1
    for name, value in {"players": players, "me": me, "turn": 1, "cards": 6, "turned": turned}.items():
        view[name] = value
    view["bids"], view["leaders"], view["plays"] = NONE, NONE, NONE
    hidden = mask_of(unseen)
    on_table = [card for card in range(DECK) if not hidden >> card & 1 and card != turned]
    view["num_plays"] = len(on_table)
    view["plays"][0, : len(on_table)] = on_table
    view["sizes"][0, 1:players] = sizes
    view["voids"][0, 1:players] = [sum(1 << "SHCD".index(suit) for suit in void) for void in voids]
    return view


TABLES = {
    "three players, no void": table("SA S2 HK C3 D4 D5 D6", (2, 2), ("", "")),
    "three players, one void": table("SA S2 HK H3 C3 D4 D5 D6", (3, 2), ("S", "")),
    "two seats with the same void": table("SA S2 HK H3 C3 D4 D5", (2, 2, 1), ("D", "D", ""), me=2),
    "two voids and the stock": table("SA S2 S3 HK H3 C3 C4 D4", (2, 2, 1), ("S", "H", ""), me=1),
    "one seat with two voids": table("SA S2 S3 HK H3 C3 C4 D4", (2, 1, 2), ("SH", "C", "")),
    "three groups": table("SA S2 HK H3 C3 C4 D4 D5", (2, 1, 2), ("S", "H", "C"), me=3),
    "three groups, no stock": table("SA S2 S3 HK H3 C3 C4 D4 D5", (2, 2, 2, 3), ("S", "H", "CD", "")),
    "four groups": table("SA S2 HK H3 C3 C4 D4 D5", (1, 1, 1, 2), ("SH", "H", "D", "SC"), me=4),
    "five groups, eight players": table(
        "SA S2 HK H3 C3 C4 D4", (1, 1, 1, 1, 1, 1, 1), ("S", "SH", "C", "", "HD", "SCD", ""), me=5
    ),
    "a void in a suit that is gone": table("SA S2 S3 HK H3 D4", (2, 2, 1), ("C", "CS", "C")),
    "a hand that is empty": table("SA S2 S3 HK H3 D4", (0, 2, 1), ("S", "S", "H")),
    "a single deal": table("SA S2 HK D4", (1, 1, 2), ("SH", "SD", "")),
    "a card turned up": table("SA S2 HK H3 C3 C4", (2, 1), ("S", ""), turned=card_id("S9")),
}


@pytest.mark.parametrize("name", TABLES)
def test_uniform_over_the_deals(name):
    """Chi-square against enumeration, every deal a cell."""
    view = TABLES[name]
    deals = all_deals(view[0])
    draws = max(20_000, 20 * len(deals))
    beliefs = BlobBeliefs(Blob(int(view["players"][0]), 6))
    worlds = beliefs.sample(view, None, np.array([17]), draws)[0]
    seen = Counter(map(tuple, relative_hands(view[0], worlds).tolist()))
    assert set(seen) <= set(deals)
    if len(deals) == 1:
        assert seen == {deals[0]: draws}
    else:
        assert chisquare([seen[deal] for deal in deals]).pvalue > ALMOST_NEVER


@pytest.mark.parametrize(
    "players, cards, turned_up, seats",
    [(3, 17, False, 6), (4, 12, True, 5), (4, 13, False, 7), (5, 10, False, 6)],
)
def test_uniform_in_real_positions(players, cards, turned_up, seats):
    """Ends of random rounds, within a trick or at its beginning, whoever looks on."""
    game = Blob(players, cards, turned_up=turned_up)
    beliefs = BlobBeliefs(game)
    length = players * (cards + 1)
    states = played(game, np.arange(24), length - 2 - np.arange(24) % seats)
    tried = within_trick = 0
    for row, views in enumerate(views_of(game, states)):
        view = views[row % players]
        deals = all_deals(view)
        if not 1 < len(deals) <= 1500:
            continue
        draws = 20 * len(deals) + 2000
        worlds = beliefs.sample(views[row % players : row % players + 1], None, np.array([row]), draws)[0]
        seen = Counter(map(tuple, relative_hands(view, worlds).tolist()))
        assert set(seen) <= set(deals)
        assert chisquare([seen[deal] for deal in deals]).pvalue > ALMOST_NEVER
        tried += 1
        within_trick += view["num_plays"] % players > 0
    assert tried >= 8 and within_trick >= 3


@pytest.mark.parametrize("players, turned_up", [(3, False), (3, True), (4, True)])
def test_no_bias_by_seat_and_the_stock_is_dealt_to(players, turned_up):
    """One card each before the first bid: any unseen card is as likely with any seat; most are stock."""
    game = Blob(players, 1, turned_up=turned_up)
    views = own_views(game, played(game, [3], [1]))
    draws = 60_000
    hands = relative_hands(views[0], BlobBeliefs(game).sample(views, None, np.array([5]), draws)[0])
    unseen = [1 << card for card in cards_of(deduce(views).unseen[0])]
    assert len(unseen) == 51 - turned_up and deduce(views).stock[0] == len(unseen) - (players - 1)
    for seat in range(players - 1):
        seen = Counter(hands[:, seat].tolist())
        assert set(seen) == set(unseen)
        assert chisquare([seen[card] for card in unseen]).pvalue > ALMOST_NEVER
    if players == 3:
        pairs = Counter(map(tuple, hands.tolist()))
        assert chisquare([pairs[a, b] for a in unseen for b in unseen if a != b]).pvalue > ALMOST_NEVER


@pytest.mark.parametrize(
    "players, cards, actions", [(4, 5, 15), (4, 13, 34), (5, 10, 32), (6, 8, 28), (8, 6, 30)]
)
def test_as_likely_as_counted_in_the_middle_of_a_round(players, cards, actions):
    """Every card with every seat, against an independent count with whole numbers."""
    game = Blob(players, cards)
    views = own_views(game, played(game, np.arange(4), np.full(4, actions)))
    assert (views["voids"] != 0).any(axis=1).sum() >= 2
    draws = 6000
    worlds = BlobBeliefs(game).sample(views, None, np.arange(4), draws)
    for view, row in zip(views, worlds, strict=True):
        hands = relative_hands(view, row)
        for (seat, suit), chance in holding_chances(view).items():
            for card in cards_of(deduce(view[None]).unseen[0]):
                if card // 13 == suit:
                    often = (hands[:, seat - 1] >> card & 1).mean()
                    assert abs(often - chance) <= 5.5 * np.sqrt(chance * (1 - chance) / draws), (seat, card)


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


def check_hands(drawn, states):
    together = np.bitwise_or.reduce(drawn["hand"], axis=1)
    sizes = np.bitwise_count(drawn["hand"])
    np.testing.assert_array_equal(sizes, np.bitwise_count(states["hand"]))
    np.testing.assert_array_equal(np.bitwise_count(together), sizes.sum(axis=1))  # no card twice
    for state, cards in zip(states, together, strict=True):
        gone = {int(card) for card in state["plays"][: state["num_plays"]]} | {int(state["turned"])}
        assert not gone & set(cards_of(cards))


def check_voids(drawn, views):
    """From the cards on the table, the trick that is being played included."""
    for state, view in zip(drawn, views, strict=True):
        for seat, voids in enumerate(voids_by_hand(view)):
            hand = state["hand"][(view["me"] + seat) % view["players"]]
            assert not voids & {card // 13 for card in cards_of(hand)}


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


def play(game, states, actions):
    illegal = np.zeros((len(states), game.players), np.uint8)
    for action in actions:
        game.step(states, np.full((len(states), game.players), action, np.int32), illegal)
        assert not illegal.any()


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
    from strategos.games.kuhn.game import Kuhn

    with pytest.raises(ValueError, match="kuhn"):
        make_beliefs(Kuhn())


# Reweighing


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
    assert set(asked) == {
        (1, 0),
        (2, 1),
        (1, 3),
    }  # seat 2 must follow with its only spade; its last card is forced
