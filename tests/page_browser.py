"""A headless Chromium for the tests of the page: it plays like a person, and notes what one would not."""

from __future__ import annotations

import io
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest
from PIL import Image

CHROMIUM = next(
    (found for name in ("chromium", "chromium-browser", "google-chrome") if (found := shutil.which(name))),
    None,
)
WAIT_MS = 120_000
"""A busy machine draws slowly; nothing here asserts a time."""


@contextmanager
def browser() -> Iterator[Any]:
    """Playwright driving the Chromium of this machine; skips where there is none."""
    playwright = pytest.importorskip("playwright.sync_api", reason="no playwright to drive a browser")
    if CHROMIUM is None:
        pytest.skip("no chromium on this machine to draw the page")
    with playwright.sync_playwright() as driver:
        started = driver.chromium.launch(
            executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"], timeout=WAIT_MS
        )
        try:
            yield started
        finally:
            started.close()


class Watched:
    """A page, and what went wrong on it: errors, refused loads, requests to other hosts."""

    def __init__(self, started: Any, url: str, width: int = 1280, height: int = 860, **options: Any) -> None:
        self.context = started.new_context(
            viewport={"width": width, "height": height}, reduced_motion="reduce", **options
        )
        self.context.set_default_timeout(WAIT_MS)
        self.page = self.context.new_page()
        self.url = url
        self.problems: list[str] = []
        self.page.on("pageerror", lambda error: self.problems.append(f"error: {error}"))
        self.page.on("console", self._console)
        self.page.on("request", self._request)

    def _console(self, message: Any) -> None:
        if message.type == "error" and "status of" not in message.text:  # a refusal is told to the person
            self.problems.append(f"console: {message.text}")

    def _request(self, request: Any) -> None:
        if not request.url.startswith((self.url, "data:")):
            self.problems.append(f"another host: {request.url}")

    def go(self, place: str = "/") -> Any:
        """Open a place of the page."""
        self.page.goto(self.url + place, wait_until="load")
        return self.page

    def fits(self) -> bool:
        """Whether nothing sticks out at the side."""
        return self.page.evaluate(
            "document.documentElement.scrollWidth <= document.documentElement.clientWidth"
        )

    def pixels(self, selector: str) -> np.ndarray:
        """[pixels, 3] uint8: a picture of an element."""
        picture = Image.open(io.BytesIO(self.page.locator(selector).screenshot())).convert("RGB")
        return np.asarray(picture).reshape(-1, 3)

    def close(self) -> None:
        """Close the page; it had no problems."""
        self.context.close()
        assert not self.problems, self.problems


@contextmanager
def watched(started: Any, url: str, **options: Any) -> Iterator[Watched]:
    """A page that must have had no problems in the end."""
    page = Watched(started, url, **options)
    try:
        yield page
    except BaseException:
        page.context.close()
        raise
    page.close()


def until(page: Any, expression: str) -> None:
    """Wait until something is true on the page. Playwright's own way evaluates text on the page, which the
    page's policy forbids."""
    ends = time.monotonic() + WAIT_MS / 1000
    while not page.evaluate(expression):
        assert time.monotonic() < ends, f"never true: {expression}"
        page.wait_for_timeout(20)


def tab_to(page: Any, name: str, most: int = 80) -> None:
    """Press the tabulator until the element called `name` has the focus."""
    for _ in range(most):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.id") == name:
            return
    raise AssertionError(f"no way to #{name} with the keyboard")
