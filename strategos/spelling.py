"""The known word that somebody may have meant. Imports nothing of the house: every room may use it."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches


def nearest(word: str, known: Iterable[str], cutoff: float = 0.5, then: str = "") -> str:
    """`; did you mean 'X'?` for the known word nearest to `word`, or nothing; `cutoff` as in `difflib`.

    `then` ends the line: a sentence of its own behind the question, `; then` where there is none.
    """
    close = get_close_matches(word, list(known), n=1, cutoff=cutoff)
    if close:
        return f"; did you mean {close[0]!r}? {then[:1].upper()}{then[1:]}".rstrip()
    return f"; {then}" if then else ""
