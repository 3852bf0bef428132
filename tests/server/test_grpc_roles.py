"""J10: who may call what over gRPC, every method by every role: nobody, players, spectators, workers."""

from __future__ import annotations

from collections.abc import Callable

import grpc
import pytest
from google.protobuf import message_factory
from grpc_methods import METHODS
from grpc_servers import BOARD

OPEN = {
    "CreateGame", "JoinGame", "ListGames", "GetReplay", "GetLeaderboard", "CreateBatchGames",
    "GetBatchStates", "SubmitBatchActions", "ResetBatchGames", "CloseBatchGames",
}  # fmt: skip
"""For everybody; of a batch, for who knows its name."""
WATCHED = {"GetGameState", "StreamGame", "PlayGame", "LeaveGame"}
"""Of the methods of a seat those that are for spectators, too."""


def request_of(method, credential: str):
    """A request of a method with a credential where one belongs; None where none does."""
    request = message_factory.GetMessageClass(method.input_type)()
    if method.name == "PlayGame":
        request.seat.token = credential
    elif method.name == "StreamExperienceBatches":
        request.subscribe.key = credential
        request.subscribe.history, request.subscribe.credits = True, 1  # what there is, and then the end
    elif hasattr(request, "token"):
        request.token = credential
    elif hasattr(request, "key"):
        request.key = credential
    else:
        return None
    if method.name == "SendSignal":
        request.chat = "hello"
    elif method.name == "QueueActions":
        request.clear = True
    return request


OF_SEATS = [
    path
    for path, method in METHODS.items()
    if method.name == "PlayGame" or "token" in method.input_type.fields_by_name
]
OF_WORKERS = [
    path
    for path, method in METHODS.items()
    if method.name == "StreamExperienceBatches" or "key" in method.input_type.fields_by_name
]


def code_of(channel: grpc.Channel, path: str, request) -> str:
    """What a call is answered with; of a stream its first message counts."""
    method = METHODS[path]
    kind = "stream" if method.client_streaming else "unary"
    answers = "stream" if method.server_streaming else "unary"
    invoke = getattr(channel, f"{kind}_{answers}")(path, type(request).SerializeToString)
    try:
        answer = invoke(iter([request]) if kind == "stream" else request, timeout=30)
        if answers == "stream":
            next(answer, None)
            answer.cancel()
    except grpc.RpcError as error:
        return error.code().name
    return "OK"


def test_every_method_is_of_one_kind():
    assert {path.rpartition("/")[2] for path in METHODS} - OPEN == {
        path.rpartition("/")[2] for path in (*OF_SEATS, *OF_WORKERS)
    }
    assert len(METHODS) == len(OPEN) + len(OF_SEATS) + len(OF_WORKERS)


@pytest.fixture
def roles(server, client) -> dict[str, Callable[[], str]]:
    """How each role comes by what it shows."""
    seat = client.create("generals", BOARD, name="ann", private=True)
    other = client.join(seat.code, name="bob")
    watcher = client.spectate(seat.code)
    return {
        "nobody": lambda: "",
        "forged": lambda: seat.token[:-6] + "AAAAAA",
        "player": lambda: seat.token,
        "left": lambda: other.leave() or other.token,
        "spectator": lambda: watcher.token,
        "worker": lambda: server.key,
    }


ROLES = ("nobody", "forged", "player", "left", "spectator", "worker")


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("path", OF_SEATS)
def test_J10_what_is_for_who_has_a_seat(client, roles, path, role):
    name = METHODS[path].name
    found = code_of(client.channel, path, request_of(METHODS[path], roles[role]()))
    if role == "player" or (role == "spectator" and name in WATCHED):
        assert found != "PERMISSION_DENIED"
    else:
        assert found == "PERMISSION_DENIED"


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("path", OF_WORKERS)
def test_J10_what_is_for_workers(client, roles, path, role):
    found = code_of(client.channel, path, request_of(METHODS[path], roles[role]()))
    assert (found == "PERMISSION_DENIED") == (role != "worker"), found
