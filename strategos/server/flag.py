"""A flag that coroutines wait for; it knows nothing of the server."""

from __future__ import annotations

import asyncio


class Flag:
    """An `asyncio.Event` of 50 bytes instead of 800: every connection has several."""

    __slots__ = ("_is_set", "_waiting")

    def __init__(self, is_set: bool = False) -> None:
        self._is_set = is_set
        self._waiting: tuple[asyncio.Future[None], ...] = ()

    def set(self) -> None:
        """Let all go on who wait, and who comes to wait until it is cleared."""
        self._is_set = True
        for waiting in self._waiting:
            if not waiting.done():
                waiting.set_result(None)

    def clear(self) -> None:
        """Let who comes from now on wait."""
        self._is_set = False

    async def wait(self) -> None:
        """Wait until it is set."""
        if self._is_set:
            return
        own = asyncio.get_running_loop().create_future()
        self._waiting += (own,)
        try:
            await own
        finally:
            self._waiting = tuple(each for each in self._waiting if each is not own)
