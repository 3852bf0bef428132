"""Recorded games played again many at a time, in lock step: an order faster than one after the other.

For whoever has files full of games to verify or to show. One game alone is `record.replay` and
`record.verify`, the slow twins of what stands here.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from strategos.games.spec import LEAVE, Game
from strategos.play.match import hash_state, leave
from strategos.play.record import GameRecord, RecordError, recorded_game, require_fitting, verify


@dataclass(frozen=True)
class Moment:
    """One tick of all the games that have it."""

    tick: int
    rows: np.ndarray
    """int64 [R], the games as places in what is replayed."""
    states: np.ndarray
    """[R] of `state_dtype`, after the tick; overwritten by the next one."""


def replay_together(game: Game, records: Sequence[GameRecord]) -> Iterator[Moment]:
    """The moments of `records`, all of them of `game`: the start (tick 0), then one after every tick.

    `RecordError` where a record does not fit the game, a game ends before its actions do, or somebody leaves
    who cannot.
    """
    for record in records:
        require_fitting(game, record)  # actions of another width would be broadcast
    order = np.array(sorted(range(len(records)), key=lambda row: -records[row].ticks), np.int64)
    states = np.zeros(len(records), game.state_dtype)
    illegal = np.zeros((len(records), game.spec.num_players), np.uint8)
    game.reset(states, np.array([records[row].seed for row in order], np.int64))
    yield Moment(0, order, states)
    lengths = np.array([records[row].ticks for row in order])
    actions = np.zeros((len(records), lengths.max(initial=0), game.spec.num_players), np.int32)
    for place, row in enumerate(order):
        actions[place, : lengths[place]] = records[row].actions
    for tick in range(actions.shape[1]):
        left = int(np.count_nonzero(lengths > tick))
        over = game.over(states[:left])
        if over.any():
            raise RecordError(f"game {order[over.argmax()]} ends after {tick} ticks, but more are recorded")
        chosen = np.ascontiguousarray(actions[:left, tick])
        for place, seat in np.argwhere(chosen == LEAVE).tolist():
            try:
                leave(game, states, place, seat)
            except ValueError as error:
                raise RecordError(f"game {order[place]}: seat {seat} leaves, but {error}") from None
        game.step(states[:left], chosen, illegal[:left])
        yield Moment(tick + 1, order[:left], states[:left])


def verify_together(records: Sequence[GameRecord]) -> None:
    """`record.verify` of all `records`; `RecordError` naming the first game that is wrong, and what is."""
    kinds: dict[str, list[int]] = {}
    for row, record in enumerate(records):
        kinds.setdefault(f"{record.game} {sorted(record.options.items())}", []).append(row)
    for rows in kinds.values():
        if not _all_verify([records[row] for row in rows]):
            for row in rows:
                try:
                    verify(records[row])
                except RecordError as error:
                    raise RecordError(f"game {row}: {error}") from None


def _all_verify(records: Sequence[GameRecord]) -> bool:
    """Whether all `records` of one kind of game reach the end that was recorded."""
    try:
        game = recorded_game(records[0])
        ends = np.zeros(len(records), game.state_dtype)
        for moment in replay_together(game, records):
            ends[moment.rows] = moment.states
    except ValueError:
        return False
    returns = np.zeros((len(records), game.spec.num_players), np.float32)
    game.returns(ends, returns)
    return all(
        over != record.truncated
        and np.array_equal(made, np.array(record.returns, np.float32))
        and hash_state(ends[row : row + 1]) == record.final_hash
        for row, (record, over, made) in enumerate(zip(records, game.over(ends), returns, strict=True))
    )
