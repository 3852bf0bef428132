"""Refusals as canonical gRPC codes, and the one place where anything unexpected ends.

What a caller reads is a line for the user, never a path or a stack. The hall's own code goes along as the
trailing metadata `strategos-code`.
"""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import grpc
import structlog
from google.protobuf.message import DecodeError

from strategos.server.grpc import CODE_KEY
from strategos.server.terms import HallError

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
WITH_COLUMNS = ("ResetBatchGames", "SubmitBatchActions", "SubmitExperiences", "ReportResult")
"""Methods whose requests may be as large as `settings.batch_message_bytes`."""
_UNEXPECTED = (
    "something went wrong in the server; it was logged there, and nothing of yours was changed by halves"
)
_UNREADABLE = "the request cannot be read: its bytes are no message of this method"
_log = structlog.get_logger("strategos.grpc")

Handler = Callable[[Any, Any], Any]


class _Unreadable:
    """In place of a request whose bytes are no message, or too many: why."""

    def __init__(self, why: HallError) -> None:
        self.why = why


class RefusalInterceptor(grpc.aio.ServerInterceptor):
    """Wraps every method: reads its request, counts it, and turns what it raises into a status.

    `admit` is told of every call and may raise `HallError`; so may `hold`, which counts a stream for as long
    as it is open. Of a request without columns `most_bytes()` are read: what is read holds up everybody.
    """

    def __init__(
        self,
        admit: Callable[[grpc.aio.ServicerContext], None],
        hold: Callable[[grpc.aio.ServicerContext], AbstractContextManager[None]],
        most_bytes: Callable[[], int],
    ) -> None:
        self._admit, self._hold, self._most_bytes = admit, hold, most_bytes

    async def intercept_service(
        self, continuation: Callable[[Any], Awaitable[Any]], details: grpc.HandlerCallDetails
    ) -> Any:
        """The handler of a method, wrapped; None for a method that there is not."""
        handler = await continuation(details)
        if handler is None:
            return None
        method = details.method
        most_bytes = None if method.rpartition("/")[2] in WITH_COLUMNS else self._most_bytes
        read = _reading(handler.request_deserializer, most_bytes)
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

    def _unary(self, behaviour: Handler, method: str, *, stream: bool = False) -> Handler:
        async def answer(request: Any, context: grpc.aio.ServicerContext) -> Any:
            try:
                self._admit(context)
                with self._hold(context) if stream else nullcontext():
                    _check_readable(request)
                    return await behaviour(request, context)
            except Exception as error:
                await _refuse(context, method, error)

        return answer

    def _streaming(self, behaviour: Handler, method: str) -> Handler:
        if not inspect.isasyncgenfunction(behaviour):  # writes by itself, as Watch of the health service
            return self._unary(behaviour, method, stream=True)

        async def answer(request: Any, context: grpc.aio.ServicerContext) -> AsyncIterator[Any]:
            try:
                self._admit(context)
                with self._hold(context):
                    _check_readable(request)
                    async for response in behaviour(request, context):
                        yield response
            except Exception as error:
                await _refuse(context, method, error)

        return answer


def _reading(
    deserialize: Callable[[bytes], Any] | None, most_bytes: Callable[[], int] | None
) -> Callable[[bytes], Any] | None:
    if deserialize is None:
        return None

    def read(data: bytes) -> Any:
        if most_bytes is not None and len(data) > most_bytes():
            return _Unreadable(HallError("exhausted", f"such a request has at most {most_bytes()} bytes"))
        try:
            return deserialize(data)
        except (DecodeError, ValueError, RecursionError):
            # What is raised here would be answered with its whole text.
            return _Unreadable(HallError("invalid", _UNREADABLE))

    return read


def _check_readable(request: Any) -> None:
    if isinstance(request, _Unreadable):
        raise request.why


def readable(request: Any) -> Any:
    """A message out of a stream of requests; `HallError` "invalid" where its bytes were none."""
    _check_readable(request)
    return request


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
