"""Random games of Generals: the kernels equal the slow reference twin after every tick.

State bytes, illegal flags, views, masks, memories, returns and rankings. A few hundred ticks of
every configuration by default; `STRATEGOS_TWIN_TICKS=100000` plays that many of each.
"""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from itertools import count

import numpy as np
import pytest
from crowded import choose, crowded_board
from test_determinism import elsewhere

from strategos.engine.pool import available_cores
from strategos.games.generals import reference
from strategos.games.generals.game import Generals
from strategos.games.generals.record import RULESETS, state_dtype

FEW_TICKS = 200
TICKS = int(os.environ.get("STRATEGOS_TWIN_TICKS", FEW_TICKS))

TEAMS = {
    2: [(0, 1)],
    3: [(0, 1, 2), (0, 1, 0)],
    4: [(0, 1, 2, 3), (0, 0, 1, 1), (2, 0, 2, 2)],
    8: [tuple(range(8)), (0, 1, 2, 3, 0, 1, 2, 3), (0, 0, 0, 0, 1, 1, 1, 1)],
    16: [tuple(range(16)), tuple(seat % 4 for seat in range(16))],
}
CONFIGURATIONS = [
    (rules, teams)
    for rules, flags in RULESETS.items()
    for players, layouts in TEAMS.items()
    if players <= flags["max_players"]
    for teams in layouts
]


def explain(ours: np.void, theirs: np.void) -> str:
    """Which fields of two records differ, and where first."""
    lines = []
    for field in ours.dtype.names or ():
        kernel, twin = np.atleast_1d(np.asarray(ours[field])), np.atleast_1d(np.asarray(theirs[field]))
        unequal = np.flatnonzero(kernel.ravel() != twin.ravel())[:4] if kernel.dtype.names is None else [0]
        if kernel.tobytes() != twin.tobytes():
            values = f"kernels {kernel.ravel()[unequal]}, reference {twin.ravel()[unequal]}"
            lines.append(f"{field} at {list(unequal)}: {values}")
    return "; ".join(lines)


class Twins:
    """One game played by both, compared whenever something happened."""

    def __init__(self, game: Generals, state: np.void, number: int) -> None:
        self.game, self.number = game, number
        self.states = np.zeros(1, game.state_dtype)
        self.states[0] = state
        players = (1, game.players)
        self.views = np.zeros(players, game.view_dtype)
        self.masks = np.zeros((*players, game.spec.mask_bytes), np.uint8)
        self.memories = np.zeros(players, game.memory_dtype)
        self.position = reference.from_state(state)
        blank = reference.Memory(**reference.fields_of(self.memories[0, 0]))
        self.remembered = [blank] * game.players
        self.legal: list[set[int]] = []
        self.compare("the start")

    def compare(self, event: str) -> None:
        """Assert that state, views, masks, memories and results are equal to the last byte."""
        game, position = self.game, self.position
        about = f"board {self.number}, tick {position.tick}, after {event}: "
        twin = reference.to_state(position, game.state_dtype)
        assert self.states[0].tobytes() == twin.tobytes(), about + explain(self.states[0], twin)
        game.view(self.states, self.views)
        self.masks[:] = 255
        game.legal(self.states, self.masks)
        game.remember(self.views, self.memories)
        self.legal = [reference.legal(position, player) for player in position.players]
        for player, legal in enumerate(self.legal):
            who = f"{about}player {player}: "
            sight = reference.view(position, player)
            self.remembered[player] = reference.remember(sight, self.remembered[player])
            for kernel, plain in (
                (self.views[0, player], sight),
                (self.memories[0, player], self.remembered[player]),
            ):
                twin = reference.record_of(vars(plain), kernel.dtype)
                assert kernel.tobytes() == twin.tobytes(), who + explain(kernel, twin)
            differ = int.from_bytes(self.masks[0, player].tobytes(), "little")
            differ ^= sum(1 << action for action in legal)
            only_one = [action for action in range(differ.bit_length()) if differ >> action & 1]
            assert not differ, f"{who}only one side allows {only_one}"
        returns = np.full((1, game.players), np.nan, np.float32)
        game.returns(self.states, returns)
        assert returns[0].tolist() == np.float32(reference.returns(position)).tolist(), about + "returns"
        assert game.ranking(self.states)[0].tolist() == reference.ranking(position), about + "ranking"
        assert bool(game.over(self.states)[0]) == bool(position.over), about + "over"

    def step(self, actions: list[int]) -> int:
        """How many of the actions both refused."""
        illegal = np.full((1, self.game.players), 9, np.uint8)
        self.game.step(self.states, np.array([actions], np.int32), illegal)
        flags = reference.step(self.position, actions)
        assert illegal[0].tolist() == flags, f"board {self.number}, {actions}: illegal flags"
        self.compare(str(actions))
        return sum(flags)

    def leave(self, player: int) -> None:
        self.game.leave(self.states, 0, player)
        reference.leave(self.position, player)
        self.compare(f"player {player} left")


def boards(rng: np.random.Generator, rules: str, teams: tuple[int, ...], long: bool) -> Iterator[Twins]:
    """Boards to fight on without end: two in the middle of a war, then a fresh one of the game's own.

    Small ones, where every rule is near; in the long run one in twelve is of up to 16x17 tiles.
    """
    players = len(teams)
    side = 6 if players < 5 else 8
    least = side if players == 16 else side - 1
    games = [
        Generals(height, height + 1, players, ruleset=rules, teams=teams, min_height=least, min_width=least)
        for height in ((side, 16) if long else (side,))
    ]
    for game in games:
        assert game.state_dtype == state_dtype(game.height * game.width, players)
    for number in count(1):
        game = games[long and number % 24 in (12, 13)]
        if number % 3 == 0:
            fresh = np.zeros(1, game.state_dtype)
            game.reset(fresh, np.array([number]))
            yield Twins(game, fresh[0], number)
        else:
            board = crowded_board(rng, rules, teams, game.height, game.width)
            yield Twins(game, reference.to_state(board, game.state_dtype), number)


def play(rules: str, teams: tuple[int, ...], ticks: int) -> str:
    """Play that many ticks beside the twin, board after board; what there was to compare."""
    rng = np.random.default_rng([len(teams), *teams, *rules.encode()])
    happened = dict.fromkeys(("ticks", "boards", "ends", "deaths", "cities founded", "refused"), 0)
    for twins in boards(rng, rules, teams, long=ticks > FEW_TICKS):
        position = twins.position
        happened["boards"] += 1
        cities = len(position.disguise)
        for _ in range(min(int(rng.geometric(1 / 60)), ticks - happened["ticks"])):
            actions = [
                choose(rng, position, player, twins.legal[player], twins.game.num_actions)
                for player in position.players
            ]
            happened["refused"] += twins.step(actions)
            happened["ticks"] += 1
            if position.over:
                twins.step([0] * twins.game.players)
                break
            if rng.random() < 0.03:
                twins.leave(int(rng.integers(twins.game.players)))
        happened["ends"] += position.over
        happened["deaths"] += position.num_dead
        happened["cities founded"] += len(position.disguise) - cities
        if happened["ticks"] == ticks:
            break
    return ", ".join(f"{number:,} {what}" for what, number in happened.items())


@pytest.fixture(scope="module")
def played(request: pytest.FixtureRequest) -> Iterator[Callable[[str, tuple[int, ...]], str]]:
    """Plays a configuration. In the long run all that were asked for are under way, one to a core."""
    if TICKS <= FEW_TICKS:
        yield lambda rules, teams: play(rules, teams, TICKS)
        return
    items = [item for item in request.session.items if item.module is request.module]
    chosen = [item.callspec.params for item in items if "played" in item.fixturenames]
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(available_cores(), mp_context=spawn) as pool:
        games = {
            (one["rules"], one["teams"]): pool.submit(play, one["rules"], one["teams"], TICKS)
            for one in chosen
        }
        yield lambda rules, teams: games[rules, teams].result()
        pool.shutdown(cancel_futures=True)


@pytest.mark.parametrize(("rules", "teams"), CONFIGURATIONS, ids=str)
def test_the_kernels_equal_the_reference(
    played: Callable[[str, tuple[int, ...]], str], rules: str, teams: tuple[int, ...]
) -> None:
    print("equal:", played(rules, teams))


@pytest.mark.timeout(0)
def test_the_kernels_without_the_compiler_equal_the_reference() -> None:
    """Small integers overflow in plain Python where a kernel widens them: armies here are large."""
    code = """
import numba, test_reference as test
assert numba.config.DISABLE_JIT
for rules, teams in (("generalsio", (0, 0, 1, 1)), ("classic", (0, 1, 2)), ("competition", (0, 1))):
    print(test.play(rules, teams, 200))
"""
    found = elsewhere(code, NUMBA_DISABLE_JIT="1", PYTHONWARNINGS="error::RuntimeWarning")
    assert len(found.splitlines()) == 3
