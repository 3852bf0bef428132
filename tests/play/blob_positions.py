"""Positions of Blob, played, dealt or laid out; and what any observer of the table can say about hands."""

import numpy as np

from strategos.games.blob.record import DECK, NONE, VIEW, card_id


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


def play(game, states, actions):
    illegal = np.zeros((len(states), game.players), np.uint8)
    for action in actions:
        game.step(states, np.full((len(states), game.players), action, np.int32), illegal)
        assert not illegal.any()


def views_of(game, states):
    views = np.zeros((len(states), game.players), game.view_dtype)
    game.view(states, views)
    return views


def own_views(game, states):
    """Views [B] of the seats to move."""
    return views_of(game, states)[np.arange(len(states)), states["turn"]]


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


def voids_by_hand(view):
    """Suits that each relative seat has shown not to hold, from the cards on the table alone."""
    players, voids = int(view["players"]), [set() for _ in range(view["players"])]
    for place in range(view["num_plays"]):
        trick, turn = divmod(place, players)
        led, suit = view["plays"][trick * players] // 13, view["plays"][place] // 13
        if suit != led:
            voids[(view["leaders"][trick] + turn) % players].add(int(led))
    return voids


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
