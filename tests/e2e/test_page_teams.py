"""Two against two on the page: the form, a team of one's choice, the waiting room, the scores."""

from __future__ import annotations

import os
from pathlib import Path

from page_browser import tab_to, until, watched

KEPT = os.environ.get("STRATEGOS_PICTURES")


def open_room(page, *, people: bool) -> None:
    """Fill in the form: two teams of two, chosen with the keyboard; a private room."""
    page.wait_for_selector("#opponent option[value=random], #with", state="attached")
    page.select_option("#with", "people" if people else "agents")
    page.select_option("#players", "4")
    page.select_option("#size", "8")
    page.select_option("#pace", "steps")
    tab_to(page, "team")
    page.keyboard.press("ArrowDown")
    assert page.input_value("#team") == "2"
    assert page.text_content("#team option:checked") == "2 teams of 2"
    page.check("#private")


def keep(page, name: str) -> None:
    if KEPT:
        page.screenshot(path=str(Path(KEPT) / f"page-{name}.png"))


def test_friends_choose_their_teams_and_one_team_wins(server, chromium):
    with watched(chromium, server.url) as seen, watched(chromium, server.url) as other:
        page = seen.go()
        page.fill("#name", "ann")
        open_room(page, people=True)
        keep(page, "teams")
        page.click("#start")
        code = page.text_content("#room-code")
        assert "1. ann, team 1 (you)" in page.text_content("#waiting")
        assert "4. free, team 2" in page.text_content("#waiting")

        friend = other.go(f"/#/join/{code}")
        friend.fill("#name", "bob")
        friend.press("#code", "Enter")
        until(friend, "document.activeElement.id === 'team-to-join'")  # the keyboard is led there
        choices = friend.locator("#team-to-join option").all_text_contents()
        assert choices == ["team 1 · ann · 1 free", "team 2 · 2 free"]
        friend.keyboard.press("ArrowDown")
        keep(friend, "team-to-join")
        tab_to(friend, "join-now")
        friend.keyboard.press("Enter")
        friend.wait_for_selector("#waiting li:has-text('(you)')")
        assert "3. bob, team 2 (you)" in friend.text_content("#waiting")

        server.join(code, "dan", team=0)
        eve = server.join(code, "eve", team=1)["token"]
        for each in (page, friend):
            each.wait_for_selector("#board[data-tick]")
        friend.click("#surrender")
        friend.click("#surrender")
        server.call(server.hall.surrender, eve)
        for each, said in ((page, "Your team wins"), (friend, "Your team loses")):
            each.wait_for_selector("#outcome")
            assert each.text_content("#outcome") == said


def test_the_mate_plays_on_when_one_gives_up(server, chromium):
    with watched(chromium, server.url) as seen:
        page = seen.go()
        page.fill("#name", "ann")
        open_room(page, people=False)
        page.select_option("#opponent", "random")
        page.click("#start")
        page.wait_for_selector("#board[data-tick]")
        assert page.text_content("#scores th:nth-child(2)") == "team"
        assert page.locator("#scores td:nth-child(2)").all_text_contents() == ["1", "1", "2", "2"]
        keep(page, "teams-board")
        token = page.evaluate("JSON.parse(localStorage.getItem('strategos.tickets'))[0].token")
        room = server.call(server.hall.check, token).room
        assert server.call(server.hall.game_of, room).options["teams"] == (0, 0, 1, 1)
        page.click("#surrender")
        page.click("#surrender")
        page.wait_for_selector("#scores tr.dead")  # the mate plays on
