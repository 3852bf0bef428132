"""Blob on the page, in a real browser: a whole game with the keyboard, its replay, people and a phone."""

from __future__ import annotations

import numpy as np
from page_browser import until, watched
from web_house import TABLE

TURN = "#bids button:not(:disabled), #hand button:not(:disabled)"


def begin(page, players: str, cards: str, rounds: str) -> None:
    """From the lobby to the table."""
    page.click("#game-blob")
    page.wait_for_selector("#opponent option[value=heuristic]", state="attached")
    page.select_option("#opponent", "heuristic")
    page.select_option("#seats", players)
    page.select_option("#cards", cards)
    page.select_option("#rounds", rounds)
    page.click("#start")
    page.wait_for_selector("#scores")


def play_on(page) -> bool:
    """One move with the keyboard; False once the game is over."""
    page.wait_for_selector(f"{TURN}, #outcome:visible")
    if page.locator("#outcome:visible").count():
        return False
    tick = page.get_attribute(".page-room", "data-tick")
    bid = page.locator("#bids button:not(:disabled)")
    if bid.count():
        page.keyboard.press(bid.first.get_attribute("data-bid"))
    else:
        if page.evaluate("!document.activeElement.closest('#hand')"):
            page.keyboard.press("ArrowRight")
        page.keyboard.press("Enter")
    until(page, f"document.querySelector('.page-room').dataset.tick !== '{tick}'")
    return True


def test_a_whole_game_with_the_keyboard_and_its_replay(server, chromium):
    with watched(chromium, server.url) as seen:
        page = seen.go()
        page.fill("#name", "ann")
        begin(page, "3", "2", "all")
        rounds, said = set(), set()
        while play_on(page):
            rounds.add(page.text_content("#facts").split(" of ")[0])
            said.add(page.text_content("#live"))
        assert len(rounds) >= 4
        assert any("plays" in words or "Your turn" in words for words in said)
        assert "Round 1:" in page.text_content("#said")
        assert page.locator("#scores tbody tr").count() == 3
        standings = page.locator("#scores tbody td:last-child").all_text_contents()
        assert page.text_content("#outcome")
        page.click("#to-replay")
        page.wait_for_selector("#frame")
        moves = int(page.text_content("#frame").split(" of ")[1])
        shown = set()
        for _ in range(moves):
            page.keyboard.press("ArrowRight")
            shown.add(page.text_content("#words"))
        assert page.text_content("#frame") == f"move {moves} of {moves}"
        assert sum("The round is over" in words for words in shown) >= 4
        assert page.locator("#scores tbody td:last-child").all_text_contents() == standings


def test_the_hand_can_be_read_and_only_legal_cards_played(server, chromium):
    ticket = server.create(TABLE | {"agents": {"1": "random", "2": "random"}})
    with watched(chromium, server.url) as seen:
        page = seen.go()
        page.evaluate("ticket => localStorage.setItem('strategos.tickets', JSON.stringify([ticket]))", ticket)
        seen.go(f"/#/room/{ticket['room']}")
        page.reload()
        page.wait_for_selector("#bids button:not(:disabled)")
        now = server.call(server.hall.snapshot, ticket["token"])
        hand = {card for card in range(52) if int(now.view["hand"]) >> card & 1}
        cards = page.locator("#hand button")
        assert {int(cards.nth(place).get_attribute("data-card")) for place in range(cards.count())} == hand
        labels = [cards.nth(place).get_attribute("aria-label") for place in range(cards.count())]
        assert all(" of " in label for label in labels)
        assert len(np.unique(seen.pixels("#hand"), axis=0)) > 8
        while play_on(page):
            now = server.call(server.hall.snapshot, ticket["token"])
            if now.phase == "running" and now.mask.any():
                page.wait_for_selector(TURN)
                legal = set(np.flatnonzero(np.unpackbits(now.mask, bitorder="little")).tolist())
                open_cards = page.locator("#hand button:not(:disabled)")
                shown = {
                    int(open_cards.nth(place).get_attribute("data-card"))
                    for place in range(open_cards.count())
                }
                assert shown <= legal


def test_on_a_phone_the_table_fits(server, chromium):
    with watched(chromium, server.url, width=390, height=844, has_touch=True, is_mobile=True) as seen:
        page = seen.go()
        begin(page, "8", "6", "one")
        page.wait_for_selector(TURN)
        assert seen.fits()
        assert page.locator("#hand button").count() == 6
        page.tap("#bids button:not(:disabled)")
        page.wait_for_selector("#hand button:not(:disabled)")
        assert seen.fits()


def test_a_spectator_sees_the_table_and_no_hand(server, chromium):
    ticket = server.create(TABLE | {"agents": {"1": "random", "2": "random"}})
    with server.seat(ticket["token"]) as talk, watched(chromium, server.url) as seen:
        talk.running()
        page = seen.go(f"/#/watch/{ticket['code']}")
        page.wait_for_selector(".bar:has-text('you are watching')")
        assert page.locator("#hand button").count() == 0 and page.locator("#bids button").count() == 0
        while not talk.state["table"]["legal"]:
            talk.until("state")
        talk.say(type="act", action=talk.state["table"]["legal"][0])
        until(page, "document.querySelector('#trick').dataset.shown > 0")


def test_a_spectator_waits_with_the_players(server, chromium):
    ticket = server.create(TABLE)
    with watched(chromium, server.url) as seen:
        page = seen.go(f"/#/watch/{ticket['code']}")
        page.wait_for_selector("#waiting h2:has-text('1 of')")
        assert "null" not in page.text_content("#waiting") and page.locator("#force").count() == 0


def test_people_wait_for_each_other_and_may_start_early(server, chromium):
    with watched(chromium, server.url) as seen:
        page = seen.go()
        page.click("#game-blob")
        page.select_option("#with", "people")
        page.select_option("#seats", "4")
        page.click("#start")
        code = page.text_content("#room-code")
        tokens = [server.join(code, name)["token"] for name in ("bob", "cay")]
        page.wait_for_selector("#waiting h2:has-text('3 of 4')")
        page.click("#force")
        for token in tokens:  # enough of them is enough
            if server.call(server.hall.snapshot, token).phase == "open":
                server.call(server.hall.force, token, True)
        page.wait_for_selector("#scores")
        names = page.text_content("#scores")
        assert "bob" in names and "cay" in names
