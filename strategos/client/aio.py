"""The asyncio client: `AsyncClient` and the seats that it gets. `sync` is its blocking twin."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from contextlib import aclosing
from types import TracebackType
from typing import Any

import grpc

from strategos.client import messages
from strategos.client.messages import TIMEOUT_S, Answer, Event, State, StateStream, refusals, stream_end
from strategos.play.record import GameRecord
from strategos.server.grpc.v1 import game_service_pb2 as v1
from strategos.server.grpc.v1 import (
    game_service_pb2_grpc,
    rating_service_pb2,
    rating_service_pb2_grpc,
)


class AsyncClient:
    """A connection to a server at `address` ("host:port"). `credentials` make it TLS, see
    `grpc.ssl_channel_credentials`. `timeout_s` is the deadline of every call but streams. `options` are
    further arguments of gRPC's channel.

    Every refusal is a `ServerError`.
    """

    def __init__(
        self,
        address: str,
        *,
        credentials: grpc.ChannelCredentials | None = None,
        timeout_s: float = TIMEOUT_S,
        options: Sequence[tuple[str, int | str]] = (),
    ) -> None:
        options = messages.channel_options(options)
        if credentials is None:
            self.channel = grpc.aio.insecure_channel(address, options)
        else:
            self.channel = grpc.aio.secure_channel(address, credentials, options)
        self.timeout_s = timeout_s
        self.stub = game_service_pb2_grpc.GameServiceStub(self.channel)

    async def __aenter__(self) -> AsyncClient:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Close the connection."""
        await self.channel.close()

    async def create(
        self,
        game: str = "generals",
        options: Mapping[str, Any] | None = None,
        *,
        name: str,
        agents: Mapping[int, str] | None = None,
        seconds: float = 0.0,
        real_time: bool = False,
        private: bool = False,
        seed: int | None = None,
        tick_limit: int = 0,
    ) -> AsyncSeat:
        """Open a game and sit down; see `RoomOptions` of the server for what the options mean."""
        request = messages.create_request(
            game,
            options or {},
            name=name,
            agents=agents or {},
            seconds=seconds,
            real_time=real_time,
            private=private,
            seed=seed,
            tick_limit=tick_limit,
        )
        with refusals():
            return AsyncSeat(self, await self.stub.CreateGame(request, timeout=self.timeout_s))

    async def join(
        self, game: str, *, name: str, seat: int | None = None, team: int | None = None
    ) -> AsyncSeat:
        """Sit down in a game, by its id or its code."""
        return await self._join(v1.JoinGameRequest(game=game, name=name, seat=seat, team=team))

    async def quick_match(self, game: str = "generals", *, name: str, players: int = 2) -> AsyncSeat:
        """Play against whoever comes."""
        wish = v1.QuickMatch(game=game, players=players)
        return await self._join(v1.JoinGameRequest(quick_match=wish, name=name))

    async def spectate(self, game: str) -> AsyncSeat:
        """Look on; the board comes some ticks late."""
        return await self._join(v1.JoinGameRequest(spectate=game))

    async def games(self, game: str = "", *, finished: bool = False, page: str = "") -> v1.ListGamesResponse:
        """A page of the public games, or of the finished ones."""
        with refusals():
            request = v1.ListGamesRequest(game=game, finished=finished, page=page)
            return await self.stub.ListGames(request, timeout=self.timeout_s)

    async def agents(self, game: str) -> list[str]:
        """Whom the server can seat."""
        with refusals():
            request = v1.ListGamesRequest(game=game, size=1)
            return list((await self.stub.ListGames(request, timeout=self.timeout_s)).agents)

    async def replay(self, replay: str) -> GameRecord:
        """The record of a finished game."""
        with refusals():
            request = v1.GetReplayRequest(replay=replay)
            return messages.read_replay(await self.stub.GetReplay(request, timeout=self.timeout_s))

    async def leaderboard(
        self, game: str, size: int = 50, *, mode: str = ""
    ) -> list[rating_service_pb2.Standing]:
        """The best players; of Generals in `mode` 1v1 (which "" is, too), ffa or teams."""
        stub = rating_service_pb2_grpc.RatingServiceStub(self.channel)
        request = rating_service_pb2.GetLeaderboardRequest(game=game, size=size, mode=mode)
        with refusals():
            return list((await stub.GetLeaderboard(request, timeout=self.timeout_s)).standings)

    async def _join(self, request: v1.JoinGameRequest) -> AsyncSeat:
        with refusals():
            return AsyncSeat(self, await self.stub.JoinGame(request, timeout=self.timeout_s))


class AsyncPlay:
    """A seat on one stream, for who moves often: less than half of what calls cost. Iterate for states,
    events, and the answers to moves; it ends with the game.

        async with seat.play() as game:
            async for update in game:
                if isinstance(update, State) and update.my_turn:
                    await game.act(int(update.legal.nonzero()[0][0]), tick=update.tick)
    """

    def __init__(self, seat: AsyncSeat) -> None:
        self._seat, self._stream = seat, StateStream(seat.game)
        self._call: Any = None
        self._writing = asyncio.Lock()  # gRPC takes one message after the other, or breaks the stream off

    async def __aenter__(self) -> AsyncPlay:
        self._call = self._seat._stub.PlayGame()
        await self._write(messages.seat_request(self._seat.token))
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._call.cancel()

    async def __aiter__(self) -> AsyncGenerator[State | Event | Answer]:
        with refusals():
            async for update in self._call:
                yield self._stream.read_any(update)

    async def act(self, action: int, *, tick: int | None = None, key: str = "") -> None:
        """Send one move for the coming tick, or for `tick` and no other; its `Answer` is among the news.

        `ServerError` "over" where the stream has ended, or what ended it.
        """
        await self._write(messages.move_request(action, tick, key))

    async def _write(self, request: v1.PlayGameRequest) -> None:
        with refusals():
            try:
                async with self._writing:
                    await self._call.write(request)
            except asyncio.InvalidStateError:
                call = self._call
                status, details = await call.code(), await call.details()
                raise stream_end(status, details, await call.trailing_metadata()) from None


class AsyncSeat:
    """One seat of one game, or a place among those who look on (`seat` is then None)."""

    def __init__(self, client: AsyncClient, joined: v1.SeatResponse) -> None:
        self.client, self.token = client, joined.token
        self.game = messages.read_game(joined.game)
        self.game_id, self.code = joined.game_id, joined.code
        self.seat = joined.seat if joined.HasField("seat") else None
        self.joined_with = messages.read_state(self.game, joined.state)

    async def state(self) -> State:
        """What this seat may know now."""
        with refusals():
            request = v1.GetGameStateRequest(token=self.token)
            return messages.read_state(self.game, await self._stub.GetGameState(request, **self._limits))

    async def updates(self) -> AsyncGenerator[State | Event]:
        """Every state that is not outdated when it is sent, and all events; ends with the game."""
        stream, call = StateStream(self.game), self._stub.StreamGame(v1.StreamGameRequest(token=self.token))
        try:
            with refusals():
                async for update in call:
                    yield stream.read(update)
        finally:
            call.cancel()

    def play(self) -> AsyncPlay:
        """Moves and states on one stream: `async with seat.play() as game`."""
        return AsyncPlay(self)

    async def states(self) -> AsyncIterator[State]:
        """The states of `updates` in which this seat has to move."""
        moved = -1
        async with aclosing(self.updates()) as updates:
            async for update in updates:
                if isinstance(update, State) and update.my_turn and update.tick != moved:
                    moved = update.tick
                    yield update

    async def act(self, action: int, *, tick: int | None = None, key: str | None = None) -> int:
        """One move for the coming tick (or for `tick` and no other); the tick of the next move."""
        request = messages.action_request(self.token, action, tick, key)
        with refusals():
            return (await self._stub.SubmitAction(request, **self._limits)).next_tick

    async def queue(
        self,
        actions: Sequence[int] = (),
        *,
        number: int | None = None,
        clear: bool = False,
        undo: bool = False,
    ) -> int:
        """Add to the queue of moves, of which one is played a tick; how many wait."""
        request = messages.queue_request(self.token, actions, number, clear, undo)
        with refusals():
            return (await self._stub.QueueActions(request, **self._limits)).length

    async def chat(self, text: str) -> None:
        """Say something to everybody in the game."""
        with refusals():
            await self._stub.SendSignal(v1.SendSignalRequest(token=self.token, chat=text), **self._limits)

    async def force_start(self, on: bool = True) -> None:
        """Vote for a start before all seats are taken."""
        with refusals():
            request = v1.SendSignalRequest(token=self.token, force_start=on)
            await self._stub.SendSignal(request, **self._limits)

    async def surrender(self) -> None:
        """Give up, and stay to look on."""
        with refusals():
            await self._stub.LeaveGame(v1.LeaveGameRequest(token=self.token, surrender=True), **self._limits)

    async def leave(self) -> None:
        """Give the seat back."""
        with refusals():
            await self._stub.LeaveGame(v1.LeaveGameRequest(token=self.token), **self._limits)

    async def rematch(self) -> AsyncSeat:
        """A seat in another game of the same players."""
        return await self.client._join(v1.JoinGameRequest(rematch=self.token))

    @property
    def _stub(self) -> Any:
        return self.client.stub

    @property
    def _limits(self) -> dict[str, float]:
        return {"timeout": self.client.timeout_s}
