"""What the tests of the page begin with: one server and one browser for the tests of a file."""

from __future__ import annotations

import pytest
from page_browser import browser
from web_house import house


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with house(tmp_path_factory.mktemp("page") / "host") as running:
        yield running


@pytest.fixture(scope="module")
def chromium():
    with browser() as started:
        yield started
