"""Card networks: the features against a slow twin, the names of suits, seats that do not exist."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from strategos.games.blob import Blob
from strategos.games.blob.record import BID, DECK, NO_TRUMP, NUM_ACTIONS
from strategos.nets import card_features as layout
from strategos.nets.cards import CardNet, CardNetConfig, encode_cards

GAMES = [
    Blob(4, 5),
    Blob(3, 17, min_cards=2),
    Blob(8, 6, turned_up=True, min_cards=1),
    Blob(5, 3, trump="none", scoring="tricks_plus_bonus"),
]
CONFIGS = {
    "mlp": CardNetConfig("mlp", width=32, layers=2),
    "tokens": CardNetConfig("tokens", width=16, layers=2, heads=2),
    "recurrent": CardNetConfig("recurrent", width=32, layers=1),
}


def positions(game: Blob, count: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """States at random moments of a round, and the mover's views and masks."""
    rng = np.random.default_rng(seed)
    states = np.zeros(count, game.state_dtype)
    game.reset(states, rng.integers(0, 2**60, count))
    for index in range(count):
        game.playout(
            states[index : index + 1], int(rng.integers(0, game.players * (1 + states["cards"][index])))
        )
    views = np.zeros((count, game.players), game.view_dtype)
    masks = np.zeros((count, game.players, game.spec.mask_bytes), np.uint8)
    game.observe(states, views, masks, np.zeros((0, game.players), game.memory_dtype))
    rows = np.arange(count)
    return states, views[rows, states["turn"]], masks[rows, states["turn"]]


def make_net(config: CardNetConfig) -> CardNet:
    torch.manual_seed(0)
    net = CardNet(config)
    with torch.no_grad():
        for parameter in net.parameters():  # an untrained policy is uniform, which would hide mistakes
            parameter.add_(0.05 * torch.randn_like(parameter))
    return net


def slots_of(view) -> dict[int, int]:
    """Suit to slot, by sorting: trump, then length, then the cards held, then those not seen."""
    seen = int(view["hand"]) | sum(1 << int(card) for card in view["plays"][: view["num_plays"]])
    seen |= 0 if view["turned"] < 0 else 1 << int(view["turned"])

    def key(suit: int):
        mine = int(view["hand"]) >> 13 * suit & 8191
        return suit != view["trump"], -mine.bit_count(), -mine, -(~(seen >> 13 * suit) & 8191), suit

    return {suit: slot for slot, suit in enumerate(sorted(range(4), key=key))}


def slow_features(view, mask) -> dict[str, float]:
    """The twin: every feature that is not 0, by name."""
    found: dict[str, float] = {}
    slots = slots_of(view)
    players, cards, num_plays = int(view["players"]), int(view["cards"]), int(view["num_plays"])
    legal = {int(action) for action in np.flatnonzero(np.unpackbits(mask, bitorder="little"))}
    hand = {card for card in range(DECK) if int(view["hand"]) >> card & 1}
    plays = [int(card) for card in view["plays"][:num_plays]]
    seats = [(int(view["leaders"][at // players]) + at % players) % players for at in range(num_plays)]
    unseen = set(range(DECK)) - hand - set(plays) - {int(view["turned"])}
    table = list(zip(plays, seats, strict=True))[num_plays - num_plays % players :]

    def strength(card: int) -> tuple[bool, bool, int]:
        led = table[0][0] // 13 if table else card // 13
        return card // 13 == view["trump"], card // 13 == led, card % 13

    def put(plane: str, card: int, value: float = 1) -> None:
        found[f"{plane} {slots[card // 13]} {card % 13}"] = value

    for card in unseen:
        put("unseen", card)
    for card in hand:
        put("hand", card)
        put("higher", card, sum(c // 13 == card // 13 and c > card for c in unseen) / 12)
    for card in legal & set(range(DECK)):
        put("legal", card)
        put("takes", card, all(strength(card) > strength(other) for other, _ in table))
    for card, seat in zip(plays, seats, strict=True):
        put(f"played_{seat}", card)
    for card, _ in table:
        put("table", card)
    winner = max(table, key=lambda each: strength(each[0]))[1] if table else None
    bids = [int(bid) for bid in view["bids"][:players]]
    for seat in range(players):
        bid, tricks = bids[seat], int(view["tricks"][seat])
        facts = {
            "exists": 1,
            "dealer": seat == view["dealer"],
            "to_move": seat == view["turn"],
            "leads": bool(table) and seat == table[0][1],
            "winning": seat == winner,
            "to_play": bool(table) and seat not in [other for _, other in table],
            "tricks": tricks / cards,
            "size": view["sizes"][seat] / cards,
        }
        if bid >= 0:
            facts |= {"has_bid": 1, "bid": bid / cards, "needed": (bid - tricks) / cards}
            facts |= {f"bid_{min(bid, 7)}": 1, f"needed_{min(max(bid - tricks, -1), 6)}": 1}
        facts |= {f"void_{slots[suit]}": view["voids"][seat] >> suit & 1 for suit in range(4)}
        for card, other in table:
            if other == seat:
                facts |= {f"table_suit_{slots[card // 13]}": 1, "table_rank": (card % 13 + 1) / 13}
                facts["table_trump"] = card // 13 == view["trump"]
        found |= {f"seat {seat} {name}": float(value) for name, value in facts.items()}
    for action in legal - set(range(DECK)):
        found[f"bid legal {action - BID}"] = 1
    made = [bid for bid in bids if bid >= 0]
    if len(made) == players - 1 and sum(made) <= cards:
        found[f"bid forbidden {cards - sum(made)}"] = 1
    left = cards - num_plays // players
    wanted = sum(max(bid - int(view["tricks"][seat]), 0) for seat, bid in enumerate(bids) if bid >= 0)
    found |= {f"cards_{cards}": 1, f"players_{players}": 1, f"place_{len(table)}": 1, "cards": cards / 17}
    found |= {"no_trump": view["trump"] == NO_TRUMP, "bidding": len(made) < players}
    found |= {"plus_bonus": float(view["scoring"]), "tricks_left": left / cards, "unseen": len(unseen) / DECK}
    found |= {"stock": (DECK - players * cards) / DECK, "bid_total": sum(made) / cards}
    found |= {"bids_to_come": 1 - len(made) / players, "tricks_wanted": (wanted - left) / cards}
    if table:
        found[f"led_{slots[table[0][0] // 13]}"] = 1
    if view["turned"] >= 0:
        found[f"turned_{int(view['turned']) % 13}"] = 1
    return {name: float(value) for name, value in found.items() if value}


def column_names() -> list[str]:
    names = [
        f"{plane} {slot} {rank}" for plane in layout.CARD_PLANES for slot in range(4) for rank in range(13)
    ]
    names += [f"seat {seat} {name}" for seat in range(8) for name in layout.SEAT_FEATURES]
    names += [f"bid {plane} {bid}" for plane in ("legal", "forbidden") for bid in range(18)]
    return names + list(layout.ROUND_FEATURES)


@pytest.mark.parametrize("game", GAMES, ids=lambda game: f"{game.players}x{game.cards}")
def test_the_features_equal_their_slow_twin(game):
    _, views, masks = positions(game, 150, seed=3)
    names = column_names()
    assert len(names) == layout.FEATURES
    for view, mask, row in zip(views, masks, encode_cards(views, masks).numpy(), strict=True):
        found = {names[column]: row[column] for column in np.flatnonzero(row[: layout.FEATURES])}
        assert found == pytest.approx(slow_features(view, mask), abs=1e-6)
        slots = row[layout.SLOTS_AT : layout.ORDER_AT]
        assert slots.tolist() == [slots_of(view)[suit] for suit in range(4)]
        count = int(view["num_plays"])
        order = row[layout.ORDER_AT :].reshape(2, DECK)
        assert (order[:, count:] == -1).all()
        cards = [slots_of(view)[int(card) // 13] * 13 + int(card) % 13 for card in view["plays"][:count]]
        assert order[0, :count].tolist() == cards


def test_a_used_row_keeps_nothing():
    _, views, masks = positions(GAMES[1], 60, seed=4)
    rows = np.full((60, layout.INPUTS), np.nan, np.float32)
    layout.write_card_features(views, masks, rows)
    assert np.array_equal(rows, encode_cards(views, masks).numpy())


def rename_suits(view, mask, to: list[int]):
    """The same position with suit s called `to[s]`."""
    view, mask = view.copy(), mask.copy()

    def renamed(cards: int) -> int:
        return sum((cards >> 13 * suit & 8191) << 13 * to[suit] for suit in range(4))

    view["hand"] = renamed(int(view["hand"]))
    for place in range(int(view["num_plays"])):
        card = int(view["plays"][place])
        view["plays"][place] = to[card // 13] * 13 + card % 13
    view["trump"] = to[view["trump"]] if view["trump"] < NO_TRUMP else NO_TRUMP
    if view["turned"] >= 0:
        view["turned"] = to[view["turned"] // 13] * 13 + view["turned"] % 13
    view["voids"] = [sum((int(void) >> s & 1) << to[s] for s in range(4)) for void in view["voids"]]
    bits = np.unpackbits(mask, bitorder="little")
    cards = bits[:DECK].reshape(4, 13).copy()
    for suit in range(4):
        bits[to[suit] * 13 : to[suit] * 13 + 13] = cards[suit]
    return view, np.packbits(bits, bitorder="little")


@pytest.mark.parametrize("name", CONFIGS)
def test_the_names_of_the_suits_do_not_matter(name):
    """Renaming suits, trump included, renames the cards of the answer and changes nothing else."""
    net, compared = make_net(CONFIGS[name]).eval(), 0
    rng = np.random.default_rng(5)
    for game in GAMES:
        _, views, masks = positions(game, 40, seed=6)
        renamings = [rng.permutation(4).tolist() for _ in views]
        changed = [rename_suits(*each) for each in zip(views, masks, renamings, strict=True)]
        inputs = encode_cards(views, masks)
        others = encode_cards(
            np.array([each[0] for each in changed]), np.array([each[1] for each in changed])
        )
        # Two suits of which the viewer holds and has seen the same keep the order of their names.
        same = (inputs[:, : layout.FEATURES] == others[:, : layout.FEATURES]).all(1).numpy()
        with torch.inference_mode():
            first, second = net.predict(inputs), net.predict(others)
        for row in np.flatnonzero(same):
            cards = first.logits[row, :DECK].view(4, 13)
            swapped = second.logits[row, :DECK].view(4, 13)[renamings[row]]
            slots = inputs[row, layout.SLOTS_AT : layout.ORDER_AT]
            if torch.equal(slots, others[row, layout.SLOTS_AT : layout.ORDER_AT][renamings[row]]):
                assert torch.allclose(cards, swapped, atol=1e-5)
                compared += 1
            assert torch.allclose(first.scores[row], second.scores[row], atol=1e-5)
            assert torch.allclose(first.logits[row, DECK:], second.logits[row, DECK:], atol=1e-5)
    assert compared > 100


@pytest.mark.parametrize("name", CONFIGS)
def test_seats_that_do_not_exist_get_nothing(name):
    net = make_net(CONFIGS[name]).eval()
    for game in GAMES:
        _, views, masks = positions(game, 20, seed=7)
        with torch.inference_mode():
            output = net.predict(encode_cards(views, masks))
            logits, values = net(encode_cards(views, masks))
        assert output.logits.shape == (20, NUM_ACTIONS) and output.scores.shape == (20, 8)
        assert (output.scores[:, game.players :] == 0).all() and (output.values[:, game.players :] == 0).all()
        assert (output.makes[:, game.players :].sigmoid() == 0).all()
        assert ((output.scores[:, : game.players] > 0) & (output.scores[:, : game.players] < 1)).all()
        assert torch.allclose(output.values.sum(1), torch.zeros(20), atol=1e-5)
        assert torch.equal(logits, output.logits) and torch.equal(values, output.values[:, 0])


def test_the_recurrent_network_reads_the_order():
    """Its answer depends on the order of earlier plays, the perceptron's only on who played what."""
    _, views, masks = positions(Blob(4, 5), 200, seed=8)
    late = np.flatnonzero(views["num_plays"] >= 8)
    inputs = encode_cards(views[late], masks[late])
    swapped = inputs.clone()
    for at in (layout.ORDER_AT, layout.ORDER_AT + DECK):  # the first two tricks change places
        swapped[:, at : at + 4], swapped[:, at + 4 : at + 8] = (
            inputs[:, at + 4 : at + 8],
            inputs[:, at : at + 4],
        )
    for name, differs in (("mlp", False), ("recurrent", True)):
        net = make_net(CONFIGS[name]).eval()
        with torch.inference_mode():
            same = torch.allclose(net(inputs)[1], net(swapped)[1], atol=1e-6)
        assert same != differs


@pytest.mark.parametrize("name", CONFIGS)
def test_bfloat16_is_close_to_float32(name):
    config = CONFIGS[name]
    net = make_net(config).eval()
    short = CardNet(CardNetConfig(config.torso, config.width, config.layers, config.heads, bfloat16=True))
    short.load_state_dict(net.state_dict())
    _, views, masks = positions(GAMES[0], 64, seed=9)
    inputs = encode_cards(views, masks)
    with torch.inference_mode():
        exact, rough = net.predict(inputs), short.predict(inputs)
    assert all(each.dtype == torch.float32 for each in rough)
    assert (exact.logits - rough.logits).abs().max() < 0.06 * exact.logits.abs().max()
    assert (exact.scores - rough.scores).abs().max() < 0.02


@pytest.mark.parametrize("name", CONFIGS)
def test_rows_do_not_depend_on_their_neighbours(name):
    net = make_net(CONFIGS[name]).eval()
    _, views, masks = positions(GAMES[0], 33, seed=10)
    inputs = encode_cards(views, masks)
    with torch.inference_mode():
        together, _ = net(inputs)
        alone = torch.cat([net(inputs[row : row + 1])[0] for row in range(33)])
    assert torch.allclose(together, alone, atol=1e-5)


def test_the_default_network_has_the_size_it_is_meant_to_have():
    size = sum(parameter.numel() for parameter in CardNet(CardNetConfig()).parameters())
    assert 500_000 < size < 700_000


def test_impossible_shapes_are_named():
    with pytest.raises(ValueError, match="mlp, tokens, recurrent"):
        CardNetConfig("lstm")
    with pytest.raises(ValueError, match="multiple of heads"):
        CardNetConfig("tokens", width=30, heads=4)
