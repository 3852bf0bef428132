"""Symmetries are real: a changed game, played on, shows each seat the changed view, mask and memory.

Blob: suits that are not trump exchanged. Generals: boards turned and mirrored. The states are changed
here, card by card and tile by tile, in another way than the batches of views are.
"""

from __future__ import annotations

import copy
from itertools import permutations

import numpy as np
import pytest
from crowded import choose, crowded_board

from strategos.games.blob import Blob
from strategos.games.blob.record import BID, NO_TRUMP, NUM_ACTIONS
from strategos.games.blob.symmetry import EXCHANGES, SuitSymmetry
from strategos.games.generals import reference
from strategos.games.generals.game import Generals
from strategos.games.generals.record import FOG
from strategos.games.generals.reference import Position
from strategos.games.generals.symmetry import MIRROR_ROWS, TRANSPOSE, BoardSymmetry


def exchanged(state: np.record, becomes: list[int]) -> np.record:
    """The whole state of a round with its suits exchanged, card by card."""

    def card(old: int) -> int:
        return becomes[old // 13] * 13 + old % 13 if old >= 0 else old

    changed = np.array([state])[0]
    for seat in range(8):
        held = [old for old in range(52) if int(state["hand"][seat]) >> old & 1]
        changed["hand"][seat] = sum(1 << card(old) for old in held)
        shown = [suit for suit in range(4) if state["voids"][seat] >> suit & 1]
        changed["voids"][seat] = sum(1 << becomes[suit] for suit in shown)
    changed["plays"] = [card(int(old)) for old in state["plays"]]
    changed["turned"] = card(int(state["turned"]))
    if state["trump"] != NO_TRUMP:
        changed["trump"] = becomes[state["trump"]]
    return changed


class BlobTable:
    """States, views and masks of some rounds."""

    def __init__(self, game: Blob, states: np.ndarray) -> None:
        count = len(states)
        self.game, self.states = game, states
        self.views = np.zeros((count, game.players), game.view_dtype)
        self.masks = np.zeros((count, game.players, game.spec.mask_bytes), np.uint8)
        self.illegal = np.zeros((count, game.players), np.uint8)
        self.observe()

    def observe(self) -> None:
        self.game.view(self.states, self.views)
        self.game.legal(self.states, self.masks)

    def step(self, actions: np.ndarray) -> None:
        self.game.step(self.states, actions, self.illegal)
        assert not self.illegal.any()
        self.observe()

    def returns(self) -> list:
        returns = np.zeros(self.views.shape, np.float32)
        self.game.returns(self.states, returns)
        return returns.tolist()


@pytest.mark.parametrize(
    "options",
    [
        {"players": 4, "cards": 5},
        {"players": 3, "cards": 17, "min_cards": 1},
        {"players": 8, "cards": 6, "trump": "none"},
        {"players": 5, "cards": 4, "turned_up": True},
    ],
    ids=str,
)
def test_exchanged_suits_change_nothing_else(options):
    game, symmetry, count = Blob(**options), SuitSymmetry(), 24
    rng = np.random.default_rng([*str(options).encode()])
    states = np.zeros(count, game.state_dtype)
    game.reset(states, rng.integers(2**62, size=count))
    table = BlobTable(game, states)
    elements = symmetry.draw(table.views[:, 0], rng)
    assert len(set(elements.tolist())) > 3
    everyone = np.repeat(elements, game.players)
    pairs = zip(states, EXCHANGES[elements].tolist(), strict=True)
    other = BlobTable(game, np.array([exchanged(state, becomes) for state, becomes in pairs]))
    compared = 0
    while not game.over(table.states).all():
        flat, masks = table.views.reshape(-1), table.masks.reshape(-1, 9)
        assert symmetry.views(flat, everyone).tobytes() == other.views.tobytes()
        assert symmetry.masks(flat, masks, everyone).tobytes() == other.masks.tobytes()
        legal = np.unpackbits(table.masks, axis=-1, count=NUM_ACTIONS, bitorder="little")
        policy = (legal * rng.random(legal.shape)).astype(np.float32)
        actions = policy.argmax(-1).astype(np.int32)
        flat_policy = symmetry.policies(flat, policy.reshape(-1, NUM_ACTIONS), everyone)
        moved = symmetry.actions(flat, actions.reshape(-1), everyone)
        assert moved.dtype == actions.dtype
        assert (flat_policy.max(-1) == policy.max(-1).reshape(-1)).all()
        asked = flat_policy.max(-1) > 0
        assert (flat_policy.argmax(-1)[asked] == moved[asked]).all()
        table.step(actions)
        other.step(moved.reshape(actions.shape))
        compared += int((actions != moved.reshape(actions.shape)).sum())
    assert compared > 20  # the exchange was not the identity
    assert table.returns() == other.returns()


def test_exchanges_keep_the_trump_and_are_even():
    symmetry, rng = SuitSymmetry(), np.random.default_rng(1)
    assert sorted(map(tuple, EXCHANGES.tolist())) == sorted(permutations(range(4)))
    for trump in range(5):
        views = np.zeros(6000, Blob.view_dtype)
        views["trump"] = trump
        counts = np.bincount(symmetry.draw(views, rng), minlength=24)
        drawn = counts[counts > 0]
        assert len(drawn) == (24 if trump == NO_TRUMP else 6)
        assert drawn.min() > 0.6 * 6000 / len(drawn)
        if trump != NO_TRUMP:
            assert (EXCHANGES[counts > 0, trump] == trump).all()


def test_bids_and_empty_places_stay():
    symmetry = SuitSymmetry()
    bids = np.arange(BID, NUM_ACTIONS)
    assert symmetry.actions(bids, bids, np.full(len(bids), 23)).tolist() == bids.tolist()
    views = np.zeros(24, Blob.view_dtype)
    views["plays"] = views["turned"] = -1
    views["trump"] = NO_TRUMP
    assert symmetry.views(views, np.arange(24)).tobytes() == views.tobytes()


CORNERS = {  # of a board of n x n: where (row 0, column 1) goes, by hand
    0: lambda n: (0, 1),
    1: lambda n: (n - 1, 1),
    2: lambda n: (0, n - 2),
    3: lambda n: (n - 1, n - 2),
    4: lambda n: (1, 0),
    5: lambda n: (n - 2, 0),
    6: lambda n: (1, n - 1),
    7: lambda n: (n - 2, n - 1),
}


def turned(position: Position, element: int) -> Position:
    """The whole position on the turned board, tile by tile."""
    height, width, stride = position.height, position.width, position.stride

    def place(cell: int) -> int:
        row, column = divmod(cell, stride)
        if cell < 0 or row >= height or column >= width:
            return cell
        if element & 4:
            row, column = column, row
        if element & 1:
            row = height - 1 - row
        if element & 2:
            column = width - 1 - column
        return row * stride + column

    other = copy.deepcopy(position)
    for cell in position.cells:
        for field in ("army", "owner", "terrain"):
            getattr(other, field)[place(cell)] = getattr(position, field)[cell]
    other.general = [place(cell) for cell in position.general]
    other.disguise = {place(cell): unaware for cell, unaware in position.disguise.items()}
    return other


class Board:
    """One game of Generals with everything that its players get."""

    def __init__(self, game: Generals, position: Position) -> None:
        players = (1, game.players)
        self.game = game
        self.states = np.array([reference.to_state(position, game.state_dtype)])
        self.views = np.zeros(players, game.view_dtype)
        self.masks = np.zeros((*players, game.spec.mask_bytes), np.uint8)
        self.memories = np.zeros(players, game.memory_dtype)
        self.observe()

    def observe(self) -> None:
        self.game.observe(self.states, self.views, self.masks, self.memories)

    def step(self, actions: np.ndarray) -> np.ndarray:
        illegal = np.zeros((1, self.game.players), np.uint8)
        self.game.step(self.states, actions, illegal)
        self.observe()
        return illegal


@pytest.mark.parametrize(
    ("rules", "teams"),
    [("generalsio", (0, 1)), ("generalsio", (0, 0, 1, 1)), ("competition", (0, 1))],
    ids=str,
)
def test_a_turned_game_is_the_same_game(rules, teams):
    """Boards of 4 to 7 tiles a side in arrays of 6 x 7, memories included, up to twelve ticks each."""
    rng = np.random.default_rng([*teams, *rules.encode()])
    game = Generals(6, 7, len(teams), ruleset=rules, teams=teams)
    symmetry, players = BoardSymmetry(6, 7, game.num_actions), len(teams)
    boards, hidden, played = {True: 0, False: 0}, 0, 0
    while boards[True] < 8 or boards[False] < 20:
        position = crowded_board(rng, rules, teams, 6, 7)
        square = position.height == position.width
        element = boards[square] % (8 if square else 4)
        boards[square] += 1
        board, other = Board(game, position), Board(game, turned(position, element))
        elements = np.full(players, element)
        for _ in range(12):
            views, masks, memories = board.views[0], board.masks[0], board.memories[0]
            assert symmetry.views(views, elements).tobytes() == other.views.tobytes()
            assert symmetry.masks(views, masks, elements).tobytes() == other.masks.tobytes()
            moved = symmetry.memories(views, memories, elements)
            for field in memories.dtype.names:
                assert moved[field].tobytes() == other.memories[0][field].tobytes(), field
            hidden += int((views["terrain"] == FOG).sum())
            now = reference.from_state(board.states[0])
            if now.over:
                break
            legal = [reference.legal(now, seat) for seat in now.players]
            picked = [choose(rng, now, seat, legal[seat], game.num_actions) for seat in now.players]
            actions = np.clip(np.array(picked, np.int32), 0, game.num_actions - 1)
            policies = np.eye(game.num_actions, dtype=np.float16)[actions]
            changed = symmetry.actions(views, actions, elements)
            assert (symmetry.policies(views, policies, elements).argmax(-1) == changed).all()
            assert board.step(actions[None]).tolist() == other.step(changed[None]).tolist()
            played += 1
    assert hidden > 1000 and played > 150


def test_where_the_tile_beside_the_corner_goes():
    game = Generals(6, 7, ruleset="generalsio")
    symmetry = BoardSymmetry(6, 7, game.num_actions)
    for size in (4, 6):
        views = np.zeros(8, game.view_dtype)
        views["height"] = views["width"] = size
        views["army"][:, 1] = 5
        turned_views = symmetry.views(views, np.arange(8))
        for element, place in CORNERS.items():
            row, column = place(size)
            assert turned_views["army"][element].argmax() == row * 7 + column
    # Tile 1 moving left: a neighbour that goes where the corner goes, whatever the element.
    moves = symmetry.actions(views, np.full(8, 1 * 8 + 2 * 2), np.arange(8))
    corners = [0, 5 * 7, 5, 5 * 7 + 5, 0, 5 * 7, 5, 5 * 7 + 5]
    for element, move in enumerate(moves.tolist()):
        row, column = CORNERS[element](6)
        step = {0: (-1, 0), 1: (1, 0), 2: (0, -1), 3: (0, 1)}[move % 8 // 2]
        assert move // 8 == row * 7 + column
        assert (row + step[0]) * 7 + column + step[1] == corners[element]


def test_draws_fit_the_board_and_a_rectangle_is_not_transposed():
    game = Generals(6, 7, ruleset="generalsio")
    symmetry, rng = BoardSymmetry(6, 7, game.num_actions), np.random.default_rng(2)
    views = np.zeros(8000, game.view_dtype)
    views["height"], views["width"] = 5, 5
    views["width"][4000:] = 7
    drawn = symmetry.draw(views, rng)
    assert np.bincount(drawn[:4000], minlength=8).min() > 350
    assert np.bincount(drawn[4000:]).tolist() and drawn[4000:].max() == 3
    with pytest.raises(ValueError, match="5 x 7 cannot be transposed"):
        symmetry.views(views[4000:4001], np.array([TRANSPOSE | MIRROR_ROWS]))
