"""The WebSocket of the page: who may talk, what is told, and what a rude or a slow client can not do."""

from __future__ import annotations

import json
import socket
import time
from contextlib import ExitStack

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from starlette.websockets import WebSocketDisconnect
from web_house import DUEL, STEPS, TABLE, house
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.extensions.permessage_deflate import ClientPerMessageDeflateFactory

from strategos.games import make_game
from strategos.play.record import verify
from strategos.server.rooms.mailbox import KEPT_EVENTS
from strategos.server.rooms.watching import LISTENERS
from strategos.server.terms import Ticket
from strategos.server.web import serve
from strategos.server.web.sockets import MESSAGES_AT_ONCE, Conversation


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with house(tmp_path_factory.mktemp("web") / "host", spectator_delay_ticks=5) as running:
        yield running


def play_blob(talk) -> dict:
    """Play the lowest legal action at every turn until the game is over; the last state."""
    while talk.state.get("phase") != "over":
        table = talk.state.get("table")
        if table and table["legal"]:
            talk.say(
                type="act", action=table["legal"][0], tick=talk.state["tick"], key=str(talk.state["tick"])
            )
            tick = talk.state["tick"]
            talk.until("state", lambda state, tick=tick: state["tick"] > tick)
        else:
            talk.until("state")
    return talk.state


def test_a_whole_game_of_blob_against_agents(server):
    ticket = server.create(TABLE | {"agents": {"1": "heuristic", "2": "random"}})
    with server.seat(ticket["token"]) as talk:
        assert talk.welcome["game"] == "blob" and talk.welcome["room"] == ticket["room"]
        talk.running()
        last = play_blob(talk)
    result = last["result"]
    assert sorted(result["places"])[0] == 1 and result["reason"] == "played"
    record = server.hall.replay(result["replay"])
    verify(record)
    assert record.players[last["seat"]] == "ann"


def test_the_last_trick_of_a_round_is_told_when_the_next_is_dealt(server):
    room = TABLE | {"options": {"players": 3, "cards": 2, "rounds": "all"}}
    ticket = server.create(room | {"agents": {"1": "heuristic", "2": "random"}})
    with server.seat(ticket["token"]) as talk:
        talk.running()
        seen = {}
        while talk.state["phase"] != "over":
            table = talk.state["table"]
            if table["round"]:
                finished = table["finished"]
                assert finished["round"] == table["round"] - 1
                assert sum(finished["taken"]) == finished["cards"] == len(finished["tricks"])
                assert finished["last_scores"] == table["last_scores"] and "hands" not in finished
                seen[finished["round"]] = finished
            if table["legal"]:
                talk.say(type="act", action=table["legal"][-1], tick=talk.state["tick"])
            talk.until("state")
    assert len(seen) == talk.state["table"]["rounds"] - 1


def test_h14_who_comes_back_gets_the_whole_board(server):
    ticket = server.create(DUEL | {"agents": {"1": "expander"}})
    with server.seat(ticket["token"]) as talk:
        state = talk.running()
        game_pass = talk.welcome["pass"]
        for _ in range(3):
            talk.say(type="move", action=game_pass)
        talk.until("state", lambda state: state["tick"] >= 3)
        board, tick = talk.board, talk.state["tick"]
        assert state["board"] or talk.board
    with server.seat(ticket["token"]) as again:
        state = again.until("state")
        assert state["tick"] == tick and again.board == board
        again.say(type="full")
        assert "board" in again.until("state")


def test_moves_undone_and_cleared_are_heard_in_order(server):
    ticket = server.create(DUEL | {"pace": {"kind": "real_time", "seconds": 30.0}, "agents": {"1": "random"}})
    with server.seat(ticket["token"]) as talk:
        board = talk.running()["board"]
        pass_id = talk.welcome["pass"]
        for number in (1, 2, 3):
            talk.say(type="move", number=number, action=pass_id)
        talk.say(type="undo", number=4)
        state = talk.until("state", lambda state: state["heard"] == 4)
        assert state["queue"] == [[0, 5, 0]] * 2 and board["width"] == 8
        talk.say(type="clear", number=5)
        assert talk.until("state", lambda state: state["heard"] == 5)["queue"] == []


def test_surrender_ends_the_game_and_a_rematch_begins(server):
    ann = server.create(DUEL)
    bob = server.join(ann["code"])
    with server.seat(ann["token"]) as one, server.seat(bob["token"]) as other:
        one.running()
        other.running()
        one.say(type="surrender")
        over = other.until("state", lambda state: state["phase"] == "over")
        assert over["result"]["places"][other.state["seat"]] == 1
        other.say(type="rematch")
        ticket = other.until("ticket")["ticket"]
        one.until("event", lambda event: event["kind"] == "rematch")
        one.say(type="rematch")
        assert one.until("ticket")["ticket"]["room"] == ticket["room"]


def test_i14_spectators_see_the_board_late(server):
    ann = server.create(DUEL | {"pace": STEPS})
    bob = server.join(ann["code"], "bob")
    token = server.spectate(ann["room"])
    with server.seat(ann["token"]) as one, server.seat(bob["token"]) as other, server.seat(token) as watcher:
        for talk in (one, other):
            talk.running()
        for _ in range(12):
            tick = one.state["tick"]
            one.say(type="move", action=one.welcome["pass"])
            other.say(type="move", action=other.welcome["pass"])
            one.until("state", lambda state, tick=tick: state["tick"] > tick)
        late = watcher.until("state", lambda state: state["tick"] == 12 - 5)
        assert late["seat"] is None and "queue" in late
        assert all(code < 256 for code in watcher.board[0])
        watcher.say(type="move", action=0)
        assert watcher.until("error")["code"] == "forbidden"


def test_i13_a_seat_is_told_its_own_view_alone(server):
    """The army of the other general stands in no message until it is seen."""
    ann = server.create(DUEL)
    bob = server.join(ann["code"])
    with server.seat(ann["token"]) as one, server.seat(bob["token"]) as other:
        for talk in (one, other):
            talk.running()
        homes = [talk.board[0].index(4 * 32 + talk.state["seat"] + 1) for talk in (one, other)]
        assert one.board[0][homes[1]] == 256 and one.board[1][homes[1]] == 0
        assert other.board[0][homes[0]] == 256 and other.board[1][homes[0]] == 0
        for message in (one.state, other.state):
            assert "seed" not in json.dumps(message)


@pytest.mark.parametrize("origin", ["http://evil.example", "null", "https://127.0.0.1", "file://", "http://"])
def test_h16_pages_of_other_sites_may_not_talk(server, origin):
    with pytest.raises(InvalidStatus) as refused, server.line(origin=origin):
        pass
    assert refused.value.response.status_code == 403


def test_h16_the_own_page_may_talk(server):
    ticket = server.create(DUEL | {"agents": {"1": "random"}})
    with server.seat(ticket["token"], origin=server.origin) as talk:
        assert talk.welcome["type"] == "welcome"


def test_h2_a_message_of_200_kb_closes_with_1009(server):
    with server.line() as line:
        line.send("x" * 200_000)
        with pytest.raises(ConnectionClosed) as closed:
            line.recv(timeout=20)
    assert closed.value.rcvd.code == 1009


def test_h15_no_frame_is_unpacked(server):
    """What a client would pack is sent as it is: a bomb is as large as what it holds."""
    with server.line(extensions=[ClientPerMessageDeflateFactory()]) as line:
        assert line.protocol.extensions == []


def test_who_does_not_say_hello_is_closed(server, monkeypatch):
    monkeypatch.setattr("strategos.server.web.sockets.HELLO_S", 0.1)
    for first in (None, '{"type": "move", "action": 1}', "not json", "[]"):
        with server.line() as line:
            if first is not None:
                line.send(first)
            assert json.loads(line.recv(timeout=20))["code"] == "forbidden"
            with pytest.raises(ConnectionClosed) as closed:
                line.recv(timeout=20)
            assert closed.value.rcvd.code == 1008


def test_who_is_gone_before_the_greeting_does_not_listen(server, monkeypatch):
    def gone(conversation: Conversation, ticket: Ticket) -> dict:
        raise WebSocketDisconnect(1006)

    token = server.create(DUEL)["token"]
    monkeypatch.setattr(Conversation, "_welcome", gone)
    for _ in range(LISTENERS + 1):
        with server.line() as line, pytest.raises(ConnectionClosed):
            line.send(json.dumps({"type": "hello", "token": token}))
            line.recv(timeout=20)
    monkeypatch.undo()
    with server.line() as line:
        line.send(json.dumps({"type": "hello", "token": token}))
        assert json.loads(line.recv(timeout=20))["type"] == "welcome"


def test_i2_a_token_that_is_not_good_is_refused(server):
    good = server.create(DUEL)["token"]
    for token in ("", "x", good[:-4] + "AAAA", good.split(".")[0] + ".e30.", "ä" * 40, 7, None):
        with server.line() as line:
            line.send(json.dumps({"type": "hello", "token": token}))
            answer = json.loads(line.recv(timeout=20))
            assert answer["type"] == "error" and answer["code"] in ("forbidden", "invalid")
            assert "Traceback" not in answer["message"] and "/" not in answer["message"]


@pytest.mark.parametrize(
    "message",
    [
        {"type": "move"},
        {"type": "move", "action": 1.0},
        {"type": "move", "action": True},
        {"type": "move", "action": "1"},
        {"type": "move", "action": -1},
        {"type": "move", "action": 10**9},
        {"type": "move", "action": 1 << 60},
        {"type": "act", "action": 0, "tick": 1.5},
        {"type": "act", "action": 0, "key": "k" * 200},
        {"type": "force", "on": 1},
        {"type": "chat", "text": 5},
        {"type": "chat", "text": "\u202egnp"},
        {"type": "chat", "text": "x" * 201},
        {"type": "no such"},
        {"type": ["move"]},
        {"action": 3},
    ],
    ids=str,
)
def test_i11_a_mistake_is_told_and_nothing_more(server, message):
    ticket = server.create(DUEL | {"agents": {"1": "random"}})
    with server.seat(ticket["token"]) as talk:
        talk.running()
        talk.socket.send(json.dumps(message))
        assert talk.until("error")["code"] in ("invalid", "late")
        talk.say(type="ping")
        assert talk.until("pong")


def test_frames_that_are_no_json_text_are_answered(server):
    ticket = server.create(DUEL | {"agents": {"1": "random"}})
    with server.seat(ticket["token"]) as talk:
        for frame in (
            b"\x00\xff",
            "{",
            "[1]",
            "[" * 6000 + "]" * 6000,
            '{"type": NaN}',
            "1" * 5000,
            '"text"',
        ):
            talk.socket.send(frame)
            assert talk.until("error")["code"] == "invalid"


def test_l4_too_many_messages_are_told_once_and_then_kicked(server):
    ticket = server.create(DUEL | {"agents": {"1": "random"}})
    with server.seat(ticket["token"]) as talk:
        told = []
        with pytest.raises(ConnectionClosed) as closed:
            for _ in range(int(MESSAGES_AT_ONCE) + 2000):
                talk.say(type="ping")
            while True:
                message = talk.hear()
                if message["type"] == "error":
                    told.append(message)
        while not told:
            message = json.loads(talk.socket.recv(timeout=5))
            if message["type"] == "error":
                told.append(message)
    assert closed.value.rcvd.code == 1008
    assert [each["code"] for each in told] == ["exhausted"]


def test_l6_chat_is_bounded_and_only_text(server):
    ann = server.create(DUEL)
    bob = server.join(ann["code"])
    with server.seat(ann["token"]) as one, server.seat(bob["token"]) as other:
        text = "<img src=x onerror=alert(1)>" + "y" * 100
        one.say(type="chat", text=text)
        heard = other.until("event", lambda event: event["kind"] == "chat")
        assert heard["data"]["text"] == text  # the page makes text of it, never markup
        for _ in range(30):
            one.say(type="chat", text="again")
        assert one.until("error")["code"] == "exhausted"
        one.say(type="ping")
        assert one.until("pong")


def test_c2_one_slow_reader_delays_nobody(tmp_path):
    """A socket that reads nothing fills its own line; the game goes on for all others, tick by tick."""
    with house(tmp_path / "host", send_bytes=4096) as server:
        ann = server.create(DUEL)
        bob = server.join(ann["code"])
        slow = socket.create_connection(("127.0.0.1", server.port))
        slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        greet_and_never_read(slow, server, ann["token"])
        with server.seat(ann["token"]) as one, server.seat(bob["token"]) as other:
            for talk in (one, other):
                talk.running()
            for tick in range(400):
                for talk in (one, other):
                    talk.say(type="move", action=talk.welcome["pass"])
                for talk in (one, other):
                    talk.until("state", lambda state, tick=tick: state["tick"] > tick)
                if tick % 30 == 29:
                    time.sleep(0.6)  # stay below the rate of one socket
            waiting = server.call(lambda: [box for box in mailboxes(server.hall) if box._changed])
            assert len(waiting) == 1, "the slow line was never full"
            assert len(waiting[0]._events) <= KEPT_EVENTS
        slow.close()


def mailboxes(hall) -> list:
    return [box for room in hall._lobby.rooms.values() for box in room.mailboxes]


def greet_and_never_read(line: socket.socket, server, token: str) -> None:
    """The handshake and the hello by hand: a client of its own would read ahead."""
    line.sendall(
        f"GET /ws HTTP/1.1\r\nHost: 127.0.0.1:{server.port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n\r\n".encode()
    )
    assert line.recv(12) == b"HTTP/1.1 101"
    hello = json.dumps({"type": "hello", "token": token}).encode()
    head = bytes([0x81, 0xFE]) + len(hello).to_bytes(2, "big") + bytes(4)
    line.sendall(head + hello)  # a mask of zeros


@pytest.fixture(scope="module")
def control(server):
    """A game that has to go on whatever the others send."""
    ticket = server.create(DUEL | {"agents": {"1": "random"}})
    with server.seat(ticket["token"]) as talk:
        talk.running()
        yield talk


FRAMES = st.one_of(
    st.binary(max_size=200),
    st.text(max_size=200),
    st.recursive(
        st.none() | st.booleans() | st.floats(allow_nan=False) | st.integers() | st.text(max_size=20),
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
        max_leaves=8,
    ).map(json.dumps),
    st.fixed_dictionaries(
        {"type": st.sampled_from(["move", "act", "undo", "chat", "force", "rematch", "full", "hello"])},
        optional={"action": st.integers() | st.text(), "tick": st.integers(), "number": st.integers()},
    ).map(json.dumps),
)


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(FRAMES, min_size=1, max_size=20))
def test_h1_fuzzed_frames_leave_other_games_alone(server, control, frames):
    tick = control.state["tick"]
    with server.line() as line:
        try:
            for frame in frames:
                line.send(frame)
        except ConnectionClosed:
            pass
    control.say(type="move", action=control.welcome["pass"])
    control.until("state", lambda state: state["tick"] > tick)


def test_the_page_knows_how_a_pass_is_written(server):
    ticket = server.create(DUEL | {"agents": {"1": "random"}})
    with server.seat(ticket["token"]) as talk:
        assert talk.welcome["pass"] == make_game("generals", height=8, width=8).pass_action


def test_h13_who_answers_no_ping_is_closed(tmp_path, monkeypatch):
    monkeypatch.setitem(serve.__globals__, "_PING_S", 0.1)
    with house(tmp_path / "host") as server:
        line = socket.create_connection(("127.0.0.1", server.port), timeout=60)
        greet_and_never_read(line, server, server.create(DUEL)["token"])
        got = b""
        while piece := line.recv(4096):
            got += piece
        line.close()
    ping, reason = b"\x89\x04", b"keepalive ping timeout"
    assert ping in got and b"\x88" + bytes([2 + len(reason)]) + (1011).to_bytes(2, "big") + reason in got


def test_the_end_of_the_server_closes_with_1012(tmp_path):
    with ExitStack() as stack:
        with house(tmp_path / "host") as server:
            lines = [stack.enter_context(server.line())]  # has not said hello
            lines.append(stack.enter_context(server.seat(server.create(DUEL)["token"])).socket)
        for line in lines:
            with pytest.raises(ConnectionClosed) as closed:
                while True:
                    line.recv(timeout=60)
            assert closed.value.rcvd.code == 1012
