"""The recorder: writes finished games to files beside the games that run, and takes in games from elsewhere.

Whatever the disk refuses is tried again; the games go on.
"""

from __future__ import annotations

import asyncio
import json
import math
import secrets
import sqlite3
from collections.abc import Callable

import structlog

from strategos.play.record import GameRecord, RecordError, recorded_game, verify
from strategos.server.records.archive import Archive
from strategos.server.records.journal import TICK, Journal, JournalError, pack_actions, wall_clock
from strategos.server.rooms.endings import Endings
from strategos.server.rooms.pools import Pool
from strategos.server.settings import Settings
from strategos.server.terms import HallError

_LOOK_S = 1.0
_AGAIN_S = 5.0
LONGEST_REPORT = 20_000
"""Ticks of a game that is reported; it is played again before it is believed."""
log = structlog.get_logger("strategos.server")


class Recorder:
    """The way of finished games into the files of one data folder."""

    def __init__(
        self,
        settings: Settings,
        archive: Archive,
        journal: Journal,
        endings: Endings,
        *,
        clock: Callable[[], float],
    ) -> None:
        self.settings, self.archive, self.journal, self.endings = settings, archive, journal, endings
        self._clock = clock

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
        """Write all games that have ended, or those that there is time for; whether the disk took them."""
        self.endings.finished = 0
        try:
            while await asyncio.to_thread(self.archive.write, self.settings.record_games):
                if self._clock() >= until:
                    break  # the rest stays in the journal
        except (OSError, sqlite3.Error, JournalError) as error:
            log.error("finished games cannot be written to a file", error=str(error)[:200])
            self.endings.finished += 1
            return False
        return True

    async def report(self, record: GameRecord) -> tuple[str, tuple[float | None, ...]]:
        """Take in a game that was played elsewhere; its replay id and the new ratings.

        It is played again first: `HallError` "invalid" where that does not give the recorded end.
        """
        if not 0 < record.ticks <= LONGEST_REPORT:
            raise HallError("invalid", f"a reported game has 1 to {LONGEST_REPORT} ticks")
        try:
            await asyncio.to_thread(verify, record)
            game = recorded_game(record)
        except RecordError as error:
            raise HallError("invalid", f"the record does not replay: {error}") from None
        teams = game.options.get("teams") or range(game.spec.num_players)
        sides = [[seat for seat, team in enumerate(teams) if team == side] for side in dict.fromkeys(teams)]
        returns = record.returns
        ratings: tuple[float | None, ...] = (None,) * len(returns)
        if not record.truncated:
            ratings = self.endings.ratings.update(record.game, record.players, sides, returns)
        room, replay = secrets.token_urlsafe(16), secrets.token_urlsafe(12)
        for tick, actions in enumerate(record.actions):
            self.journal.note(TICK, room, tick, pack_actions(actions))
        places = Pool.places_of(returns)
        self.journal.note(
            "INSERT INTO results VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, NULL, NULL)",
            replay, room, record.game, json.dumps(record.options), json.dumps(record.players),
            json.dumps(returns), json.dumps(places), json.dumps(ratings), "reported", int(record.truncated),
            record.ticks, record.final_hash, record.seed, 0, wall_clock(), 1,
        )  # fmt: skip
        self.journal.commit()
        self.endings.finished += 1
        return replay, ratings
