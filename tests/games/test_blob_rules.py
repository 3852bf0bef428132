"""Blob by hand: bidding, following suit, trumps, scores, the sequence of a game, what is refused."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from strategos.games import make_game
from strategos.games.blob import Blob
from strategos.games.blob.notation import parse_state
from strategos.games.blob.record import BID, NO_TRUMP, NUM_ACTIONS, card_id, card_name


def position(text: str) -> np.ndarray:
    return np.array([parse_state(text)])


def game_of(states: np.ndarray) -> Blob:
    return Blob(int(states["players"][0]), int(states["cards"][0]))


def play(states: np.ndarray, *names: str) -> np.ndarray:
    """Play cards (`SA`) and bids (`2`) by name, all legal."""
    game = game_of(states)
    for name in names:
        action = BID + int(name) if name.isdecimal() else card_id(name)
        illegal = np.zeros((1, game.players), np.uint8)
        game.step(states, np.full((1, game.players), action, np.int32), illegal)
        assert not illegal.any(), name
    return states


def legal(states: np.ndarray) -> set[str]:
    """What the seat to move may do, by name."""
    game = game_of(states)
    masks = np.zeros((1, game.players, game.spec.mask_bytes), np.uint8)
    game.legal(states, masks)
    bits = np.unpackbits(masks[0], axis=-1, bitorder="little", count=NUM_ACTIONS)
    if not states["over"][0]:
        assert bits.any(axis=-1).tolist() == [seat == states["turn"][0] for seat in range(game.players)]
    return {str(a - BID) if a >= BID else card_name(int(a)) for a in np.flatnonzero(bits.any(axis=0))}


DEAL = """
    trump H  dealer 2
    seat 0  S:AK  C:2
    seat 1  S:3   H:2 D:7
    seat 2  C:AKQ
"""


def test_bids_go_from_the_dealers_left_and_the_dealer_may_not_make_the_total() -> None:
    states = position(DEAL)
    assert states["turn"][0] == 0 and legal(states) == {"0", "1", "2", "3"}
    play(states, "1", "1")
    assert states["turn"][0] == 2 and legal(states) == {"0", "2", "3"}
    assert legal(play(position(DEAL), "3", "0")) == {"1", "2", "3"}
    assert legal(play(position(DEAL), "0", "0")) == {"0", "1", "2"}
    assert legal(play(position(DEAL), "2", "2")) == {"0", "1", "2", "3"}  # nothing would make three


def test_suit_is_followed_trumps_win_and_the_winner_leads() -> None:
    states = play(position(DEAL), "2", "1", "3")
    assert legal(states) == {"SA", "SK", "C2"}
    play(states, "SA")
    assert legal(states) == {"S3"}
    play(states, "S3")
    assert legal(states) == {"CA", "CK", "CQ"}  # no spade, so anything
    play(states, "CA")
    assert states["turn"][0] == 0 and states["tricks"][0, :3].tolist() == [1, 0, 0]
    assert states["voids"][0, :3].tolist() == [0, 0, 0b1]
    play(states, "C2", "H2", "CK")  # the two of trumps beats the king of the suit led
    assert states["turn"][0] == 1 and states["voids"][0, :3].tolist() == [0, 0b100, 0b1]
    play(states, "D7", "CQ", "SK")  # neither follows
    assert states["over"][0] and states["turn"][0] == -1 and legal(states) == set()
    assert states["tricks"][0, :3].tolist() == [1, 2, 0]
    assert states["scores"][0, :3].tolist() == [0, 0, 0]


@pytest.mark.parametrize(
    ("trump", "winner"), [("S", 2), ("H", 1), ("C", 3), ("D", 0), ("none", 0)], ids=lambda value: str(value)
)
def test_the_highest_trump_or_the_highest_of_the_suit_led_wins(trump: str, winner: int) -> None:
    states = position(f"trump {trump}\ndealer 3\nseat 0 D:T\nseat 1 H:2\nseat 2 S:A\nseat 3 C:2\n")
    play(states, "0", "0", "0", "0", "DT", "H2", "SA", "C2")
    assert np.flatnonzero(states["tricks"][0]).tolist() == [winner]
    assert states["scores"][0, :4].tolist() == [0 if seat == winner else 10 for seat in range(4)]


@pytest.mark.parametrize(
    ("scoring", "scores"), [("exact", [0, 11, 0]), ("tricks_plus_bonus", [1, 11, 0])], ids=["exact", "bonus"]
)
def test_scores_and_returns(scoring: str, scores: list[int]) -> None:
    text = f"scoring {scoring}\ntrump none\ndealer 2\nseat 0 S:A C:3\nseat 1 S:2 C:A\nseat 2 S:3 D:2"
    states = play(position(text), "2", "1", "2", "SA", "S2", "S3", "C3", "CA", "D2")
    assert states["scores"][0, :3].tolist() == scores == states["last_scores"][0, :3].tolist()
    returns = np.zeros((1, 3), np.float32)
    game_of(states).returns(states, returns)
    np.testing.assert_allclose(returns[0], (np.array(scores) - np.mean(scores)) / 12, atol=1e-6)


def test_a_whole_game_goes_down_and_up_with_trump_and_dealer_by_round() -> None:
    game = make_game("blob", players=5, cards=7, rounds="all")
    states = np.zeros(1, game.state_dtype)
    actions, illegal = np.zeros((1, 5), np.int32), np.zeros((1, 5), np.uint8)
    game.reset(states, np.array([3]))
    rounds, totals = [], np.zeros(5, np.int64)
    while not game.over(states)[0]:
        state = states[0].copy()
        if state["num_bids"] == 0:
            rounds.append((int(state["cards"]), int(state["trump"]), int(state["dealer"])))
            totals += state["last_scores"][:5]
            assert (state["scores"][:5] == totals).all()
        game.play_randomly(states, actions, illegal)
    assert [cards for cards, _, _ in rounds] == [7, 6, 5, 4, 3, 2, 1, 1, 1, 1, 1, 2, 3, 4, 5, 6, 7]
    assert [trump for _, trump, _ in rounds] == [number % 5 for number in range(17)]
    assert all((after - before) % 5 == 1 for (_, _, before), (_, _, after) in pairwise(rounds))
    assert (states["scores"][0, :5] == totals + states["last_scores"][0, :5]).all()
    assert states["tick"][0] == game.spec.max_ticks


def test_ties_share_the_rank_of_a_whole_game() -> None:
    game = make_game("blob", players=4, cards=2, rounds="all")
    states, returns = np.zeros(3, game.state_dtype), np.zeros((3, 4), np.float32)
    game.reset(states, np.arange(3))
    states["over"] = 1
    states["scores"][:, :4] = [[30, 30, 10, 0], [5, 5, 5, 5], [0, 1, 2, 3]]
    game.returns(states, returns)
    expected = [[2 / 3, 2 / 3, -1 / 3, -1], [0, 0, 0, 0], [-1, -1 / 3, 1 / 3, 1]]
    np.testing.assert_allclose(returns, expected, atol=1e-6)


def test_a_whole_game_is_saved_and_resumed_between_any_two_actions() -> None:
    game = make_game("blob", players=4, cards=4, rounds="all")
    states = np.zeros(1, game.state_dtype)
    actions, illegal = np.zeros((1, 4), np.int32), np.zeros((1, 4), np.uint8)
    game.reset(states, np.array([8]))
    saved = [states.tobytes()]
    while not game.over(states)[0]:
        game.play_randomly(states, actions, illegal)
        saved.append(states.tobytes())
    assert len(saved) == game.spec.max_ticks + 1
    resumed = np.frombuffer(b"".join(saved), game.state_dtype).copy()
    make_game("blob", players=4, cards=4, rounds="all").playout(resumed, game.spec.max_ticks)
    assert {state.tobytes() for state in resumed} == {states[0].tobytes()}


def test_a_malformed_action_is_marked_and_played_as_the_lowest_legal_one() -> None:
    """Trap 3."""
    start = play(position(DEAL), "2", "1", "3", "SA")
    for first, wrong in ((position(DEAL), (0, 51, 56, 69)), (start, (13, 21, 40, 53, 52))):
        lowest = game_of(first)
        masks = np.zeros((1, 3, 9), np.uint8)
        lowest.legal(first, masks)
        choice = int(np.flatnonzero(np.unpackbits(masks[0].max(axis=0), bitorder="little"))[0])
        seat, expected = int(first["turn"][0]), first.copy()
        lowest.step(expected, np.full((1, 3), choice, np.int32), np.zeros((1, 3), np.uint8))
        for action in (*wrong, -1, 70, 64 + choice, 2**31 - 1, -(2**31)):
            states, illegal = first.copy(), np.full((1, 3), 9, np.uint8)
            actions = np.full((1, 3), choice, np.int32)
            actions[0, seat] = action
            lowest.step(states, actions, illegal)
            assert illegal[0].tolist() == [other == seat for other in range(3)], action
            assert states.tobytes() == expected.tobytes()


def test_a_finished_game_does_not_change() -> None:
    """Trap 4."""
    game = make_game("blob", players=3, cards=2)
    states = np.zeros(8, game.state_dtype)
    game.reset(states, np.arange(8))
    game.playout(states, 100)
    assert game.over(states).all()
    ended = states.tobytes()
    actions, illegal = np.zeros((8, 3), np.int32), np.full((8, 3), 9, np.uint8)
    for action in (-1, 0, 52, 70):
        game.step(states, np.full((8, 3), action, np.int32), illegal)
        assert not illegal.any()
    game.random_actions(states, actions)
    game.play_randomly(states, actions, illegal)
    game.playout(states, 5)
    assert states.tobytes() == ended


def test_deals_trumps_and_dealers_are_uniform() -> None:
    game = make_game("blob", players=3, cards=3, min_cards=2, turned_up=False)
    states = np.zeros(50_000, game.state_dtype)
    game.reset(states, np.arange(50_000) * 7 - 90)

    def chi_square(values: np.ndarray, kinds: int) -> float:
        expected = len(values) / kinds
        return float(((np.bincount(values, minlength=kinds) - expected) ** 2 / expected).sum())

    assert chi_square(states["trump"], 5) < 18.5  # p = 0.001, four degrees of freedom
    assert chi_square(states["dealer"], 3) < 13.9
    assert chi_square(states["cards"] - 2, 2) < 10.9
    three = states[states["cards"] == 3]
    held = np.unpackbits(
        three["hand"][:, :3].astype("<i8").view(np.uint8).reshape(-1, 3, 8), axis=-1, bitorder="little"
    )
    assert (held.sum(axis=-1) == 3).all() and (held.sum(axis=1) <= 1).all() and not held[..., 52:].any()
    share = held[..., :52].mean(axis=0)  # of deals in which the seat holds the card: 3 / 52
    deviations = (share - 3 / 52) / np.sqrt(3 / 52 * 49 / 52 / len(three))
    assert np.abs(deviations).max() < 4.5


def test_random_actions_are_uniform_over_the_legal_ones() -> None:
    states = np.repeat(play(position(DEAL), "2", "1", "3"), 30_000)
    states["key"] = np.arange(30_000)
    game, actions = game_of(states), np.zeros((30_000, 3), np.int32)
    game.random_actions(states, actions)
    cards, counts = np.unique(actions[:, 0], return_counts=True)
    assert {card_name(int(card)) for card in cards} == {"SA", "SK", "C2"}
    assert np.abs(counts - 10_000).max() < 400


def test_a_round_is_played_from_given_hands() -> None:
    game = Blob(3, 2)
    states = np.zeros(2, game.state_dtype)
    game.reset(states, np.array([5, 6]))
    hands = [[card_id(name) for name in pair.split()] for pair in ("SA H2", "S2 D9", "CT DA")]
    game.deal(states, hands, NO_TRUMP, dealer=0)
    assert states["key"].tolist() == [5, 6] and states["turn"].tolist() == [1, 1]
    assert legal(play(states[:1], "0", "0", "1")) == {"S2", "D9"}
    turned = card_id("C3")
    game.deal(states, hands, 2, dealer=1, turned=turned)
    assert states["turned"].tolist() == [turned] * 2 and states["trump"].tolist() == [2, 2]
    assert states["num_plays"].tolist() == [0, 0] and not (states["plays"] >= 0).any()


@pytest.mark.parametrize(
    ("hands", "trump", "dealer", "turned", "message"),
    [
        ([[1], [2]], 0, 0, -1, "3 hands of the same number"),
        ([[1], [2], [3, 4]], 0, 0, -1, "same number"),
        ([[], [], []], 0, 0, -1, "same number"),
        ([[1, 2, 3], [4, 5, 6], [7, 8, 9]], 0, 0, -1, "needed, 1 to 2, not"),
        ([[1], [2], [1]], 0, 0, -1, "dealt twice"),
        ([[1], [2], [52]], 0, 0, -1, "0 to 51"),
        ([[1], [2], [3]], 5, 0, -1, "no trump 5"),
        ([[1], [2], [3]], 0, 3, -1, "dealer 3"),
        ([[1], [2], [3]], 0, 0, 3, "turned up"),
        ([[1], [2], [3]], 0, 0, 20, "turned up"),
    ],
)
def test_an_impossible_deal_is_refused(hands, trump, dealer, turned, message) -> None:
    game = Blob(3, 2)
    states = np.zeros(1, game.state_dtype)
    game.reset(states, np.array([5]))
    before = states.tobytes()
    with pytest.raises(ValueError, match=message):
        game.deal(states, hands, trump, dealer, turned)
    assert states.tobytes() == before


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"players": 2}, "3 to 8 players"),
        ({"players": 9, "cards": 1}, "3 to 8 players"),
        ({"players": 8, "cards": 7}, "1 to 6 cards"),
        ({"cards": 0}, "1 to 13 cards"),
        ({"rounds": "both"}, "'one' or 'all'"),
        ({"min_cards": 6}, "from 1 to cards"),
        ({"rounds": "all", "trump": "S"}, "own sequence"),
        ({"trump": "SH"}, "S, H, C, D or none"),
        ({"dealer": 4}, "seat from 0 to 3"),
        ({"cards": 13, "turned_up": True}, "left in the stock"),
        ({"scoring": "minus"}, "exact, tricks_plus_bonus"),
        ({"colour": 1}, "colour"),
    ],
)
def test_an_impossible_option_is_refused_by_name(options: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make_game("blob", **options)
