"""Many games in one call: `RemoteBatch` is an engine batch that lives in the server."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from strategos.client.messages import game_kind, read_game, refusals
from strategos.server.grpc.columns import read_column, unpack_column
from strategos.server.grpc.v1 import batch_service_pb2 as v1
from strategos.server.grpc.v1 import batch_service_pb2_grpc

if TYPE_CHECKING:
    from strategos.client.sync import Client

_AUTORESETS = {
    "disabled": v1.AUTORESET_DISABLED,
    "next_step": v1.AUTORESET_NEXT_STEP,
    "same_step": v1.AUTORESET_SAME_STEP,
}


@dataclass(frozen=True)
class Columns:
    """What B games say after a step, for the S seats of the client. Arrays are read only."""

    step: int
    views: np.ndarray | None
    """[B, S] of the game's `view_dtype`; None where they were not asked for."""
    masks: np.ndarray | None
    """uint8 [B, S, mask_bytes]"""
    memories: np.ndarray | None
    """[B, S] of `memory_dtype`"""
    terminated: np.ndarray
    """bool [B]"""
    truncated: np.ndarray
    """bool [B]"""
    illegal: np.ndarray
    """uint8 [B, S]"""
    returns: np.ndarray
    """float32 [B, S], of games that ended on this step"""
    final_rows: np.ndarray
    """Rows that ended on this step, with autoreset `same_step`, and their last views [E, S]."""
    final_views: np.ndarray | None


class RemoteBatch:
    """`num_games` games of one kind in the server, of which this client plays the `seats`.

    The options are those of `strategos.engine.Batch`; `agents` play the other seats. `wanted` names the
    columns that every answer brings: views, masks, memories. `zstd` packs them, for slow networks.
    """

    def __init__(
        self,
        client: Client,
        game: str,
        options: Mapping[str, Any] | None = None,
        *,
        num_games: int,
        seed: int = 0,
        tick_limit: int = 0,
        autoreset: str = "same_step",
        agents: Mapping[int, str] | None = None,
        wanted: Sequence[str] = ("views", "masks"),
        zstd: bool = False,
    ) -> None:
        if autoreset not in _AUTORESETS:
            raise ValueError(f"autoreset is one of {', '.join(_AUTORESETS)}, not {autoreset!r}")
        if unknown := set(wanted) - {"views", "masks", "memories"}:
            raise ValueError(f"there are the columns views, masks and memories, but no {', '.join(unknown)}")
        self._client = client
        self._stub = batch_service_pb2_grpc.BatchGameServiceStub(client.channel)
        self._wanted = v1.Wanted(
            **dict.fromkeys(wanted, True),
            compression=v1.COMPRESSION_ZSTD if zstd else v1.COMPRESSION_NONE,
        )
        request = v1.CreateBatchGamesRequest(
            kind=game_kind(game, options or {}),
            num_games=num_games,
            seed=seed,
            tick_limit=tick_limit,
            autoreset=_AUTORESETS[autoreset],
            agents=dict(agents or {}),
            memories="memories" in wanted,
        )
        with refusals():
            made = self._stub.CreateBatchGames(request, timeout=10 * client.timeout_s)
        self.name, self.num_games = made.batch, num_games
        self.seats = tuple(made.seats)
        self.game = read_game(made.game)
        self._step = 0

    def states(self, rows: Sequence[int] = ()) -> Columns:
        """What the seats see now, in all games or some."""
        request = v1.GetBatchStatesRequest(batch=self.name, wanted=self._wanted, rows=rows)
        with refusals():
            return self._read(self._stub.GetBatchStates(request, timeout=self._client.timeout_s))

    def step(self, actions: np.ndarray) -> Columns:
        """Play `actions` [B, S], one tick."""
        expected = (self.num_games, len(self.seats))
        if actions.shape != expected or not np.issubdtype(actions.dtype, np.integer):
            raise ValueError(f"actions are integers {expected}, not {actions.dtype} {actions.shape}")
        request = v1.SubmitBatchActionsRequest(
            batch=self.name,
            step=self._step,
            actions=np.ascontiguousarray(actions, "<i4").tobytes(),
            wanted=self._wanted,
        )
        with refusals():
            answer = self._stub.SubmitBatchActions(request, timeout=self._client.timeout_s)
        self._step = answer.step
        return self._read(answer)

    def reset(self, rows: Sequence[int] = (), seeds: Sequence[int] = ()) -> Columns:
        """Begin new games, in all rows or some, on boards of their own stream or of `seeds`."""
        request = v1.ResetBatchGamesRequest(
            batch=self.name, rows=rows, seeds=np.array(seeds, "<i8").tobytes(), wanted=self._wanted
        )
        with refusals():
            return self._read(self._stub.ResetBatchGames(request, timeout=self._client.timeout_s))

    def close(self) -> None:
        """Let go of the games."""
        with refusals():
            self._stub.CloseBatchGames(
                v1.CloseBatchGamesRequest(batch=self.name), timeout=self._client.timeout_s
            )

    def _read(self, answer: v1.BatchStates) -> Columns:
        games, seats, packed = answer.num_games, len(self.seats), answer.compression == v1.COMPRESSION_ZSTD
        final_rows = np.frombuffer(answer.final_rows, "<u4")

        def records(data: bytes, dtype: Any, shape: tuple[int, ...], what: str) -> np.ndarray | None:
            if not data:
                return None
            if packed:
                data = unpack_column(data, np.dtype(dtype).itemsize * int(np.prod(shape)), what)
            return read_column(data, dtype, shape, what)

        view, mask_bytes = self.game.view_dtype, self.game.spec.mask_bytes
        return Columns(
            step=answer.step,
            views=records(answer.views, view, (games, seats), "views"),
            masks=records(answer.masks, np.uint8, (games, seats, mask_bytes), "masks"),
            memories=records(answer.memories, self.game.memory_dtype, (games, seats), "memories"),
            terminated=read_column(answer.terminated, np.bool_, (games,), "terminated"),
            truncated=read_column(answer.truncated, np.bool_, (games,), "truncated"),
            illegal=read_column(answer.illegal, np.uint8, (games, seats), "illegal"),
            returns=read_column(answer.returns, "<f4", (games, seats), "returns"),
            final_rows=final_rows,
            final_views=records(answer.final_views, view, (len(final_rows), seats), "final_views"),
        )
