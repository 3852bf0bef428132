"""The recorder: writes finished games to files beside the games that run, and takes in games from elsewhere.

Whatever the disk refuses is tried again; the games go on.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
import math
import secrets
import sqlite3
import threading
from collections.abc import Awaitable, Callable

import numpy as np
import structlog

from strategos.games.spec import LEAVE, Game
from strategos.play.record import GameRecord, RecordError, require_fitting, verify
from strategos.server.records.archive import Archive
from strategos.server.records.journal import PUT_RESULT, TICK, Journal, JournalError, pack_actions, wall_clock
from strategos.server.rooms.endings import Endings
from strategos.server.rooms.kinds import build
from strategos.server.rooms.pools import Pool
from strategos.server.rooms.rated import list_of
from strategos.server.settings import Settings
from strategos.server.terms import HallError

_LOOK_S = 1.0
_AGAIN_S = 5.0
LONGEST_REPORT = 20_000
"""Ticks of a game that is reported; it is played again before it is believed."""
LONGEST_NAME = 128
"""Characters of a player of a reported game: runs have longer names than people."""
_REMEMBERED = 10_000
"""Reported games, beside those in the journal."""
log = structlog.get_logger("strategos.server")


class Recorder:
    """The way of finished games into the files of one data folder."""

    def __init__(
        self,
        settings: Settings,
        archive: Archive,
        journal: Journal,
        endings: Endings,
        prepare: Callable[[Game], Awaitable[None]],
        *,
        clock: Callable[[], float],
    ) -> None:
        """`prepare` waits until a game plays without compiling anything."""
        self.settings, self.archive, self.journal, self.endings = settings, archive, journal, endings
        self._clock, self._prepare = clock, prepare
        self._reported: dict[str, tuple[float | None, ...]] = {}
        """The ratings after the newest games that were reported."""
        self._writing = threading.Lock()

    async def run(self) -> None:
        """Write a file when enough games wait, or the first of them long enough; until it is cancelled."""
        self.endings.finished += 1  # what an earlier process may have left
        since: float | None = None
        while True:
            await asyncio.sleep(_LOOK_S)
            waiting = self.endings.finished
            if not waiting:
                since = None
                continue
            since = self._clock() if since is None else since
            if waiting < self.settings.record_games and self._clock() - since < self.settings.record_s:
                continue
            if await self.write_all():
                since = None
            else:
                await asyncio.sleep(_AGAIN_S)

    async def write_all(self, until: float = math.inf) -> bool:
        """Write all games that have ended, or those that there is time for `until` then, by the clock of the
        loop; whether the disk took them."""
        self.endings.finished = 0
        try:
            while await asyncio.to_thread(self._write):
                if asyncio.get_running_loop().time() >= until:
                    break  # the rest stays in the journal
        except (OSError, sqlite3.Error, JournalError) as error:
            log.error("finished games cannot be written to a file", error=str(error)[:200])
            self.endings.finished += 1
            return False
        return True

    def _write(self) -> int:
        """Write one file, after any that is being written: a thread goes on when its task is cancelled."""
        with self._writing:
            return self.archive.write(self.settings.record_games)

    async def report(self, record: GameRecord) -> tuple[str, tuple[float | None, ...]]:
        """Take in a game that was played elsewhere; its replay id and the new ratings. One that is reported
        again, by whomever, or that was played here, is the same game: it is told what came of it first, and
        nothing changes.

        It is played again first: `HallError` "invalid" where that does not give the recorded end.
        """
        if not 0 < record.ticks <= LONGEST_REPORT:
            raise HallError("invalid", f"a reported game has 1 to {LONGEST_REPORT} ticks")
        replay = _replay_of(record)
        known = self._known(replay)
        if known is not None:
            return replay, known
        game = build(record.game, record.options, board_cells=self.settings.board_cells)
        try:
            require_fitting(game, record)
            _require_usable(game, record)
            await self._prepare(game)
            await asyncio.to_thread(verify, record)
        except RecordError as error:
            raise HallError("invalid", f"the record does not replay: {error}") from None
        known = self._known(replay)  # somebody else may have reported it meanwhile
        if known is not None:
            return replay, known
        return self._same(record) or (replay, self._take_in(replay, game, record))

    def _known(self, replay: str) -> tuple[float | None, ...] | None:
        """The ratings after a reported game; None where it was not reported yet."""
        noted = self._reported.get(replay)
        if noted is None:
            rows = self.journal.read("SELECT ratings FROM results WHERE replay = ?", replay)
            noted = tuple(json.loads(rows[0][0])) if rows else None
        return noted

    def _same(self, record: GameRecord) -> tuple[str, tuple[float | None, ...]] | None:
        """Replay id and ratings of the game with the players, the seed and the end of a verified record."""
        rows = self.journal.read(
            "SELECT replay, ratings FROM results WHERE final_hash = ? AND game = ? AND seed = ? "
            "AND ticks = ? AND names = ? ORDER BY rowid LIMIT 1",
            record.final_hash, record.game, record.seed, record.ticks, json.dumps(record.players),
        )  # fmt: skip
        return (rows[0][0], tuple(json.loads(rows[0][1]))) if rows else None

    def _take_in(self, replay: str, game: Game, record: GameRecord) -> tuple[float | None, ...]:
        """Rate a verified game and write it down; the new ratings."""
        teams = game.options.get("teams") or range(game.spec.num_players)
        sides = [[seat for seat, team in enumerate(teams) if team == side] for side in dict.fromkeys(teams)]
        returns = record.returns
        ratings: tuple[float | None, ...] = (None,) * len(returns)
        if not record.truncated:
            ratings = self.endings.ratings.update(list_of(game), record.players, sides, returns)
        if len(self._reported) >= _REMEMBERED:
            del self._reported[next(iter(self._reported))]
        self._reported[replay] = ratings  # the journal may not have it yet: the disk may refuse for a while
        room = secrets.token_urlsafe(16)
        for tick, actions in enumerate(record.actions):
            self.journal.note(TICK, room, tick, pack_actions(actions))
        places = Pool.places_of(returns)
        self.journal.note(
            PUT_RESULT,
            replay, room, record.game, json.dumps(record.options), json.dumps(record.players),
            json.dumps(returns), json.dumps(places), json.dumps(ratings), "reported", int(record.truncated),
            record.ticks, record.final_hash, record.seed, 0, wall_clock(), 1,
        )  # fmt: skip
        self.journal.commit()
        self.endings.finished += 1
        return ratings


def _require_usable(game: Game, record: GameRecord) -> None:
    """`RecordError` for a name that cannot be shown, or an action that no reader of experience would take:
    in a replay it does nothing."""
    if not all(0 < len(name) <= LONGEST_NAME and name.isprintable() for name in record.players):
        raise RecordError(f"a player's name has 1 to {LONGEST_NAME} visible characters")
    if (record.actions < LEAVE).any() or (record.actions >= game.spec.num_actions).any():
        raise RecordError(f"an action is none of {record.game}, which has {game.spec.num_actions}")


def _replay_of(record: GameRecord) -> str:
    """The replay id of a reported game, which follows from all that is told of it."""
    start = (record.game, record.options, record.seed, record.players)
    told = json.dumps([*start, record.returns, record.truncated, record.final_hash], sort_keys=True)
    digest = hashlib.sha256(told.encode())
    digest.update(np.ascontiguousarray(record.actions, "<i4").tobytes())
    return base64.urlsafe_b64encode(digest.digest()[:12]).decode()
