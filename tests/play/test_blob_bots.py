"""The heuristic player of Blob: always legal, alike alone and in a batch, blind to hidden cards, strong."""

import numpy as np
import pytest

from strategos.engine.batch import Batch
from strategos.games.blob import Blob
from strategos.games.blob.record import BID, NO_TRUMP, RANKS, SUITS, card_id
from strategos.games.generals.game import Generals
from strategos.games.rng import derive
from strategos.play.blob_bots import HeuristicBot
from strategos.play.bots import BOTS, RandomBot

TABLES = {
    "4 x 5": Blob(4, 5),
    "3 x 17": Blob(3, 17),
    "8 x 6": Blob(8, 6, turned_up=True),
    "4 x 13": Blob(4, 13, scoring="tricks_plus_bonus"),
    "a whole game": Blob(5, 3, rounds="all"),
}


class CountingBot:
    """The simpler player: bids its aces and its trump kings and queens, then plays high until it has them."""

    name = "counting"

    def act(self, views, masks, memories, rng):
        """Choose actions [B]; see `Policy.act`."""
        actions = np.zeros(len(views), np.int32)
        for row, view in enumerate(views):
            legal = np.flatnonzero(np.unpackbits(masks[row], bitorder="little"))
            if not len(legal):
                continue
            if legal[0] >= BID:
                hand = [card for card in range(52) if int(view["hand"]) >> card & 1]
                sure = sum(
                    card % 13 == 12 or (card // 13 == view["trump"] and card % 13 >= 10) for card in hand
                )
                actions[row] = min(legal, key=lambda action: abs(action - BID - sure))
            else:
                rank = legal % 13 + 13 * (legal // 13 == view["trump"])
                more = view["tricks"][0] < view["bids"][0]
                actions[row] = legal[rank.argmax() if more else rank.argmin()]
        return actions


def play(game, policies, seeds):
    """Scores [B, P] of one game a seed; policy p sits on seat p; and bids exactly made [B, P]."""
    batch = Batch(game, len(seeds), threads=1)
    batch.reset(seeds=np.asarray(seeds))
    seen, rng = batch.observation, np.random.default_rng(3)
    actions = np.zeros((len(seeds), game.players), np.int32)
    while not game.over(batch.states).all():
        for seat, policy in enumerate(policies):
            rows = np.flatnonzero(seen.masks[:, seat].any(axis=1))
            if len(rows):
                actions[rows, seat] = policy.act(seen.views[rows, seat], seen.masks[rows, seat], None, rng)
        batch.step(actions)
        assert not batch.illegal.any()
    states, players = batch.states, game.players
    return states["scores"][:, :players], (states["bids"] == states["tricks"])[:, :players]


def advantage(game, player, field, deals, seed):
    """Mean points of `player` above the mean of `field`, and its standard error: one of the player, on every
    seat of every deal."""
    seeds = np.array([derive(seed, deal) for deal in range(deals)])
    total = np.zeros(deals)
    for seat in range(game.players):
        seated = [player if other == seat else field for other in range(game.players)]
        scores, _ = play(game, seated, seeds)
        others = np.delete(scores, seat, axis=1)
        total += scores[:, seat] - others.mean(axis=1)
    total /= game.players
    return total.mean(), total.std(ddof=1) / np.sqrt(deals)


def test_it_is_listed_by_name():
    assert BOTS["heuristic"]().name == "heuristic"


@pytest.mark.parametrize("name", TABLES)
def test_never_an_illegal_action(name):
    """Against random moves, so that hopeless and odd positions come up too."""
    game = TABLES[name]
    batch = Batch(game, 60, seed=5, threads=1, autoreset="same_step")
    batch.reset()
    seen, bot, rng = batch.observation, HeuristicBot(), np.random.default_rng(0)
    actions = np.zeros((60, game.players), np.int32)
    for tick in range(2 * game.spec.max_ticks):
        batch.random_actions(actions)
        for seat in range(game.players):
            chosen = bot.act(seen.views[:, seat], seen.masks[:, seat], None, rng)
            assert chosen.dtype == np.int32 and chosen.shape == (60,)
            legal = np.unpackbits(seen.masks[:, seat], axis=-1, bitorder="little")
            asked = legal.any(axis=1)
            assert legal[asked, chosen[asked]].all() and not chosen[~asked].any()
            if tick % 3:
                actions[asked, seat] = chosen[asked]
        batch.step(actions)
        assert not batch.illegal.any()


def test_a_row_is_answered_alike_alone_and_in_any_batch():
    batch = Batch(TABLES["8 x 6"], 30, seed=8, threads=1)
    batch.reset()
    seen, bot, rng = batch.observation, HeuristicBot(), np.random.default_rng(0)
    for _ in range(40):
        views, masks = seen.views.reshape(-1), seen.masks.reshape(-1, seen.masks.shape[-1])
        before = views.tobytes(), masks.tobytes()
        together = bot.act(views, masks, None, rng)
        assert (views.tobytes(), masks.tobytes()) == before
        alone = [
            int(bot.act(views[row : row + 1], masks[row : row + 1], None, rng)[0]) for row in range(0, 240, 7)
        ]
        assert together[::7].tolist() == alone
        batch.step_randomly()
    assert len(bot.act(views[:0], masks[:0], None, rng)) == 0


def test_another_game_is_refused_in_one_line():
    batch = Batch(Generals(6, 6, 2), 1, seed=1)
    batch.reset()
    seen = batch.observation
    with pytest.raises(ValueError, match="heuristic plays blob and no other game; take a bot of this game"):
        HeuristicBot().act(seen.views[:, 0], seen.masks[:, 0], seen.memories[:, 0], np.random.default_rng(0))


def cards(text):
    return [card_id(word) for word in text.split()]


def dealt(hands, trump, dealer):
    """A round of three from hands given as text, all after `hands[0]` filled from what is left."""
    size = len(hands[0].split())
    given = [cards(hand) for hand in hands]
    rest = iter(sorted(set(range(52)) - {card for hand in given for card in hand}))
    while len(given) < 3:
        given.append([next(rest) for _ in range(size)])
    game = Blob(3, size)
    batch = Batch(game, 1, threads=1)
    batch.reset()
    game.deal(batch.states, given, NO_TRUMP if trump == "none" else SUITS.index(trump), dealer)
    batch.observe()
    return batch


def answer(batch, seat=0):
    seen = batch.observation
    action = HeuristicBot().act(seen.views[:, seat], seen.masks[:, seat], None, np.random.default_rng(0))[0]
    return int(action)


def make(batch, *actions):
    for action in actions:
        each = np.zeros((1, 3), np.int32)
        each[0, batch.states["turn"][0]] = action
        batch.step(each)
        assert not batch.illegal.any()


@pytest.mark.parametrize(
    ("hand", "trump", "bid"),
    [
        ("SA SK SQ", "S", 3),
        ("SA H2 C3", "S", 1),
        ("H2 C3 D2", "S", 0),
        ("HA", "H", 1),
        ("H2", "S", 0),
        ("SA SK SQ SJ ST S9 S8 S7 S6", "S", 9),
    ],
)
def test_it_bids_what_the_hand_is_worth(hand, trump, bid):
    assert answer(dealt([hand], trump, dealer=2)) == BID + bid


def test_the_same_cards_are_worth_less_where_the_others_bid_much():
    """The ten of trumps, after the bids of two others: none, or all there are."""
    bids = []
    for others in ((0, 0), (2, 2)):
        batch = dealt(["ST C9"], "S", dealer=0)
        make(batch, *(BID + bid for bid in others))
        bids.append(answer(batch) - BID)
    assert bids[0] > bids[1]


def bid_and_play(hand, trump, bids, *plays, others=()):
    """Seat 0's answer after the bids and the plays; seat 0 leads when nothing was played (dealer 2)."""
    dealer = {0: 2, 1: 1, 2: 0}[len(plays)]
    batch = dealt([hand, *others], trump, dealer)
    order = [(dealer + 1 + place) % 3 for place in range(3)]
    make(batch, *(BID + bids[seat] for seat in order))
    make(batch, *(card_id(card) for card in plays))
    card = answer(batch)
    return SUITS[card // 13] + RANKS[card % 13]


def test_last_to_play_wins_as_cheaply_as_it_can():
    others = ("H9 C2 C3", "HT C4 C5")
    assert bid_and_play("HJ HK HA", "S", (3, 1, 1), "H9", "HT", others=others) == "HJ"


def test_last_to_play_ducks_with_its_highest_losing_card():
    others = ("HQ C2 C3", "HT C4 C5")
    assert bid_and_play("H2 HJ HA", "S", (0, 1, 1), "HQ", "HT", others=others) == "HJ"


def test_out_of_the_suit_it_throws_its_most_dangerous_card():
    others = ("HQ C2 C3", "HT C4 C5")
    assert bid_and_play("D2 DA C9", "S", (0, 1, 1), "HQ", "HT", others=others) == "DA"


def test_it_ruffs_only_when_it_needs_the_trick():
    others = ("HQ C2 C3", "HT C4 C5")
    assert bid_and_play("S2 D3 C9", "S", (1, 2, 1), "HQ", "HT", others=others) == "S2"
    assert bid_and_play("S2 D3 C9", "S", (0, 1, 1), "HQ", "HT", others=others) != "S2"


def test_it_leads_a_sure_card_when_it_needs_every_trick():
    assert bid_and_play("SA C2", "S", (2, 0, 1)) == "SA"


def test_it_is_blind_to_the_hands_of_the_others():
    """Trap 1: everything hidden is dealt anew, the answer stays."""
    game = TABLES["4 x 5"]
    batch = Batch(game, 50, seed=3, threads=1)
    batch.reset()
    rng, bot = np.random.default_rng(0), HeuristicBot()
    for _ in range(game.spec.max_ticks - 1):
        seat = batch.states["turn"][:, None]
        views = np.take_along_axis(batch.observation.views, seat, 1)[:, 0]
        masks = np.take_along_axis(batch.observation.masks, seat[:, :, None], 1)[:, 0]
        changed = batch.states.copy()
        for row in range(50):
            shuffle_hidden(changed[row], rng)
        others, legal = np.zeros((50, 4), game.view_dtype), np.zeros((50, 4, 9), np.uint8)
        game.view(changed, others)
        game.legal(changed, legal)
        hidden = (
            np.take_along_axis(others, seat, 1)[:, 0],
            np.take_along_axis(legal, seat[:, :, None], 1)[:, 0],
        )
        assert bot.act(views, masks, None, rng).tolist() == bot.act(*hidden, None, rng).tolist()
        batch.step_randomly()


def shuffle_hidden(state, rng):
    """Deal what the seat to move does not see anew: the other hands and the stock."""
    me = int(state["turn"])
    played = state["plays"][: state["num_plays"]]
    mine = {card for card in range(52) if int(state["hand"][me]) >> card & 1}
    unseen = list(set(range(52)) - mine - {int(card) for card in played})
    rng.shuffle(unseen)
    for seat in range(int(state["players"])):
        if seat != me:
            size = int(state["hand"][seat]).bit_count()
            taken, unseen = unseen[:size], unseen[size:]
            state["hand"][seat] = sum(1 << card for card in taken)


@pytest.mark.parametrize("name", ["4 x 5", "3 x 17", "8 x 6"])
@pytest.mark.parametrize("field", [RandomBot(), CountingBot()], ids=["random", "counting"])
def test_it_beats_simpler_players(name, field):
    """Paired deals, every seat: the 95 % interval of its points above the others' mean is clear of zero."""
    mean, error = advantage(TABLES[name], HeuristicBot(), field, deals=120, seed=7)
    assert mean - 1.96 * error > 0, (mean, error)


def test_one_simpler_player_among_four_does_worse():
    mean, error = advantage(TABLES["4 x 5"], CountingBot(), HeuristicBot(), deals=150, seed=8)
    assert mean + 1.96 * error < 0, (mean, error)


@pytest.mark.parametrize("name", ["4 x 5", "4 x 13", "3 x 17"])
def test_its_bids_come_true_on_average(name):
    """Copies of it bid about as many tricks as they take, in long hands too."""
    batch = Batch(TABLES[name], 400, threads=1)
    batch.reset(seeds=np.arange(400))
    players = batch.game.players
    seen, rng, bot = batch.observation, np.random.default_rng(0), HeuristicBot()
    actions = np.zeros((400, players), np.int32)
    while not batch.terminated.all():
        for seat in range(players):
            actions[:, seat] = bot.act(seen.views[:, seat], seen.masks[:, seat], None, rng)
        batch.step(actions)
    error = batch.states["bids"][:, :players] - batch.states["tricks"][:, :players].astype(int)
    assert abs(error.mean()) < 0.4


def test_it_makes_its_bid_as_often_as_a_good_player():
    """Four copies, 4 players and 5 cards; a chance player makes one bid in six."""
    seeds = np.arange(1500)
    _, exact = play(TABLES["4 x 5"], [HeuristicBot()] * 4, seeds)
    assert exact.mean() > 0.45
