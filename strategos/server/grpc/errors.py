"""Refusals as canonical gRPC codes, and the one place where anything unexpected ends.

What a caller reads is a line for the user, never a path or a stack. The hall's own code goes along as the
trailing metadata `strategos-code`.
"""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import grpc
import structlog
from google.protobuf.message import DecodeError

from strategos.server.terms import HallError

CODE_KEY = "strategos-code"
STATUS: dict[str, grpc.StatusCode] = {
    "invalid": grpc.StatusCode.INVALID_ARGUMENT,
    "not_found": grpc.StatusCode.NOT_FOUND,
    "full": grpc.StatusCode.FAILED_PRECONDITION,
    "late": grpc.StatusCode.FAILED_PRECONDITION,
    "early": grpc.StatusCode.FAILED_PRECONDITION,
    "illegal": grpc.StatusCode.INVALID_ARGUMENT,
    "duplicate": grpc.StatusCode.ALREADY_EXISTS,
    "over": grpc.StatusCode.FAILED_PRECONDITION,
    "not_started": grpc.StatusCode.FAILED_PRECONDITION,
    "forbidden": grpc.StatusCode.PERMISSION_DENIED,
    "exhausted": grpc.StatusCode.RESOURCE_EXHAUSTED,
    "unavailable": grpc.StatusCode.UNAVAILABLE,
}
"""Every `HallError.code`."""
_UNEXPECTED = (
    "something went wrong in the server; it was logged there, and nothing of yours was changed by halves"
)
_UNREADABLE = "the request cannot be read: its bytes are no message of this method"
_log = structlog.get_logger("strategos.grpc")

Handler = Callable[[Any, Any], Any]


class _Unreadable:
    """In place of a request whose bytes are no message."""


class RefusalInterceptor(grpc.aio.ServerInterceptor):
    """Wraps every method: reads its request, counts it, and turns what it raises into a status.

    `admit` is told the peer (address and port) of every call and may raise `HallError`.
    """

    def __init__(self, admit: Callable[[str], None]) -> None:
        self._admit = admit

    async def intercept_service(
        self, continuation: Callable[[Any], Awaitable[Any]], details: grpc.HandlerCallDetails
    ) -> Any:
        """The handler of a method, wrapped; None for a method that there is not."""
        handler = await continuation(details)
        if handler is None:
            return None
        method = details.method
        read = _reading(handler.request_deserializer)
        if handler.request_streaming and handler.response_streaming:
            return grpc.stream_stream_rpc_method_handler(
                self._streaming(handler.stream_stream, method), read, handler.response_serializer
            )
        if handler.response_streaming:
            return grpc.unary_stream_rpc_method_handler(
                self._streaming(handler.unary_stream, method), read, handler.response_serializer
            )
        if handler.request_streaming:
            return handler  # none of ours
        return grpc.unary_unary_rpc_method_handler(
            self._unary(handler.unary_unary, method), read, handler.response_serializer
        )

    def _unary(self, behaviour: Handler, method: str) -> Handler:
        async def answer(request: Any, context: grpc.aio.ServicerContext) -> Any:
            try:
                self._admit(context.peer())
                _check_readable(request)
                return await behaviour(request, context)
            except Exception as error:
                await _refuse(context, method, error)

        return answer

    def _streaming(self, behaviour: Handler, method: str) -> Handler:
        if not inspect.isasyncgenfunction(behaviour):  # writes by itself, as Watch of the health service
            return self._unary(behaviour, method)

        async def answer(request: Any, context: grpc.aio.ServicerContext) -> AsyncIterator[Any]:
            try:
                self._admit(context.peer())
                _check_readable(request)
                async for response in behaviour(request, context):
                    yield response
            except Exception as error:
                await _refuse(context, method, error)

        return answer


def _reading(deserialize: Callable[[bytes], Any] | None) -> Callable[[bytes], Any] | None:
    if deserialize is None:
        return None

    def read(data: bytes) -> Any:
        try:
            return deserialize(data)
        except (DecodeError, ValueError, RecursionError):
            return _Unreadable()  # what is raised here would be answered with its whole text

    return read


def _check_readable(request: Any) -> None:
    if isinstance(request, _Unreadable):
        raise HallError("invalid", _UNREADABLE)


def readable(request: Any) -> Any:
    """A message out of a stream of requests; `HallError` "invalid" where its bytes were none."""
    _check_readable(request)
    return request


def address_of(context: grpc.aio.ServicerContext) -> str:
    """The address of the peer without its port: `ipv4:10.0.0.1:5000` is `10.0.0.1`."""
    kind, _, rest = context.peer().partition(":")
    if kind in ("ipv4", "ipv6"):
        return rest.rpartition(":")[0].replace("%5B", "").replace("%5D", "").strip("[]")
    return kind


async def _refuse(context: grpc.aio.ServicerContext, method: str, error: Exception) -> None:
    """Abort the call; always raises."""
    if isinstance(error, grpc.aio.AbortError):
        raise error
    if isinstance(error, asyncio.CancelledError):  # the caller has gone or its deadline has passed
        raise error
    if isinstance(error, HallError):
        metadata = ((CODE_KEY, error.code),)
        await context.abort(STATUS[error.code], error.message, trailing_metadata=metadata)
    _log.error("call_failed", method=method, error=type(error).__name__, exc_info=error)
    await context.abort(grpc.StatusCode.INTERNAL, _UNEXPECTED)
