"""A recorded game as a message, and back; for the server and the client alike. No I/O."""

from __future__ import annotations

import numpy as np

from strategos.play.record import GameRecord
from strategos.server.grpc.columns import from_struct, read_column, to_struct
from strategos.server.grpc.v1 import game_service_pb2 as v1
from strategos.server.grpc.v1 import games_pb2


def write_replay(record: GameRecord) -> v1.Replay:
    """A record as a message; its actions as int32 [ticks, seats]."""
    return v1.Replay(
        kind=games_pb2.GameKind(name=record.game, options=to_struct(record.options)),
        version=record.version,
        seed=record.seed,
        players=record.players,
        ticks=record.ticks,
        actions=np.ascontiguousarray(record.actions, "<i4").tobytes(),
        returns=record.returns,
        truncated=record.truncated,
        final_hash=record.final_hash,
    )


def read_replay(message: v1.Replay) -> GameRecord:
    """The record of a message; `ColumnError` where its actions are not of its ticks and players."""
    options, shape = from_struct(message.kind.options), (message.ticks, len(message.players))
    return GameRecord(
        game=message.kind.name,
        options=options,
        ruleset=str(options.get("ruleset", "")),
        version=message.version,
        seed=message.seed,
        players=tuple(message.players),
        actions=read_column(message.actions, "<i4", shape, "the actions").astype(np.int32),
        returns=tuple(message.returns),
        truncated=message.truncated,
        final_hash=message.final_hash,
    )
