"""Recorded games as JSON for the page. Playing one again takes long: all who ask at once share one answer."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Sequence

import orjson

from strategos.server.hall import Hall
from strategos.server.terms import HallError
from strategos.server.web.shown import replay_of

AT_ONCE = 2
"""Games that are played again at a time, on threads."""
MOST_ASKED_FOR = 64
"""Games that are played again or wait for it; whoever asks for a further one is told to come back."""
KEPT_BYTES = 64 << 20
"""Answers that are kept, the latest ones."""


class Replays:
    """Answers with the game of a replay id, made once for all who ask for it."""

    def __init__(self, hall: Hall, colours: Sequence[str]) -> None:
        self.hall, self.colours = hall, colours
        self._turns = asyncio.Semaphore(AT_ONCE)
        self._kept: OrderedDict[str, bytes] = OrderedDict()
        self._kept_bytes = 0
        self._making: dict[str, asyncio.Task[bytes]] = {}

    async def shown(self, replay: str) -> bytes:
        """The data of one game; `HallError` "not_found" for no such game, "exhausted" where too many wait."""
        if replay in self._kept:
            self._kept.move_to_end(replay)
            return self._kept[replay]
        making = self._making.get(replay)
        if making is None:
            if len(self._making) >= MOST_ASKED_FOR:
                raise HallError("exhausted", "many other replays are being prepared; try again in a moment")
            making = self._making[replay] = asyncio.create_task(self._make(replay))
            making.add_done_callback(lambda done: self._made(replay, done))
        return await asyncio.shield(making)  # who goes away leaves it to the others

    async def _make(self, replay: str) -> bytes:
        async with self._turns:
            return await asyncio.to_thread(self._play, replay)

    def _play(self, replay: str) -> bytes:
        return orjson.dumps(replay_of(self.hall.replay(replay)) | {"colours": self.colours})

    def _made(self, replay: str, done: asyncio.Task[bytes]) -> None:
        del self._making[replay]
        if done.cancelled() or done.exception() is not None:
            return  # whoever asked was told; the next one asks anew
        self._kept[replay] = done.result()
        self._kept_bytes += len(done.result())
        while self._kept_bytes > KEPT_BYTES:
            self._kept_bytes -= len(self._kept.popitem(last=False)[1])
