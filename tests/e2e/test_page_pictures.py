"""Pictures of the page, looked at by a program: drawn, in the right colours, not too large.

With `STRATEGOS_PICTURES=docs/images` they are kept: those in the documentation were made so.
"""

from __future__ import annotations

import io
import os
from pathlib import Path

import numpy as np
from page_browser import until, watched
from PIL import Image

from strategos.play.agents import load_policy

KEPT = os.environ.get("STRATEGOS_PICTURES")
LARGEST = 200_000
GROUND, ACCENT = (16, 20, 27), (240, 180, 41)


def take(page, name: str) -> np.ndarray:
    """[pixels, 3]: a picture of what is on the screen; kept where that was asked for."""
    content = page.screenshot()
    picture = Image.open(io.BytesIO(content)).convert("RGB")
    small = io.BytesIO()
    picture.save(small, "PNG", optimize=True)
    assert len(small.getvalue()) <= LARGEST, name
    if KEPT:
        Path(KEPT).mkdir(parents=True, exist_ok=True)
        (Path(KEPT) / f"page-{name}.png").write_bytes(small.getvalue())
    pixels = np.asarray(picture).reshape(-1, 3)
    assert len(np.unique(pixels, axis=0)) > 30, f"{name} is blank"
    assert share(pixels, GROUND) > 0.02, f"{name} is not on dark ground"
    return pixels


def share(pixels: np.ndarray, colour: tuple[int, int, int]) -> float:
    return float((np.abs(pixels.astype(int) - colour).max(axis=1) <= 6).mean())


def play_generals(server, page, ticks: int, size: int, seed: int) -> None:
    """Some moves of the hunter for the person at the page, sent as the page sends them."""
    hunter, rng = load_policy("hunter"), np.random.default_rng(seed)
    token = page.evaluate("JSON.parse(localStorage.getItem('strategos.tickets'))[0].token")
    for _ in range(ticks):
        now = server.call(server.hall.snapshot, token)
        if now.phase != "running":
            break
        action = int(hunter.act(now.view[None], now.mask[None], now.memory[None], rng)[0])
        server.call(server.hall.enqueue, token, action)
        until(page, f"Number(document.querySelector('#board').dataset.tick) > {now.tick}")


def begin_generals(page, size: str = "8", players: str = "2") -> None:
    page.wait_for_selector("#opponent option[value=hunter]", state="attached")
    page.fill("#name", "ann")
    page.select_option("#opponent", "hunter")
    page.select_option("#size", size)
    page.select_option("#players", players)
    page.select_option("#pace", "steps")
    page.click("#start")
    page.wait_for_selector("#board[data-tick]")


def test_the_lobby_and_a_game_of_generals(server, chromium):
    with watched(chromium, server.url, width=1280, height=800) as seen:
        page = seen.go()
        page.wait_for_selector("#opponent option[value=hunter]", state="attached")
        page.fill("#name", "ann")
        assert share(take(page, "lobby"), ACCENT) > 0.002
        begin_generals(page, size="16" if KEPT else "8", players="3" if KEPT else "2")
        play_generals(server, page, 110 if KEPT else 40, 8, 3)
        for arrow in ("ArrowUp", "ArrowRight", "ArrowRight", "ArrowDown"):
            page.keyboard.press(f"Shift+{arrow}")
        pixels = take(page, "generals")
        assert share(pixels, (0, 114, 178)) > 0.005 and share(pixels, (27, 33, 44)) > 0.02


def test_a_table_of_blob(server, chromium):
    with watched(chromium, server.url, width=1280, height=800) as seen:
        page = seen.go()
        page.fill("#name", "ann")
        page.click("#game-blob")
        page.wait_for_selector("#opponent option[value=heuristic]", state="attached")
        page.select_option("#seats", "4")
        page.select_option("#cards", "6")
        page.select_option("#rounds", "one")
        page.click("#start")
        for _ in range(4):
            page.wait_for_selector("#bids button:not(:disabled), #hand button:not(:disabled)")
            bids = page.locator("#bids button:not(:disabled)")
            (bids if bids.count() else page.locator("#hand button:not(:disabled)")).last.click()
        page.wait_for_selector("#hand button:not(:disabled)")
        assert share(take(page, "blob"), (246, 243, 234)) > 0.01


def test_a_phone(server, chromium):
    with watched(chromium, server.url, width=390, height=844, has_touch=True) as seen:
        page = seen.go()
        page.wait_for_selector("#opponent option[value=hunter]", state="attached")
        page.fill("#name", "ann")
        begin_generals(page, size="12" if KEPT else "8")
        play_generals(server, page, 80 if KEPT else 20, 8, 5)
        assert share(take(page, "phone"), (0, 114, 178)) > 0.01
        assert seen.fits()
