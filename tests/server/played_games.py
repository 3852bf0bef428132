"""Recorded games for tests of experience, and their steps one at a time: the slow twin of chunks."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from strategos import __version__
from strategos.games import make_game
from strategos.games.spec import LEAVE
from strategos.play.match import hash_state, leave
from strategos.play.record import GameRecord, recorded_game, replay
from strategos.server.experience.chunks import Chunk
from strategos.server.experience.transitions import play_spans, rerun_of

KINDS = {
    "generals": ("generals", {"height": 6, "width": 6}),
    "four": ("generals", {"height": 8, "width": 8, "players": 4}),
    "blob": ("blob", {"players": 3, "cards": 4, "rounds": "all"}),
    "kuhn": ("kuhn", {}),
}


def play(kind: str, seed: int, limit: int, leaves: dict[int, int] | None = None) -> GameRecord:
    """A game of random moves, cut after `limit` ticks; `leaves` tells at which tick which seat leaves."""
    name, options = KINDS[kind]
    game = make_game(name, **options)
    seats = game.spec.num_players
    states, illegal = np.zeros(1, game.state_dtype), np.zeros((1, seats), np.uint8)
    game.reset(states, np.array([seed], np.int64))
    actions, history = np.zeros((1, seats), np.int32), []
    masks = np.zeros((1, seats, game.spec.mask_bytes), np.uint8)
    rng = np.random.default_rng(seed)  # a game's own stream also deals: a replay would not draw the same
    while len(history) < limit and not game.over(states)[0]:
        game.legal(states, masks)
        for seat in range(seats):
            legal = np.flatnonzero(np.unpackbits(masks[0, seat], bitorder="little"))
            if game.spec.simultaneous and len(legal) > 1:
                legal = legal[:-1]  # pass only for want of others
            actions[0, seat] = rng.choice(legal) if len(legal) else 0
        leaving = (leaves or {}).get(len(history))
        if leaving is not None:
            leave(game, states, 0, leaving)
            actions[0, leaving] = LEAVE
        history.append(actions[0].copy())
        game.step(states, actions, illegal)
    returns = np.zeros((1, seats), np.float32)
    game.returns(states, returns)
    return GameRecord(
        game=name,
        options=dict(game.options),
        ruleset=str(game.options.get("ruleset", "")),
        version=__version__,
        seed=seed,
        players=tuple(f"player {seat}" for seat in range(seats)),
        actions=np.array(history, np.int32).reshape(len(history), seats),
        returns=tuple(returns[0].tolist()),
        truncated=not game.over(states)[0],
        final_hash=hash_state(states),
    )


@dataclass
class Step:
    """One decision of one player."""

    tick: int
    view: bytes
    mask: bytes
    action: int
    reward: float = 0.0
    next_view: bytes = b""
    done: int = 0


def steps_of(record: GameRecord) -> list[list[Step]]:
    """The steps of every seat, from the states that `record.replay` shows."""
    game = make_game(record.game, **record.options)
    seats = game.spec.num_players
    found: list[list[Step]] = [[] for _ in range(seats)]
    views = np.zeros((1, seats), game.view_dtype)
    masks = np.zeros((1, seats, game.spec.mask_bytes), np.uint8)
    for tick, states in enumerate(replay(record)):
        game.view(states, views)
        game.legal(states, masks)
        last = tick == record.ticks
        for seat in range(seats):
            view = views[0, seat]
            asked = masks[0, seat].any()
            if "alive" in game.view_dtype.names:
                asked = view["alive"][seat] != 0
            if not (asked or last):
                continue
            if found[seat]:
                found[seat][-1].next_view = found[seat][-1].next_view or view.tobytes()
            if not last:
                action = int(record.actions[tick, seat])
                found[seat].append(Step(tick, view.tobytes(), masks[0, seat].tobytes(), action))
    for seat, steps in enumerate(found):
        steps[-1].done = 2 if record.truncated else 1
        steps[-1].reward = record.returns[seat]
    return found


def record_chunks(records: dict[str, GameRecord]) -> list[Chunk]:
    """The chunks of games of one kind, by their ids, that are played again together; `ValueError` for one
    with a fault."""
    reruns = [rerun_of(record, recorded_game(record), episode) for episode, record in records.items()]
    chunks = []
    while running := [rerun for rerun in reruns if rerun.waiting]:
        chunks += [chunk for _, chunk in play_spans(running)]
    for rerun in reruns:
        if rerun.fault:
            raise ValueError(rerun.fault)
    return chunks
