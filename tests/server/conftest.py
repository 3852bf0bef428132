"""What most tests of gRPC begin with: one server for the tests of a file, a client for each of them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from grpc_servers import Running, running

from strategos.client import Client


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with running(tmp_path_factory.mktemp("data")) as started:
        yield started


@pytest.fixture
def client(server: Running) -> Iterator[Client]:
    with server.client() as connected:
        yield connected
