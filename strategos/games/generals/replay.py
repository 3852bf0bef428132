"""Recorded games played again: from a replay to states, to a table, and from our own games to a replay.

A replay lists its moves in the order in which they were executed, so nothing here sorts them.
Events listed for tick t happen before the count goes from t to t + 1 and the armies grow. Versions
up to 14 play the moves of a tick and then the surrenders, as the game author's published simulator
does; from 15 on it is the other way round, as on the site.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TextIO

import numpy as np

from strategos.games.compiled import kernel
from strategos.games.generals import reference, rules
from strategos.games.generals.notation import recount
from strategos.games.generals.record import (
    ALIVE,
    BY_INDEX,
    CITY,
    DEAD,
    GENERAL,
    MOUNTAIN,
    NEUTRAL,
    PLAIN,
    ruleset,
    state_dtype,
)
from strategos.games.generals.reference import tick
from strategos.games.generals.replay_files import (
    Replay,
    ReplayError,
    parse_replay,
    read_replay,
    write_replay,
)
from strategos.games.spec import LEAVE

FIRST_OF_PRIORITY = 15
"""The version from which a tick's moves go by priority; before it they go by player index."""
FIRST_WITHOUT_REGROWTH = 6
_FNV_BASIS, _FNV_PRIME = 2166136261, 16777619


@dataclass(frozen=True)
class Verification:
    """What playing a replay shows."""

    ticks: int
    refused: tuple[int, ...]
    """Which of the replay's moves the rules did not allow; the site's simulator skips such moves."""
    over: bool
    winner: int
    """The winning team, -1 where there is none."""


def initial_state(replay: Replay) -> np.record:
    """The state before the first tick, on a board without padding.

    Teams are numbered anew from 0 in the order in which they appear.
    """
    players = len(replay.usernames)
    state = np.zeros(1, state_dtype(replay.height * replay.width, players))[0]
    state["rules"] = ruleset("generalsio" if replay.version >= FIRST_OF_PRIORITY else "classic")
    state["rules"]["cities_regrow"] = replay.version < FIRST_WITHOUT_REGROWTH
    state["height"], state["width"], state["stride"] = replay.height, replay.width, replay.width
    state["winner"], state["owner"], state["terrain"], state["status"] = -1, NEUTRAL, PLAIN, ALIVE
    teams = replay.teams or tuple(range(players))
    state["team"] = [list(dict.fromkeys(teams)).index(team) for team in teams]
    state["terrain"][list(replay.mountains)] = MOUNTAIN
    state["terrain"][list(replay.cities)] = CITY
    state["army"][list(replay.cities)] = replay.city_armies
    state["army"][list(replay.neutrals)] = replay.neutral_armies
    for player, tile in enumerate(replay.generals):
        if tile is None:
            state["num_dead"] += 1
            state["general"][player], state["status"][player] = -1, DEAD
            state["death"][player] = state["num_dead"]
        else:
            state["general"][player], state["terrain"][tile] = tile, GENERAL
            state["owner"][tile], state["army"][tile] = player, 1
    recount(state)
    return state


def play_replay(replay: Replay) -> Iterator[tuple[int, np.record]]:
    """The game tick by tick, (tick, state) with a state of its own each time, from tick 0 to the end.

    The end is where the rules end the game, or after the last event of the replay.
    """
    for state, _ in _play(replay):
        yield int(state["tick"]), state.copy()


def verify_replay(replay: Replay) -> Verification:
    """Play the whole replay and say which of its moves the rules refuse and how it ends."""
    refused: list[int] = []
    for state, skipped in _play(replay):  # noqa: B007, the last state is wanted
        refused += skipped
    return Verification(int(state["tick"]), tuple(refused), bool(state["over"]), int(state["winner"]))


def _play(replay: Replay) -> Iterator[tuple[np.record, list[int]]]:
    """The one state as it changes, with the moves refused in the tick."""
    state = initial_state(replay)
    yield state, []
    move = afk = 0
    surrenders_first = replay.version >= FIRST_OF_PRIORITY
    while not state["over"] and (move < len(replay.moves) or afk < len(replay.afks)):
        refused = []
        leaving = []
        while afk < len(replay.afks) and replay.afks[afk, 1] == state["tick"]:
            leaving.append(int(replay.afks[afk, 0]))
            afk += 1
        for player in leaving if surrenders_first else ():
            rules.leave(state, player)
        while move < len(replay.moves) and replay.moves[move, 4] == state["tick"]:
            player, source, target, half, _ = map(int, replay.moves[move])
            if rules.can_move(state, player, source, target):
                rules.execute_move(state, player, source, target, half)
            else:
                refused.append(move)
            move += 1
        for player in leaving if not surrenders_first else ():
            rules.leave(state, player)
        rules.end_tick(state)
        yield state, refused


def write_table(game: Replay | Iterable[tuple[int, np.record]], file: TextIO) -> None:
    """Write a game's table as CSV: a line per tick with a checksum of the board and the scoreboard.

    `game` is a replay, or the (tick, state) of every position in order, as `play_replay` yields them.
    """
    positions = play_replay(game) if isinstance(game, Replay) else game
    for line, (turn, state) in enumerate(positions):
        if line == 0:
            columns = [f"{what}{seat}" for what in ("army", "tiles") for seat in range(len(state["status"]))]
            file.write(",".join(["turn", "board_fnv1a", *columns, "deaths"]) + "\n")
        dead = sorted((order, player) for player, order in enumerate(state["death"]) if order)
        row = [turn, board_checksum(state), *state["army_total"], *state["land_total"]]
        row.append(" ".join(str(player) for _, player in dead))
        file.write(",".join(map(str, row)) + "\n")


@kernel
def board_checksum(state):
    """32-bit FNV-1a over the board's tiles, each as the bytes lo, hi of owner + 3 and lo, hi of army.

    The owner is -1 for nobody and -2 for a mountain.
    """
    checksum = _FNV_BASIS
    for row in range(state.height):
        for column in range(state.width):
            cell = row * state.stride + column
            owner = 1 if state.terrain[cell] == MOUNTAIN else int(state.owner[cell]) + 3
            army = int(state.army[cell])
            for byte in (owner & 255, owner >> 8 & 255, army & 255, army >> 8 & 255):
                checksum = ((checksum ^ byte) * _FNV_PRIME) & 0xFFFFFFFF
    return checksum


def replay_of_game(
    start: np.record,
    actions: Iterable[Iterable[int]],
    *,
    id: str = "strategos",
    usernames: Iterable[str] | None = None,
    title: str | None = None,
) -> Replay:
    """A game of ours as a replay: `start` at tick 0, then `actions` [T, P] ids or `LEAVE`, one row a tick.

    The reference twin says in which order the moves of a tick were executed. A `duel` is written
    as if it were `generalsio`, whose captor gets half the loser's armies on the last tick. A game that
    a `LEAVE` ends goes on to the end of that tick where it is played from a replay of version 15 on.
    `ReplayError` for a game that a replay cannot hold: one with builds, or not from tick 0; up to
    version 14, which tells a `LEAVE` with the tick before, also where that is not the same.
    """
    if start["rules"]["builds"]:
        raise ReplayError("rules: a replay cannot hold builds; expected a ruleset without them")
    if start["tick"]:
        raise ReplayError(f"tick: the game starts at tick {start['tick']}; expected 0")
    version = FIRST_OF_PRIORITY
    if start["rules"]["order"] == BY_INDEX:
        version = FIRST_WITHOUT_REGROWTH - 1 if start["rules"]["cities_regrow"] else FIRST_OF_PRIORITY - 1
    names = tuple(usernames or (f"player {player}" for player in range(len(start["team"]))))
    chosen = np.array([[int(action) for action in row] for row in actions]).reshape(-1, len(names))
    moves, afks = _executed(start, chosen, surrenders_first=version >= FIRST_OF_PRIORITY)
    teams = tuple(start["team"].tolist())
    kinds = {kind: np.flatnonzero(start["terrain"] == kind) for kind in (CITY, MOUNTAIN, PLAIN)}
    neutral = kinds[PLAIN][(start["owner"][kinds[PLAIN]] == NEUTRAL) & (start["army"][kinds[PLAIN]] > 0)]
    return Replay(
        version=version,
        id=id,
        width=int(start["width"]),
        height=int(start["height"]),
        usernames=names,
        cities=_unpadded(start, kinds[CITY]),
        city_armies=tuple(start["army"][kinds[CITY]].tolist()),
        generals=tuple(_unpadded(start, [tile])[0] if tile >= 0 else None for tile in start["general"]),
        mountains=_unpadded(start, kinds[MOUNTAIN]),
        moves=np.array(moves, dtype=np.int32).reshape(-1, 5),
        afks=np.array(afks, dtype=np.int32).reshape(-1, 2),
        stars=(0,) * len(names),
        teams=teams if len(set(teams)) < len(teams) else None,
        title=title,
        neutrals=_unpadded(start, neutral),
        neutral_armies=tuple(start["army"][neutral].tolist()),
    )


def _unpadded(state: np.record, cells: Iterable[int]) -> tuple[int, ...]:
    """Tile numbers on the board itself of padded cells; cells off the board are left out."""
    places = (divmod(int(cell), int(state["stride"])) for cell in cells)
    height, width = int(state["height"]), int(state["width"])
    return tuple(row * width + column for row, column in places if row < height and column < width)


def _executed(
    start: np.record, actions: np.ndarray, *, surrenders_first: bool
) -> tuple[list[tuple[int, ...]], list[tuple[int, int]]]:
    """What happened until the game was over, as a replay lists it, in the order executed.

    Player, source, target, half and tick of every move; player and tick of every `LEAVE`.
    """
    state, before = start.copy(), start.copy()
    moves: list[tuple[int, ...]] = []
    afks: list[tuple[int, int]] = []
    for row in actions:
        leaving = np.flatnonzero(row == LEAVE)
        for player in leaving:
            rules.leave(state, player)
            afks.append((int(player), int(state["tick"]) - (not surrenders_first)))
        if len(leaving) and not surrenders_first:
            _check_left_earlier(before, leaving, state)
        if state["over"]:
            break
        position = reference.from_state(state)
        chosen = [(player, int(action)) for player, action in enumerate(row)]
        legal = [(p, a) for p, a in chosen if a != position.pass_action and rules.is_legal(state, p, a)]
        pending = tick.in_order(
            position, [move for p, a in legal if (move := tick.read_move(position, p, a)) is not None]
        )
        over = False
        while pending:
            move = tick.next_move(position, pending)
            if rules.can_move(state, move.player, move.source, move.target):
                places = _unpadded(state, (move.source, move.target))
                moves.append((move.player, *places, int(move.half), position.tick))
                captured = rules.execute_move(state, move.player, move.source, move.target, move.half)
                over = over or bool(captured and state["rules"]["capture_ends"])
            pending = [
                other for other in pending if other is not move and state["status"][other.player] == ALIVE
            ]
        before = state.copy()
        rules.end_tick(state)
        if over or state["over"]:
            break
    return moves, afks


def _check_left_earlier(before: np.record, leaving: Iterable[int], state: np.record) -> None:
    """`ReplayError` unless `state` comes of `before`, a tick's moves played, too, if `leaving` left there."""
    if state["tick"] == 0:
        raise ReplayError("LEAVE: a replay of this ruleset cannot hold one at tick 0; expected a later one")
    for player in leaving:
        rules.leave(before, player)
    rules.end_tick(before)
    if before.tobytes() != state.tobytes():
        raise ReplayError(
            f"LEAVE: at tick {state['tick']} land is freed, which a replay of this ruleset can only "
            "hold before the armies have grown; expected an odd tick"
        )


__all__ = [
    "Replay",
    "ReplayError",
    "Verification",
    "board_checksum",
    "initial_state",
    "parse_replay",
    "play_replay",
    "read_replay",
    "replay_of_game",
    "verify_replay",
    "write_replay",
    "write_table",
]
