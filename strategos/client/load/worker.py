"""One process of the generator: it plays what its `Share` says and tells its figures through a pipe.

It tells "ready" when all games have begun, begins at `GO`, tells its figures once a second, and ends at
`STOP` or when nobody is there any more. What goes wrong before the games is told as ("failed", why).
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import signal
from dataclasses import dataclass
from multiprocessing.connection import Connection
from threading import Thread

from strategos.client.load.seats import Entrance, GrpcEntrance, Kind
from strategos.client.load.sockets import SocketEntrance
from strategos.client.load.tables import Load, Table
from strategos.client.load.tls import Tls
from strategos.client.messages import ServerError
from strategos.server.access.descriptors import OWN_FILES, ask_for_descriptors

GO, STOP = "go", "stop"
WARM_UP_S = 1.0
"""Between the first moves, which all come at once, and the first that count."""
TOLD_EVERY_S = 1.0


@dataclass(frozen=True)
class Share:
    """What one process plays."""

    address: str
    over: str
    """grpc or websocket"""
    kind: Kind
    tables: int
    idle_tables: int
    think_s: float
    seed: int
    tls: Tls | None = None


def work(share: Share, pipe: Connection) -> None:
    """The process: until it is told to stop."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches all processes; the first one decides
    try:
        asyncio.run(_Worker(share, pipe).run())
    except (BrokenPipeError, EOFError):
        return  # nobody is there to be told


class _Worker:
    def __init__(self, share: Share, pipe: Connection) -> None:
        self._share, self._pipe = share, pipe
        self._told: asyncio.Queue[str] = asyncio.Queue()

    async def run(self) -> None:
        """Sit down, play when told to, tell what was measured."""
        share, loop = self._share, asyncio.get_running_loop()
        Thread(target=self._listen, args=(loop,), daemon=True).start()
        entrance: Entrance
        number = share.tables + share.idle_tables
        ask_for_descriptors(share.kind.players * number + OWN_FILES)
        if share.over == "grpc":
            entrance = GrpcEntrance(share.address, share.kind.players * number, share.tls)
        else:
            entrance = SocketEntrance(share.address, share.tls)
        load = Load(entrance, share.kind, think_s=share.think_s, seed=share.seed)
        tables = [Table(load, idle=place >= share.tables) for place in range(number)]
        playing: list[asyncio.Task[None]] = []
        told = asyncio.create_task(self._told.get())
        try:
            async with asyncio.TaskGroup() as group:
                seating = [group.create_task(_seat(table, playing)) for table in tables]
                told.add_done_callback(lambda _: [each.cancel() for each in seating])  # of those that wait
            gc.collect()
            gc.freeze()  # or looking through all that is loaded would be measured now and then
            self._pipe.send(("ready", None))
            if await told == GO:
                await self._measure(load, playing)
        except* ServerError as errors:
            self._pipe.send(("failed", str(errors.exceptions[0])))
        finally:
            for task in playing:
                task.cancel()
            await asyncio.gather(*playing, return_exceptions=True)
            await asyncio.gather(*(table.leave() for table in tables), return_exceptions=True)
            await entrance.close()

    async def _measure(self, load: Load, playing: list[asyncio.Task[None]]) -> None:
        load.go.set()
        await asyncio.sleep(WARM_UP_S)
        load.begin()
        word = ""
        while not word:
            with contextlib.suppress(TimeoutError):
                word = await asyncio.wait_for(self._told.get(), TOLD_EVERY_S)
            for task in playing:
                if task.done():
                    task.result()  # nobody stops by himself: this raises what went wrong
            self._pipe.send(("figures", load.so_far()))

    def _listen(self, loop: asyncio.AbstractEventLoop) -> None:
        """A thread: what the first process says, and the end when it says nothing any more."""
        word = GO
        while word != STOP:
            try:
                word = self._pipe.recv()
            except (EOFError, OSError):
                word = STOP
            with contextlib.suppress(RuntimeError):  # the loop is closed already
                loop.call_soon_threadsafe(self._told.put_nowait, word)


async def _seat(table: Table, playing: list[asyncio.Task[None]]) -> None:
    """Take seats, listen, and wait for the game."""
    await table.sit_down()
    playing.append(asyncio.create_task(table.play()))
    await table.begun()
