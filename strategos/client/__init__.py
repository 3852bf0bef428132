"""The client of the game server: play, watch and learn over gRPC.

    from strategos.client import Client

    with Client("localhost:8001") as client:
        seat = client.create("generals", {"height": 10, "width": 10}, name="me", agents={1: "expander"})
        for state in seat.states():
            seat.act(int(state.legal.nonzero()[0][0]))

`Client` blocks, `AsyncClient` is its twin for asyncio, `RemoteEnv` is a Gymnasium environment and `run_agent`
plays whole games with an `Agent`. Every refusal of the server is a `ServerError`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from strategos.client.aio import AsyncClient
    from strategos.client.messages import Answer, Event, Result, ServerError, State
    from strategos.client.remote_env import RemoteEnv
    from strategos.client.runner import Agent, PolicyAgent, run_agent
    from strategos.client.sync import Client

__all__ = [
    "Agent",
    "Answer",
    "AsyncClient",
    "Client",
    "Event",
    "PolicyAgent",
    "RemoteEnv",
    "Result",
    "ServerError",
    "State",
    "run_agent",
]

_HOMES = {
    "Agent": "runner",
    "Answer": "messages",
    "AsyncClient": "aio",
    "Client": "sync",
    "Event": "messages",
    "PolicyAgent": "runner",
    "RemoteEnv": "remote_env",
    "Result": "messages",
    "ServerError": "messages",
    "State": "messages",
    "run_agent": "runner",
}


def __getattr__(name: str) -> Any:
    """Load what is asked for, and nothing else: Gymnasium is not needed to play."""
    if name not in _HOMES:
        raise AttributeError(f"strategos.client has no {name!r}")
    from importlib import import_module

    return getattr(import_module(f"strategos.client.{_HOMES[name]}"), name)
