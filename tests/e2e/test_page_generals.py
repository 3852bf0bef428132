"""Generals on the page, in a real browser: a whole game, the keyboard alone, a phone, watching, names."""

from __future__ import annotations

import gc

import numpy as np
import pytest
from page_browser import tab_to, until, watched
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from web_house import DUEL, house

from strategos.play.agents import load_policy
from strategos.server.rooms.agents import Answer, Ask

OWN, FOG = (0, 114, 178), (27, 33, 44)
ARROWS = ("ArrowUp", "ArrowDown", "ArrowLeft", "ArrowRight")
NASTY = "<img src=x onerror=hacked=1>"


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with house(tmp_path_factory.mktemp("page") / "host", spectator_delay_ticks=3) as running:
        yield running


def share(pixels: np.ndarray, colour: tuple[int, int, int]) -> float:
    return float((np.abs(pixels.astype(int) - colour).max(axis=1) <= 6).mean())


def choose(page, opponent: str = "random", pace: str = "steps", size: str = "8") -> None:
    """Fill in the lobby's form."""
    page.click("#game-generals")
    page.wait_for_selector(f"#opponent option[value={opponent}]", state="attached")
    page.select_option("#opponent", opponent)
    page.select_option("#size", size)
    page.select_option("#pace", pace)


def begin(page, **choices: str) -> None:
    """From the lobby to the first board."""
    choose(page, **choices)
    page.click("#start")
    page.wait_for_selector("#board[data-tick]")


def token_of(page) -> str:
    return page.evaluate("JSON.parse(localStorage.getItem('strategos.tickets'))[0].token")


def middle(page, cell: int) -> tuple[float, float]:
    """Where on the screen the middle of a tile of an 8 x 8 board is."""
    box = page.locator("#board").bounding_box()
    side = box["width"] / 8
    return box["x"] + (cell % 8 + 0.5) * side, box["y"] + (cell // 8 + 0.5) * side


def test_a_whole_game_with_mouse_and_keys_its_replay_and_the_ranks(server, chromium):
    hunter, rng = load_policy("hunter"), np.random.default_rng(1)
    with watched(chromium, server.url) as seen:
        page = seen.go()
        page.fill("#name", "ann")
        begin(page)
        assert share(seen.pixels("#board"), FOG) > 0.3
        token = token_of(page)
        while True:
            now = server.call(server.hall.snapshot, token)
            if now.phase == "over":
                break
            action = int(hunter.act(now.view[None], now.mask[None], now.memory[None], rng)[0])
            if action == 8 * 64:
                page.keyboard.press("Space")
            else:
                page.mouse.click(*middle(page, action // 8))
                if action % 2:
                    page.keyboard.press("z")
                page.keyboard.press(ARROWS[action % 8 // 2])
            until(page, f"Number(document.querySelector('#board').dataset.tick) > {now.tick}")
        assert page.text_content("#outcome") == "You win" and "null" not in page.text_content("#end")
        assert share(seen.pixels("#board"), OWN) > 0.1
        page.click("#to-replay")
        page.wait_for_selector("#replay canvas.field[data-tick]")
        assert len(np.unique(seen.pixels("#replay canvas.field"), axis=0)) > 8
        page.keyboard.press("End")
        until(page, "document.querySelector('#replay .clock').textContent.includes('ann wins')")
        page.click("a[data-page=ranks]")
        page.wait_for_selector("#ranks-generals td:has-text('ann')")
        page.select_option("#mode-generals", "teams")
        page.wait_for_selector("#ranks-generals td:has-text('no public game')")
        page.select_option("#mode-generals", "1v1")
        page.wait_for_selector("#ranks-generals td:has-text('ann')")
        page.click("a[data-page=games]")
        page.wait_for_selector("#recorded td:has-text('1. ann')")


def test_a_game_in_which_the_agent_failed_says_that_it_is_not_rated(server, chromium):
    with watched(chromium, server.url) as seen:
        page = seen.go()
        page.fill("#name", "eve")
        begin(page)
        room = server.call(server.hall.check, token_of(page)).room
        server.call(server.hall._clockwork.answered, [Answer(Ask(room, 1, 0), -1, "gave no answer")])
        page.wait_for_selector("#unrated")
        assert page.text_content("#outcome") == "You win"
        assert page.text_content("#unrated") == "This game is not rated: an agent has failed."


def test_the_keyboard_alone_is_enough(server, chromium):
    with watched(chromium, server.url) as seen:
        page = seen.go()
        choose(page)
        page.reload()  # the choices are remembered; from here on no mouse
        page.wait_for_selector("#opponent option[value=random]", state="attached")
        tab_to(page, "name")
        page.keyboard.type("kay")
        tab_to(page, "start")
        outline = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
        assert outline != "none"  # one sees where one is
        page.keyboard.press("Enter")
        page.wait_for_selector("#board[data-tick]")
        until(page, "document.activeElement.id === 'board'")
        home = page.get_attribute("#board", "data-cursor")
        label = page.get_attribute("#board", "aria-label")
        assert "turn 0" in label and "1 army on 1 tiles" in label
        for arrow, back in zip(ARROWS, (1, 0, 3, 2), strict=True):
            page.keyboard.press(f"Shift+{arrow}")
            if page.get_attribute("#board", "data-cursor") != home:
                assert "Row" in page.text_content("#live")
                page.keyboard.press(f"Shift+{ARROWS[back]}")
        assert page.get_attribute("#board", "data-cursor") == home
        assert "your general" in page.text_content("#live")
        page.focus(".skip")
        page.keyboard.press("Enter")  # past the top, not out of the game
        until(page, "document.activeElement.id === 'view'")
        tab_to(page, "board")
        for tick in range(6):
            page.keyboard.press("Space")
            until(page, f"Number(document.querySelector('#board').dataset.tick) > {tick}")
        tab_to(page, "surrender")
        page.keyboard.press("Enter")
        page.keyboard.press("Enter")
        page.wait_for_selector("#outcome")
        assert page.text_content("#outcome") == "You lose"
        assert "You lose" in page.text_content("#live")
        tab_to(page, "rematch")
        page.keyboard.press("Enter")
        until(page, "document.querySelector('#board')?.dataset.tick === '0'")
        seen.go("/#/")
        for left in (1, 0):
            page.focus("#mine button")
            page.keyboard.press("Enter")
            assert page.locator("#mine button").count() == left
            assert page.evaluate("document.activeElement.tagName") == ("A" if left else "INPUT")


def test_the_queue_is_drawn_taken_back_and_cleared(server, chromium):
    with watched(chromium, server.url) as seen:
        page = seen.go()
        ticket = server.create(
            DUEL | {"agents": {"1": "random"}, "pace": {"kind": "real_time", "seconds": 60}}
        )
        page.evaluate("ticket => localStorage.setItem('strategos.tickets', JSON.stringify([ticket]))", ticket)
        page = seen.go(f"/#/room/{ticket['room']}")
        page.reload()
        page.wait_for_selector("#board[data-tick]")
        cursor = page.get_attribute("#board", "data-cursor")
        marched = 0
        for arrow in (*ARROWS, *ARROWS):
            page.keyboard.press(arrow)
            now = page.get_attribute("#board", "data-cursor")
            marched += now != cursor
            cursor = now
        assert marched >= 4
        until(page, f"document.querySelector('#board').dataset.queue === '{marched}'")
        deadline_queue = server.call(lambda: len(server.hall.snapshot(ticket["token"]).queue))
        assert deadline_queue == marched
        page.keyboard.press("e")
        until(page, f"document.querySelector('#board').dataset.queue === '{marched - 1}'")
        page.reload()  # the server keeps the queue
        until(page, f"document.querySelector('#board')?.dataset.queue === '{marched - 1}'")
        page.keyboard.press("q")
        until(page, "document.querySelector('#board').dataset.queue === '0'")
        assert server.call(lambda: len(server.hall.snapshot(ticket["token"]).queue)) == 0


def test_on_a_phone_everything_fits_and_two_fingers_zoom(server, chromium):
    with watched(chromium, server.url, width=390, height=844, has_touch=True, is_mobile=True) as seen:
        page = seen.go()
        page.wait_for_selector("#opponent option[value=random]", state="attached")
        assert seen.fits()
        for place in ("ranks", "games"):
            page.click(f"a[data-page={place}]")
            page.wait_for_selector("table")
            assert seen.fits(), place
        page.click("a[data-page=lobby]")
        begin(page)
        assert seen.fits()
        box = page.locator("#board").bounding_box()
        assert box["width"] <= 390 and box["width"] > 300
        fingers = page.context.new_cdp_session(page)
        x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2

        def touch(kind: str, apart: float) -> None:
            points = [{"x": x - apart, "y": y, "id": 0}, {"x": x + apart, "y": y, "id": 1}]
            fingers.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points if apart else []})

        touch("touchStart", 30)
        for apart in (40, 60, 80, 100):
            touch("touchMove", apart)
        touch("touchEnd", 0)
        until(page, "Number(document.querySelector('#board').dataset.zoom) > 2")
        tick = page.get_attribute("#board", "data-tick")
        page.tap("#wait")
        until(page, f"document.querySelector('#board').dataset.tick !== '{tick}'")


def test_l7_a_name_is_text_and_nothing_else(server, chromium):
    ticket = server.create(DUEL, name=NASTY)
    with watched(chromium, server.url) as seen:
        page = seen.go(f"/#/join/{ticket['code']}")
        page.wait_for_selector("#rooms li")
        page.fill("#name", "bob")
        page.click("#join button[type=submit]")
        page.wait_for_selector("#board[data-tick]")
        assert NASTY in page.text_content("#scores")
        with server.seat(ticket["token"]) as other:
            other.running()
            other.say(type="chat", text=f"hello {NASTY}")
            page.wait_for_selector("#said li:has-text('hello')")
        assert NASTY in page.text_content("#said")
        assert page.evaluate("window.hacked") is None and page.locator("#view img").count() == 0


def test_a_room_for_friends_is_joined_by_its_code_and_watched(server, chromium):
    with watched(chromium, server.url) as one, watched(chromium, server.url) as other:
        page = one.go()
        choose(page)
        page.select_option("#with", "people")
        page.check("#private")
        page.click("#start")
        code = page.text_content("#room-code")
        friend = other.go()
        friend.fill("#name", "friend")
        friend.fill("#code", code)
        friend.click("#join button[type=submit]")
        for each in (page, friend):
            each.wait_for_selector("#board[data-tick]")
            each.keyboard.press("Space")
        until(page, "Number(document.querySelector('#board').dataset.tick) === 1")
        friend.goto(f"{server.url}/#/watch/{code}")
        friend.wait_for_selector(".bar:has-text('you are watching')")
        for tick in range(1, 5):
            page.keyboard.press("Space")
            ticket = server.call(lambda: server.hall._lobby.find(code))
            server.call(act_for_absent, server.hall, ticket)
            until(page, f"Number(document.querySelector('#board').dataset.tick) > {tick}")
        friend.wait_for_selector("#board[data-fogged='0']")
        assert friend.locator("#surrender").count() == 0
        tab_to(friend, "board")  # who watches reads the board with the keyboard, too
        for arrow, cell in (("ArrowRight", "0"), ("ArrowRight", "1"), ("ArrowLeft", "0"), ("ArrowUp", "0")):
            friend.keyboard.press(arrow)
            assert friend.get_attribute("#board", "data-cursor") == cell
        assert "Row 1, column 1" in friend.text_content("#live")


def act_for_absent(hall, room) -> None:
    """Whoever has not moved yet passes."""
    for number in room.waiting_for():
        room.enqueue(room.order[number], room.game.pass_action, -1, 10)
    hall._clockwork.moved(room)


def test_the_page_comes_back_when_the_line_breaks(server, chromium):
    ticket = server.create(DUEL | {"agents": {"1": "random"}})
    with watched(chromium, server.url) as seen:
        page = seen.go()
        page.evaluate("ticket => localStorage.setItem('strategos.tickets', JSON.stringify([ticket]))", ticket)
        seen.go(f"/#/room/{ticket['room']}")
        page.reload()
        page.wait_for_selector("#board[data-tick='0']")
        server.call(cut_all_sockets, server)
        page.keyboard.press("Space")
        page.wait_for_timeout(400)
        until(page, "document.querySelector('.line').hidden")
        page.keyboard.press("Space")
        until(page, "Number(document.querySelector('#board').dataset.tick) > 0")


def cut_all_sockets(server) -> None:
    """What a bad line does: every WebSocket of the entrance is gone at once."""
    for each in gc.get_objects():
        if issubclass(type(each), WebSocketsSansIOProtocol) and each.transport is not None:
            each.transport.abort()
