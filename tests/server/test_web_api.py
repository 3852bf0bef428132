"""The HTTP side of the web entrance: rude requests, other sites, paths, headers, what the API promises."""

from __future__ import annotations

import gzip
import re
import socket
import time

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from web_house import DUEL, TABLE, house

import strategos.server.web.guard as guard
from strategos.evaluate.player import WEB
from strategos.server.web.files import STATIC, read_files

JSON = {"content-type": "application/json"}
NEW = '{"name": "ann", "game": "generals", "options": {"height": 8, "width": 8}, "agents": {"1": "random"}}'

HEAD = (
    "POST /api/rooms HTTP/1.1\r\nHost: here\r\nConnection: close\r\n"
    "Content-Type: application/json\r\nContent-Length: {}\r\n\r\n"
)
GET = "GET {} HTTP/1.1\r\nHost: here\r\nConnection: close\r\n{}\r\n"


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with house(tmp_path_factory.mktemp("web") / "host", origins=("https://friend.example",)) as running:
        yield running


@pytest.fixture
def client(server):
    with server.client() as asking:
        yield asking


def refused(answer: httpx.Response, *statuses: int) -> dict:
    """The refusal of an answer, which is one line without paths or stacks."""
    assert answer.status_code in statuses, (answer.status_code, answer.text)
    told = answer.json()
    assert set(told) == {"code", "message"} and "\n" not in told["message"]
    assert not re.search(r"Traceback|site-packages|\.py\b|/root|/home|/work|/tmp", answer.text)
    return told


def test_the_page_and_all_it_needs_come_from_here(client):
    page = client.get("/")
    assert page.status_code == 200 and page.headers["content-type"].startswith("text/html")
    wanted = set(re.findall(r'(?:src|href)="(/static/[^"]+)"', page.text))
    seen = set()
    while wanted - seen:
        path = sorted(wanted - seen)[0]
        seen.add(path)
        answer = client.get(path)
        assert answer.status_code == 200, path
        if path.endswith(".js"):
            wanted |= {f"/static/{name}" for name in re.findall(r'from "\./([^"]+)"', answer.text)}
    assert {f"/static/{name}" for name in read_files()} == seen | {"/static/index.html"}


def test_no_file_of_the_page_names_another_host():
    for path in [*STATIC.iterdir(), WEB / "player.js", WEB / "player.css"]:
        hosts = set(re.findall(r"(?:https?:)?//([a-z0-9.-]+\.[a-z]+)", path.read_text("utf-8")))
        assert hosts <= {"www.w3.org"}, path.name  # the name of SVG, which nobody fetches


def test_no_file_of_the_page_makes_markup_of_text():
    for path in STATIC.glob("*.js"):
        text = path.read_text("utf-8")
        assert not re.search(
            r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function", text
        )


def test_every_answer_carries_the_policy(client):
    for path in ("/", "/static/main.js", "/api/rooms", "/api/nothing", "/api/replays/none"):
        headers = client.get(path).headers
        policy = headers["content-security-policy"]
        assert "default-src 'none'" in policy and "script-src 'self'" in policy and "unsafe" not in policy
        assert "frame-ancestors 'none'" in policy
        assert headers["x-content-type-options"] == "nosniff" and headers["referrer-policy"] == "no-referrer"
        assert "server" not in headers


def test_a_file_that_has_not_changed_is_not_sent_again(client):
    first = client.get("/static/page.css")
    again = client.get("/static/page.css", headers={"if-none-match": first.headers["etag"]})
    assert again.status_code == 304 and not again.content


@pytest.mark.parametrize(
    "body", ["", "{", "[", '{"name": "a",}', '"', "nul", "{'a': 1}", "\x00", '{"a":"\ud7ff']
)
def test_g1_malformed_json(client, body):
    refused(client.post("/api/rooms", content=body.encode(), headers=JSON), 400, 422)


def test_g1_bytes_that_are_no_text(client):
    refused(client.post("/api/rooms", content=b'{"name": "\xff\xfe"}', headers=JSON), 400, 422)


@pytest.mark.parametrize("opening, closing", [("[", "]"), ('{"a":', "}")])
def test_g2_nesting_of_6000(client, opening, closing):
    deep = opening * 6000 + "1" + closing * 6000
    refused(client.post("/api/rooms", content=deep, headers=JSON), 400, 422)
    inside = NEW.replace('"ann"', deep)
    refused(client.post("/api/rooms", content=inside, headers=JSON), 400, 422)


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e999", "-1e999", "1e400"])
@pytest.mark.parametrize("field", ["seed", "tick_limit", "pace", "height"])
def test_g3_numbers_that_are_none(client, field, number):
    body = {
        "seed": NEW[:-1] + f', "private": true, "seed": {number}}}',
        "tick_limit": NEW[:-1] + f', "tick_limit": {number}}}',
        "pace": NEW[:-1] + f', "pace": {{"kind": "real_time", "seconds": {number}}}}}',
        "height": NEW.replace('"height": 8', f'"height": {number}'),
    }[field]
    refused(client.post("/api/rooms", content=body, headers=JSON), 400, 422)


def test_g4_integers_of_5000_digits(client):
    for body in (
        NEW.replace('"height": 8', '"height": ' + "9" * 5000),
        NEW[:-1] + ', "seed": ' + "1" * 5000 + "}",
    ):
        refused(client.post("/api/rooms", content=body, headers=JSON), 400, 422)
    refused(client.get("/api/rooms", params={"size": "9" * 5000}), 422, 431, 400)


def test_g5_of_two_equal_keys_the_last_counts(client):
    body = NEW.replace('"name": "ann"', '"name": "", "name": "ann"')
    answer = client.post("/api/rooms", content=body, headers=JSON)
    assert answer.status_code == 201 and answer.json()["seat"] == 0


@pytest.mark.parametrize(
    "kind", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "", "json"]
)
def test_g6_another_type_than_json(client, kind):
    headers = {"content-type": kind} if kind else {}
    refused(client.post("/api/rooms", content=NEW, headers=headers), 415)


def test_g7_a_body_over_the_limit(server, client):
    large = b'{"name": "' + b"x" * 70_000 + b'"}'
    refused(client.post("/api/rooms", content=large, headers=JSON), 413)

    def pieces():
        for _ in range(70):
            yield b"x" * 1024

    refused(client.post("/api/rooms", content=pieces(), headers=JSON), 413)
    for length in ("-1", "1e9", "9" * 30, "0x10"):
        answer = raw(server, HEAD.format(length))
        assert answer.split(b" ")[1] in (b"400", b"413")


def raw(server, text: str, wait_s: float = 20.0) -> bytes:
    """Everything the server says to some bytes until it ends the line."""
    with socket.create_connection(("127.0.0.1", server.port), timeout=wait_s) as line:
        line.sendall(text.encode())
        return read_all(line)


def read_all(line: socket.socket) -> bytes:
    parts = []
    try:
        while part := line.recv(65536):
            parts.append(part)
    except ConnectionResetError:
        pass
    return b"".join(parts)


def test_g8_a_slow_head_and_a_slow_body_end(tmp_path, monkeypatch):
    monkeypatch.setattr("strategos.server.web.lines.HEAD_S", 0.2)
    monkeypatch.setattr(guard, "BODY_S", 0.2)
    with house(tmp_path / "host") as slow:
        with socket.create_connection(("127.0.0.1", slow.port), timeout=20) as line:
            line.sendall(b"GET / HTTP/1.1\r\nHost: he")
            assert read_all(line) == b""  # cut off
        with socket.create_connection(("127.0.0.1", slow.port), timeout=20) as line:
            line.sendall(HEAD.format(50).encode() + b'{"na')
            assert read_all(line).startswith(b"HTTP/1.1 408")
        with socket.create_connection(("127.0.0.1", slow.port), timeout=20) as line:
            line.sendall(b"GET /api/health HTTP/1.1\r\nHost: here\r\n\r\n")
            assert line.recv(15) == b"HTTP/1.1 200 OK"
            line.sendall(b"GET /api/he")  # a second head that never ends
            read_all(line)
        until = time.monotonic() + 20
        while slow.call(lambda: slow.hall.connections.total) and time.monotonic() < until:
            time.sleep(0.05)
        assert slow.call(lambda: slow.hall.connections.total) == 0


WAYS = [
    "%2e%2e", "..%2f..%2fetc%2fpasswd", "../../etc/passwd", "%2fetc%2fpasswd", "..%5c..%5cx", "a%00b",
    "%00", "．．／etc", "%c0%ae%c0%ae", "journal.sqlite", "keys.json", "....//x", "C:%5cx", "~root",
    "x" * 200,
]  # fmt: skip


@pytest.mark.parametrize("way", WAYS)
def test_g9_no_path_leaves_the_house(server, client, way):
    for folder in ("/static/", "/api/replays/", "/api/rooms/"):
        for answer in (client.get(folder + way), client.post(folder + way + "/join", json={"name": "x"})):
            assert answer.status_code in (400, 404, 405, 409, 422), (folder, way)
            refused(answer, answer.status_code)
    answer = raw(server, GET.format(f"/static/../../{way.encode('ascii', 'ignore').decode()}", ""))
    assert answer.split(b" ")[1] in (b"404", b"400")


@pytest.mark.parametrize("request_line", ["GET *", "OPTIONS *", "GET nowhere", "GET socket.io/", "GET //"])
def test_what_is_no_path_is_nothing_here(server, request_line):
    with socket.create_connection(("127.0.0.1", server.port), timeout=20) as line:
        line.sendall(f"{request_line} HTTP/1.1\r\nHost: here\r\nConnection: close\r\n\r\n".encode())
        answer = b"".join(iter(lambda: line.recv(65536), b""))
    assert re.match(rb"HTTP/1.1 40[045] ", answer), answer[:200]


def test_g10_nothing_of_a_request_becomes_a_header(server):
    for target in (
        "/static/x%0d%0aset-cookie:a=b",
        "/api/rooms/x%0d%0aset-cookie:a=b/join",
        "/%0d%0aset-cookie:a=b",
    ):
        answer = raw(server, GET.format(target, ""))
        assert b"set-cookie" not in answer.partition(b"\r\n\r\n")[0].lower()
    split = raw(server, GET.format("/", "X-A: b\nSet-Cookie: a=b\r\n"))
    assert b"set-cookie" not in split.lower()
    assert raw(server, GET.format("/", "X-A: " + "b" * 1_000_000 + "\r\n"))[9:12] in (b"400", b"431", b"")


POSTS = ["/api/rooms", "/api/rooms/ABCDEFGH/join", "/api/rooms/ABCDEFGH/spectate", "/api/quick"]


@pytest.mark.parametrize("path", POSTS)
def test_g11_pages_of_other_sites_change_nothing(client, path):
    before = client.get("/api/rooms").json()
    for origin in ("http://evil.example", "null", "http://127.0.0.1.evil.example", "http://localhost:1"):
        refused(client.post(path, json={"name": "x"}, headers={"origin": origin}), 403)
        preflight = client.options(path, headers={"origin": origin, "access-control-request-method": "POST"})
        assert "access-control-allow-origin" not in preflight.headers
    assert client.get("/api/rooms").json() == before


def test_g11_every_route_that_changes_something_was_tried(client):
    routes = client.get("/api/openapi.json").json()["paths"]
    changing = {path for path, methods in routes.items() if set(methods) - {"get"}}
    assert changing == {path.replace("ABCDEFGH", "{where}") for path in POSTS}


def test_g11_origins_of_the_settings_and_the_own_one_may_ask(server, client):
    for origin in (server.origin, "https://friend.example"):
        answer = client.post("/api/rooms", content=NEW, headers={**JSON, "origin": origin})
        assert answer.status_code == 201
    assert answer.headers["access-control-allow-origin"] == "https://friend.example"


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "br", "zstd"])
def test_g12_compressed_bodies_are_not_unpacked(client, encoding):
    bomb = gzip.compress(b" " * 50_000_000)
    assert len(bomb) < 65_536
    headers = {**JSON, "content-encoding": encoding}
    refused(client.post("/api/rooms", content=bomb, headers=headers), 415)


def test_l5_a_flood_of_new_games_is_told_429(tmp_path):
    with house(tmp_path / "host", creates_per_minute=3) as small, small.client() as asking:
        answers = [asking.post("/api/rooms", content=NEW, headers=JSON) for _ in range(20)]
        assert [answer.status_code for answer in answers] == [201] * 3 + [429] * 17
        assert refused(answers[-1], 429)["code"] == "exhausted"


@pytest.mark.parametrize(
    "name",
    ["", "x" * 33, "x" * 65, "a\u202eb", "\u200b", "a\x07", "random", "Ｒandom", 7, None, ["a"]],
    ids=ascii,
)
def test_l7_names_that_nobody_may_have(client, name):
    body = {"name": name, **DUEL, "agents": {"1": "random"}}
    if name == "":
        refused(client.post("/api/rooms", json=body), 422)
    else:
        refused(client.post("/api/rooms", json=body), 400, 422)


def test_l7_names_are_shown_as_they_are(server):
    ticket = server.create(TABLE, name="<b>Zoë</b> & 'co'")
    with server.seat(ticket["token"]) as talk:
        assert talk.until("state")["names"][0] == "<b>Zoë</b> & 'co'"
    ticket = server.create(TABLE, name=" two \n lines ")
    with server.seat(ticket["token"]) as talk:
        assert talk.until("state")["names"][0] == "two lines"


def test_g9_an_agent_is_named_and_never_a_path(client):
    for agent in ("/etc/passwd", "../host", "cmd:id", "runs/x", "nobody", "hunter\x00"):
        body = {"name": "ann", **DUEL, "agents": {"1": agent}}
        assert client.post("/api/rooms", json=body).status_code in (400, 404, 422)


@pytest.mark.parametrize(
    "change",
    [
        {"options": {"height": 3, "width": 8}},
        {"options": {"height": 10**6, "width": 8}},
        {"options": {"players": 17}},
        {"options": {"ruleset": "none"}},
        {"options": {"teams": [0, 0]}},
        {"options": {"teams": list(range(17))}},
        {"options": {"cards": 5}},
        {"agents": {"9": "random"}},
        {"agents": {"0": "random", "1": "random"}},
        {"agents": {"x": "random"}},
        {"pace": {"kind": "never"}},
        {"pace": {"kind": "real_time", "seconds": 0}},
        {"seed": 5},
        {"seed": -1},
        {"tick_limit": -1},
        {"game": "chess"},
        {"surprise": 1},
    ],
    ids=str,
)
def test_rooms_that_cannot_be(client, change):
    refused(client.post("/api/rooms", json={"name": "ann", **DUEL, **change}), 400, 404, 422)


def test_lists_come_in_pages(server, client):
    for _ in range(3):
        server.create(TABLE)
    first = client.get("/api/rooms", params={"size": 2}).json()
    second = client.get("/api/rooms", params={"size": 2, "page": first["next"]}).json()
    rooms = [room["room"] for room in first["rooms"] + second["rooms"]]
    assert len(rooms) == len(set(rooms)) == 4
    for params in (
        {"size": 0},
        {"size": 101},
        {"size": "x"},
        {"page": "x" * 300},
        {"page": "-1"},
        {"game": "chess"},
    ):
        refused(client.get("/api/rooms", params=params), 400, 422)


def test_private_rooms_are_not_listed_and_their_seed_is_nowhere(server, client):
    ticket = server.create(DUEL | {"private": True, "seed": 4711})
    listed = client.get("/api/rooms", params={"size": 100}).text
    assert ticket["room"] not in listed and ticket["code"] not in listed and "4711" not in listed
    refused(client.post(f"/api/rooms/{ticket['room']}/join", json={"name": "eve"}), 404)
    refused(client.get(f"/api/rooms/{ticket['room']}"), 404)
    told = client.get(f"/api/rooms/{ticket['code']}")
    assert told.json()["names"] == ["ann", ""] and "4711" not in told.text
    assert server.join(ticket["code"], "bob")["seat"] == 1


def test_a_room_that_is_full_a_game_that_is_not_there(server, client):
    ticket = server.create(TABLE | {"agents": {"1": "random", "2": "random"}})
    refused(client.post(f"/api/rooms/{ticket['code']}/join", json={"name": "bob"}), 409)
    refused(client.post("/api/rooms/NOSUCHRM/join", json={"name": "bob"}), 404)
    refused(client.get("/api/replays/nosuchgame"), 404)
    assert refused(client.get("/no/such/page"), 404)["code"] == "not_found"
    refused(client.delete("/api/rooms"), 405, 415)


def test_too_many_lines_of_one_address_are_refused(tmp_path):
    with house(tmp_path / "host", connections_per_address=3) as small:
        lines = [socket.create_connection(("127.0.0.1", small.port), timeout=20) for _ in range(3)]
        for line in lines:  # each is counted once the server has taken it
            line.sendall(b"GET /api/health HTTP/1.1\r\nHost: x\r\n\r\n")
            assert line.recv(12) == b"HTTP/1.1 200"
        assert raw(small, GET.format("/api/health", "")).startswith(b"HTTP/1.1 503")
        for line in lines:
            line.close()
        until = time.monotonic() + 20
        while small.call(lambda: small.hall.connections.total) and time.monotonic() < until:
            time.sleep(0.02)
        with small.client() as asking:
            assert asking.get("/api/health").status_code == 200


def test_too_many_requests_of_one_address_are_told_to_slow_down(tmp_path):
    with house(tmp_path / "host", requests_per_second=5) as small, small.client() as asking:
        answers = [asking.get("/api/health") for _ in range(300)]
        statuses = [answer.status_code for answer in answers]
        assert set(statuses) == {200, 429} and statuses[:75] == [200] * 75
        slow = answers[statuses.index(429)]
        assert refused(slow, 429)["code"] == "exhausted" and int(slow.headers["retry-after"]) > 0


def test_a_mistake_of_ours_is_one_line(server, client, monkeypatch):
    def broken(game: str) -> list[str]:
        raise RuntimeError("/home/secret/file.py")

    monkeypatch.setattr(server.hall, "agents", broken)
    answer = client.get("/api/agents", params={"game": "generals"})
    assert refused(answer, 500)["code"] == "unavailable" and "secret" not in answer.text


def test_the_api_keeps_its_own_description(server):
    """Schemathesis: no request that it can think of is answered with a mistake of the server's."""
    schemathesis = pytest.importorskip("schemathesis")
    schema = schemathesis.openapi.from_url(f"{server.url}/api/openapi.json")
    tried = set()
    for found in schema.get_all_operations():
        operation = found.ok()

        @settings(max_examples=15, suppress_health_check=list(HealthCheck))
        @given(case=operation.as_strategy())
        def attack(case) -> None:
            answer = case.call()
            tried.add((case.method, case.path))
            assert answer.status_code < 500, answer.text
            if answer.status_code >= 400:
                assert set(answer.json()) == {"code", "message"}

        attack()
    assert len(tried) == 11
