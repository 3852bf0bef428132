"""The files of the page, read once into memory; no request ever names a file of the disk."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

from strategos.evaluate.player import WEB as REPLAY_PLAYER

STATIC = Path(__file__).parent / "static"
_KINDS = {
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".svg": "image/svg+xml",
}
_PLAYER_FILES = ("player.js", "player.css")
"""Of the replay player of the reports, which draws the tiles of the live board, too."""


@dataclass(frozen=True)
class PageFile:
    """One file as it is sent."""

    content: bytes
    kind: str
    etag: str


def read_files() -> dict[str, PageFile]:
    """Every file of the page by its name."""
    paths = [path for path in sorted(STATIC.iterdir()) if path.suffix in _KINDS]
    paths += [REPLAY_PLAYER / name for name in _PLAYER_FILES]
    return {path.name: _page_file(path) for path in paths}


def _page_file(path: Path) -> PageFile:
    content = path.read_bytes()
    return PageFile(content, _KINDS[path.suffix], f'"{hashlib.sha256(content).hexdigest()[:24]}"')
