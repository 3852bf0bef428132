"""The web entrance as an ASGI application: the page's files, the HTTP API, the WebSocket; a translation
of the hall, nothing else.

Every refusal is `{"code", "message"}`; the codes are those of `HallError`. The API's own description is at
`/api/openapi.json`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine, Mapping
from dataclasses import asdict, dataclass
from typing import Annotated, Any

import orjson
import structlog
from fastapi import Body as BodyOf
from fastapi import FastAPI, Path, Query, Request, Response, WebSocket
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException
from starlette.middleware.cors import CORSMiddleware
from starlette.responses import RedirectResponse

from strategos import __version__
from strategos.envs.render import PLAYER_COLOURS
from strategos.play.record import RecordError
from strategos.server.hall import Hall
from strategos.server.terms import HallError, Ticket
from strategos.server.web.bodies import (
    LONGEST_WHERE,
    EmptyBody,
    GameName,
    JoinBody,
    NewRoom,
    QuickBody,
    room_options,
)
from strategos.server.web.files import PageFile, read_files
from strategos.server.web.guard import Application, Callers, Guard, Receive, Scope, Send, address_of
from strategos.server.web.replays import Replays
from strategos.server.web.rounds import Rounds
from strategos.server.web.sockets import Conversation

STATUS = {
    "invalid": 400,
    "forbidden": 403,
    "not_found": 404,
    "full": 409,
    "late": 409,
    "early": 409,
    "illegal": 409,
    "duplicate": 409,
    "over": 409,
    "not_started": 409,
    "exhausted": 429,
    "unavailable": 503,
}
"""The status of every `HallError.code`."""
COLOURS = ["#{:02x}{:02x}{:02x}".format(*colour) for colour in PLAYER_COLOURS]
_log = structlog.get_logger(__name__)

Where = Annotated[str, Path(min_length=1, max_length=LONGEST_WHERE, pattern=r"^[A-Za-z0-9_-]+$")]
"""A room's id or code, or a replay's id: never a path."""
Page = Annotated[str, Query(max_length=256)]
Mode = Annotated[str, Query(max_length=16)]
Size = Annotated[int, Query(ge=1, le=100)]


@dataclass(frozen=True)
class Refused:
    """For the description of the API."""

    code: str
    message: str


_REFUSALS: dict[int | str, dict[str, Any]] = {
    status: {"model": Refused} for status in (400, 403, 404, 408, 409, 413, 415, 422, 429, 503)
}


class Json(Response):
    """JSON as orjson writes it: NaN is null."""

    media_type = "application/json"

    def render(self, content: Any) -> bytes:
        return orjson.dumps(content, option=orjson.OPT_SERIALIZE_NUMPY | orjson.OPT_NON_STR_KEYS)


class _JsonRequest(Request):
    """Read by orjson, which bounds the nesting; the standard library's parser raises `RecursionError`."""

    async def json(self) -> Any:
        return orjson.loads(await self.body())


class _JsonRoute(APIRoute):
    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()

        async def handle_json(request: Request) -> Response:
            return await handle(_JsonRequest(request.scope, request.receive))

        return handle_json


def make_app(hall: Hall, others: Mapping[str, Application] | None = None) -> Application:
    """The whole entrance. `others`: applications by the first part of their path, such as the protocol of
    generals.io at `/socket.io`; they guard themselves."""
    api = FastAPI(
        title="Strategos",
        version=__version__,
        docs_url=None,  # these pages would load scripts from another host
        redoc_url=None,
        openapi_url="/api/openapi.json",
        responses=_REFUSALS,
    )
    api.router.route_class = _JsonRoute
    _add_handlers(api)
    _add_rooms(api, hall)
    _add_lists(api, hall, Replays(hall, COLOURS))
    _add_files(api, read_files())
    rounds = Rounds()
    hall.follow(rounds)

    async def talk(scope: Scope, receive: Receive, send: Send) -> None:
        await Conversation(hall, WebSocket(scope, receive, send), rounds, COLOURS).run()

    inside: Application = api
    if hall.settings.origins:
        inside = CORSMiddleware(
            api,
            allow_origins=hall.settings.origins,
            allow_methods=["GET", "POST"],
            allow_headers=["content-type"],
        )
    page = Guard(inside, lambda: hall.settings, hall.requests)
    return Callers(_Entrances(page, talk, others or {}), hall.connections)


class _Entrances:
    """Sends a request to the application of its path.

    The WebSocket goes past FastAPI, which would hold 12 KB for each as long as it is open.
    """

    def __init__(self, page: Application, talk: Application, others: Mapping[str, Application]) -> None:
        self.page, self.talk, self.others = page, talk, others

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        path = scope.get("path", "")
        if path == "/ws" and scope["type"] == "websocket":
            return self.talk(scope, receive, send)
        before, _, rest = path.partition("/")
        first = "" if before else "/" + rest.partition("/")[0]  # `*` and others are no path at all
        return self.others.get(first, self.page)(scope, receive, send)


def _refusal(status: int, code: str, message: str, headers: Mapping[str, str] | None = None) -> Json:
    return Json({"code": code, "message": message}, status, headers)


def _add_handlers(api: FastAPI) -> None:
    """Every error as one line for the user; no path, no stack."""

    @api.exception_handler(HallError)
    async def of_the_hall(_: Request, error: HallError) -> Response:
        headers = {"retry-after": "10"} if error.code in ("exhausted", "unavailable") else None
        return _refusal(STATUS[error.code], error.code, error.message, headers)

    @api.exception_handler(RequestValidationError)
    async def of_the_form(_: Request, error: RequestValidationError) -> Response:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"] if part not in ("body", "query", "path"))
        what = str(first["msg"]).lower()
        return _refusal(422, "invalid", f"{where}: {what}"[:300] if where else what[:300])

    @api.exception_handler(HTTPException)
    async def of_the_path(_: Request, error: HTTPException) -> Response:
        code = {404: "not_found", 400: "invalid"}.get(error.status_code, "forbidden")
        text = {404: "there is nothing here", 400: "the body is no JSON", 405: "this method is not for here"}
        message = text.get(error.status_code, "this is not possible")
        return _refusal(error.status_code, code, message, error.headers)

    @api.exception_handler(RecordError)
    async def of_a_record(_: Request, error: RecordError) -> Response:
        return _refusal(503, "unavailable", "this game was recorded, but its record is damaged")

    @api.exception_handler(Exception)
    async def of_ours(request: Request, error: Exception) -> Response:
        _log.error("fault", path=request.url.path, kind=type(error).__name__)
        return _refusal(500, "unavailable", "the server made a mistake; it was noted")


def _add_rooms(api: FastAPI, hall: Hall) -> None:
    """Taking a seat."""

    def ticket_json(ticket: Ticket, status: int = 200) -> Json:
        return Json(asdict(ticket) | {"game": hall.game_of(ticket.room).spec.name}, status)

    @api.post("/api/rooms", status_code=201)
    async def create(request: Request, body: Annotated[NewRoom, BodyOf()]) -> Response:
        ticket = await hall.create(room_options(body), name=body.name, address=address_of(request.scope))
        return ticket_json(ticket, 201)

    @api.post("/api/rooms/{where}/join")
    async def join(request: Request, where: Where, body: JoinBody) -> Response:
        address = address_of(request.scope)
        return ticket_json(
            await hall.join(where, name=body.name, address=address, seat=body.seat, team=body.team)
        )

    @api.post("/api/rooms/{where}/spectate")
    async def spectate(request: Request, where: Where, body: EmptyBody) -> Response:
        room, token = await hall.spectate(where, address=address_of(request.scope))
        return Json({"room": room, "token": token, "game": hall.game_of(room).spec.name})

    @api.post("/api/quick")
    async def quick(request: Request, body: QuickBody) -> Response:
        address = address_of(request.scope)
        return ticket_json(
            await hall.quick_match(body.game, name=body.name, address=address, players=body.players)
        )


def _add_lists(api: FastAPI, hall: Hall, replays: Replays) -> None:
    """Looking around; nothing of it is hidden."""

    @api.get("/api/health")
    async def health() -> Response:
        return Json({"status": "serving", "version": __version__})

    @api.get("/api/agents")
    async def agents(game: GameName) -> Response:
        return Json({"agents": hall.agents(game)})

    @api.get("/api/rooms")
    async def rooms(game: GameName | None = None, page: Page = "", size: Size = 50) -> Response:
        found, following = hall.rooms(game=game, page=page, size=size)
        return Json({"rooms": [asdict(each) for each in found], "next": following})

    @api.get("/api/rooms/{where}")
    async def room(request: Request, where: Where) -> Response:
        return Json(asdict(hall.room(where, address=address_of(request.scope))))

    @api.get("/api/games")
    async def games(page: Page = "", size: Size = 50) -> Response:
        found, following = hall.games(page=page, size=size)
        return Json({"games": [asdict(each) for each in found], "next": following})

    @api.get("/api/leaderboard")
    async def leaderboard(game: GameName, size: Size = 50, mode: Mode = "") -> Response:
        return Json({"standings": [asdict(each) for each in hall.leaderboard(game, size, mode)]})

    @api.get("/api/replays/{replay}")
    async def replay(replay: Where) -> Response:
        return Response(await replays.shown(replay), media_type="application/json")


def _add_files(api: FastAPI, files: Mapping[str, PageFile]) -> None:
    """The page's files from memory: a path of a request is only ever a key of a dictionary."""

    def answer(request: Request, name: str) -> Response:
        file = files.get(name)
        if file is None:
            raise HTTPException(404)
        headers = {"etag": file.etag, "cache-control": "no-cache"}
        if request.headers.get("if-none-match") == file.etag:
            return Response(status_code=304, headers=headers)
        return Response(file.content, media_type=file.kind, headers=headers)

    @api.get("/", include_in_schema=False)
    async def index(request: Request) -> Response:
        return answer(request, "index.html")

    @api.get("/replays/{replay}", include_in_schema=False)
    async def link(replay: Where) -> Response:
        """The link to a replay that bots of generals.io print."""
        return RedirectResponse(f"/#/replay/{replay}")

    @api.get("/static/{name}", include_in_schema=False)
    async def static(request: Request, name: str) -> Response:
        return answer(request, name)
