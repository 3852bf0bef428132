"""Every call of every service of ours, by its full name: those of the files that are generated."""

from __future__ import annotations

from strategos.server.grpc.v1 import (
    batch_service_pb2,
    experience_service_pb2,
    game_service_pb2,
    rating_service_pb2,
)

_FILES = (game_service_pb2, batch_service_pb2, experience_service_pb2, rating_service_pb2)
METHODS = {
    f"/{service.full_name}/{method.name}": method
    for file in _FILES
    for service in file.DESCRIPTOR.services_by_name.values()
    for method in service.methods
}
