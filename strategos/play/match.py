"""Matches: policies against each other on the same boards, with the seats rotated.

Every board is played once for each seat, so that a lucky spawn is everybody's once. No game is
left out: one that reaches the tick limit is a draw. A player that forfeits a game leaves it: it has lost,
and whoever is left goes on. Nothing here rates players or writes files.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, replace

import numpy as np

from strategos.engine.batch import Batch, Observation
from strategos.games.rng import derive
from strategos.games.spec import LEAVE, Game, LeavableGame
from strategos.play.policy import Conduct, Policy, Session, SessionPolicy
from strategos.ratings.payoff import Result, wilson

_BOARDS, _CHANCE = range(2)


@dataclass(frozen=True)
class PlayedGame:
    """One game of a match."""

    seed: int
    seats: tuple[int, ...]
    """The policy on each seat, as its place in the match."""
    returns: tuple[float, ...]
    """Of each seat, in [-1, 1]; zeros for a draw and at the tick limit."""
    length: int
    truncated: bool
    actions: np.ndarray | None
    """int32 [length, seats] where the match was recorded; `LEAVE` where a player forfeited."""
    final_hash: str | None
    """SHA-256 of the last state's bytes where the match was recorded."""
    conduct: tuple[Conduct, ...]
    """Of each seat."""


@dataclass(frozen=True)
class MatchResult:
    """What came out of a match of N policies; all counts are in the order of the policies."""

    policies: tuple[str, ...]
    games: tuple[PlayedGame, ...]
    wins: np.ndarray
    draws: np.ndarray
    losses: np.ndarray
    illegal: np.ndarray
    """Actions that the game refused and played as a pass."""
    faults: np.ndarray
    """Answers of programs that were late or malformed; a pass was played."""
    forfeits: np.ndarray
    """Games lost by conduct: too many faults, or a program that ended."""
    paired: np.ndarray | None
    """int64 [N, 2 * N + 1]: boards by the policy's half points on it, over all its seats. With two
    policies these are the pentanomial counts. None for a match that was not paired."""

    def win_interval(self, policy: int, confidence: float = 0.95) -> tuple[float, float]:
        """Wilson's interval of the share of games that the policy won; a draw is not won."""
        return wilson(int(self.wins[policy]), len(self.games), confidence)

    @property
    def misconduct(self) -> tuple[str, ...]:
        """A line for each policy with faults, illegal moves or forfeits."""
        lines = (
            misconduct_line(name, [game.conduct[game.seats.index(place)] for game in self.games])
            for place, name in enumerate(self.policies)
        )
        return tuple(line for line in lines if line)

    def result(self) -> Result:
        """The match of two policies as a line of a results table; `ValueError` for more of them."""
        if len(self.policies) != 2:
            raise ValueError(f"a result is between two policies; this match had {len(self.policies)}")
        return Result(*self.policies, int(self.wins[0]), int(self.draws[0]), int(self.losses[0]))


def misconduct_line(name: str, behaved: Sequence[Conduct]) -> str:
    """The faults, illegal moves and forfeits of a player that `behaved` so in its games, with the reason of
    the first forfeit; empty where there are none."""
    faults, illegal = sum(each.faults for each in behaved), sum(each.illegal for each in behaved)
    reasons = [each.forfeit for each in behaved if each.forfeit is not None]
    if not (faults or illegal or reasons):
        return ""
    first = f" ({reasons[0]})" if reasons else ""
    return (
        f"{name}: {faults} faults, {illegal} illegal moves, "
        f"{len(reasons)} of {len(behaved)} games forfeited{first}"
    )


def play_match(
    game: Game,
    policies: Sequence[Policy],
    *,
    num_games: int,
    seed: int,
    tick_limit: int,
    paired: bool = True,
    record: bool = False,
    batch_size: int = 512,
    threads: int | None = None,
) -> MatchResult:
    """Play `num_games` games, one policy a seat, and count who won.

    With `paired`, game `b * N + r` is played on board `b` with policy `(s + r) % N` on seat `s`;
    without it every game has its own board and the seats still rotate. `tick_limit` 0 leaves the end
    to the rules. The result is a function of the arguments, the number of threads left out; where programs
    play, also of their answers in time, and of how many games they play at once (`games_at_once`).

    `ValueError` when there is not one policy a seat, or `num_games` does not fill the boards.
    """
    seats = game.spec.num_players
    if len(policies) != seats:
        raise ValueError(f"the game has {seats} seats and {len(policies)} policies were given")
    if num_games < 1:
        raise ValueError(f"a match needs at least 1 game, not {num_games}")
    if paired and num_games % seats:
        raise ValueError(
            f"a paired board is played {seats} times, once for each seat rotated; {num_games} games do not "
            f"fill the boards: take {num_games + -num_games % seats}"
        )
    if batch_size < 1:
        raise ValueError(f"batch_size must be 1 or more, not {batch_size}")
    if tick_limit == 0 and game.spec.simultaneous and game.spec.max_ticks == 0:
        raise ValueError("this game's rules set no last tick; give the match a tick_limit")
    batch_size = min(
        [batch_size, *(each.games_at_once for each in policies if isinstance(each, SessionPolicy))]
    )
    numbers = np.arange(num_games)
    boards = numbers // seats if paired else numbers
    seating = (np.arange(seats) + numbers[:, None]) % seats
    played: list[PlayedGame] = []
    for first in range(0, num_games, batch_size):
        rows = slice(first, min(first + batch_size, num_games))
        seeds = np.array([derive(derive(seed, _BOARDS), int(board)) for board in boards[rows]], np.int64)
        rng = np.random.default_rng([seed & 0xFFFFFFFFFFFFFFFF, _CHANCE, first])
        played += play_games(
            game,
            policies,
            seeds,
            seating[rows],
            rng=rng,
            tick_limit=tick_limit,
            record=record,
            threads=threads,
        )
    return _count(policies, played, boards, paired)


def play_games(
    game: Game,
    policies: Sequence[Policy],
    seeds: np.ndarray,
    seating: np.ndarray,
    *,
    rng: np.random.Generator,
    tick_limit: int,
    record: bool = False,
    threads: int | None = None,
    on_tick: Callable[[int], None] | None = None,
) -> list[PlayedGame]:
    """Play a game of each of `seeds` [G] int64, all of them together, until the last of them has ended.

    `seating` [G, P] tells who has each seat, as a place in `policies`; a policy may have several seats, and
    is asked once a tick for all of them. `on_tick` is told after every tick how many games it has ended, and
    breaks off by raising. The result is a function of the arguments and of the state of `rng`, the number of
    threads left out; where programs play, also of their answers in time.
    """
    size = len(seeds)
    batch = Batch(game, size, threads=threads, tick_limit=tick_limit)
    batch.reset(seeds=seeds)
    running = np.ones(size, bool)
    lengths, truncated = np.zeros(size, np.int64), np.zeros(size, bool)
    returns = np.zeros(seating.shape, np.float32)
    refused = np.zeros(seating.shape, np.int64)
    actions = np.zeros(seating.shape, np.int32)
    history: list[np.ndarray] = []
    with ExitStack() as stack:
        sessions = {
            place: stack.enter_context(closing(policy.begin()))
            for place, policy in enumerate(policies)
            if isinstance(policy, SessionPolicy) and (seating == place).any()
        }
        gone: set[tuple[int, int]] = set()
        while running.any():
            _choose(game, policies, sessions, batch.observation, seating, running, rng, actions)
            for row, seat in _forfeiting(sessions, seating, running, gone):
                leave(game, batch.states, row, seat)
                actions[row, seat] = LEAVE
            if record:
                history.append(actions.copy())
            batch.step(actions)
            lengths[running] += 1
            refused += (batch.illegal != 0) & running[:, None] & (actions != LEAVE)
            ended = running & (batch.terminated | batch.truncated)
            truncated[ended] = batch.truncated[ended] & ~batch.terminated[ended]
            returns[ended] = np.where(truncated[ended, None], 0, batch.returns[ended])
            running &= ~ended
            for session in sessions.values() if ended.any() else ():
                session.finish(np.flatnonzero(ended))
            if on_tick is not None:
                on_tick(int(ended.sum()))
        conduct = [_conduct(sessions, row, seating[row], refused[row]) for row in range(size)]
    moves = np.stack(history) if record else None
    return [
        PlayedGame(
            seed=int(seeds[row]),
            seats=tuple(seating[row].tolist()),
            returns=tuple(returns[row].tolist()),
            length=int(lengths[row]),
            truncated=bool(truncated[row]),
            actions=None if moves is None else moves[: lengths[row], row].copy(),
            final_hash=hash_state(batch.states[row : row + 1]) if record else None,
            conduct=conduct[row],
        )
        for row in range(size)
    ]


def _conduct(
    sessions: Mapping[int, Session], row: int, places: np.ndarray, refused: np.ndarray
) -> tuple[Conduct, ...]:
    """Of each seat of a game, with what the game `refused`."""
    behaved = [sessions[place].conduct(row) if place in sessions else Conduct() for place in places.tolist()]
    return tuple(
        replace(each, illegal=each.illegal + number)
        for each, number in zip(behaved, refused.tolist(), strict=True)
    )


def _choose(
    game: Game,
    policies: Sequence[Policy],
    sessions: Mapping[int, Session],
    seen: Observation,
    seating: np.ndarray,
    running: np.ndarray,
    rng: np.random.Generator,
    actions: np.ndarray,
) -> None:
    """Let every seat of the running games choose; sessions last, so that theirs is the whole machine."""
    moving = running[:, None] & np.ones(seating.shape, bool)
    if not game.spec.simultaneous:
        moving &= seen.masks.any(axis=2)
    for place, policy in enumerate(policies):
        rows, seats = np.nonzero(moving & (seating == place))
        if len(rows) and place not in sessions:
            chosen = policy.act(*_seen_from(seen, rows, seats), rng)
            # An id below 0 is illegal like any other that is none, but must not stand for `LEAVE`.
            actions[rows, seats] = np.where(chosen < 0, game.spec.num_actions, chosen)
    for place, session in sessions.items():
        rows, seats = np.nonzero(moving & (seating == place))
        if len(rows):
            actions[rows, seats] = session.act(rows, *_seen_from(seen, rows, seats), rng)


def _seen_from(
    seen: Observation, rows: np.ndarray, seats: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
    """Copies of the views, masks and memories of some seats."""
    places = rows * seen.views.shape[1] + seats  # `take` copies records whole, an index field by field
    memories = seen.memories.reshape(-1).take(places) if len(seen.memories) else None
    return seen.views.reshape(-1).take(places), seen.masks[rows, seats], memories


def _forfeiting(
    sessions: Mapping[int, Session], seating: np.ndarray, running: np.ndarray, gone: set[tuple[int, int]]
) -> list[tuple[int, int]]:
    """Row and seat of those who forfeit now, added to `gone`; by seats, which rotate: where two forfeit at
    once, the first of them loses."""
    found = [
        (row, seat)
        for row, seat in np.argwhere(running[:, None] & np.isin(seating, list(sessions))).tolist()
        if (row, seat) not in gone and sessions[int(seating[row, seat])].conduct(row).forfeit is not None
    ]
    gone.update(found)
    return found


def leave(game: Game, states: np.ndarray, row: int, seat: int) -> None:
    """Let a seat leave game `row` of `states`; `ValueError` for a game that nobody can leave."""
    if not isinstance(game, LeavableGame):
        raise ValueError(f"a game of {game.spec.name} cannot be left before its end")
    game.leave(states, row, seat)


def hash_state(states: np.ndarray) -> str:
    """SHA-256 of the bytes of `states`, in hexadecimal."""
    return hashlib.sha256(states.tobytes()).hexdigest()


def _count(
    policies: Sequence[Policy],
    played: list[PlayedGame],
    boards: np.ndarray,
    paired: bool,
) -> MatchResult:
    size = len(policies)
    outcome = np.zeros((len(played), size), np.int64)  # 0 lost, 1 drawn, 2 won: half points
    illegal, faults, forfeits = (np.zeros(size, np.int64) for _ in range(3))
    for number, game in enumerate(played):
        seats = list(game.seats)
        outcome[number, seats] = 1 + np.sign(game.returns).astype(np.int64)
        illegal[seats] += [each.illegal for each in game.conduct]
        faults[seats] += [each.faults for each in game.conduct]
        forfeits[seats] += [each.forfeit is not None for each in game.conduct]
    pairs = None
    if paired:
        points = np.zeros((boards[-1] + 1, size), np.int64)
        np.add.at(points, boards, outcome)
        pairs = np.stack([np.bincount(column, minlength=2 * size + 1) for column in points.T])
    return MatchResult(
        policies=tuple(policy.name for policy in policies),
        games=tuple(played),
        wins=(outcome == 2).sum(axis=0),
        draws=(outcome == 1).sum(axis=0),
        losses=(outcome == 0).sum(axis=0),
        illegal=illegal,
        faults=faults,
        forfeits=forfeits,
        paired=pairs,
    )
