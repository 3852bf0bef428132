"""What the tests of games over the protocol of generals.io share: a hall that runs, and clients on a wire."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from test_generalsio_queues import patched
from wire import PATIENCE_S, Wire, serving, wire

from strategos.games import make_game
from strategos.server.generalsio import App, make_app
from strategos.server.hall import Hall
from strategos.server.rooms.prepare import prepare
from strategos.server.settings import Settings

SMALL = {"width": 8, "height": 8, "game_speed": 100}
"""A board whose kernels many tests share, as fast as the server lets it be played."""
ADJACENT = ((-1, 0), (1, 0), (0, -1), (0, 1))


@dataclass
class House:
    """A hall with the entrance, on a port."""

    port: int
    hall: Hall
    app: App

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"


def run(
    tmp_path: Path, test: Callable[[House], Awaitable], *, seats: int = 2, resume_s: float = 30.0, **settings
) -> None:
    """Run a test against a fresh hall, which has the kernels of the small board for so many `seats`."""

    async def main() -> None:
        await prepare(make_game("generals", height=8, width=8, players=seats))
        chosen = Settings(data=tmp_path, runs=None, **{"tick_least_s": 0.02, **settings})
        async with Hall(chosen) as hall:
            app = make_app(hall, resume_s=resume_s)
            async with serving(app, chosen) as port:
                await asyncio.wait_for(test(House(port, hall, app)), 3 * PATIENCE_S)
            await app.close()

    asyncio.run(main())


class Client:
    """A player over a wire: keeps the map as a client would, and every event."""

    def __init__(self, line: Wire, user_id: str) -> None:
        self.line, self.user_id = line, user_id
        self.map: list[int] = []
        self.cities: list[int] = []
        self.start: dict = {}
        self.update: dict = {}

    async def emit(self, *arguments) -> None:
        await self.line.emit(*arguments)

    async def event(self, name: str) -> list:
        return await self.line.event(name)

    async def join(self, game: str, options: dict | None = None) -> None:
        """Into a private game; the host sets its options."""
        await self.emit("set_username", self.user_id, self.user_id)
        assert await self.event("error_set_username") == [""]
        await self.emit("join_private", game, self.user_id)
        if options is not None:
            await self.emit("set_custom_options", game, options)
        await self.event("queue_update")

    async def begin(self) -> dict:
        """Read to the start of the game."""
        (self.start, nothing) = await self.event("game_start")
        assert nothing is None
        self.map, self.cities = [], []
        return self.start

    async def look(self) -> dict:
        """Read to the next update."""
        (self.update, nothing) = await self.event("game_update")
        assert nothing is None
        self.map = patched(self.map, self.update["map_diff"])
        self.cities = patched(self.cities, self.update["cities_diff"])
        return self.update

    @property
    def me(self) -> int:
        return self.start["playerIndex"]

    @property
    def armies(self) -> list[int]:
        return self.map[2 : len(self.map) // 2 + 1]

    @property
    def terrain(self) -> list[int]:
        return self.map[len(self.map) // 2 + 1 :]

    def way_out(self, least: int = 2) -> tuple[int, int]:
        """A tile of the player's with an army, and a neighbour it can go to."""
        width, height = self.map[:2]
        for tile, owner in enumerate(self.terrain):
            row, column = divmod(tile, width)
            if owner == self.me and self.armies[tile] >= least:
                for down, right in ADJACENT:
                    target = tile + down * width + right
                    inside = 0 <= row + down < height and 0 <= column + right < width
                    if inside and self.terrain[target] == -1 and self.armies[target] == 0:
                        return tile, target
        raise AssertionError("nowhere to go")


@asynccontextmanager
async def players(house: House, *names: str, version: int = 4):
    """Clients that have connected."""
    async with AsyncExitStack() as stack:
        found = []
        for name in names:
            line = await stack.enter_async_context(wire(house.port, version))
            if version == 4:
                await line.until("0")
                await line.send("40")
            await line.until("40")
            found.append(Client(line, name))
        yield found


async def begin(house: House, clients: list[Client], game: str = "room", **options) -> None:
    """Let clients play one private game."""
    for place, client in enumerate(clients):
        await client.join(game, {**SMALL, **options} if place == 0 else None)
    for client in clients:
        await client.emit("set_force_start", game, True)
    for client in clients:
        await client.begin()
