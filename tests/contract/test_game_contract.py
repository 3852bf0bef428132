"""What every game must keep, whatever its rules; a new line in `GAMES` is tested here at once."""

from __future__ import annotations

import numpy as np
import pytest

from strategos.engine.batch import Batch
from strategos.games import GAMES, make_game
from strategos.games.spec import LeavableGame

OPTIONS: dict[str, list[dict]] = {
    # Every (number of tiles, players) is compiled anew: these share theirs with each other and other tests.
    "generals": [
        {"height": 8, "width": 8, "min_height": 6},
        {"height": 8, "width": 8, "ruleset": "duel"},
        {"height": 8, "width": 8, "ruleset": "competition"},
        {"height": 6, "width": 7, "ruleset": "classic", "players": 3},
        {"height": 6, "width": 7, "players": 4, "teams": (0, 1, 0, 1)},
    ],
    "blob": [
        {"players": 4, "cards": 5},
        {"players": 3, "cards": 2, "rounds": "all"},
        {"players": 5, "cards": 4, "scoring": "tricks_plus_bonus"},
        {"players": 6, "cards": 5, "turned_up": True},
        {"players": 8, "cards": 3, "min_cards": 2, "trump": "none"},
    ],
}
CASES = [(name, options) for name in GAMES for options in OPTIONS.get(name, [{}])]
IDS = [f"{name}-{'-'.join(str(value) for value in options.values()) or 'default'}" for name, options in CASES]
NUM_GAMES = 24


class Table:
    """A batch of one game with all its arrays, played by uniformly random legal actions."""

    def __init__(self, game, seeds: np.ndarray) -> None:
        self.game, players = game, game.spec.num_players
        count = len(seeds)
        self.states = np.zeros(count, game.state_dtype)
        self.masks = np.zeros((count, players, game.spec.mask_bytes), np.uint8)
        self.views = np.zeros((count, players), game.view_dtype)
        self.memories = np.zeros((count, players), game.memory_dtype)
        self.illegal = np.zeros((count, players), np.uint8)
        self.returns = np.zeros((count, players), np.float32)
        game.reset(self.states, seeds)
        self.observe()

    def observe(self) -> None:
        self.game.legal(self.states, self.masks)
        self.game.view(self.states, self.views)
        self.game.remember(self.views, self.memories)
        self.game.returns(self.states, self.returns)

    def legal(self) -> np.ndarray:
        actions = self.game.spec.num_actions
        return np.unpackbits(self.masks, axis=-1, count=actions, bitorder="little").astype(bool)

    def choose(self, random: np.random.Generator) -> np.ndarray:
        legal = self.legal()
        actions = np.where(legal, random.random(legal.shape), -1).argmax(axis=-1).astype(np.int32)
        return actions

    def step(self, actions: np.ndarray) -> None:
        self.game.step(self.states, actions, self.illegal)
        self.observe()


def seeds(count: int = NUM_GAMES, base: int = 0) -> np.ndarray:
    return np.arange(base, base + count, dtype=np.int64) * 7919 + 11


@pytest.fixture(params=CASES, ids=IDS)
def case(request):
    return request.param


@pytest.fixture
def game(case):
    return make_game(case[0], **case[1])


def test_it_describes_itself(game):
    spec = game.spec
    assert spec.name in GAMES and spec.num_players >= 2 and spec.num_actions >= 2
    assert spec.mask_bytes == -(-spec.num_actions // 8)
    for dtype in (game.state_dtype, game.view_dtype, game.memory_dtype):
        assert dtype.names and not dtype.hasobject and dtype.itemsize % 8 == 0
    assert "me" in game.view_dtype.names and "tick" in game.view_dtype.names


def test_the_same_seed_is_the_same_game_and_another_is_another(game):
    one, two = Table(game, seeds()), Table(game, seeds())
    random_one, random_two = np.random.default_rng(1), np.random.default_rng(1)
    for _ in range(20):
        one.step(one.choose(random_one))
        two.step(two.choose(random_two))
    assert one.states.tobytes() == two.states.tobytes()
    fresh = Table(game, seeds(base=500))
    keyless = {"key", "draws"}
    boards = {
        b"".join(state[name].tobytes() for name in state.dtype.names if name not in keyless)
        for state in fresh.states
    }
    assert len(boards) > (3 if game.spec.name == "kuhn" else NUM_GAMES - 1)


def test_a_game_does_not_depend_on_its_neighbours(game):
    together, random = Table(game, seeds()), np.random.default_rng(2)
    alone = Table(game, seeds()[5:6])
    for _ in range(15):
        actions = together.choose(random)
        together.step(actions)
        alone.step(actions[5:6])
    assert together.states[5:6].tobytes() == alone.states.tobytes()
    assert together.views[5:6].tobytes() == alone.views.tobytes()
    assert together.memories[5:6].tobytes() == alone.memories.tobytes()


def test_a_state_is_everything(game, case):
    """Bytes saved and loaded go on to the same end: no part of a game lives outside its record."""
    table, random = Table(game, seeds()), np.random.default_rng(3)
    for _ in range(10):
        table.step(table.choose(random))
    saved = table.states.tobytes()
    moves = []
    for _ in range(10):
        moves.append(table.choose(random))
        table.step(moves[-1])
    again = Table(make_game(case[0], **case[1]), seeds())
    again.states[:] = np.frombuffer(saved, game.state_dtype)
    for actions in moves:
        again.step(actions)
    assert again.states.tobytes() == table.states.tobytes()


def test_legal_actions_are_legal_and_others_are_counted(game):
    table, random = Table(game, seeds()), np.random.default_rng(4)
    for _ in range(12):
        to_move = table.legal().any(axis=-1)
        running = ~game.over(table.states)
        assert to_move[running].any(axis=-1).all()
        assert (to_move[running].sum(axis=-1) == 1).all() or game.spec.simultaneous
        table.step(table.choose(random))
        assert not table.illegal.any()
    table = Table(game, seeds())
    for action in (-1, game.spec.num_actions, 2**31 - 1, -(2**31)):
        to_move = table.legal().any(axis=-1) & ~game.over(table.states)[:, None]
        table.step(np.full(table.illegal.shape, action, np.int32))
        assert (table.illegal.astype(bool) == to_move).all()


def test_no_bit_beyond_the_last_action(game):
    table, random = Table(game, seeds()), np.random.default_rng(5)
    for _ in range(8):
        spare = np.unpackbits(table.masks, axis=-1, bitorder="little")[..., game.spec.num_actions :]
        assert not spare.any()
        table.step(table.choose(random))


def test_a_finished_game_does_not_change_and_pays_within_bounds(game):
    """Trap 4. Games that do not end by themselves in time are ended by their players leaving."""
    table, random = Table(game, seeds(12)), np.random.default_rng(6)
    for _ in range(40):
        table.step(table.choose(random))
    if isinstance(game, LeavableGame):
        for row in range(12):
            for player in range(1, game.spec.num_players):
                game.leave(table.states, row, player)
        table.step(table.choose(random))
    over = game.over(table.states)
    assert over.any()
    ended = table.states[over].tobytes()
    assert (np.abs(table.returns) <= 1).all() and not table.returns[~over].any()
    assert np.abs(table.returns[over].sum(axis=-1)).max() < 1e-6 or game.spec.num_players > 2
    for action in (0, 1, game.spec.num_actions - 1):
        table.step(np.full(table.illegal.shape, action, np.int32))
        assert table.states[over].tobytes() == ended


def test_the_others_go_on_when_one_leaves_and_the_last_wins(game):
    if not isinstance(game, LeavableGame):
        pytest.skip(f"{game.spec.name} cannot be left")
    table, random = Table(game, seeds(6)), np.random.default_rng(10)
    for player in range(game.spec.num_players - 1, 0, -1):
        before = table.states.copy()
        table.step(table.choose(random))
        assert not game.over(table.states).any() and (table.states != before).all()
        for row in range(6):
            game.leave(table.states, row, player)
    table.observe()
    assert game.over(table.states).all()
    assert (table.returns[:, 0] > 0).all() and (table.returns[:, 0] == table.returns.max(axis=1)).all()


def test_observing_changes_nothing_and_overwrites_everything(game):
    table, random = Table(game, seeds()), np.random.default_rng(7)
    for _ in range(9):
        table.step(table.choose(random))
    before = table.states.tobytes()
    views, masks, returns = table.views.copy(), table.masks.copy(), table.returns.copy()
    table.masks[:] = 255
    table.returns[:] = 7
    game.legal(table.states, table.masks)
    game.view(table.states, table.views)
    game.returns(table.states, table.returns)
    assert table.states.tobytes() == before
    assert (table.masks == masks).all() and (table.returns == returns).all()
    assert table.views.tobytes() == views.tobytes()
    assert (table.views["me"] == np.arange(game.spec.num_players)).all()


def test_observe_is_view_legal_and_remember_in_one(game):
    table, random = Table(game, seeds()), np.random.default_rng(9)
    views, masks, memories = (np.zeros_like(array) for array in (table.views, table.masks, table.memories))
    for _ in range(10):
        game.observe(table.states, views, masks, memories)
        assert views.tobytes() == table.views.tobytes() and (masks == table.masks).all()
        assert memories.tobytes() == table.memories.tobytes()
        table.step(table.choose(random))


def test_random_actions_are_legal_and_come_from_the_games_own_stream(game):
    table, alone = Table(game, seeds()), Table(game, seeds()[3:4])
    actions, alone_actions = (np.full(one.illegal.shape, -9, np.int32) for one in (table, alone))
    for _ in range(10):
        game.random_actions(table.states, actions)
        game.random_actions(alone.states, alone_actions)
        assert (actions[3:4] == alone_actions).all()
        legal, to_move = table.legal(), table.legal().any(axis=-1)
        chosen = np.take_along_axis(legal, np.maximum(actions, 0)[..., None].astype(np.int64), axis=-1)[
            ..., 0
        ]
        assert chosen[to_move].all()
        table.step(actions)
        alone.step(alone_actions)
        assert not table.illegal.any()


def test_play_randomly_is_random_actions_and_step_in_one(game):
    one, two = Table(game, seeds()), Table(game, seeds())
    actions_one, actions_two = (np.zeros(one.illegal.shape, np.int32) for _ in range(2))
    for _ in range(12):
        game.random_actions(one.states, actions_one)
        one.step(actions_one)
        game.play_randomly(two.states, actions_two, two.illegal)
        assert (actions_one == actions_two).all() and not two.illegal.any()
    assert one.states.tobytes() == two.states.tobytes()


def test_a_playout_plays_as_many_random_ticks_as_asked_or_to_the_end(game):
    one, two = Table(game, seeds()), Table(game, seeds())
    actions = np.zeros(one.illegal.shape, np.int32)
    for _ in range(22):
        game.play_randomly(one.states, actions, one.illegal)
    game.playout(two.states, 9)
    game.playout(two.states, 13)
    game.playout(two.states, 0)
    assert one.states.tobytes() == two.states.tobytes()
    if game.spec.max_ticks:
        game.playout(two.states, game.spec.max_ticks)
        assert game.over(two.states).all()


def test_a_batch_of_it_plays_game_after_game(game):
    batch = Batch(game, 16, seed=3, tick_limit=30, autoreset="same_step", threads=2)
    batch.reset()
    ended = 0
    for _ in range(70):
        batch.step_randomly()
        ended += int((batch.terminated | batch.truncated).sum())
    assert ended >= 32


def test_every_position_prints_and_parses_back(game):
    table, random = Table(game, seeds(6)), np.random.default_rng(8)
    for _ in range(6):
        for state in table.states:
            text = game.notation.format_state(state)
            parsed = game.notation.parse_state(text)
            assert game.notation.format_state(parsed) == text
        table.step(table.choose(random))


def test_an_unknown_option_or_game_is_refused_by_name():
    with pytest.raises(ValueError, match="did you mean 'kuhn'"):
        make_game("khun")
    with pytest.raises(ValueError, match="no arguments"):
        make_game("kuhn", colour="red")
